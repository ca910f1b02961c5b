"""Settings of the whole process, which only a program may change and a library never."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["tune_process"]

# malloc.h of glibc.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

_MMAP_THRESHOLD_BYTES = 4 << 20
_TRIM_THRESHOLD_BYTES = 16 << 20
"""By itself glibc gives each buffer of a transfer back to the kernel and asks for it again: 1.36 million
page faults a GiB.  So much may stay in the heap for the next buffer."""


def tune_process() -> None:
    """Make memory cheap for a program that moves many buffers and runs for long; to be called once."""
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another libc (musl), which has no such habit
        return
    mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)
