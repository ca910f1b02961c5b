"""What a client shares besides plain HTTP: TCP services, and rules for the header fields of HTTP ones."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

from tunnel.config import ConfigError, TcpUpstream, Upstream, is_host
from tunnel.http.rules import HeaderRules, ServiceRules, parse_header_rules
from tunnel.protocol.messages import MAX_PORTS

__all__ = ["parse_tcp_upstreams", "with_header_rules"]


def parse_tcp_upstreams(values: list[str]) -> tuple[TcpUpstream, ...]:
    """Parse every ``--tcp``: ``PORT=HOST:PORT``, or ``PORT`` for the same one on this machine.

    Raises:
        ConfigError: naming the part that is wrong.
    """
    services = tuple(_parse_tcp_upstream(part.strip()) for value in values for part in value.split(","))
    ports = [service.exit_port for service in services]
    for port in ports:
        if ports.count(port) > 1:
            raise ConfigError(f"hay dos --tcp para el puerto {port}: cada puerto lleva a un solo servicio.")
    if len(ports) > MAX_PORTS:
        raise ConfigError(f"son demasiados puertos ({len(ports)}) para un solo cliente: caben {MAX_PORTS}.")
    return services


def _parse_tcp_upstream(text: str) -> TcpUpstream:
    example = "Ejemplo: --tcp 5432=localhost:5432"
    port, separator, target = text.partition("=")
    if not separator:
        target = f"localhost:{port}"
    if "://" in target:
        raise ConfigError(f"en «{text}» sobra el esquema: --tcp lleva equipo y puerto. {example}")
    try:
        parts = urlsplit(f"//{target.strip()}")
        host, target_port = parts.hostname, parts.port
    except ValueError:
        host = target_port = None
    if not host or not target_port or parts.path or parts.username is not None or not is_host(host):
        raise ConfigError(f"«{text}» no es un servicio TCP: le falta, o le sobra, algo. {example}")
    port = port.strip()
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ConfigError(f"«{port}» no es un puerto del nodo de salida (de 1 a 65535). {example}")
    return TcpUpstream(int(port), host, target_port)


def with_header_rules(
    upstreams: tuple[Upstream, ...], request: list[str], response: list[str], hosts: list[str]
) -> tuple[Upstream, ...]:
    """Give upstreams their rules; ``NAME=`` before one limits it to the upstream of that name.

    Args:
        request: each as :func:`tunnel.http.rules.parse_header_rules` takes it.
        response: the same.
        hosts: ``preserve``, ``rewrite`` (the upstream's own) or the value itself; the last one counts.

    Raises:
        ConfigError: naming the one that is wrong.
    """
    if not (request or response or hosts):
        return upstreams
    if not upstreams:
        raise ConfigError("las reglas de cabeceras van con --upstream: por TCP no hay cabeceras.")
    names = {upstream.name for upstream in upstreams}
    return tuple(
        replace(
            upstream,
            rules=ServiceRules(
                _header_rules(request, upstream.name, names, "--request-header"),
                _header_rules(response, upstream.name, names, "--response-header"),
                _host_rule(_meant_for(hosts, upstream.name, names), upstream),
            ),
        )
        for upstream in upstreams
    )


def _header_rules(texts: list[str], name: str, names: set[str], option: str) -> HeaderRules:
    try:
        return parse_header_rules(_meant_for(texts, name, names))
    except ValueError as error:
        raise ConfigError(f"{option}: {error}.") from None


def _host_rule(values: list[str], upstream: Upstream) -> str:
    value = values[-1].strip() if values else "preserve"
    if value in ("preserve", "rewrite"):
        return upstream.authority if value == "rewrite" else ""
    if not re.fullmatch(r"[A-Za-z0-9._~-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?", value):
        raise ConfigError(
            f"--host-header: «{value}» no es un nombre. Sirven preserve (el del visitante), rewrite (el del "
            "servicio) o el nombre mismo: localhost:3000."
        )
    return value


def _meant_for(texts: list[str], name: str, names: set[str]) -> list[str]:
    """Return those for one upstream, without the name before them."""
    found = []
    for text in texts:
        before, separator, rest = text.partition("=")
        limit = before.strip().lower()
        if not separator or limit not in names:  # an "=" of the rule's own
            found.append(text)
        elif limit == name:
            found.append(rest)
    return found
