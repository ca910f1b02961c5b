"""Waits until a node answers, on both of its planes, with the certificate that it announced.

The announcement came over a channel that the provider vouches for; what answers at the address is checked
against it.  The certificate authority is fetched from the control plane over a connection that verifies
nothing and carries nothing, compared with the pin, and then trusted alone for a connection that verifies
everything; that the node knows the token is proven on the way (PROTOCOL.md, section 2.1).
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import secrets
import socket
import ssl
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from tunnel.config import Secret
from tunnel.exitnodes.errors import NotReady, UntrustedNode
from tunnel.exitnodes.handover import a_token
from tunnel.exitnodes.model import Announcement, Order
from tunnel.protocol.auth import NONCE_BYTES, ca_proof, key_id, proofs_equal

__all__ = ["check", "wait"]

_AUTHORITY_PATH = "/.tunelab/ca"
_TIMEOUT_S = 5.0
_LOOK_AGAIN_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # a node on this machine is quick, one in a cloud takes minutes
_MAX_ANSWER_BYTES = 64 * 1024


def wait(
    announcement: Callable[[], Announcement | None],
    order: Order,
    timeout_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Announcement:
    """Ask until the node has announced itself and both of its planes answer; return the announcement.

    Raises:
        NotReady: that did not come about within ``timeout_s``.
        UntrustedNode: something else answers.
        ConfigError: the node's secret is damaged, or others can read it.
    """
    deadline = clock() + timeout_s
    reason = "no ha anunciado su certificado"
    suspect: UntrustedNode | None = None
    attempt = 0
    while True:
        announced = announcement()
        if announced is not None:
            try:
                check(announced, announced.token or a_token(order))
                return announced
            except UntrustedNode as error:
                # Once more: a server that found its port taken may only be about to say so.
                if suspect is not None:
                    raise
                suspect = error
            except (OSError, http.client.HTTPException) as error:
                reason = f"no contesta en {announced.url} ni en {announced.public_url} ({error})"
        if clock() >= deadline:
            raise suspect or NotReady(
                f"el nodo «{order.name}» no quedó listo en {timeout_s:.0f} segundos: {reason}. Lo hecho está "
                f"anotado: repita la orden para seguir esperando, mire qué escribió con «tunnel exit-node "
                f"logs {order.name}», o quítelo con «tunnel exit-node delete {order.name}»."
            )
        pause(_LOOK_AGAIN_S[min(attempt, len(_LOOK_AGAIN_S) - 1)])
        attempt += 1


def check(announced: Announcement, token: Secret) -> None:
    """Ask the node once.

    Args:
        token: one that the node should know.

    Raises:
        OSError, http.client.HTTPException: it does not answer.
        UntrustedNode: it answers with another certificate than it announced, or does not know the token.
    """
    _check_control(announced, token.reveal())
    _check_public(announced)


def _check_control(announced: Announcement, token: str) -> None:
    host, port = _place(announced.url)
    nonce = secrets.token_hex(NONCE_BYTES)
    pem, proof = _fetch_authority(host, port, {"Tunelab-Key-Id": key_id(token), "Tunelab-Nonce": nonce})
    try:
        certificate = ssl.PEM_cert_to_DER_cert(pem)
    except ValueError:
        raise UntrustedNode(_not_ours(host, port)) from None
    # Where the pin is "token", what follows is all that proves the authority.
    if announced.pin != "token" and announced.pin != f"sha256:{hashlib.sha256(certificate).hexdigest()}":
        raise UntrustedNode(_not_ours(host, port))
    if not proofs_equal(ca_proof(token, nonce, certificate), proof):
        raise UntrustedNode(
            f"el nodo que contesta en {host}, puerto {port}, no conoce el token que está anotado aquí: es de "
            "otra vez, y lo anotado se perdió. Bórrelo y créelo de nuevo."
        )
    context = ssl.create_default_context(cadata=certificate)  # this authority, and no other
    try:
        with (
            socket.create_connection((host, port), _TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            pass
    except ssl.SSLCertVerificationError:
        raise UntrustedNode(_not_ours(host, port)) from None


def _check_public(announced: Announcement) -> None:
    connection = http.client.HTTPConnection(*_place(announced.public_url), timeout=_TIMEOUT_S)
    with contextlib.closing(connection):
        # Without Host an exit node refuses by itself (RFC 9112, 3.2): no client's service is asked.
        connection.putrequest("GET", "/", skip_host=True)
        connection.endheaders()
        answer = connection.getresponse()
        answer.read(_MAX_ANSWER_BYTES)
        if answer.getheader("Tunelab-Error") is None:
            raise http.client.HTTPException("en el lado público contesta otro programa")


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or {"wss": 443, "ws": 80, "http": 80}[parts.scheme]


def _fetch_authority(host: str, port: int, fields: dict[str, str]) -> tuple[str, str]:
    """Return the certificate (PEM) that is offered, and the proof that it is the node's; "" for none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # what comes is compared with the pin, and nothing secret is sent
    connection = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)
    with contextlib.closing(connection):
        connection.request("GET", _AUTHORITY_PATH, headers=fields)
        answer = connection.getresponse()
        if answer.status != 200:
            raise http.client.HTTPException(f"HTTP {answer.status}")
        return answer.read(_MAX_ANSWER_BYTES).decode("ascii", "replace"), answer.getheader(
            "Tunelab-Proof", ""
        )


def _not_ours(host: str, port: int) -> str:
    return (
        f"en {host}, puerto {port}, contesta algo que no tiene el certificado que el nodo anunció. No se "
        "escribió el archivo de conexión: bórrelo y créelo de nuevo, desde otra red si puede."
    )
