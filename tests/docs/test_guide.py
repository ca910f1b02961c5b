"""Every command that the documents show is run, and every output compared: a guide cannot rot."""

import os
from pathlib import Path

import pytest
from support.guide import (
    OUTPUT_NOT_SHOWN,
    REASONS_NOT_TO_RUN,
    STAYS,
    WITHOUT_CLIENT,
    Block,
    Command,
    blocks_of,
    difference,
    masked,
    reader_in,
    rewritten,
)
from support.requirements import refuse, require_program

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    "README.es.md",
    "README.md",
    "docs/ordenes.md",
    "docs/varios-clientes.md",
    "docs/nodo-de-salida.md",
    "docs/enlace-cifrado.md",
    "docs/limites.md",
    "docs/puertos-tcp.md",
    "docs/https.md",
    "docs/visitantes.md",
    "docs/informes.md",
    "docs/diagnostico.md",
    "docs/grabaciones.md",
    "docs/cabeceras.md",
    "docs/archivos.md",
    "docs/servicios.md",
    "docs/inspector.md",
    "docs/contenedores.md",
    "docs/plataformas.md",
    "docs/configuracion.md",
    "docs/proxy.md",
    "docs/metricas.md",
    "docs/balanceo.md",
    "docs/certificados-de-cliente.md",
    "docs/sni.md",
]
LANGUAGES = {"console", "powershell", "text", "sh", "toml"}


def document(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", [name for name in DOCUMENTS if "```console" in document(name)])
def test_each_command_prints_what_the_document_shows(name, tmp_path, pytestconfig):
    require_program("curl", "Debian: sudo apt install curl")
    text = document(name)
    blocks = [
        block for block in blocks_of(text) if block.language == "console" and not block.reason_not_to_run
    ]
    assert any(block.commands for block in blocks)
    for shared in (".venv", "scripts"):
        (tmp_path / shared).symlink_to(ROOT / shared)
    # A terminal of its own, where a program shows colours and progress only if it is asked to: it is not.
    environment = os.environ | {"HOME": str(tmp_path), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    for variable in ("VIRTUAL_ENV", "XDG_STATE_HOME", "STATE_DIRECTORY", "TUNELAB_TOKEN"):
        environment.pop(variable, None)
    update = pytestconfig.getoption("--actualizar-guia")
    outputs: list[tuple[Command, list[str]]] = []
    with reader_in(tmp_path, environment) as reader:
        if not reader.can_follow():
            refuse("ports 5000, 8000 and 8123 are taken, and a network of one's own is not allowed here")
        for block in blocks:
            if block.directive == WITHOUT_CLIENT:
                reader.stop("tunnel client")
            for command in block.commands:
                if block.directive == STAYS:
                    came = reader.leave_running(command.text, None if update else len(command.shown))
                else:
                    came = reader.type(command.text)
                if block.directive != OUTPUT_NOT_SHOWN:
                    outputs.append((command, came))
    if update:
        commands = [command for command, _ in outputs]
        changed = {index: came for index, (command, came) in enumerate(outputs) if difference(command, came)}
        (ROOT / name).write_text(rewritten(text, changed, commands), encoding="utf-8")
    else:
        assert "\n\n".join(filter(None, (difference(command, came) for command, came in outputs))) == ""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_not_run_says_why(name):
    for block in blocks_of(document(name)):
        assert block.language in LANGUAGES, f"{name}:{block.line}: a block without a known language"
        if block.language in ("powershell", "sh"):
            assert block.reason_not_to_run is not None, f"{name}:{block.line}: not run, and no reason given"
        if block.reason_not_to_run is not None:
            assert block.reason_not_to_run in REASONS_NOT_TO_RUN, f"{name}:{block.line}"
        elif block.directive:
            assert block.directive in (STAYS, WITHOUT_CLIENT, OUTPUT_NOT_SHOWN), f"{name}:{block.line}"


@pytest.mark.parametrize("name", ["README.es.md", "README.md"])
def test_both_pages_begin_with_the_same_two_commands(name):
    typed = [command.text for block in blocks_of(document(name)) for command in block.commands]
    assert "./scripts/demo --once" in typed
    assert "./scripts/test" in typed


def test_the_blocks_of_a_document_are_read_with_their_outputs_and_directives():
    text = (
        "x\n```console\n$ uno\na\n\nb\n$ dos\n```\n"
        "<!-- prueba: queda en marcha -->\n> ```console\n> $ tres\n> c\n> ```\n```text\n$ nada\n```\n"
    )
    first, second, third = blocks_of(text)
    assert [(command.text, command.shown) for command in first.commands] == [
        ("uno", ["a", "", "b"]),
        ("dos", []),
    ]
    assert (second.directive, second.commands[0].shown) == (STAYS, ["c"])
    assert isinstance(third, Block)
    assert third.language == "text"
    assert rewritten(text, {0: ["z"], 1: ["y"]}, first.commands).splitlines()[:7] == [
        "x", "```console", "$ uno", "z", "$ dos", "y", "```"
    ]  # fmt: skip


def test_an_output_that_differs_is_told_and_one_that_only_varies_is_not():
    command = Command("ver", ["[10:00:00] write a book 0123abcd", "Escucha en 127.0.0.1:8000"], 0, 2)
    assert difference(command, ["[11:22:33] write a book ffffffff", "Escucha en 127.0.0.1:8000"]) == ""
    assert "+Escucha en 127.0.0.1:5000" in difference(
        command, [command.shown[0], "Escucha en 127.0.0.1:5000"]
    )
    assert masked(["desde 127.0.0.1:40312"]) == ["desde 127.0.0.1:(any)"]
