"""The command as a process of its own: its two ways in, its encodings, its exit codes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tunnel import __version__

TOKEN = "un-token-de-prueba-0123"
COMMAND = [str(Path(sys.executable).with_name("tunnel"))]
MODULE = [sys.executable, "-m", "tunnel"]
TIMEOUT_S = 30

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and pipes")


def environment(**changes: str) -> dict[str, str]:
    """Return an environment without what would change the command's ways."""
    dropped = re.compile("TUNELAB_.*|PYTHON.*|LC_.*|LANG|COLUMNS")
    return {key: value for key, value in os.environ.items() if not dropped.fullmatch(key)} | changes


def tunnel(*argv: str, start: list[str] = COMMAND, **changes: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*start, *argv],
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@contextmanager
def unheard_port() -> Iterator[int]:
    """Hold a port on which nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.mark.parametrize("start", [COMMAND, MODULE], ids=["tunnel", "python -m tunnel"])
def test_both_ways_in_are_the_same_program(start: list[str]) -> None:
    ended = tunnel("--version", start=start)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.decode().split() == ["tunnel", __version__]
    ended = tunnel("serve", start=start)
    assert ended.returncode == 2
    assert ended.stderr.decode().startswith("tunnel: «serve» no es una orden")


@pytest.mark.parametrize(
    ("changes", "quoted"),
    [
        ({"LC_ALL": "C.UTF-8"}, "«serve»"),
        ({"LC_ALL": "C"}, "«serve»"),  # Python takes UTF-8 there by itself (PEP 538, PEP 540)
        ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "?serve?"),
        ({"PYTHONIOENCODING": "ascii"}, "?serve?"),
    ],
    ids=["UTF-8", "C", "C and no UTF-8", "ASCII"],
)
def test_letters_that_the_terminal_lacks_do_not_break_it(changes: dict[str, str], quoted: str) -> None:
    ended = tunnel("serve", **changes)
    assert ended.returncode == 2
    assert quoted in ended.stderr.decode()
    assert b"Traceback" not in ended.stderr
    ended = tunnel("--help", **changes)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_console_of_windows_code_page_shows_its_letters() -> None:
    ended = tunnel("serve", PYTHONIOENCODING="cp1252")
    assert "«serve»" in ended.stderr.decode("cp1252")
    ended = tunnel("server", PYTHONIOENCODING="cp437", TUNELAB_TOKEN="corto")
    assert ended.returncode == 2


@posix
def test_a_file_name_that_is_no_text_is_shown_somehow(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.txt"
    ended = subprocess.run(
        [*COMMAND, "server", "--token-file", path],
        env=environment(LC_ALL="C.UTF-8"),
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 2
    assert b"no existe" in ended.stderr


@posix
@pytest.mark.parametrize("is_buffered", [True, False], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("argv", [["token"], ["--help"], ["server", "--port=0", "--control-port=0"]])
def test_a_reader_that_is_gone_ends_it_quietly(argv: list[str], is_buffered: bool) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [*COMMAND, *argv],
            env=environment(TUNELAB_TOKEN=TOKEN) | ({} if is_buffered else {"PYTHONUNBUFFERED": "1"}),
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=False,
        )
    finally:
        os.close(writing)
    # argparse itself lets a help that nobody reads pass when it is written at once.
    assert ended.returncode == 3 or (argv == ["--help"] and not is_buffered and ended.returncode == 0)
    assert ended.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
@pytest.mark.parametrize("argv", [["token"], ["--version"]])
def test_a_full_disk_is_told(argv: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [*COMMAND, *argv],
            env=environment(LC_ALL="C.UTF-8"),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert ended.returncode == 3
    assert "no queda espacio en el disco" in ended.stderr.decode()
    assert b"Traceback" not in ended.stderr


@posix
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_client_that_finds_nobody_ends_when_it_is_told_to(number: signal.Signals, code: int) -> None:
    with (
        unheard_port() as port,
        subprocess.Popen(
            [*COMMAND, "client", f"--url=ws://127.0.0.1:{port}", "--upstream=http://127.0.0.1:1"],
            env=environment(TUNELAB_TOKEN=TOKEN, LC_ALL="C.UTF-8"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "nada escucha en ese puerto" in line
            assert "Se reintenta sin parar" in line
            process.send_signal(number)
            rest, err = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
        assert (process.returncode, rest, err) == (code, "", "")


@pytest.mark.parametrize("option", ["--host", "--control-host"])
@pytest.mark.parametrize("address", ["203.0.113.1", "no.existe.invalid"])
def test_an_address_that_is_not_ours_is_the_environment_s_fault(option: str, address: str) -> None:
    ended = tunnel(
        "server", "--port=0", "--control-port=0", f"{option}={address}", TUNELAB_TOKEN=TOKEN, LC_ALL="C.UTF-8"
    )
    assert (ended.returncode, ended.stdout) == (3, b"")
    assert f"esta máquina no tiene la dirección {address}." in ended.stderr.decode()


@pytest.mark.parametrize("option", ["--port", "--control-port"])
def test_a_taken_port_is_named_with_its_option(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        ports = {"--port": "0", "--control-port": "0"} | {option: str(port)}
        ended = tunnel(
            "server",
            "--host=127.0.0.1",
            "--control-host=127.0.0.1",
            *(f"{name}={value}" for name, value in ports.items()),
            TUNELAB_TOKEN=TOKEN,
            LC_ALL="C.UTF-8",
        )
    assert (ended.returncode, ended.stdout) == (3, b"")
    assert re.search(rf"ocupa ya el puerto {port}\..* {option}\.", ended.stderr.decode())


def test_the_token_is_in_no_output_at_any_level_of_detail(tmp_path: Path) -> None:
    file = tmp_path / "token.txt"
    file.write_text(TOKEN)
    file.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        ended = tunnel(
            "server", f"--port={port}", "--host=127.0.0.1", f"--token-file={file}", "--log-level=debug"
        )
    assert ended.returncode == 3
    assert TOKEN.encode() not in ended.stdout + ended.stderr
