"""An agent that asks for what an exit node of an older version knows nothing of leaves, and says why."""

from __future__ import annotations

import asyncio

import pytest
from support.tunnel_kit import TOKEN

from tunnel import server
from tunnel.balance.options import HealthOptions
from tunnel.cli.client_words import words_of_refusal
from tunnel.client import TunnelClient
from tunnel.config import (
    ClientConfig,
    Secret,
    ServerConfig,
    TlsUpstream,
    parse_control_url,
    parse_upstreams,
)
from tunnel.protocol.messages import Claim, Grant, Hello, Refusal


@pytest.mark.parametrize(
    ("code", "option", "wants"),
    [
        ("no-balance", "--balance", {"is_balanced": True}),
        ("no-health", "--health", {"health": HealthOptions(("/healthz",))}),
        ("no-sni", "--sni", {"sni": (TlsUpstream("ana.example", "localhost", 443),)}),
    ],
)
def test_it_leaves_with_the_option_that_the_other_does_not_know(
    monkeypatch: pytest.MonkeyPatch, code: str, option: str, wants: dict[str, object]
) -> None:
    authorize = server.ConnectedClient.authorize

    def of_old(client: server.ConnectedClient, hello: Hello, claim: Claim) -> Grant | Refusal:
        return authorize(client, hello, Claim(claim.names, claim.ports))  # the rest was ignored

    monkeypatch.setattr(server.ConnectedClient, "authorize", of_old)

    async def dial() -> TunnelClient:
        node = server.TunnelServer(ServerConfig(Secret(TOKEN), "127.0.0.1", 0, "127.0.0.1", 0))
        await node.start()
        try:
            client = TunnelClient(
                ClientConfig(
                    address=parse_control_url(f"ws://127.0.0.1:{node.control_port}"),
                    token=Secret(TOKEN),
                    upstreams=parse_upstreams(["http://127.0.0.1:9"]),
                    **wants,  # type: ignore[arg-type]
                )
            )
            async with asyncio.timeout(20):
                await client.run()
            return client
        finally:
            await node.close()

    refusal = asyncio.run(dial()).refusal
    assert refusal is not None
    assert refusal.code == code
    assert option in words_of_refusal(code, refusal.message)
