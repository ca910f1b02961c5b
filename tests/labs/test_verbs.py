"""The verbs of ``lab``, as a student calls them."""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.labs import LABS, Desk, desk_in

pytestmark = pytest.mark.timeout(120)

TUNNEL, API = LABS / "03-tunel-http", LABS / "01-api-gtd"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


def state(desk: Desk, number: str) -> Path:
    return desk.home / ".local" / "state" / "tunelab" / "labs" / number


def listed(desk: Desk, number: str) -> str:
    (line,) = [line for line in desk.do("lab listar").out.splitlines() if line.startswith(number)]
    return line


def test_a_lab_from_beginning_to_end(desk):
    assert "sin empezar" in listed(desk, "01")
    shown = desk.do("lab iniciar 1").out
    assert "Laboratorio 01. La API de tareas" in shown
    assert "01-aplicacion.sh" in shown
    assert "empezado" in listed(desk, "01")
    desk.do(f"'{API / '01-aplicacion.sh'}'")
    review = desk.run("lab revisar 01")
    assert review.code == 1
    assert "4 de 10 puntos" in review.out
    assert "4 de 10 puntos" in listed(desk, "01")
    for step in ("03-crear", "04-cambiar", "05-borrar"):
        desk.do(f"'{API / step}.sh'")
    review = desk.do("lab revisar 01")
    assert "10 de 10 puntos" in review.out
    assert "completo" in listed(desk, "01")
    assert "No quedó nada" in desk.do("lab terminar 01").out
    assert "completo" in listed(desk, "01")
    assert "No quedó nada" in desk.do("lab terminar 01").out


def test_the_state_is_for_its_owner_alone(desk):
    desk.do("lab iniciar 03")
    desk.do(f"'{TUNNEL / 'solucion.sh'}'")
    files = list(state(desk, "03").iterdir())
    assert {"progreso.json", "entorno", "token.txt", "cliente.log"} <= {path.name for path in files}
    for path in [state(desk, "03"), *files]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_xdg_state_home_is_respected(tmp_path):
    (tmp_path / "desk").mkdir()
    with desk_in(tmp_path / "desk", XDG_STATE_HOME=str(tmp_path / "mine")) as desk:
        desk.do("lab iniciar 01")
        desk.do(f"'{API / '01-aplicacion.sh'}'")
        kept = {path.name for path in (tmp_path / "mine" / "tunelab" / "labs" / "01").iterdir()}
        assert {"progreso.json", "aplicacion.pid"} <= kept
        assert not (desk.home / ".local").exists()
        desk.do("lab terminar 01")


def test_iniciar_refuses_while_somebody_has_a_port_and_names_it(desk):
    desk.do("python -m http.server --bind 127.0.0.1 8123 >/dev/null 2>&1 & echo $! >other.pid\n")
    desk.do("until curl --silent -o /dev/null http://127.0.0.1:8123; do :; done")
    done = desk.run("lab iniciar 03")
    assert done.code == 3
    assert "El puerto 8123 está ocupado" in done.err
    assert not (state(desk, "03") / "progreso.json").exists()
    desk.do("kill $(cat other.pid)")


def test_iniciar_takes_away_what_an_earlier_try_left(desk):
    desk.do("lab resolver 03")
    assert "con la solución" in listed(desk, "03")
    desk.do("lab iniciar 03")
    assert desk.do("ss -Htln").out == ""
    assert "empezado" in listed(desk, "03")


def test_iniciar_refuses_what_is_missing_and_says_how_to_get_it(desk):
    desk.do('mkdir tools && for tool in bash ps sh; do ln -s "$(command -v $tool)" tools/; done')
    done = desk.run('lab=$(command -v lab); PATH=$PWD/tools "$lab" iniciar 03')
    assert done.code == 3
    assert "Falta el programa curl" in done.err
    assert "Faltan ss y lsof" in done.err


def test_iniciar_sends_whoever_is_not_in_the_virtual_machine_there(desk):
    done = desk.run("lab iniciar 03 --modo vm")
    assert done.code == 3
    assert "vagrant ssh; lab iniciar 03 --modo vm" in done.err


def test_iniciar_wants_an_exit_node_in_the_cloud_that_answers(desk):
    done = desk.run("lab iniciar 03 --modo nube")
    assert done.code == 3
    assert "--remoto http://IP:8000" in done.err
    done = desk.run("lab iniciar 03 --modo nube --remoto http://127.0.0.1:8000")
    assert done.code == 3
    assert "No se llega al nodo de salida" in done.err
    desk.do("lab iniciar 01 --modo nube")  # which needs none


def test_addresses_are_remembered(desk):
    desk.do("lab iniciar 01 --local http://localhost:5055")
    desk.do(f"'{API / 'solucion.sh'}'")
    assert "localhost:5055" in (state(desk, "01") / "entorno").read_text()
    assert desk.review("01").earned == (10, 10)
    assert desk.review("01", "--local", "http://localhost:5000").done.code == 1


def test_pista_goes_from_gentle_to_explicit_and_counts(desk):
    desk.do(f"'{TUNNEL / 'errores' / 'proxy-inverso.sh'}'")
    first, second, third = (desk.do("lab pista 03").out for _ in range(3))
    assert "Pista 1 de 2: ¿Quién abre la conexión" in first
    assert "Pista 2 de 2: Termine ese programa" in second
    assert "lab resolver 03" in second
    assert "Pistas usadas en este laboratorio: 1." in first
    assert "Pistas usadas en este laboratorio: 2." in second
    assert third == second
    kept = json.loads((state(desk, "03") / "progreso.json").read_text())
    assert kept["hints"] == {"exit_node_answers/proxy": 2}


def test_pista_after_a_review_begins_with_the_hint_that_the_review_did_not_show(desk):
    desk.do(f"'{TUNNEL / 'errores' / 'proxy-inverso.sh'}'")
    assert "Pista: ¿Quién abre la conexión" in desk.run("lab revisar 03").out
    first, second = (desk.do("lab pista 03").out for _ in range(2))
    assert "Pista 2 de 2: Termine ese programa" in first
    assert "Pistas usadas en este laboratorio: 1." in first
    assert second == first


def test_pista_has_nothing_to_say_of_a_healthy_lab(desk):
    desk.do(f"'{API / 'solucion.sh'}'")
    assert "No hace falta" in desk.do("lab pista 01").out


def test_pista_invents_nothing_when_it_could_not_look(desk):
    desk.do(f"'{TUNNEL / 'solucion.sh'}'")
    done = desk.run("lab pista 03 --modo nube")
    assert done.code == 3
    assert "No se pudo comprobar" in done.err


def test_resolver_shows_the_solution_and_marks_it(desk):
    shown = desk.do("lab resolver 01 --mostrar").out
    for line in (API / "solucion.sh").read_text("utf-8").splitlines():
        assert line in shown
    assert desk.do("ss -Htln").out == ""
    assert "con la solución" in listed(desk, "01")


def test_terminar_names_what_is_left_and_exits_with_1(desk):
    desk.do("lab iniciar 01")
    desk.do("python -m http.server --bind 127.0.0.1 5000 >/dev/null 2>&1 & echo $! >other.pid\n")
    desk.do("until curl --silent -o /dev/null http://127.0.0.1:5000; do :; done")
    done = desk.run("lab terminar 01")
    assert done.code == 1
    assert "Quedó: el puerto 5000 sigue ocupado" in done.err
    desk.do("kill $(cat other.pid)")


def test_a_process_with_a_number_used_again_is_not_ended(desk):
    desk.do("sleep 45 & echo $! >bystander.pid")
    bystander = (desk.home.parent / "bystander.pid").read_text().strip()
    state(desk, "01").mkdir(parents=True)
    (state(desk, "01") / "aplicacion.pid").write_text(
        f"{bystander}\nThu Jan  1 00:00:00 1970 gtd-app serve\n"
    )
    desk.do("lab terminar 01")
    desk.do(f"kill {bystander}")


def test_observar_reviews_again_when_something_changes(desk):
    # A shell lets what it has in the background ignore Ctrl-C.
    watch = f"""
    env --default-signal=INT lab revisar 01 --observar >watch.log 2>&1 & watcher=$!
    until grep -q ': 0 de 10 puntos' watch.log; do sleep 0.1; done
    '{API / "solucion.sh"}' >/dev/null
    until grep -q ': 10 de 10 puntos' watch.log; do sleep 0.1; done
    kill -INT "$watcher"
    wait "$watcher"
    """
    done = desk.run(watch)
    assert done.code == 130, done.text


def test_json_has_a_line_for_each_check_and_one_for_all(desk):
    verdicts = desk.review("01")
    assert [event["event"] for event in verdicts.events] == ["begin", "result"] * 5 + ["end"]
    failed = verdicts.results[0]
    assert set(failed["diagnosis"]) == {"code", "expected", "got", "why", "hint"}
    assert verdicts.results[1]["verdict"] == "omitido"
    assert verdicts.events[-1]["exit_code"] == verdicts.done.code == 1


def test_the_words_say_it_without_marks_and_colours(desk):
    desk.do(f"'{API / 'errores' / 'borro-otra.sh'}'")
    shown = desk.run("PYTHONIOENCODING=ascii lab revisar 01").out
    assert "\x1b" not in shown
    words = re.findall(r"\b(aprobado|fallado|omitido|sin comprobar)\b", shown)
    assert words == ["aprobado"] * 4 + ["fallado"]


def test_the_students_own_pytest_configuration_is_kept_out(desk):
    desk.do(f"'{API / 'solucion.sh'}'")
    (desk.home.parent / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    assert desk.do("PYTEST_ADDOPTS=--also-not PYTEST_PLUGINS=no_such lab revisar 01").code == 0


def test_a_lab_is_a_folder_and_nothing_else(desk):
    """One that the product has never seen is listed, begun, reviewed, hinted at, solved and ended."""
    lab = desk.home / "labs" / "77-nuevo"
    lab.mkdir(parents=True)
    (lab / "lab.toml").write_text('title = "Nuevo"\nminutes = 5\n', encoding="utf-8")
    (lab / "solucion.sh").write_text('touch "$HOME/hecho"\n')
    (lab / "limpieza.sh").write_text('rm -f "$HOME/hecho"\n')
    (lab / "test_nuevo.py").write_text(
        "import os\n"
        "from labcheck.checking.diagnosis import Diagnosis, require\n"
        "from labcheck.checking.spec import check\n\n"
        "@check(points=3)\n"
        "def test_done(place):\n"
        '    """El archivo existe."""\n'
        '    if not place.host.file(os.environ["HOME"] + "/hecho").exists:\n'
        '        require(Diagnosis("missing", "el archivo", "nada", "no se ha hecho", ("hágalo",)))\n',
        encoding="utf-8",
    )
    own = f"TUNELAB_LABS='{lab.parent}'"
    assert "77    5 min  sin empezar" in desk.do(f"{own} lab listar").out
    desk.do(f"{own} lab iniciar 77")
    assert "Pista 1 de 1: hágalo" in desk.do(f"{own} lab pista 77").out
    desk.do(f"{own} lab resolver 77")
    assert "3 de 3 puntos" in desk.do(f"{own} lab revisar 77").out
    desk.do(f"{own} lab terminar 77")
    assert desk.run(f"{own} lab revisar 77").code == 1


@pytest.mark.parametrize("verb", ["iniciar", "revisar", "pista", "resolver", "terminar"])
def test_an_unknown_lab_is_told_with_the_ones_that_there_are(desk, verb):
    done = desk.run(f"lab {verb} 99")
    assert done.code == 3
    assert "No hay un laboratorio «99». Los hay: 00, 01" in done.err


def test_progress_that_cannot_be_read_is_named(desk):
    state(desk, "01").mkdir(parents=True)
    (state(desk, "01") / "progreso.json").write_text("{")
    done = desk.run("lab revisar 01")
    assert done.code == 3
    assert "progreso.json" in done.err
    assert "lab iniciar 01" in done.err
    assert "Traceback" not in done.err


def test_checks_that_cannot_be_read_are_the_environments_failure(desk):
    lab = desk.home / "labs" / "77-roto"
    lab.mkdir(parents=True)
    (lab / "lab.toml").write_text('title = "Roto"\nminutes = 5\n', encoding="utf-8")
    (lab / "test_roto.py").write_text("import no_such_module\n")
    done = desk.run(f"TUNELAB_LABS='{lab.parent}' lab revisar 77")
    assert done.code == 3
    assert "no_such_module" in done.err
