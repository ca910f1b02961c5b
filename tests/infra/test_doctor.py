"""The doctor, on made-up findings: each fault is named with its remedy, and nothing else is."""

import re
import socket
import subprocess
from pathlib import Path

import pytest
import tree_sitter_powershell
from place import ROOT
from support.requirements import require_program
from tree_sitter import Language, Parser

DOCTOR = ROOT / "scripts" / "doctor"
POWERSHELL = ROOT / "scripts" / "doctor.ps1"
MESSAGES = ROOT / "scripts" / "doctor.mensajes"

#: A computer that lacks nothing.
HEALTHY = {
    "so": "linux",
    "cpu": "x86_64",
    "virtualizacion": "si",
    "hyperv": "no",
    "vagrant": "2.4.9",
    "virtualbox": "7.1.6",
    "proveedores": "virtualbox",
    "memoria_mb": "8000",
    "memoria_libre_mb": "5000",
    "disco_mb": "50000",
    "puerto_5000": "libre",
    "puerto_8000": "libre",
    "proxy": "no",
    "crlf": "0",
    "ruta": "/home/ana/tunelab",
    "red_56": "no",
}

#: What is different; the code of the message; whether it stops the course; a word of the remedy.
FAULTS = [
    ({"virtualizacion": "no"}, "virtualizacion", True, "BIOS"),
    ({"hyperv": "si"}, "hyperv", False, "bcdedit"),
    ({"vagrant": "no"}, "vagrant-falta", True, "https://developer.hashicorp.com/vagrant/install"),
    ({"vagrant": "2.2.19"}, "vagrant-viejo", True, "Actualícelo"),
    ({"cpu": "arm64", "vagrant": "2.3.7"}, "vagrant-arm", True, "Actualícelo"),
    ({"proveedores": "no", "virtualbox": "no"}, "proveedor-falta", True, "VirtualBox"),
    ({"cpu": "arm64", "virtualbox": "7.0.20"}, "virtualbox-arm", True, "UTM"),
    ({"virtualbox": "5.2.44"}, "virtualbox-viejo", True, "Actualícelo"),
    ({"memoria_mb": "2048"}, "memoria", True, "./scripts/demo"),
    ({"memoria_libre_mb": "900"}, "memoria-libre", False, "navegador"),
    ({"disco_mb": "2500"}, "disco", True, "vagrant box prune"),
    ({"puerto_5000": "ControlCenter"}, "puerto-5000", False, "AirPlay"),
    ({"puerto_8000": "python3"}, "puerto-8000", False, "Vagrant usará otro"),
    ({"proxy": "http://proxy.universidad.edu:3128"}, "proxy", False, "./scripts/empaquetar"),
    ({"crlf": "7"}, "crlf", True, "core.autocrlf"),
    ({"ruta": "/home/ana/mi curso"}, "ruta", False, "ruta sencilla"),
    ({"ruta": "C:\\Users\\José\\tunelab"}, "ruta", False, "ruta sencilla"),
    ({"red_56": "tun0"}, "red-56", True, "VPN"),
]


def judge(findings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the doctor on findings."""
    text = "".join(f"{key}={value}\n" for key, value in findings.items())
    return subprocess.run([DOCTOR, "--hechos", "-"], input=text, capture_output=True, text=True)


def messages() -> dict[str, list[str]]:
    """Return the words of the doctor: code → [code, level, what, remedy]."""
    lines = MESSAGES.read_text().splitlines()
    return {line.split("|")[0]: line.split("|", 3) for line in lines if not line.startswith("#")}


def test_a_healthy_computer_is_told_to_go_on() -> None:
    done = judge(HEALTHY)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Todo en orden. Siguiente orden: vagrant up && vagrant ssh\n"


@pytest.mark.parametrize(
    ("difference", "code", "stops", "word"), FAULTS, ids=lambda x: x if isinstance(x, str) else ""
)
def test_a_fault_is_named_alone_with_its_remedy(
    difference: dict[str, str], code: str, stops: bool, word: str
) -> None:
    done = judge({**HEALTHY, **difference})
    assert done.stderr == ""
    first, remedy, verdict = done.stdout.splitlines()
    (value,) = list(difference.values())[-1:]
    if code == "proveedor-falta":
        value = ""
    assert first == f"{'FALLA' if stops else 'AVISO'}  {messages()[code][2].replace('{1}', value)}"
    assert word in remedy
    assert done.returncode == (1 if stops else 0)
    assert verdict == (
        "Hay 1 cosa que arreglar antes de vagrant up."
        if stops
        else "Nada impide empezar. Siguiente orden: vagrant up && vagrant ssh"
    )


def test_every_message_is_proven_by_a_fault() -> None:
    assert {code for _, code, _, _ in FAULTS} == set(messages())


@pytest.mark.parametrize(
    "difference",
    [
        {"vagrant": "2.3.4"},
        {"vagrant": "2.10.0"},
        {"cpu": "arm64", "vagrant": "2.4.0"},
        {"cpu": "arm64", "virtualbox": "7.1.10"},
        {"virtualbox": "6.1"},
        {"virtualbox": "no", "proveedores": "libvirt docker"},
        {"memoria_mb": "2304"},
        {"disco_mb": "6000"},
        {"virtualizacion": "desconocido", "memoria_mb": "desconocido", "memoria_libre_mb": "desconocido"},
        {"ruta": "C:\\Users\\ana\\tunelab"},
        {"ruta": "/home/ana/tunelab-2.0_final"},
    ],
)
def test_what_is_enough_or_unknown_is_no_fault(difference: dict[str, str]) -> None:
    done = judge({**HEALTHY, **difference})
    assert done.stdout == "Todo en orden. Siguiente orden: vagrant up && vagrant ssh\n"


def test_several_faults_are_counted() -> None:
    done = judge({**HEALTHY, "vagrant": "no", "crlf": "2", "proxy": "http://p:1"})
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "Hay 2 cosas que arreglar antes de vagrant up."


def test_it_looks_at_this_computer_and_finds_a_port_that_is_taken() -> None:
    first = facts()
    assert set(first) == set(HEALTHY)
    assert first["so"] == "linux"
    assert int(first["memoria_mb"]) > 0
    assert int(first["disco_mb"]) > 0
    assert first["crlf"] == "0"
    if first["puerto_8000"] != "libre":
        pytest.skip("somebody else holds the port")
    with socket.create_server(("127.0.0.1", 8000)):
        assert facts()["puerto_8000"] != "libre"


def facts() -> dict[str, str]:
    """Return what the doctor finds here."""
    done = subprocess.run([DOCTOR, "--solo-hechos"], capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_a_password_in_the_proxys_address_is_not_shown() -> None:
    done = subprocess.run(
        [DOCTOR, "--solo-hechos"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HTTPS_PROXY": "http://ana:secreto@proxy.edu:3128"},
    )
    assert "proxy=http://proxy.edu:3128\n" in done.stdout
    assert "secreto" not in done.stdout + done.stderr


def test_a_checkout_with_windows_endings_is_found(tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for source in (DOCTOR, MESSAGES):
        (scripts / source.name).write_bytes(source.read_bytes())
    (scripts / "test").write_bytes(b"#!/bin/sh\r\necho\r\n")
    done = subprocess.run(
        ["bash", scripts / "doctor", "--solo-hechos"], capture_output=True, text=True, check=True
    )
    assert "crlf=1\n" in done.stdout


def test_a_wrong_option_is_refused_with_the_usage() -> None:
    done = subprocess.run([DOCTOR, "--hecho"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "--hechos" in done.stderr


def test_it_runs_on_the_old_bash_of_a_mac() -> None:
    # bash 3.2 cannot be had here: at least nothing that came after it is used.
    text = DOCTOR.read_text()
    for newer in (
        r"\bmapfile\b",
        r"\breadarray\b",
        r"declare -A",
        r"\$\{\w+\^\^?\}",
        r"\$\{\w+,,?\}",
        r"&>>",
        r"\|&",
    ):
        assert re.search(newer, text) is None, newer
    assert require_program("bash", "sudo apt install bash")


# PowerShell cannot be had on the machine that runs these tests. What can be said without running it, is said.


def test_the_powershell_one_is_well_formed() -> None:
    source = POWERSHELL.read_bytes()
    tree = Parser(Language(tree_sitter_powershell.language())).parse(source)
    assert not tree.root_node.has_error
    # Windows PowerShell 5.1 takes a file without a mark for one in the system's old code page.
    source.decode("ascii")


def test_both_find_the_same_things_and_judge_them_by_the_same_codes_and_limits() -> None:
    bash, powershell = DOCTOR.read_text(), POWERSHELL.read_text()
    found = re.findall(r'^  echo "(\w+)=', bash, re.MULTILINE)
    assert found == list(HEALTHY)
    assert re.findall(r"^        ['\"](\w+)=", powershell, re.MULTILINE) == found
    codes = set(messages())
    said = set(re.findall(r"\bsay \"?([a-z][a-z0-9$-]*)", bash)) - {"puerto-$port"}
    written = set(re.findall(r"Write-Finding ['\"]([a-z][a-z0-9$-]*)", powershell)) - {"puerto-$port"}
    assert said == written == codes - {"puerto-5000", "puerto-8000"}
    for version in ("2.3.4", "2.4.0", "7.1.6", "6.1"):
        assert version in bash
        assert f"'{version}'" in powershell
    for name, limit in re.findall(r"^(\w+_mb)=(\d+)$", bash, re.MULTILINE):
        camel = name.split("_")[0] + "Mb"
        assert f"${camel} = {limit}" in powershell
