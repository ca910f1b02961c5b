"""TLS on the link: contexts, and how an agent comes to know the exit node's CA.

An agent with a pin knows a digest of the CA's certificate, not the certificate.  It asks the exit node for
it over a connection that verifies nothing and says nothing that matters, compares what came with the pin,
and only then dials, verified against that CA and no other.  An agent that shares the token and has no pin
lets the exit node prove its CA with the token (PROTOCOL.md, section 2.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from tunnel.config import ConfigError, ControlAddress, ProxyServer, Secret
from tunnel.http.errors import BadMessage
from tunnel.http.head import HEAD_END, parse_response_head
from tunnel.http.lines import find_fields
from tunnel.mtls.showing import ShownCertificate
from tunnel.os_errors import describe_os_error
from tunnel.protocol.auth import NONCE_BYTES, ca_proof, key_id, proofs_equal
from tunnel.proxy.connect import open_through
from tunnel.transport.questions import CA_PATH, KEY_ID_FIELD, NONCE_FIELD, PROOF_FIELD
from tunnel.trust import CaFile, CaPin, SystemTrust, TokenProof, Trust

__all__ = ["Dialler", "Unverifiable", "WrongCa", "client_context", "server_context"]

_ALPN = "http/1.1"
# Forward secrecy and AEAD, as RFC 9325, section 4.2, recommends: what is left of OpenSSL's default without
# CBC (LUCKY13).  Those of TLS 1.3 are all of that kind, and not in this list.
_TLS_1_2_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

_MAX_CA_BYTES = 16 * 1024  # ours has 700

P = TypeVar("P", bound=asyncio.Protocol)


class WrongCa(Exception):  # noqa: N818 - what the caller tells
    """The exit node's CA is not the one that was agreed on.  ``code`` is stable, for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Unverifiable(Exception):  # noqa: N818
    """What answers there has no TLS, or offers no CA to verify it by: ``reason``, for ``Disconnected``."""

    def __init__(self, detail: str, reason: str = "tls") -> None:
        super().__init__(detail)
        self.reason = reason


def server_context() -> ssl.SSLContext:
    """Return a context for a plane of the exit node's, without a certificate yet."""
    context = _hardened(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
    context.set_ciphers(_TLS_1_2_CIPHERS)
    return context


def client_context(*, cafile: str | None = None, cadata: bytes | None = None) -> ssl.SSLContext:
    """Return a context that checks certificate and host name, against these CAs or else the system's.

    Raises:
        OSError: ``cafile`` cannot be read, or (ssl.SSLError) holds no certificate.
    """
    return _hardened(ssl.create_default_context(cafile=cafile, cadata=cadata))


class Dialler:
    """Dials an exit node, through ``proxy`` if there is one, verified as ``trust`` says.

    Args:
        shown: the certificate that is shown in place of the token.

    Raises:
        ConfigError: the CA file cannot be read, or holds no certificate; or there is no token where one
            is needed.
    """

    def __init__(
        self,
        address: ControlAddress,
        trust: Trust,
        token: Secret | None,
        proxy: ProxyServer | None = None,
        shown: ShownCertificate | None = None,
    ) -> None:
        self.proxy = proxy
        self._address = address
        self._trust = trust
        self._token = token
        self.shown = shown
        # What takes the token's place everybody may know: the exit node is known by its certificate alone.
        if token is None and not address.is_tls:
            raise ConfigError(
                f"la URL «{address.url}» no va cifrada, y ahí no se puede mostrar un certificado. Escríbala "
                "con wss."
            )
        if token is None and isinstance(trust, TokenProof):
            raise ConfigError("sin token, --ca-pin es la huella de la CA del nodo de salida (sha256:…).")
        self._learned: ssl.SSLContext | None = None  # from a CA that the exit node offered
        self._from_file = _context_from_file(trust.path) if isinstance(trust, CaFile) else None

    @property
    def authority(self) -> str:
        """What goes in a Host field."""
        return _authority(self._address)

    async def connect(self, factory: Callable[[], P]) -> P:
        """Connect, and return the protocol.  Nothing reaches the protocol before all is verified.

        Raises:
            WrongCa: dialling again would only repeat that.
            Unverifiable: there is nothing to verify, or nothing to verify it by.
            ProxyDenied: the proxy wants a user and a password, or others; dialling again would repeat that.
            ProxyFailed: (an OSError) the proxy does not open the way.
            OSError: there is no connection; ssl.SSLError for one that was not verified.
        """
        trust = self._trust
        if not self._address.is_tls:
            return await self._dial(factory, None)
        if isinstance(trust, SystemTrust | CaFile):
            return await self._dial(factory, self._from_file or client_context())
        if self._learned is not None:
            try:
                return await self._dial(factory, self._learned)
            except ssl.SSLCertVerificationError:
                pass  # the exit node may have been rebuilt since: what it offers now is judged anew
        self._learned = client_context(cadata=await self._learn(trust))
        return await self._dial(factory, self._learned)

    @property
    def token(self) -> str:
        """What the handshake of the latest link is keyed with: the token, or what stands for it."""
        if self._token is not None:
            return self._token.reveal()
        assert self.shown is not None  # noqa: S101 - ClientConfig has one of the two
        return self.shown.token

    async def _dial(self, factory: Callable[[], P], context: ssl.SSLContext | None) -> P:
        if self.shown is not None and context is not None:
            self.shown.prepare(context)
        return await _connect(self._address, self.proxy, factory, context)

    async def _learn(self, trust: CaPin | TokenProof) -> bytes:
        """Return the certificate (DER) of the exit node's CA, once ``trust`` says that it is the one."""
        if isinstance(trust, CaPin):
            offer = await _fetch_ca(self._address, self.proxy, {})
            found = hashlib.sha256(offer.certificate).hexdigest()
            if found != trust.sha256:
                raise WrongCa("bad-pin", f"the exit node's CA has the pin sha256:{found}")
            return offer.certificate
        token, nonce = self.token, secrets.token_hex(NONCE_BYTES)
        fields = {KEY_ID_FIELD: key_id(token), NONCE_FIELD: nonce}
        offer = await _fetch_ca(self._address, self.proxy, fields)
        if not proofs_equal(ca_proof(token, nonce, offer.certificate), offer.proof):
            raise WrongCa("bad-exit-node", "the exit node does not hold the token")
        return offer.certificate


@dataclass(frozen=True, slots=True)
class _Offer:
    certificate: bytes  # DER
    proof: str  # "" for none


async def _connect(
    address: ControlAddress,
    proxy: ProxyServer | None,
    factory: Callable[[], P],
    context: ssl.SSLContext | None,
) -> P:
    loop = asyncio.get_running_loop()
    if proxy is None:
        with _told_apart(context):
            _, protocol = await loop.create_connection(factory, address.host, address.port, ssl=context)
        return protocol
    sock = await open_through(proxy, address)
    name = None if context is None else address.host
    try:
        with _told_apart(context):
            _, protocol = await loop.create_connection(factory, sock=sock, ssl=context, server_hostname=name)
    except BaseException:
        sock.close()
        raise
    return protocol


def _authority(address: ControlAddress) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host.encode("idna").decode()
    return f"{host}:{address.port}"


async def _fetch_ca(address: ControlAddress, proxy: ProxyServer | None, fields: dict[str, str]) -> _Offer:
    """Ask an exit node for its CA's certificate.  Whoever is on the path may have changed the answer."""
    context = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    # The one connection that is not verified, because there is nothing yet to verify it with.  What comes
    # over it is believed for its digest or its proof, and what goes over it anybody may know.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    lines = [
        f"GET {CA_PATH} HTTP/1.1",
        f"Host: {_authority(address)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in fields.items()),
        "\r\n",
    ]
    reader, writer = await _open_stream(address, proxy, context)
    try:
        writer.write("\r\n".join(lines).encode())
        head = parse_response_head(await reader.readuntil(HEAD_END), b"GET")
        if head.status == 429:  # RFC 6585, section 4: it does, and asks to be left in peace
            raise Unverifiable("HTTP 429", "refused")
        if head.status != 200 or not 0 < head.length <= _MAX_CA_BYTES:
            raise Unverifiable(f"it offers no CA (HTTP {head.status})")
        content = await reader.readexactly(head.length)
        certificate = ssl.PEM_cert_to_DER_cert(content.decode("ascii"))
    except (EOFError, asyncio.LimitOverrunError, BadMessage, ValueError):
        raise Unverifiable("it offers no CA (it does not speak HTTP)") from None
    finally:
        writer.transport.abort()
    wanted = PROOF_FIELD.lower().encode()
    proofs = find_fields(head.fields, wanted)
    return _Offer(certificate, proofs[0].decode("latin-1") if len(proofs) == 1 else "")


async def _open_stream(
    address: ControlAddress, proxy: ProxyServer | None, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader = asyncio.StreamReader(_MAX_CA_BYTES)
    protocol = await _connect(address, proxy, lambda: _Stream(reader), context)
    return reader, asyncio.StreamWriter(protocol.transport, protocol, reader, asyncio.get_running_loop())


class _Stream(asyncio.StreamReaderProtocol):
    """asyncio's own, which keeps its transport to itself."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, transport)


@contextlib.contextmanager
def _told_apart(context: ssl.SSLContext | None) -> Iterator[None]:
    """Tell a peer that hung up in the TLS handshake from one that cannot be reached."""
    try:
        yield
    except ConnectionError as error:
        if context is None or error.errno is not None:  # the event loop's own errors have no number
            raise
        raise Unverifiable("it hung up in the TLS handshake") from None


def _context_from_file(path: Path) -> ssl.SSLContext:
    try:
        return client_context(cafile=str(path))
    except ssl.SSLError:
        raise ConfigError(
            f"el archivo {path} no tiene el certificado de una CA en PEM («-----BEGIN CERTIFICATE-----»)."
        ) from None
    except OSError as error:
        raise ConfigError(
            f"no se puede leer el certificado de la CA {path}: {describe_os_error(error)}."
        ) from None


def _hardened(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Python's default now; here it does not hang on it
    context.set_alpn_protocols([_ALPN])
    return context
