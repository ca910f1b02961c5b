"""``tunnel fileserver``, the real command, asked over raw sockets."""

import base64
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.whole_path import make_token, program, running_client, running_exit_node

from tunnel.fileserver.places import open_real

TOKEN = "un-token-de-prueba-0123456789abcdef-0123456789"
SECRET = b"nobody outside may read this"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Server:
    port: int
    root: Path

    def ask(self, target: str, method: str = "GET", password: str = TOKEN, **fields: str) -> Answer:
        word = base64.b64encode(f"admin:{password}".encode()).decode()
        lines = [
            f"{method} {target} HTTP/1.1",
            "Host: a",
            "Connection: close",
            f"Authorization: Basic {word}",
        ]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as link:
            link.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
            received = b"".join(iter(lambda: link.recv(65536), b""))
        head, _, body = received.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        return Answer(int(first.split()[1]), headers, body)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    root = tmp_path / "carpeta"
    (root / "sub").mkdir(parents=True)
    (root / "a b.txt").write_bytes(b"0123456789")
    (root / "sub" / "ñandú.html").write_text("<script>1</script>", encoding="utf-8")
    (root / ".oculto").write_bytes(SECRET)
    (tmp_path / "secreto").write_bytes(SECRET)
    (root / "fuga").symlink_to(tmp_path / "secreto")
    (root / "fuga-carpeta").symlink_to(tmp_path)
    (root / "al-oculto").symlink_to(root / ".oculto")
    token = tmp_path / "token.txt"
    token.write_text(TOKEN, encoding="utf-8")
    token.chmod(0o600)
    command = [program("tunnel"), "fileserver", "--webroot", root, "--allow-browsing", "--port", "0"]
    process = subprocess.Popen([*command, "--token-file", token], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Server(int(process.stdout.readline().rsplit(":", 1)[1]), root)
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.parametrize(
    "target",
    [
        "/../secreto",
        "/sub/../../secreto",
        "/%2e%2e/secreto",
        "/..%2fsecreto",
        "/%252e%252e/secreto",
        "/..%5csecreto",
        "/..\\secreto",
        "//secreto",
        "/sub//../../secreto",
        "/secreto%00",
        "/fuga",
        "/fuga-carpeta/",
        "/fuga-carpeta/secreto",
        "/.oculto",
        "/%2eoculto",
        "/al-oculto",
    ],
)
def test_nothing_outside_or_hidden_is_read(server: Server, target: str) -> None:
    answer = server.ask(target)
    assert answer.status in (400, 404)
    assert SECRET not in answer.body


def test_a_file_is_sent_with_what_a_browser_needs_to_know(server: Server) -> None:
    answer = server.ask("/a%20b.txt")
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"].startswith("text/plain")
    page = server.ask("/sub/%C3%B1and%C3%BA.html")
    assert (page.status, page.headers["content-security-policy"]) == (200, "sandbox")
    head = server.ask("/a%20b.txt", "HEAD")
    assert (head.status, head.headers["content-length"], head.body) == (200, "10", b"")


@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=-3", 206, b"789"),
        ("bytes=8-", 206, b"89"),
        ("bytes=0-1,4-5", 200, b"0123456789"),
        ("lines=1-2", 200, b"0123456789"),
        ("bytes=10-", 416, None),
    ],
)
def test_a_range_is_answered(server: Server, wanted: str, status: int, body: bytes | None) -> None:
    answer = server.ask("/a%20b.txt", Range=wanted)
    assert answer.status == status
    assert body is None or answer.body == body


def test_conditions_are_kept(server: Server) -> None:
    first = server.ask("/a%20b.txt").headers
    tag, date, past = first["etag"], first["last-modified"], "Mon, 01 Jan 2001 00:00:00 GMT"
    asked = [
        ({"If_None_Match": tag}, 304),
        ({"If_None_Match": '"otra"'}, 200),
        ({"If_Match": tag}, 200),
        ({"If_Match": '"otra"'}, 412),
        ({"If_Modified_Since": date}, 304),
        ({"If_Modified_Since": past}, 200),
        ({"If_Unmodified_Since": date}, 200),
        ({"If_Unmodified_Since": past}, 412),
        ({"If_Range": tag, "Range": "bytes=0-1"}, 206),
        ({"If_Range": '"otra"', "Range": "bytes=0-1"}, 200),
    ]
    assert [(fields, server.ask("/a%20b.txt", **fields).status) for fields, _ in asked] == asked


def test_who_does_not_know_the_token_is_refused_before_anything_else(server: Server) -> None:
    for target in ("/a%20b.txt", "/no-existe"):
        answer = server.ask(target, password="otra")
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith('Basic realm="')


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(server: Server, method: str) -> None:
    answer = server.ask("/a%20b.txt", method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_the_listing_is_sorted_without_scripts_and_hides_what_cannot_be_read(server: Server) -> None:
    (server.root / "z.bin").write_bytes(b"x" * 2048)
    (server.root / "<b>.txt").write_bytes(b"")
    up = server.ask("/?orden=tamano").body.decode()
    down = server.ask("/?orden=tamano&sentido=baja").body.decode()
    assert up.index("a b.txt") < up.index("z.bin")
    assert down.index("z.bin") < down.index("a b.txt")
    assert "2,0 KiB" in up
    assert "&lt;b&gt;.txt" in up
    assert "oculto" not in up
    assert "fuga" not in up
    assert server.ask("/sub").headers["location"].endswith("/sub/")


def test_the_name_to_save_a_file_by_is_told_in_full_and_it_may_be_a_download(
    server: Server,
) -> None:
    target = "/sub/%C3%B1and%C3%BA.html"
    shown = server.ask(target).headers["content-disposition"]
    assert shown == "inline; filename=\"nandu.html\"; filename*=UTF-8''%C3%B1and%C3%BA.html"
    saved = server.ask(f"{target}?descargar").headers["content-disposition"]
    assert saved.startswith("attachment; ")
    (server.root / 'dice "hola".tar.gz').write_bytes(b"x")
    quoted = server.ask("/dice%20%22hola%22.tar.gz").headers
    assert quoted["content-disposition"] == 'inline; filename="dice \\"hola\\".tar.gz"'
    # What is compressed comes as it is on the disk: a browser would undo a Content-Encoding.
    assert (quoted["content-type"], quoted.get("content-encoding")) == ("application/gzip", None)


def test_a_folder_that_becomes_a_link_once_it_was_judged_is_not_followed(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "fuera").mkdir()
    (tmp_path / "fuera" / "secreto").write_bytes(SECRET)
    root = server.root.resolve()
    opened = open_real(root, ("sub", "ñandú.html"))
    assert opened is not None
    opened.close()
    # As it is after the exchange: the parts were judged when "cambiada" was a folder of the share.
    (root / "cambiada").symlink_to(tmp_path / "fuera")
    (root / "archivo").symlink_to(tmp_path / "secreto")
    for parts in (("cambiada",), ("cambiada", "secreto"), ("archivo",)):
        assert open_real(root, parts) is None


def test_nothing_escapes_while_a_folder_and_a_link_take_turns(server: Server, tmp_path: Path) -> None:
    (tmp_path / "fuera").mkdir()
    (tmp_path / "fuera" / "dato").write_bytes(SECRET)
    (tmp_path / "dentro").mkdir()
    (tmp_path / "dentro" / "dato").write_bytes(b"public")
    link, folder, place = tmp_path / "enlace", tmp_path / "dentro", server.root / "turno"
    link.symlink_to(tmp_path / "fuera")
    ended = threading.Event()

    def exchange() -> None:
        while not ended.is_set():
            for one in (link, folder):
                one.rename(place)
                place.rename(one)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        answers = [server.ask("/turno/dato") for _ in range(300)]
    finally:
        ended.set()
        thread.join()
    assert {answer.status for answer in answers} <= {200, 404}
    assert SECRET not in {answer.body for answer in answers}


@pytest.mark.skipif(os.name != "posix", reason="las tuberías son de POSIX / pipes are of POSIX")
def test_a_pipe_is_neither_listed_nor_waited_for(server: Server) -> None:
    os.mkfifo(server.root / "tuberia")
    assert server.ask("/tuberia").status == 404
    assert b"tuberia" not in server.ask("/").body


def test_an_address_that_is_not_loopback_is_warned_of(tmp_path: Path) -> None:
    token = tmp_path / "token.txt"
    token.touch(mode=0o600)
    token.write_text(TOKEN, encoding="utf-8")
    command = [program("tunnel"), "fileserver", "--webroot", tmp_path, "--port", "0", "--token-file", token]
    for host, is_warned in (("127.0.0.1", False), ("0.0.0.0", True)):
        process = subprocess.Popen(
            [*command, "--host", host], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert ("sin cifrar" in process.communicate(timeout=20)[1]) == is_warned


def test_a_folder_is_read_through_a_real_tunnel(server, tmp_path):
    (server.root / "grande.bin").write_bytes(bytes(range(256)) * 20_000)
    folder = tmp_path / "tunel"
    folder.mkdir()
    token = make_token(folder)
    upstream = f"http://127.0.0.1:{server.port}"
    with running_exit_node(token) as node, running_client(node, upstream, token):
        port = int(node.public_url.rpartition(":")[2])
        visitor = Server(port, server.root)
        assert visitor.ask("/grande.bin").body == (server.root / "grande.bin").read_bytes()
        part = visitor.ask("/grande.bin", Range="bytes=255-257")
        assert (part.status, part.body) == (206, b"\xff\x00\x01")
        assert visitor.ask("/grande.bin", password="otra").status == 401
