"""The store: durable, ordered, safe under many writers, and careful with files that are not its own."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gtd_app import store as store_module
from gtd_app.errors import StoreError
from gtd_app.store import FIRST_TASKS, IN_MEMORY, Task, TaskStore


def titles(store: TaskStore) -> list[str]:
    return [task.title for task in store.list_tasks()]


def test_new_store_makes_its_folder_and_the_two_first_tasks(tmp_path: Path) -> None:
    store = TaskStore(tmp_path / "a" / "b" / "tasks.sqlite3")
    assert store.created
    assert store.list_tasks() == [
        Task(1, "Buy groceries", "Milk, cheese, pizaa", False),
        Task(2, "Learn Python", "Need a good tutorial on the web", False),
    ]
    store.close()


def test_store_opened_again_has_what_was_left_in_it(database: Path) -> None:
    store = TaskStore(database)
    store.delete_task(1)
    store.delete_task(2)
    store.add_task("third", "words", True)
    store.close()
    again = TaskStore(database)
    assert not again.created
    assert again.list_tasks() == [Task(3, "third", "words", True)]
    again.close()


def test_deleted_id_is_not_given_again_even_after_a_restart(database: Path) -> None:
    store = TaskStore(database)
    last = store.add_task("third")
    assert store.delete_task(last.id)
    store.close()
    again = TaskStore(database)
    assert again.add_task("fourth").id == last.id + 1
    again.close()


def test_empty_file_is_used(database: Path) -> None:
    database.touch()
    store = TaskStore(database)
    assert store.created
    assert len(store.list_tasks()) == len(FIRST_TASKS)
    store.close()


def test_commits_wait_for_the_disk(database: Path) -> None:
    store = TaskStore(database)
    with store._transaction() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    store.close()


@pytest.mark.parametrize("where", ["file", "memory"])
def test_fifty_writers_at_once_lose_nothing(where: str, database: Path) -> None:
    store = TaskStore(database if where == "file" else Path(IN_MEMORY))
    start = threading.Barrier(50)

    def write(number: int) -> int:
        start.wait(10)
        return store.add_task(f"task {number}").id

    with ThreadPoolExecutor(50) as pool:
        ids = list(pool.map(write, range(50)))
    assert sorted(ids) == list(range(3, 53))
    assert sorted(titles(store)[2:]) == sorted(f"task {number}" for number in range(50))
    store.close()


def test_two_stores_share_one_file(database: Path) -> None:
    one, two = TaskStore(database), TaskStore(database)
    assert one.add_task("from one").id == 3
    assert two.add_task("from two").id == 4
    assert titles(one) == titles(two) == ["Buy groceries", "Learn Python", "from one", "from two"]
    one.close()
    two.close()


def test_programs_that_start_at_once_on_a_new_file_make_it_once(database: Path) -> None:
    start = threading.Barrier(8)

    def open_store(_: int) -> TaskStore:
        start.wait(10)
        return TaskStore(database)

    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(open_store, range(8)))
    assert sum(store.created for store in stores) == 1
    assert len(stores[0].list_tasks()) == 2
    for store in stores:
        store.close()


def test_reset_puts_the_first_tasks_back_and_the_next_id_is_three(database: Path) -> None:
    store = TaskStore(database)
    store.add_task("third")
    store.delete_task(1)
    assert [task.id for task in store.reset()] == [2, 3]
    assert [task.id for task in store.list_tasks()] == [1, 2]
    assert store.add_task("third again").id == 3
    store.close()


def test_transaction_that_fails_leaves_no_trace(database: Path) -> None:
    store = TaskStore(database)

    def fail_half_way() -> None:
        with store._transaction(writing=True) as connection:
            connection.execute("DELETE FROM task")
            raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        fail_half_way()
    assert len(store.list_tasks()) == 2
    store.close()


def test_closed_store_says_so(database: Path) -> None:
    store = TaskStore(database)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="está terminando"):
        store.list_tasks()


def test_transaction_under_way_at_close_is_finished(database: Path) -> None:
    store = TaskStore(database)
    with store._transaction(writing=True) as connection:
        store.close()
        connection.execute("DELETE FROM task")
    again = TaskStore(database)
    assert again.list_tasks() == []
    again.close()


def test_file_removed_under_a_running_store_is_noticed(database: Path) -> None:
    store = TaskStore(database)
    database.unlink()
    with pytest.raises(StoreError, match="borrado o reemplazado"):
        store.add_task("lost?")
    assert not database.exists()
    store.close()


def test_file_replaced_under_a_running_store_is_noticed_and_left_alone(database: Path) -> None:
    store = TaskStore(database)
    notes = database.with_suffix(".txt")
    notes.write_text("dear diary, " * 100)
    notes.replace(database)
    with pytest.raises(StoreError, match="borrado o reemplazado"):
        store.add_task("lost?")
    store.close()
    assert database.read_text() == "dear diary, " * 100


def test_database_of_another_program_is_refused_untouched(database: Path) -> None:
    with sqlite3.connect(database) as other:
        other.execute("CREATE TABLE treasure (x)")
    other.close()
    before = database.read_bytes()
    with pytest.raises(StoreError, match="de otro programa"):
        TaskStore(database)
    assert database.read_bytes() == before


def test_database_of_a_newer_version_is_refused(database: Path) -> None:
    TaskStore(database).close()
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(StoreError, match="versión más nueva"):
        TaskStore(database)


def test_file_that_is_no_database_is_refused_untouched(database: Path) -> None:
    database.write_text("dear diary, " * 100)
    with pytest.raises(StoreError, match="no es una base de datos"):
        TaskStore(database)
    assert database.read_text() == "dear diary, " * 100


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="es una carpeta"):
        TaskStore(tmp_path)


def test_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "tasks.sqlite3", tmp_path / "file" / "deeper" / "tasks.sqlite3"):
        with pytest.raises(StoreError, match="es un archivo, no una carpeta"):
            TaskStore(path)


def test_database_that_cannot_be_written_is_explained(database: Path) -> None:
    # A file that is read-only stops no administrator, and the tests may run as one; SQLite's own switch does.
    store = TaskStore(database)
    with store._transaction() as connection:
        connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match="solo lectura"):
        store.add_task("a")
    store.close()


def test_database_without_a_write_ahead_log_is_used_as_it_is(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "BUSY_TIMEOUT_S", 0.05)
    TaskStore(database).close()
    other = sqlite3.connect(database, isolation_level=None)
    assert other.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    other.execute("BEGIN")
    other.execute("SELECT * FROM task").fetchone()  # a reader, which keeps the mode from being changed
    third = sqlite3.connect(database, timeout=0.05, isolation_level=None)
    store_module._prefer_write_ahead_log(third)  # asked for, and not to be had
    third.close()
    store = TaskStore(database)
    assert len(store.list_tasks()) == 2
    other.execute("COMMIT")
    other.close()
    assert store.add_task("third").id == 3
    with store._transaction() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    store.close()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied"), "no tiene permiso"),
        (FileNotFoundError(2, "No such file"), "no existe"),
        (OSError(30, "Read-only file system"), "Read-only file system"),
    ],
)
def test_folder_that_cannot_be_made_is_explained(
    database: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, said: str
) -> None:
    # Nothing that the system would refuse is refused to the administrator that the tests may run as.
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StoreError, match=said):
        TaskStore(database)


def test_damaged_database_is_explained(database: Path) -> None:
    store = TaskStore(database)
    for number in range(200):
        store.add_task(f"task {number}", "x" * 500)
    store.close()
    content = bytearray(database.read_bytes())
    content[4096:] = b"\xaa" * (len(content) - 4096)
    database.write_bytes(content)
    damaged = TaskStore(database)
    with pytest.raises(StoreError, match="está dañado"):
        damaged.list_tasks()
    damaged.close()
