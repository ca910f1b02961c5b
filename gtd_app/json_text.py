"""How the application writes JSON: as the original course shows it, and readable in any language."""

import json
from typing import Any

from flask.json.provider import DefaultJSONProvider


def to_json_text(document: object) -> str:
    """Write ``document`` with sorted keys, an indent of two, letters as they are and a newline at the end."""
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


class PlainJSONProvider(DefaultJSONProvider):
    """Flask's provider, writing with :func:`to_json_text` also outside debug mode.

    Flask indents only under debug, which this application never runs in, and escapes every accented letter.
    """

    compact = False
    ensure_ascii = False
    sort_keys = True

    def response(self, *args: Any, **kwargs: Any) -> Any:
        document = self._prepare_response_obj(args, kwargs)
        return self._app.response_class(to_json_text(document), mimetype=self.mimetype)
