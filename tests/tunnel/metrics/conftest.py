"""Starts exit nodes and agents, as for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.tunnel_kit import Starter, write_token


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A token, in a file that only its owner can read."""
    return write_token(tmp_path / "token.txt")


@pytest.fixture
def start(token_file: Path) -> Iterator[Starter]:
    """Starts what the test asks for; all of it is ended with the test."""
    with Starter(token_file).running() as starter:
        yield starter
