"""The labs' guides: complete, and each command prints what the guide shows."""

import getpass
import os
import platform
import re
import xml.etree.ElementTree as ElementTree

import pytest
from support.guide import Command, blocks_of, difference, reader_in, rewritten
from support.labs import ROOT, lab_folders
from support.requirements import refuse, require_program

from labcheck.catalog import find_lab

SECTIONS = [
    "Objetivos",
    "Requisitos",
    "Tiempo",
    "Topología",
    "Pasos",
    "Punto de control",
    "Problemas frecuentes",
    "Limpieza",
    "Preguntas",
]
OWN_ADDRESS = "192.168.1.23: privada; la alcanza su red, y en Internet nadie tiene una ruta hasta ella"
# What a machine says of itself, as that of somebody called ana would.
OF_ANA = (
    (r"--alumno \S+", "--alumno ana"),
    (rf"^{re.escape(getpass.getuser())}$", "ana"),
    (rf"^{re.escape(platform.node())}$", "portatil"),
    (r"usuario=\S+?\)", "usuario=ana)"),
    (r"equipo=\S+?\)", "equipo=portatil)"),
    (r"direccion=\S+?\)", "direccion=192.168.1.23)"),
    (r"^(ninguna otra: .*|[\d.]+: (pública|privada); .*)$", OWN_ADDRESS),
)
LABS = lab_folders()
every_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)


def guide_of(lab):
    return (lab / "README.es.md").read_text(encoding="utf-8")


@pytest.mark.timeout(120)
@every_lab
def test_each_command_of_a_guide_prints_what_it_shows(lab, tmp_path, pytestconfig):
    require_program("curl", "Debian: sudo apt install curl")
    text = guide_of(lab)
    blocks = [block for block in blocks_of(text) if block.language == "console"]
    assert blocks
    assert not any(block.directive for block in blocks), "every command of a lab's guide is run"
    for shared in (".venv", "labs"):
        (tmp_path / shared).symlink_to(ROOT / shared)
    environment = os.environ | {"HOME": str(tmp_path), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    # The outputs name folders: as those of somebody called ana.
    names = ((str(tmp_path / ".venv"), "/home/ana/tunelab/.venv"), (str(ROOT), "/home/ana/tunelab"))
    names += ((str(tmp_path), "/home/ana"),)

    def as_ana(lines: list[str]) -> list[str]:
        for real, told in names:
            lines = [line.replace(real, told) for line in lines]
        lines = [re.sub(r"bin/python[\d.]*", "bin/python", line) for line in lines]
        for pattern, told in OF_ANA:
            lines = [re.sub(pattern, told, line) for line in lines]
        return lines

    environment["TUNELAB_LABS"] = str(tmp_path / "labs")
    for name in ("VIRTUAL_ENV", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        environment.pop(name, None)
    came: list[tuple[Command, list[str]]] = []
    with reader_in(tmp_path, environment) as reader:
        if not reader.can_follow():
            refuse("ports 5000, 8000 and 8123 are taken, and a network of one's own is not allowed here")
        try:
            for block in blocks:
                came += [(command, as_ana(reader.type(command.text))) for command in block.commands]
        finally:
            reader.type(f"bash '{lab / 'limpieza.sh'}'")
    if pytestconfig.getoption("--actualizar-guia"):
        changed = {index: told for index, (command, told) in enumerate(came) if difference(command, told)}
        commands = [command for command, _ in came]
        (lab / "README.es.md").write_text(rewritten(text, changed, commands), encoding="utf-8")
    else:
        assert "\n\n".join(filter(None, (difference(command, told) for command, told in came))) == ""


@every_lab
def test_a_guide_has_every_section_in_order(lab):
    assert re.findall(r"^## (.+)$", guide_of(lab), re.MULTILINE) == SECTIONS


@every_lab
def test_each_step_is_a_prediction_and_then_a_command(lab):
    steps = re.split(r"^### Paso \d+", guide_of(lab), flags=re.MULTILINE)[1:]
    programs = sorted(path.name for path in lab.glob("[0-9]*.sh"))
    assert len(steps) == len(programs) > 0
    for step, program in zip(steps, programs, strict=True):
        assert "**Predicción.**" in step.split("```")[0]
        assert f"$ ./{program}" in step


@every_lab
def test_each_question_has_its_answer_in_the_instructors_file(lab):
    questions = re.findall(r"^(\d+)\. ", guide_of(lab).split("## Preguntas")[1], re.MULTILINE)
    answers = re.findall(r"^(\d+)\. ", (lab / "respuestas.md").read_text("utf-8"), re.MULTILINE)
    assert 4 <= len(questions) <= 6
    assert questions == answers


@every_lab
def test_the_guide_has_the_title_the_time_and_the_videos_of_the_description(lab):
    told, guide = find_lab(lab.name[:2]), guide_of(lab)
    assert guide.startswith(f"# Laboratorio {told.number}. {told.title}\n")
    assert f"Unos {told.minutes} minutos" in guide
    assert told.videos
    for video in told.videos:
        assert video.url in guide
    for mode in told.modes:
        assert f"`{mode}`" in guide


@every_lab
def test_the_drawing_has_a_title_a_description_and_dark_colours(lab):
    drawing = lab / "topologia.svg"
    root = ElementTree.parse(drawing).getroot()
    labels = [root.find(f"{{http://www.w3.org/2000/svg}}{name}") for name in ("title", "desc")]
    assert all(label is not None and label.text and len(label.text) > 20 for label in labels)
    assert root.get("role") == "img"
    assert "prefers-color-scheme: dark" in drawing.read_text(encoding="utf-8")
    described = re.search(r"!\[([^\]]+)\]\(topologia\.svg\)", guide_of(lab))
    assert described is not None
    assert len(described[1]) > 100
