from __future__ import annotations

from pathlib import Path

import pytest

from scaffoldsim.run.record import Run
from tests.run.synthetic import write_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("compare") / "run", n=12, cells=400)


@pytest.fixture(scope="session")
def healing(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which the scaffold dissolves and bone grows."""
    return write_run(tmp_path_factory.mktemp("compare") / "healing", n=12, cells=400, tissue=True)


@pytest.fixture(scope="session")
def arms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Run]]:
    """Three arms of four donors: b makes a fifth less bone than a, c the same within 2 %."""
    root: Path = tmp_path_factory.mktemp("arms")
    donors = {1: 1.0, 2: 1.3, 3: 0.8, 4: 1.1}
    made: dict[str, list[Run]] = {}
    for arm, bone in (("a", 0.30), ("b", 0.20), ("c", 0.301)):
        made[arm] = [
            write_run(
                root / arm / f"s{seed}",
                n=10,
                cells=int(600 * donor),
                growth=3,
                bone=bone * donor,
                seed=seed,
                days=(0, 6),
            )
            for seed, donor in donors.items()
        ]
    return made
