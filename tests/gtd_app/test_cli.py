"""The command ``gtd-app``, mostly as a process of its own."""

import importlib.metadata
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.gtd_process import run_gtd_app

from gtd_app.cli import MAX_LISTED, main
from gtd_app.store import TaskStore

TASKS = "/todo/api/v1.0/tasks"

# On Windows a process cannot send another a Ctrl-C, and terminate() is the end of it.
posix_signals = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


def get(url: str) -> dict[str, list[dict[str, object]]]:
    with urllib.request.urlopen(url, timeout=20) as response:
        return json.load(response)


def post(url: str, title: str) -> int:
    request = urllib.request.Request(
        url + TASKS, json.dumps({"title": title}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        assert response.status == 201
        return json.load(response)["task"]["id"]


# serve


@posix_signals
def test_serve_says_where_and_ends_with_zero_on_sigterm(database: Path) -> None:
    with run_gtd_app("--db", str(database)) as running:
        assert running.url.startswith("http://127.0.0.1:")
        assert get(running.url + "/healthz") == {"status": "ok"}
        running.process.send_signal(signal.SIGTERM)
        assert running.wait() == 0
        assert running.process.stdout.read() == ""  # one line and no other
    assert any(str(database) in line for line in running.diagnostics)
    assert not any("/healthz" in line for line in running.diagnostics)  # nor does it bury what matters
    assert not list(database.parent.glob("*-wal"))  # the database was closed, not just left


@posix_signals
def test_serve_ends_with_130_on_ctrl_c(database: Path) -> None:
    with run_gtd_app("--db", str(database)) as running:
        running.process.send_signal(signal.SIGINT)
        assert running.wait() == 130
    assert not any("Traceback" in line for line in running.diagnostics)


@posix_signals
def test_second_ctrl_c_does_not_wait_for_anybody() -> None:
    with run_gtd_app("--en-memoria") as running:
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as visitor:
            visitor.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12")
            get(running.url + "/healthz")  # so the half request has been read, too
            running.process.send_signal(signal.SIGINT)
            with pytest.raises(subprocess.TimeoutExpired):
                running.process.wait(0.5)  # it waits for the visitor
            running.process.send_signal(signal.SIGINT)
            assert running.wait() == 130


@posix_signals
def test_request_under_way_is_answered_after_sigterm(database: Path) -> None:
    with run_gtd_app("--db", str(database)) as running:
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as visitor:
            visitor.sendall(
                b"POST /todo/api/v1.0/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                b'Content-Length: 14\r\n\r\n{"title'
            )
            get(running.url + "/healthz")  # so the half request has been read, too
            running.process.send_signal(signal.SIGTERM)
            visitor.sendall(b'": "a"}')
            assert visitor.recv(65536).startswith(b"HTTP/1.1 201 ")
        assert running.wait() == 0
    assert len(TaskStore(database).list_tasks()) == 3


def test_nothing_answered_201_is_lost_by_kill_9(database: Path) -> None:
    answered: dict[int, str] = {}
    with run_gtd_app("--db", str(database)) as running:
        enough = threading.Event()

        def write(writer: int) -> None:
            number = 0
            while True:
                title = f"writer {writer} task {number}"
                try:
                    answered[post(running.url, title)] = title
                except OSError:  # killed in mid-request: that one was not answered
                    return
                number += 1
                if len(answered) >= 40:
                    enough.set()

        writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in writers:
            thread.start()
        assert enough.wait(30)
        running.process.kill()
        for thread in writers:
            thread.join(20)
    assert len(answered) >= 40
    with run_gtd_app("--db", str(database)) as running:
        listed = {task["id"]: task["title"] for task in get(running.url + TASKS)["tasks"]}
    assert answered.items() <= listed.items()


def test_tasks_in_memory_are_lost_at_the_end_and_it_says_so(tmp_path: Path) -> None:
    with run_gtd_app("--en-memoria") as running:
        assert post(running.url, "gone") == 3
    assert any("se pierden al terminar" in line for line in running.diagnostics)
    with run_gtd_app("--en-memoria") as running:
        assert len(get(running.url + TASKS)["tasks"]) == 2


@pytest.fixture
def default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the user's data folder into the test's own."""
    for variable in ("XDG_DATA_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    return tmp_path


def test_tasks_live_in_the_data_folder_by_default(default_folder: Path) -> None:
    with run_gtd_app() as running:
        assert post(running.url, "a") == 3
    (path,) = default_folder.rglob("gtd-app.sqlite3")
    store = TaskStore(path)
    assert len(store.list_tasks()) == 3
    store.close()


def test_server_on_every_address_names_one_that_can_be_opened() -> None:
    with run_gtd_app("--en-memoria", "--host", "0.0.0.0") as running:
        port = running.url.removeprefix("http://0.0.0.0:")
        assert get(f"http://127.0.0.1:{port}/healthz") == {"status": "ok"}
    assert any(f"http://127.0.0.1:{port}" in line for line in running.diagnostics)


@pytest.fixture
def signal_handlers() -> Iterator[None]:
    """Put back the handlers that ``serve`` replaces in this very process."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@posix_signals
@pytest.mark.usefixtures("signal_handlers")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_serve_in_this_process_ends_as_told(
    database: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, encoding="utf-8") as lines, os.fdopen(writer, "w", encoding="utf-8") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)

        def stop_when_ready() -> None:
            get(lines.readline().removeprefix("Escuchando en ").strip() + "/healthz")
            os.kill(os.getpid(), number)

        stopper = threading.Thread(target=stop_when_ready)
        stopper.start()
        assert main(["--port", "0", "--db", str(database), "--verbose"]) == code
        stopper.join(10)


# What cannot work


def test_taken_port_is_an_environment_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["serve", "--en-memoria", "--port", str(port)]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"gtd-app: El puerto {port} ya está en uso" in captured.err
    assert "--port" in captured.err


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["reiniciar"]])
def test_file_that_is_no_database_is_an_environment_failure(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("not a database, but long enough to be looked at" * 10)
    assert main([*command, "--db", str(notes)]) == 3
    assert "no es una base de datos de gtd-app" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "abc"], "--port: 'abc' no es un puerto"),
        (["serve", "--port", "65536"], "es un número de 0 a 65535"),
        (["serve", "--port", "-1"], "--port"),
        (["serve", "--port", "²"], "no es un puerto"),
        (["serve", "--port"], "--port necesita un valor"),
        (["serve", "--en-memoria", "--db", "x"], "--db y --en-memoria no van juntas"),
        (["serve", "--en-memoria=si"], "--en-memoria no lleva un valor"),
        (["serve", "--db", ""], "la ruta está vacía"),
        (["serve", "--db", "a\0b"], "carácter nulo"),
        (["serve", "--db", ":memory:"], "use --en-memoria"),
        (["serve", "--puerto", "1"], "no se entiende: --puerto 1"),
        (["server"], "'server' no es una orden. Las órdenes son:"),
        (["reiniciar", "--en-memoria"], "no se entiende: --en-memoria"),
    ],
)
def test_wrong_usage_is_toldwords_of_detail_and_ends_with_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert "--ayuda" in captured.err
    for english in ("usage", "error", "argument", "invalid", "expected", "choose"):
        assert english not in captured.err


@pytest.mark.parametrize("arguments", [["--ayuda"], ["-h"], ["serve", "--help"], ["reiniciar", "--ayuda"]])
def test_help_iswords_of_detail(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("uso: gtd-app")
    assert "opciones:" in shown
    for english in ("usage", "options:", "positional", "show this help", "default:"):
        assert english not in shown


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("gtd-app ")


def test_version_without_installation_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def not_installed(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", not_installed)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "gtd-app sin instalar\n"


def test_interruption_before_serving_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_path: Path) -> TaskStore:
        raise KeyboardInterrupt

    monkeypatch.setattr("gtd_app.cli.TaskStore", interrupt)
    assert main(["reiniciar", "--db", "never-made"]) == 130


# reiniciar


def test_reset_says_what_it_removed(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = TaskStore(database)
    store.add_task("write a book")
    store.delete_task(1)
    store.close()
    assert main(["reiniciar", "--db", str(database)]) == 0
    captured = capsys.readouterr()
    assert captured.out == (
        "Se quitaron 2 tareas:\n"
        "  2. Learn Python\n"
        "  3. write a book\n"
        "Quedan las dos tareas del comienzo. La siguiente tendrá el id 3.\n"
    )
    assert str(database) in captured.err


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda store: [store.delete_task(1), store.delete_task(2)], "No había ninguna tarea."),
        (lambda store: store.delete_task(1), "Se quitó 1 tarea:\n  2. Learn Python"),
        (lambda store: [store.add_task("x") for _ in range(MAX_LISTED)], "\n  … y 2 más.\n"),
    ],
)
def test_reset_counts_well(
    database: Path,
    capsys: pytest.CaptureFixture[str],
    prepare: Callable[[TaskStore], object],
    said: str,
) -> None:
    store = TaskStore(database)
    prepare(store)
    store.close()
    assert main(["reiniciar", "--db", str(database)]) == 0
    assert said in capsys.readouterr().out


def test_reset_where_nothing_was_makes_the_two_tasks(
    default_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reiniciar"]) == 0
    assert "No había tareas guardadas" in capsys.readouterr().out
    assert len(list(default_folder.rglob("gtd-app.sqlite3"))) == 1


def test_reset_works_while_the_application_serves(database: Path) -> None:
    with run_gtd_app("--db", str(database)) as running:
        assert post(running.url, "write a book") == 3
        assert main(["reiniciar", "--db", str(database)]) == 0
        assert [task["id"] for task in get(running.url + TASKS)["tasks"]] == [1, 2]
        assert post(running.url, "write a book") == 3


def test_reset_shows_any_title_on_any_console(database: Path) -> None:
    store = TaskStore(database)
    store.add_task("fiesta 🎉")
    store.close()
    ended = subprocess.run(
        [sys.executable, "-m", "gtd_app", "reiniciar", "--db", str(database)],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        timeout=30,
    )
    assert ended.returncode == 0, ended.stderr
    assert rb"fiesta \U0001f389" in ended.stdout
