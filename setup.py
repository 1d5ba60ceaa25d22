"""Builds the kernels and carries the catalogue into the wheel; all else is in pyproject.toml.

The catalogue (``scaffolds/``, ``configs/``, ``viz/scenes``, ``viz/reports``) lives beside the
package in a checkout, where ``scaffoldsim.catalogue`` finds it. In a wheel it becomes
``scaffoldsim/_catalogue/``, so that no generic name such as ``viz`` lands in site-packages.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

# No -march: a wheel must run on any x86-64. No contraction: the last bit may not depend on FMA.
# No debug symbols: they double the time to compile.
COMPILE = ["-O3", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-g0"]
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
}
CATALOGUE = ("scaffolds", "configs", "viz/scenes", "viz/reports")
DATA_SUFFIXES = {".yaml", ".html", ".css", ".js", ".md"}


def kernels() -> list[Extension]:
    """One extension per ``.pyx`` below ``scaffoldsim/``."""
    return [
        Extension(
            ".".join(path.with_suffix("").parts),
            [path.as_posix()],
            include_dirs=[numpy.get_include(), path.parent.as_posix()],
            depends=[header.as_posix() for header in sorted(path.parent.glob("*.h"))],
            extra_compile_args=COMPILE,
            extra_link_args=["-fopenmp"],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        )
        for path in sorted(Path("scaffoldsim").rglob("*.pyx"))
    ]


def catalogue_files() -> list[Path]:
    """Every data file of the catalogue; scripts in the same folders stay out of the wheel."""
    return [
        path
        for folder in CATALOGUE
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.suffix in DATA_SUFFIXES
    ]


class BuildWithCatalogue(build_py):
    """``build_py`` that copies the catalogue beside the package, except in editable mode."""

    def _target(self, path: Path) -> Path:
        return Path(self.build_lib, "scaffoldsim", "_catalogue", path)

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        # What an earlier build left here may have been renamed or removed since.
        shutil.rmtree(self._target(Path()), ignore_errors=True)
        for path in catalogue_files():
            self._target(path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, self._target(path))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs = list(super().get_outputs(include_bytecode))
        if not self.editable_mode:
            outputs += [str(self._target(path)) for path in catalogue_files()]
        return outputs


setup(
    ext_modules=cythonize(
        kernels(),
        build_dir="build/cython",
        compiler_directives=DIRECTIVES,
        quiet=True,
    ),
    cmdclass={"build_py": BuildWithCatalogue},
    options={"build_ext": {"parallel": os.cpu_count() or 1}},
)
