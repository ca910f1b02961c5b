"""Every fault is one JSON shape, names its field, says what to do, and is never a 500."""

import json
import logging
import sqlite3
from pathlib import Path

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gtd_app import store as store_module
from gtd_app.errors import quote
from gtd_app.payloads import MAX_BODY_BYTES, MAX_DESCRIPTION, MAX_TITLE

TASKS = "/todo/api/v1.0/tasks"


def assert_fault(response: Response, status: int, code: str, field: str | None = None) -> str:
    """Assert the whole shape of a fault and return its message."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type == "application/json"
    assert set(response.json) == {"error"}
    error = response.json["error"]
    assert set(error) == {"code", "field", "message"}
    assert (error["code"], error["field"]) == (code, field)
    message = error["message"]
    assert isinstance(message, str)
    assert len(message) < 600
    assert message.isprintable()
    return message


def post(client: FlaskClient, body: str | bytes, content_type: str | None = "application/json") -> Response:
    return client.post(TASKS, data=body, content_type=content_type)


BODIES = {
    "not JSON": ("write a book", "invalid-json", None),
    "half an object": ('{"title": "a"', "invalid-json", None),
    "two objects": ('{"title": "a"} {}', "invalid-json", None),
    "keys without quotes": ("{title: 'a'}", "invalid-json", None),
    "NaN": ('{"title": NaN}', "invalid-json", None),
    "Infinity in an unknown place": ('{"title": "a", "x": [-Infinity]}', "invalid-json", None),
    "a number of five thousand digits": ('{"title": ' + "9" * 5000 + "}", "invalid-json", None),
    "a hundred thousand open brackets": ("[" * 100_000, "invalid-json", None),
    "a hundred thousand open objects": ('{"title":' * 100_000, "invalid-json", None),
    "deep but balanced": ('{"title":' + "[" * 5000 + "]" * 5000 + "}", "invalid-json", None),
    "empty": ("", "empty-body", None),
    "blank": (" \r\n ", "empty-body", None),
    "a list": ('[{"title": "a"}]', "not-an-object", None),
    "a text": ('"title"', "not-an-object", None),
    "a number": ("3", "not-an-object", None),
    "true": ("true", "not-an-object", None),
    "null": ("null", "not-an-object", None),
    "no title": ('{"description": "a"}', "missing-field", "title"),
    "an empty object": ("{}", "missing-field", "title"),
    "an empty title": ('{"title": ""}', "empty-field", "title"),
    "a blank title": ('{"title": " \\u00a0\\ufeff "}', "empty-field", "title"),
    "a title that is a number": ('{"title": 3}', "wrong-type", "title"),
    "a title that is null": ('{"title": null}', "wrong-type", "title"),
    "a title that is a list": ('{"title": ["a"]}', "wrong-type", "title"),
    "a title that is an object": ('{"title": {"a": 1}}', "wrong-type", "title"),
    "a title that is true": ('{"title": true}', "wrong-type", "title"),
    "a description that is a number": ('{"title": "a", "description": 1e999}', "wrong-type", "description"),
    "done in quotes": ('{"title": "a", "done": "true"}', "wrong-type", "done"),
    "done as a number": ('{"title": "a", "done": 1}', "wrong-type", "done"),
    "an unknown field": ('{"title": "a", "priority": 1}', "unknown-field", "priority"),
    "a field in capitals": ('{"Title": "a"}', "unknown-field", "Title"),
    "an id": ('{"title": "a", "id": 7}', "read-only-field", "id"),
    "a title twice": ('{"title": "a", "title": "b"}', "duplicate-field", "title"),
    "an inner key twice": ('{"title": {"a": 1, "a": 2}}', "duplicate-field", "a"),
    "a NUL in the title": ('{"title": "a\\u0000b"}', "invalid-characters", "title"),
    "a line end in the title": ('{"title": "a\\nb"}', "invalid-characters", "title"),
    "an escape sequence in the title": ('{"title": "\\u001b[2J"}', "invalid-characters", "title"),
    "a NUL in the description": (
        '{"title": "a", "description": "\\u0000"}',
        "invalid-characters",
        "description",
    ),
    "half a character": ('{"title": "\\ud83d"}', "invalid-characters", "title"),
    "half a character in the description": (
        '{"title": "a", "description": "\\udc00"}',
        "invalid-characters",
        "description",
    ),
    "a title one too long": (json.dumps({"title": "á" * (MAX_TITLE + 1)}), "field-too-long", "title"),
    "a description one too long": (
        json.dumps({"title": "a", "description": "x" * (MAX_DESCRIPTION + 1)}),
        "field-too-long",
        "description",
    ),
}


@pytest.mark.parametrize(("body", "code", "field"), BODIES.values(), ids=BODIES.keys())
def test_body_that_cannot_be_a_task_is_refused(
    client: FlaskClient, body: str, code: str, field: str | None
) -> None:
    before = client.get(TASKS).text
    message = assert_fault(post(client, body), 400, code, field)
    if field is not None:
        assert field in message
    assert client.get(TASKS).text == before


@pytest.mark.parametrize(("body", "code", "field"), BODIES.values(), ids=BODIES.keys())
def test_body_that_cannot_be_a_change_is_refused(
    client: FlaskClient, body: str, code: str, field: str | None
) -> None:
    before = client.get(TASKS).text
    if code == "missing-field":  # a change need not name the title
        assert client.put(f"{TASKS}/1", data=body, content_type="application/json").status_code == (
            400 if body == "{}" else 200
        )
        return
    assert_fault(client.put(f"{TASKS}/1", data=body, content_type="application/json"), 400, code, field)
    assert client.get(TASKS).text == before


def test_values_at_their_limits_are_accepted(client: FlaskClient) -> None:
    task = {"title": "🎉" * MAX_TITLE, "description": "ñ" * MAX_DESCRIPTION}
    assert client.post(TASKS, json=task).status_code == 201


def test_change_of_nothing_is_refused(client: FlaskClient) -> None:
    assert_fault(client.put(f"{TASKS}/1", json={}), 400, "no-changes")


def test_body_that_is_not_utf8_says_which_byte(client: FlaskClient) -> None:
    message = assert_fault(post(client, '{"title": "mañana"}'.encode("latin-1")), 400, "not-utf8")
    assert "byte 14" in message


def test_syntax_error_says_where(client: FlaskClient) -> None:
    message = assert_fault(post(client, '{\n  "title": oops}'), 400, "invalid-json")
    assert "línea 2, columna 12" in message


def test_single_quotes_of_a_windows_console_are_explained(client: FlaskClient) -> None:
    assert "consola de Windows" in assert_fault(post(client, "'{"), 400, "invalid-json")


def test_misspelt_field_gets_a_suggestion(client: FlaskClient) -> None:
    message = assert_fault(post(client, '{"titel": "a"}'), 400, "unknown-field", "titel")
    assert "¿Quiso escribir title?" in message


def test_unknown_field_with_a_monstrous_name_is_quoted_short(client: FlaskClient) -> None:
    response = post(client, json.dumps({"\ud800\n" + "x" * 500_000: 1}))
    assert response.status_code == 400
    assert response.json["error"]["field"].startswith("\\ud800\\u000axxx")
    assert len(response.data) < 1000


@pytest.mark.parametrize(
    ("content_type", "said"),
    [
        (None, "no llegó ninguno"),
        ("application/x-www-form-urlencoded", "lo que curl pone con -d"),
        ("text/plain", "text/plain"),
        ("application/merge-patch+json", "application/merge-patch+json"),
        ("multipart/form-data; boundary=x", "multipart/form-data"),
    ],
)
def test_other_media_type_is_refused_with_the_header_to_send(
    client: FlaskClient, content_type: str | None, said: str
) -> None:
    message = assert_fault(post(client, '{"title": "a"}', content_type), 415, "unsupported-media-type")
    assert said in message
    assert '-H "Content-Type: application/json"' in message
    assert_fault(
        client.put(f"{TASKS}/1", data="{}", content_type=content_type), 415, "unsupported-media-type"
    )


def test_body_of_one_mebibyte_is_read_and_one_byte_more_is_not(client: FlaskClient) -> None:
    body = json.dumps({"title": "a"}).encode()
    assert post(client, body.ljust(MAX_BODY_BYTES)).status_code == 201
    assert_fault(post(client, body.ljust(MAX_BODY_BYTES + 1)), 413, "body-too-large")


IDS = [
    "99",
    "0",
    "-1",
    "01",
    "1.0",
    "abc",
    "1e3",
    "٣",
    "9" * 19,
    str(2**63),
    "9" * 5000,
    "%00",
    "1%20",
    "%F0%9F",
]


@pytest.mark.parametrize("task_id", IDS, ids=lambda value: value[:20])
def test_id_that_no_task_has_is_not_found(client: FlaskClient, task_id: str) -> None:
    path = f"{TASKS}/{task_id}"
    assert "id" in assert_fault(client.get(path), 404, "task-not-found", "id")
    assert_fault(client.put(path, json={"done": True}), 404, "task-not-found", "id")
    assert_fault(client.delete(path), 404, "task-not-found", "id")


def test_largest_id_is_looked_up(client: FlaskClient) -> None:
    assert_fault(client.get(f"{TASKS}/{2**63 - 1}"), 404, "task-not-found", "id")


@pytest.mark.parametrize("path", ["/nothing", "/todo", "//todo/api/v1.0/tasks", f"{TASKS}/1/2", "/%ff%00%0a"])
def test_unknown_route_is_not_found(client: FlaskClient, path: str) -> None:
    assert TASKS in assert_fault(client.get(path), 404, "route-not-found")


def test_slash_too_many_is_pointed_out(client: FlaskClient) -> None:
    message = assert_fault(client.get(f"{TASKS}/"), 404, "route-not-found")
    assert "Quite la barra del final" in message


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET, HEAD, OPTIONS"),
        ("DELETE", TASKS, "GET, HEAD, OPTIONS, POST"),
        ("PATCH", f"{TASKS}/1", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("POST", f"{TASKS}/1", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("TRACE", "/healthz", "GET, HEAD, OPTIONS"),
    ],
)
def test_method_not_allowed_names_those_that_are(
    client: FlaskClient, method: str, path: str, allowed: str
) -> None:
    response = client.open(path, method=method)
    assert allowed in assert_fault(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == allowed


def test_host_that_is_no_host_is_a_bad_request_or_served(client: FlaskClient) -> None:
    response = client.get(TASKS, headers={"Host": "a b<>\x7f"})
    assert response.status_code in (200, 400)
    assert response.content_type == "application/json"


def test_list_that_is_full_takes_no_more(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_TASKS", 3)
    assert client.post(TASKS, json={"title": "third"}).status_code == 201
    assert_fault(client.post(TASKS, json={"title": "fourth"}), 409, "too-many-tasks")
    client.delete(f"{TASKS}/1")
    assert client.post(TASKS, json={"title": "fourth"}).status_code == 201


def test_store_whose_file_was_removed_answers_503_and_not_201(
    client: FlaskClient, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database.unlink()
    for response in (
        client.post(TASKS, json={"title": "lost?"}),
        client.get(TASKS),
        client.get("/healthz"),
    ):
        message = assert_fault(response, 503, "store-unavailable")
        assert str(database) not in message  # a visitor learns nothing of this computer's folders
        assert response.headers["Retry-After"] == "1"
    assert str(database) in caplog.text  # but who runs the application does
    assert not database.exists()


def test_store_that_is_locked_answers_503(
    client: FlaskClient, app: Flask, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.extensions["gtd_store"].close()
    monkeypatch.setattr(store_module, "BUSY_TIMEOUT_S", 0.05)
    app.extensions["gtd_store"] = store_module.TaskStore(database)
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert_fault(client.post(TASKS, json={"title": "a"}), 503, "store-unavailable")
    assert client.get(TASKS).status_code == 200  # readers do not wait for a writer
    other.execute("ROLLBACK")
    other.close()
    assert client.post(TASKS, json={"title": "a"}).status_code == 201


def test_bug_of_ours_is_a_500_in_the_same_shape_and_is_logged(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/bug")
    def bug() -> str:
        raise ZeroDivisionError("secret detail")

    response = app.test_client().get("/bug")
    assert "secret" not in assert_fault(response, 500, "internal-error")
    assert "secret detail" in caplog.text


def test_other_refusals_of_the_framework_have_the_same_shape(app: Flask) -> None:
    from werkzeug.exceptions import ImATeapot

    @app.get("/tea")
    def tea() -> str:
        raise ImATeapot

    assert_fault(app.test_client().get("/tea"), 418, "bad-request")


def test_access_log_holds_no_line_that_a_visitor_wrote(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    client.get("/a%0a12:00:00%20GET%20/forged%1b[2J")
    (record,) = [record for record in caplog.records if record.name == "gtd_app.hooks"]
    assert record.getMessage() == "GET /a\\u000a12:00:00 GET /forged\\u001b[2J 404"


def test_quote_keeps_what_prints_and_shortens_the_rest() -> None:
    assert quote("mañana") == "mañana"
    assert quote("a\ud800\x00") == "a\\ud800\\u0000"
    assert quote("x" * 80) == "x" * 80
    assert quote("x" * 81) == "x" * 80 + "…"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["title", "description", "done", "id", "", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(body=st.binary(max_size=40) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_no_body_whatsoever_is_a_500(client: FlaskClient, body: bytes) -> None:
    for response in (
        client.post(TASKS, data=body, content_type="application/json"),
        client.put(f"{TASKS}/1", data=body, content_type="application/json"),
    ):
        assert response.status_code in (200, 201, 400)
        assert set(response.json) == ({"task"} if response.status_code < 400 else {"error"})
