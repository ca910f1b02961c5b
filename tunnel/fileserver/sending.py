"""An open file as a response: its type, its name (RFC 6266), conditions and one range (RFC 9110)."""

from __future__ import annotations

import mimetypes
import os
import unicodedata
from datetime import UTC, datetime
from urllib.parse import quote

from flask import Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wsgi import wrap_file

from tunnel.fileserver.places import Place

__all__ = ["send"]

# Of a file that is compressed the type is the compression's: with Content-Encoding a browser would undo it.
_COMPRESSED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
_BINARY = "application/octet-stream"


def send(place: Place, *, is_download: bool) -> Response:
    """Return the response to a GET or HEAD request for a file, and close it at its end.

    Left to do beside Werkzeug's conditions is here: If-Unmodified-Since, several ranges (answered whole, as
    RFC 9110, section 14.2, allows), and other units, which the same section has ignored.
    """
    status = place.status
    wanted = request.headers.get("Range", "")
    if "," in wanted or not wanted.lower().startswith("bytes="):
        request.environ.pop("HTTP_RANGE", None)
    # RFC 9110, section 13.2.2: If-Unmodified-Since counts only where there is no If-Match.
    since = request.if_unmodified_since
    if since is not None and "If-Match" not in request.headers and int(status.st_mtime) > since.timestamp():
        place.close()
        return Response("El archivo cambió desde esa fecha.\n", 412, content_type="text/plain; charset=utf-8")
    name = place.parts[-1]
    file = os.fdopen(place.descriptor, "rb")
    response = Response(wrap_file(request.environ, file), mimetype=_type_of(name), direct_passthrough=True)
    response.content_length = status.st_size
    response.last_modified = datetime.fromtimestamp(int(status.st_mtime), UTC)
    response.set_etag(f"{status.st_mtime_ns:x}-{status.st_size:x}")
    response.headers["Content-Disposition"] = disposition(name, is_download=is_download)
    try:
        response.make_conditional(request, accept_ranges=True, complete_length=status.st_size)
    except RequestedRangeNotSatisfiable:
        file.close()
        raise
    response.headers["Accept-Ranges"] = "bytes"
    if response.status_code == 412:
        response.content_length = 0
    if request.method == "HEAD" or response.status_code not in (200, 206):
        file.close()  # nobody would read it, nor close it then
        response.response = ()
    return response


def disposition(name: str, *, is_download: bool) -> str:
    """Return a Content-Disposition (RFC 6266): the name in ASCII, and in full where it is more than that."""
    kind = "attachment" if is_download else "inline"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    full = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='!#$&+^_`|~')}"
    return f'{kind}; filename="{quoted}"{full}'


def _type_of(name: str) -> str:
    kind, encoding = mimetypes.guess_type(name)
    return _COMPRESSED.get(encoding, _BINARY) if encoding else kind or _BINARY
