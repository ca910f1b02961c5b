"""A class whose verdicts are known beforehand: each student has a network of their own, entered by real ssh.

One sshd lets everybody in; each key leads to its own student's network. A *dead* machine refuses, and a
*slow* one takes the connection and never says a word.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from support.labs import LABS, Desk, desk_in
from support.own_service import free_port, ssh_server
from support.requirements import refuse, require_program

from labcheck.checking.diagnosis import Verdict
from labcheck.grading.grade import Grade

__all__ = ["DEAD", "RIGHT", "SLOW", "PlantedClass", "differences", "mistakes", "planted_class"]

LAB = LABS / "03-tunel-http"
_FAILS = re.compile(r"^# Falla: (\w+) \(([\w-]+)\)$", re.MULTILINE)
# What the student says that the public side is, where that is the mistake.
_REMOTE = {"misma-direccion": "http://localhost:5000"}
RIGHT, DEAD, SLOW = "solucion", "dead", "slow"


def mistakes() -> list[str]:
    """Return the names of the lab's wrong solutions."""
    return sorted(path.stem for path in (LAB / "errores").glob("*.sh"))


def differences(plants: dict[str, str], grades: list[Grade]) -> list[str]:
    """Return what in a class's grades is not as planted, in words."""
    by_code = {grade.student.code: grade for grade in grades}
    wrong = [f"{code}: no grade" for code in plants if code not in by_code]
    for code, grade in by_code.items():
        plant = plants[code]
        failed = {
            result.name: result.diagnosis.code
            for result in grade.results
            if result.verdict is Verdict.FAILED and result.diagnosis is not None
        }
        if plant in (DEAD, SLOW):
            is_right = grade.is_pending and grade.score is None and not grade.results and grade.fault
        elif plant == RIGHT:
            is_right = grade.score == 1 and grade.earned == grade.points > 0
        else:
            header = (LAB / "errores" / f"{plant}.sh").read_text(encoding="utf-8")
            is_right = failed == dict(_FAILS.findall(header)) and not grade.is_pending
        if not is_right:
            wrong.append(f"{code} ({plant}): {grade.score}, {failed}, {grade.fault}, {grade.results}")
    return wrong


@dataclass(frozen=True, slots=True)
class PlantedClass:
    """The class's files; `plants` tells, by code, what each student did."""

    roster: Path
    ssh_config: Path
    plants: dict[str, str]
    desks: dict[str, Desk]


@contextlib.contextmanager
def planted_class(folder: Path, plants: dict[str, str]) -> Iterator[PlantedClass]:
    """Let each student of `plants` (code to what they did) do the lab, and yield the class."""
    nsenter = require_program("nsenter", "apt install util-linux")
    if os.geteuid() != 0:
        refuse("only root can run an sshd and enter the networks of others")
    server = folder / "sshd"
    server.mkdir()
    with contextlib.ExitStack() as stack:
        port, _ = stack.enter_context(ssh_server(server))
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        desks: dict[str, Desk] = {}
        keys, config = [], [
            f"Host *\n  HostName 127.0.0.1\n  Port {port}\n  User root\n  StrictHostKeyChecking no\n"
            "  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  IdentitiesOnly yes\n"
        ]  # fmt: skip
        for code, plant in plants.items():
            if plant in (DEAD, SLOW):
                other = free_port() if plant == DEAD else silent.getsockname()[1]
                config.insert(0, f"Host {code}\n  Port {other}\n")
                continue
            home = folder / code
            home.mkdir()
            desk = desks[code] = stack.enter_context(desk_in(home))
            key = server / code
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)],
                check=True, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            enter = f'{nsenter} --net=/proc/{desk.pid}/ns/net sh -c \\"$SSH_ORIGINAL_COMMAND\\"'
            keys.append(f'command="{enter}" {key.with_suffix(".pub").read_text()}')
            config.append(f"Host {code}\n  IdentityFile {key}\n")
        # The file that the server reads anew for each visitor.
        (server / "user.pub").write_text("".join(keys))
        ssh_config = folder / "ssh_config"
        ssh_config.write_text("".join(config))
        roster = folder / "alumnos.csv"
        rows = [
            f"{code},Alumna {code},{code}@example.edu,ssh://{code},{_REMOTE.get(plant, '')}\n"
            for code, plant in plants.items()
        ]
        roster.write_text("codigo,nombre,correo,maquina,remoto\n" + "".join(rows))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda code: desks[code].do(_script(plants[code])), desks))
        yield PlantedClass(roster, ssh_config, plants, desks)


def _script(plant: str) -> str:
    path = LAB / "solucion.sh" if plant == RIGHT else LAB / "errores" / f"{plant}.sh"
    return f"'{path}'"
