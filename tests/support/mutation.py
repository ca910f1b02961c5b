"""Mutants of the labs' checks: each has one assertion removed or inverted.

An assertion is a ``require(…)`` of a check, or an ``if`` that leads straight to a diagnosis, a refusal or a
pass, in the checks of a lab or in what they look with (`labcheck.observing`).
"""

import ast
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.labs import LABS

# A cut that nobody notices is waited for in full; a mutant need not wait as long.
PATIENCE = (
    ("CUT_PATIENCE_S = 14.0", "CUT_PATIENCE_S = 3.0"),
    ("RETURN_PATIENCE_S = 12.0", "RETURN_PATIENCE_S = 2.0"),
)
OBSERVING = ("application", "public_side", "tunnel")
# What a mode other than the local one asks for, and helpers that tell nothing by themselves.
NOT_ASSERTIONS = (
    "find_cloud_fault",
    "find_neighbour_fault",
    "_titles",
    "_upstreams",
    "_who_listens",
    "remove_tasks",
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: the file, relative to ``labs/``, its lines, what was done, and the file's new text."""

    path: Path
    line: int
    last_line: int  # of the assertion, without what it leads to
    what: str
    text: str

    def is_run(self, lines: dict[str, list[int]]) -> bool:
        """Say whether a review that ran ``lines``, by file, came by here: no other can tell it apart."""
        return any(self.line <= number <= self.last_line for number in lines.get(self.path.as_posix(), ()))

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def mutants_of(lab: Path) -> list[Mutant]:
    """Return every mutant of a lab's checks and of the modules that they look with."""
    own = sorted(lab.glob("test_*.py"))
    used = "".join(path.read_text("utf-8") for path in own)
    modules = [
        LABS / "labcheck" / "observing" / f"{name}.py" for name in OBSERVING if f"observing.{name}" in used
    ]
    return [mutant for path in [*own, *modules] for mutant in _mutants_in(path)]


def _mutants_in(path: Path) -> Iterator[Mutant]:
    text = path.read_text(encoding="utf-8")
    for function in ast.parse(text).body:
        if not isinstance(function, ast.FunctionDef) or function.name in NOT_ASSERTIONS:
            continue
        for number, node in enumerate(ast.walk(function)):
            for what in _changes_of(node):
                tree = ast.parse(text)
                twin = next(item for item in tree.body if getattr(item, "name", "") == function.name)
                _change(list(ast.walk(twin))[number], what)
                place = path.relative_to(LABS)
                asked = node.test if isinstance(node, ast.If | ast.While) else node
                first, last = getattr(node, "lineno", 0), getattr(asked, "end_lineno", 0)
                text_now = ast.unparse(ast.fix_missing_locations(tree))
                yield Mutant(place, first, last, f"{what} in {function.name}", text_now)


def _changes_of(node: ast.AST) -> tuple[str, ...]:
    if isinstance(node, ast.Expr) and _is_require(node):
        return ("removed",)
    if isinstance(node, ast.If | ast.While) and any(_concludes(child) for child in node.body):
        return ("removed", "inverted")
    return ()


def _is_require(node: ast.AST) -> bool:
    call = getattr(node, "value", None)
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "require"


def _concludes(node: ast.AST) -> bool:
    return isinstance(node, ast.Return | ast.Raise) or _is_require(node) or (
        isinstance(node, ast.If) and any(_concludes(child) for child in node.body)
    )  # fmt: skip


def _change(node: ast.AST, what: str) -> None:
    if isinstance(node, ast.Expr):
        node.value = ast.Constant(value=None)
        return
    assert isinstance(node, ast.If | ast.While)
    # The test is still evaluated: it may name what follows needs.
    if what == "inverted":
        node.test = ast.UnaryOp(op=ast.Not(), operand=node.test)
    else:
        node.test = ast.BoolOp(op=ast.And(), values=[node.test, ast.Constant(value=False)])


def write_tree(folder: Path, lab: Path, mutant: Mutant | None = None) -> None:
    """Write the checks of a lab and all of `labcheck` into `folder`, changed as the mutant says."""
    for source in (LABS / "labcheck", lab):
        shutil.copytree(
            source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
        )
    hurried = folder / "labcheck" / "observing" / "tunnel.py"
    if mutant is not None:
        (folder / mutant.path).write_text(mutant.text, encoding="utf-8")
    text = hurried.read_text(encoding="utf-8")
    for before, after in PATIENCE:
        assert before in text, "the patience of the checks has another form"
        text = text.replace(before, after)
    hurried.write_text(text, encoding="utf-8")
