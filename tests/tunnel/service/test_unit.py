"""The units that ``--generate=systemd`` prints, as systemd itself reads them."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.requirements import require_program

from tunnel.cli import build_parser, main
from tunnel.service.unit import MARK, Order, make_unit
from tunnel.service.words import Given

EXPOSURE_LIMIT = 2.0

Generate = Callable[..., str]


@pytest.fixture
def generate(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generate:
    """Return what a command prints, run in a folder with a token, connection files and a folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("token.txt", "tokens.toml", "a.toml", "b.toml", "cert.pem", "key.pem"):
        (tmp_path / name).write_text("no lo lee nadie")
    (tmp_path / "web").mkdir()

    def call(*words: str) -> str:
        assert main([*words]) == 0
        return capsys.readouterr().out

    return call


def value(unit: str, key: str) -> list[str]:
    """Return the values of a key, without the quotes around them."""
    return [found.strip('"') for found in raw(unit, key)]


def raw(unit: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


def command(unit: str) -> str:
    return raw(unit, "ExecStart")[0].partition("/tunnel ")[2]


COMMANDS = {
    "server": ["server", "--auto-tls", "--auto-tls-san", "192.0.2.10", "--token-file", "token.txt"],
    "server-low-ports": ["server", "--port", "80", "--control-port=443", "--tokens-file", "tokens.toml"],
    "client": ["client", "--conexion", "a.toml", "--upstream", "http://localhost:5000"],
    "fileserver": ["fileserver", "--webroot", "web", "--token-file", "token.txt"],
    "folder-for-all": [
        "fileserver",
        "--webroot=web",
        "--token-file=token.txt",
        "--host=0.0.0.0",
        "--port=81",
    ],
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_systemd_finds_nothing_to_say_and_little_exposed(
    generate: Generate, words: list[str], tmp_path: Path
) -> None:
    analyze = require_program("systemd-analyze", "Debian: sudo apt install systemd")
    path = tmp_path / "tunnel-prueba.service"
    path.write_text(generate(*words, "--generate=systemd"))
    verified = subprocess.run([analyze, "verify", path], capture_output=True, text=True)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    judged = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", path], capture_output=True, text=True
    )
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", judged.stdout)
    assert found is not None, judged.stderr
    assert float(found[1]) <= EXPOSURE_LIMIT, judged.stdout


def test_the_unit_runs_exactly_what_was_given(generate: Generate, tmp_path: Path) -> None:
    unit = generate(*COMMANDS["server"], "--generate=systemd", "--limit", "max-body-bytes=10", "--json")
    assert command(unit) == (
        "server --auto-tls --auto-tls-san=192.0.2.10 --token-file %d/token-file --limit=max-body-bytes=10 "
        "--json"
    )
    assert value(unit, "LoadCredential") == [f"token-file:{tmp_path}/token.txt"]
    assert unit.startswith(MARK + "\n")
    assert "@" not in unit.replace("@system-service", "").replace("@privileged", "")


def test_each_file_of_several_is_a_credential_of_its_own(generate: Generate, tmp_path: Path) -> None:
    unit = generate("client", "--conexion=a.toml", "--generate", "systemd", "--conexion", "./b.toml")
    assert command(unit) == "client --conexion %d/conexion --conexion %d/conexion-2"
    assert value(unit, "LoadCredential") == [f"conexion:{tmp_path}/a.toml", f"conexion-2:{tmp_path}/b.toml"]


def test_the_files_that_the_sites_name_go_with_them(
    capsys: pytest.CaptureFixture[str], generate: Generate, tmp_path: Path
) -> None:
    tokens = tmp_path / "ana.tokens"
    tokens.touch(0o600)
    tokens.write_text("un-token-de-al-menos-32-caracteres-para-las-pruebas\n")
    sites = tmp_path / "sitios.toml"
    sites.touch(0o600)
    sites.write_text('[site."ana.example"]\nbearer = "ana.tokens"\n')
    unit = generate(*COMMANDS["server"], "--sites-file=sitios.toml", "--generate=systemd")
    assert f"sites-file:{sites}" in value(unit, "LoadCredential")
    assert f"ana.tokens:{tokens}" in value(unit, "LoadCredential")
    (tmp_path / "web" / "sitios.toml").write_text('[site."ana.example"]\nbearer = "../ana.tokens"\n')
    assert main([*COMMANDS["server"], "--sites-file=web/sitios.toml", "--generate=systemd"]) == 2
    assert "misma carpeta" in capsys.readouterr().err


def test_what_a_file_of_options_says_is_in_the_unit(generate: Generate, tmp_path: Path) -> None:
    (tmp_path / "otra").mkdir()
    (tmp_path / "otra" / "cliente.toml").write_text(
        'conexion = "c.toml"\nupstream = ["uno.example=http://localhost:1", "http://localhost:2"]\n'
        'json = true\ndrain-timeout = 30\nlog-level = "info"\n'
    )
    (tmp_path / "otra" / "c.toml").touch()
    unit = generate("client", "--config", "otra/cliente.toml", "--generate=systemd", "--log-level=debug")
    assert command(unit) == (
        "client --log-level=debug --conexion %d/conexion --upstream=uno.example=http://localhost:1 "
        "--upstream=http://localhost:2 --json --drain-timeout=30"
    )
    assert value(unit, "LoadCredential") == [f"conexion:{tmp_path}/otra/c.toml"]
    assert value(unit, "TimeoutStopSec") == ["35"]


def test_a_program_that_the_service_runs_is_shown_to_it_and_no_credential(
    generate: Generate, tmp_path: Path
) -> None:
    hook = tmp_path / "dns.sh"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    unit = generate(*COMMANDS["server"], f"--acme-dns-hook={hook}", "--generate=systemd")
    assert f"--acme-dns-hook {hook}" in command(unit)
    assert str(hook) in value(unit, "BindReadOnlyPaths")


def test_an_option_whose_value_may_be_left_out_keeps_it_or_does_without(generate: Generate) -> None:
    unit = generate("client", "--conexion=a.toml", "--inspector", "4041", "--generate=systemd", "--json")
    assert command(unit) == "client --conexion %d/conexion --inspector=4041 --json"
    unit = generate("client", "--inspector", "--conexion=a.toml", "--generate=systemd", "--inspector")
    assert command(unit) == "client --inspector --conexion %d/conexion --inspector"


def test_no_word_is_more_than_itself_to_systemd(generate: Generate) -> None:
    rule = r'X-A: 100%h $HOME ${HOME} "a" \n ; ñ'
    unit = generate("client", "--conexion=a.toml", f"--request-header={rule}", "--generate=systemd")
    assert '"--request-header=X-A: 100%%h $$HOME $${HOME} \\"a\\" \\\\n ; ñ"' in command(unit)


def test_a_path_of_any_kind_is_given_whole(generate: Generate, tmp_path: Path) -> None:
    folder = tmp_path / 'de "ana" al 100%h $HOME'
    folder.mkdir()
    (folder / "token.txt").touch()
    unit = generate(
        "fileserver", "--webroot", str(folder), "--token-file", f"{folder}/token.txt", "--generate=systemd"
    )
    shown = str(tmp_path) + '/de \\"ana\\" al 100%%h $HOME'
    assert f'"{shown}"' in raw(unit, "BindReadOnlyPaths")
    assert f'--webroot "{shown.replace("$", "$$")}" ' in command(unit)
    assert raw(unit, "LoadCredential") == [f"token-file:{str(folder).replace('%', '%%')}/token.txt"]


def test_low_ports_ask_for_the_one_capability_that_they_need_and_others_for_none(generate: Generate) -> None:
    low = generate(*COMMANDS["server-low-ports"], "--generate=systemd")
    assert (
        value(low, "CapabilityBoundingSet") == value(low, "AmbientCapabilities") == ["CAP_NET_BIND_SERVICE"]
    )
    assert value(low, "PrivateUsers") == ["no"]
    tcp = generate(*COMMANDS["server"], "--tcp-ports", "6000-6010,22", "--generate=systemd")
    assert value(tcp, "AmbientCapabilities") == ["CAP_NET_BIND_SERVICE"]
    high = generate(*COMMANDS["server"], "--generate=systemd")
    assert value(high, "CapabilityBoundingSet") == value(high, "AmbientCapabilities") == [""]


def test_a_folder_server_on_loopback_speaks_to_nobody_else_and_sees_its_folder(
    generate: Generate, tmp_path: Path
) -> None:
    unit = generate(*COMMANDS["fileserver"], "--generate=systemd")
    assert (value(unit, "IPAddressDeny"), value(unit, "IPAddressAllow")) == (["any"], ["localhost"])
    assert str(tmp_path / "web") in value(unit, "BindReadOnlyPaths")
    assert value(generate(*COMMANDS["folder-for-all"], "--generate=systemd"), "IPAddressDeny") == []


@pytest.mark.parametrize("option", ["--state-dir=estado", "--conexion=c.toml"])
def test_where_the_state_is_belongs_to_systemd(
    capsys: pytest.CaptureFixture[str], generate: Generate, option: str
) -> None:
    assert main([*COMMANDS["server"], "--generate=systemd", option]) == 2
    assert "/var/lib/tunelab" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told_and_what_stands_in_the_way_is_refused(
    capsys: pytest.CaptureFixture[str], generate: Generate
) -> None:
    assert main(["client", "--conexion=no.toml", "--generate=systemd"]) == 0
    assert "no.toml no existe" in capsys.readouterr().err
    assert main(["client", "--conexion=a:b.toml", "--generate=systemd"]) == 2
    assert "dos puntos" in capsys.readouterr().err
    assert main(["client", "--conexion=a\nExecStartPre=b", "--generate=systemd"]) == 2
    assert "saltos de línea" in capsys.readouterr().err


def test_restarts_are_spaced_out_where_systemd_can() -> None:
    order = Order("client", "tunnel-client", [Given("--json", "json", None, False)], Path("/"))
    new, old = (make_unit(order, ["/opt/tunelab/bin/tunnel"], version).text for version in (254, 253))
    assert (value(new, "RestartSteps"), value(new, "RestartMaxDelaySec")) == (["6"], ["60"])
    assert "RestartSteps" not in old
    assert value(old, "RestartSec") == ["2"]


@pytest.mark.parametrize("place", ["/home/ana/.venv", "/root/.venv", "/tmp/venv"])
def test_a_program_in_somebodys_home_is_shown_to_its_service_and_nothing_else_of_it(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr("sys.prefix", place)
    monkeypatch.setattr("sys.base_prefix", "/usr")
    order = Order("client", "tunnel-client", [], Path("/"))
    unit = make_unit(order, [f"{place}/bin/tunnel"], 0).text
    assert place in value(unit, "BindReadOnlyPaths")
    assert value(unit, "ProtectHome") == (["yes"] if place.startswith("/tmp") else ["tmpfs"])


def test_a_second_exit_node_keeps_a_state_of_its_own(generate: Generate) -> None:
    words = COMMANDS["server"]
    unit = generate("service", "install", *words, "--nombre=tunnel-otro", "--dry-run")
    assert value(unit, "StateDirectory") == ["tunnel-otro"]
    assert "--nombre" not in unit
    assert "/etc/systemd/system/tunnel-otro.service" in unit
    assert value(generate("service", "install", *words, "--dry-run"), "StateDirectory") == ["tunelab"]


def test_every_option_of_a_service_is_one_that_a_unit_knows_how_to_give() -> None:
    """Each takes at most one value: what takes more would lose its words on the way."""
    for name in ("server", "client", "fileserver"):
        for action in build_parser().commands[name]._actions:
            assert action.nargs in (None, 0, "?"), action.option_strings
            assert action.option_strings, "an argument without a name"
            assert not isinstance(action, argparse.BooleanOptionalAction), action.option_strings


def test_a_machine_without_systemd_is_told_so(
    capsys: pytest.CaptureFixture[str], generate: Generate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tunnel.service.host._BOOTED", tmp_path / "no")
    for words in (["install", *COMMANDS["client"]], ["uninstall", "tunnel-client"], ["status"]):
        assert main(["service", *words]) == 3
        assert "no arrancó con systemd" in capsys.readouterr().err
    monkeypatch.setattr("sys.platform", "darwin")
    assert main(["service", "status"]) == 3
    assert "launchd" in capsys.readouterr().err


def test_what_is_not_there_is_not_uninstalled(
    capsys: pytest.CaptureFixture[str], generate: Generate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tunnel.service.host._BOOTED", tmp_path)
    monkeypatch.setattr("tunnel.service.host.UNITS", tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    (tmp_path / "ajeno.service").write_text("[Service]\nExecStart=/bin/true\n")
    assert main(["service", "uninstall", "ajeno"]) == 1
    assert main(["service", "install", *COMMANDS["client"], "--nombre=ajeno"]) == 1
    assert "otro programa" in capsys.readouterr().err
    assert (tmp_path / "ajeno.service").read_text().startswith("[Service]")
    assert main(["service", "status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == []
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["service", "install", *COMMANDS["client"]]) == 3
    assert "sudo" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../x", "Tunnel", "a b", "-x", "a/b"])
def test_a_name_is_never_a_path(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["service", "uninstall", "--", name]) == 2
