"""The providers by name, imported when they are asked for, and the options that are theirs alone."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunnel.exitnodes.errors import BadOrder

if TYPE_CHECKING:
    from tunnel.exitnodes.provider import Provider

__all__ = ["OPTIONS", "PROVIDERS", "REFUSED", "ProviderOption", "load_provider"]

# Name → "module:class".  Nothing of a provider, nor of what it needs, is imported before it is asked for.
PROVIDERS: dict[str, str] = {
    "local": "tunnel.exitnodes.local.provider:LocalProvider",
    "vm": "tunnel.exitnodes.vm:VmProvider",
    "gcp": "tunnel.exitnodes.gcp.provider:GcpProvider",
    "ec2": "tunnel.exitnodes.clouds.ec2:Ec2Provider",
    "digitalocean": "tunnel.exitnodes.clouds.by_token:DigitalOceanProvider",
    "linode": "tunnel.exitnodes.clouds.by_token:LinodeProvider",
    "vultr": "tunnel.exitnodes.clouds.by_token:VultrProvider",
}

# What people ask for and cannot have, and why.  A test holds each reason to the Libcloud that is installed.
REFUSED: dict[str, str] = {
    "hetzner": "Apache Libcloud, con el que se crean los nodos en otras nubes, no conoce a Hetzner",
    "azure": "Apache Libcloud no puede hacer en Azure lo que un nodo necesita: ni dar a la máquina sus "
    "instrucciones de arranque, ni crear la red y el grupo de recursos en que vive",
}


@dataclass(frozen=True, slots=True)
class ProviderOption:
    """An option that only some providers know; the rest refuse it.

    Its value arrives as ``order.option(flag without "--")``; a switch's is ``"sí"``.  One with which nodes
    are found again (a project, say) is taken by every verb, any other by ``create`` alone.
    """

    flag: str
    help: str
    providers: tuple[str, ...]
    metavar: str = ""  # empty: a switch
    is_for_all_verbs: bool = False

    @property
    def name(self) -> str:
        """The flag without its hyphens."""
        return self.flag.removeprefix("--")


OPTIONS: tuple[ProviderOption, ...] = (
    ProviderOption(
        "--carpeta",
        "la del proyecto, con su Vagrantfile (por omisión: la actual)",
        ("vm",),
        metavar="CARPETA",
        is_for_all_verbs=True,
    ),
    ProviderOption(
        "--proyecto",
        "el id del proyecto (por omisión: el de «gcloud config get-value project»)",
        ("gcp",),
        metavar="ID",
        is_for_all_verbs=True,
    ),
    ProviderOption(
        "--proyecto-nuevo",
        "crea un proyecto para el nodo, con un id único, y lo borra con él",
        ("gcp",),
        is_for_all_verbs=True,
    ),
    ProviderOption(
        "--cuenta-facturacion",
        "la cuenta que paga, si el proyecto no tiene; las suyas: gcloud billing accounts list",
        ("gcp",),
        metavar="ID",
    ),
    ProviderOption(
        "--simulada",
        "contra una imitación de gcloud en esta máquina: sin cuenta, sin red y sin costo",
        ("gcp",),
        is_for_all_verbs=True,
    ),
)


def load_provider(name: str) -> Provider:
    """Return the provider called ``name``.

    Raises:
        BadOrder: there is none.
    """
    if name in REFUSED:
        raise BadOrder(f"no hay un proveedor «{name}»: {REFUSED[name]}. Los hay: {', '.join(PROVIDERS)}.")
    if name not in PROVIDERS:
        near = difflib.get_close_matches(name, PROVIDERS, 1)
        question = f" ¿Quiso decir {near[0]}?" if near else ""
        raise BadOrder(f"no hay un proveedor «{name}»; los hay: {', '.join(PROVIDERS)}.{question}")
    module, _, attribute = PROVIDERS[name].partition(":")
    provider: Provider = getattr(importlib.import_module(module), attribute)()
    return provider
