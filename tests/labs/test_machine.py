"""What can be seen of a machine, and how its tunnel clients are frozen and thawed."""

import contextlib
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import testinfra
from support.labs import ROOT, desk_in
from support.requirements import require_program

from labcheck.checking.diagnosis import CouldNotCheckError
from labcheck.observing import machine as machine_module
from labcheck.observing.machine import Machine, RunningProcess

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="states are looked up in /proc")


@pytest.fixture
def machine() -> Machine:
    return Machine(testinfra.get_host("local://"))


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "50"]) as process:
        yield process
        process.kill()


def as_seen(process: subprocess.Popen[bytes]) -> RunningProcess:
    return RunningProcess(process.pid, os.getpid(), "?", "S", "sleep 50")


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def sleeping_watchdogs() -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().split(b"\0")
            if command[:2] == [b"sleep", str(machine_module.THAW_AFTER_S).encode()]:
                found.append(entry.name)
    return found


@pytest.mark.parametrize("tool", ["ss", "lsof"])
def test_both_tools_see_the_same_listeners(tool, machine, monkeypatch):
    require_program(tool, "Debian: sudo apt install iproute2 lsof")
    if tool == "lsof":
        monkeypatch.setattr(machine, "_sockets", machine._lsof)
    with (
        socket.create_server(("127.0.0.1", 0)) as loopback,
        socket.create_server(("0.0.0.0", 0)) as everywhere,
    ):
        (found,) = machine.listeners(loopback.getsockname()[1])
        assert (found.address, found.pid, found.is_loopback) == ("127.0.0.1", os.getpid(), True)
        assert "pytest" in machine.command_of(found)
        (found,) = machine.listeners(everywhere.getsockname()[1])
        assert (found.pid, found.is_loopback) == (os.getpid(), False)
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as sixth:
            (found,) = machine.listeners(sixth.getsockname()[1])
            assert (found.address, found.is_loopback) == ("::1", True)
    assert machine.listeners(1) == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("tool", ["ss", "lsof"])
def test_the_tunnel_clients_of_this_network_are_found_and_no_others(tool, tmp_path):
    """In a network of its own: whatever else the computer runs is not there."""
    require_program(tool, "Debian: sudo apt install iproute2 lsof")
    look = (
        "import testinfra; from labcheck.observing.machine import Machine\n"
        "machine = Machine(testinfra.get_host('local://'))\n"
        f"machine._sockets = machine._{tool}\n"
        "print(len(machine.tunnel_clients()))"
    )
    with desk_in(tmp_path) as desk:
        assert desk.do(f'python -c "{look}"').out == "0\n"
        desk.do(f"'{ROOT / 'labs' / '03-tunel-http' / 'solucion.sh'}'")
        assert desk.do(f'python -c "{look}"').out == "1\n"


def test_a_frozen_process_stands_still_and_goes_on(machine, sleeper):
    with machine.frozen([as_seen(sleeper)]):
        wait_until(lambda: state_of(sleeper.pid) == "T")
    wait_until(lambda: state_of(sleeper.pid) == "S")
    wait_until(lambda: not sleeping_watchdogs())


def test_a_failure_inside_thaws_it_too(machine, sleeper):
    with pytest.raises(ZeroDivisionError), machine.frozen([as_seen(sleeper)]):
        raise ZeroDivisionError
    wait_until(lambda: state_of(sleeper.pid) == "S")


def test_it_goes_on_by_itself_when_nobody_thaws_it(machine, sleeper, monkeypatch):
    monkeypatch.setattr(machine_module, "THAW_AFTER_S", 1)
    with machine.frozen([as_seen(sleeper)]):
        wait_until(lambda: state_of(sleeper.pid) == "S")


def test_what_may_not_be_frozen_could_not_be_checked(machine, sleeper):
    sleeper.kill()
    sleeper.wait()
    with pytest.raises(CouldNotCheckError, match="No se pudo detener"), machine.frozen([as_seen(sleeper)]):
        pytest.fail("it was frozen")


def test_a_terminal_does_not_notice_that_its_program_was_frozen(machine):
    """A shell that sees its foreground program stopped says so and takes the terminal back."""
    mine, its = pty.openpty()
    command = [require_program("setsid", "Debian: util-linux"), "--ctty", "bash", "--norc", "-i"]
    shell = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=os.environ | {"PS1": "> "})
    with shell, contextlib.ExitStack() as stack:
        stack.callback(os.close, mine)
        stack.callback(shell.kill)  # whatever comes of it: it would wait for its terminal for ever
        os.close(its)
        os.write(mine, b"sleep 47; echo ended $?\n")
        is_ours = re.compile(r"^sleep 47$")

        def sleepers() -> list[RunningProcess]:
            return [p for p in machine.processes() if is_ours.match(p.command) and "+" in p.state]

        wait_until(lambda: bool(sleepers()))
        (sleeper,) = sleepers()
        with machine.frozen([sleeper]):
            wait_until(lambda: state_of(sleeper.pid) == "T")
        wait_until(lambda: state_of(sleeper.pid) == "S")
        os.kill(sleeper.pid, signal.SIGTERM)
        shown = b""
        while b"ended 143" not in shown:
            assert select.select([mine], [], [], 20)[0], shown
            shown += os.read(mine, 1000)
    assert b"Stopped" not in shown
