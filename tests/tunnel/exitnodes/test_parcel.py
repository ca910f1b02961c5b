"""What is sent to a node is this program, whole, and holds no secret."""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from support.requirements import require_program

from tunnel.exitnodes.install import INSTALLER, make_parcel
from tunnel.exitnodes.install.wheel import make_wheel
from tunnel.exitnodes.model import Order, Student

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def order(tmp_path: Path) -> Order:
    order = Order("nube", "nodo-ana", tmp_path / "nodo", student="ana", data_port=80, control_port=443)
    order.folder.mkdir()
    order.secret_file.write_text("un-secreto-que-no-debe-salir\n")
    return order


def test_the_wheel_installs_and_runs_with_no_index(tmp_path: Path) -> None:
    wheel = make_wheel()
    (tmp_path / wheel.name).write_bytes(wheel.data)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--no-index"]
    subprocess.run(
        [*pip, "--target", tmp_path / "place", tmp_path / wheel.name], check=True, capture_output=True
    )
    shown = subprocess.run(
        [sys.executable, "-m", "tunnel", "--version"],
        cwd=tmp_path / "place",
        env={"PYTHONPATH": str(tmp_path / "place")},
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "place" / "bin" / "tunnel").exists()
    units = {path.name for path in (tmp_path / "place" / "tunnel" / "units").iterdir()}
    assert "tunnel-server.service" in units
    assert not list((tmp_path / "place").glob("gtd_app*"))


def test_the_same_checkout_gives_the_same_bytes(order: Order) -> None:
    assert make_parcel(order).tar_gz() == make_parcel(order).tar_gz()


def test_the_archive_is_closed_to_others_and_checks_against_its_sums(order: Order, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(make_parcel(order).tar_gz())) as tar:
        assert {member.mode for member in tar} == {0o600}
        assert all("/" not in member.name for member in tar)
        tar.extractall(tmp_path / "unpacked", filter="data")
    lines = (tmp_path / "unpacked" / "SHA256SUMS").read_text().splitlines()
    listed = {}
    for line in lines:
        digest, _, name = line.partition("  ")
        listed[name] = digest
    found = {path.name for path in (tmp_path / "unpacked").iterdir()}
    assert found == {*listed, "SHA256SUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256((tmp_path / "unpacked" / name).read_bytes()).hexdigest() == digest


def test_no_secret_is_in_the_parcel(order: Order) -> None:
    contents = make_parcel(order).files
    assert "token" not in contents
    assert not any(b"un-secreto-que-no-debe-salir" in data for data in contents.values())


def test_the_lock_is_the_one_that_the_course_is_installed_from(order: Order) -> None:
    assert make_parcel(order).files["requirements.lock"] == (ROOT / "requirements.lock").read_bytes()


def test_the_unit_on_the_node_takes_ports_and_secret_from_the_order(order: Order) -> None:
    unit = make_parcel(order).files["tunnel-server.service"].decode()
    assert "--port 80 --control-port 443 " in unit
    assert "--token-file %d/token" in unit
    # Without it no program that is not root listens on them.
    assert "\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n" in unit
    high = replace(order, data_port=8000, control_port=8123)
    assert "CAP_" not in make_parcel(high).files["tunnel-server.service"].decode()
    shared = replace(order, students=(Student("1", "Ana", slug="ana"),))
    assert "--tokens-file %d/token" in make_parcel(shared).files["tunnel-server.service"].decode()
    assert make_parcel(shared).files["settings"] == b"tokens.toml 443\n"


def test_the_installer_fills_in_what_the_unit_leaves_open(order: Order) -> None:
    contents = make_parcel(order).files
    unit = contents["tunnel-server.service"].decode()
    for word in set(re.findall("@[A-Z_]+@", unit)):
        assert f"s|{word}|".encode() in contents[INSTALLER], word


def test_the_installer_refuses_a_parcel_that_arrived_damaged(order: Order, tmp_path: Path) -> None:
    bash = require_program("bash", "Debian: bash")
    folder = tmp_path / "parcel"
    folder.mkdir()
    for name, data in make_parcel(order).files.items():
        (folder / name).write_bytes(data)
    with (folder / "requirements.lock").open("a") as lock:
        lock.write("otra-cosa==1.0\n")
    # It stops before it touches anything of this machine.
    ended = subprocess.run(
        [bash, folder / INSTALLER, folder, "192.0.2.10"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert ended.returncode != 0
    assert ended.stdout == ""
    assert "requirements.lock" in ended.stderr
