"""Distances to a periodic skeleton against a search through all segments and images."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.scaffold.families.skeleton import Skeleton


def nearest(segments, cell, radii, at):
    """Distance to, and vector from, the nearest of all segments and their images."""
    longest = np.abs(segments[:, 1] - segments[:, 0]).max(axis=0)
    reach = [range(-k, k + 1) for k in np.ceil(longest / cell + 1.5).astype(int)]
    best, vector = np.full(len(at), np.inf), np.zeros(at.shape)
    for (a, b), radius in zip(segments, radii, strict=True):
        for shift in itertools.product(*reach):
            from_a = at - (a + shift * cell)
            along = (from_a @ (b - a)) / max(((b - a) ** 2).sum(), 1e-300)
            away = from_a - np.clip(along, 0, 1)[:, None] * (b - a)
            far = np.sqrt((away**2).sum(axis=1)) - radius
            vector[far < best] = away[far < best]
            best = np.minimum(best, far)
    return best, vector


@st.composite
def skeletons(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    cell = np.array(draw(st.tuples(*[st.sampled_from([0.2, 0.7, 1.0, 1.9])] * 3)))
    count = draw(st.integers(1, 4))
    start = rng.uniform(-1, 2, (count, 3)) * cell
    length = draw(st.sampled_from([0.0, 0.3, 1.0, 2.6])) * cell
    segments = np.stack([start, start + rng.uniform(-1, 1, (count, 3)) * length], axis=1)
    radii = rng.random(count) * draw(st.sampled_from([0.0, 0.3]))
    return segments, cell, radii, rng.uniform(-1, 2, (60, 3)) * cell


@settings(max_examples=25, derandomize=True, deadline=None)
@given(skeletons())
def test_distance_and_direction_are_those_of_a_search(case):
    segments, cell, radii, at = case
    skeleton = Skeleton(segments, tuple(cell), radii)
    segments = segments - np.floor(segments[:, :1] / cell) * cell  # where few images are enough
    expected, vector = nearest(segments, cell, radii, at % cell)
    assert skeleton.distance(*at.T) == pytest.approx(expected, abs=1e-6)
    # Half-way between two segments either direction is right, so go along it: the step that is as
    # long as the way found by the search ends on an axis, for one of the radii.
    direction = np.stack(skeleton.direction(*at.T), axis=1)
    ends = [at - direction * (expected + radius)[:, None] for radius in radii]
    left = [
        np.abs(skeleton.distance(*end.T) + radius) for end, radius in zip(ends, radii, strict=True)
    ]
    clear = np.sqrt((vector**2).sum(axis=1)) > 1e-3
    assert (np.min(left, axis=0)[clear] < 1e-5).all()


def bar():
    return Skeleton([[[0, 0.5, 0.5], [1, 0.5, 0.5]]], (1, 1, 1))


def test_direction_points_away_and_vanishes_on_the_skeleton():
    u, v, w = np.array([[0.2, 0.9, 0.5], [0.5, 0.8, 0.5], [0.5, 0.5, 0.2]])
    x, y, z = bar().direction(u, v, w)
    assert x.tolist() == [0, 0, 0]
    assert y.tolist() == [0, 1, 0]
    assert z.tolist() == [0, 0, -1]


def test_positions_broadcast_and_wrap():
    rng = np.random.default_rng(5)
    skeleton = Skeleton(rng.random((5, 2, 3)), (1, 1.5, 0.5))
    u, v, w = rng.random((3, 7)).astype(np.float32)
    grid = skeleton.distance(u[:, None, None], v[None, :5, None], w[None, None, :6])
    assert grid.shape == (7, 5, 6)
    assert grid.dtype == np.float32
    everywhere = np.meshgrid(u, v[:5], w[:6], indexing="ij")
    assert (grid == skeleton.distance(*everywhere)).all()
    assert (grid.ravel() == skeleton.distance(*(a.ravel() for a in everywhere))).all()
    moved = skeleton.distance(u + np.float32(3), v - np.float32(3), w + np.float32(0.5))
    assert moved == pytest.approx(skeleton.distance(u, v, w), abs=1e-6)


def test_faces_of_the_box_belong_to_it():
    low = Skeleton([[[0, 0.3, 0.5], [1, 0.3, 0.5]]], (1, 1, 1))
    at = np.array([0.0, 1.0, -1e-20, 1 - 1e-17, np.nextafter(1.0, 0.0)])
    half = np.full(at.size, 0.5)
    assert low.distance(half, at, half) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("segments", "cell", "radii", "what"),
    [
        (np.zeros((0, 2, 3)), (1, 1, 1), None, "segments: shape"),
        (np.zeros((4, 3)), (1, 1, 1), None, "segments: shape"),
        (np.zeros((1, 2, 3)), (1, 1, 1), [0, 0], "radii: shape"),
        (np.full((1, 2, 3), np.nan), (1, 1, 1), None, "not finite"),
        (np.zeros((1, 2, 3)), (1, 1, 1), [np.inf], "not finite"),
        (np.zeros((1, 2, 3)), (1, 0, 1), None, "cell: "),
        (np.zeros((1, 2, 3)), (1, 1), None, "cell: "),
    ],
)
def test_what_is_no_skeleton_is_refused(segments, cell, radii, what):
    with pytest.raises(ValueError, match=what):
        Skeleton(segments, cell, radii)


def test_four_axes_are_too_many():
    with pytest.raises(ValueError, match="4 axes"):
        bar().distance(*(np.zeros((1, 1, 1, 1)),) * 3)
