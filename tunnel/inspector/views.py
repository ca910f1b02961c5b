"""An exchange as the page and the HAR show it: with its secrets hidden, in words and shapes for people."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from tunnel.http.error_pages import reason_phrase
from tunnel.http.head import ResponseHead
from tunnel.http.wire import OpenHead
from tunnel.inspector.contents import ShownContent, decoded_text, readable, show_content
from tunnel.inspector.exchanges import Ending, Exchange
from tunnel.inspector.hops import (
    FieldLine,
    difference,
    edge_request,
    length_words,
    split_fields,
    why_request,
    why_response,
)
from tunnel.inspector.masking import Field, Mask

__all__ = [
    "Detail",
    "EditableRequest",
    "Hop",
    "Phase",
    "Summary",
    "editable",
    "searchable",
    "show",
    "summarise",
]

_HEAD = Struct("!Hq")  # of a HEAD frame: the status and the content's length


@dataclass(frozen=True, slots=True)
class Summary:
    """An exchange as a row of the list."""

    number: int
    started_at: float
    method: str
    host: str
    target: str
    status: int  # 0: none (yet)
    reason: str  # the status in words, or why there is none
    ending: str
    duration_s: float | None
    request_bytes: int
    response_bytes: int
    media_type: str  # the answer's
    replay_of: int
    upstream: str


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time."""

    name: str
    start_s: float
    end_s: float | None  # None while it lasts
    kind: str  # link, connect, send, wait, receive
    is_estimate: bool
    note: str


@dataclass(frozen=True, slots=True)
class Hop:
    """What one hop did to a head."""

    title: str
    start_line: str
    note: str
    fields: tuple[FieldLine, ...]


@dataclass(frozen=True, slots=True)
class EditableRequest:
    """A request in a form that people edit, its secrets as marks."""

    method: str
    target: str
    fields: str  # a line each
    content: str | None  # None: it is not text, and goes as it is or not at all
    is_whole: bool  # all of the content came, and is kept
    is_upgrade: bool  # it asks for another protocol, and cannot be repeated


@dataclass(frozen=True, slots=True)
class Detail:
    """All that is known of an exchange."""

    summary: Summary
    url: str
    link: int
    stream_id: int
    round_trip_s: float
    is_connection_reused: bool
    interims: tuple[int, ...]
    fault: str  # why it was cut; "" where it was not
    phases: tuple[Phase, ...]
    hops: tuple[Hop, ...]
    request_fields: tuple[Field, ...]  # as the service got them
    response_fields: tuple[Field, ...]  # as the service sent them
    request_content: ShownContent
    response_content: ShownContent
    edit: EditableRequest


_FAULTS = {
    "NO_ERROR": "la respuesta llegó antes que el final de la petición",
    "CANCELLED": "el visitante se fue, o lo que envió no cumple HTTP",
    "UPSTREAM_REFUSED": "el servicio no acepta conexiones",
    "UPSTREAM_TIMEOUT": "el servicio no respondió a tiempo",
    "UPSTREAM_CLOSED": "el servicio cortó la conexión antes de terminar",
    "UPSTREAM_PROTOCOL": "lo que respondió el servicio no es HTTP/1.1",
    "REFUSED_STREAM": "este cliente no toma más peticiones ahora",
    "INTERNAL": "falla interna",
    "LINK_LOST": "se perdió el enlace con el nodo de salida",
}


def summarise(exchange: Exchange, mask: Mask | None = None) -> Summary:
    """Return an exchange as a row of the list."""
    mask = mask or Mask()
    method, target, fields = _request_parts(exchange.request)
    host = next((value for name, value in fields if name.lower() == "host"), "")
    response, moments = exchange.response, exchange.moments
    if response is not None:
        reason = reason_phrase(response.status).decode("latin-1")
    else:
        reason = _FAULTS.get(exchange.reset_code, "") if exchange.ending is Ending.CUT else ""
    return Summary(
        exchange.number,
        exchange.started_at,
        method,
        host,
        mask.target(target),
        exchange.status,
        reason,
        exchange.ending.value,
        None if moments.over is None else max(moments.over, moments.link_end or 0.0),
        exchange.request_content.total_bytes,
        exchange.response_content.total_bytes,
        _field(_response_fields(response), "content-type").partition(";")[0].strip().lower(),
        exchange.replay_of,
        exchange.upstream,
    )


def editable(exchange: Exchange, mask: Mask) -> EditableRequest:
    """Return the request for editing.  The marks of ``mask``, which must be fresh, are always the same."""
    method, target, fields = _request_parts(exchange.request)
    target = mask.target(target)  # first, as in a row of the list
    shown = [f"{name}: {value}" for name, value in mask.fields(fields)]
    content_type = _field(fields, "content-type")
    text = decoded_text(exchange.request_content, content_type)
    if _field(fields, "content-encoding"):
        text = None
    if text is not None:
        text = mask.content(text, content_type.partition(";")[0].strip().lower())
    return EditableRequest(
        method,
        target,
        "\n".join(shown),
        text,
        exchange.is_request_whole,
        bool(_field(fields, "upgrade")),
    )


def show(exchange: Exchange) -> Detail:
    """Return all that is known of an exchange."""
    mask = Mask()
    edit = editable(exchange, mask)  # first: its marks are those of a later edit
    _, sent = _split_head(exchange.sent_head)
    answered = _response_fields(exchange.response)
    summary = summarise(exchange, mask)
    _, _, asked = _request_parts(exchange.request)
    scheme = _field(asked, "x-forwarded-proto") or "http"
    fault = ""
    if exchange.ending is Ending.CUT:
        fault = _FAULTS.get(exchange.reset_code, "se cortó")
        if exchange.reset_detail:
            fault += f" ({exchange.reset_detail})"
    return Detail(
        summary,
        f"{scheme}://{summary.host}{summary.target}",
        exchange.link,
        exchange.stream_id,
        exchange.round_trip_s,
        exchange.is_connection_reused,
        tuple(exchange.interims),
        fault,
        _phases(exchange),
        _hops(exchange, mask),
        tuple(mask.fields(sent)),
        tuple(mask.fields(answered)),
        show_content(
            exchange.request_content,
            _field(asked, "content-type"),
            _field(asked, "content-encoding"),
            mask,
        ),
        show_content(
            exchange.response_content,
            _field(answered, "content-type"),
            _field(answered, "content-encoding"),
            mask,
        ),
        edit,
    )


def searchable(exchange: Exchange) -> str:
    """Return what a search looks at, in lower case: what is shown of heads and contents, and no secret."""
    mask = Mask()
    edit = editable(exchange, mask)
    _, sent = _split_head(exchange.sent_head)
    answered = _response_fields(exchange.response)
    lines = [f"{name}: {value}" for name, value in (*mask.fields(sent), *mask.fields(answered))]
    answer = readable(
        exchange.response_content,
        _field(answered, "content-type"),
        _field(answered, "content-encoding"),
        mask,
    )
    asked = readable(
        exchange.request_content, _field(sent, "content-type"), _field(sent, "content-encoding"), mask
    )
    return "\n".join((edit.method, edit.target, edit.fields, *lines, asked, answer)).lower()


# ── time ─────────────────────────────────────────────────────────────────────────────────────────


def _phases(exchange: Exchange) -> tuple[Phase, ...]:
    """Return where the time went, as far as it can be seen from this machine."""
    at = exchange.moments
    half = exchange.round_trip_s / 2
    phases: list[Phase] = []

    def add(
        name: str, start: float | None, end: float | None, kind: str, note: str, guess: bool = False
    ) -> None:
        if start is not None:
            if end is None and exchange.ending is Ending.CUT:
                end = at.over  # it lasted until then
            phases.append(Phase(name, start, end, kind, guess, note))

    if half:
        note = "la mitad de lo que tarda un PING en ir y volver: una estimación"
        add("Enlace, ida", -half, 0.0, "link", note, guess=True)
    if exchange.is_connection_reused:
        add("Conexión con el servicio", 0.0, at.connected, "connect", "se usó una que estaba abierta")
    else:
        add("Conexión con el servicio", 0.0, at.connected, "connect", "se abrió una nueva")
    if at.head_sent is not None:
        sent = at.head_sent if at.request_end is None else max(at.head_sent, at.request_end)
        if at.request_end is None and at.first_byte is None:
            add(
                "Envío de la petición",
                at.head_sent,
                None,
                "send",
                "su contenido todavía no termina de llegar",
            )
        else:
            sent = sent if at.first_byte is None else min(sent, at.first_byte)
            add("Envío de la petición", at.head_sent, sent, "send", "la cabecera y el contenido, al servicio")
            add(
                "Espera",
                sent,
                at.first_byte,
                "wait",
                "el servicio trabaja; termina con la cabecera de su respuesta",
            )
    add(
        "Respuesta", at.first_byte, at.response_end, "receive", "del primer byte al último, desde el servicio"
    )
    if at.response_end is not None and exchange.link:
        add(
            "Entrega al enlace",
            at.response_end,
            at.link_end,
            "send",
            "espera crédito del nodo de salida, si falta",
        )
    if half and at.link_end is not None:
        note = "la mitad de lo que tarda un PING en ir y volver: una estimación"
        add("Enlace, vuelta", at.link_end, at.link_end + half, "link", note, guess=True)
    return tuple(phases)


# ── heads ────────────────────────────────────────────────────────────────────────────────────────


def _hops(exchange: Exchange, mask: Mask) -> tuple[Hop, ...]:
    request = exchange.request
    if request is None:
        return ()
    method, target, asked = _request_parts(request)
    line = f"{method} {mask.target(target)}"
    hops = []
    words = length_words(request.length)
    title = "Visitante → nodo de salida → enlace"
    note = (
        f"Como llegó por el enlace, en una trama OPEN ({words}). Antes, el nodo de salida quitó las "
        "cabeceras de una sola conexión (RFC 9110, 7.6.1) y lo que el visitante dijera de su origen, y puso "
        "las marcadas."
    )
    if exchange.replay_of:
        title = "Repetición"
        note = f"La envía este cliente ({words}): no pasó por el nodo de salida ni por el enlace."
    hops.append(Hop(title, line, note, _masked(edge_request(asked), mask)))
    if exchange.sent_head:
        start, sent = _split_head(exchange.sent_head)
        line = f"{method} {mask.target(start.split(' ')[1])} HTTP/1.1"
        note = "La petición que leyó el servicio. La versión es de cada conexión (RFC 9110, 2.5)."
        changes = difference(asked, sent, why_request)
        hops.append(Hop("Cliente del túnel → servicio", line, note, _masked(changes, mask)))
    response = exchange.response
    if response is not None:
        hops += _response_hops(exchange, response, mask)
    return tuple(hops)


def _response_hops(exchange: Exchange, response: ResponseHead, mask: Mask) -> list[Hop]:
    if len(exchange.response_payload) < _HEAD.size:
        return []
    answered = _response_fields(response)
    line = f"{response.status} {reason_phrase(response.status).decode('latin-1')}"
    _, length = _HEAD.unpack_from(exchange.response_payload)
    returned = split_fields(exchange.response_payload[_HEAD.size :])
    options = ",".join(value for name, value in answered if name.lower() == "connection")
    nominated = frozenset(option.strip().lower() for option in options.split(","))
    changes = _masked(difference(answered, returned, why_response(nominated)), mask)
    where = "fue por el enlace, en una trama HEAD" if exchange.link else "habría ido por el enlace"
    note = f"La respuesta del servicio y lo que de ella {where} ({length_words(length)})."
    hops = [Hop("Servicio → cliente del túnel → enlace", line, note, changes)]
    if exchange.link:
        note = _edge_answer(response.status, length)
        hops.append(Hop("Nodo de salida → visitante", f"HTTP/1.1 {line}", note, ()))
    return hops


def _edge_answer(status: int, length: int) -> str:
    """Say what the exit node adds to an answer; it cannot be seen from here."""
    if status == 101:
        return (
            "Desde aquí no se ve. El nodo de salida agrega Connection: Upgrade, y los bytes pasan como son "
            "(RFC 9110, 7.8)."
        )
    if status in (204, 304):
        framing = "no agrega largo, porque esta respuesta no lleva contenido (RFC 9110, 8.6)"
    elif length >= 0:
        framing = f"escribe otra vez Content-Length: {length} (RFC 9110, 8.6)"
    else:
        framing = (
            "envía el contenido en trozos, Transfer-Encoding: chunked (RFC 9112, 7.1), o hasta cerrar si el "
            "visitante habla HTTP/1.0"
        )
    return (
        f"Desde aquí no se ve. El nodo de salida {framing}, y agrega Connection: close si no mantiene la "
        "conexión (RFC 9112, 9.6)."
    )


def _masked(lines: list[FieldLine], mask: Mask) -> tuple[FieldLine, ...]:
    return tuple(
        FieldLine(line.name, mask.value(line.name, line.value), line.change, line.why, line.source)
        for line in lines
    )


def _request_parts(request: OpenHead | None) -> tuple[str, str, list[Field]]:
    """Return method, target and fields of a request as it came over the link."""
    if request is None:
        return "", "", []
    start, fields = _split_head(request.lines)
    method, _, target = start.partition(" ")
    return method, target, fields


def _split_head(head: bytes) -> tuple[str, list[Field]]:
    start, _, lines = head.partition(b"\r\n")
    return start.decode("latin-1"), split_fields(lines)


def _response_fields(response: ResponseHead | None) -> list[Field]:
    return [] if response is None else split_fields(response.fields)


def _field(fields: list[Field], wanted: str) -> str:
    return next((value for name, value in fields if name.lower() == wanted), "")
