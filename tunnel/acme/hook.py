"""DNS-01 by a program of the owner's, which knows the provider of the zone."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tunnel.acme.proofs import ProofFailed
from tunnel.config import TOKEN_VARIABLE, ConfigError
from tunnel.os_errors import describe_os_error

__all__ = ["HookProver"]

_TIMEOUT_S = 120.0


class HookProver:
    """Runs the program, with all that it must know in its environment.

    ``TUNELAB_ACME_ACTION``  ``present`` or ``cleanup``
    ``TUNELAB_ACME_DOMAIN``  the name that is proven, without ``*.``
    ``TUNELAB_ACME_RECORD``  the TXT record's name: ``_acme-challenge.`` and the name
    ``TUNELAB_ACME_VALUE``   what the record says

    Raises:
        ConfigError: it is no program that this user may run.
    """

    challenge = "dns-01"

    def __init__(self, program: Path, wait_s: float) -> None:
        if not program.is_file() or not os.access(program, os.X_OK):
            raise ConfigError(
                f"{program} (--acme-dns-hook) no es un programa que se pueda ejecutar: ¿existe, y tiene "
                "permiso (chmod +x)?"
            )
        self._program = program.absolute()
        self._wait_s = wait_s

    def put(self, domain: str, token: str, value: str) -> None:
        """Run it for ``present``."""
        self._run("present", domain, value)

    def settle(self) -> None:
        """Let the record reach all of the zone's servers."""
        time.sleep(self._wait_s)

    def take_away(self, domain: str, token: str, value: str) -> None:
        """Run it for ``cleanup``."""
        self._run("cleanup", domain, value)

    def _run(self, action: str, domain: str, value: str) -> None:
        environment = {key: text for key, text in os.environ.items() if key != TOKEN_VARIABLE}
        environment |= {
            "TUNELAB_ACME_ACTION": action,
            "TUNELAB_ACME_DOMAIN": domain,
            "TUNELAB_ACME_RECORD": f"_acme-challenge.{domain}",
            "TUNELAB_ACME_VALUE": value,
        }
        try:
            outcome = subprocess.run(  # noqa: S603 - what the owner asked for
                [self._program],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # which is the exit node's own, for its events
                stderr=subprocess.PIPE,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ProofFailed(f"{self._program.name} took more than {_TIMEOUT_S:.0f} s") from None
        except OSError as error:
            raise ProofFailed(f"{self._program.name}: {describe_os_error(error)}") from None
        if outcome.returncode:
            words = outcome.stderr.decode("utf-8", "replace").strip().splitlines()
            said = f": {words[-1]}" if words else ""
            raise ProofFailed(f"{self._program.name} ended with {outcome.returncode}{said}")
