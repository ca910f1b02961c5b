"""What is typed, scene by scene, and what is said about it: a lab's steps and the sentences of its guide."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from labcheck.catalog import Lab
from labcheck.children import find_program

_STEP = re.compile(r"\d\d-[\w-]+\.sh")
_FENCE = "```"
# What a guide's line begins with that is not a sentence: a heading, a table, a drawing, a list, a comment.
_NOT_PROSE = re.compile(r"#|\||!\[|<|>|- |\d+\. |\(?\[?Video")
_MARKUP = (
    (re.compile(r"\[([^\]]+)\]\([^)]+\)"), r"\1"),
    (re.compile(r"[`*]+"), ""),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """One typed command: `command` as the guide shows it, `argv` as it is run, in `folder`.

    `before` and `after` are the guide's paragraphs around it, without their markup.
    """

    title: str
    command: str
    argv: tuple[str, ...]
    folder: Path
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def screenplay(lab: Lab) -> list[Scene]:
    """Return a lab's scenes: its preparation, each numbered step, its review and its cleanup.

    Raises:
        FileNotFoundError: there is no bash, or no guide; the text is Spanish.
    """
    bash = shutil.which("bash")
    if bash is None:
        raise FileNotFoundError("Hace falta bash para los pasos del laboratorio.")
    if not lab.guide.is_file():
        raise FileNotFoundError(f"Al laboratorio {lab.number} le falta su guía, {lab.guide}.")
    guide = lab.guide.read_text(encoding="utf-8")
    project = lab.folder.parent.parent

    def verb(title: str, name: str) -> Scene:
        return _scene(
            guide, title, f"lab {name} {lab.number}", (find_program("lab"), name, lab.number), project
        )

    steps = [
        _scene(guide, title_of(path), f"./{path.name}", (bash, f"./{path.name}"), lab.folder)
        for path in steps_of(lab)
    ]
    return [
        verb("Preparación", "iniciar"),
        *steps,
        verb("Punto de control", "revisar"),
        verb("Limpieza", "terminar"),
    ]


def steps_of(lab: Lab) -> list[Path]:
    """Return a lab's numbered step scripts, in order."""
    return sorted(path for path in lab.folder.iterdir() if _STEP.fullmatch(path.name))


def title_of(step: Path) -> str:
    """Return what a step says of itself: the first comment after its interpreter's line."""
    for line in step.read_text(encoding="utf-8").splitlines()[1:]:
        if line.startswith("#"):
            return line.lstrip("# ").strip()
    return step.name


def paragraphs_around(guide: str, command: str) -> tuple[list[str], list[str]]:
    """Return the paragraphs of a guide, as plain text, before and after the block that shows a command.

    They reach from the heading above to the next heading or block; there are none for a command that the
    guide does not show.
    """
    before: list[str] = []
    after: list[str] = []
    has_command = is_open = False
    for paragraph in re.split(r"\n\s*\n", _with_closed_blocks(guide)):
        first = paragraph.splitlines()[0] if paragraph.strip() else ""
        if first.startswith(_FENCE):
            if has_command:
                break
            has_command = f"$ {command}" in paragraph.splitlines()
            is_open = True
        elif first.startswith(("## ", "### ")):
            if has_command:
                break
            before, is_open = [], False
        elif first and not _NOT_PROSE.match(first):
            if is_open and not has_command:  # it was said about another block
                before, is_open = [], False
            (after if has_command else before).append(_plain(paragraph))
    return (before, after) if has_command else ([], [])


def _scene(guide: str, title: str, command: str, argv: tuple[str, ...], folder: Path) -> Scene:
    before, after = paragraphs_around(guide, command)
    return Scene(title, command, argv, folder, tuple(before), tuple(after))


def _with_closed_blocks(guide: str) -> str:
    """Return a guide whose blocks have no empty line inside, so that each is one paragraph."""
    parts = re.split(r"(^```.*?^```$)", guide, flags=re.MULTILINE | re.DOTALL)
    blocks = (re.sub(r"\n\s*\n", "\n", part) if part.startswith(_FENCE) else part for part in parts)
    return "".join(blocks)


def _plain(paragraph: str) -> str:
    for pattern, replacement in _MARKUP:
        paragraph = pattern.sub(replacement, paragraph)
    return paragraph.strip()
