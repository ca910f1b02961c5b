"""``tunnel service`` on a machine with systemd: a container of the guests' image, the kit in ``/opt``."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from support.requirements import refuse

if os.name == "posix":
    import podman_lane
    from place import PlaceError, bundle_for, missing

from tunnel.exitnodes.install.wheel import make_wheel

pytestmark = pytest.mark.timeout(400)

NAME = "servicio"
TUNNEL = "/opt/tunelab/bin/tunnel"
SERVICES = ["tunnel-client", "tunnel-fileserver", "tunnel-server"]
EXPOSURE_LIMIT = 2.0
PATIENCE_S = 60.0
LISTING = "ls -A /etc/systemd/system /etc/systemd/system/multi-user.target.wants /var/lib"
SECRET = "clase1: hola desde la carpeta\n"

# As an installation is, of wheels alone: a virtual environment, and the program that pip would have made.
INSTALL = """
python3 -m venv --without-pip /opt/tunelab
cd /opt/tunelab/lib/python3*/site-packages
for wheel in /kit/*.whl; do python3 -m zipfile -e "$wheel" .; done
printf '#!%s\\nfrom tunnel.cli import entry_point\\nentry_point()\\n' \
  /opt/tunelab/bin/python > /opt/tunelab/bin/tunnel
chmod 755 /opt/tunelab/bin/tunnel
"""


@dataclass(frozen=True, slots=True)
class Guest:
    """A machine with systemd, and what root types there."""

    place: Any

    def run(self, script: str, *, code: int = 0) -> str:
        """Run a script; return what it printed, stderr too.  It must end with ``code``."""
        command = ["podman", "exec", NAME, "sh", "-ec", script]
        done = self.place.run(*command, check=False, timeout_s=120)
        assert done.returncode == code, f"{script}: {done.returncode}\n{done.stdout}"
        return str(done.stdout)

    def show(self, service: str, fact: str) -> str:
        """Return one of systemd's properties of a service."""
        return self.run(f"systemctl show --value --property={fact} {service}.service").strip()

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait until something is so, or fail with what the services wrote."""
        limit = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < limit, f"{what}\n{self.run('journalctl --no-pager --lines 80')}"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    if os.name != "posix" or os.geteuid() != 0:
        refuse("las máquinas de prueba necesitan root: sudo ./scripts/test tests/infra")
    lacking = missing(podman_lane.NEEDED)
    if lacking:
        refuse(f"falta {', '.join(lacking)}: sudo apt install --no-install-recommends {' '.join(lacking)}")
    kit = tmp_path_factory.mktemp("kit")
    with podman_lane.PodmanPlace(bundle=False) as place:
        for wheel in (bundle_for(place.store / "dpkg-status") / "wheels").glob("*.whl"):
            shutil.copy(wheel, kit)
        own = make_wheel()
        (kit / own.name).write_bytes(own.data)
        assert zipfile.is_zipfile(kit / own.name)
        image = f"localhost/tunelab-guest:{podman_lane.image_key()}"
        options = [
            f"--name={NAME}",
            "--privileged",
            "--systemd=always",
            "--network=none",
            f"--volume={kit}:/kit:ro",
        ]
        place.run("podman", "run", "--detach", *options, image)
        guest = Guest(place)
        guest.wait(
            "the machine did not boot",
            lambda: "running" in place.run(
                "podman", "exec", NAME, "systemctl", "is-system-running", "--wait", check=False
            ).stdout,
        )  # fmt: skip
        guest.run(INSTALL)
        guest.run(f"mkdir -m 755 /srv/notas && printf '{SECRET.strip()}\\n' > /srv/notas/clase1.txt")
        guest.run(f"cd /root && {TUNNEL} token --salida lectura.txt")
        yield guest


@pytest.fixture(scope="module")
def installed(guest: Guest) -> Guest:
    """The three services, each installed by its command: a folder that visitors reach through the tunnel."""
    guest.run(f"{LISTING} > /root/antes")
    out = guest.run(f"{TUNNEL} service install server --auto-tls --auto-tls-san 127.0.0.1")
    assert "tunnel-server instalado y en marcha." in out
    assert "/var/lib/tunelab" in out
    folder = "fileserver --webroot /srv/notas --token-file /root/lectura.txt"
    guest.run(f"{TUNNEL} service install {folder}")
    client = "client --conexion /var/lib/tunelab/conexion.toml --upstream http://127.0.0.1:8080"
    assert "Túnel abierto." in guest.run(f"{TUNNEL} service install {client}")
    return guest


def visit(guest: Guest, port: int = 8000) -> str:
    script = (
        'printf \'user = "admin:%s"\' "$(cat /root/lectura.txt)" | '
        f"curl --silent --max-time 5 --config - http://127.0.0.1:{port}/clase1.txt || true"
    )
    return guest.run(script)


def test_what_was_installed_is_a_tunnel_that_works(installed: Guest) -> None:
    assert visit(installed) == SECRET
    for name in SERVICES:
        assert installed.show(name, "ActiveState") == "active"
        assert installed.show(name, "UnitFileState") == "enabled"
        assert installed.show(name, "Type") == "notify"


def test_its_status_is_told_in_words_and_in_json(installed: Guest) -> None:
    said = installed.run(f"{TUNNEL} service status")
    assert "tunnel-client: en marcha (running), reinicios: 0\n    Túnel abierto." in said
    assert "1 cliente conectado" in said
    services = json.loads(installed.run(f"{TUNNEL} service status --json"))
    assert [service["name"] for service in services] == SERVICES
    assert all(service["active"] == "active" and service["is_enabled"] for service in services)


def test_each_service_is_a_user_of_its_own_and_shut_in(installed: Guest) -> None:
    users = set()
    for name in SERVICES:
        pid = installed.show(name, "MainPID")
        users.add(installed.run(f"stat --format=%u /proc/{pid}").strip())
        assert installed.run(f"grep CapEff /proc/{pid}/status").split()[1].strip("0") == ""
        verdict = installed.run(f"systemd-analyze security --no-pager {name}.service")
        found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", verdict)
        assert found is not None, verdict
        assert float(found[1]) <= EXPOSURE_LIMIT, verdict
    assert len(users) == 3
    assert "0" not in users
    token = installed.run("cat /root/lectura.txt").strip()
    assert token not in installed.run("cat /proc/[0-9]*/cmdline /etc/systemd/system/*.service | tr '\\0' ' '")


def test_installing_again_the_same_changes_nothing(installed: Guest) -> None:
    pid = installed.show("tunnel-fileserver", "MainPID")
    folder = "fileserver --webroot /srv/notas --token-file /root/lectura.txt"
    assert "ya estaba instalado" in installed.run(f"{TUNNEL} service install {folder}")
    assert installed.show("tunnel-fileserver", "MainPID") == pid


@pytest.mark.parametrize("name", SERVICES)
def test_one_that_is_killed_comes_back_and_so_does_the_tunnel(installed: Guest, name: str) -> None:
    pid, restarts = installed.show(name, "MainPID"), int(installed.show(name, "NRestarts"))
    installed.run(f"kill -KILL {pid}")
    installed.wait(
        f"{name} did not come back",
        lambda: (
            int(installed.show(name, "NRestarts")) > restarts
            and installed.show(name, "ActiveState") == "active"
        ),
    )
    assert installed.show(name, "MainPID") != pid
    installed.wait("the tunnel did not come back", lambda: visit(installed) == SECRET)


@pytest.mark.parametrize("name", SERVICES)
def test_one_that_hangs_is_ended_and_started_again(installed: Guest, name: str) -> None:
    drop_in = f"/etc/systemd/system/{name}.service.d"
    # Half a minute, as it is, would only make the test long.
    installed.run(f"mkdir {drop_in} && printf '[Service]\\nWatchdogSec=3\\n' > {drop_in}/pronto.conf")
    installed.run(f"systemctl daemon-reload && systemctl restart {name}.service")
    try:
        pid = installed.show(name, "MainPID")
        installed.run(f"kill -STOP {pid}")
        installed.wait(
            f"{name} was left hanging",
            lambda: (
                installed.show(name, "MainPID") not in (pid, "0")
                and installed.show(name, "ActiveState") == "active"
            ),
        )
        assert "Watchdog timeout" in installed.run(f"journalctl --no-pager --unit {name}")
        # It gives signs of life: it is still the same after more than it may be silent.
        pid = installed.show(name, "MainPID")
        limit = time.monotonic() + 5
        installed.wait("time passes", lambda: time.monotonic() > limit)
        assert installed.show(name, "MainPID") == pid
    finally:
        installed.run(f"rm -r {drop_in} && systemctl daemon-reload && systemctl restart {name}.service")
    installed.wait("the tunnel did not come back", lambda: visit(installed) == SECRET)


def test_a_client_that_is_refused_does_not_insist(installed: Guest) -> None:
    installed.run(f"cd /root && {TUNNEL} token --salida otro.txt")
    pin = installed.run("grep ^pin /var/lib/tunelab/conexion.toml").split('"')[1]
    exit_node = f"--url wss://127.0.0.1:8123 --ca-pin {pin} --token-file /root/otro.txt"
    client = f"client {exit_node} --upstream http://127.0.0.1:8080"
    said = installed.run(f"{TUNNEL} service install {client} --nombre tunnel-ajeno", code=3)
    assert "no arrancó" in said
    assert "journalctl --unit tunnel-ajeno" in said
    assert installed.show("tunnel-ajeno", "ActiveState") == "failed"
    assert installed.run(f"{TUNNEL} service status tunnel-ajeno", code=1).startswith("tunnel-ajeno: falló")
    installed.run(f"{TUNNEL} service uninstall tunnel-ajeno")


def test_what_another_program_put_there_is_left_alone(installed: Guest) -> None:
    unit = "/etc/systemd/system/tunnel-fileserver-2.service"
    installed.run(f"printf '[Service]\\nExecStart=/bin/true\\n' > {unit}")
    folder = "fileserver --webroot /srv/notas --token-file /root/lectura.txt --port 8081"
    installed.run(f"{TUNNEL} service install {folder} --nombre tunnel-fileserver-2", code=1)
    installed.run(f"{TUNNEL} service uninstall tunnel-fileserver-2", code=1)
    assert "ExecStart=/bin/true" in installed.run(f"cat {unit} && rm {unit}")


def test_nothing_is_installed_without_what_it_needs(installed: Guest) -> None:
    words = "client --conexion /root/no-esta.toml --upstream http://127.0.0.1:1 --nombre tunnel-no"
    assert "no-esta.toml" in installed.run(f"{TUNNEL} service install {words}", code=2)
    assert installed.run("ls /etc/systemd/system | grep tunnel-no || true") == ""


def test_a_low_port_is_within_reach_and_a_folder_of_any_name(installed: Guest) -> None:
    folder = """'/srv/de "ana" al 100%h $HOME'"""
    installed.run(f"cp -r /srv/notas {folder}")
    words = f"fileserver --webroot {folder} --token-file /root/lectura.txt --port 81 --nombre tunnel-bajo"
    installed.run(f"{TUNNEL} service install {words}")
    assert visit(installed, 81) == SECRET
    installed.run(f"{TUNNEL} service uninstall tunnel-bajo")


def test_uninstalling_leaves_the_state_or_nothing_at_all(installed: Guest) -> None:
    for name in ("tunnel-client", "tunnel-fileserver"):
        assert installed.run(f"{TUNNEL} service uninstall {name}") == f"{name} detenido y quitado.\n"
    assert "/var/lib/tunelab" in installed.run(f"{TUNNEL} service uninstall tunnel-server")
    pin = installed.run("grep ^pin /var/lib/tunelab/conexion.toml")
    installed.run(f"{TUNNEL} service install server --auto-tls --auto-tls-san 127.0.0.1")
    assert installed.run("grep ^pin /var/lib/tunelab/conexion.toml") == pin
    installed.run(f"{TUNNEL} service uninstall tunnel-server --con-estado")
    assert installed.run(LISTING) == installed.run("cat /root/antes")
    assert installed.run("ls -A /var/lib/private") == ""
    assert installed.run("pgrep --full '[o]pt/tunelab/bin/tunnel' || true") == ""
    assert installed.run("systemctl list-units --all --no-legend 'tunnel-*'") == ""
    with pytest.raises(PlaceError):
        installed.place.run("podman", "exec", NAME, TUNNEL, "service", "status")
