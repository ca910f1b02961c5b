"""The demonstration, scene by scene: the course's own sequence, with the commands a student would type.

The application, the exit node and the client run as processes of their own on loopback; nothing of them is
left when it ends, whichever way it ends.
"""

import contextlib
import json
import re
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labcheck.arguments import SpanishParser
from labcheck.children import Child, ChildError, Children
from labcheck.hops import Hop
from labcheck.interruptions import Interruptions
from labcheck.ports import LOOPBACK, choose_port
from labcheck.proof import Outcome, Proof
from labcheck.report import answer_text, command_line, explain, typed
from labcheck.terminal import Console

EXIT_PROVEN, EXIT_FAILED, EXIT_ENVIRONMENT = 0, 1, 3

APP_PORT, DATA_PORT, CONTROL_PORT = 5000, 8000, 8123
TOKEN_FILE = "token.txt"  # noqa: S105
INDENT = "   "

_LISTENING = re.compile(r"Escuchando en (http://\S+)")


def run(argv: Sequence[str], interruptions: Interruptions) -> int:
    """Show the demonstration and return its exit code: 0, 1, 2 or 3."""
    try:
        options = _parser().parse_args(list(argv))
    except SystemExit as end:  # argparse, after its help (0) or wrong usage (2)
        return end.code if isinstance(end.code, int) else 2
    console = Console(sys.stdout)
    with _private_folder(interruptions) as folder, Children(interruptions, folder) as children:
        try:
            return Demonstration(console, children).play(stay=not options.once)
        except (ChildError, FileNotFoundError) as error:
            console.failed(str(error))
            return EXIT_ENVIRONMENT
        finally:
            interruptions.ignore()
            console.say("\nSe detiene todo lo que se inició…")


def _parser() -> SpanishParser:
    parser = SpanishParser(
        prog="./scripts/demo",
        description="Pone en marcha en esta máquina la aplicación, el nodo de salida y el cliente, y "
        "demuestra que una tarea creada por el lado público aparece en la aplicación local. Sigue en marcha "
        "hasta que pulse Ctrl-C.",
    )
    parser.add_argument(
        "--once", action="store_true", help="termina después de la demostración: 0 si se cumplió"
    )
    return parser


@contextlib.contextmanager
def _private_folder(interruptions: Interruptions) -> Iterator[Path]:
    """Make a folder that only this user can read, for the token, and remove it at the end."""
    with contextlib.ExitStack() as cleanup:
        with interruptions.held():
            folder = tempfile.mkdtemp(prefix="tunelab-demo-")
            cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        yield Path(folder)


class Demonstration:
    """One showing: it starts the pieces, proves, and stays."""

    def __init__(self, console: Console, children: Children) -> None:
        self._console = console
        self._children = children
        self._scenes_begun = 0

    def play(self, *, stay: bool) -> int:
        """Show every scene and return 0 when all was proven, 1 otherwise; with `stay`, do not return 0.

        Staying ends with an interruption.

        Raises:
            ChildError: a piece could not be started, or ended while waiting.
        """
        console = self._console
        console.say(console.paint("tunelab: un túnel completo en esta máquina", "bold"))
        ports = self._choose_ports()
        self._draw(ports)
        self._scene("Se ponen en marcha las piezas")
        self._make_token()
        self._start_app(ports)
        self._start_server(ports)
        client = self._start_client(ports)
        proof = Proof(f"http://{LOOPBACK}:{ports.app}", f"http://{LOOPBACK}:{ports.data}")
        try:
            if not self._prove(proof, ports, client):
                return EXIT_FAILED
        finally:
            proof.close()
        console.say()
        console.passed(
            console.paint("Demostrado: se publica la aplicación local, y solo por el túnel.", "bold")
        )
        if stay:
            self._stay(proof)
        return EXIT_PROVEN

    def _choose_ports(self) -> "Ports":
        chosen: dict[str, int] = {}
        for use, preferred, name in (
            ("app", APP_PORT, "la aplicación"),
            ("data", DATA_PORT, "el lado público"),
            ("control", CONTROL_PORT, "el control"),
        ):
            chosen[use] = choose_port(preferred, avoid=chosen.values())
            if chosen[use] != preferred:
                self._console.say(
                    f"El puerto {preferred} está ocupado: {name} usará el {chosen[use]} en su lugar."
                )
        return Ports(**chosen)

    def _draw(self, ports: "Ports") -> None:
        column = " " * 16
        self._console.say("\n  visitante ──▶ nodo de salida ◀═══════ cliente ──▶ aplicación")
        self._console.say(f"{column}{f'público {ports.data}':36}puerto {ports.app}")
        self._console.say(f"{column}control {ports.control}")

    def _make_token(self) -> None:
        command = ["tunnel", "token", "--salida", TOKEN_FILE]
        self._show_command(typed(command))
        token_maker = self._children.start("tunnel token", Hop.EXIT_NODE, command)
        token_maker.wait_ended()
        self._console.passed("Hay un token nuevo: el secreto que comparten el servidor y el cliente", INDENT)

    def _start_app(self, ports: "Ports") -> None:
        child = self._start(Hop.APP, ["gtd-app", "serve", "--en-memoria", "--port", str(ports.app)])
        url = child.wait_for(lambda line: (found := _LISTENING.search(line)) and found[1])
        self._console.passed(f"La aplicación escucha en {url}", INDENT)

    def _start_server(self, ports: "Ports") -> None:
        command = ["tunnel", "server", "--host", LOOPBACK, "--port", str(ports.data)]
        command += [
            "--control-host",
            LOOPBACK,
            "--control-port",
            str(ports.control),
            "--token-file",
            TOKEN_FILE,
        ]
        self._start(Hop.EXIT_NODE, command, ["--json"]).wait_for(_event("listening"))
        self._console.passed(
            f"El nodo de salida escucha en {LOOPBACK}:{ports.data} (público) y :{ports.control} (control)",
            INDENT,
        )

    def _start_client(self, ports: "Ports") -> Child:
        command = ["tunnel", "client", "--url", f"ws://{LOOPBACK}:{ports.control}"]
        command += ["--upstream", f"http://{LOOPBACK}:{ports.app}", "--token-file", TOKEN_FILE]
        client = self._start(Hop.CLIENT, command, ["--json"])
        client.wait_for(_event("connected"))
        self._console.passed("El cliente se conectó, de adentro hacia afuera, al nodo de salida", INDENT)
        return client

    def _prove(self, proof: Proof, ports: "Ports", client: Child) -> bool:
        """Show the sequence of the course; the first step that fails ends it."""
        self._scene("Las tareas, desde la máquina local")
        before = proof.read_local()
        if not self._show(before, f"Hay {len(before.tasks)} tareas"):
            return False

        self._scene("Una tarea nueva, por el lado público")
        if not self._show(proof.post_through_public_side(), "El lado público la creó"):
            return False

        self._scene("Las tareas, otra vez desde la máquina local")
        after = proof.find_locally()
        if not self._show(
            after, f"Hay {len(after.tasks)} tareas: la que entró por el lado público está aquí"
        ):
            return False

        self._scene("Se corta el túnel: se termina el cliente")
        self._children.stop(client)
        if not self._show(
            proof.expect_no_client(),
            "Sin cliente, el lado público dice 503: la aplicación no está expuesta",
            head=True,
        ):
            return False

        self._scene("El cliente vuelve")
        self._start_client(ports)
        back = proof.find_publicly()
        return self._show(back, f"Las {len(back.tasks)} tareas se ven otra vez por el lado público")

    def _stay(self, proof: Proof) -> None:
        console = self._console
        console.say("\nAbra en su navegador:")
        console.say(f"  {proof.remote_url}/   el lado público, como lo ve un visitante")
        console.say(f"  {proof.local_url}/   la aplicación local")
        console.say("\nLo que agregue en una página aparece en la otra. Termine con Ctrl-C.")
        while True:
            self._children.wait_for_a_death()

    def _start(self, hop: Hop, command: list[str], unseen: Sequence[str] = ()) -> Child:
        """Show a command and start it; `unseen` only makes it speak to a program instead of a person."""
        self._show_command(typed(command))
        return self._children.start(" ".join(command[:2]), hop, [*command, *unseen])

    def _scene(self, title: str) -> None:
        self._scenes_begun += 1
        self._console.say("\n" + self._console.paint(f"{self._scenes_begun}. {title}", "bold"))

    def _show_command(self, command: str) -> None:
        for number, line in enumerate(command.splitlines()):
            self._console.say(INDENT + self._console.paint(f"  {line}" if number else f"$ {line}", "cyan"))

    def _show(self, outcome: Outcome, claim: str, *, head: bool = False) -> bool:
        """Show the exchange of a step and its outcome, and return whether it passed."""
        self._show_command(command_line(outcome.exchange, with_head=head))
        if text := answer_text(outcome.exchange, with_head=head):
            self._console.say(textwrap.indent(text, INDENT))
        if outcome.fault is None:
            self._console.passed(claim, INDENT)
            return True
        self._console.failed("Este paso falló", INDENT)
        explain(self._console, outcome.fault, INDENT + "  ")
        if (child := self._children.dead(within_s=1.0)) is not None:
            self._console.say(f"{INDENT}  {ChildError(child, child.obituary())}")
        return False


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports in use: the application's, the public side's and the control plane's."""

    app: int
    data: int
    control: int


def _event(name: str) -> Callable[[str], dict[str, Any] | None]:
    """Return what picks the named event out of a program's JSON lines."""

    def pick(line: str) -> dict[str, Any] | None:
        try:
            event = json.loads(line)
        except ValueError:
            return None
        return event if isinstance(event, dict) and event.get("event") == name else None

    return pick
