"""A program that answers as Amazon EC2: moto, behind HTTP, on a free port of the loopback.

Run as ``python -m support.ec2_process FOLDER`` it writes its address to ``FOLDER/url`` once it answers.  It
knows one image, Debian's; its machines boot nothing.  ``FOLDER/fallas/ACTION`` makes that call fail, with the
code and the message that the file holds ("InstanceLimitExceeded You have requested…"), until it is removed.
A second line says which of them: those with these words in the request, or, after a ``!``, without them.

moto writes the XML namespace without its last slash.  boto3 ignores namespaces; Libcloud looks things up by
the one that Amazon sends (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html,
"Examples"), so it is mended here.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

__all__ = ["running_ec2"]

TESTS = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 40.0  # moto imports a great deal
NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15"
IMAGES = [
    {
        "ami_id": f"ami-0debian12{date}",
        "name": f"debian-12-amd64-{date}-2270",
        "description": "Debian 12",
        "owner_id": "136693071363",
        "public": True,
        "virtualization_type": "hvm",
        "architecture": "x86_64",
        "state": "available",
        "creation_date": "2026-01-01T00:00:00.000Z",
        "image_type": "machine",
        "image_location": "amazon/debian-12",
        "hypervisor": "xen",
        "root_device_type": "ebs",
        "root_device_name": "/dev/xvda",
        "sriov": "simple",
    }
    for date in ("20260101", "20261018")
]


@contextlib.contextmanager
def running_ec2(folder: Path, **environ: str) -> Iterator[str]:
    """Run the program during the block; the value is its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    images = folder / "images.json"
    images.write_text(json.dumps(IMAGES))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "support.ec2_process", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONPATH": str(TESTS), "MOTO_AMIS_PATH": str(images), **environ},
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (folder / "url").exists():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.02)
        yield (folder / "url").read_text()
    finally:
        process.kill()
        process.wait()


def main(folder: Path) -> None:
    """Serve until killed."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    moto = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, _Front(moto, folder / "fallas"), threaded=True)
    ready = folder / "url.new"
    ready.write_text(f"http://127.0.0.1:{server.port}")
    ready.rename(folder / "url")
    server.serve_forever()


class _Front:
    """Between whoever asks and moto: the faults, and the namespace."""

    def __init__(self, moto: Callable[..., Iterator[bytes]], faults: Path) -> None:
        self._moto = moto
        self._faults = faults

    def __call__(self, environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
        query = environ.get("QUERY_STRING", "")
        fault = self._fault(parse_qs(query).get("Action", [""])[0], query)
        if fault is not None:
            start_response("400 Bad Request", [("Content-Type", "text/xml")])
            return [fault]
        status: list[str] = []
        headers: list[tuple[str, str]] = []

        def keep(line: str, fields: list[tuple[str, str]], *_: object) -> None:
            status.append(line)
            headers.extend(fields)

        body = b"".join(self._moto(environ, keep))
        body = body.replace(f'"{NAMESPACE}"'.encode(), f'"{NAMESPACE}/"'.encode())
        fields = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response(status[0], [*fields, ("Content-Length", str(len(body)))])
        return [body]

    def _fault(self, action: str, query: str) -> bytes | None:
        try:
            words, _, only = (self._faults / action).read_text().partition("\n")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        only = only.strip()
        if (only[1:] in query) if only.startswith("!") else (only not in query):
            return None
        code, _, message = words.strip().partition(" ")
        return (
            "<?xml version='1.0' encoding='UTF-8'?><Response><Errors><Error>"
            f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
            "</Error></Errors><RequestID>0</RequestID></Response>"
        ).encode()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
