"""What goes wrong with exit nodes, each kind by its name.

``ExitNodeError`` (exit code 3)
 ├── ``MissingTool``       a program that the provider needs is not on PATH
 ├── ``NotLoggedIn``       the provider does not know who asks
 ├── ``PermissionDenied``  it does, and says no
 ├── ``NoProject``         no project was named, or there is none of that name
 ├── ``BillingDisabled``   no billing account, or none chosen
 ├── ``QuotaExceeded``     no more machines of this kind for this account
 ├── ``NameTaken``         the name belongs to something that is not ours
 ├── ``ZoneExhausted``     every zone that was tried is full
 ├── ``Unavailable``       the provider does not answer
 ├── ``ProviderFailed``    it answered with something else
 ├── ``NotReady``          the node was made and does not answer in time
 ├── ``UntrustedNode``     it answers with another certificate than it announced
 ├── ``StateDamaged``      what was recorded cannot be read
 ├── ``NodeBusy``          another process works on the same node
 ├── ``BadOrder``          what is asked makes no sense (exit code 2)
 ├── ``NoSuchNode``        there is no such node (exit code 1)
 └── ``SomethingLeft``     after the removal something survives (exit code 1)

The text is Spanish, for the person who gave the command: what was wrong, and what to do.  ``kind`` is the
stable name in ``--json``.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BadOrder",
    "BillingDisabled",
    "ExitNodeError",
    "MissingTool",
    "NameTaken",
    "NoProject",
    "NoSuchNode",
    "NodeBusy",
    "NotLoggedIn",
    "NotReady",
    "PermissionDenied",
    "ProviderFailed",
    "QuotaExceeded",
    "SomethingLeft",
    "StateDamaged",
    "Unavailable",
    "UntrustedNode",
    "ZoneExhausted",
]


class ExitNodeError(Exception):
    """Something about an exit node went wrong."""

    kind: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 3


class MissingTool(ExitNodeError):
    """A program that the provider needs is not on PATH."""

    kind = "missing-tool"


class NotLoggedIn(ExitNodeError):
    """The provider does not know who asks."""

    kind = "not-logged-in"


class PermissionDenied(ExitNodeError):
    """The provider knows who asks, and says no."""

    kind = "permission"


class NoProject(ExitNodeError):
    """No project was named, or there is none of that name."""

    kind = "no-project"


class BillingDisabled(ExitNodeError):
    """There is no billing account, or none was chosen."""

    kind = "billing"


class QuotaExceeded(ExitNodeError):
    """The account may have no more of these."""

    kind = "quota"


class NameTaken(ExitNodeError):
    """The name belongs to something that is not ours."""

    kind = "name-taken"


class ZoneExhausted(ExitNodeError):
    """Every zone that was tried is full."""

    kind = "zone-exhausted"


class Unavailable(ExitNodeError):
    """The provider does not answer: the network, or its own fault."""

    kind = "unavailable"


class ProviderFailed(ExitNodeError):
    """The provider answered with an error of no kind above; the text carries its words."""

    kind = "provider"


class NotReady(ExitNodeError):
    """The node was made and does not answer in time."""

    kind = "not-ready"


class UntrustedNode(ExitNodeError):
    """What answers at the node's address does not have the certificate that the node announced."""

    kind = "untrusted"


class StateDamaged(ExitNodeError):
    """What was recorded of a node cannot be read."""

    kind = "state-damaged"


class NodeBusy(ExitNodeError):
    """Another process works on the same node."""

    kind = "busy"


class BadOrder(ExitNodeError):
    """What is asked makes no sense, or not for this provider."""

    kind = "bad-order"
    exit_code = 2


class NoSuchNode(ExitNodeError):
    """There is no such node."""

    kind = "no-such-node"
    exit_code = 1


class SomethingLeft(ExitNodeError):
    """After the removal something survives."""

    kind = "left-behind"
    exit_code = 1
