"""When a lab cannot be recorded: the reason is told, nothing is kept and nothing is left running."""

import shutil
import signal
import sys

import pytest
from support.alive import is_running
from support.labs import LABS, desk_in

TOML = 'title = "Una prueba"\nminutes = 1\nports = [5000]\n'
LEAVE_RUNNING = """\
#!/usr/bin/env bash
# Paso 1. Algo que queda en marcha.
source "$(dirname "$0")/../pasos.sh"
dejar_en_marcha dormido listo bash -c 'echo listo; exec sleep 300'
cp dormido.pid "$CUENTA"
"""


@pytest.fixture
def labs(tmp_path):
    """A folder of labs with one of our own, number 09, and its copy of what labs share."""
    lab = tmp_path / "labs" / "09-prueba"
    lab.mkdir(parents=True)
    shutil.copy(LABS / "pasos.sh", tmp_path / "labs")
    (lab / "lab.toml").write_text(TOML, encoding="utf-8")
    (lab / "README.es.md").write_text("# Laboratorio 09. Una prueba\n", encoding="utf-8")
    for name in ("limpieza.sh", "solucion.sh"):
        step(lab, name, 'source "$(dirname "$0")/../pasos.sh"\ndetener_todo\n')
    step(lab, "01-queda.sh", LEAVE_RUNNING.replace("$CUENTA", str(tmp_path / "dormido.pid")))
    return tmp_path / "labs"


def step(lab, name, text):
    (lab / name).write_text(text, encoding="utf-8")


def command(labs):
    return (
        f"TUNELAB_LABS='{labs}' '{sys.executable}' -m labcheck.recording.cli 09 --salida '{labs / 'salida'}'"
    )


def require_nothing_left(labs):
    pid = int((labs.parent / "dormido.pid").read_text(encoding="utf-8").split()[0])
    assert not is_running(pid)
    assert not (labs / "salida").exists()
    assert not list(labs.parent.glob("scratch/tunelab-grabar-*"))


@pytest.fixture
def desk(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (tmp_path / "desk").mkdir()
    with desk_in(tmp_path / "desk", TMPDIR=str(scratch)) as desk:
        yield desk


def test_a_step_that_fails_is_told_with_what_it_showed(desk, labs):
    step(
        labs / "09-prueba",
        "02-falla.sh",
        "# Paso 2. Falla.\nprintf '\\033[31malgo se rompió\\033[0m\\n'\nexit 4\n",
    )
    done = desk.run(command(labs))
    assert done.code == 1
    assert "«./02-falla.sh» terminó con 4" in done.err
    assert "algo se rompió" in done.err
    assert "\x1b" not in done.err
    require_nothing_left(labs)


def test_a_step_that_shows_a_token_is_not_kept(desk, labs):
    secret = "tunnel token --salida token.txt; cat token.txt"
    text = f'# Paso 2. Muestra un secreto.\nsource "$(dirname "$0")/../pasos.sh"\n{secret}\n'
    step(labs / "09-prueba", "02-secreto.sh", text)
    done = desk.run(command(labs))
    assert done.code == 1, done.text
    assert "«./02-secreto.sh» mostró un secreto" in done.err
    assert len(done.err.splitlines()) == 4, "nothing of what it showed is told"
    require_nothing_left(labs)


def test_a_port_that_is_taken_is_told_and_nothing_is_begun(desk, labs):
    listen = (
        "import socket,time; s=socket.create_server(('127.0.0.1',5000)); print(flush=True); time.sleep(60)"
    )
    script = f"coproc {{ exec '{sys.executable}' -c \"{listen}\"; }}; read -r _ <&${{COPROC[0]}}\n"
    done = desk.run(f"{script}{command(labs)}; code=$?; kill $COPROC_PID; exit $code")
    assert done.code == 3, done.text
    assert "El laboratorio no se puede empezar aquí" in done.err
    assert "El puerto 5000 está ocupado" in done.err
    assert not (labs / "salida").exists()


def test_an_unknown_lab_and_wrong_usage_are_told(desk, labs):
    assert desk.run(command(labs).replace(" 09 ", " 77 ")).code == 3
    done = desk.run(f"'{sys.executable}' -m labcheck.recording.cli")
    assert (done.code, "falta NN" in done.err) == (2, True)
    assert desk.run(f"'{sys.executable}' -m labcheck.recording.cli 03 --modo nube").code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_what_was_running_and_leaves_nothing(desk, labs, number):
    mark = labs.parent / "llego"
    step(labs / "09-prueba", "02-espera.sh", f"# Paso 2. Espera.\ntouch '{mark}'\nexec sleep 300\n")
    wait = f"while [[ ! -e '{mark}' ]]; do sleep 0.05; done"
    # A job of its own, as in a terminal: in the background a shell would have it ignore Ctrl-C.
    script = f"set -m; {command(labs)} & pid=$!; {wait}; kill -{number.name} $pid; wait $pid"
    done = desk.run(script)
    assert done.code == 130, done.text
    require_nothing_left(labs)


def test_a_lab_without_a_guide_is_told(desk, labs):
    (labs / "09-prueba" / "README.es.md").unlink()
    done = desk.run(command(labs))
    assert (done.code, "le falta su guía" in done.err) == (3, True)
