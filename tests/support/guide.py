"""Read the commands and outputs that a document shows, run them as a reader would, and compare.

A document's commands are its ``console`` blocks: a line that begins with ``$`` is typed, what follows up to
the next one is what the terminal shows. A comment on the line before a block says what a reader knows from
the text around it (see ``Block.directive``).
"""

import contextlib
import difflib
import os
import re
import subprocess
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.own_network import NOT_ALLOWED, bash_alone

# What differs from run to run, and what is compared in its place. This is the only masking there is.
MASKS = (
    (re.compile(r"write a book [0-9a-f]{8}"), "write a book 00000000"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "00:00:00"),
    (re.compile(r"^Date: .*"), "Date: (now)"),
    (re.compile(r"\bcurl/[\d.]+"), "curl/0"),
    (re.compile(r"sha256:[0-9a-f]{64}"), "sha256:(any)"),
    (re.compile(r"\S*/\.local/state/"), "~/.local/state/"),
    (re.compile(r"\S*/\.venv/bin/"), ".venv/bin/"),
    (re.compile(r"\d{8}T\d{6}Z"), "20260101T000000Z"),
    (re.compile(r"\(\d+ s\)"), "(0 s)"),
    (re.compile(r"\b\d+ ms\b"), "0 ms"),
    (re.compile(r"127\.0\.0\.1:(?!5000|8000|8123)\d{4,5}\b"), "127.0.0.1:(any)"),
)

# Why a block may be left out: its directive is "no se ejecuta: " and one of these.
REASONS_NOT_TO_RUN = {
    "es para Windows": "PowerShell is not what the tests run on",
    "es la orden que está corriendo esta prueba": "the suite would run itself for ever",
    "la orden siguiente es la misma, y termina sola": "it stays until Ctrl-C; tests/labs does that",
    "queda en marcha hasta Ctrl-C, con los límites que cambia": "tests/tunnel/cli and e2e give each its own",
    "necesita las máquinas virtuales": "tests/infra raises them and runs it there",
}
STAYS = "queda en marcha"
WITHOUT_CLIENT = "sin el cliente"
OUTPUT_NOT_SHOWN = "se ejecuta, sin mostrar su salida"

READY_TIMEOUT_S = 40
QUIET_S = 5

# curl shows header names in bold on any terminal.
_STYLE = re.compile(rb"\x1b\[[0-9;]*m")
# What a progress bar wrote and took back: a return, and an erasure up to the end of the line.
_ERASED = re.compile(r"[^\n]*\r\x1b\[K")
_FENCE = re.compile(r"^(?P<quote>(?:> ?)?)```(?P<language>\w*)$")
_DIRECTIVE = re.compile(r"<!-- prueba: (.+) -->")


@dataclass(slots=True)
class Command:
    """One typed command and the output shown for it; `first` and `last` are the output's lines, from 0."""

    text: str
    shown: list[str]
    first: int
    last: int


@dataclass(slots=True)
class Block:
    """A fenced block; `directive` is what the comment before it says: one of the above, or nothing."""

    language: str
    line: int
    directive: str
    commands: list[Command] = field(default_factory=list)

    @property
    def reason_not_to_run(self) -> str | None:
        return self.directive.removeprefix("no se ejecuta: ") if self.directive.startswith("no se ") else None


def blocks_of(document: str) -> list[Block]:
    """Return a document's fenced blocks in order."""
    lines = document.splitlines()
    blocks: list[Block] = []
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            number += 1
            continue
        before = _DIRECTIVE.search(lines[number - 1]) if number else None
        block = Block(fence["language"], number + 1, before[1] if before else "")
        number += 1
        while not lines[number].startswith(f"{fence['quote']}```"):
            line = lines[number].removeprefix(fence["quote"])
            number += 1
            if line.startswith("$ "):
                block.commands.append(Command(line[2:], [], number, number))
            elif block.commands:
                block.commands[-1].shown.append(line)
                block.commands[-1].last = number
        blocks.append(block)
        number += 1
    return blocks


def masked(lines: list[str]) -> list[str]:
    """Return lines with what differs from run to run replaced."""
    result = []
    for line in lines:
        for pattern, replacement in MASKS:
            line = pattern.sub(replacement, line)
        result.append(line.rstrip())
    return result


def difference(command: Command, real: list[str]) -> str:
    """Return how what is shown differs from what came, or nothing."""
    shown, came = masked(command.shown), masked(real)
    if shown == came:
        return ""
    lines = difflib.unified_diff(shown, came, "shown in the document", "printed by the command", lineterm="")
    return f"$ {command.text}\n" + "\n".join(lines)


class Reader:
    """Somebody who follows a document: one bash, what they left running, and a terminal they look at."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._screen, terminal = os.openpty()
        _no_echo(terminal)
        self._bash = subprocess.Popen(
            bash_alone(),
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=terminal,
            stderr=terminal,
            encoding="utf-8",
        )
        os.close(terminal)
        self._seen = b""
        self._services: list[tuple[str, int]] = []
        self._started = 0

    def can_follow(self) -> bool:
        """Say whether the default ports can be used, in a network of one's own or in this machine's."""
        try:
            return self.type("true") == []
        except (BrokenPipeError, EOFError):
            assert self._bash.wait(20) == NOT_ALLOWED, self._seen.decode()
            return False

    def type(self, command: str) -> list[str]:
        """Run a command that ends well and return what the terminal shows."""
        mark = f"--- {time.monotonic_ns()} ---"
        self._write(f"{{ {command}\n}} </dev/null; printf '\\n%s\\n%s\\n' '{mark}' $?\n")
        shown = self._read_until(f"\n{mark}\n")
        code = self._read_until("\n")
        assert code == "0", f"$ {command}\n{shown}\nexit code {code}"
        shown = _ERASED.sub("", shown)
        return shown.splitlines()

    def leave_running(self, command: str, lines: int | None) -> list[str]:
        """Start a command and return its first `lines` lines, or all it says in a while when that is None."""
        log = self._folder / f"terminal-{self._started}.log"  # never one that another has written
        self._started += 1
        log.touch()
        (shown,) = self.type(f"{command} >{log.name} 2>&1 &\necho $!")
        self._services.append((command, int(shown)))
        deadline = time.monotonic() + (QUIET_S if lines is None else READY_TIMEOUT_S)
        while True:
            came = log.read_text(encoding="utf-8").splitlines()
            if time.monotonic() >= deadline or (lines is not None and len(came) >= lines):
                return came[:lines]
            time.sleep(0.05)

    def stop(self, beginning: str) -> None:
        """End what was left running with a command that begins like this."""
        for command, pid in [service for service in self._services if service[0].startswith(beginning)]:
            self.type(f"kill -TERM {pid}; wait {pid} || true")
            self._services.remove((command, pid))

    def close(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            self.stop("")
        with contextlib.suppress(OSError):
            self._bash.stdin.close()  # type: ignore[union-attr]
        self._bash.wait(20)
        os.close(self._screen)

    def _write(self, text: str) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.write(text)
        self._bash.stdin.flush()

    def _read_until(self, mark: str) -> str:
        while mark.encode() not in self._seen:
            try:
                received = os.read(self._screen, 65536)
            except OSError:  # Linux's way to say that nobody has the other side of a terminal open
                raise EOFError from None
            self._seen += _STYLE.sub(b"", received.replace(b"\r\n", b"\n"))
        text, _, self._seen = self._seen.partition(mark.encode())
        return text.decode()


def _no_echo(terminal: int) -> None:
    attributes = termios.tcgetattr(terminal)
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)


@contextlib.contextmanager
def reader_in(folder: Path, environment: dict[str, str]) -> Iterator[Reader]:
    reader = Reader(folder, environment)
    try:
        yield reader
    finally:
        reader.close()


def rewritten(document: str, outputs: dict[int, list[str]], commands: list[Command]) -> str:
    """Return the document with other outputs: by the index of their command in `commands`."""
    lines = document.splitlines()
    for index in sorted(outputs, reverse=True):
        command = commands[index]
        lines[command.first : command.last] = [line.rstrip() for line in outputs[index]]
    return "\n".join(lines) + "\n"
