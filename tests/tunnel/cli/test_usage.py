"""Help and wrong usage: complete, in Spanish, and with the way on."""

from __future__ import annotations

import re

import pytest

from tests.tunnel.cli.conftest import Run
from tests.tunnel.unit.kit import assert_spanish
from tunnel import __version__
from tunnel.cli import build_parser

VERBS = ["create", "delete", "list", "show", "cost", "ssh", "logs"]
CERTS = ["cert ca", "cert client", "cert show"]
ALONE = ["server", "client", "token", "requests", *CERTS, *(f"exit-node {verb}" for verb in VERBS)]
COMMANDS = [*ALONE, "cert", "exit-node"]
THERE_ARE = ", ".join(build_parser().commands)
SECRET = "un-token-que-nadie-debe-ver"


# ── help ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("option", ["-h", "--help", "--ayuda"])
@pytest.mark.parametrize(
    "command", [[], *(name.split() for name in COMMANDS)], ids=lambda words: " ".join(words)
)
def test_help_goes_to_stdout_and_is_spanish(run: Run, command: list[str], option: str) -> None:
    outcome = run(*command, option)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(" ".join(["uso: tunnel", *command]))
    assert "\nopciones:\n" in outcome.out
    assert_spanish(outcome.out)


def test_help_lists_every_command_and_the_two_steps(run: Run) -> None:
    text = run("--help").out
    assert "\nórdenes:\n" in text
    for name in ("server", "client", "token", "exit-node"):
        assert re.search(rf"^    {name} +\S.{{10}}", text, re.MULTILINE)
    assert re.findall(r"^  tunnel (\w+) .*conexion|^  tunnel (\w+) --auto-tls", text, re.MULTILINE) == [
        ("", "server"),
        ("client", ""),
    ]


def test_help_lists_every_verb_of_exit_nodes(run: Run) -> None:
    text = run("exit-node", "--help").out
    for verb in VERBS:
        assert re.search(rf"^    {verb} +\S.{{10}}", text, re.MULTILINE)


@pytest.mark.parametrize("command", ALONE)
def test_help_explains_every_option(run: Run, command: str) -> None:
    text = " ".join(run(*command.split(), "--help").out.split())
    parser = build_parser()
    for name in command.split():
        parser = parser.commands[name]
    actions = parser._actions
    assert len(actions) >= 3
    for action in actions:
        assert action.help
        for option in action.option_strings:
            assert option in text
        assert " ".join((action.help % vars(action)).split()) in text


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 300])
@pytest.mark.parametrize(
    "command", [[], *(name.split() for name in COMMANDS)], ids=lambda words: " ".join(words)
)
def test_help_fits_the_terminal_and_a_hundred_columns(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: list[str], columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = run(*command, "--help").out.splitlines()
    assert len(lines) > 5
    assert max(map(len, lines)) <= 100
    if columns >= 60 and command not in ([], ["exit-node"]):  # laid out by hand
        assert max(map(len, lines)) <= columns


def test_the_version_is_the_distribution_s(run: Run) -> None:
    outcome = run("--version")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"tunnel {__version__}\n", "")


# ── wrong usage ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", f"tunnel: falta la orden; las hay: {THERE_ARE}."),
        ("serve", f"tunnel: «serve» no es una orden; las hay: {THERE_ARE}. ¿Quiso decir server?"),
        ("cliente --url x", f"tunnel: «cliente» no es una orden; las hay: {THERE_ARE}. ¿Quiso decir client?"),
        ("zzz", f"tunnel: «zzz» no es una orden; las hay: {THERE_ARE}."),
        ("it's", f"tunnel: «it's» no es una orden; las hay: {THERE_ARE}."),
        ("SERVER", f"tunnel: «SERVER» no es una orden; las hay: {THERE_ARE}."),
        ("--prot 1", "tunnel: no existe la opción --prot."),
        ("--json server", "tunnel: --json va después de la orden: tunnel server --json."),
        ("server --prot 1", "tunnel server: no existe la opción --prot. ¿Quiso decir --port?"),
        ("server --por 1", "tunnel server: no existe la opción --por. ¿Quiso decir --port?"),
        ("server --prot=1", "tunnel server: no existe la opción --prot. ¿Quiso decir --port?"),
        ("server -p 1", "tunnel server: no existe la opción -p."),
        ("server --zzz", "tunnel server: no existe la opción --zzz."),
        ("server foo", "tunnel server: sobra «foo»."),
        ("server --json foo bar", "tunnel server: sobra «foo»."),
        ("server --json=1", "tunnel server: --json no lleva valor."),
        ("server --port", "tunnel server: --port necesita un valor."),
        ("server --port --json", "tunnel server: --port necesita un valor."),
        ("server --port ocho", "tunnel server: --port: «ocho» no es un puerto: va de 1 a 65535 (0: uno "
         "libre)."),
        ("server --port -5", "tunnel server: --port: «-5» no es un puerto: va de 1 a 65535 (0: uno libre)."),
        ("server --log-level todo", "tunnel server: --log-level: «todo» no es un nivel: elija entre debug, "
         "info, warning, error."),
        ("client --ulr ws://a --upstream b", "tunnel client: no existe la opción --ulr. ¿Quiso decir --url?"),
        ("client --url ws://a --upstream", "tunnel client: --upstream necesita un valor."),
        ("exit-node", "tunnel exit-node: falta la orden; las hay: create, delete, list, show, cost, ssh, "
         "logs, paquete."),
        ("exit-node creat", "tunnel exit-node: «creat» no es una orden; las hay: create, delete, list, show, "
         "cost, ssh, logs, paquete. ¿Quiso decir create?"),
        ("exit-node create", "tunnel exit-node create: falta --provider."),
        ("exit-node create --providr local", "tunnel exit-node create: no existe la opción --providr. "
         "¿Quiso decir --provider?"),
        ("exit-node --si create", "tunnel exit-node: --si va después de la orden: tunnel exit-node create "
         "--si."),
        ("exit-node create --provider local --duracion 4", "tunnel exit-node create: --duracion: «4» no es "
         "un tiempo de un minuto a 30 días: 90m, 4h, 2d."),
        ("exit-node create --provider local --tcp 80,x", "tunnel exit-node create: --tcp: «x» no es un "
         "puerto: va de 1 a 65535."),
        ("exit-node create --provider local --source-ranges casa", "tunnel exit-node create: "
         "--source-ranges: «casa» no es una red: se escriben así: 203.0.113.0/24, o una sola dirección."),
        ("exit-node delete a b", "tunnel exit-node delete: sobra «b»."),
        ("token --salid x", "tunnel token: no existe la opción --salid. ¿Quiso decir --salida?"),
        ("token --json", "tunnel token: no existe la opción --json."),
    ],
)  # fmt: skip
def test_wrong_usage_is_named_with_the_way_on(run: Run, line: str, said: str) -> None:
    outcome = run(*line.split())
    program = said.partition(":")[0]
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"{said}\nAyuda: {program} --help\n"
    assert_spanish(outcome.err)


@pytest.mark.parametrize("value", ["65536", "-1", "+1", "1.5", "", " 1", "1_0", "٨٠", "0x50", "9" * 5000])
@pytest.mark.parametrize("option", ["--port", "--control-port"])
def test_what_is_no_port_is_refused(run: Run, option: str, value: str) -> None:
    outcome = run("server", f"{option}={value}")
    assert outcome.code == 2
    assert f"{option}: «{value}» no es un puerto" in outcome.err


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e400", "86400", "dos", "2,5", ""])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("server", "--ping-interval"),
        ("server", "--drain-timeout"),
        ("client", "--upstream-timeout"),
        ("client", "--drain-timeout"),
    ],
)
def test_what_is_no_time_is_refused(run: Run, command: str, option: str, value: str) -> None:
    outcome = run(command, f"{option}={value}")
    assert outcome.code == 2
    assert f"{option}: «{value}» no es un tiempo en segundos" in outcome.err
    assert_spanish(outcome.err)


@pytest.mark.parametrize(
    "line",
    [
        "client --token {}",
        "client --token={}",
        "client -token {}",
        "client -token={}",
        "server --port 1 --token {}",
        "--token {}",
    ],
)
def test_a_token_on_the_command_line_is_refused_and_not_repeated(run: Run, line: str) -> None:
    outcome = run(*line.format(SECRET).split())
    assert (outcome.code, outcome.out) == (2, "")
    assert "--token-file" in outcome.err
    assert "TUNELAB_TOKEN" in outcome.err
    assert SECRET not in outcome.err
    assert_spanish(outcome.err)


def test_a_misspelt_option_s_value_is_not_repeated(run: Run) -> None:
    outcome = run("client", f"--tokn={SECRET}")
    assert outcome.code == 2
    assert SECRET not in outcome.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("client --url http://a --upstream b", "la de los visitantes"),
        ("client --url ws://a --upstream b", "falta el token"),
        ("client --url ws://a --upstream b --token-file /no/existe", "no existe"),
        ("client --url ws://a --upstream b,c", "hay dos --upstream sin nombre"),
        ("server", "falta el token"),
        ("server --token-file /dev/null", "no es un archivo corriente"),
    ],
)
def test_a_value_that_cannot_be_used_is_wrong_usage_too(
    run: Run, monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    if "token" not in words and "archivo" not in words and "existe" not in words:
        monkeypatch.setenv("TUNELAB_TOKEN", "x" * 16)
    outcome = run(*line.split())
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"tunnel {line.split()[0]}: ")
    assert words in outcome.err
    assert_spanish(outcome.err)


def test_planes_that_share_a_port_must_share_an_address(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELAB_TOKEN", "x" * 16)
    outcome = run("server", "--port=8000", "--control-port=8000", "--control-host=127.0.0.1")
    assert outcome.code == 2
    assert "--control-host" in outcome.err


def test_where_the_planes_share_a_port_the_control_plane_follows_the_other_s_address(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNELAB_TOKEN", "x" * 16)
    outcome = run("server", "--host=203.0.113.1", "--port=8000", "--control-port=8000")
    assert outcome.code == 3  # the address is not ours, but there is nothing wrong with the usage
    assert "203.0.113.1" in outcome.err
