"""Each assertion of the checks matters: without it, some lab gets a verdict that it should not get."""

import json
import sys
from pathlib import Path

import pytest
from support import review_mutants
from support.labs import Desk, desk_in, lab_folders
from support.mutation import Mutant, mutants_of, write_tree

# Of the assertions removed or inverted, those that some scene finds out. The rest are told in the failure.
LEAST_FOUND_OUT = 0.90
RIGHT = "right"


def verdicts_of(desk: Desk, number: str, trees: list[Path]) -> dict[str, object]:
    """Return what a review with each tree says of the scene on the desk, by the tree's name."""
    names = " ".join(f"'{tree}'" for tree in trees)
    done = desk.do(f"python '{review_mutants.__file__}' {number} {names}")
    told = [json.loads(line) for line in done.out.splitlines()]
    return {one["tree"]: one["verdict"] for one in told}


def takes_long(scene: Path) -> bool:
    """Say whether a review of the scene waits for something that does not come."""
    return any(word in scene.read_text("utf-8") for word in ("cut_shows", "kill -STOP"))


def wears_out(scene: Path | None) -> bool:
    """Say whether a review changes the scene: what does not come back from a cut is gone after it."""
    return scene is not None and "tunnel_comes_back" in scene.read_text("utf-8")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("lab", lab_folders(), ids=lambda lab: lab.name)
def test_every_assertion_of_the_checks_matters(lab, tmp_path):
    mutants = mutants_of(lab)
    assert len(mutants) >= len(list(lab.glob("errores/*.sh")))
    trees = tmp_path / "trees"
    write_tree(trees / RIGHT, lab)
    for index, mutant in enumerate(mutants):
        write_tree(trees / str(index), lab, mutant)
    alive: dict[str, Mutant] = {str(index): mutant for index, mutant in enumerate(mutants)}
    # The cheap ones first: the untouched lab, the mistakes that are found at once, and at the end the waits.
    mistakes = sorted(lab.glob("errores/*.sh"), key=takes_long)
    for place, scene in enumerate([None, *mistakes, lab / "solucion.sh"]):
        (tmp_path / str(place)).mkdir()
        with desk_in(tmp_path / str(place)) as desk:
            groups = [[name] for name in alive] if wears_out(scene) else [list(alive)]
            right = None
            for names in [[RIGHT], *groups]:
                if scene is not None and (right is None or wears_out(scene)):
                    desk.do(f"'{scene}'")
                found = verdicts_of(desk, lab.name[:2], [trees / name for name in names])
                right = right or found[RIGHT]
                for name in names:
                    if name != RIGHT and found[name] != right:
                        del alive[name]
    told = "\n".join(map(str, alive.values()))
    found_out = len(mutants) - len(alive)
    told = f"{lab.name}: {found_out} of {len(mutants)} mutants found out; not these:\n{told}\n"
    sys.stdout.write(told)  # pytest -rP shows the score
    assert found_out >= LEAST_FOUND_OUT * len(mutants), told
