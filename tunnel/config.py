"""Configuration: frozen, checked when it is made, with secrets that cannot be printed.

What is wrong is a :class:`ConfigError` whose text (Spanish) names the value and what to do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import AddressValueError, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from tunnel.balance.options import HealthOptions
from tunnel.http.forwarded import Networks
from tunnel.http.rules import ServiceRules
from tunnel.https_options import CertificateFiles, HttpsOptions
from tunnel.identity import Identity
from tunnel.limits import ClientLimits, VisitorLimits
from tunnel.port_ranges import NO_PORT, PortRanges
from tunnel.protocol.frames import MAX_CONTROL_PAYLOAD_BYTES
from tunnel.protocol.messages import MAX_NAMES, MAX_PORTS, Claim
from tunnel.trust import SYSTEM_TRUST, CaPin, TokenProof, Trust

__all__ = [
    "ANY_HOST",
    "CATCH_ALL",
    "CONTROL_PORT",
    "DATA_PORT",
    "TOKEN_VARIABLE",
    "AutoTls",
    "ClientConfig",
    "ConfigError",
    "ControlAddress",
    "ProxyProtocol",
    "Secret",
    "ServerConfig",
    "TcpUpstream",
    "TlsUpstream",
    "Upstream",
    "is_domain_name",
    "is_host",
    "parse_control_url",
    "parse_network",
    "parse_pin",
    "parse_san",
    "parse_upstreams",
]

DATA_PORT = 8000
CONTROL_PORT = 8123
ANY_HOST = "0.0.0.0"
CATCH_ALL = "*"
TOKEN_VARIABLE = "TUNELAB_TOKEN"  # noqa: S105 - the name of the variable, not a token

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_PIN = re.compile(r"sha256:((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})", re.IGNORECASE)
_HOST = re.compile(r"[\w.\-]+")  # letters of any alphabet: the resolver knows international names

_MAX_CLAIM_BYTES = MAX_CONTROL_PAYLOAD_BYTES - 64 - 8 * MAX_PORTS  # the proof and ports share the frame


class ConfigError(Exception):
    """A value that cannot be used.  The text is for the person who gave it."""


class Secret:
    """A string that shows itself to nobody by accident; :meth:`reveal` is the only way in."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")

    def __deepcopy__(self, memo: object) -> Secret:
        return self  # dataclasses.asdict copies


class ProxyProtocol(Enum):
    """How a TCP service is told who came: HAProxy's PROXY protocol, or not at all."""

    NONE = ""
    V1 = "v1"
    V2 = "v2"


@dataclass(frozen=True, slots=True)
class AutoTls:
    """TLS for the control plane, with a CA of the exit node's own."""

    state_folder: Path
    names: tuple[str, ...] = ()  # what clients call the exit node: host names and IP addresses
    connection_file: Path | None = None  # where the file for the client goes, if not in the state folder


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """An exit node, with one token that may claim every name or a file of them."""

    token: Secret | None
    host: str = ANY_HOST
    port: int = DATA_PORT
    control_host: str = ANY_HOST
    control_port: int = CONTROL_PORT
    ping_interval_s: float = 5.0
    drain_timeout_s: float = 10.0
    limits: VisitorLimits = field(default_factory=VisitorLimits)
    tokens_file: Path | None = None
    auto_tls: AutoTls | None = None
    tls_files: CertificateFiles | None = None
    trusted_proxies: Networks = ()  # who may say whom a request comes from
    client_limits: ClientLimits = field(default_factory=ClientLimits)
    tcp_ports: PortRanges = NO_PORT  # what clients may ask for
    sni_port: int | None = None  # where visitors of TLS services come
    logs_requests: bool = False  # tell of each request that a client answered
    sites_file: Path | None = None  # who may visit which names, and how often
    allowed_networks: Networks = ()  # where visitors may come from; (): from anywhere
    denied_networks: Networks = ()  # where none may come from
    memory_limit_bytes: int = 0  # for the windows of all clients together; 0: no more than the protocol's own
    https: HttpsOptions | None = None  # for visitors
    client_ca: Path | None = None  # who shows a certificate of this CA (PEM) needs no token

    def __post_init__(self) -> None:
        """Raise ConfigError where the values contradict one another."""
        if (self.token is None) == (self.tokens_file is None):
            raise ConfigError(
                "dé el token (--token-file) o el archivo de los tokens (--tokens-file), uno de los dos."
            )
        if self.auto_tls is not None and self.tls_files is not None:
            raise ConfigError(
                "--auto-tls hace su propio certificado, y --tls-cert usa el que usted tiene: elija uno."
            )
        if self.is_shared and (self.auto_tls is not None or self.tls_files is not None):
            raise ConfigError(
                "con el enlace cifrado, --port y --control-port no pueden ser el mismo puerto "
                f"({self.port}): el de control va cifrado y el de los visitantes no. Elija otro para uno de "
                "los dos."
            )
        if self.client_ca is not None and self.auto_tls is None and self.tls_files is None:
            raise ConfigError(
                "--client-ca va con el enlace cifrado: agregue --auto-tls, o --tls-cert y --tls-key."
            )
        if self.client_ca is not None and self.tokens_file is None:
            raise ConfigError(
                "--client-ca va con --tokens-file, que dice qué nombres puede pedir cada certificado."
            )
        if self.auto_tls is not None and self.auto_tls.connection_file is not None and self.token is None:
            raise ConfigError(
                "con --tokens-file cada cliente tiene su token, y no hay un solo archivo de conexión que "
                "sirva a todos. Quite --conexion."
            )
        if self.is_shared and self.host != self.control_host:
            raise ConfigError(
                f"--port y --control-port son el mismo puerto ({self.port}), pero --host ({self.host}) y "
                f"--control-host ({self.control_host}) no son la misma dirección. Quite --control-host o "
                "elija otro puerto."
            )

    @property
    def is_shared(self) -> bool:
        """Whether visitors and clients come in through one port."""
        return self.port == self.control_port and self.port != 0


@dataclass(frozen=True, slots=True)
class Upstream:
    """A private service: where it is, and the name that visitors call it by."""

    name: str  # lower case, or CATCH_ALL
    host: str
    port: int
    is_tls: bool = False
    rules: ServiceRules | None = None

    @property
    def authority(self) -> str:
        """Its host and port, as a Host field has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The upstream as a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_tls else 'http'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TcpUpstream:
    """A private TCP service, and the port of the exit node's that leads to it."""

    exit_port: int
    host: str
    port: int

    @property
    def address(self) -> str:
        """The service, as people write it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TlsUpstream:
    """A private TLS service, and the name that visitors ask for in the TLS handshake."""

    name: str  # lower case
    host: str
    port: int

    @property
    def address(self) -> str:
        """The service, as people write it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ControlAddress:
    """Where the exit node's control plane is."""

    url: str
    host: str
    port: int
    is_tls: bool

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent there stays on this machine, whatever the resolver says."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"  # RFC 6761, section 6.3


@dataclass(frozen=True, slots=True)
class ProxyServer:
    """An HTTP proxy that opens the way to an exit node."""

    host: str
    port: int
    user: str = ""
    password: Secret | None = None

    @property
    def authority(self) -> str:
        """Its host and port, and nothing that is secret."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """An agent."""

    address: ControlAddress
    token: Secret | None  # or ``identity``
    upstreams: tuple[Upstream, ...]
    upstream_timeout_s: float = 60.0
    drain_timeout_s: float = 10.0
    trust: Trust = SYSTEM_TRUST
    allows_plain: bool = False  # a link without TLS to another machine
    tcp: tuple[TcpUpstream, ...] = ()
    sni: tuple[TlsUpstream, ...] = ()
    proxy_protocol: ProxyProtocol = ProxyProtocol.NONE  # what TCP services are told of who came
    proxy: ProxyServer | None = None  # on the way to the exit node
    is_balanced: bool = False  # what it shares it shares with other clients of its token
    health: HealthOptions | None = None
    identity: Identity | None = None  # a certificate in place of a token

    def __post_init__(self) -> None:
        """Raise ConfigError where the values contradict one another."""
        address = self.address
        if not self.upstreams and not self.tcp and not self.sni:
            raise ConfigError(
                "falta qué compartir: --upstream http://localhost:5000, o un servicio TCP con "
                "--tcp 5432=localhost:5432."
            )
        if (self.token is None) == (self.identity is None):
            raise ConfigError("dé el token o el certificado (--cert y --key), uno de los dos.")
        if self.proxy_protocol is not ProxyProtocol.NONE and not self.tcp and not self.sni:
            raise ConfigError(
                "--proxy-protocol va con --tcp o --sni: por HTTP lo dicen las cabeceras Forwarded."
            )
        if not address.is_tls and self.trust != SYSTEM_TRUST:
            raise ConfigError(
                f"la URL «{address.url}» no va cifrada: no hay certificado que comprobar. Escríbala con wss."
            )
        if not address.is_tls and not address.is_loopback and not self.allows_plain:
            raise ConfigError(
                f"la URL «{address.url}» no va cifrada: quien esté en el camino podría leer y cambiar lo que "
                "pasa. Arranque el nodo de salida con --auto-tls y use su archivo de conexión (--conexion), "
                "o acepte el riesgo con --inseguro."
            )


def parse_control_url(text: str) -> ControlAddress:
    """Parse ``--url``: ``ws://HOST[:PORT]`` or ``wss://HOST[:PORT]``; the port is 8123 when not given.

    Raises:
        ConfigError: naming what is wrong with it.
    """
    hint = f"Escríbala así: ws://192.0.2.10:{CONTROL_PORT}, con la dirección de su nodo de salida."
    if "://" not in text:
        raise ConfigError(f"a la URL «{text}» le falta el esquema. {hint}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ConfigError(f"la URL «{text}» no es válida: revise la dirección y el puerto. {hint}") from None
    if parts.scheme in ("http", "https"):
        raise ConfigError(
            f"la URL «{text}» empieza como la de los visitantes ({parts.scheme}); el cliente se conecta al "
            f"puerto de control. {hint}"
        )
    if parts.scheme not in ("ws", "wss"):
        raise ConfigError(f"el esquema «{parts.scheme}» no sirve en --url: use ws o wss. {hint}")
    if not parts.hostname:
        raise ConfigError(f"a la URL «{text}» le falta la dirección del nodo de salida. {hint}")
    if parts.username is not None or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise ConfigError(f"en la URL «{text}» sobra algo: solo lleva esquema, dirección y puerto. {hint}")
    host = parts.hostname
    if not is_host(host) or host in ("dirección", "direccion"):
        raise ConfigError(f"«{host}» no es la dirección de una máquina. {hint}")
    port = CONTROL_PORT if port is None else port
    if not port:
        raise ConfigError(f"el puerto 0 de la URL «{text}» no sirve. {hint}")
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return ControlAddress(f"{parts.scheme}://{authority}", host, port, parts.scheme == "wss")


def parse_pin(text: str) -> CaPin | TokenProof:
    """Parse a pin: ``sha256:`` and 64 hexadecimal digits (colons between pairs are fine), or ``token``.

    Raises:
        ConfigError: it is neither.
    """
    if text == "token":
        return TokenProof()
    match = _PIN.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"«{text}» no es la huella de una CA: es «sha256:» y 64 cifras hexadecimales, como la muestra "
            "«tunnel server --auto-tls», o la palabra «token»."
        )
    return CaPin(match[1].replace(":", "").lower())


def parse_san(text: str) -> str:
    """Parse ``--auto-tls-san``: an IP address or a host name, as clients will call the exit node.

    Raises:
        ConfigError: it is neither.
    """
    name = text.strip().strip("[]").rstrip(".").lower()
    try:
        address = ip_address(name)
        if not address.is_unspecified and "%" not in name:  # neither "all of them" nor one of a card here
            return str(address)
    except ValueError:
        if is_domain_name(name):
            return name
    raise ConfigError(
        f"«{text}» no sirve en --auto-tls-san: es la dirección IP o el nombre de este nodo de salida, sin "
        "esquema ni puerto. Ejemplo: --auto-tls-san 192.0.2.10"
    )


def parse_upstreams(values: list[str]) -> tuple[Upstream, ...]:
    """Parse every ``--upstream``: ``URL`` or ``NAME=URL``, several separated by commas.

    Raises:
        ConfigError: naming the part that is wrong.
    """
    upstreams = tuple(_parse_upstream(part.strip()) for value in values for part in value.split(","))
    names = [upstream.name for upstream in upstreams]
    for name in names:
        if names.count(name) > 1:
            what = "sin nombre" if name == CATCH_ALL else f"para el nombre «{name}»"
            raise ConfigError(f"hay dos --upstream {what}: cada nombre lleva a un solo servicio.")
    if len(names) > MAX_NAMES or len(Claim(tuple(names)).encode()) > _MAX_CLAIM_BYTES:
        raise ConfigError(
            f"son demasiados nombres ({len(names)}) para un solo cliente: caben {MAX_NAMES}, si no son muy "
            "largos. Reparta los demás entre otros clientes."
        )
    return upstreams


def _parse_upstream(text: str) -> Upstream:
    name, separator, url = text.partition("=")
    if not separator or "://" in name:  # an "=" of the URL's own, which is refused below
        name, url = CATCH_ALL, text
    name = name.strip()
    if name != CATCH_ALL:
        name = name.lower().rstrip(".")
        if not is_domain_name(name.removeprefix("*.")):
            raise ConfigError(
                f"«{name}» no es un nombre de dominio: lleva letras sin tilde, cifras, guiones y puntos, "
                "y no lleva puerto. Ejemplos: --upstream todo.example=http://localhost:5000, o "
                "*.ana.example=… para todos los que terminan así"
            )
    url = url.strip()
    example = "Ejemplo: --upstream http://localhost:5000"
    if not url:
        raise ConfigError(f"a --upstream «{text}» le falta la dirección del servicio. {example}")
    if url.isascii() and url.isdigit():
        raise ConfigError(f"«{url}» es solo un puerto: escriba --upstream http://localhost:{url}")
    try:
        # inlets takes a bare HOST:PORT, and so do the fingers of those who used it.
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        raise ConfigError(f"la dirección «{url}» no es válida: revise el puerto. {example}") from None
    if parts.scheme not in ("http", "https"):
        raise ConfigError(f"el esquema «{parts.scheme}» no sirve en --upstream: use http o https. {example}")
    if not parts.hostname or port == 0:
        raise ConfigError(f"a la dirección «{url}» le falta el equipo o el puerto. {example}")
    if parts.username is not None or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise ConfigError(
            f"en la dirección «{url}» sobra algo: la ruta la pone cada visitante; --upstream solo lleva "
            f"esquema, equipo y puerto. {example}"
        )
    if not is_host(parts.hostname):
        raise ConfigError(f"«{parts.hostname}» no es la dirección de una máquina. {example}")
    is_tls = parts.scheme == "https"
    return Upstream(name, parts.hostname, port or (443 if is_tls else 80), is_tls)


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """Parse an address or a network in CIDR notation.

    Raises:
        ConfigError: it is neither; or bits are set behind the network's, so that it may be another one.
    """
    try:
        return ip_network(text.strip())
    except ValueError:
        pass
    try:
        meant = f" ¿Quiso decir {ip_network(text.strip(), strict=False)}?"
    except ValueError:
        meant = ""
    raise ConfigError(f"«{text}» no es una dirección ni una red: 192.0.2.7, 10.0.0.0/8 o fd00::/8.{meant}")


def is_domain_name(text: str) -> bool:
    """Whether ``text`` is a host name in lower case, as claims have it: no port, no root's dot."""
    return _NAME.fullmatch(text) is not None


def is_host(host: str) -> bool:
    """Whether ``host`` can be the address or the name of a machine."""
    if ":" in host:
        try:
            IPv6Address(host)
        except AddressValueError:
            return False
        return True
    try:
        host.encode("idna")  # as the resolver will: a label of nothing, or of more than 63 bytes, is no name
    except UnicodeError:
        return False
    return _HOST.fullmatch(host) is not None
