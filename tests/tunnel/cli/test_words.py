"""How events and failures are worded for people, and written for programs."""

from __future__ import annotations

import ast
import errno
import io
import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tunnel
from tests.tunnel.unit.kit import assert_spanish
from tunnel import events
from tunnel.cli import client_words, server_words
from tunnel.cli.common import EventPrinter
from tunnel.cli.logs import EventStyle
from tunnel.config import ClientConfig, Secret, ServerConfig, parse_control_url, parse_upstreams
from tunnel.events import (
    Address,
    CertificateFailed,
    CertificateObtained,
    ClientConnected,
    ClientGone,
    Connected,
    Disconnected,
    Event,
    HealthChanged,
    InspectorReady,
    Listening,
    MetricsListening,
    Refused,
    RequestPassed,
    SitesRejected,
    SitesReloaded,
    Stopping,
    TokensRejected,
    TokensReloaded,
)
from tunnel.protocol.errors import CloseCode

TOKEN = Secret("x" * 16)

SAMPLES: list[tuple[Event, dict[str, object]]] = [
    (
        Listening(Address("0.0.0.0", 8000), Address("0.0.0.0", 8123)),
        {
            "data": {"host": "0.0.0.0", "port": 8000},
            "control": {"host": "0.0.0.0", "port": 8123},
            "pin": "",
            "connection_file": "",
            "is_encrypted": False,
            "sni": None,
            "https": None,
        },
    ),
    (
        ClientConnected("s1", "192.0.2.7:1234", ("ñandú.example", "*"), "tunelab/1", "ana"),
        {
            "session": "s1",
            "peer": "192.0.2.7:1234",
            "names": ["ñandú.example", "*"],
            "agent": "tunelab/1",
            "label": "ana",
            "ports": [],
            "sni": [],
        },
    ),
    (
        ClientGone("s1", "192.0.2.7:1234", ("a",), "ping-timeout"),
        {
            "session": "s1",
            "peer": "192.0.2.7:1234",
            "names": ["a"],
            "reason": "ping-timeout",
            "label": "",
            "ports": [],
            "sni": [],
        },
    ),
    (
        HealthChanged("s1", "a.example", False, "HTTP 500", "ana"),
        {"session": "s1", "upstream": "a.example", "is_up": False, "detail": "HTTP 500", "label": "ana"},
    ),
    (MetricsListening("http://127.0.0.1:9180"), {"url": "http://127.0.0.1:9180"}),
    (RequestPassed("s1", 201, "4bf9"), {"session": "s1", "status": 201, "trace": "4bf9"}),
    (
        CertificateObtained("ana.example", "2027-02-19T10:00:00Z"),
        {"domain": "ana.example", "ends": "2027-02-19T10:00:00Z"},
    ),
    (
        CertificateFailed("ana.example", "unreachable", "Connection refused", 12.5, True),
        {
            "domain": "ana.example",
            "reason": "unreachable",
            "detail": "Connection refused",
            "retry_in_s": 12.5,
            "is_served": True,
        },
    ),
    (
        TokensReloaded(2, ("ana",), ("luis",), ()),
        {"tokens": 2, "added": ["ana"], "removed": ["luis"], "changed": []},
    ),
    (
        TokensRejected("tokens.toml", "el archivo tokens.toml no es TOML"),
        {"file": "tokens.toml", "message": "el archivo tokens.toml no es TOML"},
    ),
    (
        SitesReloaded(2, ("ana.example",), (), ("*",)),
        {"sites": 2, "added": ["ana.example"], "removed": [], "changed": ["*"]},
    ),
    (
        SitesRejected("sitios.toml", "el archivo sitios.toml no es TOML"),
        {"file": "sitios.toml", "message": "el archivo sitios.toml no es TOML"},
    ),
    (InspectorReady("http://127.0.0.1:4040"), {"url": "http://127.0.0.1:4040"}),
    (
        Connected("s1", ("http://a:8000",), ("http://localhost:5000",)),
        {
            "session": "s1",
            "urls": ["http://a:8000"],
            "upstreams": ["http://localhost:5000"],
            "tcp": [],
            "sni": [],
        },
    ),
    (
        Disconnected("unreachable", "Connection refused", 0.5),
        {"reason": "unreachable", "detail": "Connection refused", "retry_in_s": 0.5},
    ),
    (Refused("unknown-token", "no"), {"code": "unknown-token", "message": "no"}),
    (Stopping(3), {"open_requests": 3}),
]


@pytest.fixture
def describe_client() -> client_words.Describer:
    return client_words.Describer(
        ClientConfig(parse_control_url("wss://exit.example"), TOKEN, parse_upstreams(["localhost:5000"]))
    )


# ── for programs ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("event", "members"), SAMPLES, ids=lambda value: getattr(value, "name", ""))
def test_an_event_is_one_line_of_json(
    capsys: pytest.CaptureFixture[str], event: Event, members: dict[str, object]
) -> None:
    EventPrinter(EventStyle.JSON, lambda event: pytest.fail("not for people"), pytest.fail)(event)
    written = capsys.readouterr().out
    assert written.endswith("\n")
    assert written.count("\n") == 1
    assert written.isascii()  # whatever the pipe's encoding
    assert json.loads(written) == {"event": event.name} | members


def test_every_event_has_a_sample_and_a_name_of_its_own() -> None:
    kinds = {
        value for value in vars(events).values() if isinstance(value, type) and issubclass(value, Event)
    } - {Event}
    assert kinds == {type(event) for event, _ in SAMPLES}
    assert len({kind.name for kind in kinds}) == len(kinds)


# ── for people ───────────────────────────────────────────────────────────────────────────────────


def test_words_have_the_time_in_front(capsys: pytest.CaptureFixture[str]) -> None:
    EventPrinter(EventStyle.WORDS, lambda event: "Hola.", pytest.fail)(Stopping(0))
    assert re.fullmatch(r"\[\d\d:\d\d:\d\d\] Hola\.\n", capsys.readouterr().out)


def test_what_has_no_words_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    EventPrinter(EventStyle.WORDS, lambda event: None, pytest.fail)(Stopping(0))
    assert capsys.readouterr().out == ""


def test_the_server_words_its_events() -> None:
    words = {event.name: server_words.describe(event) for event, _ in SAMPLES}
    assert {name for name, text in words.items() if text} == {
        "listening",
        "certificate_failed",
        "certificate_obtained",
        "client_connected",
        "client_gone",
        "health",
        "metrics",
        "request",
        "sites_rejected",
        "sites_reloaded",
        "stopping",
        "tokens_rejected",
        "tokens_reloaded",
    }
    assert words["request"] == "Petición respondida: 201, traza 4bf9."
    assert words["certificate_obtained"] == (
        "Certificado listo: https://ana.example (vale hasta el 2027-02-19)."
    )
    assert words.pop("certificate_failed") == (  # with what the issuer or the system said, as it said it
        "Sin certificado nuevo para ana.example: no se llega al emisor (Connection refused). "
        "Sigue el anterior. Otra vez en 12 s."
    )
    assert "«ana»" in str(words["client_connected"])
    assert "ahora hay 2. Nuevos: ana. Quitados: luis." in str(words["tokens_reloaded"])
    assert "http://0.0.0.0:8000" in str(words["listening"])
    assert "ws://0.0.0.0:8123" in str(words["listening"])
    assert "todos los nombres" in str(words["client_connected"])
    for text in filter(None, words.values()):
        assert_spanish(text)
    some = server_words.describe(ClientConnected("s", "p", ("a.example", "b.example"), "x"))
    assert "a.example, b.example" in str(some)


def test_the_client_words_its_events(describe_client: client_words.Describer) -> None:
    words = {event.name: describe_client(event) for event, _ in SAMPLES}
    told = {name for name, text in words.items() if text}
    assert told == {"connected", "disconnected", "health", "metrics", "stopping"}
    assert "http://a:8000  →  http://localhost:5000" in str(words["connected"])
    assert "wss://exit.example:8123" in str(words["disconnected"])
    assert "nada escucha en ese puerto" in str(words["disconnected"])
    for text in filter(None, words.values()):
        assert_spanish(text)


def test_the_client_says_once_why_it_has_no_link_and_anew_when_that_changes(
    describe_client: client_words.Describer,
) -> None:
    refused = Disconnected("unreachable", "Connection refused", 1.0)
    unknown = Disconnected("unreachable", "Name or service not known", 1.0)
    said = [describe_client(event) for event in (refused, refused, unknown, unknown, refused)]
    assert [text is not None for text in said] == [True, False, True, False, True]
    describe_client(Connected("s", ("http://a",), ("http://b",)))
    assert describe_client(refused) is not None


@pytest.mark.parametrize("code", CloseCode, ids=lambda code: code.name)
def test_every_way_to_lose_the_link_has_words(
    describe_client: client_words.Describer, code: CloseCode
) -> None:
    reason = code.name.lower().replace("_", "-")
    text = server_words.describe(ClientGone("s", "192.0.2.7:1", ("a",), reason))
    assert text is not None
    assert reason not in text
    assert_spanish(text)
    if reason in client_words._REFUSALS:
        return
    text = describe_client(Disconnected(reason, "some detail", 1.0))
    assert text is not None
    assert reason not in text
    assert "some detail" not in text
    assert_spanish(text)


def refusal_codes() -> Iterator[str]:
    """Yield the codes with which the tunnel's code refuses for good: Refusal(code, …) without a retry."""
    for path in Path(tunnel.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refusal":
                is_final = not any(keyword.arg == "retry" for keyword in node.keywords)
                if is_final and node.args and isinstance(node.args[0], ast.Constant):
                    yield str(node.args[0].value)


def test_every_refusal_has_words_that_say_what_to_do() -> None:
    codes = set(refusal_codes())
    assert len(codes) >= 4
    assert codes <= set(client_words._REFUSALS)
    for text in client_words._REFUSALS.values():
        assert text.endswith(".")
        assert_spanish(text)


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("Connection refused", "nada escucha"),
        ("Connect call failed ('127.0.0.1', 9): [Errno 111]", "nada escucha"),
        (
            "Multiple exceptions: [Errno 111] Connect call failed ('::1', 9, 0, 0), [Errno 111] …",
            "nada escucha",
        ),
        ("[WinError 1225] The remote computer refused the network connection", "nada escucha"),
        ("Name or service not known", "ese nombre no existe"),
        ("nodename nor servname provided, or not known", "ese nombre no existe"),
        ("[Errno 11001] getaddrinfo failed", "ese nombre no existe"),
        ("Temporary failure in name resolution", "DNS"),
        ("no connection in time", "a tiempo"),
        ("Connection timed out", "a tiempo"),
        ("No route to host", "no hay camino"),
        ("Network is unreachable", "no hay red"),
        ("Connection reset by peer", "cortó"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "ws y no wss"),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate",
            "de confianza",
        ),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired", "venció"),
        ("certificate verify failed: Hostname mismatch, certificate is not valid for 'a'", "otro nombre"),
        (
            "certificate verify failed: IP address mismatch, certificate is not valid for '192.0.2.1'",
            "otro nombre",
        ),
        ("certificate verify failed: certificate is not yet valid (_ssl.c:1006)", "reloj"),
        ("it offers no CA (HTTP 404)", "--auto-tls"),
        ("it offers no CA (it does not speak HTTP)", "--auto-tls"),
        ("it hung up in the TLS handshake", "ws y no wss"),
        ("it does not speak HTTP", "no habla HTTP"),
        ("no subprotocol was agreed on", "no conoce este protocolo"),
        ("HTTP 404", "responde HTTP 404"),
    ],
)
def test_details_in_the_system_s_words_are_toldwords_of_detail(detail: str, words: str) -> None:
    text = client_words.words_of_detail(detail)
    assert words in text
    assert_spanish(text)


def test_a_detail_that_nobody_foresaw_is_told_as_it_is() -> None:
    assert client_words.words_of_detail("something rare") == "something rare"


@pytest.mark.parametrize(
    ("error", "is_data_up", "words"),
    [
        (OSError(errno.EADDRINUSE, "x"), False, ["8000", "--port"]),
        (OSError(errno.EADDRINUSE, "x"), True, ["8123", "--control-port"]),
        (OSError(errno.EACCES, "x"), False, ["8000", "1024", "--port"]),
        (OSError(errno.EADDRNOTAVAIL, "x"), False, ["192.0.2.1"]),
        (OSError(errno.EADDRNOTAVAIL, "x"), True, ["192.0.2.2"]),
        (socket.gaierror(socket.EAI_NONAME, "x"), True, ["192.0.2.2"]),
        (OSError(errno.EMFILE, "x"), False, ["192.0.2.1", "8000", "demasiados archivos"]),
    ],
)
def test_why_the_server_cannot_listen(error: OSError, is_data_up: bool, words: list[str]) -> None:
    config = ServerConfig(TOKEN, host="192.0.2.1", control_host="192.0.2.2")
    text = server_words.why_not_listening(config, error, is_data_up)
    for word in words:
        assert word in text
    assert_spanish(text)


# ── when nobody reads ────────────────────────────────────────────────────────────────────────────


def test_a_reader_that_is_gone_is_noticed_once_and_bothers_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    lost: list[str] = []
    stdout = io.TextIOWrapper(io.FileIO(writing, "w"), write_through=True)
    monkeypatch.setattr(sys, "stdout", stdout)
    printer = EventPrinter(EventStyle.JSON, lambda event: None, lambda: lost.append("lost"))
    try:
        for _ in range(3):
            printer(Stopping(0))
    finally:
        monkeypatch.undo()
        stdout.detach().close()
    assert printer.is_lost
    assert lost == ["lost"]


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("Connection refused", "no acepta conexiones"),
        ("no answer within 5 s", "no respondió en 5 s"),
        ("HTTP 500", "respondió HTTP 500"),
        ("connection lost", "cortó sin responder"),
        ("something else", "something else"),
    ],
)
def test_a_sick_service_is_told_of_with_the_reason_and_so_is_its_recovery(
    describe_client: client_words.Describer, detail: str, said: str
) -> None:
    assert describe_client(HealthChanged("s1", "*", True, "")) is None, "well from the start"
    told = describe_client(HealthChanged("s1", "*", False, detail))
    assert told == f"http://localhost:5000 no pasa su revisión de salud ({said}): no recibe visitantes."
    told = describe_client(HealthChanged("s1", "*", True, ""))
    assert told == "http://localhost:5000 pasa su revisión de salud: recibe visitantes."
    told = server_words.describe(HealthChanged("s1", "a.example", False, detail, "ana"))
    assert told is not None
    assert told.startswith("a.example, del cliente «ana», no pasa")
