"""Hand-ins: made on the student's machine, judged without it, and the false ones told apart."""

import json
import stat
import subprocess
import sysconfig
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from support.labs import desk_in
from support.whole_path import make_token, running_app, running_client, running_exit_node

from labcheck.grading.grade import Grade, load
from labcheck.grading.seal import MASTER_FILE, StudentKey, key_of, read_master
from labcheck.proof import TASKS_PATH, trace_of

pytestmark = pytest.mark.timeout(180)

LAB = Path(sysconfig.get_path("scripts")) / "lab"


class School:
    """A class of two: one hand-in of a right tunnel and one of a wrong one, made by ``lab entregar``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.roster = folder / "alumnos.csv"
        self.roster.write_text("codigo,nombre\nana,Ana\nluis,Luis\n")
        self.keys = folder / "claves"
        subprocess.run([LAB, "claves", "--lista", self.roster, "--carpeta", self.keys], check=True)
        self.ana, self.luis = folder / "ana.json", folder / "luis.json"
        self.token = ""

    def key(self, code: str) -> StudentKey:
        return key_of(read_master(self.keys / MASTER_FILE), code)

    def resealed(self, path: Path, **changes: Any) -> dict[str, Any]:
        """Return a hand-in changed by whoever holds the key of the code in it."""
        document = json.loads(path.read_text()) | changes
        del document["seal"]
        return document | {"seal": self.key(document["code"]).seal(document)}

    def grade(
        self,
        folder: Path,
        *options: str,
        remotes: dict[str, str] | None = None,
        **hand_ins: dict[str, Any] | Path,
    ) -> dict[str, Grade]:
        """Grade these hand-ins, each in a file of that name, and return the grades by code.

        `remotes` are public sides that the roster tells of, by code.
        """
        roster = folder / "alumnos.csv"
        rows = [f"{code},{(remotes or {}).get(code, '')}\n" for code in ("ana", "luis")]
        roster.write_text("codigo,remoto\n" + "".join(rows))
        box = folder / "entregas"
        box.mkdir(exist_ok=True)
        for name, hand_in in hand_ins.items():
            text = hand_in.read_text() if isinstance(hand_in, Path) else json.dumps(hand_in)
            (box / f"{name}.json").write_text(text)
        command = [str(LAB), "calificar", "--lab", "03", "--lista", str(roster), "--entregas", str(box)]
        command += ["--secreto", str(self.keys / MASTER_FILE), "--carpeta", str(folder / "notas"), *options]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stdout + done.stderr
        self.said = done.stderr
        return {path.stem: load(path) for path in (folder / "notas").glob("*.json")}


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> School:
    school = School(tmp_path_factory.mktemp("school"))
    for code, program, codes in (("ana", "solucion.sh", 0), ("luis", "errores/upstream-equivocado.sh", 1)):
        folder = school.folder / f"desk-{code}"
        folder.mkdir()
        with desk_in(folder) as desk:
            labs = Path(__file__).parents[3] / "labs"
            desk.do(f"'{labs}/03-tunel-http/{program}'")
            if code == "ana":  # an exit node that was made for this lab and removed, and one of another
                for lab in ("03", "02"):
                    node = f"nodo-{lab} --provider local --si"
                    desk.do(f"tunnel exit-node create --nombre {node} --lab {lab}")
                    desk.do(f"tunnel exit-node delete {node}")
            out = school.folder / f"{code}.json"
            done = desk.run(f"lab entregar 03 --clave '{school.keys}/{code}.clave' --salida '{out}'")
            assert done.code == codes, done.text
            school.token += desk.do("cat ~/.local/state/tunelab/labs/03/token.txt").out
    return school


def codes_of(grade: Grade) -> list[str]:
    return [finding.code for finding in grade.findings]


def test_honest_hand_ins_get_what_their_evidence_shows(school, tmp_path):
    grades = school.grade(tmp_path, a=school.ana, b=school.luis)
    assert grades["ana"].score == 1
    assert grades["luis"].score is not None
    assert 0 < grades["luis"].score < 1
    assert grades["ana"].source == "entrega"
    assert codes_of(grades["ana"]) == codes_of(grades["luis"]) == []
    ended = json.loads(school.ana.read_text())["ended_at"]
    assert grades["ana"].handed_in_at == datetime.fromisoformat(ended)


def test_a_hand_in_holds_evidence_and_no_secret(school):
    tokens = school.token.split()
    assert tokens
    for path in (school.ana, school.luis):
        text = path.read_text()
        assert all(token not in text for token in tokens)
        key = (school.keys / f"{path.stem}.clave").read_text().split()[2]
        assert key not in text
    told = json.loads(school.ana.read_text())
    assert any("write a book" in one.get("sent", "") for one in told["evidence"])
    assert told["log"]  # what the exit node said meanwhile: the client, gone and back, and what passed
    posted = [one for one in told["evidence"] if one["asked"].startswith("POST http://localhost:8000/")]
    nonces = {one["sent"].split("write a book ")[1][:8] for one in posted if one.get("status") == 201}
    assert nonces
    assert all(trace_of(nonce) in "\n".join(told["log"]) for nonce in nonces)


def test_a_hand_in_holds_the_receipts_of_its_own_lab(school):
    (receipt,) = (json.loads(text) for text in json.loads(school.ana.read_text())["receipts"])
    assert (receipt["lab"], receipt["clean"], receipt["left"]) == ("03", True, [])
    assert receipt["queries"] is not None
    assert json.loads(school.luis.read_text())["receipts"] == []


def test_the_keys_are_for_one_pair_of_eyes_each_and_the_same_when_made_again(school):
    before = {path.name: path.read_text() for path in school.keys.iterdir()}
    assert set(before) == {"ana.clave", "luis.clave", MASTER_FILE}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in school.keys.iterdir())
    subprocess.run([LAB, "claves", "--lista", school.roster, "--carpeta", school.keys], check=True)
    assert {path.name: path.read_text() for path in school.keys.iterdir()} == before


def test_a_hand_in_with_another_code_on_it_is_copied(school, tmp_path):
    relabelled = json.loads(school.ana.read_text()) | {"code": "luis"}
    grade = school.grade(tmp_path, a=school.ana, b=relabelled)["luis"]
    assert codes_of(grade) == ["copied"]
    assert "«ana»" in grade.findings[0].text
    assert grade.score == 0


def test_anothers_evidence_sealed_with_ones_own_key_is_copied(school, tmp_path):
    grades = school.grade(tmp_path, a=school.ana, b=school.resealed(school.ana, code="luis"))
    assert codes_of(grades["luis"]) == ["copied"]
    assert "«ana»" in grades["luis"].findings[0].text
    assert grades["luis"].score == 0
    assert grades["ana"].score == 1  # whoever was copied keeps theirs


def test_anothers_evidence_is_found_though_the_other_never_handed_in(school, tmp_path):
    grade = school.grade(tmp_path, b=school.resealed(school.ana, code="luis"))["luis"]
    assert codes_of(grade) == ["edited"]
    assert grade.score == 0


def test_a_result_edited_after_sealing_breaks_the_seal(school, tmp_path):
    edited = json.loads(school.luis.read_text())
    for result in edited["results"]:
        result["verdict"] = "aprobado"
        result["diagnosis"] = None
    grade = school.grade(tmp_path, b=edited)["luis"]
    assert codes_of(grade) == ["edited"]
    assert "sello" in grade.findings[0].text
    assert grade.score == 0


def test_a_result_that_its_evidence_contradicts_is_edited_whoever_sealed_it(school, tmp_path):
    results = json.loads(school.luis.read_text())["results"]
    better = [{**result, "verdict": "aprobado", "diagnosis": None, "reason": ""} for result in results]
    grade = school.grade(tmp_path, b=school.resealed(school.luis, results=better))["luis"]
    assert codes_of(grade) == ["edited"]
    assert "evidencia" in grade.findings[0].text
    assert grade.score == 0


def test_a_log_in_which_nothing_passed_is_told(school, tmp_path):
    told = json.loads(school.ana.read_text())
    silent = [line for line in told["log"] if "traza" not in line]
    grade = school.grade(tmp_path, a=school.resealed(school.ana, log=silent))["ana"]
    assert codes_of(grade) == ["not-logged"]
    assert grade.score == 1  # for a person to look at


def test_a_hand_in_without_the_exit_nodes_log_is_told(school, tmp_path):
    grade = school.grade(tmp_path, a=school.resealed(school.ana, log=[]))["ana"]
    assert codes_of(grade) == ["not-logged"]


def test_a_remote_that_is_up_is_asked_and_left_as_it_was(school, tmp_path):
    with running_app() as app, running_exit_node(make_token(tmp_path)) as node:
        tasks = requests.get(app + TASKS_PATH, timeout=10).json()
        with running_client(node, app, tmp_path / "token.txt"):
            live = school.grade(tmp_path, a=school.ana, remotes={"ana": node.public_url})["ana"]
        assert requests.get(app + TASKS_PATH, timeout=10).json() == tasks
        cut = school.grade(tmp_path, "--otra-vez", a=school.ana, remotes={"ana": node.public_url})["ana"]
    exposed = school.grade(tmp_path, "--otra-vez", a=school.ana, remotes={"ana": app})["ana"]
    assert codes_of(live) == ["live"]
    assert codes_of(cut) == codes_of(exposed) == []
    assert live.score == cut.score == 1


def test_evidence_left_out_is_found(school, tmp_path):
    evidence = json.loads(school.ana.read_text())["evidence"]
    without = [one for one in evidence if "POST" not in one["asked"]]
    assert len(without) < len(evidence)
    grade = school.grade(tmp_path, a=school.resealed(school.ana, evidence=without))["ana"]
    assert codes_of(grade) == ["edited"]


def test_a_hand_in_of_an_earlier_assignment_is_replayed(school, tmp_path):
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
    grade = school.grade(tmp_path, "--desde", tomorrow, a=school.ana)["ana"]
    assert codes_of(grade) == ["replayed"]
    assert grade.score == 0


def test_a_hand_in_of_another_lab_is_told(school, tmp_path):
    grade = school.grade(tmp_path, a=school.resealed(school.ana, lab="02"))["ana"]
    assert "other-lab" in codes_of(grade)
    assert grade.score == 0


def test_a_hand_in_of_another_lab_in_the_same_folder_takes_no_ones_place(school, tmp_path):
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat(timespec="seconds")
    other = school.resealed(school.ana, lab="02", ended_at=later)
    grade = school.grade(tmp_path, a=school.ana, b=other)["ana"]
    assert (grade.score, codes_of(grade)) == (1, [])
    assert "más de una vez" not in school.said


def test_a_late_hand_in_loses_a_part_and_is_not_void(school, tmp_path):
    ended = datetime.fromisoformat(json.loads(school.ana.read_text())["ended_at"])
    end = (ended - timedelta(hours=30)).isoformat()
    grade = school.grade(tmp_path, "--vence", end, "--por-dia-tarde", "0.15", a=school.ana)["ana"]
    assert codes_of(grade) == ["late"]
    assert grade.penalty == Decimal("0.30")
    assert grade.score == Decimal("0.70")


def test_a_grade_set_by_hand_outlives_a_regrade_and_keeps_the_time(school, tmp_path):
    first = school.grade(tmp_path, a=school.ana)["ana"]
    command = [LAB, "calificar", "--lab", "03", "--lista", school.roster, "--carpeta", tmp_path / "notas"]
    command += ["--ajustar", "ana", "--nota", "0,8", "--razon", "Lo mostró en clase"]
    subprocess.run(command, check=True, capture_output=True)
    again = school.grade(tmp_path)["ana"]
    assert again.score == Decimal("0.8")
    assert again.override is not None
    assert again.override.reason == "Lo mostró en clase"
    assert again.handed_in_at == first.handed_in_at


def test_what_is_no_hand_in_stops_nobody_and_who_has_none_is_pending(school, tmp_path):
    (tmp_path / "entregas").mkdir()
    (tmp_path / "entregas" / "rota.json").write_text("[" * 100_000)
    stranger = school.resealed(school.ana, code="nadie")
    grades = school.grade(tmp_path, a=school.ana, c=stranger)
    assert "rota.json" in school.said
    assert "«nadie» no está en la lista" in school.said
    assert grades["ana"].score == 1
    assert grades["luis"].is_pending
