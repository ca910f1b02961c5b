"""What OUT_OF_SCOPE.md names must exist: options, the variable, codes with their statuses."""

from __future__ import annotations

import re
from pathlib import Path

import tunnel
from tunnel.cli import build_parser
from tunnel.config import TOKEN_VARIABLE
from tunnel.http.error_pages import FAULTS

TEXT = (Path(tunnel.__file__).parent / "OUT_OF_SCOPE.md").read_text(encoding="utf-8")

# Options of other programs, named as what to use or not to use.
FOREIGN = {"-D", "-N", "-R"}


def test_every_option_that_it_names_is_one() -> None:
    named = (
        set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", " ".join(re.findall(r"`([^`]*)`", TEXT)))) - FOREIGN
    )
    known = {
        option
        for command in build_parser().commands.values()
        for action in command._actions
        for option in action.option_strings
    }
    assert named
    assert named <= known


def test_every_code_that_it_names_has_the_status_that_it_says() -> None:
    pairs = re.findall(r"(\d{3})\s+(?:for\s+an?\s+\w+\s+)?\(`([a-z-]+)`", TEXT)
    assert len(pairs) >= 5
    for status, code in pairs:
        assert FAULTS[code].status == int(status)
    for code in re.findall(r"`((?:upstream|link|bad|unknown|http)-[a-z]+)`", TEXT):
        assert code in FAULTS


def test_it_names_the_variable() -> None:
    assert f"`{TOKEN_VARIABLE}`" in TEXT


def test_every_entry_has_a_reason_or_a_way_around() -> None:
    entries = re.findall(r"^- \*\*.*?(?=\n- \*\*|\n## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert len(entries) >= 25
    for entry in entries:
        assert len(entry.split()) >= 8, entry
        assert entry.strip().endswith("."), entry
