"""What a test needs from the machine and may not find there.

On a newcomer's machine a missing program skips the test, with the reason and the way to get it. Under CI
(``CI=true``) nothing may be missing: there the test fails.
"""

import os
import shutil

import pytest


def require_program(name: str, how_to_get: str) -> str:
    """Return the path of program ``name``, or skip the test (under CI: fail it) saying ``how_to_get`` it."""
    path = shutil.which(name)
    if path is None:
        refuse(f"falta {name} / {name} is missing. {how_to_get}")
    return path


def refuse(reason: str) -> "pytest.NoReturn":
    """Skip the test for ``reason``; under CI, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
