"""The site of a host: geometry of core and hole, who lives there, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import Config, ConfigError, load
from scaffoldsim.model.model import Model
from scaffoldsim.model.site import Hole, Place
from scaffoldsim.scaffold.grid import Grid

HOUR, UM = 3600.0, 1e-6
HOST = 3  # in the column of origins


def number(value: Any, low: Any = None) -> dict[str, Any]:
    """A number with its source."""
    low = value if low is None else low
    return {"value": value, "range": [low, value], "mark": "assumed", "source": "of a test"}


#: a lesion below a rim, in a box of 24 × 24 × 24 voxels
HEAD: dict[str, Any] = {
    "schema": 1,
    "seed": 2,
    "duration": "60 h",
    "step": "6 h",
    "scaffold": {"family": "gel", "size": ["1.2 mm", "1.2 mm", "1.2 mm"], "voxel": "50 um"},
    "faces": {"x": "periodic", "y": "periodic", "z-": "host"},
    "host": "onfh_medium",
    "fields": {"oxygen": "oxygen", "vegf": "vegf", "sdf1": "sdf1"},
    "cells": {"number": 0, "donor": {"species": "human", "age": "40 y"}},
}
TRACK = {"host.site.track": {"diameter": "0.4 mm"}}


def head(**change: Any) -> Config:
    return load(HEAD, set=change)


def place(config: Config) -> Place:
    return Place.of(config, Grid((24, 24, 24), 50 * UM, (True, True, False)))


@pytest.fixture(scope="module")
def core() -> Model:
    return Model(head(), threads=1)


@pytest.fixture(scope="module")
def drilled() -> Model:
    return Model(head(**TRACK), threads=1)


def test_a_lesion_lies_farthest_from_the_host_below_a_rim_that_lives(core: Model) -> None:
    depth = np.broadcast_to((np.arange(24) + 0.5) * 50 * UM, (24, 24, 24))
    found = core.place
    assert found.dead is not None
    assert found.living is not None
    assert np.array_equal(found.dead, depth > 200 * UM)
    assert np.array_equal(found.living, ~found.dead)
    assert found.region is found.dead
    assert found.cleared is None
    small = place(head(**{"host.site.lesion.depth": "0.5 mm"}))
    assert small.dead is not None
    assert np.array_equal(small.dead, depth > 700 * UM)


def test_a_track_takes_bone_out_and_opens_vessels_and_tissue(drilled: Model) -> None:
    found = drilled.place
    x = (np.arange(24) - 11.5) * 50 * UM
    away = np.broadcast_to(np.hypot(x[:, None], x[None, :])[:, :, None], (24, 24, 24))
    assert found.cleared is not None
    assert found.dead is not None
    assert np.array_equal(found.cleared, away <= 200 * UM)
    assert not (found.dead & found.cleared).any()
    assert np.array_equal(found.region, found.dead | found.cleared & (np.arange(24) >= 4))
    assert set(np.unique(found.roots[away <= 400 * UM])) == {1}
    assert found.roots[away > 400 * UM] == pytest.approx(0.03)
    assert found.opened[found.cleared].all()
    assert not found.opened[found.dead].any()
    rim = found.opened & ~found.cleared
    assert rim.any()
    assert away[rim].max() < 200 * UM + 200 * UM + 1e-9
    part = place(head(**{"host.site.track": {"diameter": "0.4 mm", "depth": "0.5 mm"}}))
    assert part.cleared is not None
    assert np.array_equal(part.cleared, found.cleared & (np.arange(24) < 10))
    assert np.array_equal(part.roots == 1, (away <= 400 * UM) & (np.arange(24) < 10))


@pytest.mark.parametrize("face", ["x-", "x+", "y-", "y+", "z-", "z+"])
def test_a_hole_is_a_cylinder_below_its_face(face: Any) -> None:
    grid, axis = Grid((8, 9, 10), 50 * UM), "xyz".index(face[0])
    hole = Hole.model_validate({"face": face, "diameter": "200 um", "depth": "160 um"})
    centre = (np.indices(grid.shape) + 0.5) * 50
    edge = grid.shape[axis] * 50
    down = centre[axis] if face[1] == "-" else edge - centre[axis]
    away = np.hypot(*(centre[k] - grid.shape[k] * 25 for k in range(3) if k != axis))
    assert np.array_equal(hole.where(grid), (down <= 160) & (away <= 100 + 1e-6))


def test_without_a_site_the_box_is_the_wound_and_the_region() -> None:
    found = place(head(host="healthy_human"))
    assert found.region.all()
    assert (found.dead, found.living, found.cleared) == (None, None, None)
    assert (found.roots == 1).all()
    depth = (np.arange(24) + 0.5) * 50 * UM
    assert np.array_equal(found.opened, np.broadcast_to(depth <= 200 * UM, found.opened.shape))
    assert not place(head(host="culture", faces="medium", fields={"oxygen": "oxygen"})).opened.any()


def test_in_a_hole_as_large_as_the_box_nothing_lives_and_the_host_is_behind_its_faces() -> None:
    found = place(head(host={"base": "healthy_human", "site": {"defect": {}}}))
    assert found.living is not None
    assert not found.living.any()
    assert found.lost.all()
    assert np.array_equal(found.near(200 * UM), place(head(host="healthy_human")).near(200 * UM))


def test_near_is_what_is_within_reach_of_tissue_in_the_box_or_behind_a_face() -> None:
    body = {"base": "healthy_human", "site": {"defect": {"diameter": "0.8 mm"}}}
    found = place(head(host=body))
    x = (np.arange(24) - 11.5) * 50 * UM
    away = np.broadcast_to(np.hypot(x[:, None], x[None, :])[:, :, None], (24, 24, 24))
    depth = np.broadcast_to(np.arange(24), (24, 24, 24))
    near = found.near(100 * UM)
    assert near[away > 400 * UM].all()
    assert near[depth < 2].all()
    inner = (away < 300 * UM) & (depth >= 2)
    assert inner.any()
    assert not near[inner].any()
    assert near[(away > 360 * UM)].all()


def test_cells_of_the_rim_answer_and_those_of_the_core_where_blood_reaches(drilled: Model) -> None:
    found, reached = drilled.place, np.zeros((24, 24, 24), bool)
    rim = np.broadcast_to(np.arange(24) < 4, reached.shape)
    answered = found.answered(reached)
    assert answered is not None
    assert np.array_equal(answered, rim)
    reached[3:5] = True
    assert np.array_equal(found.answered(reached), rim | reached)
    assert place(head(host="healthy_human")).answered(reached) is None


def test_only_what_was_opened_gives_off_signals_and_not_for_ever(drilled: Model) -> None:
    wound, opened = drilled.tissue.wound, drilled.place.opened
    wound.advance(0.0, HOUR)
    source = wound._supply("sdf1").source
    assert source is not None
    assert (source[opened] > 0).all()
    assert not source[~opened].any()
    # the tissue behind its face gives too
    assert source[..., 0][opened[..., 0]].min() > 1.2 * source[..., 1][opened[..., 1]].max()
    wound.advance(365 * 86400.0, HOUR)
    assert wound._supply("sdf1").source is None
    wound.advance(0.0, HOUR)


def test_a_core_that_nobody_opened_has_no_fresh_wound(core: Model, drilled: Model) -> None:
    host = core.config.host
    assert not core.place.opened.any()
    assert host.wound_signal(0, HOUR) == pytest.approx(0.08)
    assert drilled.config.host.wound_signal(0, HOUR) == pytest.approx(0.8, rel=0.01)
    for model, gives in ((core, False), (drilled, True)):
        model.tissue.wound.advance(0.0, HOUR)
        assert (model.fields._terms("sdf1", model.cells)["source"] is not None) == gives


def test_bone_and_its_cells_stand_where_they_live(core: Model, drilled: Model) -> None:
    for model in (core, drilled):
        bone = model.tissue.hostbone.start
        assert bone is not None
        assert model.place.living is not None
        living = model.place.living.ravel()
        assert bone[model.place.dead].any()
        assert living[model.cells.voxel].all()
        assert "osteoblast" in {model.cells.types[k] for k in model.cells.type}
        assert not model.tissue.matrix.answering.ravel()[~living].any()
    assert not drilled.tissue.matrix.host[drilled.place.cleared].any()
    share = core.metrics()["empty_lacunae_fraction"]
    host = core.tissue.matrix.host
    assert share == pytest.approx(host[core.place.dead].sum() / host.sum(), rel=1e-4)


def test_a_site_without_lesion_or_hole_lives_as_bone_without_a_site() -> None:
    head_ = {"base": "onfh_medium", "site": {"lesion": None, "residual": None, "oxygen": None}}
    site, none = (Model(head(host=host), threads=1) for host in (head_, head_ | {"site": None}))
    assert (site.cells.type == site.cells.types.index("osteoblast")).sum() > 30
    assert np.array_equal(site.cells.voxel, none.cells.voxel)
    assert np.array_equal(site.tissue.matrix.osteoid, none.tissue.matrix.osteoid)


def test_nobody_answers_in_the_core_until_blood_comes() -> None:
    model = Model(head(), threads=1)
    tissue, dead = model.tissue, model.place.dead
    assert dead is not None
    assert tissue.reached is not None
    assert not (tissue.reached & dead).any()
    tissue.coupling = 1.0
    deep = dead.copy()
    deep[..., 4] = False  # what is next to the rim is answered from there

    def came() -> int:
        tissue.matrix.answering[...] = 0
        tissue.matrix.answering[deep] = 0.5
        tissue.matrix.take_stock()
        before = model.cells.n
        tissue._recruit(model, 20 * 86400.0)
        new = model.cells.voxel[before:]
        assert dead.ravel()[new].all()
        return int(new.size)

    assert came() == 0
    tissue._pass_on()
    assert not tissue.matrix.answering[dead].any()
    tissue.reached = np.ones_like(dead)
    assert came() > 0


def test_the_rim_holds_little_oxygen(core: Model) -> None:
    assert core.fields.value["oxygen"].max() == pytest.approx(0.02)
    healthy = Model(head(host="human_femoral_head"), threads=1)
    assert healthy.fields.value["oxygen"].max() == pytest.approx(0.052)


def test_a_scaffold_fills_the_hole_alone() -> None:
    config = load("drill_hole", set={"scaffold.size": ["1 mm", "1 mm", "0.7 mm"],
                                     "cells.density": "1e6 /mL"})  # fmt: skip
    model = Model(config, threads=1)
    hole = model.place.cleared
    assert hole is not None
    assert 0 < np.count_nonzero(hole) < hole.size
    assert model.scaffold.solid[hole].any()
    assert not model.scaffold.solid[~hole].any()
    assert (model.scaffold.distance[~hole] > 0).all()
    assert model.tissue.matrix.host[~hole].any()
    assert model.place.region is hole


def test_marrow_holds_stromal_cells_and_makes_up_for_those_that_left() -> None:
    rich = {"host.marrow.stromal": number("1500 1/mm^3"), "host.bone": None}
    model = Model(head(**rich), threads=1)
    # half of them, as steroid and age leave
    few = model.rates.signals.multiplier("msc_count", "host")
    assert 0 < few < 1
    living = np.count_nonzero(model.place.living)
    mean = 1500e9 * few * (50 * UM) ** 3
    assert mean < 0.2
    assert abs(model.cells.n - mean * living) < 4 * np.sqrt(mean * living)
    assert (model.cells.origin == HOST).all()
    model.cells.keep(np.zeros(model.cells.n, bool))
    model.lattice.place(model.cells)
    tissue, layer = model.tissue, 24 * 24
    assert tissue.marrow is not None
    tissue.marrow.advance(model, 86400.0)
    first = model.cells.n
    expected = mean * layer * (1 - np.exp(-1))
    assert abs(first - expected) < 4 * np.sqrt(expected)
    assert (model.cells.voxel % 24 == 0).all()
    model.step_index += 1
    tissue.marrow.advance(model, 100 * 86400.0)
    assert abs(model.cells.n - mean * layer) < 4 * np.sqrt(mean * layer)
    assert Model(head(**rich, **{"host.vessels": None}), threads=1).tissue.marrow is None


def test_marrow_counts_its_own_cells_and_comes_into_what_is_free() -> None:
    rich = {"host.marrow.stromal": number("4000 1/mm^3"), "host.bone": None}
    model = Model(head(**rich, **TRACK), threads=1)
    marrow, cleared = model.tissue.marrow, model.place.cleared
    assert marrow is not None
    assert cleared is not None
    assert not marrow.living[cleared].any()
    layer = np.flatnonzero(~cleared.ravel() & (np.arange(cleared.size) % 24 == 0))
    assert np.array_equal(marrow.voxels, layer)
    # cells of a graft fill half of it, and are not the host's own
    model.cells.keep(np.zeros(model.cells.n, bool))
    model.cells.append(layer.size // 2, voxel=layer[::2], type=0, origin=0)
    model.lattice.place(model.cells)
    marrow.advance(model, 100 * 86400.0)
    mean = marrow._per_voxel(model) * layer.size
    assert mean > 100
    assert abs(model.cells.n - layer.size // 2 - mean) < 4 * np.sqrt(mean)


def test_marrow_behind_a_hole_as_large_as_the_box_goes_on_giving() -> None:
    body = {"base": "healthy_human", "vessels": "vessel", "site": {"defect": {}}}
    marrow = Model(head(host=body), threads=1).tissue.marrow
    assert marrow is not None
    assert np.array_equal(marrow.voxels, np.flatnonzero(marrow.living))
    assert marrow.voxels.size >= 24 * 24


def test_same_bytes_for_any_number_of_threads_and_across_a_restart() -> None:
    config = head(**TRACK)
    models = [Model(config, threads=n) for n in (1, 2)]
    for _ in range(5):
        for model in models:
            model.step()
    stored = {name: np.array(value) for name, value in models[0].state().items()}
    again = Model(config, threads=1)
    again.load(stored)
    for _ in range(5):
        for model in (*models, again):
            model.step()
    states = [model.state() for model in (*models, again)]
    for name, value in states[0].items():
        for other in states[1:]:
            assert np.array_equal(value, other[name]), name


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "in culture": ({"host": {"base": "culture", "site": {"rim": number("200 um")}}}, "no site"),
    "lesion larger than the box": ({"host.site.lesion.depth": "3 mm"}, "lesion.depth: 3 mm"),
    "rim as large as the box": (
        {"host.site.rim": number("1.2 mm"), "host.site.lesion": {"depth": None}}, "site.rim: 1.2 mm"
    ),
    "no living face": ({"faces": "closed"}, "site.lesion: lies below"),
    "hole wider than the box": (
        {"host.site.track": {"diameter": "3 mm"}}, "track.diameter: 3 mm is larger"
    ),
    "hole deeper than the box": ({"host.site.track": {"depth": "3 mm"}}, "track.depth: 3 mm"),
    "hole through a wall": ({"host.site.track": {"face": "z+"}}, "track.face: z+ is closed"),
    "a track into nothing": (
        {"host.site.track": {}, "host.site.lesion": None}, "site.track: is drilled into a lesion"
    ),
    "a lesion without a rim": ({"host.site.rim": None}, "site.rim: is missing"),
    "marrow in culture": (
        {"host": {"base": "culture", "marrow": {"stromal": number("200 1/mm^3"),
                                                "turnover": number("1 1/d")}}}, "no marrow"
    ),
    "a defect in a lesion": ({"host.site.defect": {}}, "site.defect: is a hole in living bone"),
    "no roots": ({"host.site.residual": number(0)}, "site.residual: 0 leaves no vessel"),
    "dead twice": ({"host.bone.dead": True}, "bone.dead: the lesion of the site says"),
    "a signal that is no field": (
        {"host.wound.signals": {"vgef": number("1 ng/mL")}}, "signals.vgef: 'vgef' is no field"
    ),
    "a signal that stays": (
        {"host.wound.signals": {"oxygen": number("1 mM")}}, "oxygen does not decay"
    ),
    "a mass of what has no molar mass": (
        {"host.wound.signals": {"mine": number("1 ng/mL")},
         "fields.mine": {"schema": 1, "title": "mine", "diffusivity": number("1e-10 m^2/s"),
                         "half_life": number("1 h"), "host": number("0 mM"),
                         "medium": number("0 mM")}}, "1 ng/mL is a mass; mine needs a molar_mass"
    ),
    "signals without end": ({"host.wound.signals_fade": None}, "signals_fade: is missing"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_refused_with_its_place(case: str) -> None:
    change, message = WRONG[case]
    with pytest.raises(ConfigError) as caught:
        head(**change)
    assert message in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        head(**{"host.site.lesion.depth": "3 mm", "host.site.track": {"diameter": "4 mm"}})
    assert "lesion.depth" in str(caught.value)
    assert "track.diameter" in str(caught.value)


def test_a_hole_finer_than_the_voxels_is_refused_when_it_is_built() -> None:
    with pytest.raises(ConfigError, match=r"site\.track: holds no voxel of 50 um"):
        place(head(**{"host.site.track": {"diameter": "30 um"}}))
    place(head(**{"host.site.track": {"depth": "0.25 mm"}}))
    with pytest.raises(ConfigError, match=r"site\.track: does not reach the lesion"):
        place(head(**{"host.site.track": {"depth": "0.2 mm"}}))
