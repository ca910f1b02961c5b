"""``tunnel server`` and ``tunnel client`` as processes of their own, as a student runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.wire import PATIENCE_S, Wire

__all__ = ["COMMAND", "Client", "Server", "TunnelProcess", "ended"]

COMMAND = str(Path(sys.executable).with_name("tunnel"))
LOOPBACK = "127.0.0.1"

Event = dict[str, Any]


class TunnelProcess:
    """A running command.  What it writes is read as it comes: events from stdout, the rest kept."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.arguments = arguments
        self.process = subprocess.Popen(
            [COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={key: value for key, value in os.environ.items() if key != "TUNELAB_TOKEN"} | (env or {}),
        )
        self.pid = self.process.pid
        self.events: list[Event] = []
        self._out: list[str] = []
        self._err: list[str] = []
        self._news = threading.Condition()
        self._is_silent = False  # stdout has ended
        self._readers = [
            threading.Thread(target=self._read_out, daemon=True),
            threading.Thread(target=self._read_err, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def wait_for(self, name: str, after: int = 0, timeout_s: float = PATIENCE_S) -> Event:
        """Return the first event called ``name`` at index ``after`` or later."""

        def look() -> Event | None:
            return next((event for event in self.events[after:] if event["event"] == name), None)

        with self._news:
            self._news.wait_for(lambda: look() or self._is_silent, timeout_s)
            event = look()
        assert event is not None, f"no {name!r} from {self.description}"
        return event

    def count(self, name: str) -> int:
        """Return how many events called ``name`` there were."""
        return sum(event["event"] == name for event in list(self.events))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this process alone."""
        self.process.send_signal(number)

    def terminate(self) -> None:
        """Ask for a graceful stop."""
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would, and wait until it is gone."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Return the exit code once it has ended and all that it wrote has been read."""
        code = self.process.wait(timeout_s)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        return code

    def close(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.wait()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    # ── what it says and takes ───────────────────────────────────────────────────────────────────

    @property
    def out(self) -> str:
        """All of stdout so far."""
        return "".join(self._out)

    @property
    def err(self) -> str:
        """All of stderr so far."""
        return "".join(self._err)

    @property
    def description(self) -> str:
        """The command and all that it wrote, for a failure's message."""
        code = self.process.poll()
        state = "running" if code is None else f"exit code {code}"
        return f"tunnel {' '.join(self.arguments)} ({state})\nstdout:\n{self.out}\nstderr:\n{self.err}"

    @property
    def resident_bytes(self) -> int:
        """The memory that it holds now (VmRSS)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no VmRSS: {self.description}")

    @property
    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    @property
    def command_line(self) -> str:
        """What everybody on the machine can read in the list of processes."""
        return Path(f"/proc/{self.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()

    def _read_out(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._out.append(line)
                if line.startswith("{"):
                    self.events.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._is_silent = True
            self._news.notify_all()

    def _read_err(self) -> None:
        assert self.process.stderr is not None
        self._err.extend(iter(self.process.stderr.readline, ""))


class Server(TunnelProcess):
    """An exit node on loopback; ready when made.  Without ``token_file`` the options say where tokens are."""

    def __init__(
        self,
        token_file: Path | None,
        *options: str,
        port: int = 0,
        control_port: int = 0,
        host: str = LOOPBACK,
    ) -> None:
        super().__init__(
            "server",
            f"--port={port}",
            f"--control-port={control_port}",
            f"--host={host}",
            f"--control-host={host}",
            *([] if token_file is None else [f"--token-file={token_file}"]),
            "--json",
            *options,
        )
        self.host = host
        try:
            listening = self.wait_for("listening")
        except AssertionError:
            self.close()
            raise
        self.port: int = listening["data"]["port"]
        self.control_port: int = listening["control"]["port"]

    def visit(self, receive_buffer: int = 0, source: str = "") -> Wire:
        """Connect as a visitor; ``source`` is the address to come from, any of 127.0.0.0/8 on Linux."""
        return Wire.to(self.port, self.host, receive_buffer, source)


class Client(TunnelProcess):
    """An agent; not connected yet when made."""

    def __init__(
        self,
        token_file: Path | None,
        upstreams: str | Iterable[str],
        control_port: int,
        *options: str,
        host: str = LOOPBACK,
        env: dict[str, str] | None = None,
    ) -> None:
        values = [upstreams] if isinstance(upstreams, str) else list(upstreams)
        authority = f"[{host}]" if ":" in host else host
        super().__init__(
            "client",
            f"--url=ws://{authority}:{control_port}",
            *(f"--upstream={value}" for value in values),
            *([] if token_file is None else [f"--token-file={token_file}"]),
            "--json",
            *options,
            env=env,
        )

    def wait_until_connected(self, times: int = 1, timeout_s: float = PATIENCE_S) -> None:
        """Wait until it has been connected for the ``times``-th time."""
        with self._news:
            self._news.wait_for(lambda: self.count("connected") >= times or self._is_silent, timeout_s)
        assert self.count("connected") >= times, f"not connected: {self.description}"


@contextmanager
def ended(processes: list[TunnelProcess]) -> Iterator[None]:
    """End ``processes`` after the block, write down what they said, and refuse what none may ever say."""
    try:
        yield
    finally:
        for process in processes:
            process.close()
        for process in processes:
            sys.stderr.write(process.description + "\n")
    for process in processes:
        for word in ("Traceback", "Fatal error", "ResourceWarning", "was never"):
            assert word not in process.err, process.description
