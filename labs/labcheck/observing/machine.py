"""The machine that is looked at: who listens, which tunnel clients run, and how to freeze them.

Everything is asked through a testinfra ``host``, with the commands that Debian and macOS have: ``ps``, and
``ss`` or, where there is none, ``lsof``. A network namespace sees only its own sockets, and so do these.
"""

import contextlib
import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from labcheck.checking.diagnosis import CouldNotCheckError

# A frozen process goes on by itself after this long, even if whoever froze it is killed meanwhile. It is
# longer than any check may take.
THAW_AFTER_S = 60

_LOOKS = 100  # whether a process has stopped: some hundredths of a second each

_TUNNEL_CLIENT = re.compile(r"(?:^|[/\s])tunnel(?:\.exe)?\s+client(?:\s|$)")
_SHELLS = re.compile(r"^-?(?:\S*/)?(?:bash|zsh|fish|dash|sh)(?:\s|$)")
# ss(8): LISTEN 0 256 127.0.0.1:5000 0.0.0.0:* users:(("gtd-app",pid=15395,fd=3))
_SS_OWNER = re.compile(r'\("([^"]*)",pid=(\d+),')


@dataclass(frozen=True, slots=True)
class Listener:
    """Somebody who listens; `pid` is None when it belongs to another user."""

    address: str
    port: int
    pid: int | None

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.address.split("%")[0]).is_loopback
        except ValueError:  # «*», every address
            return False


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A process, as ps tells it."""

    pid: int
    parent: int
    terminal: str
    state: str
    command: str


class Machine:
    """What a testinfra `host` shows of sockets and processes."""

    def __init__(self, host: Any) -> None:
        self._host = host

    def listeners(self, port: int) -> list[Listener]:
        """Return who listens on a TCP port.

        Raises:
            CouldNotCheckError: the machine has no program that tells.
        """
        found = {listener for listener in self._sockets(listening=True) if listener.port == port}
        return sorted(found, key=lambda listener: (listener.address, listener.pid or 0))

    def command_of(self, listener: Listener) -> str:
        """Return the command line of who listens, or nothing when it cannot be seen."""
        return next((p.command for p in self.processes() if p.pid == listener.pid), "")

    def processes(self) -> list[RunningProcess]:
        """Return every process of the machine."""
        done = self._run("ps -Aww -o pid= -o ppid= -o tty= -o stat= -o args=")
        found = []
        for line in done.splitlines():
            fields = line.split(None, 4)
            if len(fields) == 5:
                pid, parent, terminal, state, command = fields
                found.append(RunningProcess(int(pid), int(parent), terminal, state, command))
        return found

    def drops_by_default(self) -> bool:
        """Say whether its firewall drops whatever nothing lets in; it takes sudo to see it."""
        done = self._host.run("sudo -n nft list ruleset")
        return done.rc == 0 and re.search(r"hook input\b[^}]*?policy drop", str(done.stdout)) is not None

    def tunnel_clients(self) -> list[RunningProcess]:
        """Return the tunnel clients that have a connection open in this network."""
        connected = {socket.pid for socket in self._sockets(listening=False)}
        return [p for p in self.processes() if _TUNNEL_CLIENT.search(p.command) and p.pid in connected]

    @contextlib.contextmanager
    def frozen(self, processes: Sequence[RunningProcess]) -> Iterator[None]:
        """Stop processes in their tracks while the block runs, as a cable that is pulled out would.

        They go on exactly where they were, so that what a client does afterwards is its own doing.

        Raises:
            CouldNotCheckError: they cannot be stopped, as those of another user.
        """
        pids = [str(pid) for pid in self._with_their_shells(processes)]
        freeze, thaw = " ".join(pids), " ".join(reversed(pids))
        watchdog = (
            # Each is waited for: a shell that is not quite stopped yet would still see its command stop.
            f"for pid in {freeze}; do\n"
            f"  kill -STOP $pid || {{ kill -CONT {thaw} 2>/dev/null; exit 1; }}\n"
            f"  tries={_LOOKS}\n"
            "  until ps -o stat= -p $pid | grep -q '^T' || [ $tries -eq 0 ]; do tries=$((tries - 1)); done\n"
            "done\n"
            # It thaws them if nobody else does, and leaves nothing behind when it is told to go.
            f"(sleep {THAW_AFTER_S} & nap=$!; trap 'kill $nap; exit' TERM; wait $nap; kill -CONT {thaw}) "
            ">/dev/null 2>&1 </dev/null &\necho $!"
        )
        done, as_root = self._signal(watchdog)
        try:
            yield
        finally:
            self._host.run(f"{as_root}sh -c %s", f"kill -CONT {thaw}; kill -TERM {int(done)}")

    def _with_their_shells(self, processes: Sequence[RunningProcess]) -> list[int]:
        """Return the processes' ids, each after the shell that waits for it in a terminal, if one does.

        A shell that sees its foreground command stopped takes the terminal back and prints «Stopped». Frozen
        first and thawed last, it never sees it.
        """
        everybody = {process.pid: process for process in self.processes()}
        pids: list[int] = []
        for process in processes:
            shell = everybody.get(process.parent)
            if (
                "+" in process.state  # ps(1): in the foreground of its terminal
                and shell is not None
                and shell.terminal == process.terminal
                and _SHELLS.match(shell.command)
                and shell.pid not in pids
            ):
                pids.append(shell.pid)
            pids.append(process.pid)
        return pids

    def _signal(self, script: str) -> tuple[str, str]:
        for as_root in ("", "sudo -n "):
            done = self._host.run(f"{as_root}sh -c %s", script)
            if done.rc == 0:
                return done.stdout.strip(), as_root
        raise CouldNotCheckError(
            f"No se pudo detener un momento el cliente del túnel: {done.stderr.strip()}",
            "El cliente debe ser de su mismo usuario, o usted debe poder usar sudo.",
        )

    def _sockets(self, *, listening: bool) -> set[Listener]:
        done = self._host.run("command -v ss >/dev/null")
        if done.rc == 0:
            return self._ss(listening=listening)
        return self._lsof(listening=listening)

    def _ss(self, *, listening: bool) -> set[Listener]:
        command = "ss -Htlnp" if listening else "ss -Htnp state established"
        # The owners of other users' sockets are shown to root only; without sudo they stay unknown.
        done = self._host.run(f"sudo -n {command} 2>/dev/null || {command}")
        if done.rc != 0:
            raise CouldNotCheckError(f"«ss» falló: {done.stderr.strip()}", "Instale iproute2.")
        found: set[Listener] = set()
        for line in done.stdout.splitlines():
            fields = line.split()
            if not listening:
                fields.insert(0, "ESTAB")  # ss leaves the state out when it was asked for one
            if len(fields) < 5:
                continue
            address, _, port = fields[3].rpartition(":")
            owners: list[int | None] = [int(pid) for _, pid in _SS_OWNER.findall(line)]
            for pid in owners or [None]:  # of another user
                found.add(Listener(address.strip("[]"), int(port), pid))
        return found

    def _lsof(self, *, listening: bool) -> set[Listener]:
        state = "LISTEN" if listening else "ESTABLISHED"
        done = self._host.run(f"lsof -nP -iTCP -sTCP:{state} -Fpn")
        if done.rc not in (0, 1):  # 1: there is none
            raise CouldNotCheckError(
                "La máquina no tiene «ss» ni «lsof», y sin ellos no se ve quién escucha.",
                "En Debian y Ubuntu: sudo apt install iproute2",
            )
        found: set[Listener] = set()
        pid: int | None = None
        for line in done.stdout.splitlines():
            if line.startswith("p"):
                pid = int(line[1:])
            elif line.startswith("n"):
                address, _, port = line[1:].partition("->")[0].rpartition(":")
                if port.isdigit():
                    found.add(Listener(address.strip("[]"), int(port), pid))
        return found

    def _run(self, command: str) -> str:
        done = self._host.run(command)
        if done.rc != 0:
            said = f"«{command.split()[0]}» falló: {done.stderr.strip()}"
            raise CouldNotCheckError(said, "En Debian y Ubuntu: sudo apt install procps")
        return str(done.stdout)
