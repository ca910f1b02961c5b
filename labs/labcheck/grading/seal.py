"""The keys of a class, and the seal that one of them sets on a hand-in.

The course has one secret, and each student's key comes out of it and of their code, so that whoever grades
needs no list of keys: HMAC with SHA-256, as in the expand step of HKDF (RFC 5869, section 2.3).

The seal tells who held the key and that nothing has changed since. It does not tell that what is sealed
happened: a student holds their own key.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MASTER_FILE = "curso.secreta"
SUFFIX = ".clave"
_KEY_BYTES = 32
_PURPOSE = b"tunelab hand-in key 1"
_LOST_MASTER = "Lo hace «lab claves», en la carpeta de --carpeta: diga dónde está con --secreto."
_LOST_KEY = (
    "Guarde ahí el archivo que le dio quien da el curso (CODIGO.clave), o diga dónde está: "
    "lab entregar NN --clave ARCHIVO"
)
_LINE = re.compile(r"tunelab-clave-1 ([A-Za-z0-9._-]{1,64}) ([0-9a-f]{64})\s*")


class SealError(Exception):
    """A key cannot be read or kept; the text is Spanish."""


@dataclass(frozen=True, slots=True)
class StudentKey:
    """What a student seals with."""

    code: str
    secret: bytes = field(repr=False)

    def seal(self, document: dict[str, Any]) -> str:
        """Return the seal of a document, which has none yet."""
        return hmac.new(self.secret, _canonical(document), hashlib.sha256).hexdigest()

    def fits(self, document: dict[str, Any], seal: str) -> bool:
        return hmac.compare_digest(self.seal(document).encode(), seal.encode("utf-8", "replace"))

    def seed(self, lab: str, salt: str) -> str:
        """Return the seed of one hand-in's nonces, which nobody without the key can make."""
        return hmac.new(self.secret, f"nonces\0{lab}\0{salt}".encode(), hashlib.sha256).hexdigest()


def key_of(master: bytes, code: str) -> StudentKey:
    """Return the key of a student's code."""
    info = _PURPOSE + b"\0" + code.encode() + b"\x01"
    return StudentKey(code, hmac.new(master, info, hashlib.sha256).digest())


def make_master(folder: Path) -> bytes:
    """Return the secret of a course, made the first time.

    Raises:
        SealError: it can be neither read nor written.
    """
    path = folder / MASTER_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _write_private(path, secrets.token_hex(_KEY_BYTES) + "\n")
    except OSError as error:
        raise SealError(f"No se pudo escribir {path}: {error.strerror}.") from error
    return read_master(path)


def read_master(path: Path) -> bytes:
    """Return the secret of a course.

    Raises:
        SealError: it cannot be read, is no such secret, or others could read it.
    """
    text = _private_text(path, _LOST_MASTER).strip()
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise SealError(f"{path} no es el secreto de un curso: lo hace «lab claves».")
    return bytes.fromhex(text)


def write_key(key: StudentKey, folder: Path) -> Path:
    """Write the file that a student is given.

    Raises:
        SealError: it cannot be written.
    """
    path = folder / f"{key.code}{SUFFIX}"
    try:
        path.unlink(missing_ok=True)
        _write_private(path, f"tunelab-clave-1 {key.code} {key.secret.hex()}\n")
    except OSError as error:
        raise SealError(f"No se pudo escribir {path}: {error.strerror}.") from error
    return path


def read_key(path: Path) -> StudentKey:
    """Return a student's key.

    Raises:
        SealError: it cannot be read, is no key, or others could read it.
    """
    found = _LINE.fullmatch(_private_text(path, _LOST_KEY))
    if found is None:
        raise SealError(f"{path} no es una clave de alumno: pídala otra vez a quien da el curso.")
    return StudentKey(found[1], bytes.fromhex(found[2]))


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)


def _private_text(path: Path, advice: str) -> str:
    """Return what only its owner may read; `advice` is for who has no such file."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except FileNotFoundError as error:
        raise SealError(f"No está {path}. {advice}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SealError(f"No se pudo leer {path}: {error}.") from error
    if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
        raise SealError(f"Otros pueden leer {path}, que es un secreto: chmod 600 {path}")
    return text
