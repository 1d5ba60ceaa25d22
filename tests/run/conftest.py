from __future__ import annotations

import pytest

from scaffoldsim.run.record import Run
from tests.run.synthetic import write_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("runs") / "run", n=12, cells=200)
