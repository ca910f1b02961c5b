"""What an agent's events, refusals and faults are called in Spanish."""

from __future__ import annotations

import re

from tunnel.cli import balance
from tunnel.cli.metrics import words_of_metrics
from tunnel.cli.proxy import PROXY_DETAILS, PROXY_REFUSALS
from tunnel.config import ClientConfig
from tunnel.events import Connected, Disconnected, Event, HealthChanged, MetricsListening, Stopping

__all__ = ["Describer", "words_of_detail", "words_of_refusal"]


class Describer:
    """Words events in Spanish; says only once why an exit node cannot be reached."""

    def __init__(self, config: ClientConfig, *, names_it: bool = False) -> None:
        self._url, self._host = config.address.url, config.address.host
        self._urls = {upstream.name: upstream.url for upstream in config.upstreams}
        self._sick: set[str] = set()  # names that were not well at some time
        self._with = f" con {self._url}" if names_it else ""
        self._last = ("", "")

    def __call__(self, event: Event) -> str | None:
        if isinstance(event, Connected):
            self._last = ("", "")
            host = f"[{self._host}]" if ":" in self._host else self._host
            pairs = [*zip(event.urls, event.upstreams, strict=True)]
            pairs += [(f"tcp://{host}:{port}", to) for port, to in event.tcp]
            pairs += event.sni
            lines = [f"           {public}  →  {to}" for public, to in pairs]
            return "\n".join([f"Túnel abierto{self._with}.", *lines, "           (Ctrl-C para cerrarlo)"])
        if isinstance(event, Disconnected):
            if (event.reason, event.detail) == self._last:
                return None
            self._last = (event.reason, event.detail)
            reason = _REASONS.get(event.reason, event.reason)
            detail = f" ({words_of_detail(event.detail)})" if event.reason in _WITH_DETAIL else ""
            return f"Sin enlace con {self._url}: {reason}{detail}. Se reintenta sin parar…"
        if isinstance(event, HealthChanged):
            if event.is_up and event.upstream not in self._sick:
                return None  # well from the start: nothing to tell
            self._sick.add(event.upstream)
            return balance.words_of_health(
                self._urls.get(event.upstream, event.upstream), event.is_up, event.detail
            )
        if isinstance(event, MetricsListening):
            return words_of_metrics(event)
        if isinstance(event, Stopping):
            return f"Cerrando el túnel{self._with}; peticiones en curso: {event.open_requests}."
        return None


_WITH_DETAIL = ("unreachable", "not-a-tunnel", "tls", "proxy")

# What details say (in the system's or a library's words), and how it is told.
_DETAILS = tuple(
    (re.compile(pattern, re.IGNORECASE), said)
    for pattern, said in (
        *PROXY_DETAILS,
        (r"refused|Errno (61|111)\b|WinError 1225", "nada escucha en ese puerto"),
        (r"not known|nodename|getaddrinfo failed|No address", "ese nombre no existe"),
        (r"temporary failure in name", "el DNS no responde"),
        (r"in time|timed out", "no hubo respuesta a tiempo; ¿la descarta un cortafuegos?"),
        (r"no route to host", "no hay camino hasta esa máquina"),
        (r"unreachable", "no hay red hasta esa dirección"),
        (r"reset by peer", "el otro lado cortó la conexión"),
        (r"wrong version number|record layer|unknown protocol", "el otro lado no cifra: ¿es ws y no wss?"),
        (r"hung up in the TLS", "el otro lado cortó al empezar: ¿es ws y no wss?"),
        (r"offers no CA", "ahí no hay un nodo de salida con --auto-tls"),
        (r"(hostname|IP address) mismatch|doesn't match", "el certificado es de otro nombre"),
        (r"certificate has expired", "el certificado venció; ¿está bien el reloj?"),
        (r"not yet valid", "el certificado todavía no vale; ¿está bien el reloj?"),
        (r"certificate verify failed|self.signed", "el certificado no es de confianza"),
        (
            r"hung up on the certificate",
            "el nodo de salida cortó al ver el certificado: venció o es de otra CA",
        ),
        (r"it does not speak HTTP", "no habla HTTP"),
        (r"no subprotocol", "no conoce este protocolo"),
        (r"HTTP (\d+)", r"responde HTTP \1"),
    )
)


def words_of_refusal(code: str, message: str) -> str:
    """Return why an exit node said no, or why the link ended, in Spanish where the code is known."""
    return _REFUSALS.get(code) or _REASONS.get(code) or message


def words_of_detail(detail: str) -> str:
    """Return what the system or a library said of a fault, in Spanish where it is known."""
    for pattern, said in _DETAILS:
        if match := pattern.search(detail):
            return match.expand(said)
    return detail


_REASONS = {
    "connection-lost": "se cortó la conexión",
    "draining": "el nodo de salida se detuvo",
    "handshake-timeout": "no terminó el saludo a tiempo",
    "internal": "el nodo de salida tuvo una falla",
    "not-a-tunnel": "ahí responde otra cosa, no un nodo de salida; revise el puerto de --url",
    "ping-timeout": "el nodo de salida dejó de responder",
    "protocol-error": "el nodo de salida no habla este protocolo",
    "proxy": "el proxy no abre el camino",
    "refused": "el nodo de salida pide esperar",
    "tls": "falló el cifrado",
    "unreachable": "no se alcanza",
}

_REFUSALS = PROXY_REFUSALS | {
    "bad-claim": "el nodo de salida no acepta esos nombres. Revise --upstream.",
    "bad-exit-node": "el nodo de salida no pudo demostrar que conoce el token: puede ser falso, o tener otro "
    "token. No se le envió nada. Revise --url y el token.",
    "bad-pin": "la CA del nodo de salida no es la de la huella: puede haber alguien en el camino, o el nodo "
    "de salida se hizo de nuevo. No se le envió nada. Si se hizo de nuevo, pida su archivo de conexión.",
    "bad-proof": "el nodo de salida rechazó la prueba del token.",
    "certificate-refused": "el nodo de salida cortó al ver el certificado: venció o es de otra CA.",
    "unknown-certificate": "el nodo de salida no conoce este certificado: no está en su archivo de tokens "
    "(certificate), o no acepta certificados (--client-ca). Pregunte a quien lo administra.",
    "name-not-allowed": "su token no permite pedir ese nombre, o todos, que es lo que pide un --upstream sin "
    "nombre. Pida los suyos: --upstream NOMBRE=URL.",
    "name-taken": "otro cliente, con otro token, ya tiene ese nombre. Pida otro en --upstream.",
    "no-balance": "el nodo de salida es de una versión que no reparte entre varios clientes. Actualícelo, o "
    "quite --balance.",
    "no-health": "el nodo de salida es de una versión que no escucha revisiones de salud. Actualícelo, o "
    "quite --health.",
    "no-sni": "el nodo de salida es de una versión que no conoce los nombres TLS. Actualícelo, o "
    "quite --sni.",
    "no-ports": "el nodo de salida es de una versión que no conoce los puertos TCP. Actualícelo, o "
    "quite --tcp.",
    "port-in-use": "otro programa del nodo de salida ocupa ya un puerto de --tcp. Pida otro.",
    "port-not-allowed": "el nodo de salida no le da un puerto de --tcp: no está en --tcp-ports, o su "
    "token no lo permite.",
    "port-taken": "otro cliente, con otro token, ya tiene un puerto de --tcp. Pida otro.",
    "replaced": "otro cliente con este mismo token tomó su lugar. Si fue usted en otra terminal, no hay nada "
    "que hacer; si no, cambie el token.",
    "revoked": "el token fue revocado, venció o ya no permite esos nombres. Pregunte a quien administra el "
    "nodo de salida.",
    "sni-not-allowed": "el nodo de salida no tiene un puerto para servicios TLS. Arránquelo con --sni-port, "
    "o quite --sni.",
    "unknown-token": "el nodo de salida no conoce este token. Debe ser el mismo en ambos lados: revise el "
    "archivo de --token-file.",
}
