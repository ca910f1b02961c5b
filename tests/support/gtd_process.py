"""``gtd-app`` as a process of its own, as a student runs it."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

READY = "Escuchando en "


@dataclass(slots=True)
class GtdProcess:
    """A running ``gtd-app serve``. ``diagnostics`` fills up with the lines of its stderr."""

    process: subprocess.Popen[str]
    url: str = ""
    diagnostics: list[str] = field(default_factory=list)

    def wait(self) -> int:
        """Return the exit code, once it has ended."""
        return self.process.wait(20)


@contextmanager
def run_gtd_app(*options: str, port: int = 0) -> Iterator[GtdProcess]:
    """Run ``gtd-app serve`` with ``options`` until the block ends; it is ready when the block begins."""
    command = [sys.executable, "-m", "gtd_app", "serve", "--port", str(port), *options]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    running = GtdProcess(process)
    assert process.stdout is not None
    assert process.stderr is not None

    def drain(lines: Iterator[str]) -> None:
        running.diagnostics.extend(lines)

    reader = threading.Thread(target=drain, args=(process.stderr,))
    reader.start()
    try:
        line = process.stdout.readline()
        if not line.startswith(READY):
            process.kill()
            reader.join()
            raise AssertionError(f"gtd-app did not start: {line!r}\n{''.join(running.diagnostics)}")
        running.url = line.removeprefix(READY).strip()
        yield running
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
        process.stderr.close()
