"""What the terminal showed, as plain text: what a bar wrote and took back is not in it."""

from collections.abc import Sequence

import pyte

from labcheck.recording.studio import Shot
from labcheck.recording.tape import PROMPT


def transcript(shots: Sequence[Shot]) -> str:
    """Return each command and what it left on the screen, as the guides show it."""
    return "\n".join(f"{PROMPT}{shot.scene.command}\n{shown(shot.performance.text)}" for shot in shots)


def shown(text: str) -> str:
    """Return what a terminal shows in the end of what was written to it, line by line, whole.

    A line longer than the recorded terminal's is one line here: the terminal is as large as the text needs.
    """
    lines = text.splitlines()
    if not lines:
        return ""
    screen = pyte.Screen(columns=max(map(len, lines)) + 1, lines=len(lines) + 1)
    pyte.Stream(screen).feed(text)
    return "\n".join(line.rstrip() for line in screen.display).rstrip() + "\n"
