"""A real ACME issuer on loopback: Debian's pebble, and the DNS that it looks names up in."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.requirements import require_program
from support.wire import eventually

from tunnel.state.certificates import make_authority, make_leaf

__all__ = ["Names", "Pebble", "answers_at", "ended", "free_port", "names_on_loopback", "pebble"]

_HOW = "Debian: sudo apt install pebble"


def free_port() -> int:
    """Return a port that nobody has at the moment, for TCP and UDP."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(type=socket.SOCK_DGRAM) as udp:
            port: int = listener.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def answers_at(port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a process after the block."""
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


@dataclass(slots=True)
class Pebble:
    """A running issuer."""

    port: int
    management_port: int
    ca_file: Path
    log: Path

    @property
    def options(self) -> list[str]:
        """The options of ``tunnel server`` that lead to it."""
        return [f"--acme-issuer=https://localhost:{self.port}/dir", f"--acme-ca-file={self.ca_file}"]

    @property
    def root(self) -> str:
        """The CA (PEM) that its certificates lead to."""
        context = ssl.create_default_context(cafile=self.ca_file)
        url = f"https://localhost:{self.management_port}/roots/0"
        with urllib.request.urlopen(url, context=context, timeout=10) as answer:
            text: str = answer.read().decode()
            return text

    def count(self, words: str) -> int:
        """Return how often it logged ``words``."""
        return self.log.read_text().count(words)


@dataclass(slots=True)
class Names:
    """A DNS server for which every name is 127.0.0.1, and that takes TXT records over HTTP."""

    port: int
    management_port: int


@contextmanager
def names_on_loopback() -> Iterator[Names]:
    """Run one."""
    program = require_program("pebble-challtestsrv", _HOW)
    names = Names(free_port(), free_port())
    options = {
        "-defaultIPv4": "127.0.0.1",
        "-defaultIPv6": "",
        "-dns01": f"127.0.0.1:{names.port}",
        "-http01": "",
        "-https01": "",
        "-tlsalpn01": "",
        "-management": f"127.0.0.1:{names.management_port}",
    }
    process = subprocess.Popen(
        [program, *(word for option in options.items() for word in option)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with ended(process):
        for port in (names.port, names.management_port):
            eventually(lambda port=port: answers_at(port), "the DNS server answers")
        yield names


@contextmanager
def pebble(
    folder: Path, *, http_port: int, dns_port: int, validity_s: int = 0, port: int = 0, refused: str = ""
) -> Iterator[Pebble]:
    """Run an issuer.

    Args:
        folder: for its files.
        http_port: where it looks for proofs over HTTP.
        dns_port: of the DNS server that it asks.
        validity_s: of its certificates; 0: five years.
        port: its own; 0: a free one.
        refused: a domain that it gives no certificates for.
    """
    program = require_program("pebble", _HOW)
    folder.mkdir(exist_ok=True)
    authority = make_authority(time.time())
    leaf = folder / "pebble.pem"
    leaf.write_text(make_leaf(authority, (), time.time()).pem)
    ca_file = folder / "pebble-ca.pem"
    ca_file.write_text(authority.pem)
    found = Pebble(port or free_port(), free_port(), ca_file, folder / "pebble.log")
    config = {
        "listenAddress": f"127.0.0.1:{found.port}",
        "managementListenAddress": f"127.0.0.1:{found.management_port}",
        "certificate": str(leaf),
        "privateKey": str(leaf),
        "httpPort": http_port,
        "tlsPort": free_port(),
        "domainBlocklist": [refused] if refused else [],
    }
    if validity_s:
        config["certificateValidityPeriod"] = validity_s
    (folder / "pebble.json").write_text(json.dumps({"pebble": config}))
    with found.log.open("ab") as log:
        process = subprocess.Popen(
            [program, "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{dns_port}"],
            stdout=log,
            stderr=log,
            env=os.environ | {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "20"},  # of 100
        )
    with ended(process):
        eventually(lambda: process.poll() is not None or answers_at(found.port), "pebble answers")
        assert process.poll() is None, found.log.read_text()
        yield found
