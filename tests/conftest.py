"""Rules that hold for the whole suite, whatever it tests.

- In CI nothing that the project promises is skipped: there a skip is a failure, unless ``ALLOWED_SKIPS`` says
  why it is not.
- No process that a test started, nor any that those started, outlives the run.
- The run changes nothing in the checkout: an error in CI, a remark elsewhere, where somebody may be editing.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI") == "true"

# Beginnings of node ids that may be skipped in CI too, each with a comment that says why.
ALLOWED_SKIPS: tuple[str, ...] = ()

# From Linux's sys/prctl.h: orphans among the descendants become children of this process.
PR_SET_CHILD_SUBREAPER = 36
# A browser's helpers need a moment to notice that their browser is gone.
ENDING_TIMEOUT_S = 10.0

_complaints: list[str] = []
_remarks: list[str] = []
_status_before: str | None = None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--actualizar-guia",
        action="store_true",
        help="rewrite the outputs that the guide shows with the ones that its commands print now",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    global _status_before
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _status_before = _checkout_status()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI and report.skipped and not report.nodeid.startswith(ALLOWED_SKIPS or ("\0",)):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and in CI nothing may be.\n{reason}"


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    _complaints.extend(f"a process outlived the tests: {line}" for line in _end_survivors())
    status_after = _checkout_status()
    if status_after != _status_before:
        change = f"the tests changed the checkout.\nbefore:\n{_status_before}after:\n{status_after}"
        (_complaints if IN_CI else _remarks).append(change)
    if _complaints and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _complaints or _remarks:
        terminalreporter.section("left behind", yellow=True)
        for complaint in _complaints:
            terminalreporter.line(f"ERROR: {complaint}", red=True)
        for remark in _remarks:
            terminalreporter.line(remark)


def _checkout_status() -> str | None:
    """Return what git says has changed in the checkout, or None where there is no git to ask."""
    try:
        return subprocess.run(
            ["git", "status", "--porcelain"],
            cwd=ROOT,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def _end_survivors() -> list[str]:
    """Wait a while for this process's children to be gone, end those that are not, and describe them."""
    deadline = time.monotonic() + ENDING_TIMEOUT_S
    while (survivors := _children()) and time.monotonic() < deadline:
        time.sleep(0.05)
    described = list(survivors.values())
    for pid in survivors:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return described


def _children() -> dict[int, str]:
    """Return this process's living children, orphans of theirs included, by id; reap the dead ones."""
    found: dict[int, str] = {}
    for entry in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
        with contextlib.suppress(OSError):
            # The name, in parentheses, may itself hold spaces and parentheses.
            state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            if int(parent) != os.getpid():
                continue
            pid = int(entry.name)
            if state == "Z":
                os.waitpid(pid, os.WNOHANG)
                continue
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found[pid] = f"{pid} {command.strip()}"
    return found
