"""A bash in a network of its own, where the default ports are free, whatever else the machine runs."""

import socket
import subprocess
import sys

DEFAULT_PORTS = (5000, 8000, 8123)
# What the command of `bash_alone` exits with when there can be no such network and the ports are taken.
NOT_ALLOWED = 77

# Run by a Python of its own: it enters a network of its own and becomes bash.
ENTER = """
import ctypes, fcntl, os, socket, struct, sys
NEWUSER, NEWNET, SIOCSIFFLAGS, UP = 0x10000000, 0x40000000, 0x8914, 0x1
uid, gid = os.getuid(), os.getgid()
if ctypes.CDLL(None).unshare(NEWNET if uid == 0 else NEWNET | NEWUSER) == 0:
    if uid:
        maps = {"setgroups": "deny", "uid_map": f"{uid} {uid} 1", "gid_map": f"{gid} {gid} 1"}
        for name, text in maps.items():
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sh", b"lo", UP))
elif sys.argv[1] != "anyway":
    sys.exit(int(sys.argv[2]))
os.execvp("bash", ["bash", "--norc", "--noprofile"])
"""


def bash_alone() -> list[str]:
    """Return the command of a bash that has a network of its own.

    Where that is not allowed the bash is in this machine's network, if the default ports are free there, and
    otherwise the command exits with `NOT_ALLOWED`.
    """
    ports_are_free = all(_is_free(port) for port in DEFAULT_PORTS)
    return [sys.executable, "-c", ENTER, "anyway" if ports_are_free else "alone", str(NOT_ALLOWED)]


def may_be_alone() -> bool:
    """Say whether each `bash_alone` has a network of its own here, so that there may be several at once."""
    command = [sys.executable, "-c", ENTER, "alone", str(NOT_ALLOWED)]
    return subprocess.run(command, stdin=subprocess.DEVNULL).returncode == 0


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True
