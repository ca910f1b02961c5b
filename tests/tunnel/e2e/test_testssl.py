"""testssl.sh, which looks at a TLS server as an attacker would, has nothing to say of ours.

Left out are its sections on the certificate's trust and on HTTP headers: a private CA is in no system's
store, and the headers are the application's.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from support.requirements import require_program
from support.tunnel_kit import Starter
from support.tunnel_process import Server

from tunnel.state.certificates import make_authority, make_leaf

FINE = ("OK", "INFO", "DEBUG")
OF_THE_TOOL = ("engine_problem",)
"""What it says of its own OpenSSL, not of the server."""

SECTIONS = ("--protocols", "--std", "--fs", "--vulnerable")


def complaints(port: int, folder: Path) -> list[str]:
    """Return what testssl.sh finds on ``localhost``, beyond what is fine."""
    program = require_program("testssl", "Debian: sudo apt install testssl.sh")
    report = folder / "testssl.json"
    command = [program, "--quiet", "--color", "0", "--warnings", "batch", "--ip", "127.0.0.1", *SECTIONS]
    done = subprocess.run(
        [*command, "--jsonfile", str(report), f"localhost:{port}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=420,
    )
    findings = json.loads(report.read_text(encoding="utf-8"))
    asked = {finding["id"] for finding in findings}
    assert {"TLS1_3", "heartbleed", "LUCKY13", "cipherlist_AVERAGE"} <= asked, done.stdout
    return [
        f"{finding['severity']} {finding['id']}: {finding['finding']}"
        for finding in findings
        if finding["severity"] not in FINE and finding["id"] not in OF_THE_TOOL
    ]


@pytest.mark.timeout(480)
def test_the_control_plane_gives_testssl_nothing_to_say(start: Starter, tmp_path: Path) -> None:
    authority = make_authority(time.time())
    (tmp_path / "ca.pem").write_text(authority.pem)
    tokens = tmp_path / "tokens.toml"
    tokens.touch(mode=0o600)
    tokens.write_text('[[token]]\nlabel = "ana"\ncertificate = "ana"\nnames = ["*"]\n')
    server = Server(
        None,
        "--auto-tls",
        f"--state-dir={tmp_path / 'estado'}",
        f"--client-ca={tmp_path / 'ca.pem'}",
        f"--tokens-file={tokens}",
        # So many connections in a second are what it is for, and no attack.
        "--limit=handshakes-per-s=1000",
    )
    start.processes.append(server)
    assert complaints(server.control_port, tmp_path) == []


@pytest.mark.timeout(480)
def test_the_visitors_plane_gives_testssl_nothing_to_say(start: Starter, tmp_path: Path) -> None:
    leaf = make_leaf(make_authority(time.time()), (), time.time()).pem
    mark = leaf.index("-----BEGIN PRIVATE KEY-----")
    certificate, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
    certificate.write_text(leaf[:mark])
    key.touch(mode=0o600)
    key.write_text(leaf[mark:])
    server = start.server("--https-port=0", f"--https-cert={certificate}", f"--https-key={key}")
    port = server.wait_for("listening")["https"]["port"]
    assert complaints(port, tmp_path) == []
