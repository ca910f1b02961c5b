"""One TCP connection, read and written byte by byte, and HTTP/1.1 messages on it.

What is here shares no line with the tunnel's own parser, so that the two cannot be wrong together.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

__all__ = [
    "Broken",
    "Fields",
    "Request",
    "Response",
    "Wire",
    "eventually",
    "request",
    "response",
    "unread_bytes",
]

PATIENCE_S = 15.0
"""How long anything may take before a test fails; nothing is expected to take nearly as long."""

T = TypeVar("T")


class Broken(Exception):  # noqa: N818 - it is what tests expect of a broken connection
    """The connection ended, in order or by a reset, where a message was not complete."""


def unread_bytes(port: int, peer_port: int) -> int:
    """Return how many bytes wait in the kernel for the program that serves ``port`` on loopback (Linux)."""
    ends = f"0100007F:{port:04X}", f"0100007F:{peer_port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if (columns[1], columns[2]) == ends:
            return int(columns[4].partition(":")[2], 16)
    raise AssertionError(f"no connection from {peer_port} to {port}")


def eventually(check: Callable[[], T], what: str, timeout_s: float = PATIENCE_S) -> T:
    """Return the first true value of ``check``; fail, saying ``what`` was waited for, when there is none."""
    deadline = time.monotonic() + timeout_s
    while not (value := check()):
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.005)
    return value


class Fields(list[tuple[str, str]]):
    """A message's fields, as received and in order."""

    def all(self, name: str) -> list[str]:
        """Return every value of a field."""
        return [value for key, value in self if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """Return a field's value, or None; a field that is there twice fails the test."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} is there {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def names(self) -> set[str]:
        """The names, in lower case."""
        return {name.lower() for name, _ in self}


@dataclass(slots=True)
class Request:
    """A request as a backend reads it."""

    method: str
    target: str
    fields: Fields
    content: bytes = b""


@dataclass(slots=True)
class Response:
    """A response as a visitor reads it."""

    version: str
    status: int
    reason: str
    fields: Fields
    content: bytes = b""

    @property
    def code(self) -> str | None:
        """The exit node's own code, when it and not the service answered."""
        return self.fields.get("Tunelab-Error")


def request(method: str = "GET", target: str = "/", *lines: str, content: bytes = b"") -> bytes:
    """Return a request's bytes.  ``lines`` are its fields; Host is added when none of them is it."""
    fields = list(lines)
    if not any(line.lower().startswith("host:") for line in fields):
        fields.insert(0, "Host: visita.example")
    if content:
        fields.append(f"Content-Length: {len(content)}")
    return "\r\n".join([f"{method} {target} HTTP/1.1", *fields, "", ""]).encode("latin-1") + content


def response(status: int = 200, content: bytes = b"", *lines: str) -> bytes:
    """Return a response's bytes, with a Content-Length unless ``lines`` frame it otherwise."""
    fields = list(lines)
    if not any(line.lower().startswith(("content-length:", "transfer-encoding:")) for line in fields):
        fields.append(f"Content-Length: {len(content)}")
    return "\r\n".join([f"HTTP/1.1 {status} Probado", *fields, "", ""]).encode("latin-1") + content


class Wire:
    """A connection.  Every read has a time limit, and fails the test when it runs out."""

    def __init__(self, sock: socket.socket, timeout_s: float = PATIENCE_S) -> None:
        self.sock = sock
        self._buffer = b""
        sock.settimeout(timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @classmethod
    def to(cls, port: int, host: str = "127.0.0.1", receive_buffer: int = 0, source: str = "") -> Wire:
        """Connect, from the address ``source``; ``receive_buffer`` in bytes; the system's choice without."""
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(PATIENCE_S)
        try:
            if source:
                sock.bind((source, 0))
            sock.connect((host, port))
            return cls(sock)  # which may already be reset
        except OSError:
            sock.close()
            raise

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ── bytes ────────────────────────────────────────────────────────────────────────────────────

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        self.sock.sendall(data)

    def read_some(self) -> bytes:
        """Return what comes next, at least one byte; ``b""`` when the peer ended in order."""
        if self._buffer:
            data, self._buffer = self._buffer, b""
            return data
        return self.sock.recv(64 * 1024)

    def read_into(self, target: memoryview) -> int:
        """Read what comes next into ``target``, which saves a copy; return its size, 0 at the end."""
        if not self._buffer:
            return self.sock.recv_into(target)
        data, self._buffer = self._buffer[: len(target)], self._buffer[len(target) :]
        target[: len(data)] = data
        return len(data)

    def read_until(self, mark: bytes) -> bytes:
        """Return everything up to and including ``mark``."""
        while (end := self._buffer.find(mark)) < 0:
            self._read_more(f"before {mark!r}")
        end += len(mark)
        data, self._buffer = self._buffer[:end], self._buffer[end:]
        return data

    def read_exactly(self, size: int) -> bytes:
        """Return the next ``size`` bytes."""
        while len(self._buffer) < size:
            self._read_more(f"{size - len(self._buffer)} bytes early")
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def read_to_end(self) -> bytes:
        """Return all that comes until the peer ends in order; a reset is :class:`Broken`."""
        while True:
            try:
                data = self.sock.recv(256 * 1024)
            except ConnectionResetError:
                raise Broken(f"reset after {self._buffer[-80:]!r}") from None
            if not data:
                data, self._buffer = self._buffer, b""
                return data
            self._buffer += data

    def read_nothing_more(self) -> None:
        """Wait for the end of the connection; anything that comes before it fails the test."""
        try:
            data = self.read_some()
        except ConnectionResetError:
            return
        assert not data, f"more came: {data[:200]!r}"

    def _read_more(self, where: str) -> None:
        try:
            data = self.sock.recv(256 * 1024)
        except ConnectionResetError:
            raise Broken(f"reset {where}, after {self._buffer[-80:]!r}") from None
        if not data:
            raise Broken(f"ended {where}, after {self._buffer[-80:]!r}")
        self._buffer += data

    def end(self) -> None:
        """End our direction only."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close, in order where nothing is unread."""
        self.sock.close()

    def wake(self) -> None:
        """End both directions, so that whoever reads here in another thread goes on."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Close with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    # ── messages ─────────────────────────────────────────────────────────────────────────────────

    def read_head(self) -> tuple[str, Fields]:
        """Return a head's first line and its fields."""
        first, *lines = self.read_until(b"\r\n\r\n")[:-4].decode("latin-1").split("\r\n")
        fields = Fields()
        for line in lines:
            name, colon, value = line.partition(":")
            assert colon, f"a line without a colon: {line!r}"
            fields.append((name, value.strip(" \t")))
        return first, fields

    def read_request(self) -> Request:
        """Return one request, with all its content."""
        asked = self.read_request_head()
        asked.content = self._read_content(asked.fields, to_end=False)
        return asked

    def read_request_head(self) -> Request:
        """Return one request as far as its head says."""
        line, fields = self.read_head()
        method, target, version = line.split(" ")
        assert version == "HTTP/1.1"
        return Request(method, target, fields)

    def read_response(self, method: str = "GET") -> Response:
        """Return one response, interim or final, with all its content."""
        answer = self.read_response_head()
        bare = method == "HEAD" or answer.status < 200 or answer.status in (204, 304)
        answer.content = b"" if bare else self._read_content(answer.fields, to_end=True)
        return answer

    def read_response_head(self) -> Response:
        """Return one response as far as its head says."""
        line, fields = self.read_head()
        version, status, reason = line.split(" ", 2)
        return Response(version, int(status), reason, fields)

    def ask(self, method: str = "GET", target: str = "/", *lines: str, content: bytes = b"") -> Response:
        """Send a request and return its response."""
        self.send(request(method, target, *lines, content=content))
        return self.read_response(method)

    def read_chunk(self) -> bytes:
        """Return one chunk's content; ``b""`` for the last one, whose trailer is read too."""
        size = int(self.read_until(b"\r\n").partition(b";")[0], 16)
        content = self.read_exactly(size)
        if size:
            assert self.read_exactly(2) == b"\r\n"
        else:
            assert self.read_until(b"\r\n") == b"\r\n", "a trailer"
        return content

    def read_chunked(self) -> bytes:
        """Return the whole of a chunked content."""
        pieces = list(iter(self.read_chunk, b""))
        return b"".join(pieces)

    def _read_content(self, fields: Fields, *, to_end: bool) -> bytes:
        length, coding = fields.get("Content-Length"), fields.get("Transfer-Encoding")
        assert length is None or coding is None, "Content-Length beside Transfer-Encoding"
        if coding is not None:
            assert coding == "chunked"
            return self.read_chunked()
        if length is not None:
            return self.read_exactly(int(length))
        return self.read_to_end() if to_end else b""
