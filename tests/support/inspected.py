"""A tunnel whose client has an inspector, and the inspector's page as a program asks it."""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import dataclass
from typing import Any

from support.backend import Backend
from support.tunnel_process import Server, TunnelProcess
from support.wire import PATIENCE_S, Response, eventually

__all__ = ["Inspected", "inspector_port"]


@dataclass(slots=True)
class Inspected:
    """A tunnel whose client has an inspector."""

    server: Server
    client: TunnelProcess
    backend: Backend
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, path: str, method: str = "GET", body: object = None, **fields: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask the page's server; a field that is named ``Host`` takes the place of the right one."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            named = {name.replace("_", "-"): value for name, value in fields.items()}
            data = None if body is None else json.dumps(body)
            if body is not None:
                named["Content-Type"] = "application/json"
            connection.request(method, path, data, named)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        status, _, content = self.ask(path)
        assert status == 200, content
        return json.loads(content)

    def token(self) -> str:
        """Return what the page may change things with, as the page learns it."""
        found = re.search(r'name="inspector-token" content="([^"]+)"', self.ask("/")[2].decode())
        assert found is not None
        return found[1]

    def post(self, path: str, body: object = None) -> tuple[int, Any]:
        status, _, content = self.ask(path, "POST", body, X_Inspector_Token=self.token())
        return status, json.loads(content)

    def visit(self, method: str = "GET", target: str = "/", *lines: str, content: bytes = b"") -> Response:
        """Ask the public side, as ``ana.example``."""
        with self.server.visit() as wire:
            return wire.ask(method, target, "Host: ana.example", *lines, content=content)

    def detail(self, number: int) -> Any:
        """Return all of one exchange, once it is over."""
        found: dict[str, Any] = {}

        def is_over() -> bool:
            found.update(self.get(f"/api/exchanges/{number}"))
            return found["summary"]["ending"] != "pending"

        eventually(is_over, "the exchange is over")
        return found


def inspector_port(client: TunnelProcess) -> int:
    """Return the port of a client's inspector."""
    return int(client.wait_for("inspector")["url"].rpartition(":")[2])
