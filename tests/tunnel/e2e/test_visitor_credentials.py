"""Passwords and tokens of visitors, asked for at the exit node: the service knows nothing of them."""

from __future__ import annotations

import base64
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from support.backend import Backend
from support.tunnel_kit import Starter
from support.tunnel_process import Server
from support.wire import Request, Response, Wire, eventually, request, response
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from tunnel.sites.passwords import hash_password

PASSWORD = "clave de Ana: ñandú"
TOKEN = "token-de-visitante-0123456789"
HOST = "Host: ana.example"


def basic(user: str, password: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


RIGHT = basic("ana", PASSWORD)
WRONG = basic("ana", "otra")


def private(path: Path, text: str) -> Path:
    new = path.with_name(path.name + ".new")
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    return new.replace(path)


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    """A sites file: ana.example takes passwords, bot.example tokens, dos.example both."""
    users = "".join(f"{user}:{hash_password(PASSWORD, 10, 1).encode()}\n" for user in ("ana", "luis"))
    private(tmp_path / "usuarios", users)
    private(tmp_path / "tokens", TOKEN + "\n")
    return private(
        tmp_path / "sitios.toml",
        '[site."ana.example"]\nbasic = "usuarios"\nrealm = "Notas de Ana"\n'
        '[site."bot.example"]\nbearer = "tokens"\n'
        '[site."dos.example"]\nbasic = "usuarios"\nbearer = "tokens"\n',
    )


@pytest.fixture
def service(start: Starter) -> Backend:
    """What the client shares: it sends content back."""
    backend = start.backend()
    backend.answer(lambda asked: response(200, asked.content or b"hola"))
    return backend


@pytest.fixture
def server(start: Starter, sites: Path, service: Backend) -> Server:
    """An exit node with those sites, and a client that serves every name."""
    server = start.server(f"--sites-file={sites}", "--log-level=info")
    start.connected_client(server, service)
    return server


@pytest.fixture
def seen(service: Backend) -> list[Request]:
    """The requests that reached the service."""
    return service.requests


def refused(answer: Response, code: str) -> bool:
    return (answer.status, answer.code) == (401, code)


# ── passwords ────────────────────────────────────────────────────────────────────────────────────


def test_without_a_password_a_visitor_is_asked_for_one(server: Server, seen: list[Request]) -> None:
    with server.visit() as wire:
        answer = wire.ask("GET", "/", HOST)
        assert refused(answer, "credentials-required")
        assert answer.fields.all("WWW-Authenticate") == ['Basic realm="Notas de Ana", charset="UTF-8"']
        assert answer.fields.get("Cache-Control") == "no-store"
        assert wire.ask("GET", "/", "Host: abierto.example").status == 200, "on the same connection"
    assert len(seen) == 1


def test_with_the_right_one_the_request_passes_and_the_password_does_not(
    server: Server, seen: list[Request]
) -> None:
    with server.visit() as wire:
        for _ in range(2):  # the second time it is known
            assert wire.ask("GET", "/a?b=c", HOST, RIGHT, "X-Forwarded-User: root").content == b"hola"
    assert [each.target for each in seen] == ["/a?b=c"] * 2
    for each in seen:
        assert each.fields.get("Authorization") is None
        assert each.fields.get("X-Forwarded-User") == "ana"


@pytest.mark.parametrize(
    "lines",
    [
        (WRONG,),
        (basic("nadie", PASSWORD),),
        (basic("ana", ""),),
        ("Authorization: Basic ana",),
        ("Authorization: Basic",),
        ("Authorization: Basic /////w==",),
    ],
    ids=["password", "user", "empty", "not base64", "nothing", "not UTF-8"],
)
def test_anything_else_is_refused(server: Server, seen: list[Request], lines: tuple[str, ...]) -> None:
    with server.visit() as wire:
        assert refused(wire.ask("GET", "/", HOST, *lines), "credentials-refused")
        assert wire.ask("GET", "/", HOST, RIGHT).status == 200
    assert len(seen) == 1


@pytest.mark.parametrize(
    "lines",
    [(RIGHT, RIGHT), (RIGHT, WRONG), ("Authorization: Digest x",), ("Authorization: Bearer " + TOKEN,)],
)
def test_two_at_once_or_another_scheme_are_none(
    server: Server, seen: list[Request], lines: tuple[str, ...]
) -> None:
    with server.visit() as wire:
        assert refused(wire.ask("GET", "/", HOST, *lines), "credentials-required")
    assert seen == []


def test_content_that_comes_while_the_password_is_looked_at_arrives_whole(
    server: Server, seen: list[Request]
) -> None:
    content = bytes(range(256)) * 2000
    with server.visit() as wire:
        assert wire.ask("POST", "/", HOST, RIGHT, content=content).content == content
    with server.visit() as wire:
        luis = basic("luis", PASSWORD)
        chunks = b"".join(b"%x\r\n%b\r\n" % (4096, content[at : at + 4096]) for at in range(0, 409600, 4096))
        wire.send(request("POST", "/", HOST, luis, "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n")
        assert wire.read_response().content == content[:409600]


def test_requests_that_follow_without_waiting_are_answered_in_order(
    server: Server, seen: list[Request]
) -> None:
    with server.visit() as wire:
        wire.send(
            request("POST", "/1", HOST, RIGHT, content=b"uno")
            + request("GET", "/2", HOST, WRONG)
            + request("POST", "/3", HOST, basic("luis", PASSWORD), content=b"tres")
            + request("GET", "/4", HOST)
        )
        answers = [wire.read_response() for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 401, 200, 401]
    assert [answers[0].content, answers[2].content] == [b"uno", b"tres"]
    assert [each.target for each in seen] == ["/1", "/3"]


def test_who_waits_for_a_100_is_told_to_go_on_only_with_the_right_password(
    server: Server, seen: list[Request]
) -> None:
    expecting = ("Content-Length: 4", "Expect: 100-continue")
    with server.visit() as wire:
        wire.send(request("POST", "/", HOST, WRONG, *expecting))
        assert wire.read_response().status == 401
    assert seen == []


def test_a_visitor_that_leaves_meanwhile_leaves_nothing_behind(server: Server, seen: list[Request]) -> None:
    for _ in range(5):
        with server.visit() as wire:
            wire.send(request("GET", "/", HOST, RIGHT))
    with server.visit() as wire:
        assert wire.ask("GET", "/", HOST, RIGHT).status == 200


def test_who_guesses_must_wait_and_who_is_known_need_not(server: Server, seen: list[Request]) -> None:
    with server.visit() as wire:
        assert wire.ask("GET", "/", HOST, RIGHT).status == 200
        guesses = [wire.ask("GET", "/", HOST, basic("ana", f"clave {number}")) for number in range(14)]
        assert [answer.status for answer in guesses[:10]] == [401] * 10
        assert (guesses[-1].status, guesses[-1].code) == (429, "too-many-logins")
        assert 1 <= int(guesses[-1].fields.get("Retry-After") or 0) <= 5
        assert wire.ask("GET", "/", HOST, basic("luis", PASSWORD)).status == 429, "right, and not looked at"
        assert wire.ask("GET", "/", HOST, RIGHT).status == 200
        bot = wire.ask("GET", "/", "Host: bot.example", f"Authorization: Bearer {TOKEN}")
        assert bot.status == 200, "another site"


def test_a_changed_password_is_the_one_that_counts_at_once(
    server: Server, sites: Path, seen: list[Request]
) -> None:
    with server.visit() as wire:
        assert wire.ask("GET", "/", HOST, RIGHT).status == 200
        private(sites.with_name("usuarios"), f"ana:{hash_password('nueva clave', 10, 1).encode()}\n")
        assert server.wait_for("sites_reloaded")["changed"] == ["ana.example", "dos.example"]
        assert wire.ask("GET", "/", HOST, RIGHT).status == 401
        assert wire.ask("GET", "/", HOST, basic("ana", "nueva clave")).status == 200


def test_curl_and_requests_get_in_and_nothing_of_it_is_logged(server: Server, tmp_path: Path) -> None:
    config = private(tmp_path / "curl.conf", f'user = "ana:{PASSWORD}"\n')
    url = f"http://127.0.0.1:{server.port}/"
    told = subprocess.run(
        ["curl", "--silent", "--config", str(config), "--header", HOST, url],
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert told.stdout == b"hola"
    headers = {"Host": "ana.example"}
    got = requests.get(url, auth=("ana", PASSWORD.encode()), headers=headers, timeout=30)  # type: ignore[arg-type]
    assert got.text == "hola"
    assert requests.get(url, auth=("ana", "mala"), headers=headers, timeout=30).status_code == 401
    eventually(lambda: "credentials-refused" in server.err, "it is logged")
    for secret in (PASSWORD, "mala", RIGHT.rpartition(" ")[2]):
        assert secret not in server.out + server.err


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────


def test_a_token_passes_and_the_service_does_not_see_it(server: Server, seen: list[Request]) -> None:
    host = "Host: bot.example"
    with server.visit() as wire:
        answer = wire.ask("GET", "/", host)
        assert refused(answer, "credentials-required")
        assert answer.fields.all("WWW-Authenticate") == ['Bearer realm="bot.example"']
        answer = wire.ask("GET", "/", host, "Authorization: Bearer " + TOKEN[:-1])
        assert refused(answer, "credentials-refused")
        assert answer.fields.get("WWW-Authenticate") == 'Bearer realm="bot.example", error="invalid_token"'
        assert wire.ask("GET", "/", host, f"authorization: bearer {TOKEN}").status == 200
    assert len(seen) == 1
    assert seen[0].fields.get("Authorization") is None


def test_a_site_with_both_takes_either(server: Server, seen: list[Request]) -> None:
    host = "Host: dos.example"
    with server.visit() as wire:
        offered = wire.ask("GET", "/", host).fields.all("WWW-Authenticate")
        assert [each.partition(" ")[0] for each in offered] == ["Basic", "Bearer"]
        assert wire.ask("GET", "/", host, f"Authorization: Bearer {TOKEN}").status == 200
        assert wire.ask("GET", "/", host, RIGHT).status == 200
    assert len(seen) == 2


# ── websockets ───────────────────────────────────────────────────────────────────────────────────


@contextmanager
def echo_server() -> Iterator[int]:
    """A real websocket service that sends back what it gets."""

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with serve(echo, "127.0.0.1", 0) as service:
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        try:
            yield service.socket.getsockname()[1]
        finally:
            service.shutdown()
            thread.join()


def test_a_websocket_passes_the_same_gate(start: Starter, sites: Path) -> None:
    server = start.server(f"--sites-file={sites}")
    with echo_server() as port:
        start.connected_client(server, f"http://127.0.0.1:{port}")
        uri = "ws://ana.example/"
        with pytest.raises(InvalidStatus) as caught, Wire.to(server.port) as wire:
            connect(uri, sock=wire.sock)
        assert caught.value.response.status_code == 401
        headers = {"Authorization": RIGHT.partition(": ")[2]}
        with Wire.to(server.port) as wire, connect(uri, sock=wire.sock, additional_headers=headers) as opened:
            opened.send("hola")
            assert opened.recv() == "hola"
