"""``tunnel doctor``: which hop fails, and what to do."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json

from tunnel.cli.client_words import words_of_detail, words_of_refusal
from tunnel.cli.common import Subparsers, add_token_option
from tunnel.cli.identity import add_identity_options
from tunnel.cli.proxy import read_proxy
from tunnel.cli.target import add_target_options, read_connections
from tunnel.config import ConfigError, parse_upstreams
from tunnel.connection import Connection
from tunnel.doctor.findings import Finding, Verdict
from tunnel.doctor.hops import Words, examine
from tunnel.mtls.showing import shown_by
from tunnel.transport.tls import Dialler
from tunnel.trust import CaFile, Trust
from tunnel.upstream_options import parse_tcp_upstreams

__all__ = ["add_parser"]

_MARKS = {Verdict.GOOD: "✓", Verdict.WARNING: "!", Verdict.BAD: "✗", Verdict.SKIPPED: "·"}


def add_parser(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "doctor",
        help="busca qué tramo falla entre el visitante y el servicio",
        description="Mira cada tramo del camino desde la máquina del cliente: el nombre y el puerto del nodo "
        "de salida, el cifrado, el token, el reloj, el servicio y el lado público. Dice cuál falla y qué "
        "hacer. No interrumpe al cliente que esté en marcha. Termina con 1 si algo falla.",
    )
    add_target_options(parser)
    add_identity_options(parser)
    parser.add_argument(
        "--upstream", metavar="URL", action="append", default=[], help="el servicio: http://localhost:5000"
    )
    parser.add_argument(
        "--tcp", metavar="PUERTO=EQUIPO:PUERTO", action="append", default=[], help="un servicio TCP"
    )
    parser.add_argument(
        "--publico", metavar="URL", help="el lado público, si no es el del archivo de conexión"
    )
    parser.add_argument("--json", action="store_true", help="lo mismo en JSON, para otros programas")
    add_token_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look at everything; 0 where nothing fails, 1 where something does."""
    connections = read_connections(options)
    if len(connections) > 1:
        raise ConfigError("se mira un nodo de salida a la vez: dé una sola --conexion.")
    connection = connections[0]
    if options.publico:
        connection = dataclasses.replace(connection, public_url=options.publico)
    trust: Trust = CaFile(options.ca_file) if options.ca_file else connection.trust
    findings = asyncio.run(_look(options, connection, trust))
    if options.json:
        told = [{**dataclasses.asdict(one), "verdict": one.verdict.value} for one in findings]
        print(json.dumps(told, ensure_ascii=False, indent=2))
    elif not any(one.verdict in (Verdict.BAD, Verdict.WARNING) for one in findings):
        print("Ningún tramo de los que se miraron falla.")
    return int(any(one.verdict is Verdict.BAD for one in findings))


async def _look(options: argparse.Namespace, connection: Connection, trust: Trust) -> list[Finding]:
    proxy = read_proxy(options, connection.address)
    dialler = Dialler(connection.address, trust, connection.token, proxy, shown_by(connection.identity))
    upstreams = parse_upstreams(options.upstream) if options.upstream else ()
    services = parse_tcp_upstreams(options.tcp) if options.tcp else ()
    words = Words(words_of_detail, lambda code: words_of_refusal(code, code))
    findings = []
    async for finding in examine(connection, dialler, upstreams, services, words):
        findings.append(finding)
        if not options.json:
            print(_text(finding), flush=True)
    return findings


def _text(finding: Finding) -> str:
    verdict = "" if finding.verdict is Verdict.GOOD else f" ({finding.verdict.value})"
    lines = [f"{_MARKS[finding.verdict]} {finding.title}{verdict}: {finding.detail}"]
    if finding.advice:
        lines.append(f"    Qué hacer: {finding.advice}")
    return "\n".join(lines)
