"""``tunnel service``, and ``--generate=systemd``: the program as a service of the system."""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tunnel.cli.common import fail
from tunnel.cli.config_file import read_config
from tunnel.config import TOKEN_VARIABLE, ConfigError

if TYPE_CHECKING:
    from tunnel.cli.arguments import Parser
    from tunnel.cli.common import Subparsers
    from tunnel.service.unit import Order, Unit

__all__ = ["add_generate_option", "add_parser", "generate"]

_NOT_OF_THE_SERVICE = ("config", "dry_run", "generate", "nombre", "profile")
_VARIABLES = (TOKEN_VARIABLE, "HTTPS_PROXY", "https_proxy")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,59}", re.ASCII)


def add_generate_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--generate`` to a command that can be a service."""
    parser.add_argument(
        "--generate",
        metavar="systemd",
        choices=["systemd"],
        help="no arranca nada: muestra una unidad de systemd para estas mismas opciones (systemd)",
    )


def add_parser(commands: Subparsers) -> None:
    """Add the command to the parser."""
    from tunnel.cli import client, fileserver, server
    from tunnel.cli.arguments import Parser

    parser = commands.add_parser(
        "service",
        help="instala el túnel como un servicio de systemd",
        description="Instala el nodo de salida, el cliente o la carpeta compartida como un servicio de "
        "systemd: arranca con la máquina, vuelve si se cae, y no puede tocar nada más que lo suyo.",
    )
    verbs = parser.add_subparsers(
        dest="verb", metavar="ORDEN", title="órdenes", required=True, parser_class=Parser
    )
    install = verbs.add_parser(
        "install",
        help="lo instala y lo arranca",
        description="Instala y arranca un servicio con las opciones de la orden que sigue, que son las de "
        "siempre: tunnel service install client --conexion conexion.toml --upstream http://localhost:5000",
    )
    services = install.add_subparsers(
        dest="service", metavar="ORDEN", title="órdenes", required=True, parser_class=Parser
    )
    for module in (server, client, fileserver):
        module.add_parser(services)
    for leaf in services.choices.values():
        leaf.add_argument(
            "--nombre",
            metavar="NOMBRE",
            type=_unit_name,
            help=f"cómo se llama el servicio (por omisión: {_default_name(leaf.prog)})",
        )
        leaf.add_argument(
            "--dry-run", action="store_true", help="no cambia nada: muestra la unidad y lo que haría con ella"
        )
        leaf.set_defaults(run=_install)
    uninstall = verbs.add_parser(
        "uninstall",
        help="lo detiene y lo quita",
        description="Detiene un servicio que instaló «tunnel service install» y quita su unidad.",
    )
    uninstall.add_argument("name", metavar="NOMBRE", type=_unit_name, help="el servicio: tunnel-client")
    uninstall.add_argument(
        "--con-estado",
        action="store_true",
        help="quita también su carpeta de estado; con la del nodo de salida se pierde su CA, y cada cliente "
        "necesita después otro archivo de conexión",
    )
    uninstall.add_argument("--dry-run", action="store_true", help="no cambia nada: muestra lo que haría")
    uninstall.set_defaults(run=_uninstall)
    status = verbs.add_parser(
        "status",
        help="dice cómo están los instalados",
        description="Dice cómo están los servicios que instaló «tunnel service install». Termina con 1 si "
        "alguno no está en marcha, o si no hay ninguno.",
    )
    status.add_argument("name", metavar="NOMBRE", nargs="?", type=_unit_name, help="solo este servicio")
    status.add_argument("--json", action="store_true", help="en JSON, para otros programas")
    status.set_defaults(run=_status)
    install.commands = dict(services.choices)
    parser.commands = dict(verbs.choices)


def generate(options: argparse.Namespace) -> int:
    """Print the unit for the options that were given."""
    command = options.service if options.command == "service" else options.command
    unit = _unit(options, getattr(options, "nombre", None) or f"tunnel-{command}", command)
    _warn(command, unit)
    print(unit.text, end="")
    return 0


def _install(options: argparse.Namespace) -> int:
    from tunnel.service import host

    unit = _unit(options, options.nombre or f"tunnel-{options.service}", options.service)
    _warn("service", unit)
    if options.dry_run:
        print(unit.text, end="")
        print(
            f"\n# Va en {host.UNITS / unit.file_name}. Después:\n# systemctl daemon-reload\n"
            f"# systemctl enable --now {unit.file_name}"
        )
        return 0
    try:
        host.check_host()
        missing = [path for path in unit.reads if not path.exists()]
        if missing:
            raise ConfigError(f"no existe {missing[0]}, y el servicio no arranca sin él. No se instaló nada.")
        is_changed = host.put(unit)
        service = host.show(unit.name)
    except host.HostError as error:
        return fail("service", str(error))
    except host.NotOurs:
        return _no(
            f"ya hay una unidad {unit.file_name} que hizo otro programa, y no se toca. Dele otro nombre con "
            "--nombre."
        )
    print(f"{unit.name} {'instalado y en marcha' if is_changed else 'ya estaba instalado; está en marcha'}.")
    if service.status:
        print(service.status)
    if service.state_folder:
        print(f"Su estado está en {service.state_folder}, que solo root puede leer.")
    print(f"Registro: journalctl --unit {unit.name} --follow")
    return 0


def _uninstall(options: argparse.Namespace) -> int:
    from tunnel.service import host

    if options.dry_run:
        print(f"systemctl disable --now {options.name}.service")
        if options.con_estado:
            print(f"systemctl clean --what=state {options.name}.service")
        print(f"rm {host.UNITS / options.name}.service\nsystemctl daemon-reload")
        return 0
    try:
        host.check_host()
        left = host.take_away(options.name, with_state=options.con_estado)
    except host.HostError as error:
        return fail("service", str(error))
    except host.NotOurs:
        there = ", ".join(host.installed()) or "ninguno"
        return _no(
            f"aquí no hay un servicio «{options.name}» que haya instalado este programa. Los hay: {there}."
        )
    print(f"{options.name} detenido y quitado.")
    if left:
        print(f"Queda su estado, con la CA, en {left}; --con-estado lo quita también.")
    return 0


def _status(options: argparse.Namespace) -> int:
    from tunnel.service import host

    try:
        host.check_host(is_root_needed=False)
        names = host.installed()
        if options.name is not None:
            names = [name for name in names if name == options.name]
        services = [host.show(name) for name in names]
    except host.HostError as error:
        return fail("service", str(error))
    if options.json:
        print(json.dumps([asdict(service) for service in services], ensure_ascii=False))
    for service in services if not options.json else ():
        words = f"{service.name}: {_STATES.get(service.active, service.active)} ({service.detail})"
        print(f"{words}, reinicios: {service.restarts}")
        if service.status:
            print(f"    {service.status}")
    if not services:
        which = f"un servicio «{options.name}»" if options.name else "ningún servicio"
        return _no(f"aquí no hay {which} que haya instalado «tunnel service install».")
    return 0 if all(service.is_active for service in services) else 1


_STATES = {
    "active": "en marcha",
    "activating": "arrancando",
    "deactivating": "deteniéndose",
    "failed": "falló",
    "inactive": "detenido",
    "reloading": "en marcha, leyendo otra vez",
}


def _unit(options: argparse.Namespace, name: str, command: str) -> Unit:
    from tunnel.service.host import systemd_version
    from tunnel.service.unit import make_unit, own_program

    return make_unit(_order(options, name, command), own_program(), systemd_version())


def _order(options: argparse.Namespace, name: str, command: str) -> Order:
    from tunnel.service.unit import Order
    from tunnel.service.words import given_options, options_of_table

    if getattr(options, "carpeta", None) and not options.carpeta_token_file:
        raise ConfigError("un servicio no guarda la contraseña de --carpeta: déla con --carpeta-token-file.")
    leaf, words = _leaf(options.words)
    given = given_options(leaf, words)
    if options.config is not None:  # its options become the unit's own
        table = read_config(options.config, options.profile)
        given += options_of_table(leaf, table, options.config.parent, given)
    given = [each for each in given if each.dest not in _NOT_OF_THE_SERVICE]
    ports = [value for key, value in vars(options).items() if key.endswith("port") and isinstance(value, int)]
    if getattr(options, "tcp_ports", None):
        ports += [low for low, _ in options.tcp_ports.ranges]
    return Order(
        command,
        name,
        given,
        Path.cwd(),
        tuple(ports),
        getattr(options, "drain_timeout", 10.0),
        command == "fileserver" and _is_loopback(options.host),
        _files_of_sites(getattr(options, "sites_file", None)),
    )


def _files_of_sites(path: Path | None) -> tuple[Path, ...]:
    """Return the files that the sites of a file name, once each.  Raises ConfigError."""
    if path is None or not path.exists():
        return ()
    from tunnel.sites.file import load_sites

    named = {file.absolute() for site in load_sites(path) for file in site.files}
    for file in sorted(named):
        if file.parent != path.absolute().parent:  # systemd puts all of a service's secrets into one folder
            raise ConfigError(f"en un servicio, {file} debe estar en la misma carpeta que {path}.")
    return tuple(sorted(named))


def _leaf(words: list[str]) -> tuple[Parser, list[str]]:
    """Return the parser of the command that ``words`` name, and the words that are its own."""
    from tunnel.cli import build_parser

    parser, place = build_parser(), 0
    while parser.commands:
        parser = parser.commands[words[place]]
        place += 1
    return parser, words[place:]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise ConfigError(f"--host: «{host}» no es una dirección IP, como 127.0.0.1.") from None


def _warn(command: str, unit: Unit) -> None:
    warnings = [*unit.warnings]
    lost = [name for name in _VARIABLES if name in os.environ]
    if lost:
        warnings.append(f"{', '.join(lost)}: un servicio no tiene sus variables; dígalo con una opción.")
    for warning in warnings:
        print(f"tunnel {command}: cuidado, {warning}", file=sys.stderr)


def _no(message: str) -> int:
    print(f"tunnel service: {message}", file=sys.stderr)
    return 1


def _default_name(prog: str) -> str:
    return f"tunnel-{prog.split()[-1]}"


def _unit_name(text: str) -> str:
    name = text.removesuffix(".service")
    if not _NAME.fullmatch(name):
        raise argparse.ArgumentTypeError(
            f"«{text}» no sirve de nombre: letras minúsculas, cifras y guiones, como tunnel-ana"
        )
    return name
