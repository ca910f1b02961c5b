"""The image of ``docker/imagen``, built by its very Dockerfile on a base made here, run as its manifests say.

There is no registry of images to ask: the base is made of Debian's packages (``podman_lane.BASE_IMAGE``), and
what pip installs comes from the offline bundle.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.requirements import refuse

if os.name == "posix":
    import podman_lane
    from place import ROOT, bundle_for, copy_checkout, missing

pytestmark = pytest.mark.timeout(600)

IMAGE = "localhost/tunelab"
TASKS = "/todo/api/v1.0/tasks"
PATIENCE_S = 60.0
MORE_THAN_ITS_BASE = 130_000_000  # bytes; it was 99 million when this was written
SHUT_IN = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]


@dataclass(frozen=True, slots=True)
class Engine:
    """podman, in a place of its own, with the image."""

    place: Any

    def podman(self, *words: str, check: bool = True) -> str:
        """Run podman; return what it printed, stderr too."""
        return str(self.place.run("podman", *words, check=check, timeout_s=180).stdout)

    def start(self, name: str, *words: str, network: str = "internet", options: tuple[str, ...] = ()) -> None:
        """Start a container of the image, shut in."""
        self.podman(
            "run", "--detach", f"--name={name}", f"--network={network}", *SHUT_IN, *options, IMAGE, *words
        )

    def ask(self, container: str, url: str, body: str = "") -> tuple[int, str]:
        """Return what a program in a container gets from a URL, as a neighbour: status (0: none) and body."""
        code = (
            "import sys, urllib.request as u, urllib.error as e\n"
            "r = u.Request(sys.argv[1], sys.argv[2].encode() or None, {'Content-Type': 'application/json'})\n"
            "try: a = u.urlopen(r, timeout=5)\n"
            "except e.HTTPError as error: a = error\n"
            "except OSError as error: print(0, error); sys.exit()\n"
            "print(a.status, a.read().decode())"
        )
        said = self.podman("exec", container, "python3", "-c", code, url, body)
        status, _, text = said.partition(" ")
        return int(status), text

    def wait(self, what: str, is_so: Callable[[], bool], *containers: str) -> None:
        """Wait until something is so, or fail with what the containers wrote."""
        limit = time.monotonic() + PATIENCE_S
        while not is_so():
            logs = "" if time.monotonic() < limit else "\n".join(self.logs(name) for name in containers)
            assert time.monotonic() < limit, f"{what}\n{logs}"
            time.sleep(0.3)

    def logs(self, name: str) -> str:
        return f"{name}:\n{self.podman('logs', name, check=False)}"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    if os.name != "posix" or os.geteuid() != 0:
        refuse("las imágenes de prueba necesitan root: sudo ./scripts/test tests/infra")
    lacking = missing(podman_lane.NEEDED)
    if lacking:
        refuse(f"falta {', '.join(lacking)}: sudo apt install --no-install-recommends {' '.join(lacking)}")
    with podman_lane.PodmanPlace(bundle=False) as place:
        wheels = bundle_for(place.store / "dpkg-status") / "wheels"
        context = place.folder / "contexto"  # what git knows, and nothing that lies about here
        copy_checkout(context)
        place.podman.run(
            "build",
            "--network=host",
            f"--volume={wheels}:/wheels:ro",
            f"--build-arg=BASE={podman_lane.BASE_IMAGE}",
            "--build-arg=PIP_NO_INDEX=1",
            "--build-arg=PIP_FIND_LINKS=/wheels",
            f"--file={context}/docker/imagen/Dockerfile",
            f"--tag={IMAGE}",
            str(context),
        )
        engine = Engine(place)
        engine.podman("network", "create", "internet")
        yield engine


def test_it_is_small_and_has_nothing_to_build_with(engine: Engine) -> None:
    sizes = [
        json.loads(engine.podman("image", "inspect", name))[0]["Size"]
        for name in (IMAGE, podman_lane.BASE_IMAGE)
    ]
    assert sizes[0] - sizes[1] < MORE_THAN_ITS_BASE
    script = (
        "import importlib.util as u; print([n for n in ('pip', 'hatchling', 'pytest') if u.find_spec(n)])"
    )
    words = ["--entrypoint=/opt/tunelab/bin/python", IMAGE, "-c", script]
    assert engine.podman("run", "--rm", "--network=none", *words) == "[]\n"


def test_it_is_not_root_and_says_its_version(engine: Engine) -> None:
    assert (
        engine.podman("run", "--rm", "--network=none", *SHUT_IN, "--entrypoint=id", IMAGE, "-u") == "65532\n"
    )
    said = engine.podman("run", "--rm", "--network=none", *SHUT_IN, IMAGE, "--version")
    assert said.startswith("tunnel ")
    assert "uso: tunnel" in engine.podman("run", "--rm", "--network=none", *SHUT_IN, IMAGE)


def test_a_post_crosses_on_the_one_port_that_the_platform_gives(engine: Engine) -> None:
    """As Cloud Run would: ``PORT``, the words of the manifest, the token in the environment."""
    manifest = yaml.safe_load((ROOT / "docker" / "cloud-run" / "service.yaml").read_text())
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    port = container["ports"][0]["containerPort"]
    assert container["startupProbe"]["tcpSocket"]["port"] == port
    (variable,) = container["env"]
    assert variable["name"] == "TUNELAB_TOKEN"
    token = f"--env=TUNELAB_TOKEN={secrets.token_urlsafe(32)}"
    engine.start("nodo", *container["args"], options=(f"--env=PORT={port}", token))
    engine.start(
        "app", "serve", "--host=0.0.0.0", "--en-memoria", options=("--entrypoint=/opt/tunelab/bin/gtd-app",)
    )
    to = ["--url", f"ws://nodo:{port}", "--inseguro", "--upstream", "http://app:5000"]
    engine.start("cliente", "client", *to, options=(token,))
    url = f"http://nodo:{port}{TASKS}"
    engine.wait("no tunnel", lambda: engine.ask("app", url)[0] == 200, "nodo", "cliente", "app")
    status, body = engine.ask("app", url, json.dumps({"title": "por dos contenedores"}))
    assert status == 201, body
    _, tasks = engine.ask("cliente", f"http://app:5000{TASKS}")
    assert "por dos contenedores" in [task["title"] for task in json.loads(tasks)["tasks"]]
    # The token is in no command line; the programs end at SIGTERM, by themselves.
    for name in ("cliente", "nodo"):
        engine.podman("stop", "--time=20", name)
        assert engine.podman("inspect", "--format={{.State.ExitCode}}", name).strip() == "0"
    engine.podman("rm", "--force", "--time=0", "nodo", "cliente", "app")


@pytest.fixture
def composed(engine: Engine) -> Iterator[Callable[..., str]]:
    """Run podman-compose on the very ``docker/compose.yaml``, with a token; in the end, remove all."""
    program = Path(sys.executable).with_name("podman-compose")
    if not program.exists():
        refuse("falta podman-compose en el entorno de las pruebas: ./scripts/test lo instala")
    folder = engine.place.checkout / "docker"
    env = folder / ".env"
    env.touch(0o600)
    env.write_text(f"TUNELAB_TOKEN={secrets.token_urlsafe(32)}\n")

    def run(*words: str) -> str:
        command = f"cd {shlex.quote(str(folder))} && exec {program} {shlex.join(words)}"
        return str(engine.place.run("sh", "-c", command, timeout_s=300).stdout)

    yield run
    run("down", "--volumes", "--timeout=1")
    assert engine.podman("ps", "--all", "--quiet") == ""
    assert "tunelab" not in engine.podman("volume", "ls", "--quiet")


def test_the_composition_is_a_tunnel_to_an_application_that_nothing_else_leads_to(
    engine: Engine, composed: Callable[..., str]
) -> None:
    composed("up", "--detach", "--no-build")
    names = engine.podman("ps", "--format={{.Names}}").split()
    node, client, app = (
        next(name for name in names if part in name) for part in ("nodo", "cliente", "aplicacion")
    )
    url = f"http://127.0.0.1:8000{TASKS}"
    engine.wait("no tunnel", lambda: engine.ask(node, url)[0] == 200, node, client, app)
    visit = ["curl", "--silent", "--max-time", "10", "--header", "Content-type: application/json"]
    posted = engine.place.run(*visit, "--data", '{"title": "desde fuera"}', url).stdout
    assert json.loads(posted)["task"]["title"] == "desde fuera"
    # From the exit node there is no way to the application but the tunnel.
    assert engine.ask(node, f"http://aplicacion:5000{TASKS}")[0] == 0
    # What the exit node and the application keep outlives them.
    composed("restart", "--timeout=5")
    engine.wait("no tunnel after a restart", lambda: engine.ask(node, url)[0] == 200, node, client, app)
    assert "desde fuera" in engine.ask(node, url)[1]


def test_a_composition_without_a_token_is_refused_with_a_reason(engine: Engine) -> None:
    program = Path(sys.executable).with_name("podman-compose")
    if not program.exists():
        refuse("falta podman-compose en el entorno de las pruebas: ./scripts/test lo instala")
    command = f"cd {shlex.quote(str(ROOT / 'docker'))} && exec {program} config"
    said = engine.place.run("sh", "-c", command, check=False)
    assert said.returncode != 0
    assert "falta el token" in said.stdout
