"""Matrix: against plain NumPy, and what must hold in every step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scaffoldsim.config import read_entry
from scaffoldsim.model import counter
from scaffoldsim.model.bone import ENTER
from scaffoldsim.model.matrix import Matrix
from scaffoldsim.model.tissue import _LARGEST_GAP
from scaffoldsim.scaffold.grid import Grid

HOUR, DAY, UM = 3600.0, 86400.0, 1e-6
BONE = read_entry("tissues", "bone")
VOXEL = 20e-6
LAYS = 1000 * UM**3 / DAY
ARRAYS = ("osteoid", "mineral", "young", "host", "answering", "covered")

Array = NDArray[Any]


def new(grid: Grid, host: Array | None = None, threads: int = 1, **options: float) -> Matrix:
    options = {"deposition": LAYS, "mineralisation_time": 10 * DAY} | options
    return Matrix(grid, BONE, host=host, threads=threads, **options)


def nobody(grid: Grid) -> dict[str, Any]:
    """No osteoblasts, no scaffold, no other cells."""
    return {
        "scaffold": np.zeros(grid.shape, np.float32),
        "osteoblasts": np.empty(0, np.int32),
        "output": 1.0,
        "occupied": np.zeros(math.prod(grid.shape), np.uint8),
    }


@dataclass
class Case:
    """A small random tissue; everything follows from its numbers."""

    seed: int
    shape: tuple[int, int, int] = (5, 4, 6)
    periodic: tuple[bool, bool, bool] = (True, False, True)
    filled: float = 0.5
    resorbs: bool = True
    threads: int = 1
    matrix: Matrix = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        n = math.prod(self.shape)
        grid = Grid(self.shape, VOXEL, self.periodic)
        # shares of a voxel that sum to at most 1, many of them 0
        parts = rng.random((7, *self.shape)) * (rng.random((7, *self.shape)) < self.filled)
        parts /= np.maximum(1.0, parts.sum(axis=0) / rng.uniform(0.3, 1.0, self.shape)) + 1e-6
        self.scaffold = parts[0].astype(np.float32)
        self.matrix = new(grid, parts[1], self.threads)
        self.matrix.osteoid[:] = parts[2:5]
        self.matrix.mineral[:] = parts[5]
        self.matrix.young[:] = parts[5] * rng.random(self.shape)
        self.matrix.answering[:] = parts[6]
        self.matrix.begin()
        self.osteoblasts = np.flatnonzero(rng.random(n) < 0.3).astype(np.int32)
        self.output = rng.uniform(0.0, 30.0, self.osteoblasts.size).astype(np.float32)
        self.occupied = rng.random(n) < 0.3
        self.supplied = rng.random(self.shape) < 0.5 if self.resorbs else None
        self.open = rng.random(n) < 0.3

    def advance(self, dt: float = DAY) -> None:
        self.matrix.advance(
            dt,
            scaffold=self.scaffold,
            osteoblasts=self.osteoblasts,
            output=self.output,
            occupied=self.occupied,
            mineralisation=1.5,
            resorption=20.0,
            supplied=self.supplied,
        )

    @property
    def bytes(self) -> list[bytes]:
        return [getattr(self.matrix, name).tobytes() for name in ARRAYS]


def cases(**fixed: Any) -> st.SearchStrategy[Case]:
    # two voxels around a periodic axis have no normal: that is the exposed area's own business
    edge = st.sampled_from([1, 3, 4, 5])
    options = {
        "seed": st.integers(0, 2**32),
        "shape": st.tuples(edge, edge, edge),
        "periodic": st.tuples(st.booleans(), st.booleans(), st.booleans()),
        "filled": st.sampled_from([0.1, 0.4, 0.8]),
        "resorbs": st.booleans(),
        "threads": st.sampled_from([1, 2]),
    }
    return st.builds(Case, **(options | {name: st.just(value) for name, value in fixed.items()}))


# ------------------------------------------------------------------------- plain NumPy
def shifted(a: Array, axis: int, step: int, wraps: bool, beyond: float | None = 0.0) -> Array:
    """The value beside each voxel; beyond a wall `beyond`, or the voxel's own for None."""
    out = np.roll(a, -step, axis)
    if not wraps:
        last = -1 if step > 0 else 0
        edge = np.moveaxis(out, axis, 0)
        edge[last] = np.moveaxis(a, axis, 0)[last] if beyond is None else beyond
    return out


SIDES = [(axis, step) for axis in range(3) for step in (-1, 1)]


def exposed(f: Array, periodic: tuple[bool, bool, bool]) -> Array:
    """Exposed faces of each voxel, ``_exposure.h`` in its own words."""
    slope = np.empty((3, *f.shape))
    for axis in range(3):
        smooth = f
        for other in {0, 1, 2} - {axis}:
            below, above = (shifted(smooth, other, s, periodic[other], None) for s in (-1, 1))
            smooth = below + 2 * smooth + above
        below, above = (shifted(smooth, axis, s, periodic[axis], None) for s in (-1, 1))
        slope[axis] = above - below
    area = np.zeros_like(f)
    for axis, step in SIDES:
        jump = np.maximum(0.0, f - shifted(f, axis, step, periodic[axis], None))
        mean = slope + np.stack([shifted(g, axis, step, periodic[axis], None) for g in slope])
        size = np.sqrt((mean**2).sum(axis=0))
        area += jump * np.where(size > 1e-6, np.abs(mean[axis]) / np.maximum(size, 1e-9), 1.0)
    return area


def expected(case: Case, dt: float) -> dict[str, Array]:
    """The arrays after a step, from those before it."""
    m, periodic = case.matrix, case.periodic
    f = (case.scaffold + m.covered).astype(float)
    osteoid, mineral, young, host, answering = (
        getattr(m, name).astype(float) for name in ARRAYS[:-1]
    )
    if case.supplied is not None:
        speed = np.where(case.supplied, 1.0, float(BONE.far_resorption))
        take = 20.0 * float(BONE.resorption_speed) * dt / VOXEL * speed * exposed(f, periodic)
        have, shield = mineral + host, osteoid.sum(axis=0)
        with np.errstate(invalid="ignore"):
            take = np.where(have > 0, take * have / (have + shield), 0.0)
            take = np.minimum(take, have)
            take = np.where((take > 0) & (shield == 0) & (have - take < 1e-3), have, take)
            left = np.where(have > 0, 1.0 - take / have, 1.0)
        mineral, young, host, answering = (
            mineral * left,
            young * left,
            host * left,
            answering + take,
        )
    x = 3 * 1.5 * dt / (10 * DAY)
    first, second, third = osteoid
    stay = math.exp(-x)
    total = osteoid.sum(axis=0)
    osteoid = stay * np.stack([first, second + first * x, third + second * x + first * x * x / 2])
    gained = total - osteoid.sum(axis=0)
    mineral = mineral + gained
    age = dt / float(BONE.maturation_time)
    young = np.minimum(young * math.exp(-age) + gained * (1 - math.exp(-age)) / age, mineral)
    surface = (f >= ENTER).astype(float)
    touching = 1 + sum(shifted(surface, a, s, periodic[a]) for a, s in SIDES)
    visited = case.occupied.reshape(case.shape)
    room = np.maximum(0.0, np.where(visited, ENTER, 1.0) - 1e-5 - f) * (case.scaffold < ENTER)
    weight = touching * room
    makes = np.zeros(case.shape)
    makes.ravel()[case.osteoblasts] = case.output * LAYS * dt / VOXEL**3
    share = weight + sum(shifted(weight, a, s, periodic[a]) for a, s in SIDES)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(share > 0, makes / share, 0.0)
    given = part + sum(shifted(part, a, s, periodic[a]) for a, s in SIDES)
    osteoid[0] += np.minimum(weight * given, room)
    return {
        "osteoid": osteoid,
        "mineral": mineral,
        "young": young,
        "host": host,
        "answering": answering,
    }


@settings(max_examples=60, deadline=None)
@given(cases())
def test_a_step_is_that_of_plain_numpy(case: Case) -> None:
    wanted = expected(case, DAY)
    case.advance()
    for name, array in wanted.items():
        np.testing.assert_allclose(getattr(case.matrix, name), array, atol=1e-5, err_msg=name)


# -------------------------------------------------------------------------- invariants
@settings(max_examples=30, deadline=None)
@given(cases(), st.sampled_from([HOUR, DAY, 30 * DAY]))
def test_shares_stay_shares_and_the_books_close(case: Case, dt: float) -> None:
    m = case.matrix
    visited = case.occupied.reshape(case.shape)
    for step in range(4):
        before = case.scaffold.astype(float) + m.covered
        case.advance(dt)
        assert m.gap <= 1e-7
        for name in ARRAYS:
            assert getattr(m, name).min() >= 0.0
        f = case.scaffold.astype(float) + m.osteoid.sum(axis=0) + m.mineral + m.host
        assert f.max() <= 1.0
        assert (m.young <= m.mineral).all()
        # who walks is never walled in
        assert (f[visited & (before < ENTER - 1e-4)] < ENTER).all()
        # nothing is laid into scaffold
        assert (f <= before + 1e-6)[case.scaffold >= ENTER].all()
        sums = m.osteoid[0] + m.osteoid[1] + m.osteoid[2] + (m.mineral + m.host)
        assert sums.tobytes() == m.covered.tobytes()
        m.recruits(dt, 1e14, seed=1, step=step, open_=case.open)


def test_threads_change_no_byte() -> None:
    """Slabs of twelve planes at the least: one thread has four of them, two have eight."""
    found = []
    for threads in (1, 2, 4):
        case = Case(3, shape=(100, 6, 7), threads=threads)
        recruits = []
        for step in range(5):
            case.advance()
            recruits.append(
                case.matrix.recruits(DAY, 1e14, seed=2, step=step, open_=case.open).tobytes()
            )
        found.append([*case.bytes, *recruits, case.matrix.ledger])
    assert found[0] == found[1] == found[2]
    assert len(recruits[0]) > 4


def test_some_steps_mineralise_for_all() -> None:
    """Osteoid that is there goes on exactly; without time none does, and bone is laid."""
    often, seldom = (Case(3, resorbs=False) for _ in range(2))
    nobody = np.zeros(0, np.int32)
    for case, times in ((often, [3600.0] * 6), (seldom, [0.0] * 5 + [6 * 3600.0])):
        for elapsed in times:
            case.matrix.advance(
                3600.0,
                scaffold=case.scaffold,
                osteoblasts=nobody,
                output=1.0,
                occupied=case.occupied,
                elapsed=elapsed,
            )
    for name in ("osteoid", "mineral", "young"):
        a, b = (getattr(case.matrix, name) for case in (often, seldom))
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 if name == "young" else 2e-6)
    case = Case(3, resorbs=False)
    mineral, laid = case.matrix.mineral.copy(), case.matrix.ledger.laid
    case.matrix.advance(
        3600.0,
        scaffold=case.scaffold,
        osteoblasts=case.osteoblasts,
        output=1.0,
        occupied=case.occupied,
        elapsed=0.0,
    )
    assert np.array_equal(case.matrix.mineral, mineral)
    assert case.matrix.ledger.laid > laid


def test_books_of_a_single_osteoblast_and_slow_mineral_stay_within_what_a_run_allows() -> None:
    """Rounding of what waits is greatest beside what was laid; 52 d are seen in man."""
    grid = Grid((1, 1, 1), VOXEL)
    matrix, worst = new(grid, mineralisation_time=52 * DAY), 0.0
    for _ in range(500):
        matrix.advance(
            6 * HOUR, **nobody(grid) | {"osteoblasts": np.zeros(1, np.int32), "output": 0.1}
        )
        worst = max(worst, matrix.gap)
    assert worst < _LARGEST_GAP / 2


def test_a_restart_changes_no_byte() -> None:
    first, second = Case(4), Case(5)
    first.advance()
    state = first.matrix.state()
    second.matrix.load(state)
    second.__dict__.update({k: v for k, v in first.__dict__.items() if k != "matrix"})
    for case in (first, second):
        case.advance()
        case.matrix.recruits(DAY, 1e14, seed=2, step=1, open_=case.open)
    assert first.bytes == second.bytes
    assert first.matrix.ledger == second.matrix.ledger
    with pytest.raises(ValueError, match="lacks young"):
        first.matrix.load({k: v for k, v in state.items() if k != "young"})
    with pytest.raises(ValueError, match=r"host has shape \(2,\)"):
        first.matrix.load(state | {"host": np.zeros(2)})


# ---------------------------------------------------------------------------- recruits
def test_recruits_stand_in_open_voxels_beside_what_was_resorbed() -> None:
    for seed in range(20):
        case = Case(seed, filled=0.3)
        m, grid = case.matrix, case.matrix.grid
        near = m.answering > 0
        near = near | sum(shifted(near, a, s, grid.periodic[a]) for a, s in SIDES).astype(bool)
        found = m.recruits(100 * DAY, 1e15, seed=seed, step=0, open_=case.open)
        assert found.dtype == np.int32
        assert (np.diff(found) > 0).all()
        assert case.open[found].all()
        assert near.ravel()[found].all()


def test_recruits_wait_for_a_place() -> None:
    grid = Grid((3, 3, 3), VOXEL)
    m = new(grid)
    m.answering[1, 1, 1] = 0.5
    m.begin()
    closed = np.zeros(27, bool)
    assert m.recruits(DAY, 1e20, seed=1, step=0, open_=closed).size == 0
    assert m.answering[1, 1, 1] == 0.5
    closed[4] = True  # x - 1
    assert m.recruits(DAY, 1e20, seed=1, step=0, open_=closed).tolist() == [4]
    # two call, one finds a place: the other calls again
    m.answering[:] = 0.0
    m.answering[1, 1, 1] = m.answering[0, 1, 0] = 0.5
    m.begin()
    per_volume = 1.0 / (0.02 * VOXEL**3)  # more than is due: one recruit each
    assert m.recruits(DAY, per_volume, seed=1, step=0, open_=closed).tolist() == [4]
    assert m.answering.sum() == pytest.approx(1.0 - 0.02, rel=1e-6)


def test_as_many_recruits_come_as_the_volume_calls_for() -> None:
    """Two reversal times: 1 - e^-2 of them, by chance to 4 standard errors."""
    grid = Grid((30, 30, 30), VOXEL, (True, True, True))
    m = new(grid)
    m.answering[:] = 0.2
    m.begin()
    everywhere = np.ones(27_000, bool)
    per_volume = 1.0 / (2.0 * VOXEL**3)
    came = sum(
        m.recruits(DAY, per_volume, seed=1, step=step, open_=everywhere).size for step in range(20)
    )
    wanted = 27_000 * 0.2 / 2.0 * (1.0 - math.exp(-20 * DAY / float(BONE.reversal_time)))
    assert abs(came - wanted) < 4.0 * math.sqrt(wanted)
    assert m.answering.mean() == pytest.approx(0.2 * math.exp(-2.0), rel=1e-4)
    # a host without cells: nobody comes, and what was to be answered is forgotten
    assert m.recruits(1000 * DAY, 0.0, seed=1, step=0, open_=everywhere).size == 0
    assert m.answering.max() == 0.0


def test_what_is_owed_is_answered_as_after_a_restart() -> None:
    grid = Grid((4, 4, 4), VOXEL)
    m, other = new(grid), new(grid)
    m.owe(np.array([3, 40]), 0.8)
    other.load(m.state())
    everywhere = np.ones(64, bool)
    found = [one.recruits(1e9, VOXEL**-3, seed=1, step=0, open_=everywhere) for one in (m, other)]
    assert found[0].tolist() == found[1].tolist()
    assert m.answering.max() == 0.0


def test_the_draw_belongs_to_the_voxel() -> None:
    grid = Grid((4, 4, 4), VOXEL)
    m = new(grid)
    m.answering[:] = 0.8
    m.begin()
    chance = 0.8 * -math.expm1(-1.0)  # per voxel
    key = counter.keys(seed=7, step=3, purpose="matrix.recruit")
    wanted = np.flatnonzero(counter.uniform(np.arange(64), key) < chance)
    tau = float(BONE.reversal_time)
    found = m.recruits(tau, VOXEL**-3, seed=7, step=3, open_=np.ones(64, bool))
    assert found.tolist() == wanted.tolist()


# ----------------------------------------------------------------------------- corners
def test_a_full_box_refuses_osteoid() -> None:
    grid = Grid((4, 4, 4), VOXEL)
    m = new(grid, np.ones(grid.shape, np.float32))
    given = nobody(grid) | {"osteoblasts": np.array([21, 22], np.int32)}
    for supplied in (None, np.ones(grid.shape, bool)):
        m.advance(DAY, **given, supplied=supplied)
    assert m.ledger.laid == m.ledger.resorbed_host == m.osteoid.max() == 0.0
    assert m.ledger.unlaid == pytest.approx(4000 * UM**3)
    assert m.gap == 0.0
    assert m.buried(given["osteoblasts"], given["scaffold"]).all()


def test_no_osteoblasts_no_bone_and_rates_of_zero() -> None:
    grid = Grid((4, 4, 4), VOXEL, (True, True, True))
    m = new(grid, deposition=0.0)
    everywhere = np.ones(grid.shape, bool)
    m.advance(DAY, **nobody(grid), supplied=everywhere)
    one = nobody(grid) | {"osteoblasts": np.array([5], np.int32)}
    m.advance(DAY, **one, mineralisation=0.0, resorption=0.0, supplied=everywhere)
    assert m.covered.max() == 0.0
    assert m.gap == 0.0
    assert m.recruits(DAY, 1e15, seed=1, step=0, open_=everywhere).size == 0
    assert not m.buried(one["osteoblasts"], one["scaffold"]).any()
    # osteoid that does not mineralise stays osteoid
    m = new(grid)
    m.advance(DAY, **one)
    m.advance(DAY, **nobody(grid), mineralisation=0.0)
    assert m.ledger.laid == pytest.approx(1000 * UM**3, rel=1e-6)
    assert m.mineral.max() == m.ledger.mineralised == 0.0


def test_an_end_of_mineralisation() -> None:
    """Single precision leaves no osteoid behind, but for what one unit of mineral cannot take."""
    grid = Grid((3, 3, 3), VOXEL)
    m = new(grid)
    m.advance(DAY, **(nobody(grid) | {"osteoblasts": np.array([13], np.int32)}))
    for _ in range(300):
        m.advance(2 * DAY, **nobody(grid))
    assert m.osteoid.max() < 1e-8
    assert m.young.max() == 0.0
    assert m.gap <= 1e-7
    assert m.ledger.mineralised == pytest.approx(m.ledger.laid, rel=1e-6)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"dt": 0.0}, "the step is 0.0"),
        ({"mineralisation": -1.0}, "mineralisation is -1.0"),
        ({"resorption": math.nan}, "resorption is nan"),
        ({"output": -2.0}, "output has values from -2.0"),
        ({"output": np.ones(3, np.float32)}, "must have one for each of 2"),
        ({"osteoblasts": np.array([3, 2], np.int32)}, "must be ascending voxels of 0 to 63"),
        ({"osteoblasts": np.array([3, 64], np.int32)}, "must be ascending voxels of 0 to 63"),
        ({"osteoblasts": np.array([3, 4])}, "has type int64"),
        ({"scaffold": np.zeros((4, 4, 4))}, "scaffold has type float64"),
        ({"occupied": np.zeros(63, np.uint8)}, r"occupied has type uint8 and shape \(63,\)"),
        ({"supplied": np.zeros((4, 4, 4), np.uint8)}, "supplied has type uint8"),
    ],
)
def test_what_is_refused(wrong: dict[str, Any], words: str) -> None:
    grid = Grid((4, 4, 4), VOXEL)
    m = new(grid)
    given = {"dt": DAY} | nobody(grid) | {"osteoblasts": np.array([2, 3], np.int32)} | wrong
    with pytest.raises(ValueError, match=words):
        m.advance(**given)
    assert m.covered.max() == 0.0


def test_what_is_refused_at_the_start() -> None:
    grid = Grid((2, 2, 2), VOXEL)
    with pytest.raises(ValueError, match=r"host has values from 0\.0 to 2\.0"):
        new(grid, 2.0 * np.eye(2)[None] * np.ones((2, 1, 1)))
    with pytest.raises(ValueError, match=r"host has type float32 and shape \(2,\)"):
        new(grid, np.zeros(2))
    with pytest.raises(ValueError, match="deposition is -1"):
        new(grid, deposition=-1.0)
    with pytest.raises(ValueError, match="mineralisation_time is 0"):
        new(grid, mineralisation_time=0.0)
