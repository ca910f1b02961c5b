"""Several clients for one name: visitors spread over them, the sick and the leaving are left out."""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest
from support.backend import Backend
from support.own_service import free_port
from support.tunnel_kit import TOKEN, Starter, write_token
from support.tunnel_process import COMMAND, Client, Server
from support.wire import Wire, eventually, request, response

OTHER_TOKEN = "otro-token-de-prueba-90210-abcdef"
FAST = ("--health=/healthz", "--health-interval=0.2")


def named(start: Starter, name: str) -> Backend:
    """Start a service that says who it is."""
    backend = start.backend()
    backend.answer(lambda _: response(content=name.encode()))
    return backend


def spread(server: Server, count: int, *lines: str) -> Counter[str]:
    """Visit so many times; return who answered, or the code of a fault, how often."""
    seen: Counter[str] = Counter()
    for _ in range(count):
        with server.visit() as wire:
            answer = wire.ask("GET", "/", *lines)
            seen[answer.code or answer.content.decode()] += 1
    return seen


class Sickly:
    """A service whose health a test decides; it says who it is to visitors."""

    def __init__(self, start: Starter, name: str, *, is_well: bool = True) -> None:
        self.is_well = is_well
        self.backend = start.backend()

        def answer(asked: object) -> bytes:
            target = getattr(asked, "target", "")
            if target == "/healthz":
                return response(200 if self.is_well else 500, b"")
            return response(content=name.encode())

        self.backend.answer(answer)


# ── who shares ───────────────────────────────────────────────────────────────────────────────────


def test_visitors_are_spread_over_clients_that_share_a_name(start: Starter) -> None:
    server = start.server()
    for name in "abc":
        start.connected_client(server, named(start, name), options=("--balance",))
    assert spread(server, 30) == {"a": 10, "b": 10, "c": 10}


def test_the_busy_are_spared(start: Starter) -> None:
    server, busy, idle = start.server(), start.backend(), named(start, "idle")
    held, may_end = threading.Semaphore(0), threading.Event()

    def play(wire: Wire) -> None:
        wire.read_request()
        held.release()
        assert may_end.wait(20)
        wire.send(response(content=b"busy"))

    busy.play(play)
    start.connected_client(server, busy, options=("--balance",))
    slow = [server.visit() for _ in range(3)]
    try:
        for wire in slow:
            wire.send(request())
            assert held.acquire(timeout=20)
        start.connected_client(server, idle, options=("--balance",))
        assert spread(server, 12) == {"idle": 12}, "one at a time, it never has more than the busy one"
        may_end.set()
        for wire in slow:
            assert wire.read_response().content == b"busy"
    finally:
        may_end.set()
        for wire in slow:
            wire.close()


def test_without_the_option_on_both_the_second_takes_the_name_over(start: Starter) -> None:
    server = start.server()
    first = start.connected_client(server, named(start, "1"), options=("--balance",))
    second = start.connected_client(server, named(start, "2"))
    assert first.wait() == 1
    assert first.wait_for("refused")["code"] == "replaced"
    start.connected_client(server, named(start, "3"), options=("--balance",))
    assert second.wait() == 1
    assert spread(server, 3) == {"3": 3}


def test_a_name_of_another_token_is_refused_with_or_without_balance(start: Starter, tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.touch(mode=0o600)
    path.write_text(
        "".join(
            f'[[token]]\nlabel = "{label}"\nsecret = "{secret}"\nnames = ["a.example"]\n'
            for label, secret in (("ana", TOKEN), ("luis", OTHER_TOKEN))
        )
    )
    server = Server(None, f"--tokens-file={path}")
    start.processes.append(server)
    backend = named(start, "ana")
    start.connected_client(server, f"a.example={backend.url}", options=("--balance",))
    luis = Client(
        write_token(tmp_path / "luis.txt", OTHER_TOKEN),
        f"a.example={backend.url}",
        server.control_port,
        "--balance",
    )
    start.processes.append(luis)
    assert luis.wait() == 1
    assert luis.wait_for("refused")["code"] == "name-taken"
    with server.visit() as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        assert wire.read_response().content == b"ana"


def test_connections_to_a_shared_port_are_spread_too(start: Starter) -> None:
    port = free_port()
    server = start.server(f"--tcp-ports={port}")
    for name in (b"a", b"b"):
        service = start.backend()
        service.play(lambda wire, name=name: wire.send(name))  # type: ignore[misc]
        start.connected_client(server, options=(f"--tcp={port}=127.0.0.1:{service.port}", "--balance"))
    seen = []
    for _ in range(8):
        with Wire.to(port) as wire:
            seen.append(wire.read_to_end())
    assert Counter(seen) == {b"a": 4, b"b": 4}
    start.processes[1].kill()
    server.wait_for("client_gone")
    with Wire.to(port) as wire:
        assert wire.read_to_end() == b"b", "the port stays open for the one that is left"


# ── who is left out ──────────────────────────────────────────────────────────────────────────────


def test_a_client_that_dies_leaves_its_visitors_to_the_others(start: Starter) -> None:
    server = start.server()
    dying = start.connected_client(server, named(start, "dying"), options=("--balance",))
    start.connected_client(server, named(start, "left"), options=("--balance",))
    dying.kill()
    server.wait_for("client_gone")
    assert spread(server, 6) == {"left": 6}


def test_a_client_that_comes_back_after_a_cut_is_one_and_not_two(start: Starter) -> None:
    server = start.server()
    relay = start.relay(server.control_port)
    cut = start.connected_client(relay, named(start, "cut"), options=("--balance",))
    start.connected_client(server, named(start, "other"), options=("--balance",))
    relay.cut()
    cut.wait_until_connected(2)
    eventually(lambda: server.count("client_connected") == 3, "the exit node to see it again")
    assert spread(server, 10) == {"cut": 5, "other": 5}


def test_a_client_that_stops_finishes_what_it_has_and_takes_nothing_new(start: Starter) -> None:
    server, leaving = start.server(), start.backend()
    asked, may_end = threading.Event(), threading.Event()

    def play(wire: Wire) -> None:
        wire.read_request()
        asked.set()
        assert may_end.wait(20)
        wire.send(response(content=b"ultima"))

    leaving.play(play)
    client = start.connected_client(server, leaving, options=("--balance",))
    with server.visit() as wire:
        wire.send(request())
        assert asked.wait(20)
        start.connected_client(server, named(start, "stays"), options=("--balance",))
        client.terminate()
        client.wait_for("stopping")
        eventually(lambda: spread(server, 2) == {"stays": 2}, "no visitor goes to the one that leaves")
        assert spread(server, 6) == {"stays": 6}
        may_end.set()
        assert wire.read_response().content == b"ultima"
    assert client.wait() == 0


def test_clients_restarted_one_after_the_other_lose_no_request(start: Starter) -> None:
    server, service = start.server(), named(start, "hola")
    clients = [start.connected_client(server, service, options=("--balance",)) for _ in range(2)]
    is_over = threading.Event()
    seen: list[Counter[str]] = []

    def visit() -> None:
        while not is_over.is_set():
            seen.append(spread(server, 5))

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    try:
        for _ in range(3):
            clients.append(start.connected_client(server, service, options=("--balance",)))
            leaving = clients.pop(0)
            leaving.terminate()
            assert leaving.wait() == 0
    finally:
        is_over.set()
        for visitor in visitors:
            visitor.join(30)
    told = sum(seen, Counter())
    assert set(told) == {"hola"}, told
    assert told["hola"] > 20


def test_a_sick_service_gets_no_visitors_until_it_is_well_again(start: Starter) -> None:
    server = start.server()
    sickly, well = Sickly(start, "sickly"), named(start, "well")
    client = start.connected_client(server, sickly.backend, options=("--balance", *FAST))
    assert client.wait_for("health")["is_up"] is True
    start.connected_client(server, well, options=("--balance",))
    server.wait_for("health")
    assert spread(server, 4) == {"sickly": 2, "well": 2}
    sickly.is_well = False
    seen = len(server.events)
    told = server.wait_for("health", after=seen)
    assert (told["is_up"], told["detail"], told["upstream"]) == (False, "HTTP 500", "*")
    assert spread(server, 4) == {"well": 4}
    seen = len(server.events)
    sickly.is_well = True
    assert server.wait_for("health", after=seen)["is_up"] is True
    assert spread(server, 4) == {"sickly": 2, "well": 2}


def test_where_all_are_sick_the_visitor_is_told_so(start: Starter) -> None:
    server = start.server()
    for name in "ab":
        sickly = Sickly(start, name, is_well=False)
        client = start.connected_client(server, sickly.backend, options=("--balance", *FAST))
        client.wait_for("health")
    with server.visit() as wire:
        answer = wire.ask()
    assert (answer.status, answer.code) == (503, "upstream-down")
    assert answer.fields.get("Retry-After") == "2"
    assert "no pasa su revisión de salud" in answer.content.decode()


def test_a_service_that_is_not_there_or_says_nothing_is_sick(start: Starter) -> None:
    server, silent = start.server(), start.backend()
    silent.play(lambda wire: wire.read_to_end())
    upstreams = f"nobody.example=http://127.0.0.1:{free_port()}", f"silent.example={silent.url}"
    client = start.connected_client(server, *upstreams, options=FAST)
    eventually(lambda: client.count("health") == 2, "both to be found out")
    told = {event["upstream"]: event for event in client.events if event["event"] == "health"}
    assert not any(event["is_up"] for event in told.values())
    assert "refused" in told["nobody.example"]["detail"].lower()
    assert told["silent.example"]["detail"] == "no answer within 0.2 s"


def test_each_name_has_a_health_of_its_own_and_those_without_a_path_are_well(start: Starter) -> None:
    server = start.server()
    sickly, other = Sickly(start, "sickly", is_well=False), named(start, "other")
    upstreams = f"a.example={sickly.backend.url}", f"b.example={other.url}"
    options = ("--health=a.example=/healthz", "--health-interval=0.2")
    start.connected_client(server, *upstreams, options=options)
    eventually(lambda: server.count("health") == 2, "the exit node to be told of both")
    seen = {}
    for name in "ab":
        with server.visit() as wire:
            wire.send(f"GET / HTTP/1.1\r\nHost: {name}.example\r\n\r\n".encode())
            seen[name] = wire.read_response().code
    assert seen == {"a": "upstream-down", "b": None}
    assert "/healthz" not in other.targets


def test_health_is_told_again_on_a_fresh_link(start: Starter) -> None:
    server = start.server()
    relay = start.relay(server.control_port)
    sickly = Sickly(start, "well")
    client = start.connected_client(relay, sickly.backend, options=FAST)
    server.wait_for("health")
    relay.cut()
    client.wait_until_connected(2)
    eventually(lambda: server.count("health") == 2, "the exit node to be told again")
    assert spread(server, 2) == {"well": 2}
    assert client.count("health") == 1


# ── the command line ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--upstream=http://localhost:1", "--health=healthz"), "no es una ruta"),
        (("--upstream=http://localhost:1", "--health=/a b"), "no es una ruta"),
        (("--upstream=http://localhost:1", "--health=b.example=/"), "no hay un --upstream para"),
        (("--upstream=http://localhost:1", "--health-interval=3"), "--health-interval va con --health"),
        (("--tcp=5432", "--health=/"), "--health va con --upstream"),
    ],
)
def test_what_cannot_be_checked_is_refused_in_clear_words(
    token_file: Path, options: tuple[str, ...], said: str
) -> None:
    words = [COMMAND, "client", "--url=ws://127.0.0.1:9", f"--token-file={token_file}", *options]
    told = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=30, check=False)
    assert told.returncode == 2
    assert said in told.stderr
