"""The steps of a node: its files, the firewall rule, the machine."""

from __future__ import annotations

import contextlib
import json
import shlex
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tunnel.exitnodes.errors import NameTaken, PermissionDenied, ProviderFailed, ZoneExhausted
from tunnel.exitnodes.gcp.files import PARCELS, STARTUP, are_written, write_files
from tunnel.exitnodes.gcp.gcloud import ApiDisabled, Instance, NotThere, ask, instances, program
from tunnel.exitnodes.gcp.names import ZONES, expiry_label, project_of, resource_name, rule_mark
from tunnel.exitnodes.gcp.project import is_new
from tunnel.exitnodes.model import Facts, Order, StepInfo
from tunnel.exitnodes.provider import Context, Step

__all__ = ["PORT_LABEL", "SECRET_KEY", "FilesStep", "FirewallStep", "MachineStep", "find_instance"]

PORT_LABEL = "puerto"  # the visitors', so that a list can tell the address
SECRET_KEY = "tunelab-secreto"  # noqa: S105 - the name of a metadata key
_DISK_GB = 10  # the smallest that Debian's image fits in
_API_PATIENCE_S = (5, 10, 20, 30, 30)  # an API that was just enabled takes a while to be so everywhere

T = TypeVar("T")


class FilesStep(Step):
    """The files that the machine's metadata are made from."""

    def __init__(self, order: Order) -> None:
        words = ["exit-node", "paquete", str(order.folder)]
        words += ["--port", str(order.data_port), "--control-port", str(order.control_port)]
        words += ["--tcp", order.tcp_ports_text] if order.tcp_ports else []
        words += ["--compartido"] if order.is_shared else []
        self.info = StepInfo(
            id="paquete",
            title="los archivos que la máquina leerá",
            why="El programa de este mismo curso y su guion de arranque viajan en los metadatos de la "
            "máquina; ninguno lleva el token.",
            argv=("tunnel", *words),
            script=_path_of_simulation(order) + f'correr "$tunel" {shlex.join(words)}',
        )

    def find(self, context: Context) -> Facts | None:
        """See the base class."""
        return {} if are_written(context.order) else None

    def make(self, context: Context) -> Facts:
        """See the base class."""
        write_files(context.order)
        return {}

    def remove(self, context: Context) -> None:
        """See the base class."""
        for name in (STARTUP, *PARCELS):
            (context.order.folder / name).unlink(missing_ok=True)


class FirewallStep(Step):
    """The rule that lets visitors and the client in, to this machine alone."""

    # https://cloud.google.com/sdk/gcloud/reference/compute/firewall-rules/create, …/list, …/delete
    def __init__(self, order: Order) -> None:
        name, where = resource_name(order), f"--project={project_of(order)}"
        ports = sorted({order.control_port, order.data_port, *order.tcp_ports})
        self._list = (
            *("gcloud", "compute", "firewall-rules", "list", where),
            *(f"--filter=name={name}", "--format=json"),
        )
        self.info = StepInfo(
            id="cortafuegos",
            title="la regla del cortafuegos",
            why="Deja llegar a los visitantes y al cliente del túnel, solo a los puertos del nodo y solo a "
            "esta máquina.",
            argv=(
                *("gcloud", "compute", "firewall-rules", "create", name, where),
                *("--network=default", "--direction=INGRESS", "--action=ALLOW"),
                "--rules=" + ",".join(f"tcp:{port}" for port in ports),
                "--source-ranges=" + (",".join(order.source_ranges) or "0.0.0.0/0"),
                *(f"--target-tags={name}", f"--description={rule_mark(order)}", "--quiet"),
            ),
            probe=("gcloud", "compute", "firewall-rules", "describe", name, where),
            undo=("gcloud", "compute", "firewall-rules", "delete", name, where, "--quiet"),
        )

    def find(self, context: Context) -> Facts | None:
        """See the base class."""
        listed = _listed(context.order, lambda: ask(context.order, self._list).out, "[]")
        try:
            rules = [(str(rule["name"]), str(rule.get("description", ""))) for rule in json.loads(listed)]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ProviderFailed("gcloud listó las reglas de una forma que no se entiende.") from None
        for name, mark in rules:
            if mark != rule_mark(context.order):
                raise NameTaken(
                    f"la regla «{name}» existe y no es de este nodo: no se toca. Elija otro --nombre."
                )
        return {"rule": rules[0][0]} if rules else None

    def make(self, context: Context) -> Facts:
        """See the base class."""
        try:
            _patiently(context, lambda: ask(context.order, self.info.argv))
        except NotThere as fault:
            raise ProviderFailed(
                f"el proyecto no tiene la red «default», en la que va el nodo: créela, o use otro "
                f"--proyecto. {fault}"
            ) from None
        return {"rule": resource_name(context.order)}

    def remove(self, context: Context) -> None:
        """See the base class."""
        with contextlib.suppress(NotThere):
            ask(context.order, self.info.undo)


class MachineStep(Step):
    """The machine, with its disk and its address, which go with it."""

    # https://cloud.google.com/sdk/gcloud/reference/compute/instances/create, …/list, …/delete
    def __init__(self, order: Order) -> None:
        self._zones = ZONES.get(order.region, ())
        zone = self._zones[0] if self._zones else "ZONA"
        self.info = StepInfo(
            id="maquina",
            title="la máquina",
            why="Con dirección pública, recibe a los visitantes. Se borra sola; no tiene cuenta de "
            "servicio, ni "
            "dirección reservada. Si en una zona no hay lugar se prueba la siguiente de la región.",
            argv=_create(order, zone, expiry_label(order.duration_s)),
            undo=_delete(order, zone),
            prices=("gcp-e2-micro", "gcp-pd-standard-10gb", "gcp-ipv4"),
            script=_script(order, self._zones),
        )

    def find(self, context: Context) -> Facts | None:
        """See the base class."""
        instance = find_instance(context.order)
        if instance is None:
            return None
        if instance.status in ("STOPPING", "TERMINATED"):  # its time was over
            context.tell(f"La máquina está «{instance.status}».")
        self.info = replace(self.info, undo=_delete(context.order, instance.zone))
        return _facts(instance)

    def make(self, context: Context) -> Facts:
        """See the base class."""
        order = context.order
        last: ZoneExhausted | None = None
        for zone in self._zones:
            argv = _create(order, zone, expiry_label(order.duration_s))
            context.tell(f"Se pide la máquina en {zone}.")
            try:
                made = instances(_patiently(context, lambda argv=argv: ask(order, argv)))  # type: ignore[misc]
            except ZoneExhausted as fault:
                context.tell(f"En {zone} no hay lugar.")
                last = fault
                continue
            return _facts(made[0])
        raise ZoneExhausted(
            f"ninguna zona de {order.region} tiene lugar ahora (se probó en {', '.join(self._zones)}). "
            f"Elija otra --region ({', '.join(name for name in ZONES if name != order.region)}) o espere. "
            f"{last or ''}".rstrip()
        )

    def remove(self, context: Context) -> None:
        """See the base class."""
        instance = find_instance(context.order)
        if instance is not None:
            with contextlib.suppress(NotThere):
                ask(context.order, _delete(context.order, instance.zone))


def find_instance(order: Order) -> Instance | None:
    """Return the order's machine, whatever zone it is in.

    Raises:
        NameTaken: there is one of its name that is not ours.
    """
    name = resource_name(order)
    argv = ("gcloud", "compute", "instances", "list", f"--project={project_of(order)}")
    query = (*argv, f"--filter=name={name}", "--format=json")
    nothing: list[Instance] = []
    found = _listed(order, lambda: instances(ask(order, query)), nothing)
    for instance in found:
        if instance.labels.get("curso") != order.course or instance.labels.get("nodo") != order.name:
            raise NameTaken(
                f"la máquina «{name}» existe y no es de este nodo: no se toca. Elija otro --nombre."
            )
    return found[0] if found else None


def _facts(instance: Instance) -> Facts:
    facts = {"machine": instance.name, "zone": instance.zone, "address": instance.address}
    return {key: value for key, value in facts.items() if value}


def _listed(order: Order, question: Callable[[], T], nothing: T) -> T:
    """Return the answer, or ``nothing`` where there cannot be anything yet: no project, no API."""
    try:
        return question()
    except (ApiDisabled, NotThere):
        return nothing
    except PermissionDenied:  # so Google speaks of projects that do not exist, too
        if is_new(order):
            return nothing
        raise


def _patiently(context: Context, action: Callable[[], T]) -> T:
    """Do it again, later, while Google says that the API is not enabled yet."""
    for pause_s in _API_PATIENCE_S:
        try:
            return action()
        except ApiDisabled:
            context.tell(f"La API todavía no está lista en todas partes; otra vez en {pause_s} s.")
            time.sleep(pause_s)
    return action()


def _create(order: Order, zone: str, expires: str) -> tuple[str, ...]:
    name = resource_name(order)
    labels = {**order.labels, PORT_LABEL: str(order.data_port), "vence": expires}
    files = {
        "startup-script": order.folder / STARTUP,
        **{f"tunelab-{name.removesuffix('.b64')}": order.folder / name for name in PARCELS},
        SECRET_KEY: order.secret_file,
    }
    return (
        *("gcloud", "compute", "instances", "create", name),
        *(f"--project={project_of(order)}", f"--zone={zone}", "--machine-type=e2-micro"),
        *("--image-family=debian-12", "--image-project=debian-cloud"),
        *(f"--boot-disk-size={_DISK_GB}GB", "--boot-disk-type=pd-standard"),
        *("--no-service-account", "--no-scopes", f"--tags={name}"),
        "--labels=" + ",".join(f"{key}={value}" for key, value in labels.items() if value),
        *(f"--max-run-duration={order.duration_s}s", "--instance-termination-action=DELETE"),
        "--metadata=enable-guest-attributes=TRUE",
        "--metadata-from-file=" + ",".join(f"{key}={path}" for key, path in files.items()),
        *("--format=json", "--quiet"),
    )


def _delete(order: Order, zone: str) -> tuple[str, ...]:
    place = (f"--project={project_of(order)}", f"--zone={zone}")
    return ("gcloud", "compute", "instances", "delete", resource_name(order), *place, "--quiet")


def _path_of_simulation(order: Order) -> str:
    if not order.option("simulada"):
        return ""
    folder = shlex.quote(str(Path(program(order_is_simulated=True)).parent))
    return f"export PATH={folder}:$PATH  # la imitación de gcloud\n"


_SCRIPT = """\
maquina=$({list})
if [[ -z $maquina ]]; then
  fin=$(($(date +%s) + {duration}))
  vence=$(date -u -d "@$fin" +%Y%m%dt%H%Mz 2>/dev/null || date -u -r "$fin" +%Y%m%dt%H%Mz)
  errores=$(mktemp)
  for zona in {zones}; do
    if correr {create} 2>"$errores"; then
      maquina=$zona
    fi
    cat "$errores" >&2
    if [[ -n $maquina ]]; then break; fi
    grep -qE 'ZONE_RESOURCE_POOL_EXHAUSTED|does not have enough resources' "$errores" || break
    echo "En $zona no hay lugar: se prueba la siguiente." >&2
  done
  rm -f "$errores"
  [[ -n $maquina ]] || exit 3
fi
"""


def _script(order: Order, zones: tuple[str, ...]) -> str:
    name = resource_name(order)
    listing = ("gcloud", "compute", "instances", "list", f"--project={project_of(order)}")
    words = []
    for word in _create(order, "ZONA", "VENCE"):
        if word.startswith("--zone="):
            words.append('--zone="$zona"')
        elif word.startswith("--labels="):
            words.append(shlex.quote(word.removesuffix("VENCE")) + '"$vence"')
        elif word != "--format=json":
            words.append(shlex.quote(word))
    return _SCRIPT.format(
        list=shlex.join((*listing, f"--filter=name={name}", "--format=value(name)")),
        duration=order.duration_s,
        zones=" ".join(zones),
        create=" ".join(words),
    )
