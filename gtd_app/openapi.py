"""``/openapi.json``: the API in OpenAPI 3.1, from the same limits and patterns that are enforced."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify

from gtd_app.page import GREETING
from gtd_app.payloads import (
    DESCRIPTION_PATTERN,
    MAX_BODY_BYTES,
    MAX_DESCRIPTION,
    MAX_TITLE,
    TITLE_PATTERN,
)
from gtd_app.store import FIRST_TASKS, MAX_ID, MAX_TASKS

# The API's own version, which is in its path; not the package's.
API_VERSION = "1.0.0"

TASKS_PATH = "/todo/api/v1.0/tasks"

blueprint = Blueprint("openapi", __name__)

JsonObject = dict[str, Any]


@blueprint.get("/openapi.json")
def show_openapi() -> Response:
    """Answer the description of the API."""
    return jsonify(build_document())


def build_document() -> JsonObject:
    """Return the OpenAPI document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gtd_app: tareas por hacer",
            "version": API_VERSION,
            "summary": "La API de tareas del curso de túneles.",
            "description": (
                "Lista, agrega, cambia y borra tareas. Todo error es un objeto JSON con la misma forma: "
                "`code` es estable y sirve a los programas; `message` dice qué pasó y qué hacer; "
                "`field` nombra el campo que falló, o es null."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        # Relative to this document, so that it stays true under any name and any prefix.
        "servers": [{"url": ".", "description": "La aplicación que sirvió este documento"}],
        "tags": [
            {"name": "tareas", "description": "La lista de tareas"},
            {"name": "aplicación", "description": "La aplicación misma"},
        ],
        "paths": {
            "/": {"get": _greet()},
            TASKS_PATH: {"get": _list_tasks(), "post": _add_task()},
            f"{TASKS_PATH}/{{task_id}}": {
                "parameters": [{"$ref": "#/components/parameters/TaskId"}],
                "get": _show_task(),
                "put": _change_task(),
                "delete": _delete_task(),
            },
            "/healthz": {"get": _report_health()},
            "/openapi.json": {"get": _show_document()},
        },
        "components": {
            "parameters": _parameters(),
            "schemas": _schemas(),
            "responses": _responses(),
            "headers": {
                "ETag": {"description": "Identifica esta versión de la lista", "schema": {"type": "string"}},
                "Location": {
                    "description": "Dirección de la tarea nueva, relativa a la de la petición",
                    "schema": {"type": "string", "format": "uri-reference"},
                },
                "Allow": {"description": "Los métodos que la ruta admite", "schema": {"type": "string"}},
                "RetryAfter": {
                    "description": "Segundos que conviene esperar",
                    "schema": {"type": "integer", "minimum": 0},
                },
            },
        },
    }


# The tasks of the lab: what its guide shows is what the document shows.
_EXAMPLES = [
    {"description": description, "done": False, "id": number, "title": title}
    for number, (title, description) in enumerate(FIRST_TASKS, start=1)
]
_NEW_EXAMPLE = {"description": "", "done": False, "id": 3, "title": "write a book"}


# Operations


def _greet() -> JsonObject:
    return {
        "operationId": "greet",
        "tags": ["aplicación"],
        "summary": "Saluda",
        "description": "A curl le responde el saludo del curso; a un navegador, la página de las tareas.",
        "responses": {
            "200": {
                "description": "El saludo, o la página",
                "content": {
                    "text/plain": {"schema": {"type": "string", "const": GREETING}, "example": GREETING},
                    "text/html": {"schema": {"type": "string"}},
                },
            },
            **_refusals(405),
        },
    }


def _list_tasks() -> JsonObject:
    return {
        "operationId": "listTasks",
        "tags": ["tareas"],
        "summary": "Lista las tareas",
        "description": "De la más antigua a la más nueva.",
        "parameters": [{"$ref": "#/components/parameters/IfNoneMatch"}],
        "responses": {
            "200": {
                "description": "Todas las tareas",
                "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
                "content": _json("TaskList", {"tasks": _EXAMPLES}),
            },
            "304": {"description": "La lista es la que usted ya tiene (If-None-Match)"},
            **_refusals(405, 503),
        },
    }


def _add_task() -> JsonObject:
    return {
        "operationId": "addTask",
        "tags": ["tareas"],
        "summary": "Agrega una tarea",
        "description": "La tarea está en el disco cuando llega la respuesta. Los id no se reutilizan.",
        "requestBody": _body("NewTask", {"title": "write a book"}),
        "responses": {
            "201": {
                "description": "La tarea nueva, con su id",
                "headers": {"Location": {"$ref": "#/components/headers/Location"}},
                "content": _json("TaskAnswer", {"task": _NEW_EXAMPLE}),
                "links": {
                    "show": {"operationId": "showTask", "parameters": {"task_id": "$response.body#/task/id"}},
                    "change": {
                        "operationId": "changeTask",
                        "parameters": {"task_id": "$response.body#/task/id"},
                    },
                    "delete": {
                        "operationId": "deleteTask",
                        "parameters": {"task_id": "$response.body#/task/id"},
                    },
                },
            },
            **_refusals(400, 405, 409, 413, 415, 503),
        },
    }


def _show_task() -> JsonObject:
    return {
        "operationId": "showTask",
        "tags": ["tareas"],
        "summary": "Muestra una tarea",
        "responses": {
            "200": {"description": "La tarea", "content": _json("TaskAnswer", {"task": _EXAMPLES[0]})},
            **_refusals(404, 405, 503),
        },
    }


def _change_task() -> JsonObject:
    return {
        "operationId": "changeTask",
        "tags": ["tareas"],
        "summary": "Cambia una tarea",
        "description": "Cambia solo los campos que se envían.",
        "requestBody": _body("TaskChanges", {"done": True}),
        "responses": {
            "200": {
                "description": "La tarea completa, ya cambiada",
                "content": _json("TaskAnswer", {"task": {**_EXAMPLES[0], "done": True}}),
            },
            **_refusals(400, 404, 405, 413, 415, 503),
        },
    }


def _delete_task() -> JsonObject:
    return {
        "operationId": "deleteTask",
        "tags": ["tareas"],
        "summary": "Borra una tarea",
        "responses": {
            "200": {"description": "La tarea ya no existe", "content": _json("Deleted", {"result": True})},
            **_refusals(404, 405, 503),
        },
    }


def _report_health() -> JsonObject:
    return {
        "operationId": "reportHealth",
        "tags": ["aplicación"],
        "summary": "Dice si la aplicación puede leer las tareas",
        "responses": {
            "200": {"description": "Puede", "content": _json("Health", {"status": "ok"})},
            **_refusals(405, 503),
        },
    }


def _show_document() -> JsonObject:
    return {
        "operationId": "showOpenapi",
        "tags": ["aplicación"],
        "summary": "Este documento",
        "responses": {
            "200": {
                "description": "El documento OpenAPI 3.1",
                "content": {
                    "application/json": {"schema": {"type": "object", "required": ["openapi", "paths"]}}
                },
            },
            **_refusals(405),
        },
    }


def _json(schema: str, example: JsonObject) -> JsonObject:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}}


def _body(schema: str, example: JsonObject) -> JsonObject:
    return {"required": True, "content": _json(schema, example)}


# Components


def _parameters() -> JsonObject:
    return {
        "TaskId": {
            "name": "task_id",
            "in": "path",
            "required": True,
            "description": "El id de la tarea",
            "schema": {"type": "integer", "minimum": 1, "maximum": MAX_ID},
            "example": 1,
        },
        "IfNoneMatch": {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "El ETag de la lista que ya tiene; si no cambió, la respuesta es 304, sin cuerpo",
            "schema": {"type": "string"},
        },
    }


def _schemas() -> JsonObject:
    title = {"type": "string", "minLength": 1, "maxLength": MAX_TITLE, "pattern": TITLE_PATTERN}
    description = {"type": "string", "maxLength": MAX_DESCRIPTION, "pattern": DESCRIPTION_PATTERN}
    done = {"type": "boolean"}
    task = {
        "id": {"type": "integer", "minimum": 1, "maximum": MAX_ID, "description": "Lo asigna la aplicación"},
        "title": {**title, "description": "Qué hay que hacer, en una línea"},
        "description": {**description, "description": "Los detalles"},
        "done": {**done, "description": "Si ya está hecha"},
    }
    return {
        "Task": _object(task, required=("description", "done", "id", "title")),
        "TaskList": _object(
            {
                "tasks": {
                    "type": "array",
                    "maxItems": MAX_TASKS,
                    "items": {"$ref": "#/components/schemas/Task"},
                }
            },
            required=("tasks",),
        ),
        "TaskAnswer": _object({"task": {"$ref": "#/components/schemas/Task"}}, required=("task",)),
        "NewTask": _object(
            {
                "title": title,
                "description": {**description, "default": ""},
                "done": {**done, "default": False},
            },
            required=("title",),
        ),
        "TaskChanges": {
            **_object({"title": title, "description": description, "done": done}),
            "minProperties": 1,
        },
        "Deleted": _object({"result": {"const": True}}, required=("result",)),
        "Health": _object({"status": {"const": "ok"}}, required=("status",)),
        "Error": _object(
            {
                "error": _object(
                    {
                        "code": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
                        "field": {"type": ["string", "null"]},
                        "message": {"type": "string", "minLength": 1},
                    },
                    required=("code", "field", "message"),
                )
            },
            required=("error",),
        ),
    }


def _object(properties: JsonObject, required: tuple[str, ...] = ()) -> JsonObject:
    schema: JsonObject = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    return schema


# By status: the name of the component, what it means, and an example of it.
_REFUSALS: Mapping[int, tuple[str, str, tuple[str, str | None, str]]] = {
    400: (
        "BadRequest",
        "El cuerpo no es JSON, o un campo falta, sobra o no vale",
        ("missing-field", "title", 'Falta el campo title. Envíe, por ejemplo: {"title": "write a book"}'),
    ),
    404: (
        "NotFound",
        "Ninguna tarea tiene ese id",
        (
            "task-not-found",
            "id",
            "No hay ninguna tarea con id 99. La lista de tareas está en /todo/api/v1.0/tasks.",
        ),
    ),
    405: (
        "MethodNotAllowed",
        "La ruta no admite ese método; el encabezado Allow dice cuáles sí",
        ("method-not-allowed", None, "El método PATCH no se admite en /healthz. Use GET, HEAD, OPTIONS."),
    ),
    409: (
        "TooManyTasks",
        f"Ya hay {MAX_TASKS} tareas, que es el límite",
        (
            "too-many-tasks",
            None,
            f"Ya hay {MAX_TASKS} tareas, que es el límite. Borre alguna y envíela de nuevo.",
        ),
    ),
    413: (
        "BodyTooLarge",
        f"El cuerpo pasa de {MAX_BODY_BYTES} bytes",
        ("body-too-large", None, "El cuerpo de la petición pasa de 1 MiB. Envíe una tarea más corta."),
    ),
    415: (
        "UnsupportedMediaType",
        "El encabezado Content-Type falta o no es application/json",
        (
            "unsupported-media-type",
            None,
            "El encabezado Content-Type debe ser application/json (no llegó ninguno).",
        ),
    ),
    503: (
        "StoreUnavailable",
        "La aplicación no puede leer ni guardar las tareas",
        ("store-unavailable", None, "La aplicación no puede leer ni guardar las tareas ahora."),
    ),
}
_REFUSAL_HEADERS = {405: ("Allow", "Allow"), 503: ("Retry-After", "RetryAfter")}


def _refusals(*statuses: int) -> JsonObject:
    return {str(status): {"$ref": f"#/components/responses/{_REFUSALS[status][0]}"} for status in statuses}


def _responses() -> JsonObject:
    responses: JsonObject = {}
    for status, (name, description, (code, field, message)) in _REFUSALS.items():
        example = {"error": {"code": code, "field": field, "message": message}}
        responses[name] = {"description": description, "content": _json("Error", example)}
        if status in _REFUSAL_HEADERS:
            header, component = _REFUSAL_HEADERS[status]
            responses[name]["headers"] = {header: {"$ref": f"#/components/headers/{component}"}}
    return responses
