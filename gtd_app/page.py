"""``/``: a greeting for curl, a page for browsers. All that the page needs comes from this application."""

import mimetypes

from flask import Blueprint, Response, render_template, request

from gtd_app.payloads import MAX_DESCRIPTION, MAX_TITLE

# Windows takes the types of files from its registry, where programs leave text/plain for .js; with "nosniff"
# the browser would not run it.
for _type, _ending in (("text/javascript", ".js"), ("text/css", ".css"), ("image/svg+xml", ".svg")):
    mimetypes.add_type(_type, _ending)

GREETING = "Hello, World!"

blueprint = Blueprint("page", __name__)


@blueprint.get("/")
def greet() -> Response:
    """Answer the page to whoever prefers HTML, and the course's greeting to everybody else.

    curl accepts ``*/*``: the first of the two, which is the greeting.
    """
    wanted = request.accept_mimetypes.best_match(["text/plain", "text/html"], default="text/plain")
    if wanted == "text/html":
        page = render_template("index.html", max_title=MAX_TITLE, max_description=MAX_DESCRIPTION)
        response = Response(page, mimetype="text/html")
    else:
        response = Response(GREETING, mimetype="text/plain")
    response.vary.add("Accept")
    return response
