"""What a visitor sees when a hop fails.

Each fault has a stable code (sent as ``Tunelab-Error``), a status, the hop where it happened and a text
in Spanish that says what to do.  The page never shows addresses, tokens or what the visitor sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from string import Template

from tunnel.http.own_answer import OwnAnswer, reason_phrase

__all__ = ["FAULTS", "Fault", "error_answer", "error_response", "reason_phrase"]

HOPS = ("visitante", "nodo de salida", "enlace", "cliente del túnel", "aplicación")


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail.  ``hop`` is the index in HOPS of the piece that failed.

    The texts are ours and go into the page as they are: they have none of the characters that HTML escapes.
    """

    code: str
    status: int
    hop: int
    title: str
    advice: str
    retry_after_s: int = 0


def _by_code(*faults: Fault) -> dict[str, Fault]:
    return {fault.code: fault for fault in faults}


FAULTS = _by_code(
    Fault("bad-request", 400, 0, "La petición no es HTTP/1.1 válido o es ambigua",
          "El nodo de salida no la deja pasar. Revise la petición que envía su programa: en una URL, por "
          "ejemplo, los espacios y las tildes van codificados («%20», «%C3%A1»)."),
    Fault("credentials-required", 401, 1, "Este sitio pide usuario y contraseña, o un token",
          "Los da quien comparte el sitio. Un navegador los pregunta; con curl: --user, o el campo "
          "Authorization."),
    Fault("credentials-refused", 401, 1, "El usuario, la contraseña o el token no son de este sitio",
          "Revise lo que escribió, o pídaselos a quien comparte el sitio."),
    Fault("login-failed", 400, 1, "El inicio de sesión no se completó",
          "Tardó más de diez minutos, o empezó en otro navegador. Abra otra vez el sitio y vuelva a entrar."),
    Fault("login-required", 403, 1, "Este sitio pide iniciar sesión con un navegador",
          "Abra su página principal en el navegador, entre con su cuenta y repita la petición."),
    Fault("login-refused", 403, 1, "Esa cuenta no puede visitar este sitio",
          "Entre con otra cuenta, después de salir de esta en /.tunelab/oidc/logout, o pida a quien comparte "
          "el sitio que agregue la suya."),
    Fault("not-allowed", 403, 1, "Desde su dirección no se puede visitar este sitio",
          "Quien administra el nodo de salida decide desde qué direcciones se llega. Pídale que agregue la "
          "suya."),
    Fault("unknown-host", 404, 1, "Ningún túnel atiende ese nombre",
          "Revise el nombre en la URL, o los nombres que el cliente pidió con --upstream."),
    Fault("reserved-path", 404, 1, "Esa ruta está reservada para el túnel",
          "Las rutas que empiezan por /.tunelab/ no llegan a la aplicación."),
    Fault("request-timeout", 408, 0, "La petición no llegó completa a tiempo",
          "Envíela de nuevo; si su conexión es muy lenta, divídala."),
    Fault("content-too-large", 413, 1, "El contenido de la petición es demasiado grande",
          "El nodo de salida admite menos. Divídalo, o pregunte a quien lo administra (max-body-bytes)."),
    Fault("uri-too-long", 414, 1, "La URL es demasiado larga",
          "Use una URL más corta o envíe los datos en el contenido de un POST."),
    Fault("expectation", 417, 1, "La petición espera algo que aquí no existe",
          "El único valor posible del campo Expect es 100-continue."),
    Fault("too-many-connections", 429, 1, "Hay demasiadas conexiones desde su dirección",
          "Cierre algunas y repita la petición en unos segundos.", retry_after_s=5),
    Fault("too-many-requests", 429, 1, "Llegan demasiadas peticiones desde su dirección",
          "Este sitio admite menos por segundo. Espere lo que dice Retry-After y repita la petición.",
          retry_after_s=1),
    Fault("too-many-logins", 429, 1, "Hay demasiados intentos de entrar desde su dirección",
          "Espere lo que dice Retry-After y escriba la contraseña con cuidado.", retry_after_s=1),
    Fault("headers-too-large", 431, 1, "Los campos de cabecera son demasiado grandes",
          "Borre las cookies de este sitio o envíe menos campos."),
    Fault("unknown-method", 501, 1, "El nodo de salida no conoce ese método",
          "Los métodos se escriben en mayúsculas: GET, POST, PUT, PATCH, DELETE… CONNECT no se atiende."),
    Fault("transfer-coding", 501, 1, "Esa codificación de transferencia no se admite",
          "La única codificación de transferencia posible es chunked."),
    Fault("http-version", 505, 1, "Esa versión de HTTP no se admite",
          "Hable HTTP/1.1 o HTTP/1.0 con el nodo de salida."),
    Fault("no-client", 503, 2, "No hay ningún cliente del túnel conectado",
          "El nodo de salida funciona, pero nadie le ha traído la aplicación. "
          "Arranque «tunnel client» en la máquina de la aplicación.", retry_after_s=2),
    Fault("login-unavailable", 503, 1, "El proveedor de las cuentas no responde",
          "El nodo de salida no pudo preguntarle quién es usted. Repita en un momento.", retry_after_s=5),
    Fault("link-lost", 502, 2, "El enlace con el cliente del túnel se cortó a mitad de la petición",
          "No se sabe si la aplicación la atendió. El cliente se reconecta solo; antes de repetir "
          "la petición, verifique si ya tuvo efecto."),
    Fault("too-many-streams", 503, 3, "El cliente del túnel atiende ya tantas peticiones como puede",
          "Espere un momento y repita la petición.", retry_after_s=1),
    Fault("draining", 503, 3, "El túnel se está deteniendo",
          "Repita la petición en unos segundos, cuando haya arrancado de nuevo.", retry_after_s=2),
    Fault("upstream-down", 503, 4, "La aplicación no pasa su revisión de salud",
          "El cliente del túnel la revisa cada pocos segundos (--health) y avisó que no está en condiciones "
          "de responder. Mire los mensajes del cliente y los de la aplicación.", retry_after_s=2),
    Fault("client-fault", 502, 3, "El cliente del túnel tuvo una falla",
          "Mire los mensajes del cliente en la máquina de la aplicación."),
    Fault("upstream-refused", 502, 4, "La aplicación no acepta conexiones",
          "El túnel funciona, pero nada escucha en la dirección de --upstream. "
          "Arranque la aplicación o corrija el puerto."),
    Fault("upstream-timeout", 504, 4, "La aplicación no respondió a tiempo",
          "Recibió la petición y se quedó en silencio más de lo que permite --upstream-timeout."),
    Fault("upstream-closed", 502, 4, "La aplicación cerró la conexión sin terminar su respuesta",
          "Mire los mensajes de la aplicación: es probable que haya fallado al atender la petición."),
    Fault("upstream-protocol", 502, 4, "La respuesta de la aplicación no es HTTP/1.1 válido",
          "Verifique que --upstream apunta a un servidor HTTP (y no HTTPS u otra cosa)."),
)  # fmt: skip
"""Every code that ``Tunelab-Error`` may carry."""

_PAGE = Template(Path(__file__).with_name("error_page.html").read_text(encoding="utf-8"))


def error_answer(fault: Fault, accept: bytes, more: tuple[tuple[str, str], ...] = ()) -> OwnAnswer:
    """Return what a visitor is told of ``fault``.

    Args:
        accept: the value of the visitor's Accept field: HTML for browsers, JSON for those who ask for
            it, plain text for the rest.
        more: fields besides those that every such answer has.
    """
    accept = accept.lower()
    if b"text/html" in accept:
        media_type, text = "text/html", _render_html(fault)
    elif b"json" in accept:
        media_type, text = "application/json", _render_json(fault)
    else:
        media_type, text = "text/plain", _render_text(fault)
    fields = [
        ("Cache-Control", "no-store"),
        ("Vary", "Accept"),
        ("Tunelab-Error", fault.code),
    ]
    if fault.retry_after_s:
        fields.append(("Retry-After", str(fault.retry_after_s)))
    return OwnAnswer(fault.status, f"{media_type}; charset=utf-8", text.encode(), (*fields, *more))


def error_response(
    fault: Fault, accept: bytes, keep_alive: bool, has_body: bool = True, date: str = ""
) -> bytes:
    """Return the whole response: :func:`error_answer` as :meth:`OwnAnswer.encode` writes it."""
    return error_answer(fault, accept).encode(keep_alive, has_body, date)


def _render_html(fault: Fault) -> str:
    items = []
    for hop, name in enumerate(HOPS):
        kind, mark = ("bad", "✗ aquí falló") if hop == fault.hop else ("off", "sin llegar")
        if hop < fault.hop:
            kind, mark = "ok", "✓ bien"
        items.append(f'<li class="{kind}"><b>{mark}</b>{name}</li>')
    return _PAGE.substitute(
        status=fault.status,
        code=fault.code,
        title=fault.title,
        advice=fault.advice,
        hops="\n".join(items),
    )


def _render_json(fault: Fault) -> str:
    members = {"code": fault.code, "hop": HOPS[fault.hop], "message": f"{fault.title}. {fault.advice}"}
    return json.dumps({"error": members}, ensure_ascii=False, indent=2) + "\n"


def _render_text(fault: Fault) -> str:
    path = " → ".join(f"[✗ {name}]" if hop == fault.hop else name for hop, name in enumerate(HOPS))
    return f"{fault.title}.\n{fault.advice}\n\n  {path}\n\nError {fault.status}, código {fault.code}\n"
