"""A fault on the path of a request, as the diagnosis of a check."""

from labcheck.checking.diagnosis import Diagnosis
from labcheck.hops import Fault, Hop


def from_fault(code: str, expected: str, fault: Fault, *more_hints: str) -> Diagnosis:
    """Return the diagnosis of a fault on the path of a request: its hop is the reason, its advice a hint."""
    path = " → ".join(f"[✗ {hop.value}]" if hop is fault.hop else hop.value for hop in Hop)
    why = f"La petición se detiene aquí: {path}"
    return Diagnosis(code, expected, fault.reason, why, (fault.advice, *more_hints))
