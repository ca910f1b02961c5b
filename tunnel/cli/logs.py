"""``--log-format``: events and log records as lines of JSON, for systems that collect them."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

__all__ = ["EventStyle", "add_log_format_option", "configure_logging", "event_style", "log_line"]

_TEXT, _JSON = "texto", "json"


class EventStyle(Enum):
    """How events are shown."""

    WORDS = "words"  # to a person
    JSON = "json"  # to a program that is reading: --json
    LOG = "log"  # the same with the time, to one that will read some day


def add_log_format_option(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--log-format",
        choices=(_TEXT, _JSON),
        default=_TEXT,
        help="con json, cada suceso (a stdout) y cada línea del registro (a stderr) es un objeto JSON con su "
        "hora UTC (por omisión: texto)",
    )


def event_style(options: argparse.Namespace) -> EventStyle:
    """Return how the options want events to be shown."""
    if options.log_format == _JSON:
        return EventStyle.LOG
    return EventStyle.JSON if options.json else EventStyle.WORDS


def configure_logging(options: argparse.Namespace) -> None:
    """Send log records to stderr, as the options want them; commands without the option write text."""
    logging.basicConfig(level=options.log_level, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    if getattr(options, "log_format", _TEXT) == _JSON:
        for handler in logging.getLogger().handlers:
            handler.setFormatter(_JsonFormatter())


def log_line(members: Mapping[str, Any], time_s: float | None = None) -> str:
    """Return a line of JSON that begins with the time: UTC, RFC 3339, in milliseconds.

    Args:
        time_s: the Unix time; now when there is none.
    """
    now = datetime.now(UTC) if time_s is None else datetime.fromtimestamp(time_s, UTC)
    time = now.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    return json.dumps({"time": time, **members})


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        members = {"level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            members["exception"] = self.formatException(record.exc_info)
        return log_line(members, record.created)
