"""``--filter`` and ``--format``, as much as is used of them; the rest is refused.

https://cloud.google.com/sdk/gcloud/reference/topic/filters,
https://cloud.google.com/sdk/gcloud/reference/topic/formats
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tunnel.exitnodes.simulation.grammar import UsageError

__all__ = ["Resource", "render", "select"]

# As the API's JSON has it: the one shape that --filter and --format look into.
Resource = Mapping[str, Any]

_TERM = re.compile(r"([A-Za-z_.]+)[=:]([\w.:/-]+)")
_VALUE = re.compile(r"value\(([\w.,]+)\)")


def select(resources: Sequence[Resource], expression: str) -> list[Resource]:
    """Return those for which all terms of ``KEY=VALUE AND …`` hold.  Raises UsageError."""
    found = list(resources)
    for term in filter(None, expression.split(" AND ")):
        match = _TERM.fullmatch(term.strip())
        if match is None:
            raise UsageError(f"ERROR: (gcloud) Non-empty default. [{term}]: syntax error in filter.")
        found = [item for item in found if _text(_look(item, match[1])) == match[2]]
    return found


def render(resources: Sequence[Resource], form: str, *, is_list: bool) -> str:
    """Return the text of ``--format``.  Raises UsageError."""
    if form == "json":
        return json.dumps(list(resources) if is_list else resources[0], indent=2) + "\n"
    match = _VALUE.fullmatch(form)
    if match is None:
        raise UsageError(f"ERROR: (gcloud) Unknown format [{form}].")
    keys = match[1].split(",")
    return "".join("\t".join(_text(_look(item, key)) for key in keys) + "\n" for item in resources)


def _look(item: Resource, path: str) -> object:
    found: object = item
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _text(value: object) -> str:
    return "" if value is None else str(value)
