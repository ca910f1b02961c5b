"""``--limit``: every limit by its name, and docs/limites.md that tells of each."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields
from pathlib import Path

import pytest

from tests.tunnel.cli.conftest import Run
from tests.tunnel.unit.kit import assert_spanish
from tunnel.cli.common import memory_size
from tunnel.cli.limits import add_limit_option, client_limits, visitor_limits
from tunnel.limits import ClientLimits, VisitorLimits

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "limites.md").read_text(encoding="utf-8")
DEFAULTS = {
    field.name.replace("_", "-"): getattr(kind(), field.name)
    for kind in (VisitorLimits, ClientLimits)
    for field in fields(kind)
}


def parse(*words: str) -> tuple[VisitorLimits, ClientLimits]:
    parser = argparse.ArgumentParser()
    add_limit_option(parser)
    settings = parser.parse_args(list(words)).limit
    return visitor_limits(settings), client_limits(settings)


def test_without_the_option_the_limits_are_the_defaults() -> None:
    assert parse() == (VisitorLimits(), ClientLimits())


@pytest.mark.parametrize("name", list(DEFAULTS))
def test_each_limit_can_be_set_by_its_name(name: str) -> None:
    for limits in parse("--limit", f"{name}=7"):
        if hasattr(limits, name.replace("-", "_")):
            value = getattr(limits, name.replace("-", "_"))
            assert (value, type(value)) == (7, type(DEFAULTS[name]))
            return
    pytest.fail(f"{name} is nowhere")


def test_several_limits_may_be_set_and_the_last_of_one_counts() -> None:
    visitors, clients = parse(
        "--limit", "max-fields=9", "--limit=max_clients=3", "--limit", "head-timeout-s=0.5",
        "--limit", "max-fields=8", "--limit", "max-body-bytes=0",
    )  # fmt: skip
    assert visitors == VisitorLimits(max_fields=8, head_timeout_s=0.5, max_body_bytes=0)
    assert clients == ClientLimits(max_clients=3)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("max-heads-bytes=1", "¿Quiso decir max-head-bytes?"),
        ("velocidad=1", "Los hay: max-head-bytes"),
        ("=1", "no hay un límite «»"),
        ("max-fields", "un número entero desde 1, no «»"),
        ("max-fields=muchos", "no «muchos»"),
        ("max-fields=1.5", "un número entero"),
        ("max-fields=0", "desde 1"),
        ("max-body-bytes=-1", "desde 0"),
        ("head-timeout-s=0", "desde 0.001"),
        ("head-timeout-s=nan", "no «nan»"),
        ("head-timeout-s=inf", "no «inf»"),
    ],
)
def test_what_is_no_limit_or_no_number_is_wrong_usage(run: Run, value: str, said: str) -> None:
    outcome = run("server", f"--limit={value}")
    assert outcome.code == 2
    assert said in outcome.err
    assert_spanish(outcome.err.replace(value, ""))


def test_the_page_tells_of_each_limit_with_its_default_and_of_no_other() -> None:
    rows = dict(re.findall(r"^\| `([\w-]+)` \| ([^|]+?) \| [^|]{30,} \|$", PAGE, re.MULTILINE))
    assert set(rows) == set(DEFAULTS)
    for name, told in rows.items():
        assert told.split()[0].replace(".", "") == f"{DEFAULTS[name]:g}".replace(".", "") or (
            name == "max-body-bytes" and told == "sin límite"
        ), name


@pytest.mark.parametrize(
    ("text", "size"),
    [("8388608", 8 << 20), ("8M", 8 << 20), ("64m", 64 << 20), ("64MiB", 64 << 20), ("1G", 1 << 30)],
)
def test_a_size_of_memory_may_have_a_suffix(text: str, size: int) -> None:
    assert memory_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "0", "M", "1.5G", "-64M", "64T", "8388607", "8191K", "١٢٣٤٥٦٧٨٩", "64M4"]
)
def test_what_is_no_size_or_too_little_is_refused_in_spanish(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        memory_size(text)
    assert_spanish(str(refused.value).replace(text, ""))
    assert text in str(refused.value)


@pytest.mark.parametrize("side", ["server", "client"])
def test_both_sides_take_a_memory_limit(run: Run, side: str) -> None:
    outcome = run(side, "--memory-limit", "7M")
    assert outcome.code == 2
    assert "«7M» es muy poca memoria: el mínimo es 8M" in outcome.err
