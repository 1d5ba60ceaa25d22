"""Vessels: what they never do, what they do at the edges of their range, and across a restart."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.model.throats import throats
from scaffoldsim.model.vessel_graph import crossed
from scaffoldsim.scaffold.grid import Grid
from tests.model.plexus import DAY, HOUR, NG_ML, RULES, UM, Box, rules
from tests.model.toy import Toy

pytestmark = pytest.mark.filterwarnings("ignore:.*more than 2 × crowded")
MANY = 2e8  # roots per m²: 200 per mm²
QUICK = rules(sprouting="0.05 1/h", branching="0.03 1/h", spacing="40 um")
BOTH = {"x": "periodic", "y": "closed", "z-": "host", "z+": "host"}


def samples(box: Box, n: int = 200) -> np.ndarray:
    """Flat voxels of points along every edge, (edges, n)."""
    graph = box.vessels.graph
    a, b = (graph.nodes["position"][graph.edges["ends"][:, i]] for i in (0, 1))
    shares = (np.arange(n) + 0.5) / n
    points = a[:, None] + shares[:, None] * graph.between(a, b)[:, None]
    return graph.voxel_of(points.reshape(-1, 3)).reshape(-1, n)


def books(box: Box, *, rooted: bool = True) -> None:
    """What holds in every state: roots, voxels, columns of nodes."""
    v, graph = box.vessels, box.vessels.graph
    assert graph.rooted().all() or not rooted
    count = np.bincount(graph.edges["voxels"][graph.edges["voxels"] >= 0], minlength=v.flag.size)
    np.testing.assert_array_equal(graph.crossings.first >= 0, count > 0)
    np.testing.assert_array_equal(v.flag.ravel(), count > 0)
    np.testing.assert_array_equal(graph.voxel_of(graph.nodes["position"]), graph.nodes["voxel"])
    assert (graph.edges["length"] > 0).all()
    assert not (v.perfused & ~v.flag).any()
    assert not (v.carries & np.isnan(graph.edges["closed"])).any()


# never ------------------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.0, 0.5), both=st.booleans())
def test_none_crosses_solid_and_all_are_rooted(seed: int, share: float, both: bool) -> None:
    blocked = np.random.default_rng(seed).random((9, 8, 10)) < share
    faces = BOTH if both else {"z": "host"}
    vegf = np.random.default_rng(seed + 1).random((9, 8, 10)) * 5 * NG_ML
    box = Box((9, 8, 10), faces=faces, law=QUICK, vegf=vegf, blocked=blocked, seed=seed,
              root_density=MANY)  # fmt: skip
    box.run(40, growth=1.4)
    assert not blocked.ravel()[samples(box)].any()
    v = box.vessels
    assert not (v.flag & blocked).any()
    assert not blocked.ravel()[v.graph.voxel_of(v.tip_positions())].any()
    assert (v.tip_positions() >= 0).all()
    assert (v.tip_positions() <= v.graph.size).all()
    books(box)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), length=st.floats(0.0, 1.99))
def test_voxels_that_segments_cross(seed: int, length: float) -> None:
    draw = np.random.default_rng(seed)
    grid = Grid((4, 5, 6), 1.0, (True, False, True))
    start = draw.random((9, 3)) * grid.shape
    step = draw.normal(size=(9, 3))
    step[draw.random((9, 3)) < 0.3] = 0.0
    step *= length / np.maximum(np.sqrt((step**2).sum(1)), 1e-9)[:, None]
    found = crossed(start, step, grid)
    shares = (np.arange(1000) + 0.5) / 1000
    where = np.floor(start[:, None] + shares[:, None] * step[:, None]).astype(int)
    outside = (where[..., 1] < 0) | (where[..., 1] >= 5)
    where %= grid.shape
    flat = np.where(outside, -1, (where[..., 0] * 5 + where[..., 1]) * 6 + where[..., 2])
    i, j, k = np.floor(start).astype(int).T
    np.testing.assert_array_equal(found[:, 0], (i * 5 + j) * 6 + k)
    for row, voxels in zip(flat, found, strict=True):
        assert set(row) <= set(voxels)
        assert len(set(voxels)) <= len(set(row)) + 2  # corners finer than the samples


# how it grows -----------------------------------------------------------------------------------


def test_a_path_between_two_roots_carries_blood_after_two_days() -> None:
    box = Box(law=rules(root_density="1 1/mm^2"), vegf=0.0, root_density=0.0)
    nodes = box.chain((5, 5, 0.5), (5, 5, 2), (5, 5, 3.5), (5, 5, 5), (5, 5, 6.5), (5, 5, 8))
    box.vessels.graph.nodes["root"][nodes[[0, 5]]] = True
    dead_end = box.chain((9, 9, 0.5), (9, 9, 2))
    box.vessels.graph.nodes["root"][dead_end[0]] = True
    v = box.vessels
    box.run(53)
    assert not v.carries.any()
    box.run(1)  # seen to be closed after six hours
    assert v.carries.tolist() == [True] * 5 + [False]
    assert v.perfused[5, 5, :8].all()
    assert not v.perfused[9, 9].any()
    assert v.perfused_density * 400**3 * UM**3 == pytest.approx(150 * UM)
    assert v.depth == v.perfused_depth == pytest.approx(160 * UM)
    flow = v.flow()  # in a row: the pressure over all resistances
    drop = float(RULES.arterial_pressure) - float(RULES.venous_pressure)
    resistance = 8 * 3e-3 * 150 * UM / (np.pi * (5 * UM) ** 4)
    np.testing.assert_allclose(np.abs(flow.flow[:5]), drop / resistance, rtol=1e-9)
    assert flow.flow[5] == 0
    voxels, greatest = v.flow_by_voxel()
    assert set(voxels) == set(np.flatnonzero(v.perfused))
    np.testing.assert_allclose(greatest, drop / resistance, rtol=1e-9)


def test_what_lacks_flow_and_vegf_disappears_in_a_week() -> None:
    box = Box(law=rules(sprouting="0 1/h"), vegf=0.0, root_density=0.0)
    nodes = box.chain((5, 5, 0.5), (5, 5, 2), (5, 5, 3.5))
    loop = box.chain((9, 9, 0.5), (9, 9, 2), (9, 9, 3.5))
    box.vessels.graph.nodes["root"][[*nodes[[0]], *loop[[0, 2]]]] = True
    box.vegf[9, 9, :] = 0.0
    v = box.vessels
    box.run(7 * 24 - 1)
    assert v.graph.edges.n == 4
    box.run(1)
    assert v.graph.edges.n == 2  # blood keeps the other two
    assert set(v.changed) == {(5 * 20 + 5) * 20 + k for k in range(4)}
    books(box)
    # in VEGF a dead end stays
    box = Box(law=rules(sprouting="0 1/h"), vegf=0.2 * NG_ML, root_density=0.0)
    box.root(box.chain((5, 5, 0.5), (5, 5, 2))[0])
    assert box.run(10 * 24).vessels.graph.edges.n == 1


def test_a_hazard_takes_perfused_vessels_too() -> None:
    box = Box(law=QUICK, root_density=MANY).run(120)
    lived = box.vessels.graph.edges.n
    assert lived > 200
    box.run(24, regression=np.full(box.grid.shape, 0.3 / DAY))
    assert box.vessels.graph.edges.n < lived
    books(box, rooted=False)
    box.run(6, regression=np.full(box.grid.shape, 1.0))
    v = box.vessels
    assert v.graph.edges.n == 0
    assert not v.perfused.any()
    books(box)


def test_what_a_hazard_cuts_off_grows_no_more() -> None:
    box = Box((20, 20, 20), law=QUICK, root_density=MANY).run(120)
    hazard = np.zeros(box.grid.shape)
    hazard[:, :, :3] = 1.0
    box.run(6, regression=hazard)
    graph = box.vessels.graph

    def loose() -> float:
        return float(graph.edges["length"][~graph.rooted()[graph.edges["ends"][:, 0]]].sum())

    whole, before = loose(), loose()
    assert before > 50 * 20 * UM
    for _ in range(7 * 4 + 1):
        box.run(6)
        assert loose() <= before * (1 + 1e-9)
        before = loose()
    assert whole > before == 0
    assert graph.edges.n > 100
    books(box)


def test_no_blood_flows_to_where_a_hazard_cut_a_path() -> None:
    box = Box(law=rules(sprouting="0 1/h", opening="1 h"), vegf=1.0, root_density=0.0)
    path = box.chain(*[(5.5, 5.5, 0.5 + k) for k in range(11)])
    arm = box.chain((5.5, 6.5, 5.5), (5.5, 7.5, 5.5))
    way = np.array([[0, 1.0, 0]]) * 20 * UM
    box.vessels.graph.add_edges(path[5:6], arm[:1], way, radius=5e-6, time=0.0)
    box.root(path[0], path[-1])
    v = box.run(12).vessels
    assert v.carries.sum() == 10
    hazard = np.zeros(box.grid.shape)
    hazard[5, 5, 7:] = 1.0
    box.run(6, regression=hazard)
    assert v.graph.edges.n == 7
    assert not v.carries.any()
    assert not v.perfused.any()


@pytest.mark.parametrize("n", [6, 30])
def test_a_hazard_takes_segments_whatever_the_length_of_edges(n: int) -> None:
    """A share exp(-λt) is left, in lines of few or many edges, and of trunks and their arms."""
    box = Box((40, 40, 20), law=rules(sprouting="0 1/h", regression="1000 d"), root_density=0.0)
    where = np.arange(1, 40, 2) + 0.5
    for x in where:
        for y in where:
            nodes = box.chain(*[(x, y, z) for z in np.linspace(0.5, 9.5, n + 1)])
            arm = box.chain((x + 0.4, y, 6.0), (x + 0.4, y, 7.4))
            way = np.array([[0.4, 0, 1]]) * 20 * UM
            box.vessels.graph.add_edges(nodes[[n // 2]], arm[:1], way, radius=5e-6, time=0.0)
            box.root(nodes[0])
    edges, many = box.vessels.graph.edges, len(where) ** 2
    box.run(24, regression=np.full(box.grid.shape, 0.5 / DAY))
    share = np.exp(-0.5)
    for which in ("trunk", "end", "arm"):
        ends = box.vessels.graph.nodes["position"][edges["ends"]] / (20 * UM)
        straight = np.isclose(ends[:, 0, 0], ends[:, 1, 0]) & np.isclose(ends[:, 0, 0] % 1, 0.5)
        below = ends[:, :, 2].max(1) < 5.01
        part = {"trunk": straight & below, "end": straight & ~below, "arm": ~straight}[which]
        lines = np.unique(np.floor(ends[part][:, 0, :2]), axis=0)
        assert abs(len(lines) - many * share) < 4 * np.sqrt(many * share * (1 - share)), which


def test_what_a_hazard_cuts_off_lives_for_a_week_unless_it_is_joined_again() -> None:
    for joined in (False, True):
        box = Box(law=rules(sprouting="0 1/h"), vegf=1.0, root_density=0.0)
        trunk = box.chain((5.5, 5.5, 0.5), (5.5, 5.5, 2.0), (5.5, 5.5, 3.5))
        arms = box.chain((5.5, 5.5, 3.5), (5.5, 6.5, 4.5), (5.5, 7.5, 5.5))
        other = box.chain((5.5, 8.5, 0.5), (5.5, 8.5, 2.0))
        graph, zero = box.vessels.graph, np.zeros((1, 3))
        graph.add_edges(trunk[-1:], arms[:1], zero, radius=5e-6, time=0.0)
        arm = box.chain((5.5, 5.5, 3.5), (6.5, 5.5, 4.5))
        graph.add_edges(trunk[-1:], arm[:1], zero, radius=5e-6, time=0.0)
        box.root(trunk[0], other[0])
        hazard = np.zeros(box.grid.shape)
        hazard[5, 5, :3] = 1.0
        box.run(6, regression=hazard)
        left = graph.nodes["position"][:, 2] / (20 * UM) > 3
        assert not graph.rooted()[left].any()
        assert left.sum() == 6
        assert graph.edges.n == 6
        books(box, rooted=False)
        if joined:
            ends = np.flatnonzero(np.isclose(graph.nodes["position"][:, 1], 7.5 * 20 * UM))
            near = np.flatnonzero(np.isclose(graph.nodes["position"][:, 2], 2.0 * 20 * UM))
            way = graph.nodes["position"][near] - graph.nodes["position"][ends]
            graph.add_edges(ends, near, way / 2.0, radius=5e-6, time=box.step * HOUR)
            box.vessels._take_stock()
        box.run(7 * 24 - 6)
        assert graph.edges.n == 6 + joined
        box.run(6)
        assert graph.edges.n == (7 if joined else 1)
        books(box)


def test_a_sprout_keeps_off_tips_and_rests() -> None:
    box = Box((30, 30, 10), law=rules(sprouting="3.6 1/h", branching="0 1/h", slow="5 um/h"),
              vegf=1.0, root_density=MANY)  # fmt: skip
    box.run(1)
    v = box.vessels
    first = v.graph.nodes["position"][v.graph.nodes["ready"] > 0]
    way = v.graph.between(first[:, None], first[None])
    off = np.sqrt((way**2).sum(-1)) + np.eye(len(first))
    assert len(first) > 20
    assert off.min() >= 60 * UM
    # and every root that could not is near one that did
    others = v.graph.nodes["position"][v.graph.nodes["root"] & (v.graph.nodes["ready"] == 0)]
    way = v.graph.between(others[:, None], first[None])
    chance = 1 - np.exp(-3.6)
    alone = np.sqrt((way**2).sum(-1)).min(1) >= 60 * UM
    assert alone.sum() <= (1 - chance) * len(others) + 4 * np.sqrt(len(others) * chance)
    rested = v.graph.nodes["ready"][v.graph.nodes["ready"] > 0]
    assert (rested == HOUR + 12 * HOUR).all()


def test_tips_that_meet_join() -> None:
    box = Box(law=rules(sprouting="0 1/h", branching="0 1/h", wandering=0, attraction=0),
              vegf=1.0, root_density=0.0)  # fmt: skip
    a = box.chain((3.5, 3.5, 0.5), (3.5, 3.5, 2))
    b = box.chain((12.5, 3.5, 0.5), (12.5, 3.5, 2))
    c = box.chain((8.2, 12.5, 0.5), (8.2, 12.5, 2))
    nodes = box.vessels.graph.nodes
    nodes["root"][[a[0], b[0], c[0]]] = True
    # two that meet head on, and one that meets their vessel later
    box.vessels.growth.start(np.array([a[1], b[1]]), np.array([[1.0, 0, 0], [-1.0, 0, 0]]), 0.0)
    box.run(12)
    v = box.vessels
    assert v.tips.n == 0
    # a tip is seen where it has left an edge: two may pass by a voxel each before they join
    near = pytest.approx((3 * 1.5 + 9) * 20 * UM, abs=40 * UM)
    assert v.graph.edges["length"].sum() == near
    closed = ~np.isnan(v.graph.edges["closed"])
    assert v.graph.edges["length"][closed].sum() >= (2 * 1.5 + 9 - 1) * 20 * UM
    assert not closed[v.graph.edges["ends"][:, 0] == c[0]].any()
    v.growth.start(np.array([c[1]]), np.array([[0.0, -1.0, 0]]), 0.0)
    box.run(18)
    assert v.tips.n == 0
    closed = ~np.isnan(v.graph.edges["closed"])
    assert closed[v.graph.edges["ends"][:, 0] == c[0]].all()
    assert v.graph.edges["length"].sum() == pytest.approx((3 * 1.5 + 18) * 20 * UM, abs=60 * UM)
    books(box)


def test_a_tip_goes_past_its_own_tree_unless_blood_comes_from_elsewhere() -> None:
    """A loop on one root has no pressure along it; with a second root it has, and is closed."""
    for second in (False, True):
        box = Box(law=rules(sprouting="0 1/h", branching="0 1/h", wandering=0, attraction=0),
                  vegf=1.0, root_density=0.0)  # fmt: skip
        trunk = box.chain(*[(3.5, 5.5, 0.5 + k) for k in range(10)])
        arm = box.chain((3.5, 5.5, 9.5), (5.5, 6.5, 9.5), (7.5, 6.5, 8.5), (9.5, 5.5, 7.5))
        box.vessels.graph.add_edges(trunk[-1:], arm[:1], np.zeros((1, 3)), radius=5e-6, time=0.0)
        box.root(trunk[0], *trunk[-2:-1] * second)
        box.run(6)
        nodes = box.vessels.graph.nodes
        assert (nodes["tree"] == (-1 if second else nodes["number"][trunk[0]])).all()
        box.vessels.growth.start(np.array([arm[-1]]), np.array([[-1.0, 0, -0.3]]), 0.0)
        box.vessels.tips["laid"][:] = 3
        before = box.vessels.graph.edges.n
        box.run(24)
        loops = box.vessels.graph.edges.n - box.vessels.graph.nodes.n + 1
        assert loops == second
        assert box.vessels.graph.edges.n > before
        books(box)


def test_a_tip_that_cannot_move_stops() -> None:
    blocked = np.ones((6, 6, 6), bool)
    blocked[3, 3, 0] = False
    box = Box((6, 6, 6), law=rules(sprouting="3.6 1/h"), vegf=1.0, blocked=blocked,
              root_density=1e10)  # fmt: skip
    assert box.vessels.n_roots == 1
    box.blocked[3, 3, 0] = True  # and bone grows over it
    box.run(1)
    box.vessels.graph.nodes["ready"][:] = np.inf
    assert box.run(48).vessels.tips.n == 0
    books(box)


def test_endothelial_cells_beside_a_vessel_become_tips() -> None:
    box = Box((20, 20, 20), law=rules(sprouting="0 1/h"), root_density=0.0)
    box.root(box.chain(*[(10.5, 10.5, 0.5 + k) for k in range(8)])[0])
    box.run(1)
    grid = np.arange(20**3).reshape(20, 20, 20)
    near, far = grid[9:12, 9:12, :7].ravel(), grid[:8].ravel()
    cells = np.concatenate([np.tile(near, 40), far])
    became = box.vessels.sprout_from(cells, np.arange(len(cells)), 6 * HOUR, seed=1, step=1)
    chance, n = 1 - np.exp(-0.06), 40 * near.size
    assert abs(became[:n].sum() - n * chance) < 4 * np.sqrt(n * chance * (1 - chance))
    assert not became[n:].any()
    assert box.vessels.tips.n == became.sum()
    books(box)
    none = Box(root_density=0.0)
    assert not none.vessels.sprout_from(cells, np.arange(len(cells)), DAY, seed=1, step=0).any()


# restart, agents --------------------------------------------------------------------------------


def test_a_restart_gives_the_same_bytes() -> None:
    hazard = np.full((20, 20, 20), 0.02 / DAY)
    law = rules(sprouting="0.04 1/h", regression="30 h")

    def again() -> Box:
        vegf = np.linspace(0, 3 * NG_ML, 20)[:, None, None]
        return Box(law=law, vegf=vegf, root_density=MANY, faces=BOTH)

    whole = again().run(100, regression=hazard)
    half = again().run(57, regression=hazard)
    resumed = again().run(3)
    resumed.vessels.load({k: v.copy() for k, v in half.vessels.state().items()})
    np.testing.assert_array_equal(resumed.vessels.perfused, half.vessels.perfused)
    resumed.step = 57
    resumed.run(43, regression=hazard)
    a, b = whole.vessels, resumed.vessels
    assert a.graph.edges.n > 200
    assert a.carries.any()
    assert a.state().keys() == b.state().keys()
    for name, value in a.state().items():
        np.testing.assert_array_equal(value, b.state()[name], err_msg=name)
    for name in ("flag", "perfused", "carries", "changed"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    books(whole, rooted=False)


def test_tips_are_ordinary_agents() -> None:
    def again() -> tuple[Any, Box]:
        owner = Toy(n=5)
        return owner, Box(law=QUICK, root_density=MANY, owner=owner)

    owner, box = again()
    box.run(30)
    agents = list(box.vessels.agents.values())
    assert len(agents) == box.vessels.tips.n > 3
    assert {a.unique_id for a in agents} == {a.unique_id for a in owner.agents.select(
        lambda a: a.unique_id < 0)}  # fmt: skip
    assert sorted(owner.cells.id.tolist()) == [0, 1, 2, 3, 4]
    tip = agents[-1]
    np.testing.assert_array_equal(tip.position, box.vessels.tip_positions()[tip.row])
    tip.direction = (0, 0, 2)
    assert tip.direction.tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match="three numbers"):
        tip.direction = (0, 0, 0)
    other, resumed = again()
    resumed.run(10)
    resumed.vessels.load(box.vessels.state())
    assert {n: a.unique_id for n, a in box.vessels.agents.items()} == {
        n: a.unique_id for n, a in resumed.vessels.agents.items()
    }
    assert len(other.agents) == 5 + len(agents)
    box.run(6, regression=np.full(box.grid.shape, 1.0))
    assert not tip.alive
    with pytest.raises(LookupError, match="grows no more"):
        _ = tip.position


# edges of the range -----------------------------------------------------------------------------


@pytest.mark.parametrize("vegf", [None, 0.0])
def test_nothing_sprouts_without_vegf(vegf: float | None) -> None:
    box = Box(vegf=0.0, root_density=MANY)
    if vegf is None:
        box.vegf = None  # type: ignore[assignment]
    v = box.run(48).vessels
    assert v.graph.edges.n == v.tips.n == 0
    assert v.n_roots > 10
    assert v.density == v.depth == v.perfused_depth == 0
    assert not v.flow().flow.size
    assert not v.flow_by_voxel()[0].size


def test_roots_stand_on_open_voxels_of_host_faces() -> None:
    assert Box(faces={"z": "medium"}, root_density=1e12).vessels.n_roots == 0
    assert Box(root_density=0.0).run(24).vessels.n_roots == 0
    assert Box(blocked=True, root_density=1e12).run(24).vessels.n_roots == 0
    density = np.zeros((20, 20, 20))
    density[:, 10:] = 1e12
    v = Box(faces={"x-": "host", "z": "host"}, root_density=density).vessels
    where = np.argwhere(np.bincount(v.graph.nodes["voxel"], minlength=8000).reshape(20, 20, 20))
    x, y, z = where.T
    assert ((x == 0) | (z == 0) | (z == 19)).all()
    assert (y >= 10).all()
    assert len(where) == v.n_roots == 10 * (20 + 20 + 20 - 2)
    box = Box((200, 200, 3))
    expected = 10 * 16
    assert abs(box.vessels.n_roots - expected) < 4 * np.sqrt(expected)


def test_wrong_arrays_are_refused() -> None:
    box = Box()
    with pytest.raises(ValueError, match=r"vegf has shape \(2, 2\)"):
        box.vessels.advance(
            HOUR, time=0, vegf=np.zeros((2, 2)), blocked=box.blocked, seed=1, step=0
        )
    with pytest.raises(ValueError, match="blocked"):
        box.vessels.advance(HOUR, time=0, vegf=None, blocked=np.zeros(3, bool), seed=1, step=0)
    with pytest.raises(ValueError, match="root_density"):
        Box(root_density=-1.0)


def test_crowding_is_said_once() -> None:
    box = Box(law=rules(crowded="1 mm/mm^3", sprouting="0.05 1/h"), root_density=3 * MANY)
    with pytest.warns(RuntimeWarning, match="1 mm/mm") as said:
        box.run(60)
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Box(root_density=MANY).run(12)


def test_rules_that_contradict_each_other_are_told() -> None:
    assert list(RULES.problems()) == []
    ((key, message),) = rules(fast="6 um/h").problems()
    assert key == ("fast",)
    assert "below slow, 6.2 um/h" in message
    ((key, _),) = rules(venous_pressure="40 mmHg").problems()
    assert key == ("venous_pressure",)


# throats ----------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), across=st.integers(1, 3), wraps=st.tuples(*[st.booleans()] * 3))
def test_throats_are_what_no_ball_covers(
    seed: int, across: int, wraps: tuple[bool, bool, bool]
) -> None:
    draw = np.random.default_rng(seed)
    shape = (7, 8, 9)
    open_ = draw.random(shape) < draw.uniform(0.3, 1.0)
    off = np.arange(across) - (across - 1) / 2
    ball = np.stack(np.meshgrid(off, off, off, indexing="ij"), -1).reshape(-1, 3)
    if across == 3:
        ball = ball[(ball**2).sum(1) <= 1.5**2]
    shifts = np.floor(ball - ball.min(0)).astype(int)
    pad = [(across, across)] * 3
    wide = open_
    for axis in range(3):
        width = [p if a == axis else (0, 0) for a, p in enumerate(pad)]
        wide = np.pad(wide, width, mode="wrap" if wraps[axis] else "edge")
    size = tuple(n - across + 1 for n in wide.shape)
    covered = np.zeros(wide.shape, bool)
    for corner in np.argwhere(np.ones(size, bool)):
        cells = tuple((corner + shifts).T)
        if wide[cells].all():
            covered[cells] = True
    middle = (slice(across, -across),) * 3
    found = throats(open_, 20 * UM, across * 20 * UM, wraps)
    if across < 3:
        np.testing.assert_array_equal(found, open_ & ~covered[middle])
    else:  # beyond a face the distance transform sees nothing, not the face again
        inner = tuple(slice(None) if w else slice(2, -2) for w in wraps)
        np.testing.assert_array_equal(found[inner], (open_ & ~covered[middle])[inner])


def test_width_of_the_narrowest_throat() -> None:
    """At 20, 25, 18, 10 and 50 um a vessel of 40 um needs 2, 2, 3, 3 (4 less one) and 1 voxels."""
    for voxel, wanted in ((20, 2), (25, 2), (18, 3), (10, 3), (50, 1)):
        for width in range(1, 5):
            slit = np.zeros((9, 9, 9), bool)
            slit[2 : 2 + width] = True
            assert throats(slit, voxel * UM, 40 * UM).any() == (width < wanted)
