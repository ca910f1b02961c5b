"""HTTP asked from the machine that is looked at, with its own curl.

What listens on a student's 127.0.0.1 cannot be asked from anywhere else. `ThroughHost` is a transport adapter
for `requests`, so that whoever asks need not know which way the question goes.
"""

import http.client
import io
import socket
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from labcheck.checking.diagnosis import CouldNotCheckError

# curl(1), "EXIT CODES".
_NOT_RESOLVED, _REFUSED, _TIMED_OUT = 6, 7, 28
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


class ThroughHost(BaseAdapter):
    """Send requests with the curl of a testinfra `host`."""

    def __init__(self, host: Any) -> None:
        super().__init__()
        self._host = host

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Return the answer.

        Raises:
            requests.RequestException: there was none; its cause is the system's error, as without a host.
            CouldNotCheckError: the machine has no curl.
        """
        connect_s, total_s = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        words = ["curl", "--silent", "--show-error", "--include", "--noproxy", "*", "--http1.1"]
        words += ["--connect-timeout", str(connect_s or 10), "--max-time", str(total_s or 30)]
        words += ["--request", str(request.method)]
        for name, value in request.headers.items():
            if name.lower() != "content-length":
                words += ["--header", f"{name}: {_text(value)}"]
        if request.body is not None:
            words += ["--data-binary", _text(request.body)]
        words.append(str(request.url))
        done = self._host.run(" ".join(["%s"] * len(words)), *words)
        if done.rc in (_NOT_FOUND, _NOT_EXECUTABLE):
            raise CouldNotCheckError(
                "La máquina que se revisa no tiene el programa curl.", "Instálelo allí: sudo apt install curl"
            )
        if done.rc != 0:
            raise _error(done.rc, done.stderr.strip(), request)
        return _response(done.stdout_bytes, request)

    def close(self) -> None:
        """Do nothing: curl keeps no connection."""


def _text(value: str | bytes) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else value


def _error(code: int, said: str, request: requests.PreparedRequest) -> requests.RequestException:
    """Return what requests would have raised, with the cause that it would have had."""
    kinds: dict[int, tuple[type[requests.RequestException], OSError]] = {
        _NOT_RESOLVED: (requests.ConnectionError, socket.gaierror(said)),
        _REFUSED: (requests.ConnectionError, ConnectionRefusedError(said)),
        _TIMED_OUT: (requests.ReadTimeout, TimeoutError(said)),
    }
    kind, cause = kinds.get(code, (requests.ConnectionError, OSError(said)))
    error = kind(said, request=request)
    error.__cause__ = cause
    return error


def _response(raw: bytes, request: requests.PreparedRequest) -> requests.Response:
    stream = io.BytesIO(raw)
    status, headers = 100, http.client.HTTPMessage()
    while 100 <= status < 200:  # interim answers come before the final one (RFC 9110, section 15.2)
        version, _, rest = stream.readline().decode("latin-1").strip().partition(" ")
        code, _, reason = rest.partition(" ")
        if not version.startswith("HTTP/") or not code.isdigit():
            raise requests.ConnectionError("that was no HTTP answer", request=request)
        status = int(code)
        headers = http.client.parse_headers(stream)
    response = requests.Response()
    response.status_code = status
    response.reason = reason
    response.headers = CaseInsensitiveDict(headers.items())
    response.url = str(request.url)
    response.request = request
    response.encoding = "utf-8"
    response._content = stream.read()
    return response
