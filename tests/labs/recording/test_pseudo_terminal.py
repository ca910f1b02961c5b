"""A command on a terminal of its own: what it shows, when, and how it is ended."""

import os
import re
import signal
import sys

from support.alive import ends, is_running

from labcheck.interruptions import Interruptions
from labcheck.recording.pseudo_terminal import COLUMNS, ROWS, perform


def run(script, tmp_path, **options):
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color"}
    return perform(["bash", "-c", script], tmp_path, environment, Interruptions(), **options)


def test_a_program_sees_a_terminal_of_the_recorded_size(tmp_path):
    script = f"'{sys.executable}' -c 'import os; print(os.isatty(1), os.isatty(2), *os.get_terminal_size())'"
    performance = run(script, tmp_path)
    assert (performance.text, performance.code) == (f"True True {COLUMNS} {ROWS}\r\n", 0)


def test_what_comes_in_pieces_is_kept_in_whole_lines_and_whole_characters(tmp_path):
    performance = run(
        r"printf 'se\303'; sleep 0.02; printf '\261al\notra\n'; printf 'sin fin'; exit 7", tmp_path
    )
    assert [line.text for line in performance.lines] == ["señal\r\n", "otra\r\n", "sin fin"]
    assert performance.code == 7


def test_a_bar_is_kept_as_it_was_seen_each_state_at_its_time(tmp_path):
    performance = run(
        r"printf '\r\033[K1/2'; sleep 0.3; printf '\r\033[K2/2'; sleep 0.3; printf '\r\033[Kok\n'", tmp_path
    )
    assert re.sub(r"\r|\x1b\[K", "", performance.text) == "1/22/2ok\n"
    seen = [line.at_s for line in performance.lines if re.search(r"\d/2", line.text)]
    assert len(seen) == 2
    assert seen[0] < seen[1] < performance.lines[-1].at_s


def test_something_left_running_with_the_terminal_open_is_not_waited_for(tmp_path):
    performance = run("sleep 60 & echo $!", tmp_path)
    try:
        assert performance.code == 0
        assert is_running(int(performance.text))
    finally:
        os.kill(int(performance.text), signal.SIGKILL)


def test_a_command_that_never_ends_is_ended_with_what_it_started(tmp_path):
    performance = run("sleep 60 & echo $!; wait", tmp_path, time_limit_s=1.0)
    assert performance.code is None
    assert ends(int(performance.text))
