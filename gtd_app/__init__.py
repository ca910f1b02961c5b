"""The to-do API: the service that the course shares through its tunnel.

A small Flask application with a SQLite store behind it, a page for browsers in front of it and a production
server around it. It knows nothing of tunnels: whatever prefix or ``Host`` it is reached through, it answers
the same.

Map, from the leaves to the command line:

``errors``
    The one exception tree of the package, and the one JSON shape in which every fault is told.
``store``
    Tasks in SQLite: durable, ordered, ids never reused. Knows no HTTP.
``payloads``
    A request's body to checked values, or a fault that names the field. Knows no store.
``tasks``
    The blueprint of ``/todo/api/v1.0``.
``page``
    ``/`` (a greeting for curl, a page for browsers) and its static files.
``openapi``
    ``/openapi.json``, the description of all of the above.
``health``
    ``/healthz``, which asks the store.
``hooks``
    What every response goes through: protective headers and the access log.
``server``
    waitress around the application: limits, JSON faults below Flask, a graceful end.
``locations``
    Where the tasks live when nobody says.
``arguments``, ``cli``
    The command ``gtd-app``.
"""

from collections.abc import Mapping
from pathlib import Path

from flask import Flask

from gtd_app import errors, health, hooks, openapi, page, tasks
from gtd_app.json_text import PlainJSONProvider
from gtd_app.locations import default_database_path
from gtd_app.payloads import MAX_BODY_BYTES
from gtd_app.store import IN_MEMORY, TaskStore

__all__ = ["IN_MEMORY", "create_app"]


def create_app(test_config: Mapping[str, object] | None = None) -> Flask:
    """Build the application and open its store.

    ``test_config`` overrides the configuration. ``DATABASE`` is the path of the SQLite file, or ``IN_MEMORY``
    for tasks that live as long as the application; without it the user's own data folder is used.

    The store is opened here and not at the first request, so that a path that cannot be used is found at
    once. Whoever needs it closed before the process ends calls ``close()`` on
    ``app.extensions["gtd_store"]``.

    Raises:
        errors.StoreError: the database cannot be opened, or is not one of ours.
    """
    app = Flask(__name__)
    app.json = PlainJSONProvider(app)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    if test_config is not None:
        app.config.from_mapping(test_config)
    # A doubled slash is an unknown route like any other. The redirect that Werkzeug would send names the Host
    # that it saw, which behind a tunnel is not the one that the visitor used.
    app.url_map.merge_slashes = False

    errors.init_app(app)
    hooks.init_app(app)
    for blueprint in (page.blueprint, tasks.blueprint, health.blueprint, openapi.blueprint):
        app.register_blueprint(blueprint)

    database = app.config.get("DATABASE")
    app.extensions["gtd_store"] = TaskStore(Path(database) if database else default_database_path())
    return app
