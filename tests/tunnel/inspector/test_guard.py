"""Who may ask: DNS rebinding, other sites' pages, and pages of another run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.inspected import Inspected
from support.tunnel_kit import linux_only

from tunnel.inspector.guard import Guard

HERE = "127.0.0.1:4040"


def objection(method: str = "GET", path: str = "/api/exchanges", **fields: str) -> str:
    named = {"Host": HERE} | {name.replace("_", "-"): value for name, value in fields.items()}
    return Guard(4040, "la-de-hoy").objection(method, path, named)


@pytest.mark.parametrize("host", ["127.0.0.1:4040", "localhost:4040", "LOCALHOST:4040", "[::1]:4040"])
def test_the_page_has_three_names(host: str) -> None:
    assert objection(Host=host) == ""


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:4040", "127.0.0.1", "127.0.0.1:4041", "localhost.evil.example:4040",
     "127.0.0.1:4040.evil.example", "192.0.2.1:4040", "0.0.0.0:4040"],
)  # fmt: skip
def test_no_other_name_is_answered_even_if_it_leads_here(host: str) -> None:
    assert "http://127.0.0.1:4040" in objection(Host=host)
    assert objection(path="/", Host=host) != ""


def test_on_the_default_port_the_port_may_go_unsaid() -> None:
    assert Guard(80).objection("GET", "/", {"Host": "localhost"}) == ""


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_pages_read_nothing_but_may_lead_here(site: str) -> None:
    assert objection(Sec_Fetch_Site=site) != ""
    assert objection(path="/static/inspector.js", Sec_Fetch_Site=site, Sec_Fetch_Dest="script") != ""
    assert objection(path="/", Sec_Fetch_Site=site, Sec_Fetch_Dest="iframe") != ""
    assert objection(path="/", Sec_Fetch_Site=site, Sec_Fetch_Dest="document") == ""


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:5000", f"https://{HERE}"]
)
def test_another_origin_is_refused_with_the_right_token_too(origin: str) -> None:
    assert objection("POST", "/api/clear", Origin=origin, X_Inspector_Token="la-de-hoy") != ""


def test_changes_need_the_token_of_this_run() -> None:
    assert objection("POST", "/api/clear", Origin=f"http://{HERE}", X_Inspector_Token="la-de-hoy") == ""
    assert "recárguela" in objection("POST", "/api/clear", X_Inspector_Token="la-de-ayer")
    assert objection("POST", "/api/clear") != ""
    assert objection("DELETE", "/api/clear") != ""
    assert Guard(1).token != Guard(1).token
    assert Guard(1, "secreta").token not in repr(Guard(1, "secreta"))


def test_the_page_itself_answers_so(inspected: Inspected) -> None:
    status, fields, content = inspected.ask("/api/exchanges", Host="evil.example")
    assert (status, fields["Content-Type"]) == (403, "application/json; charset=utf-8")
    assert "127.0.0.1" in json.loads(content)["error"]
    for path in ("/", "/api/exchanges", "/static/inspector.js", "/nada"):
        status, fields, _ = inspected.ask(path)
        assert status == (404 if path == "/nada" else 200)
        policy = dict(part.split(" ", 1) for part in fields["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert "unsafe" not in str(policy)
        assert policy["frame-ancestors"] == "'none'"
        assert fields["X-Content-Type-Options"] == "nosniff"
        assert fields["Cache-Control"] == "no-store"
        assert fields["Cross-Origin-Resource-Policy"] == "same-origin"
        assert not [name for name in fields if name.startswith("Access-Control")]
    assert inspected.ask("/api/clear", "POST")[0] == 403
    assert inspected.ask("/api/clear", "GET")[0] == 405


@linux_only
def test_the_page_listens_on_loopback_alone(inspected: Inspected) -> None:
    # /proc/net/tcp: 0100007F is 127.0.0.1 as the kernel writes it, 0A is LISTEN.
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")]
    sockets = [line.split() for table in tables for line in table.splitlines()[1:]]
    port = f":{inspected.port:04X}"
    listening = [fields[1] for fields in sockets if fields[3] == "0A" and fields[1].endswith(port)]
    assert listening == [f"0100007F{port}"]
