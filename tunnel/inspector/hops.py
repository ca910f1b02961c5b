"""What each hop did to the header fields, and which RFC asks for it.

What this machine sees is told as it was; what the exit node does out of sight is told as it always does it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from tunnel.http.head import NO_CONTENT, UNKNOWN_LENGTH
from tunnel.inspector.masking import Field

__all__ = [
    "Change",
    "FieldLine",
    "difference",
    "edge_request",
    "length_words",
    "split_fields",
    "why_request",
    "why_response",
]

Why = Callable[[str, "Change"], tuple[str, str]]
"""Given a field's name and what became of it: why, and where that is written."""


class Change(Enum):
    """What a hop did to a field."""

    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class FieldLine:
    """A field at a hop."""

    name: str
    value: str
    change: Change
    why: str = ""  # Spanish
    source: str = ""  # the RFC's section


_ONE_CONNECTION = "vale para una sola conexión y no pasa a la siguiente"
_FRAMING = (
    "dice dónde termina el mensaje en una conexión; por el enlace va como número, y cada extremo la escribe"
)

_EDGE: dict[str, tuple[str, str]] = {
    "host": ("el nombre que escribió el visitante; con él se elige el cliente", "RFC 9110, 7.2"),
    "x-forwarded-for": (
        "la dirección del visitante, que el servicio no ve de otro modo",
        "uso común; RFC 7239, 1",
    ),
    "x-forwarded-host": ("el nombre que escribió el visitante", "uso común; RFC 7239, 1"),
    "x-forwarded-proto": ("cómo llegó el visitante: http o https", "uso común; RFC 7239, 1"),
    "x-real-ip": ("la dirección del visitante, como la escribe nginx", "uso común"),
    "forwarded": ("lo mismo, en la forma normalizada", "RFC 7239, 4"),
    "via": ("cada intermediario se anota", "RFC 9110, 7.6.3"),
    "connection": ("el visitante pidió cambiar de protocolo, y eso sí pasa", "RFC 9110, 7.8"),
    "upgrade": ("el protocolo que pidió el visitante", "RFC 9110, 7.8"),
}

_REMOVED: dict[str, tuple[str, str]] = {
    "connection": (_ONE_CONNECTION, "RFC 9110, 7.6.1"),
    "keep-alive": (_ONE_CONNECTION, "RFC 9110, 7.6.1"),
    "proxy-connection": (_ONE_CONNECTION, "RFC 9110, 7.6.1"),
    "te": (_ONE_CONNECTION, "RFC 9110, 10.1.4"),
    "trailer": (_ONE_CONNECTION, "RFC 9110, 6.6.2"),
    "upgrade": (_ONE_CONNECTION, "RFC 9110, 7.8"),
    "proxy-authenticate": ("es para el proxy más cercano, no para el visitante", "RFC 9110, 11.7.1"),
    "proxy-authorization": ("es para el proxy más cercano, no para el servicio", "RFC 9110, 11.7.2"),
    "http2-settings": (_ONE_CONNECTION, "RFC 9113, 3.1"),
    "content-length": (_FRAMING, "RFC 9110, 8.6"),
    "transfer-encoding": (_FRAMING, "RFC 9112, 6.1"),
}


def split_fields(lines: bytes) -> list[Field]:
    """Return field lines, each with its CRLF, as names and values."""
    fields = []
    for line in lines.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            fields.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))
    return fields


def edge_request(fields: list[Field]) -> list[FieldLine]:
    """Return a request's fields as they left the exit node: those that it sets, and the visitor's own."""
    return [
        FieldLine(name, value, Change.ADDED, *_EDGE[name.lower()])
        if name.lower() in _EDGE
        else FieldLine(name, value, Change.SAME)
        for name, value in fields
    ]


def difference(before: list[Field], after: list[Field], why: Why) -> list[FieldLine]:
    """Return what was removed from ``before``, and ``after`` with what was added to it."""
    left = [(name.lower(), value) for name, value in after]
    lines: list[FieldLine] = []
    kept: list[Field] = []
    for name, value in before:
        key = (name.lower(), value)
        if key in left:
            left.remove(key)
            kept.append(key)
        else:
            lines.append(FieldLine(name, value, Change.REMOVED, *why(name, Change.REMOVED)))
    for name, value in after:
        key = (name.lower(), value)
        if key in kept:
            kept.remove(key)
            lines.append(FieldLine(name, value, Change.SAME))
        else:
            lines.append(FieldLine(name, value, Change.ADDED, *why(name, Change.ADDED)))
    return lines


def why_request(name: str, change: Change) -> tuple[str, str]:
    """Say why the client changed a field on the way to the service."""
    lower = name.lower()
    if lower == "host":
        return "regla --host-header de este cliente", "RFC 9110, 7.2"
    if change is Change.ADDED and lower == "content-length":
        return "el largo llegó por el enlace como número; aquí vuelve a ser cabecera", "RFC 9110, 8.6"
    if change is Change.ADDED and lower == "transfer-encoding":
        return "el largo no se sabe de antemano: el contenido va en trozos", "RFC 9112, 7.1"
    return "regla --request-header de este cliente", ""


def why_response(nominated: frozenset[str]) -> Why:
    """Return what says why the client changed a field of an answer.

    Args:
        nominated: the fields, in lower case, that the service's Connection names.
    """

    def why(name: str, change: Change) -> tuple[str, str]:
        lower = name.lower()
        if change is Change.REMOVED and lower in _REMOVED:
            return _REMOVED[lower]
        if change is Change.REMOVED and lower in nominated:
            return "el servicio la nombró en Connection", "RFC 9110, 7.6.1"
        if change is Change.REMOVED and lower.startswith("tunelab-"):
            return "las del túnel no las puede decir un servicio", ""
        if change is Change.ADDED and lower == "upgrade":
            return "el servicio aceptó cambiar de protocolo", "RFC 9110, 7.8"
        return "regla --response-header de este cliente", ""

    return why


def length_words(length: int) -> str:
    """Return, in Spanish, what a length on the link says."""
    if length == NO_CONTENT:
        return "sin contenido"
    return "contenido de largo desconocido" if length == UNKNOWN_LENGTH else f"contenido de {length} bytes"
