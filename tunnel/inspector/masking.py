"""Which values are secrets, and what stands in their place.

A mark such as ``«oculto 1»`` takes the place of a secret; the same secret has the same mark throughout one
exchange, so that one can see that it passed unchanged.  Whoever edits a request to send it again may leave a
mark where it is: :meth:`Mask.reveal` puts the secret back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

__all__ = ["Field", "Mask", "UnknownMark"]

Field = tuple[str, str]

_MARK = re.compile(r"«oculto (\d+)»")

# Names, of header fields, parameters and members, whose values let somebody in: by a word in them, or whole.
_WORDS = re.compile(
    r"token|secret|passw|passphrase|contrase|api[-_]?key|credential|private[-_]?key|jwt", re.IGNORECASE
)
_NAMES = frozenset(
    ("authorization", "clave", "pwd", "sessionid", "session_id", "sid", "sig", "signature", "x-amz-signature")
)

# One of these is in every secret's name: to look for them is a tenth of what the expressions cost.
_HINTS = (
    *("token", "secret", "passw", "passphrase", "contrase", "api", "credential", "private", "jwt"),
    *_NAMES,
)

_CREDENTIALS = ("authorization", "proxy-authorization")
_COOKIES = ("cookie", "set-cookie")
_WITH_URLS = ("location", "content-location", "referer", "x-original-url", "refresh", "link")

_PARAMETER = re.compile(r"([?&;#]|^)([^=&;?#\s]+)=([^&;#\s<>\"]+)")
_MEMBER = re.compile(r'"([^"\\]{1,100}+)"(\s*+:\s*+)("(?:[^"\\]|\\.)*+"?|-?\d[\d.eE+-]*+)')
_FORM = "application/x-www-form-urlencoded"


class UnknownMark(ValueError):  # noqa: N818 - named for what it is
    """A mark that stands for nothing here."""


class Mask:
    """The secrets of one exchange, numbered as they are met."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def hide(self, secret: str) -> str:
        """Return the mark that stands for ``secret``."""
        if not secret:
            return secret
        return self._marks.setdefault(secret, f"«oculto {len(self._marks) + 1}»")

    def reveal(self, text: str) -> str:
        """Put the secrets back.

        Raises:
            UnknownMark: one stands for nothing here.
        """
        secrets = {mark: secret for secret, mark in self._marks.items()}

        def secret_of(match: re.Match[str]) -> str:
            try:
                return secrets[match[0]]
            except KeyError:
                raise UnknownMark(match[0]) from None

        return _MARK.sub(secret_of, text)

    def fields(self, fields: Iterable[Field]) -> list[Field]:
        """Return header fields with their secrets hidden."""
        return [(name, self.value(name, value)) for name, value in fields]

    def value(self, name: str, value: str) -> str:
        """Return a header field's value with its secrets hidden."""
        lower = name.lower()
        if lower in _CREDENTIALS:
            scheme, space, rest = value.partition(" ")  # RFC 9110, section 11.4
            return f"{scheme} {self.hide(rest)}" if space else self.hide(value)
        if lower in _COOKIES:
            return self._cookie(value, is_set=lower == "set-cookie")
        if _is_secret(name):
            return self.hide(value)
        if lower in _WITH_URLS:
            return self.target(value)
        return value

    def target(self, target: str) -> str:
        """Return a URL or a request's target with the secrets of its parameters hidden."""
        start, mark, query = target.partition("?")
        if mark:
            return start + self._parameters(mark + query)
        start, mark, fragment = target.partition("#")
        return start + self._parameters(mark + fragment) if mark else target

    def content(self, text: str, media_type: str) -> str:
        """Return content with the secrets hidden that its form gives away: of a form, or of JSON."""
        if media_type == _FORM:
            return self._parameters(text)
        if media_type.endswith("json") or text.lstrip()[:1] in ("{", "["):
            lower = text.lower()
            return _MEMBER.sub(self._member, text) if any(hint in lower for hint in _HINTS) else text
        return text

    def _parameters(self, text: str) -> str:
        return _PARAMETER.sub(lambda m: f"{m[1]}{m[2]}={self.hide(m[3])}" if _is_secret(m[2]) else m[0], text)

    def _member(self, match: re.Match[str]) -> str:
        name, between, value = match.groups()
        if not _is_secret(name):
            return match[0]
        if not value.startswith('"'):
            return f'"{name}"{between}"{self.hide(value)}"'
        end = '"' if len(value) > 1 and value.endswith('"') else ""
        return f'"{name}"{between}"{self.hide(value[1 : len(value) - len(end)])}{end}'

    def _cookie(self, value: str, *, is_set: bool) -> str:
        """Hide what cookies hold; their names and attributes are no secret (RFC 6265, section 4)."""
        pairs = value.split(";")
        shown = []
        for index, pair in enumerate(pairs):
            name, equals, secret = pair.partition("=")
            if is_set and index:
                shown.append(pair)
            elif equals:
                shown.append(f"{name}={self.hide(secret)}")
            else:
                shown.append(self.hide(pair))
        return ";".join(shown)


@lru_cache(maxsize=1024)  # in a list of objects each has the same members
def _is_secret(name: str) -> bool:
    return name.lower() in _NAMES or _WORDS.search(name) is not None
