"""A hand-in: what a student's own review found, all that it asked and was answered, and a seal.

One JSON file that a person can read. It holds no secret of the tunnel: what looks like one of the lab's is
taken out before it is sealed.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from labcheck.checking.diagnosis import CheckResult, Diagnosis, Verdict
from labcheck.checking.scene import seeded_nonces
from labcheck.checking.tape import Taken
from labcheck.grading.seal import StudentKey
from labcheck.proof import trace_of

FORMAT = "tunelab-entrega-1"
# A review of lab 03 that waits for all it can is some hundreds of kilobytes.
MAX_BYTES = 8 * 2**20
MAX_LOG_LINES = 400
# More than any review uses.
_NONCES = 256
_NONCE = re.compile(r"write a book ([0-9a-f]{8})")
_SECRET = re.compile(r"[A-Za-z0-9_+/=-]{20,}")
_HIDDEN = "***"
_CREATED = 201


class HandInError(Exception):
    """A hand-in cannot be read or written; the text is Spanish."""


@dataclass(frozen=True, slots=True)
class HandIn:
    """One hand-in.

    `began_at` and `ended_at` are of the student's clock. `log` is what the exit node said meanwhile, where it
    runs beside the lab, and what it noted of the nonces' passage. `receipts` are of the exit nodes that were
    removed, each the text of its file.
    """

    code: str
    lab: str
    mode: str
    local_url: str
    remote_url: str
    salt: str
    began_at: datetime
    ended_at: datetime
    results: tuple[CheckResult, ...]
    evidence: tuple[Taken, ...]
    log: tuple[str, ...] = ()
    receipts: tuple[str, ...] = ()
    hints_taken: int = 0
    used_solution: bool = False

    @property
    def nonces(self) -> set[str]:
        """The nonces that were sent."""
        return nonces_in(self.evidence)

    @property
    def unlogged(self) -> set[str]:
        """The nonces that the public side took and that the exit node's log lacks."""
        said = "\n".join(self.log)
        taken = (one for one in self.evidence if one.asked.startswith(f"POST {self.remote_url}/"))
        posted = {nonce for one in taken if one.status == _CREATED for nonce in _NONCE.findall(one.sent)}
        return {nonce for nonce in posted if trace_of(nonce) not in said}

    @property
    def shows_removal(self) -> bool:
        """Whether a receipt says that an exit node of the lab was removed, and nothing of it is left."""
        return any(_is_clean(receipt, self.lab) for receipt in self.receipts)

    def without(self, secrets: Collection[str]) -> "HandIn":
        """Return it with secrets taken out, wherever they are."""
        text = json.dumps(_document(self), ensure_ascii=False)
        for secret in secrets:
            text = text.replace(json.dumps(secret, ensure_ascii=False)[1:-1], _HIDDEN)
        return _hand_in(json.loads(text))


@dataclass(frozen=True, slots=True)
class Sealed:
    """A hand-in's file: the hand-in, and the document whose seal it has."""

    hand_in: HandIn
    document: dict[str, Any]
    seal: str

    def fits(self, key: StudentKey) -> bool:
        return key.fits(self.document, self.seal)

    def fits_as(self, key: StudentKey) -> bool:
        """Say whether the seal would be right if the code in it were that of `key`."""
        return key.fits({**self.document, "code": key.code}, self.seal)


def nonces_in(evidence: Iterable[Taken]) -> set[str]:
    """Return the nonces that were sent."""
    return {nonce for one in evidence for nonce in _NONCE.findall(one.asked + one.sent)}


def nonces_of(key: StudentKey, hand_in: HandIn) -> set[str]:
    """Return the nonces that a hand-in of this key may have sent."""
    stream = seeded_nonces(key.seed(hand_in.lab, hand_in.salt))
    return {nonce for nonce, _ in zip(stream, range(_NONCES), strict=False)}


def secrets_in(folder: Path) -> set[str]:
    """Return what looks like a secret in a lab's files: its token, and what its connection file holds."""
    found: set[str] = set()
    for path in (*folder.glob("*token*"), *folder.glob("*.toml")):
        if path.is_file():
            found.update(_SECRET.findall(path.read_text(encoding="utf-8", errors="replace")))
    return found


def write(hand_in: HandIn, key: StudentKey, path: Path) -> None:
    """Seal a hand-in and write its file.

    Raises:
        HandInError: it cannot be written.
    """
    document = _document(hand_in)
    text = json.dumps({**document, "seal": key.seal(document)}, ensure_ascii=False, indent=1) + "\n"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HandInError(f"No se pudo escribir {path}: {error.strerror}.") from error


def read(path: Path) -> Sealed:
    """Return the hand-in of a file; whether its seal is right is not looked at.

    Raises:
        HandInError: it cannot be read or understood.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise HandInError(f"{path} es demasiado grande para ser una entrega.")
        document = json.loads(path.read_text(encoding="utf-8"))
        seal = document.pop("seal")
        return Sealed(_hand_in(document), document, str(seal))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise HandInError(f"No se pudo leer la entrega {path}: {type(error).__name__}: {error}.") from error


def _document(hand_in: HandIn) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **asdict(hand_in),
        "began_at": hand_in.began_at.isoformat(),
        "ended_at": hand_in.ended_at.isoformat(),
        "results": [{**asdict(result), "verdict": result.verdict.value} for result in hand_in.results],
        "evidence": [_short(one) for one in hand_in.evidence],
    }


def _short(one: Taken) -> dict[str, Any]:
    """Return a question and its answer without what is empty: there are many, and a person reads them."""
    return {name: value for name, value in asdict(one).items() if value not in ("", (), 0)}


def _is_clean(receipt: str, lab: str) -> bool:
    try:
        told = json.loads(receipt)
        return bool(told["lab"] == lab and told["clean"] is True)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def _hand_in(document: dict[str, Any]) -> HandIn:
    told = dict(document)
    if told.pop("format") != FORMAT:
        raise ValueError("no es una entrega de este curso")
    began, ended = (datetime.fromisoformat(told[name]) for name in ("began_at", "ended_at"))
    if began.tzinfo is None or ended.tzinfo is None:
        raise ValueError("una hora sin zona")
    texts = ("code", "lab", "mode", "local_url", "remote_url", "salt")
    if not all(isinstance(told[name], str) for name in texts):
        raise TypeError("un texto que no lo es")
    return HandIn(
        **{
            **told,
            "began_at": began,
            "ended_at": ended,
            "results": tuple(_results(told["results"])),
            "evidence": tuple(_taken(one) for one in told["evidence"]),
            "log": tuple(str(line) for line in told["log"]),
            "receipts": tuple(str(text) for text in told["receipts"]),
            "hints_taken": int(told["hints_taken"]),
            "used_solution": bool(told["used_solution"]),
        }
    )


def _results(told: list[dict[str, Any]]) -> Iterator[CheckResult]:
    for one in told:
        diagnosis = one["diagnosis"]
        yield CheckResult(
            **{
                **one,
                "points": int(one["points"]),
                "verdict": Verdict(one["verdict"]),
                "diagnosis": diagnosis and Diagnosis(**{**diagnosis, "hints": tuple(diagnosis["hints"])}),
            }
        )


def _taken(told: dict[str, Any]) -> Taken:
    headers = tuple((str(name), str(value)) for name, value in told.get("headers", ()))
    one = Taken(**{**told, "headers": headers})
    if not all(isinstance(text, str) for text in (one.kind, one.asked, one.sent, one.answer, one.complaint)):
        raise TypeError("una evidencia que no es texto")
    return one
