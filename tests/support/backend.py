"""A service made of blocking sockets, whose every byte a test decides.

Each connection runs in a thread of its own, so that a test may let it wait for whatever it likes.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from support.wire import Broken, Request, Wire, eventually, response

__all__ = ["ACCEPT_S", "Answer", "Backend", "Script"]

ACCEPT_S = 0.1
"""How long a listener waits before it looks whether it is still wanted."""

Answer = Callable[[Request], bytes]
"""Given a request, the bytes of its response."""

Script = Callable[[Wire], None]
"""Plays the service on one connection, from its first byte to its last."""


class Backend:
    """A service on a loopback port.  It says ``hola`` until :meth:`answer` or :meth:`play` say otherwise."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256
        )
        self._listener.settimeout(ACCEPT_S)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
        self.requests: list[Request] = []  # those that were read by ``answer``
        self.connections = 0  # how many there ever were
        self.failures: list[BaseException] = []  # what went wrong in the scripts
        self._lock = threading.Lock()
        self._open: dict[Wire, threading.Thread] = {}
        self._script: Script = self._say_hola
        self._is_closed = False
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    # ── what it does ─────────────────────────────────────────────────────────────────────────────

    def answer(self, answer: Answer) -> None:
        """Answer each request, read whole, with what ``answer`` returns, on connections that are kept."""
        self.play(lambda wire: self._answer_all(wire, answer))

    def play(self, script: Script) -> None:
        """Run ``script`` on each connection from now on; those that are open are ended."""
        self.hang_up()
        self._script = script

    def reset(self) -> None:
        """Say ``hola`` again."""
        self.play(self._say_hola)

    def hang_up(self) -> None:
        """End every connection, and wait until its script is over."""
        with self._lock:
            threads = dict(self._open)
        for wire, thread in threads.items():
            wire.wake()
            if thread is not threading.current_thread():
                thread.join(10)
                assert not thread.is_alive(), "a backend's script does not end"

    def close(self) -> None:
        """Stop listening, and end every connection."""
        self._is_closed = True
        self._acceptor.join(10)
        self._listener.close()
        self.hang_up()

    # ── what was seen ────────────────────────────────────────────────────────────────────────────

    @property
    def open_connections(self) -> int:
        """How many connections' scripts are running."""
        with self._lock:
            return len(self._open)

    @property
    def targets(self) -> list[str]:
        """The targets of the requests that ``answer`` has read."""
        return [seen.target for seen in list(self.requests)]

    def wait_until_idle(self, timeout_s: float) -> None:
        """Wait until no connection is open."""
        eventually(lambda: not self.open_connections, "the backend's connections ended", timeout_s)

    def _say_hola(self, wire: Wire) -> None:
        self._answer_all(wire, lambda _: response(content=b"hola"))

    def _answer_all(self, wire: Wire, answer: Answer) -> None:
        while True:
            asked = wire.read_request()
            self.requests.append(asked)
            wire.send(answer(asked))

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            wire = Wire(sock, timeout_s=60)
            thread = threading.Thread(target=self._run, args=(wire,), daemon=True)
            with self._lock:
                self.connections += 1
                thread.start()
                self._open[wire] = thread

    def _run(self, wire: Wire) -> None:
        try:
            self._script(wire)
        except (Broken, OSError):
            pass  # the other side left, as it may
        except BaseException as error:
            self.failures.append(error)
        finally:
            wire.close()
            with self._lock:
                self._open.pop(wire, None)
