"""What the types say of other systems: no call that a system does not have is within reach there.

It is not a run on Windows or macOS (docs/plataformas.md says what was run); it finds each use of a function
that exists on POSIX alone and is not behind a look at ``sys.platform``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

# Exit nodes as processes of this machine, and the stand-in for gcloud, are of POSIX alone, and say so.
ELSEWHERE = ("tunnel/exitnodes/local/", "tunnel/exitnodes/simulation/")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_nothing_that_another_system_lacks_is_within_reach(platform: str, tmp_path: Path) -> None:
    options = ["--platform", platform, "--cache-dir", str(tmp_path), "-p", "tunnel"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options], capture_output=True, encoding="utf-8", cwd=ROOT
    )
    assert re.search(r"\d{3,} source files", done.stdout), done.stdout + done.stderr
    found = [line for line in done.stdout.replace("\\", "/").splitlines() if ": error:" in line]
    # What stands behind a question for the platform is unreachable on another, which is what it is for.
    wrong = [line for line in found if not line.endswith("[unreachable]")]
    assert [line for line in wrong if not line.startswith(ELSEWHERE)] == []
