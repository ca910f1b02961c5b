"""Certificates for visitors that are proven in the DNS: updates to a real server (knot), and a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.https import visit_https
from support.knot import Knot, knot
from support.pebble import Pebble, free_port, names_on_loopback, pebble
from support.tunnel_kit import Starter, write_token
from support.tunnel_process import Server

ZONE = "ana.example"
RECORD = f"_acme-challenge.{ZONE}"

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def dns_server(tmp_path: Path) -> Iterator[Knot]:
    with knot(tmp_path / "knot", ZONE, RECORD) as found:
        yield found


@pytest.fixture
def issuer(tmp_path: Path, dns_server: Knot) -> Iterator[Pebble]:
    with pebble(tmp_path / "pebble", http_port=free_port(), dns_port=dns_server.port) as found:
        yield found


def start_server(start: Starter, issuer: Pebble, *options: str) -> Server:
    state = start.token_file.parent / "estado"
    return start.server("--https-port=0", f"--state-dir={state}", *issuer.options, *options)


def test_a_wildcard_is_proven_by_a_signed_update_and_nothing_is_left_in_the_zone(
    start: Starter, dns_server: Knot, issuer: Pebble
) -> None:
    server = start_server(
        start, issuer, f"--acme-domain=*.{ZONE}", f"--acme-domain={ZONE}", "--acme-allow=*.ana.example",
        *dns_server.options,
    )  # fmt: skip
    client = start.connected_client(server, f"todo.{ZONE}={start.backend().url}")
    port = server.wait_for("listening")["https"]["port"]
    assert client.wait_for("connected")["urls"] == [f"https://todo.{ZONE}:{port}"]
    first = server.wait_for("certificate_obtained", timeout_s=60)
    later = server.wait_for("certificate_obtained", server.events.index(first) + 1, 60)
    assert {first["domain"], later["domain"]} == {ZONE, f"*.{ZONE}"}
    with visit_https(port, f"todo.{ZONE}", issuer.root) as wire:
        assert wire.ask("GET", "/", f"Host: todo.{ZONE}").content == b"hola"
    assert dns_server.texts(RECORD) == []
    # What the wildcard covers gets none of its own, although it may have one.
    assert f"todo.{ZONE}" not in issuer.log.read_text()


def test_an_update_that_the_server_refuses_is_told_and_tried_again_later(
    start: Starter, dns_server: Knot, issuer: Pebble
) -> None:
    # The key may change other records than this: knot says then that it does not know it.
    server = start_server(start, issuer, f"--acme-domain=otro.{ZONE}", *dns_server.options)
    failed = server.wait_for("certificate_failed", timeout_s=60)
    assert (failed["domain"], failed["reason"]) == (f"otro.{ZONE}", "dns")
    assert failed["detail"].startswith("127.0.0.1 port ")
    assert dns_server.texts(f"_acme-challenge.otro.{ZONE}") == []
    assert server.err == ""
    assert 40 < failed["retry_in_s"] < 90


def test_a_key_that_the_server_does_not_know_is_told(
    start: Starter, tmp_path: Path, dns_server: Knot, issuer: Pebble
) -> None:
    wrong = tmp_path / "otra.tsig"
    wrong.touch(mode=0o600)
    wrong.write_text(
        'key "nodo" {\n\talgorithm hmac-sha256;\n\tsecret "c2VjcmV0bwo=";\n};\n'
    )  # as tsig-keygen
    options = [each for each in dns_server.options if "dns-key" not in each]
    server = start_server(start, issuer, f"--acme-domain={ZONE}", *options, f"--acme-dns-key={wrong}")
    failed = server.wait_for("certificate_failed", timeout_s=60)
    assert failed["reason"] == "dns"
    assert "127.0.0.1 port" in failed["detail"]
    assert "c2VjcmV0bwo" not in server.out + server.err


def test_a_program_puts_the_record_and_takes_it_away(start: Starter, tmp_path: Path) -> None:
    with (
        names_on_loopback() as names,
        pebble(tmp_path / "pebble", http_port=free_port(), dns_port=names.port) as issuer,
    ):
        said = tmp_path / "dicho.jsonl"
        program = tmp_path / "registro.py"
        program.write_text(
            f"""#!{sys.executable}
import json, os, sys, urllib.request
mine = {{key: value for key, value in os.environ.items() if key.startswith("TUNELAB_")}}
with open({str(said)!r}, "a") as file:
    print(json.dumps(mine), file=file)
print("esto no es un suceso")
verb = "set-txt" if mine["TUNELAB_ACME_ACTION"] == "present" else "clear-txt"
asked = {{"host": mine["TUNELAB_ACME_RECORD"] + ".", "value": mine["TUNELAB_ACME_VALUE"]}}
url = "http://127.0.0.1:{names.management_port}/" + verb
urllib.request.urlopen(url, json.dumps(asked).encode(), timeout=10).close()
"""
        )
        program.chmod(0o755)
        server = start_server(
            start, issuer, "--acme-domain=*.luis.example", f"--acme-dns-hook={program}", "--acme-dns-wait=0.1"
        )
        obtained = server.wait_for("certificate_obtained", timeout_s=60)
        assert obtained["domain"] == "*.luis.example"
    first, last = map(json.loads, said.read_text().splitlines())
    assert (first.pop("TUNELAB_ACME_ACTION"), last.pop("TUNELAB_ACME_ACTION")) == ("present", "cleanup")
    assert first == last
    assert len(first.pop("TUNELAB_ACME_VALUE")) == 43  # a SHA-256 in base64url
    assert first == {
        "TUNELAB_ACME_DOMAIN": "luis.example", "TUNELAB_ACME_RECORD": "_acme-challenge.luis.example"
    }  # fmt: skip
    assert "no es un suceso" not in server.out


def test_what_a_program_says_when_it_fails_is_told(start: Starter, tmp_path: Path) -> None:
    with (
        names_on_loopback() as names,
        pebble(tmp_path / "pebble", http_port=free_port(), dns_port=names.port) as issuer,
    ):
        program = tmp_path / "registro.sh"
        program.write_text("#!/bin/sh\necho una cosa >&2\necho 'el proveedor no responde' >&2\nexit 7\n")
        program.chmod(0o755)
        server = start_server(start, issuer, "--acme-domain=luis.example", f"--acme-dns-hook={program}")
        failed = server.wait_for("certificate_failed", timeout_s=60)
    assert failed["reason"] == "dns"
    assert failed["detail"] == "registro.sh ended with 7: el proveedor no responde"


@pytest.mark.parametrize(
    ("text", "mode", "complaint"),
    [
        ("esto no es una llave", 0o600, "no tiene una llave TSIG"),
        ('key "a" { algorithm hmac-md5; secret "eA=="; };', 0o600, "no tiene una llave TSIG"),
        ("hmac-sha256:a:eA==", 0o644, "chmod 600"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str, mode: int, complaint: str
) -> None:
    from tunnel.acme.rfc2136 import read_tsig_key
    from tunnel.config import ConfigError

    path = write_token(tmp_path / "llave", text)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=complaint) as error:
        read_tsig_key(path)
    assert "eA==" not in str(error.value)
