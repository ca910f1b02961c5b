"""Field lines as one block of bytes: checked, searched and cut without being taken apart.

A block is field lines with a CRLF *before* each, as they stand behind a request line::

    CRLF Host: todo.example CRLF Accept: */*

Nearly every field of a request crosses the tunnel as it came.  So a head is never made a list of names and
values: one regular expression checks all of its lines, a second one cuts out those that mean something here,
and what is left between them is passed on as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["TEXT", "TOKEN", "Cutter", "Fields", "are_field_lines", "find_field", "find_fields", "without"]

Fields = bytes
"""Field lines, each with a CRLF before it."""

TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # RFC 9110, section 5.6.2
TEXT: Final = rb"[\t\x20-\x7e\x80-\xff]*"  # RFC 9110, section 5.5, with the white space around it

_FIELD_LINES: Final = re.compile(rb"(?:\r\n" + TOKEN + rb":" + TEXT + rb")*+")
_WHITE: Final = b" \t"


def are_field_lines(fields: Fields) -> bool:
    """Whether each line is a field's: a token, a colon, no control character, nothing folded."""
    return _FIELD_LINES.fullmatch(fields) is not None


class Cutter:
    """Takes the lines of some fields out of a block.

    Args:
        names: of the fields, in lower case; one that ends in ``*`` stands for all that begin so.
        is_cgi: whether ``_`` is as good as ``-``, as it is to applications behind CGI or WSGI.
    """

    __slots__ = ("_split",)

    def __init__(self, names: Iterable[bytes], *, is_cgi: bool = False) -> None:
        patterns = [re.escape(name).replace(rb"\*", rb"[^:\r]*") for name in sorted(names)]
        initials = bytes({letter for name in patterns for letter in (name[0], name.upper()[0])})
        pattern = b"|".join(patterns)
        if is_cgi:
            pattern = pattern.replace(rb"\-", b"[-_]")
        # The first letter is looked at before all the names are: most lines are none of them.
        self._split = re.compile(rb"\r\n(?=[" + initials + rb"])((?i:" + pattern + rb")):([^\r]*)").split

    def cut(self, fields: Fields) -> tuple[Fields, list[tuple[bytes, bytes]]]:
        """Return what is left of a block, and name (in lower case) and value of each line cut out.

        A value still has its white space around it.
        """
        pieces = self._split(fields)
        if len(pieces) == 1:
            return fields, []
        found = [(pieces[index].lower(), pieces[index + 1]) for index in range(1, len(pieces), 3)]
        return b"".join(pieces[::3]), found


def find_field(fields: Fields, wanted: bytes) -> bytes:
    """Return the first value of the field ``wanted`` (lower case), or b""."""
    values = find_fields(fields, wanted)
    return values[0] if values else b""


def find_fields(fields: Fields, wanted: bytes) -> list[bytes]:
    """Return every value of the field ``wanted`` (lower case)."""
    values = []
    start = b"\r\n" + wanted + b":"
    lower = fields.lower()
    position = lower.find(start)
    while position >= 0:
        position += len(start)
        end = fields.find(b"\r\n", position)
        values.append(fields[position : end if end >= 0 else None].strip(_WHITE))
        position = lower.find(start, position)
    return values


def without(fields: Fields, unwanted: Iterable[bytes]) -> Fields:
    """Return a block without the fields of some names (lower case); for lists that come from outside."""
    names = frozenset(unwanted)
    kept = [line for line in fields.split(b"\r\n")[1:] if line.partition(b":")[0].lower() not in names]
    return b"".join(b"\r\n" + line for line in kept)
