"""The two machines as a student has them: raised, provisioned, looked at, used, restarted.

The tests run in this order, on the same two machines. scripts/aceptacion-vm runs
them on whole virtual machines.
"""

import re
import secrets
from typing import Any

import pytest
from machines import LAPTOP, PUBLIC, TASKS, Answer, Machines
from place import ROOT
from support.guide import blocks_of, difference, masked

pytestmark = pytest.mark.timeout(3600)

SEED_TITLES = ["Buy groceries", "Learn Python"]

#: systemd-analyze's verdict for a unit that a stranger may reach, at most.
EXPOSURE_LIMIT = 2.0


# --- what `vagrant up` says ---------------------------------------------------------------------------------


def test_up_ends_with_the_real_addresses_and_the_next_order(machines: Machines) -> None:
    farewell = machines.up_output[machines.up_output.index("Las máquinas están listas.") :]
    public = re.search(r"Lado público del túnel \(exit-node\): (http://127\.0\.0\.1:\d+)", farewell)
    private = re.search(r"La aplicación, en privado \(laptop\): (http://127\.0\.0\.1:(\d+))(.*)", farewell)
    assert public is not None, farewell
    assert private is not None, farewell
    assert farewell.rstrip().endswith("vagrant ssh")
    assert private[2] != "5000", "the port was taken, and still it was given out"
    assert "el 5000 estaba ocupado" in private[3]
    assert machines.visit(private[1]).body == "Hello, World!"
    assert machines.visit(public[1]).status == 503


def test_without_a_way_out_gcloud_is_left_for_later_with_a_plain_message(machines: Machines) -> None:
    if machines.place.uplink:
        pytest.skip("these machines reach the network")
    assert "gcloud no se instaló. El curso sigue sin él" in machines.up_output


# --- what is in them ----------------------------------------------------------------------------------------


def test_they_speak_spanish_and_keep_one_time(guests: dict[str, Any]) -> None:
    for guest in guests.values():
        assert "LANG=es_CO.UTF-8" in guest.file("/etc/default/locale").content_string
        assert "es_CO.utf8" in guest.check_output("locale --all-locales")
        assert guest.check_output("date +%Z") == "UTC"
        assert guest.service("systemd-timesyncd").is_enabled


def test_the_packages_are_the_pinned_ones(guests: dict[str, Any]) -> None:
    for guest in guests.values():
        assert guest.package("ansible-core").version.startswith("2.14.")
        assert guest.package("python3").version.startswith("3.11.")
        for name in ("nftables", "curl", "jq", "tcpdump", "bash-completion"):
            assert guest.package(name).is_installed, name


def test_the_machines_know_one_another_by_name(guests: dict[str, Any]) -> None:
    assert "192.168.56.20" in guests["laptop"].check_output("getent hosts exit-node")
    assert "192.168.56.10" in guests["exit-node"].check_output("getent hosts laptop")


def test_the_app_runs_as_a_user_that_owns_nothing_but_its_folder(laptop: Any) -> None:
    user = laptop.user("gtd")
    assert user.shell == "/usr/sbin/nologin"
    assert user.home == "/var/lib/gtd"
    folder = laptop.file("/var/lib/gtd")
    assert (folder.user, folder.group, folder.mode) == ("gtd", "gtd", 0o750)
    assert laptop.check_output("ps -o user= -C gtd-app").split() == ["gtd"]


def test_the_services_are_where_they_belong(guests: dict[str, Any]) -> None:
    laptop, exit_node = guests["laptop"], guests["exit-node"]
    assert laptop.service("gtd-app").is_running
    assert laptop.service("gtd-app").is_enabled
    assert exit_node.service("tunnel-server").is_running
    assert exit_node.service("tunnel-server").is_enabled
    assert not exit_node.service("gtd-app").exists
    # Installed on both; the server is enabled on the exit node alone, and the client waits for the student.
    for guest, unit in ((laptop, "tunnel-server"), (laptop, "tunnel-client"), (exit_node, "tunnel-client")):
        assert guest.file(f"/etc/systemd/system/{unit}.service").exists
        assert not guest.service(unit).is_enabled
        assert not guest.service(unit).is_running


def test_no_unit_has_failed(guests: dict[str, Any]) -> None:
    for guest in guests.values():
        assert guest.check_output("systemctl list-units --failed --plain --no-legend") == ""


@pytest.mark.parametrize(
    ("machine", "unit"), [("laptop", "gtd-app"), ("laptop", "tunnel-client"), ("exit-node", "tunnel-server")]
)
def test_the_units_are_sandboxed(guests: dict[str, Any], machine: str, unit: str) -> None:
    verdict = guests[machine].check_output(f"systemd-analyze security --no-pager {unit}.service")
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", verdict)
    assert found is not None, verdict
    assert float(found[1]) <= EXPOSURE_LIMIT, verdict


def test_the_units_have_no_word_left_to_fill_in(guests: dict[str, Any]) -> None:
    for guest in guests.values():
        for unit in ("tunnel-server", "tunnel-client"):
            text = guest.file(f"/etc/systemd/system/{unit}.service").content_string
            assert "ExecStart=/opt/tunelab/venv/bin/tunnel " in text
            assert re.search(r"@[A-Z_]+@", text) is None
            guest.check_output(f"systemd-analyze verify /etc/systemd/system/{unit}.service")


def test_the_ports_are_the_expected_ones_and_no_others(guests: dict[str, Any]) -> None:
    assert listening(guests["laptop"]) == {("0.0.0.0", 22), ("[::]", 22), ("0.0.0.0", 5000)}
    assert listening(guests["exit-node"]) == {
        ("0.0.0.0", 22),
        ("[::]", 22),
        ("0.0.0.0", 8000),
        ("0.0.0.0", 8123),
    }


def listening(guest: Any) -> set[tuple[str, int]]:
    """Return the (address, port) pairs that listen for TCP on a guest."""
    lines = guest.check_output("ss --no-header --listening --tcp --numeric").splitlines()
    assert lines
    found = set()
    for line in lines:
        address, _, port = line.split()[3].rpartition(":")
        # A box may come with a resolver of its own; nobody outside can reach it.
        if (address, port) not in {("127.0.0.53%lo", "53"), ("127.0.0.54", "53")}:
            found.add((address, int(port)))
    return found


def test_both_ends_hold_the_same_secret_and_nobody_else_can_read_it(
    machines: Machines, guests: dict[str, Any]
) -> None:
    tokens = set()
    for guest in guests.values():
        file = guest.file("/etc/tunelab/token")
        assert (file.user, file.group, file.mode) == ("root", "root", 0o600)
        tokens.add(file.content_string)
        mine = guest.file("/home/vagrant/.tunelab-token")
        assert (mine.user, mine.mode) == ("vagrant", 0o600)
    host = machines.place.checkout / ".vagrant" / "tunelab" / "token"
    assert host.stat().st_mode & 0o777 == 0o600
    assert tokens == {host.read_text()}
    assert host.read_text().strip() not in machines.up_output


def test_the_link_is_encrypted_with_the_exit_nodes_own_ca(guests: dict[str, Any]) -> None:
    laptop, exit_node = guests["laptop"], guests["exit-node"]
    assert "--auto-tls " in exit_node.file("/etc/systemd/system/tunnel-server.service").content_string
    state = exit_node.file("/var/lib/private/tunelab")
    assert (state.is_directory, state.mode) == (True, 0o700)
    for name in ("autoridad.pem", "ca.pem", "conexion.toml"):
        assert exit_node.file(f"/var/lib/private/tunelab/{name}").mode == 0o600
    token = exit_node.file("/etc/tunelab/token").content_string.strip()
    for path, owner in (("/etc/tunelab/conexion.toml", "root"), ("/home/vagrant/conexion.toml", "vagrant")):
        file = laptop.file(path)
        assert (file.user, file.mode) == (owner, 0o600)
        assert 'url = "wss://exit-node:8123"' in file.content_string
        assert 'pin = "token"' in file.content_string
        assert token in file.content_string
    # In the clear nothing answers there.
    plain = laptop.run("curl --silent --max-time 10 http://exit-node:8123/")
    assert (plain.rc != 0, plain.stdout) == (True, "")


def test_vagrant_ssh_ends_in_the_laptop(machines: Machines) -> None:
    assert (
        machines.place.run("vagrant", "ssh", "--no-tty", "--command", "hostname").stdout.strip() == "laptop"
    )


def test_the_laptop_has_every_tool_on_the_path(machines: Machines) -> None:
    for tool in ("tunnel", "gtd-app", "lab", "curl", "jq", "nc", "tcpdump"):
        assert machines.shell("laptop", f"command -v {tool}").strip().endswith(f"bin/{tool}")


def test_logging_in_says_where_one_is_and_what_comes_next(guests: dict[str, Any]) -> None:
    assert "Usted está en el portátil (laptop)" in guests["laptop"].file("/etc/motd").content_string
    assert "tunnel-client" in guests["laptop"].file("/etc/motd").content_string
    assert (
        "Usted está en el nodo de salida (exit-node)" in guests["exit-node"].file("/etc/motd").content_string
    )


# --- the laptop is behind NAT -------------------------------------------------------------------------------


def refused(answer: Answer) -> bool:
    """Whether nothing answered at all."""
    return answer.status == 0


def test_the_exit_node_cannot_open_the_laptops_app(machines: Machines, laptop: Any) -> None:
    url = f"http://{LAPTOP}:5000/"
    assert machines.visit(url, inside="laptop").status == 200, "the app must be there to be refused"
    assert refused(machines.visit(url, inside="exit-node"))
    # It is the firewall that refuses, and nothing else: without it the exit node enters.
    laptop.check_output("nft flush ruleset")
    try:
        assert machines.visit(url, inside="exit-node").status == 200
    finally:
        laptop.check_output("systemctl reload nftables")
    assert refused(machines.visit(url, inside="exit-node"))


def test_the_exit_node_cannot_enter_by_any_other_card_of_the_laptop(machines: Machines, laptop: Any) -> None:
    addresses = [word for word in laptop.check_output("hostname -I").split() if ":" not in word]
    assert LAPTOP in addresses
    for address in addresses:
        for port in (22, 5000):
            command = f"nc -z -w 3 {address} {port} && echo open || echo refused"
            assert machines.shell("exit-node", command).strip() == "refused", (address, port)


def test_the_exit_node_cannot_open_any_other_port_of_the_laptop(machines: Machines, laptop: Any) -> None:
    for port in (22, 80, 8000, 8123):
        command = f"nc -z -w 3 {LAPTOP} {port} && echo open || echo refused"
        assert machines.shell("exit-node", command).strip() == "refused", port
    # And no answer to a service that nobody had thought of.
    laptop.check_output("systemd-run --unit=intruso --collect python3 -m http.server 9999 --bind 0.0.0.0")
    try:
        wait = "for n in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:9999/ && break; sleep 0.1; done"
        laptop.check_output(wait)
        assert refused(machines.visit(f"http://{LAPTOP}:9999/", inside="exit-node"))
    finally:
        laptop.check_output("systemctl stop intruso")


def test_the_laptop_reaches_the_exit_node(machines: Machines) -> None:
    assert machines.visit("http://exit-node:8000/", inside="laptop").status == 503


# --- the guide ----------------------------------------------------------------------------------------------


def test_the_guides_commands_print_on_the_machines_what_the_guide_shows(machines: Machines) -> None:
    guide = (ROOT / "README.es.md").read_text(encoding="utf-8")
    blocks = [
        block for block in blocks_of(guide) if block.reason_not_to_run == "necesita las máquinas virtuales"
    ]
    typed = [command for block in blocks for command in block.commands]
    inside = [command for command in typed if command.text not in ("./scripts/doctor", "vagrant up")]
    assert len(typed) - len(inside) == 2
    assert inside
    differences = []
    for command in inside:
        # The progress that curl draws for a person goes to stderr.
        came = machines.shell("laptop", f"{{ {command.text}\n}} 2>/dev/null")
        differences.append(difference(command, came.splitlines()))
    assert "\n\n".join(filter(None, differences)) == ""
    shown = guide[guide.index("Las máquinas están listas.") :].split("```")[0]
    said = machines.up_output[machines.up_output.index("Las máquinas están listas.") :]
    assert masked(shown.split()) == masked(said.split())
    machines.shell("laptop", "sudo systemctl stop tunnel-client")
    machines.wait_for_status(PUBLIC + TASKS, 503)


# --- the course's claim -------------------------------------------------------------------------------------


def test_a_post_to_the_public_side_appears_in_the_laptops_local_app(machines: Machines) -> None:
    without = machines.visit(PUBLIC + TASKS)
    assert (without.status, without.headers["tunelab-error"]) == (503, "no-client")
    before = machines.titles_in_laptop()
    assert before[:2] == SEED_TITLES

    machines.shell("laptop", "sudo systemctl start tunnel-client")
    machines.wait_for_status(PUBLIC + TASKS, 200)
    title = f"desde fuera {secrets.token_hex(8)}"
    assert machines.post_task(PUBLIC, title).status == 201
    assert machines.titles_in_laptop() == [*before, title]

    machines.shell("laptop", "sudo systemctl stop tunnel-client")
    cut = machines.wait_for_status(PUBLIC + TASKS, 503)
    assert cut.headers["tunelab-error"] == "no-client"
    refused_title = f"con el túnel cortado {secrets.token_hex(8)}"
    assert machines.post_task(PUBLIC, refused_title).status == 503
    assert machines.titles_in_laptop() == [*before, title]

    machines.shell("laptop", "sudo systemctl start tunnel-client")
    machines.wait_for_status(PUBLIC + TASKS, 200)
    back = f"de vuelta {secrets.token_hex(8)}"
    assert machines.post_task(PUBLIC, back).status == 201
    assert machines.titles_in_laptop() == [*before, title, back]


def test_the_student_can_run_the_client_by_hand_too(machines: Machines) -> None:
    machines.shell("laptop", "sudo systemctl stop tunnel-client")
    machines.wait_for_status(PUBLIC + TASKS, 503)
    order = "tunnel client --conexion ~/conexion.toml --upstream http://localhost:5000"
    machines.shell("laptop", f"setsid -f {order} >/tmp/tunnel.log 2>&1 </dev/null")
    machines.wait_for_status(PUBLIC + TASKS, 200)
    machines.shell("laptop", "pkill --full '[t]unnel client'")
    machines.wait_for_status(PUBLIC + TASKS, 503)
    machines.shell("laptop", "sudo systemctl start tunnel-client")
    machines.wait_for_status(PUBLIC + TASKS, 200)


# --- they can be raised, provisioned and restarted again ----------------------------------------------------


def test_a_second_up_does_nothing_and_says_the_addresses_again(machines: Machines) -> None:
    output = machines.timed("second up", "up")
    assert "PLAY [" not in output
    assert "Las máquinas están listas." in output


def test_a_second_provision_changes_nothing(machines: Machines) -> None:
    output = machines.timed("provision", "provision")
    assert unchanged(output) == 2, output


def test_the_hosts_own_newer_ansible_finds_nothing_to_change(machines: Machines) -> None:
    output = machines.timed("provision from the host", "provision", "laptop", env={"LAB_ANSIBLE": "host"})
    assert unchanged(output) == 1, output


def unchanged(output: str) -> int:
    """Return how many machines a play went through, after asserting that it changed none of them."""
    recaps = re.findall(r"ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", output)
    assert all(recap == ("0", "0", "0") for recap in recaps), output
    return len(recaps)


def test_a_change_on_the_host_is_used_after_a_provision(machines: Machines) -> None:
    motd = machines.place.checkout / "ansible" / "roles" / "labs" / "templates" / "motd-laptop.j2"
    program = machines.place.checkout / "gtd_app" / "__init__.py"
    # The checkout is this run's own copy: the change stays.
    motd.write_text(motd.read_text() + "  Nota de la profesora.\n")
    program.write_text(program.read_text() + "\nMARCA = 'de la profesora'\n")
    app = machines.shell("laptop", "systemctl show --property MainPID gtd-app")
    machines.timed("provision after a change", "provision", "laptop")
    assert "Nota de la profesora." in machines.shell("laptop", "cat /etc/motd")
    show = "/opt/tunelab/venv/bin/python -c 'import gtd_app; print(gtd_app.MARCA)'"
    assert machines.shell("laptop", show).strip() == "de la profesora"
    assert machines.shell("laptop", "systemctl show --property MainPID gtd-app") != app, (
        "the old code runs on"
    )
    # The student's tunnel is still up.
    machines.wait_for_status(PUBLIC + TASKS, 200)


def start_of(machines: Machines, machine: str) -> tuple[str, str]:
    """Return what identifies a start: the kernel's (a machine of its own) and the init's (a container)."""
    kernel, init = machines.shell(machine, "cat /proc/sys/kernel/random/boot_id /proc/1/stat").splitlines()
    return kernel, init.split()[21]


@pytest.mark.parametrize("machine", ["exit-node", "laptop"])
def test_the_services_come_back_after_a_reboot(machines: Machines, machine: str) -> None:
    before = machines.titles_in_laptop()
    boot = start_of(machines, machine)
    machines.timed(f"reload {machine}", "reload", machine)
    assert start_of(machines, machine) != boot
    if machine == "laptop":
        assert machines.titles_in_laptop() == before, "the tasks must outlive a reboot"
        assert refused(machines.visit(f"http://{LAPTOP}:5000/", inside="exit-node"))
        # The student started the client, and the student starts it again.
        assert machines.visit(PUBLIC + TASKS).status == 503
        machines.shell("laptop", "sudo systemctl start tunnel-client")
    machines.wait_for_status(PUBLIC + TASKS, 200)


def test_a_halted_machine_comes_up_again(machines: Machines) -> None:
    machines.timed("halt", "halt", "laptop")
    assert "laptop" in machines.place.vagrant("status")
    output = machines.timed("up after halt", "up", "laptop")
    assert "Las máquinas están listas." in output
    assert machines.titles_in_laptop()[:2] == SEED_TITLES


def test_a_destroyed_machine_is_made_anew_and_the_tunnel_heals(machines: Machines) -> None:
    machines.shell("laptop", "sudo systemctl start tunnel-client")
    machines.wait_for_status(PUBLIC + TASKS, 200)
    machines.timed("destroy", "destroy", "--force", "exit-node")
    assert machines.visit(PUBLIC + TASKS).status == 0
    machines.timed("up after destroy", "up", "exit-node")
    machines.wait_for_status(PUBLIC + TASKS, 200)


def test_the_guests_wrote_nothing_into_the_checkout(machines: Machines) -> None:
    known = set(machines.files_at_start)
    found = set(machines.files_now())
    assert found - known == set()
