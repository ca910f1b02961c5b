"""The roster: a class's students, from the CSV file that a spreadsheet saved."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from labcheck.grading.grade import Student

COLUMNS = ("codigo", "nombre", "correo", "maquina", "remoto")
# The code names files, on any system.
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST = re.compile(r"(?:(?:safe-)?ssh://(?!-)[^\s,/?#]+(?:\?[^\s,#]*)?|local://)")
_URL = re.compile(r"https?://[^/\s?#,]+/?")
_ACCENTS = str.maketrans("áéíóú", "aeiou")


class RosterError(Exception):
    """The roster cannot be used; the text is Spanish and names the line."""


def read_roster(path: Path) -> tuple[Student, ...]:
    """Return the students of a roster, in its order.

    The file has a header with the names of `COLUMNS`, of which only ``codigo`` must be there; other columns
    are not looked at. Its values are separated by ``,``, ``;`` or tabs, and its text is UTF-8, UTF-16 with a
    mark, or Windows-1252, as Excel saves it.

    Raises:
        RosterError: it cannot be read, or a line of it cannot be right.
    """
    try:
        text = _decoded(path.read_bytes())
    except OSError as error:
        raise RosterError(f"No se pudo leer la lista {path}: {error.strerror}.") from error
    # Excel writes the separator in a line of its own where it is not the country's.
    named = re.match(r"(?i)sep=(.)\r?\n", text)
    header = text[named.end() :].partition("\n")[0] if named else text.partition("\n")[0]
    separator = named[1] if named else max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        lines = [(reader.line_num, [value.strip() for value in row]) for row in reader]
    except csv.Error as error:
        raise RosterError(f"{path}, línea {reader.line_num}: no es CSV ({error}).") from error
    lines = [(number, row) for number, row in lines[1 if named else 0 :] if any(row)]
    if not lines:
        raise RosterError(f"La lista {path} está vacía.")
    students = tuple(_students(path, lines[0][1], lines[1:]))
    if not students:
        raise RosterError(f"La lista {path} tiene encabezado y ningún alumno.")
    return students


def _decoded(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):  # Excel's «Unicode text»
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")  # Excel's plain «CSV», in Spanish


def _students(path: Path, header: list[str], lines: list[tuple[int, list[str]]]) -> Iterator[Student]:
    names = [name.casefold().translate(_ACCENTS) for name in header]
    if "codigo" not in names:
        raise RosterError(
            f"A la lista {path} le falta la columna «codigo». Su primera línea es así: {','.join(COLUMNS)}"
        )
    for name in COLUMNS:
        if names.count(name) > 1:
            raise RosterError(f"La lista {path} tiene dos columnas «{name}».")
    seen: dict[str, int] = {}
    for number, row in lines:
        told = dict(zip(names, row, strict=False))
        code, host, remote = (told.get(name, "") for name in ("codigo", "maquina", "remoto"))
        complaint = _complaint(code, host, remote)
        if complaint is None and (before := seen.get(code.casefold())) is not None:
            complaint = f"el código «{code}» ya está en la línea {before}"
        if complaint is not None:
            raise RosterError(f"{path}, línea {number}: {complaint}.")
        seen[code.casefold()] = number
        yield Student(code, told.get("nombre", ""), told.get("correo", ""), host, remote.rstrip("/"))


def _complaint(code: str, host: str, remote: str) -> str | None:
    if not code:
        return "falta el código"
    if not _CODE.fullmatch(code) or code.endswith("."):
        return f"el código «{code}» solo puede tener letras sin tilde, números, punto, guion y guion bajo"
    if host and not _HOST.fullmatch(host):
        return f"la máquina «{host}» no es como ssh://vagrant@10.0.0.7:22"
    if remote and not _URL.fullmatch(remote):
        return f"el lado público «{remote}» no es como http://10.0.0.8:8000"
    return None
