"""The application itself: does it answer, and to whom."""

from urllib.parse import urlsplit

from labcheck.checking.diagnosis import Diagnosis
from labcheck.checking.place import Place
from labcheck.modes import Mode
from labcheck.observing.faults import from_fault
from labcheck.observing.machine import Machine


def find_app(place: Place) -> Diagnosis | None:
    """Return None when the to-do API answers at the local address."""
    url = place.local_url
    outcome = place.read_local()
    if outcome.fault is None:
        return None
    expected = f"la lista de tareas en {url}"
    if outcome.exchange.response is None:
        return from_fault(
            "nobody-answers",
            expected,
            outcome.fault,
            "Corra ./01-aplicacion.sh, en la carpeta del laboratorio, y mire sus mensajes.",
        )
    return from_fault(
        "not-the-app",
        expected,
        outcome.fault,
        f"Vea qué programa tiene ese puerto: ss -ltnp 'sport = :{_port(url)}'. Termínelo e inicie gtd-app.",
    )


def find_exposure(place: Place) -> Diagnosis | None:
    """Return None when nobody outside the machine can open the application's port."""
    port = _port(place.local_url)
    machine = Machine(place.host)
    listeners = machine.listeners(port)
    exposed = [listener for listener in listeners if not listener.is_loopback]
    # In the virtual machine it listens everywhere, for the computer that hosts it, behind a firewall.
    if not exposed or (place.addresses.mode is Mode.VM and machine.drops_by_default()):
        return None
    addresses = ", ".join(sorted({listener.address for listener in exposed}))
    return Diagnosis(
        "open-to-everybody",
        f"el puerto {port} abierto solo en 127.0.0.1",
        f"El puerto {port} está abierto en {addresses}.",
        "Cualquiera en su misma red puede usar la aplicación sin pasar por el túnel.",
        (
            "¿En qué dirección escucha la aplicación, y quién puede llegar a esa dirección?",
            "Iníciela sin --host: por omisión escucha solo en 127.0.0.1.",
        ),
    )


def _port(url: str) -> int:
    return urlsplit(url).port or 80
