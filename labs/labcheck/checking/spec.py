"""What a check declares: its points, what it depends on, and how long it may take."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

# Twice what the slowest ordinary check takes on a busy machine; one that waits for a cut says more.
DEFAULT_TIMEOUT_S = 15.0
PREFIX = "test_"

_ATTRIBUTE = "__lab_check__"

Function = TypeVar("Function", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A check's declaration.

    `after` names the checks without which this one makes no sense: it is skipped when one of them failed.
    `stands_on` names those whose fact must still hold when this one fails: if it no longer does, the
    environment has changed under the review, and the failure is not the student's.
    """

    name: str
    title: str
    points: int
    after: tuple[str, ...]
    stands_on: tuple[str, ...]
    timeout_s: float


def check(
    *,
    points: int,
    after: tuple[str, ...] = (),
    stands_on: tuple[str, ...] | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> Callable[[Function], Function]:
    """Declare that a test function is a check; its docstring's first line is the claim a student reads.

    `stands_on` is `after` when it is not given.

    Raises:
        ValueError: the function is not named as a test, has no docstring, or is worth nothing.
    """

    def declare(function: Function) -> Function:
        if not function.__name__.startswith(PREFIX):
            raise ValueError(f"{function.__name__}: the name of a check begins with {PREFIX}")
        if not function.__doc__:
            raise ValueError(f"{function.__name__}: a check says in its docstring what it claims")
        if points <= 0:
            raise ValueError(f"{function.__name__}: a check is worth at least one point")
        spec = CheckSpec(
            name=function.__name__.removeprefix(PREFIX),
            title=function.__doc__.strip().splitlines()[0].rstrip("."),
            points=points,
            after=after,
            stands_on=after if stands_on is None else stands_on,
            timeout_s=timeout_s,
        )
        setattr(function, _ATTRIBUTE, spec)
        return function

    return declare


def spec_of(function: object) -> CheckSpec | None:
    """Return what a function declares, or None when it is not a check."""
    spec = getattr(function, _ATTRIBUTE, None)
    return spec if isinstance(spec, CheckSpec) else None
