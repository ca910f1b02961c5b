"""Why the system refused, in Spanish."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from tests.tunnel.unit.kit import assert_spanish
from tunnel.os_errors import describe_os_error


@pytest.mark.parametrize(
    "number",
    [
        errno.EACCES,
        errno.EADDRINUSE,
        errno.EADDRNOTAVAIL,
        errno.ECONNREFUSED,
        errno.EHOSTUNREACH,
        errno.EISDIR,
        errno.ELOOP,
        errno.EMFILE,
        errno.ENAMETOOLONG,
        errno.ENETUNREACH,
        errno.ENOENT,
        errno.ENOSPC,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
        errno.ETIMEDOUT,
    ],
    ids=errno.errorcode.get,
)
def test_what_a_student_may_meet_has_spanish_words(number: int) -> None:
    text = describe_os_error(OSError(number, os.strerror(number), "/etc/shadow"))
    assert text
    assert text != os.strerror(number)
    assert not text.endswith(".")
    assert "/etc/shadow" not in text  # whoever asks says which file
    assert_spanish(text)


@pytest.mark.parametrize("number", [socket.EAI_NONAME, socket.EAI_AGAIN])
def test_a_name_that_is_not_found_has_spanish_words(number: int) -> None:
    assert_spanish(describe_os_error(socket.gaierror(number, "Name or service not known")))


def test_the_numbers_of_names_are_not_taken_for_those_of_the_system() -> None:
    number = errno.ENOENT
    assert describe_os_error(OSError(number, "x")) == "no existe"
    assert describe_os_error(socket.gaierror(number, "x")) == "x"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(99999, "something rare"), "something rare"),
        (OSError("no number at all"), "no number at all"),
    ],
)
def test_what_has_no_spanish_words_is_told_in_the_system_s(error: OSError, text: str) -> None:
    assert describe_os_error(error) == text
