"""The whole run of a lab: prepare, every step, review, clean up, whatever happens."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace

from labcheck.catalog import Lab
from labcheck.children import find_program
from labcheck.interruptions import Interruptions
from labcheck.recording.privacy import Disguise, environment_in, scratch_home, secrets_in, tells_a_secret
from labcheck.recording.pseudo_terminal import Line, Performance, perform
from labcheck.recording.screenplay import Scene, screenplay

_CLEANUP_LIMIT_S = 60.0
# Colours, and what a bar takes back: a complaint may go to a file.
_CODES = re.compile(r"\x1b\[[0-9;]*[mK]|\r")


class RecordingError(Exception):
    """A lab could not be recorded; the text is Spanish."""


class PlaceError(RecordingError):
    """What the lab needs is not here: it was not even begun."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A scene and what came of it, with no real name and no secret in it."""

    scene: Scene
    performance: Performance


def record(lab: Lab, tell: Callable[[int, int, Scene], None], interruptions: Interruptions) -> list[Shot]:
    """Run a lab's scenes on loopback, in a home of their own, and return what came of each.

    `tell` is called before each, with its number and how many there are. Nothing is left running and nothing
    is left on disk, also after an interruption.

    Raises:
        PlaceError: the lab cannot be begun here: a port is taken, a program is missing.
        RecordingError: a command did not end well, or showed a secret.
    """
    scenes = screenplay(lab)
    shots: list[Shot] = []
    secrets: set[str] = set()
    with scratch_home() as home:
        environment = environment_in(home, lab.folder.parent)
        disguise = Disguise.over(home, lab.folder.parent.parent)
        try:
            for number, scene in enumerate(scenes, 1):
                tell(number, len(scenes), scene)
                performance = _disguised(
                    perform(scene.argv, scene.folder, environment, interruptions), disguise
                )
                secrets |= secrets_in(home)
                if tells_a_secret(performance.text, secrets):
                    raise RecordingError(f"«{scene.command}» mostró un secreto: no se guardó nada.")
                _require_success(scene, performance, is_first=number == 1)
                shots.append(Shot(scene, performance))
        finally:
            if len(shots) < len(scenes):
                _clean_up(lab, environment)
    return shots


def _disguised(performance: Performance, disguise: Disguise) -> Performance:
    lines = tuple(Line(line.at_s, disguise.on(line.text)) for line in performance.lines)
    return replace(performance, lines=lines)


def _require_success(scene: Scene, performance: Performance, *, is_first: bool) -> None:
    if performance.code == 0:
        return
    told = "".join(f"\n    {line}" for line in _CODES.sub("", performance.text).splitlines())
    if is_first:
        raise PlaceError(f"El laboratorio no se puede empezar aquí:{told}")
    what = "no terminó a tiempo" if performance.code is None else f"terminó con {performance.code}"
    raise RecordingError(f"«{scene.command}» {what}, y no se guardó nada. Lo que mostró:{told}")


def _clean_up(lab: Lab, environment: dict[str, str]) -> None:
    """End what the steps left running; what cannot be ended the command itself names on the terminal."""
    try:
        subprocess.run(
            [find_program("lab"), "terminar", lab.number],
            cwd=lab.folder.parent.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=_CLEANUP_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        ports = ", ".join(map(str, lab.ports)) or "ninguno"
        raise RecordingError(
            f"La limpieza no terminó en {_CLEANUP_LIMIT_S:.0f} s, y algo puede haber quedado en marcha. "
            f"Mire los puertos del laboratorio: {ports}."
        ) from error
