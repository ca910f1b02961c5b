"""Where the tasks live when nobody says."""

from pathlib import Path

import pytest

from gtd_app.errors import StoreError
from gtd_app.locations import default_database_path

HOME = Path("/home/ana")


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "/home/ana/.local/share/tunelab/gtd-app.sqlite3"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/tunelab/gtd-app.sqlite3"),
        ("linux", {"XDG_DATA_HOME": "relative"}, "/home/ana/.local/share/tunelab/gtd-app.sqlite3"),
        (
            "darwin",
            {"XDG_DATA_HOME": "/data"},
            "/home/ana/Library/Application Support/tunelab/gtd-app.sqlite3",
        ),
        ("win32", {"LOCALAPPDATA": "/users/ana/local"}, "/users/ana/local/tunelab/gtd-app.sqlite3"),
        ("win32", {}, "/home/ana/AppData/Local/tunelab/gtd-app.sqlite3"),
    ],
)
def test_tasks_live_in_the_data_folder_of_the_user(
    platform: str, environment: dict[str, str], expected: str
) -> None:
    assert default_database_path(platform, environment, HOME) == Path(expected)


def test_user_without_a_home_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(StoreError, match="--db RUTA"):
        default_database_path("linux", {})
