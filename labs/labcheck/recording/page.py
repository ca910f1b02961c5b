"""One HTML file that plays a tape with no network: the player, the recording and the subtitles are inside.

A browser lets a page opened from a disk fetch nothing, so nothing is fetched; besides, the page's own policy
forbids it.
"""

import html
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from importlib import resources
from string import Template

from labcheck.catalog import Lab
from labcheck.recording.studio import Shot
from labcheck.recording.tape import Tape
from labcheck.recording.transcript import shown
from labcheck.recording.vtt import timestamp

_FOLDER = resources.files("labcheck.recording")
PLAYER_SCRIPT, PLAYER_STYLE = "asciinema-player.min.js", "asciinema-player.css"


def page(lab: Lab, tape: Tape, cast: str, shots: Sequence[Shot]) -> str:
    """Return the page of a lab's walkthrough."""
    recording = {"cast": cast, "cues": [asdict(cue) for cue in tape.cues]}
    return Template(_part("page.html")).substitute(
        title=html.escape(tape.title),
        summary=html.escape(lab.summary),
        duration=timestamp(tape.duration_s)[3:8],
        steps="\n".join(
            f'<li><button type="button" data-marker="{index}">{html.escape(marker.label)}</button></li>'
            for index, marker in enumerate(tape.markers)
        ),
        videos="\n".join(
            f'<li><a href="{html.escape(video.url)}">{html.escape(video.shows)}</a></li>'
            for video in lab.videos
        ),
        transcript="\n".join(_scene(shot) for shot in shots),
        player_style=_player(PLAYER_STYLE),
        page_style=_part("page.css"),
        recording=_inside_script(json.dumps(recording, ensure_ascii=False)),
        player_script=_player(PLAYER_SCRIPT),
        page_script=_part("page.js"),
    )


def _scene(shot: Shot) -> str:
    scene = shot.scene
    shell = html.escape(f"$ {scene.command}\n{shown(shot.performance.text)}")
    return "\n".join(
        [
            f"<h3>{html.escape(scene.title)}</h3>",
            *_paragraphs(scene.before),
            f'<pre tabindex="0">{shell}</pre>',
            *_paragraphs(scene.after),
        ]
    )


def _paragraphs(texts: Iterable[str]) -> Iterator[str]:
    return (f"<p>{html.escape(text)}</p>" for text in texts)


def _inside_script(text: str) -> str:
    """Return JSON that no parser of HTML takes for the end of a script: ``<`` is an escape in its strings."""
    return text.replace("<", "\\u003c")


def _player(name: str) -> str:
    return _read("player", name)


def _part(name: str) -> str:
    return _read("page_parts", name)


def _read(folder: str, name: str) -> str:
    # As bytes: a text read would turn returns into new lines.
    return (_FOLDER / folder / name).read_bytes().decode("utf-8")
