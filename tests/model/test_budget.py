"""The budget of a field: every flow against an account of its own, and all of them together."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.config import read_entry
from scaffoldsim.model.budget import Budget
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.fields import Fields, Supply
from scaffoldsim.model.ledger import InvariantError
from scaffoldsim.model.model import Model
from scaffoldsim.model.rates import CAUSES
from scaffoldsim.scaffold.grid import Faces, Grid
from scaffoldsim.solver.diffusion import ConvergenceError, Diffusion

TYPES: Any = {"bmsc": read_entry("cells", "bmsc")}
NAMES = ("oxygen", "vegf", "calcium")
SPECIES: Any = {name: read_entry("fields", name) for name in NAMES}
VOXEL, HOUR = 20e-6, 3600.0


def box(solid: np.ndarray, faces: dict[str, str], fraction: Any = None) -> Fields:
    section = Faces.model_validate(faces)
    grid = Grid(solid.shape, VOXEL, section.periodic)
    part = solid.astype(np.float32) if fraction is None else fraction
    return Fields(grid, part, section, SPECIES, TYPES, threads=1)


def population(voxels: np.ndarray) -> Cells:
    cells = Cells(["bmsc"], CAUSES)
    cells.append(voxels.size, voxel=voxels.astype(np.int32))
    return cells


def amount(fields: Fields, name: str) -> float:
    return float(fields.value[name].sum(dtype=np.float64)) * VOXEL**3


def test_each_entry_is_what_an_account_of_its_own_says() -> None:
    fields = box(np.zeros((15, 15, 15), bool), dict.fromkeys("xyz", "closed"))
    cells = population(np.arange(10))
    before = {name: amount(fields, name) for name in NAMES}
    fields.advance(cells, HOUR, book=True)
    oxygen, vegf, calcium = (fields.budget[name] for name in NAMES)
    assert oxygen.before == pytest.approx(before["oxygen"], rel=1e-12)
    assert oxygen.after == pytest.approx(amount(fields, "oxygen"), rel=1e-6)
    assert oxygen.consumed == pytest.approx(before["oxygen"] - oxygen.after, rel=1e-5)
    assert 0.9 * 10 * 98e-15 < oxygen.consumed < 10 * 98e-15
    secreted = 10 * 3e-18 / 24
    assert secreted < vegf.sourced < 1.1 * secreted
    assert vegf.decayed == pytest.approx(vegf.sourced - vegf.after, rel=1e-5)
    assert (calcium.sourced, calcium.decayed, calcium.faces) == (0, 0, 0)
    assert calcium.before == pytest.approx(1.8 * 3375 * VOXEL**3, rel=1e-6)


def test_faces_and_held_voxels_in_a_rod() -> None:
    """Steady: D A (c₁ − c₀)/(distance) through each end of a rod with a held middle."""
    fields = box(np.zeros((2, 2, 21), bool), {"x": "periodic", "y": "periodic", "z": "medium"})
    middle = np.zeros((2, 2, 21), bool)
    middle[:, :, 10] = True
    fields.add_supply("oxygen", lambda: Supply.perfused(middle, 0.052))
    for _ in range(10):
        fields.advance(population(np.empty(0)), HOUR, book=True)
    through = 2 * 2e-9 * (2 * VOXEL) ** 2 * (0.2 - 0.052) / (10.5 * VOXEL) * HOUR
    budget = fields.budget["oxygen"]
    assert budget.faces == pytest.approx(through, rel=1e-3)
    assert budget.held == pytest.approx(-through, rel=1e-3)


def test_a_flow_that_is_missing_is_seen() -> None:
    whole = Budget(before=1.0, after=2.0, sourced=1.5, consumed=0.5)
    assert whole.gap == 0
    assert Budget(before=1.0, after=2.0, sourced=1.5).gap == pytest.approx(0.25)
    assert Budget().gap == 0


FACES = st.sampled_from(["closed", "medium", "host", "periodic"])


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 7)] * 3),
    seed=st.integers(0, 2**32 - 1),
    porosity=st.floats(0.35, 1.0),
    thin=st.booleans(),
    kinds=st.tuples(FACES, FACES, FACES),
)
def test_every_budget_closes(
    shape: tuple[int, int, int], seed: int, porosity: float, thin: bool, kinds: tuple[str, ...]
) -> None:
    """Random masks, walls thinner than a voxel, cells, vessels of both kinds, after a jump."""
    rng = np.random.default_rng(seed)
    solid = rng.random(shape) > porosity
    fraction = np.where(solid, 1.0 if not thin else rng.random(shape), 0).astype(np.float32)
    fields = box(solid, dict(zip("xyz", kinds, strict=True)), fraction)
    vessel = (rng.random(shape) < 0.1) & ~solid
    fields.add_supply("oxygen", lambda: Supply.perfused(vessel, 0.052))
    fields.add_supply("vegf", lambda: Supply.exchange(vessel, 0.01, 1e-6))
    open_ = np.flatnonzero(~solid.ravel() & ~vessel.ravel())
    cells = population(open_[rng.random(open_.size) < 0.3])
    for _ in range(2):
        fields.advance(cells, HOUR, book=True)
        for name in NAMES:
            budget = fields.budget[name]
            assert budget.gap < 1e-6, (name, budget)
            assert budget.after == pytest.approx(amount(fields, name), rel=1e-6)


def test_booking_changes_a_field_by_no_more_than_the_tolerance() -> None:
    solid = np.indices((8, 8, 8)).sum(axis=0) % 5 == 0
    one, two = (box(solid, {"x": "periodic", "z": "medium"}) for _ in range(2))
    cells = population(np.flatnonzero(~solid.ravel())[::5])
    for _ in range(3):
        one.advance(cells, HOUR)
        two.advance(cells, HOUR, book=True)
    for name in NAMES:
        assert one.value[name] == pytest.approx(
            two.value[name], abs=1e-5 * float(one.value[name].max())
        )


SMALL: dict[str, Any] = {
    "schema": 1,
    "duration": "2 d",
    "scaffold": {"family": "gyroid_net", "porosity": 0.92, "pore_size": "320 um"}
    | {"material": "bcp", "size": ["0.44 mm", "0.44 mm", "0.9 mm"], "voxel": "20 um"},
    "faces": {"x": "periodic", "y": "periodic", "z": "medium"},
    "fields": {"vegf": "vegf"},
    "cells": {"number": 300},
}


def test_less_than_a_molecule_is_nothing() -> None:
    """Strontium a day after the last of it was set free, as a run of twelve weeks met it."""
    assert Budget(before=1.5416e-52, faces=-1.5408e-52).gap == 0
    assert Budget(before=1.5416e-25, faces=-1.5408e-25).gap == pytest.approx(5.2e-4, rel=0.01)


def test_a_run_books_a_step_a_day_and_stops_if_it_does_not_close() -> None:
    model = Model(SMALL)
    for _ in range(23):
        model.step()
    assert model.fields.budget == {}
    model.step()
    assert set(model.fields.budget) == {"oxygen", "vegf"}
    assert max(budget.gap for budget in model.fields.budget.values()) < 1e-6
    model.fields.budget["vegf"].sourced *= 1.01
    with pytest.raises(InvariantError, match="budget of vegf does not close: Budget"):
        model.check()


def test_a_step_that_stalls_leaves_bath_and_fields_as_they_were(monkeypatch: Any) -> None:
    model = Model(SMALL, set={"fields.vegf.bath": "1 uL", "fields.oxygen.bath": "1 uL"})
    model.step()
    before, solve, left = model.state(), Diffusion.solve, [4]

    def stall(self: Diffusion, *given: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise ConvergenceError([1.0], 1e-6)
        return solve(self, *given, **named)

    monkeypatch.setattr(Diffusion, "solve", stall)
    with pytest.raises(ConvergenceError):
        model.step()
    after = model.state()
    assert model.intact
    assert {"fields/bath/vegf", "fields/bath/oxygen"} <= set(after)
    assert all(np.array_equal(before[key], after[key]) for key in before)
