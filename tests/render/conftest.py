from __future__ import annotations

import pytest

from scaffoldsim.run.record import Run
from tests.run.synthetic import write_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("render") / "run", n=20, cells=600)


@pytest.fixture(scope="session")
def healing(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which the scaffold dissolves and bone grows."""
    return write_run(tmp_path_factory.mktemp("render") / "healing", n=20, cells=600, tissue=True)


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run into which vessels grow."""
    return write_run(tmp_path_factory.mktemp("render") / "grown", n=20, cells=300, vessels=True)
