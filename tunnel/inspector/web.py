"""The page and its API.

``GET /``                               the page
``GET /api/exchanges``                  rows of the list: ``since``, ``text``, ``method``, ``status``
``GET /api/exchanges/N``                all of one
``POST /api/exchanges/N/replay``        once more; an edited request as JSON, or nothing
``GET /api/frames``                     links, streams and frames: ``since``, ``link``, ``stream``
``GET /api/events``                     server-sent events: the number of the last change
``GET /api/har``                        all that is kept, or one with ``number``, as HAR 1.2
``POST /api/clear``                     throws all away
"""

from __future__ import annotations

import json
import mimetypes
import threading
from collections.abc import Iterator
from dataclasses import asdict
from enum import Enum
from typing import Any

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException

from tunnel.inspector.exchanges import Exchange
from tunnel.inspector.guard import ANSWER_FIELDS, TOKEN_FIELD, Guard
from tunnel.inspector.har import to_har
from tunnel.inspector.observer import Inspector
from tunnel.inspector.replay import CannotReplay, Edit, Replays
from tunnel.inspector.views import searchable, show, summarise

__all__ = ["MAX_LISTENERS", "create_app"]

MAX_LISTENERS = 8
"""Pages that hear of changes as they come; each holds a thread.  Those past it ask now and then."""

_MAX_POST_BYTES = 4 * 1024 * 1024
_BEAT_S = 10.0
_MAX_FRAMES = 400

# Windows takes the types of files from its registry, where programs leave text/plain for .js; with "nosniff"
# the browser would not run it.
for _type, _ending in (("text/javascript", ".js"), ("text/css", ".css"), ("image/svg+xml", ".svg")):
    mimetypes.add_type(_type, _ending)


def create_app(inspector: Inspector, guard: Guard) -> Flask:
    """Return the page for what ``inspector`` knows."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_POST_BYTES
    replays = Replays(inspector)
    listeners = threading.Semaphore(MAX_LISTENERS)
    store = inspector.store

    @app.before_request
    def check() -> Response | None:
        objection = guard.objection(request.method, request.path, request.headers)
        return _fault(403, objection) if objection else None

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(ANSWER_FIELDS)
        return response

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        words = {404: "Aquí no hay nada.", 405: "Así no se pide.", 413: "Es demasiado largo."}
        code = error.code or 500
        return _fault(code, words.get(code, "La petición no se entiende."))

    @app.errorhandler(CannotReplay)
    def explain(error: CannotReplay) -> Response:
        return _fault(error.status, str(error))

    @app.get("/")
    def page() -> str:
        return render_template("inspector.html", token=guard.token, token_field=TOKEN_FIELD)

    @app.get("/api/exchanges")
    def exchanges() -> Response:
        since = request.args.get("since", 0, type=int)
        version, oldest, changed = store.all(since)
        rows = [{**_plain(summarise(each)), "matches": _matches(inspector, each)} for each in changed]
        return _json({"version": version, "oldest": oldest, "exchanges": rows})

    @app.get("/api/exchanges/<int:number>")
    def exchange(number: int) -> Response:
        return _json(_plain(show(_find(inspector, number))))

    @app.post("/api/exchanges/<int:number>/replay")
    def replay(number: int) -> Response:
        edit = _read_edit(request.get_json(silent=True)) if request.data else None
        return _json({"number": replays.repeat(_find(inspector, number), edit)}, 201)

    @app.get("/api/frames")
    def frames() -> Response:
        stream = request.args.get("stream", type=int)
        link = request.args.get("link", 0, type=int)
        found = inspector.frames.frames(request.args.get("since", 0, type=int), _MAX_FRAMES, link, stream)
        links = [{**_plain(link), "streams": _plain(streams)} for link, streams in inspector.frames.links()]
        return _json({"version": inspector.news.version, "links": links, "frames": _plain(found)})

    @app.get("/api/events")
    def events() -> Response:
        if not listeners.acquire(blocking=False):
            return _fault(503, "Hay demasiadas páginas abiertas: esta preguntará cada tanto.")
        response = Response(_beats(inspector), content_type="text/event-stream")
        response.call_on_close(listeners.release)
        return response

    @app.get("/api/har")
    def har() -> Response:
        number = request.args.get("number", type=int)
        chosen = [_find(inspector, number)] if number else _all(inspector)
        response = _json(to_har(chosen))
        name = f"tunel-{number}.har" if number else "tunel.har"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    @app.post("/api/clear")
    def clear() -> Response:
        store.clear()
        inspector.frames.clear()
        return _json({})

    return app


def _beats(inspector: Inspector) -> Iterator[str]:
    """Yield an event for each heap of changes, and a comment now and then: only a write finds a page gone."""
    news = inspector.news
    seen = -1
    yield "retry: 2000\n\n"
    while not news.is_over:
        version = news.wait(seen, _BEAT_S)
        yield ":\n\n" if version == seen else f"data: {version}\n\n"
        seen = version


def _matches(inspector: Inspector, outline: Exchange) -> bool:
    """Whether an exchange is one of those that the query asks for."""
    method, status = request.args.get("method", ""), request.args.get("status", "")
    text = request.args.get("text", "").strip().lower()
    summary = summarise(outline)
    if method and summary.method != method:
        return False
    if status == "cut" and summary.ending != "cut":
        return False
    if status.isdigit() and summary.status // 100 != int(status):
        return False
    if not text:
        return True
    if text in f"{summary.method} {summary.host}{summary.target} {summary.status}".lower():
        return True
    # What is shown is searched and nothing else: a search must not tell what a mark stands for.
    whole = inspector.store.get(outline.number)
    return whole is not None and text in searchable(whole)


def _all(inspector: Inspector) -> Iterator[Exchange]:
    for outline in inspector.store.all()[2]:
        whole = inspector.store.get(outline.number)
        if whole is not None:
            yield whole


def _find(inspector: Inspector, number: int) -> Exchange:
    exchange = inspector.store.get(number)
    if exchange is None:
        raise CannotReplay("Esa petición ya no está guardada.", 404)
    return exchange


def _read_edit(body: object) -> Edit:
    """Return the edited request in a JSON object.  Raises CannotReplay."""
    if isinstance(body, dict):
        method, target, fields = (body.get(key) for key in ("method", "target", "fields"))
        content = body.get("content")
        if (
            isinstance(method, str)
            and isinstance(target, str)
            and isinstance(fields, str)
            and (content is None or isinstance(content, str))
        ):
            return Edit(method, target, fields, content)
    raise CannotReplay("La petición editada llegó incompleta.", 400)


def _plain(value: Any) -> Any:
    """Return dataclasses as what JSON knows."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return asdict(value)


def _json(value: object, status: int = 200) -> Response:
    text = json.dumps(value, ensure_ascii=False, default=_enum)
    return Response(text, status, content_type="application/json; charset=utf-8")


def _enum(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} in an answer")


def _fault(status: int, text: str) -> Response:
    return _json({"error": text}, status)
