"""Lists of a class are read as spreadsheets write them, and errors name the line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.unit.kit import assert_spanish
from tunnel.exitnodes.errors import BadOrder
from tunnel.exitnodes.roster import load_roster, parse_roster

PLAIN = "codigo,nombre,correo\n2021001,Ana Núñez,ana@example.edu\n2021002,Luis,luis@example.edu\n"


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.encode("cp1252"),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", "\t").encode(),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("codigo", "Código").replace("correo", "Correo electrónico").encode(),
        PLAIN.replace(",", '","').replace("\n", '"\n"').join(['"', ""]).rstrip('"').encode(),
        b"\n\n" + PLAIN.encode() + b"\n,,\n",
    ],
    ids=["utf-8", "bom", "utf-16", "excel", "semicolons", "tabs", "crlf", "titles", "quotes", "blank lines"],
)
def test_what_spreadsheets_write_is_read(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "alumnos.csv"
    path.write_bytes(data)
    assert [(student.slug, student.name, student.email) for student in load_roster(path)] == [
        ("2021001", "Ana Núñez", "ana@example.edu"),
        ("2021002", "Luis", "luis@example.edu"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "está vacía"),
        ("codigo,nombre\n", "ningún alumno"),
        ("nombre,correo\nAna,a@b\n", "en la línea 1 de lista falta la columna «codigo»"),
        ("codgo,nombre\n1,Ana\n", "¿Es «codgo»?"),
        ("codigo,nombre\n1,Ana\n,Luis\n", "en la línea 3 de lista falta el código"),
        ("codigo,nombre\n日本,Ana\n", "en la línea 2 de lista falta el código"),
        (
            "codigo,nombre\na-1,Ana\nA 1,Luis\n",
            "en la línea 3 de lista el código «A 1» es igual al de la línea 2",
        ),
        ("codigo,nombre\n1,Ana,x,y\n", "en la línea 2 de lista hay 4 columnas"),
        ('codigo,nombre\n1,"Ana\n', "hay comillas sin cerrar"),
        ("codigo,nombre\n1,A\0na\n", "no es texto"),
        ("codigo\n" + "\n".join(map(str, range(501))), "caben 500"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(BadOrder) as refused:
        parse_roster(text, "lista")
    assert said in str(refused.value)
    assert_spanish(str(refused.value))


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadOrder, match=r"alumnos\.csv: no existe"):
        load_roster(tmp_path / "alumnos.csv")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("lista") / "alumnos.csv"
    path.write_bytes(data)
    try:
        students = load_roster(path)
    except BadOrder:
        return
    assert len({student.slug for student in students}) == len(students) > 0
