"""An HTTP proxy that is no tunnel: ``intermediario.py [--repetir | --solo-lectura] PORT UPSTREAM_PORT…``.

It hands each request to the first upstream, and on a 502 or 503 to the next one. With ``--repetir`` it hands
every POST on twice; with ``--solo-lectura`` it refuses whatever is not a GET.
"""

import http.client
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NOT_AVAILABLE = (502, 503)


class Proxy(BaseHTTPRequestHandler):
    """Hand a request on and the answer back."""

    upstreams: tuple[int, ...] = ()
    repeats = False
    only_reads = False

    def _hand_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.only_reads and self.command != "GET":
            self.send_error(403)
            return
        for upstream in self.upstreams:
            answer = self._ask(upstream, body)
            if answer.status not in NOT_AVAILABLE:
                break
        if self.repeats and self.command == "POST":
            self._ask(self.upstreams[-1], body)
        content = answer.read()
        self.send_response(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "content-length", "date", "server", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _hand_on  # noqa: N815

    def _ask(self, upstream: int, body: bytes) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", upstream, timeout=30)
        connection.request(self.command, self.path, body or None, dict(self.headers))
        return connection.getresponse()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""


if __name__ == "__main__":
    arguments = sys.argv[1:]
    Proxy.repeats = "--repetir" in arguments
    Proxy.only_reads = "--solo-lectura" in arguments
    port, *Proxy.upstreams = (int(word) for word in arguments if word.isdigit())
    server = ThreadingHTTPServer(("127.0.0.1", port), Proxy)
    print(f"Escuchando en http://127.0.0.1:{port}", flush=True)
    server.serve_forever()
