"""Exchanges once more: as they were, or edited."""

from __future__ import annotations

import threading

import pytest
from support.inspected import Inspected
from support.wire import Wire, eventually, request, response

JSON = "Content-Type: application/json"


def replay(inspected: Inspected, number: int, **changes: object) -> tuple[int, dict]:
    """Replay an exchange to its end; with ``changes``, after an edit that leaves the rest as it is shown."""
    body = None
    if changes:
        edit = inspected.detail(number)["edit"]
        body = {key: edit[key] for key in ("method", "target", "fields")} | {"content": None} | changes
    status, answer = inspected.post(f"/api/exchanges/{number}/replay", body)
    if status == 201:
        inspected.detail(answer["number"])
    return status, answer


def test_a_replay_asks_the_service_the_same_and_is_told_to_be_one(inspect) -> None:
    inspected = inspect("--request-header=X-Env: clase")
    inspected.backend.answer(lambda asked: response(201, asked.content[::-1], JSON))
    content = '{"title":"ñandú","password":"p4ss"}'.encode()
    visited = inspected.visit("POST", "/t?api_key=k3y", JSON, "Authorization: Bearer b34r3r", content=content)
    first = inspected.detail(1)
    status, answer = replay(inspected, 1)
    assert (status, answer) == (201, {"number": 2})
    second = inspected.detail(2)
    original, repeated = inspected.backend.requests
    assert (
        (repeated.method, repeated.target) == (original.method, original.target) == ("POST", "/t?api_key=k3y")
    )
    assert list(repeated.fields) == list(original.fields)
    assert repeated.content == original.content == content
    assert visited.content == content[::-1]
    assert second["summary"]["replay_of"] == 1
    assert (second["summary"]["status"], second["summary"]["response_bytes"]) == (201, len(content))
    assert (second["link"], second["stream_id"]) == (0, 0)
    assert second["response_fields"] == first["response_fields"]
    assert "no pasó por el nodo de salida" in second["hops"][0]["note"]
    assert [hop["title"] for hop in second["hops"]][-1] == "Servicio → cliente del túnel → enlace"
    assert not [phase for phase in second["phases"] if phase["kind"] == "link"]


def test_an_edit_goes_out_as_edited_with_the_secrets_in_their_places(inspected) -> None:
    inspected.backend.answer(lambda _: response(200, b"{}", JSON))
    inspected.visit("POST", "/t?token=k3y", JSON, "Cookie: sid=c00k13", content=b'{"a":1,"password":"p4ss"}')
    fields = inspected.detail(1)["edit"]["fields"]
    shown = inspected.detail(1)["edit"]["content"]
    assert "c00k13" not in fields
    assert "p4ss" not in shown
    status, _ = replay(
        inspected, 1, method="PUT", target="/t?token=«oculto 1»&x=1", fields=f"{fields}\nX-Nueva: sí",
        content=shown.replace("1,", "2,"),
    )  # fmt: skip
    assert status == 201
    asked = inspected.backend.requests[1]
    assert (asked.method, asked.target) == ("PUT", "/t?token=k3y&x=1")
    assert asked.fields.all("Cookie") == ["sid=c00k13"]
    assert asked.fields.all("X-Nueva") == ["sí"]
    assert asked.content == b'{"a":2,"password":"p4ss"}'
    assert asked.fields.all("Content-Length") == ["25"]


def test_content_that_was_not_touched_goes_as_it_was_to_the_byte(inspected) -> None:
    inspected.backend.answer(lambda _: response(200, b"{}"))
    content = b"\x00\xff\x89PNG"
    inspected.visit("POST", "/t", content=content)
    edit = inspected.detail(1)["edit"]
    assert (edit["content"], edit["is_whole"]) == (None, True)
    assert replay(inspected, 1, target="/otra")[0] == 201
    assert [asked.content for asked in inspected.backend.requests] == [content, content]


def test_content_may_be_given_to_a_request_that_had_none_and_taken_away(inspected) -> None:
    inspected.visit("GET", "/")
    assert replay(inspected, 1, method="POST", content="hola")[0] == 201
    inspected.detail(2)
    assert replay(inspected, 2, content="")[0] == 201
    inspected.detail(3)
    assert [asked.content for asked in inspected.backend.requests] == [b"", b"hola", b""]
    assert inspected.backend.requests[0].fields.all("Content-Length") == []
    assert inspected.backend.requests[2].fields.all("Content-Length") == ["0"]


def test_host_goes_first_wherever_it_was_written_and_rules_are_kept(inspect) -> None:
    inspected = inspect("--host-header=rewrite", "--request-header=-Accept")
    inspected.visit("GET", "/")
    assert replay(inspected, 1, fields="Accept: */*\nX-A: 1\nHost: otro.example")[0] == 201
    inspected.detail(2)
    asked = inspected.backend.requests[1]
    assert asked.fields.all("Host") == [inspected.backend.url.removeprefix("http://")]
    assert (asked.fields.all("X-A"), asked.fields.all("Accept")) == (["1"], [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "DOS PALABRAS"}, "no es un método"),
        ({"target": "sin-barra"}, "empieza con «/»"),
        ({"target": "/a b"}, "empieza con «/»"),
        ({"target": "/\r\nX: y"}, "empieza con «/»"),
        ({"fields": "Host: a\nSin dos puntos"}, "no es una cabecera"),
        ({"fields": "Host: a\nX: y\x00z"}, "no es una cabecera"),
        ({"fields": "X-A: 1"}, "una cabecera Host"),
        ({"fields": "Host: a\nHost: b"}, "una cabecera Host"),
        ({"fields": "Host: a\nContent-Length: 5"}, "Content-Length la pone"),
        ({"fields": "Host: a\nTransfer-Encoding: chunked"}, "Transfer-Encoding la pone"),
        ({"fields": "Host: a\nTunelab-X: 1"}, "Tunelab-X la pone"),
        ({"fields": "Host: a\nX: «oculto 9»"}, "«oculto 9»"),
        ({"fields": 7}, "incompleta"),
    ],
)
def test_an_edit_that_is_not_http_is_refused_and_nothing_sent(inspected, changes, words: str) -> None:
    inspected.visit("GET", "/")
    inspected.detail(1)
    status, answer = replay(inspected, 1, **changes)
    assert status == 400
    assert words in answer["error"]
    assert len(inspected.backend.requests) == 1


def test_what_is_not_kept_whole_is_not_repeated_but_may_be_edited(inspect) -> None:
    inspected = inspect("--inspector-body=1K")
    inspected.visit("POST", "/", content=b"x" * 5000)
    inspected.detail(1)
    status, answer = replay(inspected, 1)
    assert status == 409
    assert "--inspector-body" in answer["error"]
    assert replay(inspected, 1, content="corto")[0] == 201
    inspected.detail(2)
    assert inspected.backend.requests[1].content == b"corto"


def test_what_did_not_come_whole_is_not_repeated(inspected) -> None:
    is_asked = threading.Event()

    def hold(wire: Wire) -> None:
        wire.read_request_head()
        is_asked.set()
        wire.read_to_end()

    inspected.backend.play(hold)
    with inspected.server.visit() as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhola")
        assert is_asked.wait(20)
    assert not inspected.detail(1)["edit"]["is_whole"]
    status, answer = inspected.post("/api/exchanges/1/replay")
    assert status == 409
    assert "no llegó entero" in answer["error"]


def test_what_is_gone_or_never_was_cannot_be_repeated(inspected) -> None:
    status, answer = replay(inspected, 99)
    assert (status, answer["error"]) == (404, "Esa petición ya no está guardada.")


def test_a_change_of_protocol_is_not_repeated(inspected) -> None:
    def switch(wire: Wire) -> None:
        wire.read_request_head()
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: eco\r\n\r\nbuenas")
        wire.read_to_end()

    inspected.backend.play(switch)
    with inspected.server.visit() as wire:
        wire.send(request("GET", "/", "Host: a", "Connection: Upgrade", "Upgrade: eco"))
        assert wire.read_response_head().status == 101
        assert wire.read_exactly(6) == b"buenas"
    detail = inspected.detail(1)
    assert (detail["summary"]["status"], detail["response_content"]["text"]) == (101, "buenas")
    status, answer = replay(inspected, 1)
    assert status == 409
    assert "cambiar de protocolo" in answer["error"]


def test_a_replay_of_a_service_that_fails_says_why(inspected) -> None:
    inspected.visit()
    inspected.detail(1)
    inspected.backend.close()
    assert replay(inspected, 1)[0] == 201
    detail = inspected.detail(2)
    assert detail["summary"]["ending"] == "cut"
    assert "no acepta conexiones" in detail["fault"]


def test_only_so_many_replays_run_at_once(inspected) -> None:
    inspected.visit()
    inspected.detail(1)
    may_answer = threading.Event()

    def answer(_: object) -> bytes:
        assert may_answer.wait(20)
        return response(200)

    inspected.backend.answer(answer)
    statuses = [inspected.post("/api/exchanges/1/replay")[0] for _ in range(9)]
    assert statuses == [201] * 8 + [503]
    may_answer.set()
    eventually(lambda: replay(inspected, 1)[0] == 201, "there is room again")


def test_chunked_content_is_repeated_as_it_came(inspected) -> None:
    with inspected.server.visit() as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhola\r\n0\r\n\r\n")
        assert wire.read_response().status == 200
    inspected.detail(1)
    assert replay(inspected, 1)[0] == 201
    inspected.detail(2)
    assert [asked.content for asked in inspected.backend.requests] == [b"hola", b"hola"]
    assert inspected.backend.requests[1].fields.all("Transfer-Encoding") == ["chunked"]
