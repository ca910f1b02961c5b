"""A mirror: it answers every GET with the request's own headers. Its one argument is the port."""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Mirror(BaseHTTPRequestHandler):
    """Answer with what came."""

    def do_GET(self) -> None:
        body = "".join(f"{name}: {value}\n" for name, value in sorted(self.headers.items())).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request: the answer says it all."""


if __name__ == "__main__":
    port = int(sys.argv[1])
    server = HTTPServer(("127.0.0.1", port), Mirror)
    print(f"Escuchando en http://127.0.0.1:{port}", flush=True)
    server.serve_forever()
