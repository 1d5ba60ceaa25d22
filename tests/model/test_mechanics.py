"""Stiffness, strain and stimulus: NumPy twin, defined results, bad input, restart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scaffoldsim.config import ConfigError, load, read_entry
from scaffoldsim.model.mechanics import SHEAR, SPEED, Load, Mechanics, octahedral_shear
from scaffoldsim.scaffold.grid import Grid

BONE: Any = read_entry("tissues", "bone")
FEMUR: Any = read_entry("loads", "femur")
CONTAINED: Any = read_entry("loads", "contained")
SHAPE = (5, 6, 7)
SOFT = float(BONE.soft_modulus)


def number(value: Any, highest: Any) -> dict[str, Any]:
    return {"value": value, "range": [value, highest], "mark": "assumed", "source": "a test"}


def tissue(shape: tuple[int, int, int] = SHAPE, **share: Any) -> dict[str, Any]:
    """What `update` takes, 0 but for what is given; a scalar is everywhere."""
    found: dict[str, Any] = {}
    for name in ("scaffold", "osteoid", "mineral", "young", "host"):
        full = (3, *shape) if name == "osteoid" else shape
        value = np.asarray(share.get(name, 0), np.float32)
        found[name] = np.broadcast_to(value, full).copy()
    return found


def random_tissue(rng: np.random.Generator, shape: tuple[int, int, int] = SHAPE) -> dict[str, Any]:
    share = rng.dirichlet([0.3] * 7, size=shape).astype(np.float32)  # the last is pore
    parts = [np.ascontiguousarray(share[..., i]) for i in range(6)]
    young = parts[1] * rng.random(shape, np.float32)
    return tissue(shape, scaffold=parts[0], mineral=parts[1], young=young, host=parts[2],
                  osteoid=np.stack(parts[3:6]))  # fmt: skip


def made(share: dict[str, Any], load: Load | None = FEMUR, **change: Any) -> Mechanics:
    kept, time = change.pop("integrity", 1.0), change.pop("time", 0.0)
    grid = Grid(share["scaffold"].shape, 2e-5)
    mechanics = Mechanics(grid, BONE, load, **{"modulus": 80e9, **change})
    mechanics.update(**share, integrity=kept, time=time)
    return mechanics


def twin(
    share: dict[str, Any], modulus: float, kept: Any, gel: bool, axis: int
) -> tuple[NDArray[np.float64], ...]:
    """Modulus, Voigt and Reuss of each layer, as the class says them."""
    s, m, y, b = (share[k].astype(float) for k in ("scaffold", "mineral", "young", "host"))
    o = share["osteoid"].astype(float).sum(axis=0)
    kept = np.asarray(kept, float)
    mature, fresh = float(BONE.mature_modulus), float(BONE.fresh_modulus)
    solid = s * modulus * np.maximum(kept, 1e-3) + o * BONE.osteoid_modulus
    solid += m * mature - y * (mature - fresh) + b * BONE.host_modulus
    pore = np.maximum(1 - s - o - m - b, 0)
    filling = pore * (SOFT + (modulus * kept if gel else 0))
    other = tuple(i for i in range(3) if i != axis)
    voigt = (solid + filling).mean(axis=other)
    with np.errstate(invalid="ignore"):
        of_mineral = np.where(m > 0, mature - (mature - fresh) * np.minimum(y / m, 1), 1)
    compliance = s / (modulus * np.maximum(kept, 1e-3)) + o / BONE.osteoid_modulus
    compliance += m / of_mineral + b / BONE.host_modulus
    compliance += pore / (SOFT + (modulus * kept if gel else 0))
    reuss = 1 / compliance.mean(axis=other)
    f = 1 - pore.mean(axis=other)
    # f² E_t, where E_t is the mean over what is not pore
    with np.errstate(invalid="ignore"):
        et = np.where(f > 0, solid.mean(axis=other) / f, 0)
    layers = np.clip(f**2 * et + filling.mean(axis=other), reuss, voigt)
    return layers, voigt, reuss


@pytest.mark.parametrize("axis", "xyz")
@pytest.mark.parametrize("gel", [False, True])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("shape", [SHAPE, (2, 3, 130)])  # rows of a part of a block, and of three
def test_the_kernel_does_as_numpy(
    axis: str, gel: bool, whole: bool, shape: tuple[int, int, int]
) -> None:
    rng = np.random.default_rng(5)
    share = random_tissue(rng, shape)
    kept: Any = 0.4 if whole else rng.random(shape, np.float32)
    load_ = Load(**{"axis": axis, "stress": number("1 MPa", "2 MPa")})
    found = made(share, load_, modulus=3e6, integrity=kept, gel=gel)
    layers, voigt, reuss = twin(share, 3e6, kept, gel, "xyz".index(axis))
    np.testing.assert_allclose(found.layers, layers, rtol=1e-12)
    np.testing.assert_allclose(found.layer_voigt, voigt, rtol=1e-12)
    np.testing.assert_allclose(found.layer_reuss, reuss, rtol=1e-12)
    assert found.strain is not None
    assert found.stimulus is not None
    np.testing.assert_allclose(found.strain, 1e6 / layers, rtol=1e-12)
    mean = found.stimulus.mean(axis=tuple(i for i in range(3) if i != "xyz".index(axis)))
    np.testing.assert_allclose(mean, octahedral_shear(1e6 / layers) / SHEAR, rtol=1e-5)


def test_threads_change_no_bit() -> None:
    shape = (37, 90, 93)  # enough voxels for three threads
    share = random_tissue(np.random.default_rng(6), shape)
    for axis in "xyz":
        load_ = Load(**{"axis": axis, "stress": number("1 MPa", "2 MPa")})
        one, *more = (made(share, load_, threads=n) for n in (1, 2, 3))
        assert more[1]._threads == 3
        for other in more:
            for name, value in one.state().items():
                np.testing.assert_array_equal(value, other.state()[name])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), modulus=st.sampled_from([1e6, 5e6, 2e9, 2e11]))
def test_stiffness_lies_between_its_bounds(seed: int, modulus: float) -> None:
    found = made(random_tissue(np.random.default_rng(seed)), modulus=modulus)
    near = 1 + 1e-12
    assert np.all(found.layer_reuss <= found.layers * near)
    assert np.all(found.layers <= found.layer_voigt * near)
    assert found.reuss <= found.stiffness * near
    assert found.stiffness <= found.voigt * near


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    before=st.sampled_from([0, 1e-5, 1e-2, 1]),
    more=st.sampled_from([1e-5, 1e-3, 1e-1, 1]),
    kind=st.sampled_from(["osteoid", "mineral", "host", "scaffold"]),
)
def test_more_tissue_is_never_softer(seed: int, before: float, more: float, kind: str) -> None:
    """Also where there is so little that the square of its share is less than it takes of pores."""
    rng = np.random.default_rng(seed)
    share = {name: value * np.float32(before) for name, value in random_tissue(rng).items()}
    pore = 1 - sum(v.sum(axis=0) if k == "osteoid" else v for k, v in share.items() if k != "young")
    added = np.maximum(pore, 0) * np.float32(more) * (rng.random(SHAPE) < 0.5)
    grown = {**share, kind: share[kind] + (added / 3 if kind == "osteoid" else added)}
    for modulus in (5e6, 8e10):
        first, then = made(share, modulus=modulus), made(grown, modulus=modulus)
        assert np.all(then.layers >= first.layers * (1 - 1e-6))
        assert then.stiffness >= first.stiffness * (1 - 1e-6)
        assert then.collapse_index <= first.collapse_index * (1 + 1e-6)  # type: ignore[operator]


def test_mineral_stiffens_with_age() -> None:
    fresh, old = (made(tissue(mineral=1, young=y)) for y in (1, math.exp(-2)))
    assert fresh.stiffness == pytest.approx(float(BONE.fresh_modulus))
    assert old.stiffness == pytest.approx(BONE.modulus(2 * BONE.maturation_time), rel=1e-6)
    # rounding that leaves more young mineral than mineral does not make it softer than fresh
    assert made(tissue(mineral=0.5, young=0.6, host=0.5)).stiffness == pytest.approx(
        (BONE.fresh_modulus + BONE.host_modulus) / 2
    )


@pytest.mark.parametrize(
    ("share", "stiffness"),
    [
        ({}, SOFT),
        ({"scaffold": 1}, 80e9),
        ({"host": 1}, 12e9),
        ({"osteoid": 1 / 3}, 10e6),
        ({"scaffold": 0.1}, 80e9 * 0.01 + 0.9 * SOFT),
        # so little that the square of its share would make it softer than pores alone: Reuss
        ({"osteoid": 0.01 / 3}, 1 / (0.99 / SOFT + 0.01 / 10e6)),
        ({"scaffold": 0.9, "mineral": 0.9}, 0.9 * 80e9 + 0.9 * 6e9),  # rounded above one: no pore
    ],
)
def test_nothing_and_everything_are_defined(share: dict[str, Any], stiffness: float) -> None:
    found = made(tissue(**share))
    assert found.stiffness == pytest.approx(stiffness, rel=1e-6)
    assert found.collapse_index == pytest.approx(1e6 / stiffness / 0.008, rel=1e-6)
    assert found.stimulus is not None
    assert np.all(np.isfinite(found.stimulus))


def test_before_the_first_update_it_is_pores() -> None:
    grid = Grid(SHAPE, 2e-5)
    found = Mechanics(grid, BONE, FEMUR, modulus=80e9)
    assert (found.stiffness, found.lowest, found.time_to_collapse) == (
        pytest.approx(SOFT),
        math.inf,
        None,
    )
    assert Mechanics(grid, BONE, None, modulus=4e4, gel=True).stiffness == pytest.approx(SOFT + 4e4)


def test_without_load_there_is_stiffness_only() -> None:
    found = made(tissue(scaffold=0.2), load=None)
    assert found.stiffness == pytest.approx(80e9 * 0.04 + 0.8 * SOFT, rel=1e-6)
    assert found.stimulus is found.stress is found.strain is found.collapse_index is None
    assert found.time_to_collapse is None
    assert "no load" in repr(found)


@pytest.mark.parametrize("load_", [{"stress": number("0 MPa", "1 MPa")}, {"strain": number(0, 1)}])
def test_a_load_of_zero_does_nothing(load_: dict[str, Any]) -> None:
    found = made(tissue(), Load(**load_))
    assert (found.stress, found.collapse_index, found.time_to_collapse) == (0, 0, None)
    assert not np.any(found.stimulus)
    moved = made(tissue(), Load(**load_, fluid_speed=number("1.5 um/s", "9 um/s")))
    np.testing.assert_allclose(moved.stimulus, 1.5e-6 / SPEED, rtol=1e-6)


def test_an_imposed_strain_is_met_and_stress_follows() -> None:
    rng = np.random.default_rng(8)
    found = made(random_tissue(rng), CONTAINED)
    assert found.strain is not None
    assert found.strain.mean() == pytest.approx(1e-3)
    assert found.stress == pytest.approx(1e-3 * found.stiffness)
    # layers of one modulus are all strained alike, whatever it is
    for share in ({}, {"scaffold": 0.1}, {"host": 1}):
        np.testing.assert_allclose(made(tissue(**share), CONTAINED).strain, 1e-3, rtol=1e-6)


def test_the_weakest_layer_decides() -> None:
    thin = np.full(SHAPE, 0.2, np.float32)
    thin[:, :, 3] = 0.02
    found = made(tissue(scaffold=thin))
    assert found.strain is not None
    assert np.argmax(found.strain) == 3
    weakest = 80e9 * 0.02**2 + 0.98 * SOFT
    assert found.collapse_index == pytest.approx(1e6 / weakest / 0.008, rel=1e-5)


def test_collapse_is_told_once_and_goes_on() -> None:
    grid = Grid(SHAPE, 2e-5)
    found = Mechanics(grid, BONE, FEMUR, modulus=80e9)
    lost = {"0": 0.2, "10": 0.03, "20": 0.0, "30": 0.3}
    for time, share in lost.items():
        found.update(**tissue(scaffold=share), time=float(time))
        assert np.all(np.isfinite(found.stimulus))  # type: ignore[arg-type]
    assert found.time_to_collapse == 10
    assert found.lowest == pytest.approx(SOFT)
    assert found.collapse_index is not None
    assert found.collapse_index < 1


def test_a_gel_fills_the_pores_until_it_is_gone() -> None:
    whole = made(tissue(), modulus=4e4, gel=True)
    half = made(tissue(), modulus=4e4, gel=True, integrity=np.full(SHAPE, 0.5, np.float32))
    gone = made(tissue(), modulus=4e4, gel=True, integrity=0.0)
    assert whole.stiffness == pytest.approx(SOFT + 4e4)
    assert half.stiffness == pytest.approx(SOFT + 2e4)
    assert gone.stiffness == pytest.approx(SOFT)


def test_lost_integrity_softens_the_scaffold_but_no_bone() -> None:
    share = tissue(scaffold=0.5, host=0.5)
    assert made(share, integrity=0.1).stiffness == pytest.approx(4e9 + 6e9)
    assert made(share, integrity=0.0).stiffness == pytest.approx(4e7 + 6e9)
    assert np.isfinite(made(tissue(scaffold=1), integrity=0.0).stiffness)


def test_a_restart_goes_on_as_if_nothing_had_been() -> None:
    first = made(random_tissue(np.random.default_rng(9)), time=7.0)
    first.update(**tissue(scaffold=0.01), time=8.0)
    second = Mechanics(first.grid, BONE, FEMUR, modulus=80e9)
    second.load(first.state())
    assert second.time_to_collapse == first.time_to_collapse
    np.testing.assert_array_equal(second.stimulus, first.stimulus)  # type: ignore[arg-type]
    for each in (first, second):
        each.update(**tissue(scaffold=0.02), time=9.0)
    for name, value in first.state().items():
        np.testing.assert_array_equal(second.state()[name], value)
    fresh = Mechanics(first.grid, BONE, FEMUR, modulus=80e9)
    again = Mechanics(first.grid, BONE, FEMUR, modulus=80e9)
    again.load(fresh.state())
    assert (again.time_to_collapse, again.lowest) == (None, math.inf)


@pytest.mark.parametrize("modulus", [0.0, -1.0, math.inf, math.nan])
def test_a_modulus_that_is_none_is_refused(modulus: float) -> None:
    with pytest.raises(ValueError, match="must be positive and finite"):
        Mechanics(Grid(SHAPE, 2e-5), BONE, FEMUR, modulus=modulus)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("host", np.zeros(SHAPE)),
        ("osteoid", np.zeros(SHAPE, np.float32)),
        ("scaffold", np.zeros((5, 6, 8), np.float32)),
        ("young", np.zeros(SHAPE[::-1], np.float32).T),
        ("integrity", np.zeros((1, 6, 7), np.float32)),
    ],
)
def test_an_array_that_does_not_fit_is_refused(name: str, array: Any) -> None:
    found = Mechanics(Grid(SHAPE, 2e-5), BONE, FEMUR, modulus=80e9)
    with pytest.raises(ValueError, match=f"{name} is .* must be float32 of shape"):
        found.update(**{**tissue(), name: array}, time=0.0)


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        ({"base": "femur", "strain": number("0.1 %", "1 %")}, "host.load", "either a stress or"),
        ({"base": "femur", "stress": None}, "host.load", "either a stress or a strain"),
        ({"base": "contained", "rim_share": number(0.1, 1)}, "host.load.rim_share", "a strain is"),
        ({"base": "femur", "stress": number("-1 MPa", "1 MPa")}, "host.load.stress", "0 to 1000 M"),
        ({"base": "femur", "axis": "w"}, "host.load.axis", "one of x, y, z"),
        ("hip", "host.load", "known: contained, femoral_head, femur"),
    ],
)
def test_a_wrong_load_is_located(change: Any, key: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load("ovx_host", set={"host.load": change})
    found = {p.key: p.message for p in caught.value.problems}
    assert key in found, found
    assert says in found[key]


def test_sites_of_the_hosts() -> None:
    """Osteonecrosis is of the femoral head; an arm without load differs in that alone."""
    hosts: Any = {n: read_entry("hosts", n) for n in ("gc_rabbit", "healthy_rat", "culture")}
    assert hosts["gc_rabbit"].load.name == "femoral_head"
    assert hosts["gc_rabbit"].load.carried == pytest.approx(1e6)
    assert hosts["healthy_rat"].load == read_entry("hosts", "immobilised_rat").load  # type: ignore[attr-defined]
    assert hosts["healthy_rat"].load.carried is None
    assert hosts["culture"].load is None
