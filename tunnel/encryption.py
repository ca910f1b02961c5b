"""The control plane's TLS: a certificate that stays in date, with a CA of the exit node's own or from files.

With a CA of its own the exit node offers that CA to who asks, and writes the file for the client.  With a
certificate from files both are somebody else's, and what an agent's system trusts is enough to know it.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable

from tunnel.certificate_files import Pair, PairOptions, WatchedPair
from tunnel.config import ConfigError, ServerConfig, parse_control_url, parse_pin, parse_san
from tunnel.connection import CONNECTION_FILE, Connection, check_replaceable, write_connection
from tunnel.https_options import CertificateFiles
from tunnel.protocol.auth import ca_proof
from tunnel.state.keeper import CertificateKeeper
from tunnel.transport.questions import Answer, Answerer, Question, named_token
from tunnel.transport.tls import server_context

__all__ = ["AutoTlsKeeper", "ControlTls", "TlsFilesKeeper", "make_control_tls"]

_OPTIONS = PairOptions("--tls-cert", "--tls-key")
_LOCAL_NAME = "localhost"  # which every certificate has


class ControlTls:
    """What an exit node with TLS has besides."""

    def __init__(self) -> None:
        self.context: ssl.SSLContext = server_context()

    @property
    def pin(self) -> str:
        """Of the CA: ``sha256:`` and 64 hexadecimal digits; "" where it is not the exit node's own."""
        return ""

    @property
    def answer_ca(self) -> Answerer | None:
        """Answers who asks for the CA; None where there is none to offer."""
        return None

    def poll(self) -> None:
        """Keep the certificate in date; to be called now and then."""

    def write_connection(self, control_port: int, data_port: int) -> str:
        """Write the file for the client; return its path, or "" where there is none to write.

        Raises:
            ConfigError: what is there is no connection file; it is left as it is.
            FileUnusable: it cannot be written.
        """
        return ""


def make_control_tls(
    config: ServerConfig, find_token: Callable[[str], str | None], clock: Callable[[], float] = time.time
) -> ControlTls:
    """Return what ``config`` asks for, which has one of the two.

    Raises:
        ConfigError: a file cannot be used.
        FileUnusable: the state folder cannot be made or written.
    """
    if config.tls_files is not None:
        return TlsFilesKeeper(config.tls_files, clock)
    return AutoTlsKeeper(config, find_token, clock)


class TlsFilesKeeper(ControlTls):
    """A certificate from files, which are read again when they change: no link is lost by it.

    Args:
        clock: returns the Unix time.

    Raises:
        ConfigError: a file cannot be read, others can read the key, or they do not fit together.
    """

    def __init__(self, files: CertificateFiles, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._pair = WatchedPair(files, _OPTIONS, self._use, "the certificate", clock)

    def poll(self) -> None:
        """Read the files once they have changed and look the same twice; bad ones change nothing."""
        self._pair.poll()

    def _use(self, pair: Pair) -> None:
        pair.load_into(self.context)  # of which the listener has one for good


class AutoTlsKeeper(ControlTls):
    """A CA of the exit node's own, and a certificate that it signs.

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
        super().__init__()
        assert config.auto_tls is not None  # noqa: S101 - the caller's duty
        auto_tls = config.auto_tls
        own = _own_name(config.control_host)
        names = (*auto_tls.names, own) if own else auto_tls.names
        self._token = config.token
        self._find_token = find_token
        self._host = names[0] if names else _LOCAL_NAME
        self._path = auto_tls.connection_file or auto_tls.state_folder / CONNECTION_FILE
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

    @property
    def answer_ca(self) -> Answerer:
        """Answers who asks for the CA."""
        return self._answer_ca

    def _answer_ca(self, question: Question) -> Answer:
        """Answer with the CA's certificate (PEM), and its proof for who names a token that is known here."""
        token = named_token(question, self._find_token)
        proof = "" if token is None else ca_proof(token, question.nonce, self._certificate)
        return Answer(self._pem, "application/pem-certificate-chain", proof)  # RFC 8555, section 9.1

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
