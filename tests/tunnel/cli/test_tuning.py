"""What the commands set for their whole process, seen in a process of its own."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from tunnel.cli.tuning import tune_process
if {is_tuned}:
    tune_process()
# A read buffer of a bulk transfer, its unmasked copy and what waits to be written, again and again.
for number in range({rounds}):
    held = [b"x" * (600_000 + number % 2) for _ in range(4)]
    del held
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


LOOP = """
import gc
from tunnel.transport.loop import run
async def main():
    return gc.get_freeze_count(), gc.get_threshold()
frozen, threshold = run(main())
assert frozen > 1000, frozen
assert threshold == (10_000, 10, 10), threshold
"""


def page_faults_of_a_round(*, is_tuned: bool) -> float:
    faults = []
    for rounds in (10, 110):
        script = SCRIPT.format(rounds=rounds, is_tuned=is_tuned)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=30)
        faults.append(int(done.stdout))
    return (faults[1] - faults[0]) / 100


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc is what is tuned")
def test_buffers_of_a_bulk_transfer_are_not_given_back_to_the_kernel_each_time() -> None:
    pages = 4 * 600_000 / 4096
    assert page_faults_of_a_round(is_tuned=True) < pages / 10
    assert page_faults_of_a_round(is_tuned=False) > pages / 2  # or glibc has changed, and nothing is needed


def test_what_was_imported_is_not_searched_for_garbage_nor_is_the_rest_all_the_time() -> None:
    subprocess.run([sys.executable, "-c", LOOP], check=True, timeout=30)
