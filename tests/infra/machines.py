"""What the tests do with the two machines, whatever they are made of."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from place import Place, PlaceError

#: The exit node's address that anybody may reach, and the address that nobody of the outside may.
PUBLIC = "http://192.168.56.20:8000"
LAPTOP = "192.168.56.10"

TASKS = "/todo/api/v1.0/tasks"

#: Far more than anything here needs; only a failure waits for it.
PATIENCE_S = 60.0
SHELL_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status (0 when there was none), headers with lower-case names, body."""

    status: int
    headers: dict[str, str]
    body: str

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


@dataclass(slots=True)
class Machines:
    """The place with both machines up. `seconds` collects how long the long steps took."""

    place: Place
    up_output: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    files_at_start: list[str] = field(init=False)
    known_ssh_config: Path | None = None

    def __post_init__(self) -> None:
        self.files_at_start = self.files_now()

    def files_now(self) -> list[str]:
        """Return the files of the checkout, less Vagrant's own state."""
        checkout = self.place.checkout
        names = (path.relative_to(checkout) for path in checkout.rglob("*"))
        return sorted(str(name) for name in names if name.parts[0] != ".vagrant")

    @contextlib.contextmanager
    def port_taken(self, port: int) -> Iterator[None]:
        """Hold a port of the host's loopback, as a program of the student's would."""
        script = (
            "import socket, sys; held = socket.create_server(('127.0.0.1', int(sys.argv[1])));"
            "print('ready', flush=True); sys.stdin.read()"
        )
        command = [*self.place.enter(), sys.executable, "-c", script, str(port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "ready\n"
            try:
                yield
            finally:
                holder.communicate("")

    def timed(self, name: str, *arguments: str, env: dict[str, str] | None = None) -> str:
        """Run a Vagrant command, note how long it took, and return its output."""
        started = time.monotonic()
        self.known_ssh_config = None
        output = self.place.vagrant(*arguments, env=env, timeout_s=3600)
        self.seconds[name] = time.monotonic() - started
        return output

    def shell(self, machine: str, command: str) -> str:
        """Run a command as the student, and return its output.

        By ssh itself and not `vagrant ssh`, which takes two seconds to say where a machine is.

        Raises:
            PlaceError: its exit code is not 0.
        """
        done = subprocess.run(
            ["ssh", "-F", self.ssh_config(), machine, command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=SHELL_LIMIT_S,
        )
        if done.returncode:
            raise PlaceError(f"{machine}: {command}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout

    def ssh_config(self) -> Path:
        """Return an ssh configuration for both machines, the same until a Vagrant command runs."""
        if self.known_ssh_config is None:
            self.known_ssh_config = self.place.ssh_config()
        return self.known_ssh_config

    def visit(self, url: str, *options: str, inside: str | None = None) -> Answer:
        """Return what curl gets: from the host, or from inside a machine."""
        curl = ["curl", "--silent", "--show-error", "--max-time", "10", "--include", *options, url]
        if inside is None:
            done = self.place.run(*curl, check=False)
            output = done.stdout
        else:
            quoted = " ".join(f"'{word}'" for word in curl)
            try:
                output = self.shell(inside, quoted)
            except PlaceError as error:
                output = str(error)
        head, _, body = output.replace("\r\n", "\n").partition("\n\n")
        first, *lines = head.split("\n")
        if not first.startswith("HTTP/"):
            return Answer(0, {}, output)
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        return Answer(int(first.split()[1]), headers, body)

    def post_task(self, url: str, title: str) -> Answer:
        """POST a task, as the course's lab does."""
        body = json.dumps({"title": title})
        return self.visit(url + TASKS, "--header", "Content-type: application/json", "--data", body)

    def titles_in_laptop(self) -> list[str]:
        """Return the titles that the laptop's own app holds, read on the laptop."""
        answer = self.visit(f"http://localhost:5000{TASKS}", inside="laptop")
        return [task["title"] for task in answer.json()["tasks"]]

    def wait_for_status(self, url: str, status: int) -> Answer:
        """Visit until the answer is that one.

        Raises:
            AssertionError: it never was; with the last answer.
        """
        limit = time.monotonic() + PATIENCE_S
        while True:
            answer = self.visit(url)
            if answer.status == status:
                return answer
            assert time.monotonic() < limit, f"{url}: wanted {status}, last {answer}"
            time.sleep(0.2)

    def report(self) -> None:
        """Say how long the long steps took and how much memory is used."""
        lines = [f"{name}: {seconds:.0f} s" for name, seconds in self.seconds.items()]
        for machine in ("laptop", "exit-node"):
            # A container's kernel tells the whole computer's.
            if self.place.provider == "docker":
                continue
            with contextlib.suppress(PlaceError):
                memory = self.shell(machine, "LC_ALL=C free --mega").splitlines()[1].split()
                lines.append(f"{machine}: {memory[2]} MB of memory used of {memory[1]}")
        sys.stderr.write("\n" + "\n".join(lines + self.place.figures()) + "\n")
