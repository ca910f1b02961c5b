"""The play and its roles, read without machines."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from place import ROOT
from support.requirements import refuse, require_program

ANSIBLE = ROOT / "ansible"
ROLES = sorted(path for path in (ANSIBLE / "roles").iterdir() if path.is_dir())
ROLE_NAMES = [role.name for role in ROLES]

pytestmark = pytest.mark.timeout(180)


def beside_python(name: str) -> str:
    """Return a program of the environment that runs the tests."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        refuse(f"falta {name} en el entorno de las pruebas: ./scripts/test lo instala")
    return str(path)


def run(*command: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of Ansible's with a home of its own."""
    environment = {
        **os.environ,
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        # ansible-lint runs the other programs of its own environment.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return subprocess.run(
        command, cwd=ANSIBLE, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def test_the_syntax_is_right_for_the_current_ansible(tmp_path: Path) -> None:
    program = beside_python("ansible-playbook")
    checked = run(
        program, "--syntax-check", "-i", "inventories/nube/hosts.ejemplo.yml", "site.yml", tmp_path=tmp_path
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_syntax_is_right_for_debians_ansible(tmp_path: Path) -> None:
    program = require_program("/usr/bin/ansible-playbook", "sudo apt install ansible-core")
    assert "core 2.14." in run(program, "--version", tmp_path=tmp_path).stdout
    checked = run(
        program, "--syntax-check", "-i", "inventories/nube/hosts.ejemplo.yml", "site.yml", tmp_path=tmp_path
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_ansible_lint_has_nothing_to_say_at_its_strictest(tmp_path: Path) -> None:
    # In a copy: it leaves a folder beside what it reads.
    copy = tmp_path / "ansible"
    shutil.copytree(ANSIBLE, copy)
    shutil.copytree(ROOT / "tunnel" / "units", tmp_path / "tunnel" / "units")
    program = beside_python("ansible-lint")
    linted = run(program, "--offline", "--profile", "production", "--nocolor", str(copy), tmp_path=tmp_path)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    # It must have looked at something.
    assert re.search(r"[1-9]\d* files processed", linted.stderr + linted.stdout)


def load(path: Path) -> Any:
    """Return a YAML file's content, empty for a file that is not there."""
    return yaml.safe_load(path.read_text()) if path.exists() else {}


@pytest.mark.parametrize("role", ROLES, ids=ROLE_NAMES)
def test_every_variable_of_a_role_is_specified_documented_and_prefixed(role: Path) -> None:
    defaults = load(role / "defaults" / "main.yml")
    options = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    readme = (role / "README.md").read_text()
    assert defaults
    assert set(defaults) == set(options)
    for name in defaults:
        assert name.startswith(f"{role.name}_")
        assert f"| `{name}` |" in readme, f"{role.name}/README.md does not tell about {name}"
    told = re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE)
    assert set(told) == set(defaults), "the README tells about a variable that is gone"


@pytest.mark.parametrize("role", ROLES, ids=ROLE_NAMES)
def test_a_specified_default_is_the_real_one(role: Path) -> None:
    defaults = load(role / "defaults" / "main.yml")
    options = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    for name, option in options.items():
        assert option["description"]
        if "default" in option:
            assert option["default"] == defaults[name], name


def test_every_role_is_played_with_a_tag_of_its_own() -> None:
    plays = load(ANSIBLE / "site.yml")
    played = [entry for play in plays for entry in play["roles"]]
    assert {entry["role"] for entry in played} == set(ROLE_NAMES)
    assert all(entry["role"] in entry["tags"] for entry in played)


def test_nothing_in_the_roles_knows_of_vagrant_but_their_defaults() -> None:
    for role in ROLES:
        for path in sorted(role.rglob("*")):
            if path.is_file() and path.parent.name in ("tasks", "handlers", "files"):
                assert "/vagrant" not in path.read_text(), path


@pytest.mark.parametrize("name", ["tunnel-server", "tunnel-client"])
def test_the_words_to_fill_in_are_the_ones_that_the_role_fills(name: str) -> None:
    text = (ROOT / "tunnel" / "units" / f"{name}.service").read_text()
    role = ANSIBLE / "roles" / name.replace("-", "_")
    filled = set(re.findall(r"replace\('(@[A-Z_]+@)'", (role / "tasks" / "main.yml").read_text()))
    assert filled
    assert filled == set(re.findall(r"@[A-Z_]+@", text))


def test_the_secret_is_never_shown() -> None:
    tasks = load(ANSIBLE / "roles" / "kit" / "tasks" / "token.yml")
    assert len(tasks) == 2
    for task in tasks:
        assert task["no_log"] is True
        assert task["ansible.builtin.copy"]["mode"] == "0600"
