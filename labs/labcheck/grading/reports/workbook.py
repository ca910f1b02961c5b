"""The class as an Excel workbook, with openpyxl (the extra ``tunelab[calificar]``)."""

import io
from decimal import Decimal
from typing import Any

from labcheck.grading.reports.files import ReportError
from labcheck.grading.reports.summary import ClassReport
from labcheck.grading.reports.table import Cell, Table, checks_table, grades_table

# Widths are in characters; what is longer wraps.
MIN_WIDTH, MAX_WIDTH = 8, 48
MAX_CELL_CHARACTERS = 32_767  # Excel's own limit
NO_OPENPYXL = (
    "Para --xlsx falta openpyxl. Instálelo en el Python del curso con «pip install 'tunelab[calificar]'» "
    "(desde su carpeta, «pip install -e '.[calificar]'»). --csv funciona sin él."
)
FORMATS = {"nota": "0.00", "nota máxima": "0.##", "descuento": "0 %"}


def as_workbook(report: ClassReport) -> bytes:
    """Return a workbook with the sheets ``notas`` and ``comprobaciones``.

    Raises:
        ReportError: openpyxl is not installed.
    """
    try:
        from openpyxl import Workbook
    except ModuleNotFoundError as error:
        raise ReportError(NO_OPENPYXL) from error
    book = Workbook()
    book.remove(book.active)
    for name, table in (("notas", grades_table(report)), ("comprobaciones", checks_table(report))):
        _fill(book.create_sheet(name), table)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _fill(sheet: Any, table: Table) -> None:
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    for number, column in enumerate(table.columns, 1):
        _set(sheet.cell(1, number), column)
        sheet.cell(1, number).font = Font(bold=True)
    for row_number, row in enumerate(table.rows, 2):
        for number, (column, cell) in enumerate(zip(table.columns, row, strict=True), 1):
            place = sheet.cell(row_number, number)
            _set(place, cell)
            place.alignment = Alignment(vertical="top", wrap_text=isinstance(cell, str))
            if column in FORMATS:
                place.number_format = FORMATS[column]
    for number, column in enumerate(table.columns, 1):
        longest = max((len(str(row[number - 1] or "")) for row in table.rows), default=0)
        width = min(max(MIN_WIDTH, len(column), longest) + 2, MAX_WIDTH)
        sheet.column_dimensions[get_column_letter(number)].width = width
    sheet.freeze_panes = "C2"  # the header, and who it is about
    sheet.auto_filter.ref = sheet.dimensions
    sheet.print_title_rows = "1:1"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True


def _set(place: Any, cell: Cell) -> None:
    if cell == "":
        return
    if isinstance(cell, str):
        place.value = _writable(cell)
        place.data_type = "s"  # openpyxl would take a text that begins with = for a formula
    else:
        place.value = float(cell) if isinstance(cell, Decimal) else cell


def _writable(text: str) -> str:
    """Return text that XML 1.0 can carry (section 2.2), and Excel hold."""
    kept = "".join(c for c in text if c >= " " and c not in "\ufffe\uffff")
    return kept[:MAX_CELL_CHARACTERS]
