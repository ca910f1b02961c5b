"""The timeline: outputs, markers and subtitles, with time to read.

The programs answer in milliseconds. Here every command waits until what is said about it could be read, and
each later command of a step until the lines before it could; a longer wait of the program's own is cut down.
"""

import itertools
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from labcheck.recording.pseudo_terminal import Line
from labcheck.recording.studio import Shot

PROMPT = "$ "
# The longest wait of a program that is shown as it was.
IDLE_LIMIT_S = 2.0
# A subtitle has two lines of 42 characters at most, read at 15 characters a second: what is usual for adults,
# with some time left for the terminal above.
CUE_COLUMNS, CUE_LINES = 42, 2
READING_CHARACTERS_S = 15.0
SHORTEST_CUE_S = 1.6
# For what is on the screen, before another command.
PAUSE_S, PAUSE_PER_LINE_S, LONGEST_PAUSE_S = 0.8, 0.12, 4.0
# Not after the label of what follows: «Paso 2.», «Predicción.».
_SENTENCE_END = re.compile(
    r"(?<!^Predicción\.)(?<!^Paso \d\.)(?<!^Paso \d\d\.)(?<=[.:;?!»)])\s+(?=[¿¡«(]?[A-ZÁÉÍÓÚÑ0-9])"
)
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle, of `CUE_LINES` lines at most; times are seconds from the start."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Marker:
    at_s: float
    label: str


@dataclass(slots=True)
class Tape:
    """A take laid out in time: what the terminal shows, where each scene begins, and what is said."""

    title: str
    outputs: list[Line] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    cues: list[Cue] = field(default_factory=list)
    duration_s: float = 0.0

    @property
    def longest_wait_s(self) -> float:
        times = [0.0, *(line.at_s for line in self.outputs), self.duration_s]
        return max(later - earlier for earlier, later in itertools.pairwise(times))


def lay_out(title: str, shots: Sequence[Shot]) -> Tape:
    """Return the tape of a take."""
    tape = Tape(title)
    for shot in shots:
        scene = shot.scene
        tape.markers.append(Marker(tape.duration_s, scene.title))
        _show(tape, "\r\n" + PROMPT if tape.outputs else PROMPT)
        _say(tape, [scene.title, *scene.before])
        _show(tape, scene.command + "\r\n")
        unread = _play(tape, shot.performance.lines)
        read_at_s = tape.duration_s + _pause_s(unread)
        tape.duration_s += PAUSE_S
        _say(tape, scene.after)
        tape.duration_s = max(tape.duration_s + PAUSE_S, read_at_s)
    _show(tape, "")  # its last moment: a player's end is that of the last event
    return tape


def cue_texts(paragraphs: Iterable[str]) -> list[tuple[str, ...]]:
    """Return paragraphs cut into subtitles: each sentence begins one, and a long one goes on in the next."""
    texts = []
    for paragraph in paragraphs:
        for sentence in _SENTENCE_END.split(paragraph):
            lines = _balanced(sentence)
            texts += [tuple(lines[at : at + CUE_LINES]) for at in range(0, len(lines), CUE_LINES)]
    return texts


def _balanced(sentence: str) -> list[str]:
    """Return a sentence in as few lines as it needs, each as long as the others, so that no word is alone."""
    lines = _wrapped(sentence, CUE_COLUMNS)
    for columns in range(CUE_COLUMNS - 1, 0, -1):
        narrower = _wrapped(sentence, columns)
        if len(narrower) > len(lines):
            break
        lines = narrower
    return lines


def _wrapped(sentence: str, columns: int) -> list[str]:
    return textwrap.wrap(sentence, columns, break_long_words=False, break_on_hyphens=False)


def reading_s(text: str) -> float:
    return max(SHORTEST_CUE_S, len(text) / READING_CHARACTERS_S)


def _show(tape: Tape, text: str) -> None:
    tape.outputs.append(Line(tape.duration_s, text))


def _say(tape: Tape, paragraphs: Sequence[str]) -> None:
    for lines in cue_texts(paragraphs):
        end_s = tape.duration_s + reading_s(" ".join(lines))
        tape.cues.append(Cue(tape.duration_s, end_s, lines))
        _show(tape, "")  # an event, so that a player that cuts long waits finds none
        tape.duration_s = end_s


def _pause_s(unread_lines: int) -> float:
    return min(PAUSE_S + PAUSE_PER_LINE_S * unread_lines, LONGEST_PAUSE_S)


def _play(tape: Tape, lines: Sequence[Line]) -> int:
    """Show the lines, and return how many of them there was no time to read."""
    before_s, unread = 0.0, 0
    for line in lines:
        wait_s = min(line.at_s - before_s, IDLE_LIMIT_S)
        if unread and _STYLE.sub("", line.text).startswith("+ "):
            wait_s = max(wait_s, _pause_s(unread))
            unread = 0
        tape.duration_s += wait_s
        _show(tape, line.text)
        before_s = line.at_s
        unread += 1
    return unread
