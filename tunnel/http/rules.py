"""Rules for the header fields of one service: what is set, added and removed on the way to it and back.

A rule is written as people write a field::

    X-Env: clase        set: one field of that name, with that value, whatever there was
    +Set-Cookie: a=1    added to those that there are
    -Server             removed

They work on heads whose framing has been taken out (see ``wire``): no rule can touch framing, what belongs
to one connection, or what only the tunnel may say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tunnel.http.fields import CONNECTION_FIELDS, INTERNAL_PREFIX

__all__ = ["HeaderRules", "ServiceRules", "parse_header_rules"]

_RULE = re.compile(r"([+-]?)([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*(?::[ \t]*(.*?)[ \t]*)?")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_REFUSED = CONNECTION_FIELDS | {b"host"}
_CRLF = b"\r\n"


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """What happens to the fields of one direction."""

    removed: frozenset[bytes] = frozenset()  # names in lower case, those that are set among them
    added: bytes = b""  # field lines

    def __bool__(self) -> bool:
        return bool(self.removed or self.added)

    def apply(self, fields: bytes) -> bytes:
        """Return field lines, each with its CRLF, as the rules want them."""
        if not self.removed:
            return fields + self.added
        kept = [
            line for line in fields.split(_CRLF)[:-1] if line.partition(b":")[0].lower() not in self.removed
        ]
        return b"".join(line + _CRLF for line in kept) + self.added


@dataclass(frozen=True, slots=True)
class ServiceRules:
    """What happens on the way to a service and back.  ``host`` replaces the visitor's Host; "" leaves it."""

    request: HeaderRules = HeaderRules()
    response: HeaderRules = HeaderRules()
    host: str = ""

    def of_request(self, lines: bytes) -> bytes:
        """Return a request line and the field lines behind it, of which Host is the first."""
        request_line, _, fields = lines.partition(_CRLF)
        if self.host:
            fields = b"Host: %b\r\n%b" % (self.host.encode("ascii"), fields.partition(_CRLF)[2])
        return b"%b\r\n%b" % (request_line, self.request.apply(fields))


def parse_header_rules(texts: Iterable[str]) -> HeaderRules:
    """Return the rules that texts stand for, in their order.

    Raises:
        ValueError: one is none; its text (Spanish) says which and why.
    """
    removed: set[bytes] = set()
    added: list[bytes] = []
    for text in texts:
        match = _RULE.fullmatch(text.strip())
        if match is None or (match[1] == "-") != (match[3] is None):
            raise ValueError(
                f"«{text}» no es una regla de cabecera. Ejemplos: 'X-Env: clase' (la pone), "
                "'+Set-Cookie: a=1' (la agrega) y '-Server' (la quita)"
            )
        name, value = match[2].encode("ascii"), (match[3] or "").encode()
        lower = name.lower()
        if lower in _REFUSED or lower.startswith(INTERNAL_PREFIX):
            raise ValueError(
                f"la cabecera «{match[2]}» no se puede tocar: es de la conexión o del túnel"
                + (". El nombre que ve el servicio se elige con --host-header" if lower == b"host" else "")
            )
        if not _VALUE.fullmatch(value):
            raise ValueError(f"el valor de «{match[2]}» tiene caracteres que una cabecera no admite")
        if match[1] != "+":
            removed.add(lower)
            added = [line for line in added if line.partition(b":")[0].lower() != lower]
        if match[1] != "-":
            added.append(b"%b: %b\r\n" % (name, value))
    return HeaderRules(frozenset(removed), b"".join(added))
