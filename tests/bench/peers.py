"""What is measured: ways from a visitor's port to the same service, each with processes of its own.

Everything runs in a network namespace of the benchmark's own (see main.py), so that ports are free to choose.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from procs import BenchError, Program, wait_for_port

__all__ = [
    "BACKEND_PORT",
    "PEERS",
    "SINK_PORT",
    "Direct",
    "Nginx",
    "Peer",
    "Ssh",
    "Tunnel",
    "TunnelCompiled",
    "TunnelTcp",
    "TunnelTls",
]

BACKEND_PORT = 9500
SINK_PORT = 9501

HERE = Path(__file__).resolve().parent

_NGINX = """\
worker_processes 1;
pid {folder}/{name}.pid;
error_log {folder}/{name}.err;
daemon off;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  keepalive_timeout 600;
  sendfile on;
  client_max_body_size 0;
  client_body_temp_path {folder}/{name}-body;
  proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-f; uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
{servers}
}}
"""

_BACKEND = """\
  upstream sink {{ server 127.0.0.1:{sink}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {files};
    location /sink {{
      proxy_pass http://sink; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off;
    }}
  }}
"""

# As its documentation says for a proxy that keeps its connections (ngx_http_upstream_module, keepalive).
_PROXY = """\
  upstream service {{ server 127.0.0.1:{target}; keepalive 1024; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header Host $host;
    }}
  }}
"""


def nginx(name: str, folder: Path, servers: str) -> Program:
    """Start an nginx of one worker."""
    configuration = folder / f"{name}.conf"
    configuration.write_text(_NGINX.format(folder=folder, name=name, servers=servers))
    return Program(["nginx", "-c", str(configuration), "-p", str(folder)], folder / f"{name}.log")


class Backend:
    """The service: nginx with a small answer and a large file, and a sink for uploads."""

    def __init__(self, folder: Path, large_bytes: int) -> None:
        files = folder / "files"
        files.mkdir()
        files.chmod(0o755)
        folder.chmod(0o755)
        (files / "small.json").write_text(json.dumps({"tareas": "x" * (300 - 15)}))
        with (files / "large.bin").open("wb") as file:
            file.truncate(large_bytes)  # zeros that take no disk; nothing on the way compresses
        self._programs = [
            Program([sys.executable, str(HERE / "sink.py"), str(SINK_PORT)], folder / "sink.log"),
            nginx("backend", folder, _BACKEND.format(port=BACKEND_PORT, sink=SINK_PORT, files=files)),
        ]
        for port, program in zip((SINK_PORT, BACKEND_PORT), self._programs, strict=True):
            wait_for_port(port, program)

    def close(self) -> None:
        """End it."""
        for program in self._programs:
            program.end()


class Peer(ABC):
    """A way to the service."""

    name: ClassVar[str]
    title: ClassVar[str]  # Spanish
    link_port: ClassVar[int]  # where the private side dials to: what a slow network is put in front of
    public_port: ClassVar[int]

    def __init__(self, folder: Path) -> None:
        self.folder = folder / self.name
        self.programs: dict[str, Program] = {}

    @property
    def url(self) -> str:
        """Where visitors go."""
        return f"http://127.0.0.1:{self.public_port}"

    @property
    def pids(self) -> list[int]:
        """All of its processes."""
        return [pid for program in self.programs.values() for pid in program.pids]

    @abstractmethod
    def start(self, link_through: int = 0) -> None:
        """Start it; visitors are served when this returns.

        Args:
            link_through: a port to dial instead of ``link_port``; what listens there leads to it.

        Raises:
            BenchError: it does not start.
        """

    def stop(self) -> None:
        """End it."""
        for program in reversed(self.programs.values()):
            program.end()
        self.programs.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make_folder(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)  # nginx's workers are another user's


class Direct(Peer):
    """The service itself, with nothing between."""

    name = "directo"
    title = "sin nada en medio"
    link_port = 0
    public_port = BACKEND_PORT

    def start(self, link_through: int = 0) -> None:
        """Nothing to start."""


class Nginx(Peer):
    """nginx as a reverse proxy on the same machine: no tunnel at all, and the measure of what HTTP costs."""

    name = "nginx"
    title = "nginx, proxy inverso"
    link_port = BACKEND_PORT
    public_port = 9600

    def start(self, link_through: int = 0) -> None:
        """Start it."""
        self._make_folder()
        servers = _PROXY.format(port=self.public_port, target=link_through or BACKEND_PORT)
        self.programs["nginx"] = nginx("proxy", self.folder, servers)
        wait_for_port(self.public_port, self.programs["nginx"])


class Ssh(Peer):
    """``ssh -R``: what every engineer has at hand."""

    name = "ssh"
    title = "ssh -R"
    link_port = 9701
    public_port = 9700

    def start(self, link_through: int = 0) -> None:
        """Start a server of our own and a client with a key made for it."""
        self._make_folder()
        folder = self.folder
        for key in ("host", "user"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        shutil.copy(folder / "user.pub", folder / "authorized")
        (folder / "sshd_config").write_text(
            f"Port {self.link_port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
            "PidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nPermitRootLogin prohibit-password\n"
            "AllowTcpForwarding yes\nMaxStartups 100\n"
        )
        sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin") or "sshd"
        server = Program([sshd, "-D", "-e", "-f", str(folder / "sshd_config")], folder / "sshd.log")
        self.programs["servidor"] = server
        wait_for_port(self.link_port, server)
        options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]
        options += ["ExitOnForwardFailure=yes", "IdentitiesOnly=yes", "Compression=no", "LogLevel=ERROR"]
        forward = f"127.0.0.1:{self.public_port}:127.0.0.1:{BACKEND_PORT}"
        command = [
            "ssh",
            "-N",
            "-F",
            "none",
            "-i",
            str(folder / "user"),
            "-p",
            str(link_through or self.link_port),
        ]
        command += [word for option in options for word in ("-o", option)]
        self.programs["cliente"] = Program([*command, "-R", forward, "root@127.0.0.1"], folder / "ssh.log")
        wait_for_port(self.public_port, self.programs["cliente"])


class Tunnel(Peer):
    """This project's tunnel, as a student runs it."""

    name = "tunel"
    title = "este túnel (ws)"
    link_port = 9801
    public_port = 9800
    upstreams: ClassVar[tuple[str, ...]] = (f"http://127.0.0.1:{BACKEND_PORT}",)

    def program(self) -> str:
        """Return the path of the `tunnel` that is measured.  Raises BenchError."""
        return _tunnel(Path(sys.executable))

    def start(self, link_through: int = 0) -> None:
        """Start both of its sides."""
        self._make_folder()
        self.start_server()
        target = link_through or self.link_port
        upstreams = [f"--upstream={upstream}" for upstream in self.upstreams]
        client = [self.program(), "client", *self._client_options(target), *upstreams, "--json"]
        self.programs["cliente"] = Program(client, self.folder / "client.log")
        self.programs["cliente"].wait_for('"connected"')

    def start_server(self) -> None:
        """Start the exit node alone."""
        self._make_folder()
        ports = [f"--port={self._http_port}", f"--control-port={self.link_port}"]
        hosts = ["--host=127.0.0.1", "--control-host=127.0.0.1"]
        # All visitors come from one address here, which the limits for one source would hold back.
        limits = ["--limit=max-visitors-per-source=100000", "--limit=handshakes-per-s=100000"]
        server = [self.program(), "server", *ports, *hosts, *self._server_options(), *limits, "--json"]
        self.programs["servidor"] = Program(server, self.folder / "server.log")
        self.programs["servidor"].wait_for('"listening"')

    @property
    def _http_port(self) -> int:
        return self.public_port

    def _server_options(self) -> list[str]:
        return [f"--token-file={self.token_file}"]

    def _client_options(self, port: int) -> list[str]:
        return [f"--url=ws://127.0.0.1:{port}", f"--token-file={self.token_file}"]

    @property
    def token_file(self) -> Path:
        """The secret of both sides, made when it is first asked for."""
        path = self.folder / "token"
        if not path.exists():
            command = [self.program(), "token", "--salida", str(path)]
            subprocess.run(command, check=True, capture_output=True)
        return path


class TunnelCompiled(Tunnel):
    """The same program, its data path compiled; ``python`` is that of an environment where it is so."""

    name = "tunel-comp"
    title = "este túnel (ws), compilado"
    link_port = 9951
    public_port = 9950
    python: ClassVar[Path]

    def program(self) -> str:
        """Return the path of the compiled `tunnel`."""
        return _tunnel(self.python)


class TunnelTls(Tunnel):
    """The same with its link encrypted, by the exit node's own certificate authority."""

    name = "tunel-tls"
    title = "este túnel (wss)"
    link_port = 9901
    public_port = 9900

    def _server_options(self) -> list[str]:
        return ["--auto-tls", f"--state-dir={self.folder / 'state'}", f"--token-file={self.token_file}"]

    def _client_options(self, port: int) -> list[str]:
        return [
            f"--url=wss://127.0.0.1:{port}",
            f"--token-file={self.token_file}",
            f"--ca-file={self.folder / 'state' / 'ca.pem'}",
        ]


class TunnelTcp(Tunnel):
    """The same with a TCP port in place of HTTP: no head is read, as in ``ssh -R``."""

    name = "tunel-tcp"
    title = "este túnel (ws, TCP)"
    link_port = 9861
    public_port = 9862

    def _server_options(self) -> list[str]:
        return [*super()._server_options(), f"--tcp-ports={self.public_port}"]

    def _client_options(self, port: int) -> list[str]:
        return [*super()._client_options(port), f"--tcp={self.public_port}=127.0.0.1:{BACKEND_PORT}"]

    @property
    def _http_port(self) -> int:
        return 9860


PEERS: tuple[type[Peer], ...] = (Tunnel, TunnelTls, TunnelTcp, Nginx, Ssh, Direct)


def _tunnel(python: Path) -> str:
    """Return the path of the `tunnel` beside ``python``.  Raises BenchError."""
    path = python.with_name("tunnel")
    if not path.exists():
        raise BenchError(f"no está {path}: corra ./scripts/bench, que lo prepara.")
    return str(path)
