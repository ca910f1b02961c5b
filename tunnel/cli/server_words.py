"""What an exit node's events, and why it cannot listen, are called in Spanish."""

from __future__ import annotations

import errno
import shlex
import socket

from tunnel.cli import sites
from tunnel.cli.acme import describe_certificate
from tunnel.cli.balance import words_of_health
from tunnel.cli.metrics import words_of_metrics
from tunnel.config import CATCH_ALL, ServerConfig
from tunnel.events import (
    CertificateFailed,
    CertificateObtained,
    ClientConnected,
    ClientGone,
    Event,
    HealthChanged,
    Listening,
    MetricsListening,
    RequestPassed,
    Stopping,
    TokensRejected,
    TokensReloaded,
)
from tunnel.https_options import HttpsPortUnusable
from tunnel.os_errors import describe_os_error
from tunnel.sni import SniPortUnusable

__all__ = ["describe", "why_not_listening"]


def why_not_listening(config: ServerConfig, error: OSError, is_data_up: bool) -> str:
    """Return why; ``is_data_up`` says that the visitors' plane was bound, so that it is the other's fault."""
    option, port, host = "--port", config.port, config.host
    if is_data_up:
        option, port, host = "--control-port", config.control_port, config.control_host
    if config.https is not None and isinstance(error, HttpsPortUnusable):
        option, port, host = "--https-port", config.https.port, config.host
    if config.sni_port is not None and isinstance(error, SniPortUnusable):
        option, port, host = "--sni-port", config.sni_port, config.host
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"esta máquina no tiene la dirección {host}."
    if error.errno == errno.EADDRINUSE:
        return (
            f"otro programa ocupa ya el puerto {port}. Deténgalo (¿otro «tunnel server»?) o elija otro con "
            f"{option}."
        )
    if error.errno == errno.EACCES:
        return (
            f"no tiene permiso para escuchar en el puerto {port}: los menores de 1024 son del sistema. Elija "
            f"otro con {option}."
        )
    return f"no se puede escuchar en {host}, puerto {port}: {describe_os_error(error)}."


def describe(event: Event) -> str | None:
    """Return what an event is called, or None for one that is not told."""
    if isinstance(event, Listening):
        return _listening(event)
    if isinstance(event, ClientConnected):
        served = _served(event.names, event.ports, event.sni)
        return f"Cliente{_label(event.label)} conectado desde {event.peer}. Atiende {served}."
    if isinstance(event, ClientGone):
        reason = _REASONS.get(event.reason, event.reason)
        return f"Se fue el cliente{_label(event.label)} {event.peer} ({reason})."
    if isinstance(event, HealthChanged):
        where = "El servicio de todos los nombres" if event.upstream == CATCH_ALL else event.upstream
        return words_of_health(f"{where}, del cliente{_label(event.label)},", event.is_up, event.detail)
    if isinstance(event, RequestPassed):
        trace = f", traza {event.trace}" if event.trace else ""
        return f"Petición respondida: {event.status}{trace}."
    if isinstance(event, TokensReloaded):
        return _reloaded(event)
    if isinstance(event, TokensRejected):
        return f"El archivo de los tokens cambió y no sirve; siguen los de antes: {event.message}"
    if isinstance(event, CertificateObtained | CertificateFailed):
        return describe_certificate(event)
    if isinstance(event, MetricsListening):
        return words_of_metrics(event)
    if isinstance(event, Stopping):
        return f"Deteniendo; peticiones en curso: {event.open_requests}."
    return sites.describe(event)


def _listening(event: Listening) -> str:
    scheme = "wss" if event.is_encrypted else "ws"
    lines = [
        "Nodo de salida en marcha.",
        f"Visitantes:         http://{event.data.host}:{event.data.port}",
        f"Cliente del túnel:  {scheme}://{event.control.host}:{event.control.port}",
    ]
    if event.sni is not None:
        lines.insert(2, f"TLS por nombre:     {event.sni.host}:{event.sni.port}")
    if event.https is not None:
        lines.insert(2, f"Con HTTPS:          https://{event.https.host}:{event.https.port}")
    if event.pin:
        lines.append(f"Huella de la CA:    {event.pin}")
    if event.connection_file:
        lines += [
            "Copie el archivo de conexión, que es secreto, a la máquina del servicio. Ahí:",
            f"  tunnel client --conexion {shlex.quote(event.connection_file)} --upstream http://localhost:5000",
        ]
    elif event.pin:
        lines += [
            "En la máquina del servicio, con el token de cada cliente:",
            f"  tunnel client --url wss://DIRECCIÓN:{event.control.port} --ca-pin {event.pin} "
            "--token-file token.txt --upstream NOMBRE=URL",
        ]
    lines.append("Esperando al cliente… (Ctrl-C para detener)")
    return "\n           ".join(lines)


def _label(label: str) -> str:
    return f" «{label}»" if label else ""


def _reloaded(event: TokensReloaded) -> str:
    parts = [
        f"{what}: {', '.join(labels)}."
        for what, labels in (
            ("Nuevos", event.added),
            ("Quitados", event.removed),
            ("Cambiados", event.changed),
        )
        if labels
    ]
    return f"Tokens leídos otra vez; ahora hay {event.tokens}. {' '.join(parts) or 'Ninguno cambió.'}"


def _served(names: tuple[str, ...], ports: tuple[int, ...], tls_names: tuple[str, ...]) -> str:
    told = ["todos los nombres" if CATCH_ALL in names else ", ".join(names)] if names else []
    if ports:
        told.append(f"{'el puerto' if len(ports) == 1 else 'los puertos'} {', '.join(map(str, ports))}")
    if tls_names:
        told.append(f"{', '.join(tls_names)} con TLS")
    return " y ".join(told)


_REASONS = {
    "bad-exit-node": "no reconoció a este nodo de salida",
    "connection-lost": "se cortó la conexión",
    "draining": "se detuvo",
    "handshake-timeout": "no terminó el saludo a tiempo",
    "internal": "tuvo una falla",
    "ping-timeout": "dejó de responder",
    "protocol-error": "no respetó el protocolo",
    "refused": "no fue aceptado",
    "replaced": "lo reemplazó otro con el mismo token",
    "revoked": "su token fue revocado, venció o ya no permite esos nombres",
}
