"""Labs that were really recorded, once for all the tests of this folder."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.labs import ROOT, desk_in
from support.requirements import require_program

from labcheck.catalog import Lab, find_lab


@dataclass(frozen=True, slots=True)
class Recorded:
    """A lab, and the files that its recording left."""

    lab: Lab
    folder: Path
    told: str

    def file(self, suffix: str) -> Path:
        return self.folder / f"{self.lab.folder.name}.{suffix}"

    def read(self, suffix: str) -> str:
        return self.file(suffix).read_bytes().decode("utf-8")

    @property
    def header(self) -> dict[str, Any]:
        header = json.loads(self.read("cast").splitlines()[0])
        assert isinstance(header, dict)
        return header

    @property
    def events(self) -> list[tuple[float, str, str]]:
        return [(at, code, data) for at, code, data in map(json.loads, self.read("cast").splitlines()[1:])]

    @property
    def markers(self) -> list[tuple[float, str]]:
        return [(at, data) for at, code, data in self.events if code == "m"]


def command(number: str, folder: Path) -> str:
    return f"cd '{ROOT}' && '{sys.executable}' -m labcheck.recording.cli {number} --salida '{folder}'"


@pytest.fixture(scope="session", params=["01", "03"])
def recorded(request, tmp_path_factory) -> Recorded:
    require_program("curl", "Debian: sudo apt install curl")
    lab = find_lab(request.param)
    desk_folder, folder = tmp_path_factory.mktemp("desk"), tmp_path_factory.mktemp("grabaciones") / "nueva"
    with desk_in(desk_folder) as desk:
        done = desk.do(command(lab.number, folder))
        # A second look at the same desk: nothing was left, and its owner's progress was not touched.
        assert desk.do("lab listar").out.count("sin empezar") >= 1
        assert not list((desk.home / ".local").rglob("*")), "a recording wrote in the home of who made it"
    return Recorded(lab, folder, done.text)
