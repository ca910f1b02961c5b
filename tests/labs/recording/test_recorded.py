"""What a real recording is held to: its formats' specifications, the guide, and what must not be in it."""

import getpass
import itertools
import json
import os
import re
import socket
import tempfile
from pathlib import Path

import webvtt
from support.guide import blocks_of, difference
from support.labs import ROOT

from labcheck.recording.screenplay import steps_of, title_of


def seconds(timestamp: str) -> float:
    hours, minutes, rest = timestamp.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def test_four_files_are_written_and_told(recorded):
    names = sorted(path.name for path in recorded.folder.iterdir())
    assert names == sorted(
        f"{recorded.lab.folder.name}.{suffix}" for suffix in ("cast", "html", "txt", "vtt")
    )
    assert all(str(recorded.file(suffix)) in recorded.told for suffix in ("cast", "html", "txt", "vtt"))


def test_each_line_of_the_cast_is_as_version_2_says(recorded):
    # https://docs.asciinema.org/manual/asciicast/v2/
    text = recorded.read("cast")
    assert text.endswith("\n")
    header, *events = [json.loads(line) for line in text.splitlines()]
    kinds = {
        "version": int,
        "width": int,
        "height": int,
        "timestamp": int,
        "duration": float,
        "idle_time_limit": int,
        "title": str,
        "env": dict,
    }
    assert {key: type(value) for key, value in header.items()} == kinds
    assert header["version"] == 2
    assert min(header["width"], header["height"]) > 0
    assert set(header["env"]) == {"SHELL", "TERM"}
    assert len(events) > 50
    earlier = 0.0
    for event in events:
        assert isinstance(event, list)
        at_s, code, data = event
        assert isinstance(at_s, float)
        assert at_s >= earlier
        assert code in ("o", "m")
        assert isinstance(data, str)
        earlier = at_s
    assert earlier == header["duration"]


def test_no_wait_is_so_long_that_a_player_would_cut_it_and_leave_the_subtitles_behind(recorded):
    times = [0.0, *(at_s for at_s, _, _ in recorded.events)]
    longest = max(later - earlier for earlier, later in itertools.pairwise(times))
    assert 0 < longest <= recorded.header["idle_time_limit"] <= 8


def test_there_is_a_marker_a_step_in_the_order_of_the_steps(recorded):
    steps = [title_of(path) for path in steps_of(recorded.lab)]
    assert len(steps) > 4
    labels = [label for _, label in recorded.markers]
    assert labels == ["Preparación", *steps, "Punto de control", "Limpieza"]


def test_a_strict_reader_finds_a_subtitle_for_every_step_that_can_be_read_in_its_time(recorded):
    captions = webvtt.read(str(recorded.file("vtt")), strict=True).captions
    starts = [at_s for at_s, _ in recorded.markers]
    ends = [*starts[1:], recorded.header["duration"]]
    assert len(captions) > len(starts)
    for start, end in zip(starts, ends, strict=True):
        assert any(start <= seconds(caption.start) + 0.01 < end for caption in captions)
    for earlier, later in itertools.pairwise(captions):
        assert seconds(earlier.end) <= seconds(later.start)
    for caption in captions:
        assert 1 <= len(caption.lines) <= 2
        assert all(len(line) <= 42 for line in caption.lines)
        assert seconds(caption.end) - seconds(caption.start) >= len(caption.text) / 17


def test_the_subtitles_are_the_sentences_of_the_guide(recorded):
    captions = webvtt.read(str(recorded.file("vtt")), strict=True).captions
    said = " ".join(" ".join(caption.lines) for caption in captions)
    guide = " ".join(re.sub(r"[`*]", "", recorded.lab.guide.read_text(encoding="utf-8")).split())
    predictions = re.findall(r"Predicción\. [^?]+\?", guide)
    assert len(predictions) == len(steps_of(recorded.lab))
    assert all(prediction in said for prediction in predictions)
    assert "Video" not in said
    assert "```" not in said


def test_the_transcript_is_what_the_guide_shows(recorded):
    scenes = re.split(r"^\$ ", recorded.read("txt"), flags=re.MULTILINE)[1:]
    came = {scene.partition("\n")[0]: scene.partition("\n")[2].rstrip().split("\n") for scene in scenes}
    blocks = blocks_of(recorded.lab.guide.read_text(encoding="utf-8"))
    commands = [command for block in blocks for command in block.commands if command.text in came]
    assert len(commands) == len(came) == len(recorded.markers)
    assert "\n\n".join(filter(None, (difference(command, came[command.text]) for command in commands))) == ""


def test_what_is_played_is_what_the_transcript_tells(recorded):
    played = "".join(data for _, code, data in recorded.events if code == "o")
    plain = re.sub(r"[^\n]*\r\x1b\[K|\x1b\[[0-9;]*m", "", played.replace("\r\n", "\n"))
    assert [line.rstrip() for line in plain.splitlines()] == recorded.read("txt").splitlines()


def test_nothing_of_who_recorded_it_is_in_it(recorded):
    for suffix in ("cast", "html", "txt", "vtt"):
        text = recorded.read(suffix)
        names = {str(Path.home()), str(ROOT), tempfile.gettempdir(), "tunelab-grabar-"} - {"/"}
        for name in names:
            assert not re.search(rf"(?<![\w/.-]){re.escape(name)}(?![\w-])", text), (suffix, name)
        if suffix != "html":
            assert not re.search(rf"(?<![\w.-]){re.escape(socket.gethostname())}(?![\w-])", text)
        if getpass.getuser() != "root":  # an ordinary word too
            assert not re.search(rf"\b{re.escape(getpass.getuser())}\b", text)
        for value in (os.environ.get("SSH_AUTH_SOCK"), os.environ.get("DBUS_SESSION_BUS_ADDRESS")):
            assert value is None or value not in text


def test_no_token_is_in_it(recorded):
    # As `tunnel token` makes them.
    for suffix in ("cast", "txt", "vtt"):
        words = re.findall(r"[A-Za-z0-9_-]{32,}", recorded.read(suffix))
        assert [word for word in words if not word.startswith("-")] == []
