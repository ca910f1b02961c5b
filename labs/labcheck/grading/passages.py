"""What the exit node noted of the requests that passed it, asked as this machine's tunnel clients may ask.

The exit node keeps no word of a request, only its trace id, and tells it to who holds the token:
``tunnel requests``. The options that say where it is are those of the clients that run here.
"""

import shlex
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from labcheck.checking.diagnosis import CouldNotCheckError
from labcheck.children import find_program
from labcheck.modes import Mode
from labcheck.observing.machine import Machine

_WITH_VALUE = frozenset(
    ("--conexion", "--url", "--token-file", "--ca-pin", "--ca-file", "--proxy", "--proxy-password-file")
)
# What the play leaves for the student in the machine `laptop`.
_OF_THE_LAPTOP = ["--conexion", str(Path.home() / "conexion.toml")]


def passages_of(traces: Collection[str], host: Any, mode: Mode, folder: Path) -> tuple[str, ...]:
    """Return the exit node's lines about these traces; none where nobody can be asked.

    `folder` is where the lab's programs run.
    """
    if not traces:
        return ()
    lines: dict[str, None] = {}
    for options, place in _ways(host, mode, folder):
        asked = shlex.join([find_program("tunnel"), "requests", *options])
        # Of a tunnel client of another version this is a wrong order, and nothing comes.
        done = host.run(f"cd %s && {asked}", place)
        lines.update(dict.fromkeys(str(done.stdout).splitlines()))
    return tuple(line for line in lines if any(trace in line for trace in traces))


def _ways(host: Any, mode: Mode, folder: Path) -> Iterator[tuple[list[str], str]]:
    """Yield how to reach the exit node, and the folder that its files are named from."""
    try:
        clients = Machine(host).tunnel_clients()
    except CouldNotCheckError:
        clients = []
    for client in clients:
        # Only Linux tells where a process stands; the labs' own programs stand in the lab's folder.
        place = str(host.run("readlink /proc/%s/cwd", str(client.pid)).stdout).strip()
        yield _target_of(client.command.split()), place or str(folder)
    if mode is Mode.VM:  # where the client is the system's, nobody sees what it was given
        yield _OF_THE_LAPTOP, str(folder)


def _target_of(words: list[str]) -> list[str]:
    options: list[str] = []
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, _ = word.partition("=")
        if name in _WITH_VALUE:
            options += [word] if equals else [word, following]
    return options
