"""List prices, dated and with their source.  They promise nothing: an account's bill is its provider's."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from importlib.resources import files

__all__ = ["HOURS_A_MONTH", "Price", "parse_prices", "price_of", "prices", "total"]

HOURS_A_MONTH = 730  # 365 days * 24 / 12, as the providers' own calculators have it


@dataclass(frozen=True, slots=True)
class Price:
    """What one thing costs while it exists.  US dollars, without taxes."""

    key: str
    title: str
    usd_hour: float
    noted_on: date
    source: str

    @property
    def usd_month(self) -> float:
        """What it costs in a month without a pause."""
        return self.usd_hour * HOURS_A_MONTH


@functools.cache
def prices() -> dict[str, Price]:
    """Return the table of ``prices.toml``, by key."""
    return parse_prices(files("tunnel.exitnodes").joinpath("prices.toml").read_text(encoding="utf-8"))


def parse_prices(text: str) -> dict[str, Price]:
    """Parse a table of prices.

    Raises:
        ValueError: a row lacks something, or has what no row has; the text names the row.
    """
    table: dict[str, Price] = {}
    for key, row in tomllib.loads(text).items():
        known = {"title", "noted_on", "source", "usd_hour", "usd_month"}
        if set(row) - known or not {"title", "noted_on", "source"} <= set(row):
            raise ValueError(f"[{key}]: its keys are {sorted(row)}")
        if ("usd_hour" in row) == ("usd_month" in row):
            raise ValueError(f"[{key}]: usd_hour or usd_month, one of the two")
        usd_hour = float(row["usd_hour"]) if "usd_hour" in row else float(row["usd_month"]) / HOURS_A_MONTH
        if usd_hour < 0 or not isinstance(row["noted_on"], date):
            raise ValueError(f"[{key}]: a negative price, or no date")
        table[key] = Price(key, row["title"], usd_hour, row["noted_on"], row["source"])
    return table


def price_of(key: str) -> Price:
    """Return the row ``key``.  A key that is not in the table is the provider's mistake: KeyError."""
    return prices()[key]


def total(keys: Iterable[str]) -> float:
    """Return what all of them cost together, in US dollars an hour."""
    return sum(price_of(key).usd_hour for key in keys)
