"""A whole class: each student in a process of its own, several at a time, and none that stops the others."""

import contextlib
import hashlib
import hmac
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from labcheck.catalog import Lab
from labcheck.grading import worker
from labcheck.grading.grade import Grade, GradeError, Student, load, save
from labcheck.grading.worker import INCOMPLETE, NO_MACHINE, Job
from labcheck.modes import Mode

SEED_FILE = "semilla"
# Three times what a healthy review takes over a poor network (`lab revisar` promises 15 s on this machine).
LIMIT_S = 180.0
# How often the main thread wakes up, so that on any system Ctrl-C is noticed soon.
_SLICE_S = 0.5
# What ssh does here: asks nothing of a terminal, and one connection serves a whole review.
_SSH_CONFIG = "Host *\n  BatchMode yes\n{sharing}{includes}"
_LAST_LINES = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """How a class is graded: `limit_s` is what one student may take, `ssh_config` an own file of ssh's."""

    lab: Lab
    mode: Mode
    folder: Path
    parallel: int = 8
    limit_s: float = LIMIT_S
    local_url: str = ""
    ssh_config: Path | None = None
    again: bool = False


def seed_of(folder: Path) -> str:
    """Return the folder's seed, made the first time: whoever has it can foresee every nonce.

    Raises:
        GradeError: it can be neither read nor written.
    """
    path = folder / SEED_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(32) + "\n")
        seed = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise GradeError(f"No se pudo usar {path}: {error.strerror}.") from error
    if len(seed) != 64:
        raise GradeError(f"{path} no tiene una semilla. Bórrelo y califique otra vez.")
    return seed


def earlier_grade(folder: Path, student: Student) -> Grade | None:
    """Return the grade that a student has already, or None.

    Raises:
        GradeError: it cannot be read.
    """
    path = folder / f"{student.code}.json"
    return load(path) if path.exists() else None


class Batch:
    """One run over a class. `stop` ends what is under way; what is graded stays."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._seed = seed_of(plan.folder)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopping = False

    def due(self, students: Sequence[Student]) -> list[Student]:
        """Return who is to be graded: without a whole grade, or everybody if asked to do it again.

        Raises:
            GradeError: a grade cannot be read.
        """
        if self._plan.again:
            return list(students)
        found = [(student, earlier_grade(self._plan.folder, student)) for student in students]
        return [student for student, grade in found if grade is None or _is_unfinished(grade)]

    def run(self, students: Sequence[Student], on_grade: Callable[[Grade], None]) -> None:
        """Grade these students and keep each grade; `on_grade` is told of each, in this thread.

        Raises:
            GradeError: a grade cannot be kept.
            KeyboardInterrupt: it was interrupted; nothing is left running.
        """
        with ThreadPoolExecutor(self._plan.parallel, thread_name_prefix="grader") as pool:
            try:
                pending: set[Future[Grade]] = {pool.submit(self._grade, student) for student in students}
                while pending:
                    done, pending = wait(pending, _SLICE_S, FIRST_COMPLETED)
                    for future in done:
                        grade = self._with_its_past(future.result())
                        save(grade, self._plan.folder)
                        on_grade(grade)
            except BaseException:
                self._stop()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _with_its_past(self, grade: Grade) -> Grade:
        """Return a new grade with what a regrade keeps: when it was handed in, and what was set by hand."""
        now = datetime.now(UTC)
        before = earlier_grade(self._plan.folder, grade.student)
        handed_in = (before and before.handed_in_at) or (None if grade.is_pending else now)
        return replace(
            grade, graded_at=now, handed_in_at=handed_in, override=before.override if before else None,
            penalty=before.penalty if before else grade.penalty,
        )  # fmt: skip

    def _grade(self, student: Student) -> Grade:
        """Grade one student in a process, which is over when this returns."""
        plan = self._plan
        source = "local" if student.host.startswith("local") else "ssh"
        blank = Grade(student, plan.lab.number, source)
        if not student.host:
            return replace(blank, fault=NO_MACHINE)
        with tempfile.TemporaryDirectory(prefix="lab-") as name:
            folder = Path(name)
            host, config = _way_in(student.host, folder, plan.ssh_config)
            told = f"{plan.lab.number}\0{student.code}".encode()
            job = Job(
                student, plan.lab.number, str(plan.lab.folder.parent), plan.mode.value, plan.local_url, host,
                hmac.new(self._seed.encode(), told, hashlib.sha256).hexdigest(), str(folder / "grade"),
            )  # fmt: skip
            began = time.monotonic()
            fault = self._run(job, folder / "said")
            if config is not None:
                _hang_up(config, student.host)
            if fault:
                return replace(blank, fault=fault, duration_s=round(time.monotonic() - began, 1))
            return load(folder / "grade" / f"{student.code}.json")

    def _run(self, job: Job, said: Path) -> str:
        """Run a job to its end or its limit and return why there is no grade, or nothing."""
        with said.open("wb") as output:
            with self._lock:  # so that no process is born unseen by `_stop`
                if self._stopping:
                    return "Se interrumpió la calificación."
                process = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-m", worker.__name__],
                    stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
                self._running.add(process)
            try:
                process.communicate(job.to_json().encode(), self._plan.limit_s)
            except subprocess.TimeoutExpired:
                return f"No terminó en {self._plan.limit_s:g} s, que es el límite por alumno."
            finally:
                if process.poll() is None:
                    _kill_group(process)
                    process.wait()
                with self._lock:
                    self._running.discard(process)
        if process.returncode == 0:
            return ""
        last = " ".join(said.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:])
        return f"El proceso que lo califica terminó con el código {process.returncode}: {last}"

    def _stop(self) -> None:
        with self._lock:
            self._stopping = True
            for process in self._running:
                _kill_group(process)


def _is_unfinished(grade: Grade) -> bool:
    """Say whether another run may find out more: it is pending, or leaves out what could not be checked."""
    if grade.override is not None:
        return False
    return grade.is_pending or any(finding.code == INCOMPLETE for finding in grade.findings)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that has not been waited for, whose number is its own still, and all of its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _way_in(host: str, folder: Path, ssh_config: Path | None) -> tuple[str, Path | None]:
    """Return the machine as testinfra is told of it, and the configuration of ssh made for it."""
    if host.startswith("local"):
        return host, None
    parts = urlsplit(host)
    own = parse_qs(parts.query).get("ssh_config", [])
    wanted = own or ([str(ssh_config.resolve())] if ssh_config else ["~/.ssh/config", "/etc/ssh/ssh_config"])
    config = folder / "ssh_config"
    sharing = "" if sys.platform == "win32" else f"  ControlPath {folder}/way\n"
    includes = "".join(f'Match all\nInclude "{path}"\n' for path in wanted)
    config.write_text(_SSH_CONFIG.format(sharing=sharing, includes=includes), encoding="utf-8")
    rest = "&".join(part for part in parts.query.split("&") if part and not part.startswith("ssh_config="))
    query = f"ssh_config={config}" + (f"&{rest}" if rest else "")
    return f"{parts.scheme}://{parts.netloc}?{query}", config


def _hang_up(config: Path, host: str) -> None:
    """End the connection that the commands of a review shared; ssh would keep it a minute longer."""
    ssh = shutil.which("ssh")
    if ssh is not None and (config.parent / "way").exists():
        name = (urlsplit(host).hostname or "x").replace("%", "")
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):
            subprocess.run(  # noqa: S603
                [ssh, "-F", str(config), "-O", "exit", name],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False,
            )  # fmt: skip


def progress_bar(done: int, of: int, width: int = 20) -> str:
    """Return a bar such as ``[#####---------------] 15 de 60``."""
    filled = width * done // max(of, 1)
    return f"[{'#' * filled}{'-' * (width - filled)}] {done} de {of}"
