"""A home that is nobody's, names in the place of real ones, and no secret in what is kept."""

import contextlib
import getpass
import ipaddress
import os
import re
import shutil
import socket
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Who the guides' commands are run by, and where.
HOME, PROJECT, HOST, USER = "/home/ana", "/home/ana/tunelab", "portatil", "ana"
# The address that is shown for the recorder's own, of the same kind; the public one is of RFC 5737.
PRIVATE_ADDRESS, PUBLIC_ADDRESS = "192.168.1.23", "203.0.113.23"
# Where a system would send to (RFC 5737): connecting a UDP socket sends nothing, and chooses our address.
_SOMEBODY_OUTSIDE = ("192.0.2.1", 9)
# All that a lab's programs are told of the recorder's own surroundings.
_PASSED_ON = ("PATH", "TMPDIR")
_TOKEN_FILES = ("token", "token.txt")
_CONNECTION_FILE = "conexion.toml"
_PRIVATE_KEY = "PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class Disguise:
    """The real names, longest first, and what is shown in their place."""

    names: tuple[tuple[re.Pattern[str], str], ...]

    @classmethod
    def over(cls, home: Path, project: Path) -> "Disguise":
        """Hide a scratch home, a checkout, this Python's folder, and the recorder's home, host and name."""
        told = {project: PROJECT, Path(sys.prefix): f"{PROJECT}/.venv", Path.home(): HOME, home: HOME}
        # A folder may be reached by two names: on a Mac, /tmp is a link.
        folders = {os.fspath(form): name for path, name in told.items() for form in (path, path.resolve())}
        names = [
            (re.compile(rf"(?<![\w/.-]){re.escape(folder)}(?![\w-])"), folders[folder])
            for folder in sorted(folders, key=len, reverse=True)
            if folder != "/"
        ]
        host = socket.gethostname()
        words = {name: HOST for name in (host, host.partition(".")[0]) if name not in ("", "localhost")}
        words |= _own_address()
        names += [
            (re.compile(rf"(?<![\w.-]){re.escape(word)}(?![\w-])"), words[word])
            for word in sorted(words, key=len, reverse=True)
        ]
        # A user's name may be an ordinary word: it is one's name alone on a line, or as a value.
        user = re.escape(getpass.getuser())
        names.append((re.compile(rf"(?:(?<==)|^){user}(?=\)?\s*$)"), USER))
        return cls(tuple(names))

    def on(self, text: str) -> str:
        """Return text with no real name in it."""
        for pattern, shown in self.names:
            text = pattern.sub(shown, text)
        return text


@contextlib.contextmanager
def scratch_home() -> Iterator[Path]:
    """Yield an empty home, so that the recorder's own progress and files have no part in it."""
    folder = Path(tempfile.mkdtemp(prefix="tunelab-grabar-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def environment_in(home: Path, labs: Path) -> dict[str, str]:
    """Return the environment that a lab's programs are run with."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    programs = os.fspath(Path(sys.executable).parent)
    return environment | {
        "HOME": os.fspath(home),
        "LOGNAME": USER,
        "USER": USER,
        "LC_ALL": "C.UTF-8",
        "PYTHONUTF8": "1",  # where the system has no such locale
        "PATH": programs + os.pathsep + environment.get("PATH", os.defpath),
        "SHELL": "/bin/bash",
        "TERM": "xterm-256color",
        "TUNELAB_LABS": os.fspath(labs),
    }


def secrets_in(home: Path) -> set[str]:
    """Return every token that is in a file of a scratch home at this moment."""
    found = set()
    for path in home.rglob("*"):
        # A program that is still running may take away what was listed.
        with contextlib.suppress(OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
            if path.name in _TOKEN_FILES:
                found.add(path.read_text(encoding="utf-8").strip())
            elif path.name == _CONNECTION_FILE:
                found.add(str(tomllib.loads(path.read_text(encoding="utf-8")).get("token", "")))
    return found - {""}


def tells_a_secret(text: str, secrets: set[str]) -> bool:
    """Say whether a text has one of the secrets in it, or a private key."""
    return _PRIVATE_KEY in text or any(secret in text for secret in secrets)


def _own_address() -> dict[str, str]:
    """Return the address with which this machine goes out, and what is shown for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_SOMEBODY_OUTSIDE)
        except OSError:
            return {}
        own = str(probe.getsockname()[0])
    return {own: PRIVATE_ADDRESS if ipaddress.ip_address(own).is_private else PUBLIC_ADDRESS}
