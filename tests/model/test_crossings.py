"""Kernels of the vessels against short references: what is in a voxel, met, barred and near."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.model.anastomosis import OWN_NODES, encounters
from scaffoldsim.model.crossings import MOST_CROSSED
from scaffoldsim.model.crowding import BLOCK, Crowding
from scaffoldsim.model.vessel_graph import Graph, barred, crossed
from scaffoldsim.scaffold.grid import Grid
from tests.model.plexus import DAY, NG_ML, Box, rules

pytestmark = pytest.mark.filterwarnings("ignore:.*more than 2 × crowded")
QUICK = rules(sprouting="0.3 1/h", branching="0.1 1/h", spacing="20 um", crowded="2000 mm/mm^3")


def grown(seed: int) -> Box:
    """A small box full of vessels that split each other."""
    faces = {"x": "periodic", "y": "closed", "z": "host"}
    box = Box((7, 8, 9), faces=faces, law=QUICK, vegf=5 * NG_ML, seed=seed, root_density=4e8)
    return box.run(15, regression=np.full((7, 8, 9), 0.2 / DAY))


def within(graph: Graph) -> dict[int, list[int]]:
    """Edges by voxel, from the voxels of every edge."""
    found: dict[int, list[int]] = {}
    for edge, voxels in enumerate(graph.edges["voxels"].tolist()):
        for voxel in voxels:
            if voxel >= 0:
                found.setdefault(voxel, []).append(edge)
    return found


def strange(graph: Graph, node: int, voxel: int) -> list[int]:
    """The edges in a voxel that are not a tip's own, nor of its tree."""
    tree, own, back = graph.nodes["tree"], set(), node
    for _ in range(OWN_NODES):
        if back >= 0:
            own.add(back)
            back = int(graph.nodes["parent"][back])
    found = []
    for edge in np.flatnonzero((graph.edges["voxels"] == voxel).any(axis=1)).tolist():
        ends = graph.edges["ends"][edge].tolist()
        if own.isdisjoint(ends) and not 0 <= tree[node] == tree[ends[0]]:
            found.append(edge)
    return found


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_what_is_in_a_voxel_and_what_a_tip_meets_there(seed: int) -> None:
    box = grown(seed)
    graph, tips = box.vessels.graph, box.vessels.tips
    edges = within(graph)
    assert graph.edges.n > 20
    for voxel in range(graph.grid.n_voxels):
        assert graph.crossings.edges_in(np.array([voxel])).tolist() == edges.get(voxel, [])
        assert graph.crossings.hold(np.array([voxel])).tolist() == [voxel in edges]
    # tips in any voxels, many in one, join one after the other; what they split is split for all
    other, pairs = copy.deepcopy(graph), []
    tips["laid"][:] = OWN_NODES
    voxel = np.random.default_rng(seed).choice(list(edges), tips.n).astype(np.int32)
    rows = [r for r in range(tips.n) if strange(other, int(tips["node"][r]), int(voxel[r]))]
    for row in rows:
        here, node = int(voxel[row]), int(tips["node"][row])
        joints = (other.split(edge, here) for edge in strange(other, node, here))
        joint = next((joint for joint in joints if joint >= 0), -1)
        if joint >= 0:
            pairs.append((row, joint))
    assert encounters(graph, tips, voxel, np.ones(tips.n, bool)) == pairs
    for name, value in other.state().items():
        np.testing.assert_array_equal(graph.state()[name], value, err_msg=name)
    for voxel, inside in within(graph).items():
        assert graph.crossings.edges_in(np.array([voxel])).tolist() == inside


def test_tips_in_one_voxel_join_one_vessel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first splits it, the second takes what is there now; a vessel that fails is no end."""
    box = Box(root_density=0.0)
    box.chain((3.5, 3.5, 3.5), (5.2, 3.5, 3.5))
    other = box.chain((4.5, 3.2, 3.5), (4.5, 4.9, 3.5))
    b = box.chain((9.5, 3.5, 3.5), (9.5, 5.0, 3.5), (9.5, 6.0, 3.5))
    v, graph = box.vessels, box.vessels.graph
    v.growth.start(b[1:], np.array([[1.0, 0, 0], [1.0, 0, 0]]), 0.0)
    v.tips["laid"][:] = OWN_NODES
    here = np.full(2, (4 * 20 + 3) * 20 + 3, np.int32)
    both = np.ones(2, bool)
    assert [node for _, node in encounters(graph, v.tips, here, both)] == [graph.nodes.n - 1] * 2
    assert graph.crossings.edges_in(here[:1]).tolist() == [0, 1, graph.edges.n - 1]
    split = Graph.split
    monkeypatch.setattr(Graph, "split", lambda *given: -1 if given[1] == 0 else split(*given))
    assert [node for _, node in encounters(graph, v.tips, here, both)] == [other[0]] * 2


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), ends=st.booleans(), across=st.integers(1, 4))
def test_what_bars_a_segment(seed: int, ends: bool, across: int) -> None:
    draw = np.random.default_rng(seed)
    grid = Grid((across, 5, 6), 1.0, (True, False, True))
    start, step = draw.random((50, 3)) * grid.shape, draw.normal(size=(50, 3))
    step *= (draw.random(50) * 1.9 / np.sqrt((step**2).sum(1)))[:, None]
    blocked = draw.random(grid.n_voxels) < 0.3
    voxels = crossed(start, step, grid)
    passes = (voxels >= 0) & (~blocked[voxels] | (voxels == voxels[:, :1]))
    if ends:
        passes |= (voxels >= 0) & (voxels == voxels[:, -1:])
    found = barred(start, step, blocked, grid, ends=ends)
    np.testing.assert_array_equal(found, ~passes.all(axis=1))
    once = crossed(start, step, grid, once=True)
    for each, row in zip(once.tolist(), voxels.tolist(), strict=True):
        first = [voxel if voxel not in row[:i] else -1 for i, voxel in enumerate(row)]
        assert each == first
    assert once.shape == (50, MOST_CROSSED)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 30), m=st.integers(0, 30))
def test_what_is_apart(seed: int, n: int, m: int) -> None:
    draw, grid = np.random.default_rng(seed), Grid((4, 8, 6), 0.25, (True, False, True))
    size, wraps = np.array(grid.size), np.array(grid.periodic)
    sites, tips = draw.random((n, 3)) * size, draw.random((m, 3)) * size

    def off(a: Any, b: Any) -> float:
        way = np.abs(a - b)
        return float(np.sqrt((np.where(wraps, np.minimum(way, size - way), way) ** 2).sum()))

    wanted: list[int] = []
    for row, site in enumerate(sites):
        if all(off(site, other) >= 0.4 for other in [*tips, *sites[wanted]]):
            wanted.append(row)
    assert np.flatnonzero(Graph(grid).apart(sites, tips, 0.4)).tolist() == wanted


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(*[st.integers(1, 23)] * 3),
    periodic=st.tuples(*[st.booleans()] * 3),
)
def test_length_around_a_place(
    seed: int, shape: tuple[int, int, int], periodic: tuple[bool, bool, bool]
) -> None:
    draw, grid = np.random.default_rng(seed), Grid(shape, 20e-6, periodic)
    crowding = Crowding(grid)
    voxel = draw.integers(0, grid.n_voxels, 60).astype(np.int32)
    length = draw.random(60) * 1e-4
    crowding.add(voxel, length, 1)
    crowding.add(voxel[:20], length[:20], -1)
    voxel, length = voxel[20:], length[20:]

    across, blocks = round(BLOCK / grid.voxel), [-(-n // 5) for n in shape]

    def block(flat: Any) -> Any:
        return np.stack(np.unravel_index(flat, shape), -1) // across

    def near(here: Any, others: Any) -> Any:
        """How often a block counts around another: a box of one or two blocks wraps onto itself."""
        times = np.ones(len(others), int)
        for a, n in enumerate(blocks):
            hits = [here[a] + side for side in (-1, 0, 1)]
            hits = [h % n if periodic[a] else h for h in hits]
            times = times * sum(others[:, a] == h for h in hits)
        return times

    every = block(np.arange(grid.n_voxels))
    where = draw.integers(0, grid.n_voxels, 9).astype(np.int32)
    for flat, found in zip(where, crowding.around(where), strict=True):
        here = block(flat)
        total = (near(here, block(voxel)) * length).sum()
        volume = near(here, every).sum() * grid.voxel_volume
        assert found == pytest.approx(total / volume, rel=1e-4, abs=1e-6)
