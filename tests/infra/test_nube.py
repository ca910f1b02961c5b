"""The whole of the cloud's node, without a cloud: the real startup script on a machine that boots.

``create`` → a systemd guest reads its metadata, installs the node and announces its pin → a client connects
with the connection file → a POST through the node appears in the application here → ``delete`` → nothing
left, by the simulation's own inventory and by podman's.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cloud_lane
import podman_lane
import pytest
from place import ROOT, missing
from support.requirements import refuse

from labcheck.grading.grade import load

BIN = Path(sys.executable).parent
TASKS = "/todo/api/v1.0/tasks"
NODE = "nodo-ana"
GCP = ("--provider", "gcp", "--simulada")
APP_PORT = "5000"  # the place's network is its own

pytestmark = pytest.mark.timeout(420)


@pytest.fixture(scope="module")
def place() -> Iterator[cloud_lane.CloudPlace]:
    needed = {
        name: package for name, package in podman_lane.NEEDED.items() if name not in cloud_lane.NOT_NEEDED
    }
    lacking = missing(needed)
    if os.geteuid() != 0:
        refuse("las máquinas de prueba necesitan root: sudo ./scripts/test tests/infra")
    if lacking:
        refuse(f"falta {', '.join(lacking)}: sudo apt install --no-install-recommends {' '.join(lacking)}")
    with cloud_lane.CloudPlace() as opened:
        assert isinstance(opened, cloud_lane.CloudPlace)
        folder = simulation(opened)
        folder.mkdir(parents=True)
        settings = {"latency_s": 0.05, "wheels": str(opened.wheels)}
        (folder / "ajustes.json").write_text(json.dumps(settings))
        yield opened


@pytest.fixture
def app(place: cloud_lane.CloudPlace) -> Iterator[str]:
    with running(place, str(BIN / "gtd-app"), "serve", "--en-memoria", "--port", APP_PORT):
        yield f"http://127.0.0.1:{APP_PORT}"


def simulation(place: cloud_lane.CloudPlace) -> Path:
    return place.folder / "estado" / "tunelab" / "simulacion"


@contextmanager
def running(place: cloud_lane.CloudPlace, *command: str) -> Iterator[None]:
    """Run a program inside the place until the block ends."""
    # nsenter stays in between: what it started hears of its end.
    argv = [*place.enter(), "setpriv", "--pdeathsig", "TERM", *command]
    log = (place.folder / "programas.log").open("ab")
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=place.environment()
    )
    try:
        yield
        assert process.poll() is None, (place.folder / "programas.log").read_text()
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def tunnel(place: cloud_lane.CloudPlace, *words: str) -> str:
    return place.run(str(BIN / "tunnel"), "exit-node", *words, timeout_s=300).stdout


def curl(place: cloud_lane.CloudPlace, url: str, *options: str) -> str:
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "10", *options, url]
    return place.run(*command, check=False).stdout


def connected(place: cloud_lane.CloudPlace, public_url: str, *, is_wanted: bool = True) -> None:
    """Wait until the public side reaches the application, or does not any more."""
    limit = time.monotonic() + 30
    while ("tasks" in curl(place, public_url + TASKS)) is not is_wanted:
        assert time.monotonic() < limit, (place.folder / "programas.log").read_text()
        time.sleep(0.2)


def prove(place: cloud_lane.CloudPlace, app: str, title: str) -> None:
    """POST through the node's public side, and read it where the application is."""
    connection = place.folder / "estado" / "tunelab" / "nodos" / "gcp" / NODE / "conexion.toml"
    public_url = tunnel(place, "show", "--solo", "public_url").strip()
    client = [str(BIN / "tunnel"), "client", "--conexion", str(connection), "--upstream", app]
    with running(place, *client):
        connected(place, public_url)
        body = json.dumps({"title": title})
        curl(place, public_url + TASKS, "--header", "Content-type: application/json", "--data", body)
        assert title in curl(place, app + TASKS)
    connected(place, public_url, is_wanted=False)  # with the tunnel cut, nothing answers in its place


def assert_nothing_left(place: cloud_lane.CloudPlace) -> None:
    world = json.loads((simulation(place) / "nube.json").read_text())
    assert (world["machines"], world["rules"]) == ([], [])
    assert [item["id"] for item in world["projects"] if item["state"] == "ACTIVE"] == ["tunelab-simulado"]
    assert place.run("podman", "ps", "--all", "--quiet").stdout.strip() == ""
    assert list((simulation(place) / "maquinas").iterdir()) == []


def test_a_node_comes_up_by_its_startup_script_serves_and_goes(
    place: cloud_lane.CloudPlace, app: str
) -> None:
    made = tunnel(place, "create", *GCP, "--alumno", "ana", "--si")
    assert "está listo" in made
    assert all(line.startswith("SIMULACIÓN |") for line in made.splitlines() if line)
    token = (place.folder / "estado" / "tunelab" / "nodos" / "gcp" / NODE / "token").read_text().strip()
    assert token not in made
    container = place.run("podman", "ps", "--quiet").stdout.strip()
    inside = ("podman", "exec", container)
    seen = place.run(
        *inside, "sh", "-c", "ls -l /etc/tunelab; ps -ef; cat /srv/nube/metadatos/* /srv/nube/consola.txt"
    )
    assert "tunelab-secreto" not in place.run(*inside, "ls", "/srv/nube/metadatos").stdout
    assert token not in seen.stdout
    assert place.run(*inside, "systemctl", "is-active", "tunnel-server").stdout.strip() == "active"
    prove(place, app, "por la nube")
    assert "huella" in tunnel(place, "logs")

    # As at a boot: with the token gone from the metadata, and nothing changed.
    place.run(*inside, "systemctl", "restart", "agente-arranque")
    prove(place, app, "otra vez")

    told = tunnel(place, "delete", "--si")
    assert all(line.startswith("SIMULACIÓN |") for line in told.splitlines() if line)
    (path,) = (place.folder / "estado" / "tunelab" / "recibos").iterdir()
    receipt = json.loads(path.read_text())
    assert (receipt["clean"], receipt["is_simulated"], receipt["left"]) == (True, True, [])
    assert len(receipt["queries"]) == 5
    assert_nothing_left(place)


def test_the_script_has_the_same_result(place: cloud_lane.CloudPlace, app: str) -> None:
    script = place.folder / "crear.sh"
    tunnel(place, "create", *GCP, "--alumno", "ana", "--guion", str(script))
    place.run("bash", str(script), env={"TUNEL": str(BIN / "tunnel")}, timeout_s=300)
    prove(place, app, "por el guion")
    tunnel(place, "delete", "--si")
    assert_nothing_left(place)


def test_a_shared_node_knows_each_student_of_the_roster(place: cloud_lane.CloudPlace, app: str) -> None:
    roster = place.folder / "alumnos.csv"
    roster.write_text("codigo,nombre,correo\nana,Ana,ana@example.edu\nluis,Luis,luis@example.edu\n")
    whose = ("--roster", str(roster), "--compartido")
    tunnel(place, "create", *GCP, *whose, "--dominio", "curso.example", "--nombre", "nodo-curso", "--si")
    node = place.folder / "estado" / "tunelab" / "nodos" / "gcp" / "nodo-curso"
    url = tunnel(place, "show", "nodo-curso", "--solo", "public_url").strip() + TASKS
    connection = str(node / "conexiones" / "luis.toml")
    client = [str(BIN / "tunnel"), "client", "--conexion", connection]
    host = ("--header", "Host: luis.curso.example")
    with running(place, *client, "--upstream", f"luis.curso.example={app}"):
        limit = time.monotonic() + 30
        while "tasks" not in curl(place, url, *host):
            assert time.monotonic() < limit, (place.folder / "programas.log").read_text()
            time.sleep(0.2)
        assert "tasks" not in curl(place, url, "--header", "Host: ana.curso.example")
    tunnel(place, "delete", "nodo-curso", "--si")
    assert_nothing_left(place)


# --- the labs, in mode nube, with no account ----------------------------------------------------------------


def lab(place: cloud_lane.CloudPlace, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    own = {"SIMULADA": "sí", "PATH": f"{BIN}{os.pathsep}{place.environment()['PATH']}"}
    return place.run(str(BIN / "lab"), *words, check=check, timeout_s=300, env=own)


def reviewed(place: cloud_lane.CloudPlace, number: str) -> tuple[int, dict[str, str]]:
    """Review a lab; return the exit code, and the checks that did not pass with their diagnoses."""
    done = lab(place, "revisar", number, "--json", check=False)
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    results = [event for event in events if event["event"] == "result"]
    assert results, done.stdout
    return done.returncode, {
        result["check"]: result.get("diagnosis", {}).get("code") or result.get("reason", "")
        for result in results
        if result["verdict"] != "aprobado"
    }


class Course:
    """A class of one, in the place: what is handed in there is graded without it."""

    def __init__(self, place: cloud_lane.CloudPlace, folder: Path) -> None:
        self._place, self._folder = place, folder
        self.box, self._keys = folder / "entregas", folder / "claves"
        self.file, self.key = self.box / "ana.json", self._keys / "ana.clave"
        self.box.mkdir()
        self._roster = folder / "alumnos.csv"
        self._roster.write_text("codigo,nombre\nana,Ana\n")
        lab(place, "claves", "--lista", str(self._roster), "--carpeta", str(self._keys))

    def hand_in(self, number: str) -> None:
        lab(self._place, "entregar", number, "--clave", str(self.key), "--salida", str(self.file))

    def graded(self, number: str) -> tuple[float, list[str]]:
        """Return the grade, and the codes of what was found."""
        grades = self._folder / "notas" / number
        options = ["--lista", str(self._roster), "--entregas", str(self.box), "--carpeta", str(grades)]
        options += ["--secreto", str(self._keys / "curso.secreta"), "--otra-vez"]
        lab(self._place, "calificar", "--lab", number, *options)
        grade = load(grades / "ana.json")
        return float(grade.score or 0), [finding.code for finding in grade.findings]


@pytest.fixture
def course(place: cloud_lane.CloudPlace, tmp_path: Path) -> Course:
    return Course(place, tmp_path)


def test_labs_00_to_02_are_done_in_the_cloud_with_no_account(
    place: cloud_lane.CloudPlace, course: Course
) -> None:
    for number in ("00", "01", "02"):
        lab(place, "iniciar", number, "--modo", "nube")
        assert reviewed(place, number)[0] == 1
        lab(place, "resolver", number)
        assert reviewed(place, number) == (0, {}), number
        course.hand_in(number)
        if number == "02":
            steps = str(ROOT / "labs" / "02-nodo-salida" / "05-mirar.sh")
            path = f"{BIN}{os.pathsep}{place.environment()['PATH']}"
            assert "\n503\n" in place.run("bash", steps, env={"PATH": path}).stdout
        assert "No quedó nada" in lab(place, "terminar", number).stdout
        expected = ["no-receipt"] if number == "02" else []
        assert course.graded(number) == (1.0, expected)
    assert_nothing_left(place)
    told = lab(place, "entregar", "02", "--comprobantes", str(course.file), "--clave", str(course.key))
    assert "comprobante" in told.stdout
    assert course.graded("02") == (1.0, [])


def test_lab_03_is_done_in_the_cloud_with_no_account(place: cloud_lane.CloudPlace, course: Course) -> None:
    tunnel(place, "create", *GCP, "--nombre", "nodo-lab-03", "--lab", "03", "--si")
    public_url = tunnel(place, "show", "nodo-lab-03", "--solo", "public_url").strip()
    connection = place.folder / "estado" / "tunelab" / "nodos" / "gcp" / "nodo-lab-03" / "conexion.toml"
    lab(place, "iniciar", "03", "--modo", "nube", "--remoto", public_url)
    assert reviewed(place, "03")[0] == 1
    own = {"CONEXION": str(connection), "PATH": f"{BIN}{os.pathsep}{place.environment()['PATH']}"}
    place.run(str(BIN / "lab"), "resolver", "03", env=own)
    assert reviewed(place, "03") == (0, {})
    course.hand_in("03")
    assert "No quedó nada" in lab(place, "terminar", "03").stdout
    tunnel(place, "delete", "nodo-lab-03", "--si")
    assert_nothing_left(place)
    assert course.graded("03") == (1.0, [])
    assert any("traza" in line for line in json.loads(course.file.read_text())["log"])
