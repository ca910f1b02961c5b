"""Every fault of the application, and the one JSON shape in which it is told.

The tree::

    GtdError
    ├── RequestError        what the request asked for cannot be done; the visitor can mend it (4xx)
    ├── StoreError          the tasks cannot be read or written now (503; exit code 3 on the command line)
    │   └── StoreFullError  there is no room for another task (409)
    └── ServeError          the server could not start (exit code 3)

A fault reaches the visitor as::

    {"error": {"code": "missing-field", "field": "title", "message": "Falta el campo title. ..."}}

``code`` is stable and for programs; ``message`` is for people and says what to do; ``field`` is the field of
the body (or ``id``, of the path) that is at fault, or null.
"""

import logging
from collections.abc import Mapping

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

logger = logging.getLogger(__name__)

# A name that the visitor chose (a field, a path) is quoted back at most this long, in characters: enough to
# recognise it, too little to turn a message into a megabyte.
MAX_QUOTED = 80


class GtdError(Exception):
    """Base of what the package raises on purpose. ``str()`` is a Spanish sentence for a person."""


class StoreError(GtdError):
    """The tasks cannot be read or written."""


class StoreFullError(StoreError):
    """The store holds as many tasks as it may."""


class ServeError(GtdError):
    """The server could not start."""


class RequestError(GtdError):
    """A request that cannot be carried out as it came.

    ``status`` is the HTTP status, ``code`` the stable name of the fault, ``field`` what it is about.
    """

    def __init__(self, status: int, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = None if field is None else quote(field)


def quote(text: str) -> str:
    """Make text that the visitor chose safe to put into a message, a log line or a JSON document.

    Characters that do not print (controls, lone surrogates, which no UTF-8 can carry) become ``\\uXXXX``;
    what is past ``MAX_QUOTED`` characters becomes an ellipsis.
    """
    shown = "".join(
        character if character.isprintable() else f"\\u{ord(character):04x}"
        for character in text[:MAX_QUOTED]
    )
    return shown + "…" if len(text) > MAX_QUOTED else shown


def error_document(code: str, message: str, field: str | None = None) -> dict[str, dict[str, str | None]]:
    """Return the one shape of a fault."""
    return {"error": {"code": code, "field": field, "message": message}}


# What the framework or the server below it refuses by itself, by HTTP status. The codes are those of the page
# above: one fault has one name, whichever layer finds it.
MESSAGES: Mapping[int, tuple[str, str]] = {
    400: (
        "bad-request",
        "La petición no se entiende. Revise la dirección y los encabezados, y envíela de nuevo.",
    ),
    413: ("body-too-large", "El cuerpo de la petición pasa de 1 MiB. Envíe una tarea más corta."),
    431: (
        "headers-too-large",
        "Los encabezados de la petición son demasiado grandes. Envíe menos o más cortos.",
    ),
    500: (
        "internal-error",
        "La aplicación falló al atender la petición. Intente de nuevo; si se repite, "
        "mire la terminal de gtd-app.",
    ),
    501: (
        "not-implemented",
        "La petición usa un Transfer-Encoding que no se admite. Use chunked, o indique Content-Length.",
    ),
}


STORE_UNAVAILABLE = (
    "La aplicación no puede leer ni guardar las tareas ahora. Intente de nuevo en un momento; "
    "la causa está en la terminal de gtd-app."
)


def describe_status(status: int) -> tuple[str, str]:
    """Return the code and the message for an HTTP status that no rule of ours explains."""
    return MESSAGES.get(status, MESSAGES[400] if status < 500 else MESSAGES[500])


def _fault_response(status: int, code: str, message: str, field: str | None = None) -> Response:
    response = jsonify(error_document(code, message, field))
    response.status_code = status
    return response


def _on_request_error(error: RequestError) -> Response:
    return _fault_response(error.status, error.code, str(error), error.field)


def _on_store_full(error: StoreFullError) -> Response:
    return _fault_response(409, "too-many-tasks", str(error))


def _on_store_error(error: StoreError) -> Response:
    # The error names a path of this computer, which is nothing to tell a visitor from the Internet.
    logger.error("store failed: %s", error)
    response = _fault_response(503, "store-unavailable", STORE_UNAVAILABLE)
    response.headers["Retry-After"] = "1"
    return response


def _on_not_found(error: NotFound) -> Response:
    path = request.path
    advice = "La lista de tareas está en /todo/api/v1.0/tasks y la descripción de la API en /openapi.json."
    if path.endswith("/"):
        advice = f"Quite la barra del final. {advice}"
    return _fault_response(404, "route-not-found", f"No hay nada en la ruta {quote(path)}. {advice}")


def _on_method_not_allowed(error: MethodNotAllowed) -> Response:
    allowed = sorted(error.valid_methods or ())
    message = (
        f"El método {quote(request.method)} no se admite en {quote(request.path)}. Use {', '.join(allowed)}."
    )
    response = _fault_response(405, "method-not-allowed", message)
    # RFC 9110, section 15.5.6: the answer must say what is allowed.
    response.headers["Allow"] = ", ".join(allowed)
    return response


def _on_http_exception(error: HTTPException) -> Response:
    """Tell every other refusal of the framework, 500 included, which Flask has logged by then."""
    status = error.code or 500
    return _fault_response(status, *describe_status(status))


def init_app(app: Flask) -> None:
    """Make ``app`` tell each fault in the one shape."""
    app.register_error_handler(RequestError, _on_request_error)
    app.register_error_handler(StoreFullError, _on_store_full)
    app.register_error_handler(StoreError, _on_store_error)
    app.register_error_handler(NotFound, _on_not_found)
    app.register_error_handler(MethodNotAllowed, _on_method_not_allowed)
    app.register_error_handler(HTTPException, _on_http_exception)
