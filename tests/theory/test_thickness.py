"""Shapes whose thickness is known: within one voxel, and finer grids come closer."""

import numpy as np
import pytest

from scaffoldsim.scaffold.morphometry import local_thickness, measure

VOXEL = 10e-6


def ball(n, radius, offset=0.0):
    at = np.arange(n) - n // 2 + offset
    return at[:, None, None] ** 2 + at[:, None] ** 2 + at**2 < radius**2


def cylinder(n, radius):
    at = np.arange(n) - n // 2 + 0.17
    return np.repeat((at[:, None] ** 2 + at**2 < radius**2)[:, :, None], 12, axis=2)


@pytest.mark.parametrize("width", [1, 2, 5, 8, 13, 24])
def test_slab(width):
    mask = np.zeros((40, 9, 9), bool)
    mask[7 : 7 + width] = True
    found = local_thickness(mask, voxel=VOXEL)[mask]
    assert found.min() == found.max()
    assert abs(found[0] - width * VOXEL) <= VOXEL * 1.0001


@pytest.mark.parametrize("radius", [4.0, 7.3, 10.0, 15.5])
def test_cylinder(radius):
    mask = cylinder(40, radius)
    found = local_thickness(mask, voxel=VOXEL, periodic=(False, False, True))[mask]
    assert abs(found.mean() - 2 * radius * VOXEL) <= VOXEL


@pytest.mark.parametrize("radius", [4.0, 7.3, 10.0, 15.5])
def test_sphere(radius):
    mask = ball(40, radius)
    found = local_thickness(mask, voxel=VOXEL)[mask]
    assert abs(found.mean() - 2 * radius * VOXEL) <= VOXEL
    assert abs(found.max() - 2 * radius * VOXEL) <= VOXEL


@pytest.mark.parametrize("radius", [7.3, 10.0, 15.5])
def test_sphere_centred_between_voxels_loses_at_most_their_diagonal(radius):
    mask = ball(40, radius, offset=0.5)  # balls stand on voxel centres, .87 voxel from this one
    found = local_thickness(mask, voxel=VOXEL)[mask]
    assert 0 <= 2 * radius * VOXEL - found.mean() <= 3**0.5 * VOXEL


def test_every_voxel_of_a_cube_is_covered_by_its_inscribed_ball_or_less():
    mask = np.zeros((30, 30, 30), bool)
    mask[5:25, 5:25, 5:25] = True
    found = local_thickness(mask, voxel=VOXEL)
    assert found.max() == pytest.approx(20 * VOXEL)
    assert found[5, 5, 5] < 6 * VOXEL  # a corner holds only a small ball
    assert (found[mask] >= VOXEL).all()


def test_sphere_of_pore_has_the_area_and_volume_of_a_sphere():
    n, radius = 48, 15.0
    solid = ~ball(n, radius)
    found = measure(solid, voxel=VOXEL)
    box = n * VOXEL * 1e3
    area = 4 * np.pi * (radius * VOXEL * 1e3) ** 2
    inner = ((n - 1) / n) ** 3  # the surface is sought between voxel centres
    assert found.porosity == pytest.approx(4 / 3 * np.pi * radius**3 / n**3, rel=0.01)
    assert found.specific_surface_per_mm * inner == pytest.approx(area / box**3, rel=0.02)
    assert found.porosity_accessible == 0
    assert found.pore_size_mean_um == pytest.approx(2 * radius * VOXEL * 1e6, abs=VOXEL * 1e6)
    assert set(found.throat_um.values()) == {0}


def test_a_throat_is_as_wide_as_its_narrowest_place():
    solid = np.ones((40, 31, 31), bool)
    at = np.arange(31) - 15
    across = at[:, None] ** 2 + at**2
    solid[:, across < 100] = False  # a channel of radius 10 along x …
    solid[18:22, across >= 16] = True  # … with a neck of radius 4
    found = measure(solid, voxel=VOXEL)
    assert found.throat_um["x"] == pytest.approx(80, abs=10)
    assert found.throat_um["y"] == found.throat_um["z"] == 0
    assert found.percolates == {"x": True, "y": False, "z": False}
