"""The real `vagrant up` on libvirt and QEMU: whole machines, in a place of their own (place.py).

There is no KVM to count on: QEMU emulates the processor, some ten times slower than a real one. The box is
made here, from Debian's packages alone:

    box-<key>/tunelab.box    what `vagrant box add` takes, with Debian's cloud kernel and GRUB
    box-<key>/dpkg-status    what the box came with, for the offline bundle

libvirt's daemons are started by hand, with a configuration, a state and a /run of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import textwrap
import time
from pathlib import Path

from place import ROOT, Place, PlaceError, bundle_for, cache_home, key_of, locked
from podman_lane import DEBIAN_SOURCES

NEEDED = {
    "vagrant": "vagrant",
    "/usr/share/doc/vagrant-libvirt": "vagrant-libvirt",
    "libvirtd": "libvirt-daemon-system",
    "virsh": "libvirt-clients",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "dnsmasq": "dnsmasq-base",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "grub-mkimage": "grub-common",
    "/usr/lib/grub/i386-pc/boot.img": "grub-pc-bin",
    "sfdisk": "fdisk",
    "mke2fs": "e2fsprogs",
    "rsync": "rsync",
    "ssh": "openssh-client",
    "nc": "netcat-openbsd",
}

BOX = "tunelab/debian-12"

#: What a base box holds, for a machine: a kernel, an init, a network, and what Vagrant and the play stand on.
PACKAGES = (
    "ca-certificates curl dbus iproute2 linux-image-cloud-amd64 openssh-server procps python3 rsync sudo "
    "systemd-sysv systemd-resolved udev zstd"
)

DISK_MIB = 4096
PARTITION_START_MIB = 1

CUSTOMIZE = Path(__file__).with_name("box_customize.sh")

LIBVIRTD_CONF = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
"""

QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
cgroup_controllers = []
namespaces = []
"""


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """Return what a command printed.

    Raises:
        PlaceError: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})})
    if done.returncode:
        raise PlaceError(f"{command[0]}\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


def box_key() -> str:
    """Return the key of the box: everything that it is made from."""
    key = (ROOT / "docker" / "vagrant.pub").read_bytes()
    return key_of(PACKAGES, CUSTOMIZE.read_bytes(), str(DISK_MIB), *DEBIAN_SOURCES, key)


def box() -> Path:
    """Return the folder of the box, made if need be (about two minutes)."""
    folder = cache_home() / f"box-{box_key()}"
    with locked(cache_home() / f"box-{box_key()}.lock"):
        if (folder / "tunelab.box").exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with tempfile.TemporaryDirectory(prefix="tunelab-box-") as work:
            _make_box(Path(work), folder)
    return folder


def _make_box(work: Path, folder: Path) -> None:
    root, disk = work / "root", work / "disk.raw"
    run(
        "mmdebstrap",
        "--variant=minbase",
        "--mode=root",
        f"--include={PACKAGES.replace(' ', ',')}",
        f'--customize-hook={CUSTOMIZE} "$1"',
        "bookworm",
        root,
        *DEBIAN_SOURCES,
        env={"VAGRANT_KEY": str(ROOT / "docker" / "vagrant.pub")},
    )
    shutil.copy(root / "var/lib/dpkg/status", work / "dpkg-status")
    with disk.open("wb") as file:
        file.truncate(DISK_MIB << 20)
    subprocess.run(
        ["sfdisk", "--quiet", disk],
        input=f"start={PARTITION_START_MIB}MiB, type=83, bootable\n",
        text=True,
        check=True,
    )
    offset = ["-E", f"offset={PARTITION_START_MIB << 20}"]
    # The block size is said: mke2fs takes a file with an offset for a small disk.
    size = f"{(DISK_MIB - PARTITION_START_MIB) << 10}k"
    run("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-L", "raiz", *offset, "-d", root, disk, size)
    _install_grub(work, disk)
    image = work / "box.img"
    run("qemu-img", "convert", "-c", "-O", "qcow2", disk, image)
    about = {"provider": "libvirt", "format": "qcow2", "virtual_size": DISK_MIB // 1024}
    (work / "metadata.json").write_text(json.dumps(about))
    (work / "Vagrantfile").write_text('Vagrant.configure("2") { |config| config.ssh.username = "vagrant" }\n')
    with tarfile.open(folder / "partial", "w") as archive:
        for name in ("metadata.json", "Vagrantfile", "box.img"):
            archive.add(work / name, name)
    shutil.copy(work / "dpkg-status", folder / "dpkg-status")
    (folder / "partial").rename(folder / "tunelab.box")


def _install_grub(work: Path, disk: Path) -> None:
    """Write GRUB's two first stages into the sectors before the partition, where the BIOS looks."""
    grub = Path("/usr/lib/grub/i386-pc")
    core = work / "core.img"
    modules = ["biosdisk", "part_msdos", "ext2", "search", "search_label", "normal", "linux", "echo"]
    run("grub-mkimage", "-O", "i386-pc", "-o", core, "-p", "(hd0,msdos1)/boot/grub", *modules)
    second = core.read_bytes()
    if 512 + len(second) > PARTITION_START_MIB << 20:
        raise PlaceError("GRUB does not fit before the partition")
    with disk.open("r+b") as file:
        # The last 72 bytes of the sector are the partition table and the signature.
        file.write((grub / "boot.img").read_bytes()[:440])
        file.seek(512)
        file.write(second)


class LibvirtPlace(Place):
    """Vagrant's libvirt provider with QEMU's emulation. `bundle`: whether the checkout holds one."""

    provider = "libvirt"
    # libvirt's compiled-in folders, covered by ours.
    setup = textwrap.dedent(
        """\
        for folder in etc/libvirt var/lib/libvirt var/cache/libvirt var/log/libvirt; do
          mkdir -p "$LIBVIRT_STATE/$folder" "/$folder"
          mount --bind "$LIBVIRT_STATE/$folder" "/$folder"
        done
        sysctl -qw net.ipv4.ip_forward=1
        """
    )

    def __init__(self, *, uplink: bool = False, bundle: bool = True) -> None:
        super().__init__(uplink=uplink)
        self.with_bundle = bundle
        self.box = box()
        self.state = self.folder / "libvirt"
        configuration = self.state / "etc" / "libvirt"
        configuration.mkdir(parents=True)
        (configuration / "libvirtd.conf").write_text(LIBVIRTD_CONF)
        (configuration / "qemu.conf").write_text(QEMU_CONF)
        (self.state / "var/lib/libvirt/images").mkdir(parents=True)
        self._daemons: list[subprocess.Popen[bytes]] = []
        os.environ["LIBVIRT_STATE"] = str(self.state)

    def prepare(self) -> None:
        """Start libvirt's daemons and give Vagrant the box."""
        if self.with_bundle:
            shutil.copytree(bundle_for(self.box / "dpkg-status"), self.checkout / "paquete")
        for daemon in ("virtlogd", "libvirtd"):
            log = (self.folder / f"{daemon}.log").open("wb")
            self._daemons.append(
                subprocess.Popen([*self.enter(), daemon], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            )
            log.close()
        limit = time.monotonic() + 60
        while self.run("virsh", "--connect", "qemu:///system", "version", check=False).returncode:
            if time.monotonic() > limit:
                raise PlaceError("libvirtd did not start\n" + (self.folder / "libvirtd.log").read_text())
            time.sleep(0.2)
        self.run("vagrant", "box", "add", "--name", BOX, str(self.box / "tunelab.box"))

    def environment(self) -> dict[str, str]:
        """Return the environment of the commands: our box, and an emulated processor."""
        return {
            **super().environment(),
            "LAB_CAJA": BOX,
            "LAB_LIBVIRT_DRIVER": "qemu",
            # Ansible's own work, done by an emulated processor, takes a dozen seconds a task.
            "LAB_ANSIBLE": "host",
            "LAB_ESPERA_ARRANQUE": "900",
        }

    def figures(self) -> list[str]:
        """Return how much of the computer's memory each QEMU has held at most."""
        lines = []
        for name in ("exit-node", "laptop"):
            # Process numbers are the namespace's, so it is asked inside.
            script = f"grep VmHWM /proc/$(cat /run/libvirt/qemu/*{name}.pid)/status"
            peak = self.run("sh", "-c", script).stdout.split()[1]
            lines.append(f"QEMU of {name}: {int(peak) // 1000} MB at most")
        return lines

    def dismantle(self) -> None:
        """Destroy the machines and end the daemons; the networks' dnsmasq end with the namespaces."""
        self.run("vagrant", "destroy", "--force", check=False)
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
            daemon.wait()


def make() -> LibvirtPlace:
    """Return the place of the acceptance run: no way out, and the bundle instead."""
    return LibvirtPlace()
