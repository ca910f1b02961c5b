"""``tunnel server --https-port``: HTTPS for visitors, with certificates of one's own or from an issuer."""

from __future__ import annotations

import argparse
from pathlib import Path

from tunnel.cli.acme import add_acme_options, read_acme_options
from tunnel.cli.common import port_number
from tunnel.config import ConfigError
from tunnel.https_options import CertificateFiles, HttpsOptions

__all__ = ["add_https_options", "read_https_options"]

_MAX_HSTS_S = 10 * 365 * 86400


def add_https_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument_group("HTTPS para los visitantes").add_argument
    add(
        "--https-port",
        metavar="PUERTO",
        type=port_number,
        help="puerto donde los visitantes llegan con HTTPS (443, 8443; 0: uno libre), además del de --port",
    )
    add(
        "--https-cert",
        metavar="ARCHIVO",
        type=Path,
        action="append",
        help="certificado PEM para los nombres que él mismo dice (fullchain.pem); pueden ser varios, cada "
        "uno con su --https-key, y se vuelven a leer cuando cambian",
    )
    add(
        "--https-key",
        metavar="ARCHIVO",
        type=Path,
        action="append",
        help="la llave de --https-cert (privkey.pem), en el mismo orden",
    )
    add(
        "--https-redirect",
        action="store_true",
        help="a quien llega por HTTP a un nombre que tiene HTTPS, lo manda allá (308)",
    )
    add(
        "--hsts",
        metavar="SEGUNDOS",
        type=_hsts,
        help="dice a los navegadores que por ese tiempo vuelvan solo con HTTPS; empiece con poco (300)",
    )
    add_acme_options(parser)


def read_https_options(options: argparse.Namespace) -> HttpsOptions | None:
    """Return what the options ask for; None: no HTTPS.

    Raises:
        ConfigError: they contradict one another, or something is missing.
    """
    if options.https_port is None:
        given = [name for name in vars(options) if name.startswith(("https_", "hsts", "acme_"))]
        for name in given:
            if getattr(options, name):
                raise ConfigError(
                    f"--{name.replace('_', '-')} va con --https-port, el puerto de los visitantes con HTTPS: "
                    "--https-port 443, o --https-port 8443 sin privilegios."
                )
        return None
    if options.https_port and options.https_port in (options.port, options.control_port, options.sni_port):
        raise ConfigError(
            f"el puerto {options.https_port} ya es de otro: --https-port va aparte de --port, --control-port "
            "y --sni-port."
        )
    files = _certificate_files(options)
    acme = read_acme_options(options)
    if not files and acme is None:
        raise ConfigError(
            "con --https-port hace falta un certificado: uno suyo (--https-cert y --https-key), o que se "
            "pida uno (--acme-domain todo.example)."
        )
    return HttpsOptions(options.https_port, files, acme, options.https_redirect, options.hsts or 0)


def _certificate_files(options: argparse.Namespace) -> tuple[CertificateFiles, ...]:
    certificates, keys = options.https_cert or [], options.https_key or []
    if len(certificates) != len(keys):
        raise ConfigError("--https-cert y --https-key van juntos: cada certificado con su llave.")
    return tuple(map(CertificateFiles, certificates, keys))


def _hsts(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) < 12
    if not is_number or not 0 < int(text) <= _MAX_HSTS_S:
        raise argparse.ArgumentTypeError(
            f"«{text}» no es un tiempo en segundos enteros: 300, o 31536000 (un año)"
        )
    return int(text)
