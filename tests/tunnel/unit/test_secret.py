"""A secret shows itself to nobody by accident."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import pprint
import traceback
from dataclasses import asdict, replace

import pytest

from tunnel.config import ClientConfig, Secret, ServerConfig, parse_control_url, parse_upstreams

TOKEN = "aEsteTextoNoLoDebeVerNadie-0123"
SECRET = Secret(TOKEN)


def configs() -> list[ServerConfig | ClientConfig]:
    return [
        ServerConfig(token=SECRET),
        ClientConfig(
            address=parse_control_url("wss://todo.example"),
            token=SECRET,
            upstreams=parse_upstreams(["http://localhost:5000"]),
        ),
    ]


def test_reveal_is_the_way_in() -> None:
    assert SECRET.reveal() == TOKEN


@pytest.mark.parametrize(
    "text",
    [
        repr(SECRET),
        str(SECRET),
        f"{SECRET}",
        f"{SECRET!r}",
        f"{SECRET!s}",
        f"{SECRET!a}",
        "{}".format(SECRET),  # noqa: UP032 - the point of it
        "%s" % SECRET,  # noqa: UP031 - the point of it
        "%r" % SECRET,  # noqa: UP031 - the point of it
        repr([SECRET]),
        repr({"token": SECRET}),
        pprint.pformat({"token": SECRET}),
    ],
)
def test_no_form_of_text_shows_it(text: str) -> None:
    assert "***" in text
    assert TOKEN not in text


@pytest.mark.parametrize("spec", ["s", ">40", "x"])
def test_a_format_specification_is_refused(spec: str) -> None:
    with pytest.raises(TypeError) as caught:
        format(SECRET, spec)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("config", configs(), ids=lambda config: type(config).__name__)
def test_no_form_of_a_configuration_shows_it(config: ServerConfig | ClientConfig) -> None:
    for text in (repr(config), str(config), f"{config}", pprint.pformat(config), repr(asdict(config))):
        assert "***" in text
        assert TOKEN not in text
    assert TOKEN not in repr(replace(config, drain_timeout_s=1.0))


def test_a_traceback_and_a_log_do_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("wrong", SECRET)
    except ValueError as error:
        # capture_locals: what some loggers and pytest --showlocals print.
        lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
        logging.getLogger("test").exception("with %s and %r", SECRET, SECRET)
        text = "".join(lines) + caplog.text
    assert "***" in text
    assert TOKEN not in text.replace(f"TOKEN = {TOKEN!r}", "")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_not_pickled(protocol: int) -> None:
    for value in (SECRET, configs()[0]):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(value, protocol)


def test_it_has_no_attributes_to_dump() -> None:
    assert not hasattr(SECRET, "__dict__")
    with pytest.raises(TypeError):
        json.dumps(SECRET)
    assert TOKEN not in json.dumps({"token": SECRET}, default=str)


def test_a_deep_copy_is_the_secret_itself() -> None:
    assert copy.deepcopy(SECRET) is SECRET
