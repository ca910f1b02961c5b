"""The page on a port of 127.0.0.1, in a thread of its own."""

from __future__ import annotations

import socket
import sys
import threading
from typing import Any

from waitress import wasyncore
from waitress.server import create_server

from tunnel.inspector.guard import Guard
from tunnel.inspector.observer import Inspector
from tunnel.inspector.web import MAX_LISTENERS, create_app

__all__ = ["InspectorService"]

_HOST = "127.0.0.1"
_THREADS = MAX_LISTENERS + 4
_MAX_CONNECTIONS = 100
_GOODBYE_S = 5.0


class InspectorService:
    """Serves the page from its making until ``close``.

    Raises:
        OSError: the port cannot be had.
    """

    def __init__(self, inspector: Inspector) -> None:
        listener = _listen(inspector.options.port)
        self.port: int = listener.getsockname()[1]
        self.url = f"http://{_HOST}:{self.port}"
        self._inspector = inspector
        self._map: dict[int, Any] = {}
        # Any: with one listener it is waitress's BaseWSGIServer, whose stub leaves out what is used here.
        self._server: Any = create_server(
            create_app(inspector, Guard(self.port)),
            map=self._map,
            sockets=[listener],
            threads=_THREADS,
            connection_limit=_MAX_CONNECTIONS,
            clear_untrusted_proxy_headers=True,
            ident=None,
            log_socket_errors=False,
        )
        self._is_closing = False
        self._lock = threading.Lock()  # keeps ``close`` from waking a loop that is gone
        self._is_closed = False
        self._thread = threading.Thread(target=self._serve, name="inspector", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving, and wait until the threads are gone."""
        self._is_closing = True
        self._inspector.news.end()
        with self._lock:
            if not self._is_closed:
                self._server.pull_trigger()
        self._thread.join(_GOODBYE_S)

    def _serve(self) -> None:
        while not self._is_closing:
            wasyncore.loop(timeout=1.0, map=self._map, count=1)
        self._server.task_dispatcher.shutdown(timeout=_GOODBYE_S / 2)
        with self._lock:
            self._is_closed = True
            wasyncore.close_all(self._map)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # There SO_REUSEADDR would let two programs have one port, each answering now and then.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
    except OSError:
        listener.close()
        raise
    return listener
