"""Lab 03: the local application is published, by the tunnel and by nothing else."""

from labcheck.checking.diagnosis import require
from labcheck.checking.place import Place
from labcheck.checking.spec import check
from labcheck.observing.application import find_app, find_exposure
from labcheck.observing.public_side import find_exit_node
from labcheck.observing.tunnel import find_client, find_cut, find_passage, find_return


@check(points=1)
def test_app_answers(place: Place) -> None:
    """La aplicación responde en su puerto local."""
    require(find_app(place))


@check(points=1, after=("app_answers",))
def test_app_is_private(place: Place) -> None:
    """Nadie de fuera de esta máquina puede abrir el puerto de la aplicación."""
    require(find_exposure(place))


@check(points=1)
def test_exit_node_answers(place: Place) -> None:
    """En el lado público atiende un nodo de salida."""
    require(find_exit_node(place))


@check(points=1, after=("app_answers", "exit_node_answers"))
def test_client_is_connected(place: Place) -> None:
    """Un cliente conectado lleva las peticiones hasta la aplicación."""
    require(find_client(place))


@check(points=2, after=("client_is_connected",), stands_on=("app_answers", "client_is_connected"))
def test_task_passes(place: Place) -> None:
    """Una tarea creada por el lado público aparece en la aplicación local."""
    require(find_passage(place))


@check(points=2, after=("task_passes",), stands_on=("app_answers", "exit_node_answers"), timeout_s=30)
def test_cut_shows(place: Place) -> None:
    """Con el túnel cortado, el lado público responde 503: no hay otro camino."""
    require(find_cut(place))


@check(points=2, after=("cut_shows",), stands_on=("app_answers", "exit_node_answers"), timeout_s=40)
def test_tunnel_comes_back(place: Place) -> None:
    """Después del corte, el túnel vuelve solo y las tareas pasan otra vez."""
    require(find_return(place))
