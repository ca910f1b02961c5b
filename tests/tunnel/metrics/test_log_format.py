"""``--log-format json``: a line, a JSON object, a time."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

import pytest
from support.own_service import free_port
from support.tunnel_kit import TOKEN, Starter
from support.wire import eventually

from tests.tunnel.unit.kit import assert_spanish
from tunnel.cli import build_parser
from tunnel.cli.logs import configure_logging, log_line

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def age_s(time: str) -> float:
    assert RFC_3339.fullmatch(time)
    return (datetime.now(UTC) - datetime.fromisoformat(time.replace("Z", "+00:00"))).total_seconds()


def test_events_and_log_records_are_objects_with_their_time_in_utc(start: Starter) -> None:
    options = ("--log-format=json", "--log-level=debug")
    server, backend = start.server(*options), start.backend()
    client = start.connected_client(server, backend, options=options)
    dead = start.connected_client(server, f"caido.example=http://127.0.0.1:{free_port()}", options=options)
    with server.visit() as wire:
        assert wire.ask("GET", "/", "Host: caido.example").status == 502
    eventually(lambda: "upstream http" in dead.err, "the warning of the service that is down")
    for process in (server, client, dead):
        process.terminate()
        assert process.wait() == 0
        lines = [json.loads(line) for line in process.out.splitlines()]
        assert [line["event"] for line in lines]
        records = [json.loads(line) for line in process.err.splitlines()]
        for line in lines + records:
            assert next(iter(line)) == "time"
            assert -1 < age_s(line["time"]) < 60
        assert all({"level", "logger", "message"} <= record.keys() for record in records)
        assert TOKEN not in process.out + process.err
    warning = next(json.loads(line) for line in dead.err.splitlines() if "upstream http" in line)
    assert (warning["level"], warning["logger"]) == ("warning", "tunnel.transport.agent")


def test_an_exception_stays_on_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    handler = logging.StreamHandler(sys.stderr)
    monkeypatch.setattr(root, "handlers", [handler])
    configure_logging(build_parser().parse_args(["server", "--log-format=json"]))
    try:
        raise ValueError("dos\nlíneas")
    except ValueError:
        record = logging.LogRecord("a.b", logging.ERROR, "f", 1, "x %s", ("«y»\n",), sys.exc_info())
    told = handler.format(record)
    assert "\n" not in told
    assert told.isascii()
    found = json.loads(told)
    assert (found["message"], found["level"]) == ("x «y»\n", "error")
    assert "ValueError: dos" in found["exception"]


def test_a_time_is_told_in_milliseconds_even_where_there_are_none() -> None:
    assert log_line({}, 0.0) == '{"time": "1970-01-01T00:00:00.000Z"}'


def test_json_alone_is_as_it_was(start: Starter) -> None:
    assert "time" not in start.server().wait_for("listening")


def test_another_format_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["server", "--log-format=xml"])
    err = capsys.readouterr().err
    assert "--log-format" in err
    assert_spanish(err.partition("\nAyuda")[0].replace("xml", ""))
