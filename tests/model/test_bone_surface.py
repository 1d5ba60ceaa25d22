"""Areas on voxels: in every direction, round all faces, and as shares."""

import numpy as np
import pytest

from scaffoldsim.model.bone_surface import SEAM, formation, surface

H = 20e-6


def ball(n, radius, centre):
    """Share of each voxel within a ball, by its distance from the wall."""
    at = np.arange(n) + 0.5 - centre
    r = np.sqrt(at[:, None, None] ** 2 + at[:, None] ** 2 + at**2)
    return np.clip(0.5 + radius - r, 0, 1).astype(np.float32)


def area(content, periodic=False):
    inside = content >= 0.5
    return surface(inside, ~inside, content, voxel=H, periodic=periodic).total


@pytest.mark.parametrize("normal", [(1, 0, 0), (1, 1, 0), (1, 1, 1), (3, 1, 0), (5, 2, 1)])
def test_a_plane_of_any_direction_has_its_area(normal):
    n = 48
    normal = np.array(normal) / np.linalg.norm(normal)
    at = np.stack(np.meshgrid(*[np.arange(n) + 0.5 - n / 2] * 3, indexing="ij"))
    depth = np.tensordot(normal, at, 1) + 0.13
    # of a disc of radius 16 voxels of the plane, so that no edge of the box matters
    content = np.clip(0.5 - depth, 0, 1).astype(np.float32)
    inside = content >= 0.5
    found = surface(inside, ~inside, content, voxel=1.0)
    middle = np.stack(np.unravel_index(found.inner, inside.shape)) + 0.5 - n / 2
    away = np.linalg.norm(middle - np.outer(normal, normal @ middle), axis=0)
    assert found.area[away < 16].sum() == pytest.approx(np.pi * 16**2, rel=0.02)


@pytest.mark.parametrize("where", [0.0, 0.5, 0.3])
def test_spheres_come_closer_as_voxels_get_finer(where):
    off = [abs(area(ball(56, r, 28 + where)) / (4 * np.pi * (r * H) ** 2) - 1) for r in (6, 12, 24)]
    assert (np.array(off) < (0.03, 0.015, 0.008)).all()


def test_the_faces_of_the_box_are_no_surface_and_periods_close():
    plate = np.zeros((12, 6, 7), np.float32)
    plate[:3] = 1
    assert area(plate) == pytest.approx(42 * H**2)
    assert area(plate, periodic=(True, False, False)) == pytest.approx(2 * 42 * H**2)
    # the same plate moved across the seam
    assert area(np.roll(plate, -1, 0), True) == pytest.approx(area(plate, True), rel=1e-12)
    assert area(np.ones((4, 4, 4), np.float32), True) == 0
    assert area(np.ones((1, 1, 1), np.float32), True) == 0


def test_a_tilted_plane_keeps_its_area_up_to_the_faces_of_the_box():
    n = 8
    x = np.arange(n) + 0.5 - n / 2
    content = np.clip(0.5 + (2 * x[:, None] + x) / np.sqrt(5), 0, 1)
    content = np.repeat(content[:, :, None], 5, axis=2).astype(np.float32)
    assert area(content) == pytest.approx(np.sqrt(1.25) * n * 5 * H**2, rel=0.003)


def test_a_share_of_the_surface_counts_faces_with_a_voxel_held_on_either_side():
    plate = np.zeros((6, 4, 5), np.float32)
    plate[:2] = 1
    inside = plate >= 0.5
    found = surface(inside, ~inside, plate, voxel=H)
    for layer, share in ((1, 0.5), (2, 0.5), (3, 0.0)):
        held = np.zeros(plate.shape, bool)
        held[layer, :2] = True
        assert found.of(held.ravel()) / found.total == pytest.approx(share)


def test_formation_is_volume_over_surface_and_apposition_over_the_part_with_a_seam():
    plate = np.zeros((6, 4, 5), np.float32)
    plate[:2] = 1
    osteoid = np.zeros_like(plate)
    osteoid[2, :1] = SEAM  # a quarter of the surface
    inside = plate >= 0.5
    face = surface(inside, ~inside, plate, voxel=H)
    # 1 µm a day over a quarter of 20 faces
    rate = 1e-6 / 86400 * 5 / H
    mar, bfr = formation(face, osteoid, rate, voxel=H)
    assert mar * 86400e6 == pytest.approx(1.0)
    assert bfr * 86400e6 == pytest.approx(0.25)
    assert formation(face, np.zeros_like(osteoid), 0.0, voxel=H) == (None, 0.0)
    nothing = surface(~inside, ~inside & False, plate, voxel=H)
    assert formation(nothing, osteoid, rate, voxel=H) == (None, None)
