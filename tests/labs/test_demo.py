"""``./scripts/demo``: what it shows, how it ends, and that it leaves nothing behind."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from labcheck.report import typed

pytestmark = [
    # A whole showing takes some three seconds on a quiet machine.
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc"),
]

SCENES = [
    "1. Se ponen en marcha las piezas",
    "2. Las tareas, desde la máquina local",
    "3. Una tarea nueva, por el lado público",
    "4. Las tareas, otra vez desde la máquina local",
    "5. Se corta el túnel: se termina el cliente",
    "6. El cliente vuelve",
]


@dataclass(slots=True)
class Showing:
    """A running demonstration, known among all processes by a word in its environment."""

    process: subprocess.Popen[str]
    word: str
    folder: Path

    def read_until(self, text: str) -> str:
        """Return what it shows up to the line that holds `text`."""
        assert self.process.stdout is not None
        shown = ""
        for line in self.process.stdout:
            shown += line
            if text in line:
                return shown
        pytest.fail(f"it ended without showing {text!r}:\n{shown}\n{self.process.stderr.read()}")

    def end(self, number: signal.Signals | None = None) -> tuple[str, str]:
        """Send a signal, wait for the end, and return what it still had to say."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.communicate(timeout=60)

    def processes(self) -> dict[int, str]:
        """Return the ids and commands of the demonstration and of all that it started."""
        return dict(_processes_with(self.word))

    def child(self, words: str) -> int:
        """Return the id of the one process of this showing whose command holds `words`."""
        found = [pid for pid, command in self.processes().items() if words in command]
        assert len(found) == 1, self.processes()
        return found[0]

    def pause_once_started(self, words: str) -> None:
        """Stop this program, and no child of it, as soon as it has started the child that `words` name."""
        while True:
            self.process.send_signal(signal.SIGSTOP)
            if any(words in command for command in self.processes().values()):
                return
            self.process.send_signal(signal.SIGCONT)
            time.sleep(0.005)

    def assert_nothing_left(self) -> None:
        assert self.processes() == {}
        assert list(self.folder.iterdir()) == []


def _processes_with(word: str) -> Iterator[tuple[int, str]]:
    """Yield the id and command of each process whose environment holds `word`."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if word.encode() in (entry / "environ").read_bytes():
                yield int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()


@pytest.fixture
def show(tmp_path: Path) -> Iterator:
    """Start a demonstration; whatever it leaves is an error."""
    with ExitStack() as cleanup:

        def start(*options: str, **environment: str) -> Showing:
            word = f"TUNELAB_PRUEBA_{uuid.uuid4().hex}"
            folder = tmp_path / word
            folder.mkdir()
            process = subprocess.Popen(
                [sys.executable, "-m", "labcheck.demo", *options],
                env=os.environ
                | {word: "1", "TMPDIR": str(folder), "PYTHONIOENCODING": "utf-8"}
                | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
            )
            cleanup.enter_context(process)
            cleanup.callback(process.kill)
            return Showing(process, word, folder)

        yield start


def test_once_proves_and_exits_with_0(show):
    demo = show("--once")
    out, err = demo.end()
    assert demo.process.returncode == 0, out + err
    assert err == ""
    assert [line for line in out.splitlines() if re.match(r"\d\. ", line)] == SCENES
    assert "✓ Hay 2 tareas" in out
    assert "✓ Hay 3 tareas" in out
    assert "HTTP/1.1 503" in out
    assert "Tunelab-Error: no-client" in out
    assert "Demostrado" in out
    assert "✗" not in out.replace("[✗ enlace]", "")
    assert "\x1b" not in out
    demo.assert_nothing_left()


def test_it_stays_for_the_browser_until_ctrl_c(show):
    demo = show()
    shown = demo.read_until("Termine con Ctrl-C")
    public, local = re.findall(r"^  (http://127\.0\.0\.1:\d+/)   ", shown, re.MULTILINE)
    assert public != local
    for url in (public, local):
        page = requests.get(url, headers={"Accept": "text/html"}, timeout=10)
        assert page.status_code == 200
        assert "text/html" in page.headers["Content-Type"]
    demo.end(signal.SIGINT)
    assert demo.process.returncode == 130
    demo.assert_nothing_left()


def test_taken_ports_are_replaced_and_named(show):
    with ExitStack() as stack:
        for port in (5000, 8000, 8123):
            taken = stack.enter_context(socket.socket())
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind(("127.0.0.1", port))
                taken.listen()
            except OSError:
                continue  # somebody else's: taken all the same
        demo = show("--once")
        out, err = demo.end()
    assert demo.process.returncode == 0, out + err
    replaced = re.findall(r"El puerto (\d+) está ocupado: .* usará el (\d+) en su lugar", out)
    assert [wanted for wanted, _ in replaced] == ["5000", "8000", "8123"]
    assert len({used for _, used in replaced}) == 3
    assert f"http://127.0.0.1:{replaced[0][1]}/todo" in out


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("tunelab:", signal.SIGINT),
        ("$ tunnel token", signal.SIGINT),
        ("$ tunnel server", signal.SIGTERM),
        ("✓ El cliente", signal.SIGINT),
        (SCENES[2], signal.SIGHUP),
        (SCENES[4], signal.SIGINT),
        (SCENES[5], signal.SIGTERM),
    ],
)
def test_interrupted_at_any_step_it_leaves_nothing(show, moment, number):
    demo = show()
    demo.read_until(moment)
    _, err = demo.end(number)
    assert demo.process.returncode == 130
    assert err == ""
    demo.assert_nothing_left()


@pytest.mark.parametrize("delay_s", [0.05, 0.1, 0.2, 0.3, 0.5, 0.8])
def test_interrupted_while_it_starts_it_leaves_nothing(show, delay_s):
    # As the bootstrap does: the signals are blocked until the program can take them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        demo = show()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    time.sleep(delay_s)  # any moment will do: what is tested holds at every one
    _, err = demo.end(signal.SIGINT)
    assert demo.process.returncode == 130
    assert err == ""
    demo.assert_nothing_left()


def test_a_second_ctrl_c_does_not_cut_the_cleaning_up(show):
    demo = show()
    demo.read_until(SCENES[3])
    demo.process.send_signal(signal.SIGINT)
    demo.read_until("Se detiene todo")
    demo.end(signal.SIGINT)
    assert demo.process.returncode == 130
    demo.assert_nothing_left()


def test_a_reader_that_leaves_ends_it_quietly(show):
    demo = show("--once")
    demo.read_until(SCENES[1])
    assert demo.process.stdout is not None
    demo.process.stdout.close()
    err = demo.process.stderr.read()
    assert demo.process.wait(60) == 130
    assert err == ""
    demo.assert_nothing_left()


@pytest.mark.parametrize(
    ("victim", "name"),
    [("gtd-app", "gtd-app serve"), ("tunnel server", "tunnel server"), ("tunnel client", "tunnel client")],
)
def test_a_piece_that_dies_while_it_stays_is_named_with_its_last_lines(show, victim, name):
    demo = show()
    demo.read_until("Termine con Ctrl-C")
    os.kill(demo.child(victim), signal.SIGKILL)
    out, err = demo.end()
    assert demo.process.returncode == 3, out + err
    assert f"«{name}» terminó inesperadamente (código -9)" in out
    assert "últimas líneas" in out or "No escribió nada" in out
    demo.assert_nothing_left()


@pytest.mark.parametrize(
    ("victim", "hop"),
    [("gtd-app", "✗ aplicación"), ("tunnel server", "✗ nodo de salida"), ("tunnel client", "✗ enlace")],
)
def test_a_step_that_fails_names_its_hop_and_exits_with_1(show, victim, hop):
    demo = show("--once")
    shown = demo.read_until("$ tunnel client")
    public = re.search(r"--port (\d+) --control-host", shown)
    assert public is not None
    demo.pause_once_started("tunnel client")
    wait_until_served(f"http://127.0.0.1:{public[1]}/healthz")
    os.kill(demo.child(victim), signal.SIGKILL)
    demo.process.send_signal(signal.SIGCONT)
    out, err = demo.end()
    assert demo.process.returncode == 1, out + err
    assert hop in out
    assert "terminó inesperadamente (código -9)" in out
    demo.assert_nothing_left()


def wait_until_served(url: str) -> None:
    deadline = time.monotonic() + 30
    while requests.get(url, timeout=10).status_code != 200:
        assert time.monotonic() < deadline, f"{url} is not served"
        time.sleep(0.05)


def test_the_token_is_in_no_command_line(show):
    demo = show()
    demo.read_until("Termine con Ctrl-C")
    (token,) = demo.folder.rglob("token.txt")
    assert token.stat().st_mode & 0o077 == 0
    assert token.parent.stat().st_mode & 0o077 == 0
    secret = token.read_text().strip()
    commands = list(demo.processes().values())
    assert len(commands) == 4
    assert not any(secret in command for command in commands)
    demo.end(signal.SIGINT)


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
    ids=["terminal", "dumb", "NO_COLOR"],
)
def test_colour_is_for_a_terminal_that_wants_it(environment, coloured, tmp_path):
    mine, its = os.openpty()
    clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen(
        [sys.executable, "-m", "labcheck.demo"],
        env=clean | environment | {"TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=its,
    ) as process:
        os.close(its)
        shown = b""
        while "✓".encode() not in shown:
            shown += os.read(mine, 1000)
        process.terminate()
        with contextlib.suppress(OSError):  # Linux's way to say that the other side of the terminal is closed
            while os.read(mine, 1000):
                pass
    os.close(mine)
    assert process.returncode == 130
    assert (b"\x1b[" in shown) is coloured


def test_an_encoding_without_the_marks_gets_plain_ones():
    shown = subprocess.run(
        [sys.executable, "-m", "labcheck.demo", "--once"],
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        encoding="latin-1",
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "visitante --> nodo de salida <======= cliente --> aplicación" in shown.stdout
    assert "+ Hay 3 tareas" in shown.stdout


@pytest.mark.parametrize("arguments", [("--help",), ("-h",)])
def test_help_iswords_of_detail(show, arguments):
    out, err = show(*arguments).end()
    assert out.startswith("uso: ./scripts/demo")
    assert err == ""


def test_wrong_usage_exits_with_2(show):
    demo = show("--siempre")
    out, err = demo.end()
    assert demo.process.returncode == 2
    assert "no se entiende «--siempre»" in err
    assert out == ""


def test_long_commands_are_shown_on_several_lines_with_options_beside_their_values():
    assert typed(["tunnel", "server", "--port", "8000"]) == "tunnel server --port 8000"
    shown = typed(["curl", "-d", "x" * 60, "-H", "Content-type: application/json", "http://127.0.0.1:8000/"])
    assert shown == f"curl -d {'x' * 60} \\\n  -H 'Content-type: application/json' http://127.0.0.1:8000/"
