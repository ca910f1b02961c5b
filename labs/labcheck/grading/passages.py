"""What the exit node noted of the requests that passed it, asked as this machine's tunnel clients may ask.

The exit node keeps no word of a request, only its trace id, and tells it to who holds the token:
``tunnel requests``. The options that say where it is are those of the clients that run here.
"""

import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labcheck.checking.diagnosis import CouldNotCheckError
from labcheck.children import find_program
from labcheck.modes import Mode
from labcheck.observing.machine import Machine

_WITH_VALUE = frozenset(
    (
        "--conexion", "--url", "--token-file", "--cert", "--key", "--ca-pin", "--ca-file", "--proxy",
        "--proxy-password-file",
    )
)  # fmt: skip
# Where a client may have its token from, instead of a file. Who asks in its place gets it from the client's
# own environment, which its owner may read on Linux, and hands it on in another: it is in no command line.
_VARIABLE = "TUNELAB_TOKEN"
_AS_THE_CLIENT = (
    f"token=$(tr '\\0' '\\n' </proc/{{pid}}/environ | sed -n 's/^{_VARIABLE}=//p'); "
    f'[ -z "$token" ] || export {_VARIABLE}="$token"; '
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
    for way in _ways(host, mode, folder):
        asked = shlex.join([find_program("tunnel"), "requests", *way.options])
        as_it = "" if way.pid is None else _AS_THE_CLIENT.format(pid=way.pid)
        # Of a tunnel client of another version this is a wrong order, and nothing comes.
        done = host.run(f"cd %s && {{ {as_it}{asked}; }}", way.place)
        lines.update(dict.fromkeys(str(done.stdout).splitlines()))
    return tuple(line for line in lines if any(trace in line for trace in traces))


@dataclass(frozen=True, slots=True)
class _Way:
    """How the exit node is reached: as the client `pid`, its files named from the folder `place`."""

    options: list[str]
    place: str
    pid: int | None = None


def _ways(host: Any, mode: Mode, folder: Path) -> Iterator[_Way]:
    try:
        clients = Machine(host).tunnel_clients()
    except CouldNotCheckError:
        clients = []
    for client in clients:
        # Only Linux tells where a process stands; the labs' own programs stand in the lab's folder.
        place = str(host.run("readlink /proc/%s/cwd", str(client.pid)).stdout).strip()
        yield _Way(_target_of(client.command.split()), place or str(folder), client.pid)
    if mode is Mode.VM:  # where the client is the system's, nobody sees what it was given
        yield _Way(_OF_THE_LAPTOP, str(folder))


def _target_of(words: list[str]) -> list[str]:
    options: list[str] = []
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, _ = word.partition("=")
        if name in _WITH_VALUE:
            options += [word] if equals else [word, following]
    return options
