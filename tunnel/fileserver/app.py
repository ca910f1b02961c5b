"""The application: basic authentication, which file is meant, and the listing."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, abort, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from tunnel.config import Secret
from tunnel.fileserver.places import Entry, Place, list_entries, open_place
from tunnel.fileserver.sending import send

__all__ = ["USER", "create_app"]

USER = "admin"

_METHODS = ("GET", "HEAD")
_KEYS: dict[str, Callable[[Entry], Any]] = {
    "nombre": lambda one: one.name.casefold(),
    "tamano": lambda one: one.size,
    "fecha": lambda one: one.modified_s,
}


def create_app(webroot: Path, token: Secret, *, allow_browsing: bool) -> Flask:
    """Return the WSGI application that shares ``webroot`` with whoever knows ``token``."""
    root = webroot.resolve(strict=True)
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False

    @app.before_request
    def refuse() -> Response | None:
        given = request.authorization
        user = (given.username or "") if given and given.type == "basic" else ""
        password = (given.password or "") if given and given.type == "basic" else ""
        # Both are compared, and each in constant time, so that the time tells nothing of either.
        known = hmac.compare_digest(user.encode("utf-8", "replace"), USER.encode())
        known &= hmac.compare_digest(password.encode("utf-8", "replace"), token.reveal().encode())
        if not known:
            challenge = {"WWW-Authenticate": 'Basic realm="Archivos compartidos", charset="UTF-8"'}
            return _say(401, "Hacen falta el usuario admin y el token.", challenge)
        if request.method not in _METHODS:
            return _say(405, "Esta carpeta solo se puede leer.", {"Allow": ", ".join(_METHODS)})
        return None

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        # A shared page runs no scripts: they would read the other files with the visitor's own password.
        response.headers.setdefault("Content-Security-Policy", "sandbox")
        response.headers["Cache-Control"] = "private, no-cache"
        return response

    @app.route("/", defaults={"name": ""})
    @app.route("/<path:name>")
    def serve(name: str) -> AnyResponse:
        place = open_place(root, name)
        if place is None:
            abort(404)
        if place.is_folder:
            with closing(place):
                return enter(place, name)
        if name.endswith("/"):
            place.close()
            abort(404)
        return send(place, is_download="descargar" in request.args)

    def enter(folder: Place, name: str) -> AnyResponse:
        if name and not name.endswith("/"):
            return redirect(f"/{quote(name)}/", 308)
        index = open_place(root, f"{name}index.html")
        if index is not None and not index.is_folder:
            return send(index, is_download=False)
        if index is not None:
            index.close()
        if not allow_browsing:
            abort(404)
        return _list(root, folder, name)

    @app.errorhandler(404)
    def missing(_error: Exception) -> Response:
        return _say(404, "Aquí no hay ningún archivo con ese nombre.", {})

    @app.errorhandler(PermissionError)
    def forbidden(_error: Exception) -> Response:
        return _say(403, "El sistema no permite leer este archivo.", {})

    return app


def _say(status: int, text: str, headers: dict[str, str]) -> Response:
    return Response(f"{text}\n", status, headers, content_type="text/plain; charset=utf-8")


def _list(root: Path, folder: Place, name: str) -> Response:
    order = request.args.get("orden", "nombre")
    order = order if order in _KEYS else "nombre"
    down = request.args.get("sentido") == "baja"
    entries = sorted(list_entries(root, folder), key=_KEYS["nombre"])
    entries.sort(key=_KEYS[order], reverse=down)
    entries.sort(key=lambda one: not one.is_folder)
    rows = [(one, _size(one), datetime.fromtimestamp(one.modified_s, UTC)) for one in entries]
    page = render_template("listing.html", path=f"/{name}", rows=rows, order=order, down=down)
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
    return Response(
        page, headers={"Content-Security-Policy": policy}, content_type="text/html; charset=utf-8"
    )


def _size(entry: Entry) -> str:
    if entry.is_folder:
        return "—"
    size, unit = float(entry.size), "B"
    for bigger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, bigger
    return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}".replace(".", ",")
