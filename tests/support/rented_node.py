"""A machine as a cloud gives it, on the loopback: with user data, an SSH server, and room for the installer.

Run as ``python -m support.rented_node FOLDER`` it does with ``FOLDER/user-data`` what cloud-init does with
its keys, and answers SSH on a free port, which it writes to ``FOLDER/port``.  What is sent to it runs for
real, as far as that can be on a computer that must stay as it is: the installer and the rotation are the
ones that arrived, with their paths under ``FOLDER``; ``sudo`` is nobody, ``pip`` installs nothing (the
programs are this checkout's), and ``systemctl`` starts what the unit says.  What it started ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["end_node", "free_ports", "start_node"]

TESTS = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 20.0
# What the scripts name absolutely, and where it is here.
DELIVERY = "/root/tunelab"
PLACES = (DELIVERY, "/etc/ssh", "/etc/tunelab", "/etc/systemd/system", "/opt/tunelab", "/var/lib/tunelab")

# A script that arrived runs with its places moved; one from anywhere else does not run at all.
BASH = """#!/bin/bash
if [[ $1 == *.sh ]]; then
  [[ $1 == {folder}/* ]] || exit 126
  script={folder}/moved-${{1##*/}}
  sed {moves} "$1" >"$script"
  shift
  exec /bin/bash "$script" "$@"
fi
exec /bin/bash "$@"
"""
SUDO = """#!/bin/bash
shift  # -n
exec "$@"
"""
# `python3 -m venv DIR`: the checkout's own programs, and a pip that installs nothing.
PYTHON3 = """#!/bin/bash
if [[ "$*" == "-m venv "* ]]; then
  mkdir -p "$3/bin"
  cp {folder}/bin/in-venv "$3/bin/python"
  cp {folder}/bin/in-venv "$3/bin/tunnel"
  exit 0
fi
exec {python} "$@"
"""
IN_VENV = """#!/bin/bash
case "${{0##*/}} $*" in
  "python -m pip "*) echo "$*" >>{folder}/pip.log ;;
  "python "*) exec {python} "$@" ;;
  *) exec {python} -m tunnel "$@" ;;
esac
"""
SYSTEMCTL = """#!/bin/bash
echo "$*" >>{folder}/systemctl.log
case $1 in
  restart | start)
    if [[ -e {folder}/server.pid ]]; then
      [[ $1 == start ]] && exit 0
      kill "$(cat {folder}/server.pid)"
    fi
    unit={folder}/etc/systemd/system/tunnel-server.service
    command=$(sed -n 's|^ExecStart=||p' "$unit")
    credential=$(sed -n 's|^LoadCredential=token:||p' "$unit")
    mkdir -p -m 0700 {folder}/var/lib/tunelab {folder}/credentials
    install -m 0600 "$credential" {folder}/credentials/token
    command=${{command//%d/{folder}/credentials}}
    STATE_DIRECTORY={folder}/var/lib/tunelab setsid $command <&- 3>&- >{folder}/server.log 2>&1 &
    echo $! >{folder}/server.pid
    ;;
  reload) kill -HUP "$(cat {folder}/pid)" ;;
esac
"""


def free_ports(number: int) -> list[int]:
    """Return ports that nothing uses, on any address.

    They are below those that the system gives to outgoing connections, of which a busy computer has
    thousands: the server takes them later, in another process.
    """
    found: list[int] = []
    while len(found) < number:
        port = random.randrange(20000, 32000)
        with contextlib.suppress(OSError), socket.create_server(("", port)):
            found += [port] if port not in found else []
    return found


def start_node(folder: Path, user_data: str) -> int:
    """Start the machine as a process of its own, which outlives this one; return its SSH port."""
    folder.mkdir(parents=True)
    (folder / "user-data").write_text(user_data)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "support.rented_node", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONPATH": str(TESTS)},
            start_new_session=True,
        )
    (folder / "pid").write_text(str(process.pid))
    process.returncode = 0  # it is not waited for: whoever ends the machine may be another process
    deadline = time.monotonic() + START_TIMEOUT_S
    while not (folder / "port").exists():
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.02)
    return int((folder / "port").read_text())


def end_node(folder: Path) -> None:
    """End the machine and what it runs."""
    for name in ("server.pid", "pid"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ChildProcessError):
            pid = int((folder / name).read_text())
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        (folder / name).unlink(missing_ok=True)


class _Node:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        lines = (folder / "user-data").read_text().partition("\n")
        assert lines[0] == "#cloud-config"
        self.config: dict[str, Any] = json.loads(lines[2])
        self.listener: Any = None
        for place in PLACES:
            (folder / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
        keys = self.config["ssh_keys"]
        ssh = folder / "etc" / "ssh"
        (ssh / "ssh_host_ed25519_key").write_text(keys["ed25519_private"])
        (ssh / "ssh_host_ed25519_key").chmod(0o600)
        (ssh / "ssh_host_ed25519_key.pub").write_text(keys["ed25519_public"] + "\n")
        users = self.config["users"]
        (ssh / "authorized_keys").write_text("\n".join(users[0]["ssh_authorized_keys"]) + "\n")
        self.user = users[0]["name"]
        words = {
            "folder": shlex.quote(str(folder)),
            "python": shlex.quote(sys.executable),
            "moves": " ".join(f"-e 's|={place}|={folder}{place}|'" for place in PLACES),
        }
        programs = {"bash": BASH, "python3": PYTHON3, "in-venv": IN_VENV, "systemctl": SYSTEMCTL}
        texts = {name: text.format(**words) for name, text in programs.items()}
        refused = dict.fromkeys(("apt-get", "cloud-init"), "#!/bin/bash\nexit 1\n")
        texts["journalctl"] = f"#!/bin/bash\ncat {words['folder']}/server.log\n"
        (folder / "bin").mkdir()
        for name, text in {**texts, **refused, "sudo": SUDO}.items():
            program = folder / "bin" / name
            program.write_text(text)
            program.chmod(0o755)

    async def listen(self, port: int) -> None:
        import asyncssh

        ssh = self.folder / "etc" / "ssh"
        self.listener = await asyncssh.listen(
            "127.0.0.1",
            port,
            server_host_keys=[str(ssh / "ssh_host_ed25519_key")],
            authorized_client_keys=str(ssh / "authorized_keys"),
            process_factory=self.run,
            encoding=None,
        )

    async def reload(self) -> None:
        """Show the host key that is there now, as sshd does on SIGHUP."""
        port = self.listener.get_port()
        self.listener.close()
        await self.listener.wait_closed()
        await self.listen(port)

    async def run(self, session: Any) -> None:
        """Run one command line, as sshd does: by a shell."""
        data = await session.stdin.read()
        command = session.command
        command = command.replace(DELIVERY, f"{self.folder}{DELIVERY}")
        with (self.folder / "commands.log").open("a") as log:
            log.write(f"{session.get_extra_info('username')}: {command}\n")
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "HOME": str(self.folder)},
        )
        out, err = await process.communicate(data)
        session.stdout.write(out)
        session.stderr.write(err)
        session.exit(process.returncode or 0)


async def _serve(folder: Path) -> None:
    node = _Node(folder)
    await node.listen(0)
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()
    loop.add_signal_handler(signal.SIGHUP, lambda: reloads.add(loop.create_task(node.reload())))
    ready = folder / "port.new"
    ready.write_text(str(node.listener.get_port()))
    ready.rename(folder / "port")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
