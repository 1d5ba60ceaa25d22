"""Stages of the cell cycle and senescence against closed forms (docs/theory.md: C1-C4).

Guidance and bias are off and all rates but those named are 0. Cells are moved apart after each
step, so that no daughter is in the way. Limits are 4 standard errors.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from scaffoldsim.model import counter
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.cycle import growing_stages
from scaffoldsim.model.ledger import Ledger
from tests.theory.boxes import GROWTH, HOUR, lone_voxels, open_box

STAGES = 8
SENESCENT = 1


@pytest.mark.parametrize("dt", [1.0 * HOUR, 4.0 * HOUR])
def test_growth_through_stages_is_exponential_from_the_first_step(dt: float) -> None:
    """C1: x 2^(t/33 h) at every step, whatever the step, from the stages of a growing population.

    The number of descendants of a founder has a coefficient of variation near .3, taken as .5 (it
    would be near 1 with one stage).
    """
    shape, founders = (98, 98, 98), 20_000
    lattice, apart = open_box(shape, stages=STAGES), lone_voxels(shape)
    cells = Cells(["bmsc"], ["basal"])
    cells.append(founders, voxel=apart[:founders])
    u = counter.uniform(cells.id, counter.keys(seed=1, step=0, purpose="stages"))
    cells.stage = growing_stages(u, STAGES)
    steps = round(84 * HOUR / dt)
    grown = []
    for step in range(steps):
        cells.divide = GROWTH
        lattice.update(cells, dt, seed=1, step=step)
        cells.voxel = apart[: cells.n]
        grown.append(cells.n / founders)
    expected = np.exp(GROWTH * dt * np.arange(1, steps + 1))
    assert np.abs(grown / expected - 1.0).max() < 4.0 * 0.5 / math.sqrt(founders)
    share = np.bincount(cells.stage, minlength=STAGES) / cells.n
    stable = 2.0 * (1.0 - 2.0 ** (-1 / STAGES)) * 2.0 ** (-np.arange(STAGES) / STAGES)
    assert (np.abs(share / stable - 1.0) < 4.0 / np.sqrt(founders * stable)).all()


def test_time_between_divisions_is_a_sum_of_stages() -> None:
    """C2: k stages of geometric length: mean k dt/p, variance k (1 - p) (dt/p)^2."""
    shape, n = (70, 70, 70), 40_000
    lattice, apart = open_box(shape, stages=STAGES), lone_voxels(shape)
    cells = Cells(["bmsc"], ["basal"])
    cells.append(n, voxel=apart[:n])
    times: list[float] = []
    step = 0
    while cells.n:
        cells.divide = GROWTH
        step += 1
        born = lattice.update(cells, HOUR, seed=2, step=step).births
        times += [step] * born.size
        gone = np.union1d(born["id"], born["parent"])
        cells.keep(~np.isin(cells.id, gone))
    p = math.expm1(GROWTH * HOUR) / (2.0 ** (1 / STAGES) - 1.0)
    mean, variance = STAGES / p, STAGES * (1.0 - p) / p**2
    assert len(times) == n
    assert abs(np.mean(times) - mean) < 4.0 * math.sqrt(variance / n)
    # excess kurtosis of a negative binomial, and with it the error of a variance
    excess = 6.0 / STAGES + p**2 / (STAGES * (1.0 - p))
    assert abs(np.var(times) / variance - 1.0) < 4.0 * math.sqrt((2.0 + excess) / n)


@pytest.mark.parametrize("arrest", [0.2, 0.5, 0.8])
def test_a_constant_chance_of_senescence(arrest: float) -> None:
    """C3: cycling cells G = N g^n with g = 1 + p (1 - 2s), senescent ones 2sp N (g^n - 1)/(g - 1).

    A step leaves 1 cycling cell with 1 - p, and of a division binomial(2, 1 - s): a branching
    process, whose variance is known too.
    """
    shape, founders, steps, dt = (98, 98, 98), 20_000, 36, 4.0 * HOUR
    lattice, apart = open_box(shape, senescent=SENESCENT), lone_voxels(shape)
    cells = Cells(["bmsc", "senescent"], ["basal"])
    cells.append(founders, voxel=apart[:founders])
    senescent = 0
    for step in range(steps):
        cells.divide, cells.arrest = GROWTH, arrest
        events = lattice.update(cells, dt, seed=3, step=step)
        senescent += events.changed[0, SENESCENT]
        assert events.changed[0, SENESCENT] == np.count_nonzero(cells.type)
        cells.keep(cells.type == 0)
        cells.voxel = apart[: cells.n]
    p, s = math.expm1(GROWTH * dt), arrest
    g = 1.0 + p * (1.0 - 2.0 * s)
    total = steps if g == 1.0 else (g**steps - 1.0) / (g - 1.0)
    square = (1.0 - p) + p * (2.0 * s * (1.0 - s) + 4.0 * (1.0 - s) ** 2)
    variance = founders * (square - g**2) * g ** (steps - 1) * total
    assert abs(cells.n - founders * g**steps) < 4.0 * math.sqrt(variance)
    expected = 2.0 * s * p * founders * total
    error = math.sqrt(variance) / (founders * g**steps) + 1.0 / math.sqrt(expected)
    assert abs(senescent / expected - 1.0) < 4.0 * error


def test_a_limit_of_doublings_ends_every_lineage_at_two_to_its_power() -> None:
    """C4: arrest at the fifth doubling leaves 32 senescent cells a founder, exactly."""
    shape, founders, limit = (98, 98, 98), 500, 5
    lattice, apart = open_box(shape, senescent=SENESCENT), lone_voxels(shape)
    cells = Cells(["bmsc", "senescent"], ["basal"])
    cells.append(founders, voxel=apart[:founders], origin=np.arange(founders) % 2)
    ledger = Ledger(["basal"], cells.types, ["autologous", "allogeneic"])
    for origin in (0, 1):
        ledger.deliver(type=0, origin=origin, given=founders // 2, stayed=founders // 2)
    step = 0
    while (cells.type == 0).any():
        cells.divide = np.where(cells.type == SENESCENT, 0.0, GROWTH)
        cells.arrest = cells.doublings + 1 >= limit
        events = lattice.update(cells, 4.0 * HOUR, seed=4, step=step)
        ledger.book(events, cells.census(2))
        cells.voxel = apart[: cells.n]
        step += 1
    assert cells.n == founders * 2**limit
    assert (cells.doublings == limit).all()
    assert (np.bincount(cells.clone) == 2**limit).all()
    for books in ledger.by_origin().values():
        assert books["born"] == founders // 2 * (2**limit - 1)
        assert books["became"] == {"bmsc to senescent": founders // 2 * 2**limit}
