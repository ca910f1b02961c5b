"""Moodle's grading worksheet, filled in: whatever its language, and not a byte more than is needed.

The sheets have the structure of ones that Moodle exported (the order of mod/assign/gradingtable.php, headers
of its language packs): with and without the mark of UTF-8, quotes, decimal commas, groups and comments.
"""

import csv
import io
import subprocess
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.school_class import school_class
from support.whole_path import program

from labcheck.grading.grade import Student, save
from labcheck.grading.reports.files import ReportError
from labcheck.grading.reports.moodle.columns import Told
from labcheck.grading.reports.moodle.sheet import read_sheet
from labcheck.grading.reports.moodle.worksheet import Filled, fill
from labcheck.grading.reports.summary import ClassReport

CLASS = ClassReport("03", "Un túnel HTTP", tuple(school_class()))
MAIL = "alumno{:02d}@universidad.example".format
NOBODY = Told()

# One row a student: 0 has everything right, 3 has 30 %, 5 is pending; «otra» is of no one here.
SPANISH = (
    "\ufeff"
    'Identificador,"Nombre completo","Dirección de correo",Estado,Calificación,"Calificación máxima",'
    '"La calificación puede ser cambiada","Última modificación (entrega)","Texto en línea",'
    '"Última modificación (calificación)","Comentarios de retroalimentación"\n'
    f'"Participante 101","Ñáñez, Ana",{MAIL(0)},"Enviado para calificar",,"20,00",Sí,'
    '"lunes, 5 de octubre de 2026, 10:00","<p>Dice ""hola""\ny sigue</p>",-,\n'
    f'"Participante 103","Otro nombre",{MAIL(3).upper()},"Sin entrega",-,"20,00",Sí,-,,-,""\n'
    f'"Participante 105",José,{MAIL(5)},"Sin entrega",,"20,00",Sí,-,,-,\n'
    '"Participante 199",Nadie,otra@universidad.example,"Sin entrega","7,50","20,00",Sí,-,,-,"Bien, siga"\n'
)
ENGLISH = (
    "Identifier,Full name,ID number,Email address,Status,Group,Marker,Grade,Maximum grade,"
    "Marking workflow state,Grade can be changed,Last modified (submission),Last modified (grade),"
    "Feedback comments\r\n"
    "Participant 1,Ana,2026000,,Submitted,A,,,100.00,Not marked,Yes,-,-,\r\n"
    "Participant 3,Script,2026003,,Submitted,A,,,100.00,Not marked,Yes,-,-,\r\n"
    "Participant 5,José,2026005,,Submitted,A,,,100.00,Not marked,Yes,-,-,\r\n"
)
# As a user of Moodle in German posted it, with other names.
GERMAN = (
    "ID,Vollständiger Name,ID-Nummer,E-Mail-Adresse,Status,Bewertung,Bestwertung,"
    "Bewertung kann geändert werden,Zuletzt geändert (Abgabe),Zuletzt geändert (Bewertung),"
    "Feedback als Kommentar\n"
    f'Teilnehmer/in1000,Ana,12345678,{MAIL(0)},Zur Bewertung abgegeben,"13,50","24,00",Ja,'
    '"Mittwoch, 13. März 2024, 10:15","Mittwoch, 13. März 2024, 19:59",\n'
    f'Teilnehmer/in1003,"ñ, s",87654321,{MAIL(3)},Zur Bewertung abgegeben,,"24,00",Ja,"Mittwoch",,\n'
)
CATALAN = (
    "Identificador,Nom complet,Adreça electrònica,Estat,Qualificació,Qualificació màxima,"
    "La qualificació es pot canviar,Darrera modificació (tramesa),Darrera modificació (qualificació)\r\n"
    f'Participant 7,Ana,{MAIL(0)},Tramés,,"100,00",Sí,-,-\r\n'
    f'Participant 8,Script,{MAIL(3)},Tramés,,"100,00",Sí,-,-'
)
# Swedish, which is not among the known languages: its columns are found by their structure.
UNKNOWN = (
    "Identifierare;Fullständigt namn;E-postadress;Status;Betyg;Maximalt betyg;Betyg kan ändras;"
    "Senast ändrad (inlämning);Senast ändrad (betyg);Återkoppling\n"
    f"Deltagare 1;Ana;{MAIL(0)};Inget;;5,00;Ja;-;-;\n"
    f"Deltagare 2;Script;{MAIL(3)};Inget;;5,00;Ja;-;-;\n"
)


def filled(text: str, told: Told = NOBODY, *, encoding: str = "utf-8", report: ClassReport = CLASS) -> Filled:
    return fill(text.encode(encoding), report, told)


def cells(content: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter))


def differing(before: str, after: bytes, delimiter: str = ",") -> set[int]:
    """Return the columns in which two sheets differ, having asserted that they have the same shape."""
    rows = list(zip(cells(before.encode(), delimiter), cells(after, delimiter), strict=True))
    return {
        column for one, other in rows for column, (a, b) in enumerate(zip(one, other, strict=True)) if a != b
    }


def test_a_spanish_sheet_gets_grades_on_its_own_scale_with_its_decimal_comma() -> None:
    done = filled(SPANISH)
    rows = cells(done.content)
    assert [row[4] for row in rows[1:]] == ["20,00", "6,00", "", "7,50"]
    assert (done.written, done.has_comments) == (2, True)
    assert "Esperado: la tarea" in rows[2][10]
    assert "&lt;b&gt;otra&lt;/b&gt;" in rows[2][10]
    assert differing(SPANISH, done.content) == {4, 10}


def test_both_sides_without_the_other_are_reported() -> None:
    done = filled(SPANISH)
    assert done.strangers == ("línea 6: Participante 199 Nadie",)
    assert len(done.missing) == 57
    assert done.missing[0] == "2026001 Luis Muñoz Güemes alumno01@universidad.example"


def test_a_pending_grade_stays_blank_with_its_reason_in_the_comment() -> None:
    done = filled(SPANISH)
    assert done.pending == ("línea 5: Participante 105 José",)
    row = cells(done.content)[3]
    assert row[4] == ""
    assert "Pendiente: No se pudo entrar a su máquina" in row[10]


def test_a_pending_grade_does_not_touch_a_grade_that_is_there() -> None:
    sheet = SPANISH.replace(f'{MAIL(5)},"Sin entrega",,', f'{MAIL(5)},"Sin entrega","11,00",')
    before, after = cells(sheet.encode()), cells(filled(sheet).content)
    assert after[3] == before[3]
    assert after[3][4] == "11,00"


@pytest.mark.parametrize(
    ("sheet", "grade_column", "marks"),
    [
        (ENGLISH, 7, ["100.00", "30.00", ""]),
        (GERMAN, 5, ["24,00", "7,20"]),
        (CATALAN, 4, ["100,00", "30,00"]),
    ],
    ids=["english", "german", "catalan"],
)
def test_other_languages_are_known_by_their_headers(sheet: str, grade_column: int, marks: list[str]) -> None:
    done = filled(sheet)
    assert [row[grade_column] for row in cells(done.content)[1:]] == marks
    assert differing(sheet, done.content) <= {grade_column, len(cells(sheet.encode())[0]) - 1}


def test_an_unknown_language_is_understood_by_the_sheets_structure() -> None:
    done = filled(UNKNOWN)
    assert [row[4] for row in cells(done.content, ";")[1:]] == ["5,00", "1,50"]
    assert differing(UNKNOWN, done.content, ";") == {4}
    assert not done.has_comments
    with_comments = filled(UNKNOWN, Told(comments="Återkoppling"))
    assert differing(UNKNOWN, with_comments.content, ";") == {4, 9}


def test_columns_can_be_told_by_number_or_by_header() -> None:
    sheet = f"a,b,c\nx,{MAIL(0)},\ny,{MAIL(3)},\n"
    for told in (Told("3", "", "2", Decimal(10)), Told("c", "", "B", Decimal(10))):
        assert [row[2] for row in cells(filled(sheet, told).content)[1:]] == ["10", "3"]


@pytest.mark.parametrize("sheet", [SPANISH, ENGLISH, GERMAN, CATALAN, UNKNOWN])
def test_with_nobody_to_fill_in_the_sheet_comes_out_byte_for_byte(sheet: str) -> None:
    strangers = tuple(replace(grade, student=Student("nadie")) for grade in CLASS.grades[:1])
    done = filled(sheet, report=replace(CLASS, grades=strangers))
    assert done.content == sheet.encode()
    assert done.written == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_sheets_encoding_and_mark_are_kept(encoding: str) -> None:
    text = CATALAN.replace("à", "a")
    content = fill(text.encode(encoding), CLASS, NOBODY).content
    assert content.startswith(text.encode(encoding)[:40])
    assert '"30,00"' in content.decode(encoding)


def test_untouched_cells_keep_their_quotes_and_the_rows_their_ends() -> None:
    lines = filled(ENGLISH).content.decode().split("\r\n")
    assert lines[1].startswith("Participant 1,Ana,2026000,,Submitted,A,,100.00,100.00,Not marked,Yes,-,-,")
    assert lines[-1] == ""
    spanish = filled(SPANISH).content.decode()
    assert '"<p>Dice ""hola""\ny sigue</p>"' in spanish
    untouched = (
        '"Participante 199",Nadie,otra@universidad.example,"Sin entrega","7,50","20,00",Sí,-,,-,"Bien, siga"'
    )
    assert untouched in spanish


def test_a_comment_of_somebody_else_is_kept_and_ours_is_renewed() -> None:
    sheet = ENGLISH.replace("-,-,\r\nParticipant 3", "-,-,<p>Hablamos en clase</p>\r\nParticipant 3")
    done = filled(sheet)
    assert cells(done.content)[1][13] == "<p>Hablamos en clase</p>"
    assert done.kept_comments == ("línea 2: Participant 1 Ana",)
    better = tuple(replace(CLASS.grades[0], student=grade.student) for grade in CLASS.grades)
    again = fill(filled(ENGLISH).content, replace(CLASS, grades=better), NOBODY)
    assert again.kept_comments == ()
    assert "Todas las comprobaciones se aprobaron" in cells(again.content)[2][13]


def test_filling_in_twice_changes_nothing_more() -> None:
    once = filled(SPANISH).content
    assert fill(once, CLASS, NOBODY).content == once


def test_a_grade_that_moodle_has_locked_is_left_alone() -> None:
    sheet = ENGLISH.replace("Not marked,Yes,-,-,\r\nParticipant 5", "Not marked,No,-,-,\r\nParticipant 5")
    done = filled(sheet)
    assert done.locked == ("línea 3: Participant 3 Script",)
    assert cells(done.content)[2] == cells(sheet.encode())[2]


def test_a_row_that_could_be_of_two_and_two_rows_of_one_are_not_filled_in() -> None:
    of_two = ENGLISH.replace("2026000,,", f"2026000,{MAIL(3)},")
    done = filled(of_two)
    assert done.doubtful == ("línea 2: Participant 1 Ana",)
    twice = ENGLISH.replace("2026005", "2026000")
    done = filled(twice)
    assert len(done.doubtful) == 2
    assert [row[7] for row in cells(done.content)[1:]] == ["", "30.00", ""]


def test_a_maximum_without_decimals_takes_a_point_and_only_the_decimals_it_needs() -> None:
    sheet = ENGLISH.replace("100.00", "5")
    assert [row[7] for row in cells(filled(sheet).content)[1:]] == ["5", "1.5", ""]


def test_a_quote_after_a_backslash_as_older_moodles_wrote_it_is_read() -> None:
    sheet = SPANISH.replace('""hola""', 'C:\\"hola')
    assert cells(filled(sheet).content.replace(b'\\"hola', b""))[1][4] == "20,00"


@pytest.mark.parametrize(
    ("sheet", "said"),
    [
        ("", "no tiene columnas"),
        ("hola\n", "no tiene columnas"),
        (ENGLISH.split("\r\n")[0], "no tiene ningún alumno"),
        (ENGLISH + "a,b\r\n", "la línea 5 tiene 2 columnas y el encabezado, 14"),
        (ENGLISH + '"a', "comillas que no se cierran"),
        (ENGLISH.replace(",Grade,Maximum grade", ",Xyz,Zyx").replace("100.00", ""), "--columna-nota"),
        (ENGLISH.replace("Maximum grade", "Zyx").replace("100.00", ""), "--nota-maxima"),
        (ENGLISH.replace("Maximum grade", "Scale").replace("100.00", "Mal Bien"), "escala"),
        (ENGLISH.replace("100.00", "Bien"), "la calificación máxima es «Bien»"),
        (ENGLISH.replace("ID number", "X").replace("Email address", "Y"), "--columna-alumno"),
    ],
)
def test_what_is_no_worksheet_is_refused_with_the_way_out(sheet: str, said: str) -> None:
    with pytest.raises(ReportError, match=said):
        filled(sheet)


def test_a_told_column_that_is_not_there_is_named_beside_those_that_are() -> None:
    with pytest.raises(ReportError, match=r"«Notas» \(--columna-nota\).*1 «Identifier»"):
        filled(ENGLISH, Told(grade="Notas"))


@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\ufeff\0\r"), max_size=8),
            min_size=2,
            max_size=2,
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_table_is_read_as_csv_reads_it_and_comes_out_as_it_was(
    rows: list[list[str]], delimiter: str, end: str
) -> None:
    text = io.StringIO(newline="")
    # The header has the delimiter only between its cells, as Moodle's has.
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows([["a", "b"], *rows])
    content = text.getvalue().encode()
    sheet = read_sheet(content)
    assert sheet.as_bytes() == content
    read = [[cell.value for cell in row.cells] for row in sheet.rows[1:]]
    assert read == rows


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_any_words_of_a_machine_leave_the_sheet_in_shape(words: str) -> None:
    grade = CLASS.grades[3]
    failed = tuple(
        replace(result, diagnosis=result.diagnosis and replace(result.diagnosis, got=words))
        for result in grade.results
    )
    done = filled(ENGLISH, report=replace(CLASS, grades=(replace(grade, results=failed),)))
    rows = cells(done.content)
    assert [len(row) for row in rows] == [14] * 4
    assert rows[2][7] == "30.00"
    assert not set(rows[2][13]) & set('"\\\n')


# The command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for grade in CLASS.grades[:6]:
        save(grade, tmp_path / "notas")
    return tmp_path / "notas"


def informe(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [program("lab"), "informe", "--lab", "03", "--carpeta", folder, *arguments]
    return subprocess.run([*map(str, command)], capture_output=True, encoding="utf-8", timeout=50)


def test_the_command_fills_in_another_file_and_says_who_is_missing(folder: Path, tmp_path: Path) -> None:
    sheet, out = tmp_path / "hoja.csv", tmp_path / "llena.csv"
    sheet.write_bytes(SPANISH.encode())
    done = informe(folder, "--moodle", sheet, "--salida", out)
    assert done.returncode == 1, done.stderr
    assert f"Moodle: {out} (2 notas)" in done.stdout
    assert "Calificados que no están en la hoja (3):" in done.stderr
    assert "2026004 =HYPERLINK" in done.stderr
    assert (
        "En la hoja y sin calificación en la carpeta (1):\n  línea 6: Participante 199 Nadie" in done.stderr
    )
    assert sheet.read_bytes() == SPANISH.encode()
    assert out.read_bytes() != SPANISH.encode()


def test_the_command_is_content_when_everybody_has_a_row(folder: Path, tmp_path: Path) -> None:
    for code in ("2026001", "2026002", "2026004"):
        (folder / f"{code}.json").unlink()
    (tmp_path / "hoja.csv").write_bytes(ENGLISH.encode())
    done = informe(folder, "--moodle", tmp_path / "hoja.csv", "--salida", tmp_path / "llena.csv")
    assert done.returncode == 0, done.stderr
    assert "Pendientes, sin nota en la hoja (1):" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--moodle", "hoja.csv"), 2, "le falta --salida"),
        (("--salida", "x.csv"), 2, "van con --moodle"),
        (("--moodle", "hoja.csv", "--salida", "hoja.csv"), 2, "no puede ser la hoja"),
        (("--moodle", "no-esta.csv", "--salida", "x.csv"), 3, "No se pudo leer no-esta.csv"),
        (("--moodle", "vacia.csv", "--salida", "x.csv"), 3, "vacia.csv: no tiene columnas"),
    ],
)
def test_wrong_orders_about_moodle_are_refused(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("hoja.csv").write_bytes(ENGLISH.encode())
    Path("vacia.csv").touch()
    done = informe(folder, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert not Path("x.csv").exists()
