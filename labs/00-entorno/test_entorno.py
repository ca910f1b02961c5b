"""Lab 00: the machine is ready, and what is noted of it is true."""

import itertools
import json

import requests

from labcheck.checking.diagnosis import CouldNotCheckError, Diagnosis, require
from labcheck.checking.place import Place
from labcheck.checking.spec import check
from labcheck.hops import ERROR_HEADER, fault_of_error
from labcheck.modes import Mode
from labcheck.observing.application import find_app, find_exposure
from labcheck.observing.faults import from_fault
from labcheck.observing.machine import Machine

SHEET = "${XDG_STATE_HOME:-$HOME/.local/state}/tunelab/labs/00/ficha.txt"
PROGRAMS = ("bash", "curl", "ps", "python3", "gtd-app", "tunnel", "lab")
PUBLIC_PORTS = (8000, 8123)
NO_ADDRESS = "ninguna"


@check(points=2)
def test_sheet_is_yours(place: Place) -> None:
    """La ficha existe, y es de usted y de esta máquina."""
    sheet = sheet_of(place)
    user, machine = said_by(place, "id -un"), said_by(place, "uname -n")
    expected = f"una ficha de {user} en {machine}"
    if "usuario" not in sheet or "equipo" not in sheet:
        require(
            Diagnosis(
                "no-sheet",
                expected,
                "La ficha no está en la carpeta de trabajo del laboratorio, o no dice quién es usted.",
                "Los pasos anotan en ella lo que van viendo.",
                ("¿Corrió los pasos en esta máquina?", "Corra ./01-quien-soy.sh, en la carpeta del lab."),
            )
        )
    if sheet["equipo"] != machine:
        require(
            Diagnosis(
                "another-machine",
                expected,
                f"La ficha es de la máquina {sheet['equipo']}.",
                "Lo que se anotó se vio en otra máquina: nada dice de esta.",
                (
                    "¿En qué máquina está su terminal? Dígaselo usted mismo: uname -n",
                    "Corra los pasos aquí, desde el primero.",
                ),
            )
        )
    if sheet["usuario"] != user:
        require(
            Diagnosis(
                "another-user",
                expected,
                f"La ficha es de {sheet['usuario']}.",
                "Los permisos y los programas de cada usuario son suyos.",
                ("¿Con qué usuario entró? Mírelo: id -un", "Corra los pasos con su usuario."),
            )
        )


@check(points=2, after=("sheet_is_yours",))
def test_tools_work(place: Place) -> None:
    """Los programas del curso están, y usted lo comprobó."""
    noted = sheet_of(place).get("programas", "").split()
    missing = [
        name
        for name in PROGRAMS
        if name not in noted or place.host.run("command -v %s >/dev/null", name).rc != 0
    ]
    if missing:
        require(
            Diagnosis(
                "missing-tool",
                ", ".join(PROGRAMS),
                f"Falta, o no se miró: {', '.join(missing)}.",
                "Los pasos de los laboratorios son órdenes de estos programas.",
                (
                    "¿Qué dijo ./02-programas.sh?",
                    "Los del curso: . .venv/bin/activate. Los demás, en Debian: sudo apt install curl procps",
                ),
            )
        )


@check(points=2, after=("sheet_is_yours",))
def test_address_is_noted(place: Place) -> None:
    """La dirección anotada es una de esta máquina."""
    noted = sheet_of(place).get("direccion", "")
    if noted not in addresses_of(place):
        require(
            Diagnosis(
                "another-address",
                "una dirección de esta máquina",
                f"En la ficha: {noted or 'nada'}.",
                "Esa dirección no es de esta máquina. Al cambiar de red, también cambia la dirección.",
                ("¿Cambió de red desde que la anotó?", "Corra otra vez ./03-direcciones.sh"),
            )
        )


@check(points=2, after=("sheet_is_yours",))
def test_app_is_private(place: Place) -> None:
    """La aplicación responde a esta máquina, y nadie de fuera puede abrir su puerto."""
    require(find_app(place))
    require(find_exposure(place))


@check(points=2, after=("sheet_is_yours",))
def test_mode_is_ready(place: Place) -> None:
    """Está lo que su modo necesita."""
    mode = place.addresses.mode
    noted = sheet_of(place).get("modo", "")
    if noted != mode.value:
        require(
            Diagnosis(
                "mode-not-looked-at",
                f"el modo {mode.value}, comprobado",
                f"En la ficha: {noted or 'nada'}.",
                "Cada modo necesita algo distinto: puertos libres, la otra máquina, o la nube.",
                ("¿En qué modo inició el laboratorio?", "Corra ./05-su-modo.sh, en la carpeta del lab."),
            )
        )
    require(find_mode_fault(place))


def find_mode_fault(place: Place) -> Diagnosis | None:
    """Return None when what the review's mode needs is there."""
    finders = {Mode.LOCAL: find_taken_port, Mode.VM: find_neighbour_fault, Mode.CLOUD: find_cloud_fault}
    return finders[place.addresses.mode](place)


def find_taken_port(place: Place) -> Diagnosis | None:
    """Return None when nobody has the ports of the public side."""
    machine = Machine(place.host)
    taken = [str(port) for port in PUBLIC_PORTS if machine.listeners(port)]
    if not taken:
        return None
    return Diagnosis(
        "port-taken",
        "los puertos 8000 y 8123 libres",
        f"Alguien escucha en: {', '.join(taken)}.",
        "Los va a usar el lado público de los laboratorios que siguen.",
        (
            "¿Quedó en marcha la demostración, u otro laboratorio?",
            f"Vea qué programa es, y termínelo: ss -ltnp 'sport = :{taken[0]}'",
        ),
    )


def find_neighbour_fault(place: Place) -> Diagnosis | None:
    """Return None when the machine ``exit-node`` answers as an exit node with no client does."""
    url = place.remote_url
    expected = f"503 con el código no-client en {url}"
    try:
        answer = place.ask("GET", url)
    except requests.RequestException as error:
        return from_fault("no-neighbour", expected, fault_of_error(error, url), "Desde su equipo: vagrant up")
    if answer.headers.get(ERROR_HEADER) == "no-client":
        return None
    return Diagnosis(
        "has-a-client",
        expected,
        f"Respondió {answer.status_code}.",
        "Ya hay un cliente conectado al nodo de salida.",
        ("¿Quedó un túnel de otro laboratorio?", "Termínelo: sudo systemctl stop tunnel-client"),
    )


def find_cloud_fault(place: Place) -> Diagnosis | None:
    """Return None when the provider, or its stand-in, lets this user in."""
    sheet = sheet_of(place)
    flags = " --simulada" if sheet.get("simulada") else ""
    done = place.host.run(f"tunnel exit-node list --provider %s{flags} --json", sheet.get("proveedor", "gcp"))
    try:
        errors = [str(error) for error in json.loads(done.stdout)["errors"]]
    except (ValueError, KeyError, TypeError):
        errors = [done.stderr.strip()]
    if not errors:
        return None
    return Diagnosis(
        "no-cloud",
        "que el proveedor lo reconozca a usted",
        errors[0],
        "Sin entrar a su cuenta, y sin un proyecto elegido, en la nube no se puede crear nada.",
        ("¿Terminó de entrar? gcloud auth list lo dice.", "Corra ./05-su-modo.sh y siga lo que pide."),
    )


def sheet_of(place: Place) -> dict[str, str]:
    """Return what the sheet says, by its keys; nothing where there is none."""
    done = place.host.run(f'cat "{SHEET}"')
    pairs = (line.partition("=") for line in str(done.stdout).splitlines())
    return {key: value.strip() for key, _, value in pairs}


def said_by(place: Place, command: str) -> str:
    """Return what a command of the machine says.

    Raises:
        CouldNotCheckError: it failed.
    """
    done = place.host.run(command)
    if done.rc != 0:
        raise CouldNotCheckError(f"«{command}» falló: {done.stderr.strip()}", "Repita la revisión.")
    return str(done.stdout).strip()


def addresses_of(place: Place) -> set[str]:
    """Return the addresses for other machines, and the word for none where there is none."""
    told = said_by(place, "ip -o -4 addr 2>/dev/null || ifconfig")
    words = told.replace("/", " ").split()
    found = {after for before, after in itertools.pairwise(words) if before == "inet"}
    found = {address for address in found if not address.startswith("127.")}
    return found or {NO_ADDRESS}
