"""What a visitor sees when a hop fails: every code, in every media type, and who uses it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tunnel
from tests.tunnel.protocol.kit import examples
from tunnel.balance.group import _REASONS as REASONS
from tunnel.http.error_pages import FAULTS, HOPS, Fault, error_response, reason_phrase
from tunnel.http.errors import BadMessage
from tunnel.http.fields import find_field
from tunnel.http.head import find_head_end, parse_response_head
from tunnel.http.lines import Fields

# Written out once more, and not taken from the code: programs rely on these.
STATUSES = {
    "bad-request": 400,
    "credentials-required": 401,
    "credentials-refused": 401,
    "login-failed": 400,
    "login-required": 403,
    "login-refused": 403,
    "login-unavailable": 503,
    "not-allowed": 403,
    "unknown-host": 404,
    "reserved-path": 404,
    "request-timeout": 408,
    "content-too-large": 413,
    "uri-too-long": 414,
    "expectation": 417,
    "too-many-connections": 429,
    "too-many-requests": 429,
    "too-many-logins": 429,
    "headers-too-large": 431,
    "unknown-method": 501,
    "transfer-coding": 501,
    "link-lost": 502,
    "client-fault": 502,
    "upstream-refused": 502,
    "upstream-closed": 502,
    "upstream-protocol": 502,
    "no-client": 503,
    "too-many-streams": 503,
    "upstream-down": 503,
    "draining": 503,
    "upstream-timeout": 504,
    "http-version": 505,
}

HTML = b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

every_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.code)
every_media_type = pytest.mark.parametrize("accept", [HTML, b"application/json", b"*/*"])


def split(response: bytes, method: bytes = b"GET") -> tuple[int, Fields, bytes]:
    """Return a response's status, fields and content, having checked that it is a valid message."""
    end = find_head_end(response)
    head = parse_response_head(response[:end], method)
    content = response[end:]
    if method != b"HEAD":
        assert head.length == len(content)
    return head.status, head.fields, content


class Page(HTMLParser):
    """Reads a page, and checks as it goes that what is opened is closed."""

    VOID = frozenset({"meta"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in self.open:
            self.texts[tag] = self.texts.get(tag, "") + data

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element called ``tag``."""
        return [attributes for name, attributes in self.tags if name == tag]


# ── every fault, in every media type ─────────────────────────────────────────────────────────────


def test_the_codes_and_their_statuses_are_the_stable_ones() -> None:
    assert {code: fault.status for code, fault in FAULTS.items()} == STATUSES


@every_media_type
@every_fault
def test_a_response_says_what_failed_in_its_head(fault: Fault, accept: bytes) -> None:
    status, fields, _ = split(error_response(fault, accept, keep_alive=True))
    assert status == STATUSES[fault.code]
    assert find_field(fields, b"tunelab-error") == fault.code.encode()
    assert find_field(fields, b"cache-control") == b"no-store"
    assert find_field(fields, b"vary") == b"Accept"
    assert find_field(fields, b"content-type").endswith(b"; charset=utf-8")
    names = [line.partition(b":")[0].lower() for line in fields.split(b"\r\n")[1:]]
    assert len(set(names)) == len(names)


@every_fault
def test_whoever_may_come_again_is_told_when(fault: Fault) -> None:
    """RFC 9110, section 10.2.3, and RFC 6585, section 4."""
    _, fields, _ = split(error_response(fault, b"", keep_alive=True))
    value = find_field(fields, b"retry-after")
    if fault.status in (429, 503):
        assert 1 <= int(value) <= 10
    else:
        assert value == b""


@every_media_type
def test_the_status_line_has_its_phrase(accept: bytes) -> None:
    assert error_response(FAULTS["no-client"], accept, True).startswith(
        b"HTTP/1.1 503 Service Unavailable\r\n"
    )
    assert error_response(FAULTS["uri-too-long"], accept, True).startswith(b"HTTP/1.1 414 URI Too Long\r\n")


@every_media_type
@every_fault
def test_the_answer_to_a_head_is_the_same_without_the_page(fault: Fault, accept: bytes) -> None:
    """RFC 9110, section 9.3.2."""
    response = error_response(fault, accept, keep_alive=True)
    bare = error_response(fault, accept, keep_alive=True, has_body=False)
    assert bare == response[: find_head_end(response)]
    assert len(bare) < len(response)


@every_fault
def test_a_connection_that_ends_says_so(fault: Fault) -> None:
    """RFC 9112, section 9.6."""
    assert find_field(split(error_response(fault, b"", keep_alive=False))[1], b"connection") == b"close"
    assert find_field(split(error_response(fault, b"", keep_alive=True))[1], b"connection") == b""


@every_fault
def test_the_page_is_whole_and_spanish_and_shows_where_it_failed(fault: Fault) -> None:
    _, fields, content = split(error_response(fault, HTML, keep_alive=True))
    text = content.decode()
    page = Page(text)
    assert find_field(fields, b"content-type") == b"text/html; charset=utf-8"
    assert text.startswith("<!doctype html>\n")
    assert page.attributes("html") == [{"lang": "es"}]
    assert page.texts["title"] == f"{fault.status} · {fault.title}"
    assert page.texts["h1"] == fault.title
    assert fault.advice in page.texts["main"]
    assert page.texts["code"] == fault.code
    assert str(fault.status) in page.texts["footer"]
    assert [item["class"] for item in page.attributes("li")] == (
        ["ok"] * fault.hop + ["bad"] + ["off"] * (len(HOPS) - fault.hop - 1)
    )
    assert all(hop in page.texts["li"] for hop in HOPS)


@every_fault
def test_its_texts_are_html_as_they_stand(fault: Fault) -> None:
    for text in (fault.title, fault.advice, *HOPS):
        assert not set(text) & set("&<>\"'"), text


@every_fault
def test_the_page_loads_nothing_and_runs_nothing(fault: Fault) -> None:
    text = split(error_response(fault, HTML, keep_alive=True))[2].decode()
    names = {tag for tag, _ in Page(text).tags}
    assert not names & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert not re.search(r"https?://|url\(|@import|\son\w+=", text)
    assert not re.search(r"\$\w|\$\{|%s|%\(|\bNone\b", text)  # a placeholder left


@every_fault
def test_the_json_is_for_programs(fault: Fault) -> None:
    _, fields, content = split(error_response(fault, b"application/json", keep_alive=True))
    assert find_field(fields, b"content-type") == b"application/json; charset=utf-8"
    assert content.endswith(b"}\n")
    assert json.loads(content) == {
        "error": {"code": fault.code, "hop": HOPS[fault.hop], "message": f"{fault.title}. {fault.advice}"}
    }


@every_fault
def test_the_text_is_for_a_terminal(fault: Fault) -> None:
    _, fields, content = split(error_response(fault, b"*/*", keep_alive=True))
    text = content.decode()
    assert find_field(fields, b"content-type") == b"text/plain; charset=utf-8"
    assert text.startswith(f"{fault.title}.\n{fault.advice}\n")
    assert f"[✗ {HOPS[fault.hop]}]" in text
    assert text.count("✗") == 1
    assert text.endswith(f"Error {fault.status}, código {fault.code}\n")


@every_fault
def test_what_it_says_is_a_sentence_that_says_what_to_do(fault: Fault) -> None:
    assert not fault.title.endswith(".")
    assert fault.advice.endswith((".", ")."))
    assert fault.title[0].isupper()
    assert fault.advice[0].isupper()
    assert "  " not in fault.title + fault.advice
    assert 0 <= fault.hop < len(HOPS)


# ── which media type ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        pytest.param(HTML, b"text/html", id="Chromium"),
        pytest.param(b"TEXT/HTML", b"text/html", id="any case"),
        pytest.param(b"*/*", b"text/plain", id="curl"),
        pytest.param(b"", b"text/plain", id="nothing said"),
        pytest.param(b"image/png", b"text/plain", id="something else"),
        pytest.param(b"application/json", b"application/json", id="JSON"),
        pytest.param(b"application/json, text/plain, */*", b"application/json", id="axios"),
        pytest.param(b"application/problem+json", b"application/json", id="a kind of JSON"),
        pytest.param(b"application/json, text/html;q=0.5", b"text/html", id="both"),
    ],
)
def test_the_visitor_chooses_the_media_type(accept: bytes, media_type: bytes) -> None:
    _, fields, _ = split(error_response(FAULTS["no-client"], accept, keep_alive=True))
    assert find_field(fields, b"content-type").partition(b";")[0] == media_type


@given(accept=st.binary(max_size=60))
@examples(100)
def test_nothing_of_what_the_visitor_sent_comes_back(accept: bytes) -> None:
    response = error_response(FAULTS["bad-request"], accept, keep_alive=False)
    assert response in {
        error_response(FAULTS["bad-request"], chosen, keep_alive=False)
        for chosen in (b"text/html", b"application/json", b"")
    }


@pytest.mark.parametrize(
    ("status", "phrase"), [(100, b"Continue"), (404, b"Not Found"), (599, b""), (0, b"")]
)
def test_reason_phrases_are_the_standard_ones(status: int, phrase: bytes) -> None:
    assert reason_phrase(status) == phrase


# ── who uses them ────────────────────────────────────────────────────────────────────────────────


def modules() -> Iterator[ast.Module]:
    for path in Path(tunnel.__file__).parent.rglob("*.py"):
        yield ast.parse(path.read_text(encoding="utf-8"), str(path))


def strings(node: ast.AST) -> set[str]:
    """Return the string constants in an expression."""
    return {
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


def used_codes() -> set[str]:
    """Return the codes that the tunnel's code names: as FAULTS[code], or as an argument of BadMessage's."""
    codes = {BadMessage("x").code, *REASONS}  # a group of clients says one of those by itself
    for module in modules():
        for node in ast.walk(module):
            if (
                isinstance(node, ast.Subscript)
                and isinstance(node.value, ast.Name)
                and node.value.id == "FAULTS"
            ):
                codes |= strings(node.slice)
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "BadMessage"
            ):
                for argument in node.args[2:3]:
                    codes |= strings(argument)
    return codes


def test_every_code_that_is_used_is_a_fault_and_every_fault_is_used() -> None:
    assert used_codes() == set(FAULTS)


def test_every_bad_message_has_the_status_of_its_code() -> None:
    pairs = {
        (node.args[2].value, node.args[1].value)
        for module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "BadMessage"
        and len(node.args) == 3
        and isinstance(node.args[1], ast.Constant)
        and isinstance(node.args[2], ast.Constant)
    }
    assert len(pairs) >= 6
    for code, status in pairs:
        assert STATUSES[code] == status
