"""A TCP relay between two programs, which a test can cut, mute and listen to."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

from support.backend import ACCEPT_S
from support.storm import Fault, FaultKind, Storm

__all__ = ["Relay"]


class Relay:
    """Passes bytes between whoever connects to ``port`` and ``target_port``, all on loopback.

    ``to_target`` and ``from_target`` hold what has passed when ``is_recording``.  ``bytes_per_s`` makes it
    as slow as a phone's connection, in each direction.  ``storm`` says what else happens to connections.
    """

    def __init__(
        self,
        target_port: int,
        *,
        is_recording: bool = False,
        bytes_per_s: float = 0,
        storm: Storm | None = None,
    ) -> None:
        self.target_port = target_port
        self.is_recording = is_recording
        self.bytes_per_s = bytes_per_s
        self.storm = storm
        self.to_target = bytearray()
        self.from_target = bytearray()
        self.connections = 0  # how many there ever were
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.settimeout(ACCEPT_S)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: list[_Pair] = []
        self._is_closed = False
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def open_connections(self) -> int:
        """How many connections pass through now."""
        with self._lock:
            return sum(not pair.is_over for pair in self._pairs)

    def cut(self) -> None:
        """Reset every connection, on both sides, as a NAT that forgets or a cable does in the end."""
        for pair in self._take_pairs():
            pair.reset()

    def mute(self) -> None:
        """Swallow from now on all that comes on the connections there are: they stay open and are dead."""
        with self._lock:
            for pair in self._pairs:
                pair.is_mute = True

    def close(self) -> None:
        """Stop, and reset every connection."""
        self._is_closed = True
        self._acceptor.join(10)
        self._listener.close()
        for pair in self._take_pairs():
            pair.reset()
            pair.join()

    def _take_pairs(self) -> list[_Pair]:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        return pairs

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            try:
                far = socket.create_connection(("127.0.0.1", self.target_port), 10)
            except OSError:
                _reset(near)
                continue
            with self._lock:
                self._pairs.append(_Pair(self, near, far))


class _Pair:
    """One connection through the relay: two sockets, and a thread for each direction."""

    def __init__(self, relay: Relay, near: socket.socket, far: socket.socket) -> None:
        self.is_mute = False
        self._sockets = (near, far)
        fault = None if relay.storm is None else relay.storm.next_fault()
        to_target = fault if fault is not None and fault.to_target else None
        from_target = fault if fault is not None and not fault.to_target else None
        self._threads = [
            threading.Thread(
                target=self._pass, args=(relay, near, far, relay.to_target, to_target), daemon=True
            ),
            threading.Thread(
                target=self._pass, args=(relay, far, near, relay.from_target, from_target), daemon=True
            ),
        ]
        for sock in self._sockets:
            sock.settimeout(None)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for thread in self._threads:
            thread.start()

    @property
    def is_over(self) -> bool:
        """Whether both directions have ended."""
        return not any(thread.is_alive() for thread in self._threads)

    def reset(self) -> None:
        """Reset both sides."""
        self.is_mute = True  # and not end one in order because the other one is gone
        for sock in self._sockets:
            _reset(sock)

    def join(self) -> None:
        """Wait for its threads."""
        for thread in self._threads:
            thread.join(10)

    def _pass(
        self,
        relay: Relay,
        source: socket.socket,
        sink: socket.socket,
        record: bytearray,
        fault: Fault | None,
    ) -> None:
        pace = threading.Event()
        passed = 0
        with suppress(OSError):
            while data := source.recv(16 * 1024 if relay.bytes_per_s else 256 * 1024):
                if relay.bytes_per_s:
                    pace.wait(len(data) / relay.bytes_per_s)
                if relay.is_recording:
                    record += data
                if fault is not None and passed + len(data) > fault.after_bytes:
                    data = self._suffer(fault, data, max(fault.after_bytes - passed, 0), sink, pace)
                    if fault.kind is FaultKind.CORRUPT:
                        fault = None
                passed += len(data)
                if not self.is_mute:
                    sink.sendall(data)
            if not self.is_mute:
                sink.shutdown(socket.SHUT_WR)

    def _suffer(
        self, fault: Fault, data: bytes, start: int, sink: socket.socket, pace: threading.Event
    ) -> bytes:
        """Let ``fault`` happen to ``data`` from its byte ``start`` on; return what is still to be passed."""
        match fault.kind:
            case FaultKind.DELAY:
                pace.wait(fault.delay_s)
            case FaultKind.THROTTLE:
                pace.wait(len(data) / fault.bytes_per_s)
            case FaultKind.HALF_OPEN:
                self.is_mute = True
            case FaultKind.CORRUPT:
                return data[:start] + bytes([data[start] ^ 1]) + data[start + 1 :]
            case FaultKind.DROP | FaultKind.RESET | FaultKind.TRUNCATE:
                sink.sendall(data[:start])
                if fault.kind is FaultKind.RESET:
                    self.reset()
                elif fault.kind is FaultKind.DROP:
                    for sock in self._sockets:
                        sock.shutdown(socket.SHUT_WR)
                    self.is_mute = True
                else:
                    sink.shutdown(socket.SHUT_WR)
                raise ConnectionAbortedError  # nothing more passes in this direction
        return data


def _reset(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A thread that waits in recv() keeps the socket alive past close(); shutdown() wakes it.
        sock.shutdown(socket.SHUT_RD)
    sock.close()
