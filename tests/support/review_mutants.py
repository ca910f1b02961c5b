"""Review one lab with several trees of checks: ``review_mutants.py NUMBER TREE…``; a JSON line for each.

What a review reads of others is read once, and each tree is reviewed by a fork: a tenth of the time that as
many programs would take.  With ``--lines`` before the number, each line of JSON says too which lines of which
files of the tree were run: a change to any other line would have changed nothing.
"""

import json
import os
import sys
import tempfile
import threading
from collections import defaultdict
from pathlib import Path
from types import FrameType
from typing import Any

import pytest  # noqa: F401
import pytest_timeout  # noqa: F401
import requests  # noqa: F401
import testinfra.plugin  # noqa: F401

Lines = dict[str, list[int]]
"""By the file's path in the tree, the lines that were run."""


def review(number: str, tree: str, *, with_lines: bool) -> tuple[list[object], Lines]:
    """Return the exit code of the review, each check with its verdict and its diagnosis, and what was run."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as ran:
        if (child := os.fork()) == 0:
            os.dup2(out.fileno(), 1)
            os.environ["TUNELAB_LABS"] = tree
            sys.path.insert(0, tree)
            lines = watch_lines(tree) if with_lines else {}
            from labcheck.cli import main

            code = main(["revisar", number, "--json"])
            sys.stdout.flush()
            json.dump({path: sorted(numbers) for path, numbers in lines.items()}, ran)
            ran.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        events = [json.loads(line) for line in out]
        ran.seek(0)
        told_lines: Lines = json.load(ran)
    results = [event for event in events if event["event"] == "result"]
    told = [[r["check"], r["verdict"], r.get("diagnosis", {}).get("code")] for r in results]
    return [os.waitstatus_to_exitcode(status), told], told_lines


def watch_lines(tree: str) -> dict[str, set[int]]:
    """Note from now on which lines of the tree's files are run; return where they are noted."""
    lines: dict[str, set[int]] = defaultdict(set)
    top = f"{tree}{os.sep}"

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        path = frame.f_code.co_filename
        if not path.startswith(top):
            return None
        seen = lines[path.removeprefix(top)]

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            seen.add(frame.f_lineno)
            return step

        return step(frame, event, argument)

    threading.settrace(enter)
    sys.settrace(enter)
    return lines


if __name__ == "__main__":
    assert "labcheck" not in sys.modules, "it would be read from the checkout, and not from the trees"
    arguments = sys.argv[1:]
    if with_lines := arguments[0] == "--lines":
        del arguments[0]
    for tree in arguments[1:]:
        verdict, lines = review(arguments[0], tree, with_lines=with_lines)
        print(json.dumps({"tree": Path(tree).name, "verdict": verdict, "lines": lines}), flush=True)  # noqa: T201
