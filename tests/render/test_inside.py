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
    _, look, _ = inside.view(channels(), 1.0, none, np.empty(0), up=UP, angle=60)
    assert abs(look[0]) > 0.8


def test_looks_are_level_and_a_solid_block_has_no_inside() -> None:
    looks = inside._sphere(np.array([0.0, 3.0, 0.0]))
    assert np.abs(looks[:, 1]).max() < inside._STEEP
    np.testing.assert_allclose(np.linalg.norm(looks, axis=1), 1)
    with pytest.raises(ValueError, match="no pore"):
        inside.view(np.ones((4, 4, 4)), 1.0, np.empty((0, 3)), np.empty(0), up=UP, angle=60)
