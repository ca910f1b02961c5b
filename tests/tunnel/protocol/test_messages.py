"""The JSON bodies of the handshake: exact bytes, each member's limits, each kind of bad JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.protocol.kit import examples
from tunnel.protocol.errors import ProtocolViolation
from tunnel.protocol.messages import MAX_NAMES, MAX_PORTS, Challenge, Claim, Grant, Hello, Refusal

Message = Hello | Challenge | Claim | Grant | Refusal

SAMPLES: list[tuple[Message, bytes]] = [
    (
        Hello("0f" * 16, "1e" * 32, "i-1", "tunelab/0.1.0", 65536, 1024),
        b'{"key_id":"' + b"0f" * 16 + b'","nonce":"' + b"1e" * 32 + b'","instance":"i-1",'
        b'"agent":"tunelab/0.1.0","initial_window":65536,"max_streams":1024}',
    ),
    (
        Challenge("2d" * 32, "3c" * 32),
        b'{"nonce":"' + b"2d" * 32 + b'","proof":"' + b"3c" * 32 + b'"}',
    ),
    (Claim(("todo.example", "*")), b'{"names":["todo.example","*"]}'),
    (
        Grant("s-1", ("http://todo.example:8000",), 5.0, 65536),
        b'{"session":"s-1","urls":["http://todo.example:8000"],"ping_interval_s":5.0,"initial_window":65536}',
    ),
    (
        Refusal("name-taken", "taken", True),
        b'{"code":"name-taken","message":"taken","retry":true}',
    ),
]
MAY_BE_MISSING = ("ports", "sni", "balance", "health")
NAMES = {Hello: "HELLO", Challenge: "CHALLENGE", Claim: "CLAIM", Grant: "GRANT", Refusal: "REFUSE"}

every_sample = pytest.mark.parametrize(
    ("message", "data"), SAMPLES, ids=[type(sample).__name__ for sample, _ in SAMPLES]
)


def members_of(message: Message) -> dict[str, object]:
    """Return the JSON object that ``message`` becomes."""
    members = json.loads(message.encode())
    assert isinstance(members, dict)
    return members


def decode_changed(message: Message, name: str, value: object) -> Message:
    """Decode ``message`` with one member changed."""
    members = members_of(message) | {name: value}
    return type(message).decode(json.dumps(members).encode())


@every_sample
def test_a_message_is_these_bytes_and_comes_back(message: Message, data: bytes) -> None:
    assert message.encode() == data
    assert type(message).decode(data) == message


@every_sample
def test_a_key_that_is_not_known_is_ignored(message: Message, data: bytes) -> None:
    later = data[:-1] + b',"of_a_later_version":{"a":[1,2]}}'
    assert type(message).decode(later) == message


@every_sample
def test_white_space_and_the_order_of_keys_mean_nothing(message: Message, data: bytes) -> None:
    members = dict(reversed(members_of(message).items()))
    assert type(message).decode(json.dumps(members, indent=2).encode()) == message


@every_sample
def test_text_may_come_as_it_is_or_escaped(message: Message, data: bytes) -> None:
    escaped = data.replace(b"a", b"\\u0061") if isinstance(message, Claim | Challenge) else data
    assert type(message).decode(escaped.replace(b'"n\\u0061mes"', b'"names"')) == message
    assert Refusal.decode('{"code":"c","message":"año","retry":false}'.encode()).message == "año"
    assert Refusal.decode(rb'{"code":"c","message":"a\u00f1o","retry":false}').message == "año"


NOT_AN_OBJECT = {
    "nothing": b"",
    "white space": b"  \n",
    "cut short": b'{"key_id":"0f',
    "an array": b"[]",
    "null": b"null",
    "a number": b"1",
    "a text": b'"names"',
    "true": b"true",
    "two objects": b"{}{}",
    "trailing bytes": b"{}\x00",
    "single quotes": b"{'names': ['a']}",
    "a trailing comma": b'{"names":["a"],}',
    "a comment": b'{"names":["a"]} // a',
    "not UTF-8": b'{"names":["\xff\xfe"]}',
    "overlong UTF-8": b'{"names":["\xc0\xaf"]}',
    "UTF-16": '{"names":["a"]}'.encode("utf-16"),
    "UTF-16 without a mark": '{"names":["a"]}'.encode("utf-16-le"),
    "UTF-32": '{"names":["a"]}'.encode("utf-32"),
    "a byte order mark": b'\xef\xbb\xbf{"names":["a"]}',
    "a control character in a text": b'{"names":["a\nb"]}',
    "a bad escape": rb'{"names":["\x41"]}',
    "as many digits as fit": b"1" * 16384,
    "a member of as many digits as fit": b'{"initial_window":' + b"9" * 16000 + b"}",
    "as many brackets as fit": b"[" * 16384,
    "as many braces as fit": b'{"a":' * 3276,
}


@pytest.mark.parametrize("data", NOT_AN_OBJECT.values(), ids=NOT_AN_OBJECT.keys())
@pytest.mark.parametrize("kind", NAMES, ids=lambda kind: kind.__name__)
def test_what_is_not_a_json_object_is_a_violation(kind: type[Message], data: bytes) -> None:
    with pytest.raises(ProtocolViolation, match=f"^{NAMES[kind]} is not (JSON|a JSON object)$"):
        kind.decode(data)


@every_sample
def test_a_missing_member_is_a_violation_that_names_it(message: Message, data: bytes) -> None:
    names = [name for name in asdict(message) if name not in MAY_BE_MISSING]
    assert names
    for name in names:
        members = members_of(message)
        del members[name]
        with pytest.raises(ProtocolViolation, match=f"^{NAMES[type(message)]}: {name} must be"):
            type(message).decode(json.dumps(members).encode())


STRANGERS: dict[type, list[object]] = {
    str: [None, True, 7, 1.5, [], ["a"], {}],
    int: [None, True, 1.5, 7.0, "7", [], {}, float("nan"), float("inf")],
    float: [None, True, "5", [], {}, float("nan"), float("inf")],
    bool: [None, 0, 1, 1.0, "true", [], {}],
    tuple: [None, True, 7, "a", {}, {"0": "a"}, [None], [7], [["a"]], ["a", True]],
}


STRANGERS_OF_PORTS: list[object] = [None, True, 7, "a", {}, [None], ["5432"], [[5432]], [5432, True], [5.0]]


@every_sample
def test_a_member_of_another_type_is_a_violation_that_names_it(message: Message, data: bytes) -> None:
    members = asdict(message)
    assert members
    for name, value in members.items():
        strangers = STRANGERS_OF_PORTS if name == "ports" else STRANGERS[type(value)]
        for stranger in strangers:
            with pytest.raises(ProtocolViolation, match=f"^{NAMES[type(message)]}: {name} must be"):
                decode_changed(message, name, stranger)


HELLO, CHALLENGE, CLAIM, GRANT, REFUSAL = (message for message, _ in SAMPLES)


@pytest.mark.parametrize(
    ("message", "name", "good", "bad"),
    [
        (
            HELLO,
            "key_id",
            ["0" * 32],
            ["0" * 31, "0" * 33, "F" * 32, "g" * 32, "0" * 31 + "\n", "\u0660" * 32],
        ),
        (HELLO, "nonce", ["f" * 64], ["0" * 63, "0" * 65, "A" * 64, " " * 64]),
        (HELLO, "instance", ["", "x" * 300], ["x" * 301, "a\tb", "a\nb", "\x00", "\x7f", "\ud800", "\u202e"]),
        (HELLO, "agent", ["", "ñ" * 300], ["ñ" * 301, "\r\n", "\x1b[31m"]),
        (HELLO, "initial_window", [1, 2**31 - 1], [0, -1, 2**31, 2**64, 1.0, "1", True]),
        (HELLO, "max_streams", [1, 2**31], [0, -1, 2**31 + 1, 1.0, "1", True]),
        (CHALLENGE, "nonce", ["f" * 64], ["0" * 63, "0" * 65, "A" * 64]),
        (CHALLENGE, "proof", ["f" * 64], ["0" * 63, "0" * 65, "A" * 64]),
        (
            CLAIM,
            "names",
            [["n" * 253], ["a"] * MAX_NAMES],
            [["n" * 254], ["a"] * (MAX_NAMES + 1), ["\n"]],
        ),
        (CLAIM, "ports", [[1], [65535] * MAX_PORTS], [[0], [65536], [-1], [1] * (MAX_PORTS + 1)]),
        (
            CLAIM,
            "sni",
            [["n" * 253], ["a"] * MAX_NAMES],
            [["n" * 254], ["a"] * (MAX_NAMES + 1), ["\n"], "a", None],
        ),
        (GRANT, "sni", [["u" * 2048]], [["u" * 2049], "u", None]),
        (CLAIM, "balance", [True, False], [0, 1, "true", None]),
        (CLAIM, "health", [True, False], [0, 1, "true", None]),
        (GRANT, "ports", [[1, 65535]], [[0], [65536]]),
        (GRANT, "balance", [True, False], [0, 1, "true", None]),
        (GRANT, "health", [True, False], [0, 1, "true", None]),
        (GRANT, "session", ["", "x" * 300], ["x" * 301, "\n"]),
        (GRANT, "urls", [[], ["u" * 2048]], [["u" * 2049], ["\n"], "u", [["u"]]]),
        (GRANT, "ping_interval_s", [0.001, 1, 86399.9], [0, 0.0, -1, 86400, 10**400, True, "5"]),
        (GRANT, "initial_window", [1, 2**31 - 1], [0, 2**31]),
        (REFUSAL, "code", ["", "x" * 300], ["x" * 301, "\n"]),
        (REFUSAL, "message", ["", "x" * 300], ["x" * 301, "\n"]),
        (REFUSAL, "retry", [True, False], [0, 1, "true", None]),
    ],
    ids=lambda one: one if isinstance(one, str) else type(one).__name__,
)
def test_a_member_is_taken_at_its_limits_and_not_past_them(
    message: Message, name: str, good: list[object], bad: list[object]
) -> None:
    for value in good:
        decoded = getattr(decode_changed(message, name, value), name)
        assert (list(decoded) if isinstance(value, list) else decoded) == value
    for value in bad:
        with pytest.raises(ProtocolViolation, match=f"^{NAMES[type(message)]}"):
            decode_changed(message, name, value)


def test_a_claim_of_nothing_is_a_violation() -> None:
    for nothing in (b'{"names":[]}', b'{"names":[],"ports":[]}'):
        with pytest.raises(ProtocolViolation, match="at least one of either"):
            Claim.decode(nothing)


def test_a_claim_of_tls_names_alone_is_one() -> None:
    assert Claim.decode(b'{"names":[],"sni":["a.example"]}') == Claim((), sni=("a.example",))


def test_where_there_are_no_ports_nothing_is_said_of_them() -> None:
    assert Claim(("a",)).encode() == b'{"names":["a"]}'
    assert Claim.decode(b'{"names":["a"]}').ports == ()


def test_what_is_not_asked_for_is_not_spoken_of_and_what_is_comes_back() -> None:
    assert Claim(("a",), balance=True, health=True).encode() == (
        b'{"names":["a"],"balance":true,"health":true}'
    )
    plain = Claim.decode(b'{"names":["a"]}')
    assert (plain.balance, plain.health) == (False, False)
    asked = Claim(("a",), balance=True, health=True)
    assert Claim.decode(asked.encode()) == asked


def test_of_two_members_with_one_name_the_last_counts() -> None:
    assert Claim.decode(b'{"names":["a"],"names":["b"]}') == Claim(("b",))


def test_seconds_may_be_an_integer() -> None:
    grant = decode_changed(GRANT, "ping_interval_s", 3)
    assert isinstance(grant, Grant)
    assert grant.ping_interval_s == 3.0
    assert type(grant.ping_interval_s) is float


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@examples(300)
@given(kind=st.sampled_from(sorted(NAMES, key=NAMES.__getitem__)), changes=st.data())
def test_any_json_is_taken_or_is_a_violation(kind: type[Message], changes: st.DataObject) -> None:
    sample = next(message for message, _ in SAMPLES if type(message) is kind)
    names = st.sampled_from(sorted(members_of(sample)))
    members = members_of(sample) | changes.draw(st.dictionaries(names, json_values, max_size=2))
    try:
        decoded = kind.decode(json.dumps(members).encode())
    except ProtocolViolation:
        return
    assert kind.decode(decoded.encode()) == decoded


@examples(300)
@given(kind=st.sampled_from(sorted(NAMES, key=NAMES.__getitem__)), data=st.binary(max_size=100))
def test_arbitrary_bytes_are_taken_or_are_a_violation(kind: type[Message], data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        kind.decode(data)
