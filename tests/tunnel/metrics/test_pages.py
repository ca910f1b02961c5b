"""``/metrics`` and ``/status`` of running programs: what they count, and to whom they tell it."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families
from support.own_service import free_port
from support.tunnel_in_process import in_process_tunnel
from support.tunnel_kit import TOKEN, Starter, write_token
from support.tunnel_process import Client, Server, TunnelProcess
from support.wire import Response, Wire, eventually, response

from tests.tunnel.unit.kit import assert_spanish
from tunnel.protocol.auth import key_id, question_proof

ANA, LUIS, ADMIN = "token-de-ana-0123456789", "token-de-luis-0123456789", "token-de-todos-0123456789"


def port_of(process: TunnelProcess) -> int:
    return int(process.wait_for("metrics")["url"].rpartition(":")[2])


def get(port: int, path: str, *lines: str, host: str = "127.0.0.1") -> Response:
    with Wire.to(port, host) as wire:
        return wire.ask("GET", path, f"Host: {host}", *lines)


def status(process: TunnelProcess) -> dict[str, Any]:
    answer = get(port_of(process), "/status")
    assert (answer.status, answer.fields.get("Content-Type")) == (200, "application/json")
    found: dict[str, Any] = json.loads(answer.content)
    return found


def samples(process: TunnelProcess) -> dict[tuple[str, ...], float]:
    """Return what Prometheus would read: values by name and labels' values."""
    text = get(port_of(process), "/metrics").content.decode()
    return read(text)


def read(text: str) -> dict[tuple[str, ...], float]:
    families = list(text_string_to_metric_families(text))
    assert families
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


@pytest.fixture
def shared(start: Starter, tmp_path: Path) -> Server:
    """An exit node with tokens of three people."""
    tables = []
    for label, secret, names in (("ana", ANA, ["ana.example"]), ("luis", LUIS, ["luis.example"]),
                                 ("admin", ADMIN, ["*"])):  # fmt: skip
        write_token(tmp_path / f"{label}.txt", secret)
        tables.append(f'[[token]]\nlabel = "{label}"\nsecret_file = "{label}.txt"\nnames = {names}\n')
    file = write_token(tmp_path / "tokens.toml", "\n".join(tables).replace("'", '"'))
    server = Server(None, f"--tokens-file={file}", "--metrics=0")
    start.processes.append(server)
    return server


def client_of(start: Starter, server: Server, label: str, tmp_path: Path, *upstreams: str) -> Client:
    client = Client(tmp_path / f"{label}.txt", upstreams, server.control_port)
    start.processes.append(client)
    client.wait_until_connected()
    return client


# ── what is counted ──────────────────────────────────────────────────────────────────────────────


def test_requests_errors_and_durations_are_counted_by_name(start: Starter) -> None:
    server, backend = start.server("--metrics=0"), start.backend()
    start.connected_client(
        server, f"ana.example={backend.url}", f"caida.example=http://127.0.0.1:{free_port()}"
    )
    answers = iter([200, 200, 404, 500])
    backend.answer(lambda _: response(next(answers)))
    with server.visit() as wire:
        for host in ("ana.example",) * 4 + ("caida.example", "nadie.example"):
            wire.ask("GET", "/", f"Host: {host}")
    found = samples(server)
    requests = {key[1:]: value for key, value in found.items() if key[0] == "tunelab_requests_total"}
    assert requests == {
        (kind, name): {"2xx": 2.0, "4xx": 1.0, "5xx": 1.0}.get(kind, 0.0) if name == "ana.example" else 0.0
        for kind in ("2xx", "3xx", "4xx", "5xx")
        for name in ("ana.example", "caida.example", "otros")
    }
    faults = {key[1:]: value for key, value in found.items() if key[0] == "tunelab_faults_total"}
    assert faults == {
        ("5xx", "upstream-refused", "caida.example"): 1.0,
        ("4xx", "unknown-host", "otros"): 1.0,
    }
    assert found["tunelab_request_duration_seconds_count", "ana.example"] == 4
    assert found["tunelab_request_duration_seconds_bucket", "+Inf", "ana.example"] == 4
    assert 0 <= found["tunelab_request_duration_seconds_sum", "ana.example"] < 60
    assert "nadie.example" not in str(found)


def test_links_are_counted_and_what_they_carried_is_kept_when_they_are_gone(start: Starter) -> None:
    size = 300_000
    server, backend = start.server("--metrics=0"), start.backend()
    backend.answer(lambda _: response(200, b"x" * size))
    client = start.connected_client(server, backend)
    with server.visit() as wire:
        wire.ask("POST", "/", content=b"y" * size)
    before = samples(server)
    for kind in ("received", "sent"):
        assert before[f"tunelab_link_{kind}_bytes_total", "*"] > size
    assert (before["tunelab_links", "*"], before["tunelab_links_opened_total", "*"]) == (1, 1)
    client.kill()
    server.wait_for("client_gone")
    after = samples(server)
    assert after["tunelab_links", "*"] == 0
    assert after["tunelab_links_closed_total", "*", "connection-lost"] == 1
    assert ("tunelab_link_round_trip_seconds", "*") not in after
    for kind in ("received", "sent"):
        assert (
            after[f"tunelab_link_{kind}_bytes_total", "*"] >= before[f"tunelab_link_{kind}_bytes_total", "*"]
        )
    start.connected_client(server, backend)
    assert samples(server)["tunelab_links_opened_total", "*"] == 2


def test_a_client_tells_of_its_links_and_why_they_ended(start: Starter, tmp_path: Path) -> None:
    server, backend = start.server(), start.backend()
    client = start.connected_client(server, backend, options=("--metrics=0", "--memory-limit=64M"))
    with server.visit() as wire:
        wire.ask()
    node = status(client)["exit_nodes"][0]
    assert (node["is_up"], node["streams_opened"], node["connects"]) == (True, 1, 1)
    assert node["upstreams"] == [backend.url]
    url = f"ws://127.0.0.1:{server.control_port}"
    found = samples(client)
    assert found["tunelab_agent_link_up", url] == 1
    assert found["tunelab_memory_limit_bytes",] == 64 << 20
    server.kill()
    eventually(lambda: client.count("disconnected") >= 2, "an attempt that failed")
    down = samples(client)
    assert down["tunelab_agent_link_up", url] == 0
    assert down["tunelab_agent_disconnects_total", url, "connection-lost"] == 1
    assert down["tunelab_agent_disconnects_total", url, "unreachable"] >= 1
    assert down["tunelab_agent_received_bytes_total", url] >= found["tunelab_agent_received_bytes_total", url]
    assert down["tunelab_agent_streams_opened_total", url] == 1


def test_the_two_ends_of_a_link_count_the_same_bytes(start: Starter) -> None:
    server, backend = start.server("--metrics=0"), start.backend()
    client = start.connected_client(server, backend, options=("--metrics=0",))
    with server.visit() as wire:
        wire.ask("POST", "/", content=b"y" * 100_000)

    def are_equal() -> bool:  # a ping may be under way
        (here,), (there,) = status(server)["links"], status(client)["exit_nodes"]
        ours = (here["received_bytes"], here["sent_bytes"])
        return bool(ours == (there["sent_bytes"], there["received_bytes"]))

    eventually(are_equal, "what one end sent the other received")


def test_a_stream_is_seen_while_it_is_under_way(start: Starter) -> None:
    server, backend = start.server("--metrics=0"), start.backend()
    start.connected_client(server, backend)

    def listen_and_say_nothing(wire: Wire) -> None:
        wire.read_request()
        wire.read_nothing_more()

    backend.play(listen_and_say_nothing)
    with server.visit() as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        eventually(lambda: samples(server)["tunelab_streams", "*"] == 1, "the request under way")
        assert samples(server)["tunelab_visitors",] == 1


def test_openmetrics_is_spoken_to_who_asks_for_it(start: Starter) -> None:
    server = start.server("--metrics=0")
    start.connected_client(server, start.backend())
    with server.visit() as wire:
        wire.ask()
    answer = get(port_of(server), "/metrics", "Accept: application/openmetrics-text;version=1.0.0")
    assert str(answer.fields.get("Content-Type")).startswith("application/openmetrics-text")
    families = {family.name for family in openmetrics_families(answer.content.decode())}
    assert {"tunelab_requests", "tunelab_request_duration_seconds"} <= families


# ── who sees what ────────────────────────────────────────────────────────────────────────────────


def test_the_holder_of_a_token_sees_its_own_names_and_that_of_all_sees_all(
    start: Starter, shared: Server, tmp_path: Path
) -> None:
    backend = start.backend()
    for label in ("ana", "luis"):
        client_of(start, shared, label, tmp_path, f"{label}.example={backend.url}")
    with shared.visit() as wire:
        for host in ("ana.example", "luis.example", "luis.example", "nadie.example"):
            wire.ask("GET", "/", f"Host: {host}")
    control = shared.control_port
    ours = get(control, "/status", bearer(ANA))
    found = json.loads(ours.content)
    assert [name["name"] for name in found["names"]] == ["ana.example"]
    assert [link["client"] for link in found["links"]] == ["ana"]
    assert [total["client"] for total in found["totals"]] == ["ana"]
    assert (found["visitors"], found["max_clients"], found["sees_all"]) == (None, None, False)
    text = get(control, "/metrics", bearer(ANA)).content.decode()
    assert read(text)["tunelab_requests_total", "2xx", "ana.example"] == 1
    for hidden in ("luis", "otros", "process_"):
        assert hidden not in text + ours.content.decode()
    everything = get(control, "/metrics", bearer(ADMIN)).content.decode()
    assert read(everything)["tunelab_requests_total", "2xx", "luis.example"] == 2
    assert "process_" in everything
    assert json.loads(get(control, "/status", bearer(ADMIN)).content)["sees_all"] is True


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["Authorization: Bearer"],
        ["Authorization: Bearer token-de-nadie-0123456789"],
        [f"Authorization: Basic {ANA}"],
        [f"Authorization: {ANA}"],
        [bearer(ANA), bearer(ADMIN)],
        ["Authorization: Bearer " + "x" * 4000],
        ["Authorization: Bearer \xf1and\xfa-0123456789"],
    ],
)
@pytest.mark.parametrize("path", ["/status", "/metrics"])
def test_without_a_token_the_control_plane_tells_nothing(shared: Server, lines: list[str], path: str) -> None:
    answer = get(shared.control_port, path, *lines)
    assert answer.status == 401
    assert answer.fields.get("WWW-Authenticate") == 'Bearer realm="tunelab"'
    assert b"tunelab_" not in answer.content


@pytest.mark.parametrize("path", ["/status", "/metrics"])
def test_who_names_a_token_without_its_proof_is_told_nothing(start: Starter, path: str) -> None:
    server = start.server("--metrics=0")
    nonce = "0" * 64
    named = (f"Tunelab-Key-Id: {key_id(TOKEN)}", f"Tunelab-Nonce: {nonce}")
    right = question_proof(TOKEN, path, nonce)
    assert get(server.control_port, path, *named, f"Tunelab-Proof: {right}").status == 200
    of_another_path = question_proof(TOKEN, "/otra", nonce)
    for lines in (
        named,
        (*named, "Tunelab-Proof: " + "0" * 64),
        (*named, f"Tunelab-Proof: {of_another_path}"),
    ):
        assert get(server.control_port, path, *lines).status == 401, lines


def test_a_token_that_was_revoked_sees_nothing_any_more(
    start: Starter, shared: Server, tmp_path: Path
) -> None:
    assert get(shared.control_port, "/status", bearer(LUIS)).status == 200
    file = tmp_path / "tokens.toml"
    tables = file.read_text().split("[[token]]")
    file.write_text("[[token]]".join(table for table in tables if "luis" not in table))
    shared.wait_for("tokens_reloaded")
    assert get(shared.control_port, "/status", bearer(LUIS)).status == 401


def test_what_is_not_asked_for_is_not_there(start: Starter) -> None:
    server = start.server()
    assert get(server.control_port, "/status", bearer(TOKEN)).status == 404
    with in_process_tunnel(start.backend().url) as tunnel:
        server_inside = tunnel.server
        assert (server_inside.on_request, server_inside.on_own_answer) == (None, None)
        assert server_inside.answerers == {}


def test_on_another_address_than_loopback_a_token_is_needed(start: Starter) -> None:
    server = start.server("--metrics=0.0.0.0:0")
    client = start.connected_client(server, start.backend(), options=("--metrics=0.0.0.0:0",))
    for process in (server, client):
        port = port_of(process)
        assert get(port, "/metrics").status == 401
        assert get(port, "/metrics", bearer("x" * 20)).status == 401
        assert get(port, "/metrics", bearer(TOKEN), "X: y").status == 200


# ── the listener ─────────────────────────────────────────────────────────────────────────────────


def test_a_name_that_leads_to_loopback_by_somebody_elses_dns_is_refused(start: Starter) -> None:
    port = port_of(start.server("--metrics=0"))
    for host, expected in (
        ("malo.example", 421), (f"malo.example:{port}", 421), ("localhost", 200), (f"127.0.0.1:{port}", 200),
        (f"[::1]:{port}", 200), ("127.0.0.1.malo.example", 421),
    ):  # fmt: skip
        with Wire.to(port) as wire:
            assert wire.ask("GET", "/status", f"Host: {host}").status == expected, host


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"POST /status HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404),
        (b"GET /statusx HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404),
        (b"GET /status?a=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 200),
        (b"GET /status HTTP/1.1\r\n\r\n", 400),
        (b"nada que ver\r\n\r\n", 400),
        (b"HEAD /status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 200),
    ],
)
def test_only_reading_is_answered(start: Starter, sent: bytes, expected: int) -> None:
    port = port_of(start.server("--metrics=0"))
    with Wire.to(port) as wire:
        wire.send(sent)
        answer = wire.read_response("HEAD" if sent.startswith(b"HEAD") else "GET")
        assert answer.status == expected
        wire.read_nothing_more()


def test_a_head_without_end_is_cut_and_the_next_is_served(start: Starter) -> None:
    server = start.server("--metrics=0")
    with socket.create_connection(("127.0.0.1", port_of(server)), 10) as flood:
        try:
            while flood.send(b"X: " + b"y" * 4000 + b"\r\n"):
                pass
        except OSError:
            pass
    assert get(port_of(server), "/status").status == 200


def test_connections_that_say_nothing_do_not_pile_up(start: Starter) -> None:
    server = start.server("--metrics=0")
    port = port_of(server)
    silent = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(40)]
    silent[-1].settimeout(10)
    with suppress(ConnectionResetError):
        assert silent[-1].recv(1) == b""  # one too many: cut without a word
    for each in silent:
        each.close()
    eventually(lambda: get(port, "/status").status == 200, "room again")


def test_a_port_that_is_taken_ends_with_3_and_says_so(start: Starter) -> None:
    taken = start.backend().port
    for process in (
        TunnelProcess("server", "--port=0", "--control-port=0", f"--token-file={start.token_file}",
                      f"--metrics={taken}"),
        TunnelProcess("client", "--url=ws://127.0.0.1:9", f"--token-file={start.token_file}",
                      "--upstream=http://localhost:9", f"--metrics={taken}"),
    ):  # fmt: skip
        start.processes.append(process)
        assert process.wait() == 3
        assert f"otro programa ocupa ya el puerto {taken}" in process.err
        assert_spanish(process.err)


@pytest.mark.parametrize("value", ["", "99999", "casa:9180", "127.0.0.1", "::1:9180x", "1.2.3.4:-1"])
def test_a_wrong_address_is_told(start: Starter, value: str) -> None:
    process = TunnelProcess("server", f"--token-file={start.token_file}", f"--metrics={value}")
    start.processes.append(process)
    assert process.wait() == 2
    assert "--metrics" in process.err
    assert_spanish(process.err)


def test_without_prometheus_library_the_status_is_there_and_metrics_says_what_to_install(
    start: Starter, tmp_path: Path
) -> None:
    (tmp_path / "prometheus_client.py").write_text('raise ImportError("not installed")\n')
    options = ["--port=0", "--control-port=0", f"--token-file={start.token_file}", "--json", "--metrics=0"]
    server = TunnelProcess("server", *options, env={"PYTHONPATH": str(tmp_path)})
    start.processes.append(server)
    assert status(server)["role"] == "server"
    answer = get(port_of(server), "/metrics")
    assert (answer.status, b"tunelab[metricas]" in answer.content) == (501, True)
    assert "tunelab[metricas]" in server.err


def test_labels_are_bounded_however_many_names_there_are(start: Starter) -> None:
    server, backend = start.server("--metrics=0"), start.backend()
    names = [f"n{number:03}.example" for number in range(120)]
    for some in (names[:60], names[60:]):  # a client takes a hundred at the most
        start.connected_client(server, *(f"{name}={backend.url}" for name in some))
    with server.visit() as wire:
        for name in names:
            assert wire.ask("GET", "/", f"Host: {name}").status == 200
    counts = {name["name"]: name["requests"].get("2xx", 0) for name in status(server)["names"]}
    assert len(counts) == 101
    assert (counts["n000.example"], counts["otros"]) == (1, 20)
    page = get(server.control_port, "/metrics", bearer(TOKEN))  # all of it, over the control plane
    assert len(page.content) == int(str(page.fields.get("Content-Length"))) > 100_000


def test_what_the_gate_refuses_is_counted_by_name_and_why(start: Starter, tmp_path: Path) -> None:
    sites = tmp_path / "sitios.toml"
    sites.write_text('[site."luis.example"]\ndeny = ["127.0.0.0/8"]\n')
    server, backend = start.server("--metrics=0", f"--sites-file={sites}"), start.backend()
    start.connected_client(server, f"ana.example={backend.url}", f"luis.example={backend.url}")
    with server.visit() as wire:
        assert wire.ask("GET", "/", "Host: ana.example").status == 200
        assert wire.ask("GET", "/", "Host: luis.example").status == 403
    found = samples(server)
    assert found["tunelab_faults_total", "4xx", "not-allowed", "luis.example"] == 1
    assert found["tunelab_requests_total", "2xx", "ana.example"] == 1
    assert found["tunelab_requests_total", "2xx", "luis.example"] == 0


def test_a_toml_file_turns_it_on_too(start: Starter, tmp_path: Path) -> None:
    file = tmp_path / "servidor.toml"
    file.write_text('host = "127.0.0.1"\nport = 0\ncontrol-port = 0\nmetrics = 0\nlog-format = "json"\n')
    server = TunnelProcess("server", f"--config={file}", f"--token-file={start.token_file}")
    start.processes.append(server)
    assert "time" in server.wait_for("listening")
    assert status(server)["role"] == "server"
