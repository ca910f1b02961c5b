"""A private place for Vagrant; nothing of it outlives a run.

    a mount namespace    with a /run and a /dev/shm of its own, where engines and daemons keep their state,
                         and without the cgroup mount that crun refuses, where there is one
    a network namespace  loopback and whatever the provider adds, with no way out unless `uplink` is set: two
                         runs, or a run and the machine's own services, never see each other's networks
    a process namespace  whose end is the end of every process in it, engines' and machines' too, also when
                         the tests themselves are killed
    a folder             the copy of the checkout, the Vagrant home and what the provider keeps

Guests without a way out are the proof that the offline bundle makes the network unnecessary.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: The cgroup mount of a machine that has both versions: crun 1.8 refuses it. Unmounted in our namespace only.
HYBRID_CGROUP = "/sys/fs/cgroup/unified"


class PlaceError(Exception):
    """A command failed; carries what it printed."""


def cache_home() -> Path:
    """Return the folder whose content outlives a run."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "tunelab"


def key_of(*parts: str | bytes) -> str:
    """Return a short hash of what something is made from."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()[:12]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file lock, so that two runs at a time make a cached thing once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def missing(programs: Mapping[str, str]) -> list[str]:
    """Return the Debian packages, of {program or path: package}, whose program this machine lacks."""

    def here(name: str) -> bool:
        return Path(name).exists() if name.startswith("/") else shutil.which(name) is not None

    return sorted({package for name, package in programs.items() if not here(name)})


def bundle_for(status: Path) -> Path:
    """Return an offline bundle for guests that came with that dpkg status, made if need be (about 10 s).

    Raises:
        PlaceError: scripts/empaquetar failed.
    """
    made_from = [(ROOT / name).read_bytes() for name in ("ansible/paquetes.txt", "requirements.lock")]
    maker = (ROOT / "scripts" / "_empaquetar.py").read_bytes()
    key = key_of(*made_from, maker, status.read_bytes())
    bundle = cache_home() / f"paquete-{key}"
    with locked(cache_home() / f"paquete-{key}.lock"):
        if not bundle.exists():
            command = [ROOT / "scripts" / "empaquetar", "--aqui", "--estado", status, "--salida", bundle]
            made = subprocess.run(command, capture_output=True, text=True)
            if made.returncode:
                raise PlaceError(f"empaquetar\n{made.stdout}{made.stderr}")
    return bundle


def copy_checkout(target: Path) -> None:
    """Copy what git knows of the checkout, changes included: a run writes beside the Vagrantfile."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


class Place:
    """One run's private place: `open`, commands, and `close`, which removes every trace.

    A provider's place overrides `setup` (shell commands run inside the namespaces before anything else),
    `prepare` and `dismantle`, and adds to `environment`.
    """

    #: Vagrant's name of the provider.
    provider = ""
    setup = ""

    def __init__(self, *, uplink: bool = False) -> None:
        self.uplink = uplink
        self.folder = Path(tempfile.mkdtemp(prefix="tunelab-vagrant-"))
        self.checkout = self.folder / "curso"
        self._holder: subprocess.Popen[str] | None = None
        self._first = 0
        self._slirp: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Place:
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Make the namespaces and the copy of the checkout.

        Raises:
            PlaceError: this machine does not let us.
        """
        copy_checkout(self.checkout)
        script = "\n".join(
            (
                f"if mountpoint -q {HYBRID_CGROUP}; then umount {HYBRID_CGROUP}; fi",
                # A resolver's stub is the one thing of the host's /run that is worth having.
                "resolve=/run/systemd/resolve; if [ -d $resolve ]; then mount --bind $resolve /mnt; fi",
                "mount -t tmpfs -o mode=0755 tmpfs /run",
                "if mountpoint -q /mnt; then mkdir -p $resolve; mount --move /mnt $resolve; fi",
                "mount -t tmpfs tmpfs /dev/shm",
                "ip link set lo up",
                self.setup,
                "echo ready",
                # The shell is the first process here, and buries the others' orphans while it waits.
                "sleep infinity & wait",
            )
        )
        namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
        command = ["unshare", *namespaces, "--propagation", "slave", "sh", "-ec", script]
        self._holder = subprocess.Popen(
            # Nothing else would end it if this process were killed.
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            raise PlaceError("the namespaces could not be made: this needs root, or a machine that lets us")
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        self._first = int(children.read_text())
        if self.uplink:
            self._open_uplink()
        self.prepare()

    def _open_uplink(self) -> None:
        assert self._holder is not None
        read, write = os.pipe()
        options = ["--configure", "--mtu=65520", f"--ready-fd={write}"]
        command = ["slirp4netns", *options, str(self._holder.pid), "tap0"]
        self._slirp = subprocess.Popen(
            command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(write)
        with os.fdopen(read) as ready:
            if not ready.read(1):
                raise PlaceError("slirp4netns did not start")

    def prepare(self) -> None:
        """Do what the provider needs before the first `vagrant up`."""

    def figures(self) -> list[str]:
        """Return what there is to say about the provider's use of this computer."""
        return []

    def dismantle(self) -> None:
        """Undo what the provider made, by id, while the namespaces still exist."""

    def environment(self) -> dict[str, str]:
        """Return the environment of the commands."""
        return {
            **os.environ,
            "VAGRANT_HOME": str(self.folder / "vagrant"),
            "VAGRANT_DEFAULT_PROVIDER": self.provider,
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }

    def enter(self) -> list[str]:
        """Return the words that, put before a command, run it inside the namespaces."""
        if self._holder is None:
            raise PlaceError("the place is not open")
        return ["nsenter", f"--target={self._first}", "--mount", "--net", "--pid"]

    def run(
        self, *command: str, check: bool = True, timeout_s: float = 600, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, in the copy of the checkout; stderr comes within stdout.

        Raises:
            PlaceError: it failed and `check` is set; or it took longer than `timeout_s`.
        """
        try:
            done = subprocess.run(
                [*self.enter(), f"--wd={self.checkout}", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**self.environment(), **(env or {})},
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise PlaceError(f"{' '.join(command)}: more than {timeout_s} s\n{error.stdout!r}") from error
        if check and done.returncode:
            raise PlaceError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-12000:]}")
        return done

    def vagrant(self, *arguments: str, env: Mapping[str, str] | None = None, timeout_s: float = 600) -> str:
        """Run Vagrant as a person would, and return what it printed."""
        return self.run("vagrant", *arguments, "--no-color", env=env, timeout_s=timeout_s).stdout

    def ssh_config(self) -> Path:
        """Write and return an ssh configuration that reaches the guests from outside the namespaces."""
        text = self.run("vagrant", "ssh-config").stdout
        proxy = " ".join([*self.enter(), "nc", "%h", "%p"])
        path = self.folder / "ssh_config"
        path.write_text(text.replace("  User vagrant\n", f"  User vagrant\n  ProxyCommand {proxy}\n"))
        return path

    def close(self) -> None:
        """End the processes, each by its id, and remove the folder."""
        with contextlib.suppress(PlaceError):
            if self._holder is not None:
                self.dismantle()
        for process in (self._slirp, self._holder):
            if process is not None:
                process.send_signal(signal.SIGKILL)
                process.wait()
        if self._holder is not None and self._holder.stdout is not None:
            self._holder.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
