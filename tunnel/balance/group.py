"""The clients that share one name or port, and whose turn it is.

The next visitor goes to whoever has the fewest streams under way (least load), and of several alike to
the one that waited longest (round robin).  HAProxy calls the first ``leastconn``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Group", "Member"]

H = TypeVar("H")

# Of several reasons why nobody can take a visitor, the one that is likely to pass first.
_REASONS = ("too-many-streams", "upstream-down", "draining")


@dataclass(frozen=True, slots=True)
class Member(Generic[H]):
    """A client, and what the name or port is called in its claim."""

    holder: H
    index: int
    instance: str  # of its process; "" for one that shares with nobody


class Group(Generic[H]):
    """Who holds a name: one client alone, or all of those that agreed to share it."""

    __slots__ = ("_members",)

    def __init__(self) -> None:
        self._members: list[Member[H]] = []  # the one that waited longest for a visitor first

    def __len__(self) -> int:
        return len(self._members)

    @property
    def first(self) -> Member[H] | None:
        """Any one of them; they all have the same token."""
        return self._members[0] if self._members else None

    def rivals(self, holder: H, instance: str) -> list[H]:
        """Return those that have to go where ``holder`` comes.

        They are those that do not share, or all where ``holder`` does not, and a former link of its own
        process (``instance``), which is dead and does not know it yet.
        """
        return [
            member.holder
            for member in self._members
            if member.holder is not holder and not (instance and member.instance not in ("", instance))
        ]

    def join(self, holder: H, index: int, instance: str) -> None:
        """Let ``holder`` in, and those out that have to go."""
        gone = [holder, *self.rivals(holder, instance)]
        self._members = [member for member in self._members if member.holder not in gone]
        self._members.append(Member(holder, index, instance))

    def leave(self, holder: H) -> bool:
        """Forget ``holder``; return whether it was here."""
        left = [member for member in self._members if member.holder is not holder]
        was_here = len(left) < len(self._members)
        self._members = left
        return was_here

    def choose(self, why_not: Callable[[H, int], str], load: Callable[[H], int]) -> Member[H] | str:
        """Return who takes the next visitor, or why nobody does.

        Args:
            why_not: given a client and its index, why it cannot take one now; "" if it can.
            load: how many streams a client has under way.
        """
        best: Member[H] | None = None
        least = 0
        reasons = set()
        for member in self._members:
            if reason := why_not(member.holder, member.index):
                reasons.add(reason)
                continue
            streams = load(member.holder)
            if best is None or streams < least:
                best, least = member, streams
        if best is None:
            return next((reason for reason in _REASONS if reason in reasons), _REASONS[-1])
        if len(self._members) > 1:
            self._members.remove(best)
            self._members.append(best)
        return best
