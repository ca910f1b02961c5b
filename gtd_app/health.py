"""``/healthz``: is the application of use? It is when its store answers."""

from flask import Blueprint, Response, jsonify

from gtd_app.tasks import current_store

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def report_health() -> Response:
    """Answer ``{"status": "ok"}``, or 503 in the shape of every fault when the tasks cannot be read."""
    current_store().check()
    return jsonify(status="ok")
