"""What a removal asked the provider, and what it answered: a JSON file that a lab can grade."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tunnel.exitnodes.files import make_private_folder
from tunnel.exitnodes.model import Query
from tunnel.secret_files import replace_private_file

__all__ = ["Receipt", "write_receipt"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """One removal."""

    provider: str
    name: str
    student: str
    lab: str
    is_simulated: bool
    created_at: str  # RFC 3339, UTC; empty where the state was lost
    removed_at: str
    removed: tuple[str, ...]  # ids of the steps whose thing was there and was removed
    kept: tuple[str, ...]  # ids of the steps whose thing is left alone on purpose
    queries: tuple[Query, ...]  # asked after the removal

    @property
    def left(self) -> tuple[str, ...]:
        """What survives."""
        return tuple(line for query in self.queries for line in query.answer)

    def to_json(self) -> str:
        """Return the receipt as the text of its file."""
        values = dataclasses.asdict(self)
        return (
            json.dumps(
                {"version": 1, "clean": not self.left, **values, "left": self.left},
                ensure_ascii=False,
                indent=2,
            )
            + "\n"
        )


def write_receipt(receipt: Receipt, folder: Path) -> Path:
    """Write the receipt among the others and return its path; none is ever overwritten."""
    make_private_folder(folder.parent)
    make_private_folder(folder)
    stem = f"{receipt.provider}-{receipt.name}-{receipt.removed_at.replace(':', '').replace('-', '')}"
    taken: Sequence[Path] = list(folder.glob(f"{stem}*.json"))
    path = folder / (f"{stem}-{len(taken) + 1}.json" if taken else f"{stem}.json")
    replace_private_file(path, receipt.to_json())
    return path
