"""The page of a recorded lab, opened from the disk in Chromium, with the network off."""

import hashlib
import re

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from support.chromium import run_chromium
from support.labs import ROOT

WAIT_S = 20
PLAYER = ROOT / "labs" / "labcheck" / "recording" / "player"
# Of dist/bundle/ of the npm package asciinema-player 3.17.0, whose own integrity is in NOTICE.
PUBLISHED = {
    "LICENSE": "63422284ed65be54ab38d8a94e7518d27e222fbb26c9ae4cd984c63926e91c12",
    "asciinema-player.css": "f619fe17597043564f03b2c6918b3daf890ee8b912fb408542fba11afade4fdb",
    "asciinema-player.min.js": "a13c37632e1b5c49fe9128417b9319a9b5bc64cb457dd5ae52cbba8a3aceb880",
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with run_chromium(tmp_path_factory.mktemp("chromium")) as driver:
        driver.set_network_conditions(offline=True, latency=0, throughput=0)
        yield driver


@pytest.fixture
def page(browser, recorded):
    browser.get_log("browser")
    browser.get(recorded.file("html").as_uri())
    wait(browser, "return walkthrough.player.getDuration() > 0")
    return browser


def wait(browser, script):
    """Wait until a script tells the truth, and return what it returns."""
    return WebDriverWait(browser, WAIT_S, poll_frequency=0.05).until(
        lambda driver: driver.execute_script(script)
    )


def screen(browser) -> str:
    return browser.find_element(By.CSS_SELECTOR, "#player .ap-term").text


def test_it_plays_from_the_beginning_and_the_subtitle_goes_with_it(page):
    subtitle = page.find_element(By.ID, "subtitle")
    assert subtitle.text == "Preparación"
    page.execute_script("walkthrough.player.play()")
    wait(page, "return walkthrough.player.getCurrentTime() > walkthrough.cues[1].start_s + 0.2")
    wait(page, "return subtitle.textContent === walkthrough.cues[1].lines.join('\\n')")
    assert subtitle.get_attribute("role") == "status"


def test_each_step_of_the_list_leads_to_its_marker_and_to_its_subtitle(page, recorded):
    buttons = page.find_elements(By.CSS_SELECTOR, "#steps button")
    assert [button.text for button in buttons] == [label for _, label in recorded.markers]
    for index in (3, 1, len(buttons) - 1):
        buttons[index].click()
        at_s, label = recorded.markers[index]
        wait(page, f"return Math.abs(walkthrough.player.getCurrentTime() - {at_s}) < 3")
        first_word = label.split()[0]
        wait(page, f"return subtitle.textContent.startsWith({first_word!r})")
        wait(page, f"return document.querySelectorAll('#steps button')[{index}].hasAttribute('aria-current')")
        assert len(page.find_elements(By.CSS_SELECTOR, "#steps [aria-current]")) == 1


def test_the_terminal_shows_what_came_last(page):
    page.execute_script("walkthrough.player.seek('100%')")
    WebDriverWait(page, WAIT_S).until(lambda driver: "No quedó nada del laboratorio" in screen(driver))


def test_who_cannot_see_it_has_everything_in_text(page, recorded):
    shown = [element.get_attribute("textContent") for element in page.find_elements(By.TAG_NAME, "pre")]
    scenes = recorded.read("txt").split("\n$ ")
    assert [text.rstrip() for text in shown if text.startswith("$ ")] == [
        (scene if scene.startswith("$ ") else f"$ {scene}").rstrip() for scene in scenes
    ]
    said = " ".join(element.get_attribute("textContent") for element in page.find_elements(By.TAG_NAME, "p"))
    assert said.count("Predicción.") == len(recorded.markers) - 3
    for video in recorded.lab.videos:
        assert page.find_elements(By.CSS_SELECTOR, f"a[href='{video.url}']")
    assert page.find_element(By.TAG_NAME, "html").get_attribute("lang") == "es"


@pytest.mark.parametrize(("scheme", "paper"), [("light", (255, 255, 255)), ("dark", (20, 23, 27))])
def test_it_is_light_or_dark_as_the_system_is(browser, recorded, scheme, paper):
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(recorded.file("html").as_uri())
    colour = browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    assert tuple(map(int, re.findall(r"\d+", colour)[:3])) == paper
    theme = "papel" if scheme == "light" else "asciinema"
    assert wait(browser, f"return document.querySelector('#player .asciinema-player-theme-{theme}') !== null")


def test_it_asks_nobody_for_anything_and_complains_of_nothing(page, recorded):
    wait(page, "return document.readyState === 'complete'")
    assert page.execute_script("return performance.getEntriesByType('resource').map(one => one.name)") == []
    assert page.get_log("browser") == []
    text = recorded.read("html")
    assert "default-src 'none'" in text
    assert not re.search(r"<(?:script|img|iframe)[^>]*\ssrc=|<link\b", text)


def test_the_player_is_the_published_one_and_its_licence_is_named():
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in PLAYER.iterdir()}
    assert found == PUBLISHED
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert "asciinema-player 3.17.0" in notice
    assert "Apache License 2.0" in notice
    assert "Apache License" in (PLAYER / "LICENSE").read_text(encoding="utf-8")
