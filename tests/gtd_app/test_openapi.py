"""The OpenAPI document: complete, true to the application, and held against it by schemathesis."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask
from flask.testing import FlaskClient

from gtd_app.openapi import build_document
from gtd_app.payloads import TITLE_PATTERN
from gtd_app.server import AppServer

METHODS = {"get", "post", "put", "delete", "patch", "head", "options", "trace"}

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Json:
    return build_document()


def walk(value: object) -> Iterator[Json]:
    """Yield every object in a document."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def resolve(document: Json, value: Json) -> Json:
    while "$ref" in value:
        target: Any = document
        for step in value["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        value = target
    return value


def operations(document: Json) -> list[tuple[str, str, Json]]:
    found = [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]
    assert found
    return found


def test_document_is_served_as_it_is_built(client: FlaskClient, document: Json) -> None:
    response = client.get("/openapi.json")
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.json == document
    assert document["openapi"].startswith("3.1.")


def test_every_route_is_described_and_no_other(app: Flask, document: Json) -> None:
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static"
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, method, _ in operations(document)} == routes


def test_every_reference_leads_somewhere(document: Json) -> None:
    references = [value for value in walk(document) if "$ref" in value]
    assert references
    for reference in references:
        resolve(document, reference)
    names = {reference["$ref"] for reference in references}
    for kind, components in document["components"].items():
        for name in components:
            assert f"#/components/{kind}/{name}" in names, f"{name} is described and never used"


def test_every_schema_is_one(document: Json) -> None:
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_every_example_is_of_its_schema(document: Json) -> None:
    media = [value for value in walk(document) if "schema" in value and "example" in value]
    assert len(media) >= 15
    for value in media:
        schema = {**value["schema"], "components": document["components"]}
        jsonschema_rs.Draft202012Validator(schema).validate(value["example"])


def test_every_operation_says_what_it_refuses_and_how(document: Json) -> None:
    for path, method, operation in operations(document):
        assert operation["summary"]
        assert operation["operationId"]
        refusals = {status: resolve(document, answer) for status, answer in operation["responses"].items()}
        errors = {status: answer for status, answer in refusals.items() if status >= "400"}
        assert "405" in errors, (method, path)
        if "requestBody" in operation:
            assert {"400", "413", "415"} <= set(errors)
        for answer in errors.values():
            schema = answer["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Error"}


def test_published_patterns_need_nothing_that_is_pythons_own() -> None:
    # What a JavaScript client reads must be the same language: only classes, escapes and repetition.
    assert not re.search(r"\(\?|\\[AZpPdwb]|[*+?]\+", TITLE_PATTERN)


@pytest.mark.timeout(180)  # some 800 requests, each made up first; a busy machine may take a minute
def test_schemathesis_finds_no_difference(server: AppServer, document: Json, tmp_path: Path) -> None:
    ended = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "run",
            f"{server.url}/openapi.json",
            "--phases=examples,coverage,fuzzing,stateful",
            "--checks=all",
            "--max-examples=25",
            "--generation-deterministic",
            "--warnings=off",
            "--no-color",
        ],
        cwd=tmp_path,  # where it leaves its notes
        env={**os.environ, "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=170,
    )
    assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-2000:]
    # It did what it was asked to: every operation, every phase.
    assert f"Tested: {len(operations(document))}\n" in ended.stdout
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}\n" in ended.stdout
