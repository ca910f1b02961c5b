"""``gcp``: a machine at Google, driven by gcloud."""

from __future__ import annotations

import json
import secrets
import shlex
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tunnel.exitnodes.errors import (
    BadOrder,
    NoProject,
    NoSuchNode,
    NotLoggedIn,
    PermissionDenied,
    ProviderFailed,
)
from tunnel.exitnodes.gcp.files import make_files
from tunnel.exitnodes.gcp.gcloud import ApiDisabled, NotThere, ask, ask_as, instances, lines, program
from tunnel.exitnodes.gcp.machine import PORT_LABEL, SECRET_KEY, FilesStep, FirewallStep, MachineStep
from tunnel.exitnodes.gcp.names import check_region, parse_expiry_label, project_of, resource_name
from tunnel.exitnodes.gcp.project import ApiStep, BillingStep, ProjectStep, is_new
from tunnel.exitnodes.model import Announcement, FoundNode, Order, Query, Search
from tunnel.exitnodes.naming import slug
from tunnel.exitnodes.provider import Context, Provider, Step
from tunnel.exitnodes.simulation import require_guests

__all__ = ["GcpProvider"]

_PROJECT = ("gcloud", "config", "get-value", "project")
_ACCOUNT = ("gcloud", "auth", "list", "--filter=status:ACTIVE", "--format=value(account)")
_MAX_DURATION_S = 120 * 86400  # https://cloud.google.com/compute/docs/instances/limit-vm-runtime
# At most 10 questions a minute for a machine's guest attributes:
# https://cloud.google.com/compute/docs/metadata/manage-guest-attributes
_ASK_AGAIN_S = 6.5
_PRICES = ("gcp-e2-micro", "gcp-pd-standard-10gb", "gcp-ipv4")
_STATES = {
    "PROVISIONING": "creándose",
    "STAGING": "creándose",
    "RUNNING": "en marcha",
    "STOPPING": "deteniéndose",
    "TERMINATED": "detenido",
}


class GcpProvider(Provider):
    """Exit nodes on Google Compute Engine."""

    name = "gcp"
    title = "una máquina de Google Cloud"
    ready_timeout_s = 600.0

    def __init__(self) -> None:
        self._asked_at: dict[str, float] = {}

    def check(self, order: Order) -> None:
        """See the base class."""
        path = program(self.is_simulated(order))
        if self.is_simulated(order):
            require_guests(Path(path).parents[1])
        if not lines(ask_as(path, _ACCOUNT)):
            raise NotLoggedIn("gcloud no sabe quién es usted. Entre con: gcloud auth login")
        if not project_of(order):
            raise NoProject(
                "falta el proyecto. Elija uno con --proyecto ID (los suyos: gcloud projects list), "
                "fíjelo con «gcloud config set project ID», o pida uno nuevo con --proyecto-nuevo "
                "--cuenta-facturacion ID."
            )

    def settle(self, order: Order) -> Order:
        """See the base class."""
        if "," in str(order.folder):
            raise BadOrder(f"gcloud no admite comas en la ruta {order.folder}. Cambie XDG_STATE_HOME.")
        if order.duration_s > _MAX_DURATION_S:
            raise BadOrder("una máquina de Google dura a lo sumo 120 días: acorte --duracion.")
        make_files(order)  # refuses what does not fit
        project = project_of(order)
        if is_new(order):
            if not order.option("cuenta-facturacion"):
                raise BadOrder(
                    "un proyecto nuevo necesita quien lo pague, y eso lo elige usted: "
                    "--cuenta-facturacion ID. Las suyas: gcloud billing accounts list"
                )
            # Ids: 6 to 30 lower case letters, digits and hyphens, unique in the world, never used again:
            # https://cloud.google.com/resource-manager/docs/creating-managing-projects
            project = project or f"tunelab-{slug(order.name, 14)}-{secrets.token_hex(3)}"
        project = project or self._configured_project(self.is_simulated(order))
        options = {**dict(order.options), "proyecto": project}
        region = check_region(order.region)
        return replace(order, region=region, options=tuple((k, v) for k, v in options.items() if v))

    def _configured_project(self, is_simulated: bool) -> str:
        if not is_simulated and shutil.which("gcloud") is None:
            return ""  # ``check`` says so; a plan can be shown all the same
        told = lines(ask_as(program(is_simulated), _PROJECT))
        return told[0] if told and told[0] != "(unset)" else ""

    def steps(self, order: Order) -> Sequence[Step]:
        """See the base class."""
        return [
            FilesStep(order),
            ProjectStep(order),
            BillingStep(order),
            ApiStep(order),
            FirewallStep(order),
            MachineStep(order),
        ]

    def notes(self, order: Order) -> tuple[str, ...]:
        """See the base class."""
        clear = shlex.join(_remove_secret(order, "ZONA"))
        told = [
            "El token viaja en los metadatos de la máquina y se quita de allí en cuanto el nodo contesta: "
            f"{clear}",
            "A su hora la máquina se borra sola, con su disco y su dirección; la regla del cortafuegos "
            "no, y no cuesta. «tunnel exit-node delete» se lleva todo.",
            "Nada se promete como gratis: qué cubre el nivel gratuito depende de su cuenta.",
        ]
        if not order.source_ranges:
            told.append("Cualquiera en Internet puede llegar al nodo; --source-ranges lo limita.")
        if is_new(order):
            told.append("El proyecto que se crea se borra con el nodo; Google guarda su id 30 días.")
        return tuple(told)

    def is_simulated(self, order: Order) -> bool:
        """See the base class."""
        return bool(order.option("simulada"))

    def announcement(self, context: Context) -> Announcement | None:
        """See the base class."""
        order, facts = context.order, context.facts
        now = time.monotonic()
        if now - self._asked_at.get(order.name, float("-inf")) < _ASK_AGAIN_S:
            return None
        self._asked_at[order.name] = now
        told = self._attributes(order, facts.get("zone", ""))
        if "pin" in told:
            address = facts.get("address", "")
            url, public_url = f"wss://{address}:{order.control_port}", f"http://{address}:{order.data_port}"
            return Announcement(url, public_url, told["pin"])
        if "fallo" in told:
            raise ProviderFailed(
                f"el arranque de la máquina falló ({told['fallo']}). Vea qué escribió con «tunnel exit-node "
                f"logs {order.name}» y bórrela con «tunnel exit-node delete {order.name}»."
            )
        return None

    def _attributes(self, order: Order, zone: str) -> dict[str, str]:
        # https://cloud.google.com/sdk/gcloud/reference/compute/instances/get-guest-attributes
        place = (f"--project={project_of(order)}", f"--zone={zone}")
        argv = ("gcloud", "compute", "instances", "get-guest-attributes", resource_name(order), *place)
        try:
            told = ask(order, (*argv, "--query-path=tunelab/", "--format=json"))
        except NotThere:
            return {}
        try:
            return {str(item["key"]): str(item["value"]) for item in json.loads(told.out or "[]")}
        except (ValueError, KeyError, TypeError):
            raise ProviderFailed("gcloud mostró los atributos de una forma que no se entiende.") from None

    def confirmed(self, context: Context) -> None:
        """See the base class."""
        ask(context.order, _remove_secret(context.order, context.facts.get("zone", "")))

    def survivors(self, order: Order) -> Sequence[Query]:
        """See the base class."""
        project, name = project_of(order), resource_name(order)
        marks = f"labels.curso={order.course} AND labels.nodo={order.name}"
        listing = ("gcloud", "projects", "list", f"--filter={marks}", "--format=value(projectId)")
        queries = [self._asked(order, listing)]
        machines = ("gcloud", "compute", "instances", "list", f"--project={project}")
        rules = ("gcloud", "compute", "firewall-rules", "list", f"--project={project}")
        disks = ("gcloud", "compute", "disks", "list", f"--project={project}")
        if is_new(order) and project not in queries[0].answer:
            return queries  # gone, with all that was in it
        listings: tuple[tuple[str, ...], ...] = (
            (*machines, f"--filter={marks}"),
            (*machines, f"--filter=name={name}"),
            (*rules, f"--filter=name={name}"),
            (*disks, f"--filter=name={name}"),
        )
        return queries + [self._asked(order, (*argv, "--format=value(name)")) for argv in listings]

    def _asked(self, order: Order, argv: tuple[str, ...]) -> Query:
        question = shlex.join(argv)
        try:
            return Query(question, lines(ask(order, argv)))
        except (ApiDisabled, NotThere):
            return Query(question)  # where there is no project or no API there is nothing
        except PermissionDenied:
            if is_new(order):
                return Query(question)
            raise

    def found(self, search: Search) -> Sequence[FoundNode]:
        """See the base class."""
        is_simulated = bool(search.option("simulada"))
        path = program(is_simulated)
        project = search.option("proyecto") or self._configured_project(is_simulated)
        if not project:
            raise NoProject("falta el proyecto en que buscar: --proyecto ID.")
        argv = ("gcloud", "compute", "instances", "list", f"--project={project}")
        try:
            told = instances(ask_as(path, (*argv, f"--filter=labels.curso={search.course}", "--format=json")))
        except (ApiDisabled, NotThere):
            return []
        return [
            FoundNode(
                provider=self.name,
                name=item.labels.get("nodo", item.name),
                state=_STATES.get(item.status, item.status.lower()),
                student=item.labels.get("alumno", ""),
                lab=item.labels.get("laboratorio", ""),
                region=item.zone,
                public_url=f"http://{item.address}:{port}"
                if item.address and (port := item.labels.get(PORT_LABEL))
                else "",
                expires=parse_expiry_label(item.labels.get("vence", "")),
                prices=_PRICES,
                is_simulated=is_simulated,
                facts={"project": project, "zone": item.zone, "address": item.address},
            )
            for item in told
        ]

    def ssh(self, context: Context, command: Sequence[str]) -> list[str]:
        """See the base class."""
        # https://cloud.google.com/sdk/gcloud/reference/compute/ssh
        there = [f"--command={shlex.join(command)}"] if command else []
        return [*self._reach(context, "ssh"), *there]

    def logs(self, context: Context, follow: bool) -> list[str]:
        """Return the command that shows the machine's console, where its start tells how it went."""
        verb = "tail-serial-port-output" if follow else "get-serial-port-output"
        return self._reach(context, "instances", verb)

    def _reach(self, context: Context, *words: str) -> list[str]:
        order = context.order
        if "zone" not in context.facts:
            raise NoSuchNode(f"el nodo «{order.name}» no tiene máquina.")
        place = [f"--project={project_of(order)}", f"--zone={context.facts['zone']}"]
        return [program(self.is_simulated(order)), "compute", *words, resource_name(order), *place]


def _remove_secret(order: Order, zone: str) -> tuple[str, ...]:
    # https://cloud.google.com/sdk/gcloud/reference/compute/instances/remove-metadata
    place = (f"--project={project_of(order)}", f"--zone={zone}")
    verb = ("gcloud", "compute", "instances", "remove-metadata", resource_name(order))
    return (*verb, *place, f"--keys={SECRET_KEY}", "--quiet")
