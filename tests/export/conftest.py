from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scaffoldsim.run.record import Run
from tests.export.box import write_box


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_box(tmp_path_factory.mktemp("export") / "box")


@pytest.fixture
def run(box: Run, tmp_path: Path) -> Run:
    """A copy of the box, to be written into."""
    return Run(shutil.copytree(box.path, tmp_path / "run"))


@pytest.fixture(scope="session")
def unborn(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has no frame yet."""
    return write_box(tmp_path_factory.mktemp("export") / "unborn", times=(), status="running")


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One frame of no cells, no fields, no matrix and no vessels, of a version without origins."""
    return write_box(
        tmp_path_factory.mktemp("export") / "bare",
        times=(0.0,), fields=False, matrix=False, vessels=False, origins=False,
    )  # fmt: skip
