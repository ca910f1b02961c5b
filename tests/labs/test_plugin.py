"""The pytest plugin: it shows diagnoses for checks, and leaves everybody else's tests alone."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.labs import LABS, desk_in

pytestmark = pytest.mark.timeout(120)

STRANGER = '''
import pytest

@pytest.fixture
def place():
    return "mine"

@pytest.mark.parametrize("number", [1, 2])
def test_passes(place, number):
    """A docstring."""
    assert place == "mine"

def test_fails():
    assert 1 == 2

def test_skips():
    pytest.skip("why not")

@pytest.mark.xfail
def test_fails_as_expected():
    raise RuntimeError

def test_with_a_broken_fixture(missing):
    pass
'''

CHECKS = '''
import pytest
from labcheck.checking.diagnosis import CheckFailedError, CouldNotCheckError, Diagnosis
from labcheck.checking.spec import check

WRONG = Diagnosis("wrong", "lo uno", "lo otro", "porque sí", ("mire", "mire mejor"))
holds = [True]

@check(points=1)
def test_ground() -> None:
    """El suelo."""
    if not holds[0]:
        raise CheckFailedError(WRONG)

@check(points=1, after=("ground",))
def test_fails() -> None:
    """Falla."""
    raise CheckFailedError(WRONG)

@check(points=1, after=("fails",))
def test_depends() -> None:
    """Depende."""
    raise AssertionError("never run")

@check(points=1)
def test_crashes() -> None:
    """Se rompe."""
    raise ZeroDivisionError("caramba")

@check(points=1, after=("crashes",))
def test_depends_on_a_crash() -> None:
    """Depende de una rota."""
    raise AssertionError("never run")

@check(points=1, timeout_s=0.5)
def test_never_ends() -> None:
    """No termina."""
    import threading
    threading.Event().wait(30)

@check(points=1)
def test_cannot_look(missing) -> None:
    """No puede mirar."""

@check(points=1, after=("ground",))
def test_ground_moves() -> None:
    """Se mueve el suelo."""
    holds[0] = False
    raise CheckFailedError(WRONG)
'''


def run_pytest(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, str(folder)],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
    )
    return re.sub(r"in \d+\.\d+s", "", re.sub(r"plugins: .*", "", done.stdout + done.stderr)) + str(
        done.returncode
    )


@pytest.mark.parametrize("options", [(), ("-v", "--strict-markers", "--strict-config"), ("--collect-only",)])
def test_other_peoples_tests_run_as_without_it(tmp_path, options):
    (tmp_path / "test_stranger.py").write_text(STRANGER, encoding="utf-8")
    with_it = run_pytest(tmp_path, *options)
    assert with_it == run_pytest(tmp_path, *options, "-p", "no:labcheck")
    assert "test_stranger.py" in with_it


def test_it_reads_nothing_heavy_until_a_check_asks():
    heavy = "[name for name in ('requests', 'testinfra', 'labcheck.proof') if name in sys.modules]"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, labcheck.checking.plugin; print({heavy})"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_each_outcome_is_shown_with_its_reason_in_a_plain_pytest(tmp_path):
    (tmp_path / "test_checks.py").write_text(CHECKS, encoding="utf-8")
    shown = run_pytest(tmp_path, "-v", "-rA")
    assert re.search(r"test_ground PASSED", shown)
    assert re.search(r"test_fails FAILED", shown)
    assert re.search(r"test_depends SKIPPED \(Depende de «Falla»", shown)
    for name in ("crashes", "depends_on_a_crash", "never_ends", "cannot_look", "ground_moves"):
        assert re.search(rf"test_{name} SIN COMPROBAR", shown), name
    assert "  Esperado: lo uno\n  Obtenido: lo otro\n  Por qué: porque sí\n  Pista: mire\n" in shown
    assert "mire mejor" not in shown
    assert "1 failed, 1 passed, 1 skipped, 5 sin comprobar" in shown
    assert shown.endswith("1")


def test_what_could_not_be_checked_says_what_kept_it(tmp_path):
    (tmp_path / "test_checks.py").write_text(CHECKS, encoding="utf-8")
    shown = run_pytest(tmp_path, "-rA")
    assert "falla propia (ZeroDivisionError: caramba)" in shown
    assert "Antes hay que poder comprobar: «Se rompe»" in shown
    assert "No hubo respuesta en 0.5 s" in shown
    assert "«El suelo» se cumplía hace un momento y ya no" in shown


def test_a_lab_is_checked_with_plain_pytest_too(tmp_path):
    lab = LABS / "01-api-gtd"
    with desk_in(tmp_path) as desk:
        desk.do(f"'{lab / 'solucion.sh'}'")
        done = desk.do(f"python -m pytest -p no:cacheprovider '{lab}'")
        assert "5 passed" in done.out
        desk.do(f"'{lab / 'limpieza.sh'}'")
        done = desk.run(f"python -m pytest -p no:cacheprovider '{lab}'")
        assert "1 failed, 4 skipped" in done.out
        assert "Obtenido: Nada escucha en http://localhost:5000." in done.out


@pytest.mark.parametrize(
    ("declaration", "complaint"),
    [
        ("@check(points=1)\ndef test_x():\n    pass", "says in its docstring"),
        ('@check(points=0)\ndef test_x():\n    """X."""', "at least one point"),
        ('@check(points=1)\ndef x():\n    """X."""', "begins with test_"),
    ],
)
def test_a_check_that_is_badly_declared_is_refused(declaration, complaint):
    with pytest.raises(ValueError, match=complaint):
        exec("from labcheck.checking.spec import check\n" + declaration, {})
