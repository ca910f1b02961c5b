"""The options of who shows a certificate in place of a token, and of who takes them."""

from __future__ import annotations

import argparse
from pathlib import Path

from tunnel.config import ConfigError
from tunnel.identity import IdentityFiles

__all__ = ["IDENTITY_OPTIONS", "add_client_ca_option", "add_identity_options", "read_identity"]

IDENTITY_OPTIONS = ("cert", "key")


def add_identity_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which certificate a client shows."""
    parser.add_argument(
        "--cert",
        metavar="ARCHIVO",
        type=Path,
        help="con --url wss://…: en lugar del token, el certificado del cliente (PEM), como lo hace «tunnel "
        "cert client»; se lee otra vez en cada conexión",
    )
    parser.add_argument(
        "--key", metavar="ARCHIVO", type=Path, help="con --cert: su llave, que solo usted pueda leer"
    )


def read_identity(options: argparse.Namespace) -> IdentityFiles | None:
    """Return which certificate the options name, if any.  Raises ConfigError."""
    if "cert" not in options:  # of a command that has no use for one
        return None
    if (options.cert is None) != (options.key is None):
        raise ConfigError("--cert y --key van juntos: el certificado del cliente y su llave.")
    if options.cert is None:
        return None
    if options.token_file is not None:
        raise ConfigError("--cert y --token-file no van juntos: el certificado va en lugar del token.")
    return IdentityFiles(options.cert, options.key)


def add_client_ca_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that says whose certificates an exit node takes."""
    parser.add_argument(
        "--client-ca",
        metavar="ARCHIVO",
        type=Path,
        help="con el enlace cifrado y --tokens-file: acepta, en lugar de un token, un certificado firmado "
        "por esta CA (PEM); lo que puede pedir cada uno lo dice el archivo de tokens",
    )
