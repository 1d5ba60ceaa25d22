"""Pieces and what they span, on mazes small enough to be read."""

import numpy as np
import pytest
from scipy import ndimage

from scaffoldsim.scaffold.networks import find_networks, throat
from scaffoldsim.scaffold.thickness import squared_distance


def test_without_wrapping_the_pieces_are_those_of_scipy():
    mask = np.random.default_rng(0).random((12, 13, 14)) < 0.35
    labels, count = ndimage.label(mask)
    found = find_networks(mask)
    assert found.count == count
    assert sorted(found.sizes()[1:]) == sorted(np.bincount(labels.ravel())[1:])


def test_wrapped_pieces_are_those_in_the_middle_of_many_copies():
    mask = np.random.default_rng(2).random((6, 7, 8)) < 0.4
    found = find_networks(mask, periodic=(True, False, True))
    labels, _ = ndimage.label(np.tile(mask, (5, 1, 5)))
    middle = labels[12:18, :, 16:24]
    together = {}
    for piece, label in zip(found.piece[found.labels[mask]], middle[mask], strict=True):
        together.setdefault(int(piece), set()).add(int(label))
    owners = [label for labels_of in together.values() for label in labels_of]
    assert len(owners) == len(set(owners))  # no two pieces are one in the copies


@pytest.mark.parametrize("periodic", [False, True])
def test_a_straight_channel_spans_its_axis(periodic):
    mask = np.zeros((6, 5, 4), bool)
    mask[:, 2, 1] = True
    assert find_networks(mask, periodic=periodic).spans.tolist()[1] == [True, False, False]


def test_faces_that_are_reached_in_two_places_do_not_wind():
    mask = np.zeros((6, 5, 4), bool)
    mask[0:2, 1, 1] = mask[4:6, 3, 1] = True  # touches both faces of x, at other places
    found = find_networks(mask, periodic=(True, False, False))
    assert found.count == 2
    assert not found.spans.any()


def test_a_staircase_winds_though_no_straight_line_does():
    mask = np.zeros((4, 4, 1), bool)
    for i in range(4):
        mask[i, i, 0] = mask[i, (i + 1) % 4, 0] = True
    found = find_networks(mask, periodic=(True, True, False))
    assert found.count == 1
    assert found.spans[1].tolist() == [True, True, True]  # z is one voxel thick: both its faces
    assert not find_networks(mask, periodic=(True, False, False)).spans[:, 0].any()


def test_a_ring_inside_the_box_does_not_wind():
    mask = np.zeros((6, 6, 1), bool)
    mask[1:5, 1:5, 0] = True
    mask[2:4, 2:4, 0] = False
    assert not find_networks(mask, periodic=(True, True, False)).spans[1, :2].any()


def test_nothing_has_no_pieces():
    found = find_networks(np.zeros((3, 3, 3), bool), periodic=True)
    assert found.count == 0
    assert not found.spans.any()


def test_members_are_the_voxels_of_the_pieces_asked_for():
    mask = np.zeros((5, 1, 1), bool)
    mask[[0, 2, 4]] = True
    found = find_networks(mask, periodic=(True, False, False))
    wanted = found.sizes() == 2
    wanted[0] = False
    assert found.members(wanted).ravel().tolist() == [True, False, False, False, True]


def test_open_are_the_pieces_at_a_face_or_those_that_go_on_for_ever():
    mask = np.zeros((7, 7, 7), bool)
    mask[:, 1, 1] = True  # through along x
    mask[3, 4, 0:3] = True  # from the lower face of z inwards
    mask[5, 3:7, 5] = True  # from the upper face of y inwards
    mask[3:5, 4, 4] = True  # shut in
    cases = {
        (False, False, False): {7, 3, 4},
        (False, True, True): {7},
        (True, True, False): {3},
        (True, False, True): {4},
        (True, True, True): {7},
    }
    for periodic, sizes in cases.items():
        found = find_networks(mask, periodic=periodic)
        assert set(found.sizes()[found.open_pieces(periodic)].tolist()) == sizes


@pytest.mark.parametrize("periodic", [False, True])
def test_throat_is_the_largest_threshold_that_still_spans(periodic):
    mask = np.random.default_rng(8).random((20, 18, 16)) < 0.93
    squared = squared_distance(mask, periodic=periodic)
    found = throat(squared, periodic=periodic)
    for axis in range(3):
        spanning = [
            int(r2)
            for r2 in np.unique(squared)[1:]
            if find_networks(squared >= r2, periodic=periodic).spans[:, axis].any()
        ]
        assert found[axis] == max(spanning, default=0)
