"""Bone of the host: where it stands, how virtual hosts differ, its density and T-score."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import ConfigError, load, read_entry
from scaffoldsim.model.hostbone import (
    OSTEOPOROSIS,
    YOUNG_HOSTS,
    HostBone,
    HostBoneState,
    Reference,
    near_host,
    spread,
    virtual_bv_tv,
)
from scaffoldsim.scaffold.grid import Faces, Grid

GRID = Grid((30, 28, 32), 20e-6, (True, False, False))
FACES = Faces.model_validate({"x": "periodic", "z-": "host"})
TISSUE: Any = read_entry("tissues", "bone")
RAT: Any = read_entry("organisms", "rat")
PLAIN = {"family": "voronoi_foam", "options": {"cells": 8}, "pore_size": "250 um"}
IN_VIVO = {"host": {"base": "healthy_rat", "bone": PLAIN}, "cells.donor.species": "rat"}
IN_VIVO["cells.donor.age"] = "6 months"


def state(seed: int = 1, fraction: Any = None, **keys: Any) -> HostBoneState:
    if fraction is None:
        fraction = np.zeros(GRID.shape, np.float32)
    section = HostBone.model_validate({**PLAIN, **keys})
    return HostBoneState(section, RAT, TISSUE, GRID, FACES, fraction, seed=seed)


def test_the_seed_is_a_virtual_host() -> None:
    drawn = np.array([virtual_bv_tv(0.25, 0.15, seed) for seed in range(2000)])
    assert drawn.mean() == pytest.approx(0.25, abs=4 * 0.25 * 0.15 / np.sqrt(2000))
    assert drawn.std() / drawn.mean() == pytest.approx(0.15, rel=4 / np.sqrt(2 * 2000))
    logs = np.log(drawn)
    skew = float((((logs - logs.mean()) / logs.std()) ** 3).mean())
    assert abs(skew) < 4 * np.sqrt(6 / 2000)  # lognormal
    for seed in (1, 2):
        built = state(seed).start
        assert built is not None
        assert built.mean() == pytest.approx(virtual_bv_tv(0.25, 0.15, seed), rel=1e-4)
        assert built.min() == 0
        assert built.max() == 1


def test_extreme_draws_stay_cancellous() -> None:
    assert max(virtual_bv_tv(0.9, 0.9, seed) for seed in range(200)) == 0.95
    assert min(virtual_bv_tv(0.01, 0.9, seed) for seed in range(200)) == 0.01


def test_own_porosity_moves_all_virtual_hosts_alike() -> None:
    start = state(3, porosity=0.85).start
    assert start is not None
    assert start.mean() == pytest.approx(virtual_bv_tv(0.15, 0.15, 3), rel=1e-4)


def test_a_box_of_few_pores_holds_any_virtual_host() -> None:
    small = Grid((16, 16, 16), 20e-6)
    zero = np.zeros(small.shape, np.float32)
    for porosity in (0.55, 0.9):
        section = HostBone.model_validate({**PLAIN, "porosity": porosity})
        found = HostBoneState(section, RAT, TISSUE, small, FACES, zero, seed=1)
        assert found.start is not None
        expected = virtual_bv_tv(1 - porosity, 0.15, 1)
        assert found.start.mean() == pytest.approx(expected, rel=1e-3)
    never = HostBone.model_validate({**PLAIN, "pore_size": "30 um"})
    with pytest.raises(ValueError, match="pore"):
        HostBoneState(never, RAT, TISSUE, small, FACES, zero, seed=1)


def test_bone_never_overlaps_scaffold() -> None:
    fraction = np.zeros(GRID.shape, np.float32)
    fraction[:10], fraction[10:12] = 1.0, 0.3
    found = state(fraction=fraction)
    assert found.start is not None
    assert np.all(found.start + fraction <= 1)
    assert not found.start[:10].any()
    alone = state().start
    assert alone is not None
    assert np.array_equal(found.start[12:], alone[12:])
    # the density is over what was not scaffold
    free = 1 - fraction.sum(dtype=float) / fraction.size
    bmd = found.bmd(np.zeros(GRID.shape, np.float32), found.start)
    assert bmd == pytest.approx(1150 * found.start.sum(dtype=float) / (free * fraction.size))


def test_depth_is_measured_from_faces_of_the_host() -> None:
    near = near_host(GRID, FACES, 100e-6)
    assert near[:, :, :5].all()
    assert not near[:, :, 5:].any()
    both = near_host(GRID, Faces.model_validate({"y+": "host", "z-": "host"}), 60e-6)
    assert np.count_nonzero(both) == GRID.n_voxels - 30 * 25 * 29
    assert both[:, -3:].all()
    found = state(depth="100 um")
    assert found.start is not None
    assert not found.start[:, :, 5:].any()
    full = np.ones(GRID.shape, np.float32)
    assert found.bmd(full, 0 * full) == pytest.approx(1150)
    nothing = state(depth="0 um")
    assert nothing.bmd(full, full) is None
    assert nothing.t_score(nothing.bmd(full, full)) is None


def test_no_bone_of_a_host_is_a_defined_result() -> None:
    zero = np.zeros(GRID.shape, np.float32)
    for organism in (RAT, None):
        none = HostBoneState(None, organism, TISSUE, GRID, FACES, zero, seed=1)
        assert none.start is None
        assert none.region is None
        assert none.bmd(zero, zero) is None
        assert not none.dead
    everywhere = state(fraction=np.ones(GRID.shape, np.float32))
    assert everywhere.start is not None
    assert not everywhere.start.any()
    assert everywhere.bmd(zero, zero) is None


def test_t_score_refers_to_young_healthy_hosts() -> None:
    reference = Reference.of(RAT.bone, TISSUE)
    standard_error = 0.15 / np.sqrt(YOUNG_HOSTS)
    assert reference.mean == pytest.approx(1150 * 0.25, rel=4 * standard_error)
    assert reference.sd == pytest.approx(1150 * 0.25 * 0.15, rel=4 / np.sqrt(2 * YOUNG_HOSTS))
    # few of the hosts themselves
    scores = [reference.t_score(1150 * virtual_bv_tv(0.25, 0.15, seed)) for seed in range(1000)]
    assert abs(np.mean(scores)) < 4 / np.sqrt(1000) + 4 / np.sqrt(YOUNG_HOSTS)
    assert np.mean(np.array(scores) <= OSTEOPOROSIS) < 0.01
    assert state().reference == state(2).reference


def test_numbers_depend_on_purpose_seed_and_id() -> None:
    ids = np.arange(5)
    one = spread(ids, 0.3, seed=1, purpose="a")
    assert np.array_equal(one, spread(ids, 0.3, seed=1, purpose="a"))
    assert not np.any(one == spread(ids, 0.3, seed=2, purpose="a"))
    assert not np.any(one == spread(ids, 0.3, seed=1, purpose="b"))
    assert np.array_equal(one[::-1], spread(ids[::-1], 0.3, seed=1, purpose="a"))
    many = np.log(spread(np.arange(20_000), 0.3, seed=1, purpose="a"))
    assert abs(np.corrcoef(many[1:], many[:-1])[0, 1]) < 4 / np.sqrt(many.size)


def test_a_scan_is_cut_to_the_box(tmp_path: Path) -> None:
    scan = np.zeros((34, 30, 40), np.float32)
    scan[:, 4:8] = 200.0
    np.save(tmp_path / "scan.npy", scan)
    keys = {"image": str(tmp_path / "scan.npy"), "voxel": "20 um"}
    zero = np.zeros(GRID.shape, np.float32)
    found = HostBoneState(HostBone.model_validate(keys), RAT, TISSUE, GRID, FACES, zero, seed=1)
    assert found.start is not None
    assert found.start.shape == GRID.shape
    assert found.start[:, 4:8].all()
    assert found.start.sum() == 30 * 4 * 32
    inverted = HostBone.model_validate({**keys, "invert": True, "threshold": 100})
    other = HostBoneState(inverted, RAT, TISSUE, GRID, FACES, zero, seed=1)
    assert other.start is not None
    assert np.array_equal(other.start, 1 - found.start)
    np.save(tmp_path / "scan.npy", scan[:20])
    with pytest.raises(ValueError, match=r"20 × 30 × 40 .* the box is 30 × 28 × 32"):
        HostBoneState(HostBone.model_validate(keys), RAT, TISSUE, GRID, FACES, zero, seed=1)


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"family": None, "options": {}}, (), "either a family or an image"),
        ({"image": "a.tif"}, (), "either a family or an image"),
        ({"family": "voronoi_fom"}, ("family",), "did you mean 'voronoi_foam'"),
        ({"family": "gel", "options": {}}, ("family",), "no walls"),
        ({"options": {"cell": 8}}, ("options", "cell"), "cells"),
        ({"pore_size": None}, ("pore_size",), "is missing"),
        ({"voxel": "20 um"}, ("voxel",), "goes not with family"),
        ({"family": None, "image": "a.tif"}, ("options",), "goes not with image"),
    ],
)
def test_a_geometry_is_given_once(changes: Any, key: tuple[str, ...], message: str) -> None:
    found = list(HostBone.model_validate({**PLAIN, **changes}).problems())
    assert any(place == key and message in text for place, text in found), found


def test_all_that_is_wrong_is_said_at_once_where_it_is() -> None:
    changes = {"pore_size": "0 um", "porosity": 1.0, "depth": "-1 mm", "deth": 1, "dead": 7}
    host = {"base": "healthy_rat", "bone": {**PLAIN, **changes, "image": "nowhere.tif"}}
    with pytest.raises(ConfigError) as caught:
        load("culture", set={**IN_VIVO, "host": host})
    found = {problem.key.rpartition(".")[2]: problem.message for problem in caught.value.problems}
    assert all("out of range" in found[key] for key in ("pore_size", "porosity", "depth"))
    assert "did you mean 'dept" in found["deth"]
    assert "no such file" in found["image"]
    assert "dead" in found


def test_bone_has_to_fit_what_is_around_it() -> None:
    with pytest.raises(ConfigError, match=r"host\.bone\.depth.*no face is"):
        load("culture", set={**IN_VIVO, "host.bone.depth": "1 mm"})
    with pytest.raises(ConfigError, match=r"host\.bone.*a culture has no bone of a host"):
        load("culture", set={"host": {"setting": "culture", "bone": PLAIN}})


def test_a_resolved_configuration_is_one() -> None:
    base = load("culture", set=IN_VIVO).resolved()
    assert base["host"]["bone"]["pore_size"]["value"] == "250 um"
    assert load(base).resolved() == base
