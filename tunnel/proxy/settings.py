"""Which proxy leads to an exit node: what the command line says, or else the environment.

The environment's variables are a custom and not a standard; here they mean what they do in curl and in
Python's urllib.  Lower case goes before upper case.  ``NO_PROXY`` is a list, separated by commas or spaces:
host names (each stands for the names below it too, with or without a dot before it; ``*.NAME`` for those
alone), addresses, networks in CIDR notation; a name or an address may have ``:PORT`` behind it; ``*`` is
everything.  What is on this machine is never asked of a proxy that the environment names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tunnel.config import ConfigError, ControlAddress, ProxyServer, Secret, is_host
from tunnel.secret_files import read_secret_file

__all__ = ["DIRECT", "find_proxy", "is_exempt", "parse_proxy_url", "read_proxy_option"]

DIRECT = "no"
"""What ``--proxy`` says for: none, whatever the environment says."""

_DEFAULT_PORT = 80  # of the scheme; those who run proxies say theirs
_MAX_PASSWORD_BYTES = 4096
_EXAMPLE = "http://proxy.example:3128"


def find_proxy(address: ControlAddress, environ: Mapping[str, str]) -> ProxyServer | None:
    """Return the proxy that the environment names for the way to ``address``, or None.

    Raises:
        ConfigError: it names one that cannot be used.
    """
    variable = "https_proxy" if address.is_tls else "http_proxy"
    name = variable if environ.get(variable) else variable.upper()
    url = environ.get(name, "")
    if not url or address.is_loopback:
        return None
    if is_exempt(address, environ.get("no_proxy") or environ.get("NO_PROXY") or ""):
        return None
    return parse_proxy_url(url, f"la variable {name}", may_hold_password=True)


def read_proxy_option(url: str, password_file: Path | None) -> ProxyServer:
    """Return the proxy that ``--proxy`` names, with the password from ``--proxy-password-file``.

    Raises:
        ConfigError: it cannot be used, or its password cannot be read.
    """
    proxy = parse_proxy_url(url, "--proxy", may_hold_password=False)
    if password_file is None:
        if proxy.user:
            raise ConfigError(
                f"falta la contraseña de «{proxy.user}» en el proxy: póngala en un archivo que solo usted "
                "pueda leer, y diga cuál con --proxy-password-file."
            )
        return proxy
    if not proxy.user:
        raise ConfigError(
            "--proxy-password-file va con un usuario en --proxy: http://USUARIO@proxy.example:3128."
        )
    text = read_secret_file(
        password_file,
        "de la contraseña",
        "--proxy-password-file",
        "Escriba en él la contraseña del proxy, y ciérrelo a los demás: chmod 600.",
        _MAX_PASSWORD_BYTES,
    )
    password = text.rstrip("\r\n")
    if not password or not password.isprintable():
        raise ConfigError(f"el archivo {password_file} no tiene una contraseña de una sola línea.")
    return ProxyServer(proxy.host, proxy.port, proxy.user, Secret(password))


def parse_proxy_url(text: str, source: str, *, may_hold_password: bool) -> ProxyServer:
    """Parse a proxy's URL: ``[http://][USER[:PASSWORD]@]HOST[:PORT]``.

    No complaint repeats the URL, which may hold a password.

    Args:
        source: where it comes from, for complaints.

    Raises:
        ConfigError: naming what is wrong with it.
    """
    hint = f"Escríbalo así: {_EXAMPLE}"
    try:
        parts = urlsplit(text.strip() if "://" in text else f"http://{text.strip()}")
        port = parts.port
    except ValueError:
        raise ConfigError(f"en {source}, la dirección del proxy no es válida. {hint}") from None
    if parts.scheme != "http":
        raise ConfigError(
            f"en {source}, el proxy es de un tipo que no sirve, «{parts.scheme}»: el túnel sale por proxies "
            f"HTTP, con CONNECT. {hint}"
        )
    host = parts.hostname or ""
    if not is_host(host) or port == 0 or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise ConfigError(f"en {source}, al proxy le falta la dirección o le sobra algo. {hint}")
    if parts.password is not None and not may_hold_password:
        raise ConfigError(
            "la contraseña del proxy no va en la línea de órdenes, donde cualquiera en esta máquina puede "
            "leerla: deje el usuario en --proxy, y dé la contraseña con --proxy-password-file."
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not (user + password).isprintable() or ":" in user:  # RFC 7617, section 2
        raise ConfigError(
            f"en {source}, el usuario o la contraseña del proxy lleva un signo que no puede ir."
        )
    return ProxyServer(host, port or _DEFAULT_PORT, user, Secret(password) if user else None)


def is_exempt(address: ControlAddress, no_proxy: str) -> bool:
    """Whether a ``NO_PROXY`` says that the way to ``address`` is direct.  What is no entry is passed over."""
    return any(_matches(address, entry) for entry in re.split(r"[,\s]+", no_proxy.lower()) if entry)


def _matches(address: ControlAddress, entry: str) -> bool:
    if entry == "*":
        return True
    host = address.host.lower().rstrip(".")
    try:
        own = ip_address(host)
    except ValueError:
        own = None
    if own is not None:
        try:
            return own in ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            pass  # a name, or there is a port behind it
    found = re.fullmatch(r"(\[[0-9a-f:.]+\]|[^:]+)(?::(\d{1,5}))?", entry)
    if found is None or (found[2] is not None and int(found[2]) != address.port):
        return False
    name = found[1].strip("[]")
    if own is not None:
        try:
            return own == ip_address(name)
        except ValueError:
            return False
    only_below = name.startswith("*.")
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host.endswith(f".{name}") or (host == name and not only_below))
