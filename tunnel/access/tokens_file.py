"""The tokens file: TOML, one ``[[token]]`` for each, readable by its owner alone.

::

    [[token]]
    label = "ana"                        # for events and logs
    secret = "…"                         # or secret_file = "secretos/ana.txt", beside this file
    names = ["ana.example", "*.ana.example"]
    ports = ["5432", "6000-6010"]        # TCP ports; one of names and ports may be left out
    max_streams = 50                     # optional: requests and connections at once
    bandwidth = "10MB/s"                 # optional, in each direction
    expires = 2026-12-18                 # optional: a date (to its end, UTC) or a time with its zone

In place of the secret, ``certificate = "ana"`` names a client certificate: by a name in it, or by its digest,
``sha256:`` and 64 hexadecimal digits.

What is not known here is refused, naming what was probably meant: a ``name`` that is silently ignored
would be a right that its giver believes to have given, or to have limited.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from tunnel.access.patterns import parse_pattern
from tunnel.access.quota import parse_quota
from tunnel.access.ring import TokenEntry
from tunnel.config import ConfigError, Secret
from tunnel.port_ranges import PortRanges, parse_port_ranges
from tunnel.secret_files import check_token, load_token, read_secret_file
from tunnel.toml_text import parse_toml, refuse_unknown_keys

__all__ = ["MAX_TOKENS", "check_label", "expiry_time", "load_tokens", "parse_tokens", "read_tokens_file"]

MAX_TOKENS = 1000
"""Each handshake looks at all of them, which takes half a millisecond then."""

_MAX_BYTES = 1024 * 1024

_KEYS = (
    "label",
    "secret",
    "secret_file",
    "certificate",
    "names",
    "ports",
    "expires",
    "max_streams",
    "bandwidth",
)
_LABEL = re.compile(r"[\w.@+-]{1,64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def load_tokens(path: Path) -> tuple[TokenEntry, ...]:
    """Return the entries of a tokens file.

    Raises:
        ConfigError: others can read it, it is no TOML, or something in it is wrong.
    """
    return parse_tokens(read_tokens_file(path), path)


def read_tokens_file(path: Path) -> str:
    """Return the text of a tokens file.  Raises ConfigError."""
    advice = f"Créelo así: tunnel token --etiqueta ana --nombres ana.example --a {path}"
    return read_secret_file(path, "de los tokens", "--tokens-file", advice, _MAX_BYTES)


def parse_tokens(text: str, path: Path) -> tuple[TokenEntry, ...]:
    """Return the entries that ``text`` lists; ``path`` is where it stands.

    Raises:
        ConfigError: it is no TOML, or something in it is wrong.
    """
    document = parse_toml(text, path)
    refuse_unknown_keys(document, ("token",), f"el archivo {path}")
    tables = document.get("token", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"en el archivo {path} cada token empieza con una línea «[[token]]».")
    if len(tables) > MAX_TOKENS:
        raise ConfigError(f"el archivo {path} tiene {len(tables)} tokens; caben {MAX_TOKENS}.")
    entries = tuple(_parse_entry(table, number, path) for number, table in enumerate(tables, 1))
    _refuse_repeated(entries, path)
    return entries


def check_label(label: object, where: str) -> str:
    """Return ``label`` if it is a good one.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(label, str) or not _LABEL.fullmatch(label):
        raise ConfigError(
            f"{where} necesita una etiqueta (label) de una sola palabra, con letras, cifras y los signos "
            "_ . @ + - (64 como máximo)."
        )
    return label


def expiry_time(value: object, where: str) -> float:
    """Return the Unix time at which a token ends: a date counts to its end, in UTC.

    Raises:
        ConfigError: it is neither a date nor a time with its zone.
    """
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.timestamp()
    if isinstance(value, date) and not isinstance(value, datetime) and value != date.max:
        return datetime.combine(value + timedelta(days=1), time(), UTC).timestamp()
    raise ConfigError(
        f"{where} tiene un vencimiento (expires) que no se entiende. Sirven una fecha (2026-12-18, que vale "
        "hasta el final del día en UTC) o una hora con su zona (2026-12-18T18:00:00-05:00), sin comillas."
    )


def _parse_entry(table: dict[str, object], number: int, path: Path) -> TokenEntry:
    label = check_label(table.get("label"), f"el token número {number} de {path}")
    where = f"el token «{label}» de {path}"
    refuse_unknown_keys(table, _KEYS, where)
    ports = _parse_ports(table.get("ports", []), where)
    names = table.get("names", [] if ports else None)
    if (
        not isinstance(names, list)
        or not (names or ports)
        or not all(isinstance(name, str) for name in names)
    ):
        raise ConfigError(
            f'{where} necesita los nombres (names) que puede pedir, en una lista: names = ["ana.example"]. '
            'Todos los que hay son names = ["*"].'
        )
    try:
        patterns = tuple(map(parse_pattern, names))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    certificate = _parse_certificate(table, where) if "certificate" in table else ""
    secret, secret_file = (Secret(""), None) if certificate else _parse_secret(table, where, path)
    return TokenEntry(
        secret=secret,
        certificate=certificate,
        label=label,
        names=patterns,
        ports=ports,
        expires_s=expiry_time(table["expires"], where) if "expires" in table else math.inf,
        secret_file=secret_file,
        quota=parse_quota(table, where),
    )


def _parse_ports(value: object, where: str) -> PortRanges:
    if not isinstance(value, list) or any(type(port) not in (str, int) for port in value):
        raise ConfigError(f'{where} lleva sus puertos en una lista: ports = ["5432", "6000-6010"].')
    try:
        return parse_port_ranges(map(str, value))
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _parse_certificate(table: dict[str, object], where: str) -> str:
    value = table["certificate"]
    if "secret" in table or "secret_file" in table:
        raise ConfigError(f"{where} tiene un certificado (certificate) y también un secreto: elija uno.")
    if not isinstance(value, str) or not 0 < len(value) <= 253 or not value.isprintable():
        raise ConfigError(
            f'{where} dice qué certificado es con un nombre que está en él: certificate = "ana", o con su '
            "huella, sha256:…, como la muestra «tunnel cert show»."
        )
    if value.startswith("sha256:") and not _DIGEST.fullmatch(value):
        raise ConfigError(
            f"{where} tiene una huella (certificate) que no lo es: son «sha256:» y 64 cifras hexadecimales, "
            "en minúsculas."
        )
    return value


def _parse_secret(table: dict[str, object], where: str, path: Path) -> tuple[Secret, Path | None]:
    secret, file = table.get("secret"), table.get("secret_file")
    if (secret is None) == (file is None):
        raise ConfigError(
            f"{where} necesita su secreto: secret o secret_file, uno de los dos; o certificate."
        )
    if isinstance(secret, str):
        return check_token(secret, f"«{table['label']}» de {path}"), None
    if isinstance(file, str) and file:
        secret_file = path.parent / file
        return load_token(secret_file, {}), secret_file
    raise ConfigError(f"{where} lleva el secreto, o el archivo que lo tiene, entre comillas.")


def _refuse_repeated(entries: tuple[TokenEntry, ...], path: Path) -> None:
    labels: set[str] = set()
    holders: dict[str, str] = {}
    for entry in entries:
        if entry.label in labels:
            raise ConfigError(f"en {path} hay dos tokens con la etiqueta «{entry.label}».")
        labels.add(entry.label)
        other = holders.setdefault(entry.id, entry.label)
        if other != entry.label and entry.certificate:
            raise ConfigError(f"en {path} «{other}» y «{entry.label}» son el mismo certificado. Quite uno.")
        if other != entry.label:
            raise ConfigError(
                f"en {path} los tokens «{other}» y «{entry.label}» tienen el mismo secreto: nadie podría "
                "distinguirlos. Quite uno y créelo otra vez."
            )
