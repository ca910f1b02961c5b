"""The acceptance run's own self-check: what it says of this computer is true. The run is for releases."""

import subprocess
import sys

import libvirt_lane
import pytest
from place import ROOT, missing

ACCEPTANCE = ROOT / "scripts" / "aceptacion-vm"


def run(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the script, with another PATH if one is given."""
    environment = {"PATH": path} if path is not None else None
    return subprocess.run(
        [sys.executable, ACCEPTANCE, *arguments], capture_output=True, text=True, env=environment
    )


def test_it_says_what_it_does_and_for_how_long() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "--revisar" in done.stdout
    assert "cerca de una hora" in done.stdout


def test_the_self_check_tells_whether_this_computer_can() -> None:
    done = run("--revisar")
    packages = missing(libvirt_lane.NEEDED | {"slirp4netns": "slirp4netns"})
    if packages:
        assert done.returncode == 3
        assert f"apt install --no-install-recommends {' '.join(packages)}" in done.stdout
    else:
        assert done.returncode == 0, done.stdout
        assert "puede levantar" in done.stdout


def test_a_computer_without_the_programs_is_told_the_packages(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    done = run("--revisar", path=str(tmp_path_factory.mktemp("vacio")))
    assert done.returncode == 3
    for package in ("qemu-system-x86", "libvirt-daemon-system", "mmdebstrap", "slirp4netns"):
        assert package in done.stdout


def test_the_box_is_remade_when_its_recipe_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = libvirt_lane.box_key()
    assert libvirt_lane.box_key() == before
    monkeypatch.setattr(libvirt_lane, "PACKAGES", libvirt_lane.PACKAGES + " man-db")
    assert libvirt_lane.box_key() != before
