"""A request's body to checked values, or a fault that names the field. Knows no store.

Whatever bytes a visitor sends, the outcome is a ``NewTask``, some ``TaskFields`` or a ``RequestError`` with a
4xx status: duplicate keys, NaN, lone surrogates, a thousand open brackets and numbers of a million digits
included.
"""

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn, TypedDict

from flask import Request

from gtd_app.errors import MAX_QUOTED, RequestError, quote
from gtd_app.store import MAX_ID

MAX_BODY_BYTES = 1024 * 1024  # 1 MiB, decoded: more than four hundred times the largest task

# In characters. A title is one line on a phone or three; a description is a page.
MAX_TITLE = 200
MAX_DESCRIPTION = 2000

# One line that prints something: no control character (the terminal that shows the task would obey it) and at
# least one character that is not blank. The same patterns are published in the OpenAPI document.
TITLE_PATTERN = (
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\ufeff\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
)
# Any text; line ends and tabs are allowed, other control characters are not.
DESCRIPTION_PATTERN = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"

_TITLE = re.compile(TITLE_PATTERN)
_DESCRIPTION = re.compile(DESCRIPTION_PATTERN)
_SURROGATE = re.compile("[\ud800-\udfff]")
_TASK_ID = re.compile(r"[1-9][0-9]{0,18}")

FIELDS = ("title", "description", "done")

CONTENT_TYPE_ADVICE = 'Agregue a la orden curl: -H "Content-Type: application/json"'


class TaskFields(TypedDict, total=False):
    """The fields that a body may name, checked."""

    title: str
    description: str
    done: bool


@dataclass(frozen=True, slots=True)
class NewTask:
    """What a POST asks for."""

    title: str
    description: str
    done: bool


def parse_new_task(request: Request) -> NewTask:
    """Read the body of a POST.

    Raises:
        RequestError: 400, 413 or 415; it names the field at fault.
    """
    fields = _read_fields(request)
    if "title" not in fields:
        raise RequestError(
            400,
            "missing-field",
            'Falta el campo title. Envíe, por ejemplo: {"title": "write a book"}',
            field="title",
        )
    return NewTask(fields["title"], fields.get("description", ""), fields.get("done", False))


def parse_changes(request: Request) -> TaskFields:
    """Read the body of a PUT: the fields to change, at least one.

    Raises:
        RequestError: 400, 413 or 415; it names the field at fault.
    """
    fields = _read_fields(request)
    if not fields:
        raise RequestError(
            400,
            "no-changes",
            f'El objeto está vacío. Envíe al menos un campo de {_listed(FIELDS)}: {{"done": true}}',
        )
    return fields


def parse_task_id(text: str) -> int:
    """Read a task's id from the path.

    Raises:
        RequestError: 404, for whatever cannot be the id of a task.
    """
    # Not Flask's int converter: its digits are those of every script, and a few thousand of them make
    # Python's int() raise, which would be a 500.
    if _TASK_ID.fullmatch(text) and int(text) <= MAX_ID:
        return int(text)
    raise task_not_found(text)


def task_not_found(task_id: int | str) -> RequestError:
    """Return the fault for an id that no task has."""
    message = (
        f"No hay ninguna tarea con id {quote(str(task_id))}. La lista de tareas está en /todo/api/v1.0/tasks."
    )
    return RequestError(404, "task-not-found", message, field="id")


def _read_fields(request: Request) -> TaskFields:
    document = _load_json(_read_body(request))
    if not isinstance(document, dict):
        raise RequestError(
            400,
            "not-an-object",
            f"El cuerpo es {_kind(document)} y debe ser un objeto JSON, por ejemplo: "
            '{"title": "write a book"}',
        )
    fields: TaskFields = {}
    for name, value in document.items():
        match name:
            case "title":
                fields["title"] = _check_title(value)
            case "description":
                fields["description"] = _check_description(value)
            case "done":
                fields["done"] = _check_done(value)
            case _:
                raise _unknown_field(name)
    return fields


def _read_body(request: Request) -> bytes:
    # This is also what keeps other sites out. A page anywhere can make a visitor's browser send a form or
    # text/plain to this address, but application/json (like PUT and DELETE) only after a CORS preflight,
    # which this application never grants. So do not accept another type, nor a missing one, however kind that
    # would be. A site that rebinds its own name to this address (DNS rebinding) is not kept out: behind a
    # tunnel every Host is a good one, and the list is there to be shown.
    if request.mimetype != "application/json":
        sent = f"llegó {quote(request.mimetype)}" if request.mimetype else "no llegó ninguno"
        if request.mimetype == "application/x-www-form-urlencoded":
            sent += ", que es lo que curl pone con -d si no se le indica otro"
        raise RequestError(
            415,
            "unsupported-media-type",
            f"El encabezado Content-Type debe ser application/json ({sent}). {CONTENT_TYPE_ADVICE}",
        )
    body = request.get_data()
    if not body.strip():
        raise RequestError(
            400,
            "empty-body",
            'El cuerpo llegó vacío. Envíe un objeto JSON, por ejemplo: {"title": "write a book"}',
        )
    return body


class _DuplicateKeyError(ValueError):
    """An object names one key twice. Which one is meant nobody can know (RFC 8259, section 4)."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return document


def _refuse_constant(name: str) -> NoReturn:
    # NaN and Infinity, which Python reads and JSON does not have (RFC 8259, section 6).
    raise ValueError(name)


def _load_json(body: bytes) -> object:
    try:
        # A byte order mark is what Windows editors put first; RFC 8259, section 8.1, lets a reader ignore it.
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(
            400,
            "not-utf8",
            f"El cuerpo no está en UTF-8 (byte {error.start + 1}). Guarde el texto en UTF-8; en una consola "
            "de Windows, escríbalo en un archivo UTF-8 y envíelo con curl --data-binary @archivo.json",
        ) from error
    try:
        return json.loads(text, object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant)
    except _DuplicateKeyError as error:
        name = quote(error.key)
        raise RequestError(
            400,
            "duplicate-field",
            f"El campo {name} aparece más de una vez. Déjelo una sola.",
            field=error.key,
        ) from error
    except json.JSONDecodeError as error:
        raise RequestError(400, "invalid-json", _explain_syntax(text, error)) from error
    except RecursionError as error:
        raise RequestError(
            400,
            "invalid-json",
            "El JSON tiene demasiados niveles, unos dentro de otros. Una tarea necesita uno solo.",
        ) from error
    except ValueError as error:  # NaN, Infinity, or a number with more digits than Python agrees to read
        raise RequestError(
            400, "invalid-json", "El JSON contiene un número que no se admite. Una tarea no lleva números."
        ) from error


def _explain_syntax(text: str, error: json.JSONDecodeError) -> str:
    message = f"El cuerpo no es JSON válido (línea {error.lineno}, columna {error.colno})."
    if text.startswith("'"):
        return (
            f"{message} Empieza con una comilla simple: la consola de Windows no las quita. "
            'Escriba -d "{ \\"title\\": \\"write a book\\" }"'
        )
    return f'{message} Las claves y los textos van entre comillas dobles: {{"title": "write a book"}}'


def _unknown_field(name: str) -> RequestError:
    if name == "id":
        message = "El campo id lo asigna la aplicación y no cambia. Quítelo."
        return RequestError(400, "read-only-field", message, field="id")
    near = difflib.get_close_matches(name[:MAX_QUOTED].lower(), FIELDS, n=1)
    advice = f"¿Quiso escribir {near[0]}?" if near else f"Una tarea tiene {_listed(FIELDS)}."
    message = f"El campo {quote(name)} no existe. {advice}"
    return RequestError(400, "unknown-field", message, field=name)


def _check_done(value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type("done", "true o false, sin comillas", value)
    return value


def _check_title(value: object) -> str:
    if not isinstance(value, str):
        raise _wrong_type("title", "un texto entre comillas dobles", value)
    _check_text("title", value, MAX_TITLE)
    if not value.replace("\ufeff", "").strip():
        raise RequestError(
            400, "empty-field", "El campo title está vacío. Escriba qué hay que hacer.", field="title"
        )
    if not _TITLE.fullmatch(value):
        raise _invalid_characters("title", "Escríbalo en una sola línea, sin caracteres de control.")
    return value


def _check_description(value: object) -> str:
    if not isinstance(value, str):
        raise _wrong_type("description", "un texto entre comillas dobles", value)
    _check_text("description", value, MAX_DESCRIPTION)
    if not _DESCRIPTION.fullmatch(value):
        raise _invalid_characters("description", "Quite los caracteres de control.")
    return value


def _check_text(field: str, value: str, limit: int) -> None:
    if len(value) > limit:
        raise RequestError(
            400,
            "field-too-long",
            f"El campo {field} tiene {len(value)} caracteres y el límite es {limit}. Acórtelo.",
            field=field,
        )
    # Half of a pair, "\ud83d" alone: JSON can spell it, no UTF-8 can carry it, and SQLite would refuse it.
    if _SURROGATE.search(value):
        raise _invalid_characters(
            field, "Lleva medio carácter (un código \\uD800 a \\uDFFF suelto). Quítelo."
        )


def _invalid_characters(field: str, advice: str) -> RequestError:
    message = f"El campo {field} lleva caracteres que no se admiten. {advice}"
    return RequestError(400, "invalid-characters", message, field=field)


def _wrong_type(field: str, expected: str, value: object) -> RequestError:
    message = f"El campo {field} es {_kind(value)} y debe ser {expected}."
    return RequestError(400, "wrong-type", message, field=field)


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true o false"
        case int() | float():
            return "un número"
        case str():
            return "un texto"
        case list():
            return "una lista"
        case _:
            return "un objeto"


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} y {last}"
