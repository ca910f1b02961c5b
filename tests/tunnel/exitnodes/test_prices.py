"""Prices are dated, have a source and are what the steps refer to."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tunnel.exitnodes.model import Order
from tunnel.exitnodes.prices import HOURS_A_MONTH, parse_prices, price_of, prices, total
from tunnel.exitnodes.registry import PROVIDERS, load_provider

ROW = '[x]\ntitle = "x"\nnoted_on = 2026-11-21\nsource = "https://x"\n'


def test_every_row_has_its_source_and_its_date() -> None:
    table = prices()
    assert len(table) >= 5
    for price in table.values():
        assert price.source.startswith("https://") or not price.usd_hour, price.key
        assert date(2024, 1, 1) <= price.noted_on <= date.today(), price.key
        assert price.title


@pytest.mark.parametrize("name", ["local", "vm"])
def test_the_steps_of_a_provider_refer_to_rows_that_exist(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    assert name in PROVIDERS
    provider = load_provider(name)
    steps = provider.plan(provider.settle(Order(name, "nodo-ana", tmp_path))).steps
    assert steps
    assert total(key for step in steps for key in step.prices) == 0


def test_an_hour_and_a_month_are_told_from_one_another() -> None:
    hourly = parse_prices(ROW + "usd_hour = 0.01\n")["x"]
    monthly = parse_prices(ROW + "usd_month = 7.3\n")["x"]
    assert hourly.usd_month == pytest.approx(0.01 * HOURS_A_MONTH)
    assert monthly.usd_hour == pytest.approx(0.01)
    assert total(["gcp-e2-micro", "gcp-ipv4"]) == pytest.approx(
        price_of("gcp-e2-micro").usd_hour + price_of("gcp-ipv4").usd_hour
    )


@pytest.mark.parametrize(
    "text",
    [
        ROW,
        ROW + "usd_hour = 1\nusd_month = 1\n",
        ROW + "usd_hour = -1\n",
        ROW + "usd_hour = 1\notra = 1\n",
        ROW.replace("2026-11-21", '"ayer"') + "usd_hour = 1\n",
        '[x]\ntitle = "x"\nusd_hour = 1\n',
    ],
)
def test_a_row_that_is_wrong_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"^\[x\]: "):
        parse_prices(text)
