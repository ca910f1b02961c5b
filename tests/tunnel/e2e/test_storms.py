"""A link in bad weather: every connection of it meets a fault, drawn from a seed (support/storm.py)."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from support.load import Load
from support.storm import Fault, FaultKind, Storm
from support.tunnel_kit import Starter
from support.tunnel_process import Client, TunnelProcess
from support.wire import Broken, Wire, eventually, response

QUICK_PINGS = "--ping-interval=0.4"

#: Contents of up to this many bytes each way: larger than a stream's first window.
MAX_BYTES = 300_000

#: TCP's checksum aside, nothing on an unencrypted link would notice a bit that turned.
UNENCRYPTED = tuple(kind for kind in FaultKind if kind is not FaultKind.CORRUPT)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", range(2))
def test_in_a_storm_every_request_is_answered_right_or_fails_visibly(start: Starter, seed: int) -> None:
    """Twelve visitors, contents checked at both ends, until every kind of fault has had three turns."""
    backend, server = start.backend(), start.server(QUICK_PINGS)
    storm = Storm(seed, UNENCRYPTED)
    relay = start.relay(server.control_port, storm=storm)
    client = start.client(relay, backend)
    load = Load(backend, server.port, max_bytes=MAX_BYTES, think_s=0.005)
    with load.running():
        # A connection that is only slow or late would last for ever.
        pace = threading.Event()
        while len(storm.faults) < 3 * len(UNENCRYPTED):
            seen = len(storm.faults)
            for _ in range(20):
                if len(storm.faults) > seen:
                    break
                pace.wait(0.1)
            else:
                relay.cut()
        storm.calm()
        relay.cut()
        served = load.served
        eventually(lambda: load.served > served + 50, "the tunnel serves again", 30.0)
    assert client.process.poll() is None
    load.check()


@pytest.mark.timeout(120)
def test_over_tls_a_bit_that_turns_ends_the_link_and_no_wrong_answer_passes(
    start: Starter, tmp_path: Path
) -> None:
    backend = start.backend()
    server = start.server(QUICK_PINGS, "--auto-tls", f"--state-dir={tmp_path}")
    storm = Corruption(7)
    relay = start.relay(server.control_port, storm=storm)
    client = EncryptedClient(start, relay.port, backend.url, tmp_path / "ca.pem")
    load = Load(backend, server.port, max_bytes=MAX_BYTES, think_s=0.005)
    with load.running():
        eventually(lambda: len(storm.faults) > 10, "ten links were corrupted", 60.0)
        storm.calm()
        relay.cut()
        served = load.served
        eventually(lambda: load.served > served + 50, "the tunnel serves again", 30.0)
    assert client.process.poll() is None
    assert client.count("disconnected") >= 10
    load.check()


def test_a_half_open_link_frees_its_name_for_the_client_that_comes_back(start: Starter) -> None:
    """Neither side is told; both notice, and the client has its name back as soon as it calls again."""
    backend, server = start.backend(), start.server(QUICK_PINGS)
    relay = start.relay(server.control_port)
    client = start.connected_client(relay, backend)
    relay.mute()
    client.wait_until_connected(2)
    with server.visit() as visitor:
        assert visitor.ask().content == b"hola"
    server.wait_for("client_gone")
    assert client.wait_for("disconnected")["reason"] == "ping-timeout"


@pytest.mark.parametrize("to_server", [False, True])
def test_a_link_that_ends_in_one_direction_and_is_not_read_in_the_other_is_given_up(
    start: Starter, to_server: bool
) -> None:
    """What cannot be sent any more must not keep the visitors waiting, nor the client from calling again."""
    backend, server = start.backend(), start.server()
    backend.answer(lambda asked: response(200, asked.content))
    fault = Fault(FaultKind.TRUNCATE, to_target=to_server, after_bytes=4_000_000)
    relay = start.relay(server.control_port, storm=OneFault(fault))
    client = start.connected_client(relay, backend)
    with ThreadPoolExecutor(16) as pool:
        uploads = [pool.submit(upload, server.port) for _ in range(16)]
        outcomes = [done.result() for done in uploads]
    assert set(outcomes) <= {"200", "link-lost", "no-client", "Broken"}, outcomes
    assert set(outcomes) != {"200"}, "the link held"
    client.wait_until_connected(2)


class Corruption(Storm):
    """One bit of each connection turns, in one direction or the other, after the handshakes."""

    def next_fault(self) -> Fault | None:
        """Return what is to happen to the next connection."""
        fault = super().next_fault()
        if fault is None:
            return None
        number = len(self.faults)
        return replace(
            fault, kind=FaultKind.CORRUPT, to_target=number % 2 == 0, after_bytes=20_000 + number * 30_011
        )


class EncryptedClient(Client):
    """An agent whose link is encrypted, and passes through a relay."""

    def __init__(self, start: Starter, port: int, upstream: str, ca_file: Path) -> None:
        TunnelProcess.__init__(
            self,
            "client",
            "--json",
            f"--upstream={upstream}",
            f"--url=wss://localhost:{port}",
            f"--token-file={start.token_file}",
            f"--ca-file={ca_file}",
        )
        start.processes.append(self)


class OneFault(Storm):
    """This fault on the first connection, and calm from then on."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(0)
        self._fault = fault

    def next_fault(self) -> Fault | None:
        """Return it once."""
        self.faults.append(self._fault)
        return self._fault if len(self.faults) == 1 else None


def upload(port: int) -> str:
    """Send four megabytes and expect them back; return how it ended."""
    with Wire.to(port) as wire:
        try:
            answer = wire.ask("POST", content=b"x" * 4_000_000)
        except (Broken, ConnectionError):
            return "Broken"
        return str(answer.code or answer.status)
