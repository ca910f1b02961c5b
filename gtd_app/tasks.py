"""The blueprint of ``/todo/api/v1.0``: the routes and answers of the original course."""

import hashlib
from typing import cast

from flask import Blueprint, Response, current_app, jsonify, request

from gtd_app.json_text import to_json_text
from gtd_app.payloads import parse_changes, parse_new_task, parse_task_id, task_not_found
from gtd_app.store import Task, TaskStore

blueprint = Blueprint("tasks", __name__, url_prefix="/todo/api/v1.0")


def current_store() -> TaskStore:
    """Return the store of the application that is answering."""
    return cast(TaskStore, current_app.extensions["gtd_store"])


@blueprint.get("/tasks")
def list_tasks() -> Response:
    """Answer every task, or 304 to whoever has this very list already.

    The page asks again every two seconds: with an ETag that costs it a few bytes through the tunnel.
    """
    text = to_json_text({"tasks": [_to_json(task) for task in current_store().list_tasks()]})
    response = Response(text, mimetype="application/json")
    response.set_etag(hashlib.sha256(text.encode()).hexdigest()[:32])
    response.make_conditional(request)
    return response


@blueprint.post("/tasks")
def add_task() -> tuple[Response, int, dict[str, str]]:
    """Add a task: 201 with the task, and where it lives."""
    new = parse_new_task(request)
    task = current_store().add_task(new.title, new.description, new.done)
    # Relative to this address (RFC 9110, section 10.2.2), which stays true under any Host and any prefix.
    return _answer(task), 201, {"Location": f"tasks/{task.id}"}


@blueprint.get("/tasks/<task_id>")
def show_task(task_id: str) -> Response:
    """Answer one task."""
    number = parse_task_id(task_id)
    task = current_store().find_task(number)
    if task is None:
        raise task_not_found(number)
    return _answer(task)


@blueprint.put("/tasks/<task_id>")
def change_task(task_id: str) -> Response:
    """Change the fields that the body names, and answer the whole task."""
    number = parse_task_id(task_id)
    task = current_store().change_task(number, **parse_changes(request))
    if task is None:
        raise task_not_found(number)
    return _answer(task)


@blueprint.delete("/tasks/<task_id>")
def delete_task(task_id: str) -> Response:
    """Delete one task."""
    number = parse_task_id(task_id)
    if not current_store().delete_task(number):
        raise task_not_found(number)
    return jsonify(result=True)


def _answer(task: Task) -> Response:
    return jsonify(task=_to_json(task))


def _to_json(task: Task) -> dict[str, object]:
    return {"description": task.description, "done": task.done, "id": task.id, "title": task.title}
