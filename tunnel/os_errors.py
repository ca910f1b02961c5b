"""Why the system refused, in Spanish: the system's own words follow its language, or are English."""

from __future__ import annotations

import errno
import socket

__all__ = ["describe_os_error"]

_REASONS = {
    errno.EACCES: "no tiene permiso",
    errno.EADDRINUSE: "otro programa ocupa ya esa dirección",
    errno.EADDRNOTAVAIL: "esta máquina no tiene esa dirección",
    errno.ECONNREFUSED: "nada escucha en ese puerto",
    errno.ECONNRESET: "el otro lado cortó la conexión",
    errno.EDQUOT: "se agotó su cuota de disco",
    errno.EEXIST: "ya existe",
    errno.EFBIG: "el archivo es demasiado grande",
    errno.EHOSTUNREACH: "no hay camino hasta esa máquina",
    errno.EINVAL: "el sistema no acepta ese valor",
    errno.EIO: "falló el disco",
    errno.EISDIR: "es un directorio",
    errno.ELOOP: "los enlaces simbólicos dan vueltas",
    errno.EMFILE: "este programa tiene demasiados archivos abiertos",
    errno.ENAMETOOLONG: "el nombre es demasiado largo",
    errno.ENETUNREACH: "no hay red hasta esa dirección",
    errno.ENFILE: "el sistema tiene demasiados archivos abiertos",
    errno.ENOENT: "no existe",
    errno.ENOSPC: "no queda espacio en el disco",
    errno.ENOTDIR: "una parte de la ruta no es un directorio",
    errno.ENXIO: "no es un archivo corriente",
    errno.EPERM: "no tiene permiso",
    errno.EPIPE: "quien leía se fue",
    errno.EROFS: "ese disco es de solo lectura",
    errno.ETIMEDOUT: "no hubo respuesta a tiempo",
}

# What getaddrinfo says of a name has numbers of its own, which may collide with those above.
_NAME_REASONS = {
    socket.EAI_AGAIN: "el DNS no responde",
    socket.EAI_NONAME: "ese nombre no existe",
}
if hasattr(socket, "EAI_NODATA"):  # not everywhere
    _NAME_REASONS[socket.EAI_NODATA] = "ese nombre no tiene dirección"


def describe_os_error(error: OSError) -> str:
    """Return why, without a period; in the system's words where there are no Spanish ones."""
    reasons = _NAME_REASONS if isinstance(error, socket.gaierror) else _REASONS
    return reasons.get(error.errno or 0) or error.strerror or str(error)
