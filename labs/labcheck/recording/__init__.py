"""A lab's walkthrough: its own steps, run on a terminal that is recorded.

What is recorded is a real run of the step scripts that the tests run, and the words under it are those of the
guide: nothing is written twice, so that a walkthrough is made anew with one command and cannot rot.

The map, from the leaves up::

    screenplay       what is typed, scene by scene, and what the guide says before and after
    pseudo_terminal  one command, run on a terminal of its own, and when each line of it came
    privacy          a home that is nobody's, names in the place of real ones, and no secret in what is kept
    studio           the whole run: prepare, every step, review, clean up, whatever happens
    tape             the timeline: outputs, markers and subtitles, with time to read
    cast             the tape as an asciicast, version 2
    vtt              its subtitles, as WebVTT
    transcript       what the terminal showed, as plain text
    page             one HTML file that plays it with no network
    player/          asciinema-player, as published, and its licence (Apache-2.0); see NOTICE
    page_parts/      the page's own HTML, CSS and JavaScript
    cli              the program behind ``./scripts/grabar``

A *scene* is one typed command with its output. A *cue* is one subtitle. A *take* is what came of running the
scenes; a *tape* is a take laid out in time.
"""
