"""A review: a lab's checks, run here by pytest, and what came of them."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import labcheck.checking
from labcheck.catalog import Lab
from labcheck.checking import plugin
from labcheck.checking.diagnosis import CheckResult, Verdict
from labcheck.checking.place import Addresses
from labcheck.checking.scene import Scene
from labcheck.checking.spec import CheckSpec, spec_of

EXIT_PASSED, EXIT_FAILED, EXIT_ENVIRONMENT = 0, 1, 3

# The plugins that a review needs, and no others: an environment may have any, and each costs time to read.
_PLUGINS = ("pytest_timeout", "testinfra.plugin", plugin.__name__)
_CONFIGURATION = Path(labcheck.checking.__file__).with_name("review.ini")

OnBegin = Callable[[CheckSpec], None]
OnResult = Callable[[CheckResult], None]


class ReviewError(Exception):
    """The checks themselves could not be run; the text is Spanish."""


@dataclass(frozen=True, slots=True)
class Review:
    """What came of one run of a lab's checks."""

    results: tuple[CheckResult, ...]

    @property
    def earned(self) -> int:
        return sum(result.earned for result in self.results)

    @property
    def points(self) -> int:
        return sum(result.points for result in self.results)

    @property
    def unchecked_points(self) -> int:
        """The points of what could not be checked: neither earned nor lost."""
        return sum(result.points for result in self.results if result.verdict is Verdict.UNCHECKED)

    @property
    def exit_code(self) -> int:
        """0 everything passed, 1 something failed, 3 nothing failed and something could not be checked."""
        verdicts = {result.verdict for result in self.results}
        if Verdict.FAILED in verdicts:
            return EXIT_FAILED
        return EXIT_ENVIRONMENT if Verdict.UNCHECKED in verdicts else EXIT_PASSED

    def first_failed(self) -> CheckResult | None:
        return next((result for result in self.results if result.verdict is Verdict.FAILED), None)


def review(
    lab: Lab,
    addresses: Addresses,
    *,
    on_begin: OnBegin = lambda spec: None,
    on_result: OnResult = lambda result: None,
    host: str = "",
    scene: Scene | None = None,
) -> Review:
    """Run a lab's checks; `on_begin` and `on_result` are told of each as it happens.

    `host` is the machine that is looked at, as testinfra writes it; without it, this one. `scene` is for a
    grader.

    Raises:
        ReviewError: the checks cannot be read, there are none, or pytest itself failed.
        KeyboardInterrupt: it was interrupted.
    """
    reporter = _Reporter(on_begin, on_result, scene or Scene())
    options = ["-c", str(_CONFIGURATION), f"--rootdir={lab.folder}", f"--confcutdir={lab.folder}"]
    for name in _PLUGINS:
        options += ["-p", name]
    options += ["--lab-modo", addresses.mode.value, "--lab-local", addresses.local_url]
    options += ["--lab-remoto", addresses.remote_url, str(lab.folder)]
    if host:
        options.append(f"--hosts={host}")
    with _quiet_environment():
        code = pytest.main(options, plugins=[reporter])
    if reporter.interrupted:
        raise KeyboardInterrupt
    if reporter.faults or not reporter.results or code not in (0, 1):
        faults = "\n".join(reporter.faults) or "no tiene comprobaciones"
        raise ReviewError(f"No se pudieron correr las comprobaciones de {lab.folder}: {faults}")
    return Review(tuple(reporter.results))


class _Reporter:
    """A pytest plugin that passes on what happens, while it happens."""

    def __init__(self, on_begin: OnBegin, on_result: OnResult, scene: Scene) -> None:
        self._on_begin, self._on_result, self._scene = on_begin, on_result, scene
        self.results: list[CheckResult] = []
        self.faults: list[str] = []
        self.interrupted = False

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[plugin.SCENE] = self._scene

    # Not at the set-up, whose output pytest captures.
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        if isinstance(item, pytest.Function) and (spec := spec_of(item.obj)) is not None:
            self._on_begin(spec)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        result = getattr(report, "lab_result", None)
        if isinstance(result, CheckResult):
            self.results.append(result)
            self._on_result(result)
        elif report.failed:
            self.faults.append(str(report.longrepr))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.faults.append(str(report.longrepr))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # pytest ends in the same way when a file of checks cannot be read.
        self.interrupted = not isinstance(excinfo.value, pytest.Session.Interrupted)


@contextlib.contextmanager
def _quiet_environment() -> Iterator[None]:
    """Keep whatever the person has configured for their own pytest out of the review."""
    environment, writes_bytecode = dict(os.environ), sys.dont_write_bytecode
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.dont_write_bytecode = True  # the labs' folder may be shared, or not ours to write in
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        sys.dont_write_bytecode = writes_bytecode
