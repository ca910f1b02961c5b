"""A folder, served in a thread of this process on a loopback port of its own."""

from __future__ import annotations

import threading
from pathlib import Path

from waitress.server import create_server

from tunnel.config import Secret
from tunnel.fileserver.app import create_app

__all__ = ["serve_in_thread"]


def serve_in_thread(webroot: Path, token: Secret) -> str:
    """Serve ``webroot``, with its listing, for as long as the process lives; return the URL.

    Raises:
        OSError: the folder is not there, or no port is free.
    """
    app = create_app(webroot, token, allow_browsing=True)
    server = create_server(app, host="127.0.0.1", port=0, ident=None)
    # A daemon: what visitors have under way is the client's to finish, and this answers until its very end.
    threading.Thread(target=server.run, name="carpeta", daemon=True).start()
    return f"http://127.0.0.1:{server.effective_port}"  # type: ignore[union-attr]
