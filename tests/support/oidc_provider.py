"""A real OpenID Connect provider (oidc-provider-mock), as a process of its own.

It takes every client, as that provider does; what it does not check is checked here, before it: PKCE.  Run as
a program it says on stdout which port it has.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

__all__ = ["OidcProvider", "running_provider"]


class OidcProvider:
    """A running provider."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"

    def add_user(self, name: str, **claims: object) -> None:
        """Make an account."""
        requests.put(f"{self.issuer}/users/{name}", json=claims, timeout=30).raise_for_status()


@contextmanager
def running_provider() -> Iterator[OidcProvider]:
    """Run a provider while the block lasts."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            yield OidcProvider(int(line))
        finally:
            process.kill()


class _WithPkce:
    """Refuses a code whose verifier is not the challenge's (RFC 7636, section 4.6)."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._challenges: dict[str, str] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/oauth2/authorize":
            return self._authorize(environ, start_response)
        if path == "/oauth2/token" and not self._is_proven(environ):
            body = json.dumps({"error": "invalid_grant"}).encode()
            start_response(
                "400 Bad Request",
                [("Content-Type", "application/json"), ("Content-Length", str(len(body)))],
            )
            return [body]
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer

    def _authorize(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        asked = parse_qs(environ["QUERY_STRING"])
        assert asked["code_challenge_method"] == ["S256"]

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            location = dict(headers).get("Location", "")
            for code in parse_qs(urlsplit(location).query).get("code", []):
                self._challenges[code] = asked["code_challenge"][0]
            return start_response(status, headers, *rest)

        answer: Iterable[bytes] = self._app(environ, start)
        return answer

    def _is_proven(self, environ: dict[str, Any]) -> bool:
        data = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = BytesIO(data)
        asked = {name: values[0] for name, values in parse_qs(data.decode()).items()}
        digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return self._challenges.pop(asked.get("code", ""), None) == challenge


def _serve() -> None:
    import oidc_provider_mock
    from werkzeug.serving import make_server

    app = oidc_provider_mock.app(require_nonce=True)
    app.wsgi_app = _WithPkce(app.wsgi_app)  # type: ignore[method-assign]
    server = make_server("127.0.0.1", 0, app, threaded=True)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    _serve()
