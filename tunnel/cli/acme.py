"""``tunnel server --acme-domain``: visitors' certificates from an ACME issuer."""

from __future__ import annotations

import argparse
import os
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from tunnel.access.patterns import parse_pattern
from tunnel.cli.common import port_number
from tunnel.config import ConfigError, is_domain_name, is_host
from tunnel.events import CertificateFailed, CertificateObtained
from tunnel.https_options import AcmeOptions, DnsHook, Rfc2136
from tunnel.state.folder import default_state_folder

__all__ = ["add_acme_options", "describe_certificate", "read_acme_options", "uses_state"]

# https://letsencrypt.org/docs/acme-protocol-updates/ and https://letsencrypt.org/docs/staging-environment/
_ISSUERS = {
    "prod": "https://acme-v02.api.letsencrypt.org/directory",
    "staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
_DNS_PORT = 53
_DNS_WAIT_S = 10.0
_MAX_WAIT_S = 3600.0


def add_acme_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument_group("Certificados que se piden y se renuevan solos (ACME)").add_argument
    add(
        "--acme-domain",
        metavar="NOMBRE",
        type=_domain,
        action="append",
        help="pide a Let's Encrypt, y renueva, un certificado para este nombre; pueden ser varios, y al "
        "pedirlo usted acepta las condiciones del emisor",
    )
    add(
        "--acme-allow",
        metavar="PATRÓN",
        type=_pattern,
        action="append",
        help="pide uno también para cada nombre que un cliente atienda, si está entre estos: ana.example o "
        "*.example; pueden ser varios",
    )
    add("--acme-email", metavar="CORREO", type=_email, help="adónde escribe el emisor si algo va mal")
    add(
        "--acme-issuer",
        metavar="EMISOR",
        type=_issuer,
        help="prod o staging (los de Let's Encrypt; staging es para probar) o la URL de otro (por omisión: "
        "prod)",
    )
    add(
        "--acme-ca-file",
        metavar="ARCHIVO",
        type=Path,
        help="la CA (PEM) con que se comprueba a un emisor privado, en lugar de las del sistema",
    )
    add(
        "--acme-dns",
        metavar="rfc2136",
        choices=("rfc2136",),
        help="demuestra los nombres con registros en el DNS y no por HTTP: con actualizaciones dinámicas",
    )
    add(
        "--acme-dns-server",
        metavar="EQUIPO",
        type=_dns_server,
        help="con --acme-dns: el servidor primario de la zona, EQUIPO o EQUIPO:PUERTO",
    )
    add("--acme-dns-zone", metavar="ZONA", type=_domain, help="con --acme-dns: la zona (example.org)")
    add(
        "--acme-dns-key",
        metavar="ARCHIVO",
        type=Path,
        help="con --acme-dns: la llave TSIG, como la escribe tsig-keygen o keymgr, que solo usted pueda leer",
    )
    add(
        "--acme-dns-hook",
        metavar="PROGRAMA",
        type=Path,
        help="en lugar de --acme-dns: un programa suyo que pone y quita los registros",
    )
    add(
        "--acme-dns-wait",
        metavar="SEGUNDOS",
        type=_wait,
        help="cuánto espera a que el registro llegue a todos los servidores de la zona (por omisión: 10)",
    )


def uses_state(options: argparse.Namespace) -> bool:
    """Whether certificates are to be kept in the state folder."""
    return any(name.startswith("acme_") and value is not None for name, value in vars(options).items())


def read_acme_options(options: argparse.Namespace) -> AcmeOptions | None:
    """Return what the options ask for; None: no ACME.

    Raises:
        ConfigError: they contradict one another, or something is missing.
    """
    domains = tuple(dict.fromkeys(options.acme_domain or ()))
    allowed = tuple(dict.fromkeys(options.acme_allow or ()))
    if not domains and not allowed:
        for name in vars(options):
            if name.startswith("acme_") and getattr(options, name) is not None:
                raise ConfigError(
                    f"--{name.replace('_', '-')} va con --acme-domain, que dice para qué nombre es "
                    "el certificado."
                )
        return None
    if find_spec("acme") is None or find_spec("dns") is None:
        raise ConfigError(
            "para pedir certificados falta una parte que se instala aparte: pip install 'tunelab[acme]'"
        )
    dns = _dns(options, domains)
    wildcards = [name for name in domains if name.startswith("*.")]
    if wildcards and dns is None:
        raise ConfigError(
            f"un certificado para «{wildcards[0]}» solo se da a quien demuestra que el DNS es suyo: con "
            "--acme-dns rfc2136 o --acme-dns-hook."
        )
    if options.acme_dns_wait is not None and dns is None:
        raise ConfigError("--acme-dns-wait va con --acme-dns o con --acme-dns-hook.")
    return AcmeOptions(
        directory=options.acme_issuer or _ISSUERS["prod"],
        state_folder=options.state_dir or default_state_folder(os.environ),
        domains=domains,
        allowed=allowed,
        email=options.acme_email or "",
        ca_file=options.acme_ca_file,
        dns=dns,
        dns_wait_s=_DNS_WAIT_S if options.acme_dns_wait is None else options.acme_dns_wait,
    )


def describe_certificate(event: CertificateObtained | CertificateFailed) -> str:
    """Word an event."""
    if isinstance(event, CertificateObtained):
        return f"Certificado listo: https://{event.domain} (vale hasta el {event.ends[:10]})."
    state = "Sigue el anterior." if event.is_served else "Ese nombre no tiene HTTPS todavía."
    reason = _REASONS.get(event.reason, event.reason)
    wait = f"{event.retry_in_s / 60:.0f} min" if event.retry_in_s > 90 else f"{event.retry_in_s:.0f} s"
    return (
        f"Sin certificado nuevo para {event.domain}: {reason} ({event.detail}). {state} Otra vez en {wait}."
    )


_REASONS = {
    "dns": "no se pudo poner el registro en el DNS",
    "internal": "algo falló aquí",
    "rate-limited": "el emisor pide esperar",
    "refused": "el emisor no lo da",
    "state": "no hay dónde guardarlo",
    "unreachable": "no se llega al emisor",
}


def _dns(options: argparse.Namespace, domains: tuple[str, ...]) -> Rfc2136 | DnsHook | None:
    if options.acme_dns is None:
        for name in ("acme_dns_server", "acme_dns_zone", "acme_dns_key"):
            if getattr(options, name) is not None:
                raise ConfigError(f"--{name.replace('_', '-')} va con --acme-dns rfc2136.")
        return None if options.acme_dns_hook is None else DnsHook(options.acme_dns_hook)
    if options.acme_dns_hook is not None:
        raise ConfigError("--acme-dns y --acme-dns-hook hacen lo mismo de dos maneras: elija una.")
    if not (options.acme_dns_server and options.acme_dns_zone and options.acme_dns_key):
        raise ConfigError(
            "con --acme-dns rfc2136 hacen falta el servidor (--acme-dns-server), la zona (--acme-dns-zone) y "
            "la llave TSIG (--acme-dns-key)."
        )
    for name in domains:
        if not f".{name}".endswith(f".{options.acme_dns_zone}"):
            raise ConfigError(
                f"el nombre «{name}» (--acme-domain) no está en la zona {options.acme_dns_zone} "
                "(--acme-dns-zone)."
            )
    host, port = options.acme_dns_server
    return Rfc2136(host, port, options.acme_dns_zone, options.acme_dns_key)


def _domain(text: str) -> str:
    name = text.strip().lower().removesuffix(".")
    try:
        ip_address(name)
    except ValueError:
        if is_domain_name(name.removeprefix("*.")):
            return name
    raise argparse.ArgumentTypeError(
        f"«{text}» no es un nombre de dominio: lleva letras sin tilde, cifras, guiones y puntos, y no lleva "
        "esquema ni puerto. Ejemplo: todo.example"
    )


def _pattern(text: str) -> str:
    try:
        pattern = parse_pattern(text)
    except ConfigError:
        pattern = "*"
    if pattern == "*":  # whoever holds a token could use up what the issuer gives to everybody here
        raise argparse.ArgumentTypeError(
            f"«{text}» no sirve: diga qué nombres pueden tener certificado. ana.example, o *.example: "
            "todos los que terminan así"
        )
    return pattern


def _email(text: str) -> str:
    name, _, host = text.partition("@")
    if name and host and text.isprintable() and not set(text) & set(" ,?&"):
        return text
    raise argparse.ArgumentTypeError(f"«{text}» no es una dirección de correo")


def _issuer(text: str) -> str:
    if text in _ISSUERS:
        return _ISSUERS[text]
    try:
        parts = urlsplit(text)
        is_url = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if is_url and parts.username is None:
        return text
    # RFC 8555, section 6.1: HTTPS, and nothing else.
    raise argparse.ArgumentTypeError(
        f"«{text}» no es un emisor: prod, staging, o la URL de su directorio, con https "
        "(https://ca.example/acme/directory)"
    )


def _dns_server(text: str) -> tuple[str, int]:
    host, separator, port = text.strip().rpartition(":")
    if not separator or (":" in host and not host.startswith("[")):  # an IPv6 address by itself
        host, port = text.strip(), str(_DNS_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not is_host(host):
        raise argparse.ArgumentTypeError(f"«{text}» no es un servidor: EQUIPO o EQUIPO:PUERTO")
    return host, port_number(port)


def _wait(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _MAX_WAIT_S:
        raise argparse.ArgumentTypeError(f"«{text}» no es un tiempo en segundos, de 0 a {_MAX_WAIT_S:.0f}")
    return value
