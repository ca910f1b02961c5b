"""The steps of an account: the project, who pays for it, the API."""

from __future__ import annotations

from tunnel.exitnodes.errors import BillingDisabled, NameTaken, NoProject, PermissionDenied, ProviderFailed
from tunnel.exitnodes.gcp.gcloud import ApiDisabled, NotThere, ask, lines
from tunnel.exitnodes.gcp.names import project_of
from tunnel.exitnodes.model import Facts, Order, StepInfo
from tunnel.exitnodes.provider import Context, Step

__all__ = ["ApiStep", "BillingStep", "ProjectStep", "is_new", "project_marks"]

_API = "compute.googleapis.com"


def is_new(order: Order) -> bool:
    """Whether the project is made for the node, and goes with it."""
    return bool(order.option("proyecto-nuevo"))


def project_marks(order: Order) -> dict[str, str]:
    """Return the labels of a project that is ours."""
    return {"curso": order.course, "nodo": order.name}


class ProjectStep(Step):
    """The project: it is there already, or it is made for the node."""

    # https://cloud.google.com/sdk/gcloud/reference/projects/create, …/describe, …/delete
    def __init__(self, order: Order) -> None:
        project = project_of(order)
        marks = ",".join(f"{key}={value}" for key, value in project_marks(order).items())
        describe = ("gcloud", "projects", "describe", project)
        if is_new(order):
            self.info = StepInfo(
                id="proyecto",
                title=f"el proyecto {project}",
                why="Todo lo del nodo queda aparte y se va con él; su id es único en el mundo.",
                argv=("gcloud", "projects", "create", project, f"--labels={marks}", "--quiet"),
                probe=describe,
                undo=("gcloud", "projects", "delete", project, "--quiet"),
            )
        else:
            self.info = StepInfo(
                id="proyecto",
                title=f"el proyecto {project}",
                why="Es suyo y ya existe: se comprueba, y no se toca.",
                argv=describe,
                is_kept=True,
            )

    def find(self, context: Context) -> Facts | None:
        """See the base class."""
        order, project = context.order, project_of(context.order)
        form = "--format=value(lifecycleState,labels.curso,labels.nodo)"
        try:
            told = ask(order, ("gcloud", "projects", "describe", project, form))
        except (NotThere, PermissionDenied) as fault:
            # Google does not tell an id that is free from one that is a stranger's.
            if is_new(order):
                return None
            raise NoProject(
                f"el proyecto «{project}» no existe, o no es suyo. Los suyos: gcloud projects list. {fault}"
            ) from None
        state, *labels = ([*told.out.rstrip("\n").split("\t"), "", "", ""])[:3]
        if state != "ACTIVE":
            if is_new(order):
                return None
            raise NoProject(f"el proyecto «{project}» se está borrando ({state}). Elija otro con --proyecto.")
        if is_new(order) and labels != list(project_marks(order).values()):
            raise NameTaken(f"el proyecto «{project}» existe y no es de este nodo: no se toca.")
        return {"project": project}

    def make(self, context: Context) -> Facts:
        """See the base class."""
        ask(context.order, self.info.argv)
        return {"project": project_of(context.order)}

    def remove(self, context: Context) -> None:
        """See the base class."""
        order = context.order
        project = project_of(order)
        try:
            query = ("gcloud", "compute", "instances", "list", f"--project={project}", "--format=value(name)")
            others = lines(ask(order, query))
        except ApiDisabled:
            others = ()
        if others:
            raise ProviderFailed(
                f"en el proyecto «{project}» hay otras máquinas ({', '.join(others)}), y se irían con él: no "
                "se borró. Bórrelas primero."
            )
        ask(order, self.info.undo)


class BillingStep(Step):
    """The account that pays for the project: the one it has, or the one that was named."""

    # https://cloud.google.com/sdk/gcloud/reference/billing/projects/link, …/describe
    def __init__(self, order: Order) -> None:
        project, account = project_of(order), order.option("cuenta-facturacion")
        self._describe = (
            *("gcloud", "billing", "projects", "describe", project),
            "--format=value(billingEnabled)",
        )
        link = ("gcloud", "billing", "projects", "link", project, f"--billing-account={account}", "--quiet")
        probe = f"[[ $({' '.join(self._describe[:-1])} '{self._describe[-1]}') == True ]]"
        self.info = StepInfo(
            id="facturacion",
            title="quién paga el proyecto",
            why="Google pide una cuenta de facturación aun para lo gratuito; solo se usa la que usted elija.",
            argv=link if account else self._describe,
            script=(
                f"if ! {probe}; then\n  correr {' '.join(link)}\nfi"
                if account
                else f"if ! {probe}; then\n"
                "  echo 'El proyecto no tiene facturación. Elija una cuenta con --cuenta-facturacion.' >&2\n"
                "  exit 3\nfi"
            ),
            is_kept=not is_new(order),
        )

    def find(self, context: Context) -> Facts | None:
        """See the base class."""
        try:
            told = ask(context.order, self._describe)
        except (NotThere, PermissionDenied):
            if is_new(context.order):  # no project, no billing
                return None
            raise
        return {} if told.out.strip() == "True" else None

    def make(self, context: Context) -> Facts:
        """See the base class."""
        order = context.order
        if not order.option("cuenta-facturacion"):
            raise BillingDisabled(
                f"el proyecto «{project_of(order)}» no tiene cuenta de facturación, y aquí nadie la "
                "elige por usted. Vea las suyas con «gcloud billing accounts list» y repita la orden con "
                "--cuenta-facturacion ID."
            )
        ask(order, self.info.argv)
        return {}

    def remove(self, context: Context) -> None:
        """It goes with the project that was made for the node."""


class ApiStep(Step):
    """The API of Compute Engine."""

    # https://cloud.google.com/sdk/gcloud/reference/services/enable, …/list
    def __init__(self, order: Order) -> None:
        where = f"--project={project_of(order)}"
        self._list = (
            *("gcloud", "services", "list", "--enabled", where),
            f"--filter=config.name={_API}",
            "--format=value(config.name)",
        )
        self.info = StepInfo(
            id="api",
            title="la API de Compute Engine",
            why="Sin ella el proyecto no puede tener máquinas; habilitarla no cuesta.",
            argv=("gcloud", "services", "enable", _API, where, "--quiet"),
            is_kept=not is_new(order),
        )

    def find(self, context: Context) -> Facts | None:
        """See the base class."""
        try:
            return {} if lines(ask(context.order, self._list)) else None
        except (NotThere, PermissionDenied):
            if is_new(context.order):
                return None
            raise

    def make(self, context: Context) -> Facts:
        """See the base class."""
        ask(context.order, self.info.argv)
        return {}

    def remove(self, context: Context) -> None:
        """It goes with the project that was made for the node."""
