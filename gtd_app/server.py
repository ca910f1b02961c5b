"""waitress around the application: limits, JSON faults below Flask, a graceful end.

waitress is pure Python and runs on Windows too. Three things that it does by itself would not do here, and
are changed in the classes that it offers for that: its refusals are plain English text (``_JsonErrorTask``),
it hangs up on whoever is still sending what it refuses (``_Channel``), and it counts a chunked body with its
framing (``_Parser``).
"""

import errno
import logging
import select
import socket
import sys
import threading
import time
from typing import Any, cast

from flask import Flask
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server
from waitress.task import ErrorTask
from waitress.utilities import RequestEntityTooLarge

from gtd_app.errors import ServeError, describe_status, error_document
from gtd_app.json_text import to_json_text
from gtd_app.payloads import MAX_BODY_BYTES

logger = logging.getLogger(__name__)

# A request holds a thread for a few milliseconds, most of them waiting for the disk.
THREADS = 8

# Open connections: a classroom's browsers and a tunnel's pool. Windows' select() takes 512 sockets at most.
MAX_CONNECTIONS = 500 if sys.platform == "win32" else 1000

# Connections that wait in the kernel to be let in; fifty writers at once are far from it.
BACKLOG = 256

# After a refusal what the visitor still sends is thrown away up to here, and for this long, so that they get
# to read the answer; then the connection is cut. The time is that of 64 MiB on a school's 50 Mbit/s.
MAX_DISCARDED_BYTES = 64 * 1024 * 1024
LINGER_S = 10.0

# A chunked body counted as sent: in chunks of one byte each costs six ("1 CR LF x CR LF"), and some room.
MAX_RAW_BODY_BYTES = 8 * MAX_BODY_BYTES

# How long requests under way may take to finish after the order to stop, in seconds.
GRACE_S = 10.0

# Where "localhost" ends up. For any other address only bind() can tell whether its port is free.
EVERYDAY_ADDRESSES = ("127.0.0.1", "::1", "0.0.0.0", "::")

# How long to wait to see whether another program answers on a port, in seconds. On this same computer the
# answer takes microseconds; where nothing listens, Windows tries for two seconds.
PROBE_TIMEOUT_S = 0.3


class _Parser(HTTPRequestParser):
    """waitress's parser, with the body's limit counted as the visitor counts it: decoded."""

    def received(self, data: bytes) -> int:
        """Take what of ``data`` belongs to this request, and return how many bytes that was."""
        consumed = super().received(data)
        received = 0 if self.body_rcv is None else len(self.body_rcv)
        if self.error is None and max(self.content_length, received) > MAX_BODY_BYTES:
            self.error = RequestEntityTooLarge("body too large")
        if self.error is not None:
            # Whoever asked before sending (Expect: 100-continue) is told now, not invited to send: RFC 9110,
            # section 10.1.1, lets a final status take the place of the 100.
            self.expect_continue = False
            self.completed = True
        return consumed


class _JsonErrorTask(ErrorTask):
    """Tells what waitress refuses in the one shape of every fault."""

    def execute(self) -> None:
        cast(_Channel, self.channel).refused = True
        error = self.request.error  # type: ignore[attr-defined]  # the stub takes the request for its error
        code, message = describe_status(error.code)
        body = to_json_text(error_document(code, message)).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers = [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff")]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):
    """A connection that, after a refusal, listens a little longer before it hangs up.

    Closing a socket that holds unread bytes resets the connection, and the reset may overtake the answer: the
    visitor who is still sending a body that is too large would see a broken connection and not the reason. So
    we close our half, throw away what still comes, and hang up when the visitor does (RFC 9112, section 9.6).
    """

    error_task_class = _JsonErrorTask
    parser_class = _Parser

    refused = False  # set by _JsonErrorTask: the answer is a refusal, and the last one
    _linger_until: float | None = None  # monotonic seconds, once our half is closed
    _discarded = 0  # bytes

    def readable(self) -> bool:
        if self._linger_until is None:
            return super().readable()
        if time.monotonic() > self._linger_until or self._discarded > MAX_DISCARDED_BYTES:
            self.will_close = True
        return not self.will_close

    def writable(self) -> bool:
        return super().writable() if self._linger_until is None else self.will_close

    def handle_read(self) -> None:
        if self._linger_until is None:
            super().handle_read()
            return
        try:
            self._discarded += len(self.recv(65536))  # at the end recv() closes the channel itself
        except OSError:
            self.handle_close()

    def handle_close(self) -> None:
        if self.refused and self._linger_until is None:
            self.will_close = False
            self._linger_until = time.monotonic() + LINGER_S
            try:
                cast(socket.socket, self.socket).shutdown(socket.SHUT_WR)
            except OSError:  # the visitor hung up first
                super().handle_close()
            return
        super().handle_close()


class AppServer:
    """The application on a port.

    The socket listens when the constructor returns; ``run`` serves until ``request_stop`` is called, from any
    thread or from a signal handler, and the requests under way are answered.

    Raises:
        ServeError: from the constructor, when the address cannot be had.
    """

    def __init__(self, app: Flask, host: str, port: int) -> None:
        listener = open_listener(host, port)
        address = listener.getsockname()
        self.host: str = host
        self.port: int = address[1]
        self._listener = listener
        self._map: dict[int, Any] = {}
        # Any: with one listener it is waitress's BaseWSGIServer, whose stub leaves out what is used here.
        server: Any = create_server(
            app,
            map=self._map,
            sockets=[listener],
            threads=THREADS,
            backlog=BACKLOG,
            connection_limit=MAX_CONNECTIONS,
            max_request_body_size=MAX_RAW_BODY_BYTES,
            asyncore_use_poll=True,
            ident=None,
            log_socket_errors=False,
        )
        server.channel_class = _Channel
        self._server = server
        self._stopping = False
        # Keeps request_stop from waking a loop that is gone. Reentrant: a signal handler may interrupt run().
        self._closing = threading.RLock()
        self._closed = False

    @property
    def url(self) -> str:
        """Where the application answers, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def run(self) -> None:
        """Serve until told to stop, then finish what is under way."""
        try:
            while not self._stopping:
                self._turn(1.0)
            self._drain()
        finally:
            self._server.task_dispatcher.shutdown()
            with self._closing:
                self._closed = True
                wasyncore.close_all(self._map)

    def request_stop(self) -> None:
        """Make ``run`` return soon. May be called more than once."""
        self._stopping = True
        with self._closing:
            if not self._closed:
                self._server.pull_trigger()

    def _turn(self, timeout_s: float) -> None:
        wasyncore.loop(timeout=timeout_s, use_poll=True, map=self._map, count=1)

    def _drain(self) -> None:
        """Answer the requests under way and close every connection, for ``GRACE_S`` at most."""
        # Whoever was let in by the kernel and not yet by us is served too; then the door is closed.
        for _ in range(BACKLOG):
            if not select.select([self._listener], [], [], 0)[0]:
                break
            self._server.handle_accept()
        self._server.del_channel()
        self._listener.close()
        self._turn(0.0)  # read what has arrived already: it is under way
        deadline = time.monotonic() + GRACE_S
        channels = self._server.active_channels
        while channels and time.monotonic() < deadline:
            for channel in list(channels.values()):
                if not (channel.requests or channel.request or channel.total_outbufs_len):
                    channel.will_close = True
            self._turn(0.1)
        if channels:
            logger.warning("%d connection(s) cut: still busy after %g s", len(channels), GRACE_S)


def open_listener(host: str, port: int) -> socket.socket:
    """Return a socket bound to ``host`` and ``port`` (0: any free one), IPv4 where the name has both.

    Raises:
        ServeError: the name is unknown, or the port cannot be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ServeError(
            f"No se conoce la dirección {host}. Use --host 127.0.0.1 para este equipo, "
            "o --host 0.0.0.0 para toda la red."
        ) from error
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    if port and address[0] in EVERYDAY_ADDRESSES and is_taken(port):
        raise ServeError(_explain_taken(port))
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform == "win32":
            # There SO_REUSEADDR would let two programs have one port, each answering now and then.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise ServeError(_explain_bind(error, host, port)) from error
    return listener


def is_taken(port: int) -> bool:
    """Tell whether a program on this computer answers on ``port`` of either loopback address.

    bind() alone does not tell: a Mac lets us have 127.0.0.1:5000 beside AirPlay's *:5000, and then half of
    what is sent to localhost:5000 goes to AirPlay, which answers 403.
    """
    for address in ("127.0.0.1", "::1"):
        try:
            socket.create_connection((address, port), timeout=PROBE_TIMEOUT_S).close()
        except OSError:
            continue
        return True
    return False


def _explain_taken(port: int) -> str:
    another = 8080 if port != 8080 else 8081
    message = f"El puerto {port} ya está en uso por otro programa."
    if port == 5000:
        message += (
            " Puede ser otro gtd-app que sigue abierto. En un Mac suele ser el receptor AirPlay: se apaga en "
            "Ajustes del Sistema > General > AirDrop y Handoff > Receptor AirPlay."
        )
    return f"{message} Cierre ese programa, o elija otro puerto: gtd-app serve --port {another}"


def _explain_bind(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return _explain_taken(port)
        case errno.EACCES:
            return (
                f"El sistema no permite usar el puerto {port}: los menores que 1024 son del administrador, y "
                "Windows reserva algunos más. Elija otro: gtd-app serve --port 8080"
            )
        case errno.EADDRNOTAVAIL:
            return (
                f"La dirección {host} no es de este equipo. Use --host 127.0.0.1 para este equipo, "
                "o --host 0.0.0.0 para toda la red."
            )
        case _:
            return f"No se pudo escuchar en {host}, puerto {port}: {error.strerror or error}."
