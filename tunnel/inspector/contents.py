"""Content for people: JSON set out, text, or bytes in hexadecimal."""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass

from tunnel.inspector.exchanges import Content
from tunnel.inspector.masking import Mask

__all__ = ["ShownContent", "decoded_text", "hex_dump", "readable", "show_content"]

_MAX_HEX_BYTES = 4096
_MAX_INFLATED_BYTES = 256 * 1024

_WORDS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")  # terminals' colours are text
_CHARSET = re.compile(r'charset="?([\w.:-]+)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ShownContent:
    """Content as it is shown, with its secrets hidden."""

    kind: str  # empty, json, text, or binary: in hexadecimal
    media_type: str
    text: str
    total_bytes: int  # as it passed
    kept_bytes: int
    is_truncated: bool  # more passed than is kept
    is_cut: bool  # more is kept than is shown
    coding: str  # the content coding that was undone; "" for none


def show_content(content: Content, content_type: str, coding: str, mask: Mask) -> ShownContent:
    """Return content as people read it.

    Args:
        content_type: the field Content-Type, or "".
        coding: the field Content-Encoding, or "".
    """
    media_type = content_type.partition(";")[0].strip().lower()
    raw, undone = _inflate(bytes(content.kept), coding)
    kind, shown, is_cut = "empty", "", False
    text = _as_text(raw, content_type, is_truncated=content.is_truncated or len(raw) == _MAX_INFLATED_BYTES)
    if raw and text is not None:
        masked = mask.content(text, media_type)
        pretty = _pretty(masked) if media_type.endswith("json") or masked[:1] in ("{", "[") else None
        kind, shown = ("text", masked) if pretty is None else ("json", pretty)
    elif raw:
        kind, shown, is_cut = "binary", hex_dump(raw[:_MAX_HEX_BYTES]), len(raw) > _MAX_HEX_BYTES
    return ShownContent(
        kind,
        media_type,
        shown,
        content.total_bytes,
        len(content.kept),
        content.is_truncated,
        is_cut or len(raw) == _MAX_INFLATED_BYTES,
        undone,
    )


def readable(content: Content, content_type: str, coding: str, mask: Mask) -> str:
    """Return the text of content with its secrets hidden, not set out; "" where it is none."""
    raw, _ = _inflate(bytes(content.kept), coding)
    text = _as_text(raw, content_type, is_truncated=content.is_truncated or len(raw) == _MAX_INFLATED_BYTES)
    return mask.content(text, content_type.partition(";")[0].strip().lower()) if text else ""


def decoded_text(content: Content, content_type: str) -> str | None:
    """Return content as the text that it is, without undoing a coding, or None where it is none."""
    return _as_text(bytes(content.kept), content_type, is_truncated=content.is_truncated)


def hex_dump(data: bytes) -> str:
    """Return bytes as ``hexdump -C`` shows them: where, sixteen bytes, what of them is ASCII."""
    lines = []
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        digits = f"{row[:8].hex(' '):23}  {row[8:].hex(' '):23}"
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:08x}  {digits}  |{letters}|")
    return "\n".join(lines)


def _inflate(data: bytes, coding: str) -> tuple[bytes, str]:
    """Undo gzip or deflate (RFC 9110, section 8.4.1), as far as the bytes go and within a bound."""
    coding = coding.strip().lower()
    bits = {"gzip": 31, "x-gzip": 31, "deflate": 15}.get(coding)
    if bits is None or not data:
        return data, ""
    try:
        return zlib.decompressobj(bits).decompress(data, _MAX_INFLATED_BYTES), coding
    except zlib.error:
        return data, ""


def _as_text(data: bytes, content_type: str, *, is_truncated: bool) -> str | None:
    """Return bytes as text, or None where they are none."""
    found = _CHARSET.search(content_type)
    charset = found[1].lower() if found else "utf-8"
    if charset not in ("utf-8", "utf8", "us-ascii", "ascii"):
        charset = "latin-1" if charset in ("iso-8859-1", "latin1", "windows-1252") else "utf-8"
    try:
        text = data.decode(charset)
    except UnicodeDecodeError as error:
        if not is_truncated or len(data) - error.start > 3:  # a character may have lost its end
            return None
        text = data[: error.start].decode(charset)
    return None if _CONTROL.search(text) else text


def _pretty(text: str) -> str | None:
    """Set JSON out, its numbers and repeated names as they are; None where it is not JSON (or not whole)."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    out: list[str] = []
    depth, former = 0, ""
    for word in _WORDS.findall(text):
        if word in "]}":
            depth -= 1
            if former not in ("[", "{"):
                out.append("\n" + "  " * depth)
        elif former in ("[", "{", ","):
            out.append("\n" + "  " * depth)
        out.append(": " if word == ":" else word)
        if word in ("[", "{"):
            depth += 1
        former = word
    return "".join(out)
