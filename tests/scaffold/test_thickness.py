"""Local thickness against a brute-force search, on several kinds of volume, axes and threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.scaffold.morphometry import local_thickness
from scaffoldsim.scaffold.thickness import ball_radii, squared_distance

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
    if kind == "blobs":
        return np.sin(0.7 * x) * np.cos(0.5 * y) + np.sin(0.9 * z + 0.3 * x) < 0.4
    if kind == "channel":
        return (x - 6) ** 2 + (y - 5) ** 2 < 19
    raise KeyError(kind)


@pytest.mark.parametrize("periodic", AXES)
@pytest.mark.parametrize(
    "kind", ["noise", "sparse solid", "one voxel of solid", "blobs", "channel"]
)
def test_equals_brute_force(kind, periodic):
    mask = volume(kind, np.random.default_rng(3))
    expected = 2e-5 * np.sqrt(brute_force(mask, periodic))
    found = local_thickness(mask, voxel=1e-5, periodic=periodic)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


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
    mask = rng.random((61, 40, 47)) < 0.97
    for periodic in (False, True):
        one = local_thickness(mask, voxel=2e-5, periodic=periodic, threads=1)
        many = local_thickness(mask, voxel=2e-5, periodic=periodic, threads=threads)
        assert one.tobytes() == many.tobytes()


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
