"""Visitors who log in: a real provider, a real tunnel, and a browser between them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from support.backend import Backend
from support.chromium import run_chromium
from support.oidc_provider import OidcProvider, running_provider
from support.tunnel_kit import Starter
from support.tunnel_process import Server
from support.wire import Request, response

from tunnel.sites.passwords import hash_password

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SESSION = "tunelab"
SECRET = "secreto-del-cliente-0123456789"
WAIT_S = 20


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with running_provider() as provider:
        provider.add_user("ana", email="Ana@example.com", email_verified=True)
        provider.add_user("luis", email="luis@curso.example", email_verified=True)
        provider.add_user("eva", email="eva@otra.example", email_verified=True)
        provider.add_user("falsa", email="ana@example.com", email_verified=False)
        provider.add_user("nadie")
        yield provider


def write(path: Path, text: str) -> Path:
    new = path.with_name(path.name + ".new")
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    return new.replace(path)


def sites_text(issuer: str, emails: str = '["ana@example.com"]', name: str = "localhost") -> str:
    return (
        f'[site."{name}".oidc]\nissuer = "{issuer}"\nclient_id = "tunel"\nclient_secret_file = "secreto"\n'
        f'emails = {emails}\ndomains = ["curso.example"]\n'
    )


@pytest.fixture
def sites(tmp_path: Path, provider: OidcProvider) -> Path:
    write(tmp_path / "secreto", SECRET + "\n")
    return write(tmp_path / "sitios.toml", sites_text(provider.issuer))


@pytest.fixture
def service(start: Starter) -> Backend:
    backend = start.backend()
    backend.answer(
        lambda asked: response(
            200, f"hola {asked.fields.get('X-Forwarded-Email')}".encode(), "Set-Cookie: a=b"
        )
    )
    return backend


@pytest.fixture
def server(start: Starter, sites: Path, service: Backend) -> Server:
    server = start.server(f"--sites-file={sites}", "--log-level=info")
    start.connected_client(server, service)
    return server


@pytest.fixture
def seen(service: Backend) -> list[Request]:
    return service.requests


@pytest.fixture
def browser() -> Iterator[requests.Session]:
    """Something with cookies that opens pages."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update(BROWSER)
        yield session


def to_provider(browser: requests.Session, url: str) -> str:
    """Open a page, and return where the exit node sends the browser."""
    answer = browser.get(url, allow_redirects=False, timeout=30)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def back_from(browser: requests.Session, location: str, user: str) -> str:
    """Log in at the provider, and return where it sends the browser."""
    answer = browser.post(location, data={"sub": user}, allow_redirects=False, timeout=30)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def log_in(browser: requests.Session, url: str, user: str) -> requests.Response:
    """Do all of it; return the answer to the last request, whose redirect is not followed."""
    callback = back_from(browser, to_provider(browser, url), user)
    return browser.get(callback, allow_redirects=False, timeout=30)


def base(server: Server) -> str:
    return f"http://localhost:{server.port}"


# ── the way in ───────────────────────────────────────────────────────────────────────────────────


def test_a_visitor_logs_in_and_comes_back_to_the_page_that_it_wanted(
    server: Server, browser: requests.Session, seen: list[Request]
) -> None:
    url = f"{base(server)}/notas?a=1&b=%C3%B1"
    location = to_provider(browser, url)
    asked = parse_qs(urlsplit(location).query)
    assert asked["redirect_uri"] == [f"{base(server)}/.tunelab/oidc/callback"]
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert set(asked["scope"][0].split()) == {"openid", "email"}
    assert min(len(asked[name][0]) for name in ("state", "nonce", "code_challenge")) >= 40
    answer = browser.get(back_from(browser, location, "ana"), allow_redirects=False, timeout=30)
    assert (answer.status_code, answer.headers["Location"]) == (302, url)
    assert answer.headers["Cache-Control"] == "no-store"
    kept = next(line for line in answer.raw.headers.getlist("Set-Cookie") if line.startswith(f"{SESSION}="))
    assert re.fullmatch(r"tunelab=[\w-]+; Path=/; Max-Age=28800; HttpOnly; SameSite=Lax", kept)
    assert seen == []
    assert browser.get(url, timeout=30).text == "hola Ana@example.com"
    assert (
        browser.get(url, timeout=30, headers={"X-Forwarded-Email": "root@x"}).text == "hola Ana@example.com"
    )
    assert browser.post(url, data=b"x" * 1000, timeout=30).status_code == 200


def test_the_service_sees_its_own_cookies_and_none_of_the_exit_node_s(
    server: Server, browser: requests.Session, seen: list[Request]
) -> None:
    log_in(browser, base(server), "ana")
    browser.cookies.set("suya", "1")
    browser.get(base(server), timeout=30)
    browser.get(base(server), timeout=30)
    assert len(seen) == 2
    sent = seen[1].fields.get("Cookie") or ""
    assert "suya=1" in sent
    assert "a=b" in sent
    assert "tunelab" not in sent
    value = browser.cookies.get(SESSION, domain="localhost.local")
    assert value
    for text in ("ana@example.com", SECRET):
        assert text not in value
    assert SECRET not in server.out + server.err


@pytest.mark.parametrize(
    ("user", "status", "code"),
    [
        ("luis", 302, None),
        ("eva", 403, "login-refused"),
        ("falsa", 400, "login-failed"),
        ("nadie", 400, "login-failed"),
    ],
    ids=["of the domain", "of another", "not verified", "no address"],
)
def test_only_verified_addresses_of_the_list_come_in(
    server: Server, browser: requests.Session, seen: list[Request], user: str, status: int, code: str | None
) -> None:
    answer = log_in(browser, base(server), user)
    assert (answer.status_code, answer.headers.get("Tunelab-Error")) == (status, code)
    again = browser.get(base(server), allow_redirects=False, timeout=30)
    assert again.status_code == (200 if status == 302 else 302)


def test_what_is_no_page_is_refused_and_not_sent_elsewhere(server: Server, seen: list[Request]) -> None:
    with server.visit() as wire:
        host = f"Host: localhost:{server.port}"
        html = "Accept: text/html"
        for method, lines in (
            ("GET", ()),
            ("POST", (html,)),
            ("GET", (html, "Sec-Fetch-Mode: cors")),
            ("GET", (html, "Connection: Upgrade", "Upgrade: websocket")),
        ):
            answer = wire.ask(method, "/", host, *lines)
            assert (answer.status, answer.code) == (403, "login-required")
    assert seen == []


def test_a_websocket_opens_with_the_session_and_not_without(
    server: Server, browser: requests.Session, service: Backend
) -> None:
    log_in(browser, base(server), "ana")
    cookie = f"Cookie: {SESSION}={browser.cookies.get(SESSION, domain='localhost.local')}"
    service.answer(lambda asked: b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: eco\r\n\r\n")
    upgrade = (f"Host: localhost:{server.port}", "Connection: Upgrade", "Upgrade: eco")
    with server.visit() as wire:
        assert wire.ask("GET", "/", *upgrade).status == 403
        assert wire.ask("GET", "/", *upgrade, cookie).status == 101


def test_in_a_browser_it_is_as_anywhere_else(
    server: Server, sites: Path, provider: OidcProvider, tmp_path: Path
) -> None:
    write(sites, sites_text(provider.issuer, name="*.localhost"))
    server.wait_for("sites_reloaded")
    with run_chromium(tmp_path / "perfil") as chromium:
        url = f"http://ana.localhost:{server.port}/notas?x=1"
        chromium.get(url)
        assert chromium.current_url.startswith(provider.issuer)
        chromium.find_element(By.NAME, "sub").send_keys("ana")
        chromium.find_element(By.CSS_SELECTOR, "form button").click()
        WebDriverWait(chromium, WAIT_S).until(lambda _: chromium.current_url == url)
        assert "hola Ana@example.com" in chromium.page_source
        assert chromium.execute_script("return document.cookie") == "a=b"
        chromium.get(f"http://ana.localhost:{server.port}/.tunelab/oidc/logout")
        assert "Cerró la sesión" in chromium.page_source
        chromium.get(url)
        assert chromium.current_url.startswith(provider.issuer)


def test_over_https_the_cookies_are_for_https_and_for_this_host_only(
    start: Starter, sites: Path, provider: OidcProvider, service: Backend, browser: requests.Session
) -> None:
    write(sites, sites_text(provider.issuer, name="ana.example"))
    server = start.server(f"--sites-file={sites}", "--trust-proxy=127.0.0.1")
    start.connected_client(server, service)
    host = ("Host: ana.example", "X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.7")
    with server.visit() as wire:
        answer = wire.ask("GET", "/notas", *host, "Accept: text/html")
        location = str(answer.fields.get("Location"))
        redirect_uri = "https://ana.example/.tunelab/oidc/callback"
        assert parse_qs(urlsplit(location).query)["redirect_uri"] == [redirect_uri]
        login = str(answer.fields.get("Set-Cookie"))
        assert re.fullmatch(
            r"__Secure-tunelab-login-[0-9a-f]{16}=[\w-]+; Path=/\.tunelab/oidc/; Max-Age=600; HttpOnly; "
            r"SameSite=Lax; Secure",
            login,
        )
        callback = back_from(browser, location, "ana").removeprefix("https://ana.example")
        answer = wire.ask("GET", callback, *host, f"Cookie: {login.partition(';')[0]}")
        assert answer.fields.get("Location") == "https://ana.example/notas"
        kept, gone = answer.fields.all("Set-Cookie")
        assert re.fullmatch(
            r"__Host-tunelab=[\w-]+; Path=/; Max-Age=28800; HttpOnly; SameSite=Lax; Secure", kept
        )
        assert "Max-Age=0;" in gone
        value = kept.partition(";")[0]
        assert wire.ask("GET", "/", *host, f"Cookie: {value}").status == 200
        plain = value.replace("__Host-", "")
        assert wire.ask("GET", "/", *host, f"Cookie: {plain}").status == 403, "a name that http could set"


# ── the way out ──────────────────────────────────────────────────────────────────────────────────


def test_who_logs_out_is_asked_again(server: Server, browser: requests.Session) -> None:
    log_in(browser, base(server), "ana")
    assert browser.get(base(server), timeout=30).status_code == 200
    answer = browser.get(f"{base(server)}/.tunelab/oidc/logout", timeout=30)
    assert "Cerró la sesión" in answer.text
    to_provider(browser, base(server))


def test_whose_address_is_taken_off_the_list_is_out_at_once(
    server: Server, sites: Path, provider: OidcProvider, browser: requests.Session
) -> None:
    log_in(browser, base(server), "ana")
    assert browser.get(base(server), timeout=30).status_code == 200
    write(sites, sites_text(provider.issuer, '["otra@example.com"]'))
    server.wait_for("sites_reloaded")
    answer = browser.get(base(server), timeout=30)
    assert (answer.status_code, answer.headers["Tunelab-Error"]) == (403, "login-refused")


# ── those who would come in otherwise ────────────────────────────────────────────────────────────


def test_an_answer_to_a_login_that_another_browser_began_is_refused(
    server: Server, browser: requests.Session, seen: list[Request]
) -> None:
    callback = back_from(browser, to_provider(browser, base(server)), "ana")
    answer = requests.get(callback, headers=BROWSER, allow_redirects=False, timeout=30)
    assert (answer.status_code, answer.headers["Tunelab-Error"]) == (400, "login-failed")
    assert "Set-Cookie" not in answer.headers
    other = re.sub(r"state=[^&]*", "state=otro", callback)
    assert browser.get(other, allow_redirects=False, timeout=30).status_code == 400
    assert browser.get(callback, allow_redirects=False, timeout=30).status_code == 302, "its own is fine"
    again = browser.get(callback, allow_redirects=False, timeout=30)
    assert again.status_code == 400, "a code is good once"


def test_a_code_that_was_stolen_is_of_no_use_without_its_verifier(
    server: Server, browser: requests.Session, seen: list[Request]
) -> None:
    with requests.Session() as victim:
        victim.headers.update(BROWSER)
        stolen = back_from(victim, to_provider(victim, base(server)), "ana")
    code = parse_qs(urlsplit(stolen).query)["code"][0]
    own = back_from(browser, to_provider(browser, base(server)), "eva")
    injected = re.sub(r"code=[^&]*", f"code={code}", own)
    answer = browser.get(injected, allow_redirects=False, timeout=30)
    assert (answer.status_code, answer.headers["Tunelab-Error"]) == (400, "login-failed")


@pytest.mark.parametrize("change", ["cut", "other host", "login for session", "made up"])
def test_a_cookie_that_this_exit_node_did_not_give_for_this_is_worth_nothing(
    server: Server, sites: Path, provider: OidcProvider, browser: requests.Session, change: str
) -> None:
    write(sites, sites_text(provider.issuer, name="*"))
    server.wait_for("sites_reloaded")
    location = to_provider(browser, base(server))
    (login,) = browser.cookies
    browser.get(back_from(browser, location, "ana"), allow_redirects=False, timeout=30)
    value = browser.cookies.get(SESSION, domain="localhost.local") or ""
    assert value
    host = f"localhost:{server.port}"
    if change == "cut":
        value = value[:-4]
    elif change == "other host":
        host = f"ana.localhost:{server.port}"
    elif change == "login for session":
        value = login.value or ""
    else:
        value = "a" * len(value)
    with server.visit() as wire:
        answer = wire.ask("GET", "/", f"Host: {host}", f"Cookie: {SESSION}={value}")
        assert (answer.status, answer.code) == (403, "login-required")


@pytest.mark.parametrize("target", ["//malo.example/", "/\\malo.example/", "/" + "a" * 3000])
def test_nobody_is_sent_elsewhere_after_the_login(
    server: Server, browser: requests.Session, target: str
) -> None:
    host = f"localhost:{server.port}"
    with server.visit() as wire:
        answer = wire.ask("GET", target, f"Host: {host}", "Accept: text/html")
        assert answer.status == 302
        cookie = str(answer.fields.get("Set-Cookie")).partition(";")[0]
        callback = back_from(browser, str(answer.fields.get("Location")), "ana")
        wire_target = callback.partition(host)[2]
        answer = wire.ask("GET", wire_target, f"Host: {host}", "Accept: text/html", f"Cookie: {cookie}")
        assert answer.fields.get("Location") == f"http://{host}/"


def test_a_provider_that_says_no_lets_nobody_in(server: Server, browser: requests.Session) -> None:
    location = to_provider(browser, base(server))
    state = parse_qs(urlsplit(location).query)["state"][0]
    for query in (f"error=access_denied&state={state}", f"state={state}", f"code=x&code=y&state={state}"):
        answer = browser.get(
            f"{base(server)}/.tunelab/oidc/callback?{query}", allow_redirects=False, timeout=30
        )
        assert (answer.status_code, answer.headers["Tunelab-Error"]) == (400, "login-failed")


def test_a_state_with_any_letters_is_only_a_login_that_failed(
    server: Server, browser: requests.Session
) -> None:
    to_provider(browser, base(server))
    (login,) = browser.cookies
    state = "año"
    name = f"tunelab-login-{hashlib.sha256(state.encode()).hexdigest()[:16]}"
    target = "/.tunelab/oidc/callback?code=x&state=a%C3%B1o"
    with server.visit() as wire:
        answer = wire.ask("GET", target, f"Host: localhost:{server.port}", f"Cookie: {name}={login.value}")
        assert (answer.status, answer.code) == (400, "login-failed")


def test_a_provider_that_is_away_is_told_and_the_exit_node_goes_on(
    start: Starter, sites: Path, service: Backend, browser: requests.Session
) -> None:
    write(sites, sites_text("http://127.0.0.1:9"))
    server = start.server(f"--sites-file={sites}")
    start.connected_client(server, service)
    answer = browser.get(base(server), allow_redirects=False, timeout=30)
    assert (answer.status_code, answer.headers["Tunelab-Error"]) == (503, "login-unavailable")
    assert browser.get(f"http://127.0.0.1:{server.port}", timeout=30).status_code == 200, "no site"


# ── together with a password ─────────────────────────────────────────────────────────────────────


def test_a_program_may_use_a_password_where_people_log_in(
    start: Starter, sites: Path, provider: OidcProvider, service: Backend, browser: requests.Session
) -> None:
    write(sites.with_name("usuarios"), f"robot:{hash_password('clave larga', 10, 1).encode()}\n")
    site = '[site."localhost"]\nbasic = "usuarios"\n' + sites_text(provider.issuer)
    write(sites, site)
    server = start.server(f"--sites-file={sites}")
    start.connected_client(server, service)
    to_provider(browser, base(server))
    asked = requests.get(base(server), timeout=30)
    assert asked.status_code == 401
    assert asked.headers["WWW-Authenticate"].startswith("Basic ")
    cookies = {SESSION: "x", "suya": "1"}
    got = requests.get(base(server), auth=("robot", "clave larga"), cookies=cookies, timeout=30)
    assert got.status_code == 200
    (seen,) = service.requests
    assert seen.fields.get("Cookie") == "suya=1"
    assert seen.fields.get("Authorization") is None
    assert seen.fields.get("X-Forwarded-User") == "robot"
