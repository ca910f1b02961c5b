"""The agent: dials out, claims its names, answers streams from the upstreams, and comes back for ever."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

from tunnel import __version__
from tunnel.config import ClientConfig, ConfigError
from tunnel.events import Connected, Disconnected, HealthChanged, OnEvent, Refused, Stopping
from tunnel.mtls.showing import shown_by
from tunnel.protocol.auth import NONCE_BYTES, key_id
from tunnel.protocol.errors import CloseCode
from tunnel.protocol.flow import INITIAL_WINDOW_BYTES, MAX_STREAMS
from tunnel.protocol.handshake import AgentHandshake
from tunnel.protocol.memory import MemoryBudget
from tunnel.protocol.messages import Claim, Grant, Hello, Refusal
from tunnel.protocol.session import HANDSHAKE_TIMEOUT_S, Session
from tunnel.protocol.stream import Stream, StreamSink
from tunnel.proxy.connect import ProxyDenied, ProxyFailed
from tunnel.transport.agent import AgentExchanges
from tunnel.transport.link import AgentLink
from tunnel.transport.observing import ClientObserver
from tunnel.transport.tls import Dialler, Unverifiable, WrongCa
from tunnel.transport.upstream import UpstreamPool

__all__ = ["TunnelClient", "retry_delay_s"]

if TYPE_CHECKING:
    from tunnel.health.checks import HealthChecks
    from tunnel.tcp.agent import TcpServices

_log = logging.getLogger(__name__)

_RETRY_BASE_S = 0.5
_RETRY_CAP_S = 5.0
_STABLE_S = 1.0  # a link that lasted this long was a good one; what broke it is likely to be over
_GOODBYE_S = 1.0

# Reasons to end a session after which dialling again would only repeat the answer.
_FINAL = (CloseCode.REPLACED, CloseCode.BAD_EXIT_NODE, CloseCode.REVOKED)

_OF_CERTIFICATES = ("revoked", "unknown-token")


def retry_delay_s(failures: int, draw: random.Random) -> float:
    """Return how long to wait before the next attempt.

    The first is at once: most links are lost alone.  Then exponential with full jitter, so that the
    clients of an exit node that restarts do not come back in step.

    Args:
        failures: how many attempts in a row have failed; 0 after a link that had been open for a while.
    """
    if failures == 0:
        return 0.0
    # The exponent is bounded because 2.0 ** 1024 overflows, about an hour and a half into an outage.
    ceiling = min(_RETRY_CAP_S, _RETRY_BASE_S * 2 ** min(failures - 1, 10))
    return draw.uniform(0, ceiling)


class TunnelClient:
    """An agent.  ``run`` goes on until it is refused, cancelled, or ``stop`` has drained.

    Args:
        memory: what the windows of its streams come out of; agents of one process share it.
        observer: sees what passes; None for nobody, which costs nothing.

    Raises:
        ConfigError: the CA file cannot be used.
    """

    def __init__(
        self,
        config: ClientConfig,
        on_event: OnEvent = lambda event: None,
        memory: MemoryBudget | None = None,
        observer: ClientObserver | None = None,
    ) -> None:
        self.config = config
        self.on_event = on_event
        self.refusal: Refused | None = None
        self._instance = secrets.token_hex(8)
        self._draw = random.Random()  # noqa: S311 - jitter, not a secret
        self._link: AgentLink | None = None
        self._stopping = asyncio.Event()
        self._exchanges: AgentExchanges | None = None
        self._services: TcpServices | None = None
        self._checks: HealthChecks | None = None
        if config.tcp or config.sni:
            from tunnel.tcp.agent import TcpServices

            self._services = TcpServices(
                config.tcp, config.sni, config.proxy_protocol, config.upstream_timeout_s
            )
        self.memory = memory
        self._observer = observer
        shown = shown_by(config.identity)
        self.dialler = Dialler(config.address, config.trust, config.token, config.proxy, shown)

    async def run(self) -> None:
        """Keep a link to the exit node until it refuses us (see ``refusal``) or ``stop`` is called."""
        loop = asyncio.get_running_loop()
        pools = [UpstreamPool(upstream, loop) for upstream in self.config.upstreams]
        new_exchange = None if self._observer is None else self._observer.new_exchange
        self._exchanges = AgentExchanges(pools, self.config.upstream_timeout_s, loop, new_exchange)
        if self.config.health is not None:
            from tunnel.health.checks import HealthChecks

            self._checks = HealthChecks(self.config.upstreams, self.config.health, self._health_changed)
            self._checks.start()
        failures = 0
        try:
            while not self._stopping.is_set():
                attempt = _Attempt(self)
                await attempt.run()
                if self._stopping.is_set():
                    return
                if attempt.refusal is not None and not self._has_another_certificate(attempt.refusal):
                    self.refusal = attempt.refusal
                    self.on_event(attempt.refusal)
                    return
                failures = 0 if attempt.open_for_s >= _STABLE_S else failures + 1
                delay = retry_delay_s(failures, self._draw)
                self.on_event(Disconnected(attempt.reason, attempt.detail, round(delay, 2)))
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._stopping.wait()
        finally:
            if self._checks is not None:
                await self._checks.close()
            await self._exchanges.close()
            if self._services is not None:
                await self._services.close()

    def _has_another_certificate(self, refusal: Refused) -> bool:
        """Whether the certificate was renewed since it was refused: then it is worth another dial."""
        shown = self.dialler.shown
        if shown is None or refusal.code not in _OF_CERTIFICATES:
            return False
        with suppress(ConfigError):
            return shown.look_again()
        return False

    async def stop(self, drain_timeout_s: float) -> None:
        """Stop gracefully: tell the exit node, finish what is under way for up to ``drain_timeout_s``."""
        link, exchanges = self._link, self._exchanges
        if link is not None and exchanges is not None:
            self.on_event(Stopping(link.session.stream_count))
            idle = asyncio.Event()
            link.session.on_idle = idle.set
            session = link.session
            session.drain("the client stops")
            with suppress(TimeoutError):  # what crosses it on the link comes to an end too
                async with asyncio.timeout(min(drain_timeout_s, _GOODBYE_S)):
                    while not (session.is_drain_heard or session.is_closed):
                        idle.clear()
                        await idle.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(drain_timeout_s):
                    while session.stream_count:
                        idle.clear()
                        await idle.wait()
        self._stopping.set()
        if link is not None:
            link.session.close(CloseCode.DRAINING, "the client stops")
            await asyncio.wait([link.closed], timeout=_GOODBYE_S)
            link.abort()

    def open_stream(self, stream: Stream, payload: bytes) -> StreamSink:
        """Answer a stream."""
        if self._services is not None and self._services.is_for(payload):
            return self._services.open(stream, payload)
        assert self._exchanges is not None  # noqa: S101 - run() made it before any link
        return self._exchanges.open(stream, payload)

    def new_session(self, attempt: _Attempt, link: AgentLink) -> Session:
        """Make the session for a fresh link."""
        token, memory = self.dialler.token, self.memory
        hello = Hello(
            key_id=key_id(token),
            nonce=secrets.token_hex(NONCE_BYTES),
            instance=self._instance,
            agent=f"tunelab/{__version__}",
            initial_window=INITIAL_WINDOW_BYTES if memory is None else memory.initial_window_bytes,
            max_streams=MAX_STREAMS,
        )
        claim = Claim(
            tuple(upstream.name for upstream in self.config.upstreams),
            tuple(service.exit_port for service in self.config.tcp),
            tuple(service.name for service in self.config.sni),
            self.config.is_balanced,
            self.config.health is not None,
        )
        now = asyncio.get_running_loop().time()
        handshake = AgentHandshake(token, hello, claim)
        if self._observer is not None:
            url = self.config.address.url
            return self._observer.new_session(url, handshake, attempt, link.schedule_flush, now, memory)
        return Session(handshake, attempt, link.schedule_flush, now, memory=memory)

    def tell_health(self, session: Session) -> None:
        """Say on a link that is fresh what is known of the services."""
        for index, is_up, detail in self._checks.known if self._checks is not None else ():
            session.send_health(index, is_up, detail)

    def _health_changed(self, index: int, is_up: bool, detail: str) -> None:
        session_id = ""
        if self._link is not None and isinstance(grant := self._link.session.outcome, Grant):
            self._link.session.send_health(index, is_up, detail)
            session_id = grant.session
        name = self.config.upstreams[index].name
        self.on_event(HealthChanged(session_id, name, is_up, detail))

    @property
    def session(self) -> Session | None:
        """The session of the link that is open now, if one is."""
        return None if self._link is None else self._link.session

    def attempt_linked(self, link: AgentLink | None) -> None:
        """Note the link that is in use, or that there is none."""
        self._link = link


class _Attempt:
    """One dial and the session that came of it: the session's handler."""

    def __init__(self, client: TunnelClient) -> None:
        self._client = client
        self._link: AgentLink | None = None
        self.open_for_s = 0.0  # how long the link was open
        self._opened_s: float | None = None
        self.refusal: Refused | None = None
        self.reason = ""
        self.detail = ""

    async def run(self) -> None:
        """Dial, and return when the link is gone."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                self._link = await self._client.dialler.connect(self._new_link)
        except (WrongCa, ProxyDenied) as error:
            self.refusal = Refused(error.code, str(error))
            return
        except Unverifiable as error:
            self.reason, self.detail = error.reason, str(error)
            return
        except TimeoutError:
            self.reason, self.detail = "unreachable", "no connection in time"
            return
        except ssl.SSLError as error:
            self.reason, self.detail = "tls", str(error)
            return
        except ProxyFailed as error:
            self.reason, self.detail = "proxy", str(error)
            return
        except OSError as error:
            self.reason, self.detail = "unreachable", error.strerror or str(error)
            return
        try:
            await self._link.closed
        except asyncio.CancelledError:
            self._link.abort()
            raise
        finally:
            self._client.attempt_linked(None)
        if self._opened_s is not None:
            self.open_for_s = loop.time() - self._opened_s
        elif self._client.dialler.shown is not None and not self._link.was_answered:
            # TLS 1.3 has an agent's certificate looked at last, and asyncio hangs up without TLS's alert.
            self.reason, self.detail = "tls", "it hung up on the certificate"
        elif self._link.not_a_tunnel:
            self.reason, self.detail = "not-a-tunnel", self._link.not_a_tunnel
            if self.detail == "HTTP 429":  # RFC 6585, section 4: it is one, and asks to be left in peace
                self.reason = "refused"

    def _new_link(self) -> AgentLink:
        link = AgentLink(self._client.config.address.url)
        self._link = link
        link.session = self._client.new_session(self, link)
        return link

    # ── the session's handler ────────────────────────────────────────────────────────────────────

    def session_opened(self, grant: Grant) -> None:
        """The names are ours."""
        assert self._link is not None  # noqa: S101 - its session called
        self._opened_s = asyncio.get_running_loop().time()
        self._client.attempt_linked(self._link)
        self._link.reschedule_tick()
        config = self._client.config
        if config.tcp and not grant.ports:  # it comes from before there were any, and ignored them
            self.refusal = Refused("no-ports", "this exit node knows nothing of TCP ports")
            self._link.session.close(CloseCode.DRAINING, "no ports")
            return
        for is_wanted, is_granted, code in (
            (config.is_balanced, grant.balance, "no-balance"),
            (bool(config.sni), len(grant.sni) == len(config.sni), "no-sni"),
            (config.health is not None, grant.health, "no-health"),
        ):
            if is_wanted and not is_granted:  # likewise
                self.refusal = Refused(code, "this exit node is of an older version")
                self._link.session.close(CloseCode.DRAINING, code)
                return
        self._client.tell_health(self._link.session)
        upstreams = tuple(upstream.url for upstream in config.upstreams)
        tcp = tuple((service.exit_port, service.address) for service in config.tcp)
        sni = tuple(zip(grant.sni, (service.address for service in config.sni), strict=True))
        self._client.on_event(Connected(grant.session, grant.urls, upstreams, tcp, sni))

    def stream_opened(self, stream: Stream, payload: bytes) -> StreamSink:
        """A visitor's request arrived."""
        return self._client.open_stream(stream, payload)

    def session_draining(self, code: CloseCode, detail: str) -> None:
        """The exit node finishes what is under way, and will close."""
        _log.info("the exit node drains: %s", detail)

    def session_closed(self, code: CloseCode, detail: str) -> None:
        """The link ended, or never opened."""
        assert self._link is not None  # noqa: S101 - its session called
        if code is CloseCode.CONNECTION_LOST and self._link.session.draining:
            code = CloseCode.DRAINING  # the exit node had said that it would
        self.reason, self.detail = code.name.lower().replace("_", "-"), detail
        outcome = self._link.session.outcome
        if isinstance(outcome, Refusal) and not outcome.retry:
            self.refusal = Refused(outcome.code, outcome.message)
        elif code in _FINAL:
            self.refusal = Refused(self.reason, detail)
