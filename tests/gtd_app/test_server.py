"""The application on a real port: limits, faults below Flask, many writers, a graceful end."""

import errno
import json
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest
from flask import Flask

from gtd_app import server as server_module
from gtd_app.errors import ServeError
from gtd_app.payloads import MAX_BODY_BYTES
from gtd_app.server import AppServer, open_listener

TASKS = "/todo/api/v1.0/tasks"
JSON = {"Content-Type": "application/json"}

HALF_A_REQUEST = (
    b"POST /todo/api/v1.0/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b'Content-Length: 14\r\n\r\n{"title'
)


@pytest.fixture
def connection(server: AppServer) -> Iterator[HTTPConnection]:
    connection = HTTPConnection(server.host, server.port, timeout=20)
    yield connection
    connection.close()


def ask(
    connection: HTTPConnection,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, object]]:
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    assert response.headers["Content-Type"] == "application/json"
    return response.status, json.loads(response.read())


def talk(server: AppServer, request: bytes) -> bytes:
    """Send bytes on a connection of their own and return all that comes back until it is closed."""
    with socket.create_connection((server.host, server.port), timeout=20) as visitor:
        visitor.sendall(request)
        return read_to_end(visitor)


def read_to_end(visitor: socket.socket) -> bytes:
    received = bytearray()
    while data := visitor.recv(65536):
        received += data
    return bytes(received)


def send_for_ever(visitor: socket.socket, chunk: bytes) -> None:
    for _ in range(10_000):
        visitor.sendall(chunk)


def error_of(answer: bytes) -> tuple[int, str]:
    head, body = answer.split(b"\r\n\r\n", 1)
    assert b"\r\nContent-Type: application/json\r\n" in head
    return int(head.split()[1]), json.loads(body)["error"]["code"]


def chunks(total: int, size: int) -> Iterator[bytes]:
    """Yield a JSON task of ``total`` bytes in chunks of ``size``."""
    body = b'{"title": "a"}'.ljust(total)
    for start in range(0, total, size):
        yield body[start : start + size]


# Bodies


@pytest.mark.parametrize("size", [16, 4096, MAX_BODY_BYTES])
def test_chunked_body_at_the_limit_is_read_whatever_its_framing_costs(
    connection: HTTPConnection, size: int
) -> None:
    status, document = ask(connection, "POST", TASKS, chunks(MAX_BODY_BYTES, size), JSON)
    assert (status, document["task"]["id"]) == (201, 3)


@pytest.mark.parametrize("chunked", [False, True], ids=["content-length", "chunked"])
@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 5 * MAX_BODY_BYTES])
def test_body_past_the_limit_is_refused_and_the_sender_reads_why(
    connection: HTTPConnection, size: int, chunked: bool
) -> None:
    body = chunks(size, 65536) if chunked else b"x" * size
    status, document = ask(connection, "POST", TASKS, body, JSON)
    assert (status, document["error"]["code"]) == (413, "body-too-large")


def test_body_past_the_limit_is_refused_where_no_body_is_read(connection: HTTPConnection) -> None:
    status, document = ask(connection, "GET", TASKS, b"x" * (MAX_BODY_BYTES + 1))
    assert (status, document["error"]["code"]) == (413, "body-too-large")


def test_sender_that_asks_first_is_refused_before_it_sends(server: AppServer) -> None:
    answer = talk(
        server,
        b"POST /todo/api/v1.0/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1048577\r\nExpect: 100-continue\r\n\r\n",
    )
    assert error_of(answer) == (413, "body-too-large")


def test_sender_that_asks_first_is_told_to_go_on(server: AppServer) -> None:
    with socket.create_connection((server.host, server.port), timeout=20) as visitor:
        visitor.sendall(
            b"POST /todo/api/v1.0/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nContent-Length: 14\r\nExpect: 100-continue\r\n\r\n"
        )
        assert visitor.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        visitor.sendall(b'{"title": "a"}')
        assert read_to_end(visitor).startswith(b"HTTP/1.1 201 ")


def test_endless_body_is_cut_and_the_server_lives_on(
    server: AppServer, connection: HTTPConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_DISCARDED_BYTES", MAX_BODY_BYTES)
    with socket.create_connection((server.host, server.port), timeout=20) as visitor:
        visitor.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe|aborted"):
            send_for_ever(visitor, b"10000\r\n" + b"x" * 65536 + b"\r\n")
    assert ask(connection, "GET", "/healthz")[0] == 200


def test_visitor_who_neither_sends_nor_hangs_up_after_a_refusal_is_let_go(
    server: AppServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "LINGER_S", 0.2)
    with socket.create_connection((server.host, server.port), timeout=20) as visitor:
        visitor.sendall(b"nonsense\r\n\r\n")
        assert error_of(read_to_end(visitor)) == (400, "bad-request")
        while server._server.active_channels:  # bounded by the test's own time limit
            server._server.pull_trigger()


def test_visitor_who_leaves_in_mid_body_does_no_harm(server: AppServer, connection: HTTPConnection) -> None:
    for part in (HALF_A_REQUEST, b"POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\nx", b"GET"):
        with socket.create_connection((server.host, server.port), timeout=20) as visitor:
            visitor.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )  # leave with a reset
            visitor.sendall(part)
        assert ask(connection, "GET", "/healthz")[0] == 200


def test_body_that_is_mostly_framing_is_refused(connection: HTTPConnection, server: AppServer) -> None:
    chunk = b"1;" + b"e" * 8000 + b"\r\nx\r\n"
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    count = server_module.MAX_RAW_BODY_BYTES // len(chunk) + 1
    assert error_of(talk(server, head + chunk * count + b"0\r\n\r\n")) == (413, "body-too-large")


# Faults that never reach Flask


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, "bad-request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400, "bad-request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400, "bad-request"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", 400, "bad-request"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "not-implemented"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 300_000 + b"\r\n\r\n", 431, "headers-too-large"),
    ],
    ids=["no request line", "no colon", "negative length", "bad chunk", "transfer coding", "long header"],
)
def test_request_that_is_not_http_gets_the_one_shape_too(
    server: AppServer, request_bytes: bytes, status: int, code: str
) -> None:
    assert error_of(talk(server, request_bytes)) == (status, code)


def test_application_that_breaks_below_flask_gets_the_one_shape_too(
    server: AppServer, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(environ: object, start_response: object) -> list[bytes]:
        raise RuntimeError("below Flask")

    server._server.application = broken
    answer = talk(server, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert error_of(answer) == (500, "internal-error")
    assert "below Flask" in caplog.text


def test_server_does_not_say_what_it_is_made_of(connection: HTTPConnection) -> None:
    connection.request("GET", "/")
    response = connection.getresponse()
    assert response.read() == b"Hello, World!"
    assert response.headers["Server"] is None


# Many at once


def test_fifty_writers_at_once_all_get_their_task(server: AppServer, connection: HTTPConnection) -> None:
    start = threading.Barrier(50)

    def write(number: int) -> tuple[int, int, str]:
        writer = HTTPConnection(server.host, server.port, timeout=30)
        try:
            writer.connect()
            start.wait(20)
            status, document = ask(
                writer, "POST", TASKS, json.dumps({"title": f"task {number}"}).encode(), JSON
            )
            return status, document["task"]["id"], document["task"]["title"]
        finally:
            writer.close()

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(write, range(50)))
    assert [status for status, _, _ in answers] == [201] * 50
    assert sorted(task_id for _, task_id, _ in answers) == list(range(3, 53))
    _, document = ask(connection, "GET", TASKS)
    listed = {task["id"]: task["title"] for task in document["tasks"][2:]}
    assert listed == {task_id: title for _, task_id, title in answers}


def test_connection_serves_one_request_after_another(connection: HTTPConnection) -> None:
    assert ask(connection, "GET", TASKS)[0] == 200
    used = connection.sock
    assert ask(connection, "GET", f"{TASKS}/99")[0] == 404
    assert ask(connection, "POST", TASKS, b"{}", JSON)[0] == 400
    assert connection.sock is used


# The end


def start(app: Flask) -> tuple[AppServer, threading.Thread]:
    server = AppServer(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    return server, thread


def test_request_under_way_is_answered_before_the_end(app: Flask) -> None:
    server, thread = start(app)
    idle = HTTPConnection(server.host, server.port, timeout=20)
    assert ask(idle, "GET", "/healthz")[0] == 200
    with socket.create_connection((server.host, server.port), timeout=20) as visitor:
        visitor.sendall(HALF_A_REQUEST)
        assert ask(idle, "GET", "/healthz")[0] == 200  # so the half request has been read, too
        server.request_stop()
        assert idle.sock.recv(1) == b""  # the idle connection is closed: the server is draining
        visitor.sendall(b'": "a"}')
        assert read_to_end(visitor).startswith(b"HTTP/1.1 201 ")
    idle.close()
    thread.join(20)
    assert not thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), timeout=5)


def test_visitor_at_the_door_is_served_before_the_end(app: Flask) -> None:
    server = AppServer(app, "127.0.0.1", 0)
    with socket.create_connection((server.host, server.port), timeout=20) as visitor:
        visitor.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        server.request_stop()
        server.run()
        assert read_to_end(visitor).startswith(b"HTTP/1.1 200 ")


def test_request_that_never_ends_does_not_hold_up_the_end(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server_module, "GRACE_S", 0.3)
    server = AppServer(app, "127.0.0.1", 0)
    with socket.create_connection((server.host, server.port), timeout=20) as visitor:
        visitor.sendall(HALF_A_REQUEST)
        server.request_stop()
        server.run()
        assert "1 connection(s) cut" in caplog.text
        assert visitor.recv(1) == b""


# The port


def listen_on(address: str, family: int = socket.AF_INET) -> socket.socket:
    listener = socket.socket(family)
    listener.bind((address, 0))
    listener.listen()
    return listener


def test_port_that_another_program_answers_on_is_refused() -> None:
    with listen_on("127.0.0.1") as other:
        port = other.getsockname()[1]
        with pytest.raises(ServeError, match=rf"El puerto {port} ya está en uso.*--port 8080"):
            open_listener("127.0.0.1", port)


def test_port_that_another_program_has_on_the_other_loopback_is_refused() -> None:
    # As AirPlay on a Mac: bind() to 127.0.0.1 works, and "localhost" reaches the other program.
    try:
        other = listen_on("::1", socket.AF_INET6)
    except OSError:
        pytest.skip("this computer has no IPv6")
    with other, pytest.raises(ServeError, match="ya está en uso"):
        open_listener("127.0.0.1", other.getsockname()[1])


def test_port_that_is_bound_and_silent_is_refused() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        with pytest.raises(ServeError, match="ya está en uso"):
            open_listener("127.0.0.1", other.getsockname()[1])


def test_taken_port_5000_names_airplay_and_how_to_choose_another() -> None:
    message = server_module._explain_taken(5000)
    assert "AirPlay" in message
    assert "gtd-app serve --port 8080" in message
    assert "--port 8081" in server_module._explain_taken(8080)


@pytest.mark.parametrize("host", ["no.such.name.invalid", "a" * 300, "..", "192.0.2.1"])
def test_address_that_is_not_ours_is_refused(host: str) -> None:
    with pytest.raises(ServeError, match=r"Use --host 127\.0\.0\.1"):
        open_listener(host, 0)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "menores que 1024"),
        (OSError(errno.ENOBUFS, "No buffer space"), "No buffer space"),
    ],
)
def test_port_that_the_system_refuses_is_explained(error: OSError, said: str) -> None:
    # As root every port is allowed, so the error is made here and only its explanation is tested.
    assert said in server_module._explain_bind(error, "127.0.0.1", 80)


def test_address_of_an_ipv6_server_can_be_opened(app: Flask) -> None:
    try:
        server = AppServer(app, "::1", 0)
    except ServeError:
        pytest.skip("this computer has no IPv6")
    assert server.url == f"http://[::1]:{server.port}"
    server.request_stop()
    server.run()
