"""What a client shares besides plain HTTP: TCP services, and rules for the header fields of HTTP ones."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

from tunnel.config import ConfigError, TcpUpstream, TlsUpstream, Upstream, is_domain_name, is_host
from tunnel.http.rules import HeaderRules, ServiceRules, parse_header_rules
from tunnel.protocol.frames import MAX_CONTROL_PAYLOAD_BYTES
from tunnel.protocol.messages import MAX_NAMES, MAX_PORTS, Claim

__all__ = ["parse_tcp_upstreams", "parse_tls_upstreams", "with_header_rules"]


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
    host, target_port = _parse_target(target, text, "--tcp", "TCP", example)
    port = port.strip()
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ConfigError(f"«{port}» no es un puerto del nodo de salida (de 1 a 65535). {example}")
    return TcpUpstream(int(port), host, target_port)


def parse_tls_upstreams(values: list[str], beside: Claim) -> tuple[TlsUpstream, ...]:
    """Parse every ``--sni``: ``NAME=HOST:PORT``.

    Args:
        beside: what is claimed besides, with which the names share a frame.

    Raises:
        ConfigError: naming the part that is wrong.
    """
    services = tuple(_parse_tls_upstream(part.strip()) for value in values for part in value.split(","))
    names = tuple(service.name for service in services)
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"hay dos --sni para el nombre «{name}»: cada nombre lleva a un solo servicio.")
    claim = replace(beside, sni=names)
    if len(names) > MAX_NAMES or len(claim.encode()) > MAX_CONTROL_PAYLOAD_BYTES - 64:  # and the proof
        raise ConfigError(
            f"son demasiados nombres ({len(names)}) para un solo cliente: caben {MAX_NAMES}, si no son muy "
            "largos. Reparta los demás entre otros clientes."
        )
    return services


def _parse_tls_upstream(text: str) -> TlsUpstream:
    example = "Ejemplo: --sni ana.example=localhost:443"
    name, separator, target = text.partition("=")
    name = name.strip().lower().rstrip(".")
    if not separator:
        raise ConfigError(f"a --sni «{text}» le falta el nombre: el puerto es uno para todos. {example}")
    if not is_domain_name(name):
        raise ConfigError(
            f"«{name}» no es un nombre de dominio: lleva letras sin tilde, cifras, guiones y "
            f"puntos. {example}"
        )
    host, port = _parse_target(target, text, "--sni", "TLS", example)
    return TlsUpstream(name, host, port)


def _parse_target(target: str, text: str, option: str, what: str, example: str) -> tuple[str, int]:
    """Return the host and port that a service has here."""
    if "://" in target:
        raise ConfigError(f"en «{text}» sobra el esquema: {option} lleva equipo y puerto. {example}")
    try:
        parts = urlsplit(f"//{target.strip()}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.path or parts.username is not None or not is_host(host):
        raise ConfigError(f"«{text}» no es un servicio {what}: le falta, o le sobra, algo. {example}")
    return host, port


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
