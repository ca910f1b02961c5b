"""Client certificates in place of tokens, with real commands over loopback."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from support.backend import Backend
from support.tunnel_kit import TOKEN
from support.tunnel_process import COMMAND, Server, TunnelProcess
from support.wire import eventually

from tests.tunnel.mtls.conftest import School
from tunnel.config import Secret, parse_control_url
from tunnel.doctor.probe import ask_exit_node
from tunnel.identity import IdentityFiles
from tunnel.mtls.showing import ShownCertificate
from tunnel.protocol.auth import certificate_token
from tunnel.state.certificates import make_authority, make_client_leaf, make_leaf, read_authority
from tunnel.transport.asking import AskError
from tunnel.transport.asking import ask as ask_question
from tunnel.transport.tls import Dialler
from tunnel.trust import CaFile

HOST = "Host: ana.example"


def place(folder: Path, label: str, pem: str) -> list[str]:
    """Put a certificate with its key into files; return the options that show it."""
    split = pem.index("-----BEGIN PRIVATE KEY-----")
    paths = (folder / f"{label}.pem", folder / f"{label}-llave.pem")
    for path, text in zip(paths, (pem[:split], pem[split:]), strict=True):
        new = path.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(text)
        new.replace(path)
    return [f"--cert={paths[0]}", f"--key={paths[1]}"]


def assert_refused(client: TunnelProcess, server: Server) -> None:
    lost = client.wait_for("disconnected")
    assert (lost["reason"], lost["detail"]) == ("tls", "it hung up on the certificate")
    assert client.count("connected") == server.count("client_connected") == 0


def test_who_shows_a_certificate_serves_the_names_of_its_label_and_no_others(
    school: School, backend: Backend
) -> None:
    options = school.issue("ana", f"--a={school.tokens}", "--nombres=ana.example")
    server = school.server()
    client = school.client(server, f"ana.example={backend.url}", *options)
    client.wait_for("connected")
    assert server.wait_for("client_connected")["label"] == "ana"
    with server.visit() as wire:
        assert wire.ask("GET", "/", HOST).content == b"hola"
    greedy = school.client(server, f"otra.example={backend.url}", *options)
    assert greedy.wait() == 1
    assert "no permite pedir ese nombre" in greedy.err


def test_a_connection_file_carries_certificate_and_key(school: School, backend: Backend) -> None:
    school.cert(
        "client", "--etiqueta=ana", f"--a={school.tokens}", "--nombres=ana.example",
        "--conexion=ana.toml", "--url=wss://localhost:1", "--ca-pin=sha256:" + "0" * 64,
    )  # fmt: skip
    server = school.server()
    file = school.folder / "ana.toml"
    assert file.stat().st_mode & 0o077 == 0 or os.name != "posix"
    school.cert(
        "client", "--etiqueta=ana", "--renovar", "--conexion=ana.toml",
        f"--url=wss://localhost:{server.control_port}",
    )  # fmt: skip
    # The pin is of the exit node's own CA now, which is in the same state folder.
    client = TunnelProcess("client", f"--conexion={file}", f"--upstream=ana.example={backend.url}", "--json")
    school.start.processes.append(client)
    client.wait_for("connected")
    assert "PRIVATE KEY" not in client.out + client.err
    doctor = TunnelProcess("doctor", f"--conexion={file}", "--json")
    school.start.processes.append(doctor)
    assert doctor.wait() == 0, doctor.description


def asked(command: str, *options: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if key != "TUNELAB_TOKEN"}
    return subprocess.run(
        [COMMAND, command, *options], capture_output=True, encoding="utf-8", timeout=60, env=env
    )


def test_who_shows_a_certificate_is_told_what_passed_for_it_and_nothing_of_others(
    school: School, backend: Backend
) -> None:
    ana = school.issue("ana", f"--a={school.tokens}", "--nombres=ana.example")
    luis = school.issue("luis", f"--a={school.tokens}", "--nombres=luis.example")
    server = school.server("--log-requests", "--metrics=0")
    where = [
        f"--url=wss://localhost:{server.control_port}",
        f"--ca-pin={server.wait_for('listening')['pin']}",
    ]
    school.client(server, f"ana.example={backend.url}", *ana).wait_for("connected")
    with server.visit() as wire:
        wire.ask("GET", "/", HOST, f"traceparent: 00-{'a1':0>32}-00f067aa0ba902b7-01")
    eventually(lambda: server.count("request") == 1, "it passed")
    told = {
        label: asked("requests", *where, *shown, "--json") for label, shown in (("ana", ana), ("luis", luis))
    }
    assert [json.loads(line)["trace"] for line in told["ana"].stdout.splitlines()] == [f"{'a1':0>32}"]
    assert [(one.returncode, one.stderr) for one in told.values()] == [(0, ""), (0, "")]
    assert told["luis"].stdout == ""
    status = {
        label: json.loads(asked("status", *where, *shown, "--json").stdout)
        for label, shown in (("ana", ana), ("luis", luis))
    }
    assert [link["client"] for link in status["ana"]["links"]] == ["ana"]
    assert status["luis"]["links"] == []
    assert not any(one["sees_all"] for one in status.values())


def test_a_certificate_without_rights_is_told_nothing(school: School) -> None:
    luis = school.issue("luis")  # with no entry in the tokens file
    school.entry("ana", "ana", "ana.example")
    server = school.server("--log-requests", "--metrics=0")
    where = [
        f"--url=wss://localhost:{server.control_port}",
        f"--ca-pin={server.wait_for('listening')['pin']}",
    ]
    for command, word in (("requests", "ese certificado"), ("status", "este certificado")):
        no = asked(command, *where, *luis)
        assert (no.returncode, no.stdout, word in no.stderr) == (1, "", True)
    strange = place(
        school.folder, "otra", make_client_leaf(make_authority(time.time()), "ana", 1, time.time()).pem
    )
    for command in ("requests", "status"):
        no = asked(command, *where, *strange)
        assert (no.returncode, no.stdout, "cortó al ver el certificado" in no.stderr) == (1, "", True)


def test_what_stands_for_a_certificate_is_no_use_to_who_does_not_show_it(school: School) -> None:
    certificate = Path(school.issue("ana", f"--a={school.tokens}", "--nombres=*")[0].partition("=")[2])
    token = certificate_token(ssl.PEM_cert_to_DER_cert(certificate.read_text()))
    server = school.server("--log-requests", "--metrics=0")
    address = parse_control_url(f"wss://localhost:{server.control_port}")
    dialler = Dialler(address, CaFile(school.folder / "estado" / "ca.pem"), Secret(token))
    for path in ("/.tunelab/requests", "/status", "/metrics"):
        with pytest.raises(AskError) as no:
            asyncio.run(ask_question(dialler, path))
        assert no.value.status in (401, 403)


def test_tokens_go_on_beside_certificates(school: School, backend: Backend) -> None:
    options = school.issue("ana", f"--a={school.tokens}", "--nombres=ana.example")
    with open(school.tokens, "a", encoding="utf-8") as file:
        file.write(f'\n[[token]]\nlabel = "luis"\nsecret = "{TOKEN}"\nnames = ["luis.example"]\n')
    server = school.server()
    for upstream, proof in (
        (f"ana.example={backend.url}", options),
        (f"luis.example={backend.url}", [f"--token-file={school.start.token_file}"]),
    ):
        school.client(server, upstream, *proof).wait_for("connected")
    assert {event["label"] for event in server.events if event["event"] == "client_connected"} == {
        "ana",
        "luis",
    }


def test_taking_the_label_away_ends_the_live_link(school: School, backend: Backend) -> None:
    options = school.issue("ana", f"--a={school.tokens}", "--nombres=ana.example")
    server = school.server()
    client = school.client(server, f"ana.example={backend.url}", *options)
    client.wait_for("connected")
    school.tokens.write_text("")
    assert client.wait() == 1
    assert "revocado" in client.err
    assert server.wait_for("client_gone")["reason"] == "revoked"
    again = school.client(server, f"ana.example={backend.url}", *options)
    assert again.wait() == 1
    assert "no conoce este certificado" in again.err


def test_a_certificate_that_expires_ends_the_live_link_and_a_renewed_one_takes_over(
    school: School, backend: Backend
) -> None:
    authority = read_authority((school.folder / "estado" / "autoridad-clientes.pem").read_text())
    school.entry("ana", "ana", "ana.example")
    server = school.server()

    def issue(seconds: float) -> list[str]:
        return place(
            school.folder, "ana", make_client_leaf(authority, "ana", seconds / 86400, time.time()).pem
        )

    options = issue(10)  # enough for a slow machine to connect
    client = school.client(server, f"ana.example={backend.url}", *options)
    client.wait_for("connected")
    issue(3600)  # as whoever renews does: beforehand, in the place of the former one
    assert server.wait_for("client_gone")["reason"] == "revoked"
    eventually(lambda: client.count("connected") == 2, "it comes back with the renewed certificate")
    with server.visit() as wire:
        assert wire.ask("GET", "/", HOST).content == b"hola"


def test_an_expired_certificate_opens_no_link_and_its_holder_is_told(
    school: School, backend: Backend
) -> None:
    authority = make_authority(time.time() - 3600)
    school.client_ca.write_text(authority.pem)
    school.entry("ana", "ana", "ana.example")
    server = school.server()
    options = place(school.folder, "ana", make_client_leaf(authority, "ana", 1 / 86400, time.time() - 60).pem)
    client = school.client(server, f"ana.example={backend.url}", *options)
    assert_refused(client, server)


def test_a_certificate_of_another_ca_opens_no_link(school: School, backend: Backend) -> None:
    school.entry("ana", "ana", "ana.example")
    server = school.server()
    options = place(
        school.folder, "ana", make_client_leaf(make_authority(time.time()), "ana", 1, time.time()).pem
    )
    client = school.client(server, f"ana.example={backend.url}", *options)
    assert_refused(client, server)


def test_a_servers_certificate_of_the_same_ca_is_no_clients(school: School, backend: Backend) -> None:
    authority = read_authority((school.folder / "estado" / "autoridad-clientes.pem").read_text())
    school.entry("servidor", "localhost", "ana.example")
    server = school.server()
    options = place(school.folder, "servidor", make_leaf(authority, (), time.time()).pem)
    client = school.client(server, f"ana.example={backend.url}", *options)
    assert_refused(client, server)


def test_what_stands_for_a_certificate_is_worth_nothing_to_who_has_not_its_key(
    school: School, backend: Backend
) -> None:
    # The certificate is no secret: whoever has seen it knows the key id and every proof.
    options = school.issue("ana", f"--a={school.tokens}", "--nombres=ana.example")
    server = school.server()
    address = parse_control_url(f"wss://localhost:{server.control_port}")
    trust = CaFile(school.folder / "estado" / "ca.pem")
    certificate, key = (Path(option.partition("=")[2]) for option in options)
    known = certificate_token(ssl.PEM_cert_to_DER_cert(certificate.read_text()))

    shown = ShownCertificate(IdentityFiles(certificate, key))

    def ask(dialler: Dialler) -> str:
        return asyncio.run(ask_exit_node(dialler, address.url)).code

    assert ask(Dialler(address, trust, None, shown=shown)) == ""
    assert ask(Dialler(address, trust, Secret(known))) == "unknown-token"


def test_an_entry_may_name_one_certificate_by_its_digest(school: School, backend: Backend) -> None:
    options = school.issue("ana")
    shown = school.cert("show", school.folder / "ana.pem")
    digest = next(word for word in shown.split() if word.startswith("sha256:"))
    school.entry("la-de-hoy", digest, "ana.example")
    server = school.server()
    school.client(server, f"ana.example={backend.url}", *options).wait_for("connected")
    assert server.wait_for("client_connected")["label"] == "la-de-hoy"
    # Another one for the same name is not that one; nor is one that is called like its digest.
    other = school.issue("ana", "--renovar")
    refused = school.client(server, f"ana.example={backend.url}", *other)
    assert refused.wait() == 1
    authority = read_authority((school.folder / "estado" / "autoridad-clientes.pem").read_text())
    pem = make_client_leaf(authority, digest[:64], 1, time.time()).pem
    fake = school.client(server, f"ana.example={backend.url}", *place(school.folder, "falsa", pem))
    assert fake.wait() == 1


def test_the_doctor_tells_a_certificate_that_is_refused_from_one_that_is_unknown(school: School) -> None:
    unknown = school.issue("luis")
    school.entry("ana", "ana", "ana.example")
    server = school.server()
    strange = make_client_leaf(make_authority(time.time()), "ana", 1, time.time())
    for options, said in (
        (unknown, "no conoce este certificado"),
        (place(school.folder, "falsa", strange.pem), "cortó al ver el certificado"),
    ):
        doctor = TunnelProcess(
            "doctor",
            f"--url=wss://localhost:{server.control_port}",
            f"--ca-file={school.folder / 'estado' / 'ca.pem'}",
            *options,
        )
        school.start.processes.append(doctor)
        assert doctor.wait() == 1
        assert said in doctor.out, doctor.description
        assert "tunnel cert show" in doctor.out


def test_an_exit_node_without_a_client_ca_says_so(school: School, backend: Backend) -> None:
    options = school.issue("ana")
    server = school.start.server("--auto-tls", f"--state-dir={school.folder / 'otro'}")
    client = school.client(server, backend.url, *options)
    assert client.wait() == 1
    assert "--client-ca" in client.err


def wrong(*arguments: str) -> str:
    process = TunnelProcess(*arguments, env={"TUNELAB_TOKEN": "x" * 32})
    code = process.wait()
    process.close()
    assert code == 2, process.description
    return process.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cert=a.pem"], "van juntos"),
        (["--cert=a.pem", "--key=b.pem", "--token-file=t.txt"], "no van juntos"),
        (["--cert=a.pem", "--key=b.pem"], "no existe"),
    ],
)
def test_a_client_is_told_what_is_wrong_with_its_options(options: list[str], said: str) -> None:
    assert said in wrong("client", "--url=wss://localhost:1", "--upstream=http://localhost:1", *options)


def test_a_certificate_is_never_shown_without_tls_or_to_who_is_known_by_a_token(school: School) -> None:
    options = school.issue("ana")
    plain = wrong("client", "--url=ws://localhost:1", "--upstream=http://localhost:1", *options)
    assert "no va cifrada" in plain
    proof = wrong(
        "client", "--url=wss://localhost:1", "--ca-pin=token", "--upstream=http://localhost:1", *options
    )
    assert "huella" in proof


def test_a_key_that_others_can_read_or_that_is_anothers_is_refused(school: School) -> None:
    ana, luis = school.issue("ana"), school.issue("luis")
    url = ("client", "--url=wss://localhost:1", "--upstream=http://localhost:1")
    assert "o la llave es de otro" in wrong(*url, ana[0], luis[1])
    (school.folder / "ana-llave.pem").chmod(0o644)
    assert "chmod 600" in wrong(*url, *ana)


def test_an_exit_node_is_told_what_client_ca_needs(school: School) -> None:
    school.entry("ana", "ana", "ana.example")
    ca, tokens = f"--client-ca={school.client_ca}", f"--tokens-file={school.tokens}"
    tls = ("--auto-tls", f"--state-dir={school.folder / 'estado'}")
    ports = ("server", "--port=0", "--control-port=0")
    assert "--auto-tls" in wrong(*ports, ca, tokens)
    assert "--tokens-file" in wrong(*ports, ca, *tls)
    assert "no se puede leer" in wrong(*ports, "--client-ca=nada.pem", tokens, *tls)
    assert "en PEM" in wrong(*ports, f"--client-ca={school.tokens}", tokens, *tls)
