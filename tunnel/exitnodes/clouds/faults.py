"""Libcloud's errors, in the kinds of :mod:`tunnel.exitnodes.errors`.

Libcloud raises a plain ``Exception`` whose text begins with EC2's code, ``BaseHTTPError`` with a status for
most others, exceptions of its own for some, and whatever its HTTP library raises.  EC2's codes:
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

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

__all__ = ["code_of", "translated"]

_BY_CODE: dict[str, type[ExitNodeError]] = {
    "AuthFailure": NotLoggedIn,
    "ExpiredToken": NotLoggedIn,
    "InvalidClientTokenId": NotLoggedIn,
    "RequestExpired": NotLoggedIn,
    "SignatureDoesNotMatch": NotLoggedIn,
    "UnrecognizedClientException": NotLoggedIn,
    "AccessDenied": PermissionDenied,
    "UnauthorizedOperation": PermissionDenied,
    "Blocked": BillingDisabled,
    "OptInRequired": BillingDisabled,
    "PendingVerification": BillingDisabled,
    "InstanceLimitExceeded": QuotaExceeded,
    "MaxSpotInstanceCountExceeded": QuotaExceeded,
    "ResourceLimitExceeded": QuotaExceeded,
    "RulesPerSecurityGroupLimitExceeded": QuotaExceeded,
    "SecurityGroupLimitExceeded": QuotaExceeded,
    "VcpuLimitExceeded": QuotaExceeded,
    "VolumeLimitExceeded": QuotaExceeded,
    "InvalidGroup.Duplicate": NameTaken,
    "InsufficientHostCapacity": ZoneExhausted,
    "InsufficientInstanceCapacity": ZoneExhausted,
    "Unsupported": ZoneExhausted,  # "The requested availability zone does not support this type"
    "InternalError": Unavailable,
    "RequestLimitExceeded": Unavailable,
    "ServiceUnavailable": Unavailable,
    "Unavailable": Unavailable,
}

_BY_STATUS: dict[int, type[ExitNodeError]] = {
    401: NotLoggedIn,
    402: BillingDisabled,
    403: PermissionDenied,
    429: Unavailable,
}

_ADVICE: dict[type[ExitNodeError], str] = {
    NotLoggedIn: "no reconoce las credenciales: revise que estén completas, vigentes y sean de esta cuenta.",
    PermissionDenied: "reconoce las credenciales, pero no les permite esto: pida el permiso a quien "
    "administra la cuenta.",
    BillingDisabled: "no deja crear nada todavía: complete la verificación o el medio de pago de la cuenta.",
    QuotaExceeded: "dice que la cuenta llegó a su límite: borre lo que no use («tunnel exit-node list») o "
    "pida que lo amplíen.",
    NameTaken: "ya tiene algo con ese nombre: elija otro con --nombre.",
    ZoneExhausted: "no tiene ahora máquinas libres de este tamaño: espere unos minutos o elija otra "
    "--region.",
    Unavailable: "no responde, o pide esperar: repita la orden dentro de un momento; continuará donde quedó.",
    ProviderFailed: "rechazó el pedido.",
}

# The limits of the clouds that have no codes are told in English sentences.
_LIMIT_WORDS = re.compile(r"\b(limit|quota|maximum number)\b", re.IGNORECASE)
_CODE = re.compile(r"^([A-Za-z]+(?:\.[A-Za-z]+)*): ")
_MAX_WORDS = 600


@contextlib.contextmanager
def translated(title: str) -> Iterator[None]:
    """Raise what a block's calls to Libcloud raise as one of our kinds.

    Args:
        title: the provider, for people.
    """
    try:
        yield
    except ExitNodeError:
        raise
    except (AttributeError, LookupError, TypeError) as error:
        raise ProviderFailed(
            f"{title} respondió algo que Apache Libcloud no entiende ({type(error).__name__}: {error}). "
            "Quizá haya una versión más nueva: pip install --upgrade 'tunelab[nube]'."
        ) from error
    except Exception as error:
        kind = _kind(error)
        raise kind(f"{title} {_ADVICE[kind]}{_words(error)}") from error


def code_of(error: BaseException | None) -> str:
    """Return EC2's code in an error, or in the one that it translates; empty where there is none."""
    match = _CODE.match(_text(error)) if error is not None else None
    if match is None and error is not None and error.__cause__ is not None:
        return code_of(error.__cause__)
    return match[1] if match else ""


def _kind(error: Exception) -> type[ExitNodeError]:
    # Libcloud is not imported for the names of its exceptions: this module must load without it.
    names = {base.__name__ for base in type(error).__mro__}
    if kind := _BY_CODE.get(code_of(error)):
        return kind
    if "InvalidCredsError" in names:
        return NotLoggedIn
    if "OSError" in names or "RequestException" in names:  # no answer, or none that HTTP knows
        return Unavailable
    status = getattr(error, "code", None)
    if not isinstance(status, int):
        told = re.search(r"Status code: (\d{3})", _text(error))
        status = int(told[1]) if told else 0
    if status in (400, 403, 409, 422) and _LIMIT_WORDS.search(_text(error)):
        return QuotaExceeded
    if status >= 500:
        return Unavailable
    return _BY_STATUS.get(status, ProviderFailed)


def _text(error: BaseException) -> str:
    value = getattr(error, "value", None)  # LibcloudError shows more than its message
    return value if isinstance(value, str) else str(error)


def _words(error: Exception) -> str:
    text = " ".join(_text(error).split())
    return f" Sus palabras: «{text[:_MAX_WORDS]}»." if text else ""
