"""The name that a TLS client asks for: the server_name of its ClientHello (RFC 6066, section 3).

The ClientHello is the first message of a connection (RFC 8446, sections 4.1.2 and 5.1; the layout is that of
TLS 1.0 to 1.3).  It may be spread over several records, and those over any number of segments.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["MAX_HELLO_BYTES", "MAX_PEEKED_BYTES", "Alert", "ClientHelloReader", "HelloError", "encode_alert"]

MAX_HELLO_BYTES = 16 * 1024
"""One ClientHello: with post-quantum key shares and a session ticket they have about 2.5 KB."""

MAX_PEEKED_BYTES = 32 * 1024
"""All that is read before the name is known: records of few bytes have a header of five each."""

_HANDSHAKE = 22
_CLIENT_HELLO = 1
_RECORD_HEADER_BYTES = 5
_MESSAGE_HEADER_BYTES = 4
_MAX_RECORD_BYTES = 2**14
_SERVER_NAME = 0
_HOST_NAME = 0


class Alert(IntEnum):
    """Why a connection is refused (RFC 8446, section 6; RFC 6066, section 9)."""

    ACCESS_DENIED = 49  # the name is not for this visitor
    DECODE_ERROR = 50
    INTERNAL_ERROR = 80  # the name is known, but nobody takes the connection now
    UNRECOGNIZED_NAME = 112  # nobody has the name, or there is none


class HelloError(Exception):
    """What came is no ClientHello.  ``is_tls`` says whether an alert would be understood."""

    def __init__(self, reason: str, *, is_tls: bool = True) -> None:
        super().__init__(reason)
        self.is_tls = is_tls


def encode_alert(alert: Alert) -> bytes:
    """Return a fatal alert as a record, not encrypted as nothing is yet."""
    return bytes((21, 3, 3, 0, 2, 2, alert))


class ClientHelloReader:
    """Takes a connection's first bytes in chunks of any size.

    ``name`` is set once the ClientHello is complete: in lower case, "" where it has none.  ``data`` is all
    that came, for whom it is meant.
    """

    __slots__ = ("_message", "_position", "data", "name")

    def __init__(self) -> None:
        self.data = bytearray()
        self.name: str | None = None
        self._message = bytearray()  # what the records have carried so far
        self._position = 0  # in ``data``, where the next record begins

    def receive_data(self, data: bytes) -> bool:
        """Take more bytes; return whether the name is known.

        Raises:
            HelloError: this is no ClientHello, or too long a one.
        """
        self.data += data
        while self.name is None and self._take_record():
            self._read_message()
        if self.name is None and len(self.data) > MAX_PEEKED_BYTES:
            raise HelloError("too many bytes before the ClientHello's end")
        return self.name is not None

    def _take_record(self) -> bool:
        """Move the next record's content to the message; return False while it is not whole."""
        start, available = self._position, len(self.data) - self._position
        if available and self.data[start] != _HANDSHAKE:
            raise HelloError("not a handshake record", is_tls=start > 0)
        if available < _RECORD_HEADER_BYTES:
            return False
        size = int.from_bytes(self.data[start + 3 : start + _RECORD_HEADER_BYTES])
        if self.data[start + 1] != 3:
            raise HelloError("not TLS", is_tls=start > 0)
        if not 0 < size <= _MAX_RECORD_BYTES:
            raise HelloError(f"a record of {size} bytes")
        end = start + _RECORD_HEADER_BYTES + size
        if end > len(self.data):
            return False
        self._message += self.data[start + _RECORD_HEADER_BYTES : end]
        self._position = end
        return True

    def _read_message(self) -> None:
        message = self._message
        if message[0] != _CLIENT_HELLO:
            raise HelloError("the first message is no ClientHello")
        if len(message) < _MESSAGE_HEADER_BYTES:
            return
        size = int.from_bytes(message[1:_MESSAGE_HEADER_BYTES])
        if size > MAX_HELLO_BYTES:
            raise HelloError(f"a ClientHello of {size} bytes")
        if len(message) >= _MESSAGE_HEADER_BYTES + size:
            body = bytes(message[_MESSAGE_HEADER_BYTES : _MESSAGE_HEADER_BYTES + size])
            self.name = _server_name(_Bytes(body))


class _Bytes:
    """Bytes that are taken from the front."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __bool__(self) -> bool:
        return bool(self._data)

    def take(self, size: int) -> bytes:
        if size > len(self._data):
            raise HelloError("a malformed ClientHello")
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size_bytes: int) -> _Bytes:
        """Take a vector whose length stands before it in ``size_bytes`` (RFC 8446, section 3.4)."""
        return _Bytes(self.take(self.number(size_bytes)))

    def rest(self) -> bytes:
        return self._data


def _server_name(hello: _Bytes) -> str:
    hello.take(2 + 32)  # version, random
    hello.vector(1)  # session id
    hello.vector(2)  # cipher suites
    hello.vector(1)  # compression methods
    names: list[str] = []
    extensions = hello.vector(2) if hello else _Bytes(b"")  # TLS 1.2 may leave them out altogether
    while extensions:
        kind, content = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME:
            entries = content.vector(2)
            while entries:
                name_type, name = entries.number(1), entries.vector(2).rest()
                if name_type == _HOST_NAME:
                    names.append(name.decode("ascii", "replace").lower().rstrip("."))
    if len(names) > 1:  # RFC 6066, section 3: one of each type; whoever reads the other would be misled
        raise HelloError("more than one name")
    return names[0] if names else ""
