"""The page in a real browser: what somebody at the client sees and does, with a mouse or a keyboard."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from support.chromium import run_chromium
from support.contrast import CONTRASTS
from support.gtd_process import run_gtd_app
from support.inspected import Inspected, inspector_port
from support.tunnel_kit import Starter
from support.wire import Wire, eventually, response

WAIT_S = 20
JSON = "Content-Type: application/json"


class Page:
    """The inspector's page of one client in one browser."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, fragment: str = "") -> Page:
        self.driver.get(f"{self.url}/{fragment}")
        self.until(lambda: self.text("#state-text") == "En vivo")
        return self

    def until(self, condition: Callable[[], object]) -> None:
        WebDriverWait(self.driver, WAIT_S, 0.1).until(lambda _: condition())

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def run(self, script: str, *arguments: object) -> object:
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str) -> str:
        return str(
            self.run("return document.querySelector(arguments[0])?.textContent.trim() ?? ''", selector)
        )

    def shown(self, selector: str) -> str:
        return self.find(selector).text

    def click(self, selector: str) -> None:
        self.find(selector).click()

    def press(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def focused(self) -> str:
        element = self.driver.switch_to.active_element
        return element.get_attribute("id") or element.get_attribute("data-number") or ""

    def numbers(self) -> list[int]:
        found = self.run("return [...document.querySelectorAll('#rows tr')].map((row) => row.dataset.number)")
        return [int(number) for number in found]

    def choose(self, number: int) -> None:
        self.until(lambda: number in self.numbers())
        self.click(f'tr[data-number="{number}"] .open')
        self.until(lambda: f"#{number}" in self.driver.current_url and self.text("#facts") != "")

    def tab(self, name: str) -> None:
        self.click(f"#tab-{name}")
        self.until(lambda: self.find(f"#panel-{name}").is_displayed())

    def write(self, selector: str, text: str) -> None:
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def emulate(self, **features: str) -> None:
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": named})

    def resize(self, width: int) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with run_chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture
def page(browser: Chrome, inspected: Inspected) -> Iterator[Page]:
    """The page of ``inspected``. At its end: nothing in its console, no request to elsewhere."""
    inspected.backend.answer(
        lambda asked: response(200, b'{"tareas":[{"id":1}],"token":"t0k3n"}', JSON, "Set-Cookie: sid=c00k13")
    )
    page = Page(browser, inspected.url)
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)  # what is in it belongs to the test before
    page.emulate(prefers_color_scheme="light", prefers_reduced_motion="no-preference")
    page.resize(1280)
    yield page.open()
    browser.get("about:blank")
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    assert {urlsplit(url).netloc for url in requested_urls(browser)} == {urlsplit(inspected.url).netloc}


def requested_urls(driver: Chrome) -> list[str]:
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [each["params"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    return [
        each["request"]["url"] for each in sent if not each["request"]["url"].startswith(("about:", "data:"))
    ]


def test_what_passes_appears_by_itself_the_newest_first_and_is_announced(
    page: Page, inspected: Inspected
) -> None:
    assert page.driver.title == "Inspector del túnel"
    assert "Todavía no pasó ninguna petición" in page.shown("#empty")
    inspected.visit("GET", "/uno")
    inspected.visit("POST", "/dos?token=k3y", content=b"hola")
    page.until(lambda: page.numbers() == [2, 1])
    row = page.shown('tr[data-number="2"]')
    assert "POST /dos?token=«oculto 1»" in row
    assert "ana.example" in row
    assert "200" in row
    assert page.text("#count") == "2 peticiones"
    page.until(lambda: "nueva" in page.text("#announcer"))


def test_all_of_an_exchange_is_shown_and_no_secret(page: Page, inspected: Inspected) -> None:
    inspected.visit("POST", "/t", JSON, "Authorization: Bearer b34r3r", content=b'{"password":"p4ss","n":1}')
    page.choose(1)
    assert page.text("#detail-title") == "POST /t"
    assert [name in page.shown("#panel-times") for name in ("Espera", "Respuesta", "Entrega al enlace")] == [
        True
    ] * 3
    page.tab("hops")
    assert "X-Forwarded-For: 127.0.0.1" in page.shown("#panel-hops")
    assert "RFC 7239, 4" in page.shown("#panel-hops")
    page.tab("request")
    assert "Authorization: Bearer «oculto 1»" in page.shown("#panel-request")
    assert '"n": 1' in page.shown("#panel-request")
    page.tab("response")
    assert "Set-Cookie: sid=«oculto" in page.shown("#panel-response")
    page.tab("frames")
    page.until(
        lambda: (
            [kind in page.shown("#panel-frames") for kind in ("OPEN", "HEAD", "DATA", "END")] == [True] * 4
        )
    )
    whole = str(page.run("return document.documentElement.outerHTML"))
    for secret in ("b34r3r", "p4ss", "t0k3n", "c00k13"):
        assert secret not in whole


def test_what_passes_is_text_and_never_markup(page: Page, inspected: Inspected) -> None:
    evil = "<img/src=x/onerror=window.hacked=1>"
    inspected.backend.answer(
        lambda _: response(200, evil.encode(), "Content-Type: text/html", f"X-Evil: {evil}")
    )
    inspected.visit("GET", f"/{evil}", f"X-Evil: {evil}", f"User-Agent: {evil}")
    page.choose(1)
    for name in ("times", "hops", "request", "response", "frames"):
        page.tab(name)
    page.tab("response")
    assert page.shown("#panel-response").count(evil) == 2
    assert evil in page.text("#detail-title")
    assert page.run("return window.hacked ?? document.querySelectorAll('main img').length") == 0


def test_a_request_is_repeated_with_a_click(page: Page, inspected: Inspected) -> None:
    inspected.visit("POST", "/t", content=b"hola")
    page.choose(1)
    page.click("#replay")
    page.until(lambda: page.numbers() == [2, 1] and "repetición de la 1" in page.text("#facts"))
    assert "repetición de 1" in page.shown('tr[data-number="2"]')
    inspected.detail(2)
    assert [asked.content for asked in inspected.backend.requests] == [b"hola", b"hola"]
    page.tab("frames")
    page.until(lambda: "no pasa por el enlace" in page.shown("#panel-frames"))


def test_a_request_is_edited_and_sent_with_its_secrets(page: Page, inspected: Inspected) -> None:
    inspected.visit("POST", "/t", JSON, "Cookie: sid=c00k13", content=b'{"password":"p4ss"}')
    page.choose(1)
    page.click("#edit")
    assert "Cookie: sid=«oculto 1»" in str(page.find("#edit-fields").get_attribute("value"))
    page.write("#edit-target", "sin barra")
    page.click("#editor .primary")
    page.until(lambda: "empieza con «/»" in page.text("#edit-error"))
    page.driver.get_log("browser")  # the browser itself notes the 400
    page.write("#edit-target", "/otra")
    page.find("#edit-content").send_keys(Keys.END, " ")
    page.click("#editor .primary")
    page.until(lambda: page.numbers() == [2, 1])
    page.until(lambda: not page.find("#editor").is_displayed())
    inspected.detail(2)
    asked = inspected.backend.requests[1]
    assert (asked.target, asked.fields.all("Cookie")) == ("/otra", ["sid=c00k13"])
    assert asked.content == b'{"password":"p4ss"} '


def test_the_list_is_filtered_and_searched(page: Page, inspected: Inspected) -> None:
    inspected.visit("GET", "/manzana")
    inspected.visit("DELETE", "/pera")
    page.until(lambda: page.numbers() == [2, 1])
    page.write("#text", "pera")
    page.until(lambda: page.numbers() == [2])
    page.write("#text", "nada de esto")
    page.until(lambda: "Ninguna petición" in page.shown("#empty"))
    page.run("document.querySelector('#text').value = ''")
    page.find("#method").send_keys("GET")
    page.until(lambda: page.numbers() == [1])
    inspected.visit("DELETE", "/uva")
    inspected.visit("GET", "/uva")
    page.until(lambda: page.numbers() == [4, 1])


def test_a_pause_holds_the_list_still_and_loses_nothing(page: Page, inspected: Inspected) -> None:
    page.click("#pause")
    assert page.find("#pause").get_attribute("aria-pressed") == "true"
    inspected.visit()
    inspected.detail(1)
    assert page.numbers() == []
    page.click("#pause")
    page.until(lambda: page.numbers() == [1])


def test_the_list_is_emptied(page: Page, inspected: Inspected) -> None:
    inspected.visit()
    page.choose(1)
    page.click("#clear")
    page.until(lambda: page.numbers() == [])
    assert page.find("#nothing").is_displayed()
    inspected.visit()
    page.until(lambda: page.numbers() == [2])


def test_the_keyboard_is_enough(page: Page, inspected: Inspected) -> None:
    for name in ("uno", "dos", "tres"):
        inspected.visit("GET", f"/{name}")
    page.until(lambda: page.numbers() == [3, 2, 1])
    page.run("document.querySelector('tr[data-number=\"3\"] .open').focus()")
    page.press(Keys.ARROW_DOWN)
    page.until(lambda: page.text("#detail-title") == "GET /dos")
    assert page.focused() == "2"
    assert page.find('tr[data-number="2"] .open').get_attribute("aria-current") == "true"
    page.run("document.querySelector('#tab-times').focus()")
    page.press(Keys.ARROW_LEFT)
    assert (page.focused(), page.find("#panel-frames").is_displayed()) == ("tab-frames", True)
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert (page.focused(), page.find("#panel-hops").is_displayed()) == ("tab-hops", True)
    page.run("document.querySelector('#edit').focus()")
    page.press(Keys.ENTER)
    page.until(lambda: page.focused() == "edit-method")
    page.press(Keys.ESCAPE)
    page.until(lambda: page.focused() == "edit")


def test_every_control_has_a_name(page: Page, inspected: Inspected) -> None:
    inspected.visit()
    page.choose(1)
    controls = page.driver.find_elements(
        By.CSS_SELECTOR, "button, input, select, textarea, a[href], [role=tabpanel]"
    )
    visible = [control for control in controls if control.is_displayed()]
    assert len(visible) > 15
    assert [control.get_attribute("outerHTML") for control in visible if not control.accessible_name] == []


def test_the_link_is_shown_from_within(page: Page, inspected: Inspected) -> None:
    inspected.visit("POST", "/", content=b"hola")
    inspected.detail(1)
    page.tab("link")
    page.until(lambda: "petición 1" in page.shown("#links"))
    assert f"Enlace 1 con ws://127.0.0.1:{inspected.server.control_port}" in page.shown("#links")
    assert [kind in page.shown("#frames") for kind in ("HELLO", "GRANT", "PING", "OPEN")] == [True] * 4
    page.write("#stream", "1")
    page.until(lambda: "HELLO" not in page.shown("#frames") and "OPEN" in page.shown("#frames"))
    inspected.visit()
    page.until(lambda: "petición 2" in page.shown("#links"))
    page.click("[data-goto='1']")
    page.until(lambda: page.text("#detail-title") == "POST /")


def test_an_address_leads_to_an_exchange_again(page: Page, inspected: Inspected) -> None:
    inspected.visit("GET", "/uno")
    inspected.visit("GET", "/dos")
    page.until(lambda: page.numbers() == [2, 1])
    page.driver.get("about:blank")
    page.open("#1")
    page.until(lambda: page.text("#detail-title") == "GET /uno")


def test_a_page_that_cannot_be_told_of_changes_asks_for_them(page: Page, inspected: Inspected) -> None:
    page.driver.get("about:blank")
    with ExitStack() as stack:

        def take_every_place() -> bool:
            wire = stack.enter_context(Wire.to(inspected.port))
            wire.send(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % inspected.port)
            return wire.read_response_head().status == 503

        eventually(take_every_place, "no place is left", 30)
        page.open()
        inspected.visit("GET", "/uno")
        page.until(lambda: page.numbers() == [1])
    page.driver.get("about:blank")
    assert "503" in page.driver.get_log("browser")[0]["message"]


def test_a_client_that_ends_is_told(page: Page, inspected: Inspected) -> None:
    inspected.client.terminate()
    assert inspected.client.wait() == 0
    page.until(lambda: page.text("#state-text") == "Sin conexión")
    assert "no responde" in page.shown("#banner")
    page.driver.get("about:blank")
    page.driver.get_log("browser")  # the browser itself notes that nobody answers


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_fits_and_what_is_chosen_takes_the_place_of_the_list(
    page: Page, inspected: Inspected, width: int
) -> None:
    inspected.visit("GET", "/" + "larga" * 40, "X-Larga: " + "a" * 300)
    page.resize(width)
    page.choose(1)
    for name in ("hops", "request", "response", "frames", "times"):
        page.tab(name)
        assert page.run(
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        ), name
    is_narrow = width < 960
    assert page.find("#rows").is_displayed() is not is_narrow
    if is_narrow:
        page.click("#back")
        assert page.find("#rows").is_displayed()
        assert page.focused() == "1"
    page.tab("link")
    assert page.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(page: Page, inspected: Inspected, scheme: str) -> None:
    page.emulate(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    statuses = iter((200, 302, 404, 500))
    inspected.backend.answer(
        lambda _: response(next(statuses), b"x" * 100_000, "Connection: X-Solo", "X-Solo: 1")
    )
    for _ in range(4):
        inspected.visit()
    inspected.backend.play(lambda wire: wire.read_request_head())
    inspected.visit()
    page.until(lambda: len(page.numbers()) == 5)
    measured: list[tuple[float, str]] = []
    for number in (1, 5):
        page.choose(number)
        for name in ("times", "hops", "request", "response", "frames"):
            page.tab(name)
            measured += page.run(CONTRASTS)
    page.click("#edit")
    measured += page.run(CONTRASTS)
    page.press(Keys.ESCAPE)
    page.tab("link")
    page.until(lambda: "OPEN" in page.shown("#frames"))
    measured += page.run(CONTRASTS)
    words = {text for _, text in measured}
    assert {"404", "500", "302", "El enlace por dentro", "Enviar", "X-Solo:"} <= words
    assert sorted({(round(ratio, 2), text) for ratio, text in measured if ratio < 4.5}) == []


def test_the_course_s_application_through_a_real_tunnel(browser: Chrome, start: Starter) -> None:
    """The page beside the service that students share, Flask behind waitress."""
    with run_gtd_app("--en-memoria") as app:
        server = start.server()
        client = start.connected_client(server, app.url, options=("--inspector=0",))
        inspected = Inspected(server, client, start.backend(), inspector_port(client))
        page = Page(browser, inspected.url)
        page.resize(1280)
        page.open()
        created = inspected.visit("POST", "/todo/api/v1.0/tasks", JSON, content='{"title":"ñandú"}'.encode())
        assert created.status == 201
        page.choose(1)
        page.tab("response")
        assert '"title": "ñandú"' in page.shown("#panel-response")
        page.click("#replay")
        page.until(lambda: page.numbers() == [2, 1])
        inspected.detail(2)
        titles = inspected.visit("GET", "/todo/api/v1.0/tasks").content.decode().count("ñandú")
        assert titles == 2
        browser.get("about:blank")
