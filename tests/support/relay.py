"""A TCP relay between two programs, which a test can cut, mute and listen to."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

from support.backend import ACCEPT_S

__all__ = ["Relay"]


class Relay:
    """Passes bytes between whoever connects to ``port`` and ``target_port``, all on loopback.

    ``to_target`` and ``from_target`` hold what has passed when ``is_recording``.  ``bytes_per_s`` makes it
    as slow as a phone's connection, in each direction.
    """

    def __init__(self, target_port: int, *, is_recording: bool = False, bytes_per_s: float = 0) -> None:
        self.target_port = target_port
        self.is_recording = is_recording
        self.bytes_per_s = bytes_per_s
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
        self._threads = [
            threading.Thread(target=self._pass, args=(relay, near, far, relay.to_target), daemon=True),
            threading.Thread(target=self._pass, args=(relay, far, near, relay.from_target), daemon=True),
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

    def _pass(self, relay: Relay, source: socket.socket, sink: socket.socket, record: bytearray) -> None:
        pace = threading.Event()
        with suppress(OSError):
            while data := source.recv(16 * 1024 if relay.bytes_per_s else 256 * 1024):
                if relay.bytes_per_s:
                    pace.wait(len(data) / relay.bytes_per_s)
                if relay.is_recording:
                    record += data
                if not self.is_mute:
                    sink.sendall(data)
            if not self.is_mute:
                sink.shutdown(socket.SHUT_WR)


def _reset(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A thread that waits in recv() keeps the socket alive past close(); shutdown() wakes it.
        sock.shutdown(socket.SHUT_RD)
    sock.close()
