"""``/`` without a browser: who gets the greeting, who gets the page, and what protects it."""

import re

import pytest
from flask.testing import FlaskClient

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept",
    [None, "*/*", "", "text/*", "text/plain", "application/json", "text/html;q=0.5, */*", "nonsense"],
)
def test_curl_and_its_like_get_the_greeting(client: FlaskClient, accept: str | None) -> None:
    response = client.get("/", headers={} if accept is None else {"Accept": accept})
    assert response.status_code == 200
    assert response.data == b"Hello, World!"
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.headers["Vary"] == "Accept"


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "text/html, text/plain;q=0.9"])
def test_browser_gets_the_page(client: FlaskClient, accept: str) -> None:
    response = client.get("/", headers={"Accept": accept})
    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    assert '<html lang="es">' in response.text
    assert response.headers["Vary"] == "Accept"


def test_page_holds_no_inline_code_and_only_relative_addresses(client: FlaskClient) -> None:
    page = client.get("/", headers={"Accept": BROWSER}).text
    addresses = re.findall(r"""(?:src|href|data-tasks-url)="([^"#]+)""", page)
    assert len(addresses) == 5
    for address in addresses:
        assert not re.match(r"/|[a-z]+:", address), address
        with client.get(f"/{address}") as response:
            assert response.status_code == 200
    assert "style=" not in page
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]* src=)", page)
    assert not re.search(r"\son[a-z]+=", page)


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("page.js", "text/javascript"), ("page.css", "text/css"), ("icon.svg", "image/svg+xml")],
)
def test_files_of_the_page_have_the_type_that_a_browser_insists_on(
    client: FlaskClient, name: str, content_type: str
) -> None:
    with client.get(f"/static/{name}") as response:
        assert response.mimetype == content_type


def test_page_forbids_what_it_does_not_use(client: FlaskClient) -> None:
    headers = client.get("/", headers={"Accept": BROWSER}).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/todo/api/v1.0/tasks", "/static/page.js", "/nothing"])
def test_every_answer_is_checked_again_and_never_sniffed(client: FlaskClient, path: str) -> None:
    with client.get(path) as response:
        headers = response.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-cache"


def test_no_other_site_is_let_in(client: FlaskClient) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for response in (
        client.options("/todo/api/v1.0/tasks", headers=asked),
        client.get("/todo/api/v1.0/tasks", headers=asked),
    ):
        assert not [name for name, _ in response.headers if name.startswith("Access-Control")]
