"""Oxygen in a model: faces, uptake and what cannot happen."""

import numpy as np
import pytest

from scaffoldsim.config import read_entry
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.fields import Fields
from scaffoldsim.model.rates import CAUSES
from scaffoldsim.scaffold.grid import Faces, Grid

TYPES = {"bmsc": read_entry("cells", "bmsc")}
OXYGEN = {"oxygen": read_entry("fields", "oxygen")}


def fields(
    shape: tuple[int, int, int], faces: dict[str, str], solid: np.ndarray | None = None
) -> Fields:
    fraction = np.zeros(shape, np.float32) if solid is None else solid.astype(np.float32)
    section = Faces.model_validate(faces)
    grid = Grid(shape, 20e-6, section.periodic)
    return Fields(grid, fraction, section, OXYGEN, TYPES, threads=1)  # type: ignore[arg-type]


def cells(voxels: np.ndarray) -> Cells:
    population = Cells(list(TYPES), CAUSES)
    population.append(voxels.size, voxel=voxels)
    return population


def test_faces_hold_their_concentration() -> None:
    both = fields((4, 4, 40), {"x": "periodic", "y": "periodic", "z-": "host", "z+": "medium"})
    empty = cells(np.empty(0, np.int32))
    for _ in range(30):
        both.advance(empty, 3600.0)
    line = both.value["oxygen"][0, 0]
    z = (np.arange(40) + 0.5) / 40
    assert line == pytest.approx(0.052 + (0.2 - 0.052) * z, rel=1e-3)


def test_a_full_slab_breathes_as_theory_says() -> None:
    """Zero order: c0 − c(mid) = R L²/2D; Km 0.006 of 0.2 mM makes it a per cent less."""
    layer = fields((2, 2, 50), {"x": "periodic", "y": "periodic", "z": "medium"})
    density = 1e4 * 1e9  # one voxel in 12.5
    chosen = np.arange(200)[:: int(1 / (density * 8e-15))].astype(np.int32)
    population = cells(chosen)
    for _ in range(10):
        layer.advance(population, 3600.0)
    rate = 98e-15 / 3600 * chosen.size / (200 * 8e-15)
    drop = rate * 5e-4**2 / (2 * 2e-9)
    assert 0.2 - layer.value["oxygen"].min() == pytest.approx(drop, rel=0.06)


def test_a_closed_box_runs_dry_and_never_below_zero() -> None:
    box = fields((5, 5, 5), dict.fromkeys("xyz", "closed"))
    population = cells(np.arange(0, 125, 2, dtype=np.int32))
    for _ in range(30):
        box.advance(population, 3600.0)
    assert box.value["oxygen"].min() >= 0
    assert box.value["oxygen"].max() < 1e-3


def test_solid_is_a_wall() -> None:
    solid = np.zeros((4, 4, 20), bool)
    solid[:, :, 10] = True
    halves = fields(
        (4, 4, 20), {"x": "closed", "y": "closed", "z-": "medium", "z+": "closed"}, solid
    )
    population = cells(np.flatnonzero(np.arange(320) % 20 > 10).astype(np.int32))
    for _ in range(30):
        halves.advance(population, 3600.0)
    value = halves.value["oxygen"]
    assert value[:, :, :10] == pytest.approx(0.2, rel=1e-3)
    assert value[:, :, 11:].max() < 1e-3
    assert (value[:, :, 10] == 0).all()


def test_a_thin_wall_lets_through_what_it_leaves_open() -> None:
    """Half-filled voxels carry half the diffusivity: steeper there by two, harmonic at the edge."""
    wall = np.zeros((2, 2, 21))
    wall[:, :, 10] = 0.5
    layers = fields(
        (2, 2, 21), {"x": "periodic", "y": "periodic", "z-": "medium", "z+": "host"}, wall
    )
    for _ in range(10):
        layers.advance(cells(np.empty(0, np.int32)), 3600.0)
    line = layers.value["oxygen"][0, 0]
    step, across = line[4] - line[5], line[9] - line[10]
    assert across / step == pytest.approx(1.5, rel=0.01)


def test_the_core_is_the_third_farthest_from_supply() -> None:
    both = fields((2, 2, 30), {"x": "periodic", "y": "periodic", "z": "medium"})
    assert np.flatnonzero(both.core[0, 0]).tolist() == list(range(10, 20))
    below = fields((2, 2, 30), {"x": "closed", "y": "closed", "z-": "host", "z+": "closed"})
    assert np.flatnonzero(below.core[0, 0]).tolist() == list(range(20, 30))
    assert not fields((2, 2, 30), dict.fromkeys("xyz", "closed")).core.any()
