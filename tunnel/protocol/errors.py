"""What can go wrong on a link, and the codes that say so to the peer.

::

    Exception
    ├── ProtocolViolation      the peer broke a rule; recorded, never raised out of the core
    └── LocalMisuse            our own code called something it must not call now; raised at once
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["CloseCode", "LocalMisuse", "ProtocolViolation", "ResetCode"]


class ResetCode(IntEnum):
    """Why a stream was cut; the first two bytes of a RESET frame."""

    NO_ERROR = 0  # the answer is complete; what is left of the request is not wanted
    CANCELLED = 1  # the visitor left, or sent a body that breaks HTTP
    UPSTREAM_REFUSED = 2  # no connection to the upstream could be made
    UPSTREAM_TIMEOUT = 3  # the upstream took the request and stayed silent
    UPSTREAM_CLOSED = 4  # the upstream closed before its answer was complete
    UPSTREAM_PROTOCOL = 5  # the upstream's answer is not HTTP/1.1
    REFUSED_STREAM = 6  # the agent takes no more streams now; nothing was sent to the upstream
    INTERNAL = 7  # a fault of the side that sends this
    LINK_LOST = 8  # never on the wire: what local code is told when the link is gone


class CloseCode(IntEnum):
    """Why a session ends; the first two bytes of a GOAWAY frame."""

    DRAINING = 0  # a planned stop: streams under way are finished, new ones are not taken
    REPLACED = 1  # another client with the same token took the names over
    PROTOCOL_ERROR = 2  # the peer broke the protocol
    PING_TIMEOUT = 3  # nothing was heard for two ping intervals
    HANDSHAKE_TIMEOUT = 4  # the handshake took too long
    REFUSED = 5  # the handshake was refused (a REFUSE frame said why)
    BAD_EXIT_NODE = 6  # the exit node could not prove that it knows the token
    INTERNAL = 7  # a fault of the side that sends this
    CONNECTION_LOST = 8  # never on the wire: the connection underneath went away
    REVOKED = 9  # the token is no longer valid


class ProtocolViolation(Exception):  # noqa: N818 - named for what it is, as in the RFCs
    """The peer sent something that the protocol forbids."""


class LocalMisuse(RuntimeError):  # noqa: N818
    """Our own code asked for something that the state does not allow."""
