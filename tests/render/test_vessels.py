"""Vessels of pictures: pieces at periodic faces, paths, tubes, and what a reader sees of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaffoldsim.render import gl, render_still, still, vessels
from scaffoldsim.render.scene import Scene
from scaffoldsim.run.record import Run
from tests.render.test_still import near, pixels

SIZE = np.array([10.0, 12.0, 14.0])


def lengths(ends: np.ndarray) -> np.ndarray:
    return np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)


def test_edges_round_a_face_are_divided_and_none_crosses_the_box() -> None:
    rng = np.random.default_rng(2)
    first = rng.random((400, 3)) * SIZE
    ends = np.stack([first, first + rng.normal(0, 1.5, (400, 3))], axis=1)
    nodes = np.arange(800).reshape(400, 2)
    pieces, joined, edge = vessels.wrapped(ends, nodes, SIZE)
    assert (pieces >= 0).all()
    assert (pieces <= SIZE).all()
    assert len(pieces) > 450
    of_each = np.bincount(edge, weights=lengths(pieces), minlength=400)
    np.testing.assert_allclose(of_each, lengths(ends), rtol=1e-9)
    # All that end at a face have a node of their own: no path goes on from there.
    assert np.unique(joined).size == joined.size
    np.testing.assert_array_equal(np.sort(joined[joined < 800]), np.arange(800))


def test_every_edge_is_in_one_path_and_branches_go_straight_on() -> None:
    """A Y: the stem and the arm that is nearer to its line are one path."""
    points = np.array([[0, 0, 0], [1, 0, 0], [2, 0.2, 0], [1.5, 1, 0], [3, 0.2, 0.0]])
    nodes = np.array([[1, 0], [1, 2], [3, 1], [2, 4]])
    found = vessels.paths(points[nodes], nodes, np.zeros(4))
    x = [path[:, 0].tolist() for path, _ in found]
    assert sorted(len(path) for path in x) == [2, 4]
    assert [0, 1, 2, 3] in [sorted(path) for path in x]
    # Where blood begins a path ends.
    found = vessels.paths(points[nodes], nodes, np.array([1, 0, 0, 0]))
    assert sorted(len(path) for path, _ in found) == [2, 4]
    assert all(edge in range(4) for _, edge in found)


def test_a_ring_and_a_tangle_lose_no_length() -> None:
    ring = np.array([[0, 1], [1, 2], [2, 0]])
    points = np.random.default_rng(3).random((40, 3))
    for nodes in (ring, np.random.default_rng(4).integers(0, 40, (90, 2))):
        ends = points[nodes]
        found = vessels.paths(ends, nodes, np.arange(len(nodes)) % 2 * (len(nodes) > 3))
        assert sum(len(path) - 1 for path, _ in found) == len(nodes)
        whole = sum(lengths(np.stack([p[:-1], p[1:]], 1)).sum() for p, _ in found)
        assert whole == pytest.approx(lengths(ends).sum())
        assert nodes is not ring or len(found) == 1
    assert vessels.paths(np.empty((0, 2, 3)), np.empty((0, 2), int), np.empty(0)) == []


def test_a_smooth_path_keeps_its_ends_and_stays_near() -> None:
    points = np.cumsum(np.random.default_rng(5).normal(0.5, 0.5, (30, 3)), axis=0)
    curve = vessels.smooth(points, 4)
    assert len(curve) == 4 * 29 + 1
    np.testing.assert_allclose(curve[[0, -1]], points[[0, -1]])
    corner = np.abs(points[:-2] - 2 * points[1:-1] + points[2:]).max()
    assert np.abs(curve[4:-1:4] - points[1:-1]).max() <= vessels._ROUNDS * 0.25 * corner + 1e-9
    straight = np.arange(5.0)[:, None] * [1, 2, 3]
    inner = vessels.smooth(straight, 4)[4:-4]
    np.testing.assert_allclose(inner @ [3, 0, -1], 0, atol=1e-9)


def test_what_is_hidden_is_left_out_of_the_tubes() -> None:
    path = np.arange(10.0)[:, None] * [1, 0, 0]
    mesh = vessels.lines([path], [2.0], lambda at: (at[:, 0] > 2.5) & (at[:, 0] < 6.5))
    assert mesh.n_cells == 2
    assert np.asarray(mesh.points)[:, 0].tolist() == [0, 1, 2, 7, 8, 9]
    assert set(np.asarray(mesh["radius"])) == {2.0}
    # Both pieces end round, as wide as they are.
    balls = vessels.rounded(mesh).split_bodies()
    found = sorted((*(round(float(v), 1) for v in ball.bounds[:2]),) for ball in balls)
    assert found == [(-2, 2), (0, 4), (5, 9), (7, 11)]
    assert vessels.lines([path], [2.0], lambda at: np.ones(len(at), bool)) is None
    assert vessels.lines([path], [2.0], lambda at: at[:, 0] != 5) is None, "a point is no line"


#: an edge with blood along x and one without along y; a tip on its way and one that has not begun
NETWORK = {
    "ends": np.array([[[2.0, 5, 5], [4, 5, 5]], [[4, 5, 5], [4, 7, 5]]]),
    "nodes": np.array([[0, 1], [1, 2]]),
    "radius": np.array([0.1, 0.1]),
    "carries": np.array([True, False]),
    "tips": np.array([[[4.0, 5, 5], [4, 5, 6]], [[4, 7, 5], [4, 7, 5]]]),
    "tip_nodes": np.array([1, 2]),
}


def test_a_tip_that_has_not_begun_points_along_its_vessel() -> None:
    tips, radius, carries = vessels.tip_edges(NETWORK)
    np.testing.assert_array_equal(tips[0], NETWORK["tips"][0])
    way = tips[1, 1] - tips[1, 0]
    np.testing.assert_allclose(way / np.linalg.norm(way), [0, 1, 0])
    assert np.linalg.norm(way) < 0.01
    assert carries.tolist() == [True, False, False, False]
    assert set(radius) == {0.1}
    bare = NETWORK | {
        "ends": np.empty((0, 2, 3)), "nodes": np.empty((0, 2), int), "radius": np.empty(0),
        "carries": np.empty(0, bool),
    }  # fmt: skip
    tips, radius, _ = vessels.tip_edges(bare)
    assert radius.tolist() == [vessels._CAPILLARY] * 2


def test_a_picture_gets_tubes_of_each_kind_and_cones_of_what_is_not_hidden() -> None:
    class Plotter:
        def __init__(self) -> None:
            self.bounds: dict[str, list[np.ndarray]] = {}

        def add_mesh(self, mesh: Any, *, color: str, **_: Any) -> None:
            self.bounds.setdefault(color, []).append(np.array(mesh.bounds).reshape(3, 2))

    paints = {kind: {"color": kind} for kind in ("perfused", "growing", "tip")}
    whole, part = Plotter(), Plotter()
    for plotter, hidden in ((whole, 99.0), (part, 5.5)):
        vessels.add_vessels(
            plotter, NETWORK, paints, size=SIZE, width=2.0, hidden=lambda at, y=hidden: at[:, 1] > y
        )
    # twice as wide as it is, round at both ends
    np.testing.assert_allclose(whole.bounds["perfused"][1][0], [1.8, 4.2], atol=0.01)
    np.testing.assert_allclose(whole.bounds["perfused"][0][2], [4.8, 5.2], atol=0.01)
    (cones,), (upper,) = whole.bounds["tip"], part.bounds["tip"]
    long = vessels._CONE_LENGTH * 0.2
    assert cones[2, 1] == pytest.approx(6 + (vessels._CONE_AHEAD + 0.5) * long, abs=0.01)
    assert cones[1, 1] == pytest.approx(7 + (vessels._CONE_AHEAD + 0.5) * long, abs=0.01)
    assert upper[1, 1] == pytest.approx(5 + vessels._CONE_WIDTH * 0.2, abs=0.01)
    assert whole.bounds["growing"][0][1, 1] > 6.9
    assert part.bounds["growing"][0][1, 1] < 5.6


@pytest.mark.parametrize("window", [True, False])
def test_vessels_are_seen_and_named(
    grown: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: bool
) -> None:
    if not window:
        monkeypatch.setattr(gl, "window_class", lambda: None)
    look = Scene.load()
    image = pixels(render_still(grown, tmp_path / "a.png", size=(640, 480)).path)
    side = (slice(60, None), slice(500, None)) if window else (slice(60, 230), slice(350, None))
    for paint in (look.vessels.perfused, look.vessels.growing):
        assert near(image[60:, 30:480], paint.color, 12) > 0.001, paint.label
        assert near(image[side], paint.color, 12) > 0.0002, paint.label
    if not window:
        first = pixels(render_still(grown, tmp_path / "b.png", at="0 d", size=(640, 480)).path)
        assert near(first[60:], look.vessels.perfused.color, 12) < 0.0001


def test_the_legend_says_how_much_of_each_kind_there_is(grown: Run, run: Run) -> None:
    frame = still.run_frame(grown, 2, Scene.load())
    network = grown.vessels(2)
    length = lengths(network["ends"].astype(float))
    volume = frame.distance.size * frame.voxel**3
    perfused = 1e-6 * length[network["carries"]].sum() / volume
    kinds = frame.vessel_kinds()
    assert kinds["perfused"] == f"{perfused:.3g} mm/mm³"
    assert kinds["tip"] == "4"
    assert list(kinds) == ["perfused", "growing", "tip"]
    assert list(still.run_frame(grown, 0, Scene.load()).vessel_kinds()) == ["tip"]
    assert still.run_frame(run, 2, Scene.load()).vessel_kinds() == {}


def test_a_picture_from_inside_a_pore(grown: Run, tmp_path: Path) -> None:
    look = Scene.load("inside_pore")
    assert look.dark
    if gl.window_class() is None:
        pytest.skip(f"no 3-D drawing on this machine: {gl.PACKAGES}")
    image = pixels(
        render_still(grown, tmp_path / "a.png", scene="inside_pore", size=(640, 480)).path
    )
    background = [int(look.background[i : i + 2], 16) for i in (1, 3, 5)]
    assert (image[0, 0] == background).all()
    assert image[:40].max() > 240  # light letters
    body = image[60:, :500]
    assert (
        near(body, look.vessels.perfused.color, 25) + near(body, look.vessels.growing.color, 25)
        > 0.01
    )
