"""The program ``gcloud`` of the simulation: ``python -m tunnel.exitnodes.simulation FOLDER ARGUMENT…``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tunnel.exitnodes.simulation.commands import HANDLERS, Desk
from tunnel.exitnodes.simulation.faults import GcloudError, due, words_of
from tunnel.exitnodes.simulation.grammar import Invocation, UsageError, parse
from tunnel.exitnodes.simulation.guests import make_guests
from tunnel.exitnodes.simulation.query import Resource, render, select
from tunnel.exitnodes.simulation.world import Settings, opened

__all__ = ["main"]

_MARK = "SIMULACIÓN | "
_IS_LIST = ("list", "create", "get-guest-attributes")


def main(argv: Sequence[str]) -> int:
    """Do as gcloud would; return its exit code: 0, 1 for an error of the API's, 2 for one of usage."""
    folder, *words = argv
    try:
        asked = parse(words)
        sys.stdout.write(_run(Path(folder), asked))
    except UsageError as error:
        _say(str(error))
        return 2
    except GcloudError as error:
        _say(f"ERROR: (gcloud.{'.'.join(asked.command.words.split())}) {error}")
        return 1
    return 0


def _run(folder: Path, asked: Invocation) -> str:
    settings = Settings.load(folder)
    time.sleep(settings.latency_s)
    with opened(folder) as world:
        words = asked.command.words
        if not world.accounts and not words.startswith(("auth", "config")):
            raise GcloudError(words_of("login", asked))
        fault = due(settings.faults, asked, world)
        if fault is not None and not fault.after:
            raise GcloudError(words_of(fault.kind, asked))
        shown = HANDLERS[words](Desk(asked, world, make_guests(settings, folder)))
    if fault is not None:
        raise GcloudError(words_of(fault.kind, asked))
    return _text(asked, shown)


def _text(asked: Invocation, shown: Sequence[Resource]) -> str:
    if shown and "" in shown[0]:  # plain words, not a resource
        return f"{shown[0]['']}\n"
    last = asked.command.words.split()[-1]
    if last == "list":
        shown = select(shown, asked.flag("--filter"))
    form = asked.flag("--format")
    if form:
        return render(shown, form, is_list=last in _IS_LIST) if shown or last in _IS_LIST else ""
    name = f" [{asked.positionals[0]}]" if asked.positionals else ""
    _say(f"{asked.command.words}{name}: hecho.")
    return "".join(f"{_MARK}{json.dumps(item, ensure_ascii=False)}\n" for item in shown)


def _say(text: str) -> None:
    for line in text.split("\n"):
        sys.stderr.write(f"{_MARK}{line}".rstrip() + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
