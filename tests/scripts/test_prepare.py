"""What the scripts do before their program starts: `.venv`, made once, whatever happens meanwhile."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

# Each makes one environment or two, of some three seconds each on a quiet machine.
pytestmark = pytest.mark.timeout(240)


def test_a_bare_checkout_is_prepared_and_becomes_the_program(checkout):
    done = checkout.run("demo", "--once", "con espacio")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["argv"] == ["--once", "con espacio"]
    assert Path(told["prefix"]) == checkout.venv
    assert told["ejemplo"] == "1.0"
    assert "Se prepara el entorno de Python" in done.err
    assert "una sola vez" in done.err
    assert "Entorno listo" in done.err


def test_only_the_environment_and_its_lock_file_are_added_to_the_checkout(checkout):
    before = {path.name for path in checkout.root.iterdir()}
    checkout.run("demo", PYTHONDONTWRITEBYTECODE="1")  # the program's own modules may be compiled beside it
    assert {path.name for path in checkout.root.iterdir()} - before == {".venv", ".venv.lock"}
    assert not (checkout.root / "scripts" / "__pycache__").exists()


def test_the_second_run_starts_at_once_and_says_nothing(prepared):
    stamp_time = prepared.stamp.stat().st_mtime_ns
    done = prepared.run("demo")
    assert (done.code, done.err) == (0, "")
    assert prepared.stamp.stat().st_mtime_ns == stamp_time


def test_the_exit_code_is_the_programs(prepared):
    assert prepared.run("demo", CODIGO="7").code == 7


def test_it_can_be_called_from_another_folder(prepared, tmp_path):
    assert prepared.run("demo", cwd=tmp_path).code == 0


def test_another_pythons_modules_are_not_used(prepared, tmp_path):
    (tmp_path / "ejemplo.py").write_text("raise SystemExit('the wrong ejemplo')")
    (tmp_path / "pip.py").write_text("raise SystemExit('the wrong pip')")
    assert prepared.run("demo", PYTHONPATH=str(tmp_path)).code == 0


def test_the_projects_modules_are_found_where_the_locale_is_not_utf8(prepared):
    # Python before 3.13 reads .pth files in the locale's encoding: they hold no accent, though the folder
    # does.
    for path_file in prepared.venv.glob("lib/*/site-packages/_tunelab.pth"):
        assert path_file.read_text(encoding="ascii").startswith("..")
        break
    else:
        pytest.fail("the project was not installed")


def test_what_the_tests_need_is_added_to_what_the_demo_needs(checkout):
    checkout.run("demo")
    done = checkout.run("test")
    assert done.code == 0, done.err
    assert "lo que necesitan las pruebas" in done.err
    assert checkout.run("demo").err == ""


def test_a_changed_lock_file_updates_the_environment_in_place(checkout):
    checkout.run("demo")
    own = checkout.venv / "algo propio"
    own.touch()
    checkout.pin("2.0")
    done = checkout.run("demo")
    assert json.loads(done.out)["ejemplo"] == "2.0"
    assert "Cambiaron las versiones" in done.err
    assert own.exists()


def test_an_environment_of_ones_own_is_completed_and_kept(checkout):
    checkout.run("demo")
    checkout.stamp.unlink()
    own = checkout.venv / "algo propio"
    own.touch()
    assert checkout.run("demo").code == 0
    assert own.exists()


def test_a_checkout_that_was_moved_is_prepared_anew(checkout):
    checkout.run("demo")
    moved = checkout.root.with_name("movido")
    checkout.root.rename(moved)
    elsewhere = type(checkout)(moved, checkout.environment)
    done = elsewhere.run("demo")
    assert Path(json.loads(done.out)["prefix"]) == elsewhere.venv
    assert "cambiaron de lugar" in done.err


def test_an_environment_whose_python_is_gone_is_made_anew(checkout):
    checkout.run("demo")
    for name in os.listdir(checkout.venv / "bin"):
        if name.startswith("python"):
            (checkout.venv / "bin" / name).unlink()
    assert checkout.run("demo").code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["Ctrl-C", "closed"])
def test_an_interrupted_installation_ends_cleanly_and_is_done_again(checkout, number):
    process = checkout.start("demo")
    checkout.wait_until_installing()
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert out == ""
    again = checkout.run("demo")
    assert again.code == 0, again.err
    assert "quedó a medias" in again.err


def test_two_at_once_install_once(checkout):
    first = checkout.start("demo")
    checkout.wait_until_installing()
    second = checkout.start("demo")
    ends = [process.communicate(timeout=120) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], ends
    assert "Otra terminal prepara" in ends[1][1]
    assert "Entorno listo" in ends[0][1]
    assert "Entorno listo" not in ends[1][1]


def test_no_network_is_said_with_what_to_do(checkout):
    done = checkout.run(
        "demo", PIP_NO_INDEX="", PIP_FIND_LINKS="", PIP_INDEX_URL="http://127.0.0.1:9/", PIP_RETRIES="1"
    )
    assert done.code == 3
    assert "No hay conexión con el índice" in done.err
    assert "Traceback" not in done.err


def test_a_damaged_package_is_refused(checkout):
    for wheel in (checkout.root.parent / "indice").glob("ejemplo-1.0*"):
        wheel.write_bytes(wheel.read_bytes() + b"\0")
        break
    else:
        pytest.fail("there is no wheel to damage")
    done = checkout.run("demo")
    assert done.code == 3
    assert "no es el que dice el archivo de versiones" in done.err


def test_a_missing_venv_module_is_said_with_how_to_get_it(checkout, tmp_path):
    # As Debian's Python without python3-venv: the module is not there to be found.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "real = util.find_spec\n"
        "util.find_spec = lambda name, package=None: None if name == 'ensurepip' else real(name, package)\n"
    )
    done = checkout.run("demo", PYTHONPATH=str(tmp_path))
    assert done.code == 3
    assert "le falta el módulo que crea entornos virtuales" in done.err
    assert not checkout.venv.exists()


def test_a_checkout_that_cannot_be_written_is_said(checkout):
    # A folder where the lock file should be refuses everybody, root too.
    (checkout.root / ".venv.lock").mkdir()
    done = checkout.run("demo")
    assert done.code == 3
    assert "No se pudo preparar" in done.err
    assert "Traceback" not in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="there, : is no separator of PATH")
def test_a_folder_that_cannot_hold_an_environment_is_said(checkout):
    renamed = checkout.root.with_name("uno:dos")
    checkout.root.rename(renamed)
    done = type(checkout)(renamed, checkout.environment).run("demo")
    assert done.code == 3
    assert "Cámbiele el nombre" in done.err
