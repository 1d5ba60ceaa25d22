"""A bath of stated volume: its level against theory, and the total of pores and bath."""

from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import load, read_entry
from scaffoldsim.model import stepping
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.fields import Fields
from scaffoldsim.model.rates import CAUSES
from scaffoldsim.scaffold.grid import Faces, Grid

TYPES: Any = {"bmsc": read_entry("cells", "bmsc")}
VOXEL, HOUR = 20e-6, 3600.0


def bathed(volume: str, faces: dict[str, str], n: int = 8, **changes: Any) -> Fields:
    """Oxygen and VEGF in a box of `n`³ voxels with a wall, both in a bath."""
    change = {"fields.vegf": "vegf", "fields.vegf.bath": volume, "fields.oxygen.bath": volume}
    species = load("quickstart", set=change | changes).fields
    section = Faces.model_validate(faces)
    solid = np.zeros((n, n, n), np.float32)
    solid[2:4, 3:, 1:5] = 1
    grid = Grid((n, n, n), VOXEL, section.periodic)
    return Fields(grid, solid, section, species, TYPES, threads=1)


def cells(fields: Fields, every: int) -> Cells:
    population = Cells(["bmsc"], CAUSES)
    voxels = np.flatnonzero(fields.open.ravel())[::every].astype(np.int32)
    population.append(voxels.size, voxel=voxels)
    return population


def total(fields: Fields, name: str, volume: float) -> float:
    inside = float(fields.value[name].sum(dtype=np.float64)) * VOXEL**3
    return inside + volume * fields.bath[name]


@pytest.mark.parametrize("volume", [1e-13, 1e-12, 2e-10, 2e-6])  # a box of 4e-12 m³
def test_pores_and_bath_together_lose_only_what_cells_and_decay_take(volume: float) -> None:
    box = bathed(f"{volume} m^3", {"x": "periodic", "z-": "medium", "y+": "medium"})
    population = cells(box, 20)
    first = {name: total(box, name, volume) for name in box.species}
    for _ in range(6):
        before = {name: total(box, name, volume) for name in box.species}
        box.advance(population, HOUR)
        for name, budget in box.budget.items():
            expected = before[name] + budget.sourced - budget.consumed - budget.decayed
            parts = (first[name], budget.sourced, budget.consumed)
            assert total(box, name, volume) == pytest.approx(expected, abs=1e-6 * max(parts))
            assert budget.gap < 1e-6
            assert box.bath[name] >= 0
    if volume == 1e-13:  # air would bring more; a bath alone runs dry
        assert box.bath["oxygen"] < 1e-3


def test_a_bath_and_the_pores_come_to_one_level() -> None:
    """Without sources or sinks: (V C + V_p c)/(V + V_p) everywhere."""
    box = bathed("4e-12 m^3", {"z": "medium"})
    box.value["oxygen"] = np.zeros_like(box.value["oxygen"])
    nobody = Cells(["bmsc"], CAUSES)
    for _ in range(3):
        box.advance(nobody, HOUR)
    room = np.count_nonzero(box.pore) * VOXEL**3
    level = 0.2 * 4e-12 / (4e-12 + room)
    assert box.bath["oxygen"] == pytest.approx(level, rel=1e-4)
    assert box.in_pores("oxygen") == pytest.approx(level, rel=1e-4)


def test_a_bath_is_implicit_in_one_voxel(monkeypatch: Any) -> None:
    """V (C' − C) = −dt κ h³ (C' − c') and c' (1 + dt (κ + k)) = c + dt (κ C' + S), by hand."""
    monkeypatch.setattr(stepping, "_JUMP", 1e9)  # one step
    change = {
        "fields.vegf.secretion.hypoxic_fold": None,
        "fields.vegf.secretion.hypoxic_oxygen": None,
    }
    box = bathed("1e-14 m^3", {"z+": "medium"}, n=1, **change)
    one = Cells(["bmsc"], CAUSES)
    one.append(1, voxel=[0])
    entry = box.species["vegf"]
    box.advance(one, 60.0)
    kappa, k, volume = 2 * 1e-10 / VOXEL**2, entry.decay, 1e-14
    source = float(entry.secretion.rate) / VOXEL**3  # type: ignore[union-attr]
    given = 60.0 * kappa * VOXEL**3
    matrix = np.array([[volume + given, -given], [-60.0 * kappa, 1 + 60.0 * (kappa + k)]])
    level, c = np.linalg.solve(matrix, [0.0, 60.0 * source])
    assert box.bath["vegf"] == pytest.approx(level, rel=1e-5)
    assert float(box.value["vegf"][0, 0, 0]) == pytest.approx(c, rel=1e-5)


def test_a_large_bath_is_a_held_face() -> None:
    wide = bathed("1 m^3", {"x": "periodic", "z-": "medium", "y+": "medium"})
    section = Faces.model_validate({"x": "periodic", "z-": "medium", "y+": "medium"})
    species = load("quickstart", set={"fields.vegf": "vegf"}).fields
    held = Fields(wide.grid, 1 - wide.pore, section, species, TYPES, threads=1)
    population = cells(wide, 9)
    for _ in range(3):
        wide.advance(population, HOUR)
        held.advance(population, HOUR)
    for name, value in held.value.items():
        assert wide.value[name] == pytest.approx(value, abs=1e-5 * float(value.max()))
    assert held.bath == {}


def test_the_level_of_a_bath_is_part_of_the_state() -> None:
    one, two = (bathed("1e-11 m^3", {"z": "medium"}) for _ in range(2))
    population = cells(one, 9)
    for _ in range(2):
        one.advance(population, HOUR)
    two.load(one.state())
    one.advance(population, HOUR)
    two.advance(population, HOUR)
    assert one.bath == two.bath
    assert all(np.array_equal(one.value[name], two.value[name]) for name in one.species)
