"""The tape and what is made of it, from takes made up here: no terminal is needed."""

import html
import json
from pathlib import Path

import pytest
import webvtt
from support.labs import lab_folders

from labcheck.catalog import Lab, Video, find_lab
from labcheck.recording import vtt
from labcheck.recording.cast import asciicast
from labcheck.recording.page import page
from labcheck.recording.pseudo_terminal import Line, Performance
from labcheck.recording.screenplay import Scene, paragraphs_around, screenplay
from labcheck.recording.studio import Shot
from labcheck.recording.tape import CUE_COLUMNS, IDLE_LIMIT_S, cue_texts, lay_out
from labcheck.recording.transcript import shown, transcript

NASTY = "¿Qué pasa con <b>, & y --> si van </script><!-- en medio?"


def shot(*lines: Line, title="Paso 1. Algo.", before=(), after=()) -> Shot:
    scene = Scene(title, "./01-algo.sh", ("bash",), Path("/"), before, after)
    return Shot(scene, Performance(lines, 0))


def test_a_wait_of_the_programs_is_cut_and_a_short_one_is_kept():
    tape = lay_out("x", [shot(Line(0.5, "a\r\n"), Line(90.0, "b\r\n"))])
    at = {line.text: line.at_s for line in tape.outputs}
    assert at["a\r\n"] - at["./01-algo.sh\r\n"] == pytest.approx(0.5)
    assert at["b\r\n"] - at["a\r\n"] == pytest.approx(IDLE_LIMIT_S)


def test_before_a_further_command_of_a_step_there_is_time_to_read():
    lines = [Line(0.0, f"{number}\r\n") for number in range(10)]
    tape = lay_out("x", [shot(Line(0.0, "+ uno\r\n"), *lines, Line(0.0, "\x1b[1m+ dos\x1b[0m\r\n"))])
    at = {line.text: line.at_s for line in tape.outputs}
    assert at["9\r\n"] == at["+ uno\r\n"]
    assert at["\x1b[1m+ dos\x1b[0m\r\n"] - at["9\r\n"] > 1


def test_what_nobody_speaks_of_stays_until_it_could_be_read():
    lines = [Line(0.0, f"{number}\r\n") for number in range(20)]
    tape = lay_out("x", [shot(*lines), shot(title="Paso 2. Otro.")])
    last = max(line.at_s for line in tape.outputs if line.text == "19\r\n")
    assert tape.markers[1].at_s - last > 2


def test_a_sentence_is_a_subtitle_and_a_long_one_goes_on_with_no_word_alone():
    short, long = (
        "Esto es corto.",
        "Esto, en cambio, " + "no tiene un fin que se vea venir, " * 3 + "pero llega.",
    )
    first, *rest = cue_texts([f"{short} {long}"])
    assert first == (short,)
    assert len(rest) == 2
    assert " ".join(" ".join(lines) for lines in rest) == long
    assert all(15 < len(line) <= CUE_COLUMNS for lines in rest for line in lines)
    for label in ("Paso 1.", "Paso 12.", "Predicción."):
        assert cue_texts([f"{label} Uno. Dos."]) == [(f"{label} Uno.",), ("Dos.",)]


def test_what_the_formats_use_themselves_can_be_in_the_texts():
    told = shot(Line(0.1, NASTY + "\r\n"), before=(NASTY,))
    tape = lay_out(NASTY, [told])
    captions = webvtt.from_string(vtt.webvtt(tape)).captions
    assert [html.unescape(caption.raw_text) for caption in captions] == [
        "\n".join(cue.lines) for cue in tape.cues
    ]
    assert not any(mark in caption.raw_text for caption in captions for mark in ("<", ">", "-->"))
    cast = asciicast(tape, 0)
    assert [json.loads(line)[2] for line in cast.splitlines()[1:]].count(NASTY + "\r\n") == 1
    lab = Lab("09", NASTY, 1, Path("/"), videos=(Video("https://youtu.be/x", NASTY),))
    text = page(lab, tape, cast, [told])
    inside = text.partition('id="recording">')[2].partition("</script>")[0]
    assert json.loads(inside)["cast"] == cast
    assert text.count("</script><!--") == 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00:00:00.000"), (59.9996, "00:01:00.000"), (3725.25, "01:02:05.250")]
)
def test_a_moment_is_written_as_webvtt_says(seconds, text):
    assert vtt.timestamp(seconds) == text


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("", ""),
        ("uno\r\ndos\r\n", "uno\ndos\n"),
        ("\x1b[32m✓\x1b[0m listo\r\n", "✓ listo\n"),
        ("\r\x1b[K10 %\r\x1b[K100 %\r\x1b[Khecho\r\n", "hecho\n"),
        ("uno\r\ndos\r\n\x1b[1A\x1b[2Ktres\r\n", "uno\ntres\n"),
        ("x" * 250 + "\r\n", "x" * 250 + "\n"),
        ("a\r\n\r\n  b\r\n", "a\n\n  b\n"),
    ],
)
def test_the_transcript_has_what_stayed_on_the_screen(written, seen):
    assert shown(written) == seen
    assert transcript([shot(Line(0.0, written))]) == f"$ ./01-algo.sh\n{seen}"


GUIDE = """\
## Pasos

Antes de todo:

```console
$ lab iniciar 09
uno

dos
$ cd labs
```

Después de iniciar, con `código` y [un enlace](https://example.org).

### Paso 1. Algo

**Predicción.** ¿Qué
pasará?

([Video: algo](https://youtu.be/x).)

| una | tabla |
|---|---|

```console
$ ./01-algo.sh
```

Pasó.

## Otra

Nada de aquí.
"""


def test_the_words_around_a_command_are_those_of_its_section_without_markup():
    assert paragraphs_around(GUIDE, "lab iniciar 09") == (
        ["Antes de todo:"],
        ["Después de iniciar, con código y un enlace."],
    )
    assert paragraphs_around(GUIDE, "./01-algo.sh") == (["Predicción. ¿Qué pasará?"], ["Pasó."])
    assert paragraphs_around(GUIDE, "./02-nada.sh") == ([], [])


@pytest.mark.parametrize("folder", lab_folders(), ids=lambda folder: folder.name)
def test_every_step_of_every_lab_has_something_said_about_it(folder):
    scenes = screenplay(find_lab(folder.name[:2]))
    assert scenes[0].command == f"lab iniciar {folder.name[:2]}"
    steps = [scene for scene in scenes if scene.command.startswith("./")]
    assert len(steps) > 3
    for number, scene in enumerate(steps, 1):
        assert scene.title.startswith(f"Paso {number}. ")
        assert scene.before[0].startswith("Predicción. ¿") or "?" in scene.before[0]
        for text in (*scene.before, *scene.after):
            assert not any(mark in text for mark in ("`", "**", "](", "|"))
