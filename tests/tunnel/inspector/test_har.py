"""The HTTP Archive, against the format's own description."""

from __future__ import annotations

import base64
import json
from typing import Any

import jsonschema_rs
import pytest
from support.inspected import Inspected
from support.wire import response


def record(**members: object) -> dict[str, Any]:
    """Return the schema of an object: a name that ends in an underscore may be missing, all others not."""
    properties = {name.rstrip("_"): schema for name, schema in members.items()}
    required = [name for name in members if not name.endswith("_")]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        "patternProperties": {"^_": {}},
    }


TEXT, NUMBER, WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}
TIME = {"type": "number", "minimum": -1}
SPAN = {"type": "number", "minimum": 0}


def many(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


PAIR = record(name=TEXT, value=TEXT, comment_=TEXT)
COOKIE = record(name=TEXT, value=TEXT, path_=TEXT, domain_=TEXT, expires_=TEXT, httpOnly_={}, secure_={})

# http://www.softwareishard.com/blog/har-12-spec/
HAR = record(
    log=record(
        version={"const": "1.2"},
        creator=record(name=TEXT, version=TEXT, comment_=TEXT),
        comment_=TEXT,
        entries=many(
            record(
                startedDateTime={"type": "string", "format": "date-time"},
                time=SPAN,
                request=record(
                    method=TEXT,
                    url={"type": "string", "pattern": "^https?://"},
                    httpVersion=TEXT,
                    cookies=many(COOKIE),
                    headers=many(PAIR),
                    queryString=many(PAIR),
                    postData_=record(mimeType=TEXT, params=many({}), text=TEXT, comment_=TEXT),
                    headersSize=WHOLE,
                    bodySize=WHOLE,
                ),
                response=record(
                    status=WHOLE,
                    statusText=TEXT,
                    httpVersion=TEXT,
                    cookies=many(COOKIE),
                    headers=many(PAIR),
                    content=record(size=WHOLE, mimeType=TEXT, text_=TEXT, encoding_=TEXT, comment_=TEXT),
                    redirectURL=TEXT,
                    headersSize=WHOLE,
                    bodySize=WHOLE,
                ),
                cache=record(),
                timings=record(
                    blocked_=TIME, dns_=TIME, connect_=TIME, send=SPAN, wait=SPAN, receive=SPAN, ssl_=TIME
                ),
                connection_=TEXT,
                comment_=TEXT,
            )
        ),
    )
)
VALIDATOR = jsonschema_rs.validator_for(HAR, validate_formats=True)


def archive(inspected: Inspected, query: str = "") -> list[dict[str, Any]]:
    status, fields, content = inspected.ask(f"/api/har{query}")
    assert status == 200
    assert fields["Content-Disposition"].startswith("attachment; filename=")
    har = json.loads(content)
    VALIDATOR.validate(har)
    return har["log"]["entries"]


def test_the_schema_refuses_what_is_no_archive() -> None:
    assert not VALIDATOR.is_valid({"log": {"version": "1.1", "creator": {}, "entries": []}})
    assert not VALIDATOR.is_valid({})


def test_an_archive_says_all_and_no_secret(inspected: Inspected) -> None:
    inspected.backend.answer(
        lambda asked: (
            response(200, b"\x89PNG\x00", "Content-Type: image/png")
            if asked.target == "/foto"
            else response(
                302,
                b'{"access_token":"t0k3n","a":"\xc3\xb1"}',
                "Content-Type: application/json",
                "Location: /vuelta?token=t0k3n",
                "Set-Cookie: sid=c00k13; Path=/",
            )
        )
    )
    inspected.visit(
        "POST", "/entrar?api_key=k3y&lang=es", "Content-Type: application/x-www-form-urlencoded",
        "Authorization: Basic b34r3r", "Cookie: a=c00k13; b=c00k14", content=b"user=ana&password=p4ss",
    )  # fmt: skip
    inspected.visit("GET", "/foto")
    inspected.detail(2)
    first, second = archive(inspected)
    whole = json.dumps([first, second], ensure_ascii=False)
    for secret in ("t0k3n", "c00k13", "c00k14", "k3y", "b34r3r", "p4ss"):
        assert secret not in whole
    asked, answered = first["request"], first["response"]
    assert asked["url"].startswith("http://ana.example/entrar?")
    assert {pair["name"] for pair in asked["queryString"]} == {"api_key", "lang"}
    assert [cookie["name"] for cookie in asked["cookies"]] == ["a", "b"]
    assert asked["postData"]["mimeType"] == "application/x-www-form-urlencoded"
    assert asked["postData"]["text"].startswith("user=ana&password=«oculto")
    assert (answered["status"], answered["statusText"]) == (302, "Found")
    assert [cookie["name"] for cookie in answered["cookies"]] == ["sid"]
    assert answered["redirectURL"].startswith("/vuelta?token=«oculto")
    assert json.loads(answered["content"]["text"])["a"] == "ñ"
    content = second["response"]["content"]
    assert (base64.b64decode(content["text"]), content["encoding"]) == (b"\x89PNG\x00", "base64")
    parts = [part for part in first["timings"].values() if part > 0]
    assert first["time"] == pytest.approx(sum(parts), abs=0.01)


def test_one_exchange_may_be_taken_alone_also_one_without_an_answer(inspected: Inspected) -> None:
    inspected.visit("GET", "/a")
    inspected.backend.close()
    inspected.visit("GET", "/b")
    inspected.detail(2)
    (entry,) = archive(inspected, "?number=2")
    assert entry["request"]["url"] == "http://ana.example/b"
    assert entry["response"]["status"] == 0
    assert "no acepta conexiones" in entry["comment"]
    assert inspected.ask("/api/har?number=9")[0] == 404


def test_an_empty_archive_is_one_too(inspected: Inspected) -> None:
    assert archive(inspected) == []
