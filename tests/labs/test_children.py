"""The programs that the demonstration starts, and how their end is noticed."""

import pytest

from labcheck.children import Children
from labcheck.hops import Hop
from labcheck.interruptions import Interruptions


@pytest.fixture
def children(tmp_path):
    with Children(Interruptions(), tmp_path) as started:
        yield started


def sleeper(children, seconds):
    return children.start("el programa", Hop.APP, ["python", "-c", f"import time; time.sleep({seconds})"])


def test_the_end_of_a_program_that_is_about_to_end_is_waited_for(children):
    child = sleeper(children, 0.5)
    assert children.dead() is None
    assert children.dead(within_s=20) is child


def test_nobody_is_waited_for_longer_than_asked(children):
    sleeper(children, 60)
    assert children.dead(within_s=0.1) is None
