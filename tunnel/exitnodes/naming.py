"""Names and labels that every provider accepts."""

from __future__ import annotations

import getpass
import re
import unicodedata

from tunnel.exitnodes.errors import BadOrder

__all__ = ["MAX_NAME_CHARACTERS", "check_name", "default_name", "default_student", "slug"]

# Google's names and label values hold 63 characters (RFC 1035's label); what a provider puts around ours
# ("NAME-cortafuegos") must fit too.
MAX_NAME_CHARACTERS = 50
_NAME = re.compile(rf"[a-z](?:[a-z0-9-]{{0,{MAX_NAME_CHARACTERS - 2}}}[a-z0-9])?")


def slug(text: str, max_characters: int = 24) -> str:
    """Return ``text`` in lower case ASCII letters, digits and hyphens; empty where nothing is left of it."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:max_characters].strip("-")


def default_student() -> str:
    """Return the name of whoever is logged in, as a slug."""
    try:
        return slug(getpass.getuser()) or "alumno"
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return "alumno"


def default_name(student: str, lab: str) -> str:
    """Return a node's name, the same each time for the same student and lab."""
    return check_name("-".join(filter(None, ("nodo", slug(student), slug(lab, 16)))))


def check_name(name: str) -> str:
    """Return ``name`` if every provider accepts it.

    Raises:
        BadOrder: it is too long, or has other characters than lower case letters, digits and hyphens.
    """
    if _NAME.fullmatch(name) is None:
        raise BadOrder(
            f"«{name}» no sirve como nombre de un nodo: lleva letras minúsculas sin tilde, cifras y guiones, "
            f"empieza por una letra, no termina en guion y tiene a lo sumo {MAX_NAME_CHARACTERS} caracteres."
        )
    return name
