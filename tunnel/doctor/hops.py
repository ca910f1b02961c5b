"""The hops, in the order in which a client and its visitors meet them."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import socket
import ssl
import statistics
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from tunnel.config import ConfigError, ControlAddress, TcpUpstream, Upstream
from tunnel.connection import Connection
from tunnel.doctor.findings import Finding, Verdict
from tunnel.doctor.probe import ask_exit_node
from tunnel.doctor.through import look_through
from tunnel.proxy.connect import ProxyDenied
from tunnel.transport.tls import Dialler, Unverifiable, WrongCa
from tunnel.trust import CaPin, TokenProof

__all__ = ["TITLES", "Words", "examine"]

TITLES = {
    "name": "el nombre del nodo de salida",
    "port": "el puerto de control",
    "tls": "el cifrado del enlace",
    "token": "el token",
    "clock": "el reloj",
    "service": "el servicio",
    "public": "el lado público",
    "speed": "el camino completo",
}

_CONNECT_S = 5.0
_ANSWER_S = 15.0
_MAX_CLOCK_ERROR_S = 60.0
_SPEED_REQUESTS = 20
_OWN_ANSWER = "/.tunelab/doctor"
"""An exit node answers this by itself, that the path is reserved (PROTOCOL.md, section 2)."""

_MAX_BODY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Words:
    """How the details of faults are said in Spanish."""

    of_detail: Callable[[str], str]
    of_refusal: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Visit:
    """One answer of the public side's."""

    status: int
    error: str  # Tunelab-Error: the exit node's own answer; "" for the service's
    date: str
    seconds: float
    size: int


async def examine(
    connection: Connection,
    dialler: Dialler,
    upstreams: tuple[Upstream, ...],
    services: tuple[TcpUpstream, ...],
    words: Words,
) -> AsyncIterator[Finding]:
    """Look at each hop, and yield what came of it.  A hop that stands on one that failed is not looked at."""
    address = connection.address
    if dialler.proxy is not None:
        seen, behind = await look_through(dialler.proxy, address, words.of_detail, words.of_refusal)
        yield seen
        yield _skipped("name", "lo busca el proxy")
        port = _finding("port", *behind)
    else:
        name = await _name(address)
        yield name
        port = await _port(address, words) if name.verdict is Verdict.GOOD else _skipped("port")
    yield port
    if port.verdict is Verdict.GOOD:
        for finding in await _link(connection, dialler, words):
            yield finding
    else:
        yield _skipped("tls")
        yield _skipped("token")
    targets: tuple[Upstream | TcpUpstream, ...] = (*upstreams, *services)
    for target in targets:
        yield await _service(target, words)
    if not connection.public_url:
        yield _skipped("public", "la conexión no dice dónde está; dígalo con --publico http://IP:8000")
        yield _skipped("clock")
        yield _skipped("speed")
        return
    own = await asyncio.to_thread(_visits, connection.public_url, 1, _OWN_ANSWER)
    visits = await asyncio.to_thread(_visits, connection.public_url, 1)
    public = _public(connection.public_url, own, visits)
    if not visits and dialler.proxy is not None:
        public = _skipped("public", "desde aquí solo se sale por el proxy; mírelo desde otra red")
    yield public
    yield _clock(own)
    if public.verdict is not Verdict.GOOD:
        yield _skipped("speed")
        return
    yield _speed(await asyncio.to_thread(_visits, connection.public_url, _SPEED_REQUESTS))


async def _name(address: ControlAddress) -> Finding:
    with contextlib.suppress(ValueError):
        ip_address(address.host)
        return _finding("name", Verdict.GOOD, f"{address.host} es una dirección: no hay nombre que buscar")
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return _finding(
            "name",
            Verdict.BAD,
            f"«{address.host}» no se encuentra",
            "Revise cómo está escrito, y si esta máquina tiene red y DNS.",
        )
    addresses = ", ".join(dict.fromkeys(str(entry[4][0]) for entry in found))
    return _finding("name", Verdict.GOOD, f"«{address.host}» es {addresses}")


async def _port(address: ControlAddress, words: Words) -> Finding:
    began = time.monotonic()
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except (OSError, TimeoutError) as error:
        return _finding(
            "port",
            Verdict.BAD,
            f"no se llega a {address.host}, puerto {address.port}: {words.of_detail(_said(error))}",
            "Vea si el nodo de salida está en marcha y si su cortafuegos deja entrar por ese puerto; en una "
            "red institucional, si la red deja salir.",
        )
    taken_s = time.monotonic() - began
    writer.transport.abort()
    return _finding("port", Verdict.GOOD, f"el puerto {address.port} contestó en {_ms(taken_s)}")


async def _link(connection: Connection, dialler: Dialler, words: Words) -> list[Finding]:
    """Look at TLS and at the token, which one connection shows."""
    is_tls = connection.address.is_tls
    try:
        async with asyncio.timeout(_ANSWER_S):
            answer = await ask_exit_node(dialler, connection.address.url)
    except (WrongCa, ProxyDenied, Unverifiable, OSError, TimeoutError) as error:
        if isinstance(error, WrongCa | ProxyDenied):
            detail = words.of_refusal(error.code)
        else:
            detail = words.of_detail(_said(error))
        advice = (
            "Pida al nodo de salida su archivo de conexión actual." if is_tls else "Repita en un momento."
        )
        return [_finding("tls", Verdict.BAD, detail, advice), _skipped("token")]
    if answer.code == "not-a-tunnel":
        detail, advice = words.of_refusal(answer.code), "Revise la dirección del nodo de salida."
        return [_finding("tls", Verdict.BAD, detail, advice), _skipped("token")]
    if not is_tls:
        is_local = connection.address.is_loopback
        tls = _finding(
            "tls",
            Verdict.GOOD if is_local else Verdict.WARNING,
            "el enlace va sin cifrar" + (", y no sale de esta máquina" if is_local else ""),
            "" if is_local else "Arranque el nodo de salida con --auto-tls y use su archivo de conexión.",
        )
    else:
        known = {
            CaPin: "la CA es la de la huella",
            TokenProof: "el nodo de salida demostró su CA con el token",
        }
        said = known.get(type(connection.trust), "el certificado es de una CA en la que se confía")
        tls = _finding("tls", Verdict.GOOD, said)
    if not answer.code:
        detail = f"el nodo de salida demostró que tiene el mismo, en {_ms(answer.seconds)}"
        if connection.identity is not None:
            detail = f"el nodo de salida reconoció el certificado, en {_ms(answer.seconds)}"
        return [tls, _finding("token", Verdict.GOOD, detail)]
    if connection.identity is not None:
        code = "unknown-certificate" if answer.code == "unknown-token" else answer.code
        advice = "Vea con «tunnel cert show» cómo se llama, hasta cuándo vale y qué CA lo firmó."
        return [tls, _finding("token", Verdict.BAD, words.of_refusal(code), advice)]
    return [
        tls,
        _finding(
            "token",
            Verdict.BAD,
            words.of_refusal(answer.code),
            "Use el archivo de conexión que escribió ese nodo de salida, o copie otra vez el token.",
        ),
    ]


async def _service(target: Upstream | TcpUpstream, words: Words) -> Finding:
    where = target.url if isinstance(target, Upstream) else target.address
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(target.host, target.port)
        writer.transport.abort()
        if isinstance(target, TcpUpstream):
            return _finding("service", Verdict.GOOD, f"{where} acepta conexiones")
        (visit,) = await asyncio.to_thread(_visits, target.url, 1)
    except (OSError, TimeoutError, http.client.HTTPException) as error:
        return _finding(
            "service",
            Verdict.BAD,
            f"{where} no contesta: {words.of_detail(_said(error))}",
            "Arranque el servicio en esta máquina y revise el puerto.",
        )
    except ValueError:
        return _finding("service", Verdict.BAD, f"{where} no contesta", "Vea si habla HTTP en ese puerto.")
    detail = f"{where} contesta {visit.status} en {_ms(visit.seconds)}"
    if visit.status >= 500:
        return _finding(
            "service", Verdict.WARNING, detail, "El servicio tiene una falla propia: vea su registro."
        )
    return _finding("service", Verdict.GOOD, detail)


def _clock(visits: list[_Visit]) -> Finding:
    if not visits or not visits[-1].date:
        return _skipped("clock")
    try:
        there_s = parsedate_to_datetime(visits[-1].date).timestamp()
    except ValueError:
        return _skipped("clock")
    difference_s = abs(time.time() - there_s)
    if difference_s > _MAX_CLOCK_ERROR_S:
        return _finding(
            "clock",
            Verdict.WARNING,
            f"esta máquina y el nodo de salida difieren en {difference_s:.0f} s",
            "Ponga en hora la que esté mal: con horas de más o de menos un certificado válido no lo parece.",
        )
    return _finding("clock", Verdict.GOOD, "las dos máquinas están en la misma hora")


def _public(url: str, own: list[_Visit], visits: list[_Visit]) -> Finding:
    if not visits or not own:
        return _finding(
            "public",
            Verdict.BAD,
            f"{url} no contesta",
            "Vea si el cortafuegos del nodo de salida deja entrar por el puerto de los visitantes.",
        )
    if own[-1].error != "reserved-path":
        return _finding(
            "public",
            Verdict.BAD,
            f"en {url} contesta algo que no es un nodo de salida",
            "Revise el puerto de los visitantes. Si delante hay un proxy, que pase todas las rutas.",
        )
    visit = visits[-1]
    if visit.error in ("no-client", "unknown-host", "draining"):
        return _finding(
            "public",
            Verdict.WARNING,
            f"{url} contesta, y ningún cliente atiende ese nombre ahora ({visit.error})",
            "Arranque «tunnel client». Si su nombre es otro, dígalo: --publico http://NOMBRE:8000",
        )
    if visit.error:
        return _finding(
            "public",
            Verdict.BAD,
            f"{url} contesta {visit.status}: {visit.error}",
            "La página de ese error dice qué tramo falló: ábrala en un navegador.",
        )
    return _finding("public", Verdict.GOOD, f"{url} contesta {visit.status}: un cliente atiende")


def _speed(visits: list[_Visit]) -> Finding:
    if len(visits) < _SPEED_REQUESTS:
        return _finding("speed", Verdict.WARNING, "el lado público dejó de contestar a la mitad", "Repita.")
    middle_s = statistics.median(visit.seconds for visit in visits)
    total_s, size = sum(visit.seconds for visit in visits), sum(visit.size for visit in visits)
    detail = (
        f"{_SPEED_REQUESTS} peticiones seguidas: mediana {_ms(middle_s)}, {size / total_s / 1000:.0f} kB/s"
    )
    return _finding("speed", Verdict.GOOD, detail)


def _visits(url: str, count: int, target: str = "/") -> list[_Visit]:
    """Ask a site so many times over one connection; there are fewer answers when it stops answering."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"«{url}» no es una dirección http. Ejemplo: --publico http://192.0.2.10:8000")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    caller = kind(parts.hostname, parts.port, timeout=_ANSWER_S)
    answers: list[_Visit] = []
    with contextlib.closing(caller):
        while len(answers) < count:
            began = time.monotonic()
            try:
                caller.request("GET", target, headers={"Accept": "application/json"})
                answer = caller.getresponse()
                size = len(answer.read(_MAX_BODY_BYTES))
                if not answer.isclosed():
                    caller.close()  # there is more than is wanted
            except (OSError, http.client.HTTPException):
                break
            error, date = answer.getheader("Tunelab-Error", ""), answer.getheader("Date", "")
            answers.append(_Visit(answer.status, error, date, time.monotonic() - began, size))
    return answers


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError) and not isinstance(error, ssl.SSLError):
        return "no connection in time"
    if isinstance(error, ssl.SSLError):
        return str(error)
    if isinstance(error, OSError) and error.errno:  # asyncio's own words for it say less
        return os.strerror(error.errno)
    return str(error)


def _finding(code: str, verdict: Verdict, detail: str, advice: str = "") -> Finding:
    return Finding(code, TITLES[code], verdict, detail, advice)


def _skipped(code: str, detail: str = "depende de lo anterior") -> Finding:
    return Finding(code, TITLES[code], Verdict.SKIPPED, detail)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
