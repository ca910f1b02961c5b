"""Secrets from files, and files for secrets, that only their owner can read.

What is wrong with a file is a :class:`~tunnel.config.ConfigError` whose text names it and says how to mend
it; it never repeats what the file holds.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import secrets
import shlex
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tunnel.config import TOKEN_VARIABLE, ConfigError, Secret
from tunnel.os_errors import describe_os_error
from tunnel.protocol.auth import MIN_TOKEN_CHARACTERS

__all__ = [
    "FileUnusable",
    "check_token",
    "create_private_file",
    "load_token",
    "make_private",
    "not_private",
    "read_secret_file",
    "replace_private_file",
    "scratch_file",
]

_MAX_TOKEN_FILE_BYTES = 4096


class FileUnusable(Exception):  # noqa: N818 - what the caller tells
    """A file cannot be written.  The text is for the person who runs the program."""


def load_token(token_file: Path | None, environ: Mapping[str, str]) -> Secret:
    """Return the token from ``token_file``, or else from the environment.

    Raises:
        ConfigError: there is none, it is too short, or others can read the file.
    """
    if token_file is not None:
        advice = f"Créelo con: tunnel token --salida {shlex.quote(str(token_file))}"
        text = read_secret_file(token_file, "del token", "--token-file", advice, _MAX_TOKEN_FILE_BYTES)
        return check_token(text, f"del archivo {token_file}")
    value = environ.get(TOKEN_VARIABLE)
    if value is not None:
        return check_token(value, f"de la variable {TOKEN_VARIABLE}")
    raise ConfigError(
        "falta el token. Créelo con «tunnel token --salida token.txt» y páselo con "
        f"«--token-file token.txt» (o en la variable de entorno {TOKEN_VARIABLE})."
    )


def read_secret_file(path: Path, of: str, option: str, advice: str, max_bytes: int) -> str:
    """Return the text of a file that nobody but its owner can read.

    Args:
        of: what the file is of, with its article, for the words "el archivo …": ``"del token"``.
        option: the option that names such a file.
        advice: a sentence that says how to make one.
        max_bytes: a longer file is refused unread.

    Raises:
        ConfigError: it does not exist, is no plain text file, is too long, or others can read it.
    """
    try:
        # Without O_NONBLOCK the opening of a pipe waits for somebody to write to it.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
        try:
            _check_private(path, os.fstat(descriptor).st_mode, of, option)
            data = _read(descriptor, max_bytes + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise ConfigError(f"el archivo {of} {path} no existe. {advice}") from None
    except OSError as error:
        raise ConfigError(f"no se puede leer el archivo {of} {path}: {describe_os_error(error)}.") from None
    except ValueError:  # a NUL in the path
        raise ConfigError(f"la ruta del archivo {of} no es válida: {str(path)!r}.") from None
    if len(data) > max_bytes:
        raise ConfigError(f"el archivo {path} tiene más de {max_bytes} bytes: ¿es de verdad el {of}?")
    try:
        return _decode(data)
    except UnicodeDecodeError:
        raise ConfigError(f"el archivo {path} no es texto: ¿es de verdad el {of}?") from None


def check_token(text: str, source: str) -> Secret:
    """Return the token in ``text``, without the white space around it.

    Args:
        source: where it comes from, in Spanish, for the complaint: ``"del archivo token.txt"``.

    Raises:
        ConfigError: it is too short, or not one word of ASCII.
    """
    token = text.strip()
    if len(token) < MIN_TOKEN_CHARACTERS:
        raise ConfigError(
            f"el token {source} tiene {len(token)} caracteres y debe tener al menos "
            f"{MIN_TOKEN_CHARACTERS}. «tunnel token» crea uno bueno."
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"el token {source} debe ser una sola palabra de letras, cifras y signos, sin espacios ni tildes."
        )
    return Secret(token)


def make_private(descriptor: int) -> bool:
    """Close a file to others, whatever the umask took away; return False where that has no effect."""
    if sys.platform == "win32":
        return True  # Windows: the folder's access list decides
    with contextlib.suppress(PermissionError):
        os.fchmod(descriptor, 0o600)
    return not os.fstat(descriptor).st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def not_private(folder: Path) -> str:
    """Return what to say of a folder where :func:`make_private` has no effect."""
    return (
        f"en la carpeta {folder.absolute()} ningún archivo es privado: la comparte otro sistema (Vagrant, "
        "Windows). Elija otra, como su carpeta personal."
    )


def replace_private_file(path: Path, text: str) -> None:
    """Write a file that only its owner can read, in one step: it is there whole, or as it was before.

    Raises:
        FileUnusable: it cannot be written, or cannot be made private.
    """
    with _told(path), scratch_file(path, text) as scratch:
        scratch.replace(path)


def create_private_file(path: Path, text: str) -> bool:
    """Write a file that only its owner can read, whole and in one step, unless it is there already.

    Of several who try at once exactly one makes it.

    Returns:
        Whether this call made it.

    Raises:
        FileUnusable: it cannot be written, or cannot be made private.
    """
    with _told(path), scratch_file(path, text) as scratch:
        try:
            if sys.platform == "win32":
                scratch.rename(path)  # which refuses there what it replaces elsewhere
            else:
                os.link(scratch, path)
        except FileExistsError:
            return False
        if sys.platform != "win32":
            descriptor = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)  # others are about to rely on it for years
            finally:
                os.close(descriptor)
        return True


@contextlib.contextmanager
def scratch_file(path: Path, text: str) -> Iterator[Path]:
    """Write ``text`` to a private file beside ``path``, for the block; what is left of it is removed.

    Raises:
        FileUnusable: the folder keeps nothing private.
        OSError: it cannot be written.
    """
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(scratch, flags, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            if not make_private(descriptor):
                raise FileUnusable(not_private(path.parent))
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        yield scratch
    finally:
        with contextlib.suppress(FileNotFoundError):
            scratch.unlink()


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileUnusable(f"no se puede escribir {path}: {describe_os_error(error)}.") from None


def _check_private(path: Path, mode: int, of: str, option: str) -> None:
    if not stat.S_ISREG(mode):
        what = "es un directorio" if stat.S_ISDIR(mode) else "no es un archivo corriente"
        raise ConfigError(f"{path} {what}. Con {option} se da el archivo {of}.")
    # Windows has access lists instead of these bits; what Python shows there says nothing.
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"otros usuarios tienen acceso al archivo {of} {path} (permisos {stat.S_IMODE(mode):04o}). "
            f"Ciérrelo con: chmod 600 {shlex.quote(str(path))}\n"
            "Si eso no cambia los permisos, la carpeta es compartida con otro sistema (Vagrant, Windows): "
            "guarde el archivo en su carpeta personal."
        )


def _read(descriptor: int, max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    left = max_bytes
    while left and (piece := os.read(descriptor, left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _decode(data: bytes) -> str:
    """Decode text as editors leave it: Notepad puts a mark in front, PowerShell's ``>`` writes UTF-16."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    return data.decode("utf-8-sig")
