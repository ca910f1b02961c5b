"""The bodies of the handshake's frames: JSON objects, UTF-8, each with a dataclass of its own.

A key that the receiver does not know is ignored, so that a later version may add one; a key that is
missing or of the wrong type is a violation.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from tunnel.protocol.auth import KEY_ID_HEX_DIGITS, NONCE_BYTES
from tunnel.protocol.errors import ProtocolViolation

__all__ = ["MAX_NAMES", "MAX_PORTS", "Challenge", "Claim", "Grant", "Hello", "Refusal"]

MAX_NAMES = 100
MAX_PORTS = 100
_MAX_TEXT = 300
_MAX_URL = 2048
_MAX_CREDIT = 2**31 - 1  # a CREDIT that would take a sender to 2^31 is a violation
_HEX = re.compile(r"[0-9a-f]+")
_LATER = ("ports", "sni", "balance", "health")  # left out where they say nothing


@dataclass(frozen=True, slots=True)
class Hello:
    """Agent → exit node, the first frame: who calls, and what it is ready to receive."""

    key_id: str
    nonce: str
    instance: str  # drawn once a process: tells a reconnecting client from a second one
    agent: str  # program and version, for logs
    initial_window: int  # bytes of DATA a stream may carry towards the agent before its first CREDIT
    max_streams: int  # how many streams the exit node may have open at once

    def encode(self) -> bytes:
        """Return the JSON bytes."""
        return _encode(self)

    @classmethod
    def decode(cls, payload: bytes) -> Hello:
        """Parse the JSON bytes.  Raises ProtocolViolation."""
        body = _Body("HELLO", payload)
        return cls(
            key_id=body.hex_digits("key_id", KEY_ID_HEX_DIGITS),
            nonce=body.hex_digits("nonce", NONCE_BYTES * 2),
            instance=body.text("instance"),
            agent=body.text("agent"),
            initial_window=body.integer("initial_window", 1, _MAX_CREDIT),
            max_streams=body.integer("max_streams", 1, 2**31),
        )


@dataclass(frozen=True, slots=True)
class Challenge:
    """Exit node → agent: its nonce, and the proof that it holds the token."""

    nonce: str
    proof: str

    def encode(self) -> bytes:
        """Return the JSON bytes."""
        return _encode(self)

    @classmethod
    def decode(cls, payload: bytes) -> Challenge:
        """Parse the JSON bytes.  Raises ProtocolViolation."""
        body = _Body("CHALLENGE", payload)
        return cls(nonce=body.hex_digits("nonce", NONCE_BYTES * 2), proof=body.hex_digits("proof", 64))


@dataclass(frozen=True, slots=True)
class Claim:
    """Agent → exit node: what it wants to serve, in its own order.

    On the wire the JSON follows the agent's proof (64 hexadecimal digits).
    """

    names: tuple[str, ...]  # HTTP names; ``*`` is every name
    ports: tuple[int, ...] = ()  # TCP ports of the exit node's; left out where there are none
    sni: tuple[str, ...] = ()  # TLS names, on the exit node's port for them; likewise
    balance: bool = False  # shared with others of this token that say so too; left out where not
    health: bool = False  # HEALTH frames will tell when a name is ready; left out where not

    def encode(self) -> bytes:
        """Return the JSON bytes, without the proof."""
        return _encode(self)

    @classmethod
    def decode(cls, payload: bytes) -> Claim:
        """Parse the JSON bytes, without the proof.  Raises ProtocolViolation."""
        body = _Body("CLAIM", payload)
        names, ports, sni = body.texts("names", 253), body.ports("ports"), body.texts("sni", 253, ())
        if max(len(names), len(sni)) > MAX_NAMES or len(ports) > MAX_PORTS or not (names or ports or sni):
            raise ProtocolViolation(
                f"CLAIM of {len(names)} names, {len(ports)} ports and {len(sni)} TLS names, at most "
                f"{MAX_NAMES}, {MAX_PORTS} and {MAX_NAMES} are possible, and at least one of either"
            )
        return cls(names, ports, sni, body.flag("balance"), body.flag("health"))


@dataclass(frozen=True, slots=True)
class Grant:
    """Exit node → agent: the names are yours; the link is open."""

    session: str  # for the logs of both sides
    urls: tuple[str, ...]  # where visitors find the names, in the claim's order
    ping_interval_s: float
    initial_window: int  # bytes of DATA a stream may carry towards the exit node before its first CREDIT
    ports: tuple[int, ...] = ()  # the claim's; none where the exit node knows nothing of ports
    sni: tuple[str, ...] = ()  # where visitors find the claim's TLS names, in its order; likewise
    balance: bool = False  # the claim's; false where the exit node knows nothing of it, as what follows
    health: bool = False

    def encode(self) -> bytes:
        """Return the JSON bytes."""
        return _encode(self)

    @classmethod
    def decode(cls, payload: bytes) -> Grant:
        """Parse the JSON bytes.  Raises ProtocolViolation."""
        body = _Body("GRANT", payload)
        return cls(
            session=body.text("session"),
            urls=body.texts("urls", _MAX_URL),
            ping_interval_s=body.seconds("ping_interval_s"),
            initial_window=body.integer("initial_window", 1, _MAX_CREDIT),
            ports=body.ports("ports"),
            sni=body.texts("sni", _MAX_URL, ()),
            balance=body.flag("balance"),
            health=body.flag("health"),
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Exit node → agent: no, and why.  ``code`` is for programs, ``message`` (English) for logs."""

    code: str
    message: str
    retry: bool = field(default=False)  # whether the same words may be welcome later

    def encode(self) -> bytes:
        """Return the JSON bytes."""
        return _encode(self)

    @classmethod
    def decode(cls, payload: bytes) -> Refusal:
        """Parse the JSON bytes.  Raises ProtocolViolation."""
        body = _Body("REFUSE", payload)
        return cls(code=body.text("code"), message=body.text("message"), retry=body.boolean("retry"))


def _encode(message: Hello | Challenge | Claim | Grant | Refusal) -> bytes:
    # A peer that knows nothing of what came later is told nothing of it.
    members = {name: value for name, value in asdict(message).items() if value or name not in _LATER}
    return json.dumps(members, separators=(",", ":")).encode()


def _is_text(value: object, max_characters: int) -> bool:
    return isinstance(value, str) and len(value) <= max_characters and value.isprintable()


class _Body:
    """A JSON object whose members are asked for by name and type."""

    __slots__ = ("_frame", "_members")

    def __init__(self, frame: str, payload: bytes) -> None:
        self._frame = frame
        try:
            # RecursionError: thousands of opening brackets; the limit on control payloads allows them.
            members = json.loads(payload.decode())  # the json module alone would take UTF-16 too
        except (ValueError, RecursionError):
            raise ProtocolViolation(f"{frame} is not JSON") from None
        if not isinstance(members, dict):
            raise ProtocolViolation(f"{frame} is not a JSON object")
        self._members: dict[str, Any] = members

    def _fail(self, name: str, expected: str) -> ProtocolViolation:
        return ProtocolViolation(f"{self._frame}: {name} must be {expected}")

    def text(self, name: str) -> str:
        value = self._members.get(name)
        if not _is_text(value, _MAX_TEXT):
            raise self._fail(name, f"printable text of at most {_MAX_TEXT} characters")
        return str(value)

    def texts(
        self, name: str, max_characters: int, default: tuple[str, ...] | None = None
    ) -> tuple[str, ...]:
        values = self._members.get(name, None if default is None else list(default))
        if not isinstance(values, list) or not all(
            isinstance(value, str) and len(value) <= max_characters and value.isprintable()
            for value in values
        ):
            raise self._fail(name, f"a list of printable texts of at most {max_characters} characters")
        return tuple(values)

    def hex_digits(self, name: str, digits: int) -> str:
        value = self._members.get(name)
        if not isinstance(value, str) or len(value) != digits or not _HEX.fullmatch(value):
            raise self._fail(name, f"{digits} lower-case hexadecimal digits")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        value = self._members.get(name)
        if type(value) is not int or not low <= value <= high:
            raise self._fail(name, f"an integer between {low} and {high}")
        return value

    def ports(self, name: str) -> tuple[int, ...]:
        values = self._members.get(name, [])
        if not isinstance(values, list) or not all(
            type(value) is int and 1 <= value <= 65535 for value in values
        ):
            raise self._fail(name, "a list of ports, from 1 to 65535")
        return tuple(values)

    def seconds(self, name: str) -> float:
        value = self._members.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 86400:
            raise self._fail(name, "a number of seconds, more than 0 and less than a day")
        return float(value)

    def flag(self, name: str) -> bool:
        return self.boolean(name, False)

    def boolean(self, name: str, default: bool | None = None) -> bool:
        value = self._members.get(name, default)
        if type(value) is not bool:
            raise self._fail(name, "true or false")
        return value
