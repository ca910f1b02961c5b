"""A fixed number of inputs that atheris makes up, guided by the branches they take, from the kept corpus.

Longer: ``TUNELAB_FUZZ_FACTOR=100 ./scripts/test tests/tunnel/fuzz``.  What breaks something belongs in
``tests/tunnel/corpus``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.requirements import refuse

ROOT = Path(__file__).resolve().parents[3]
CORPUS = ROOT / "tests" / "tunnel" / "corpus"
FACTOR = int(os.environ.get("TUNELAB_FUZZ_FACTOR", "1"))

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info >= (3, 12) or os.uname().machine != "x86_64",
    reason="atheris has wheels for Python 3.11 on Linux alone",
)


@pytest.mark.timeout(120 * FACTOR)
@pytest.mark.parametrize(
    ("target", "seeds", "runs"),
    [
        ("frames", "link", 40_000),
        ("handshake", "link", 4_000),
        ("link", "link", 4_000),
        ("request", "request", 40_000),
        ("answer", "answer", 40_000),
        ("chunked", "chunks", 40_000),
    ],
)
def test_nothing_that_atheris_makes_up_breaks(target: str, seeds: str, runs: int, tmp_path: Path) -> None:
    if find_spec("atheris") is None:
        refuse("falta atheris: lo instala ./scripts/test")
    new = tmp_path / "new"
    new.mkdir()
    options = [f"-runs={runs * FACTOR}", "-max_len=4096", "-timeout=10", "-rss_limit_mb=0"]
    options += [f"-artifact_prefix={tmp_path}/", "-print_final_stats=1"]
    if FACTOR == 1:
        options.append("-seed=20")
    program = str(Path(__file__).with_name("fuzz.py"))
    # Nobody measures its coverage but atheris: two that look at each line take turns at every one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-B", program, target, *options, str(new), str(CORPUS / seeds)],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert f"stat::number_of_executed_units: {runs * FACTOR}" in done.stderr
