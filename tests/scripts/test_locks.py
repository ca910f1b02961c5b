"""The lock files agree with pyproject.toml, with each other, and with how the scripts install them."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = {name: ROOT / name for name in ("requirements.lock", "requirements-dev.lock")}

_ENTRY = re.compile(
    r"^(?P<name>[a-z0-9][\w.-]*)==(?P<version>[^\s;]+)[^\n]*\\\n(?P<rest>(?:    [^\n]*\n)+)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Entry:
    version: str
    hashes: int
    asked_by_us: bool


def entries(lock: str) -> dict[str, Entry]:
    text = LOCKS[lock].read_text(encoding="utf-8")
    found = {
        match["name"]: Entry(
            match["version"],
            match["rest"].count("--hash=sha256:"),
            "tunelab (pyproject.toml" in match["rest"],
        )
        for match in _ENTRY.finditer(text)
    }
    assert len(found) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE)), "an entry has another form"
    return found


def requirements(lock: str) -> dict[str, Requirement]:
    """Return what pyproject.toml asks for, directly, of what goes into a lock file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = project["project"]["dependencies"] + project["dependency-groups"]["bootstrap"]
    if lock == "requirements-dev.lock":
        asked = asked + project["project"]["optional-dependencies"]["dev"]
    return {canonicalize_name(Requirement(text).name): Requirement(text) for text in asked}


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_asked_for_is_pinned_and_nothing_else_is_said_to_be(lock):
    pinned = entries(lock)
    asked = requirements(lock)
    assert {name for name, entry in pinned.items() if entry.asked_by_us} == set(asked)
    for name, requirement in asked.items():
        assert requirement.specifier.contains(pinned[name].version), (
            f"{requirement} is pinned to {pinned[name].version}"
        )


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock):
    pinned = entries(lock)
    assert pinned
    assert [name for name, entry in pinned.items() if not entry.hashes] == []


def test_the_tests_use_the_versions_that_are_used():
    run, dev = entries("requirements.lock"), entries("requirements-dev.lock")
    assert run.keys() <= dev.keys()
    assert {name: entry.version for name, entry in run.items()} == {name: dev[name].version for name in run}


def test_the_build_backend_is_the_one_that_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["build-system"]["requires"]) <= set(project["dependency-groups"]["bootstrap"])


@pytest.mark.parametrize("lock", LOCKS)
def test_no_index_is_named(lock):
    text = LOCKS[lock].read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("lock", LOCKS)
def test_the_progress_counts_every_pin(lock, scripts):
    assert scripts("_pip").count_pins(LOCKS[lock]) == len(entries(lock))
