"""The stand-in for gcloud knows what is documented and used, and refuses the rest."""

import json
import subprocess
from pathlib import Path

import pytest
from support.gcp_scene import settings

from tunnel.exitnodes.simulation import install
from tunnel.exitnodes.simulation.commands import HANDLERS
from tunnel.exitnodes.simulation.grammar import COMMANDS, UsageError, parse
from tunnel.exitnodes.simulation.query import render, select


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "estado"))
    settings(tmp_path)


def gcloud(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([install(), *words], capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["compute", "instances", "create-with-container", "x"], "Invalid choice: 'create-with-container'"),
        (["compute", "instances", "create", "x", "--preemptible"], "unrecognized arguments: --preemptible"),
        (["compute", "instances", "create", "x", "--zon=a"], "did you mean '--zone'"),
        (["compute", "instances", "create", "x", "y"], "unrecognized arguments: y"),
        (["compute", "instances", "create", "x", "--zone"], "expected one argument"),
        (["compute", "instances", "create", "x", "--quiet=yes"], "ignored explicit argument"),
        (["compute", "instances", "delete"], "Must be specified"),
        (["compute"], "Command name argument expected"),
        (["storage", "buckets", "list"], "Invalid choice: 'storage'"),
        (["billing", "projects", "link", "x"], "--billing-account"),
        (["projects", "list", "--filter=a>b"], "syntax error in filter"),
        (["projects", "list", "--format=yaml"], "Unknown format"),
    ],
)
def test_what_is_not_known_is_refused_as_gcloud_refuses_it(words: list[str], refusal: str) -> None:
    ended = gcloud(*words)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert refusal in ended.stderr
    assert all(line.startswith("SIMULACIÓN |") for line in ended.stderr.splitlines())


def test_each_command_has_a_handler_and_a_reference_page() -> None:
    assert set(HANDLERS) == set(COMMANDS)
    assert COMMANDS["compute instances create"].reference.endswith("/reference/compute/instances/create")


def test_a_flag_takes_its_value_either_way() -> None:
    for words in (["--zone=a"], ["--zone", "a"]):
        assert parse(["compute", "instances", "delete", "x", *words]).flag("--zone") == "a"


def test_filters_and_formats_look_into_resources() -> None:
    items = [{"name": "a", "labels": {"curso": "x"}}, {"name": "b"}]
    assert select(items, "labels.curso=x AND name=a") == items[:1]
    assert render(items, "value(name,labels.curso)", is_list=True) == "a\tx\nb\t\n"
    assert json.loads(render(items, "json", is_list=True)) == items
    with pytest.raises(UsageError):
        select(items, "name~a")


def test_metadata_beyond_googles_limits_are_refused(tmp_path: Path) -> None:
    big = tmp_path / "grande"
    words = ["compute", "instances", "create", "x", "--zone=us-west1-a", f"--metadata-from-file=a={big}"]
    big.write_text("x" * 256 * 1024)
    assert gcloud(*words).returncode == 0
    big.write_text("x" * (256 * 1024 + 1))
    assert "too large" in gcloud(*words[:3], "y", *words[4:]).stderr


def test_a_project_id_is_never_used_again() -> None:
    assert gcloud("projects", "create", "un-proyecto").returncode == 0
    assert gcloud("projects", "delete", "un-proyecto").returncode == 0
    again = gcloud("projects", "create", "un-proyecto")
    assert again.returncode == 1
    assert "already in use" in again.stderr
