"""A class's reports: what they say, and that nobody's name is more than text in them."""

import csv
import io
import re
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from support.school_class import ANOTHER_APP, EXPOSED, SIZE, results, school_class
from support.whole_path import program

from labcheck.checking.diagnosis import CheckResult, Verdict
from labcheck.grading.grade import Grade, Student, save
from labcheck.grading.reports import text
from labcheck.grading.reports.feedback import feedback
from labcheck.grading.reports.files import ReportError, file_name
from labcheck.grading.reports.summary import ClassReport, State
from labcheck.grading.reports.table import FORMULA_STARTS, as_csv, checks_table, csv_cell, grades_table
from labcheck.grading.reports.terminal import totals
from labcheck.grading.reports.workbook import as_workbook

CLASS = ClassReport("03", "Un túnel HTTP", tuple(school_class()))
BY_CODE = {grade.student.code: grade for grade in CLASS.grades}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for grade in CLASS.grades:
        save(grade, tmp_path / "notas")
    return tmp_path / "notas"


def informe(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [program("lab"), "informe", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=50)


# The class


def test_every_grade_is_counted_once_and_in_its_state() -> None:
    counts = {state: len(CLASS.in_state(state)) for state in State}
    assert counts == {State.GRADED: 50, State.BY_HAND: 2, State.VOID: 2, State.PENDING: 6}
    assert sum(counts.values()) == SIZE


def test_pending_grades_are_in_no_mean() -> None:
    assert len(CLASS.marks) == SIZE - 6
    assert CLASS.mean == Decimal("74.81")
    only_pending = replace(CLASS, grades=CLASS.in_state(State.PENDING))
    assert (only_pending.mean, only_pending.median) == (None, None)


def test_a_checks_failure_rate_is_of_those_of_whom_it_is_known() -> None:
    rates = {rate.name: rate for rate in CLASS.check_rates()}
    back = rates["tunnel_comes_back"]
    assert (back.passed, back.failed, back.skipped, back.unchecked) == (28, 6, 14, 7)
    assert back.failure_rate == Decimal(6) / 34
    assert list(rates) == [result.name for result in results()]


def test_the_rate_of_a_check_that_nobody_could_run_is_unknown_and_not_zero() -> None:
    unseen = replace(CLASS, grades=(BY_CODE["2026015"],))
    assert {rate.failure_rate for rate in unseen.check_rates()} == {None}


def test_the_three_commonest_diagnoses_are_ranked_and_name_whose_they_are() -> None:
    common = CLASS.commonest_diagnoses()
    assert [(one.example.code, len(one.grades)) for one in common] == [
        ("exposed", 8),
        ("open-to-everybody", 6),
        ("another-app", 6),
    ]
    assert [grade.student.code for grade in common[0].grades][:2] == ["2026002", "2026009"]


def test_marks_are_scaled_to_the_grade_of_who_has_everything_right() -> None:
    over_five = replace(CLASS, top=Decimal(5))
    assert over_five.mark(BY_CODE["2026000"]) == Decimal(5)
    assert over_five.mark_text(BY_CODE["2026003"]) == "1,5"
    assert over_five.mark(BY_CODE["2026005"]) is None


# For the student


def test_feedback_says_expected_got_why_and_hint_of_each_failure() -> None:
    told = feedback(CLASS, BY_CODE["2026002"])
    assert "**Nota: 20 de 100** (2 de 10 puntos" in told
    for label, words in (
        ("Esperado", EXPOSED.expected),
        ("Obtenido", EXPOSED.got),
        ("Por qué", EXPOSED.why),
        ("Pista", EXPOSED.hints[0]),
    ):
        assert f"- **{label}:** {words}" in told
    assert EXPOSED.hints[1] not in told  # the first hint, not the answer


def test_feedback_of_a_pending_grade_has_its_reason_and_no_number() -> None:
    told = feedback(CLASS, BY_CODE["2026005"])
    assert "**Nota: pendiente**" in told
    assert "nadie responde" in told
    assert "no le cuesta nada" in told
    assert not re.search(r"\b0 de\b", told)


def test_feedback_says_that_what_could_not_be_checked_cost_nothing() -> None:
    told = feedback(CLASS, BY_CODE["2026007"])
    assert "**Nota: 100 de 100** (8 de 8 puntos" in told
    assert "2 puntos no se pudieron comprobar: no cuentan ni a favor ni en contra" in told
    assert told.count("puntos no se pudieron") == 1
    assert "no le cuesta nada: El nodo de salida se apagó. Repita la revisión." in told


def test_feedback_tells_the_penalty_the_override_with_its_reason_and_what_voids() -> None:
    late, by_hand, copied = (feedback(CLASS, BY_CODE[f"20260{n:02d}"]) for n in (6, 9, 8))
    assert "- Llegó 2 días tarde (venció el 2026-11-20 23:59): se descuenta 20 %.\n" in late
    assert late.count("20 %") == 1
    assert "por prof. \\<Vera\\> (2026-11-20 23:59 UTC): Mostró en clase que le funciona." in by_hand
    assert "Según las comprobaciones sería 20." in by_hand
    assert "La entrega es la de 2026001" in copied
    assert "**Nota: 0 de 100**" in copied


def test_markup_in_what_a_machine_said_is_text_in_the_feedback() -> None:
    told = feedback(CLASS, BY_CODE["2026003"])
    assert ANOTHER_APP.got not in told
    assert r"\<b\>otra\</b\> la recibió \| \`nonce-7f3a\`" in told


@given(st.text(max_size=60))
def test_any_words_are_seen_in_the_feedback_as_they_were_said(words: str) -> None:
    grade = Grade(Student("a", f"x{words}"), "03", "ssh", (_failed(f"x{words}"),))
    report = ClassReport("03", "", (grade,))
    shown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = [inner for token in shown.parse(feedback(report, grade)) for inner in token.children or [token]]
    assert {token.tag for token in tokens} - {""} == {"h1", "h2", "h3", "p", "strong", "ul", "li"}
    assert not [token for token in tokens if token.type.startswith(("html", "link", "image", "code", "s_"))]
    said = "".join(token.content for token in tokens if token.type in ("text", "text_special"))
    assert said.count(text.clean(f"x{words}")) == 3


def test_a_penalty_that_no_finding_tells_of_is_told() -> None:
    told = feedback(CLASS, replace(BY_CODE["2026000"], penalty=Decimal("0.125")))
    assert "- Entregado tarde: a la nota se le quita el 12,5 %." in told


def test_a_grade_set_by_hand_without_any_check_tells_of_no_points() -> None:
    by_hand = replace(BY_CODE["2026005"], override=BY_CODE["2026009"].override)
    told = feedback(CLASS, by_hand)
    assert "**Nota: 90 de 100**\n" in told
    assert "Según las comprobaciones seguiría pendiente." in told
    (row,) = csv_rows(replace(CLASS, grades=(by_hand,)))
    assert (row["nota"], row["puntos"]) == ("90.00", "")


def test_one_of_a_kind_is_counted_in_the_singular() -> None:
    few = replace(CLASS, grades=tuple(BY_CODE[code] for code in ("2026005", "2026008")))
    assert totals(few) == "2 alumnos: 1 anulada, 1 pendiente. Media 0, mediana 0."


# As tables


def csv_rows(report: ClassReport) -> list[dict[str, str]]:
    content = as_csv(grades_table(report))
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_csv_has_a_row_a_student_and_a_pending_grade_is_blank_with_its_reason() -> None:
    rows = csv_rows(CLASS)
    assert len(rows) == SIZE
    pending = [row for row in rows if row["estado"] == "pendiente"]
    assert len(pending) == 6
    assert {(row["nota"], row["puntos"]) for row in pending} == {("", "")}
    assert all(row["motivo"] for row in pending)
    assert rows[9]["motivo"] == "Mostró en clase que le funciona"
    assert (rows[6]["nota"], rows[6]["descuento"]) == ("80.00", "0.2")


def test_no_cell_of_the_csv_can_become_a_formula() -> None:
    rows = csv_rows(CLASS)
    assert rows[4]["nombre"].startswith("'=HYPERLINK")
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(FORMULA_STARTS)]


@given(st.text())
def test_no_text_at_all_begins_a_formula_in_a_csv_cell(name: str) -> None:
    assert not csv_cell(name).startswith(FORMULA_STARTS)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_name_and_any_words_keep_the_csv_and_the_feedback_in_shape(name: str, words: str) -> None:
    grade = Grade(Student("a", name), "03", "ssh", (_failed(words),))
    report = ClassReport("03", "", (grade,))
    (row,) = csv_rows(report)
    assert row["nombre"].removeprefix("'") == text.clean(name).removeprefix("'")
    headings = [line for line in feedback(report, grade).splitlines() if line.startswith("#")]
    assert len(headings) == 3


def _failed(words: str) -> CheckResult:
    diagnosis = replace(EXPOSED, got=words, why=words)
    return CheckResult("c", "Título", 1, Verdict.FAILED, diagnosis)


def sheets(report: ClassReport) -> dict[str, openpyxl.worksheet.worksheet.Worksheet]:
    book = openpyxl.load_workbook(io.BytesIO(as_workbook(report)))
    return {sheet.title: sheet for sheet in book}


def test_workbook_has_both_sheets_with_frozen_headers_filters_and_numbers() -> None:
    both = sheets(CLASS)
    assert list(both) == ["notas", "comprobaciones"]
    notes, checks = both.values()
    assert (notes.max_row, checks.max_row) == (SIZE + 1, len(checks_table(CLASS).rows) + 1)
    header = [cell.value for cell in notes[1]]
    mark = notes.cell(5, header.index("nota") + 1)
    assert (mark.value, mark.data_type, mark.number_format) == (30, "n", "0.00")
    pending = notes.cell(7, header.index("nota") + 1)
    assert pending.value is None
    for sheet in both.values():
        assert sheet.freeze_panes == "C2"
        assert sheet.auto_filter.ref == sheet.dimensions
        assert all(8 <= dimension.width <= 48 for dimension in sheet.column_dimensions.values())


def test_no_cell_of_the_workbook_is_a_formula() -> None:
    cells = [cell for sheet in sheets(CLASS).values() for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} == {"s", "n"}
    assert "=HYPERLINK" in sheets(CLASS)["notas"]["B6"].value


def test_without_openpyxl_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ReportError, match=r"pip install 'tunelab\[calificar\]'.*--csv funciona sin él"):
        as_workbook(CLASS)


@given(st.text(max_size=60))
def test_any_name_can_be_in_the_workbook_and_is_text(name: str) -> None:
    grade = Grade(Student("a", f"={name}"), "03", "ssh", results())
    cell = sheets(ClassReport("03", "", (grade,)))["notas"]["B2"]
    assert cell.data_type == "s"


# Names of files


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_two_codes_never_share_a_file_and_none_leaves_its_folder(one: str, other: str) -> None:
    names = [file_name(Student(code)) for code in (one, other)]
    assert (names[0] == names[1]) == (one == other)
    for name in names:
        assert not set(name) & set('/\\:*?"<>|\0')
        assert name not in ("", ".", "..")
        assert not name.startswith(".")


@pytest.mark.parametrize("code", ["con", "NUL.x", "lpt1"])
def test_a_code_that_windows_keeps_for_a_device_is_no_file_name(code: str) -> None:
    assert file_name(Student(code)) != code


# The command


def test_without_an_option_the_class_is_shown_in_a_hundred_plain_columns(folder: Path) -> None:
    done = informe("--lab", "3", "--carpeta", folder)
    assert done.returncode == 0, done.stderr
    assert "Laboratorio 03: Un túnel HTTP" in done.stdout
    assert "60 alumnos: 50 por las comprobaciones, 2 a mano, 2 anuladas, 6 pendientes." in done.stdout
    assert "1. La aplicación está abierta directamente en el puerto público" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert re.search(r"2026005 .* — +— +pendiente +No se pudo entrar", done.stdout)


def test_files_asked_for_are_written_for_this_user_alone(folder: Path, tmp_path: Path) -> None:
    done = informe(
        "--lab", "03", "--carpeta", folder, "--sobre", "20", "--csv", tmp_path / "n.csv",
        "--xlsx", tmp_path / "n.xlsx", "--markdown", tmp_path / "md",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2026003" in (tmp_path / "n.csv").read_text(encoding="utf-8-sig")
    assert "**Nota: 6 de 20**" in (tmp_path / "md" / "2026003.md").read_text(encoding="utf-8")
    assert len(list((tmp_path / "md").iterdir())) == SIZE
    assert (tmp_path / "n.xlsx").stat().st_mode & 0o077 == 0


def test_other_labs_in_the_folder_are_left_out_and_said(folder: Path) -> None:
    save(replace(CLASS.grades[0], student=Student("z"), lab="01"), folder)
    done = informe("--lab", "3", "--carpeta", folder)
    assert "60 alumnos" in done.stdout
    assert "1 de otros laboratorios" in done.stderr
    nobody = informe("--lab", "02", "--carpeta", folder)
    assert nobody.returncode == 1
    assert "no hay calificaciones del laboratorio 02" in nobody.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--lab", "03"), "falta --carpeta"),
        (("--lab", "03", "--carpeta", "no-existe"), "No hay una carpeta no-existe"),
        (("--lab", "03", "--carpeta", ".", "--sobre", "0"), "no es un número mayor que cero"),
        (("--lab", "03", "--carpeta", ".", "--sobre", "nan"), "no es un número mayor que cero"),
    ],
)
def test_wrong_usage_is_told_and_exits_with_2(arguments: tuple[str, ...], said: str) -> None:
    done = informe(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_damaged_grade_and_a_folder_that_cannot_be_written_exit_with_3(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    blocked = informe("--lab", "03", "--carpeta", folder, "--csv", tmp_path / "file" / "n.csv")
    assert blocked.returncode == 3
    assert "No se pudo escribir" in blocked.stderr
    (folder / "2026003.json").write_text("{", encoding="utf-8")
    damaged = informe("--lab", "03", "--carpeta", folder)
    assert damaged.returncode == 3
    assert "2026003.json" in damaged.stderr
