"""Lab 01: the to-do API has been used, and is open to nobody else."""

import requests

from labcheck.checking.diagnosis import CouldNotCheckError, Diagnosis, require
from labcheck.checking.place import Place
from labcheck.checking.spec import check
from labcheck.observing.application import find_app, find_exposure
from labcheck.proof import TASKS_PATH

TITLE = "write a book"
DELETED = 2
FIRST = 1

Task = dict[str, object]


@check(points=2)
def test_app_answers(place: Place) -> None:
    """La aplicación responde en su puerto local."""
    require(find_app(place))


@check(points=2, after=("app_answers",))
def test_app_is_private(place: Place) -> None:
    """Nadie de fuera de esta máquina puede abrir el puerto de la aplicación."""
    require(find_exposure(place))


@check(points=2, after=("app_answers",))
def test_task_was_created(place: Place) -> None:
    """Hay una tarea nueva, «write a book»."""
    named = titled(tasks_of(place))
    expected = f"una tarea con el título «{TITLE}»"
    if not named:
        require(
            Diagnosis(
                "no-task",
                expected,
                "Ninguna tarea tiene ese título.",
                "Se crea con POST, con el título en JSON y la cabecera que dice que es JSON.",
                (
                    "Mire el código de la respuesta a su POST: 201 es creada. ¿Cuál fue?",
                    "Con 415 falta la cabecera -H 'Content-type: application/json'; con 400, el título.",
                    "Corra ./03-crear.sh y compare su orden con la de la guía, letra por letra.",
                ),
            )
        )
    if len(named) > 1:
        require(
            Diagnosis(
                "created-twice",
                expected + ", y solo una",
                f"Hay {len(named)} tareas con ese título.",
                "POST crea una tarea cada vez: repetirlo no es gratis, como sí lo es repetir GET.",
                (
                    "¿Cuántas veces envió el POST?",
                    f"Borre las que sobran: curl -X DELETE {place.local_url}{TASKS_PATH}/ID",
                ),
            )
        )


@check(points=2, after=("task_was_created",))
def test_task_is_done(place: Place) -> None:
    """La tarea «write a book» está hecha."""
    if titled(tasks_of(place))[0]["done"] is not True:
        require(
            Diagnosis(
                "task-pending",
                f'"done": true en la tarea «{TITLE}»',
                '"done": false',
                "Se cambia con PUT, a la dirección de esa tarea.",
                (
                    "Mire el código de la respuesta a su PUT: 200 es cambiada. ¿Cuál fue?",
                    'true es un valor de JSON y "true", con comillas, es un texto.',
                    "Corra ./04-cambiar.sh y compare su orden con la de la guía.",
                ),
            )
        )


@check(points=2, after=("app_answers",))
def test_task_was_deleted(place: Place) -> None:
    """La tarea 2 ya no existe y la 1 sigue ahí."""
    ids = {task["id"] for task in tasks_of(place)}
    if FIRST not in ids:
        require(
            Diagnosis(
                "deleted-another",
                f"la tarea {FIRST} en su lugar",
                f"La tarea {FIRST} no está.",
                "Se borró una tarea que no era. Una tarea borrada no vuelve, y su id no se usa otra vez.",
                (
                    "El número al final de la dirección dice cuál se borra.",
                    "Empiece de nuevo: lab iniciar 01, y otra vez los pasos.",
                ),
            )
        )
    if DELETED in ids:
        require(
            Diagnosis(
                "not-deleted",
                f"404 al pedir la tarea {DELETED}",
                f"La tarea {DELETED} sigue ahí.",
                "Se borra con DELETE, a la dirección de esa tarea.",
                (
                    "¿Qué método lleva su petición? Sin -X, curl usa GET, que solo lee.",
                    f"curl -X DELETE {place.local_url}{TASKS_PATH}/{DELETED}",
                ),
            )
        )


def tasks_of(place: Place) -> list[Task]:
    """Return the tasks of the local application.

    Raises:
        CouldNotCheckError: it answered a moment ago and does not any more.
    """
    try:
        tasks: list[Task] = place.ask("GET", place.local_url + TASKS_PATH).json()["tasks"]
    except (requests.RequestException, ValueError, KeyError) as error:
        raise CouldNotCheckError(
            "La aplicación respondía hace un momento y ya no.", "Póngala en marcha y repita."
        ) from error
    return tasks


def titled(tasks: list[Task]) -> list[Task]:
    """Return the tasks that have the title of the lab, whatever the spaces and capitals."""
    return [task for task in tasks if str(task["title"]).strip().lower() == TITLE]
