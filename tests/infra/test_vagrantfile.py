"""The Vagrantfile read in every way that a machine without the virtualisers allows."""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from place import ROOT, copy_checkout
from support.requirements import require_program

PROVIDERS = ("virtualbox", "vmware_desktop", "parallels", "utm", "libvirt", "qemu", "docker")
STUB = Path(__file__).with_name("vagrantfile_stub.rb")

#: MiB that the machines which start by default may have together.
MEMORY_LIMIT = 1536


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the checkout: Vagrant writes beside the Vagrantfile."""
    copy = tmp_path / "curso"
    copy_checkout(copy)
    return copy


def evaluate(checkout: Path, *what: str | Path, given: str = "", **environment: str) -> Any:
    """Return what the stub prints for `what`: a provider's name, or one of its questions."""
    require_program("ruby", "sudo apt install vagrant")
    done = subprocess.run(
        ["ruby", STUB, checkout / "Vagrantfile", *what],
        env={**os.environ, "VAGRANT_DOTFILE_PATH": str(checkout / ".vagrant"), **environment},
        input=given,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_vagrant_validates_it(checkout: Path, tmp_path: Path) -> None:
    vagrant = require_program("vagrant", "https://developer.hashicorp.com/vagrant/install")
    done = subprocess.run(
        [vagrant, "validate", "--ignore-provider"],
        cwd=checkout,
        env={**os.environ, "VAGRANT_HOME": str(tmp_path / "vagrant"), "VAGRANT_CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "validated successfully" in done.stdout


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_providers_branch_sets_only_what_the_provider_knows(checkout: Path, provider: str) -> None:
    machines = evaluate(checkout, provider)["machines"]
    assert list(machines) == ["exit-node", "laptop"]
    for name, machine in machines.items():
        assert machine["hostname"] == name
        assert machine["settings"], "a branch that sets nothing"


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "docker"])
def test_the_machines_are_small(checkout: Path, provider: str) -> None:
    machines = evaluate(checkout, provider)["machines"].values()
    sizes = []
    for machine in machines:
        settings = machine["settings"]
        vmx = settings.get("vmx") or {}
        sizes.append(int(str(settings.get("memory") or vmx["memsize"]).removesuffix("M")))
        assert str(settings.get("cpus") or settings.get("smp") or vmx["numvcpus"]) == "1"
    assert sum(sizes) <= MEMORY_LIMIT


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name not in ("docker", "utm")])
def test_the_addresses_are_fixed_and_virtualbox_admits_them(checkout: Path, provider: str) -> None:
    machines = evaluate(checkout, provider)["machines"]
    addresses = {}
    for name, machine in machines.items():
        private = [options for kind, options in machine["networks"] if kind == "private_network"]
        assert len(private) == 1
        addresses[name] = private[0]["ip"]
    assert addresses == {"exit-node": "192.168.56.20", "laptop": "192.168.56.10"}


def test_docker_gets_the_same_addresses_from_the_engine(checkout: Path) -> None:
    machines = evaluate(checkout, "docker")["machines"]
    assert "--ip=192.168.56.20" in machines["exit-node"]["settings"]["create_args"]
    assert "--ip=192.168.56.10" in machines["laptop"]["settings"]["create_args"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_forwarded_port_is_the_loopbacks_and_steps_aside(checkout: Path, provider: str) -> None:
    machines = evaluate(checkout, provider)["machines"]
    ports = [
        o for machine in machines.values() for kind, o in machine["networks"] if kind == "forwarded_port"
    ]
    assert {port["guest"] for port in ports} == {8000, 5000}
    assert all(port["host_ip"] == "127.0.0.1" and port["auto_correct"] for port in ports)


def libvirt_ports(checkout: Path, data: Path, host: int) -> Any:
    """Return where a forward from `host` goes on libvirt, where the Vagrantfile is what steps aside."""
    options = {"guest": 5000, "host": host, "host_ip": "127.0.0.1", "auto_correct": True}
    return evaluate(checkout, "ports", data, given=json.dumps([options]))


def test_a_taken_port_is_stepped_aside_of_on_libvirt_too(checkout: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert libvirt_ports(checkout, tmp_path, port)["chosen"][0] > port
    assert libvirt_ports(checkout, tmp_path, port)["chosen"] == [port]


def test_a_port_that_the_machine_itself_forwards_is_kept_and_told(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "pids").mkdir()
    (tmp_path / "logs").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as forward:
        port = forward.getsockname()[1]
        pid = tmp_path / "pids" / f"ssh_{port}.pid"
        pid.write_text(str(os.getpid()))
        (tmp_path / "logs" / f"ssh-forwarding-127.0.0.1_{port}-192.168.121.7_5000.log").touch()
        assert libvirt_ports(checkout, tmp_path, port) == {"chosen": [port], "forwarded": {"5000": port}}
        with subprocess.Popen(["true"]) as ended:
            pass
        pid.write_text(str(ended.pid))
        found = libvirt_ports(checkout, tmp_path, port)
        assert found["chosen"] != [port]
        assert found["forwarded"] == {}


def test_the_laptop_is_the_primary_machine_and_both_start_by_default(checkout: Path) -> None:
    machines = evaluate(checkout, "virtualbox")["machines"]
    assert machines["laptop"]["options"] == {"primary": True, "autostart": True}
    assert machines["exit-node"]["options"] == {"primary": False, "autostart": True}


def test_the_box_is_pinned(checkout: Path) -> None:
    box = evaluate(checkout, "virtualbox")["box"]
    assert box["box"] == "bento/debian-12"
    assert box["box_version"].replace(".", "").isdigit()
    assert box["box_check_update"] is False


@pytest.mark.parametrize(("where", "kind"), [("", "ansible_local"), ("host", "ansible")])
def test_ansible_runs_in_the_guest_unless_asked_otherwise(checkout: Path, where: str, kind: str) -> None:
    machines = evaluate(checkout, "virtualbox", LAB_ANSIBLE=where)["machines"]
    for machine in machines.values():
        provisioners = dict(machine["provisioners"])
        assert list(provisioners) == ["token", "preparar", "ansible"]
        assert provisioners["ansible"]["type"] == kind
        assert provisioners["ansible"]["groups"] == {"exit_nodes": ["exit-node"], "laptops": ["laptop"]}
        # `vagrant validate` does not notice a file that is missing.
        assert (checkout / provisioners["ansible"]["playbook"]).is_file()
        assert (checkout / provisioners["preparar"]["path"]).is_file()


def test_the_secret_is_made_once_and_only_its_owner_reads_it(checkout: Path) -> None:
    evaluate(checkout, "virtualbox")
    token = checkout / ".vagrant" / "tunelab" / "token"
    assert token.stat().st_mode & 0o777 == 0o600
    first = token.read_text()
    assert len(first.strip()) >= 32
    evaluate(checkout, "virtualbox")
    assert token.read_text() == first


def test_a_host_with_too_little_memory_is_told_so(checkout: Path) -> None:
    message = evaluate(checkout, "memory", LAB_MEMORIA_ANFITRION="2000")
    assert "tiene 2000 MB y hacen falta 2304" in message
    assert "./scripts/demo" in message
    assert evaluate(checkout, "memory", LAB_MEMORIA_ANFITRION="2304") is None


def test_a_misspelt_setting_would_be_noticed(checkout: Path) -> None:
    vagrantfile = checkout / "Vagrantfile"
    text = vagrantfile.read_text()
    assert "prl.linked_clone" in text
    vagrantfile.write_text(text.replace("prl.linked_clone", "prl.linkedclone"))
    ruby = shutil.which("ruby")
    if ruby is None:
        pytest.skip("the test above says how to get it")
    done = subprocess.run([ruby, STUB, vagrantfile, "parallels"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "parallels has no setting linkedclone" in done.stderr


def test_the_image_of_the_guests_is_named_after_its_recipe(checkout: Path) -> None:
    first = evaluate(checkout, "docker")["machines"]["laptop"]["settings"]["image"]
    recipe = checkout / "docker" / "Dockerfile"
    recipe.write_text(recipe.read_text() + "# another\n")
    assert evaluate(checkout, "docker")["machines"]["laptop"]["settings"]["image"] != first
    assert (ROOT / "docker" / "Dockerfile").is_file()
