"""Experiments of the catalogue run in full, each once for all tests that read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pytest

from scaffoldsim.run.record import Run
from scaffoldsim.run.simulation import Simulation

#: name of an experiment and changes to it → its run, from the first step to the last
Whole = Callable[..., Run]


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Run an experiment to its end; broken invariants on the way are errors."""
    made: dict[tuple[str, int], Run] = {}

    def of(name: str, changes: Mapping[str, Any] | None = None) -> Run:
        simulation = Simulation.from_config(name, set=changes)
        key = simulation.config.hash, simulation.config.seed
        if key not in made:
            made[key] = simulation.run(tmp_path_factory.mktemp("run") / name)
        run = made[key]
        assert run.status == "finished"
        balanced(run.metrics)
        return run

    return of


def balanced(table: pd.DataFrame) -> None:
    """Cells and shares of every row are what they may be; the rest `Model.check` has seen to."""
    known = table["cells_delivered"] + table["cells_born"] - table["cells_dead"]
    assert (table["cells_total"] == known - table["cells_left"]).all()
    for name in ("bv_tv", "mv_tv", "bone_in_pore", "scaffold_mass"):
        share = table[name].dropna()
        assert ((share >= 0) & (share <= 1 + 1e-6)).all(), name
    assert (table["bone_laid_mm3"].diff().dropna() >= 0).all()
