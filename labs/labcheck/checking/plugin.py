"""The pytest plugin that runs a lab's checks: ``pytest labs/03-tunel-http --hosts=ssh://laptop``.

It is installed as an entry point, so every pytest of this environment loads it: it acts only on tests that
`check` declares, its options begin with ``--lab-``, and reading it reads nothing heavy.

A check's result is `lab_result` of its report, a `CheckResult`, for whoever shows it: pytest's own terminal
shows the diagnosis in place of a traceback, and `lab revisar` shows it in its own way.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from labcheck.checking.diagnosis import CheckFailedError, CheckResult, CouldNotCheckError, Verdict
from labcheck.checking.scene import Scene
from labcheck.checking.spec import CheckSpec, spec_of
from labcheck.modes import MODES, Mode

if TYPE_CHECKING:
    from labcheck.checking.place import Place

# Where a check's result lives: the file, the machine and the check's name.
Key = tuple[str, str, str]

# What a grader puts there before anything runs: nonces that can be made again, and a tape of what was asked.
SCENE = pytest.StashKey[Scene]()
_RESULTS = pytest.StashKey[dict[Key, CheckResult]]()
_CALLS = pytest.StashKey[dict[Key, Callable[[], None]]]()

REPEAT = "Repita la revisión; si vuelve a ocurrir, avise a su profesora o profesor."


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tunelab", "the labs of tunelab")
    group.addoption(
        "--lab-modo", choices=MODES, default=MODES[0], help="where the lab's machines are (default: local)"
    )
    group.addoption("--lab-local", metavar="URL", help="the application: http://localhost:5000")
    group.addoption("--lab-remoto", metavar="URL", help="the public side: http://IP:8000")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RESULTS] = {}
    config.stash[_CALLS] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each check its time limit."""
    if not (config.pluginmanager.hasplugin("timeout") or config.pluginmanager.hasplugin("pytest_timeout")):
        return
    for item in items:
        if (spec := _spec(item)) is not None:
            item.add_marker(pytest.mark.timeout(spec.timeout_s))


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, host: Any) -> Iterator[Place]:
    """Where the lab happens: its mode, its addresses, and `host`, the machine that is looked at."""
    from labcheck.checking.place import Place, addresses_for

    option = request.config.getoption
    mode = Mode(option("--lab-modo"))
    scene = request.config.stash.get(SCENE, Scene())
    addresses = addresses_for(mode, option("--lab-local"), option("--lab-remoto"))
    found = Place(addresses, host if scene.tape is None else scene.tape.host(host), scene)
    yield found
    found.close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a check when one that it depends on failed."""
    spec = _spec(item)
    if spec is None:
        return
    for name in spec.after:
        result = item.config.stash[_RESULTS].get(_key(item, name))
        if result is None or result.verdict is Verdict.PASSED:
            continue
        if result.verdict is Verdict.UNCHECKED:
            raise CouldNotCheckError(f"Antes hay que poder comprobar: «{result.title}».", REPEAT)
        pytest.skip(f"Depende de «{result.title}».")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Remember how a check was called, to ask it again if its ground seems to have moved."""
    if (spec := _spec(pyfuncitem)) is not None:
        names = pyfuncitem._fixtureinfo.argnames
        call = functools.partial(pyfuncitem.obj, **{name: pyfuncitem.funcargs[name] for name in names})
        pyfuncitem.config.stash[_CALLS][_key(pyfuncitem, spec.name)] = call
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    spec = _spec(item)
    if spec is None or not (call.when == "call" or (call.when == "setup" and call.excinfo is not None)):
        return report
    result = _judge(item, spec, call)
    item.config.stash[_RESULTS][_key(item, spec.name)] = result
    report.lab_result = result  # type: ignore[attr-defined]
    if result.verdict in (Verdict.FAILED, Verdict.UNCHECKED):
        report.longrepr = explanation(result)
    return report


def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
    result = getattr(report, "lab_result", None)
    if isinstance(result, CheckResult) and result.verdict is Verdict.UNCHECKED:
        return "sin comprobar", "?", "SIN COMPROBAR"
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell what could not be checked, which pytest's own list of failures does not hold."""
    results = config.stash[_RESULTS].values()
    unchecked = [result for result in results if result.verdict is Verdict.UNCHECKED]
    if unchecked:
        terminalreporter.section("sin comprobar", yellow=True)
        for result in unchecked:
            terminalreporter.write_line(explanation(result))


def explanation(result: CheckResult) -> str:
    """Return what a student reads of a check that did not pass."""
    if result.diagnosis is None:
        lines = [("No se pudo comprobar", result.reason), ("Qué hacer", result.advice)]
    else:
        lines = [
            ("Esperado", result.diagnosis.expected),
            ("Obtenido", result.diagnosis.got),
            ("Por qué", result.diagnosis.why),
            ("Pista", result.diagnosis.hints[0]),
        ]
    return "\n".join([result.title, *(f"  {name}: {text}" for name, text in lines if text)])


def _spec(item: pytest.Item) -> CheckSpec | None:
    return spec_of(item.obj) if isinstance(item, pytest.Function) else None


def _key(item: pytest.Item, name: str) -> Key:
    machine = item.callspec.id if hasattr(item, "callspec") else ""
    return str(item.path), machine, name


def _judge(item: pytest.Item, spec: CheckSpec, call: pytest.CallInfo[None]) -> CheckResult:
    """Return a check's result, from how its call ended."""
    result = functools.partial(CheckResult, spec.name, spec.title, spec.points)
    error = call.excinfo.value if call.excinfo is not None else None
    if error is None:
        return result(Verdict.PASSED)
    if isinstance(error, pytest.skip.Exception):
        return result(Verdict.SKIPPED, reason=str(error.msg))
    if isinstance(error, CheckFailedError):
        if (moved := _ground_that_moved(item, spec)) is not None:
            reason = f"«{moved}» se cumplía hace un momento y ya no: algo cambió mientras se revisaba."
            return result(Verdict.UNCHECKED, reason=reason, advice="Ponga todo en marcha y repita.")
        return result(Verdict.FAILED, diagnosis=error.diagnosis)
    if isinstance(error, CouldNotCheckError):
        return result(Verdict.UNCHECKED, reason=error.reason, advice=error.advice)
    return result(Verdict.UNCHECKED, reason=_own_fault(error, spec), advice=REPEAT)


def _ground_that_moved(item: pytest.Item, spec: CheckSpec) -> str | None:
    """Return the claim of a passed check that a failed one stands on and that no longer holds."""
    stash = item.config.stash
    for name in spec.stands_on:
        key = _key(item, name)
        known, again = stash[_RESULTS].get(key), stash[_CALLS].get(key)
        if known is None or again is None or known.verdict is not Verdict.PASSED:
            continue
        try:
            again()
        except Exception:  # whatever it is, the fact cannot be seen any more
            return known.title
    return None


def _own_fault(error: BaseException, spec: CheckSpec) -> str:
    """Say in Spanish what kept a check from being made, when it did not say so itself."""
    if isinstance(error, pytest.fail.Exception) and "timeout" in str(error).lower():
        return f"No hubo respuesta en {spec.timeout_s:g} s."
    command = error.args[0] if isinstance(error, RuntimeError) and error.args else None
    if getattr(command, "rc", None) == 255:  # ssh(1): 255 if an error occurred
        return f"No se pudo entrar a la máquina que se revisa: {command.stderr.strip()}"  # type: ignore[union-attr]
    return f"La revisión tuvo una falla propia ({type(error).__name__}: {error})."
