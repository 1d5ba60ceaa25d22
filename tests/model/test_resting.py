"""Vessels that are there at the start, and what is near vessels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.model.circulation import Circulation
from scaffoldsim.model.model import Model
from scaffoldsim.model.nearness import Nearness
from scaffoldsim.model.resting import settle
from scaffoldsim.scaffold.grid import Grid
from tests.model.plexus import DAY, UM, Box, rules
from tests.model.test_circulation import body, same
from tests.model.test_vessels import books

MANY = 1e8


def near_by_pairs(grid: Grid, voxels: Any, distance: float) -> Any:
    """By the distance of every voxel from every one of the others."""
    where = np.stack(np.unravel_index(np.arange(grid.n_voxels), grid.shape), 1)
    way = np.abs(where[:, None] - where[voxels][None])
    size = np.array(grid.shape)
    way = np.where(grid.periodic, np.minimum(way, size - way), way)
    found = ((way * grid.voxel) ** 2).sum(-1) <= distance**2 * (1 + 1e-9)
    return found.any(axis=1).reshape(grid.shape)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6), radius=st.floats(0.0, 9.0), wraps=st.tuples(*[st.booleans()] * 3)
)
def test_what_is_near_as_voxels_come_and_go(seed: int, radius: float, wraps: Any) -> None:
    draw = np.random.default_rng(seed)
    grid = Grid((7, 5, 9), 20 * UM, wraps)
    always = draw.random(grid.shape) < 0.05
    near = Nearness(grid, radius * 20 * UM, always)
    there = np.zeros(grid.n_voxels, bool)
    for come, go in ((0.05, 0.0), (0.02, 0.3), (0.0, 0.3), (0.0, 1.0), (0.02, 0.0)):
        there = (there & (draw.random(there.size) >= go)) | (draw.random(there.size) < come)
        voxels = np.flatnonzero(there).astype(np.int32)
        near.update(voxels)
        expected = always | near_by_pairs(grid, voxels, radius * 20 * UM)
        np.testing.assert_array_equal(near.mask, expected)


def rim(depth: int = 10) -> np.ndarray:
    living = np.zeros((25, 25, 30), bool)
    living[:, :, :depth] = True
    return living


def settled(living: Any, density: float = 20e6, seed: int = 1, **options: Any) -> Box:
    box = Box(living.shape, vegf=0.0, seed=seed, root_density=MANY, **options)
    settle(box.vessels, living, box.blocked, density, seed=seed)
    return box


def test_living_tissue_has_vessels_with_blood_at_the_start() -> None:
    living = rim()
    box = settled(living)
    v = box.vessels
    books(box)
    found = v.graph.edges["length"].sum() / (living.sum() * box.grid.voxel_volume)
    assert 20e6 <= found < 40e6
    assert v.carries.all()
    assert v.perfused.any()
    assert not (v.flag & ~living).any()
    assert v.tips.n == 0
    # each begins and ends at a root that was drawn
    assert not (v.graph.nodes["root"] & (v.graph.nodes["parent"] >= 0)).any()
    assert v.growth.home[0].size == 25 * 25
    assert v.growth.rules is v.rules
    ragged = living & (np.random.default_rng(1).random(living.shape) > 0.1)
    among = settled(ragged, law=rules(attraction=0)).vessels  # nothing draws them back
    assert among.perfused.any()
    assert not (among.flag & ~ragged).any()
    # without VEGF they stay as they are, since they carry blood
    before = v.graph.edges["number"].copy()
    box.run(9 * 4, dt=DAY / 4)
    np.testing.assert_array_equal(before, v.graph.edges["number"])
    assert v.carries.all()
    # and with it they go on from there at once
    box.vegf[:] = 5e-6
    assert box.run(24).vessels.graph.edges.n > len(before)


def test_what_cannot_have_vessels_has_none() -> None:
    for options in ({"density": 0.0}, {"blocked": True}):
        v = settled(rim(), **options).vessels  # type: ignore[arg-type]
        assert v.graph.edges.n == v.tips.n == 0
    away = rim()
    away[:, :, :2] = False  # no root is in it
    assert settled(away).vessels.graph.edges.n == 0


def test_they_pass_round_what_is_blocked() -> None:
    wall = np.zeros((25, 25, 30), bool)
    wall[5:20, 5:20, 3:6] = True
    v = settled(rim(), blocked=wall).vessels
    assert v.perfused.any()
    assert not (v.flag & wall).any()


def test_a_restart_has_the_vessels_of_the_start() -> None:
    one, other = settled(rim(), seed=2), settled(rim(), seed=2)
    for box in (one, other):
        box.vegf[:] = 5e-6
        box.run(7)
    assert same(one.vessels.state(), other.vessels.state())
    third = settled(rim(), seed=2)
    third.vessels.load(one.vessels.state())
    third.vegf[:], third.step = 5e-6, 7
    assert same(third.run(20).vessels.state(), one.run(20).vessels.state())


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(body(), threads=1)


def made(model: Model, **options: Any) -> Circulation:
    return Circulation(model.config, model.tissue, model.fields, owner=None, **options)


def test_the_circulation_takes_roots_and_living_tissue(model: Model) -> None:
    plain, shape = made(model), model.grid.shape
    roots = np.zeros(shape, np.float32)
    roots[:7] = 0.5
    some = made(model, roots=roots).vessels
    where = np.unravel_index(some.graph.nodes["voxel"], shape)[0]
    assert 0 < some.n_roots < 0.5 * plain.vessels.n_roots
    assert (where < 7).all()
    living = np.zeros(shape, bool)
    living[:, :, :12] = True
    filled = made(model, living=living)
    assert filled.vessels.perfused.any()
    assert not (filled.vessels.perfused & ~living).any()
    blood = filled.vessels.perfused
    held = filled._breath().held
    assert held is not None
    assert np.array_equal(~np.isnan(held), blood)
    assert model.tissue.reached is not None
    assert model.tissue.reached[blood].all()
    # half the roots, half the vessels
    half = made(model, living=living, roots=np.full(shape, 0.5, np.float32)).vessels
    assert 0 < half.density < 0.85 * filled.vessels.density


def test_walls_are_looked_at_anew_after_a_restart(model: Model) -> None:
    circulation = made(model)
    right, state = circulation.blocked.copy(), circulation.state()
    assert not right.all()
    circulation.load(state | {"blocked": np.packbits(np.ones(right.shape, bool))})
    assert circulation.blocked.all()  # until the day is over
    np.testing.assert_array_equal(circulation._look(), right)


def test_a_hazard_set_from_outside_takes_vessels() -> None:
    # rejection sets its own
    model = Model(body(**{"host.immunity": None}), threads=1)
    assert model.circulation is not None
    for _ in range(18):
        model.step()
    before = model.circulation.vessels.graph.edges.n
    model.circulation.hazard = np.full(model.grid.shape, 1.0, np.float32)
    for _ in range(6):
        model.step()
    assert model.circulation.vessels.graph.edges.n < 0.1 * before
