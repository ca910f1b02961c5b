"""The metadata server of a simulated machine: runs inside it, reads and writes the folder that is shared.

As the real one: paths under ``/computeMetadata/v1/``, the header ``Metadata-Flavor: Google`` demanded and
returned, requests that came through a proxy refused, guest attributes written by PUT where they are enabled.
https://cloud.google.com/compute/docs/metadata/querying-metadata,
https://cloud.google.com/compute/docs/metadata/manage-guest-attributes
"""

import os
import re
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ADDRESS = ("169.254.169.254", 80)
ROOT = "/computeMetadata/v1/instance/"
EXTERNAL_IP = "network-interfaces/0/access-configs/0/external-ip"
KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")
MAX_VALUE_BYTES = 32 * 1024


class Handler(BaseHTTPRequestHandler):
    """One request."""

    folder: Path

    def do_GET(self) -> None:
        """Answer with a value."""
        path = self._path()
        if path is None:
            return
        kind, _, key = path.partition("/")
        if path == EXTERNAL_IP:
            self._answer(200, own_address())
        elif path in ("name", "hostname"):
            self._answer(200, socket.gethostname())
        elif kind == "attributes" and KEY.fullmatch(key) and (self.folder / "metadatos" / key).is_file():
            self._answer(200, (self.folder / "metadatos" / key).read_text(encoding="utf-8"))
        else:
            self._answer(404, "")

    def do_PUT(self) -> None:
        """Write a guest attribute."""
        path = self._path()
        if path is None:
            return
        kind, _, rest = path.partition("/")
        namespace, _, key = rest.partition("/")
        enabled = self.folder / "metadatos" / "enable-guest-attributes"
        length = int(self.headers.get("Content-Length", "0"))
        if kind != "guest-attributes" or not (KEY.fullmatch(namespace) and KEY.fullmatch(key)):
            self._answer(404, "")
        elif not enabled.is_file() or enabled.read_text().upper() != "TRUE" or length > MAX_VALUE_BYTES:
            self._answer(403, "")
        else:
            target = self.folder / "atributos" / namespace / key
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            target.write_bytes(self.rfile.read(length))
            self._answer(200, "")

    def _path(self) -> str | None:
        if self.headers.get("Metadata-Flavor") != "Google" or "X-Forwarded-For" in self.headers:
            self._answer(403, "")
        elif not self.path.startswith(ROOT):
            self._answer(404, "")
        else:
            return self.path.removeprefix(ROOT)
        return None

    def _answer(self, status: int, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", "application/text")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: values may be secret, and so may their names."""


def own_address() -> str:
    """Return the address by which the simulation's host reaches this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))  # RFC 5737; a datagram socket that connects sends nothing
        return str(probe.getsockname()[0])


def main(folder: str) -> None:
    """Serve until the machine ends."""
    Handler.folder = Path(folder)
    server = ThreadingHTTPServer(ADDRESS, Handler)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
        notify.send(b"READY=1")
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
