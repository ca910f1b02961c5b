"""A build hook: with ``HATCH_BUILD_HOOKS_ENABLE=1`` the data path of a wheel is compiled, by mypyc.

What is compiled is the list in pyproject.toml, ``tool.hatch.build.targets.wheel.hooks.custom``; without the
variable this file is not even loaded.  The sources stay in the wheel beside what is made of them: where there
are both, Python takes the compiled module.

Everything is made in a temporary folder; the checkout is only read.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledDataPath(BuildHookInterface[Any]):
    """Adds the compiled modules to a wheel.  An editable installation stays as it is."""

    _folder = ""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it makes a wheel."""
        if version == "editable":
            return
        self._folder = tempfile.mkdtemp(prefix="tunelab-mypyc-")
        try:
            with chdir(self.root):  # modules are named by their path from here
                made = compile_modules(self.config["modules"], Path(self._folder))
        except BaseException:
            shutil.rmtree(self._folder)  # or it stays: nobody calls finalize then
            raise
        build_data["pure_python"] = False
        build_data["infer_tag"] = True  # of the Python and the machine that compiled
        build_data["force_include"].update({str(path): name for path, name in made.items()})

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called by hatchling when the wheel is there."""
        if self._folder:
            shutil.rmtree(self._folder)


def compile_modules(sources: list[str], folder: Path) -> dict[Path, str]:
    """Compile ``sources``, paths from the current folder, all into one library.

    Returns:
        What was made, in ``folder``, with its place in the wheel: the library, and for each module a small
        one that Python finds under the module's name.

    Raises:
        RuntimeError: the compiler is missing or fails; says so in Spanish.
    """
    # Here and not above: they are there only where something is compiled, and setuptools comes first.
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext
    from setuptools.errors import CCompilerError

    from mypyc.build import mypycify  # isort: skip

    # What is not in the list is read for its types and told nothing about; ./scripts/check sees to that.
    options = ["--follow-imports=silent", "--ignore-missing-imports", f"--cache-dir={folder / 'cache'}"]
    extensions = mypycify(
        [*options, *sources],
        opt_level="3",
        debug_level="0",
        target_dir=str(folder / "c"),
        group_name="tunelab",
    )
    command = build_ext(Distribution({"name": "tunelab", "ext_modules": extensions}))
    command.build_lib = str(folder / "lib")
    command.build_temp = str(folder / "objects")
    command.ensure_finalized()
    try:
        command.run()
    except CCompilerError as error:
        raise RuntimeError(
            f"no se pudo compilar ({error}). Faltan un compilador de C o las cabeceras de este Python: en "
            "Debian, sudo apt install gcc python3-dev. Sin HATCH_BUILD_HOOKS_ENABLE=1 no se compila nada."
        ) from error
    made = [path for path in (folder / "lib").rglob("*") if path.is_file()]
    return {path: path.relative_to(folder / "lib").as_posix() for path in made}
