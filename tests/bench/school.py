"""A class of sixty, graded whole: how long it takes, how much memory, and whether each verdict is as planted.

Each student has a network of their own, and does lab 03 right or in one of its wrong ways, or has a machine
that refuses or that never answers (`support.planted_class`).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # support/

from support.planted_class import DEAD, RIGHT, SLOW, differences, mistakes, planted_class

from labcheck.grading.grade import load_all

STUDENTS, PARALLEL = 60, 8
# One of five machines cannot be entered, and a third of the others is right.
_DEAD_EVERY, _SLOW_EVERY, _RIGHT_EVERY = 10, 10, 3
_MARK = "TUNELAB_BENCH_CLASS"
_SAMPLE_S = 0.5


def plants(students: int) -> dict[str, str]:
    """Return who does what, by code."""
    wrong = mistakes()
    told: dict[str, str] = {}
    for number in range(students):
        if number % _DEAD_EVERY == 3:
            plant = DEAD
        elif number % _SLOW_EVERY == 7:
            plant = SLOW
        elif number % _RIGHT_EVERY == 0:
            plant = RIGHT
        else:
            plant = wrong[sum(one in wrong for one in told.values()) % len(wrong)]
        told[f"a{number + 1:03}"] = plant
    return told


def run(students: int = STUDENTS, parallel: int = PARALLEL, out: Path | None = None) -> int:
    """Grade the class: 0 every verdict is as planted, 1 one is not, 3 it was not graded."""
    with tempfile.TemporaryDirectory(prefix="tunelab-class-") as name:
        folder = Path(name)
        planted, began = plants(students), time.monotonic()
        with planted_class(folder, planted) as school:
            set_up_s = time.monotonic() - began
            command = [str(Path(sysconfig.get_path("scripts")) / "lab"), "calificar", "--lab", "03"]
            command += ["--lista", str(school.roster), "--carpeta", str(folder / "grades")]
            command += ["--ssh-config", str(school.ssh_config), "--paralelo", str(parallel)]
            began = time.monotonic()
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, env=dict(os.environ) | {_MARK: name}
            )
            peak = 0
            while process.poll() is None:
                peak = max(peak, _memory(f"{_MARK}={name}".encode()))
                time.sleep(_SAMPLE_S)
            graded_s = time.monotonic() - began
            wrong = differences(planted, load_all(folder / "grades"))
    figures = {
        "students": students,
        "parallel": parallel,
        "set_up_s": round(set_up_s),
        "graded_s": round(graded_s),
        "peak_mib": round(peak / 2**20),
        "as_planted": students - len(wrong),
        "plants": Counter(planted.values()),
        "load": os.getloadavg()[0],
    }
    for line in wrong:
        print(line, file=sys.stderr)
    print(
        f"\n{students} alumnos, {parallel} a la vez: {graded_s / 60:.1f} minutos, {figures['peak_mib']} MiB "
        f"como máximo; {figures['as_planted']} de {students} veredictos como se plantaron."
    )
    if out is not None:
        out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if process.returncode != 0:
        return 3
    return 1 if wrong else 0


def _memory(mark: bytes) -> int:
    """Return what the marked processes use, in bytes, each shared page counted once (proc(5), Pss)."""
    total = 0
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                for line in (entry / "smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
    return total
