"""A delimited file as cells that remember how they were written.

What nobody changes comes out byte for byte as it came in: encoding, mark, delimiter, quotes, ends of lines.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from labcheck.grading.reports.files import ReportError
from labcheck.grading.reports.text import clean

DELIMITERS = (",", ";", "\t")  # Moodle exports with commas; Excel in Spanish saves with semicolons
QUOTE = '"'
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


@dataclass(slots=True)
class Cell:
    """One cell: `value` is what it says, `raw` how it is written."""

    value: str
    raw: str

    @property
    def is_quoted(self) -> bool:
        return self.raw.startswith(QUOTE)


@dataclass(slots=True)
class Row:
    """The cells of one record, and what ends it; `line` is the number of its first line."""

    cells: list[Cell]
    end: str
    line: int

    @property
    def is_blank(self) -> bool:
        return len(self.cells) == 1 and not self.cells[0].value.strip()


@dataclass(slots=True)
class Sheet:
    """A whole file; the first row has the headers."""

    rows: list[Row]
    delimiter: str
    encoding: str
    mark: bytes

    @property
    def headers(self) -> list[str]:
        return [cell.value for cell in self.rows[0].cells]

    @property
    def body(self) -> list[Row]:
        return [row for row in self.rows[1:] if not row.is_blank]

    def column(self, index: int) -> list[str]:
        return [row.cells[index].value for row in self.body]

    def set(self, row: Row, index: int, value: str) -> None:
        """Write a cell, quoted if it was, or if what is now in it must be."""
        cell = row.cells[index]
        if cell.value == value:
            return
        # PHP's fputcsv, with which Moodle writes, quotes what has a space too.
        must = any(c in value for c in (self.delimiter, QUOTE, "\n", "\r", " ", "\t", "\\"))
        raw = f"{QUOTE}{value.replace(QUOTE, QUOTE * 2)}{QUOTE}" if must or cell.is_quoted else value
        row.cells[index] = Cell(value, raw)

    def as_bytes(self) -> bytes:
        text = "".join(self.delimiter.join(cell.raw for cell in row.cells) + row.end for row in self.rows)
        # A character that an old encoding lacks becomes a question mark; only our comments can have one.
        return self.mark + text.encode(self.encoding, "replace")


def read_sheet(content: bytes) -> Sheet:
    """Return the cells of a file.

    Raises:
        ReportError: it is not a table with the same columns in every row.
    """
    mark, encoding, text = _decoded(content)
    first_line = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=lambda one: len(next(_rows(first_line, one), Row([], "", 1)).cells))
    rows = list(_rows(text, delimiter))
    if not rows or len(rows[0].cells) < 2:
        raise ReportError("no tiene columnas: ¿es la hoja de calificaciones que exportó Moodle, en CSV?")
    width = len(rows[0].cells)
    for row in rows[1:]:
        if not row.is_blank and len(row.cells) != width:
            raise ReportError(
                f"la línea {row.line} tiene {len(row.cells)} columnas y el encabezado, {width}. "
                "Descargue la hoja otra vez."
            )
    return Sheet(rows, delimiter, encoding, mark)


def _decoded(content: bytes) -> tuple[bytes, str, str]:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            try:
                return mark, encoding, content[len(mark) :].decode(encoding)
            except UnicodeDecodeError as error:
                raise ReportError(
                    f"no es texto en {encoding}, aunque lo dice. Descárguela otra vez."
                ) from error
    for encoding in ("utf-8", "cp1252"):
        try:
            return b"", encoding, content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return b"", "latin-1", content.decode("latin-1")


def _rows(text: str, delimiter: str) -> Iterator[Row]:
    """Yield the records of RFC 4180, with any of the three ends of a line."""
    cells: list[Cell] = []
    place = start = 0
    line = first_line = 1
    while place < len(text):
        place, value = _cell(text, place, delimiter)
        cells.append(Cell(value, text[start:place]))
        if text[place : place + 1] == delimiter:
            place += 1
            start = place
            if place == len(text):  # a last, empty cell with no end of line after it
                cells.append(Cell("", ""))
            continue
        end = "\r\n" if text.startswith("\r\n", place) else text[place : place + 1]
        yield Row(cells, end, first_line)
        line += sum(cell.raw.count("\n") for cell in cells) + 1
        cells, place = [], place + len(end)
        start, first_line = place, line
    if cells:
        yield Row(cells, "", first_line)


def _cell(text: str, place: int, delimiter: str) -> tuple[int, str]:
    """Return where a cell that begins at `place` ends, and its value."""
    if text[place : place + 1] != QUOTE:
        begin = place
        while place < len(text) and text[place] not in (delimiter, "\r", "\n"):
            place += 1
        return place, text[begin:place]
    value: list[str] = []
    place += 1
    while True:
        closing = text.find(QUOTE, place)
        if closing < 0:
            raise ReportError("tiene unas comillas que no se cierran. Descárguela otra vez.")
        value.append(text[place:closing])
        after = text[closing + 1 : closing + 2]
        if after == QUOTE:
            place = closing + 2
        elif after not in (delimiter, "\r", "\n", "") and text[closing - 1] == "\\":
            place = closing + 1  # an older fputcsv left a quote alone that comes after a backslash
        else:
            break
        value.append(QUOTE)
    place = closing + 1
    if place < len(text) and text[place] not in (delimiter, "\r", "\n"):
        raise ReportError(
            f"tiene texto después de unas comillas que cierran: «{clean(text[place : place + 20])}»."
        )
    return place, "".join(value)
