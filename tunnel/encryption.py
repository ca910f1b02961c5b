"""The control plane's TLS: a certificate that stays in date, the CA for who asks, the file for the client."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable

from tunnel.config import ConfigError, ServerConfig, parse_control_url, parse_pin, parse_san
from tunnel.connection import CONNECTION_FILE, Connection, check_replaceable, write_connection
from tunnel.protocol.auth import KEY_ID_HEX_DIGITS, NONCE_BYTES, ca_proof
from tunnel.state.keeper import CertificateKeeper
from tunnel.transport.tls import server_context

__all__ = ["ControlTls"]

_KEY_ID = re.compile(rf"[0-9a-f]{{{KEY_ID_HEX_DIGITS}}}")
_NONCE = re.compile(rf"[0-9a-f]{{{2 * NONCE_BYTES}}}")
_LOCAL_NAME = "localhost"  # which every certificate has


class ControlTls:
    """What an exit node with ``auto_tls`` has besides.

    Args:
        config: with ``auto_tls``.
        find_token: given a key id, the token it names, or None.
        clock: returns the Unix time.

    Raises:
        ConfigError: what is in the state folder, or where the connection file goes, cannot be used.
        FileUnusable: the state folder cannot be made or written.
    """

    def __init__(
        self,
        config: ServerConfig,
        find_token: Callable[[str], str | None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        assert config.auto_tls is not None  # noqa: S101 - the caller's duty
        auto_tls = config.auto_tls
        own = _own_name(config.control_host)
        names = (*auto_tls.names, own) if own else auto_tls.names
        self._token = config.token
        self._find_token = find_token
        self._host = names[0] if names else _LOCAL_NAME
        self._path = auto_tls.connection_file or auto_tls.state_folder / CONNECTION_FILE
        self.context: ssl.SSLContext = server_context()
        self._keeper = CertificateKeeper(auto_tls.state_folder, names, self.context, clock)
        self._certificate = self._keeper.authority.der
        self._pem = self._keeper.authority.pem
        if self._token is not None:
            check_replaceable(self._path)

    @property
    def pin(self) -> str:
        """The CA's: ``sha256:`` and 64 hexadecimal digits."""
        return self._keeper.authority.pin

    def poll(self) -> None:
        """Renew the certificate if it is time; to be called now and then."""
        self._keeper.poll()

    def offer_ca(self, key_id: str, nonce: str) -> tuple[str, str]:
        """Return the CA's certificate (PEM), and its proof for who names a token that is known here."""
        is_question = _KEY_ID.fullmatch(key_id) and _NONCE.fullmatch(nonce)
        token = self._find_token(key_id) if is_question else None
        return self._pem, "" if token is None else ca_proof(token, nonce, self._certificate)

    def write_connection(self, control_port: int, data_port: int) -> str:
        """Write the file for the client; return its path, or "" where each client has a token of its own.

        Raises:
            ConfigError: what is there is no connection file; it is left as it is.
            FileUnusable: it cannot be written.
        """
        if self._token is None:
            return ""
        host = f"[{self._host}]" if ":" in self._host else self._host
        pin = parse_pin(self.pin)
        public_url = f"http://{host}" if data_port == 80 else f"http://{host}:{data_port}"
        address = parse_control_url(f"wss://{host}:{control_port}")
        write_connection(self._path, Connection(address, self._token, pin, public_url))
        return str(self._path)


def _own_name(host: str) -> str:
    """Return the address that the control plane listens on, or "" when it is all of them."""
    try:
        return parse_san(host)
    except ConfigError:
        return ""
