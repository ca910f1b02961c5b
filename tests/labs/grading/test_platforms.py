"""What Gradescope and PrairieLearn read, held to schemas written from their published pages."""

import json
import subprocess
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.school_class import DUE, EXPOSED, SIZE, school_class
from support.whole_path import program

from labcheck.grading.grade import Grade, Override, Student, save
from labcheck.grading.reports.platforms.gradescope import gradescope_results
from labcheck.grading.reports.platforms.prairielearn import prairielearn_results
from labcheck.grading.reports.summary import ClassReport

CLASS = ClassReport("03", "Un túnel HTTP", tuple(school_class()))
BY_CODE = {grade.student.code: grade for grade in CLASS.grades}
ONLY_BY_HAND = Grade(
    Student("z", "Zoé"),
    "03",
    "ssh",
    fault="Nadie responde.",
    override=Override(Decimal("0.7"), "oral", "yo", DUE),
)
MAX_PRAIRIELEARN_BYTES = 1_000_000  # its page: "this file should be limited to 1 MB"


def schema(platform: str) -> Any:
    path = Path(__file__).with_name("schemas") / f"{platform}-results.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    jsonschema_rs.meta.validate(told)
    return jsonschema_rs.Draft202012Validator(told)


GRADESCOPE, PRAIRIELEARN = schema("gradescope"), schema("prairielearn")


def scope(code: str) -> dict[str, Any]:
    made = gradescope_results(CLASS, BY_CODE[code])
    assert made is not None
    return made


def test_every_grade_of_the_class_is_valid_for_both_platforms() -> None:
    made = [gradescope_results(CLASS, grade) for grade in (*CLASS.grades, ONLY_BY_HAND)]
    results = [one for one in made if one is not None]
    assert len(results) == SIZE - 6 + 1
    for one in results:
        GRADESCOPE.validate(json.loads(json.dumps(one)))
    for grade in (*CLASS.grades, ONLY_BY_HAND):
        text = json.dumps(prairielearn_results(CLASS, grade))
        assert len(text) < MAX_PRAIRIELEARN_BYTES
        PRAIRIELEARN.validate(json.loads(text))


@pytest.mark.parametrize(
    ("platform", "wrong"),
    [
        (GRADESCOPE, {"output": "no score, no tests"}),
        (GRADESCOPE, {"score": 1, "visibility": "everybody"}),
        (GRADESCOPE, {"score": 1, "tests": [{"status": "skipped"}]}),
        (GRADESCOPE, {"score": "1"}),
        (PRAIRIELEARN, {"gradable": True}),
        (PRAIRIELEARN, {"score": 30}),
        (PRAIRIELEARN, {"gradable": False, "score": 0, "format_errors": []}),
        (PRAIRIELEARN, {"score": 1, "tests": [{"points": 1}]}),
    ],
)
def test_the_schemas_refuse_what_the_pages_do_not_allow(platform: Any, wrong: dict[str, Any]) -> None:
    assert not platform.is_valid(wrong)


def test_a_pending_grade_is_no_zero_on_either_platform() -> None:
    pending = BY_CODE["2026005"]
    assert gradescope_results(CLASS, pending) is None
    made = prairielearn_results(CLASS, pending)
    assert made["gradable"] is False
    assert "score" not in made
    assert made["format_errors"] == ["No se pudo entrar a su máquina: nadie responde."]


def test_scores_are_in_the_labs_points_and_as_a_share() -> None:
    assert scope("2026003")["score"] == 3.0
    assert prairielearn_results(CLASS, BY_CODE["2026003"])["score"] == 0.3


def test_a_grade_set_by_hand_without_any_check_is_on_the_scale_of_the_others() -> None:
    made = gradescope_results(CLASS, ONLY_BY_HAND)
    assert made is not None
    assert (made["score"], made["tests"]) == (7.0, [])


def test_the_score_has_the_penalty_and_the_override_that_the_tests_do_not() -> None:
    late, by_hand = scope("2026006"), scope("2026009")
    assert (late["score"], sum(test["score"] for test in late["tests"])) == (8.0, 10)
    assert (by_hand["score"], sum(test["score"] for test in by_hand["tests"])) == (9.0, 2)
    assert "se descuenta 20 %" in late["output"]
    assert "Mostró en clase que le funciona." in by_hand["output"]
    assert "Mostró en clase que le funciona." in prairielearn_results(CLASS, BY_CODE["2026009"])["message"]


def test_what_could_not_be_checked_has_no_points_and_says_that_it_costs_nothing() -> None:
    unseen = scope("2026007")["tests"][-1]
    assert not {"score", "max_score", "status"} & set(unseen)
    assert "no le cuesta nada" in unseen["output"]
    assert scope("2026007")["score"] == 10.0  # of ten: the points that nobody could look at do not cost any
    other = prairielearn_results(CLASS, BY_CODE["2026007"])["tests"][-1]
    assert (other["points"], other["max_points"]) == (0, 0)
    assert "no le cuesta nada" in other["description"]


def test_each_failure_says_expected_got_why_and_hint() -> None:
    failed = scope("2026002")["tests"][2]
    other = prairielearn_results(CLASS, BY_CODE["2026002"])["tests"][2]
    assert (failed["score"], failed["max_score"], failed["status"]) == (0, 1, "failed")
    for told in (failed["output"], other["message"] + other["output"]):
        for words in (EXPOSED.expected, EXPOSED.got, EXPOSED.why, EXPOSED.hints[0]):
            assert words in told


@given(st.text(max_size=60))
def test_any_words_of_a_machine_are_valid_for_both(words: str) -> None:
    grade = BY_CODE["2026002"]
    failed = tuple(
        replace(result, diagnosis=result.diagnosis and replace(result.diagnosis, got=words, why=words))
        for result in grade.results
    )
    grade = replace(grade, results=failed, student=Student("x", words))
    GRADESCOPE.validate(json.loads(json.dumps(gradescope_results(CLASS, grade))))
    PRAIRIELEARN.validate(json.loads(json.dumps(prairielearn_results(CLASS, grade))))


def test_the_command_writes_a_folder_a_student_and_removes_what_is_pending_now(tmp_path: Path) -> None:
    for grade in (*CLASS.grades[:6], ONLY_BY_HAND):
        save(grade, tmp_path / "notas")
    stale = tmp_path / "gs" / "2026005" / "results.json"
    stale.parent.mkdir(parents=True)
    stale.write_text("{}", encoding="utf-8")
    command = [program("lab"), "informe", "--lab", "03", "--carpeta", tmp_path / "notas"]
    command += ["--gradescope", tmp_path / "gs", "--prairielearn", tmp_path / "pl"]
    done = subprocess.run([*map(str, command)], capture_output=True, encoding="utf-8", timeout=50)
    assert done.returncode == 0, done.stderr
    assert f"Gradescope: {tmp_path / 'gs'} (6 archivos)" in done.stdout
    assert "Pendientes, sin archivo para Gradescope (1):\n  2026005 José Ángel" in done.stderr
    assert not stale.exists()
    GRADESCOPE.validate(
        json.loads((tmp_path / "gs" / "2026003" / "results.json").read_text(encoding="utf-8"))
    )
    written = list((tmp_path / "pl").glob("*/results.json"))
    assert len(written) == 7
    for path in written:
        PRAIRIELEARN.validate(json.loads(path.read_text(encoding="utf-8")))
