"""What an exit node keeps: made once, whoever else makes it too, renewed in time, never overwritten."""

from __future__ import annotations

import logging
import os
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tunnel.unit.kit import assert_spanish
from tunnel.config import ConfigError
from tunnel.secret_files import FileUnusable
from tunnel.state.certificates import LEAF_S, RENEWAL_S
from tunnel.state.folder import default_state_folder, prepare_state_folder
from tunnel.state.keeper import CertificateKeeper
from tunnel.state.own_token import keep_token

NOW_S = 1_800_000_000.0
DAY_S = 24 * 3600

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "estado"


class SpyContext(ssl.SSLContext):
    """A real context that remembers which certificates it was given."""

    loaded: list[str]

    def __new__(cls) -> SpyContext:
        context = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        context.loaded = []
        return context

    def load_cert_chain(self, certfile: Path, *rest: object) -> None:  # type: ignore[override]
        super().load_cert_chain(certfile)
        self.loaded.append(Path(certfile).read_text())


def keep(folder: Path, clock: Callable[[], float], *names: str) -> tuple[CertificateKeeper, SpyContext]:
    context = SpyContext()
    return CertificateKeeper(folder, names, context, clock), context


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refusal(folder: Path, clock: Clock) -> str:
    """Return why the folder cannot be used, having seen that nothing in it was touched."""
    before = contents(folder)
    with pytest.raises(ConfigError) as caught:
        keep(folder, clock)
    assert contents(folder) == before
    text = str(caught.value)
    assert_spanish(text)
    return text


# ── the CA ───────────────────────────────────────────────────────────────────────────────────────


def test_the_ca_is_made_once_and_found_again(folder: Path, clock: Clock) -> None:
    first, _ = keep(folder, clock)
    before = contents(folder)
    clock.now_s += 200 * DAY_S
    again, _ = keep(folder, clock)
    assert again.authority.pin == first.authority.pin
    assert contents(folder) == before
    assert set(before) == {"autoridad.pem", "ca.pem"}
    assert before["ca.pem"].decode() == first.authority.pem
    assert b"PRIVATE KEY" not in before["ca.pem"]


@posix
def test_only_the_owner_can_enter_the_folder_and_read_the_files(folder: Path, clock: Clock) -> None:
    former = os.umask(0)
    try:
        keep(folder, clock)
        keep_token(folder)
    finally:
        os.umask(former)
    assert mode(folder) == 0o700
    files = list(folder.iterdir())
    assert len(files) == 3
    assert {mode(path) for path in files} == {0o600}


MAKE_A_CA = """
import ssl, sys, time
from pathlib import Path
from tunnel.state.keeper import CertificateKeeper
from tunnel.state.own_token import keep_token
folder = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
keeper = CertificateKeeper(folder, (), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
print(keeper.authority.pin, keep_token(folder).reveal())
"""


def test_several_that_start_at_once_have_one_ca_and_one_token(folder: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE_A_CA, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        for _ in range(6)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        said = {process.communicate(timeout=30)[0] for process in started}
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert len(said) == 1
    assert said.pop().startswith("sha256:")
    assert {path.name for path in folder.iterdir()} == {"autoridad.pem", "ca.pem", "token.txt"}


# ── renewal ──────────────────────────────────────────────────────────────────────────────────────


def test_a_certificate_is_renewed_when_it_is_time_and_not_again(folder: Path, clock: Clock) -> None:
    keeper, context = keep(folder, clock, "exit.example")
    assert len(context.loaded) == 1
    clock.now_s += LEAF_S - RENEWAL_S - 1
    assert not keeper.poll()
    clock.now_s += 1
    assert keeper.poll()
    assert not keeper.poll()
    assert len(set(context.loaded)) == 2


def test_no_key_of_a_server_s_certificate_stays_on_the_disk(folder: Path, clock: Clock) -> None:
    _, context = keep(folder, clock)
    (leaf,) = context.loaded
    assert "PRIVATE KEY" in leaf
    assert set(contents(folder)) == {"autoridad.pem", "ca.pem"}


@posix
def test_a_renewal_that_fails_is_tried_again_later(
    folder: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    keeper, context = keep(folder, clock)
    elsewhere = folder.with_name("otra")
    folder.rename(elsewhere)
    clock.now_s += LEAF_S
    with caplog.at_level(logging.WARNING):
        assert not keeper.poll()
        assert not keeper.poll()
    assert len(caplog.records) == 1
    elsewhere.rename(folder)
    assert not keeper.poll()
    clock.now_s += 600
    assert keeper.poll()
    assert len(context.loaded) == 2


def test_near_the_ca_s_own_end_it_is_not_renewed_without_pause(folder: Path, clock: Clock) -> None:
    keeper, context = keep(folder, clock)
    clock.now_s = keeper.authority.ends_s - DAY_S
    assert keeper.poll()
    assert not keeper.poll()
    clock.now_s += 600
    assert keeper.poll()
    assert len(context.loaded) == 3


def test_a_clock_that_was_set_back_does_not_stop_renewals(folder: Path, clock: Clock) -> None:
    keeper, _ = keep(folder, clock)
    clock.now_s += 300 * DAY_S
    assert keeper.poll()
    clock.now_s = NOW_S
    assert keeper.poll()


# ── what is damaged, or somebody else's ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "data",
    [b"", b"hola\n", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\0\xff\xfe" * 100],
    ids=["empty", "no PEM", "bad PEM", "no text"],
)
def test_a_damaged_ca_is_named_and_left_alone(folder: Path, clock: Clock, data: bytes) -> None:
    keep(folder, clock)
    path = folder / "autoridad.pem"
    path.write_bytes(data)
    assert str(path) in refusal(folder, clock)


def test_what_to_do_with_a_damaged_ca_is_told(folder: Path, clock: Clock) -> None:
    keep(folder, clock)
    (folder / "autoridad.pem").write_text("hola\n")
    text = refusal(folder, clock)
    assert "No se tocó" in text
    assert "--state-dir" in text
    assert "bórrelo" in text


@posix
def test_a_ca_that_others_can_read_is_refused(folder: Path, clock: Clock) -> None:
    keep(folder, clock)
    (folder / "autoridad.pem").chmod(0o640)
    assert "chmod 600" in refusal(folder, clock)


def test_a_file_in_the_certificate_s_place_is_left_alone(folder: Path, clock: Clock) -> None:
    keep(folder, clock)
    (folder / "ca.pem").write_text("mis notas")
    assert "ca.pem" in refusal(folder, clock)


def test_a_new_ca_s_certificate_takes_the_place_of_the_former_one_s(folder: Path, clock: Clock) -> None:
    keep(folder, clock)
    former = (folder / "ca.pem").read_text()
    (folder / "autoridad.pem").unlink()
    keeper, _ = keep(folder, clock)
    assert keeper.authority.pem != former
    assert (folder / "ca.pem").read_text() == keeper.authority.pem


@pytest.mark.parametrize("shift_s", [-40 * DAY_S, 3700 * DAY_S], ids=["to come", "over"])
def test_a_ca_whose_time_is_not_now_is_told_with_the_clock(
    folder: Path, clock: Clock, shift_s: float
) -> None:
    keep(folder, clock)
    clock.now_s += shift_s
    assert "Revise el reloj" in refusal(folder, clock)


def test_a_ca_that_will_end_soon_is_told_in_the_log(
    folder: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    keeper, _ = keep(folder, clock)
    clock.now_s = keeper.authority.ends_s - LEAF_S + 1
    with caplog.at_level(logging.WARNING):
        keep(folder, clock)
    assert "ends on" in caplog.text


@posix
@pytest.mark.parametrize("bits", [0o770, 0o702, 0o1777])
def test_a_folder_where_others_may_write_is_refused(folder: Path, clock: Clock, bits: int) -> None:
    folder.mkdir()
    folder.chmod(bits)
    assert "chmod 700" in refusal(folder, clock)


def test_a_file_in_the_folder_s_place_is_refused(folder: Path, clock: Clock) -> None:
    folder.write_text("")
    with pytest.raises(ConfigError, match="no es una carpeta"):
        prepare_state_folder(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that refuses even root")
def test_a_folder_that_cannot_be_made_or_written_is_the_environment_s_fault() -> None:
    with pytest.raises(FileUnusable) as caught:
        prepare_state_folder(Path("/proc/self/estado"))
    assert "/proc/self/estado" in str(caught.value)
    assert_spanish(str(caught.value))
    with pytest.raises(FileUnusable) as caught:
        CertificateKeeper(Path("/proc/self"), (), SpyContext())
    assert "/proc/self" in str(caught.value)
    assert_spanish(str(caught.value))


# ── the token ────────────────────────────────────────────────────────────────────────────────────


def test_a_token_is_made_once(folder: Path) -> None:
    folder.mkdir()
    first = keep_token(folder).reveal()
    assert len(first) == 43  # 256 bits
    assert keep_token(folder).reveal() == first


def test_a_damaged_token_is_named_and_left_alone(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    path = folder / "token.txt"
    path.touch(mode=0o600)
    with pytest.raises(ConfigError, match=r"token\.txt"):
        keep_token(folder)
    assert path.read_text() == ""


# ── where it is ──────────────────────────────────────────────────────────────────────────────────


@posix
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/tunelab"}, "/var/lib/tunelab"),
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "XDG_STATE_HOME": "/x"}, "/var/lib/a"),
        ({"XDG_STATE_HOME": "/x"}, "/x/tunelab"),
        ({"XDG_STATE_HOME": "x"}, "~/.local/state/tunelab"),
        ({"XDG_STATE_HOME": ""}, "~/.local/state/tunelab"),
        ({}, "~/.local/state/tunelab"),
    ],
)
def test_the_default_folder_is_where_the_system_wants_it(environ: dict[str, str], expected: str) -> None:
    assert default_state_folder(environ) == Path(expected).expanduser()
