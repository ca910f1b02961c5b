"""Visitors with TLS, and certificates of a CA that only the test trusts."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path

from support.wire import PATIENCE_S, Wire

from tunnel.state.certificates import Authority, make_authority, make_leaf

__all__ = ["Ca", "client_context", "shake_hands", "visit_https"]

_KEY_MARK = "-----BEGIN PRIVATE KEY-----"


@dataclass(slots=True)
class Ca:
    """A CA, and the files in which a server finds what it signed."""

    folder: Path
    authority: Authority = field(default_factory=lambda: make_authority(time.time()))

    @property
    def file(self) -> Path:
        """The CA's certificate."""
        path = self.folder / "ca.pem"
        path.write_text(self.authority.pem)
        return path

    def sign(self, *names: str, to: str = "") -> tuple[Path, Path]:
        """Put a new certificate for ``names`` where the last one ``to`` that file name was.

        Returns:
            The files of the certificate and of its key, replaced one after the other, as certbot does.
        """
        leaf = make_leaf(self.authority, names, time.time()).pem
        stem = to or names[0].replace("*", "_")
        pieces = leaf[: leaf.index(_KEY_MARK)], leaf[leaf.index(_KEY_MARK) :]
        paths = self.folder / f"{stem}.crt", self.folder / f"{stem}.key"
        for path, text in zip(paths, pieces, strict=True):
            new = path.with_suffix(".new")
            new.touch(mode=0o600)
            new.write_text(text)
            new.replace(path)
        return paths

    def options(self, *names: str) -> list[str]:
        """Return the options of ``tunnel server`` for a certificate for ``names``."""
        certificate, key = self.sign(*names)
        return [f"--https-cert={certificate}", f"--https-key={key}"]


def client_context(ca_pem: str) -> ssl.SSLContext:
    """Return a context that trusts this CA and no other."""
    context = ssl.create_default_context(cadata=ca_pem)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def shake_hands(port: int, name: str, context: ssl.SSLContext, *, sni: bool = True) -> ssl.SSLSocket:
    """Return a connection whose certificate was verified for ``name``."""
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    try:
        if not sni:
            context.check_hostname = False
        return context.wrap_socket(sock, server_hostname=name if sni else None)
    except BaseException:
        sock.close()
        raise


def visit_https(port: int, name: str, ca_pem: str) -> Wire:
    """Connect as a visitor who calls the exit node ``name``."""
    return Wire(shake_hands(port, name, client_context(ca_pem)))
