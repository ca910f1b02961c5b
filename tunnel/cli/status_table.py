"""A status as a table that people read."""

from __future__ import annotations

from collections.abc import Sequence

from tunnel.config import CATCH_ALL
from tunnel.metrics.model import (
    OTHERS,
    AgentStatus,
    ExitNodeStatus,
    MemoryStatus,
    ServerStatus,
    quantile_s,
)

__all__ = ["render"]

_GAP = "  "
_NAMES = {CATCH_ALL: "todos los demás", OTHERS: "otros, sin cliente"}


def render(
    status: ServerStatus | AgentStatus, before: ServerStatus | AgentStatus | None, seconds: float
) -> str:
    """Return the table, without a line's end.

    Args:
        before: what was read ``seconds`` before, for what happens in a second; None for the first time.
    """
    if isinstance(status, ServerStatus):
        return _server(status, before if isinstance(before, ServerStatus) else None, seconds)
    return _agent(status, before if isinstance(before, AgentStatus) else None, seconds)


def _server(status: ServerStatus, before: ServerStatus | None, seconds: float) -> str:
    head = [f"Nodo de salida, versión {status.version}", f"en marcha hace {_time(status.uptime_s)}"]
    if status.is_draining:
        head.append("deteniéndose")
    head.append(_count(len(status.links), "cliente", "clientes"))
    if status.visitors is not None:
        head.append(_count(status.visitors, "conexión de visitantes", "conexiones de visitantes"))
    blocks = [" · ".join([*head, *_memory(status.memory)])]
    if not status.sees_all:
        blocks.append("Solo lo de este token.")
    if status.links:
        rows = [
            [
                link.client or "—",
                link.peer,
                _served(link.names, link.ports),
                str(link.streams),
                _size(link.received_bytes),
                _size(link.sent_bytes),
                _ms(link.round_trip_ms),
            ]
            for link in status.links
        ]
        heads = ["CLIENTE", "DESDE", "ATIENDE", "EN CURSO", "RECIBIDO", "ENVIADO", "IDA Y VUELTA"]
        blocks.append(_table(heads, rows, texts=3))
    if status.names:
        former = {} if before is None else {name.name: name.answered for name in before.names}
        heads = ["NOMBRE", "PETICIONES", "2xx", "3xx", "4xx", "5xx", "DEL NODO", "MEDIANA", "95 %"]
        rows = [
            [
                _NAMES.get(name.name, name.name),
                str(name.answered),
                *(str(name.requests.get(kind, 0)) for kind in ("2xx", "3xx", "4xx", "5xx")),
                str(sum(name.faults.values())),
                _seconds(quantile_s(name.duration_counts, 0.5)),
                _seconds(quantile_s(name.duration_counts, 0.95)),
                *([_rate(name.answered - former.get(name.name, 0), seconds)] if before is not None else []),
            ]
            for name in status.names
        ]
        blocks.append(_table([*heads, *(["POR SEGUNDO"] if before is not None else [])], rows, texts=1))
    return "\n\n".join(blocks)


def _agent(status: AgentStatus, before: AgentStatus | None, seconds: float) -> str:
    head = [f"Cliente, versión {status.version}", f"en marcha hace {_time(status.uptime_s)}"]
    blocks = [" · ".join([*head, *_memory(status.memory)])]
    former = {} if before is None else {node.url: node.streams_opened for node in before.exit_nodes}
    heads = ["NODO DE SALIDA", "ENLACE", "EN CURSO", "HUBO", "RECIBIDO", "ENVIADO", "IDA Y VUELTA", "CORTES"]
    rows = [
        [
            node.url,
            "abierto" if node.is_up else "cortado",
            str(node.streams),
            str(node.streams_opened),
            _size(node.received_bytes),
            _size(node.sent_bytes),
            _ms(node.round_trip_ms) if node.is_up else "—",
            str(sum(node.disconnects.values())),
            *([_rate(node.streams_opened - former.get(node.url, 0), seconds)] if before is not None else []),
        ]
        for node in status.exit_nodes
    ]
    blocks.append(_table([*heads, *(["POR SEGUNDO"] if before is not None else [])], rows, texts=2))
    blocks.append("\n".join(line for node in status.exit_nodes for line in _ways(node)))
    return "\n\n".join(blocks)


def _ways(node: ExitNodeStatus) -> list[str]:
    """Return what leads where, or why nothing does."""
    if not node.is_up:
        return [f"{_clean(node.url)}: sin enlace" + (f" ({node.last_reason})" if node.last_reason else "")]
    pairs = [*zip(node.public_urls, node.upstreams, strict=False)]
    pairs += [(f"puerto {port}", to) for port, to in node.tcp]
    return [f"{_clean(public)}  →  {_clean(to)}" for public, to in pairs]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], texts: int) -> str:
    """Return a table whose first ``texts`` columns are text; the others are numbers, which end in line."""
    lines = [list(heads), *([_clean(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        _GAP.join(
            cell.ljust(width) if index < texts else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _clean(text: str) -> str:
    """What came from elsewhere moves no cursor here."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _served(names: Sequence[str], ports: Sequence[int]) -> str:
    told = ["todos los nombres" if CATCH_ALL in names else ", ".join(names)] if names else []
    told += [f"puerto {port}" for port in ports]
    return ", ".join(told)


def _memory(memory: MemoryStatus | None) -> list[str]:
    if memory is None:
        return []
    free, limit = (f"{size >> 20} MiB" for size in (memory.free_bytes, memory.limit_bytes))  # as it was given
    return [f"memoria: {free} libres de {limit}"]


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _time(seconds: float) -> str:
    whole = int(seconds)
    for unit_s, unit, smaller_s, smaller in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= unit_s:
            return f"{whole // unit_s} {unit} {whole % unit_s // smaller_s} {smaller}"
    return f"{whole} s"


def _size(size: float) -> str:
    """Return a size in decimal units, with a decimal comma."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return (
                f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}".replace(".", ",")
            )
        size /= 1000
    return f"{size:.1f} TB".replace(".", ",")


def _ms(milliseconds: float) -> str:
    return "< 1 ms" if milliseconds < 1 else f"{milliseconds:.0f} ms"


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "—"
    return _ms(seconds * 1000) if seconds < 1 else f"{seconds:.1f} s".replace(".", ",")


def _rate(number: float, seconds: float) -> str:
    return f"{max(number, 0) / seconds:.1f}".replace(".", ",") if seconds > 0 else "—"
