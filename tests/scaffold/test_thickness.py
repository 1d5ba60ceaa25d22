"""Local thickness against a brute-force search, on several kinds of volume, axes and threads."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from scaffoldsim.scaffold.thickness import (
    Sizes,
    ball_radii,
    local_thickness,
    mean_thickness,
    squared_distance,
)

AXES = [(False,) * 3, (True,) * 3, (True, False, False), (False, True, True)]


def brute_force(mask, periodic):
    """Every ball at every voxel, painted one after the other; distances by looking at all pairs."""
    grids = [np.arange(n) for n in mask.shape]

    def squared_from(centre):
        total = 0
        for axis, n in enumerate(mask.shape):
            step = np.abs(grids[axis] - centre[axis])
            if periodic[axis]:
                step = np.minimum(step, n - step)
            total = total + (step**2).reshape([-1 if a == axis else 1 for a in range(3)])
        return total

    out = np.zeros(mask.shape, int)
    for centre in np.argwhere(mask):
        squared = squared_from(centre)
        radius = squared[~mask].min()
        np.maximum(out, np.where(squared < radius, radius, 0), out=out)
    return out


def volume(kind, rng):
    """Pores of six kinds, in a box whose edges share no factor with what is in it."""
    shape = (13, 11, 16)
    x, y, z = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    if kind == "noise":
        return rng.random(shape) < 0.6
    if kind == "sparse solid":
        return rng.random(shape) < 0.99
    if kind == "one voxel of solid":
        mask = np.ones(shape, bool)
        mask[2, 9, 3] = False
        return mask
    if kind == "gyroid":
        u, v, w = 0.6 * x + 0.2, 0.6 * y, 0.6 * z + 0.5
        return np.sin(u) * np.cos(v) + np.sin(v) * np.cos(w) + np.sin(w) * np.cos(u) > -0.6
    if kind == "overlapping spheres":
        centres = rng.uniform((0, 0, 0), shape, (6, 3))
        away = [(x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 for a, b, c in centres]
        return np.min(away, axis=0) > 3.3**2
    if kind == "inclined plates":
        return (0.48 * x + 0.6 * y + 0.64 * z) % 7 > 2
    if kind == "struts":
        u, v, w = (np.abs((n + 0.7) % 8 - 4) ** 2 for n in (x, y, z))
        return np.minimum(np.minimum(u + v, v + w), w + u) > 2.6
    if kind == "trabecular":
        field = ndimage.gaussian_filter(rng.standard_normal(shape), 1.5, mode="wrap")
        return field < np.quantile(field, 0.8)
    if kind == "channel":
        return (x - 6) ** 2 + (y - 5) ** 2 < 19
    raise KeyError(kind)


KINDS = [
    "noise",
    "sparse solid",
    "one voxel of solid",
    "gyroid",
    "overlapping spheres",
    "inclined plates",
    "struts",
    "trabecular",
    "channel",
]


@pytest.mark.parametrize("periodic", AXES)
@pytest.mark.parametrize("kind", KINDS)
def test_equals_brute_force_bit_for_bit(kind, periodic):
    mask = volume(kind, np.random.default_rng(3))
    assert 0 < mask.sum() < mask.size
    squared = brute_force(mask, periodic)
    radii = ball_radii(squared_distance(mask, periodic=periodic), periodic=periodic)
    assert radii.tobytes() == squared.astype(np.int32).tobytes()
    found = local_thickness(mask, voxel=1e-5, periodic=periodic)
    assert found.tobytes() == (np.sqrt(squared, dtype=np.float32) * np.float32(2e-5)).tobytes()


@settings(max_examples=15, derandomize=True, deadline=None)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 70)),
    st.floats(0.05, 0.97),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.integers(0, 99),
)
def test_equals_brute_force_in_any_box(shape, share, periodic, seed):
    mask = np.random.default_rng(seed).random(shape) < share
    mask[0, 0, 0] = False
    squared = squared_distance(mask, periodic=periodic)
    np.testing.assert_array_equal(
        ball_radii(squared, periodic=periodic), brute_force(mask, periodic)
    )


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_is_bit_identical_for_any_number_of_threads(threads):
    rng = np.random.default_rng(1)
    for mask in (rng.random((61, 40, 47)) < 0.97, np.tile(volume("gyroid", rng), (4, 4, 3))):
        for periodic in (False, True):
            one = local_thickness(mask, voxel=2e-5, periodic=periodic, threads=1)
            many = local_thickness(mask, voxel=2e-5, periodic=periodic, threads=threads)
            assert one.tobytes() == many.tobytes()


POSES = st.tuples(
    st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda d: math.hypot(*d) > 0.1),  # an axis
    st.tuples(*[st.floats(-0.5, 0.5)] * 3),  # a place within a voxel
    st.floats(3, 6),  # a radius, or half a width, in voxels
)


def posed(direction, place):
    """Squared distance of each voxel from the centre, and its place along the axis, of a pose."""
    n = 36
    x, y, z = np.meshgrid(*(np.arange(n) - n // 2 - p for p in place), indexing="ij")
    a, b, c = np.array(direction) / math.hypot(*direction)
    return x * x + y * y + z * z, a * x + b * y + c * z


def diameters(mask, middle):
    """Local thickness in voxels, away from the faces, where it takes the shape to go on."""
    radii = ball_radii(squared_distance(mask))
    return 2 * np.sqrt(radii[mask & middle].astype(float))


@settings(max_examples=25, derandomize=True, deadline=None)
@given(POSES)
def test_a_cylinder_in_any_pose_reads_its_diameter_within_one_voxel(pose):
    direction, place, radius = pose
    squared, along = posed(direction, place)
    found = diameters(squared - along**2 < radius**2, np.abs(along) < 4)
    assert abs(found.mean() - 2 * radius) <= 1


@settings(max_examples=25, derandomize=True, deadline=None)
@given(POSES)
def test_a_slab_in_any_pose_reads_its_width_within_one_voxel(pose):
    """But where it lies along planes of voxels less than two may be gained.

    One because the slab holds one plane more than its width, one because no ball stands between
    two planes; the planes are at most a voxel apart, and half as much in most directions.
    """
    direction, place, half = pose
    squared, along = posed(direction, place)
    found = diameters(np.abs(along) < half, squared < 36)
    assert 2 * half - 1 < found.min() <= found.max() < 2 * half + 2


def test_a_slab_in_nearly_all_poses_reads_its_width_within_one_voxel():
    rng = np.random.default_rng(6)
    errors = []
    for _ in range(40):
        half = rng.uniform(3, 6)
        squared, along = posed(rng.normal(size=3), rng.uniform(-0.5, 0.5, 3))
        errors.append(diameters(np.abs(along) < half, squared < 36).mean() - 2 * half)
    assert np.mean(np.abs(errors) <= 1) >= 0.95


@settings(max_examples=40, derandomize=True, deadline=None)
@given(POSES)
def test_a_sphere_in_any_pose_reads_what_its_centre_allows(pose):
    """A ball stands on a voxel centre: δ off that of the sphere, it is smaller by up to δ."""
    _, place, radius = pose
    squared, _ = posed((1, 0, 0), place)
    found = diameters(squared < radius**2, squared < radius**2)
    lost = 2 * math.hypot(*place)
    assert 2 * radius - lost - 1e-9 <= found.max() <= 2 * radius + 1
    assert found.mean() >= 2 * radius - lost - 1


def test_sizes_are_weighted_by_volume():
    sizes = Sizes(np.array([0, 0, 1, 4, 4, 9], np.int32), 0.5)
    assert sizes.diameter.tolist() == [1, 2, 3]
    assert sizes.mean() == pytest.approx(2)
    assert sizes.sd() == pytest.approx(0.5**0.5)
    assert [sizes.quantile(q) for q in (0.25, 0.26, 0.75, 1)] == [1, 2, 2, 3]
    assert sizes.share_within(1, 2) == pytest.approx(0.75)


def test_mean_thickness_is_over_the_box_without_its_margin():
    mask = np.zeros((30, 6, 6), bool)
    mask[2:6] = mask[10:22] = True
    whole = local_thickness(mask, voxel=1.0)
    assert mean_thickness(mask, voxel=1.0) == pytest.approx(whole[mask].mean(), rel=1e-6)
    assert mean_thickness(mask, voxel=1.0, margin=(8, 0, 0)) == pytest.approx(12)


def test_a_wrapped_box_reads_the_same_wherever_it_is_cut():
    mask = np.random.default_rng(5).random((17, 20, 23)) < 0.96
    here = local_thickness(mask, voxel=1e-5, periodic=True)
    there = local_thickness(np.roll(mask, (5, 11, 13), (0, 1, 2)), voxel=1e-5, periodic=True)
    np.testing.assert_array_equal(np.roll(here, (5, 11, 13), (0, 1, 2)), there)


def test_distances_wider_than_the_first_margin_are_wrapped_too():
    mask = np.ones((90, 7, 80), bool)
    mask[30, 2, 28] = False  # its image beyond the far face is 31 voxels from it
    steps = [np.abs(np.arange(n) - at) for n, at in zip(mask.shape, (30, 2, 28), strict=True)]
    x, y, z = (np.minimum(step, n - step) for step, n in zip(steps, mask.shape, strict=True))
    expected = x[:, None, None] ** 2 + y[:, None] ** 2 + z**2
    np.testing.assert_array_equal(squared_distance(mask, periodic=True), expected)


def test_balls_longer_than_a_machine_word_are_painted_whole():
    mask = np.ones((3, 90, 90), bool)
    mask[:, 40, 50] = False
    found = local_thickness(mask, voxel=1.0, periodic=(True, False, False))
    expected = brute_force_plane(mask[0])
    np.testing.assert_allclose(found[1], expected, rtol=1e-6)


def brute_force_plane(mask):
    """The same for a plane repeated for ever, coarse enough to do without a kernel."""
    (hole,) = np.argwhere(~mask)
    y, z = np.indices(mask.shape)
    distance = (y - hole[0]) ** 2 + (z - hole[1]) ** 2
    out = np.zeros(mask.shape)
    # the largest balls touch the hole from a corner of the plane; only the border can hold centres
    border = (y % (mask.shape[0] - 1) == 0) | (z % (mask.shape[1] - 1) == 0)
    for cy, cz in np.argwhere(border):
        radius = distance[cy, cz]
        inside = (y - cy) ** 2 + (z - cz) ** 2 < radius
        out = np.maximum(out, np.where(inside, 2 * np.sqrt(radius), 0))
    out[tuple(hole)] = 0
    return out


def test_no_mask_has_no_thickness():
    assert not local_thickness(np.zeros((4, 5, 6), bool), voxel=1e-5).any()


@pytest.mark.parametrize(
    ("mask", "voxel", "message"),
    [
        (np.ones((3, 3, 3), bool), 1e-5, "every voxel is set"),
        (np.zeros((3, 3), bool), 1e-5, "three axes"),
        (np.zeros((0, 3, 3), bool), 1e-5, "three axes"),
        (np.zeros((3, 3, 3)), 1e-5, "bool is needed"),
        (np.zeros((3, 3, 3), bool), 0.0, "not a positive length"),
        (np.zeros((3, 3, 3), bool), float("nan"), "not a positive length"),
    ],
)
def test_bad_input_is_refused_in_words(mask, voxel, message):
    with pytest.raises(ValueError, match=message):
        local_thickness(mask, voxel=voxel)


@pytest.mark.parametrize(("key", "value"), [("periodic", (True, False)), ("threads", 0)])
def test_bad_options_are_refused_in_words(key, value):
    mask = np.zeros((3, 3, 3), bool)
    mask[1] = True
    with pytest.raises(ValueError, match=key):
        local_thickness(mask, voxel=1e-5, **{key: value})
