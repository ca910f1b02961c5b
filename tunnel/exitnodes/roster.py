"""The list of a class, as spreadsheets write it: ``codigo,nombre,correo`` and whatever other columns."""

from __future__ import annotations

import codecs
import csv
import difflib
from collections.abc import Iterator
from pathlib import Path

from tunnel.exitnodes.errors import BadOrder
from tunnel.exitnodes.model import Student
from tunnel.exitnodes.naming import slug
from tunnel.os_errors import describe_os_error

__all__ = ["load_roster", "parse_roster"]

_MAX_BYTES = 1024 * 1024
_MAX_STUDENTS = 500
# What the columns are called, without accents; the first name of each is the one in our words.
_COLUMNS = {
    "codigo": ("codigo", "cod", "id", "identificacion", "usuario"),
    "nombre": ("nombre", "nombres", "nombre completo", "estudiante", "alumno"),
    "correo": ("correo", "correo electronico", "email", "e-mail", "direccion de correo"),
}


def load_roster(path: Path) -> tuple[Student, ...]:
    """Return the students that a file lists.

    Raises:
        BadOrder: it cannot be read, or a line of it is wrong; the text names the line.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise BadOrder(f"no se puede leer la lista {path}: {describe_os_error(error)}.") from None
    if len(data) > _MAX_BYTES:
        raise BadOrder(f"la lista {path} tiene más de {_MAX_BYTES} bytes: ¿es de verdad la de un curso?")
    return parse_roster(_decode(data), str(path))


def parse_roster(text: str, source: str) -> tuple[Student, ...]:
    """Return the students that ``text`` lists: commas, semicolons or tabs, with a line of titles.

    Args:
        source: what it is, for complaints.

    Raises:
        BadOrder: a line is wrong; the text names it.
    """
    if "\0" in text:
        raise BadOrder(f"la lista {source} no es texto. Guárdela como CSV, no como hoja de cálculo.")
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    rows = [(number, row) for number, row in _rows(lines, delimiter, source) if any(row)]
    if not rows:
        raise BadOrder(f"la lista {source} está vacía. Lleva una línea de títulos: codigo,nombre,correo")
    number, titles = rows[0]
    places = _places(titles, number, source)
    students: list[Student] = []
    seen: dict[str, int] = {}
    for number, row in rows[1:]:
        where = f"en la línea {number} de {source}"
        if len(row) > len(titles):
            raise BadOrder(f"{where} hay {len(row)} columnas y los títulos son {len(titles)}.")
        cells = {name: row[place] if place < len(row) else "" for name, place in places.items()}
        code = cells["codigo"]
        short = slug(code)
        if not short:
            raise BadOrder(f"{where} falta el código, o no tiene letras sin tilde ni cifras: «{code}».")
        if short in seen:
            raise BadOrder(f"{where} el código «{code}» es igual al de la línea {seen[short]}.")
        seen[short] = number
        students.append(Student(code, cells.get("nombre", ""), cells.get("correo", ""), short))
    if not students:
        raise BadOrder(f"la lista {source} tiene títulos y ningún alumno.")
    if len(students) > _MAX_STUDENTS:
        raise BadOrder(f"la lista {source} tiene {len(students)} alumnos; caben {_MAX_STUDENTS}.")
    return tuple(students)


def _rows(lines: list[str], delimiter: str, source: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for row in reader:
            yield reader.line_num, [cell.strip() for cell in row]
    except csv.Error:
        raise BadOrder(
            f"en la línea {reader.line_num} de {source} hay comillas sin cerrar, o texto después de ellas."
        ) from None


def _places(titles: list[str], number: int, source: str) -> dict[str, int]:
    """Return which column holds what."""
    plain = [slug(title, 40).replace("-", " ") for title in titles]
    places = {
        name: next(place for place, title in enumerate(plain) if title in also)
        for name, also in _COLUMNS.items()
        if set(plain) & set(also)
    }
    if "codigo" not in places:
        near = difflib.get_close_matches("codigo", plain, 1)
        meant = f" ¿Es «{titles[plain.index(near[0])]}»? Escríbala así: codigo." if near else ""
        raise BadOrder(
            f"en la línea {number} de {source} falta la columna «codigo»; están: {', '.join(titles)}.{meant}"
        )
    return places


def _decode(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")  # what Excel writes for «CSV» in Spanish
