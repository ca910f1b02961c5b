"""The page in a real browser: what a visitor sees and does, with a mouse, a keyboard or a screen reader."""

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from flask import Flask, request
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from support.chromium import run_chromium
from support.contrast import CONTRASTS
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from gtd_app.server import AppServer

TASKS = "/todo/api/v1.0/tasks"
WAIT_S = 20  # for what the page does by itself every two seconds, on a busy machine


class Page:
    """The page of one application in one browser."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self) -> "Page":
        self.driver.get(self.url + "/")
        self.until(lambda: self.rows())
        return self

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until ``condition`` holds; elements that the page replaces meanwhile do not matter."""
        WebDriverWait(self.driver, WAIT_S, 0.1).until(lambda _: condition())

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def rows(self) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, "#tasks > li")

    def row(self, title: str) -> WebElement:
        # Not by WebDriver's text, which is empty while an arrival fades in.
        names = self.driver.find_elements(By.CSS_SELECTOR, "#tasks bdi")
        (name,) = (name for name in names if name.get_property("textContent") == title)
        return name.find_element(By.XPATH, "ancestor::li")

    def titles(self) -> list[str]:
        return self.run("return [...document.querySelectorAll('#tasks bdi')].map((name) => name.textContent)")

    def look(self) -> None:
        """Make the page ask now, as when its tab is shown again; what arrives later arrives all the same."""
        self.run("document.dispatchEvent(new Event('visibilitychange'))")

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def run(self, script: str, *arguments: object) -> object:
        return self.driver.execute_script(script, *arguments)

    def focused(self) -> str:
        """Describe what has the keyboard: its id, or its accessible name."""
        element = self.driver.switch_to.active_element
        return element.get_attribute("id") or element.accessible_name

    def press(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def emulate(self, **features: str) -> None:
        """Set CSS media features, such as ``prefers_color_scheme="dark"``."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": named})

    def resize(self, width: int) -> None:
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    # The other end: what somebody does from a terminal.

    def api(self, method: str, path: str = "", body: object = None) -> dict[str, object]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        with urllib.request.urlopen(
            urllib.request.Request(self.url + TASKS + path, data, headers, method=method), timeout=20
        ) as response:
            return json.load(response)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with run_chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture
def page(browser: Chrome, server: AppServer) -> Iterator[Page]:
    """The page, open on the two first tasks. At its end: nothing in its console, no request to elsewhere."""
    page = Page(browser, server.url)
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)  # what is in it belongs to the test before
    page.emulate(prefers_color_scheme="light", prefers_reduced_motion="no-preference")
    page.resize(1100)
    yield page.open()
    browser.get("about:blank")
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    asked = {urlsplit(url).netloc for url in requested_urls(browser)}
    assert asked == {urlsplit(server.url).netloc}


def requested_urls(driver: Chrome) -> list[str]:
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    return [url for url in urls if not url.startswith(("about:", "data:"))]


# What it shows and does


def test_page_shows_the_tasks_the_newest_first(page: Page) -> None:
    assert page.driver.title == "Tareas por hacer"
    assert page.titles() == ["Learn Python", "Buy groceries"]
    assert "Milk, cheese, pizaa" in page.row("Buy groceries").text
    assert page.text("#summary") == "2 tareas, 2 pendientes"
    assert page.text("#link-text") == "Se actualiza sola"
    assert f"{page.url}{TASKS}" in page.text("#command")


def test_task_is_added_with_the_form(page: Page) -> None:
    page.find("#title").send_keys("write a book")
    page.find("#description").send_keys("en español: ñandú")
    page.find("button.primary").click()
    page.until(lambda: page.titles() == ["write a book", "Learn Python", "Buy groceries"])
    assert page.api("GET", "/3")["task"] == {
        "description": "en español: ñandú",
        "done": False,
        "id": 3,
        "title": "write a book",
    }
    page.until(lambda: page.text("#announcer") == "Se agregó la tarea write a book")
    assert page.find("#title").get_attribute("value") == ""
    assert page.focused() == "title"
    assert not page.find(".badge").is_displayed()  # one's own task is no surprise


def test_empty_title_is_pointed_out_at_the_field(page: Page) -> None:
    page.find("#title").send_keys("   ")
    page.find("button.primary").click()
    assert page.text("#form-error") == "Escriba el título de la tarea."
    assert page.find("#title").get_attribute("aria-invalid") == "true"
    assert page.find("#title").get_attribute("aria-describedby") == "form-error"
    assert page.focused() == "title"
    page.find("#title").send_keys("a")
    assert page.text("#form-error") == ""
    assert page.find("#title").get_attribute("aria-invalid") == "false"
    assert len(page.api("GET")["tasks"]) == 2


def test_refusal_of_the_api_is_shown_in_its_own_words(page: Page) -> None:
    # Longer than the field lets anybody type, as a script would put it there.
    page.run("document.getElementById('title').value = 'x'.repeat(201)")
    page.find("button.primary").click()
    page.until(lambda: "el límite es 200" in page.text("#form-error"))
    page.driver.get_log("browser")  # the browser itself notes the 400


def test_task_is_completed_and_made_pending_again(page: Page) -> None:
    page.row("Buy groceries").find_element(By.CSS_SELECTOR, ".done").click()
    page.until(lambda: page.text("#summary") == "2 tareas, 1 pendiente")
    assert page.api("GET", "/1")["task"]["done"] is True
    title = page.row("Buy groceries").find_element(By.CSS_SELECTOR, ".task-title")
    assert "line-through" in title.value_of_css_property("text-decoration-line")
    title.click()  # the name is the box's label
    page.until(lambda: page.text("#summary") == "2 tareas, 2 pendientes")
    assert page.api("GET", "/1")["task"]["done"] is False


def test_box_clicked_twice_in_a_row_ends_where_it_was(page: Page) -> None:
    page.run("const box = document.getElementById('task-1'); box.click(); box.click()")
    page.until(lambda: page.text("#announcer") == "Tarea pendiente otra vez.")
    assert page.api("GET", "/1")["task"]["done"] is False
    assert not page.find("#task-1").is_selected()


def test_double_click_deletes_one_task_only(page: Page) -> None:
    ActionChains(page.driver).double_click(
        page.row("Learn Python").find_element(By.CLASS_NAME, "delete")
    ).perform()
    page.until(lambda: page.titles() == ["Buy groceries"])
    page.look()
    page.until(lambda: page.text("#announcer") == "Se borró la tarea Learn Python")
    assert [task["id"] for task in page.api("GET")["tasks"]] == [1]


def test_task_is_deleted_and_the_keyboard_stays_in_the_list(page: Page) -> None:
    page.row("Learn Python").find_element(By.CSS_SELECTOR, ".delete").click()
    page.until(lambda: page.titles() == ["Buy groceries"])
    assert page.focused() == "Borrar la tarea Buy groceries"
    page.press(Keys.ENTER)
    page.until(lambda: page.find("#empty").is_displayed())
    assert page.titles() == []
    assert page.focused() == "lista"
    assert page.api("GET") == {"tasks": []}


def test_everything_works_with_the_keyboard_alone(page: Page) -> None:
    page.press(Keys.TAB)
    assert page.focused() == "Ir a la lista de tareas"
    assert page.find(".skip").rect["y"] >= 0  # it shows itself when it is reached
    page.press(Keys.TAB)
    assert page.focused() == "title"
    page.press("write a book", Keys.TAB, "a long one", Keys.TAB)
    assert page.focused() == "Agregar"
    page.press(Keys.ENTER)
    page.until(lambda: page.titles()[0] == "write a book")
    page.until(lambda: page.focused() == "title")
    page.press(Keys.TAB, Keys.TAB, Keys.TAB)
    assert page.focused() == "task-3"
    page.press(Keys.SPACE)
    page.until(lambda: page.api("GET", "/3")["task"]["done"] is True)
    page.press(Keys.TAB)
    assert page.focused() == "Borrar la tarea write a book"
    assert page.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press(Keys.ENTER)
    page.until(lambda: page.titles() == ["Learn Python", "Buy groceries"])


# What happens elsewhere


def test_task_from_outside_arrives_without_reload_and_is_marked(page: Page) -> None:
    page.run("window.sameDocument = true")
    page.find("#title").send_keys("half a thou")
    page.api("POST", body={"title": "write a book", "description": "Por el túnel"})
    page.until(lambda: page.titles() == ["write a book", "Learn Python", "Buy groceries"])
    assert page.run("return window.sameDocument") is True
    row = page.row("write a book")
    assert row.find_element(By.CSS_SELECTOR, ".badge").is_displayed()
    page.until(lambda: "Nueva" in row.text)
    fresh, plain = (row.value_of_css_property("background-color") for row in page.rows()[:2])
    assert fresh != plain
    assert page.text("#announcer") == "Llegó una tarea nueva: write a book"
    # Whoever was writing goes on writing.
    assert page.focused() == "title"
    page.press("ght")
    assert page.find("#title").get_attribute("value") == "half a thought"


def test_several_arrivals_are_announced_once(page: Page) -> None:
    for number in range(3):
        page.api("POST", body={"title": f"task {number}"})
    page.look()
    page.until(lambda: len(page.rows()) == 5)
    assert page.text("#announcer").startswith("Lleg")
    assert page.titles() == ["task 2", "task 1", "task 0", "Learn Python", "Buy groceries"]


def test_change_and_removal_from_outside_are_shown(page: Page) -> None:
    page.api("PUT", "/2", {"title": "Learn Rust", "done": True})
    page.look()
    page.until(lambda: page.titles() == ["Learn Rust", "Buy groceries"])
    assert page.row("Learn Rust").find_element(By.CSS_SELECTOR, ".done").is_selected()
    page.api("DELETE", "/1")
    page.look()
    page.until(lambda: page.titles() == ["Learn Rust"])


def test_task_deleted_by_somebody_else_at_the_same_time_is_explained(page: Page, app: Flask) -> None:
    app.extensions["gtd_store"].delete_task(1)
    page.row("Buy groceries").find_element(By.CSS_SELECTOR, ".done").click()
    page.until(lambda: page.titles() == ["Learn Python"])
    page.driver.get_log("browser")  # the browser itself notes the 404, if the page was faster than its poll


def test_title_with_markup_stays_text(page: Page) -> None:
    evil = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
    page.api("POST", body={"title": evil, "description": evil})
    page.look()
    page.until(lambda: page.titles()[0] == evil)
    assert page.run("return document.querySelectorAll('#tasks img, #tasks script').length") == 0
    assert page.run("return window.hacked === undefined")


def test_hidden_page_does_not_ask_and_a_page_shown_again_asks_at_once(page: Page, app: Flask) -> None:
    page.run(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.driver.get_log("performance")
    time.sleep(2.5)  # longer than the page's interval: nothing may happen, and nothing tells that it did not
    assert requested_urls(page.driver) == []
    page.api("POST", body={"title": "meanwhile"})
    page.run("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.until(lambda: page.titles()[0] == "meanwhile")


# When the application does not answer


def start(app: Flask, port: int = 0) -> tuple[AppServer, Callable[[], None]]:
    server = AppServer(app, "127.0.0.1", port)
    thread = threading.Thread(target=server.run)
    thread.start()

    def stop() -> None:
        server.request_stop()
        thread.join(15)

    return server, stop


def test_lost_application_is_told_and_found_again(browser: Chrome, app: Flask) -> None:
    server, stop = start(app)
    try:
        page = Page(browser, server.url).open()
        assert not page.find("#banner").is_displayed()
        stop()
        page.until(lambda: page.find("#banner").is_displayed())
        assert page.find("#banner").get_attribute("role") == "alert"
        assert "Nadie responde en esta dirección." in page.find("#banner").text
        assert page.text("#link-text") == "Sin conexión"
        assert page.titles() == ["Learn Python", "Buy groceries"]  # what was known stays in sight

        page.find("#title").send_keys("not lost")
        page.find("button.primary").click()
        page.until(lambda: "El texto sigue aquí" in page.text("#form-error"))
        assert page.find("#title").get_attribute("value") == "not lost"
        page.row("Buy groceries").find_element(By.CSS_SELECTOR, ".done").click()
        page.until(lambda: not page.row("Buy groceries").find_element(By.CSS_SELECTOR, ".done").is_selected())

        _, stop = start(app, server.port)
        page.until(lambda: not page.find("#banner").is_displayed())
        assert page.text("#link-text") == "Se actualiza sola"
        page.find("button.primary").click()
        page.until(lambda: page.titles()[0] == "not lost")
    finally:
        stop()
        browser.get("about:blank")
        browser.get_log("browser")  # each failed request is in it


def test_proxy_that_answers_in_its_place_is_told_from_the_application(browser: Chrome, app: Flask) -> None:
    broken = threading.Event()

    @app.before_request
    def answer_like_a_tunnel_without_client() -> tuple[str, int] | None:
        if broken.is_set() and request.path == TASKS:
            return "<h1>Nadie al otro lado</h1>", 503
        return None

    server, stop = start(app)
    try:
        page = Page(browser, server.url).open()
        broken.set()
        page.until(lambda: page.find("#banner").is_displayed())
        assert "HTTP 503" in page.find("#banner").text
        broken.clear()
        page.until(lambda: not page.find("#banner").is_displayed())
    finally:
        stop()
        browser.get("about:blank")
        browser.get_log("browser")


def test_page_works_behind_a_prefix(browser: Chrome, app: Flask) -> None:
    server, stop = start(app)
    server._server.application = DispatcherMiddleware(refuse_everything, {"/aula/7": app.wsgi_app})
    try:
        page = Page(browser, server.url + "/aula/7").open()
        page.find("#title").send_keys("through a prefix")
        page.find("button.primary").click()
        page.until(lambda: page.titles()[0] == "through a prefix")
        assert page.text("#command").endswith(f"{server.url}/aula/7{TASKS}")
    finally:
        stop()
        browser.get("about:blank")
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def refuse_everything(environ: object, start_response: Callable[..., object]) -> list[bytes]:
    start_response("404 Not Found", [("Content-Length", "0")])
    return []


# For everybody


def test_page_has_the_structure_that_a_screen_reader_walks(page: Page) -> None:
    assert page.run("return document.documentElement.lang") == "es"
    assert page.run("return ['header', 'main'].map((name) => document.querySelectorAll(name).length)") == [
        1,
        1,
    ]
    headings = page.run("return [...document.querySelectorAll('h1,h2,h3')].map((heading) => heading.tagName)")
    assert headings == ["H1", "H2", "H2", "H2"]
    controls = page.driver.find_elements(By.CSS_SELECTOR, "input, button, a[href]")
    assert len(controls) == 8
    names = [control.accessible_name for control in controls]
    assert all(names), names
    assert len(set(names)) == len(names), names  # "Borrar" twice would tell nobody which
    roles = [control.aria_role for control in controls]
    assert roles == ["link", "textbox", "textbox", "button", "checkbox", "button", "checkbox", "button"]
    for section in page.driver.find_elements(By.CSS_SELECTOR, "section"):
        assert section.accessible_name
    identifiers = page.run("return [...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert len(set(identifiers)) == len(identifiers)
    for image in page.driver.find_elements(By.TAG_NAME, "img"):
        assert image.get_attribute("alt") is not None
    assert page.find("#announcer").get_attribute("aria-live") == "polite"


def test_targets_are_large_enough_to_hit(page: Page) -> None:
    for width in (1100, 320):
        page.resize(width)
        controls = page.driver.find_elements(By.CSS_SELECTOR, "main input, main button")
        assert len(controls) == 7
        for control in controls:  # WCAG 2.2, 2.5.8: 24 CSS pixels; boxes count with their label
            size = control.rect
            assert min(size["width"], size["height"]) >= 22, (control.accessible_name, size)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(page: Page, scheme: str) -> None:
    page.emulate(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    page.api("PUT", "/2", {"done": True})
    page.api("POST", body={"title": "write a book", "description": "Por el túnel"})
    page.look()
    page.until(lambda: page.titles()[0] == "write a book")
    page.find("button.primary").click()  # the message of an empty title
    page.run("document.getElementById('banner-title').textContent = 'Sin conexión'")
    page.run("document.getElementById('banner').hidden = false")
    measured = page.run(CONTRASTS)
    assert len(measured) > 20
    assert {"Nueva", "Sin conexión", "Escriba el título de la tarea."} <= {text for _, text in measured}
    assert [(round(ratio, 2), text) for ratio, text in measured if ratio < 4.5] == []


def test_two_colour_schemes_are_two(page: Page) -> None:
    light = page.find("body").find_element(By.XPATH, "..").value_of_css_property("background-color")
    page.emulate(prefers_color_scheme="dark")
    assert page.find("body").find_element(By.XPATH, "..").value_of_css_property("background-color") != light


def test_arrival_moves_only_for_those_who_want_movement(page: Page) -> None:
    page.api("POST", body={"title": "first"})
    page.look()
    page.until(lambda: page.titles()[0] == "first")
    assert page.row("first").value_of_css_property("animation-name") == "arrive"
    page.emulate(prefers_reduced_motion="reduce")
    assert page.row("first").value_of_css_property("animation-name") == "none"


@pytest.mark.parametrize("width", [320, 360, 768])
def test_narrow_screen_needs_no_sideways_scrolling(page: Page, width: int) -> None:
    page.api("POST", body={"title": "W" * 200, "description": "https://example.org/" + "x" * 400})
    page.look()
    page.until(lambda: len(page.rows()) == 3)
    page.resize(width)
    wanted, room = page.run(
        "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
    )
    assert wanted <= room
    for element in page.driver.find_elements(By.CSS_SELECTOR, "main input, main button, #tasks bdi, pre"):
        if element.is_displayed():
            assert element.rect["x"] + element.rect["width"] <= room
