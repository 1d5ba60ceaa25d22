"""Area, curvature and chords of walls whose geometry is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.scaffold.surface import curvature, mean_chords, smoothed, surface_density

VOXEL = 10e-6


def grid(n, centre=(0.0, 0.0, 0.0)):
    return np.meshgrid(*(np.arange(n) - n / 2 - c for c in centre), indexing="ij")


def sphere(n, radius, centre=(0.2, -0.1, 0.37)):
    """Signed distance, m: > 0 outside a ball."""
    x, y, z = grid(n, centre)
    return ((np.sqrt(x * x + y * y + z * z) - radius) * VOXEL).astype(np.float32)


def cylinder(n, radius):
    x, y, _ = grid(n, (0.2, -0.1, 0.0))
    return ((np.sqrt(x * x + y * y) - radius) * VOXEL).astype(np.float32)


def gyroid(n, level, sheet=False):
    """Distance to the first order, m, of one cubic cell of n voxels."""
    x, y, z = np.meshgrid(*[(np.arange(n) + 0.3) * 2 * np.pi / n] * 3, indexing="ij")
    phi = np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
    slope = np.sqrt(
        (np.cos(x) * np.cos(y) - np.sin(z) * np.sin(x)) ** 2
        + (np.cos(y) * np.cos(z) - np.sin(x) * np.sin(y)) ** 2
        + (np.cos(z) * np.cos(x) - np.sin(y) * np.sin(z)) ** 2
    )
    away = (phi - level) / slope * (n * VOXEL / (2 * np.pi))
    if sheet:
        away = np.abs(away) - 2.5 * VOXEL
    return away.astype(np.float32)


def euler_number(found, field):
    """Of the wall in a periodic box, by Gauss and Bonnet: ∫ K dA = 2π χ."""
    area = surface_density(field, voxel=VOXEL, periodic=True) * field.size * VOXEL**3
    return found.gaussian * area / (2 * math.pi)


def overlapping_balls(n, porosity, radius, seed):
    """Solid balls at random places of a box that wraps round."""
    rng = np.random.default_rng(seed)
    solid = np.zeros((n, n, n), bool)
    places = np.arange(n)
    while solid.mean() < 1 - porosity:
        steps = [np.abs(places - c) for c in rng.uniform(0, n, 3)]
        x, y, z = (np.minimum(s, n - s) ** 2 for s in steps)
        solid |= x[:, None, None] + y[:, None] + z < radius**2
    return solid


# Curvature of the wall of a ball or cylinder, and the error left at this radius in voxels.
@pytest.mark.parametrize("radius", [6.0, 10.0, 14.0])
@pytest.mark.parametrize("sign", [1, -1], ids=["solid", "pore"])
def test_a_ball(radius, sign):
    found = curvature(sign * sphere(40, radius), voxel=VOXEL)
    assert found.mean == pytest.approx(sign / (radius * VOXEL), rel=0.005)
    assert found.mean_sd < 0.01 * abs(found.mean)
    assert found.gaussian == pytest.approx(1 / (radius * VOXEL) ** 2, rel=0.01)
    assert found.concave == (sign < 0)


@pytest.mark.parametrize("sign", [1, -1], ids=["solid", "pore"])
def test_a_cylinder(sign):
    field = sign * cylinder(40, 10.0)
    found = curvature(field, voxel=VOXEL, periodic=(False, False, True))
    assert found.mean == pytest.approx(sign * 0.5 / (10 * VOXEL), rel=0.005)
    assert abs(found.gaussian) < 1e-3 / (10 * VOXEL) ** 2


def test_a_slab_is_flat():
    x, y, z = grid(30, (0.3, 0.1, 0.0))
    field = (np.abs(x * 0.6 + y * 0.48 + z * 0.64) - 5).astype(np.float32) * np.float32(VOXEL)
    found = curvature(field, voxel=VOXEL)
    assert abs(found.mean) * VOXEL < 1e-5
    assert abs(found.gaussian) * VOXEL**2 < 1e-6


def test_a_gyroid_is_minimal_and_has_its_euler_number():
    """χ of the gyroid is −4 per primitive cell (genus 3, Schoen 1970), −8 per cubic cell."""
    field = gyroid(40, 0.0)
    found = curvature(field, voxel=VOXEL, periodic=True)
    assert abs(found.mean) * VOXEL * 40 < 1e-3
    assert found.mean_sd * VOXEL * 40 < 0.15  # sin x cos y + … is the gyroid but nearly
    assert found.gaussian < 0
    assert euler_number(found, field) == pytest.approx(-8, rel=0.01)
    assert found.concave == pytest.approx(0.5, abs=0.02)


def test_a_network_bulges_into_the_pores_and_a_sheet_has_two_walls():
    net = gyroid(60, -0.9)
    found = curvature(net, voxel=VOXEL, periodic=True)
    assert found.mean * VOXEL * 60 > 1
    assert found.concave < 0.01
    assert euler_number(found, net) == pytest.approx(-8, rel=0.01)
    sheet = gyroid(60, 0.0, sheet=True)
    found = curvature(sheet, voxel=VOXEL, periodic=True)
    assert euler_number(found, sheet) == pytest.approx(-16, rel=0.01)
    # Steiner: at a distance w from a minimal wall H = K w / (1 + K w²), hollow on both sides
    assert found.mean < 0
    assert found.concave > 0.99


@pytest.mark.parametrize("radius", [5.0, 8.0, 14.0])
@pytest.mark.parametrize("sign", [1, -1], ids=["solid", "pore"])
def test_a_smoothed_image_of_a_ball_keeps_its_radius(radius, sign):
    field = sign * sphere(44, radius)
    image = smoothed(np.where(field < 0, -0.5, 0.5), sigma=2.0)
    found = curvature(image, voxel=VOXEL, skip=4)
    assert found.mean == pytest.approx(sign / (radius * VOXEL), rel=0.015)
    assert found.mean_sd * VOXEL < 0.01  # what the stairs leave
    assert np.count_nonzero(image < 0) == pytest.approx(np.count_nonzero(field < 0), abs=1)


def struts(n, radius):
    """Distance, m, from the wall of the rods of a body-centred lattice in one cubic cell."""
    at = (np.arange(n) + 0.3) / n
    place = np.stack(np.meshgrid(at, at, at, indexing="ij"), axis=-1)
    nearest = np.full(place.shape[:3], np.inf)
    for along in ((1, 1, 1), (1, 1, -1), (1, -1, 1), (-1, 1, 1)):
        for corner in np.ndindex(3, 3, 3):
            away = place - (np.array(corner) - 1)
            t = (away * along).sum(axis=-1) / 3**0.5
            np.minimum(nearest, (away**2).sum(axis=-1) - t**2, out=nearest)
    return ((np.sqrt(np.maximum(nearest, 0)) - radius) * n * VOXEL).astype(np.float32)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (gyroid(60, 0.0, sheet=True), -16),
        (gyroid(50, -1.2), -8),
        (struts(50, 0.065), -12),  # 2 nodes and 8 rods a cell, and a wall has twice their number
    ],
    ids=["sheet", "net", "struts"],
)
def test_euler_number_as_measured_from_distances_and_from_images(field, expected):
    """Where rods meet the wall has creases: their curvature is that of the rounded crease."""
    means = []
    for sharp, sigma in (
        (np.clip(field / VOXEL, -2, 2), 1.5),
        (np.where(field < 0, -0.5, 0.5), 2.0),
    ):
        level = smoothed(sharp, sigma=sigma, periodic=True)
        found = curvature(level, voxel=VOXEL, periodic=True)
        area = surface_density(field, voxel=VOXEL, periodic=True) * field.size * VOXEL**3
        assert found.gaussian * area / (2 * math.pi) == pytest.approx(expected, rel=0.08)
        means.append(found.mean)
    assert means[1] == pytest.approx(means[0], rel=0.04)


def test_a_wrapped_wall_is_the_same_wherever_the_box_is_cut():
    field = gyroid(24, -0.5)
    moved = np.roll(field, (5, 11, 23), (0, 1, 2))
    here, there = (curvature(f, voxel=VOXEL, periodic=True) for f in (field, moved))
    assert there.mean == pytest.approx(here.mean, rel=1e-4)
    assert there.gaussian == pytest.approx(here.gaussian, rel=1e-4)
    areas = [surface_density(f, voxel=VOXEL, periodic=True) for f in (field, moved)]
    assert areas[1] == pytest.approx(areas[0], rel=1e-5)


def test_more_planes_than_one_slab_are_joined_without_a_seam():
    field = np.tile(gyroid(24, 0.0), (6, 1, 1))  # 144 planes, slabs of 64
    one, many = (curvature(f, voxel=VOXEL, periodic=True) for f in (field[:24], field))
    assert many.mean_sd == pytest.approx(one.mean_sd, rel=1e-4)
    assert many.gaussian == pytest.approx(one.gaussian, rel=1e-4)
    areas = [surface_density(f, voxel=VOXEL, periodic=True) for f in (field[:24], field)]
    assert areas[1] == pytest.approx(areas[0], rel=1e-5)


@pytest.mark.parametrize("shape", [(1, 9, 9), (3, 3, 3), (9, 9, 9)])
def test_no_wall_or_no_room_has_no_curvature(shape):
    assert curvature(np.ones(shape, np.float32), voxel=VOXEL) is None
    assert surface_density(np.ones(shape, np.float32), voxel=VOXEL) == 0


@pytest.mark.parametrize("radius", [5.0, 10.0, 16.3])
def test_area_of_a_ball_from_distances_and_from_voxels(radius):
    field = sphere(44, radius)
    between = (43 * VOXEL) ** 3  # the wall is sought between voxel centres
    area = 4 * math.pi * (radius * VOXEL) ** 2
    assert surface_density(field, voxel=VOXEL) * between == pytest.approx(area, rel=0.015)
    image = smoothed(np.where(field < 0, -0.5, 0.5), sigma=1.0)
    assert surface_density(image, voxel=VOXEL) * between == pytest.approx(area, rel=0.015)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    st.tuples(st.integers(2, 9), st.integers(2, 9), st.integers(2, 9)),
    st.floats(0.1, 0.9),
    st.integers(0, 99),
)
def test_chords_are_those_counted_one_by_one(shape, share, seed):
    """In a box that wraps round nothing is cut: number and length of the runs of pore."""
    solid = np.random.default_rng(seed).random(shape) < share
    found = mean_chords(solid, voxel=VOXEL, periodic=True)
    for axis in range(3):
        number = length = 0
        for line in np.moveaxis(solid, axis, -1).reshape(-1, shape[axis]):
            length += int((~line).sum())
            number += sum(line[i - 1] and not line[i] for i in range(line.size))
        if number:
            assert found[axis] == pytest.approx(length / number * VOXEL)
        else:
            assert found[axis] is None


def test_mean_chord_is_that_of_cauchy_and_crofton():
    """Isotropic pores: 4 ε / S; between overlapping balls S = −3 ε ln ε / R (Torquato 2002)."""
    solid = overlapping_balls(96, 0.6, 9.0, seed=1)
    porosity = 1 - solid.mean()
    exact = -3 * porosity * math.log(porosity) / (9.0 * VOXEL)
    level = smoothed(0.5 - solid, sigma=1.0, periodic=True)
    surface = surface_density(level, voxel=VOXEL, periodic=True)
    chords = mean_chords(solid, voxel=VOXEL, periodic=True)
    assert np.mean(chords) == pytest.approx(4 * porosity / exact, rel=0.05)
    assert surface == pytest.approx(exact, rel=0.05)


def test_faces_do_not_shorten_chords():
    """What a part of a large box says, chords cut by its faces included."""
    solid = overlapping_balls(96, 0.8, 7.0, seed=2)
    whole = mean_chords(solid, voxel=VOXEL, periodic=True)
    parts = [
        mean_chords(solid[i : i + 32, j : j + 32, k : k + 32], voxel=VOXEL)
        for i in (0, 32, 64)
        for j in (0, 32, 64)
        for k in (0, 32, 64)
    ]
    # the parts hold about the same length of pore, so the walls per length are what averages
    rates = np.mean([[1 / chord for chord in part] for part in parts], axis=0)
    assert 1 / rates.mean() == pytest.approx(np.mean(whole), rel=0.06)
