"""The tunnel at work: a client is there, a task goes through, a cut shows, and what was cut comes back."""

import time

import requests

from labcheck.checking.diagnosis import CouldNotCheckError, Diagnosis
from labcheck.checking.place import Place
from labcheck.hops import ERROR_HEADER, fault_of_answer, fault_of_error
from labcheck.observing.faults import from_fault
from labcheck.observing.machine import Machine
from labcheck.observing.public_side import remove_tasks, where_the_task_went
from labcheck.proof import TASKS_PATH

# A silent client is missed after two pings of the exit node, of 5 s each unless it is told otherwise.
CUT_PATIENCE_S = 14.0
# While a client is frozen a request waits in the link; it is enough to see that it is not answered.
CUT_ANSWER_TIMEOUT_S = 2.0
# A client tries again at once when it finds the link gone, and then within a few seconds.
RETURN_PATIENCE_S = 12.0
POLL_S = 0.2


def find_client(place: Place) -> Diagnosis | None:
    """Return None when a request to the public side goes through a client and is answered."""
    url = place.remote_url
    expected = f"una respuesta de la aplicación en {url}"
    try:
        answer = place.ask("GET", url + TASKS_PATH)
    except requests.RequestException as error:
        return from_fault("nobody-answers", expected, fault_of_error(error, url))
    code = answer.headers.get(ERROR_HEADER)
    if code is None:
        return None
    return from_fault(
        code,
        expected,
        fault_of_answer(answer, wanted="200"),
        "En la carpeta del laboratorio: ./03-cliente.sh. Sus mensajes dicen a dónde se conectó.",
    )


def find_passage(place: Place) -> Diagnosis | None:
    """Return None when a task of this run, POSTed to the public side, appears once in the application."""
    proof = place.proof()
    created = proof.post_through_public_side()
    if created.fault is not None:
        return from_fault("not-created", f"una tarea nueva creada por {place.remote_url}", created.fault)
    found = proof.find_locally()
    if found.fault is None:
        proof.remove_task()
        return None
    if any(task.get("title") == proof.title for task in found.tasks):
        remove_tasks(place, place.local_url, proof.title)
        return from_fault("repeated", "la tarea, una sola vez", found.fault)
    # An application that has gone since is no wrong answer: what the check stands on tells that.
    return where_the_task_went(place, proof)


def find_cut(place: Place) -> Diagnosis | None:
    """Return None when, with every tunnel client of the machine frozen, the public side says 503 no-client.

    Raises:
        CouldNotCheckError: no client runs on the machine, or it may not be frozen.
    """
    machine = Machine(place.host)
    clients = machine.tunnel_clients()
    if not clients:
        raise CouldNotCheckError(
            "En la máquina que se revisa no se ve el cliente del túnel, y para cortarlo hay que encontrarlo.",
            "Corra el cliente en la misma máquina que la aplicación.",
        )
    proof = place.proof(patience_s=CUT_PATIENCE_S, answer_timeout_s=CUT_ANSWER_TIMEOUT_S)
    with machine.frozen(clients):
        outcome = proof.expect_no_client()
    if outcome.fault is None:
        return None
    expected = "503 con el código no-client mientras el cliente no está"
    answer = outcome.exchange.response
    if answer is not None and answer.ok:
        return Diagnosis(
            "still-answers",
            expected,
            f"Con el cliente detenido, {place.remote_url} siguió respondiendo {answer.status_code}.",
            "La aplicación se alcanza por otro camino, además del túnel: otro cliente, o un intermediario.",
            (
                "Si se corta el único camino, nadie debería poder pasar. ¿Cuántos caminos hay?",
                "Deje un solo cliente, y en el puerto público solo a «tunnel server».",
            ),
        )
    return from_fault("cut-unnoticed", expected, outcome.fault)


def find_return(place: Place) -> Diagnosis | None:
    """Return None when, after a cut, a new task passes again without anybody's help."""
    deadline = time.monotonic() + RETURN_PATIENCE_S
    while (missing := find_client(place)) is not None:
        if time.monotonic() >= deadline:
            return Diagnosis(
                "did-not-come-back",
                "que el cliente vuelva solo después del corte",
                missing.got,
                "El cliente del curso se reconecta sin parar. Si no volvió, algo lo termina cuando se corta.",
                (
                    "¿Qué le pasa al cliente cuando pierde el enlace? Mire sus mensajes.",
                    "Córralo directamente, sin nada que lo termine: ./03-cliente.sh",
                ),
            )
        time.sleep(POLL_S)
    return find_passage(place)
