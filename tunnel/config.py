"""Configuration: frozen, checked when it is made, with secrets that cannot be printed.

What is wrong is a :class:`ConfigError` whose text (Spanish) names the value and what to do.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tunnel.protocol.auth import MIN_TOKEN_CHARACTERS

__all__ = [
    "CATCH_ALL",
    "CONTROL_PORT",
    "DATA_PORT",
    "TOKEN_VARIABLE",
    "ClientConfig",
    "ConfigError",
    "Secret",
    "ServerConfig",
    "Upstream",
    "VisitorLimits",
    "load_token",
    "parse_control_url",
    "parse_upstreams",
]

DATA_PORT = 8000
CONTROL_PORT = 8123
CATCH_ALL = "*"
TOKEN_VARIABLE = "TUNELAB_TOKEN"  # noqa: S105 - the name of the variable, not a token

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")


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


@dataclass(frozen=True, slots=True)
class VisitorLimits:
    """What one visitor's connection may take.  Sizes in bytes, times in seconds."""

    max_head_bytes: int = 64 * 1024
    max_target_bytes: int = 16 * 1024
    max_fields: int = 100
    max_pipelined_bytes: int = 64 * 1024  # read ahead while an answer is under way
    head_timeout_s: float = 15.0  # from a request's first byte to the end of its head
    idle_timeout_s: float = 75.0  # between requests
    body_timeout_s: float = 60.0  # without a byte of the content
    linger_s: float = 2.0  # reading on after an early answer, so that the visitor sees it


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """An exit node."""

    token: Secret
    host: str = "0.0.0.0"
    port: int = DATA_PORT
    control_host: str = "0.0.0.0"
    control_port: int = CONTROL_PORT
    ping_interval_s: float = 5.0
    drain_timeout_s: float = 10.0
    limits: VisitorLimits = field(default_factory=VisitorLimits)

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

    @property
    def url(self) -> str:
        """The upstream as a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_tls else 'http'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ControlAddress:
    """Where the exit node's control plane is."""

    url: str
    host: str
    port: int
    is_tls: bool


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """An agent."""

    address: ControlAddress
    token: Secret
    upstreams: tuple[Upstream, ...]
    upstream_timeout_s: float = 60.0
    drain_timeout_s: float = 10.0


def load_token(token_file: Path | None, environ: dict[str, str] | os._Environ[str]) -> Secret:
    """Return the token from ``token_file``, or else from the environment.

    Raises:
        ConfigError: there is none, it is too short, or others can read the file.
    """
    if token_file is not None:
        return _check_token(_read_private(token_file), f"el archivo {token_file}")
    value = environ.get(TOKEN_VARIABLE)
    if value is not None:
        return _check_token(value, f"la variable {TOKEN_VARIABLE}")
    raise ConfigError(
        "falta el token. Créelo con «tunnel token --salida token.txt» y páselo con "
        f"«--token-file token.txt» (o en la variable de entorno {TOKEN_VARIABLE})."
    )


def _read_private(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            # Windows has access lists instead of these bits; what Python shows there says nothing.
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigError(
                    f"otros usuarios pueden leer el archivo del token {path} "
                    f"(permisos {stat.S_IMODE(mode):04o}). Ciérrelo con: chmod 600 {path}"
                )
            return file.read(4096)
    except OSError as error:
        raise ConfigError(f"no se puede leer el archivo del token {path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"el archivo del token {path} no es texto UTF-8.") from None


def _check_token(text: str, source: str) -> Secret:
    token = text.strip()
    if len(token) < MIN_TOKEN_CHARACTERS:
        raise ConfigError(
            f"el token de {source} tiene {len(token)} caracteres y debe tener al menos "
            f"{MIN_TOKEN_CHARACTERS}. «tunnel token» crea uno bueno."
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"el token de {source} debe ser una sola palabra de letras, cifras y signos, sin espacios "
            "ni tildes."
        )
    return Secret(token)


def parse_control_url(text: str) -> ControlAddress:
    """Parse ``--url``: ``ws://HOST[:PORT]`` or ``wss://HOST[:PORT]``; the port is 8123 when not given.

    Raises:
        ConfigError: naming what is wrong with it.
    """
    hint = "Escríbala así: ws://DIRECCIÓN:8123"
    if "://" not in text:
        raise ConfigError(f"a la URL «{text}» le falta el esquema. {hint}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ConfigError(f"la URL «{text}» no es válida: revise el puerto. {hint}") from None
    if parts.scheme in ("http", "https"):
        raise ConfigError(
            f"la URL «{text}» es la de los visitantes ({parts.scheme}). El cliente se conecta al puerto de "
            f"control. {hint}"
        )
    if parts.scheme not in ("ws", "wss"):
        raise ConfigError(f"el esquema «{parts.scheme}» no sirve en --url: use ws o wss. {hint}")
    if not parts.hostname:
        raise ConfigError(f"a la URL «{text}» le falta la dirección del nodo de salida. {hint}")
    if parts.username is not None or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise ConfigError(f"en la URL «{text}» sobra algo: solo lleva esquema, dirección y puerto. {hint}")
    host = parts.hostname
    port = CONTROL_PORT if port is None else port
    if not port:
        raise ConfigError(f"el puerto 0 de la URL «{text}» no sirve. {hint}")
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return ControlAddress(f"{parts.scheme}://{authority}", host, port, parts.scheme == "wss")


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
    return upstreams


def _parse_upstream(text: str) -> Upstream:
    name, separator, url = text.rpartition("=")
    if not separator:
        name = CATCH_ALL
    elif name != CATCH_ALL:
        name = name.strip().lower().rstrip(".")
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"«{name}» no es un nombre de dominio. Ejemplo: --upstream todo.example=http://localhost:5000"
            )
    url = url.strip()
    example = "Ejemplo: --upstream http://localhost:5000"
    if not url:
        raise ConfigError(f"a --upstream «{text}» le falta la dirección del servicio. {example}")
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
    is_tls = parts.scheme == "https"
    return Upstream(name, parts.hostname, port or (443 if is_tls else 80), is_tls)
