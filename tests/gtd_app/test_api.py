"""The routes of the original course, with its exact outputs."""

from flask import Flask
from flask.testing import FlaskClient

from gtd_app import IN_MEMORY, create_app

TASKS = "/todo/api/v1.0/tasks"

FIRST_LIST = """\
{
  "tasks": [
    {
      "description": "Milk, cheese, pizaa",
      "done": false,
      "id": 1,
      "title": "Buy groceries"
    },
    {
      "description": "Need a good tutorial on the web",
      "done": false,
      "id": 2,
      "title": "Learn Python"
    }
  ]
}
"""

THIRD_TASK = """\
{
  "task": {
    "description": "",
    "done": false,
    "id": 3,
    "title": "write a book"
  }
}
"""


def test_first_list_is_that_of_the_course_to_the_letter(client: FlaskClient) -> None:
    response = client.get(TASKS)
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.text == FIRST_LIST


def test_post_of_the_course_answers_the_third_task_to_the_letter(client: FlaskClient) -> None:
    response = client.post(
        TASKS, data='{ "title": "write a book" }', headers={"Content-type": "application/json"}
    )
    assert response.status_code == 201
    assert response.text == THIRD_TASK
    assert response.headers["Location"] == "tasks/3"
    assert client.get(TASKS).json["tasks"][2] == response.json["task"]


def test_location_of_a_new_task_leads_to_it_under_any_prefix(client: FlaskClient) -> None:
    response = client.post(TASKS, json={"title": "a"}, base_url="https://visitor.example/prefix")
    assert response.headers["Location"] == "tasks/3"  # relative: no host that the visitor did not use


def test_post_takes_every_field_and_keeps_it_as_it_came(client: FlaskClient) -> None:
    words = {"title": "  Año nuevo, 新年 🎉 <b>", "description": "uno\n\tdos", "done": True}
    created = client.post(TASKS, json=words).json["task"]
    assert created == {**words, "id": 3}
    assert client.get(f"{TASKS}/3").json == {"task": created}


def test_letters_beyond_ascii_are_shown_as_they_are(client: FlaskClient) -> None:
    response = client.post(TASKS, json={"title": "mañana 🎉"})
    assert "mañana 🎉" in response.text


def test_content_type_may_carry_a_charset(client: FlaskClient) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post(TASKS, data='{"title": "a"}', headers=headers).status_code == 201


def test_body_may_begin_with_a_byte_order_mark(client: FlaskClient) -> None:
    body = b'\xef\xbb\xbf{"title": "a"}'
    assert client.post(TASKS, data=body, content_type="application/json").status_code == 201


def test_one_task_can_be_asked_for(client: FlaskClient) -> None:
    response = client.get(f"{TASKS}/2")
    assert response.status_code == 200
    assert response.json["task"]["title"] == "Learn Python"


def test_put_changes_only_the_fields_it_names(client: FlaskClient) -> None:
    response = client.put(f"{TASKS}/1", json={"done": True})
    assert response.status_code == 200
    assert response.json == {
        "task": {"description": "Milk, cheese, pizaa", "done": True, "id": 1, "title": "Buy groceries"}
    }
    response = client.put(f"{TASKS}/1", json={"title": "Comprar", "description": "", "done": False})
    assert response.json == {"task": {"description": "", "done": False, "id": 1, "title": "Comprar"}}
    assert client.get(f"{TASKS}/1").json == response.json


def test_put_with_a_title_does_not_fail_as_the_original_did(client: FlaskClient) -> None:
    assert client.put(f"{TASKS}/2", json={"title": "Learn Rust"}).status_code == 200


def test_delete_answers_result_true(client: FlaskClient) -> None:
    response = client.delete(f"{TASKS}/1")
    assert response.status_code == 200
    assert response.text == '{\n  "result": true\n}\n'
    assert [task["id"] for task in client.get(TASKS).json["tasks"]] == [2]


def test_post_after_deleting_every_task_gets_an_id_never_used(client: FlaskClient) -> None:
    client.post(TASKS, json={"title": "third"})
    for task in client.get(TASKS).json["tasks"]:
        assert client.delete(f"{TASKS}/{task['id']}").status_code == 200
    assert client.get(TASKS).text == '{\n  "tasks": []\n}\n'
    response = client.post(TASKS, json={"title": "fourth"})
    assert (response.status_code, response.json["task"]["id"]) == (201, 4)


def test_list_that_has_not_changed_costs_a_304(client: FlaskClient) -> None:
    etag = client.get(TASKS).headers["ETag"]
    unchanged = client.get(TASKS, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.data) == (304, b"")
    assert unchanged.headers["ETag"] == etag
    client.put(f"{TASKS}/1", json={"done": True})
    changed = client.get(TASKS, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag


def test_head_has_the_headers_of_get_and_no_body(client: FlaskClient) -> None:
    response = client.head(TASKS)
    assert (response.status_code, response.data) == (200, b"")
    assert response.content_length == len(FIRST_LIST.encode())


def test_options_says_what_is_allowed(client: FlaskClient) -> None:
    allowed = client.options(f"{TASKS}/1").headers["Allow"]
    assert set(allowed.split(", ")) == {"DELETE", "GET", "HEAD", "OPTIONS", "PUT"}


def test_health_asks_the_store(client: FlaskClient) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.json) == (200, {"status": "ok"})


def test_tasks_in_memory_live_as_long_as_the_application() -> None:
    first = create_app({"DATABASE": IN_MEMORY})
    first.test_client().post(TASKS, json={"title": "a"})
    assert len(first.test_client().get(TASKS).json["tasks"]) == 3
    second = create_app({"DATABASE": IN_MEMORY})
    assert len(second.test_client().get(TASKS).json["tasks"]) == 2
    for app in (first, second):
        app.extensions["gtd_store"].close()


def test_debug_mode_is_off(app: Flask) -> None:
    assert app.debug is False
