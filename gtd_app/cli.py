# ruff: noqa: T201 - printing is what a command does
"""The command ``gtd-app``.

Exit codes: 0 done, 2 wrong usage, 3 the port or the database cannot be used, 130 interrupted with Ctrl-C.
What a program may read (the address, what was removed) goes to stdout, everything else to stderr.
"""

import argparse
import importlib.metadata
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from gtd_app import IN_MEMORY, create_app
from gtd_app.arguments import build_parser
from gtd_app.errors import GtdError
from gtd_app.locations import default_database_path
from gtd_app.server import AppServer
from gtd_app.store import Task, TaskStore

DONE = 0
ENVIRONMENT_FAILED = 3
INTERRUPTED = 130

# Listening on every address is not an address that a browser can open.
EVERY_ADDRESS = ("0.0.0.0", "::")

# More removed tasks than this are counted, not listed.
MAX_LISTED = 20


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code. ``argv`` is without the program's name."""
    for stream in (sys.stdout, sys.stderr):
        # A title may hold any letter; a Windows console with an old code page must not end the program for
        # it.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    arguments = list(argv)
    if not arguments or (
        arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--ayuda", "--version")
    ):
        arguments.insert(0, "serve")
    try:
        options = build_parser(_version()).parse_args(arguments)
        return _serve(options) if options.command == "serve" else _reset(options)
    except SystemExit as end:  # argparse: help (0) or wrong usage (2)
        return end.code if isinstance(end.code, int) else 2
    except GtdError as error:
        print(f"gtd-app: {error}", file=sys.stderr)
        return ENVIRONMENT_FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def entry_point() -> int:
    """Run as the console script."""
    return main(sys.argv[1:])


def _version() -> str:
    try:
        return importlib.metadata.version("tunelab")
    except importlib.metadata.PackageNotFoundError:  # run from a folder of sources
        return "sin instalar"


def _database_path(options: argparse.Namespace) -> Path:
    return Path(options.db) if options.db else default_database_path()


def _serve(options: argparse.Namespace) -> int:
    _configure_logging(verbose=options.verbose)
    path = Path(IN_MEMORY) if options.en_memoria else _database_path(options)
    app = create_app({"DATABASE": str(path)})
    store: TaskStore = app.extensions["gtd_store"]
    try:
        server = AppServer(app, options.host, options.port)
        received = _stop_on_signals(server)
        print(f"Escuchando en {server.url}", flush=True)
        if options.en_memoria:
            print("Las tareas están en memoria y se pierden al terminar.", file=sys.stderr)
        else:
            print(f"Las tareas se guardan en {store.path}", file=sys.stderr)
        if options.host in EVERY_ADDRESS:
            print(f"En este equipo, abra http://127.0.0.1:{server.port}", file=sys.stderr)
        print("Termine con Ctrl-C.", file=sys.stderr, flush=True)
        server.run()
    finally:
        store.close()
    return INTERRUPTED if signal.SIGINT in received else DONE


def _stop_on_signals(server: AppServer) -> list[int]:
    """Stop ``server`` on SIGTERM and Ctrl-C; return the list to which the signals are added as they come.

    A second Ctrl-C does not wait for the requests under way.
    """
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and number in received:
            raise KeyboardInterrupt
        received.append(number)
        server.request_stop()

    signals = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        signals.append(signal.SIGBREAK)  # Ctrl-Break, and what a service manager sends there
    for number in signals:
        signal.signal(number, stop)
    return received


def _configure_logging(*, verbose: bool) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
    )
    # A classroom that sends at once makes a queue for a moment; nobody needs to be told.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def _reset(options: argparse.Namespace) -> int:
    store = TaskStore(_database_path(options))
    try:
        if store.created:
            print(f"No había tareas guardadas. Se creó {store.path} con las dos del comienzo.")
            return DONE
        removed = store.reset()
    finally:
        store.close()
    print(f"Base de datos: {store.path}", file=sys.stderr)
    _list_removed(removed)
    print("Quedan las dos tareas del comienzo. La siguiente tendrá el id 3.")
    return DONE


def _list_removed(removed: Sequence[Task]) -> None:
    if not removed:
        print("No había ninguna tarea.")
        return
    print("Se quitó 1 tarea:" if len(removed) == 1 else f"Se quitaron {len(removed)} tareas:")
    for task in removed[:MAX_LISTED]:
        print(f"  {task.id}. {task.title}")
    if len(removed) > MAX_LISTED:
        print(f"  … y {len(removed) - MAX_LISTED} más.")
