"""A connection through a proxy: CONNECT, and what may come of it."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import socket

from tunnel.config import ControlAddress, ProxyServer

__all__ = ["ProxyDenied", "ProxyFailed", "open_through"]

_HEAD_END = b"\r\n\r\n"
_MAX_HEAD_BYTES = 16 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: [^\r\n]*)?\r\n")


class ProxyFailed(OSError):  # noqa: N818 - what the caller tells
    """The proxy did not open the way, and may do so later.

    Attributes:
        is_beyond: the proxy is well, and could not reach the exit node.
        is_down: nobody answers where the proxy should be.
    """

    def __init__(self, detail: str, *, is_beyond: bool = False, is_down: bool = False) -> None:
        super().__init__(detail)
        self.is_beyond = is_beyond
        self.is_down = is_down


class ProxyDenied(Exception):  # noqa: N818
    """The proxy wants a user and a password that it was not given (407, or 401).

    Asking again would only repeat that, and lock the account where somebody counts.  ``code`` is stable.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def open_through(proxy: ProxyServer, address: ControlAddress) -> socket.socket:
    """Return a socket, connected to ``address`` by ``proxy``; the proxy looks the name up.

    The caller limits the time, and closes the socket.

    Raises:
        ProxyDenied: it wants a user and a password, or others.
        ProxyFailed: the proxy cannot be reached, or it refuses, or it cannot reach ``address``.
    """
    try:
        sock = await _connected(proxy)
    except OSError as error:
        detail = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise ProxyFailed(f"the proxy {proxy.authority} cannot be reached: {detail}", is_down=True) from None
    try:
        await asyncio.get_running_loop().sock_sendall(sock, _request(proxy, address))
        head = await _head(proxy, sock)
        _check(proxy, address, head)
    except ProxyFailed:
        sock.close()
        raise
    except OSError:
        sock.close()
        raise ProxyFailed(f"the proxy {proxy.authority} hung up") from None
    except BaseException:
        sock.close()
        raise
    return sock


async def _connected(proxy: ProxyServer) -> socket.socket:
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    for family, kind, protocol, _, where in await loop.getaddrinfo(
        proxy.host, proxy.port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, where)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure or OSError("the name has no address")


def _request(proxy: ProxyServer, address: ControlAddress) -> bytes:
    host = f"[{address.host}]" if ":" in address.host else address.host.encode("idna").decode()
    lines = [f"CONNECT {host}:{address.port} HTTP/1.1", f"Host: {host}:{address.port}"]
    if proxy.user:
        password = "" if proxy.password is None else proxy.password.reveal()
        word = base64.b64encode(f"{proxy.user}:{password}".encode()).decode()  # RFC 7617, section 2.1
        lines.append(f"Proxy-Authorization: Basic {word}")
    return "\r\n".join([*lines, "", ""]).encode()


async def _head(proxy: ProxyServer, sock: socket.socket) -> bytes:
    """Return the head of the proxy's answer.

    What follows the head of a 2xx is the exit node's (RFC 9110, section 9.3.6), which has nothing to say
    before it was asked: both the websocket and TLS begin with the client's word.
    """
    loop = asyncio.get_running_loop()
    received = b""
    while _HEAD_END not in received:
        data = await loop.sock_recv(sock, 4096)
        if not data:
            raise ProxyFailed(f"the proxy {proxy.authority} hung up")
        received += data
        if len(received) > _MAX_HEAD_BYTES:
            raise ProxyFailed(f"the proxy {proxy.authority} does not speak HTTP")
    return received


def _check(proxy: ProxyServer, address: ControlAddress, head: bytes) -> None:
    match = _STATUS_LINE.match(head)
    if match is None:
        raise ProxyFailed(f"the proxy {proxy.authority} does not speak HTTP")
    status = int(match[1])
    where = f"{address.host}:{address.port}"
    if 200 <= status < 300:
        if not head.endswith(_HEAD_END):
            raise ProxyFailed(f"the proxy {proxy.authority} says more than it was asked")
        return
    if status in (401, 407):  # RFC 9110, section 15.5.8; tinyproxy tells those who guess wrong 401
        given = "does not accept the user and the password" if proxy.user else "wants a user and a password"
        raise ProxyDenied(
            "proxy-denied" if proxy.user else "proxy-auth", f"the proxy {given} (HTTP {status})"
        )
    if status >= 500:
        raise ProxyFailed(
            f"the proxy {proxy.authority} could not reach {where} (HTTP {status})", is_beyond=True
        )
    raise ProxyFailed(f"the proxy {proxy.authority} does not allow the way to {where} (HTTP {status})")
