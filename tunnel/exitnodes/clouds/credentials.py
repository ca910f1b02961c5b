"""Where each provider's own tools keep their credentials: never in a command line, never in our files."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tunnel.config import Secret
from tunnel.exitnodes.errors import NotLoggedIn

__all__ = ["AwsCredentials", "read_aws_credentials", "read_token"]


@dataclass(frozen=True, slots=True)
class AwsCredentials:
    """What signs a request to Amazon."""

    key_id: str
    secret_key: Secret
    session_token: Secret | None = None


def read_aws_credentials(environ: Mapping[str, str]) -> AwsCredentials:
    """Return Amazon's credentials, from the environment or the profile, in that order.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html

    Raises:
        NotLoggedIn: there are none, or half of them.
    """
    found = _aws_from(environ, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    if found is not None:
        return found
    profile = environ.get("AWS_PROFILE", "default")
    home = Path(environ.get("HOME") or Path.home())
    path = Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials")
    # Raw: a secret key may hold a percent sign.
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
        section = dict(parser[profile]) if parser.has_section(profile) else {}
    except (OSError, configparser.Error, UnicodeDecodeError):
        raise NotLoggedIn(
            f"no se puede leer {path}, el archivo de credenciales de Amazon. Rehágalo con «aws configure»."
        ) from None
    found = _aws_from(section, "aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    if found is not None:
        return found
    raise NotLoggedIn(
        "faltan las credenciales de Amazon: ni AWS_ACCESS_KEY_ID y AWS_SECRET_ACCESS_KEY en el entorno, ni "
        f"el perfil «{profile}» en {path}. Créelas en la consola (IAM, claves de acceso) y guárdelas con "
        "«aws configure» o en esas variables."
    )


def read_token(environ: Mapping[str, str], variables: tuple[str, ...], title: str, where: str) -> Secret:
    """Return the API token in the first of the variables that holds one.

    Args:
        title: the provider, for people.
        where: the page where a token is made.

    Raises:
        NotLoggedIn: none of them does.
    """
    for variable in variables:
        if value := environ.get(variable, "").strip():
            return Secret(value)
    raise NotLoggedIn(
        f"falta la clave de la API de {title}: créela en {where} y póngala en la variable de entorno "
        f"{variables[0]}."
    )


def _aws_from(
    values: Mapping[str, str], key_id: str, secret_key: str, session_token: str
) -> AwsCredentials | None:
    if not values.get(key_id) and not values.get(secret_key):
        return None
    if not values.get(key_id) or not values.get(secret_key):
        missing = secret_key if values.get(key_id) else key_id
        raise NotLoggedIn(f"las credenciales de Amazon están a medias: falta {missing}.")
    token = values.get(session_token)
    return AwsCredentials(values[key_id], Secret(values[secret_key]), Secret(token) if token else None)
