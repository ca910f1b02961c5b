"""When the environment fails under a review, no check is failed for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.labs import LABS, Desk, desk_in
from support.requirements import require_program

pytestmark = pytest.mark.timeout(120)

TUNNEL = LABS / "03-tunel-http"
# Kills a piece as soon as the review says that a check begins.
KILL_AT = """
lab revisar 03 --json | while read -r line; do
  printf '%s\\n' "$line"
  case $line in *'"begin", "check": "{check}"'*) kill -KILL "$(head -n 1 "$HOME"/.local/state/tunelab/labs/03/{piece}.pid)" ;; esac
done
exit "${{PIPESTATUS[0]}}"
"""  # noqa: E501


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


@pytest.mark.parametrize(
    ("piece", "check"),
    [
        ("aplicacion", "task_passes"),
        ("cliente", "task_passes"),
        ("servidor", "task_passes"),
        ("servidor", "cut_shows"),
        ("aplicacion", "tunnel_comes_back"),
    ],
)
def test_a_piece_that_dies_during_the_review_costs_no_points(desk, piece, check):
    desk.do(f"'{TUNNEL / 'solucion.sh'}'")
    done = desk.run(KILL_AT.format(check=check, piece=piece))
    assert done.code == 3, done.text
    assert '"fallado"' not in done.out
    assert '"sin comprobar"' in done.out


def test_a_machine_that_cannot_be_entered_costs_no_points(desk):
    require_program("ssh", "Debian: sudo apt install openssh-client")
    desk.do(f"'{TUNNEL / 'solucion.sh'}'")
    done = desk.run(f"python -m pytest -p no:cacheprovider '{TUNNEL}' --hosts=ssh://nobody@127.0.0.1:1")
    assert done.code == 1, done.text
    assert "No se pudo entrar a la máquina que se revisa" in done.out
    assert "sin comprobar" in done.out
    assert "Esperado" not in done.out


def test_a_machine_without_the_tools_costs_no_points(desk):
    """Without ss and lsof nobody can see who listens; the rest is checked all the same."""
    desk.do(f"'{TUNNEL / 'solucion.sh'}'")
    desk.do('mkdir tools && for tool in curl kill ps sh; do ln -s "$(command -v $tool)" tools/; done')
    done = desk.run('lab=$(command -v lab); PATH=$PWD/tools "$lab" revisar 03 --json')
    assert done.code == 3, done.text
    assert '"fallado"' not in done.out
    assert "no tiene «ss» ni «lsof»" in done.out


def test_a_review_that_never_began_a_lab_uses_the_local_mode(desk):
    verdicts = desk.review("03")
    assert verdicts.with_verdict("fallado") == {
        "app_answers": "nobody-answers",
        "exit_node_answers": "nobody-answers",
    }


def test_an_unknown_exit_node_in_the_cloud_costs_no_points(desk):
    desk.do(f"'{TUNNEL / 'solucion.sh'}'")
    verdicts = desk.review("03", "--modo", "nube")
    assert verdicts.done.code == 3
    assert not verdicts.with_verdict("fallado")
    assert "dónde está el nodo de salida" in verdicts.with_verdict("sin comprobar")["exit_node_answers"]
