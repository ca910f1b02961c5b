"""The sites file: TOML, one ``[site."NAME"]`` for each name.

::

    [site."ana.example"]
    allow = ["192.0.2.0/24"]     # from where one may visit; none: from anywhere
    deny = ["192.0.2.66"]        # and from where not
    rate = "10/s"                # requests of one source; also "100/min", "1000/h"
    burst = 30                   # that many of them at once
    basic = "ana.usuarios"       # users and passwords, in a file beside this one
    bearer = "ana.tokens"        # tokens, in another; with both, either is enough
    realm = "Notas de Ana"       # what a browser shows where it asks for a password

    [site."ana.example".oidc]    # or accounts that visitors have
    issuer = "https://accounts.google.com"
    client_id = "…"
    client_secret_file = "google.secreto"
    emails = ["ana@example.com"]
    domains = ["curso.example"]
    session = "8h"

    [site."*.curso.example"]     # every name under it

    [site."*"]                   # all the others

It holds no secret itself, only the names of files that do.  What is not known here is refused, naming what
was probably meant: a misspelt ``allow`` that is silently ignored would be an open door.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Callable
from pathlib import Path

from tunnel.access.patterns import parse_pattern
from tunnel.config import ConfigError, parse_network
from tunnel.os_errors import describe_os_error
from tunnel.sites.credentials import load_bearer_tokens, load_users
from tunnel.sites.networks import NetworkSet
from tunnel.sites.oidc.options import parse_oidc
from tunnel.sites.site import Site, parse_rate
from tunnel.toml_text import parse_toml, refuse_unknown_keys

__all__ = ["MAX_SITES", "load_sites", "parse_sites"]

MAX_SITES = 10_000

_MAX_BYTES = 8 * 1024 * 1024

_KEYS = ("allow", "deny", "rate", "burst", "basic", "bearer", "realm", "oidc")
_REALM = re.compile(r"[ !#-\[\]-~]{1,100}")  # what a quoted string holds as it is (RFC 9110, section 5.6.4)


def load_sites(path: Path) -> tuple[Site, ...]:
    """Return what a sites file says.

    Raises:
        ConfigError: it cannot be read, others can write to it, it is no TOML, or something in it is wrong.
    """
    return parse_sites(_read(path), path)


def parse_sites(text: str, path: Path) -> tuple[Site, ...]:
    """Return the sites in ``text``; ``path`` is where it stands.

    Raises:
        ConfigError: it is no TOML, or something in it is wrong.
    """
    document = parse_toml(text, path)
    refuse_unknown_keys(document, ("site",), f"el archivo {path}")
    tables = document.get("site", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f'en el archivo {path} cada sitio empieza con una línea «[site."ana.example"]».')
    if len(tables) > MAX_SITES:
        raise ConfigError(f"el archivo {path} tiene {len(tables)} sitios; caben {MAX_SITES}.")
    sites: dict[str, Site] = {}
    for name, table in tables.items():
        site = _parse_site(name, table, path)
        if site.pattern in sites:
            raise ConfigError(f"en el archivo {path} el sitio «{site.pattern}» está dos veces.")
        sites[site.pattern] = site
    return tuple(sites.values())


def _parse_site(name: str, table: dict[str, object], path: Path) -> Site:
    where = f"el sitio «{name}» de {path}"
    nested = next((key for key, value in table.items() if isinstance(value, dict) and key not in _KEYS), None)
    if nested is not None:  # [site.ana.example] without quotes: TOML takes each dot for a table in a table
        raise ConfigError(
            f"en {path} el nombre de un sitio va entre comillas, por sus puntos: "
            f'[site."{name}.{nested}"] y no [site.{name}.{nested}].'
        )
    refuse_unknown_keys(table, _KEYS, where)
    try:
        pattern = parse_pattern(name)
    except ConfigError:
        raise ConfigError(
            f"«{name}», en {path}, no es el nombre de un sitio: es un nombre de dominio, sin tildes ni "
            "puerto (ana.example), todos los que terminan en él (*.ana.example) o todos los demás (*)."
        ) from None
    return _told(where, lambda: _build(pattern, table, path.parent))


def _build(pattern: str, table: dict[str, object], folder: Path) -> Site:
    if "burst" in table and "rate" not in table:
        raise ConfigError('burst va con rate, que dice cuántas peticiones se admiten: rate = "10/s".')
    realm = table.get("realm", "")
    if "realm" in table and (
        "basic" not in table or not isinstance(realm, str) or not _REALM.fullmatch(realm)
    ):
        raise ConfigError(
            "realm va con basic: es lo que muestra el navegador al pedir la contraseña, en letras sin "
            'tildes y sin comillas: realm = "Notas de Ana".'
        )
    users, tokens = (_secret_file(key, table.get(key), folder) for key in ("basic", "bearer"))
    oidc, secret = parse_oidc(table["oidc"], folder) if "oidc" in table else (None, None)
    return Site(
        pattern,
        basic=None if users is None else load_users(users),
        bearer=None if tokens is None else load_bearer_tokens(tokens),
        realm=str(realm),
        oidc=oidc,
        files=tuple(file for file in (users, tokens, secret) if file is not None),
        allow=_networks("allow", table.get("allow")),
        deny=_networks("deny", table.get("deny")),
        rate=parse_rate(table["rate"], table.get("burst")) if "rate" in table else None,
    )


def _secret_file(key: str, value: object, folder: Path) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise ConfigError(f'{key} es el nombre de un archivo, junto al de los sitios: {key} = "ana.{key}".')
    return folder / value


def _networks(key: str, value: object) -> NetworkSet:
    if value is None:
        return NetworkSet(())
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f'{key} es una lista de redes: {key} = ["192.0.2.0/24", "2001:db8::/32"].')
    if key == "allow" and not value:
        # Taken for "from anywhere" by one reader and for "from nowhere" by the next.
        raise ConfigError("allow está vacía: quítela para admitir a todos, o ponga de dónde se admite.")
    return NetworkSet(parse_network(item) for item in value)


def _told(where: str, build: Callable[[], Site]) -> Site:
    """Return what ``build`` returns; what it complains of is told with its place."""
    try:
        return build()
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _read(path: Path) -> str:
    try:
        # Without O_NONBLOCK the opening of a pipe waits for somebody to write to it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            _check_mode(path, os.fstat(descriptor).st_mode)
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(_MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise ConfigError(f"el archivo de los sitios {path} no existe.") from None
    except OSError as error:
        raise ConfigError(
            f"no se puede leer el archivo de los sitios {path}: {describe_os_error(error)}."
        ) from None
    except ValueError:  # a NUL in the path
        raise ConfigError(f"la ruta del archivo de los sitios no es válida: {str(path)!r}.") from None
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"el archivo {path} tiene más de {_MAX_BYTES} bytes.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"el archivo {path} no es texto en UTF-8.") from None


def _check_mode(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{path} no es un archivo corriente. Con --sites-file se da el de los sitios.")
    # Who can write to it can open what it closes.
    if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"otros usuarios pueden cambiar el archivo de los sitios {path} (permisos "
            f"{stat.S_IMODE(mode):04o}). Ciérrelo con: chmod 644 {shlex.quote(str(path))}"
        )
