"""The commands and flags that the stand-in knows.  Anything else is refused, as gcloud refuses it.

Each command's reference page is ``https://cloud.google.com/sdk/gcloud/reference/`` and its words, with
slashes between them.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["COMMANDS", "Command", "Invocation", "UsageError", "parse"]

# Those of gcloud itself: https://cloud.google.com/sdk/gcloud/reference#GLOBAL-FLAGS
_EVERYWHERE = {"--project": True, "--format": True, "--quiet": False}


class UsageError(Exception):
    """The command line is none that gcloud knows; the text is what it writes."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    words: str
    flags: dict[str, bool] = field(default_factory=dict)  # name → whether it takes a value
    positionals: int = 0
    required: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """The page that documents it."""
        return "https://cloud.google.com/sdk/gcloud/reference/" + self.words.replace(" ", "/")


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command line that was understood."""

    command: Command
    positionals: tuple[str, ...]
    flags: dict[str, str]  # a switch's value is "true"

    def flag(self, name: str, default: str = "") -> str:
        """Return the value of a flag."""
        return self.flags.get(name, default)

    def pairs(self, name: str) -> dict[str, str]:
        """Return the value of a flag of the form KEY=VALUE,…"""
        parts = [part for part in self.flag(name).split(",") if part]
        return {key: value for key, _, value in (part.partition("=") for part in parts)}


_ZONED = {"--zone": True}

COMMANDS: dict[str, Command] = {
    command.words: command
    for command in (
        Command("auth list", {"--filter": True}),
        Command("config get-value", positionals=1),
        Command("projects create", {"--labels": True, "--name": True}, 1),
        Command("projects describe", {}, 1),
        Command("projects list", {"--filter": True}),
        Command("projects delete", {}, 1),
        Command("billing accounts list", {"--filter": True}),
        Command("billing projects describe", {}, 1),
        Command("billing projects link", {"--billing-account": True}, 1, ("--billing-account",)),
        Command("services enable", {}, 1),
        Command("services list", {"--enabled": False, "--filter": True}),
        Command(
            "compute firewall-rules create",
            {
                "--network": True,
                "--direction": True,
                "--action": True,
                "--rules": True,
                "--source-ranges": True,
                "--target-tags": True,
                "--description": True,
            },
            1,
        ),
        Command("compute firewall-rules describe", {}, 1),
        Command("compute firewall-rules list", {"--filter": True}),
        Command("compute firewall-rules delete", {}, 1),
        Command("compute disks list", {"--filter": True}),
        Command(
            "compute instances create",
            {
                "--zone": True,
                "--machine-type": True,
                "--image-family": True,
                "--image-project": True,
                "--boot-disk-size": True,
                "--boot-disk-type": True,
                "--no-service-account": False,
                "--no-scopes": False,
                "--tags": True,
                "--labels": True,
                "--max-run-duration": True,
                "--instance-termination-action": True,
                "--metadata": True,
                "--metadata-from-file": True,
            },
            1,
        ),
        Command("compute instances list", {"--filter": True}),
        Command("compute instances describe", _ZONED, 1),
        Command("compute instances delete", _ZONED, 1),
        Command("compute instances remove-metadata", {"--zone": True, "--keys": True}, 1),
        Command("compute instances get-guest-attributes", {"--zone": True, "--query-path": True}, 1),
        Command("compute instances get-serial-port-output", _ZONED, 1),
        Command("compute instances tail-serial-port-output", _ZONED, 1),
        Command("compute ssh", {"--zone": True, "--command": True}, 1),
    )
}


def parse(argv: Sequence[str]) -> Invocation:
    """Return what a command line asks for.

    Raises:
        UsageError: gcloud would refuse it, or the stand-in does not know it.
    """
    words = [word for word in argv[:3] if not word.startswith("-")]
    names = [
        name for count in (3, 2) if (name := " ".join(words[:count])) in COMMANDS and len(words) >= count
    ]
    if not names:
        raise UsageError(_no_such_command(words))
    command = COMMANDS[names[0]]
    where = "gcloud." + command.words.replace(" ", ".")
    known = command.flags | _EVERYWHERE
    positionals: list[str] = []
    flags: dict[str, str] = {}
    rest = list(argv[len(command.words.split()) :])
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            positionals.append(word)
            continue
        name, equals, value = word.partition("=")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            raise UsageError(f"ERROR: ({where}) unrecognized arguments: {word}{hint}")
        if known[name] and not equals:
            if not rest:
                raise UsageError(f"ERROR: ({where}) argument {name}: expected one argument")
            value = rest.pop(0)
        elif equals and not known[name]:
            raise UsageError(f"ERROR: ({where}) argument {name}: ignored explicit argument '{value}'")
        flags[name] = value if known[name] else "true"
    if len(positionals) > command.positionals:
        extra = " ".join(positionals[command.positionals :])
        raise UsageError(f"ERROR: ({where}) unrecognized arguments: {extra}")
    missing = [name for name in command.required if name not in flags]
    missing += ["NAME"] * (command.positionals - len(positionals))
    if missing:
        raise UsageError(f"ERROR: ({where}) argument {', '.join(missing)}: Must be specified.")
    return Invocation(command, tuple(positionals), flags)


def _no_such_command(words: Sequence[str]) -> str:
    for count in (2, 1, 0):
        group = " ".join(words[:count])
        if any(name.startswith(f"{group} ") for name in COMMANDS) or not count:
            where = ".".join(["gcloud", *words[:count]])
            if len(words) <= count:
                return f"ERROR: ({where}) Command name argument expected."
            return f"ERROR: ({where}) Invalid choice: '{words[count]}'."
    raise AssertionError("there is always gcloud itself")
