"""The model as a whole: what a failed step leaves, and what is never let pass."""

from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import load
from scaffoldsim.model.ledger import InvariantError, Ledger
from scaffoldsim.model.model import Model

CONFIG: dict[str, Any] = {
    "schema": 1,
    "duration": "2 d",
    "scaffold": {
        "family": "gyroid_net",
        "material": "bcp",
        "porosity": 0.92,
        "pore_size": "320 um",
        "size": ["0.44 mm", "0.44 mm", "0.9 mm"],
        "voxel": "20 um",
    },
    "faces": {"x": "periodic", "y": "periodic", "z": "medium"},
    "cells": {"number": 800},
}


class Raises:
    def apply(self, model: Model, dt: float) -> None:
        raise ValueError("planted")


def test_a_step_that_fails_in_a_rule_leaves_the_last_state() -> None:
    model, twin = Model(CONFIG), Model(CONFIG)
    for _ in range(3):
        model.step()
        twin.step()
    model.behaviours.append(Raises())  # type: ignore[arg-type]
    before = model.state()
    with pytest.raises(ValueError, match="planted"):
        model.step()
    assert model.intact
    after = model.state()
    assert all(np.array_equal(before[key], after[key]) for key in before)
    again = Model(CONFIG)  # Mesa 3.5 drops the next step of a model whose step has raised
    again.load(after)
    again.step()
    twin.step()
    state, expected = again.state(), twin.state()
    assert all(np.array_equal(state[key], expected[key]) for key in expected)


def test_a_loaded_state_is_the_state() -> None:
    model, other = Model(CONFIG, rng=3), Model(CONFIG, rng=3)
    for _ in range(30):
        model.step()
    other.load(model.state())
    model.step()
    other.step()
    state, expected = other.state(), model.state()
    assert all(np.array_equal(state[key], expected[key]) for key in expected)
    assert other.metrics() == model.metrics()


def in_solid(model: Model) -> None:
    voxel = int(np.flatnonzero(model.scaffold.solid.ravel())[0])
    model.lattice.occupant[model.cells.voxel[0]] = -1
    model.cells.voxel[0] = voxel
    model.lattice.occupant[voxel] = 0


def shared_voxel(model: Model) -> None:
    model.cells.voxel[1] = model.cells.voxel[0]


def ghost(model: Model) -> None:
    model.lattice.occupant[np.flatnonzero(model.lattice.occupant == -1)[0]] = 5


def negative(model: Model) -> None:
    model.fields.value["oxygen"][3, 3, 3] = -1e-6


def not_a_number(model: Model) -> None:
    model.fields.value["oxygen"][3, 3, 3] = np.nan


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        (in_solid, "stands in solid"),
        (shared_voxel, "share a voxel"),
        (ghost, "does not exist"),
        (negative, "negative or not a number"),
        (not_a_number, "negative or not a number"),
    ],
)
def test_a_broken_state_is_found(plant: Any, says: str) -> None:
    model = Model(CONFIG)
    model.check()
    plant(model)
    with pytest.raises(InvariantError, match=says):
        model.check()


def test_a_ledger_that_does_not_close_stops_the_run(monkeypatch: Any) -> None:
    model = Model(CONFIG)
    book = Ledger.book

    def lose_one(ledger: Ledger, events: Any, census: Any) -> None:
        census = census.copy()
        census[1, 0] -= 1
        book(ledger, events, census)

    monkeypatch.setattr(Ledger, "book", lose_one)
    with pytest.raises(InvariantError, match="does not close"):
        model.step()
    assert not model.intact


def test_depth_is_colonised_and_oxygen_is_lowest_among_cells() -> None:
    model = Model(CONFIG, set={"duration": "7 d", "cells.number": 2000})
    first = model.metrics()
    while model.running:
        model.step()
    last = model.metrics()
    assert first["cells_osteoblast"] == 0
    assert last["cells_osteoblast"] > 50
    assert last["core_cells_per_mm3"] > 1.3 * first["core_cells_per_mm3"]
    # at equal depth, oxygen is lower where a cell stands than where none does
    held = model.lattice.occupant.reshape(model.grid.shape) >= 0
    empty = model.fields.open & ~held
    oxygen = model.fields.value["oxygen"]
    gap = [
        oxygen[:, :, k][empty[:, :, k]].mean() - oxygen[:, :, k][held[:, :, k]].mean()
        for k in range(model.grid.shape[2])
    ]
    assert np.mean(np.array(gap) > 0) > 0.9


def test_a_loaded_configuration_takes_no_changes() -> None:
    config = load("culture", set={"duration": "2 h"}, seed=3)
    assert Model(config).seed == Model(config, rng=3).seed == 3
    for wrong in ({"rng": 4}, {"set": {"duration": "3 h"}}):
        with pytest.raises(ValueError, match="a loaded configuration is taken as it is"):
            Model(config, **wrong)
