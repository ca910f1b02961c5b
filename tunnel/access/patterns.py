"""Names that a token may claim.

A pattern is a host name (``ana.example``), all the names under one (``*.ana.example``, which is not
``ana.example`` itself), or ``*``: every name, and with it the claim of those that nobody else claims.
"""

from __future__ import annotations

from collections.abc import Iterator

from tunnel.config import CATCH_ALL, ConfigError, is_domain_name

__all__ = ["parse_pattern", "patterns_for"]


def parse_pattern(text: str) -> str:
    """Return a pattern in lower case, without the root's dot.

    Raises:
        ConfigError: it is none.
    """
    pattern = text.strip().lower()
    if pattern == CATCH_ALL:
        return pattern
    pattern = pattern.removesuffix(".")  # and only now: "*." is a slip, not everything
    if is_domain_name(pattern.removeprefix("*.")):
        return pattern
    raise ConfigError(
        f"«{text}» no es un nombre que se pueda dar a un token. Sirven un nombre de dominio, sin tildes ni "
        "puerto (ana.example), todos los que terminan en él (*.ana.example) o todos los que hay (*)."
    )


def patterns_for(name: str) -> Iterator[str]:
    """Yield the patterns that cover ``name``, or the claim of ``*``: the most specific first."""
    yield name
    while (dot := name.find(".")) >= 0:
        name = name[dot + 1 :]
        yield f"*.{name}"
    yield CATCH_ALL
