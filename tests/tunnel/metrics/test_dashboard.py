"""What is shown and documented exists: the dashboard's expressions, and the tables of docs/metricas.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tunnel.metrics.exposition import expose
from tunnel.metrics.model import (
    BUCKETS_S,
    AgentStatus,
    ExitNodeStatus,
    MemoryStatus,
    NameStatus,
    ServerStatus,
    TotalsStatus,
)

GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "metricas.md").read_text(encoding="utf-8")
DASHBOARD: dict[str, Any] = json.loads(files("tunnel.metrics").joinpath("grafana.json").read_text("utf-8"))

MEMORY = MemoryStatus(100, 50)
SERVER = ServerStatus(
    "server", "1", 1.0, True, False, 1, 10, MEMORY, (), 0,
    (TotalsStatus("ana", 1, 1, {"draining": 1}, 1, 1, 1, 1.0, 0),),
    (NameStatus("a", {"2xx": 1}, {"no-client": 1}, (1,) + (0,) * len(BUCKETS_S), 0.1),),
)  # fmt: skip
AGENT = AgentStatus(
    "client", "1", 1.0, MEMORY,
    (ExitNodeStatus("ws://a", True, "s", (), (), (), 1, {"tls": 1}, "", "", 1, 1, 1, 1, 1.0, 0),),
)  # fmt: skip


def samples() -> dict[str, set[str]]:
    """Return the labels of every sample there can be, by its name."""
    found: dict[str, set[str]] = {}
    for status in (SERVER, AGENT):
        for family in text_string_to_metric_families(expose(status, "")[1]):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            yield target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        yield variable["definition"]


@pytest.mark.parametrize("expression", [*expressions()])
def test_each_expression_of_the_dashboard_names_metrics_and_labels_that_exist(expression: str) -> None:
    known = samples()
    names = re.findall(r"\b(?:tunelab|process)_\w+", expression)
    assert names
    assert set(names) <= known.keys()
    from_prometheus = {"job", "instance"}
    for name, selector in re.findall(r"\b((?:tunelab|process)_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)(?:=~|=|!=)", selector)) <= known[name] | from_prometheus
    for grouping in re.findall(r"by \(([^)]*)\)", expression):
        assert set(re.split(r",\s*", grouping)) <= set().union(
            *(known[name] for name in names), from_prometheus
        )
    assert expression.count("(") == expression.count(")")


def test_the_dashboard_can_be_imported() -> None:
    assert DASHBOARD["__inputs"][0]["name"] == "DS_PROMETHEUS"
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids)) > 10
    places = set()
    for panel in DASHBOARD["panels"]:
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                assert (x, y) not in places, panel["title"]
                places.add((x, y))


def test_every_metric_is_documented_with_its_labels_and_no_other() -> None:
    rows = re.findall(r"^\| `(tunelab_\w+)` \| ([^|]*)\|", GUIDE, re.MULTILINE)
    documented = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    known: dict[str, set[str]] = {}
    for name, labels in samples().items():
        if name.startswith("tunelab_"):
            base = re.sub(r"(?<=_seconds)_(?:bucket|sum|count)$", "", name)
            known.setdefault(base, set()).update(labels - {"le"})
    assert documented == known
