"""Matrix against closed forms (docs/theory.md: A14; split, resorption, maturation, mass)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

from scaffoldsim.config import read_entry
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.lattice import Lattice
from scaffoldsim.model.matrix import Matrix
from scaffoldsim.scaffold.grid import Grid
from tests.theory.boxes import HOUR, lone_voxels, open_box
from tests.theory.orders import observed_order

DAY, UM, VOXEL = 86400.0, 1e-6, 20e-6
BONE = read_entry("tissues", "bone")
SPEED = float(BONE.resorption_speed)
LAYS = 1000 * UM**3 / DAY
TOLERANCE = {"A14": 0.02, "sphere": 0.03, "total": 1e-6, "mass": 1e-7}


def matrix(grid: Grid, **options: Any) -> Matrix:
    options = {"deposition": LAYS, "mineralisation_time": 10 * DAY, "threads": 1} | options
    return Matrix(grid, BONE, **options)


def advance(m: Matrix, dt: float, **options: Any) -> None:
    n = math.prod(m.grid.shape)
    m.advance(
        dt,
        **{
            "scaffold": np.zeros(m.grid.shape, np.float32),
            "osteoblasts": np.empty(0, np.int32),
            "output": 1.0,
            "occupied": np.zeros(n, np.uint8),
        }
        | options,
    )


def test_mineral_follows_pre_osteoblasts() -> None:
    """A14: one packet of osteoid when an osteoblast appears; mean lag of mineral 7 d + 10 d."""
    shape, dt = (28, 28, 28), 3 * HOUR
    lattice: Lattice = open_box(shape)
    m = matrix(lattice.grid)
    cells = Cells(["preosteoblast", "osteoblast"], ["basal"])
    where = lone_voxels(shape)
    cells.append(where.size, voxel=where)
    last, weighed = 0.0, 0.0
    for step in range(round(100 * DAY / dt)):
        cells.fate[1] = np.where(cells.type == 0, 1.0 / (7 * DAY), 0.0)
        events = lattice.update(cells, dt, seed=3, step=step)
        advance(m, dt, osteoblasts=np.sort(events.fates["voxel"]))
        weighed += (step + 1) * dt * (m.ledger.mineralised - last)
        last = m.ledger.mineralised
    assert m.ledger.laid == pytest.approx(where.size * LAYS * dt, rel=TOLERANCE["total"])
    assert last == pytest.approx(m.ledger.laid, rel=1e-3)
    assert weighed / last == pytest.approx(17 * DAY, rel=TOLERANCE["A14"])
    assert m.gap <= TOLERANCE["mass"]


def test_lag_of_a_packet_is_erlang() -> None:
    """Mineral of one packet after t: the Erlang distribution of three stages, at any step."""
    for dt in (HOUR, 2 * DAY):
        m = matrix(Grid((3, 3, 3), VOXEL))
        advance(m, DAY, osteoblasts=np.array([13], np.int32))
        for _ in range(round(10 * DAY / dt)):
            advance(m, dt)
        x = 3.0
        assert m.ledger.mineralised / m.ledger.laid == pytest.approx(
            1 - math.exp(-x) * (1 + x + x * x / 2), rel=1e-5
        )
        # the stages as well
        stages = m.osteoid.sum(axis=(1, 2, 3), dtype=float) * VOXEL**3 / m.ledger.laid
        np.testing.assert_allclose(stages, np.exp(-x) * np.array([1, x, x * x / 2]), rtol=1e-5)


def test_mineral_matures() -> None:
    """Mean of e^(-age/28 d) over the mineral of a packet: the exponential of its linear chain."""
    k, tau = 3 / (10 * DAY), float(BONE.maturation_time)
    chain = np.zeros((5, 5))  # three stages, mineral, young
    for i in range(3):
        chain[i, i], chain[i + 1, i] = -k, k
    chain[4, 2], chain[4, 4] = k, -1 / tau
    errors, steps = [], [4 * DAY, 2 * DAY, DAY]
    for dt in steps:
        m = matrix(Grid((1, 1, 1), VOXEL))
        m.osteoid[0] = 0.8
        m.begin()
        for _ in range(round(40 * DAY / dt)):
            advance(m, dt)
        wanted = expm(chain * 40 * DAY) @ [0.8, 0, 0, 0, 0]
        assert m.mineral[0, 0, 0] == pytest.approx(wanted[3], rel=1e-5)
        errors.append(m.young[0, 0, 0] - wanted[4])
    assert abs(errors[-1]) < 1e-4
    order = observed_order("young mineral, a packet in 40 d", [1 / dt for dt in steps], errors)
    assert order > 1.8


@pytest.mark.parametrize("wall", [False, True])
def test_split_by_contact(wall: bool) -> None:
    """In the open a seventh each; beside a flat wall 2/11 in the layer on it, 1/11 away."""
    m = matrix(Grid((5, 5, 5), VOXEL))
    scaffold = np.zeros((5, 5, 5), np.float32)
    scaffold[:, :, :2] = wall
    advance(m, HOUR, scaffold=scaffold, osteoblasts=np.array([62], np.int32))
    share = m.osteoid[0] / m.osteoid[0].sum()
    wanted = np.zeros((5, 5, 5))
    for x, y in ((2, 2), (1, 2), (3, 2), (2, 1), (2, 3)):
        wanted[x, y, 2] = 2 / 11 if wall else 1 / 7
    wanted[2, 2, 3] = 1 / 11 if wall else 1 / 7
    wanted[2, 2, 1] = 0 if wall else 1 / 7
    np.testing.assert_allclose(share, wanted, atol=1e-6)


@pytest.mark.parametrize("periodic", [(True, True, True), (False, False, False)])
def test_what_osteoblasts_lay_is_all_there(periodic: tuple[bool, bool, bool]) -> None:
    """v_o times their number, time and output, among walls and motile cells."""
    rng = np.random.default_rng(1)
    grid = Grid((20, 21, 22), VOXEL, periodic)
    m = matrix(grid)
    scaffold = (rng.random(grid.shape) < 0.2).astype(np.float32)
    free = scaffold.ravel() == 0
    osteoblasts = np.flatnonzero(free & (rng.random(free.size) < 0.2)).astype(np.int32)
    output = rng.uniform(0.5, 1.5, osteoblasts.size).astype(np.float32)
    occupied = rng.random(free.size) < 0.1
    for _ in range(24):
        advance(
            m, HOUR, scaffold=scaffold, osteoblasts=osteoblasts, output=output, occupied=occupied
        )
    wanted = LAYS * DAY * output.sum(dtype=float)
    assert m.ledger.laid == pytest.approx(wanted, rel=TOLERANCE["total"])
    assert m.ledger.unlaid <= TOLERANCE["total"] * wanted
    assert m.gap <= TOLERANCE["mass"]


@pytest.mark.parametrize("near", [True, False])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_flat_surface_recedes_with_the_speed(axis: int, near: bool) -> None:
    """Host bone behind a flat face, its other face the box's: v_r t, far from supply .1 of it."""
    shape = [3, 3, 3]
    shape[axis] = 16
    host = np.zeros(shape, np.float32)
    np.moveaxis(host, axis, 0)[:12] = 1.0
    m = matrix(Grid(tuple(shape), VOXEL, tuple(a != axis for a in range(3))), host=host)
    supplied = np.full(shape, near)
    speed = SPEED if near else float(BONE.far_resorption) * SPEED
    dt = 0.2 * VOXEL / speed
    for step in range(30):
        advance(m, dt, supplied=supplied)
        deep = m.ledger.resorbed_host / (9 * VOXEL**2)
        # until the first voxel is empty, exact; then it goes with the last 1e-3 of each voxel
        assert deep == pytest.approx(speed * dt * (step + 1), rel=1e-6 if step < 5 else 2e-3)
    assert m.answering.sum(dtype=float) == pytest.approx(9 * deep / VOXEL, rel=1e-5)
    assert m.gap <= TOLERANCE["mass"]


def test_new_and_host_bone_go_alike_and_osteoid_shields() -> None:
    """A layer of half mineral, quarter host bone and quarter osteoid: three quarters of v_r t."""
    m = matrix(Grid((4, 3, 3), VOXEL, (False, True, True)), deposition=0.0)
    m.mineral[0], m.host[0], m.osteoid[0, 0], m.young[0] = 0.5, 0.25, 0.25, 0.4
    m.begin()
    dt = 0.01 * VOXEL / SPEED
    advance(m, dt, mineralisation=0.0, supplied=np.ones((4, 3, 3), bool))
    area = 9 * VOXEL**3
    assert m.ledger.resorbed_new == pytest.approx(0.0050 * area, rel=1e-4)
    assert m.ledger.resorbed_host == pytest.approx(0.0025 * area, rel=1e-4)
    assert m.osteoid[0, 0].min() == np.float32(0.25)
    aged = math.exp(-dt / float(BONE.maturation_time))
    assert m.young[0].max() == pytest.approx(0.4 * 0.99 * aged, rel=1e-5)


def test_a_sphere_shrinks_with_the_speed() -> None:
    """Radius 12 voxels to 8: volume 4/3 pi (r0 - v t)^3."""
    n, radius = 30, 12.0
    at = [np.arange(n) - (n - 1) / 2] * 3
    distance = np.sqrt(sum(g**2 for g in np.meshgrid(*at, indexing="ij")))
    host = np.clip(radius - distance + 0.5, 0, 1).astype(np.float32)
    m = matrix(Grid((n, n, n), VOXEL), host=host)
    start = m.volumes()[2]
    dt = 0.25 * VOXEL / SPEED
    for _ in range(16):
        advance(m, dt, supplied=np.ones(host.shape, bool))
    assert m.volumes()[2] / start == pytest.approx((8 / 12) ** 3, rel=TOLERANCE["sphere"])


def test_the_books_close_over_months() -> None:
    """All that can happen at once, 60 d: growth, burial of the wall, resorption, recruits."""
    rng = np.random.default_rng(2)
    grid = Grid((12, 12, 12), VOXEL, (True, True, False))
    host = np.zeros(grid.shape, np.float32)
    host[:, :, :3] = 0.9
    m = matrix(grid, host=host)
    scaffold = np.zeros(grid.shape, np.float32)
    scaffold[4:7] = 1.0 - host[4:7]
    for step in range(720):
        voxels = np.sort(rng.permutation(1728)[:150]).astype(np.int32)
        advance(
            m,
            2 * HOUR,
            scaffold=scaffold,
            osteoblasts=voxels,
            occupied=rng.random(1728) < 0.2,
            supplied=rng.random(grid.shape) < 0.5,
        )
        m.recruits(2 * HOUR, 1e14, seed=1, step=step, open_=m.covered.ravel() < 0.5)
    assert m.gap <= TOLERANCE["mass"]
    assert min(m.ledger.laid, m.ledger.resorbed_new, m.ledger.resorbed_host) > 0.0
