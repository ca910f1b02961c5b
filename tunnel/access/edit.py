"""Put a token into a tokens file and take it out, leaving all else in it as it is, comments too.

The new text is written beside the file and takes its place in one step: whoever reads it meets the old one
or the new one.  What is written is read back as the exit node will read it, first.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path

import tomlkit
from tomlkit.items import AoT

from tunnel.access.tokens_file import parse_tokens, read_tokens_file
from tunnel.config import ConfigError, Secret
from tunnel.port_ranges import NO_PORT, PortRanges
from tunnel.secret_files import make_private, not_private

__all__ = ["FileInUse", "LabelTaken", "NoSuchLabel", "add_token", "remove_token"]

_PATIENCE_S = 5.0
_LOOK_AGAIN_S = 0.02


class LabelTaken(Exception):  # noqa: N818 - what the caller tells
    """The file has a token with that label."""


class NoSuchLabel(Exception):  # noqa: N818
    """The file has no token with that label."""


class FileInUse(Exception):  # noqa: N818
    """Somebody else is writing the file, or was and left ``lock`` behind."""

    def __init__(self, lock: Path) -> None:
        super().__init__(str(lock))
        self.lock = lock


def add_token(
    path: Path,
    label: str,
    secret: Secret | None,
    names: tuple[str, ...],
    expires: date | datetime | None,
    ports: PortRanges = NO_PORT,
    *,
    certificate: str = "",
) -> None:
    """Add an entry, with a secret or else a certificate, to the tokens file ``path``, made if need be.

    Raises:
        LabelTaken: the label is in use.
        FileInUse: the file is being written by somebody else.
        ConfigError: the file, or the entry, is not as it must be.
        OSError: the file cannot be written.
    """

    def add(tokens: AoT) -> None:
        if any(table.get("label") == label for table in tokens):
            raise LabelTaken(label)
        if tokens:
            tokens[-1].add(tomlkit.nl())
        table = tomlkit.table()
        table.add("label", label)
        if secret is not None:
            table.add("secret", secret.reveal())
        else:
            table.add("certificate", certificate)
        if names:
            table.add("names", list(names))
        if ports:
            table.add("ports", str(ports).split(","))
        if expires is not None:
            table.add("expires", expires)
        tokens.append(table)

    _edit(path, add, may_be_new=True)


def remove_token(path: Path, label: str) -> None:
    """Take the entry ``label`` out of the tokens file ``path``.

    Raises:
        NoSuchLabel: there is none.
        FileInUse: the file is being written by somebody else.
        ConfigError: the file is not as it must be.
        OSError: the file cannot be written.
    """

    def remove(tokens: AoT) -> None:
        for index, table in enumerate(tokens):
            if table.get("label") == label:
                del tokens[index]
                return
        raise NoSuchLabel(label)

    _edit(path, remove, may_be_new=False)


def _edit(path: Path, change: Callable[[AoT], None], *, may_be_new: bool) -> None:
    path = path.resolve()  # a link stays one
    with _replaced(path) as descriptor:
        is_new = may_be_new and not path.exists()
        former = "" if is_new else read_tokens_file(path)
        parse_tokens(former, path)
        document = tomlkit.parse(former)
        tokens = document.get("token")
        if tokens is None:
            tokens = tomlkit.aot()
            document.append("token", tokens)
        if not isinstance(tokens, AoT):
            raise ConfigError(f"en el archivo {path} cada token debe empezar con una línea «[[token]]».")
        change(tokens)
        if not tokens:
            document.remove("token")
        text = tomlkit.dumps(document).rstrip("\n") + "\n"
        parse_tokens(text, path)
        if not make_private(descriptor):
            raise ConfigError(not_private(path.parent))
        if sys.platform != "win32" and not is_new:
            with contextlib.suppress(PermissionError):
                status = path.stat()
                os.fchown(descriptor, status.st_uid, status.st_gid)  # it may be a service's
        with open(descriptor, "w", encoding="utf-8", newline="", closefd=False) as file:
            file.write(text)
        os.fsync(descriptor)


@contextlib.contextmanager
def _replaced(path: Path) -> Iterator[int]:
    """Let the block write a file that then takes the place of ``path``; while it is there nobody else can."""
    lock = path.with_name(f"{path.name}.nuevo")
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            break
        except FileExistsError:
            if time.monotonic() >= deadline:
                raise FileInUse(lock) from None
            time.sleep(_LOOK_AGAIN_S)
    try:
        try:
            yield descriptor
        finally:
            os.close(descriptor)  # Windows moves no open file
        lock.replace(path)
    except BaseException:
        lock.unlink()
        raise
