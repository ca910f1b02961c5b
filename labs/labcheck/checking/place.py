"""Where a lab happens: its addresses, the machine that is looked at, and the ways to ask them."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from labcheck.checking.diagnosis import CouldNotCheckError
from labcheck.checking.scene import Scene, seeded_nonces
from labcheck.checking.through_host import ThroughHost
from labcheck.modes import Mode
from labcheck.proof import PATIENCE_S, Outcome, Proof, session_for

# An application on the same machine answers in milliseconds; an emulated machine may need seconds.
ANSWER_TIMEOUT_S = 8.0
CONNECT_TIMEOUT_S = 4.0


LOCAL_URL = "http://localhost:5000"
# In the cloud there is no usual one: whoever creates the exit node learns its address.
REMOTE_URLS = {Mode.LOCAL: "http://localhost:8000", Mode.VM: "http://exit-node:8000", Mode.CLOUD: ""}

UNKNOWN_REMOTE = "En modo nube hay que decir dónde está el nodo de salida."
HOW_TO_SAY_IT = "Dé su dirección, que dijo la orden que lo creó: --remoto http://IP:8000"


@dataclass(frozen=True, slots=True)
class Addresses:
    """What a review needs to know: like ``http://localhost:5000``, with no slash at the end.

    `remote_url` is empty where it is not known.
    """

    mode: Mode
    local_url: str
    remote_url: str


def addresses_for(mode: Mode, local_url: str | None = None, remote_url: str | None = None) -> Addresses:
    """Return the addresses of a mode, with the ones that are given instead of the usual ones."""
    remote = remote_url or REMOTE_URLS[mode]
    return Addresses(mode, (local_url or LOCAL_URL).rstrip("/"), remote.rstrip("/"))


@dataclass(slots=True)
class Place:
    """The addresses of a review and the machine that it looks at, a testinfra ``host``."""

    addresses: Addresses
    host: Any
    scene: Scene = field(default_factory=Scene)
    _nonces: Iterator[str] | None = None
    _sessions: list[requests.Session] = field(default_factory=list)

    @property
    def local_url(self) -> str:
        return self.addresses.local_url

    @property
    def remote_url(self) -> str:
        """The public side.

        Raises:
            CouldNotCheckError: nobody has said where it is.
        """
        if not self.addresses.remote_url:
            raise CouldNotCheckError(UNKNOWN_REMOTE, HOW_TO_SAY_IT)
        return self.addresses.remote_url

    def session_for(self, url: str) -> requests.Session:
        """Return a session that asks from the right machine; `close` closes it."""
        session = session_for(url)
        if not self._is_here and _is_loopback(url):
            session.mount("http://", ThroughHost(self.host))
        elif self.scene.tape is not None:  # the curl of a host is on its tape already
            for prefix in ("http://", "https://"):
                session.mount(prefix, self.scene.tape.adapter(session.get_adapter(prefix)))
        self._sessions.append(session)
        return session

    def ask(self, method: str, url: str, **options: Any) -> requests.Response:
        """Make one request, following no redirection.

        Raises:
            requests.RequestException: there was no answer.
        """
        session = self.session_for(url)
        options.setdefault("timeout", (CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S))
        return session.request(method, url, allow_redirects=False, **options)

    def read_local(self) -> Outcome:
        """GET the tasks from the application; nobody need know where the public side is."""
        session = self.session_for(self.local_url)
        timeouts = (CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S)
        asked = Proof(self.local_url, self.local_url, timeout_s=timeouts, sessions=(session, session))
        return asked.read_local()

    def proof(self, *, patience_s: float = PATIENCE_S, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> Proof:
        """Return a new proof, with a nonce of its own."""
        if self.scene.seed and self._nonces is None:
            self._nonces = seeded_nonces(self.scene.seed)
        return Proof(
            self.local_url,
            self.remote_url,
            patience_s=patience_s,
            timeout_s=(CONNECT_TIMEOUT_S, answer_timeout_s),
            sessions=(self.session_for(self.local_url), self.session_for(self.remote_url)),
            nonces=self._nonces,
        )

    def close(self) -> None:
        while self._sessions:
            self._sessions.pop().close()

    @property
    def _is_here(self) -> bool:
        return bool(self.host.backend.NAME == "local")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
