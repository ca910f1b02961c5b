"""Runs other programs, whose words are for :mod:`errors` to translate."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunnel.exitnodes.errors import MissingTool, ProviderFailed, Unavailable

__all__ = ["Completed", "require", "run"]

_DEFAULT_TIMEOUT_S = 600.0
_MAX_WORDS = 2000  # of what a program wrote, in characters, in an error


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that ended."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    def check(self) -> Completed:
        """Return itself if the program ended with 0.

        Raises:
            ProviderFailed: with what it wrote.
        """
        if self.code == 0:
            return self
        words = (self.err.strip() or self.out.strip() or "no dijo nada")[-_MAX_WORDS:]
        raise ProviderFailed(f"«{' '.join(self.argv[:3])} …» terminó con {self.code}:\n{words}")


def require(program: str, how_to_get: str) -> str:
    """Return the path of a program.

    Raises:
        MissingTool: it is not on PATH; the text says ``how_to_get`` it.
    """
    path = shutil.which(program)
    if path is None:
        raise MissingTool(f"no se encontró el programa «{program}». {how_to_get}")
    return path


def run(
    argv: Sequence[str],
    *,
    timeout_s: float = _DEFAULT_TIMEOUT_S,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> Completed:
    """Run a program to its end, with nothing on its stdin, and return what it wrote.

    Args:
        env: what is different in its environment.

    Raises:
        MissingTool: there is no such program.
        Unavailable: it did not end in time.
    """
    try:
        ended = subprocess.run(  # noqa: S603 - the providers' own commands, without a shell
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError:
        raise MissingTool(f"no se encontró el programa «{argv[0]}».") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"«{' '.join(argv[:3])} …» no terminó en {timeout_s:.0f} segundos.") from None
    return Completed(tuple(argv), ended.returncode, ended.stdout, ended.stderr)
