"""Which names need a certificate and when, and what handshakes find meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tunnel.access.patterns import patterns_for
from tunnel.acme.hook import HookProver
from tunnel.acme.issuer import IssueFailed, Issuer
from tunnel.acme.patience import MAX_PAUSE_S, FailureKind, pause_s
from tunnel.acme.proofs import HttpBoard, Prover
from tunnel.acme.store import Certificate, Store
from tunnel.config import ConfigError
from tunnel.events import CertificateFailed, CertificateObtained, OnEvent
from tunnel.https_options import AcmeOptions, DnsHook, Rfc2136
from tunnel.secret_files import FileUnusable

__all__ = ["AcmeKeeper"]

_log = logging.getLogger(__name__)

_MAX_ON_DEMAND = 1000  # names that clients claimed; the issuer's own limits come first


@dataclass(slots=True)
class _Plan:
    """What is to become of one name."""

    name: str
    certificate: Certificate | None = None
    failures: int = 0
    retry_s: float = 0.0  # Unix time
    attempt: int = 0  # the number of the last one among all names


class AcmeKeeper:
    """Certificates for the names that the options give, and for those that clients claim and may have.

    Args:
        clock: returns the Unix time.
        is_claimed: whether a client serves a name now.

    Raises:
        ConfigError: a file cannot be used.
        FileUnusable: the state folder cannot be made or written.
    """

    def __init__(
        self,
        options: AcmeOptions,
        on_event: OnEvent,
        clock: Callable[[], float] = time.time,
        is_claimed: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self.board = HttpBoard()
        self._options = options
        self._on_event = on_event
        self._clock = clock
        self._is_claimed = is_claimed
        self._prover = _make_prover(options, self.board)
        _check_ca_file(options)
        self._store = Store(options.state_folder, options.directory)
        self._issuer = Issuer(options, self._store.account_key)
        self._plans: dict[str, _Plan] = {name: _Plan(name) for name in options.domains}
        for name in self._store.names():
            if self._is_allowed(name):
                self._plans.setdefault(name, _Plan(name))
        for plan in self._plans.values():
            plan.certificate = self._store.load(plan.name)
        self._is_busy = False
        self._attempts = 0
        self._failures = 0  # in a row, of what no name is to blame for
        self._retry_s = 0.0
        self._next_s = 0.0  # before that nothing is due

    # ── what others ask ──────────────────────────────────────────────────────────────────────────

    def find(self, name: str) -> ssl.SSLContext | None:
        """Return the certificate for exactly this name, which may be a wildcard's."""
        plan = self._plans.get(name)
        return None if plan is None or plan.certificate is None else plan.certificate.context

    @property
    def first(self) -> ssl.SSLContext | None:
        """The certificate for who names nobody."""
        return next((found for name in self._options.domains if (found := self.find(name))), None)

    def covers(self, name: str) -> bool:
        """Whether ``name`` is to have a certificate."""
        wildcard = f"*.{name.partition('.')[2]}"
        return name in self._plans or wildcard in self._plans or self._is_allowed(name)

    def claimed(self, name: str) -> None:
        """A client serves ``name`` from now on: it gets a certificate, if it may have one and has none."""
        wildcard = f"*.{name.partition('.')[2]}"
        if not self._is_allowed(name) or wildcard in self._plans:
            return
        if name not in self._plans:
            if len(self._plans) >= _MAX_ON_DEMAND + len(self._options.domains):
                _log.warning("%s gets no certificate: there are too many names", name)
                return
            self._plans[name] = _Plan(name)
        self._next_s = 0.0

    def poll(self) -> None:
        """Start the next order that is due; to be called now and then, in the event loop."""
        now_s = self._clock()
        if self._is_busy or now_s < self._next_s <= now_s + MAX_PAUSE_S:  # or the clock was set back
            return
        plan = self._due(now_s)
        if plan is None:
            return
        self._is_busy = True
        self._attempts += 1
        plan.attempt = self._attempts
        # A daemon: an issuer that does not answer must not keep the exit node from stopping.
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._work, args=(loop, plan), name="acme", daemon=True).start()

    # ── orders ───────────────────────────────────────────────────────────────────────────────────

    def _is_allowed(self, name: str) -> bool:
        return any(pattern in self._options.allowed for pattern in patterns_for(name))

    def _due(self, now_s: float) -> _Plan | None:
        """Return the name that is due and waited longest; else remember when the next one will be."""
        waiting = []
        for plan in self._plans.values():
            if plan.name not in self._options.domains and not self._is_claimed(plan.name):
                continue
            due_s = 0.0 if plan.certificate is None else plan.certificate.renewal_s
            for retry_s in (plan.retry_s, self._retry_s):
                if retry_s <= now_s + MAX_PAUSE_S:
                    due_s = max(due_s, retry_s)
            waiting.append((due_s, plan.attempt, plan.name))  # of those that are due at once, all in turn
        due_s, _, name = min(waiting, default=(now_s + MAX_PAUSE_S, 0, ""))
        if name and due_s <= now_s:
            return self._plans[name]
        self._next_s = min(due_s, now_s + MAX_PAUSE_S)
        return None

    def _work(self, loop: asyncio.AbstractEventLoop, plan: _Plan) -> None:
        """Get one certificate; in a thread of its own."""
        outcome: Certificate | IssueFailed
        try:
            self._store.check()
            outcome = self._store.keep(plan.name, self._issuer.obtain(plan.name, self._prover))
        except IssueFailed as error:
            outcome = error
        except FileUnusable as error:
            outcome = IssueFailed(FailureKind.STATE, str(error))
        except Exception as error:  # whatever it is, the next one is due some day
            _log.exception("the order for %s", plan.name)
            outcome = IssueFailed(FailureKind.INTERNAL, type(error).__name__)
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody wants to know
            loop.call_soon_threadsafe(self._done, plan, outcome)

    def _done(self, plan: _Plan, outcome: Certificate | IssueFailed) -> None:
        self._is_busy = False
        self._next_s = 0.0
        if isinstance(outcome, Certificate):
            plan.certificate, plan.failures, plan.retry_s = outcome, 0, 0.0
            self._failures, self._retry_s = 0, 0.0
            # Of a certificate that has little left from the beginning one would otherwise follow the other.
            plan.retry_s = self._clock() + (outcome.ends_s - outcome.starts_s) / 3
            self._on_event(CertificateObtained(plan.name, _date(outcome.ends_s)))
            return
        now_s = self._clock()
        if outcome.kind.is_of_all:
            self._failures += 1
            failures = self._failures
        else:
            plan.failures += 1
            failures = plan.failures
        wait_s = pause_s(outcome.kind, failures, outcome.retry_after_s, random.random())  # noqa: S311 - jitter
        if outcome.kind.is_of_all:
            self._retry_s = now_s + wait_s
        else:
            plan.retry_s = now_s + wait_s
            self._failures, self._retry_s = 0, 0.0
        is_served = plan.certificate is not None and now_s < plan.certificate.ends_s
        self._on_event(
            CertificateFailed(plan.name, outcome.kind.value, str(outcome), round(wait_s, 1), is_served)
        )


def _make_prover(options: AcmeOptions, board: HttpBoard) -> Prover:
    if isinstance(options.dns, Rfc2136):
        from tunnel.acme.rfc2136 import Rfc2136Prover

        return Rfc2136Prover(options.dns, options.dns_wait_s)
    if isinstance(options.dns, DnsHook):
        return HookProver(options.dns.program, options.dns_wait_s)
    return board


def _check_ca_file(options: AcmeOptions) -> None:
    if options.ca_file is None:
        return
    try:
        ssl.create_default_context(cafile=options.ca_file)
    except OSError:  # and ssl.SSLError, which is one
        raise ConfigError(
            f"el archivo {options.ca_file} (--acme-ca-file) no se puede leer, o no tiene el certificado de "
            "una CA en PEM («-----BEGIN CERTIFICATE-----»)."
        ) from None


def _date(time_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_s))
