"""A real DNS server on loopback that takes signed updates: Debian's knot."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
from support.pebble import answers_at, ended, free_port
from support.requirements import require_program
from support.wire import eventually

__all__ = ["Knot", "knot"]

_HOW = "Debian: sudo apt install knot"

_ZONE = """\
$ORIGIN {zone}.
@ 60 SOA ns.{zone}. nadie.{zone}. 1 60 60 60 60
@ 60 NS ns
ns 60 A 127.0.0.1
"""

_CONFIG = """\
server:
    rundir: "{folder}"
    listen: 127.0.0.1@{port}
log:
  - target: "{folder}/knot.log"
    any: info
database:
    storage: "{folder}"
{key}
acl:
  - id: pruebas
    key: nodo
    action: update
    update-type: TXT
    update-owner: name
    update-owner-match: equal
    update-owner-name: [{owners}]
zone:
  - domain: {zone}
    storage: "{folder}"
    file: zona.txt
    acl: pruebas
"""


@dataclass(slots=True)
class Knot:
    """A running server."""

    port: int
    zone: str
    key_file: Path

    @property
    def options(self) -> list[str]:
        """The options of ``tunnel server`` that lead to it."""
        return [
            "--acme-dns=rfc2136",
            f"--acme-dns-server=127.0.0.1:{self.port}",
            f"--acme-dns-zone={self.zone}",
            f"--acme-dns-key={self.key_file}",
            "--acme-dns-wait=0",
        ]

    def texts(self, name: str) -> list[str]:
        """Return what the TXT records of a name say."""
        answer = dns.query.tcp(dns.message.make_query(name, "TXT"), "127.0.0.1", 10, self.port)
        assert answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
        return [str(record).strip('"') for records in answer.answer for record in records]


@contextmanager
def knot(folder: Path, zone: str, *owners: str) -> Iterator[Knot]:
    """Run a primary server for ``zone``, whose key may change the TXT records of ``owners`` and no more."""
    program, keymgr = require_program("knotd", _HOW), require_program("keymgr", _HOW)
    folder.mkdir()
    key = subprocess.run([keymgr, "-t", "nodo"], capture_output=True, check=True, encoding="utf-8").stdout
    found = Knot(free_port(), zone, folder / "llave.tsig")
    found.key_file.touch(mode=0o600)
    found.key_file.write_text(key)
    (folder / "zona.txt").write_text(_ZONE.format(zone=zone))
    config = folder / "knot.conf"
    names = ", ".join(f"{owner}." for owner in owners)
    config.write_text(_CONFIG.format(folder=folder, port=found.port, key=key, zone=zone, owners=names))
    process = subprocess.Popen(
        [program, "--config", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with ended(process):
        eventually(lambda: process.poll() is not None or answers_at(found.port), "knot answers")
        assert process.poll() is None, (folder / "knot.log").read_text()
        yield found
