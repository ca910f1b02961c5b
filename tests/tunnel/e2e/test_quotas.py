"""What a token may take of the exit node: streams at once, and bandwidth, for all of its clients together."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from pathlib import Path

import pytest
from support.backend import Backend
from support.own_service import free_port
from support.tunnel_kit import TOKEN, Starter, write_token
from support.tunnel_process import Client, Server
from support.wire import Wire, eventually, response

OTHER_TOKEN = "otro-token-de-prueba-90210-abcdef"


class Limited:
    """An exit node whose token ``ana`` has a quota, and ``luis`` none."""

    def __init__(self, start: Starter, folder: Path, quota: str) -> None:
        self.start, self.folder = start, folder
        self.tokens = folder / "tokens.toml"
        self.tokens.touch(mode=0o600)
        self.write(quota)
        self.server = Server(None, f"--tokens-file={self.tokens}")
        start.processes.append(self.server)

    def write(self, quota: str) -> None:
        self.tokens.write_text(
            f'[[token]]\nlabel = "ana"\nsecret = "{TOKEN}"\nnames = ["*.ana.example"]\n{quota}\n'
            f'[[token]]\nlabel = "luis"\nsecret = "{OTHER_TOKEN}"\nnames = ["luis.example"]\n'
        )

    def connect(self, name: str, service: Backend, token: str = TOKEN) -> Client:
        file = write_token(self.folder / f"{name}.txt", token)
        client = Client(file, f"{name}={service.url}", self.server.control_port)
        self.start.processes.append(client)
        client.wait_until_connected()
        return client


def asking(name: str, content: bytes = b"") -> bytes:
    method = b"POST" if content else b"GET"
    head = b"%b / HTTP/1.1\r\nHost: %b\r\nContent-Length: %d\r\n\r\n" % (method, name.encode(), len(content))
    return head + content


class Held:
    """A service that answers when it is told to."""

    def __init__(self, start: Starter) -> None:
        self.backend = start.backend()
        self.asked, self.may_end = threading.Semaphore(0), threading.Event()
        self.backend.play(self._play)

    def _play(self, wire: Wire) -> None:
        while True:
            wire.read_request()
            self.asked.release()
            assert self.may_end.wait(30)
            wire.send(response(content=b"hola"))


def test_a_token_has_so_many_streams_over_all_of_its_clients_and_no_more(
    start: Starter, tmp_path: Path
) -> None:
    limited, held, free = Limited(start, tmp_path, "max_streams = 2"), Held(start), start.backend()
    for name in ("a.ana.example", "b.ana.example"):
        limited.connect(name, held.backend)
    limited.connect("luis.example", free, OTHER_TOKEN)
    with limited.server.visit() as first, limited.server.visit() as second, limited.server.visit() as third:
        for wire, name in ((first, "a.ana.example"), (second, "b.ana.example")):
            wire.send(asking(name))
            assert held.asked.acquire(timeout=20)
        for name in ("a.ana.example", "b.ana.example"):
            third.send(asking(name))
            answer = third.read_response()
            assert (answer.status, answer.code) == (503, "too-many-streams")
        third.send(asking("luis.example"))
        assert third.read_response().content == b"hola", "another token's clients have nothing to do with it"
        held.may_end.set()
        for wire in (first, second):
            assert wire.read_response().content == b"hola"
        third.send(asking("a.ana.example"))
        assert third.read_response().content == b"hola"


def test_a_change_of_the_file_counts_at_once_and_ends_no_link(start: Starter, tmp_path: Path) -> None:
    limited, held = Limited(start, tmp_path, "max_streams = 1"), Held(start)
    client = limited.connect("a.ana.example", held.backend)
    with limited.server.visit() as first, limited.server.visit() as second:
        first.send(asking("a.ana.example"))
        assert held.asked.acquire(timeout=20)
        second.send(asking("a.ana.example"))
        assert second.read_response().code == "too-many-streams"
        limited.write("")
        assert limited.server.wait_for("tokens_reloaded")["changed"] == ["ana"]
        second.send(asking("a.ana.example"))
        assert held.asked.acquire(timeout=20)
        held.may_end.set()
        assert first.read_response().status == second.read_response().status == 200
    assert client.count("connected") == 1


@pytest.mark.parametrize("way", ["down", "up"])
def test_what_passes_in_a_bandwidth_takes_its_time_and_arrives_whole(
    start: Starter, tmp_path: Path, way: str
) -> None:
    """Two transfers of 300 kB each at 200 kB/s, both together: no answer comes before the bucket lets it."""
    limited, service = Limited(start, tmp_path, 'bandwidth = "200KB/s"'), start.backend()
    content = random.Random(13).randbytes(300_000)
    digest = hashlib.sha256(content).hexdigest().encode()
    if way == "down":
        service.answer(lambda _: response(content=content))
    else:
        service.answer(lambda asked: response(content=hashlib.sha256(asked.content).hexdigest().encode()))
    for name in ("a.ana.example", "b.ana.example"):
        limited.connect(name, service)
    received: dict[str, bytes] = {}

    def visit(name: str) -> None:
        with limited.server.visit() as wire:
            wire.send(asking(name, b"" if way == "down" else content))
            received[name] = wire.read_response().content

    visitors = [threading.Thread(target=visit, args=(name,)) for name in ("a.ana.example", "b.ana.example")]
    free = start.backend()
    limited.connect("luis.example", free, OTHER_TOKEN)
    began_s = time.monotonic()
    for visitor in visitors:
        visitor.start()
    with limited.server.visit() as wire:
        asked = 0
        while any(visitor.is_alive() for visitor in visitors):  # small requests of others pass meanwhile
            wire.send(asking("luis.example"))
            assert wire.read_response().content == b"hola"
            asked += 1
    for visitor in visitors:
        visitor.join(30)
    # 600 kB at 200 kB/s, but for a burst and a debt of a frame each: no machine is fast enough for less.
    assert time.monotonic() - began_s > 2
    assert asked
    expected = content if way == "down" else digest
    assert list(received.values()) == [expected] * 2


def test_a_tcp_connection_in_a_bandwidth_passes_whole_and_ends_in_order(
    start: Starter, tmp_path: Path
) -> None:
    port, service = free_port(), start.backend()
    tokens = tmp_path / "tokens.toml"
    tokens.touch(mode=0o600)
    tokens.write_text(
        f'[[token]]\nlabel = "ana"\nsecret = "{TOKEN}"\nports = ["{port}"]\nbandwidth = "500KB/s"\n'
    )
    server = Server(None, f"--tokens-file={tokens}", f"--tcp-ports={port}")
    start.processes.append(server)
    start.connected_client(server, options=(f"--tcp={port}=127.0.0.1:{service.port}",))
    service.play(lambda wire: wire.send(wire.read_to_end()[::-1]))
    content = random.Random(14).randbytes(400_000)
    began_s = time.monotonic()
    with Wire.to(port) as wire:
        wire.send(content)
        wire.end()
        assert wire.read_to_end() == content[::-1]
    assert time.monotonic() - began_s > 0.9  # 800 kB in all, but for two bursts and two debts


def test_visitors_that_leave_a_slow_answer_leave_nothing_behind(start: Starter, tmp_path: Path) -> None:
    limited, service = Limited(start, tmp_path, 'bandwidth = "100KB/s"\nmax_streams = 3'), start.backend()
    service.answer(lambda _: response(content=b"x" * 2_000_000))
    limited.connect("a.ana.example", service)
    for _ in range(12):
        with limited.server.visit() as wire:
            wire.send(asking("a.ana.example"))
            assert wire.read_response_head().status == 200
            wire.reset()

        def is_free() -> bool:
            with limited.server.visit() as other:
                other.send(asking("a.ana.example"))
                head = other.read_response_head()
                other.reset()
                return head.status == 200

        eventually(is_free, "a stream to be free again")
