"""The tape as an asciicast, version 2: https://docs.asciinema.org/manual/asciicast/v2/."""

import json
import math

from labcheck.recording.pseudo_terminal import COLUMNS, ROWS
from labcheck.recording.tape import Tape

VERSION = 2
_OUTPUT, _MARKER = "o", "m"


def asciicast(tape: Tape, recorded_at: int) -> str:
    """Return a tape as an asciicast; `recorded_at` is in seconds since 1970."""
    header = {
        "version": VERSION,
        "width": COLUMNS,
        "height": ROWS,
        "timestamp": recorded_at,
        "duration": _rounded(tape.duration_s),
        # No wait is longer than this, so that a player that cuts them keeps in step with the subtitles.
        "idle_time_limit": math.ceil(tape.longest_wait_s),
        "title": tape.title,
        "env": {"SHELL": "/bin/bash", "TERM": "xterm-256color"},
    }
    events = [(marker.at_s, _MARKER, marker.label) for marker in tape.markers]
    events += [(line.at_s, _OUTPUT, line.text) for line in tape.outputs]
    events.sort(key=lambda event: event[0])  # stable: at the same moment the marker stays first
    lines = [header, *([_rounded(at_s), code, data] for at_s, code, data in events)]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _rounded(seconds: float) -> float:
    return round(seconds, 3)
