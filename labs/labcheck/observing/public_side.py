"""What answers at the public address: a tunnel, an exposed application, a proxy, a copy.

All four create a task when they are asked to. They differ in three things that can be seen: whether an exit
node is there (it keeps the paths under ``/.tunelab/`` for itself), whether the task appears in the local
application, and who listens.
"""

import re
from urllib.parse import urlsplit

import requests

from labcheck.checking.diagnosis import Diagnosis
from labcheck.checking.place import Place
from labcheck.hops import ERROR_HEADER, fault_of_error
from labcheck.observing.faults import from_fault
from labcheck.observing.machine import Machine
from labcheck.proof import TASKS_PATH, Proof, is_same_place

# PROTOCOL.md: nothing under this path reaches an application, and a visitor gets 404 reserved-path.
RESERVED_PATH = "/.tunelab/"

_EXPECTED = "un nodo de salida («tunnel server») en {url}"
_APP = re.compile(r"(?:^|[/\s])gtd-app(?:\.exe)?(?:\s|$)|gtd_app")


def find_exit_node(place: Place) -> Diagnosis | None:
    """Return None when an exit node answers at the public address, and otherwise what does."""
    url = place.remote_url
    expected = _EXPECTED.format(url=url)
    if is_same_place(place.local_url, url):
        return Diagnosis(
            "same-address",
            expected,
            f"{url} y {place.local_url} son la misma dirección.",
            "Es la aplicación, sin túnel en medio.",
            (
                "¿Qué dirección usaría alguien que está en otra red?",
                "El lado público es el puerto 8000 del nodo de salida: --remoto http://DIRECCIÓN:8000",
            ),
        )
    try:
        answer = place.ask("GET", url + RESERVED_PATH)
    except requests.RequestException as error:
        fault = fault_of_error(error, url)
        return from_fault(
            "nobody-answers", expected, fault, "En modo local: ./02-nodo-de-salida.sh, en la carpeta del lab."
        )
    if answer.headers.get(ERROR_HEADER) == "reserved-path":
        return None
    return _what_else(place, expected)


def _what_else(place: Place, expected: str) -> Diagnosis:
    """Tell what answers where no exit node is, from what becomes of a task of this run."""
    proof = place.proof()
    created = proof.post_through_public_side()
    if not created.passed:
        return Diagnosis(
            "not-a-tunnel",
            expected,
            f"En {place.remote_url} contesta otro programa: {_who_listens(place)}.",
            "No es un nodo de salida ni la aplicación de tareas.",
            (
                "Mire qué programa tiene ese puerto: ss -ltnp",
                "Termínelo, e inicie «tunnel server» en ese puerto.",
            ),
        )
    found = proof.find_locally()
    if found.passed:
        proof.remove_task()
        return _exposed_or_proxied(place, expected)
    remove_tasks(place, place.remote_url, proof.title)
    return Diagnosis(
        "copy",
        expected,
        f"{place.remote_url} creó la tarea «{proof.title}», y en {place.local_url} no está.",
        "Contesta otra aplicación con sus propios datos: una copia, no la suya. Lo que alguien agregue allí "
        "usted no lo verá.",
        (
            "Un túnel no copia nada: la única lista es la de su equipo.",
            "Quite la copia y deje en ese puerto el nodo de salida: «tunnel server».",
        ),
    )


def _exposed_or_proxied(place: Place, expected: str) -> Diagnosis:
    who = _who_listens(place)
    if _APP.search(who):
        return Diagnosis(
            "exposed",
            expected,
            f"En {place.remote_url} contesta la aplicación misma: {who}.",
            "La aplicación está expuesta directamente. Funciona aquí porque el puerto es de este equipo; "
            "detrás de un NAT nadie podría llegar a él, y sin NAT todo el mundo.",
            (
                "¿Llegaría una petición a ese puerto si su equipo estuviera detrás de un enrutador?",
                "Deje la aplicación solo en 127.0.0.1 e inicie en el puerto público «tunnel server».",
            ),
        )
    return Diagnosis(
        "proxy",
        expected,
        f"En {place.remote_url} contesta un intermediario que no es el túnel: {who}.",
        "Pasa las peticiones a la aplicación abriendo él la conexión hacia ella. Con la aplicación detrás de "
        "un NAT no podría: en un túnel la conexión la abre el cliente, de adentro hacia afuera.",
        (
            "¿Quién abre la conexión hacia la aplicación, y desde dónde?",
            "Termine ese programa e inicie en su lugar «tunnel server», y después «tunnel client».",
        ),
    )


def _who_listens(place: Place) -> str:
    """Describe the program behind the public address, as far as it can be seen."""
    parts = urlsplit(place.remote_url)
    machine = Machine(place.host)
    for listener in machine.listeners(parts.port or 80):
        if command := machine.command_of(listener):
            return command
    return "un programa que desde aquí no se ve"


def remove_tasks(place: Place, url: str, title: str) -> None:
    """Take every task with a title away from the application at `url`, as far as it lets itself be asked."""
    try:
        for task in place.ask("GET", url + TASKS_PATH).json()["tasks"]:
            if task["title"] == title:
                place.ask("DELETE", f"{url}{TASKS_PATH}/{task['id']}")
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return  # it is somebody else's application: what it keeps is not ours to insist on


def where_the_task_went(place: Place, proof: Proof) -> Diagnosis:
    """Tell where a task went that a tunnel took somewhere other than to the local application.

    The caller's duty: an exit node answers at the public address, it created the proof's task, and the local
    application does not have it.
    """
    theirs, ours = _titles(place, place.remote_url), _titles(place, place.local_url)
    remove_tasks(place, place.remote_url, proof.title)
    expected = f"la tarea «{proof.title}» en {place.local_url}"
    if len(ours) > len(_FIRST_TITLES) and theirs - {proof.title} == ours:
        return Diagnosis(
            "copy-behind-tunnel",
            expected,
            "El lado público la creó en una aplicación que tiene las mismas tareas que la suya, menos esta.",
            "El túnel lleva a una copia de sus datos.",
            (
                "Dos aplicaciones con las mismas tareas no son la misma aplicación.",
                f"Compare el --upstream del cliente con {place.local_url}.",
            ),
        )
    return Diagnosis(
        "another-app",
        expected,
        f"El lado público la creó en otra aplicación: la suya no la tiene. {_upstreams(place)}".strip(),
        "El túnel existe, pero lleva a la aplicación de otra persona, o a otra suya.",
        (
            "¿A dónde apunta el cliente que está conectado, y de quién es?",
            f"El --upstream de su cliente debe ser {place.local_url}, y el token solo suyo: con el mismo "
            "token, el cliente de otra persona puede tomar su lugar.",
        ),
    )


_FIRST_TITLES = frozenset({"Buy groceries", "Learn Python"})
_UPSTREAM = re.compile(r"--upstream[= ](\S+)")


def _titles(place: Place, url: str) -> set[str]:
    try:
        tasks = place.ask("GET", url + TASKS_PATH).json()["tasks"]
        return {str(task["title"]) for task in tasks}
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return set()


def _upstreams(place: Place) -> str:
    """Say where the tunnel clients of this machine lead."""
    found = [match[1] for p in Machine(place.host).tunnel_clients() if (match := _UPSTREAM.search(p.command))]
    if not found:
        return "En esta máquina no hay ningún cliente del túnel conectado."
    return f"El cliente de esta máquina lleva a {' y '.join(found)}."
