"""Review one lab with several trees of checks: ``review_mutants.py NUMBER TREE…``; a JSON line for each.

What a review reads of others is read once, and each tree is reviewed by a fork: a tenth of the time that as
many programs would take.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest  # noqa: F401
import pytest_timeout  # noqa: F401
import requests  # noqa: F401
import testinfra.plugin  # noqa: F401


def review(number: str, tree: str) -> list[object]:
    """Return the exit code of the review, and each check with its verdict and its diagnosis."""
    with tempfile.TemporaryFile("w+") as out:
        if (child := os.fork()) == 0:
            os.dup2(out.fileno(), 1)
            os.environ["TUNELAB_LABS"] = tree
            sys.path.insert(0, tree)
            from labcheck.cli import main

            code = main(["revisar", number, "--json"])
            sys.stdout.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        events = [json.loads(line) for line in out]
    results = [event for event in events if event["event"] == "result"]
    told = [[r["check"], r["verdict"], r.get("diagnosis", {}).get("code")] for r in results]
    return [os.waitstatus_to_exitcode(status), told]


if __name__ == "__main__":
    assert "labcheck" not in sys.modules, "it would be read from the checkout, and not from the trees"
    for tree in sys.argv[2:]:
        verdict = review(sys.argv[1], tree)
        print(json.dumps({"tree": Path(tree).name, "verdict": verdict}), flush=True)  # noqa: T201
