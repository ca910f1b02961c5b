"""The link's frames, as they really passed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from support.inspected import Inspected, inspector_port
from support.tunnel_kit import TOKEN, Starter, write_token
from support.tunnel_process import TunnelProcess
from support.wire import eventually, response


def test_an_exchange_is_told_frame_by_frame(inspected) -> None:
    inspected.backend.answer(lambda _: response(200, b"hola"))
    inspected.visit("POST", "/", content=b"abc")
    inspected.detail(1)
    frames = inspected.get("/api/frames?link=1&stream=1")["frames"]
    assert [(f["kind"], f["is_outgoing"]) for f in frames] == [
        ("OPEN", False), ("DATA", False), ("END", False), ("HEAD", True), ("DATA", True), ("END", True)
    ]  # fmt: skip
    data = [f for f in frames if f["kind"] == "DATA"]
    assert [f["size_bytes"] for f in data] == [3, 4]
    assert data[0]["left_bytes"] == data[0]["window_bytes"] - 3
    assert frames == sorted(frames, key=lambda f: f["number"])


def test_the_handshake_is_told_and_none_of_its_content(inspected) -> None:
    answer = inspected.get("/api/frames?stream=0")
    kinds = [f["kind"] for f in answer["frames"]]
    assert kinds[:4] == ["HELLO", "CHALLENGE", "CLAIM", "GRANT"]
    assert all(f["detail"] == "" for f in answer["frames"][:4])
    (link,) = answer["links"]
    assert link["exit_node"] == f"ws://127.0.0.1:{inspected.server.control_port}"
    assert link["closed_at"] is None


def test_windows_grow_and_credit_is_told(inspected) -> None:
    size = 3_000_000
    inspected.backend.answer(lambda asked: response(200, b"x" * len(asked.content)))
    assert len(inspected.visit("POST", "/", content=b"y" * size).content) == size
    inspected.detail(1)
    answer = inspected.get("/api/frames?stream=1")
    (stream,) = answer["links"][0]["streams"]
    assert (stream["bytes_in"], stream["bytes_out"], stream["is_open"]) == (size, size, False)
    assert stream["exchange"] == 1
    assert stream["largest_window_bytes"] > 65536
    credit = [f for f in answer["frames"] if f["kind"] == "CREDIT"]
    assert {f["is_outgoing"] for f in credit} == {True, False}
    assert all(f["detail"].startswith("+") for f in credit)


def test_the_round_trip_is_told(inspect, start) -> None:
    inspected = inspect(server=start.server("--ping-interval=0.2"))

    def pong_came() -> bool:
        frames = inspected.get("/api/frames?stream=0")["frames"]
        return any(f["kind"] == "PONG" and f["detail"].endswith(" ms") for f in frames)

    eventually(pong_came, "a PONG came")
    (link,) = inspected.get("/api/frames")["links"]
    assert 0 < link["round_trip_s"] <= link["last_round_trip_s"] < 10
    inspected.visit()
    phases = inspected.detail(1)["phases"]
    estimates = [phase["name"] for phase in phases if phase["is_estimate"]]
    assert (estimates, phases[0]["end_s"]) == (["Enlace, ida", "Enlace, vuelta"], 0.0)


def test_a_link_that_was_lost_stays_told_beside_the_next(start) -> None:
    server, backend = start.server(), start.backend()
    relay = start.relay(server.control_port)
    client = start.connected_client(relay, backend, options=("--inspector=0",))
    relay.cut()
    client.wait_until_connected(2)
    links = Inspected(server, client, backend, inspector_port(client)).get("/api/frames")["links"]
    assert [(link["number"], link["closed_at"] is None) for link in links] == [(2, True), (1, False)]
    assert links[1]["reason"] == "connection-lost"


def test_one_inspector_tells_of_the_links_with_all_exit_nodes(start: Starter, tmp_path: Path) -> None:
    servers, backend = [start.server(), start.server()], start.backend()
    files = []
    for server in servers:
        file = write_token(tmp_path / f"{server.control_port}.toml", "version = 1")
        file.write_text(f'version = 1\nurl = "ws://127.0.0.1:{server.control_port}"\ntoken = "{TOKEN}"\n')
        files.append(f"--conexion={file}")
    client = TunnelProcess("client", *files, f"--upstream={backend.url}", "--json", "--inspector=0")
    start.processes.append(client)
    eventually(lambda: client.count("connected") == 2, "both links")
    both = [Inspected(server, client, backend, inspector_port(client)) for server in servers]
    both[0].visit("GET", "/uno")
    both[1].visit("GET", "/dos")
    told = {both[0].detail(number)["summary"]["target"]: both[0].detail(number)["link"] for number in (1, 2)}
    links = {link["number"]: link["exit_node"] for link in both[0].get("/api/frames")["links"]}
    assert {target: links[link] for target, link in told.items()} == {
        "/uno": f"ws://127.0.0.1:{servers[0].control_port}",
        "/dos": f"ws://127.0.0.1:{servers[1].control_port}",
    }
    # A replay goes by the client that answered the first time, whichever that was.
    status, answer = both[0].post("/api/exchanges/2/replay")
    assert (status, both[0].detail(answer["number"])["summary"]["target"]) == (201, "/dos")


def test_tcp_streams_are_told_too(start) -> None:
    with echo() as port:
        backend, server = start.backend(), start.server("--tcp-ports=20000-60000")
        public = free_port()
        client = start.connected_client(
            server, backend, options=("--inspector=0", f"--tcp={public}=127.0.0.1:{port}")
        )
        with socket.create_connection(("127.0.0.1", public), 10) as visitor:
            visitor.sendall(b"hola")
            assert visitor.recv(10) == b"hola"
        (link,) = Inspected(server, client, backend, inspector_port(client)).get("/api/frames")["links"]
    (stream,) = link["streams"]
    assert (stream["is_tcp"], stream["bytes_in"], stream["bytes_out"]) == (True, 4, 4)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


@contextmanager
def echo() -> Iterator[int]:
    """A service that says back what it hears, on one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(1000):
                    connection.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)
        assert not thread.is_alive()
