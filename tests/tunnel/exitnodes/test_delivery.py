"""The parcel goes over a verified SSH session; the node's own host key and its pin come back."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.rented_node import end_node, free_ports, start_node
from support.requirements import require_program

from tunnel.exitnodes import handover, readiness
from tunnel.exitnodes.clouds.delivery import deliver
from tunnel.exitnodes.clouds.keys import NodeKeys, make_keys
from tunnel.exitnodes.clouds.ssh import Remote
from tunnel.exitnodes.clouds.user_data import render_user_data
from tunnel.exitnodes.errors import NotReady, ProviderFailed, UntrustedNode
from tunnel.exitnodes.model import Announcement, Order
from tunnel.secret_files import load_token

# More than the minute that the installer gives the server: it is the one to tell what the matter is.
pytestmark = pytest.mark.timeout(120)


@dataclass
class Rented:
    order: Order
    keys: NodeKeys
    remote: Remote
    node: Path  # the machine's own folder

    def deliver(self) -> str:
        return deliver(self.order, self.remote, self.keys, lambda text: None, boot_timeout_s=0)

    def known_hosts(self) -> str:
        return (self.order.folder / "known_hosts").read_text()

    def host_key(self) -> str:
        return (self.node / "etc" / "ssh" / "ssh_host_ed25519_key.pub").read_text().split()[1]


@pytest.fixture
def rented(tmp_path: Path) -> Iterator[Rented]:
    require_program("ssh", "Debian: openssh-client")
    folder = tmp_path / "el nodo"  # a home folder with a space in it is nothing odd
    folder.mkdir(mode=0o700)
    data_port, control_port = free_ports(2)
    order = Order("ec2", "nodo-ana", folder, data_port=data_port, control_port=control_port)
    handover.make_secret(order)
    keys = make_keys(folder)
    user_data = render_user_data(order, keys, datetime.now(UTC), own_firewall=False)
    node = tmp_path / "maquina"
    try:
        port = start_node(node, user_data)
        yield Rented(order, keys, Remote(folder, keys.login_file, "127.0.0.1", port), node)
    finally:
        end_node(node)


def test_the_exit_node_runs_with_our_token_and_the_pin_that_it_told(rented: Rented) -> None:
    pin = rented.deliver()
    order = rented.order
    announced = Announcement(
        f"wss://127.0.0.1:{order.control_port}", f"http://127.0.0.1:{order.data_port}", pin
    )
    readiness.wait(lambda: announced, order, 20)
    with pytest.raises(UntrustedNode):
        readiness.check(replace(announced, pin=f"sha256:{'0' * 64}"), load_token(order.secret_file, {}))
    token = rented.node / "etc" / "tunelab" / "token"
    assert token.read_text() == order.secret_file.read_text()
    assert stat.S_IMODE(token.stat().st_mode) == 0o600


def test_no_secret_is_in_the_user_data_nor_in_a_command_line(rented: Rented) -> None:
    rented.deliver()
    secret = rented.order.secret_file.read_text().strip()
    assert secret not in (rented.node / "user-data").read_text()
    commands = (rented.node / "commands.log").read_text()
    assert "install-exit-node.sh" in commands
    assert secret not in commands
    assert not (rented.node / "root" / "tunelab" / "token").exists()  # moved, and wiped where it arrived


def test_the_host_key_of_the_user_data_is_replaced_and_no_longer_believed(rented: Rented) -> None:
    first = rented.keys.first_host_public.split()[1]
    assert rented.host_key() == first
    rented.deliver()
    assert rented.host_key() != first
    assert rented.known_hosts().split()[1:] == ["ssh-ed25519", rented.host_key()]
    assert rented.remote.run(("true",)) == ""


def test_delivered_again_it_changes_nothing(rented: Rented) -> None:
    pin, key = rented.deliver(), rented.host_key()
    assert rented.deliver() == pin
    assert rented.host_key() == key
    calls = (rented.node / "systemctl.log").read_text().splitlines()
    assert calls.count("restart tunnel-server.service") == 1
    assert len((rented.node / "pip.log").read_text().splitlines()) == 2  # the lock, and the wheel


def test_a_delivery_cut_between_the_two_halves_of_the_rotation_is_continued(rented: Rented) -> None:
    pin = rented.deliver()
    ssh = rented.node / "etc" / "ssh"
    # As it is after "make" and before "activate": the node shows its first key, and has made the next one.
    own = (ssh / "ssh_host_ed25519_key").read_text(), (ssh / "ssh_host_ed25519_key.pub").read_text()
    (ssh / "tunelab_next_key").write_text(own[0])
    (ssh / "tunelab_next_key").chmod(0o600)
    (ssh / "tunelab_next_key.pub").write_text(own[1])
    (ssh / "tunelab_own_key").unlink()
    rented.remote.know(rented.keys.first_host_public, own[1])
    assert rented.deliver() == pin
    assert rented.host_key() == own[1].split()[1]


def test_a_machine_with_another_host_key_is_sent_nothing(rented: Rented, tmp_path: Path) -> None:
    other = make_keys(shutil.copytree(rented.order.folder, tmp_path / "otro"))
    rented.remote.know(other.first_host_public)
    with pytest.raises(UntrustedNode, match="No se le envió nada"):
        rented.deliver()
    assert not (rented.node / "commands.log").exists()


def test_a_machine_in_the_place_of_one_whose_time_was_over_is_recognised_by_its_own_key(
    rented: Rented, tmp_path: Path
) -> None:
    rented.deliver()
    keys = make_keys(rented.order.folder)  # as for a new machine, in the folder of the former one
    user_data = render_user_data(rented.order, keys, datetime.now(UTC), own_firewall=False)
    end_node(rented.node)
    second = tmp_path / "otra"
    try:
        port = start_node(second, user_data)
        deliver(
            rented.order,
            Remote(rented.order.folder, keys.login_file, "127.0.0.1", port),
            keys,
            lambda text: None,
            boot_timeout_s=0,
        )
    finally:
        end_node(second)


def test_a_machine_that_never_answers_is_told_of_with_what_to_do(rented: Rented) -> None:
    end_node(rented.node)
    with pytest.raises(NotReady, match="--source-ranges"):
        rented.deliver()


def test_an_installation_that_fails_is_told_in_its_own_words(rented: Rented) -> None:
    (rented.node / "bin" / "systemctl").write_text("#!/bin/bash\necho 'no hay systemd' >&2\nexit 5\n")
    with pytest.raises(ProviderFailed, match="no hay systemd"):
        rented.deliver()


def test_the_users_own_ssh_settings_and_agent_play_no_part(
    rented: Rented, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nonexistent")
    argv = rented.remote.argv(("true",))
    assert argv[:3] == ["ssh", "-F", "none"]
    assert {"StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "GlobalKnownHostsFile=none"} <= set(argv)
    assert "StrictHostKeyChecking=no" not in argv
