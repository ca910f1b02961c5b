"""Which hop of the path failed, told from an answer or from an error.

The path of a request, and back::

    visitor → exit node → link → client → application

The exit node's own error pages name hops too, in the same words; here they are told again, together with the
errors that never reach an exit node.
"""

import enum
import socket
from dataclasses import dataclass

import requests

ERROR_HEADER = "Tunelab-Error"


class Hop(enum.Enum):
    """A place on the path, in its order; the value is its Spanish name."""

    VISITOR = "visitante"
    EXIT_NODE = "nodo de salida"
    LINK = "enlace"
    CLIENT = "cliente del túnel"
    APP = "aplicación"


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong: the hop, why it is thought to be that one, and what to do. The texts are Spanish."""

    hop: Hop
    reason: str
    advice: str


# The exit node's stable codes, each with the hop it accuses.
FAULT_OF_CODE = {
    "no-client": Fault(
        Hop.LINK,
        "El nodo de salida atiende, pero ningún cliente está conectado para este nombre.",
        "Inicie «tunnel client» y mire si dice que se conectó.",
    ),
    "unknown-host": Fault(
        Hop.EXIT_NODE,
        "El nodo de salida no conoce el nombre que se le pidió.",
        "Use un nombre de los que dio el cliente en --upstream, o un cliente sin nombre, que los toma todos.",
    ),
    "upstream-refused": Fault(
        Hop.APP,
        "La petición llegó hasta el cliente, pero nada escucha en su --upstream.",
        "Inicie la aplicación («gtd-app serve») y compare su puerto con el de --upstream.",
    ),
    "upstream-timeout": Fault(
        Hop.APP,
        "La petición llegó hasta la aplicación, que no respondió a tiempo.",
        "Mire si la aplicación está ocupada o detenida.",
    ),
    "upstream-closed": Fault(
        Hop.APP,
        "La aplicación cerró la conexión sin terminar su respuesta.",
        "Mire los mensajes de la aplicación: pudo haberse detenido.",
    ),
    "upstream-protocol": Fault(
        Hop.APP,
        "Lo que escucha en --upstream no responde en HTTP.",
        "Compare el puerto de --upstream con el de la aplicación.",
    ),
    "link-lost": Fault(
        Hop.LINK,
        "La conexión entre el cliente y el nodo de salida se cortó mientras la petición iba en camino.",
        "Repita la petición: el cliente se vuelve a conectar solo.",
    ),
    "too-many-streams": Fault(
        Hop.CLIENT,
        "El cliente atiende ya tantas peticiones a la vez como puede.",
        "Espere a que terminen algunas y repita.",
    ),
    "draining": Fault(
        Hop.CLIENT,
        "El túnel se está deteniendo.",
        "Espere a que vuelva a estar en marcha.",
    ),
    "client-fault": Fault(
        Hop.CLIENT,
        "El cliente del túnel tuvo una falla al atender la petición.",
        "Mire los mensajes de «tunnel client».",
    ),
    "bad-request": Fault(
        Hop.VISITOR,
        "El nodo de salida no entendió la petición.",
        "Revise con qué se hizo la petición, y si hay un intermediario que la cambie.",
    ),
    "request-timeout": Fault(
        Hop.VISITOR, "La petición no llegó completa a tiempo.", "Revise su conexión y repita."
    ),
    "reserved-path": Fault(
        Hop.EXIT_NODE, "La ruta pedida es del túnel y no llega a la aplicación.", "Pida otra ruta."
    ),
    "uri-too-long": Fault(Hop.EXIT_NODE, "La dirección pedida es demasiado larga.", "Acórtela."),
    "headers-too-large": Fault(
        Hop.EXIT_NODE, "Las cabeceras de la petición son demasiado grandes.", "Acórtelas."
    ),
    "content-too-large": Fault(
        Hop.EXIT_NODE,
        "El contenido de la petición es más grande de lo que el nodo de salida admite.",
        "Divídalo, o pregunte por su límite a quien administra el nodo de salida.",
    ),
    "too-many-connections": Fault(
        Hop.EXIT_NODE,
        "Hay demasiadas conexiones abiertas desde su dirección.",
        "Cierre algunas y repita en unos segundos.",
    ),
    "expectation": Fault(
        Hop.EXIT_NODE, "La petición espera algo que el nodo de salida no conoce.", "Quite el campo Expect."
    ),
    "unknown-method": Fault(
        Hop.EXIT_NODE, "El nodo de salida no conoce el método de la petición.", "Use GET o POST."
    ),
    "transfer-coding": Fault(
        Hop.EXIT_NODE, "El nodo de salida no conoce la codificación del cuerpo.", "Use chunked, o ninguna."
    ),
    "upstream-down": Fault(
        Hop.APP,
        "La aplicación no pasa la revisión de salud que le hace el cliente (--health).",
        "Inicie la aplicación, y mire los mensajes de «tunnel client».",
    ),
    **{
        code: Fault(
            Hop.EXIT_NODE,
            "El nodo de salida pide identificarse antes de dejar pasar: así lo dice su archivo de sitios.",
            "Para el laboratorio, quite basic, bearer u oidc de ese nombre en el archivo de --sites-file.",
        )
        for code in (
            "credentials-required",
            "credentials-refused",
            "login-failed",
            "login-refused",
            "login-required",
            "login-unavailable",
            "too-many-logins",
        )
    },
    "not-allowed": Fault(
        Hop.EXIT_NODE,
        "El nodo de salida no admite visitantes desde esta dirección.",
        "Revise --allow y --deny, y el archivo de --sites-file.",
    ),
    "too-many-requests": Fault(
        Hop.EXIT_NODE,
        "El nodo de salida admite menos peticiones por segundo desde esta dirección.",
        "Espere unos segundos, o suba rate en el archivo de --sites-file.",
    ),
    "http-version": Fault(Hop.EXIT_NODE, "El nodo de salida no habla esa versión de HTTP.", "Use HTTP/1.1."),
}


def fault_of_answer(response: requests.Response, *, wanted: str) -> Fault:
    """Return the fault behind an answer of the public side that is not the `wanted` one."""
    code = response.headers.get(ERROR_HEADER)
    if code in FAULT_OF_CODE:
        return FAULT_OF_CODE[code]
    if code is not None:
        return Fault(
            Hop.EXIT_NODE, f"El nodo de salida respondió con el error «{code}».", "Mire sus mensajes."
        )
    return Fault(
        Hop.APP,
        f"Se esperaba {wanted} y la respuesta fue {response.status_code} {response.reason}, que no es un "
        "error del túnel.",
        "Mire qué aplicación atiende al otro lado: ¿es gtd-app?",
    )


def fault_of_error(error: requests.RequestException, url: str) -> Fault:
    """Return the fault behind a request to the public side at `url` that got no answer."""
    if _caused_by(error, socket.gaierror):
        return Fault(
            Hop.VISITOR, f"El nombre de {url} no existe o no se pudo averiguar.", "Revise cómo está escrito."
        )
    if isinstance(error, requests.ConnectTimeout):
        return Fault(
            Hop.EXIT_NODE,
            f"{url} no contesta.",
            "Revise la dirección, que la máquina esté encendida y que su cortafuegos deje entrar al puerto.",
        )
    if isinstance(error, requests.ReadTimeout):
        return Fault(
            Hop.EXIT_NODE, f"{url} aceptó la petición y no la respondió.", "Mire los mensajes del servidor."
        )
    if _caused_by(error, ConnectionRefusedError):
        return Fault(Hop.EXIT_NODE, f"Nada escucha en {url}.", "Inicie «tunnel server» y compare el puerto.")
    if isinstance(error, requests.exceptions.ProxyError):
        return Fault(
            Hop.VISITOR, "El proxy de su red no dejó pasar la petición.", "Revise HTTP_PROXY y NO_PROXY."
        )
    return Fault(
        Hop.EXIT_NODE,
        f"La conexión con {url} se cortó antes de la respuesta.",
        "Compruebe que en ese puerto atiende «tunnel server» y mire sus mensajes.",
    )


def local_fault(error: requests.RequestException, url: str) -> Fault:
    """Return the fault behind a request to the application itself, at `url`, that got no answer."""
    if _caused_by(error, ConnectionRefusedError):
        return Fault(
            Hop.APP, f"Nada escucha en {url}.", "Inicie la aplicación («gtd-app serve») y compare el puerto."
        )
    return Fault(Hop.APP, f"{url} no respondió.", "Mire los mensajes de la aplicación.")


def _caused_by(error: BaseException, kind: type[BaseException]) -> bool:
    """Say whether `kind` is in the chain of causes: requests and urllib3 wrap the system's error."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, kind):
            return True
        link = link.__cause__ or link.__context__
    return False
