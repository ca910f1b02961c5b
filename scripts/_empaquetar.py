"""`./scripts/empaquetar`: everything the machines would download, in one folder that goes on a USB stick.

The folder is `paquete/` in the checkout, and git ignores it:

    paquete/arquitectura       amd64 or arm64: a bundle serves machines of one kind
    paquete/requirements.sum   SHA-256 of the requirements.lock it was made for
    paquete/debs/              Debian packages and their index, a flat apt repository
    paquete/wheels/            Python wheels
    paquete/SHA256SUMS         of all of the above

It is made where it will be used, inside a guest: the same Debian, the same Python, the same processor,
whatever the instructor's own computer is. `ansible/preparar.sh` is the one who reads it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from _terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent
BUNDLE = ROOT / "paquete"

#: Where a guest keeps what preparar.sh noted and downloaded.
GUEST_CACHE = Path("/var/cache/tunelab")

# The guests' own sources: the bundle must not depend on what else the machine that makes it has configured.
DEBIAN_SOURCES = """\
deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main
"""

#: The guests' Python and C library, for the case that the bundle is made outside a guest.
PYTHON_VERSION = "3.11"
PLATFORMS = {
    "amd64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "arm64": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
}

DESCRIPTION = """\
Hace el paquete sin red: todo lo que las máquinas descargarían, en la carpeta paquete/.
Cópiela dentro del curso en cada equipo y `vagrant up` no tocará la red (salvo para la caja de Vagrant).
"""


class FailureError(Exception):
    """Something outside this program failed; its text is for the person in front of it."""


def main(argv: list[str]) -> int:
    """Make the bundle; return 0 done, 2 wrong usage, 3 the environment failed, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="./scripts/empaquetar",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--salida", type=Path, default=BUNDLE, metavar="CARPETA", help="por omisión, paquete/"
    )
    parser.add_argument(
        "--aqui",
        action="store_true",
        help="en este mismo equipo, que es un Debian 12, en vez de en la laptop",
    )
    parser.add_argument(
        "--estado",
        type=Path,
        metavar="ARCHIVO",
        help="con --aqui: el /var/lib/dpkg/status de la caja, para no incluir lo que ya trae",
    )
    options = parser.parse_args(argv)
    try:
        if options.aqui:
            make(options.salida, options.estado)
        else:
            make_in_guest(options.salida)
    except FailureError as failure:
        Terminal().say(str(failure))
        return 3
    except KeyboardInterrupt:
        return 130
    Terminal(sys.stdout).say(f"Paquete listo: {options.salida} ({megabytes(options.salida):.0f} MB)")
    return 0


def make(bundle: Path, status: Path | None) -> None:
    """Download everything on this Debian 12 into `bundle`, which appears only when it is complete.

    `status` is the dpkg status file of the box that the bundle is for; without it, what a guest noted when it
    was new.

    Raises:
        FailureError: a download failed.
    """
    status = status or GUEST_CACHE / "estado-inicial"
    if not status.exists():
        raise FailureError(f"No existe {status}: use --estado, o corra esta orden sin --aqui.")
    bundle.parent.mkdir(parents=True, exist_ok=True)
    lock = ROOT / "requirements.lock"
    with tempfile.TemporaryDirectory(dir=bundle.parent, prefix=".paquete-") as folder:
        work = Path(folder, "paquete")
        work.mkdir()
        architecture = run("dpkg", "--print-architecture").strip()
        (work / ".gitignore").write_text("*\n")
        (work / "arquitectura").write_text(architecture + "\n")
        (work / "requirements.sum").write_text(hashlib.sha256(lock.read_bytes()).hexdigest() + "\n")
        download_debs(work / "debs", status, Path(folder, "apt"))
        download_wheels(work / "wheels", lock, architecture)
        write_sums(work)
        # A folder made by mkdtemp is the owner's alone; whoever copies the stick is somebody else.
        work.chmod(0o755)
        if bundle.exists():
            shutil.rmtree(bundle)
        work.rename(bundle)


def download_debs(debs: Path, status: Path, state: Path) -> None:
    """Download what paquetes.txt names, and what that needs and the box does not have, and index it."""
    Terminal().say("Descargando los programas de Debian…")
    (debs / "partial").mkdir(parents=True)
    (state / "lists" / "partial").mkdir(parents=True)
    (state / "sources.list").write_text(DEBIAN_SOURCES)
    options = [
        f"--option={key}={value}"
        for key, value in {
            "Dir::Etc::sourcelist": state / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": state / "lists",
            "Dir::State::status": status,
            "Dir::Cache::archives": debs,
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "Acquire::Retries": 5,
            # The folder may be on a shared one, where apt's own user cannot write.
            "APT::Sandbox::User": "root",
            "Debug::NoLocking": "true",
        }.items()
    ]
    lines = (ROOT / "ansible" / "paquetes.txt").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    run("apt-get", *options, "update", "--quiet")
    flags = ("--yes", "--quiet", "--no-install-recommends", "--download-only")
    run("apt-get", *options, "install", *flags, *wanted)
    shutil.rmtree(debs / "partial")
    (debs / "lock").unlink(missing_ok=True)
    entries = []
    for deb in sorted(debs.glob("*.deb")):
        # apt writes an epoch's colon as %3a, and would decode it when it reads the index.
        plain = deb.rename(deb.with_name(deb.name.replace("%3a", "-")))
        fields = run("dpkg-deb", "--field", str(plain)).strip()
        digest = hashlib.sha256(plain.read_bytes()).hexdigest()
        size = plain.stat().st_size
        entries.append(f"{fields}\nFilename: ./{plain.name}\nSize: {size}\nSHA256: {digest}\n")
    if not entries:
        raise FailureError("Debian no entregó ningún programa: ¿es --estado el de la caja?")
    (debs / "Packages").write_text("\n".join(entries))


def download_wheels(wheels: Path, lock: Path, architecture: str) -> None:
    """Put the wheels of the lock file into `wheels`, from the guest's own if it has them all."""
    Terminal().say("Descargando las bibliotecas de Python…")
    mine = GUEST_CACHE / "wheels"
    complete = mine / "completo"
    if complete.exists() and complete.read_text().strip() == hashlib.sha256(lock.read_bytes()).hexdigest():
        shutil.copytree(mine, wheels, ignore=shutil.ignore_patterns("completo"))
        return
    wheels.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        run(sys.executable, "-m", "venv", folder)
        target = ["--implementation", "cp", "--python-version", PYTHON_VERSION]
        for platform in PLATFORMS[architecture]:
            target += ["--platform", platform]
        flags = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary=:all:"]
        pip = [str(Path(folder, "bin", "python")), "-m", "pip"]
        run(*pip, "download", *flags, *target, "--dest", str(wheels), "--requirement", str(lock))


def write_sums(work: Path) -> None:
    """Write SHA256SUMS, as `sha256sum --check` reads it, of every other file of the bundle."""
    names = sorted(path.relative_to(work) for path in work.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256((work / name).read_bytes()).hexdigest()}  {name.as_posix()}\n"
        for name in names
        if name.name != ".gitignore"
    ]
    (work / "SHA256SUMS").write_text("".join(lines))


def make_in_guest(bundle: Path) -> None:
    """Make the bundle inside the laptop, and bring it here by SSH: a shared folder may not be shared back.

    Raises:
        FailureError: there is no Vagrant, the laptop is not up, or it failed.
    """
    vagrant = shutil.which("vagrant")
    if vagrant is None:
        raise FailureError(
            "Hace falta Vagrant: el paquete se hace dentro de la laptop, con la red que ella tenga."
        )
    inside = "/var/cache/tunelab/paquete"  # in the guest, root's: nothing here depends on the host's folders
    Terminal().say("Haciendo el paquete dentro de la laptop…")
    order = f"sudo python3 -B /vagrant/scripts/empaquetar --aqui --salida {inside} >&2"
    if subprocess.run([vagrant, "ssh", "laptop", "--no-tty", "--command", order], cwd=ROOT).returncode:
        raise FailureError("La laptop no pudo hacer el paquete. ¿Está levantada? vagrant up laptop")
    send = f"sudo tar --create --directory {inside} . && sudo rm -rf {inside}"
    command = [vagrant, "ssh", "laptop", "--no-tty", "--command", send]
    bundle.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=bundle.parent, prefix=".paquete-") as folder,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process,
    ):
        work = Path(folder, "paquete")
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                # Debian 12's Python 3.11.2 has no filters yet; the archive comes from one's own machine.
                if hasattr(tarfile, "data_filter"):
                    archive.extraction_filter = staticmethod(tarfile.data_filter)
                archive.extractall(work)  # noqa: S202
        except tarfile.TarError as error:
            raise FailureError(f"El paquete no llegó entero de la laptop: {error}") from error
        if process.wait():
            raise FailureError("El paquete no llegó entero de la laptop.")
        if bundle.exists():
            shutil.rmtree(bundle)
        work.rename(bundle)


def run(*command: str) -> str:
    """Return what a command printed.

    Raises:
        FailureError: the command failed; with its last lines.
    """
    environment = os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise FailureError(f"Falló: {' '.join(command[:3])} …\n{last}")
    return done.stdout


def megabytes(folder: Path) -> float:
    """Return the size of the files in `folder`, in MB (10^6 bytes)."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
