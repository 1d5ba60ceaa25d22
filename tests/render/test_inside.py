"""Where the eye stands in a pore."""

import numpy as np
import pytest

from scaffoldsim.render import inside

UP = np.array([0.0, 0.0, 1.0])


def channels(n: int = 30) -> np.ndarray:
    """Depth of a solid with two channels along x, one twice as wide as the other."""
    i = np.arange(n) + 0.5
    y, z = i[None, :, None], i[None, None, :]
    wide = 6 - np.hypot(y - 20, z - 15)
    thin = 3 - np.hypot(y - 6, z - 15)
    return np.broadcast_to(-np.maximum(wide, thin), (n, n, n))


def test_the_eye_is_in_the_wide_channel_and_looks_at_what_is_there() -> None:
    target = np.array([[28.0, 20.0, 15.0]])
    eye, look, room = inside.view(channels(), 1.0, target, np.ones(1), up=UP, angle=60)
    assert room == pytest.approx(5.3, abs=0.2)
    assert np.hypot(eye[1] - 20, eye[2] - 15) < 2.5
    way = target[0] - eye
    assert way @ look > np.cos(np.radians(30)) * np.linalg.norm(way)
    assert np.linalg.norm(look) == pytest.approx(1)


def test_what_is_behind_a_wall_does_not_count() -> None:
    """Much in the thin channel, unseen from the wide one, and little in the wide one."""
    targets = np.array([[3.0, 6, 15], [28.0, 20, 15]])
    eye, look, _ = inside.view(channels(), 1.0, targets, np.array([100.0, 1]), up=UP, angle=60)
    assert (targets[1] - eye) @ look > 0


def test_without_anything_it_looks_along_the_pore() -> None:
    none = np.empty((0, 3))
    eye, look, _ = inside.view(channels(), 1.0, none, np.empty(0), up=UP, angle=60)
    assert abs(look[0]) > 0.8
    assert 0.08 * 30 <= eye[0] <= 0.92 * 30 + 0.5, "not at an end, though it sees farthest there"


def test_a_view_wants_walls_about_it_and_none_before_the_eye() -> None:
    looks, room = inside._sphere(UP), 2.0
    free = np.array([inside._SEES, inside._FREE, inside._FREE / 2, 0])[:, None] * room
    found = inside._framed(np.broadcast_to(free, (4, len(looks))), looks, room, 0.9)
    np.testing.assert_allclose(found, np.array([[inside._BARE], [1], [0.5], [0]]) + 0 * found)


def test_what_is_seen_counts_by_its_distance_and_within_the_view_alone() -> None:
    room, air = 2.0, -np.ones((40, 40, 40))
    eye, looks = np.array([[1.0, 20, 20]]), np.array([[1.0, 0, 0], [-1, 0, 0], [0.8, 0.6, 0]])
    for far, worth in ((0.9, 0), (1.15, 0.5), (1.4, 1), (10, 1)):
        target = eye + np.array([far * room, 0, 0])
        found = inside._shown(air, 1.0, eye, looks, target, np.array([3.0]), room, 0.9)
        whole = 3 * worth / (1 + (far / inside._FAR) ** 2)
        np.testing.assert_allclose(found, [[whole, 0, 0]], atol=1e-9)


def test_looks_are_level_and_a_solid_block_has_no_inside() -> None:
    looks = inside._sphere(np.array([0.0, 3.0, 0.0]))
    assert np.abs(looks[:, 1]).max() < inside._STEEP
    np.testing.assert_allclose(np.linalg.norm(looks, axis=1), 1)
    with pytest.raises(ValueError, match="no pore"):
        inside.view(np.ones((4, 4, 4)), 1.0, np.empty((0, 3)), np.empty(0), up=UP, angle=60)
