"""The grader is right: it fails the untouched lab, passes the solution, and knows each wrong one."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.labs import Desk, desk_in, lab_folders

pytestmark = pytest.mark.timeout(120)

LABS = lab_folders()
MISTAKES = [path for lab in LABS for path in sorted(lab.glob("errores/*.sh"))]
FAILS = re.compile(r"^# Falla: (\w+) \(([\w-]+)\)$", re.MULTILINE)


def number_of(lab: Path) -> str:
    return lab.name[:2]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


def test_there_are_labs_and_each_has_at_least_four_mistakes():
    assert LABS
    for lab in LABS:
        assert len(list(lab.glob("errores/*.sh"))) >= 4, lab.name


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
def test_the_untouched_lab_earns_nothing(lab, desk):
    desk.do(f"lab iniciar {number_of(lab)}")
    verdicts = desk.review(number_of(lab))
    assert verdicts.done.code == 1, verdicts.done.text
    assert verdicts.earned[0] == 0
    assert verdicts.with_verdict("fallado")
    assert not verdicts.with_verdict("sin comprobar")


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
def test_the_solution_earns_everything_and_can_be_repeated(lab, desk):
    number = number_of(lab)
    desk.do(f"lab iniciar {number}")
    for _ in range(2):
        desk.do(f"lab resolver {number}")
        verdicts = desk.review(number)
        assert verdicts.done.code == 0, verdicts.done.text
        earned, points = verdicts.earned
        assert earned == points > 0
    desk.do(f"lab terminar {number}")
    desk.do(f"lab iniciar {number}")  # which finds nothing in its way
    assert desk.review(number).earned[0] == 0


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
def test_the_steps_done_twice_each_earn_everything(lab, desk):
    steps = sorted(lab.glob("[0-9]*.sh"))
    assert steps
    for step in steps:
        desk.do(f"'{step}'")
        desk.do(f"'{step}'")
    earned, points = desk.review(number_of(lab)).earned
    assert earned == points
    cleanup = lab / "limpieza.sh"
    desk.do(f"'{cleanup}'")
    desk.do(f"'{cleanup}'")
    assert desk.do("ss -Htln").out == ""


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_each_mistake_fails_what_its_header_says_with_its_own_diagnosis(mistake, desk):
    expected = dict(FAILS.findall(mistake.read_text(encoding="utf-8")))
    assert expected, "the header does not say what fails"
    number = number_of(mistake.parents[1])
    desk.do(f"'{mistake}'")
    verdicts = desk.review(number)
    assert verdicts.with_verdict("fallado") == expected, verdicts.done.text
    assert not verdicts.with_verdict("sin comprobar")
    assert verdicts.done.code == 1
    # What the mistake left behind, the lab's own cleanup knows of.
    desk.do(f"lab terminar {number}")
    assert desk.do("ss -Htln").out == ""


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
def test_no_two_mistakes_are_the_same(lab):
    told = [tuple(FAILS.findall(path.read_text("utf-8"))) for path in lab.glob("errores/*.sh")]
    assert len(set(told)) == len(told)
