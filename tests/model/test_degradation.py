"""Loss of the scaffold: what each mode takes, what hinders it, and what cannot happen."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.config import ConfigError, load, read_entry
from scaffoldsim.model.degradation import Degradation
from scaffoldsim.scaffold import material
from scaffoldsim.scaffold.grid import Grid

VOXEL = 20e-6
HOUR, DAY, WEEK = 3600.0, 86400.0, 7 * 86400.0
WRAPS = (True, True, True)


def number(value: Any) -> dict[str, Any]:
    return {"value": value, "range": [value, value], "mark": "assumed", "source": "a test"}


def law(mode: str, **keys: Any) -> material.Degradation:
    data = {"mode": mode} | {key: number(value) for key, value in keys.items()}
    return material.Degradation.model_validate(data)


def polymer(**keys: Any) -> material.Degradation:
    usual = {
        "molecular_weight_half_life": "28 d",
        "critical_molecular_weight": 0.15,
        "loss_rate": "0.05 /d",
    }
    return law("hydrolysis", **usual | keys)


def degrading(
    fraction: Any, mode: material.Degradation | None, periodic: Any = WRAPS, threads: int = 1
) -> Degradation:
    array = np.asarray(fraction, np.float32)
    return Degradation(Grid(array.shape, VOXEL, periodic), array, mode, threads=threads)


def blobs(shape: tuple[int, int, int] = (18, 16, 20), seed: int = 1) -> np.ndarray:
    """A random solid, a quarter of the box, with thin and thick parts."""
    noise = np.random.default_rng(seed).random(shape)
    for axis in range(3):
        noise = noise + np.roll(noise, 1, axis) + np.roll(noise, -1, axis)
    return (noise > np.quantile(noise, 0.75)).astype(np.float32)


def exposed(f: np.ndarray, periodic: tuple[bool, bool, bool]) -> np.ndarray:
    """A/h² by NumPy, in double."""

    def beside(a: np.ndarray, axis: int, step: int) -> np.ndarray:
        if periodic[axis]:
            return np.roll(a, -step, axis)
        at = np.clip(np.arange(a.shape[axis]) + step, 0, a.shape[axis] - 1)
        return np.take(a, at, axis)

    f = f.astype(float)
    slope = []
    for axis in range(3):
        g = beside(f, axis, 1) - beside(f, axis, -1)
        for other in {0, 1, 2} - {axis}:
            g = beside(g, other, -1) + 2 * g + beside(g, other, 1)
        slope.append(g)
    area = np.zeros_like(f)
    for axis in range(3):
        for step in (-1, 1):
            jump = np.maximum(0, f - beside(f, axis, step))
            n = [g + beside(g, axis, step) for g in slope]
            size = np.sqrt(sum(g * g for g in n))
            area += jump * np.where(size > 1e-6, np.abs(n[axis]) / np.maximum(size, 1e-30), 1)
    return area


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 5)] * 3),
    periodic=st.tuples(*[st.booleans()] * 3),
    levels=st.sampled_from([2, 5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_surface_recedes_by_its_exposed_area(
    shape: tuple[int, int, int], periodic: tuple[bool, bool, bool], levels: int, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    f = (draw.integers(0, levels, shape) / (levels - 1)).astype(np.float32)
    tissue = ((1 - f) * draw.integers(0, 2, shape) / 2).astype(np.float32)
    state = degrading(f, None, periodic)
    reach = 0.01
    after, lost = state._dissolve(f, reach, tissue)
    total = f + tissue
    with np.errstate(invalid="ignore"):
        share = np.where(total > 0, f / total, 0)
    expected = f - np.minimum(f, reach * exposed(total, periodic) * share)
    assert after == pytest.approx(expected, abs=2e-6)
    assert lost == np.sum(f - after, dtype=np.float64)


@pytest.mark.parametrize("mode", ["dissolution", "ion_exchange"])
@pytest.mark.parametrize("fraction", [blobs(), blobs((12, 12, 12), 5) * 0.7], ids=["1", "0.7"])
def test_half_the_mass_of_a_scaffold_left_alone_is_gone_at_the_half_mass(
    mode: str, fraction: np.ndarray
) -> None:
    scaffold = degrading(fraction, law(mode, half_mass="10 d"))
    for _ in range(80):
        assert scaffold.advance(3 * HOUR)
    assert scaffold.mass == pytest.approx(0.5, abs=0.01)


def test_tissue_keeps_fluid_away() -> None:
    f = blobs()
    bare, covered = (degrading(f, law("dissolution", half_mass="10 d")) for _ in range(2))
    bare.advance(DAY)
    assert not covered.advance(DAY, covered=1 - f)
    assert covered.mass == 1
    # bone on one half alone: the other half goes as before, away from the seam
    half = degrading(f, law("dissolution", half_mass="10 d"))
    tissue = (1 - f) * (np.arange(20) < 10)
    half.advance(DAY, covered=tissue)
    assert np.array_equal(half.fraction[:, :, 13:17], bare.fraction[:, :, 13:17])
    assert np.array_equal(half.fraction[:, :, 3:7], f[:, :, 3:7])


def test_scaffold_and_tissue_in_one_voxel_share_its_surface() -> None:
    f = np.zeros((1, 1, 4), np.float32)
    f[0, 0, 1] = 0.5
    alone, shared = (degrading(f, law("dissolution", half_mass="10 d")) for _ in range(2))
    alone.rate = shared.rate = 0.01 * VOXEL / HOUR
    alone.advance(HOUR)
    shared.advance(HOUR, covered=f)  # twice as much to expose, half of it scaffold
    assert alone.lost[0, 0, 1] == pytest.approx(0.01, rel=1e-5)
    assert shared.lost[0, 0, 1] == pytest.approx(0.01, rel=1e-5)


def test_a_wall_one_voxel_thick_goes_from_both_sides() -> None:
    f = np.zeros((6, 6, 9), np.float32)
    f[:, :, 4] = 1
    wall = degrading(f, law("dissolution", half_mass="10 d"))
    # ds/dt = -2 k s, since a voxel that is partly gone exposes what is left of it
    assert wall.rate == pytest.approx(math.log(2) / 2 * VOXEL / (10 * DAY), rel=0.01, abs=0)
    for _ in range(10 * 24):
        wall.advance(HOUR)
    assert wall.mass == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("mode", ["dissolution", "hydrolysis", "cell_mediated"])
def test_threads_and_restarts_change_no_byte(mode: str) -> None:
    rule = polymer(doubling_acid="15 mM") if mode == "hydrolysis" else law(mode, half_mass="20 d")
    f, draw = blobs(), np.random.default_rng(2)
    rooms = {
        "covered": ((1 - f) * draw.random(f.shape)).astype(np.float32),
        "acid": draw.random(f.shape).astype(np.float32) * 40,
        "near": draw.random(f.shape) < 0.5,
    }
    many = [degrading(f, rule, threads=threads) for threads in (1, 2, 4)]
    for step in range(60):
        for each in many:
            each.advance(DAY, **rooms)  # type: ignore[arg-type]
        if step == 20:
            again = degrading(f, rule)
            again.load(many[0].state())
            many.append(again)
    states = [each.state() for each in many]
    assert states[0]["total_lost"] > 0
    for state in states[1:]:
        assert all(np.array_equal(state[key], states[0][key]) for key in states[0])


def test_what_was_lost_is_what_was_there() -> None:
    f = blobs()
    for rule in (law("dissolution", half_mass="3 d"), polymer(critical_molecular_weight=0.9)):
        scaffold, lost = degrading(f, rule), 0.0
        for _ in range(30):
            scaffold.advance(12 * HOUR)
            lost += float(scaffold.lost.sum(dtype=np.float64))
        gone = f.sum(dtype=np.float64) - scaffold.fraction.sum(dtype=np.float64)
        assert scaffold.total_lost == pytest.approx(gone * VOXEL**3, rel=1e-12, abs=0)
        assert lost == pytest.approx(gone, rel=1e-6)
        assert scaffold.fraction.min() >= 0


@pytest.mark.parametrize("mode", ["dissolution", "hydrolysis", "cell_mediated"])
def test_the_books_have_what_was_stored(mode: str) -> None:
    """Not what was computed: to 1e-7, over steps of which each takes little."""
    how = (
        polymer(molecular_weight_half_life="1 d", loss_rate="0.1 /d")
        if mode == "hydrolysis"
        else law(mode, half_mass="4 wk")
    )
    scaffold = degrading(blobs(), how)
    start = scaffold.fraction.sum(dtype=float)
    for _ in range(200):
        scaffold.advance(HOUR, near=np.ones(scaffold.fraction.shape, bool))
    lost = scaffold.total_lost / scaffold.grid.voxel_volume
    assert lost > 0.05 * start
    assert abs(start - lost - scaffold.fraction.sum(dtype=float)) <= 1e-7 * start


def test_chains_that_wait_to_be_cut_are_told_as_cut() -> None:
    scaffold = degrading(blobs(), polymer())
    for hour in range(1, 30):
        scaffold.advance(HOUR)
        expected = 0.5 ** (hour / (28 * 24))
        assert scaffold.mean_molecular_weight == pytest.approx(expected, rel=1e-6, abs=0)


def test_cells_take_only_what_is_near_vessels() -> None:
    f = blobs()
    near = np.zeros(f.shape, bool)
    near[:9] = True
    graft = degrading(f, law("cell_mediated", half_mass="10 d"))
    for _ in range(40):
        graft.advance(6 * HOUR, near=near)
    assert graft.fraction[:9] == pytest.approx(f[:9] / 2, abs=1e-5)
    assert np.array_equal(graft.fraction[9:], f[9:])
    assert not graft.advance(DAY)  # no vessels at all


def test_chains_are_cut_first_and_mass_follows() -> None:
    foam = degrading(blobs(), polymer())
    time = 0.0
    while (foam.mean_molecular_weight or 0) > 0.15:
        assert not foam.lost.any()
        foam.advance(8 * HOUR)
        time += 8 * HOUR
    # in the step in which the critical weight is reached, what is left of it counts
    late = time - 28 * DAY * math.log2(1 / 0.15)
    assert foam.mass == pytest.approx(math.exp(-0.05 * late / DAY), rel=1e-5)
    assert foam.mean_molecular_weight == pytest.approx(0.5 ** (time / (28 * DAY)), rel=1e-4)


def test_a_polymer_softens_before_it_goes() -> None:
    foam = degrading(blobs(), polymer())
    assert np.all(foam.integrity == 1)
    for _ in range(28):
        foam.advance(DAY)
    assert foam.mass == 1
    assert foam.integrity == pytest.approx(np.where(foam.fraction > 0, 0.6, 1), abs=1e-4)
    assert degrading(blobs(), law("none")).integrity == 1


def test_acid_hastens_hydrolysis_inside_walls_too() -> None:
    f = np.zeros((3, 3, 7), np.float32)
    f[:, :, 2:5] = 1
    acid = np.where(f > 0, 0, 15).astype(np.float32)
    foam = degrading(f, polymer(doubling_acid="15 mM"))
    foam.advance(28 * DAY, acid=acid)
    assert foam.molecular_weight is not None
    # a closed voxel feels what is beside it; the middle of the wall feels nothing
    assert foam.molecular_weight[1, 1, 2:5] == pytest.approx([0.25, 0.5, 0.25], rel=1e-5)
    buffered = degrading(f, polymer())
    buffered.advance(28 * DAY, acid=acid)
    assert buffered.molecular_weight == pytest.approx(np.where(f > 0, 0.5, 1), rel=1e-5)


@pytest.mark.parametrize("name", ["ha", "xacb", "plga"])
def test_steps_of_a_minute_come_to_the_same(name: str) -> None:
    rule = read_entry("materials", name).degradation  # type: ignore[attr-defined]
    f = blobs((6, 6, 6))
    slow, quick = degrading(f, rule), degrading(f, rule)
    everywhere = np.ones(f.shape, bool)
    for _ in range(48):
        slow.advance(HOUR, near=everywhere)
        for _ in range(60):
            quick.advance(HOUR / 60, near=everywhere)
    if rule.mode == "hydrolysis":
        assert 1 - quick.integrity.mean() == 1 - slow.integrity.mean() == 0  # type: ignore[union-attr]
        a, b = (1 - (each.mean_molecular_weight or 0) for each in (slow, quick))
    else:
        a, b = slow.total_lost, quick.total_lost
    assert b == pytest.approx(a, rel=0.03, abs=0)


@pytest.mark.parametrize("mode", ["dissolution", "ion_exchange", "cell_mediated", "hydrolysis"])
def test_a_gel_goes_everywhere(mode: str) -> None:
    rule = polymer() if mode == "hydrolysis" else law(mode, half_mass="42 d")
    gel = degrading(np.zeros((4, 4, 4)), rule)
    assert gel.gel is not None
    for _ in range(84):
        gel.advance(DAY, near=np.ones((4, 4, 4), bool))
    held = math.exp(-0.05 * (84 - 28 * math.log2(1 / 0.15))) if mode == "hydrolysis" else 0.25
    assert gel.mass == pytest.approx(held, rel=1e-4)
    assert gel.gel == pytest.approx(held, rel=1e-4)
    assert gel.total_lost == pytest.approx((1 - held) * 64 * VOXEL**3, rel=1e-4, abs=0)
    assert not gel.fraction.any()


def test_a_scaffold_of_no_material_stays() -> None:
    for rule in (None, law("none")):
        scaffold = degrading(blobs(), rule)
        assert not scaffold.advance(1e9)
        assert (scaffold.mass, scaffold.total_lost, scaffold.mean_molecular_weight) == (1, 0, None)
    empty = degrading(np.zeros((3, 3, 3)), None)
    assert not empty.advance(DAY)
    assert empty.mass is None
    assert "nothing" in repr(empty)


def test_what_has_no_surface_does_not_dissolve() -> None:
    block = degrading(np.ones((4, 4, 4)), law("dissolution", half_mass="1 d"))
    assert block.rate == 0
    assert not block.advance(100 * DAY)
    assert block.mass == 1


def test_what_dissolves_at_once_is_gone_and_stays_gone() -> None:
    scaffold = degrading(blobs(), law("dissolution", half_mass="1 h"))
    scaffold.advance(6 * HOUR)
    assert scaffold.mass is not None
    assert scaffold.mass < 0.03  # a straggler or two
    for _ in range(3):
        scaffold.advance(6 * HOUR)
    assert scaffold.mass == 0
    assert not scaffold.advance(6 * HOUR)
    foam = degrading(blobs(), polymer(molecular_weight_half_life="1 d", loss_rate="8 /d"))
    for _ in range(20):
        foam.advance(6 * HOUR)
    assert foam.mass == 0
    assert foam.mean_molecular_weight is None


def test_a_fraction_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 2, 2\)"):
        Degradation(Grid((3, 3, 3), VOXEL), np.zeros((2, 2, 2)), None)


def test_a_loss_too_small_for_float32_is_not_forgotten() -> None:
    """Half in 50 years: a minute takes 2.6e-8 of it, less than the last bit of 1."""
    gel = degrading(np.zeros((1, 1, 1)), law("dissolution", half_mass="2600 wk"))
    for _ in range(20_000):
        gel.advance(60.0)
    assert 1 - (gel.mass or 0) == pytest.approx(1 - 0.5 ** (20_000 * 60 / (2600 * WEEK)), rel=0.05)


@pytest.mark.parametrize(
    ("keys", "where", "words"),
    [
        ({"half_mass.value": "-1 wk"}, "degradation.half_mass", "out of range"),
        ({"half_mass": None}, "degradation.half_mass", "takes half_mass"),
        ({"loss_rate": number("-1 /d")}, "degradation.loss_rate", "out of range"),
        ({"doubling_acid": number("5 mM")}, "degradation.doubling_acid", "not hastened"),
    ],
)
def test_rates_that_are_wrong_are_told_where_they_stand(
    keys: dict[str, Any], where: str, words: str
) -> None:
    changes = {f"scaffold.material.degradation.{key}": value for key, value in keys.items()}
    with pytest.raises(ConfigError) as caught:
        load("quickstart", set=changes)
    (problem,) = caught.value.problems
    assert where in problem.key
    assert words in str(problem)
