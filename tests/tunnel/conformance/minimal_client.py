"""A tunnel client for one upstream, written from tunnel/PROTOCOL.md alone: it imports nothing of ours.

usage: minimal_client.py CONTROL_URL TOKEN_FILE NAME UPSTREAM_HOST:PORT

It asks the upstream for one answer after another, holds each whole in memory and grants no upgrades: what
it shows is the protocol.  Exits 1 when it is refused.
"""

import hashlib
import hmac
import http.client
import json
import random
import secrets
import struct
import sys
import time
from pathlib import Path

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

HELLO, CHALLENGE, CLAIM, GRANT, REFUSE, PING, PONG, GOAWAY = range(1, 9)
OPEN, HEAD, DATA, END, RESET, CREDIT = range(16, 22)
CANCELLED, UPSTREAM_REFUSED, UPSTREAM_CLOSED, REFUSED_STREAM = 1, 2, 4, 6
DRAINING, REPLACED, PING_TIMEOUT, BAD_EXIT_NODE, REVOKED = 0, 1, 3, 6, 9
CONNECTION_FIELDS = {"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer",
                     "transfer-encoding", "upgrade"}  # fmt: skip


class Refused(Exception):  # noqa: N818
    """Dialling again would only repeat the answer."""


class Stream:
    """One request, and what of its answer waits for credit."""

    def __init__(self, payload, credit):
        self.length, self.lines = struct.unpack_from("!q", payload, 4)[0], payload[12:].decode("latin-1")
        self.credit = credit
        self.content = b""
        self.unsent = None  # bytes, once there is an answer


class Client:
    """One session."""

    def __init__(self, link, token, name, upstream):
        self.link, self.token, self.name, self.upstream = link, token, name, upstream
        self.buffer = b""
        self.streams = {}
        self.heard = time.monotonic()

    def send(self, kind, stream_id=0, payload=b""):
        self.link.send(struct.pack("!II", kind << 24 | len(payload), stream_id) + payload)

    def receive(self, timeout=None):
        """Return the next frame; TimeoutError when none came."""
        while len(self.buffer) < 8 or len(self.buffer) < 8 + self.length:
            self.buffer += self.link.recv(timeout)
            self.heard = time.monotonic()
        word, stream_id = struct.unpack_from("!II", self.buffer)
        payload, self.buffer = self.buffer[8 : 8 + self.length], self.buffer[8 + self.length :]
        return word >> 24, stream_id, payload

    @property
    def length(self):
        return int.from_bytes(self.buffer[1:4], "big")

    def mac(self, *parts):
        return hmac.new(self.token, b"".join(parts), hashlib.sha256).hexdigest()

    def shake_hands(self):
        sha256 = lambda data: hashlib.sha256(data).digest()  # noqa: E731
        hello = json.dumps({"key_id": self.mac(b"tunelab.v1 key id")[:32], "nonce": secrets.token_hex(32),
                            "instance": secrets.token_hex(8), "agent": "minimal/1", "initial_window": 65536,
                            "max_streams": 100}).encode()  # fmt: skip
        self.send(HELLO, 0, hello)
        challenge = self.expect(CHALLENGE)
        said = json.loads(challenge)
        proof = self.mac(sha256(b"tunelab.v1 exit node"), sha256(hello), sha256(said["nonce"].encode()))
        if not hmac.compare_digest(proof, said["proof"]):
            self.send(GOAWAY, 0, struct.pack("!H", BAD_EXIT_NODE))
            raise Refused("bad-exit-node")
        claim = json.dumps({"names": [self.name]}).encode()
        proof = self.mac(sha256(b"tunelab.v1 agent"), sha256(hello), sha256(challenge), sha256(claim))
        self.send(CLAIM, 0, proof.encode() + claim)
        self.grant = json.loads(self.expect(GRANT))
        say("open", *self.grant["urls"])

    def expect(self, wanted):
        kind, _, payload = self.receive(10)
        if kind == REFUSE:
            refusal = json.loads(payload)
            raise (ConnectionError if refusal["retry"] else Refused)(refusal["code"])
        if kind != wanted:
            raise ConnectionError(f"frame {kind} out of turn")
        return payload

    def serve(self):
        interval = self.grant["ping_interval_s"]
        pinged = 0.0
        while True:
            now = time.monotonic()
            if now >= self.heard + 2 * interval:
                self.send(GOAWAY, 0, struct.pack("!H", PING_TIMEOUT))
                raise ConnectionError("silence")
            if now >= pinged + interval:
                self.send(PING, 0, b"anything")
                pinged = now
            try:
                kind, stream_id, payload = self.receive(
                    min(pinged + interval, self.heard + 2 * interval) - now
                )
            except TimeoutError:
                continue
            stream = self.streams.get(stream_id)
            if kind == PING:
                self.send(PONG, 0, payload)
            elif kind == GOAWAY:
                code = struct.unpack_from("!H", payload)[0]
                if code in (REPLACED, BAD_EXIT_NODE, REVOKED):
                    raise Refused(f"closed with {code}")
                if code != DRAINING:
                    raise ConnectionError(f"closed with {code}")
            elif kind == OPEN:
                self.streams[stream_id] = Stream(payload, self.grant["initial_window"])
            elif stream is None:
                pass  # PONG, or late
            elif kind == DATA:
                stream.content += payload
                self.send(CREDIT, stream_id, struct.pack("!I", len(payload)))
            elif kind == END:
                self.answer(stream_id, stream)
            elif kind == CREDIT:
                stream.credit += struct.unpack("!I", payload)[0]
                self.send_content(stream_id, stream)
            elif kind == RESET:
                del self.streams[stream_id]

    def answer(self, stream_id, stream):
        """Ask the upstream, send the head of its answer and as much of the rest as credit allows."""
        if stream.length >= 0 and stream.length != len(stream.content):
            return self.reset(stream_id, CANCELLED)
        request, *fields = stream.lines.split("\r\n")[:-1]
        method, target = request.split(" ")
        upstream = http.client.HTTPConnection(self.upstream, timeout=30)
        try:
            upstream.connect()
        except OSError:
            return self.reset(stream_id, UPSTREAM_REFUSED)
        try:
            upstream.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for line in fields:
                name, _, value = line.partition(":")
                if name.lower() not in CONNECTION_FIELDS:
                    upstream.putheader(name, value.strip())
            if stream.length != -1 or method in ("POST", "PUT", "PATCH"):
                upstream.putheader("Content-Length", len(stream.content))
            upstream.endheaders(stream.content)
            response = upstream.getresponse()
            stream.unsent = memoryview(response.read())
        except (OSError, http.client.HTTPException):
            return self.reset(stream_id, UPSTREAM_CLOSED)
        finally:
            upstream.close()
        length = len(stream.unsent)
        if method == "HEAD" or response.status in (204, 304):
            length = int(response.headers.get("Content-Length", -1))
        lines = "".join(f"{name}: {value}\r\n" for name, value in response.getheaders()
                        if name.lower() not in CONNECTION_FIELDS)  # fmt: skip
        self.send(HEAD, stream_id, struct.pack("!Hq", response.status, length) + lines.encode("latin-1"))
        return self.send_content(stream_id, stream)

    def send_content(self, stream_id, stream):
        if stream.unsent is None:
            return
        while stream.unsent and stream.credit:
            piece = stream.unsent[: min(stream.credit, 65536)]
            stream.unsent, stream.credit = stream.unsent[len(piece) :], stream.credit - len(piece)
            self.send(DATA, stream_id, piece)
        if not stream.unsent:
            self.send(END, stream_id)
            del self.streams[stream_id]  # both directions have ended

    def reset(self, stream_id, code):
        del self.streams[stream_id]
        self.send(RESET, stream_id, struct.pack("!H", code))


def say(*words):
    print(*words, flush=True)  # noqa: T201


def main(control_url, token_file, name, upstream):
    token = Path(token_file).read_text().strip().encode()
    failures = 0
    while True:
        began = None
        try:
            with connect(control_url + "/.tunelab/link", subprotocols=["tunelab.v1"], compression=None,
                         max_size=2**20, ping_interval=None) as link:  # fmt: skip
                client = Client(link, token, name, upstream)
                client.shake_hands()
                began = time.monotonic()
                client.serve()
        except Refused as refusal:
            say("refused", refusal)
            return 1
        except (OSError, ConnectionClosed, InvalidHandshake) as error:
            say("lost", repr(error))
        failures = 0 if began is not None and time.monotonic() - began >= 1 else failures + 1
        time.sleep(random.uniform(0, min(5, 0.5 * 2 ** min(failures - 1, 10))) if failures else 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
