from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from scaffoldsim.render import phases

H = 10.0


def layers_on_a_wall(bone: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A wall up to x = 8 voxels, one voxel on it that holds so much bone; pore beyond."""
    x = np.arange(16, dtype=np.float32)[:, None, None] * np.ones((1, 6, 6), np.float32)
    scaffold = (x < 8).astype("f4")
    parts = {"scaffold": scaffold, "bone": np.where(x == 8, np.float32(bone), 0).astype("f4")}
    return (x + 0.5 - 8) * H, parts


def crossing(depth: np.ndarray) -> float:
    """Where along x the depth in the middle changes sign, in voxels."""
    line = depth[:, 3, 3]
    (left,) = np.flatnonzero((line[:-1] > 0) != (line[1:] > 0))
    return float(left + 0.5 + line[left] / (line[left] - line[left + 1]))


def test_shares_add_up_to_parts() -> None:
    zero = np.zeros((2, 2, 2), np.float32)
    shares = {"scaffold": zero, "osteoid": zero + 0.25, "mineral": zero + 0.5, "host_bone": zero}
    parts = phases.parts_of(shares)
    assert list(parts) == ["scaffold", "bone"]  # a host without bone is no part
    assert (parts["bone"] == 0.75).all()
    assert phases.parts_of({}) == {}


def test_voxels_show_their_greatest_part_where_they_are_solid() -> None:
    scaffold = np.array([0.6, 0.3, 0.2, 0.0, 0.5])
    bone, host = np.array([0.4, 0.4, 0.2, 0.1, 0.0]), np.array([0.0, 0.0, 0.0, 0.8, 0.0])
    shown = phases.kinds({"scaffold": scaffold, "bone": bone, "host_bone": host})
    assert shown.tolist() == [1, 2, 0, 3, 1]


def test_a_scaffold_that_has_not_changed_keeps_its_smooth_wall() -> None:
    distance, parts = layers_on_a_wall(0.0)
    distance = distance + 5 * np.random.default_rng(1).random(distance.shape).astype("f4")
    for given in ({"scaffold": parts["scaffold"]}, {}):
        found = phases.solid_depth(distance, H, given, parts["scaffold"])
        np.testing.assert_array_equal(found, -distance)
        assert phases.leads(given) == {}


@pytest.mark.parametrize("bone", [0.55, 0.7, 1.0])
def test_bone_of_half_a_voxel_covers_the_wall(bone: float) -> None:
    distance, parts = layers_on_a_wall(bone)
    leads = phases.leads(parts)
    np.testing.assert_array_equal(leads["bone"], -leads["scaffold"])
    border = crossing(leads["bone"][:9])
    surface = crossing(phases.solid_depth(distance, H, parts, parts["scaffold"]))
    assert 7.5 < border < 8.5
    assert 8.5 < surface < 9.2
    assert surface > border  # so the surface shows bone


def test_less_than_half_a_voxel_of_bone_is_still_pore() -> None:
    distance, parts = layers_on_a_wall(0.4)
    assert phases.solid_depth(distance, H, parts, parts["scaffold"])[8].max() < 0


def test_a_scaffold_is_drawn_as_far_as_it_is_left() -> None:
    distance, parts = layers_on_a_wall(0.0)
    x = np.arange(16, dtype=np.float32)[:, None, None]
    left = np.clip(5.75 - x, 0, 1) * np.ones((1, 6, 6), np.float32)  # 2.25 voxels have gone
    found = phases.solid_depth(distance, H, {"scaffold": left.astype("f4")}, parts["scaffold"])
    assert crossing(found) == pytest.approx(5.75, abs=0.1)
    gone = phases.solid_depth(distance, H, {"scaffold": 0 * left}, parts["scaffold"])
    assert gone.max() < 0


def test_every_voxel_keeps_its_side_whatever_the_shares() -> None:
    shares = np.random.default_rng(3).dirichlet([1, 1, 1, 1], size=(9, 8, 7)).astype("f4")
    parts = {name: shares[..., k] for k, name in enumerate(phases.PARTS)}
    solid = phases.solid_depth(np.zeros((9, 8, 7)), H, parts, None)
    np.testing.assert_array_equal(solid >= 0, phases.kinds(parts) > 0)
    ahead = np.sum([lead > 0 for lead in phases.leads(parts).values()], axis=0)
    assert (ahead == 1).all()


def test_stairs_of_a_scan_go_but_every_voxel_keeps_its_side() -> None:
    ijk = np.indices((24, 24, 24)) - 11.5
    mask = np.sqrt((ijk**2).sum(axis=0)) < 8
    mask[12, :, 12] = True  # a strut one voxel thick
    distance = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    solid = (distance - np.sign(distance) / 2).astype("f4") * H
    smooth = phases.without_stairs(solid, H)
    np.testing.assert_array_equal(smooth > 0, mask)
    assert np.abs(smooth - solid).max() > 0.2 * H
    # An analytic distance is left alone.
    exact = ((8 - np.sqrt((ijk**2).sum(axis=0))) * H).astype("f4") + 0.01 * ijk[0].astype("f4")
    assert phases.without_stairs(exact, H) is exact
