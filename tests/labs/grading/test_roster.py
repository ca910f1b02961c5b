"""The roster: what a spreadsheet saves is read, and what cannot be right is refused with its line."""

import codecs

import pytest

from labcheck.grading.grade import Student
from labcheck.grading.roster import RosterError, read_roster

ROWS = "código,Nombre,correo,maquina,remoto\na1,Íñigo Núñez,i@example.edu,ssh://i@10.0.0.7:22,http://10.0.0.8:8000/\n"
INIGO = Student("a1", "Íñigo Núñez", "i@example.edu", "ssh://i@10.0.0.7:22", "http://10.0.0.8:8000")


@pytest.mark.parametrize(
    "saved",
    [
        ROWS.encode(),
        codecs.BOM_UTF8 + ROWS.encode(),
        ROWS.encode("cp1252"),
        ROWS.encode("utf-16"),
        ROWS.replace(",", ";").replace("\n", "\r\n").encode("cp1252"),
        ROWS.replace(",", "\t").encode("utf-16"),
        codecs.BOM_UTF8 + ("sep=;\r\n" + ROWS.replace(",", ";")).encode(),
        (ROWS + ",,,,\n\n").encode(),
    ],
    ids=["utf-8", "mark", "cp1252", "utf-16", "semicolons", "tabs", "sep line", "blank rows"],
)
def test_a_roster_is_read_however_a_spreadsheet_saved_it(saved, tmp_path):
    path = tmp_path / "alumnos.csv"
    path.write_bytes(saved)
    assert read_roster(path) == (INIGO,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "vacía"),
        ("codigo,nombre\n", "ningún alumno"),
        ("nombre,maquina\nAna,\n", "falta la columna «codigo»"),
        ("codigo,codigo\na,b\n", "dos columnas «codigo»"),
        ("codigo,nombre\na1,Ana\nA1,Otra\n", "línea 3: el código «A1» ya está en la línea 2"),
        ("codigo,nombre\na1,Ana\n,Sin código\n", "línea 3: falta el código"),
        ("codigo\n../a\n", "línea 2: el código «../a» solo puede"),
        ("codigo,maquina\na1,10.0.0.7\n", "línea 2: la máquina «10.0.0.7» no es como"),
        ("codigo,maquina\na1,ssh://-oProxyCommand=x\n", "línea 2: la máquina"),
        ('codigo,maquina\na1,"ssh://a,ssh://b"\n', "línea 2: la máquina"),
        ("codigo,remoto\na1,ftp://x\n", "línea 2: el lado público «ftp://x»"),
    ],
)
def test_a_roster_that_cannot_be_right_is_refused_with_its_line(text, said, tmp_path):
    path = tmp_path / "alumnos.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RosterError, match=said.replace("(", r"\(")):
        read_roster(path)


def test_a_roster_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RosterError, match=r"nadie\.csv"):
        read_roster(tmp_path / "nadie.csv")
