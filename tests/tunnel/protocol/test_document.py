"""PROTOCOL.md and the code say the same: its vectors, its tables, its worked example."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import fields
from pathlib import Path
from struct import pack

import pytest

import tunnel
from tests.tunnel.protocol.kit import START_S, Handler, Sink, frames_of, make_grant
from tests.tunnel.protocol.test_streams import EXPECTED, IGNORED, VIOLATION
from tunnel import client, passages
from tunnel.http.error_pages import FAULTS
from tunnel.http.errors import BadMessage
from tunnel.http.fields import CONNECTION_FIELDS, request_fields, response_fields
from tunnel.http.head import parse_request_head, parse_response_head
from tunnel.http.wire import decode_head, decode_open, encode_head, encode_open
from tunnel.protocol.auth import (
    KEY_ID_HEX_DIGITS,
    NONCE_BYTES,
    agent_proof,
    answer_proof,
    ca_proof,
    certificate_token,
    exit_node_proof,
    key_id,
    question_proof,
)
from tunnel.protocol.errors import CloseCode, ProtocolViolation, ResetCode
from tunnel.protocol.flow import MAX_GROWTH_BYTES, MAX_STREAMS, MAX_WINDOW_BYTES
from tunnel.protocol.frames import HEADER, FrameDecoder, FrameType
from tunnel.protocol.handshake import AgentHandshake, ExitNodeHandshake
from tunnel.protocol.messages import Challenge, Claim, Grant, Hello, Refusal
from tunnel.protocol.session import HANDSHAKE_TIMEOUT_S, Session
from tunnel.protocol.states import StreamEvent, StreamState, next_state
from tunnel.transport import exchange, link, questions

ROOT = Path(tunnel.__file__).parent
DOCUMENT = ROOT / "PROTOCOL.md"


def text() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


def section(heading: str) -> str:
    """Return the part of the document below ``heading``, up to the next heading of its level or above."""
    match = re.search(rf"(?m)^(#+) {re.escape(heading)}$", text())
    assert match is not None, heading
    rest = text()[match.end() :]
    end = re.search(rf"(?m)^#{{1,{len(match[1])}}} ", rest)
    return rest[: end.start()] if end else rest


def table(heading: str, number: int = 0) -> list[dict[str, str]]:
    """Return a table of a section as dicts from its header line's words."""
    prose = re.sub(r"(?s)```.*?```", "", section(heading))
    found = re.findall(r"(?m)(?:^\|.*\n)+", prose)
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[number].splitlines()]
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]
    assert rows, heading
    return rows


def block(comment: str) -> str:
    """Return the fenced block below a comment that begins with ``comment``."""
    match = re.search(rf"<!-- {comment}:[^>]*-->\n```\n(.*?)```", text(), re.DOTALL)
    assert match is not None, comment
    return match[1]


# ── the test vectors ─────────────────────────────────────────────────────────────────────────────


def vectors() -> dict[str, str]:
    """Return the document's test vectors by name."""
    pairs = [re.split(r"  +", line, maxsplit=1) for line in block("vectors").splitlines()]
    return dict(pairs)


def test_the_vectors_follow_from_the_description() -> None:
    # As someone would compute them who has read section 4.6 and none of our code.
    v = vectors()
    token = v["token"].encode()

    def sha256(data: str) -> bytes:
        return hashlib.sha256(data.encode("ascii")).digest()

    def mac(data: bytes) -> str:
        return hmac.new(token, data, hashlib.sha256).hexdigest()

    assert v["key id"] == mac(b"tunelab.v1 key id")[:32]
    assert json.loads(v["HELLO"])["key_id"] == v["key id"]
    assert v["exit node proof"] == mac(
        sha256("tunelab.v1 exit node") + sha256(v["HELLO"]) + sha256(v["exit node nonce"])
    )
    assert json.loads(v["CHALLENGE"]) == {"nonce": v["exit node nonce"], "proof": v["exit node proof"]}
    assert v["agent proof"] == mac(
        sha256("tunelab.v1 agent") + sha256(v["HELLO"]) + sha256(v["CHALLENGE"]) + sha256(v["claim"])
    )
    assert v["CLAIM"] == v["agent proof"] + v["claim"]
    certificate = hashlib.sha256(bytes.fromhex(v["CA"])).digest()
    assert v["CA proof"] == mac(sha256("tunelab.v1 ca") + sha256(v["CA nonce"]) + certificate)
    asked = sha256(v["question path"]) + sha256(v["question nonce"])
    assert v["question proof"] == mac(sha256("tunelab.v1 question") + asked)
    assert v["answer proof"] == mac(sha256("tunelab.v1 answer") + asked + sha256(v["answer"]))
    assert v["certificate"] == f"tunelab.v1 certificate {certificate.hex()}"


def test_the_vectors_are_what_the_code_computes() -> None:
    v = vectors()
    assert key_id(v["token"]) == v["key id"]
    assert Hello.decode(v["HELLO"].encode()).encode() == v["HELLO"].encode()
    assert exit_node_proof(v["token"], v["HELLO"].encode(), v["exit node nonce"]) == v["exit node proof"]
    assert Challenge(v["exit node nonce"], v["exit node proof"]).encode() == v["CHALLENGE"].encode()
    proof = agent_proof(v["token"], v["HELLO"].encode(), v["CHALLENGE"].encode(), v["claim"].encode())
    assert proof == v["agent proof"]
    assert Claim.decode(v["claim"].encode()) == Claim(("todo.example",))
    assert ca_proof(v["token"], v["CA nonce"], bytes.fromhex(v["CA"])) == v["CA proof"]
    asked = v["token"], v["question path"], v["question nonce"]
    assert question_proof(*asked) == v["question proof"]
    assert answer_proof(*asked, v["answer"].encode()) == v["answer proof"]
    assert v["question path"] == questions.REQUESTS_PATH
    assert certificate_token(bytes.fromhex(v["CA"])) == v["certificate"]


# ── the tables ───────────────────────────────────────────────────────────────────────────────────


def test_the_table_of_frames_is_the_codes() -> None:
    rows = table("3. Frames")
    assert [(row["name"], int(row["number"])) for row in rows] == [
        (kind.name, kind.value) for kind in FrameType
    ]
    for row in rows:
        kind, limit = int(row["number"]), int(row["limit"])
        stream_id = 0 if kind < 16 else 1
        assert list(FrameDecoder().receive_data(HEADER.pack(kind << 24 | limit, stream_id))) == []
        with pytest.raises(ProtocolViolation, match=f"limit {limit}"):
            list(FrameDecoder().receive_data(HEADER.pack(kind << 24 | limit + 1, stream_id)))


@pytest.mark.parametrize(
    ("heading", "message"),
    [("4.1. HELLO", Hello), ("4.2. CHALLENGE", Challenge), ("4.3. CLAIM", Claim), ("4.4. GRANT", Grant),
     ("4.5. REFUSE", Refusal)],
)  # fmt: skip
def test_the_table_of_a_message_has_its_members(heading: str, message: type) -> None:
    assert [row["member"] for row in table(heading)] == [f"`{field.name}`" for field in fields(message)]


def test_the_table_of_refusals_has_every_code_that_the_program_knows() -> None:
    documented = {(row["code"].strip("`"), row["retry"]) for row in table("4.5. REFUSE", 1)}
    known = set()
    for path in ROOT.rglob("*.py"):
        for code, rest in re.findall(r'Refusal\(\s*"([^"]*)"([^)]*)\)', path.read_text(encoding="utf-8")):
            known.add((code, "true" if "retry=True" in rest else "false"))
    assert len(known) > 3
    assert documented == known


def test_the_table_of_states_is_the_codes() -> None:
    documented = {(row["state"], row["event"]): row["next state"] for row in table("5.2. States")}
    listed = {
        (state.name, event.name): after.name
        for state in StreamState
        for event in StreamEvent
        if (after := next_state(state, event)) is not None
    }
    assert documented == listed


def test_the_table_of_frames_in_each_state_is_what_the_tests_of_streams_expect() -> None:
    rows = table("5.2. States", 1)
    for row in rows:
        name, _, where = row.pop("frame").partition(" ")
        column = 1 if where == "(at the agent)" else 0
        for state, effect in row.items():
            expected = EXPECTED[state][FrameType[name]][column]
            assert effect == {VIOLATION: "violation", IGNORED: "ignored"}.get(str(expected), "taken"), (
                name,
                state,
            )
    assert len(rows) == 7


def test_the_table_of_reset_codes_is_the_codes() -> None:
    rows = table("5.3. Reset codes")
    assert [(int(row["number"]), row["name"]) for row in rows] == [
        (code.value, code.name) for code in ResetCode
    ]
    for row in rows[1:]:
        fault = exchange._FAULTS.get(ResetCode(int(row["number"])), FAULTS["client-fault"])
        assert row["the visitor sees"] == f"{fault.status} `{fault.code}`"


def test_the_table_of_close_codes_is_the_codes() -> None:
    rows = table("8. Draining and closing")
    assert [(int(row["number"]), row["name"]) for row in rows] == [
        (code.value, code.name) for code in CloseCode
    ]
    final = {CloseCode(int(row["number"])) for row in rows if row["the agent comes back"] == "no"}
    assert final == set(client._FINAL)


def test_the_limits_in_the_text_are_the_codes() -> None:
    document = " ".join(text().split())
    for words in (
        f"`ws://HOST:PORT{link.CONTROL_PATH}`",
        f"subprotocol `{link.SUBPROTOCOL}`",
        f"GET {questions.CA_PATH} HTTP/1.1",
        f"GET {questions.REQUESTS_PATH} HTTP/1.1",
        f"at most {passages.MAX_PASSAGES}, that a client",
        f"{questions.KEY_ID_FIELD}: key id, hex, {KEY_ID_HEX_DIGITS}",
        f"{questions.NONCE_FIELD}: {NONCE_BYTES} random bytes",
        f"{questions.PROOF_FIELD}: hex, 64",
        f"A message is at most 1 MiB ({link.MAX_MESSAGE_BYTES:,} bytes)",
        f"within {HANDSHAKE_TIMEOUT_S:g} seconds",
        f"never opens more than {MAX_STREAMS}",
        f"four times its size, and up to {MAX_WINDOW_BYTES >> 20} MiB",
        f"grow by at most {MAX_GROWTH_BYTES >> 20} MiB together",
        f"at most {exchange.MAX_INTERIM_RESPONSES} of them",
        f"{client._STABLE_S:g} second".replace("1 second", "a second"),
        f"min({client._RETRY_CAP_S:g} s, {client._RETRY_BASE_S:g} s",
    ):
        assert words in document, words
    for name in CONNECTION_FIELDS:
        assert name in section("9.1. OPEN").lower().encode(), name


REFUSED = [
    "Connection",
    "Content-Length",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
]


def test_the_fields_that_both_ends_refuse_are_the_documented_ones() -> None:
    for heading in ("9.1. OPEN", "9.2. HEAD"):
        for name in [*REFUSED, "`Tunelab-…`"]:
            assert name in section(heading), (heading, name)
    for name in [*REFUSED, "Tunelab-Nombre"]:
        line = f"{name.lower()}: 1\r\n".encode()
        with pytest.raises(BadMessage):
            decode_open(pack("!BxHq", 1, 0, -1) + b"GET /a\r\nHost: a\r\n" + line)
        with pytest.raises(BadMessage):
            decode_head(pack("!Hq", 200, 0) + line)


def test_heads_laid_out_as_documented_are_taken() -> None:
    lines = b"GET /a\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    opened = decode_open(pack("!BxHq", 1, 7, -2) + lines)
    assert (opened.index, opened.length, opened.method, opened.lines) == (7, -2, b"GET", lines)
    answered = decode_head(pack("!Hq", 101, -1) + b"Upgrade: websocket\r\n")
    assert (answered.status, answered.length, answered.lines) == (101, -1, b"Upgrade: websocket\r\n")


def test_every_link_within_the_document_leads_somewhere() -> None:
    headings = re.findall(r"(?m)^#+ (.*)$", re.sub(r"(?s)```.*?```", "", text()))
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(#([^)]*)\)", text())
    assert len(links) > 10
    assert [one for one in links if one not in anchors] == []


# ── the worked example ───────────────────────────────────────────────────────────────────────────

REQUEST = b"GET /todo/api/v1.0/tasks/1 HTTP/1.1\r\nHost: todo.example:8000\r\nAccept: */*\r\n\r\n"
BODY = b'{"task":{"id":1,"title":"Buy groceries"}}\n'
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)


class Example:
    """Two sessions, and everything that crosses between them written down as the document shows it."""

    def __init__(self) -> None:
        v = vectors()
        self.now = START_S
        self.handlers = {"agent": Handler(), "exit node": Handler()}
        agent_handler, exit_node_handler = self.handlers.values()
        hello = Hello.decode(v["HELLO"].encode())
        self.agent = Session(
            AgentHandshake(v["token"], hello, Claim(("todo.example",))), agent_handler, lambda: None, self.now
        )
        grant = make_grant(session="5e551011", initial_window=32)
        self.exit_node = Session(
            ExitNodeHandshake({v["key id"]: v["token"]}.get, lambda h, c: grant, v["exit node nonce"]),
            exit_node_handler,
            lambda: None,
            self.now,
        )
        self.lines: list[str] = []

    def agent_speaks(self) -> None:
        self._cross(self.agent, self.exit_node, "agent → exit node")

    def exit_node_speaks(self) -> None:
        self._cross(self.exit_node, self.agent, "exit node → agent")

    def _cross(self, source: Session, target: Session, direction: str) -> None:
        self.now += 1
        data = b"".join(source.data_to_send(1 << 20))
        frames = frames_of([data])
        assert frames
        if self.lines:
            self.lines.append("")
        self.lines.append(f"{direction}: {', '.join(kind.name for kind, _, _ in frames)}")
        for start in range(0, len(data), 16):
            row = data[start : start + 16]
            left, right = row[:8].hex(" "), row[8:].hex(" ")
            shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "·" for byte in row)
            self.lines.append(f"{start:04x}  {left:<23}  {right:<23}  |{shown}|")
        target.receive_data(data, self.now)


def render_example() -> str:
    """Play a session of one request and return it as the document shows it."""
    example = Example()
    agent = example.handlers["agent"]
    example.agent_speaks()
    example.exit_node_speaks()
    example.agent_speaks()
    example.exit_node_speaks()
    example.agent_speaks()

    head = parse_request_head(REQUEST)
    sink = Sink()
    payload = encode_open(head, 0, request_fields(head, "203.0.113.7", b"http"))
    asking = example.exit_node.open_stream(payload, sink, example.now)
    assert asking is not None
    asking.send_end()
    example.exit_node_speaks()

    answering = agent.streams[0]
    answer = parse_response_head(RESPONSE, b"GET")
    answering.send_head(encode_head(answer, response_fields(answer)))
    answering.send_data(BODY)
    answering.send_end()
    example.agent_speaks()
    asking.consume(len(sink.data), example.now)
    example.exit_node_speaks()
    example.agent_speaks()
    assert bytes(sink.data) == BODY
    assert sink.log[-1] == ("end",)
    assert example.agent.stream_count == example.exit_node.stream_count == 0

    example.exit_node.close(CloseCode.DRAINING, "the exit node stops")
    example.exit_node_speaks()
    assert agent.drainings == [(CloseCode.DRAINING, "the exit node stops")]
    return "\n".join(example.lines) + "\n"


def test_the_worked_example_is_what_two_sessions_say_to_each_other(pytestconfig: pytest.Config) -> None:
    shown, rendered = block("session"), render_example()
    if shown != rendered and pytestconfig.getoption("--actualizar-guia", default=False):
        before, after = text().split(shown)
        DOCUMENT.write_text(before + rendered + after, encoding="utf-8")
        shown = block("session")
    assert shown == rendered
