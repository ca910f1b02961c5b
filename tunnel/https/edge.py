"""The port with TLS: which certificate a handshake gets, and what is answered before any routing."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from tunnel.acme.proofs import CHALLENGE_PREFIX
from tunnel.events import OnEvent
from tunnel.http.head import RequestHead
from tunnel.http.own_answer import OwnAnswer
from tunnel.https.files import watch_certificate
from tunnel.https.listener import TlsDoor, TlsListener
from tunnel.https_options import HttpsOptions, HttpsPortUnusable
from tunnel.routing import normalize_host
from tunnel.transport.tls import server_context
from tunnel.transport.visitor import Edge, VisitorConnection

if TYPE_CHECKING:
    from tunnel.acme.keeper import AcmeKeeper

__all__ = ["HttpsEdge"]

_HTTPS_PORT = 443  # RFC 9110, section 4.2.2


class _Edge(Edge, TlsDoor, Protocol):
    """What visitors with TLS need of the exit node."""


class HttpsEdge:
    """HTTPS for visitors.  ``listen`` binds the port, ``poll`` keeps certificates in date.

    Args:
        edge: what visitors' connections need.
        clock: returns the Unix time.
        is_claimed: whether a client serves a name now.

    Raises:
        ConfigError: a file cannot be used.
        FileUnusable: the state folder cannot be made or written.
    """

    def __init__(
        self,
        options: HttpsOptions,
        edge: _Edge,
        on_event: OnEvent,
        clock: Callable[[], float] = time.time,
        is_claimed: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self.port = 0
        self._options = options
        self._edge = edge
        self._files = [watch_certificate(files, clock) for files in options.certificates]
        self._acme: AcmeKeeper | None = None
        if options.acme is not None:
            from tunnel.acme.keeper import AcmeKeeper  # with the library, which takes a while to load

            self._acme = AcmeKeeper(options.acme, on_event, clock, is_claimed)
        self._hsts = b"Strict-Transport-Security: max-age=%d\r\n" % options.hsts_s if options.hsts_s else b""
        # Without a certificate of its own: handshakes take that of the context that they are given.
        self._context = server_context()
        self._context.sni_callback = self._choose

    def listen(self, host: str) -> TlsListener:
        """Bind the port.

        Raises:
            HttpsPortUnusable: it cannot be bound.
        """
        try:
            listener = TlsListener(host, self._options.port, self._edge, self._context, self._new_visitor)
        except OSError as error:
            raise HttpsPortUnusable(error.errno, error.strerror) from None
        self.port = listener.port
        return listener

    def poll(self) -> None:
        """Keep the certificates in date; to be called now and then."""
        for certificate in self._files:
            certificate.poll()
        if self._acme is not None:
            self._acme.poll()

    def claimed(self, names: tuple[str, ...]) -> None:
        """A client serves these names from now on: those that may have a certificate get one."""
        if self._acme is not None:
            for name in names:
                if not name.startswith("*.") and self._find_file(name) is None:
                    self._acme.claimed(name)

    def is_for(self, name: str) -> bool:
        """Whether ``name`` has a certificate, or is to have one."""
        return self._find(name) is not None or (self._acme is not None and self._acme.covers(name))

    def public_url(self, name: str) -> str:
        """Return where visitors find a name."""
        return f"https://{name}" if self.port == _HTTPS_PORT else f"https://{name}:{self.port}"

    # ── before any routing (transport.visitor.FrontDesk) ─────────────────────────────────────────

    def answer(self, head: RequestHead, scheme: bytes) -> OwnAnswer | None:
        """Return what the exit node itself answers to a request; None: it is routed like any other.

        Args:
            scheme: how the visitor came, as a trusted proxy before the exit node says it.
        """
        if head.target.startswith(CHALLENGE_PREFIX):  # never sent elsewhere: a service may have its own
            return None if self._acme is None else self._acme.board.answer(head.method, head.target)
        if scheme == b"https" or not self._options.redirects or not head.target.startswith(b"/"):
            return None
        name = normalize_host(head.host)
        if self._find(name) is None:  # it would be sent to where nothing answers
            return None
        # RFC 9110, section 15.4.9: the method and the content stay what they are.
        location = self.public_url(name) + head.target.decode("latin-1")
        text = f"Esta página está en {self.public_url(name)}\n".encode()
        return OwnAnswer(308, "text/plain; charset=utf-8", text, (("Location", location),))

    def _new_visitor(self) -> VisitorConnection:
        return VisitorConnection(self._edge, is_tls=True, own_fields=self._hsts)

    # ── handshakes ───────────────────────────────────────────────────────────────────────────────

    def _find(self, name: str) -> ssl.SSLContext | None:
        found = self._find_file(name)
        if found is None and self._acme is not None:
            found = self._acme.find(name) or self._acme.find(_wildcard(name))
        return found

    def _find_file(self, name: str) -> ssl.SSLContext | None:
        for wanted in (name, _wildcard(name)):
            for certificate in self._files:
                if wanted in certificate.value.names:
                    return certificate.value.context
        return None

    def _choose(
        self, tls: ssl.SSLSocket | ssl.SSLObject, name: str | None, context: ssl.SSLContext
    ) -> int | None:
        """Give a handshake its certificate; called by OpenSSL, with or without a name."""
        if name:
            found = self._find(name.lower().rstrip("."))
        else:  # RFC 6066, section 3: none is said of an address, and by old programs
            found = self._files[0].value.context if self._files else self._acme.first if self._acme else None
        if found is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        tls.context = found
        return None


def _wildcard(name: str) -> str:
    return f"*.{name.partition('.')[2]}"  # RFC 9525, section 6.3: for one label, the first
