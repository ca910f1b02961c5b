"""Free ports, and who holds the wanted ones."""

import socket
import sys
from collections.abc import Collection

LOOPBACK = "127.0.0.1"
# A listener on the same port of any of these gets some of what a person sends to localhost.
_PLACES = ((socket.AF_INET, LOOPBACK), (socket.AF_INET6, "::1"))
_PROBE_TIMEOUT_S = 0.5


def is_free(port: int) -> bool:
    """Say whether `port` can be listened on at the loopback address and nobody answers there already.

    To be able to bind is not enough: on a Mac, AirPlay holds port 5000 of every address, and binding the
    loopback address alone still succeeds.
    """
    return not any(_somebody_answers(family, host, port) for family, host in _PLACES) and _can_bind(port)


def choose_port(preferred: int, avoid: Collection[int] = ()) -> int:
    """Return `preferred` when it is free, and otherwise a free port that is not in `avoid`."""
    if is_free(preferred):
        return preferred
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
        if port not in avoid and is_free(port):
            return port


def _somebody_answers(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(_PROBE_TIMEOUT_S)
            return probe.connect_ex((host, port)) == 0
    except OSError:  # no such address family on this machine
        return False


def _can_bind(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if sys.platform == "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # As the programs do: connections that are timing out after an earlier run do not hold the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
