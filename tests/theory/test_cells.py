"""Cells on the lattice against closed forms (docs/theory.md: A1-A3, A5-A7, A13, A15).

Guidance and bias are off and all rates but those named are 0. Statistical tests have fixed seeds
and limits from the number of cells.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from scaffoldsim.model.cells import Cells
from scaffoldsim.model.lattice import Lattice
from tests.theory.boxes import GROWTH, HOP, HOUR, lone_voxels, open_box, random_voxels

# relative, as docs/theory.md states them
TOLERANCE = {"A1": 0.03, "A2": 0.05, "A3": 0.02, "A5": 0.03, "A7": 0.05}


@pytest.mark.parametrize("dt", [2.0 * HOUR, 4.0 * HOUR])
def test_free_growth_is_exponential_at_any_step(dt: float) -> None:
    """A1: x 34.08 in 168 h. Cells are moved apart after each step, so nothing is in the way."""
    shape = (175, 168, 168)
    lattice, apart = open_box(shape), lone_voxels(shape)
    cells = Cells(["bmsc"], ["basal"])
    cells.append(20_000, voxel=apart[:20_000])
    for step in range(round(168 * HOUR / dt)):
        cells.divide = GROWTH
        lattice.update(cells, dt, seed=1, step=step)
        cells.voxel = apart[: cells.n]
    assert cells.n / 20_000 == pytest.approx(34.08, rel=TOLERANCE["A1"])


@pytest.mark.parametrize(("guidance", "t50", "t90"), [(False, 140.2, 244.8), (True, 173.0, 280.0)])
def test_crowded_growth_is_logistic(guidance: bool, t50: float, t90: float) -> None:
    """A2: a well-stirred box from 5 % full, hop/division 500."""
    lattice = open_box((22, 22, 22), guidance=guidance)
    n_voxels, dt = lattice.occupant.size, HOUR
    cells = Cells(["bmsc"], ["basal"])
    cells.append(n_voxels // 20, voxel=random_voxels(lattice, n_voxels // 20))
    filled = [cells.n / n_voxels]
    while filled[-1] < 0.9:
        cells.divide = GROWTH
        cells.hop = 500 * GROWTH
        lattice.update(cells, dt, seed=2, step=len(filled))
        filled.append(cells.n / n_voxels)
    time = np.arange(len(filled)) * dt / HOUR
    reached = np.interp([0.5, 0.9], filled, time)
    assert reached == pytest.approx([t50, t90], rel=TOLERANCE["A2"])


def walk(
    lattice: Lattice, cells: Cells, hours: int, seed: int, hop: float = HOP
) -> NDArray[np.float64]:
    """Unwrapped displacements in voxels of every walker, by id."""
    shape = np.array(lattice.grid.shape)
    periodic = np.array(lattice.grid.periodic)
    moved = np.zeros((cells.n, 3))
    for step in range(hours):
        before = np.stack(np.unravel_index(cells.voxel, lattice.grid.shape), axis=1)
        ids = cells.id.copy()
        cells.hop = hop
        lattice.update(cells, HOUR, seed=seed, step=step)
        rows = cells.rows_of(ids)
        after = np.stack(np.unravel_index(cells.voxel[rows], lattice.grid.shape), axis=1)
        hops = after - before
        hops -= np.where(periodic, shape * np.rint(hops / shape).astype(int), 0)
        moved[ids] += hops
    return moved


def test_free_walkers_diffuse() -> None:
    """A3: mean square displacement k h2 t. 1e5 walkers in four thin suspensions (.4 % full)."""
    moved = []
    for seed in range(4):
        lattice = open_box((184, 184, 184))
        cells = Cells(["bmsc"], ["basal"], capacity=25_000)
        cells.append(25_000, voxel=random_voxels(lattice, 25_000, seed))
        moved.append(walk(lattice, cells, 24, seed))
    walks = np.concatenate(moved)
    assert np.mean((walks**2).sum(axis=1)) == pytest.approx(24.0, rel=TOLERANCE["A3"])
    # no direction is favoured: 4 standard errors of a mean and of a variance
    assert (np.abs(walks.mean(axis=0)) < 4.0 * math.sqrt(8.0 / 1e5)).all()
    axes = (walks**2).mean(axis=0)
    assert (np.abs(axes - axes.mean()) < 4.0 * 8.0 * math.sqrt(2.0 / 1e5)).all()


def test_crowded_cells_spread_by_linear_diffusion() -> None:
    """A5: a step profile, .8 full on one side, against the erf solution with D = k h2/6."""
    lattice = open_box((100, 56, 56), (False, True, True))
    full = random_voxels(lattice, lattice.occupant.size)
    x = np.unravel_index(full, lattice.grid.shape)[0]
    chosen = np.random.default_rng(5).random(full.size) < 0.8
    cells = Cells(["bmsc"], ["basal"])
    cells.append(int((chosen & (x < 50)).sum()), voxel=full[chosen & (x < 50)])
    hours = 200
    for step in range(hours // 4):
        cells.hop = HOP
        lattice.update(cells, 4 * HOUR, seed=3, step=step)
    x = np.unravel_index(cells.voxel, lattice.grid.shape)[0]
    density = np.bincount(x, minlength=100) / 56**2
    spread = math.sqrt(4.0 * hours / 6.0)
    expected = [0.4 * math.erfc((i + 0.5 - 50.0) / spread) for i in range(100)]
    error = np.linalg.norm(density - expected) / np.linalg.norm(expected)
    assert error < TOLERANCE["A5"]


def test_an_invading_front_advances() -> None:
    """A6: .80 to 1.00 of 2 sqrt(lambda D) with D = k h2/6, once the front has its shape.

    A full layer of 8 voxels grows into 112 empty ones for 600 h; the layer filled per hour, from
    300 h on. The speed comes from below, as 1 - 3/(2 lambda t) and slower, and the discreteness of
    cells slows the foremost.
    """
    lattice, width, dt = open_box((120, 24, 24), (False, True, True)), 24, 4 * HOUR
    cells = Cells(["bmsc"], ["basal"])
    cells.append(8 * width**2, voxel=np.arange(8 * width**2))
    filled = []
    for step in range(150):
        cells.hop, cells.divide = HOP, GROWTH
        lattice.update(cells, dt, seed=9, step=step)
        filled.append(cells.n / width**2)
    speed = (filled[149] - filled[74]) / (75 * dt)
    assert 0.80 < speed / (2.0 * math.sqrt(GROWTH * HOP / 6.0)) < 1.00
    # it is a front: nobody has come to the far end, and the near one is full
    x = np.unravel_index(cells.voxel, lattice.grid.shape)[0]
    density = np.bincount(x, minlength=120) / width**2
    assert density[:20].min() > 0.99
    assert density[-20:].max() == 0.0


@pytest.mark.parametrize("bias", [0.5, 1.5])
def test_constant_bias_gives_the_drift(bias: float) -> None:
    """A7: drift k h 2 sinh(a/2) / (4 + 2 cosh(a/2)) along a potential that rises by a per voxel."""
    lattice = open_box((120, 140, 140), (False, True, True))
    lattice.potential = bias * np.indices(lattice.grid.shape)[0]
    slabs = 30 * 140**2 + random_voxels(open_box((30, 140, 140)), 6_000)  # x from 30 to 59
    cells = Cells(["bmsc"], ["basal"])
    cells.append(6_000, voxel=slabs)
    drift = walk(lattice, cells, 48, seed=4)[:, 0].mean() / 48.0
    expected = 2.0 * math.sinh(bias / 2.0) / (4.0 + 2.0 * math.cosh(bias / 2.0))
    assert drift == pytest.approx(expected, rel=TOLERANCE["A7"])


def test_competing_hazards_share_by_rate() -> None:
    """A13: shares k_i/sum k; mean step-end time dt/(1 - exp(-K dt)); 3 standard errors."""
    rates = {"basal": 0.03, "ischaemic": 0.05, "osteoblast": 0.08, "adipocyte": 0.01}
    total, n, dt = sum(rates.values()), 40_000, 2.0 * HOUR
    lattice = open_box((40, 40, 40))
    cells = Cells(["bmsc", "osteoblast", "adipocyte"], ["basal", "ischaemic"])
    cells.append(n, voxel=random_voxels(lattice, n))
    counts, times = np.zeros(4), []
    step = 0
    while cells.n:
        cells.death[:] = np.array([[rates["basal"]], [rates["ischaemic"]]]) / HOUR
        cells.fate[1:] = np.array([[rates["osteoblast"]], [rates["adipocyte"]]]) / HOUR
        events = lattice.update(cells, dt, seed=6, step=step)
        step += 1
        fates = events.changed[0, 1:]
        counts += [*events.died, *fates]
        times += [step * dt / HOUR] * int(events.died.sum() + fates.sum())
        cells.keep(cells.type == 0)
    share = np.array(list(rates.values())) / total
    error = np.sqrt(share * (1.0 - share) / n)
    assert len(times) == n
    assert (np.abs(counts / n - share) < 3.0 * error).all()
    p = 1.0 - math.exp(-total * dt / HOUR)
    assert abs(np.mean(times) - dt / HOUR / p) < 3.0 * dt / HOUR * math.sqrt(1.0 - p) / p / n**0.5


@pytest.mark.parametrize(("founders", "extinct"), [(1, 0.3300), (3, 0.0359)])
def test_birth_and_death_end_lineages(founders: int, extinct: float) -> None:
    """A15: .03 and .01 per h, death first; 3 standard errors. A lineage of 12 is taken as safe.

    (It would still end with probability .33**12 = 2e-6.) So many that division first, .3168, fails.
    """
    shape, lineages = (91, 91, 91), 20_000 // founders
    lattice, apart = open_box(shape), lone_voxels(shape)
    cells = Cells(["bmsc"], ["basal"])
    clone = np.repeat(np.arange(lineages), founders)
    cells.append(clone.size, voxel=apart[: clone.size], clone=clone)
    safe = np.zeros(lineages, dtype=bool)
    step = 0
    while cells.n:
        cells.divide = 0.03 / HOUR
        cells.death = 0.01 / HOUR
        lattice.update(cells, HOUR, seed=8, step=step)
        step += 1
        safe |= np.bincount(cells.clone, minlength=lineages) >= 12
        cells.keep(~safe[cells.clone])
        cells.voxel = apart[: cells.n]
    error = math.sqrt(extinct * (1.0 - extinct) / lineages)
    assert abs(1.0 - safe.mean() - extinct) < 3.0 * error
