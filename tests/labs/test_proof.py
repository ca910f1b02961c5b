"""The proof: it passes for a tunnel, fails for anything else, and names the hop that failed."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from support.whole_path import make_token, running_app, running_client, running_exit_node

from labcheck.hops import FAULT_OF_CODE, Hop, fault_of_answer
from labcheck.proof import Proof, is_same_place
from tunnel.http.error_pages import FAULTS, HOPS


@pytest.fixture
def token(tmp_path: Path) -> Path:
    return make_token(tmp_path)


@contextmanager
def proof_of(local_url: str, remote_url: str) -> Iterator[Proof]:
    proof = Proof(local_url, remote_url, patience_s=1)
    yield proof
    proof.close()


@contextmanager
def somebody_else(status: int, body: bytes) -> Iterator[str]:
    """Run a web server that answers everything the same, and is no to-do application."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def closed_port() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


def test_every_step_passes_for_a_tunnel_that_is_cut_and_comes_back(token):
    with running_app() as app, running_exit_node(token) as node, proof_of(app, node.public_url) as proof:
        with running_client(node, app, token):
            assert len(proof.read_local().tasks) == 2
            assert proof.post_through_public_side().passed
            found = proof.find_locally()
            assert found.passed
            assert [task["title"] for task in found.tasks][2:] == [proof.title]
        cut = proof.expect_no_client()
        assert cut.passed
        assert cut.exchange.response.status_code == 503
        with running_client(node, app, token):
            assert proof.find_publicly().passed
        assert proof.remove_task().passed
        assert len(proof.read_local().tasks) == 2


def test_two_proofs_never_share_a_nonce():
    with (
        proof_of("http://127.0.0.1:1", "http://127.0.0.1:2") as one,
        proof_of("http://127.0.0.1:1", "http://127.0.0.1:2") as other,
    ):
        assert one.title != other.title


def test_an_application_that_is_simply_exposed_does_not_pass():
    with running_app() as app, proof_of(app, app) as proof:
        assert proof.post_through_public_side().passed
        assert proof.find_locally().passed
        fault = proof.expect_no_client().fault
        assert fault is not None
        assert fault.hop is Hop.EXIT_NODE
        assert "expuesta sin pasar por el túnel" in fault.reason


def test_a_tunnel_to_another_application_is_found_out(token):
    with (
        running_app() as app,
        running_app() as other,
        running_exit_node(token) as node,
        running_client(node, other, token),
        proof_of(app, node.public_url) as proof,
    ):
        assert proof.post_through_public_side().passed
        fault = proof.find_locally().fault
        assert fault is not None
        assert fault.hop is Hop.CLIENT
        assert "lleva a otra aplicación" in fault.reason


def test_a_missing_exit_node_is_named():
    with running_app() as app, proof_of(app, closed_port()) as proof:
        fault = proof.post_through_public_side().fault
        assert fault is not None
        assert fault.hop is Hop.EXIT_NODE
        assert "Nada escucha" in fault.reason


def test_a_missing_client_is_named(token):
    with running_app() as app, running_exit_node(token) as node, proof_of(app, node.public_url) as proof:
        fault = proof.post_through_public_side().fault
        assert fault == FAULT_OF_CODE["no-client"]
        assert proof.find_publicly().fault == FAULT_OF_CODE["no-client"]


def test_a_missing_application_is_named_from_both_sides(token):
    nobody = closed_port()
    with (
        running_exit_node(token) as node,
        running_client(node, nobody, token),
        proof_of(nobody, node.public_url) as proof,
    ):
        local = proof.read_local().fault
        assert local is not None
        assert local.hop is Hop.APP
        assert proof.post_through_public_side().fault == FAULT_OF_CODE["upstream-refused"]


def test_a_name_that_does_not_exist_is_the_visitors():
    with proof_of("http://127.0.0.1:1", "http://no-existe.invalid:8000") as proof:
        fault = proof.post_through_public_side().fault
        assert fault is not None
        assert fault.hop is Hop.VISITOR


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"Hola"), (200, b"[]"), (200, b'{"tasks": 1}'), (404, b"{}"), (500, b"")]
)
def test_something_else_on_the_local_port_is_told_from_the_application(status, body):
    with somebody_else(status, body) as url, proof_of(url, url) as proof:
        fault = proof.read_local().fault
        assert fault is not None
        assert fault.hop is Hop.APP
        assert "no es la API de tareas" in fault.reason


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"Hola"), (201, b'{"task": {"title": "otra"}}'), (201, b"[]")]
)
def test_an_answer_that_did_not_create_the_task_does_not_pass(status, body):
    with somebody_else(status, body) as url, proof_of(url, url) as proof:
        fault = proof.post_through_public_side().fault
        assert fault is not None
        assert f"la respuesta fue {status}" in fault.reason


def test_a_task_that_arrives_twice_is_found_out():
    with running_app() as app, proof_of(app, app) as proof:
        proof.post_through_public_side()
        proof.post_through_public_side()
        fault = proof.find_locally().fault
        assert fault is not None
        assert "aparece 2 veces" in fault.reason


def test_an_error_that_is_not_about_the_client_is_no_proof_of_the_cut(token):
    nobody = closed_port()
    with (
        running_exit_node(token) as node,
        running_client(node, nobody, token),
        proof_of(nobody, node.public_url) as proof,
    ):
        assert proof.expect_no_client().fault == FAULT_OF_CODE["upstream-refused"]


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", closed_port())
    with running_app() as app, proof_of(app, app) as proof:
        assert proof.read_local().passed


def test_every_code_of_the_exit_node_accuses_the_hop_that_its_page_shows():
    assert FAULTS
    assert FAULT_OF_CODE.keys() == FAULTS.keys()
    for code, fault in FAULTS.items():
        assert FAULT_OF_CODE[code].hop.value == HOPS[fault.hop], code
    assert [hop.value for hop in Hop] == list(HOPS)


def test_a_code_of_another_version_is_repeated():
    with somebody_else(503, b"") as url:
        response = requests.get(url, timeout=5)
        response.headers["Tunelab-Error"] = "de-otra-version"
        assert "de-otra-version" in fault_of_answer(response, wanted="200").reason


@pytest.mark.parametrize(
    ("local", "remote", "same"),
    [
        ("http://localhost:5000", "http://localhost:5000", True),
        ("http://localhost:5000", "http://127.0.0.1:5000", True),
        ("http://127.0.0.1:5000", "http://[::1]:5000", True),
        ("http://127.0.0.1:5000", "http://0.0.0.0:5000", True),
        ("http://127.0.0.1:80", "http://127.0.0.1", True),
        ("http://127.0.0.1:443", "https://127.0.0.1", True),
        ("http://localhost:5000", "http://localhost:8000", False),
        ("http://localhost:5000", "http://192.0.2.1:5000", False),
        ("http://localhost:5000", "http://no-existe.invalid:5000", False),
    ],
)
def test_the_same_place_is_known_by_whatever_name(local, remote, same):
    assert is_same_place(local, remote) is same
