"""Who is known to a site by what a request carries: users with passwords, and tokens.

Both are in files that only their owner can read, beside the sites file.  Of neither is anything kept in
memory that could be used if it leaked.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path

from tunnel.config import ConfigError
from tunnel.secret_files import check_token, read_secret_file
from tunnel.sites.passwords import PasswordHash, parse_hash

__all__ = ["MAX_USERS", "BearerTokens", "Users", "is_user_name", "load_bearer_tokens", "load_users"]

MAX_USERS = 10_000

_MAX_BYTES = 4 * 1024 * 1024
_MAX_TOKENS = 100
"""All of them are looked at, whichever comes."""

_USER = re.compile(r"[A-Za-z0-9_.@+-]{1,64}")  # no colon, which ends it (RFC 7617, section 2)


@dataclass(frozen=True, slots=True)
class Users:
    """Users and what is kept of their passwords."""

    hashes: Mapping[str, PasswordHash]

    def find(self, name: str) -> PasswordHash:
        """Return a user's; for one who does not exist another's, so that the check takes as long."""
        return self.hashes.get(name) or next(iter(self.hashes.values()))


@dataclass(frozen=True, slots=True)
class BearerTokens:
    """Digests of tokens."""

    digests: tuple[bytes, ...]

    def __contains__(self, token: bytes) -> bool:
        """Whether ``token`` is one of them; how long it takes tells nothing."""
        digest, is_known = hashlib.sha256(token).digest(), False
        for known in self.digests:
            is_known |= compare_digest(known, digest)
        return is_known


def is_user_name(text: str) -> bool:
    """Whether a user may be called that."""
    return _USER.fullmatch(text) is not None


def load_users(path: Path) -> Users:
    """Return the users in a file: a line ``user:hash`` each; empty lines and ``#`` comments are skipped.

    Raises:
        ConfigError: others can read it, or something in it is wrong; never with what stands there.
    """
    advice = f"Créelo con: tunnel password ana --a {shlex.quote(str(path))}"
    hashes: dict[str, PasswordHash] = {}
    for number, line in _lines(path, "de los usuarios", "basic", advice):
        name, _, text = line.partition(":")
        where = f"la línea {number} de {path}"
        if not is_user_name(name):
            raise ConfigError(
                f"{where} no empieza con un usuario y dos puntos: ana:$scrypt$… «tunnel password» la escribe."
            )
        if name in hashes:
            raise ConfigError(f"en {path} el usuario «{name}» está dos veces.")
        try:
            hashes[name] = parse_hash(text.strip())
        except ValueError:
            raise ConfigError(
                f"{where} no tiene la contraseña como la escribe «tunnel password»: $scrypt$ln=14,r=8,p=5$…"
            ) from None
    if not hashes:
        raise ConfigError(f"el archivo {path} no tiene ningún usuario. {advice}")
    if len(hashes) > MAX_USERS:
        raise ConfigError(f"el archivo {path} tiene {len(hashes)} usuarios; caben {MAX_USERS}.")
    return Users(hashes)


def load_bearer_tokens(path: Path) -> BearerTokens:
    """Return the tokens in a file, one a line; empty lines and ``#`` comments are skipped.

    Raises:
        ConfigError: others can read it, or one of them is no token.
    """
    advice = f"Créelo con: tunnel token --salida {shlex.quote(str(path))}"
    tokens = [
        check_token(line, f"de la línea {number} de {path}").reveal()
        for number, line in _lines(path, "de los tokens de los visitantes", "bearer", advice)
    ]
    if not 1 <= len(tokens) <= _MAX_TOKENS:
        raise ConfigError(
            f"el archivo {path} tiene {len(tokens)} tokens: debe haber uno al menos, y caben {_MAX_TOKENS}."
        )
    return BearerTokens(tuple(hashlib.sha256(token.encode()).digest() for token in tokens))


def _lines(path: Path, of: str, key: str, advice: str) -> list[tuple[int, str]]:
    text = read_secret_file(path, of, key, advice, _MAX_BYTES)
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    return [(number, line) for number, line in lines if line and not line.startswith("#")]
