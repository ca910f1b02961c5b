"""Each assertion of the checks matters: without it, some lab gets a verdict that it should not get."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support import review_mutants
from support.labs import Desk, desk_in, lab_folders
from support.mutation import Mutant, mutants_of, write_tree
from support.own_network import may_be_alone

# Of the assertions removed or inverted, those that some scene finds out. The rest are told in the failure.
LEAST_FOUND_OUT = 0.90
RIGHT = "right"
# A review waits half of its time, and each desk has a network of its own. With more at once the waits
# for what comes a little later would be a matter of luck.
DESKS_AT_ONCE = os.cpu_count() or 1


def reviews_of(desk: Desk, number: str, trees: list[Path], *options: str) -> dict[str, dict[str, Any]]:
    """Return what a review with each tree says of the scene on the desk, by the tree's name."""
    words = " ".join([f"'{review_mutants.__file__}'", *options, number, *(f"'{tree}'" for tree in trees)])
    told = [json.loads(line) for line in desk.do(f"python {words}").out.splitlines()]
    return {one["tree"]: one for one in told}


def takes_long(scene: Path) -> bool:
    """Say whether a review of the scene waits for something that does not come."""
    return any(word in scene.read_text("utf-8") for word in ("cut_shows", "kill -STOP"))


def wears_out(scene: Path | None) -> bool:
    """Say whether a review changes the scene: what does not come back from a cut is gone after it."""
    return scene is not None and "tunnel_comes_back" in scene.read_text("utf-8")


class Hunt:
    """The mutants of a lab that no scene has found out yet."""

    def __init__(self, lab: Path, trees: Path) -> None:
        self._lab = lab
        self._trees = trees
        self.mutants = mutants_of(lab)
        self.alive: dict[str, Mutant] = {}
        self._reviewed: set[tuple[Path | None, str]] = set()
        write_tree(trees / RIGHT, lab)
        for index, mutant in enumerate(self.mutants):
            write_tree(trees / str(index), lab, mutant)
            self.alive[str(index)] = mutant

    def search(self, scene: Path | None, folder: Path, *, everyone: bool) -> None:
        """Review a scene with the mutants that it has not been reviewed with.

        Unless ``everyone`` is meant, with those alone whose lines the right checks run: another can hardly be
        told from them.  Hardly, because how often the right checks look again is a matter of time.
        """
        names = [name for name in list(self.alive) if (scene, name) not in self._reviewed]
        if not names:
            return
        folder.mkdir()
        with desk_in(folder) as desk:
            if scene is not None:
                desk.do(f"'{scene}'")
            right = self._review(desk, [RIGHT], "--lines")[RIGHT]
            if not everyone:
                names = [name for name in names if self.mutants[int(name)].is_run(right["lines"])]
            for group in [[name] for name in names] if wears_out(scene) else [names]:
                here = [name for name in group if name in self.alive]  # another desk may have been faster
                if here and wears_out(scene):
                    desk.do(f"'{scene}'")
                found = self._review(desk, here) if here else {}
                for name, one in found.items():
                    self._reviewed.add((scene, name))
                    if one["verdict"] != right["verdict"]:
                        self.alive.pop(name, None)

    def _review(self, desk: Desk, names: list[str], *options: str) -> dict[str, dict[str, Any]]:
        return reviews_of(desk, self._lab.name[:2], [self._trees / name for name in names], *options)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("lab", lab_folders(), ids=lambda lab: lab.name)
def test_every_assertion_of_the_checks_matters(lab, tmp_path):
    hunt = Hunt(lab, tmp_path / "trees")
    assert len(hunt.mutants) >= len(list(lab.glob("errores/*.sh")))
    # The cheap ones first: the untouched lab, the mistakes that are found at once, and at the end the waits.
    mistakes = sorted(lab.glob("errores/*.sh"), key=takes_long)
    scenes = [None, *mistakes, lab / "solucion.sh"]
    with ThreadPoolExecutor(DESKS_AT_ONCE if may_be_alone() else 1) as pool:
        for everyone in (False, True):
            folder = tmp_path / f"desks-{everyone}"
            folder.mkdir()
            searches = [
                pool.submit(hunt.search, scene, folder / str(place), everyone=everyone)
                for place, scene in enumerate(scenes)
            ]
            try:
                for search in searches:
                    search.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    found_out = len(hunt.mutants) - len(hunt.alive)
    told = "\n".join(map(str, hunt.alive.values()))
    told = f"{lab.name}: {found_out} of {len(hunt.mutants)} mutants found out; not these:\n{told}\n"
    sys.stdout.write(told)  # pytest -rP shows the score
    assert found_out >= LEAST_FOUND_OUT * len(hunt.mutants), told
