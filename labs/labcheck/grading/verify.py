"""Hand-ins judged without their machines: whose they are, whether they are new, and whether they hold.

The verdicts that count are not the ones that a hand-in claims but those that the grader's own checks come to
when its evidence is played again. What cannot be told apart from the truth is in docs/calificar.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests

from labcheck.catalog import Lab
from labcheck.checking.diagnosis import CheckResult
from labcheck.checking.place import Addresses
from labcheck.checking.scene import Scene
from labcheck.checking.tape import Player
from labcheck.grading import handin
from labcheck.grading.grade import Finding, Grade, Student
from labcheck.grading.handin import HandIn, HandInError, Sealed
from labcheck.grading.seal import StudentKey, key_of
from labcheck.hops import ERROR_HEADER
from labcheck.modes import Mode
from labcheck.observing.public_side import RESERVED_PATH
from labcheck.proof import Proof, session_for
from labcheck.reviewing import ReviewError, review

SOURCE = "entrega"
# The codes of the findings.
EDITED, COPIED, TWIN, REPLAYED, OTHER_LAB, FUTURE, NO_RECEIPT, NOT_LOGGED, LIVE = (
    "edited", "copied", "same-evidence", "replayed", "other-lab", "future", "no-receipt", "not-logged",
    "live",
)  # fmt: skip
_LIVE_TIMEOUT_S = (4.0, 8.0)
# What two clocks may differ by, when nobody has set one of them wrong on purpose.
_CLOCKS = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Terms:
    """What hand-ins are held to; `since` is when the assignment was given out."""

    lab: Lab
    master: bytes
    now: datetime
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """The grades of a folder of hand-ins, and in Spanish what could not be anybody's."""

    grades: tuple[Grade, ...]
    complaints: tuple[str, ...]


def verify_folder(folder: Path, students: Sequence[Student], terms: Terms) -> Verified:
    """Judge every hand-in of a folder; of several of one student the last one counts.

    A file that cannot be read is a complaint and stops nothing.
    """
    roster = {student.code: student for student in students}
    complaints: list[str] = []
    latest: dict[str, Sealed] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            sealed = handin.read(path)
        except HandInError as error:
            complaints.append(str(error))
            continue
        code = sealed.hand_in.code
        if code not in roster:
            complaints.append(f"{path}: el código «{code}» no está en la lista.")
            continue
        before = latest.get(code)
        if before is not None and before.hand_in.lab == sealed.hand_in.lab:
            complaints.append(f"{path}: «{code}» entregó más de una vez; cuenta la última.")
        # A hand-in that is not theirs, or of another lab, does not take the place of one that is.
        if before is None or _rank(sealed, terms) > _rank(before, terms):
            latest[code] = sealed
    everybody = tuple(latest.values())
    keys = {code: key_of(terms.master, code) for code in roster}
    return Verified(
        tuple(_judge(sealed, roster[code], everybody, keys, terms) for code, sealed in latest.items()),
        tuple(complaints),
    )


def _rank(sealed: Sealed, terms: Terms) -> tuple[bool, bool, datetime]:
    hand_in = sealed.hand_in
    is_theirs = sealed.fits(key_of(terms.master, hand_in.code))
    return is_theirs, hand_in.lab == terms.lab.number, hand_in.ended_at


def _judge(
    sealed: Sealed,
    student: Student,
    everybody: Sequence[Sealed],
    keys: dict[str, StudentKey],
    terms: Terms,
) -> Grade:
    """Return the grade of one hand-in."""
    hand_in, key = sealed.hand_in, keys[student.code]
    grade = Grade(
        student, terms.lab.number, SOURCE, hand_in.results, hand_in.ended_at, terms.now,
        (hand_in.ended_at - hand_in.began_at).total_seconds(),
        hints_taken=hand_in.hints_taken, used_solution=hand_in.used_solution,
    )  # fmt: skip
    findings = [*_whose(sealed, key, keys, everybody), *_when(hand_in, terms)]
    if not any(finding.voids for finding in findings):
        try:
            results = replayed(hand_in, key, terms.lab)
        except ReviewError as error:
            return replace(grade, fault=str(error), findings=tuple(findings))
        findings += _contradictions(hand_in.results, results)
        grade = replace(grade, results=results)
        if terms.lab.creates_exit_node and hand_in.mode == Mode.CLOUD.value and not hand_in.shows_removal:
            text = "No trae el comprobante de haber borrado el nodo de salida: puede seguir costando."
            findings.append(Finding(NO_RECEIPT, text))
        if hand_in.unlogged:
            text = "El registro de su nodo de salida no muestra que sus tareas hayan pasado por él."
            findings.append(Finding(NOT_LOGGED, text))
        if student.remote_url and answers_now(student.remote_url):
            findings.append(Finding(LIVE, f"Ahora mismo, una tarea pasa por {student.remote_url}."))
    return replace(grade, findings=tuple(findings))


def answers_now(remote_url: str) -> bool:
    """Say whether an exit node answers at this moment and a task passes through it; the task is taken away.

    Only the public side is asked, at the address of the roster: an address that a student says is not.
    """
    try:
        with session_for(remote_url) as session:
            answer = session.get(remote_url + RESERVED_PATH, timeout=_LIVE_TIMEOUT_S, allow_redirects=False)
    except requests.RequestException:
        return False
    if answer.headers.get(ERROR_HEADER) != "reserved-path":
        return False
    proof = Proof(remote_url, remote_url, timeout_s=_LIVE_TIMEOUT_S)
    try:
        if not proof.post_through_public_side().passed or not proof.find_locally().passed:
            return False
        return proof.remove_task().passed
    finally:
        proof.close()


def replayed(hand_in: HandIn, key: StudentKey, lab: Lab) -> tuple[CheckResult, ...]:
    """Return what this copy's checks say of a hand-in's evidence.

    Raises:
        ReviewError: the checks cannot be run.
    """
    try:
        mode = Mode(hand_in.mode)
    except ValueError as error:
        raise ReviewError(f"La entrega dice un modo que no hay: «{hand_in.mode}».") from error
    addresses = Addresses(mode, hand_in.local_url, hand_in.remote_url)
    scene = Scene(key.seed(hand_in.lab, hand_in.salt), Player(hand_in.evidence))
    return review(lab, addresses, scene=scene).results


def _whose(
    sealed: Sealed, key: StudentKey, keys: dict[str, StudentKey], everybody: Sequence[Sealed]
) -> list[Finding]:
    """Say what shows that a hand-in is not its student's own, or not as it was sealed."""
    hand_in = sealed.hand_in
    if not sealed.fits(key):
        owner = next((code for code, other in keys.items() if sealed.fits_as(other)), None)
        if owner is not None:
            return [Finding(COPIED, f"Es la entrega de «{owner}» con otro código.", voids=True)]
        text = "El sello no corresponde: se cambió algo después de sellarla, o la clave es de otro curso."
        return [Finding(EDITED, text, voids=True)]
    others = [one for one in everybody if one.hand_in.code != hand_in.code]
    foreign = hand_in.nonces - handin.nonces_of(key, hand_in)
    if foreign:
        owner = next((one.hand_in.code for one in others if foreign & one.hand_in.nonces), None)
        if owner is not None:
            return [Finding(COPIED, f"Su evidencia es la de «{owner}»: las mismas palabras.", voids=True)]
        text = "Las palabras que dice haber enviado no salen de su clave: la evidencia no es suya."
        return [Finding(EDITED, text, voids=True)]
    twins = [one.hand_in.code for one in others if one.hand_in.evidence == hand_in.evidence]
    if twins and hand_in.evidence:
        return [Finding(TWIN, f"Su evidencia es idéntica, hasta en las horas, a la de «{twins[0]}».")]
    return []


def _when(hand_in: HandIn, terms: Terms) -> list[Finding]:
    found = []
    if hand_in.lab != terms.lab.number:
        found.append(Finding(OTHER_LAB, f"Es del laboratorio {hand_in.lab}.", voids=True))
    if terms.since is not None and hand_in.began_at < terms.since:
        text = f"Es de antes de que se encargara: del {hand_in.began_at.astimezone():%Y-%m-%d %H:%M}."
        found.append(Finding(REPLAYED, text, voids=True))
    if hand_in.ended_at > terms.now + _CLOCKS or hand_in.ended_at < hand_in.began_at:
        found.append(Finding(FUTURE, "Sus horas no pueden ser: el reloj de su equipo está mal, o se cambió."))
    return found


def _contradictions(claimed: Sequence[CheckResult], found: Sequence[CheckResult]) -> list[Finding]:
    """Say where the evidence does not bear what is claimed."""
    claims = {result.name: _essence(result) for result in claimed}
    differing = [result.title for result in found if claims.pop(result.name, None) != _essence(result)]
    if not differing and not claims:
        return []
    named = "; ".join(f"«{title}»" for title in differing[:3]) or "comprobaciones que no existen"
    return [Finding(EDITED, f"La evidencia no muestra lo que la entrega dice: {named}.", voids=True)]


def _essence(result: CheckResult) -> tuple[object, ...]:
    return result.verdict, result.diagnosis.code if result.diagnosis is not None else ""


def terms_of(lab: Lab, master: bytes, since: datetime | None) -> Terms:
    """Return the terms as of now."""
    return Terms(lab, master, datetime.now(UTC), since)
