"""What the inspector tells of exchanges that really passed."""

from __future__ import annotations

import gzip
import json
import threading

import pytest
from support.wire import Wire, eventually, request, response

JSON = "Content-Type: application/json"


def test_an_exchange_is_told_whole(inspect) -> None:
    inspected = inspect("--request-header=X-Env: clase", "--response-header=-Server", "--host-header=rewrite")
    inspected.backend.answer(
        lambda _: response(
            200,
            b'{"id":7,"token":"t0k3n"}',
            JSON,
            "Server: x",
            "Set-Cookie: sid=c00k13; Path=/",
            "Keep-Alive: a=1",
        )
    )
    answer = inspected.visit(
        "POST", "/tareas?api_key=k3y&n=1", JSON, "Authorization: Bearer b34r3r", "Cookie: a=c00k13",
        content=b'{"title":"hola","password":"p4ss"}',
    )  # fmt: skip
    assert answer.status == 200
    detail = inspected.detail(1)

    summary = detail["summary"]
    assert (summary["method"], summary["target"]) == ("POST", "/tareas?api_key=«oculto 1»&n=1")
    assert (summary["host"], summary["status"], summary["reason"]) == ("ana.example", 200, "OK")
    assert (summary["request_bytes"], summary["response_bytes"]) == (34, 24)
    assert (summary["ending"], summary["replay_of"]) == ("complete", 0)
    assert summary["upstream"] == inspected.backend.url
    assert (detail["link"], detail["stream_id"], detail["fault"]) == (1, 1, "")

    whole = json.dumps(detail, ensure_ascii=False)
    for secret in ("t0k3n", "c00k13", "k3y", "b34r3r", "p4ss"):
        assert secret not in whole
    assert json.loads(detail["request_content"]["text"])["title"] == "hola"
    assert json.loads(detail["response_content"]["text"])["id"] == 7
    # The service was asked with the secrets, not with their marks.
    (asked,) = inspected.backend.requests
    assert asked.fields.all("Authorization") == ["Bearer b34r3r"]
    assert asked.content == b'{"title":"hola","password":"p4ss"}'


def test_each_hop_tells_what_it_did_to_the_fields_and_why(inspect) -> None:
    inspected = inspect("--request-header=X-Env: clase", "--response-header=-Server", "--host-header=rewrite")
    inspected.backend.answer(
        lambda _: response(
            200, b"hola", "Server: x", "Keep-Alive: a=1", "Connection: keep-alive, X-Solo", "X-Solo: 1"
        )
    )
    inspected.visit("POST", "/", content=b"abc")
    edge, service, back, visitor = inspected.detail(1)["hops"]

    def changed(hop: dict, change: str) -> dict:
        return {f["name"]: f for f in hop["fields"] if f["change"] == change}

    assert changed(edge, "added")["Forwarded"]["source"] == "RFC 7239, 4"
    assert changed(edge, "added")["Via"]["source"] == "RFC 9110, 7.6.3"
    assert "3 bytes" in edge["note"]
    assert service["start_line"] == "POST / HTTP/1.1"
    added = changed(service, "added")
    assert added["X-Env"]["why"] == "regla --request-header de este cliente"
    assert (added["Content-Length"]["value"], added["Content-Length"]["source"]) == ("3", "RFC 9110, 8.6")
    assert added["Host"]["value"] == inspected.backend.url.removeprefix("http://")
    assert changed(service, "removed")["Host"]["value"] == "ana.example"
    removed = changed(back, "removed")
    assert removed["Server"]["why"] == "regla --response-header de este cliente"
    assert removed["Keep-Alive"]["source"] == removed["Connection"]["source"] == "RFC 9110, 7.6.1"
    assert removed["X-Solo"]["why"] == "el servicio la nombró en Connection"
    assert removed["Content-Length"]["source"] == "RFC 9110, 8.6"
    assert "Content-Length: 4" in visitor["note"]
    # What is told is what happened.
    (asked,) = inspected.backend.requests
    told = {f["name"].lower() for f in service["fields"] if f["change"] != "removed"}
    assert told == {name.lower() for name, _ in asked.fields}


def test_times_follow_one_another_and_the_wait_is_the_service_s(inspected) -> None:
    may_answer = threading.Event()

    def answer(_: object) -> bytes:
        assert may_answer.wait(20)
        return response(200, b"hola")

    inspected.backend.answer(answer)
    with inspected.server.visit() as wire:
        wire.send(request("GET", "/", "Host: a"))

        def waits() -> bool:
            rows = inspected.get("/api/exchanges")["exchanges"]
            if not rows or rows[0]["ending"] != "pending":
                return False
            phases = inspected.get("/api/exchanges/1")["phases"]
            return bool(phases) and phases[-1]["name"] == "Espera" and phases[-1]["end_s"] is None

        eventually(waits, "the exchange waits for the service")
        may_answer.set()
        assert wire.read_response().status == 200
    phases = [phase for phase in inspected.detail(1)["phases"] if not phase["is_estimate"]]
    assert [phase["kind"] for phase in phases] == ["connect", "send", "wait", "receive", "send"]
    ends = [
        phases[0]["start_s"],
        *(moment for phase in phases for moment in (phase["start_s"], phase["end_s"])),
    ]
    assert ends == sorted(ends)
    assert phases[0]["note"] == "se abrió una nueva"


def test_a_kept_connection_is_told_to_be_one(inspected) -> None:
    with inspected.server.visit() as wire:
        wire.ask("GET", "/", "Host: a")
        wire.ask("GET", "/", "Host: a")
    assert [inspected.detail(number)["is_connection_reused"] for number in (1, 2)] == [False, True]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (lambda wire: (wire.read_request_head(), wire.send(b"SSH-2.0\r\n\r\n")), "no es HTTP/1.1"),
        (lambda wire: wire.read_request_head(), "cortó la conexión antes de terminar"),
    ],
)
def test_an_exchange_without_an_answer_says_why(inspected, script, words: str) -> None:
    inspected.backend.play(script)
    assert inspected.visit().status == 502
    detail = inspected.detail(1)
    assert detail["summary"]["ending"] == "cut"
    assert words in detail["fault"]


def test_a_service_that_is_not_there_is_told(inspected) -> None:
    inspected.backend.close()
    assert inspected.visit().status == 502
    assert "no acepta conexiones" in inspected.detail(1)["fault"]


def test_a_visitor_who_leaves_is_told(inspected) -> None:
    is_asked = threading.Event()

    def hold(wire: Wire) -> None:
        wire.read_request_head()
        is_asked.set()
        wire.read_to_end()

    inspected.backend.play(hold)
    with inspected.server.visit() as wire:
        wire.send(request("GET", "/", "Host: a"))
        assert is_asked.wait(20)
    detail = inspected.detail(1)
    assert (detail["summary"]["status"], detail["summary"]["ending"]) == (0, "cut")
    assert "el visitante se fue" in detail["fault"]


def test_content_past_the_limit_passes_and_is_only_counted(inspect) -> None:
    inspected = inspect("--inspector-body=1K")
    inspected.backend.answer(lambda _: response(200, b"x" * 100_000, "Content-Type: text/plain"))
    assert len(inspected.visit("POST", "/", content=b"y" * 50_000).content) == 100_000
    detail = inspected.detail(1)
    for content, total in ((detail["request_content"], 50_000), (detail["response_content"], 100_000)):
        assert (content["kept_bytes"], content["total_bytes"], content["is_truncated"]) == (1024, total, True)


def test_compressed_content_is_read_and_binary_shown_in_hexadecimal(inspected) -> None:
    packed = gzip.compress(b'{"a": 1}')
    inspected.backend.answer(
        lambda asked: (
            response(200, packed, JSON, "Content-Encoding: gzip")
            if asked.target == "/a"
            else response(200, b"\x89PNG\x00", "Content-Type: image/png")
        )
    )
    assert inspected.visit("GET", "/a").content == packed
    inspected.visit("GET", "/b")
    assert inspected.detail(1)["response_content"]["text"] == '{\n  "a": 1\n}'
    assert inspected.detail(2)["response_content"]["text"] == (
        "00000000  89 50 4e 47 00                                    |.PNG.|"
    )


def test_only_so_many_are_kept(inspect) -> None:
    inspected = inspect("--inspector-exchanges=3")
    for number in range(5):
        inspected.visit("GET", f"/{number}")
    listed = inspected.get("/api/exchanges")
    assert [row["target"] for row in listed["exchanges"]] == ["/2", "/3", "/4"]
    assert listed["oldest"] == 3
    assert inspected.ask("/api/exchanges/1")[0] == 404


def test_filters_and_search_find_what_is_shown_and_no_secret(inspected) -> None:
    inspected.backend.answer(
        lambda asked: response(404 if asked.target == "/nada" else 200, b'{"fruta":"papaya"}', JSON)
    )
    inspected.visit("GET", "/uno", "Authorization: Bearer b34r3r")
    inspected.visit("GET", "/nada")
    inspected.visit("DELETE", "/tres")
    for number in (1, 2, 3):
        inspected.detail(number)

    def found(query: str) -> list[int]:
        rows = inspected.get(f"/api/exchanges?{query}")["exchanges"]
        return [row["number"] for row in rows if row["matches"]]

    assert found("") == [1, 2, 3]
    assert found("text=/TRES") == [3]
    assert found("text=papaya") == [1, 2, 3]
    assert found("text=authorization") == [1]
    assert found("text=b34r3r") == []
    assert found("method=GET") == [1, 2]
    assert found("status=4") == [2]
    assert found("status=cut") == []
    assert found("method=GET&status=2&text=papaya") == [1]


def test_all_is_thrown_away_when_asked(inspected) -> None:
    inspected.visit()
    inspected.detail(1)
    assert inspected.post("/api/clear") == (200, {})
    listed = inspected.get("/api/exchanges")
    assert (listed["exchanges"], listed["oldest"]) == ([], 2)
    inspected.visit()
    assert [row["number"] for row in inspected.get("/api/exchanges")["exchanges"]] == [2]


def test_changes_are_told_as_they_come(inspected) -> None:
    with Wire.to(inspected.port) as wire:
        wire.send(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % inspected.port)
        head = wire.read_response_head()
        assert head.fields.get("Content-Type") == "text/event-stream"
        first = int(_next_event(wire))
        inspected.visit()
        assert int(_next_event(wire)) > first
    # The page that left gives its place back.
    status, _, _ = inspected.ask("/api/exchanges")
    assert status == 200


def test_only_so_many_pages_hear_of_changes(inspected) -> None:
    wires = []
    try:
        for _ in range(9):
            wires.append(Wire.to(inspected.port))
            wires[-1].send(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % inspected.port)
        statuses = [wire.read_response_head().status for wire in wires]
    finally:
        for wire in wires:
            wire.close()
    assert sorted(statuses) == [200] * 8 + [503]
    assert inspected.ask("/")[0] == 200


def _next_event(wire: Wire) -> bytes:
    while True:
        data = wire.read_until(b"\n\n")
        _, mark, rest = data.partition(b"data: ")
        if mark:
            return rest.strip()
