"""Whether a process still runs: one that has ended and that nobody has asked after yet does not."""

import subprocess
import time


def is_running(pid: int) -> bool:
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(command, capture_output=True, encoding="utf-8", check=False).stdout.strip()
    return bool(state) and not state.startswith("Z")


def ends(pid: int, timeout_s: float = 10.0) -> bool:
    """Wait until a process has ended, and say whether it has."""
    deadline = time.monotonic() + timeout_s
    while is_running(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
