"""One exit node for many: each token has its names, and the file of tokens changes while all of it runs."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.backend import Backend
from support.tunnel_kit import Starter, write_token
from support.tunnel_process import COMMAND, Client, Server, TunnelProcess
from support.wire import Wire, eventually, request, response


@dataclass(slots=True)
class Course:
    """An exit node with a tokens file, and students with a token, a service and a client each."""

    start: Starter
    folder: Path
    _server: Server | None = None
    secrets: dict[str, Path] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.folder / "tokens.toml"

    @property
    def server(self) -> Server:
        if self._server is None:
            self._server = Server(None, f"--tokens-file={self.file}", "--log-level=info")
            self.start.processes.append(self._server)
        return self._server

    def token(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``tunnel token`` on the file."""
        return subprocess.run(
            [COMMAND, "token", f"--a={self.file}", *arguments],
            capture_output=True, encoding="utf-8", timeout=30, check=True,
        )  # fmt: skip

    def enrol(self, label: str, names: str, *options: str) -> None:
        """Give a student a token."""
        self.secrets[label] = self.folder / f"{label}.txt"
        self.token(f"--etiqueta={label}", f"--nombres={names}", f"--salida={self.secrets[label]}", *options)

    def expel(self, label: str) -> None:
        """Take it away."""
        self.token(f"--etiqueta={label}", "--quitar")

    def client(self, label: str, *upstreams: str) -> Client:
        """Start a student's client; it may not be connected yet."""
        client = Client(self.secrets[label], upstreams, self.server.control_port)
        self.start.processes.append(client)
        return client

    def connected(self, label: str, *upstreams: str) -> Client:
        """Start a student's client, and wait until it is connected."""
        client = self.client(label, *upstreams)
        client.wait_until_connected()
        return client

    def backend(self, text: str) -> Backend:
        """Start a service that says ``text``."""
        backend = self.start.backend()
        backend.answer(lambda _: response(content=text.encode()))
        return backend

    def ask(self, host: str) -> str:
        """Return what a visitor of ``host`` gets: the service's text, or the exit node's code."""
        with self.server.visit() as wire:
            answer = wire.ask("GET", "/", f"Host: {host}")
        return answer.code or answer.content.decode()


@pytest.fixture
def course(start: Starter, tmp_path: Path) -> Iterator[Course]:
    with ExitStack() as stack:
        made = Course(start, tmp_path)
        yield made
        stack.close()
        for process in start.processes:
            for file in made.secrets.values():
                assert file.read_text().strip() not in process.out + process.err


def test_two_students_serve_their_own_names_on_one_exit_node(course: Course) -> None:
    course.enrol("ana", "ana.example")
    course.enrol("luis", "luis.example,*.luis.example")
    ana, luis = course.backend("de Ana"), course.backend("de Luis")
    course.connected("ana", f"ana.example={ana.url}")
    course.connected("luis", f"luis.example={luis.url},blog.luis.example={luis.url}")
    assert course.ask("ana.example") == "de Ana"
    assert course.ask("luis.example") == "de Luis"
    assert course.ask("blog.luis.example") == "de Luis"
    assert course.ask("nadie.example") == "unknown-host"
    connected = [event for event in course.server.events if event["event"] == "client_connected"]
    assert [event["label"] for event in connected] == ["ana", "luis"]


@pytest.mark.parametrize(
    "upstream",
    ["luis.example=URL", "x.ana.example=URL", "ana.example.luis.example=URL", "otro.example=URL", "URL",
     "ana.example=URL,luis.example=URL"],
    ids=["another's", "below her own", "below another's", "nobody's", "every name", "one of two"],
)  # fmt: skip
def test_a_name_that_is_not_in_the_token_s_list_is_refused(course: Course, upstream: str) -> None:
    course.enrol("ana", "ana.example")
    course.enrol("luis", "luis.example,*.luis.example")
    client = course.client("ana", upstream.replace("URL", "http://127.0.0.1:9"))
    assert client.wait() == 1
    assert client.wait_for("refused")["code"] == "name-not-allowed"
    assert "su token no permite pedir ese nombre" in client.err
    assert course.server.count("client_connected") == 0
    assert course.ask("luis.example") == "no-client"


def test_nobody_takes_or_sees_what_is_another_s_even_with_a_token_for_all_names(course: Course) -> None:
    course.enrol("profesora", "*")
    course.enrol("luis", "luis.example,*.luis.example")
    all_names = course.backend("de la profesora")
    course.connected("profesora", all_names.url)
    assert course.ask("curso.example") == "de la profesora"
    assert course.ask("luis.example") == "no-client"
    assert course.ask("blog.luis.example") == "no-client"
    refused = course.client("profesora", f"luis.example={all_names.url}")
    assert refused.wait() == 1
    assert refused.wait_for("refused")["code"] == "name-not-allowed"
    luis = course.backend("de Luis")
    course.connected("luis", f"luis.example={luis.url}")
    assert course.ask("luis.example") == "de Luis"
    assert course.ask("blog.luis.example") == "no-client"
    assert all_names.targets == ["/"]


def test_on_one_connection_of_a_visitor_s_each_request_goes_to_whose_name_it_has(course: Course) -> None:
    course.enrol("ana", "ana.example")
    course.enrol("luis", "luis.example")
    for label in ("ana", "luis"):
        course.connected(label, f"{label}.example={course.backend(label).url}")
    with course.server.visit() as wire:
        hosts = ["ana", "luis", "luis", "ana", "nadie", "luis"]
        wire.send(b"".join(request("GET", "/", f"Host: {host}.example") for host in hosts))
        answers = [wire.read_response() for _ in hosts]
    assert [answer.code or answer.content.decode() for answer in answers] == [
        "ana", "luis", "luis", "ana", "unknown-host", "luis",
    ]  # fmt: skip


def test_a_token_that_is_taken_away_ends_its_link_at_once_and_no_other(course: Course) -> None:
    course.enrol("ana", "ana.example")
    course.enrol("luis", "luis.example")
    ana = course.connected("ana", f"ana.example={course.backend('de Ana').url}")
    luis = course.connected("luis", f"luis.example={course.backend('de Luis').url}")
    course.expel("ana")
    assert ana.wait() == 1
    assert ana.wait_for("refused")["code"] == "revoked"
    assert "el token fue revocado" in ana.err
    gone = course.server.wait_for("client_gone")
    assert (gone["label"], gone["reason"]) == ("ana", "revoked")
    reloaded = course.server.wait_for("tokens_reloaded")
    assert (reloaded["removed"], reloaded["added"], reloaded["tokens"]) == (["ana"], [], 1)
    assert course.ask("ana.example") == "no-client"
    assert course.ask("luis.example") == "de Luis"
    assert luis.count("disconnected") == 0
    again = course.client("ana", "ana.example=http://127.0.0.1:9")
    assert again.wait() == 1
    assert again.wait_for("refused")["code"] == "unknown-token"


def test_a_token_that_loses_one_of_its_names_ends_its_link_and_may_come_back_with_the_rest(
    course: Course,
) -> None:
    course.enrol("ana", "ana.example,blog.example")
    url = course.backend("de Ana").url
    client = course.connected("ana", f"ana.example={url},blog.example={url}")
    replace(course.file, course.file.read_text().replace(', "blog.example"', ""))
    assert client.wait() == 1
    assert client.wait_for("refused")["code"] == "revoked"
    assert "ya no permite esos nombres" in client.err
    assert course.server.wait_for("tokens_reloaded")["changed"] == ["ana"]
    course.connected("ana", f"ana.example={url}")
    assert course.ask("ana.example") == "de Ana"


def test_a_token_that_gains_a_name_keeps_its_link(course: Course) -> None:
    course.enrol("ana", "ana.example")
    url = course.backend("de Ana").url
    client = course.connected("ana", f"ana.example={url}")
    replace(course.file, course.file.read_text().replace('"ana.example"', '"ana.example", "blog.example"'))
    course.server.wait_for("tokens_reloaded")
    assert course.ask("ana.example") == "de Ana"
    assert client.count("disconnected") == 0


def test_a_token_for_all_names_stops_serving_what_is_given_to_another_meanwhile(course: Course) -> None:
    course.enrol("profesora", "*")
    all_names = course.backend("de la profesora")
    client = course.connected("profesora", all_names.url)
    assert course.ask("ana.example") == "de la profesora"
    course.enrol("ana", "ana.example")
    course.server.wait_for("tokens_reloaded")
    assert course.ask("ana.example") == "no-client"
    assert course.ask("otro.example") == "de la profesora"
    assert client.count("disconnected") == 0


def test_a_request_under_way_is_cut_with_the_link_that_carries_it(course: Course) -> None:
    course.enrol("ana", "ana.example")
    backend = course.start.backend()

    def wait(wire: Wire) -> None:
        wire.read_request()
        wire.read_to_end()

    backend.play(wait)
    course.connected("ana", f"ana.example={backend.url}")
    with course.server.visit() as wire:
        wire.send(request("GET", "/", "Host: ana.example"))
        eventually(lambda: backend.open_connections, "the request arrived")
        course.expel("ana")
        answer = wire.read_response()
        assert (answer.status, answer.code) == (502, "link-lost")


def test_a_token_ends_at_its_time(course: Course) -> None:
    end = (datetime.now(UTC) + timedelta(seconds=5)).isoformat(timespec="milliseconds")
    course.enrol("ana", "ana.example", f"--vence={end}")
    backend = course.backend("de Ana")
    client = course.connected("ana", f"ana.example={backend.url}")
    assert course.ask("ana.example") == "de Ana"
    assert client.wait() == 1
    assert client.wait_for("refused")["code"] == "revoked"
    again = course.client("ana", f"ana.example={backend.url}")
    assert again.wait() == 1
    assert again.wait_for("refused")["code"] == "revoked"
    assert course.server.count("client_connected") == 1


def test_a_broken_file_is_told_and_what_was_in_force_stays(course: Course) -> None:
    course.enrol("ana", "ana.example")
    client = course.connected("ana", f"ana.example={course.backend('de Ana').url}")
    good = course.file.read_text()
    replace(course.file, good.replace("names", "name"))
    rejected = course.server.wait_for("tokens_rejected")
    assert rejected["file"] == str(course.file)
    assert "¿Quiso decir names?" in rejected["message"]
    assert course.ask("ana.example") == "de Ana"
    course.connected("ana", f"ana.example={course.backend('de Ana otra vez').url}")
    assert client.wait() == 1  # replaced: her token is as good as before
    assert course.ask("ana.example") == "de Ana otra vez"
    eventually(lambda: "the former tokens stay in force" in course.server.err, "it was logged")
    replace(course.file, good)
    assert course.server.wait_for("tokens_reloaded")["removed"] == []


def test_who_is_added_while_it_runs_comes_in(course: Course) -> None:
    course.enrol("ana", "ana.example")
    course.connected("ana", f"ana.example={course.backend('de Ana').url}")
    course.enrol("luis", "luis.example")
    course.server.wait_for("tokens_reloaded")
    course.connected("luis", f"luis.example={course.backend('de Luis').url}")
    assert course.ask("luis.example") == "de Luis"


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGHUP")
def test_a_hangup_reads_the_file_and_does_not_end_the_exit_node(course: Course) -> None:
    course.enrol("ana", "ana.example")
    server = course.server
    replace(course.file, course.file.read_text().replace('"ana.example"', '"otra.example"'))
    server.signal(signal.SIGHUP)
    assert server.wait_for("tokens_reloaded")["changed"] == ["ana"]
    assert server.process.poll() is None


def test_a_name_that_two_tokens_may_have_is_the_first_s_while_it_is_there(course: Course) -> None:
    course.enrol("ana", "equipo.example")
    course.enrol("luis", "equipo.example")
    first = course.connected("ana", f"equipo.example={course.backend('de Ana').url}")
    second = course.client("luis", "equipo.example=http://127.0.0.1:9")
    assert second.wait() == 1
    assert second.wait_for("refused")["code"] == "name-taken"
    first.terminate()
    first.wait()
    course.server.wait_for("client_gone")
    course.connected("luis", f"equipo.example={course.backend('de Luis').url}")
    assert course.ask("equipo.example") == "de Luis"


def test_a_token_of_the_environment_opens_nothing_beside_a_file_of_them(
    course: Course,
) -> None:
    course.enrol("ana", "ana.example")
    other = "otro-token-de-prueba-90210-abcdef"
    server = TunnelProcess(
        "server", "--port=0", "--control-port=0", "--host=127.0.0.1", "--control-host=127.0.0.1", "--json",
        f"--tokens-file={course.file}", env={"TUNELAB_TOKEN": other},
    )  # fmt: skip
    course.start.processes.append(server)
    control_port = server.wait_for("listening")["control"]["port"]
    token = write_token(course.folder / "otro.txt", other)
    client = Client(token, "http://127.0.0.1:9", control_port)
    course.start.processes.append(client)
    assert client.wait() == 1
    assert client.wait_for("refused")["code"] == "unknown-token"


def replace(path: Path, text: str) -> None:
    """Replace a private file in one step."""
    new = path.with_suffix(".edited")
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)
