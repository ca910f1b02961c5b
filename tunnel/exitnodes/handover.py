"""The secret that both ends share, and the connection files that clients read: no value is copied by hand."""

from __future__ import annotations

import secrets
from pathlib import Path

from tunnel.access.tokens_file import load_tokens
from tunnel.config import Secret, parse_control_url, parse_pin
from tunnel.connection import Connection, load_connection, write_connection
from tunnel.exitnodes.files import make_private_folder
from tunnel.exitnodes.model import Announcement, Order, Student
from tunnel.secret_files import create_private_file, load_token, replace_private_file

__all__ = ["a_token", "connection_path", "copy_connections", "make_secret", "name_of", "write_connections"]

_TOKEN_BYTES = 32
_DEFAULT_DOMAIN = "example"  # RFC 2606: nobody's, and so for the Host header and for /etc/hosts


def make_secret(order: Order) -> None:
    """Make what ``order.secret_file`` is to hold, unless it is there: a token, or one for each student.

    Tokens that are there are kept; a student who was added to the roster gets one.

    Raises:
        ConfigError: the file of an earlier run is damaged, or others can read it.
    """
    path = order.secret_file
    if not order.is_shared:
        create_private_file(path, secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
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
    replace_private_file(path, tomlkit.dumps(document))


def a_token(order: Order) -> Secret:
    """Return the node's token; of a shared node, one of them.

    Raises:
        ConfigError: the file is not there, is damaged, or others can read it.
    """
    return load_tokens(order.secret_file)[0].secret if order.is_shared else load_token(order.secret_file, {})


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
        token = announcement.token or a_token(order)
        write_connection(order.connection_file, _connection(announcement, token))
        return
    tokens = {entry.label: entry.secret for entry in load_tokens(order.secret_file)}
    for student in order.students:
        path = connection_path(order, student)
        make_private_folder(path.parent)
        write_connection(path, _connection(announcement, tokens[student.slug]))


def copy_connections(order: Order, destination: Path) -> None:
    """Write the connection file to ``destination`` too; of a shared node, each student's into that folder.

    Raises:
        ConfigError: what is there is no connection file; it is left as it is.
        FileUnusable: it cannot be written.
    """
    if not order.is_shared:
        write_connection(destination, load_connection(order.connection_file))
        return
    destination.mkdir(mode=0o700, parents=True, exist_ok=True)
    for student in order.students:
        path = connection_path(order, student)
        write_connection(destination / path.name, load_connection(path))


def _connection(announcement: Announcement, token: Secret) -> Connection:
    trust = parse_pin(announcement.pin)
    return Connection(parse_control_url(announcement.url), token, trust, announcement.public_url)
