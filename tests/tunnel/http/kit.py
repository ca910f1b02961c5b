"""Heads with one thing out of the ordinary, and what becomes of them."""

from __future__ import annotations

import pytest

from tunnel.http.error_pages import FAULTS
from tunnel.http.errors import BadMessage
from tunnel.http.head import RequestHead, parse_request_head

HOST = b"Host: todo.example\r\n"


def head(fields: bytes = b"", *, line: bytes = b"GET / HTTP/1.1", host: bytes = HOST) -> bytes:
    """Return a head with one thing out of the ordinary."""
    return line + b"\r\n" + host + fields + b"\r\n"


def target(value: bytes, method: bytes = b"GET") -> bytes:
    """Return the head of a request for ``value``."""
    return head(line=method + b" " + value + b" HTTP/1.1")


def host(value: bytes) -> bytes:
    """Return the head of a request to ``value``."""
    return head(host=b"Host: " + value + b"\r\n")


def parse(data: bytes) -> RequestHead:
    """Parse a head that must pass, and check what holds for each that does."""
    found = parse_request_head(data)
    assert found.fields == data[data.index(b"\r\n") : -4]
    return found


def refusal(data: bytes) -> tuple[int, str]:
    """Return the status and code that ``data`` earns."""
    with pytest.raises(BadMessage) as caught:
        parse_request_head(data)
    error = caught.value
    assert FAULTS[error.code].status == error.status
    return error.status, error.code
