"""The proof at the heart of the course: what is published is the local application, through the tunnel.

A nonce of this run is POSTed to the public side and read from the local side. With the tunnel cut the
public side must answer 503 and name the missing client; back again, it must work. An application that is
simply exposed passes the first half and not the second.

Each step returns an `Outcome`; a step that does not pass names the hop that failed. Steps are asked one by
one, because between them somebody else (the demo, a lab, a student) cuts the tunnel and brings it back.
"""

import hashlib
import ipaddress
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from labcheck.hops import ERROR_HEADER, Fault, Hop, fault_of_answer, fault_of_error, local_fault

TASKS_PATH = "/todo/api/v1.0/tasks"

CONNECT_TIMEOUT_S = 5.0
# Longer than a client waits for a silent application (60 s by default), so that its answer is what is seen.
READ_TIMEOUT_S = 75.0
# How long a cut may take to be noticed and a link to heal: a client that was killed is missed within two of
# the exit node's pings, of 5 s each by default; one that said goodbye, at once.
PATIENCE_S = 30.0
POLL_S = 0.1
_SPAN = "0123456789abcdef"
# To see whether a nonce that can be made again is new: an application answers in milliseconds.
LOOK_TIMEOUT_S = (2.0, 2.0)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, as a person would see them with curl; no answer is None."""

    method: str
    url: str
    body: dict[str, str] | None
    response: requests.Response | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one step: the last exchange it made, and the fault when it did not pass."""

    exchange: Exchange
    fault: Fault | None = None
    tasks: tuple[dict[str, Any], ...] = ()

    @property
    def passed(self) -> bool:
        return self.fault is None


class Proof:
    """The steps of one run against one application and one public address.

    `local_url` and `remote_url` are like ``http://localhost:5000``, with no slash at the end. `patience_s`
    is how long a step waits for what takes a while: a cut to be noticed, a link to heal. `timeout_s` is how
    long one request may take to connect and to be answered. `sessions`, for the local and the public side,
    are for whoever asks from another machine; `close` closes them too. `nonces` are for whoever must be able
    to make them again; without them the nonce is of chance.
    """

    def __init__(
        self,
        local_url: str,
        remote_url: str,
        *,
        patience_s: float = PATIENCE_S,
        timeout_s: tuple[float, float] = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
        sessions: tuple[requests.Session, requests.Session] | None = None,
        nonces: Iterator[str] | None = None,
    ) -> None:
        self.local_url = local_url
        self.remote_url = remote_url
        self._nonces = nonces
        self.nonce = secrets.token_hex(4) if nonces is None else next(nonces)
        self.patience_s = patience_s
        self.task_id: int | None = None
        self._timeout_s = timeout_s
        self._local, self._remote = sessions or (session_for(local_url), session_for(remote_url))

    @property
    def title(self) -> str:
        """The title of this run's task."""
        return f"write a book {self.nonce}"

    def close(self) -> None:
        self._local.close()
        self._remote.close()

    def read_local(self) -> Outcome:
        """GET the tasks from the local side."""
        exchange, error = self._ask(self._local, "GET", self.local_url + TASKS_PATH)
        if error is not None:
            return Outcome(exchange, local_fault(error, self.local_url))
        tasks = _tasks_in(exchange)
        if tasks is None:
            return Outcome(exchange, _not_the_app(exchange, self.local_url))
        return Outcome(exchange, None, tasks)

    def post_through_public_side(self) -> Outcome:
        """POST a task whose title carries the nonce to the public side."""
        self._leave_used_nonces()
        url = self.remote_url + TASKS_PATH
        exchange, error = self._ask(self._remote, "POST", url, {"title": self.title})
        if error is not None:
            return Outcome(exchange, fault_of_error(error, self.remote_url))
        response = _answered(exchange)
        task = _json_member(response, "task")
        if response.status_code != 201 or not isinstance(task, dict) or task.get("title") != self.title:
            return Outcome(exchange, fault_of_answer(response, wanted="201 con la tarea creada"))
        return Outcome(exchange, None, (task,))

    def find_locally(self) -> Outcome:
        """GET the tasks from the local side; the one posted to the public side must be there, once."""
        outcome = self.read_local()
        if not outcome.passed:
            return outcome
        found = [task for task in outcome.tasks if task.get("title") == self.title]
        if len(found) == 1:
            self.task_id = found[0].get("id")
            return outcome
        if found:
            fault = Fault(
                Hop.LINK,
                f"La tarea se envió una vez y aparece {len(found)} veces.",
                "Algo en el camino repite las peticiones: mire qué hay entre el visitante y la aplicación.",
            )
        else:
            fault = Fault(
                Hop.CLIENT,
                f"El lado público creó la tarea, pero no en {self.local_url}: lleva a otra aplicación.",
                "Compare el --upstream del cliente con la dirección de la aplicación local.",
            )
        return Outcome(outcome.exchange, fault, outcome.tasks)

    def find_publicly(self) -> Outcome:
        """GET the tasks from the public side; the posted one must be there. Waits for a link to heal."""
        return self._until_passed(self._look_publicly)

    def expect_no_client(self) -> Outcome:
        """GET from the public side of a cut tunnel: 503, no client. Waits for the cut to be noticed."""
        return self._until_passed(self._look_for_the_cut)

    def remove_task(self) -> Outcome:
        """DELETE the task of this run from the local side.

        The caller's duty: `find_locally` has passed.
        """
        exchange, error = self._ask(self._local, "DELETE", f"{self.local_url}{TASKS_PATH}/{self.task_id}")
        if error is not None:
            return Outcome(exchange, local_fault(error, self.local_url))
        if not _answered(exchange).ok:
            return Outcome(exchange, _not_the_app(exchange, self.local_url))
        return Outcome(exchange)

    def _leave_used_nonces(self) -> None:
        """Pass over a nonce whose task is there already: an interrupted run left it, or it was foreseen."""
        if self._nonces is None:
            return
        usual, self._timeout_s = self._timeout_s, LOOK_TIMEOUT_S
        there = {str(task.get("title")) for task in self.read_local().tasks}
        self._timeout_s = usual
        while self.title in there:
            self.nonce = next(self._nonces)

    def _look_publicly(self) -> Outcome:
        exchange, error = self._ask(self._remote, "GET", self.remote_url + TASKS_PATH)
        if error is not None:
            return Outcome(exchange, fault_of_error(error, self.remote_url))
        tasks = _tasks_in(exchange)
        if tasks is None or not any(task.get("title") == self.title for task in tasks):
            return Outcome(exchange, fault_of_answer(_answered(exchange), wanted="200 con la tarea nueva"))
        return Outcome(exchange, None, tasks)

    def _look_for_the_cut(self) -> Outcome:
        exchange, error = self._ask(self._remote, "GET", self.remote_url + TASKS_PATH)
        if error is not None:
            return Outcome(exchange, fault_of_error(error, self.remote_url))
        response = _answered(exchange)
        if response.status_code == 503 and response.headers.get(ERROR_HEADER) == "no-client":
            return Outcome(exchange)
        if response.ok:
            fault = Fault(
                Hop.EXIT_NODE,
                f"Con el túnel cortado, {self.remote_url} sigue respondiendo {response.status_code}: la "
                "aplicación está expuesta sin pasar por el túnel.",
                "Mire qué programa escucha en esa dirección: debe ser «tunnel server».",
            )
            return Outcome(exchange, fault)
        return Outcome(exchange, fault_of_answer(response, wanted="503 con el error no-client"))

    def _until_passed(self, look: Callable[[], Outcome]) -> Outcome:
        """Repeat `look` until it passes; when patience ends, return what it last saw."""
        deadline = time.monotonic() + self.patience_s
        while True:
            outcome = look()
            if outcome.passed or time.monotonic() >= deadline:
                return outcome
            time.sleep(POLL_S)

    def _ask(
        self, session: requests.Session, method: str, url: str, body: dict[str, str] | None = None
    ) -> tuple[Exchange, requests.RequestException | None]:
        headers = {"traceparent": f"00-{trace_of(self.nonce)}-{_SPAN}-01"}
        try:
            response = session.request(
                method, url, json=body, headers=headers, timeout=self._timeout_s, allow_redirects=False
            )
        except requests.RequestException as error:
            return Exchange(method, url, body, None), error
        return Exchange(method, url, body, response), None


def trace_of(nonce: str) -> str:
    """Return the trace id that a nonce's requests carry: an exit node may log it, and nothing else of them.

    https://www.w3.org/TR/trace-context/#traceparent-header
    """
    return hashlib.sha256(f"tunelab {nonce}".encode()).hexdigest()[:32]


def is_same_place(local_url: str, remote_url: str) -> bool:
    """Say whether two addresses lead to the very same listener, so that no tunnel can lie between them.

    They do when their ports are equal and both hosts are this machine, by whatever name; an address that
    cannot be resolved is nobody's.
    """
    local, remote = urlsplit(local_url), urlsplit(remote_url)
    if _port(local_url) != _port(remote_url):
        return False
    if local.hostname == remote.hostname:
        return True
    ours, theirs = _addresses(local.hostname), _addresses(remote.hostname)
    return bool(ours & theirs) or (_any_is_this_machine(ours) and _any_is_this_machine(theirs))


def session_for(url: str) -> requests.Session:
    """Return a session that asks as curl does, one connection a request."""
    session = requests.Session()
    # What curl says of itself, and nothing that keeps a connection open across a cut.
    session.headers.update({"Accept": "*/*", "Connection": "close"})
    if _any_is_this_machine(_addresses(urlsplit(url).hostname)):
        session.trust_env = False  # a proxy of the campus cannot reach this machine's loopback
    return session


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _addresses(host: str | None) -> set[str]:
    if host == "localhost":
        return {
            "127.0.0.1",
            "::1",
        }  # by definition, whatever the machine's own list says (RFC 6761, section 6.3)
    try:
        return {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return set()


def _any_is_this_machine(addresses: set[str]) -> bool:
    return any(_is_this_machine(address) for address in addresses)


def _is_this_machine(address: str) -> bool:
    parsed = ipaddress.ip_address(address.split("%")[0])
    if parsed.is_loopback or parsed.is_unspecified:
        return True
    family = socket.AF_INET6 if parsed.version == 6 else socket.AF_INET
    # Only a machine's own addresses can be bound; asking for any free port disturbs nobody.
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
        return True


def _answered(exchange: Exchange) -> requests.Response:
    if exchange.response is None:
        raise ValueError("this exchange got no answer")
    return exchange.response


def _json_member(response: requests.Response, name: str) -> Any:
    try:
        document = response.json()
    except requests.JSONDecodeError:
        return None
    return document.get(name) if isinstance(document, dict) else None


def _tasks_in(exchange: Exchange) -> tuple[dict[str, Any], ...] | None:
    response = _answered(exchange)
    tasks = _json_member(response, "tasks")
    if response.status_code != 200 or not isinstance(tasks, list):
        return None
    return tuple(task for task in tasks if isinstance(task, dict))


def _not_the_app(exchange: Exchange, url: str) -> Fault:
    response = _answered(exchange)
    return Fault(
        Hop.APP,
        f"En {url} responde algo que no es la API de tareas: {response.status_code} {response.reason}.",
        "Compare el puerto con el que dice gtd-app («Escuchando en …»). En un Mac, AirPlay ocupa el 5000.",
    )
