"""A man in the middle of an encrypted link: its own CA and certificate, no token."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path

from support.backend import ACCEPT_S

from tunnel.state.certificates import Authority, make_authority, make_leaf

__all__ = ["Impostor"]


class Impostor:
    """Takes TLS connections on ``port``, and passes what comes to an exit node and back.

    Args:
        folder: where it may keep its certificate.
        target_port: the exit node's control plane.

    ``heard`` is all that agents told it; ``answer`` what it says to them, None to pass it on.
    """

    def __init__(self, folder: Path, target_port: int) -> None:
        self.authority: Authority = make_authority(time.time())
        self.heard = bytearray()
        self.answer: bytes | None = None
        self.handshakes_refused = 0  # by agents that saw its certificate
        self._target_port = target_port
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        chain = folder / "impostor.pem"
        chain.write_text(make_leaf(self.authority, (), time.time()).pem)
        self._context.load_cert_chain(chain)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(ACCEPT_S)
        self.port: int = self._listener.getsockname()[1]
        self._is_closed = False
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def offer_own_ca(self) -> None:
        """Say that its CA is the exit node's."""
        pem = self.authority.pem.encode()
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(pem), pem)

    def close(self) -> None:
        """Stop, and end every connection."""
        self._is_closed = True
        self._acceptor.join(10)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._play, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _play(self, sock: socket.socket) -> None:
        sock.settimeout(5)
        with sock, suppress(OSError):
            try:
                near = self._context.wrap_socket(sock, server_side=True)
            except ssl.SSLError:
                self.handshakes_refused += 1
                return
            with near:
                question = near.recv(64 * 1024)
                self.heard += question
                near.sendall(self._ask(question) if self.answer is None else self.answer)

    def _ask(self, question: bytes) -> bytes:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self._target_port), 5) as sock,
            context.wrap_socket(sock) as far,
        ):
            far.sendall(question)
            pieces = bytearray()
            while piece := far.recv(64 * 1024):
                pieces += piece
        return bytes(pieces)
