# -*- coding: utf-8 -*-
"""Refuse a Python that is too old, or hand over to a newer one, before any newer syntax is read.

Everything here is written so that Python 2.7 and 3.x alike can parse it: no f-strings, no annotations, no
print. The rest of this folder needs Python 3.11.
"""

import os
import subprocess
import sys

OLDEST = (3, 11)
NEWEST_TO_LOOK_FOR = 15

ADVICE = """\
Este Python es el %(found)s (%(executable)s) y aquí se necesita el %(oldest)s o uno más reciente.

Cómo conseguirlo:
  Debian 12, Ubuntu 24.04 o más recientes:  sudo apt install python3 python3-venv
  Ubuntu 22.04:                             sudo apt install python3.11 python3.11-venv
  Fedora:                                   sudo dnf install python3
  macOS:                                    brew install python
  Windows:                                  winget install Python.Python.3.13
  Cualquier otro sistema:                   https://www.python.org/downloads/

Después abra una terminal nueva y repita la orden.
"""


def require():
    """Return when this Python is new enough; else go on in a newer one from PATH, or explain and exit 3."""
    if sys.version_info[:2] >= OLDEST:
        return
    newer = _newer_python()
    if newer is not None:
        # exec keeps the process, so that Ctrl-C and exit codes are the newer Python's own.
        os.execv(newer, [newer] + sys.argv)
    advice = ADVICE % {
        "found": "%d.%d.%d" % tuple(sys.version_info[:3]),
        "executable": sys.executable,
        "oldest": "%d.%d" % OLDEST,
    }
    if os.name == "nt":
        advice += "\nSi ya tiene uno más reciente, pruebe con:  py -3 %s\n" % " ".join(sys.argv)
        sys.stderr.write(advice)
    else:
        # Python 3.6 would show \\xed for í where the locale is not set; the terminal itself reads UTF-8.
        os.write(2, advice if isinstance(advice, bytes) else advice.encode("utf-8"))
    sys.exit(3)


def _newer_python():
    """Return the path of a Python that is new enough, or None (always, where exec loses the terminal)."""
    if os.name == "nt":
        return None
    for minor in range(NEWEST_TO_LOOK_FOR, OLDEST[1] - 1, -1):
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
            candidate = os.path.join(folder, "python3.%d" % minor)
            # A version manager leaves launchers on PATH for versions that are not active: only a run tells.
            if os.access(candidate, os.X_OK) and _is_new_enough(candidate):
                return candidate
    return None


def _is_new_enough(candidate):
    probe = "import sys; sys.exit(sys.version_info[:2] < (%d, %d))" % OLDEST
    with open(os.devnull, "w") as nowhere:
        try:
            return subprocess.call([candidate, "-c", probe], stdout=nowhere, stderr=nowhere) == 0
        except OSError:
            return False
