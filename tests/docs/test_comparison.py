"""The comparison says of each row of ours which test shows it, and that test exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "comparacion.md"

_LINK = re.compile(r"\]\(([^)#\s]+)")
_VERDICT = re.compile(r"(sí|no|en parte|—)(?=$|[:,])")


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


HEADING, *ROWS = [row for row in rows() if not row[0].startswith("---")]


def test_the_table_has_the_five_others_and_no_empty_cell() -> None:
    assert HEADING[1:] == ["este", "inlets", "inlets PRO", "ngrok", "frp", "chisel"]
    assert len(ROWS) > 25
    for row in ROWS:
        assert len(row) == len(HEADING), row
        assert all(_VERDICT.match(cell) for cell in row[1:]), row
        assert row[1] != "—", row


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_is_ours_links_the_test_that_shows_it(row: list[str]) -> None:
    links = _LINK.findall(row[1])
    if row[1].startswith("no"):
        assert not links
        return
    assert links, f"{row[0]}: no test"
    for link in links:
        target = (PAGE.parent / link).resolve()
        assert target.is_file(), link
        if target.name != "LICENSE":
            assert target.is_relative_to(ROOT / "tests")
            assert re.search(r"^(?:async )?def test_", target.read_text(encoding="utf-8"), re.MULTILINE), link
