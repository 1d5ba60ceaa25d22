"""Crop, resampling, and what is cleaned away, each against plain NumPy."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from scaffoldsim.scaffold.grid import TooLarge
from scaffoldsim.scaffold.images import image_grid, read_image, sampling
from scaffoldsim.scaffold.images.sampling import plan, weights
from scaffoldsim.scaffold.images.stack import Stack
from tests.scaffold import image_files
from tests.scaffold.image_files import VOXEL


def stack_of(values, spacing, order=(2, 1, 0)):
    """An image in memory, its planes in the order given."""
    stored = values.transpose(order)
    return Stack(
        "a", "an array", values.shape, values.dtype,
        lambda first, stop: iter(stored[first:stop]), spacing, order,
    )  # fmt: skip


def resampled(values, spacing, edge, order=(2, 1, 0), crop=None):
    stack = stack_of(values, spacing, order)
    chosen = plan(stack, None, edge, crop)
    return np.stack(list(chosen.planes(stack))).transpose(order), chosen


def reference(values, spacing, edge, shape):
    """Each new voxel on its own: means of fine samples, or values interpolated at its centre."""
    new = values.astype(float)
    for axis, (step, n) in enumerate(zip(spacing, shape, strict=True)):
        old = np.moveaxis(new, axis, 0)
        ratio, planes = edge / step, []
        for i in range(n):
            if abs(ratio - 1) < 1e-9:
                planes.append(old[i])
            elif ratio > 1:
                bounds = np.clip([[k, k + 1] for k in range(len(old))], i * ratio, (i + 1) * ratio)
                share = bounds[:, 1] - bounds[:, 0]
                planes.append(np.tensordot(share / share.sum(), old, 1))
            else:
                at = min(max((i + 0.5) * ratio - 0.5, 0), len(old) - 1)
                k = min(int(at), max(len(old) - 2, 0))
                planes.append(old[k] * (1 - at + k) + old[min(k + 1, len(old) - 1)] * (at - k))
        new = np.moveaxis(np.stack(planes), 0, axis)
    return new


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    shape=st.tuples(*[st.integers(2, 9)] * 3),
    spacing=st.tuples(*[st.sampled_from([8e-6, 10e-6, 17e-6, 40e-6])] * 3),
    edge=st.sampled_from([5e-6, 10e-6, 20e-6, 33e-6]),
    order=st.sampled_from([(2, 1, 0), (0, 1, 2)]),
)
def test_resampling_is_that_of_a_plain_loop(shape, spacing, edge, order):
    assume(all(n * step >= edge for n, step in zip(shape, spacing, strict=True)))
    values = np.random.default_rng(sum(shape)).normal(size=shape)
    found, chosen = resampled(values, spacing, edge, order)
    wanted = [max(1, round(n * step / edge)) for n, step in zip(shape, spacing, strict=True)]
    assert found.shape == chosen.grid.shape == tuple(wanted)
    np.testing.assert_allclose(found, reference(values, spacing, edge, wanted), atol=1e-12)


def test_whole_factors_average_and_a_slope_stays_straight():
    values = np.random.default_rng(0).normal(size=(8, 6, 4))
    found, _ = resampled(values, (1e-5,) * 3, 2e-5)
    blocks = values.reshape(4, 2, 3, 2, 2, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(found, blocks, atol=1e-12)
    # values that are the physical position of their centres are so on any voxels
    x = (np.arange(30) + 0.5)[:, None, None] * np.ones((1, 4, 4)) * 20e-6
    for edge in (10e-6, 15e-6, 40e-6, 60e-6):
        found, chosen = resampled(x, (20e-6,) * 3, edge)
        centres = (np.arange(chosen.grid.shape[0]) + 0.5) * edge
        inner = (centres > 20e-6) & (centres < 580e-6)
        # a mean over voxels cut in two is that of their constant values
        slack = 5e-6 if edge == 15e-6 or edge % 20e-6 > 1e-9 else 1e-12
        np.testing.assert_allclose(found[inner, 0, 0], centres[inner], atol=slack)


def test_weights_add_to_one_and_the_same_voxels_need_none():
    assert weights(7, 2e-5, 2e-5, 7) is None
    for n, edge, new in itertools.product((1, 2, 7), (1.0, 3.0), (0.7, 1.0, 2.5, 9.0)):
        found = weights(n, edge, new, max(1, round(n * edge / new)))
        if found is not None:
            np.testing.assert_allclose(found.weight.sum(axis=1), 1, atol=1e-12)
            assert found.index.min() >= 0
            assert found.index.max() < n


def test_a_ball_scanned_with_flat_voxels_keeps_its_size(tmp_path):
    spacing = np.array([20e-6, 20e-6, 50e-6])
    shape = (40, 40, 16)
    xyz = (np.indices(shape) + 0.5) * spacing[:, None, None, None] - 400e-6
    distance = np.sqrt((xyz**2).sum(axis=0)) - 300e-6
    values = np.clip(120 - distance / 20e-6 * 20, 0, 255).astype(np.uint8)
    image = read_image(image_files.nifti(tmp_path, values, tuple(spacing)), threshold=120)
    assert image.solid.shape == (40, 40, 40)
    volume = image.solid.sum() * image.voxel**3
    assert volume == pytest.approx(4 / 3 * np.pi * 300e-6**3, rel=0.03)
    assert any("20 x 20 x 50 um are not cubes" in note for note in image.notes)


@pytest.mark.parametrize("kind", ["tiff", "nii.gz", "npy", "npy fortran", "png", "dicom"])
def test_crop_reads_only_its_part(tmp_path, kind, monkeypatch):
    values = np.random.default_rng(0).integers(0, 3000, (7, 9, 11)).astype(np.uint16)
    path = image_files.WRITERS[kind](tmp_path, values)
    crop = {"x": (0, 60e-6), "z": (79e-6, 200e-6)}
    image = read_image(path, voxel=VOXEL, threshold=1500, crop=crop)
    np.testing.assert_array_equal(image.solid, (values > 1500)[:3, :, 4:10])
    assert image_grid(path, voxel=VOXEL, crop=crop).shape == (3, 9, 6)
    assert "Cropped along z to 0.08 to 0.2 mm, 6 of 11 voxels." in image.notes
    half = read_image(path, voxel=VOXEL, threshold=1500, crop=crop, resample=40e-6)
    assert half.voxel == 40e-6
    assert half.solid.shape == (2, 4, 3)
    seen, whole = [], sampling._resample

    def resample(plane, rows, columns):
        seen.append(plane.shape)
        return whole(plane, rows, columns)

    monkeypatch.setattr(sampling, "_resample", resample)
    read_image(path, voxel=VOXEL, threshold=1500, crop=crop, resample=40e-6)
    assert set(seen) == ({(9, 6)} if kind == "npy" else {(9, 3)})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": {"x": (0, 1)}}, "outside; the image goes from 0 to 0.14 mm along x"),
        ({"crop": {"y": (-1e-5, 1e-4)}}, "outside; the image goes from 0 to 0.18 mm along y"),
        ({"crop": {"y": (np.nan, 1e-4)}}, "is outside"),
        ({"crop": {"z": (1e-4, 1e-4)}}, "0.1 to 0.1 mm holds no voxel of 20 um; the image goes"),
        ({"crop": {"z": (2e-4, 1e-4)}}, "holds no voxel"),
        ({"crop": {"w": (0, 1e-4)}}, "'w' is not one of x, y, z"),
        ({"crop": {"x": 3}}, "not a pair"),
        ({"resample": 0.0}, "resample: 0.0 is not a positive length"),
        ({"resample": np.nan}, "resample: nan is not a positive length"),
        (
            {"resample": 1e-3},
            "voxels of 1000 um are larger than the box of 0.14 x 0.18 x 0.22 mm; at most .* 140 um",
        ),
        ({"resample": 100.0}, "are larger than the box"),
        ({"resample": 1e-4, "crop": {"z": (0, 8e-5)}}, "box of 0.14 x 0.18 x 0.08 mm; .* 80 um"),
        ({"resample": 1e-9}, "at most"),
        ({"smallest_island": 1.5}, "smallest_island: 1.5 is not a number of voxels"),
        ({"smallest_island": -1}, "smallest_island: -1 is not .*; 0 or more is needed"),
        ({"smallest_island": 10**6}, "more than any of the .* pieces of solid"),
    ],
)
def test_what_cannot_be_taken_is_refused(tmp_path, options, message):
    values = np.random.default_rng(0).integers(0, 3000, (7, 9, 11)).astype(np.uint16)
    path = image_files.nrrd_file(tmp_path, values)
    with pytest.raises(ValueError, match=message) as caught:
        read_image(path, **options)
    assert isinstance(caught.value, TooLarge) == (message == "at most")


def test_memory_is_asked_for_before_it_is_taken(tmp_path, monkeypatch):
    from scaffoldsim.scaffold import grid

    path = image_files.npy(tmp_path, np.zeros((30, 30, 30), np.uint8))
    monkeypatch.setattr(grid, "free_memory", lambda: 12 * 30**3)
    with pytest.raises(TooLarge, match=r"a\.npy: 2.7e\+04 voxels needs about"):
        read_image(path, voxel=VOXEL)
    image_files.npy(tmp_path, np.arange(30**3).reshape(30, 30, 30))
    monkeypatch.setattr(grid, "free_memory", lambda: 14.5 * 30**3)
    assert read_image(path, voxel=VOXEL).solid.any()
    for cleaned in ({"smallest_island": 5}, {"largest_pore_network": True}):
        with pytest.raises(TooLarge, match=r"a\.npy: finding pieces in 2.7e\+04 voxels needs"):
            read_image(path, voxel=VOXEL, **cleaned)


def test_the_shortest_edge_is_the_largest_voxel(tmp_path):
    path = image_files.nrrd_file(tmp_path, np.arange(7 * 9 * 11, dtype=np.uint16).reshape(7, 9, 11))
    assert read_image(path, resample=7 * VOXEL).solid.shape == (1, 1, 2)
    assert image_grid(path, resample=7 * VOXEL).shape == (1, 1, 2)
    with pytest.raises(ValueError, match="larger than the box"):
        image_grid(path, resample=7.01 * VOXEL)


def test_islands_and_networks_against_scipy(tmp_path):
    solid = np.random.default_rng(3).random((20, 21, 22)) < 0.45
    path = image_files.npy(tmp_path, solid)
    pieces, _ = label(solid)
    sizes = np.bincount(pieces.ravel())
    least = int(sizes[1:][sizes[1:] > 10].min())  # a piece of just this size stays
    wanted = solid & (sizes[pieces] >= least)
    image = read_image(path, voxel=VOXEL, smallest_island=least)
    np.testing.assert_array_equal(image.solid, wanted)
    gone = int((sizes[1:] < least).sum())
    assert any(
        f"{gone} of {len(sizes) - 1} pieces of solid, {(solid & ~wanted).sum()} voxels" in note
        for note in image.notes
    )
    networks, _ = label(~wanted)
    largest = np.bincount(networks[networks > 0]).argmax()
    image = read_image(path, voxel=VOXEL, smallest_island=least, largest_pore_network=True)
    np.testing.assert_array_equal(image.solid, networks != largest)
    filled = int((~wanted & (networks != largest)).sum())
    assert filled > 0
    assert any(f"{filled} voxels" in n and "became solid" in n for n in image.notes)


def test_nothing_to_clean_is_not_said(tmp_path):
    solid = np.zeros((6, 6, 6), bool)
    solid[:2] = True
    image = read_image(
        image_files.npy(tmp_path, solid), voxel=VOXEL, smallest_island=5, largest_pore_network=True
    )
    np.testing.assert_array_equal(image.solid, solid)
    assert [note for note in image.notes if "became" in note] == []


def test_inverting_is_said(tmp_path):
    solid = np.zeros((6, 6, 6), bool)
    solid[:2] = True
    image = read_image(image_files.npy(tmp_path, solid), voxel=VOXEL, invert=True)
    np.testing.assert_array_equal(image.solid, ~solid)
    assert "Inverted: solid and pore changed places." in image.notes
