"""``tunnel cert``: a CA for clients, and certificates in place of tokens."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tunnel.access.tokens_file import check_label
from tunnel.cli.arguments import Parser
from tunnel.cli.common import Subparsers, fail, port_ranges
from tunnel.cli.token import names_option
from tunnel.config import ConfigError, ControlAddress, parse_control_url, parse_pin
from tunnel.connection import Connection, check_replaceable, write_connection
from tunnel.identity import IdentityText
from tunnel.os_errors import describe_os_error
from tunnel.port_ranges import NO_PORT
from tunnel.secret_files import create_private_file, read_secret_file, replace_private_file
from tunnel.state.folder import default_state_folder, prepare_state_folder
from tunnel.trust import SYSTEM_TRUST, CaPin, SystemTrust, TokenProof

if TYPE_CHECKING:
    from tunnel.state.certificates import Authority, Leaf

__all__ = ["add_parser"]

_AUTHORITY_FILE = "autoridad-clientes.pem"
_CERTIFICATE_FILE = "ca-clientes.pem"
_EXIT_NODE_CA = "ca.pem"  # where ``tunnel server --auto-tls`` puts the certificate of its own
_DAYS = 90
_MAX_DAYS = 825
_MAX_BYTES = 64 * 1024
_KEY_MARK = "-----BEGIN PRIVATE KEY-----"


def add_parser(commands: Subparsers) -> None:
    """Add the command, with its verbs, to the parser."""
    parser = commands.add_parser(
        "cert",
        help="crea certificados de cliente, en lugar de tokens",
        description="Crea una CA para los clientes de un nodo de salida y los certificados que firma. Un "
        "cliente que muestra uno (--cert y --key) no necesita token.",
    )
    verbs = parser.add_subparsers(
        dest="verb", metavar="ORDEN", title="órdenes", required=True, parser_class=Parser
    )
    _add_ca(verbs)
    _add_client(verbs)
    show = verbs.add_parser(
        "show",
        help="muestra qué dice un certificado",
        description="Muestra con qué nombres y con qué huella se llama a un certificado en el archivo de "
        "tokens, quién lo firmó y hasta cuándo vale. Termina con 1 si ya venció.",
    )
    show.add_argument("file", metavar="ARCHIVO", type=Path, help="el certificado, en PEM")
    show.set_defaults(run=_show)
    parser.commands = dict(verbs.choices)


def _add_ca(verbs: Subparsers) -> None:
    parser = verbs.add_parser(
        "ca",
        help="crea la CA de los clientes",
        description="Crea la CA que firma los certificados de los clientes: la llave, que solo usted puede "
        f"leer, y el certificado ({_CERTIFICATE_FILE}) para «tunnel server --client-ca».",
    )
    _add_state_dir(parser)
    parser.set_defaults(run=_make_ca)


def _add_client(verbs: Subparsers) -> None:
    parser = verbs.add_parser(
        "client",
        help="crea el certificado de un cliente",
        description="Crea el certificado de un cliente y su llave, firmado por la CA de «tunnel cert ca». "
        "Con --a dice además, en el archivo de tokens, qué nombres puede pedir.",
    )
    parser.add_argument(
        "--etiqueta", metavar="PALABRA", type=_label, required=True, help="de quién es: su nombre"
    )
    parser.add_argument(
        "--dias",
        metavar="DÍAS",
        type=_days,
        default=_DAYS,
        help=f"cuánto vale (por omisión: {_DAYS}); al vencer termina también el enlace abierto",
    )
    parser.add_argument(
        "--salida",
        metavar="CARPETA",
        type=Path,
        help="dónde guarda ETIQUETA.pem y ETIQUETA-llave.pem (por omisión: la carpeta actual)",
    )
    parser.add_argument(
        "--renovar", action="store_true", help="reemplaza el que haya; su derecho a nombres sigue igual"
    )
    parser.add_argument(
        "--a", metavar="ARCHIVO", type=Path, dest="tokens_file", help="lo agrega a este archivo de tokens"
    )
    parser.add_argument(
        "--nombres",
        metavar="NOMBRE",
        type=names_option,
        action="extend",
        help="con --a: los nombres que puede pedir, separados por comas",
    )
    parser.add_argument(
        "--puertos",
        metavar="PUERTOS",
        type=port_ranges,
        default=NO_PORT,
        help="con --a: los puertos TCP que puede pedir: 5432,6000-6010",
    )
    parser.add_argument(
        "--conexion",
        metavar="ARCHIVO",
        type=Path,
        help="en lugar de --salida: un archivo de conexión con todo, también el certificado y la llave",
    )
    parser.add_argument(
        "--url", metavar="URL", help="con --conexion: el puerto de control, wss://192.0.2.10:8123"
    )
    parser.add_argument(
        "--ca-pin",
        metavar="HUELLA",
        help="con --conexion: la huella de la CA del nodo de salida (por omisión: la de --auto-tls en la "
        "misma carpeta de estado o, si no hay, las CA que el sistema conoce)",
    )
    _add_state_dir(parser)
    parser.set_defaults(run=_make_client)


def _add_state_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state-dir",
        metavar="CARPETA",
        type=Path,
        help="dónde está la CA de los clientes (por omisión: tunelab, en la carpeta de estado de su usuario)",
    )


def _make_ca(options: argparse.Namespace) -> int:
    from tunnel.state.certificates import make_authority

    folder = _state_folder(options)
    prepare_state_folder(folder)
    path = folder / _AUTHORITY_FILE
    authority = make_authority(time.time(), "tunelab, CA de los clientes")
    if not create_private_file(path, authority.encode()):
        return _no(
            f"{path} ya existe y no se sobrescribe: con otra CA no servirían los certificados que firmó. "
            "Elija otra carpeta con --state-dir."
        )
    replace_private_file(folder / _CERTIFICATE_FILE, authority.pem)
    print(f"CA de los clientes creada; su llave está en {path} y solo usted puede leerla.")
    print(f"En el nodo de salida: tunnel server --client-ca {folder / _CERTIFICATE_FILE} …")
    return 0


def _make_client(options: argparse.Namespace) -> int:
    from tunnel.state.certificates import make_client_leaf

    _check(options)
    authority = _read_authority(_state_folder(options))
    label: str = options.etiqueta
    leaf = make_client_leaf(authority, label, options.dias, time.time())
    node = None if options.conexion is None else (_address(options), _trust(options))
    if options.tokens_file is not None:
        code = _add_entry(options)
        if code:
            return code
    code = 3
    try:
        code = _write_pair(options, leaf) if node is None else _write_connection(options, leaf, *node)
    finally:
        if code and options.tokens_file is not None:
            from tunnel.access import edit

            edit.remove_token(options.tokens_file, label)
    if not code:
        print(f"Vale hasta el {time.strftime('%Y-%m-%d', time.gmtime(leaf.ends_s))}.")
    return code


def _check(options: argparse.Namespace) -> None:
    if options.tokens_file is None and (options.nombres or options.puertos):
        raise ConfigError("--nombres y --puertos van con --a ARCHIVO, el archivo de los tokens.")
    if options.tokens_file is not None and not (options.nombres or options.puertos):
        raise ConfigError("con --a falta --nombres: los que puede pedir el cliente (todos: '*').")
    if options.tokens_file is not None and options.renovar:
        raise ConfigError("--renovar no cambia lo que dice el archivo de tokens: quite --a.")
    if options.conexion is None and (options.url or options.ca_pin):
        raise ConfigError("--url y --ca-pin van con --conexion ARCHIVO.")
    if options.conexion is not None and options.url is None:
        raise ConfigError("con --conexion falta --url: wss://192.0.2.10:8123, con la dirección de su nodo.")
    if options.conexion is not None and options.salida is not None:
        raise ConfigError("--conexion y --salida no van juntos: el archivo de conexión ya lleva la llave.")


def _add_entry(options: argparse.Namespace) -> int:
    from tunnel.access import edit  # with tomlkit, which nothing else needs

    path: Path = options.tokens_file
    label: str = options.etiqueta
    try:
        names = tuple(options.nombres or ())
        edit.add_token(path, label, None, names, None, options.puertos, certificate=label)
    except edit.LabelTaken:
        return _no(
            f"en {path} ya hay un token «{label}». Si es de un certificado y quiere otro igual, use "
            "--renovar sin --a."
        )
    except edit.FileInUse as error:
        return fail("cert", f"otro programa está cambiando {path}, o uno quedó a medias: borre {error.lock}.")
    except OSError as error:
        return fail("cert", f"no se puede escribir {path}: {describe_os_error(error)}.")
    print(f"Certificado «{label}» agregado a {path}.")
    return 0


def _address(options: argparse.Namespace) -> ControlAddress:
    address = parse_control_url(options.url)
    if not address.is_tls:
        raise ConfigError(f"la URL «{options.url}» no va cifrada: con certificados es wss.")
    return address


def _write_connection(
    options: argparse.Namespace, leaf: Leaf, address: ControlAddress, trust: CaPin | SystemTrust
) -> int:
    path: Path = options.conexion
    if path.exists():
        if not options.renovar:
            return _no(f"{path} ya existe. Para reemplazarlo, agregue --renovar.")
        check_replaceable(path)
    certificate, key = _split(leaf)
    write_connection(path, Connection(address, None, trust, identity=IdentityText(certificate, key)))
    print(f"Archivo de conexión con el certificado «{options.etiqueta}» en {path} (solo usted puede leerlo).")
    return 0


def _trust(options: argparse.Namespace) -> CaPin | SystemTrust:
    if options.ca_pin is not None:
        pin = parse_pin(options.ca_pin)
        if isinstance(pin, TokenProof):
            raise ConfigError("sin token, --ca-pin es la huella de la CA del nodo de salida (sha256:…).")
        return pin
    own = _state_folder(options) / _EXIT_NODE_CA
    if not own.is_file():
        return SYSTEM_TRUST
    from tunnel.mtls.facts import read_facts

    try:
        return CaPin(read_facts(own.read_text(encoding="ascii")).digest.removeprefix("sha256:"))
    except (OSError, ValueError):
        raise ConfigError(f"{own} no es el certificado de una CA. Diga la huella con --ca-pin.") from None


def _write_pair(options: argparse.Namespace, leaf: Leaf) -> int:
    folder: Path = options.salida or Path()
    if not folder.is_dir():
        return fail("cert", f"no existe la carpeta {folder}. Créela primero, o elija otra.")
    label: str = options.etiqueta
    paths = (folder / f"{label}.pem", folder / f"{label}-llave.pem")
    for path in paths:
        if path.exists() and not options.renovar:
            return _no(f"{path} ya existe. Para reemplazarlo, agregue --renovar.")
    for path, text in zip(paths, _split(leaf), strict=True):
        replace_private_file(path, text)
    print(f"Certificado en {paths[0]}; llave en {paths[1]} (solo usted puede leerla).")
    return 0


def _split(leaf: Leaf) -> tuple[str, str]:
    place = leaf.pem.index(_KEY_MARK)
    return leaf.pem[:place], leaf.pem[place:]


def _read_authority(folder: Path) -> Authority:
    from tunnel.state.certificates import read_authority

    path = folder / _AUTHORITY_FILE
    text = read_secret_file(
        path, "de la CA de los clientes", "--state-dir", "Créela con «tunnel cert ca».", _MAX_BYTES
    )
    try:
        authority = read_authority(text)
    except ValueError:
        raise ConfigError(f"el archivo {path} no es una CA con su llave, o está dañado.") from None
    if not authority.starts_s <= time.time() < authority.ends_s:
        raise ConfigError(f"la CA del archivo {path} ya venció, o el reloj de esta máquina está mal.")
    return authority


def _show(options: argparse.Namespace) -> int:
    from tunnel.mtls.facts import read_facts

    path: Path = options.file
    try:
        facts = read_facts(path.read_text(encoding="ascii"))
    except OSError as error:
        return fail("cert", f"no se puede leer {path}: {describe_os_error(error)}.")
    except ValueError:
        raise ConfigError(f"{path} no es un certificado en PEM («-----BEGIN CERTIFICATE-----»).") from None
    now_s = time.time()
    use = "una CA" if facts.is_ca else "un cliente" if facts.is_for_clients else "un servidor"
    dates = [time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at)) for at in (facts.starts_s, facts.ends_s)]
    print(f"Es de:    {use}")
    if not facts.is_ca:
        print(f"Nombres:  {', '.join(facts.names) or 'ninguno'}")
    print(f"Huella:   {facts.digest}")
    print(f"Firmado:  {facts.issuer}")
    print(f"Vale:     desde {dates[0]} hasta {dates[1]}")
    if now_s >= facts.ends_s:
        return _no(f"{path} ya venció.")
    return 0


def _state_folder(options: argparse.Namespace) -> Path:
    return options.state_dir or default_state_folder(os.environ)


def _label(text: str) -> str:
    try:
        return check_label(text, "el certificado")
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= _MAX_DAYS or len(text) > 9:
        raise argparse.ArgumentTypeError(f"«{text}» no es un número de días de 1 a {_MAX_DAYS}")
    return int(text)


def _no(message: str) -> int:
    print(f"tunnel cert: {message}", file=sys.stderr)
    return 1
