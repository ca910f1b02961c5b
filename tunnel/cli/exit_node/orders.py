"""From options, and from what is recorded, to the order that a provider understands."""

from __future__ import annotations

import argparse
import ipaddress
import re
from dataclasses import replace

from tunnel.config import CONTROL_PORT, DATA_PORT, is_domain_name
from tunnel.exitnodes.errors import BadOrder, NoSuchNode
from tunnel.exitnodes.model import Order, Student
from tunnel.exitnodes.naming import check_name, default_name, default_student, slug
from tunnel.exitnodes.provider import Provider
from tunnel.exitnodes.registry import OPTIONS, load_provider
from tunnel.exitnodes.state import NodeState, Store

__all__ = [
    "arguments_of",
    "delete_arguments",
    "duration_text",
    "lasting_options",
    "new_order",
    "parse_count",
    "parse_duration",
    "parse_ports",
    "parse_ranges",
    "provider_options",
    "settled",
    "the_node",
]

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_DURATION_S = 30 * 86400
_MAX_PARALLEL = 32
_DEFAULT_DURATION_S = 4 * 3600
_SWITCHED_ON = "sí"


# ── values ───────────────────────────────────────────────────────────────────────────────────────


def parse_ranges(text: str) -> tuple[str, ...]:
    """Parse networks in CIDR notation, separated by commas; an address alone is a network of one."""
    ranges = []
    for part in text.split(","):
        try:
            ranges.append(str(ipaddress.ip_network(part.strip())))
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"«{part.strip()}» no es una red: se escriben así: 203.0.113.0/24, o una sola dirección"
            ) from None
    return tuple(ranges)


def parse_duration(text: str) -> int:
    """Parse a time such as 90m, 4h or 2d; return seconds."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text.strip().lower(), re.ASCII)
    seconds = int(found[1]) * _UNITS_S[found[2]] if found else 0
    if not 60 <= seconds <= _MAX_DURATION_S:
        raise argparse.ArgumentTypeError(f"«{text}» no es un tiempo de un minuto a 30 días: 90m, 4h, 2d")
    return seconds


def duration_text(seconds: int) -> str:
    """Return a time as ``parse_duration`` reads it; nothing for 0."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return ""


def parse_ports(text: str) -> tuple[int, ...]:
    """Parse TCP ports separated by commas."""
    ports: list[int] = []
    for part in map(str.strip, text.split(",")):
        if not part.isascii() or not part.isdigit() or len(part) > 5 or not 0 < int(part) <= 65535:
            raise argparse.ArgumentTypeError(f"«{part}» no es un puerto: va de 1 a 65535")
        ports.append(int(part))
    return tuple(sorted(set(ports)))


def parse_count(text: str) -> int:
    """Parse how many at a time."""
    if not text.isascii() or not text.isdigit() or len(text) > 3 or not 0 < int(text) <= _MAX_PARALLEL:
        raise argparse.ArgumentTypeError(f"«{text}» no es un número de 1 a {_MAX_PARALLEL}")
    return int(text)


def provider_options(options: argparse.Namespace, provider: str) -> tuple[tuple[str, str], ...]:
    """Return the provider's own options that were given.

    Raises:
        BadOrder: one of them is another provider's.
    """
    given: list[tuple[str, str]] = []
    for option in OPTIONS:
        value = getattr(options, option.name.replace("-", "_"), None)
        if not value:
            continue
        if provider not in option.providers:
            raise BadOrder(f"{option.flag} es solo para {', '.join(option.providers)}, no para {provider}.")
        given.append((option.name, _SWITCHED_ON if value is True else value))
    return tuple(given)


# ── orders ───────────────────────────────────────────────────────────────────────────────────────


def new_order(
    options: argparse.Namespace,
    store: Store,
    *,
    student: str | None = None,
    students: tuple[Student, ...] = (),
) -> Order:
    """Return what ``create`` asks for, not settled yet.

    Args:
        student: whose it is, in place of what the options say.
        students: those who share it.

    Raises:
        BadOrder: a value cannot be used.
    """
    whose = student or ("" if students else slug(options.alumno or "") or default_student())
    lab = slug(options.lab or "", 16)
    name = options.nombre or default_name(whose or "curso", lab)
    own = provider_options(options, options.provider)
    domain = getattr(options, "dominio", None)
    if domain:
        if not students:
            raise BadOrder("--dominio va con --roster y --compartido.")
        if not is_domain_name(domain):
            raise BadOrder(f"«{domain}» no es un dominio: lleva letras sin tilde, cifras, guiones y puntos.")
        own += (("dominio", domain),)
    return Order(
        provider=options.provider,
        name=check_name(name),
        folder=store.folder(options.provider, name),
        student=whose,
        lab=lab,
        region=options.region or "",
        source_ranges=options.source_ranges or (),
        duration_s=options.duracion or _DEFAULT_DURATION_S,
        tcp_ports=options.tcp or (),
        data_port=DATA_PORT if options.port is None else options.port,
        control_port=CONTROL_PORT if options.control_port is None else options.control_port,
        students=students,
        options=own,
    )


def settled(order: Order, options: argparse.Namespace, provider: Provider, store: Store) -> Order:
    """Return the order that is recorded for this node, or the new one with all choices made.

    Raises:
        BadOrder: there is such a node, and something else was asked of it.
    """
    state = store.load(order.folder)
    if state is None:
        return provider.settle(order)
    recorded = state.order
    asked = {
        "--region": (options.region, order.region, recorded.region),
        "--source-ranges": (options.source_ranges, order.source_ranges, recorded.source_ranges),
        "--tcp": (options.tcp, order.tcp_ports, recorded.tcp_ports),
        "--port": (options.port, order.data_port, recorded.data_port),
        "--control-port": (options.control_port, order.control_port, recorded.control_port),
        **{f"--{name}": (value, value, recorded.option(name)) for name, value in order.options},
    }
    for flag, (given, new, former) in asked.items():
        if given not in (None, 0) and new != former:  # port 0 is any
            was = ",".join(map(str, former)) if isinstance(former, tuple) else former or "ninguna"
            raise BadOrder(
                f"el nodo «{order.name}» ya existe, o quedó a medias, con otro valor de {flag}: {was}. Para "
                f"continuar ese, quite {flag}; para hacer otro, dele otro nombre con --nombre, o borre el "
                "primero con «tunnel exit-node delete»."
            )
    if bool(recorded.students) != bool(order.students):
        raise BadOrder(
            f"el nodo «{order.name}» ya existe, y no es compartido por los mismos. Bórrelo primero."
        )
    return replace(recorded, students=order.students)


def the_node(options: argparse.Namespace, store: Store) -> tuple[Provider, Order, NodeState | None]:
    """Return the node that a verb is about: the one that is named, or the only one there is.

    Raises:
        NoSuchNode: there is none.
        BadOrder: there are several.
    """
    states = [
        state
        for state in store.all()
        if options.nombre in (None, state.order.name) and options.provider in (None, state.order.provider)
    ]
    if len(states) == 1:
        state = states[0]
        provider = load_provider(state.order.provider)
        provider_options(options, provider.name)
        return provider, state.order, state
    if states:
        which = ", ".join(f"{state.order.name} ({state.order.provider})" for state in states)
        raise BadOrder(f"hay varios nodos: {which}. Diga cuál: NOMBRE, y --provider si hace falta.")
    if options.nombre is None or options.provider is None:
        named = f" «{options.nombre}»" if options.nombre else ""
        raise NoSuchNode(
            f"aquí no hay anotado ningún nodo{named}. Si existe y se perdió lo anotado, dé su nombre y su "
            "proveedor: NOMBRE --provider PROVEEDOR. Los que un proveedor conoce: tunnel exit-node list "
            "--provider PROVEEDOR"
        )
    provider = load_provider(options.provider)
    order = Order(
        provider=options.provider,
        name=check_name(options.nombre),
        folder=store.folder(options.provider, options.nombre),
        options=provider_options(options, options.provider),
    )
    return provider, order, None


def arguments_of(order: Order) -> list[str]:
    """Return the arguments of ``tunnel`` that ask for this order again."""
    words = ["exit-node", "create", "--provider", order.provider, "--nombre", order.name]
    default = Order(order.provider, order.name, order.folder)
    pairs = (
        ("--alumno", order.student, ""),
        ("--lab", order.lab, ""),
        ("--region", order.region, ""),
        ("--source-ranges", ",".join(order.source_ranges), ""),
        ("--duracion", duration_text(order.duration_s), duration_text(default.duration_s)),
        ("--tcp", order.tcp_ports_text, ""),
        ("--port", str(order.data_port), str(default.data_port)),
        ("--control-port", str(order.control_port), str(default.control_port)),
    )
    for flag, value, omitted in pairs:
        words += [flag, value] if value and value != omitted else []
    switches = {option.name for option in OPTIONS if not option.metavar}
    for name, value in order.options:
        words += [f"--{name}"] if name in switches else [f"--{name}", value]
    return words


def delete_arguments(order: Order) -> list[str]:
    """Return the arguments of ``tunnel`` that remove the node."""
    words = ["exit-node", "delete", order.name, "--provider", order.provider]
    switches = {option.name for option in OPTIONS if not option.metavar}
    for name, value in lasting_options(order):
        words += [f"--{name}"] if name in switches else [f"--{name}", value]
    return words


def lasting_options(order: Order) -> tuple[tuple[str, str], ...]:
    """Return those of the provider's own options with which the node is found again."""
    lasting = {option.name for option in OPTIONS if option.is_for_all_verbs}
    return tuple((name, value) for name, value in order.options if name in lasting)
