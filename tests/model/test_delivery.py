"""Seeding: how many stay, where, and what is refused."""

import numpy as np
import pytest

from scaffoldsim.config import read_entry
from scaffoldsim.model.delivery import Seeding, seed_voxels
from scaffoldsim.scaffold.grid import Grid

GRID = Grid((20, 20, 100), 20e-6, (True, True, False))
OPEN = np.ones(GRID.shape, bool)
OPEN[5] = False
NEAR = np.zeros(GRID.shape, bool)
NEAR[[4, 6]] = True


def seed(adhesion: float = 0.8, number: int = 1000, key: int = 1, **more: object) -> np.ndarray:
    seeding = Seeding.model_validate({"number": number, **more})
    return seed_voxels(
        seeding,
        read_entry("cells", "bmsc"),
        GRID,
        OPEN,
        NEAR,
        adhesion=adhesion,
        seed=key,  # type: ignore[arg-type]
    )


def test_dynamic_seeding_keeps_its_share_on_surfaces() -> None:
    voxels = seed()
    assert voxels.size == len(set(voxels)) == 800
    assert np.all(np.diff(voxels) > 0)
    assert NEAR.ravel()[voxels].all()
    depth = np.unravel_index(voxels, GRID.shape)[2]
    assert abs(depth.mean() - 49.5) < 4 * 100 / np.sqrt(12 * 800)


def test_static_seeding_falls_exponentially_from_the_loaded_face() -> None:
    voxels = seed(delivery="static_seeding", number=500)
    assert voxels.size == round(500 * 0.5 * 0.8)
    depth = (np.unravel_index(voxels, GRID.shape)[2][::1] + 0.5) * 20e-6
    from_top = 2e-3 - depth
    length = 1e-3
    expected = length - 2e-3 / np.expm1(2e-3 / length)  # mean of an exponential cut at 2 mm
    assert abs(from_top.mean() - expected) < 4 * length / np.sqrt(voxels.size)
    assert seed(delivery="static_seeding", face="z-").mean() < voxels.mean()


def test_what_finds_no_surface_stays_in_the_fluid() -> None:
    voxels = seed(number=8000)
    assert voxels.size == 6400
    assert NEAR.ravel()[voxels].sum() > 0.99 * NEAR.sum()
    assert OPEN.ravel()[voxels].all()


def test_seeding_depends_on_the_seed_alone() -> None:
    assert np.array_equal(seed(), seed())
    assert not np.array_equal(seed(), seed(key=2))


def test_no_cells_is_a_defined_result_and_too_many_an_error() -> None:
    assert seed(number=0).size == 0
    with pytest.raises(ValueError, match=r"pores hold 38000 voxels.*at most 47500"):
        seed(number=50_000)


def test_density_counts_the_box() -> None:
    given = Seeding.model_validate({"density": "1e6 /mL"})
    assert given.given(GRID) == round(1e12 * 40000 * 8e-15)
