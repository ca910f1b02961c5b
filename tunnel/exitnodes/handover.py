"""The secret that both ends share, and the connection files that clients read: no value is copied by hand."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from tunnel.access.tokens_file import load_tokens
from tunnel.config import Secret
from tunnel.exitnodes.files import make_private_folder, write_private
from tunnel.exitnodes.model import Announcement, Order, Student
from tunnel.secret_files import load_token

__all__ = ["Connection", "connection_path", "make_secret", "name_of", "write_connection", "write_connections"]

_TOKEN_BYTES = 32
_DEFAULT_DOMAIN = "example"  # RFC 2606: nobody's, and so for the Host header and for /etc/hosts


@dataclass(frozen=True, slots=True)
class Connection:
    """What a client needs to reach a node, as ``tunnel client --conexion`` reads it."""

    url: str
    token: Secret
    pin: str
    public_url: str


def make_secret(order: Order) -> None:
    """Make what ``order.secret_file`` is to hold, unless it is there: a token, or one for each student.

    Tokens that are there are kept; a student who was added to the roster gets one.

    Raises:
        ConfigError: the file of an earlier run is damaged, or others can read it.
    """
    path = order.secret_file
    if not order.is_shared:
        if not path.exists():
            write_private(path, secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
        return
    known = {entry.label: entry.secret for entry in load_tokens(path)} if path.exists() else {}
    if set(known) >= {student.slug for student in order.students}:
        return
    import tomlkit  # which nothing else here needs

    document = tomlkit.document()
    tables = tomlkit.aot()
    for student in order.students:
        secret = known.get(student.slug) or Secret(secrets.token_urlsafe(_TOKEN_BYTES))
        table = tomlkit.table()
        table.add("label", student.slug)
        table.add("secret", secret.reveal())
        table.add("names", [name_of(order, student)])
        tables.append(table)
    document.append("token", tables)
    write_private(path, tomlkit.dumps(document))


def name_of(order: Order, student: Student) -> str:
    """Return the name that visitors call a student's service by, on a shared node."""
    return f"{student.slug}.{order.option('dominio', _DEFAULT_DOMAIN)}"


def connection_path(order: Order, student: Student) -> Path:
    """Return where the connection file of one of those who share a node is."""
    return order.folder / "conexiones" / f"{student.slug}.toml"


def write_connections(order: Order, announcement: Announcement) -> None:
    """Write the connection file of a node, or the one of each student who shares it.

    Raises:
        ConfigError: the secret of an earlier run is damaged, or others can read it.
    """
    if not order.is_shared:
        token = announcement.token or load_token(order.secret_file, {})
        write_connection(order.connection_file, _connection(announcement, token))
        return
    tokens = {entry.label: entry.secret for entry in load_tokens(order.secret_file)}
    for student in order.students:
        path = connection_path(order, student)
        make_private_folder(path.parent)
        write_connection(path, _connection(announcement, tokens[student.slug]))


def write_connection(path: Path, connection: Connection) -> None:
    """Write a connection file (0600), whole or not at all."""
    import tomlkit

    document = tomlkit.document()
    document.add("version", 1)
    document.add("url", connection.url)
    document.add("token", connection.token.reveal())
    document.add("pin", connection.pin)
    document.add("public_url", connection.public_url)
    write_private(path, tomlkit.dumps(document))


def _connection(announcement: Announcement, token: Secret) -> Connection:
    return Connection(announcement.url, token, announcement.pin, announcement.public_url)
