"""The application, its client, and the application on a real port."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gtd_app import create_app
from gtd_app.server import AppServer


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where this test's tasks live."""
    return tmp_path / "tasks.sqlite3"


@pytest.fixture
def app(database: Path) -> Iterator[Flask]:
    """The application on a database of its own, with the two first tasks."""
    app = create_app({"DATABASE": str(database)})
    yield app
    app.extensions["gtd_store"].close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client that needs no socket."""
    return app.test_client()


@pytest.fixture
def server(app: Flask) -> Iterator[AppServer]:
    """The application on a free port of 127.0.0.1, in a thread of this process."""
    server = AppServer(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server
    server.request_stop()
    thread.join(15)
    assert not thread.is_alive()
