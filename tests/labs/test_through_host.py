"""HTTP through a machine's own curl tells the same as HTTP asked from here."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
import testinfra
from support.requirements import require_program

from labcheck.checking.diagnosis import CouldNotCheckError
from labcheck.checking.place import Addresses, Place
from labcheck.checking.through_host import ThroughHost
from labcheck.hops import fault_of_error
from labcheck.modes import Mode

BODY = {"title": "una tarea con «comillas», 'otras' y $(date) %s"}


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.server.released.wait(30)  # type: ignore[attr-defined]
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = {"method": self.command, "path": self.path, "body": body.decode()}
        told["type"] = self.headers.get("Content-Type")
        content = json.dumps(told).encode()
        self.send_response(418, "I'm a teapot")
        self.send_header("X-Accent", "ma\u00f1ana")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.released = threading.Event()  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.released.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.fixture
def through() -> Iterator[requests.Session]:
    require_program("curl", "Debian: sudo apt install curl")
    with requests.Session() as session:
        session.mount("http://", ThroughHost(testinfra.get_host("local://")))
        yield session


@pytest.mark.parametrize(
    ("method", "options"),
    [("GET", {}), ("POST", {"json": BODY}), ("DELETE", {}), ("GET", {"params": "a=%20b"})],
)
def test_an_answer_is_the_same_both_ways(server, through, method, options):
    direct = requests.request(method, server + "/path", timeout=10, **options)
    told = through.request(method, server + "/path", timeout=(5, 10), **options)
    assert told.json() == direct.json()
    assert (told.status_code, told.reason) == (418, "I'm a teapot")
    assert told.headers["X-Accent"] == direct.headers["X-Accent"]
    assert told.headers["content-length"] == direct.headers["content-length"]


def test_errors_accuse_the_same_hop_both_ways(server, through):
    port = requests.get(server, timeout=5).url.rpartition(":")[2].strip("/")
    for url in ("http://127.0.0.1:1", "http://no-existe.invalid", f"http://127.0.0.1:{port}/slow"):
        faults = []
        for session in (requests.Session(), through):
            with pytest.raises(requests.RequestException) as caught:
                session.get(url, timeout=(1, 1))
            faults.append(fault_of_error(caught.value, url))
        assert faults[0] == faults[1]


def test_a_machine_without_curl_could_not_be_checked(through, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CouldNotCheckError, match="no tiene el programa curl"):
        through.get("http://127.0.0.1:1")


class FarAway:
    """A testinfra host that is this machine and says that it is another."""

    def __init__(self) -> None:
        self.run = testinfra.get_host("local://").run
        self.asked: list[str] = []

    class backend:  # noqa: N801
        NAME = "ssh"


def test_what_is_on_another_machines_loopback_is_asked_from_there(server):
    place = Place(Addresses(Mode.LOCAL, server, "http://192.0.2.1:8000"), FarAway())
    try:
        assert place.ask("GET", server).status_code == 418
        assert isinstance(place.session_for(server).get_adapter(server), ThroughHost)
        remote = place.session_for(place.remote_url)
        assert not isinstance(remote.get_adapter(place.remote_url), ThroughHost)
    finally:
        place.close()
