"""What every response goes through: protective headers and the access log."""

import logging

from flask import Flask, Response, request

from gtd_app.errors import quote

logger = logging.getLogger(__name__)

# The page runs its own script and style and talks to its own origin; nothing may frame it. No exception for
# inline code is needed, so none is made: a task's title can hold any HTML and stays text.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "base-uri 'none'",
        "connect-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "img-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
    )
)


def _protect(response: Response) -> Response:
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    # What a cache between the visitor and this computer keeps, it must ask about before it serves it again.
    response.headers.setdefault("Cache-Control", "no-cache")
    return response


def _log_access(response: Response) -> Response:
    # The page's own polling would bury the one request that the class is waiting to see.
    level = logging.DEBUG if response.status_code == 304 or request.path == "/healthz" else logging.INFO
    logger.log(level, "%s %s %d", quote(request.method), quote(request.path), response.status_code)
    return response


def init_app(app: Flask) -> None:
    """Attach the hooks to ``app``."""
    app.after_request(_log_access)
    app.after_request(_protect)
