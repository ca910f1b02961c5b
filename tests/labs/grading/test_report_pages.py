"""The instructor's pages in a real browser, opened from a folder as an instructor would."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from support.chromium import run_chromium
from support.school_class import SIZE, school_class

from labcheck.grading.grade import Grade, Student
from labcheck.grading.reports.page import pages, write_pages
from labcheck.grading.reports.summary import ClassReport
from labcheck.grading.reports.text import clean

CLASS = ClassReport("03", "Un túnel HTTP", tuple(school_class()))

# The contrast of each text with what is behind it, by WCAG 2.2, 1.4.3. Returns those below 4.5:1.
LOW_CONTRAST = r"""
const channel = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const parse = (colour) => colour.match(/[\d.]+/g).map(Number);
const weights = [0.2126, 0.7152, 0.0722];
const light = (rgb) => weights.reduce((sum, part, n) => sum + part * channel(rgb[n] / 255), 0);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
};
const low = [];
let seen = 0;
for (const element of document.body.querySelectorAll("*")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || !element.getClientRects().length || element.closest("script, .visually-hidden")) continue;
  seen += 1;
  const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) low.push(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
}
return [seen, low];
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("paginas con espacio")
    assert write_pages(CLASS, folder) == folder / "index.html"
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with run_chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture
def page(browser: Chrome, folder: Path) -> Iterator[Chrome]:
    """The class's page. At its end: nothing in the console, and nothing asked of any server."""
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)  # what is in it belongs to the test before
    show(browser, width=1280)
    browser.get((folder / "index.html").as_uri())
    yield browser
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {
        urlsplit(message["params"]["request"]["url"]).scheme
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    assert asked == {"file"}


def show(browser: Chrome, *, width: int, scheme: str = "light", media: str = "screen") -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def column(page: Chrome, number: int) -> list[str]:
    script = (
        "return [...document.querySelectorAll('[data-sortable] tbody tr')]"
        ".map((row) => row.cells[arguments[0]].textContent.trim())"
    )
    return list(page.execute_script(script, number))


def header(page: Chrome, name: str) -> Any:
    buttons = page.find_elements(By.CSS_SELECTOR, "[data-sortable] thead button")
    return next(button for button in buttons if button.text.startswith(name))


def test_every_student_is_in_the_table_with_names_as_they_are_written(page: Chrome) -> None:
    assert page.title == "Laboratorio 03: Un túnel HTTP: calificaciones"
    assert column(page, 0) == [grade.student.code for grade in CLASS.grades]
    names = column(page, 1)
    assert names[3] == "<script>alert(1)</script>"
    assert names[15] == "(sin nombre)"
    assert column(page, 2)[5] == "—"
    assert "No se pudo entrar a su máquina" in column(page, 6)[5]


def test_figures_rates_and_diagnoses_are_those_of_the_class(page: Chrome) -> None:
    tiles = [tile.text.split("\n") for tile in page.find_elements(By.CSS_SELECTOR, ".tiles > div")]
    assert tiles == [
        ["Alumnos", "60"], ["Con nota", "54"], ["Pendientes", "6"], ["Media", "74,81"], ["Mediana", "90"],
    ]  # fmt: skip
    rates = [cell.text for cell in page.find_elements(By.CSS_SELECTOR, "td.rate")]
    assert rates == ["0 %", "11 %", "15 %", "0 %", "13 %", "0 %", "18 %"]
    codes = [code.text for code in page.find_elements(By.CSS_SELECTOR, ".diagnoses code")]
    assert codes == ["exposed", "open-to-everybody", "another-app"]


def test_headers_sort_with_the_keyboard_and_pending_grades_stay_last(page: Chrome) -> None:
    button = header(page, "Nota")
    for direction in ("ascending", "descending"):
        button.send_keys(Keys.ENTER)
        cell = button.find_element(By.XPATH, "..")
        assert cell.get_attribute("aria-sort") == direction
        marks = column(page, 2)
        known = [float(mark.replace(",", ".")) for mark in marks if mark != "—"]
        assert marks[-6:] == ["—"] * 6
        assert known == sorted(known, reverse=direction == "descending")
    header(page, "Nombre").click()
    names = column(page, 1)
    assert names.index("Ana Ñáñez") < names.index("Zoë 李小龙")
    assert len(page.find_elements(By.CSS_SELECTOR, "[aria-sort]")) == 1


def test_every_link_leads_to_a_students_page_and_back(page: Chrome, folder: Path) -> None:
    links = page.find_elements(By.CSS_SELECTOR, "[data-sortable] a")
    assert len(links) == SIZE
    for link in links:
        assert Path(unquote(urlsplit(link.get_attribute("href")).path)).is_file()
    links[9].click()
    assert page.find_element(By.TAG_NAME, "h1").text == "-Inés"
    assert "Mostró en clase que le funciona." in page.find_element(By.CSS_SELECTOR, ".said").text
    page.find_element(By.CSS_SELECTOR, "[rel=next]").click()
    assert page.find_element(By.TAG_NAME, "h1").text == "Raúl & Hijos"
    page.find_element(By.PARTIAL_LINK_TEXT, "Todo el grupo").click()
    assert page.current_url == (folder / "index.html").as_uri()


def test_a_students_page_tells_what_a_machine_said_as_text(page: Chrome, folder: Path) -> None:
    page.get((folder / "alumnos" / "2026003.html").as_uri())
    assert page.find_element(By.TAG_NAME, "h1").text == "<script>alert(1)</script>"
    assert (
        "la aplicación local no la tiene; <b>otra</b> la recibió | `nonce-7f3a`"
        in page.page_source.replace("&lt;", "<").replace("&gt;", ">")
    )
    assert page.find_elements(By.CSS_SELECTOR, "main b") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index.html", "alumnos/2026003.html", "alumnos/2026009.html"])
def test_every_text_can_be_read_in_light_and_in_dark(
    page: Chrome, folder: Path, name: str, scheme: str
) -> None:
    show(page, width=1280, scheme=scheme)
    page.get((folder / name).as_uri())
    seen, low = page.execute_script(LOW_CONTRAST)
    assert seen > 20
    assert low == []


def test_on_a_phone_the_page_is_no_wider_than_the_screen(page: Chrome, folder: Path) -> None:
    show(page, width=360)
    for name in ("index.html", "alumnos/2026005.html", "alumnos/2026003.html"):
        page.get((folder / name).as_uri())
        assert page.execute_script("return document.documentElement.scrollWidth") <= 360


def test_on_paper_the_table_is_whole_and_white(page: Chrome) -> None:
    show(page, width=1000, scheme="dark", media="print")
    style = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    assert page.execute_script(style, "html", "backgroundColor") == "rgb(255, 255, 255)"
    assert page.execute_script(style, ".scroll", "overflowX") == "visible"
    assert page.execute_script(style, "thead", "display") == "table-header-group"
    assert len(page.execute_cdp_cmd("Page.printToPDF", {})["data"]) > 10_000


def test_a_screen_reader_gets_headings_captions_row_names_and_words_for_the_marks(page: Chrome) -> None:
    levels = [int(tag.tag_name[1]) for tag in page.find_elements(By.CSS_SELECTOR, "h1, h2, h3")]
    assert levels == [1, 2, 2, 2]
    assert page.find_element(By.TAG_NAME, "html").get_attribute("lang") == "es"
    for table in page.find_elements(By.TAG_NAME, "table"):
        assert table.find_element(By.TAG_NAME, "caption").text
        rows = table.find_elements(By.CSS_SELECTOR, "tbody tr")
        assert len(table.find_elements(By.CSS_SELECTOR, "tbody th[scope=row]")) == len(rows)
    words = page.execute_script(
        "return [...document.querySelectorAll('.marks li .visually-hidden')].map((word) => word.textContent)"
    )
    assert set(words) == {"aprobado", "fallado", "omitido", "sin comprobar"}


def test_the_first_tab_offers_to_go_to_the_content(page: Chrome) -> None:
    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert page.switch_to.active_element.text == "Ir al contenido"
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert page.switch_to.active_element.get_attribute("id") == "contenido"


def test_markup_that_got_through_could_not_run(folder: Path, browser: Chrome, tmp_path: Path) -> None:
    hostile = (folder / "index.html").read_text(encoding="utf-8")
    (tmp_path / "index.html").write_text(
        hostile.replace(
            "</body>", "<script>document.title = 'ran'</script><img src=x onerror=\"document.title='ran'\">"
        ),
        encoding="utf-8",
    )
    browser.get((tmp_path / "index.html").as_uri())
    assert browser.title != "ran"
    refused = [entry["message"] for entry in browser.get_log("browser")]
    assert any("Content Security Policy" in message for message in refused)


class _Names(HTMLParser):
    """Collects what is inside the first h1, and the tags of the whole page."""

    def __init__(self) -> None:
        super().__init__()
        self.heading = ""
        self.tags: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._inside = self._inside or tag == "h1"

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "h1"

    def handle_data(self, data: str) -> None:
        self.heading += data if self._inside else ""


@settings(deadline=None, max_examples=60)
@given(st.text(min_size=1, max_size=30))
def test_any_name_and_code_is_text_in_both_pages(name: str) -> None:
    grade = replace(CLASS.grades[2], student=Student(name, name, name))
    usual = replace(grade, student=Student("a", "a", "a"))
    made = [dict(pages(ClassReport("03", "", (one,), Decimal(20)))) for one in (grade, usual)]
    tags = [[_parsed(content).tags for content in one.values()] for one in made]
    assert tags[0] == tags[1] or not clean(name)
    student_page = next(iter(made[0].values()))
    assert _parsed(student_page).heading == clean(name)
    assert not re.search(r"[\ud800-\udfff]", student_page)


def _parsed(content: str) -> _Names:
    parser = _Names()
    parser.feed(content)
    return parser


def test_a_class_in_which_everybody_is_pending_has_its_pages_too() -> None:
    grade = Grade(Student("a", "Ana"), "03", "ssh", fault="Nadie responde.")
    made = dict(pages(ClassReport("03", "", (grade,))))
    assert set(made) == {"index.html", "alumnos/a.html"}
    assert "Nadie responde." in made["index.html"]
    assert "pendiente" in made["alumnos/a.html"]
