"""Why pip failed, told from what pip really printed."""

from pathlib import Path

import pytest

# Each is what pip 23 to 25 printed when the named thing was done to it, cut to the lines that tell.
OUTPUTS = {
    "nothing listens at the index's address": (
        """
WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection
broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPConnection object at 0x7f0>: Failed to
establish a new connection: [Errno 111] Connection refused')': /simple/blinker/ ERROR: Could not find a
version that satisfies the requirement blinker==1.9.0 (from versions: none) ERROR: No matching distribution
found for blinker==1.9.0
""",
        "No hay conexión con el índice",
    ),
    "the index's name is not known": (
        """
WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection
broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPConnection object at 0x7f0>: Failed to
establish a new connection: [Errno -2] Name or service not known')': /simple/blinker/ ERROR: Could not find
a version that satisfies the requirement blinker==1.9.0 (from versions: none)
""",
        "No hay conexión con el índice",
    ),
    "the download stands still": (
        """
Collecting uvloop==0.23.0 (from -r requirements.lock (line 516))
pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool(host='x', port=443): Read timed out.
""",
        "No hay conexión con el índice",
    ),
    "the network inspects the traffic": (
        """
WARNING: Retrying (Retry(total=0)) after connection broken by 'SSLError(SSLCertVerificationError(1, '[SSL:
CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain
(_ssl.c:992)'))': /simple/blinker/ ERROR: Could not find a version that satisfies the requirement
blinker==1.9.0 (from versions: none)
""",
        "PIP_CERT",
    ),
    "the proxy does not answer": (
        """
WARNING: Retrying (Retry(total=0)) after connection broken by 'ProxyError('Cannot connect to proxy.',
NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f0>: Failed to establish a
new connection: [Errno 111] Connection refused'))': /simple/blinker/
""",
        "HTTPS_PROXY",
    ),
    "the disk is full": (
        """
Installing collected packages: uvloop, werkzeug
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device
""",
        "Libere 80 MB",
    ),
    "the folder cannot be written": (
        """
ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x/.venv/lib'
""",
        "Copie el proyecto a una carpeta suya",
    ),
    "the file is in use on Windows": (
        """
ERROR: Could not install packages due to an OSError: [WinError 32] The process cannot access the file
because it is being used by another process: 'gtd-app.exe'
""",
        "Otro programa tiene archivos",
    ),
    "there is no wheel for this system": (
        """
ERROR: Could not find a version that satisfies the requirement httptools==0.9.0 (from versions: 0.0.1, 0.0.13)
ERROR: No matching distribution found for httptools==0.9.0
""",
        "No hay una versión ya compilada de httptools==0.9.0",
    ),
    "the index is empty": (
        """
ERROR: Could not find a version that satisfies the requirement blinker==1.9.0 (from versions: none)
ERROR: No matching distribution found for blinker==1.9.0
""",
        "no respondió, o no tiene lo que se le pidió",
    ),
    "something nobody foresaw": ("ERROR: the moon is in the way\n", "ERROR: the moon is in the way"),
}


@pytest.mark.parametrize("happened", OUTPUTS)
def test_the_reason_is_told_from_what_pip_printed(happened, scripts):
    output, expected = OUTPUTS[happened]
    told = scripts("_pip").explain(output.splitlines(), Path("/x/.venv/bin/python"), 80)
    assert expected in told
