"""Lab 02: an exit node exists, waits for a client, and its secret is kept."""

import json

import requests

from labcheck.checking.diagnosis import CouldNotCheckError, Diagnosis, require
from labcheck.checking.place import Place
from labcheck.checking.spec import check
from labcheck.hops import ERROR_HEADER, fault_of_error
from labcheck.observing.application import find_app, find_exposure
from labcheck.observing.faults import from_fault

NODE = "nodo-lab-02"  # and the student's code, of who has one
RUNNING = "en marcha"
CONNECTION = "${XDG_STATE_HOME:-$HOME/.local/state}/tunelab/labs/02/conexion.toml"


@check(points=1)
def test_app_answers(place: Place) -> None:
    """La aplicación responde en su puerto local."""
    require(find_app(place))


@check(points=2, after=("app_answers",))
def test_app_is_private(place: Place) -> None:
    """Nadie de fuera de esta máquina puede abrir el puerto de la aplicación."""
    require(find_exposure(place))


@check(points=2)
def test_node_exists(place: Place) -> None:
    """Hay un nodo de salida creado para este laboratorio, en marcha."""
    node = node_of(place)
    expected = f"el nodo «{node['name'] if node else NODE}» en marcha"
    if node is None:
        require(
            Diagnosis(
                "no-node",
                expected,
                "No hay ningún nodo con ese nombre.",
                "Un nodo se crea con «tunnel exit-node create», que lo anota para poder borrarlo después.",
                ("¿Qué dice «tunnel exit-node list»?", "Corra ./04-crear.sh, en la carpeta del laboratorio."),
            )
        )
    elif not is_running(node):
        require(
            Diagnosis(
                "node-stopped",
                expected,
                f"El nodo existe y está: {node['state']}.",
                "Está anotado, pero su servidor no corre: algo lo terminó.",
                (
                    "¿Qué dice «tunnel exit-node logs»?",
                    "Corra otra vez ./04-crear.sh: continúa donde haga falta.",
                ),
            )
        )


@check(points=3, after=("node_exists",))
def test_node_waits_for_a_client(place: Place) -> None:
    """El nodo atiende a los visitantes y dice que todavía no hay un cliente."""
    node = node_of(place)
    url = str(node["public_url"]) if node else ""
    expected = f"503 con el código no-client en {url}"
    try:
        answer = place.ask("GET", url)
    except requests.RequestException as error:
        require(from_fault("nobody-answers", expected, fault_of_error(error, url)))
        return
    if answer.headers.get(ERROR_HEADER) != "no-client":
        require(
            Diagnosis(
                "has-a-client",
                expected,
                f"Respondió {answer.status_code}.",
                "Ya hay un cliente conectado: lo que se ve es su aplicación, y no el nodo solo.",
                (
                    "En este laboratorio todavía no se tiende el túnel. ¿Quedó un cliente de otro?",
                    "Termine el cliente: ps -ef | grep 'tunnel client', y Ctrl-C en su terminal.",
                ),
            )
        )


@check(points=2, after=("node_exists",))
def test_connection_file_is_private(place: Place) -> None:
    """El archivo de conexión está en su lugar y solo usted puede leerlo."""
    found = place.host.run(f'ls -l "{CONNECTION}"')
    expected = "conexion.toml con permisos -rw-------"
    if found.rc != 0:
        require(
            Diagnosis(
                "no-connection-file",
                expected,
                "El archivo no está en la carpeta de trabajo del laboratorio.",
                "Sin él, el cliente no sabe a dónde conectarse ni con qué reconocer al nodo.",
                ("¿Dónde dijo la orden de creación que lo escribía?", "Corra otra vez ./04-crear.sh"),
            )
        )
    elif found.stdout[4:10] != "------":
        require(
            Diagnosis(
                "open-connection-file",
                expected,
                f"Sus permisos son {found.stdout[:10]}.",
                "Lleva el token: quien lo lea puede conectarse en su lugar y recibir a sus visitantes.",
                (
                    "¿Quién más tiene cuenta en esta máquina?",
                    "chmod 600 conexion.toml, en la carpeta de trabajo",
                ),
            )
        )


def is_running(node: dict[str, object]) -> bool:
    """Say whether a node is there to be asked, as far as its provider tells.

    Of the course's own machine the list tells only what is recorded: the next check asks the machine itself.
    """
    return node["state"] == RUNNING or (node["provider"] == "vm" and str(node["state"]).startswith("listo"))


def node_of(place: Place) -> dict[str, object] | None:
    """Return the lab's node as ``tunnel exit-node list`` tells it, or None.

    In a project of the cloud that several share the list has those of others, which are not recorded here.

    Raises:
        CouldNotCheckError: the command failed.
    """
    done = place.host.run("tunnel exit-node list --json")
    try:
        nodes: list[dict[str, object]] = json.loads(done.stdout)["nodes"]
    except (ValueError, KeyError) as error:
        raise CouldNotCheckError(
            f"«tunnel exit-node list» falló: {done.stderr.strip()}", "Active el entorno: . .venv/bin/activate"
        ) from error
    own = [node for node in nodes if node["recorded"] and _is_of_the_lab(str(node["name"]))]
    return next(filter(is_running, own), own[0] if own else None)


def _is_of_the_lab(name: str) -> bool:
    return name == NODE or name.startswith(f"{NODE}-")
