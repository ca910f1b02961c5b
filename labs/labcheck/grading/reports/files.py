"""Files written whole or not at all, for this user alone, and names for them."""

import os
import re
import tempfile
from pathlib import Path

from labcheck.grading.grade import Student

_UNSAFE = re.compile(r"[^\w.@+-]|^\.|\.$")
# Windows gives these names to devices, with any extension.
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


class ReportError(Exception):
    """A report cannot be made; the text is Spanish."""


def file_name(student: Student) -> str:
    """Return the stem of a student's files: the code, with what a file name must not have as ``%xx``.

    Two codes never get the same one.
    """
    name = _UNSAFE.sub(lambda found: f"%{ord(found[0]):02x}", student.code)
    if _DEVICES.match(name):
        name = f"%{ord(name[0]):02x}{name[1:]}"
    return name or "%"


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, with its folder when there is none.

    Raises:
        ReportError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".informe-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.replace(name, path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ReportError(f"No se pudo escribir {path}: {error.strerror}.") from error


def remove(path: Path) -> None:
    """Remove what an earlier report left, if it did.

    Raises:
        ReportError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ReportError(f"No se pudo quitar {path}: {error.strerror}.") from error
