"""Thickness, spacing, loops and pieces of shapes where they are known; nothing is None, not 0/0."""

import numpy as np
import pytest

from scaffoldsim.model.histomorphometry import (
    LACUNAE,
    Phases,
    connectivity,
    empty_lacunae,
    euler,
    largest_piece,
    lesion,
    structure,
)

H = 20e-6


def phases(bone):
    return Phases.of(np.zeros(bone.shape, np.float32), bone.astype(np.float32))


def measured(bone, periodic=True):
    return structure(phases(bone), bone, voxel=H, periodic=periodic, threads=1)


def ring(n=5):
    square = np.ones((n, n, 1), bool)
    square[1:-1, 1:-1] = False
    return np.pad(square, 2)


def lattice(cells=2, n=8):
    """Struts along all three axes through one node per cell."""
    cell = np.zeros((n, n, n), bool)
    cell[2, 2] = cell[2, :, 2] = cell[:, 2, 2] = True
    return np.tile(cell, (cells,) * 3)


def test_each_voxel_is_of_one_phase_and_the_larger_share_has_it():
    rng = np.random.default_rng(1)
    scaffold = rng.random((9, 8, 7), np.float32)
    bone = (1 - scaffold) * rng.random((9, 8, 7), np.float32)
    found = Phases.of(scaffold, bone)
    assert np.array_equal(
        found.bone.astype(int) + found.scaffold + found.pore, np.ones(scaffold.shape, int)
    )
    assert (scaffold[found.bone] < 0.5).all()
    assert (found.scaffold[scaffold >= 0.5]).all()
    assert ((scaffold + bone)[found.pore] < 0.5).all()
    assert (bone[found.bone] > scaffold[found.bone]).all()
    assert (bone[found.bone] < 0.5).any()  # full of both, and more of bone


@pytest.mark.parametrize(("width", "gap"), [(2, 8), (4, 6), (6, 14)])
def test_plates(width, gap):
    bone = np.zeros((2 * (width + gap), 12, 12), bool)
    for start in (1, 1 + width + gap):
        bone[start : start + width] = True
    found = measured(bone)
    assert found.thickness == pytest.approx(width * H, rel=1e-6)
    assert found.spacing == pytest.approx(gap * H, rel=1e-6)
    assert found.number == pytest.approx(1 / ((width + gap) * H), rel=1e-6)
    assert found.connectivity == 0
    assert found.largest == pytest.approx(width / (width + gap) / 2)


def test_rods_and_balls_measure_their_diameter():
    at = np.arange(32) - 15.83
    rod = np.repeat(((at[:, None] ** 2 + at**2) < 6.0**2)[:, :, None], 10, axis=2)
    found = measured(rod, periodic=(True, True, True))
    assert abs(found.thickness / H - 12) < 1
    assert found.connectivity == 0
    ball = np.pad(at[:, None, None] ** 2 + at[:, None] ** 2 + at**2 < 6.0**2, 1)
    assert abs(measured(ball, periodic=False).thickness / H - 12) < 1


def test_scaffold_is_neither_bone_nor_space_between_trabeculae():
    scaffold, bone = np.zeros((2, 20, 6, 6), np.float32)
    scaffold[:4] = 1
    bone[10:14] = 1
    found = structure(Phases.of(scaffold, bone), bone > 0, voxel=H, periodic=True, threads=1)
    assert found.spacing == pytest.approx(6 * H)
    assert found.number == pytest.approx(0.2 / (4 * H))


def test_no_bone_and_nothing_but_bone_are_defined():
    none = measured(np.zeros((6, 6, 6), bool))
    assert (none.thickness, none.spacing, none.number) == (None, None, None)
    assert (none.connectivity, none.largest) == (0.0, 0.0)
    full = measured(np.ones((6, 6, 6), bool))
    assert (full.thickness, full.spacing, full.number, full.largest) == (None, None, None, 1.0)
    assert full.connectivity == 0
    lone = np.zeros((12, 12, 12), bool)
    lone[5, 5, 5] = True
    found = measured(lone)  # its spacing would be that of the box
    assert found.spacing is None
    assert found.thickness == pytest.approx(2 * H)


@pytest.mark.parametrize(
    ("shape", "chi"),
    [
        (np.pad(np.ones((3, 2, 4), bool), 1), 1),
        (ring(), 0),
        (np.pad(np.pad(np.zeros((1, 1, 1), bool), 1, constant_values=True), 1), 2),  # a shell
        (np.concatenate([ring(), ring()]), 0),
        (np.pad(lattice(2), 1), 8 - 12),  # nodes and struts between them; free ends add nothing
    ],
)
def test_euler_numbers(shape, chi):
    from skimage.measure import euler_number

    assert euler(shape) == euler_number(shape, connectivity=1) == chi


def test_euler_number_of_random_voxels_agrees_with_scikit_image():
    from skimage.measure import euler_number

    mask = np.random.default_rng(3).random((14, 13, 12)) < 0.4
    assert euler(np.pad(mask, 1)) == euler_number(np.pad(mask, 1), connectivity=1)


def test_what_boxes_add_to_the_euler_number_sums_over_boxes_that_share_a_plane():
    mask = np.random.default_rng(4).random((21, 8, 7)) < 0.5
    wraps = (False, True, False)
    whole = euler(mask, periodic=wraps)
    assert euler(mask[:11], periodic=wraps) + euler(mask[10:], periodic=wraps) == whole
    # a period closed by hand: the last plane is the first
    closed = np.concatenate([mask, mask[:1]])
    assert euler(closed, periodic=wraps) == euler(mask, periodic=(True, True, False))


def test_connectivity_of_a_lattice_is_two_loops_a_cell_wherever_the_box_cuts_it():
    cells, n = 2, 8
    bone = lattice(cells, n)
    loops = 2 * cells**3
    volume = bone.size * H**3
    assert connectivity(bone, voxel=H, periodic=True) * volume == pytest.approx(loops)
    assert connectivity(np.roll(bone, 3, 1), voxel=H, periodic=True) * volume == pytest.approx(
        loops
    )
    # the same box with the first plane again at its end, so that it holds whole cells
    open_ = np.pad(np.roll(bone, -5, (0, 1, 2)), [(0, 1)] * 3, mode="wrap")
    found = connectivity(open_, voxel=H) * open_.size * H**3
    assert found == pytest.approx(loops)


def test_connectivity_is_of_the_largest_piece_without_cavities():
    volume = ring().size * H**3
    assert connectivity(ring(), voxel=H) * volume == pytest.approx(1)
    islands = np.concatenate([ring(7), np.pad(np.ones((2, 2, 1), bool), [(2, 5), (2, 7), (2, 2)])])
    assert connectivity(islands, voxel=H) * islands.size * H**3 == pytest.approx(1)
    shell = np.pad(np.pad(np.zeros((2, 2, 2), bool), 1, constant_values=True), 1)
    assert connectivity(shell, voxel=H) == 0
    thick = np.pad(np.ones((9, 9, 4), bool), 1)
    thick[4:7, 4:7] = False
    thick[2, 2, 2:4] = False  # a hole within the ring
    assert connectivity(thick, voxel=H) * thick.size * H**3 == pytest.approx(1)
    ends = np.zeros((5, 9, 9), bool)
    ends[:3, 4, 4] = True  # grows out of a face, and ends
    assert connectivity(ends, voxel=H) == 0


def test_the_largest_piece_is_joined_through_faces_and_periods():
    mask = np.zeros((10, 3, 3), bool)
    mask[0, 1, 1] = mask[9, 1, 1] = mask[5, 0, 0] = mask[5, 1, 1] = True
    assert largest_piece(mask) == pytest.approx(1 / 90)
    assert largest_piece(mask, periodic=True) == pytest.approx(2 / 90)


def test_lacunae_of_dead_bone_are_empty():
    assert empty_lacunae(0, 0) is None
    assert empty_lacunae(3, 1) == 0.25
    one = 1.0 / LACUNAE
    assert empty_lacunae(0, 0, host=one) == 0
    assert empty_lacunae(1, 0, host=one, host_dead=True) == pytest.approx(0.5)


def test_a_lesion_is_what_neither_supply_nor_cells_reach():
    shape = (30, 6, 6)
    supplied, roi = np.zeros(shape, bool), np.ones(shape, bool)
    supplied[:10] = True
    none = np.empty(0, np.int64)

    def share(cells, region=roi):
        return lesion(supplied, region, cells, voxel=H, distance=5 * H, threads=1)

    assert share(none) == pytest.approx(20 / 30)
    wall = np.flatnonzero(np.arange(30 * 36) // 36 == 29)  # cells all over the far face
    assert share(wall) == pytest.approx(14 / 30)  # they reach five voxels on
    assert share(np.arange(30 * 36)) == 0
    assert share(none, np.zeros(shape, bool)) is None
    far = roi.copy()
    far[:10] = False
    assert share(none, far) == 1
