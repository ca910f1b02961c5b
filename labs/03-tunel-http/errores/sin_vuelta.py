"""Run a tunnel client until it loses its link for the first time: ``sin_vuelta.py COMMAND…``."""

import signal
import subprocess
import sys

LOST = "Sin enlace"

if __name__ == "__main__":
    # It ends when this program does, however that is.
    with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, encoding="utf-8") as client:
        signal.signal(signal.SIGTERM, lambda *_: client.terminate())
        assert client.stdout is not None
        for line in client.stdout:
            print(line, end="", flush=True)
            if LOST in line:
                client.terminate()
