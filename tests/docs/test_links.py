"""Links inside the repository lead somewhere, and pictures can be read by who does not see them."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = {".git", ".venv", "node_modules", ".pytest_cache", ".hypothesis"}
DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md") if not NOT_OURS.intersection(path.relative_to(ROOT).parts)
)
IMAGES = sorted((ROOT / "docs" / "img").glob("*.svg"))

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def links(path: Path) -> list[tuple[bool, str, str]]:
    """Return each link: whether it is a picture, its text and its target."""
    text = _FENCED.sub("", path.read_text(encoding="utf-8"))
    return [(mark == "!", words, target) for mark, words, target in _LINK.findall(text)]


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, made as GitHub makes them."""
    text = _FENCED.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_inside_the_repository_lead_somewhere(path):
    for _, words, target in links(path):
        assert words, f"{path}: a link to {target} without words"
        if "://" in target or target.startswith("mailto:"):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), f"{path}: {target} does not exist"
        assert found.is_relative_to(ROOT), f"{path}: {target} is outside the repository"
        if anchor:
            assert anchor in anchors(found), f"{path}: {target} has no such heading"


@pytest.mark.parametrize("name", ["README.es.md", "README.md"])
def test_each_page_shows_the_drawing_and_says_it_in_words(name):
    pictures = [words for is_picture, words, _ in links(ROOT / name) if is_picture]
    assert pictures
    assert all(len(words) > 40 for words in pictures)


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_each_drawing_has_a_title_and_a_description_and_knows_dark_pages(path):
    root = ElementTree.parse(path).getroot()
    svg = "{http://www.w3.org/2000/svg}"
    labels = {
        element.get("id")
        for element in (root.find(f"{svg}title"), root.find(f"{svg}desc"))
        if element is not None
    }
    assert root.get("role") == "img"
    assert set(root.get("aria-labelledby", "").split()) == labels
    assert len(labels) == 2
    assert "prefers-color-scheme: dark" in path.read_text(encoding="utf-8")


def test_there_is_a_drawing():
    assert [path.name for path in IMAGES] == ["tunel.svg"]
    assert len(DOCUMENTS) >= 5
