"""Tasks in SQLite: durable, ordered by id, ids never reused. Knows no HTTP.

Durability: a change is on disk before the method that made it returns (write-ahead log,
``synchronous=FULL``), so what was answered survives ``kill -9`` and, as far as the disk tells the truth, a
power cut.

Concurrency: any number of threads and of processes may use one file. Each transaction has a connection of its
own while it lasts, and a change takes SQLite's write lock when it begins (``BEGIN IMMEDIATE``), so that two
writers queue instead of finding out half-way.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from gtd_app.errors import StoreError, StoreFullError

IN_MEMORY = ":memory:"

# The whole list is one answer and one page. 5,000 tasks of the longest title and description are about 12 MB
# of JSON; somebody who fills a list through a public tunnel is stopped there.
MAX_TASKS = 5000

# How long a writer waits for the others before it gives up, in seconds. Fifty writers that each wait for a
# slow disk (50 ms a commit) are done in 2.5 s.
BUSY_TIMEOUT_S = 10.0

MAX_ID = 2**63 - 1  # SQLite's integers

# "GTDA". SQLite keeps it in the file's header, which tells our database from any other.
APPLICATION_ID = 0x47544441
SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE task (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    done INTEGER NOT NULL CHECK (done IN (0, 1))
)
"""

# The two tasks that the original course starts with, its misspelling included: the guides show this output.
FIRST_TASKS = (
    ("Buy groceries", "Milk, cheese, pizaa"),
    ("Learn Python", "Need a good tutorial on the web"),
)


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do."""

    id: int
    title: str
    description: str
    done: bool


class TaskStore:
    """The tasks in one SQLite file, or in memory when ``path`` is ``Path(IN_MEMORY)``.

    Opening creates the file, its folder and the two first tasks where they do not exist. Every method may be
    called from any thread.

    Raises:
        StoreError: from the constructor, when the file cannot be used or is not ours; from any method,
            when the database cannot answer.
    """

    def __init__(self, path: Path) -> None:
        self._in_memory = str(path) == IN_MEMORY
        self.path = path if self._in_memory else _absolute(path)
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        # Writers of this process take turns here: SQLite's own way of waiting is to ask again and again,
        # which is slow with many. An in-memory database belongs to its connection: there is exactly one, and
        # readers take turns too.
        self._turn = threading.Lock()
        self._closed = False
        self._identity: tuple[int, int] | None = None
        self.created = self._prepare()

    def list_tasks(self) -> list[Task]:
        """Return every task, the oldest first."""
        with self._transaction() as connection:
            return _all(connection)

    def find_task(self, task_id: int) -> Task | None:
        """Return the task with this id, or None."""
        with self._transaction() as connection:
            return _find(connection, task_id)

    def add_task(self, title: str, description: str = "", done: bool = False) -> Task:
        """Add a task and return it with its new id.

        Raises:
            StoreFullError: there are ``MAX_TASKS`` already.
        """
        with self._transaction(writing=True) as connection:
            (count,) = connection.execute("SELECT count(*) FROM task").fetchone()
            if count >= MAX_TASKS:
                raise StoreFullError(
                    f"Ya hay {MAX_TASKS} tareas, que es el límite. Borre alguna y envíela de nuevo."
                )
            return _insert(connection, title, description, done)

    def change_task(
        self,
        task_id: int,
        *,
        title: str | None = None,
        description: str | None = None,
        done: bool | None = None,
    ) -> Task | None:
        """Change the fields that are given; return the whole task, or None when there is none."""
        with self._transaction(writing=True) as connection:
            connection.execute(
                "UPDATE task SET title = coalesce(?, title), description = coalesce(?, description),"
                " done = coalesce(?, done) WHERE id = ?",
                (title, description, done, task_id),
            )
            return _find(connection, task_id)

    def delete_task(self, task_id: int) -> bool:
        """Delete a task; return whether there was one. Its id is never given again."""
        with self._transaction(writing=True) as connection:
            return connection.execute("DELETE FROM task WHERE id = ?", (task_id,)).rowcount == 1

    def reset(self) -> list[Task]:
        """Put the two first tasks back, as on the first day, and return the tasks that were removed.

        The only place where ids start again: the lab's next task must be number 3. Readers see the list
        before or the list after, never an empty one.
        """
        with self._transaction(writing=True) as connection:
            removed = _all(connection)
            connection.execute("DELETE FROM task")
            connection.execute("DELETE FROM sqlite_sequence WHERE name = 'task'")
            _insert_first_tasks(connection)
            return removed

    def check(self) -> None:
        """Return if the store can be read now.

        Raises:
            StoreError: it cannot.
        """
        with self._transaction() as connection:
            connection.execute("SELECT id FROM task LIMIT 1").fetchone()

    def close(self) -> None:
        """Close every idle connection; those in use are closed when their transaction ends."""
        with self._lock:
            self._closed = True
            connections, self._idle = self._idle, []
        for connection in connections:
            connection.close()

    # Connections

    @contextmanager
    def _transaction(self, *, writing: bool = False) -> Iterator[sqlite3.Connection]:
        """Run the block in one transaction: commit at its end, roll back when it raises."""
        turn = self._turn if writing or self._in_memory else nullcontext()
        with turn, _explaining(self.path):
            connection = self._take()
            try:
                connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
                yield connection
                connection.execute("COMMIT")
            finally:
                self._give_back(connection)

    def _take(self) -> sqlite3.Connection:
        if self._identity is not None and _identity(self.path) != self._identity:
            # Somebody removed or replaced the file. SQLite would go on writing to the old one, which nobody
            # will ever see again: better to refuse than to answer 201 for a task that is lost. Opening the
            # new one is no way out: the old one's log still lies beside it, and SQLite would write that into
            # it (https://www.sqlite.org/howtocorrupt.html, "Mispairing database files and hot journals").
            raise StoreError(
                f"El archivo de las tareas, {self.path}, fue borrado o reemplazado mientras gtd-app "
                "lo usaba. Termine gtd-app y ejecútelo de nuevo."
            )
        with self._lock:
            if self._closed:
                raise StoreError("La aplicación está terminando. Envíe la petición de nuevo en un momento.")
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()  # its state is unknown: the next transaction gets a new one
            raise
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,  # transactions are ours, not the module's
            check_same_thread=False,  # one transaction at a time, whichever thread it is in
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
            # macOS: fsync alone leaves the data in the disk's own cache.
            connection.execute("PRAGMA fullfsync = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _prepare(self) -> bool:
        """Create what is missing; return whether the list is new.

        Raises:
            StoreError: the file cannot be used, or holds something else.
        """
        if not self._in_memory:
            _make_folder(self.path)
        created = False
        with _explaining(self.path):
            connection = self._connect()
            try:
                # One look, in a transaction: another program may be making the file right now. Where there
                # are tasks already nothing is written.
                connection.execute("BEGIN")
                empty = _refuse_foreign(connection, self.path)
                connection.execute("COMMIT")
                if empty:
                    _prefer_write_ahead_log(connection)
                    connection.execute("BEGIN IMMEDIATE")
                    created = _refuse_foreign(connection, self.path)  # or has that program made it?
                    if created:
                        _make_schema(connection)
                    connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
        self._idle.append(connection)
        if not self._in_memory:
            self._identity = _identity(self.path)
        return created


def _task(row: tuple[int, str, str, int]) -> Task:
    return Task(id=row[0], title=row[1], description=row[2], done=bool(row[3]))


def _all(connection: sqlite3.Connection) -> list[Task]:
    rows = connection.execute("SELECT id, title, description, done FROM task ORDER BY id")
    return [_task(row) for row in rows]


def _find(connection: sqlite3.Connection, task_id: int) -> Task | None:
    query = "SELECT id, title, description, done FROM task WHERE id = ?"
    row = connection.execute(query, (task_id,)).fetchone()
    return None if row is None else _task(row)


def _insert(connection: sqlite3.Connection, title: str, description: str, done: bool) -> Task:
    cursor = connection.execute(
        "INSERT INTO task (title, description, done) VALUES (?, ?, ?)", (title, description, done)
    )
    task_id = cast(int, cursor.lastrowid)  # an INSERT that did not raise has one
    return Task(id=task_id, title=title, description=description, done=done)


def _insert_first_tasks(connection: sqlite3.Connection) -> None:
    for title, description in FIRST_TASKS:
        _insert(connection, title, description, done=False)


def _make_schema(connection: sqlite3.Connection) -> None:
    connection.execute(SCHEMA)
    _insert_first_tasks(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> bool:
    """Return True for an empty database and False for one of ours; raise StoreError for any other."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application_id == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{path} fue creado por una versión más nueva de gtd-app. Actualice gtd-app, o elija otro "
                "archivo con --db RUTA."
            )
        return False
    if application_id or version or tables:
        raise StoreError(
            f"{path} es una base de datos SQLite, pero de otro programa; no se tocó. "
            "Elija otro archivo con --db RUTA."
        )
    return True


def _prefer_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Turn on the write-ahead log, with which readers and a writer do not wait for each other.

    It needs shared memory, which some network and virtual-machine folders lack, and fails when another
    process is opening the file at this very moment. Either way the rollback journal is just as durable, only
    slower.
    """
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if _primary_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL):
            raise


def _absolute(path: Path) -> Path:
    # Without resolving links: the message then names the path that the person knows.
    return Path(os.path.abspath(os.path.expanduser(path)))


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells this file from another that takes its name later, or None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"No se pudo crear la carpeta {path.parent}: {_reason(error)}. Elija otro lugar con --db RUTA."
        ) from error
    if path.is_dir():
        raise StoreError(f"{path} es una carpeta. Indique un archivo: --db {path / 'tareas.sqlite3'}")


def _reason(error: OSError) -> str:
    match error:
        case PermissionError():
            return "no tiene permiso para escribir ahí"
        case NotADirectoryError() | FileExistsError():
            return "una parte de la ruta es un archivo, no una carpeta"
        case FileNotFoundError():
            return "esa ruta no existe"
        case _:
            return error.strerror or type(error).__name__


# What went wrong, and what to do, by SQLite's primary result code (https://www.sqlite.org/rescode.html).
REASONS: Mapping[int, str] = {
    sqlite3.SQLITE_BUSY: "otro programa lo tiene ocupado. Intente de nuevo en un momento",
    sqlite3.SQLITE_LOCKED: "otro programa lo tiene ocupado. Intente de nuevo en un momento",
    sqlite3.SQLITE_NOTADB: "no es una base de datos de gtd-app. Elija otro archivo con --db RUTA",
    sqlite3.SQLITE_CORRUPT: "está dañado. Muévalo a otro lugar; gtd-app creará uno nuevo",
    sqlite3.SQLITE_FULL: "no queda espacio en el disco. Libere espacio e intente de nuevo",
    sqlite3.SQLITE_READONLY: "es de solo lectura. Dele permiso de escritura, o elija otro con --db RUTA",
    sqlite3.SQLITE_PERM: "no tiene permiso para abrirlo. Elija otro archivo con --db RUTA",
    sqlite3.SQLITE_CANTOPEN: "no se pudo abrir. Revise que exista y sus permisos, o elija otro con --db RUTA",
    sqlite3.SQLITE_IOERR: "el disco falló al leer o escribir. Revíselo, o elija otro lugar con --db RUTA",
}


def _primary_code(error: sqlite3.Error) -> int:
    # The extended codes carry the primary one in their low byte. Errors of the module itself carry none.
    code = getattr(error, "sqlite_errorcode", None)
    return sqlite3.SQLITE_ERROR if code is None else code & 0xFF


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """Map SQLite's errors to StoreError, once, at the edge."""
    try:
        yield
    except sqlite3.Error as error:
        reason = REASONS.get(_primary_code(error), f"SQLite respondió «{error}»")
        raise StoreError(f"No se pudo usar el archivo de las tareas, {path}: {reason}.") from error
