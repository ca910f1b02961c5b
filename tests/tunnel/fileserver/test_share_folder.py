"""``tunnel client --carpeta``: one command shares a folder; and its listing, as a browser shows it."""

from __future__ import annotations

import base64
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from support.chromium import run_chromium
from support.tunnel_kit import Starter, write_token
from support.tunnel_process import TunnelProcess

PASSWORD = "para-leer-0123456789"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    with Starter(write_token(tmp_path / "token.txt")).running() as starter:
        yield starter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three files, of which the biggest is the oldest."""
    folder = tmp_path / "notas"
    (folder / "fotos").mkdir(parents=True)
    for age, (name, size) in enumerate((("ñandú.txt", 4), ("b.bin", 3000), ("a.pdf", 70000))):
        (folder / name).write_bytes(b"x" * size)
        os.utime(folder / name, (1_700_000_000 - 86400 * age,) * 2)
    return folder


def sharing(start: Starter, folder: Path, *options: str, env: dict[str, str] | None = None) -> TunnelProcess:
    """Start a client that shares ``folder``; the node's visitors are on the first process's port."""
    server = start.server()
    client = TunnelProcess(
        "client",
        f"--url=ws://127.0.0.1:{server.control_port}",
        f"--token-file={start.token_file}",
        f"--carpeta={folder}",
        "--json",
        *options,
        env=env,
    )
    start.processes.append(client)
    client.wait_for("connected")
    return client


def visit(url: str, password: str, host: str = "") -> tuple[int, bytes]:
    word = base64.b64encode(f"admin:{password}".encode()).decode()
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {word}"})
    if host:
        request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_one_command_shares_a_folder_and_keeps_the_same_password(
    start: Starter, folder: Path, tmp_path: Path
) -> None:
    state = tmp_path / "estado"
    client = sharing(start, folder, env={"XDG_STATE_HOME": str(state)})
    (url,) = client.wait_for("connected")["urls"]
    kept = state / "tunelab" / "carpeta.txt"
    assert str(kept) in client.err
    password = kept.read_text().strip()
    assert kept.stat().st_mode & 0o077 == 0
    assert password not in client.err + client.out
    assert visit(f"{url}/b.bin", password) == (200, b"x" * 3000)
    status, page = visit(f"{url}/", password)
    assert (status, "ñandú.txt" in page.decode()) == (200, True)
    assert visit(f"{url}/b.bin", "otra")[0] == 401
    again = sharing(start, folder, env={"XDG_STATE_HOME": str(state)})
    (url,) = again.wait_for("connected")["urls"]
    assert visit(f"{url}/b.bin", password)[0] == 200


def test_the_folder_may_have_a_name_and_a_password_of_its_own(
    start: Starter, folder: Path, tmp_path: Path
) -> None:
    own = write_token(tmp_path / "lectura.txt", PASSWORD)
    sharing(start, folder, "--carpeta-nombre=notas.example", f"--carpeta-token-file={own}")
    node = f"http://127.0.0.1:{start.processes[0].port}"  # type: ignore[attr-defined]
    assert visit(f"{node}/b.bin", PASSWORD, "notas.example")[0] == 200
    assert visit(f"{node}/b.bin", PASSWORD, "otra.example")[0] == 404


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--carpeta=no-hay"], "no es una carpeta"),
        (["--carpeta-nombre=a.example"], "va con --carpeta"),
        (["--carpeta-token-file=x"], "va con --carpeta"),
    ],
)
def test_what_is_wrong_is_said(options: list[str], said: str) -> None:
    process = TunnelProcess("client", "--url=ws://127.0.0.1:1", *options, env={"TUNELAB_TOKEN": "x" * 32})
    assert process.wait() == 2
    process.close()
    assert said in process.err


def test_a_browser_sorts_the_listing_both_ways_and_runs_no_script(
    start: Starter, folder: Path, tmp_path: Path
) -> None:
    own = write_token(tmp_path / "lectura.txt", PASSWORD)
    client = sharing(start, folder, f"--carpeta-token-file={own}")
    (url,) = client.wait_for("connected")["urls"]
    with run_chromium(tmp_path / "perfil") as browser:
        browser.get(f"{url.replace('://', f'://admin:{PASSWORD}@')}/")

        def names() -> list[str]:
            rows = browser.find_elements(By.CSS_SELECTOR, "tbody td:first-child a:first-child")
            return [row.text for row in rows]

        assert names() == ["fotos/", "a.pdf", "b.bin", "ñandú.txt"]
        browser.find_element(By.LINK_TEXT, "Tamaño").click()
        assert names() == ["fotos/", "ñandú.txt", "b.bin", "a.pdf"]
        browser.find_element(By.LINK_TEXT, "Tamaño").click()
        assert names() == ["fotos/", "a.pdf", "b.bin", "ñandú.txt"]
        browser.find_element(By.PARTIAL_LINK_TEXT, "Modificado").click()
        assert names() == ["fotos/", "a.pdf", "b.bin", "ñandú.txt"]
        assert browser.find_elements(By.TAG_NAME, "script") == []
        browser.find_element(By.LINK_TEXT, "fotos/").click()
        assert "La carpeta está vacía." in browser.page_source
        messages = [entry["message"] for entry in browser.get_log("browser")]
        # A browser looks for an icon by itself, and begins with a page of its own.
        assert [text for text in messages if "favicon" not in text and not text.startswith("chrome:")] == []
