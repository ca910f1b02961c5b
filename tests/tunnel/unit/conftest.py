"""What every unit test needs."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import pytest
from hypothesis.configuration import set_hypothesis_home_dir


def pytest_configure(config: pytest.Config) -> None:
    """Let Hypothesis keep its caches, which it writes while tests are collected, out of the tree."""
    directory = TemporaryDirectory(prefix="tunelab-hypothesis-")
    config.add_cleanup(directory.cleanup)
    set_hypothesis_home_dir(directory.name)
