"""The table of videos has every video of the labs and the guides, beside the labs where it stands."""

import re
from pathlib import Path

import pytest

from labcheck.catalog import find_labs

ROOT = Path(__file__).resolve().parents[2]
_ROW = re.compile(r"^\| \[([^\]]+)\]\((https://[^)]+)\) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_VIDEO = re.compile(r"https://youtu\.be/[\w-]+")
# The videos of the original workshop.
ORIGINAL = {
    f"https://youtu.be/{name}"
    for name in (
        "3UzlB8dkzXI",
        "7dz8S4RqLGk",
        "vL4PRKEtTnU",
        "VXjQxD-Kqu0",
        "IZ4arr-wePg",
        "5REPG3IuDIM",
        "HsUD3Tz8L1s",
        "icTGC2kgbDk",
        "F61dt-aBDn8",
        "Eya21E24P-g",
    )
}


def rows() -> dict[str, set[str]]:
    """Return the numbers of the labs beside which each video stands, by its address."""
    found = _ROW.findall((ROOT / "docs" / "videos.md").read_text(encoding="utf-8"))
    assert len(found) == len({url for _, url, *_ in found}), "a video has two rows"
    return {url: set(re.findall(r"\[(\d\d)\]", labs)) for _, url, _, labs, _ in found}


def test_the_table_has_the_videos_of_the_original_workshop_and_those_of_our_pages():
    pages = [ROOT / "README.es.md", *(ROOT / "docs").glob("*.md"), *ROOT.glob("labs/*/README.es.md")]
    shown = {url for page in pages for url in _VIDEO.findall(page.read_text(encoding="utf-8"))}
    assert set(rows()) == ORIGINAL | shown


def test_each_video_of_the_original_workshop_stands_in_the_guide_of_some_lab():
    guides = "".join(lab.guide.read_text(encoding="utf-8") for lab in find_labs())
    assert set(_VIDEO.findall(guides)) >= ORIGINAL


@pytest.mark.parametrize("lab", find_labs(), ids=lambda lab: lab.number)
def test_each_video_of_a_lab_is_in_the_table_beside_that_lab_and_no_other_is(lab):
    assert {url for url, labs in rows().items() if lab.number in labs} == {video.url for video in lab.videos}
