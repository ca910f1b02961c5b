"""DNS-01 by dynamic updates (RFC 2136), signed with TSIG (RFC 8945): BIND, Knot, PowerDNS, Windows."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

import dns.exception
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.update

from tunnel.acme.proofs import ProofFailed
from tunnel.config import ConfigError
from tunnel.https_options import Rfc2136
from tunnel.os_errors import describe_os_error
from tunnel.secret_files import read_secret_file

__all__ = ["Rfc2136Prover", "read_tsig_key"]

_TTL_S = 60
_TIMEOUT_S = 15.0
_MAX_KEY_BYTES = 16 * 1024
_ALGORITHMS = ("hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")

# What tsig-keygen and ddns-confgen write (BIND, "key Block Grammar").
_BIND = re.compile(
    r'key\s+"?(?P<name>[\w.\-]+)"?\s*\{(?=[^}]*algorithm\s+"?(?P<algorithm>[\w\-]+)"?\s*;)'
    r'(?=[^}]*secret\s+"?(?P<secret>[A-Za-z0-9+/=]+)"?\s*;)[^}]*\}'
)
# What keymgr -t writes in its first line, and nsupdate -y takes.
_LINE = re.compile(
    r"^#?\s*(?P<algorithm>hmac-[\w\-]+):(?P<name>[\w.\-]+):(?P<secret>[A-Za-z0-9+/=]+)\s*$", re.MULTILINE
)


def read_tsig_key(path: Path) -> dns.tsig.Key:
    """Read a TSIG key.

    Raises:
        ConfigError: there is none in the file, or others can read it; the text does not show the key.
    """
    text = read_secret_file(path, "de la llave TSIG", "--acme-dns-key", "", _MAX_KEY_BYTES)
    found = _BIND.search(text) or _LINE.search(text)
    if found is not None and found["algorithm"].lower() in _ALGORITHMS:
        try:
            return dns.tsig.Key(found["name"], found["secret"], found["algorithm"].lower())
        except (dns.exception.DNSException, ValueError):
            pass
    raise ConfigError(
        f"el archivo {path} (--acme-dns-key) no tiene una llave TSIG como la que escriben «tsig-keygen "
        f"NOMBRE» (BIND) o «keymgr -t NOMBRE» (Knot), con un algoritmo de estos: {', '.join(_ALGORITHMS)}."
    )


class Rfc2136Prover:
    """Adds and deletes TXT records at the zone's primary server.

    Raises:
        ConfigError: the key cannot be used.
    """

    challenge = "dns-01"

    def __init__(self, options: Rfc2136, wait_s: float) -> None:
        self._options = options
        self._wait_s = wait_s
        self._key = read_tsig_key(options.key_file)
        self._zone = dns.name.from_text(options.zone)

    def put(self, domain: str, token: str, value: str) -> None:
        """Add the record."""
        update = dns.update.UpdateMessage(self._zone, keyring=self._key)
        update.add(self._record(domain), _TTL_S, "TXT", f'"{value}"')
        self._send(update)

    def settle(self) -> None:
        """Let the record reach the zone's secondary servers."""
        time.sleep(self._wait_s)

    def take_away(self, domain: str, token: str, value: str) -> None:
        """Delete the record, and none that says something else."""
        update = dns.update.UpdateMessage(self._zone, keyring=self._key)
        update.delete(self._record(domain), "TXT", f'"{value}"')
        self._send(update)

    def _record(self, domain: str) -> dns.name.Name:
        record = dns.name.from_text(f"_acme-challenge.{domain}")
        if not record.is_subdomain(self._zone):
            raise ProofFailed(f"{domain} is not in the zone {self._options.zone}")
        return record

    def _send(self, update: dns.update.UpdateMessage) -> None:
        options = self._options
        where = f"{options.server} port {options.port}"
        try:
            family = socket.getaddrinfo(options.server, options.port, type=socket.SOCK_STREAM)
            address = str(family[0][4][0])
            answer = dns.query.tcp(update, address, _TIMEOUT_S, options.port)
        except dns.exception.DNSException as error:
            raise ProofFailed(f"{where}: {error or type(error).__name__}") from None
        except OSError as error:
            raise ProofFailed(f"{where}: {describe_os_error(error)}") from None
        except EOFError:
            raise ProofFailed(f"{where}: it hung up") from None
        if answer.rcode() != dns.rcode.NOERROR:
            raise ProofFailed(f"{where}: {dns.rcode.to_text(answer.rcode())}")
