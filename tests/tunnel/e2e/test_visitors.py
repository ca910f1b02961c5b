"""Who may visit, from where and how often, through a whole tunnel."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import pytest
from support.backend import Backend
from support.own_service import free_port
from support.tunnel_in_process import in_process_tunnel
from support.tunnel_kit import Starter, linux_only
from support.tunnel_process import TunnelProcess
from support.wire import Broken, Wire, request

from tunnel.sites.gate import SitesGate
from tunnel.transport.gate import Verdict, Visit

FAR = "127.0.0.9"  # another source; only Linux has all of 127.0.0.0/8


def write(path: Path, text: str) -> Path:
    """Replace a sites file, as editors do."""
    new = path.with_suffix(".new")
    new.touch(mode=0o644)
    new.write_text(text, encoding="utf-8")
    return new.replace(path)


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    return tmp_path / "sitios.toml"


def status_of(wire: Wire, host: str, *lines: str) -> tuple[int, str | None]:
    """Return the status and the exit node's code of a request for ``host``."""
    answer = wire.ask("GET", "/", f"Host: {host}", *lines)
    return answer.status, answer.code


# ── for every name ───────────────────────────────────────────────────────────────────────────────


@linux_only
def test_who_is_denied_is_cut_off_before_a_byte_is_read_and_others_are_not(start: Starter) -> None:
    server, backend = start.server(f"--deny={FAR}"), start.backend()
    start.connected_client(server, backend)
    with pytest.raises((Broken, OSError)), server.visit(source=FAR) as wire:
        wire.read_until(b"\r\n")  # nothing was sent: it is not an answer to anything
    with server.visit() as wire:
        assert wire.ask().content == b"hola"
    assert len(backend.requests) == 1


@linux_only
def test_with_an_allow_list_only_those_in_it_come_in(start: Starter) -> None:
    server, backend = start.server("--allow=127.0.0.1", "--allow=192.0.2.0/24"), start.backend()
    start.connected_client(server, backend)
    with pytest.raises((Broken, OSError)), server.visit(source=FAR) as wire:
        wire.read_until(b"\r\n")
    with server.visit() as wire:
        assert wire.ask().content == b"hola"


@linux_only
def test_tcp_ports_are_closed_to_whoever_is_denied(start: Starter) -> None:
    port = free_port()
    server, backend = start.server(f"--deny={FAR}", f"--tcp-ports={port}"), start.backend()
    client = start.client(server, options=(f"--tcp={port}=127.0.0.1:{backend.port}",))
    client.wait_until_connected()
    with pytest.raises((Broken, OSError)), Wire.to(port, source=FAR) as wire:
        wire.read_until(b"\r\n")
    with Wire.to(port) as wire:
        assert wire.ask().content == b"hola"


def test_who_comes_through_a_trusted_proxy_is_judged_by_its_own_address(start: Starter) -> None:
    server, backend = start.server("--trust-proxy=127.0.0.1", "--deny=192.0.2.0/24"), start.backend()
    start.connected_client(server, backend)
    with server.visit() as wire:
        assert status_of(wire, "a.example", "X-Forwarded-For: 192.0.2.7") == (403, "not-allowed")
        assert status_of(wire, "a.example", "X-Forwarded-For: 198.51.100.7") == (200, None)
        # What the visitor itself wrote before the proxy is worth nothing.
        forged = "X-Forwarded-For: 198.51.100.7, 192.0.2.7"
        assert status_of(wire, "a.example", forged) == (403, "not-allowed")
    assert len(backend.requests) == 1


# ── for each name ────────────────────────────────────────────────────────────────────────────────


def test_each_name_has_its_own_rule_and_the_most_specific_decides(start: Starter, sites: Path) -> None:
    write(
        sites,
        '[site."*"]\ndeny = ["127.0.0.0/8"]\n[site."*.example"]\n'
        '[site."cerrado.example"]\nallow = ["192.0.2.0/24"]\n',
    )
    server, backend = start.server(f"--sites-file={sites}"), start.backend()
    start.connected_client(server, backend)
    with server.visit() as wire:
        assert status_of(wire, "a.example") == (200, None)
        assert status_of(wire, "cerrado.example") == (403, "not-allowed")
        assert status_of(wire, "CERRADO.example.:8000") == (403, "not-allowed")
        assert status_of(wire, "otro.test") == (403, "not-allowed")
        assert status_of(wire, "a.example") == (200, None)
        refused = wire.ask("POST", "/", "Host: otro.test", content=b"x" * 1000)
        assert refused.status == 403
        wire.send(request("GET", "http://cerrado.example/", "Host: a.example"))
        assert wire.read_response().status == 403, "the name in the request line is the one that counts"
    assert len(backend.requests) == 2


def test_an_upgrade_passes_the_same_gate(start: Starter, sites: Path) -> None:
    write(sites, '[site."a.example"]\ndeny = ["127.0.0.1"]\n')
    server, backend = start.server(f"--sites-file={sites}"), start.backend()
    start.connected_client(server, backend)
    with server.visit() as wire:
        upgrade = ("Connection: Upgrade", "Upgrade: websocket")
        assert status_of(wire, "a.example", *upgrade) == (403, "not-allowed")
    assert backend.requests == []


def test_a_source_that_asks_too_often_waits_and_is_told_how_long(start: Starter, sites: Path) -> None:
    write(sites, '[site."a.example"]\nrate = "1/h"\nburst = 3\n')
    server, backend = start.server(f"--sites-file={sites}"), start.backend()
    start.connected_client(server, backend)
    with server.visit() as wire:
        assert [status_of(wire, "a.example")[0] for _ in range(3)] == [200] * 3
        answer = wire.ask("GET", "/", "Host: a.example")
        assert (answer.status, answer.code) == (429, "too-many-requests")
        assert 3500 < int(answer.fields.get("Retry-After") or 0) <= 3600
        assert status_of(wire, "b.example") == (200, None)
    if sys.platform == "linux":
        with server.visit(source=FAR) as wire:
            assert status_of(wire, "a.example") == (200, None)


def test_a_changed_file_takes_effect_and_a_broken_one_does_not(start: Starter, sites: Path) -> None:
    write(sites, '[site."a.example"]\nallow = ["192.0.2.1"]\n')
    server, backend = start.server(f"--sites-file={sites}"), start.backend()
    start.connected_client(server, backend)
    with server.visit() as wire:
        assert status_of(wire, "a.example") == (403, "not-allowed")
        write(sites, '[site."a.example"]\nallow = ["127.0.0.1"]\n')
        assert server.wait_for("sites_reloaded")["changed"] == ["a.example"]
        assert status_of(wire, "a.example") == (200, None)
        write(sites, '[site."a.example"]\nalow = ["192.0.2.1"]\n')
        assert "allow" in server.wait_for("sites_rejected")["message"]
        assert status_of(wire, "a.example") == (200, None)
        sites.unlink()
        if sys.platform != "win32":
            server.signal(signal.SIGHUP)
        assert "no existe" in server.wait_for("sites_rejected", server.count("listening") + 3)["message"]
        assert status_of(wire, "a.example") == (200, None)


@pytest.mark.parametrize(
    ("text", "words"), [('[site."a.example"]\nalow = []\n', "¿Quiso decir allow?"), ("[", "no es TOML")]
)
def test_an_exit_node_does_not_start_with_a_file_that_it_does_not_understand(
    start: Starter, sites: Path, text: str, words: str
) -> None:
    write(sites, text)
    server = TunnelProcess("server", f"--token-file={start.token_file}", f"--sites-file={sites}")
    start.processes.append(server)
    assert server.wait() == 2
    assert words in server.err


def test_a_gate_that_fails_opens_nothing() -> None:
    """Whatever goes wrong in it, nobody passes."""

    class BrokenGate(SitesGate):
        def judge(self, visit: Visit) -> asyncio.Future[Verdict]:
            verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
            verdict.set_exception(MemoryError())
            return verdict

    backend = Backend()
    try:
        with in_process_tunnel(backend.url) as tunnel:
            with tunnel.visit() as wire:
                assert wire.ask().content == b"hola"
            tunnel.server.gate = BrokenGate(None, (), (), lambda event: None, time.time)
            with tunnel.visit() as wire, pytest.raises(Broken):
                wire.ask()
        assert len(backend.requests) == 1
    finally:
        backend.close()


def test_who_may_visit_may_stand_in_the_file_of_options(start: Starter, sites: Path, tmp_path: Path) -> None:
    write(sites, '[site."cerrado.example"]\ndeny = ["127.0.0.0/8"]\n')
    config = write(
        tmp_path / "servidor.toml",
        f'token-file = "{start.token_file}"\nsites-file = "{sites.name}"\n'
        'trust-proxy = ["127.0.0.1"]\nallow = ["192.0.2.0/24", "127.0.0.0/8"]\ndeny = ["192.0.2.66"]\n',
    )
    server, backend = start.server(f"--config={config}"), start.backend()
    start.connected_client(server, backend)
    with server.visit() as wire:
        for address, status in (("192.0.2.7", 200), ("192.0.2.66", 403), ("198.51.100.1", 403)):
            assert status_of(wire, "a.example", f"X-Forwarded-For: {address}")[0] == status
        assert status_of(wire, "cerrado.example")[0] == 403
