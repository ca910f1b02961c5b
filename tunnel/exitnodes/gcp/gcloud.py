"""Runs gcloud, translates its errors into the kinds of ``errors``, parses what it lists.

gcloud ends with 1 and writes ``ERROR: (gcloud.COMMAND) WORDS``; the words carry the API's reason:
https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-vm-creation,
https://cloud.google.com/compute/docs/resource-error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tunnel.exitnodes import process
from tunnel.exitnodes.errors import (
    BillingDisabled,
    ExitNodeError,
    NameTaken,
    NotLoggedIn,
    PermissionDenied,
    ProviderFailed,
    QuotaExceeded,
    Unavailable,
    ZoneExhausted,
)
from tunnel.exitnodes.gcp.names import last_word
from tunnel.exitnodes.model import Order
from tunnel.exitnodes.process import Completed

__all__ = ["HOW_TO_GET", "ApiDisabled", "Instance", "NotThere", "ask", "instances", "lines", "program"]

HOW_TO_GET = (
    "Instale la CLI de Google Cloud: https://cloud.google.com/sdk/docs/install. Sin cuenta ni gcloud puede "
    "ver todo el laboratorio con --simulada."
)
_TIMEOUT_S = 300.0


class NotThere(ProviderFailed):
    """What was asked about does not exist."""


class ApiDisabled(Unavailable):
    """The project's compute API is not enabled, or not yet everywhere."""


# In this order: the words of the later ones also stand in the earlier ones' texts.
_KINDS: tuple[tuple[str, type[ExitNodeError], str], ...] = (
    (
        r"ZONE_RESOURCE_POOL_EXHAUSTED|does not have enough resources available",
        ZoneExhausted,
        "la zona no tiene ahora máquinas libres de este tamaño. Espere, o elija otra --region.",
    ),
    (
        r"QUOTA_EXCEEDED|Quota '[^']*' exceeded|RESOURCE_EXHAUSTED|exceeded your allotted project quota",
        QuotaExceeded,
        "su cuenta llegó a su cuota. Borre lo que no use (tunnel exit-node list --provider gcp) o pida "
        "más en la consola, IAM → Cuotas.",
    ),
    (
        r"SERVICE_DISABLED|API has not been used in project|API \[[^]]*\] not enabled",
        ApiDisabled,
        "la API de Compute Engine del proyecto no está habilitada todavía. Repita la orden en un minuto.",
    ),
    (
        r"(?i)UREQ_PROJECT_BILLING_NOT_FOUND|BILLING_DISABLED|billing (account|must be|is disabled|is not)",
        BillingDisabled,
        "el proyecto no tiene una cuenta de facturación activa. Las suyas: gcloud billing accounts list; "
        "elija una con --cuenta-facturacion.",
    ),
    (
        r"do not currently have an active account|invalid_grant|Reauthentication|problem refreshing your",
        NotLoggedIn,
        "gcloud no sabe quién es usted, o su sesión venció. Entre con: gcloud auth login",
    ),
    (
        r"already exists|already in use|alreadyExists",
        NameTaken,
        "ese nombre ya es de otra cosa. Elija otro con --nombre (o --proyecto).",
    ),
    (
        r"(?i)PERMISSION_DENIED|does not have permission|Required '[^']*' permission",
        PermissionDenied,
        "su cuenta no tiene permiso para esto en el proyecto. Pídaselo a quien lo administra (rol Editor).",
    ),
    (r"was not found|NOT_FOUND|notFound", NotThere, "eso no existe."),
    (
        r"(?i)gcloud crashed \((Connection|Transport|ServerNotFound|SSL)|network is unreachable|Could "
        r"not reach"
        r"|Failed to establish|Max retries exceeded|HTTPError 50[0-9]|backendError",
        Unavailable,
        "no se pudo hablar con Google. Revise su red y repita la orden: continuará donde quedó.",
    ),
)
_MAX_WORDS = 800


@dataclass(frozen=True, slots=True)
class Instance:
    """A machine, as gcloud lists it."""

    name: str
    zone: str
    status: str  # PROVISIONING, STAGING, RUNNING, STOPPING, TERMINATED…
    address: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def program(order_is_simulated: bool) -> str:
    """Return the path of gcloud, or of the stand-in.

    Raises:
        MissingTool: it is not on PATH.
    """
    if order_is_simulated:
        from tunnel.exitnodes.simulation import install

        return str(install())
    return process.require("gcloud", HOW_TO_GET)


def ask(order: Order, argv: Sequence[str], timeout_s: float = _TIMEOUT_S) -> Completed:
    """Run a command of gcloud's to its end, without questions; return what it wrote.

    Raises:
        MissingTool, Unavailable: see :func:`process.run`.
        ExitNodeError: it failed; the kind is what its words say, and the text has them.
    """
    return ask_as(program(bool(order.option("simulada"))), argv, timeout_s)


def ask_as(path: str, argv: Sequence[str], timeout_s: float = _TIMEOUT_S) -> Completed:
    """Do the same with the program at ``path``."""
    # https://cloud.google.com/sdk/docs/properties: its words in English, no survey, no question.
    env = {"CLOUDSDK_CORE_DISABLE_PROMPTS": "1", "CLOUDSDK_SURVEY_DISABLE_PROMPTS": "1"}
    ended = process.run([path, *argv[1:]], timeout_s=timeout_s, env=env)
    if ended.code:
        raise translate(ended)
    return ended


def translate(ended: Completed) -> ExitNodeError:
    """Return the error that a failed command's words stand for."""
    words = ended.err.strip() or ended.out.strip() or "no dijo nada"
    shown = " ".join(words[-_MAX_WORDS:].split())
    for pattern, kind, advice in _KINDS:
        if re.search(pattern, words):
            return kind(f"{advice} Palabras de gcloud: «{shown}»")
    command = " ".join(word for word in ended.argv[1:4] if not word.startswith("-"))
    return ProviderFailed(f"«gcloud {command}» terminó con {ended.code}: {shown}")


def lines(ended: Completed) -> tuple[str, ...]:
    """Return what a command listed with ``--format=value(…)``."""
    return tuple(line.strip() for line in ended.out.splitlines() if line.strip())


def instances(ended: Completed) -> list[Instance]:
    """Return what ``gcloud compute instances list --format=json`` listed.

    The resource: https://cloud.google.com/compute/docs/reference/rest/v1/instances.

    Raises:
        ProviderFailed: it is not that.
    """
    try:
        return [_instance(item) for item in json.loads(ended.out or "[]")]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise ProviderFailed("gcloud listó las máquinas de una forma que no se entiende.") from None


def _instance(item: dict[str, Any]) -> Instance:
    address = ""
    for interface in item.get("networkInterfaces", []):
        for access in interface.get("accessConfigs", []):
            address = address or str(access.get("natIP", ""))
    labels = {str(key): str(value) for key, value in item.get("labels", {}).items()}
    return Instance(str(item["name"]), last_word(item["zone"]), str(item["status"]), address, labels)
