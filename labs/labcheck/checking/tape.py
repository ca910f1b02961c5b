"""What a review asked and what it was answered: written down while it happens, and played again later.

Played again with the same nonces, the very same checks see the same world and come to the same verdicts:
that is how a claim is verified without the machine that it was made on. Waiting is played too: a check that
waited in vain waits again.
"""

import re
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

HTTP, COMMAND = "http", "command"
# A list of tasks is some hundreds of bytes; a page is some thousands.
MAX_TEXT = 65_536

# What may be told of the processes of a machine: whole lines of the course's programs, names of the others.
_PS = re.compile(r"^(\s*\d+\s+\d+\s+\S+\s+\S+\s+)(\S+)(.*)$")
_OURS = re.compile(r"(?:^|[/\s])(?:tunnel|gtd-app|gtd_app)(?:\.exe)?(?:\s|$)")
# Of the open connections, those of the tunnel: its console script's name, or an interpreter's.
_SOCKETS = re.compile(r'"(?:tunnel|gtd-app|python[\d.]*)"')

# How a request may fail, as far as a check tells one from the other.
_FAULTS: dict[str, tuple[type[requests.RequestException], type[OSError] | None]] = {
    "name": (requests.ConnectionError, socket.gaierror),
    "refused": (requests.ConnectionError, ConnectionRefusedError),
    "connect-timeout": (requests.ConnectTimeout, None),
    "read-timeout": (requests.ReadTimeout, None),
    "proxy": (requests.exceptions.ProxyError, None),
    "cut": (requests.ConnectionError, None),
}


class MissingEvidenceError(Exception):
    """A check asked for something that the tape does not have."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One question and its answer.

    `kind` is ``http`` or ``command``; `asked` is ``GET http://…`` or the command. `status` is the HTTP status
    or the exit code, and `fault` names why there was no answer. `at` is in seconds since 1970.
    """

    kind: str
    asked: str
    sent: str = ""
    status: int = 0
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    answer: str = ""
    complaint: str = ""
    fault: str = ""
    at: float = 0.0


class Recorder:
    """Write down what passes."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.taken: list[Taken] = []
        self._now = now

    def host(self, host: Any) -> Any:
        return _Host(host.backend.NAME, lambda command, words: self._run(host, command, words))

    def adapter(self, adapter: BaseAdapter) -> BaseAdapter:
        return _Adapter(lambda request, options: self._send(adapter, request, options), adapter.close)

    def _run(self, host: Any, command: str, words: tuple[str, ...]) -> Any:
        done = host.run(command, *words)
        answer = _discreet(command, done.stdout)
        asked = _asked(command, words)
        self.taken.append(
            Taken(
                COMMAND, asked, status=done.rc, answer=answer[:MAX_TEXT],
                complaint=done.stderr[:MAX_TEXT], at=self._now(),
            )
        )  # fmt: skip
        return done

    def _send(
        self, adapter: BaseAdapter, request: requests.PreparedRequest, options: dict[str, Any]
    ) -> requests.Response:
        asked, sent = _asked_of(request)
        try:
            response = adapter.send(request, **options)
            text = response.content.decode("utf-8", "replace")
        except requests.RequestException as error:
            self.taken.append(Taken(HTTP, asked, sent, fault=_fault_name(error), at=self._now()))
            raise
        headers = tuple((str(name), str(value)) for name, value in response.headers.items())
        self.taken.append(
            Taken(
                HTTP, asked, sent, response.status_code, str(response.reason or ""), headers,
                text[:MAX_TEXT], at=self._now(),
            )
        )  # fmt: skip
        return response


class Player:
    """Answer as the tape says, each question in its own order.

    A check that asks more often than it did then, as one that waits may, gets the last answer again.
    """

    def __init__(self, taken: tuple[Taken, ...]) -> None:
        self._answers: dict[tuple[str, str, str], deque[Taken]] = {}
        for one in taken:
            self._answers.setdefault((one.kind, one.asked, one.sent), deque()).append(one)

    def host(self, host: Any) -> Any:
        return _Host("local", self._run)

    def adapter(self, adapter: BaseAdapter) -> BaseAdapter:
        adapter.close()
        return _Adapter(lambda request, options: self._send(request), lambda: None)

    def _next(self, *question: str) -> Taken:
        kind, asked, sent = question
        answers = self._answers.get((kind, asked, sent))
        if not answers:
            raise MissingEvidenceError(f"{asked} {sent}".strip())
        return answers[0] if len(answers) == 1 else answers.popleft()

    def _run(self, command: str, words: tuple[str, ...]) -> Any:
        one = self._next(COMMAND, _asked(command, words), "")
        return SimpleNamespace(
            rc=one.status, stdout=one.answer, stderr=one.complaint, stdout_bytes=one.answer.encode()
        )

    def _send(self, request: requests.PreparedRequest) -> requests.Response:
        one = self._next(HTTP, *_asked_of(request))
        if one.fault:
            kind, cause = _FAULTS.get(one.fault, _FAULTS["cut"])
            error = kind(one.fault, request=request)
            error.__cause__ = cause(one.fault) if cause is not None else None
            raise error
        response = requests.Response()
        response.status_code, response.reason = one.status, one.reason
        response.headers = CaseInsensitiveDict(one.headers)
        response.url, response.request, response.encoding = str(request.url), request, "utf-8"
        response._content = one.answer.encode()
        return response


class _Host:
    """As much of a testinfra host as a check uses."""

    def __init__(self, name: str, run: Callable[[str, tuple[str, ...]], Any]) -> None:
        self.backend = SimpleNamespace(NAME=name)
        self._run = run

    def run(self, command: str, *words: str) -> Any:
        return self._run(command, words)


class _Adapter(BaseAdapter):
    def __init__(
        self,
        send: Callable[[requests.PreparedRequest, dict[str, Any]], requests.Response],
        close: Callable[[], None],
    ) -> None:
        super().__init__()
        self._send, self._close = send, close

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        return self._send(request, options)

    def close(self) -> None:
        self._close()


def _asked(command: str, words: tuple[str, ...]) -> str:
    return "\n".join((command, *words))


def _asked_of(request: requests.PreparedRequest) -> tuple[str, str]:
    body = request.body or ""
    return f"{request.method} {request.url}", body.decode("utf-8", "replace") if isinstance(
        body, bytes
    ) else body


def _discreet(command: str, answer: str) -> str:
    """Return what a command printed without what is nobody's business: other programs, other connections."""
    lines = answer.splitlines(keepends=True)
    if command.startswith("ps "):
        return "".join(_discreet_process(line) for line in lines)
    if "ss -" in command and "established" in command:
        return "".join(line for line in lines if _SOCKETS.search(line))
    return answer


def _discreet_process(line: str) -> str:
    found = _PS.match(line.rstrip("\n"))
    return line if found is None or _OURS.search(found[2] + found[3]) else f"{found[1]}{found[2]}\n"


def _fault_name(error: requests.RequestException) -> str:
    if isinstance(error, requests.exceptions.ProxyError):
        return "proxy"
    if isinstance(error, requests.ConnectTimeout):
        return "connect-timeout"
    if isinstance(error, requests.ReadTimeout):
        return "read-timeout"
    link: BaseException | None = error
    while link is not None:
        for name, (_, cause) in _FAULTS.items():
            if cause is not None and isinstance(link, cause):
                return name
        link = link.__cause__ or link.__context__
    return "cut"
