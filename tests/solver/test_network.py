"""Networks of tubes: against dense algebra and networkx, on graphs of every kind."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.solver.graph import on_a_path
from scaffoldsim.solver.network import StalledError, carried, poiseuille, solve
from tests.solver.nets import NAN, graph, nets


def dense(net):
    """Pressures by dense algebra; NaN where nothing holds them."""
    a = np.zeros((net.n, net.n))
    for (i, j), k in zip(net.edges, net.g, strict=True):
        if i != j:
            a[[i, j], [i, j]] += k
            a[i, j] -= k
            a[j, i] -= k
    p = net.held.copy()
    for piece in nx.connected_components(graph(net.edges[net.g > 0], net.n)):
        free = np.array([i for i in sorted(piece) if np.isnan(net.held[i])], int)
        held = np.array([i for i in sorted(piece) if not np.isnan(net.held[i])], int)
        if len(free) and len(held):
            block = a[np.ix_(free, free)]
            p[free] = np.linalg.solve(block, -a[np.ix_(free, held)] @ net.held[held])
    return p


# --------------------------------------------------------------------- pressure
@settings(max_examples=200, deadline=None)
@given(nets())
def test_solve_is_that_of_dense_algebra(net):
    found, p = net.solve(), dense(net)
    flow = np.nan_to_num(net.g * (p[net.edges[:, 0]] - p[net.edges[:, 1]]))
    scale = max(np.maximum(net.inflow(flow), 0).sum(), 1e-3)

    np.testing.assert_array_equal(np.isnan(found.pressure), np.isnan(p))
    np.testing.assert_allclose(found.pressure, p, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.flow, flow, rtol=0, atol=1e-7 * scale)
    assert found.total == pytest.approx(np.maximum(net.inflow(flow), 0).sum(), abs=1e-7 * scale)


@settings(max_examples=150, deadline=None)
@given(nets(decades=6))
def test_flow_is_conserved(net):
    found = net.solve()
    free = np.isnan(net.held)

    assert np.abs(net.inflow(found.flow)[free]).max(initial=0) <= 1e-9 * found.total
    # no flow without a path, and none against the pressure
    still = ~on_a_path(net.edges[net.g > 0], net.n, ~free)
    assert (found.flow[net.g > 0][still] == 0).all()
    assert (found.flow[net.g == 0] == 0).all()
    drop = -np.diff(found.pressure[net.edges])[:, 0]
    moving = (found.flow != 0) & (np.abs(drop) > 1e-12)
    assert (found.flow * drop > 0)[moving].all()


@settings(max_examples=50, deadline=None)
@given(nets(), st.integers(0, 2**16))
def test_direction_of_an_edge_is_its_sign(net, seed):
    turned = np.random.default_rng(seed).random(len(net.edges)) < 0.5
    edges = np.where(turned[:, None], net.edges[:, ::-1], net.edges)
    a, b = net.solve(), solve(edges, net.g, net.held)

    assert a.pressure.tobytes() == b.pressure.tobytes()
    np.testing.assert_array_equal(b.flow, np.where(turned, -a.flow, a.flow))


@settings(max_examples=50, deadline=None)
@given(nets(), nets())
def test_a_piece_knows_nothing_of_another(one, other):
    """Not even in the last bit."""
    together = solve(
        np.concatenate([one.edges, other.edges + one.n]),
        np.concatenate([one.g, other.g]),
        np.concatenate([one.held, other.held]),
    )
    alone = one.solve()

    assert together.pressure[: one.n].tobytes() == alone.pressure.tobytes()
    assert together.flow[: len(one.edges)].tobytes() == alone.flow.tobytes()


def test_dead_ends_and_floating_pieces_are_still():
    edges = [(0, 1), (1, 2), (1, 3), (3, 4), (5, 6), (6, 5)]
    found = solve(edges, 1.0, [1.0, NAN, 0.0, NAN, NAN, NAN, NAN])

    np.testing.assert_array_equal(found.pressure, [1, 0.5, 0, 0.5, 0.5, NAN, NAN])
    np.testing.assert_array_equal(found.flow, [0.5, 0.5, 0, 0, 0, 0])
    assert found.on_path.tolist() == [True, True, False, False, False, False]


def test_equal_pressures_drive_nothing():
    rng = np.random.default_rng(2)
    held = np.full(50, NAN)
    held[:5] = 3.7
    found = solve(rng.integers(0, 50, (150, 2)), rng.uniform(1, 2, 150), held)

    assert found.total == 0
    assert (found.flow == 0).all()
    assert (found.pressure[np.isfinite(found.pressure)] == 3.7).all()
    assert found.on_path.any()


def test_a_small_drop_on_a_large_pressure():
    """A venous network: what counts is the drop."""
    rng = np.random.default_rng(3)
    edges, g, held = rng.integers(0, 60, (150, 2)), rng.uniform(1, 9, 150), np.full(60, NAN)
    held[:3] = [0.0, 0.25, 1.0]
    low, high = solve(edges, g, held), solve(edges, g, held + 1e6)

    np.testing.assert_array_equal(low.flow, high.flow)


def test_closed_edges_are_not_there():
    edges = np.array([(0, 1), (1, 2), (0, 2), (2, 3)])
    held = np.array([1.0, NAN, NAN, 0.0])
    closed = solve(edges, [1, 0, 1, 1], held)

    np.testing.assert_array_equal(closed.flow, [0, 0, 0.5, 0.5])
    assert closed.pressure[1] == 1.0


@pytest.mark.parametrize("n", [0, 3])
def test_nothing_to_solve(n):
    found = solve([], [], np.full(n, NAN))

    assert found.total == found.residual == found.iterations == 0
    assert np.isnan(found.pressure).all()
    assert on_a_path([], n, []).shape == found.flow.shape == (0,)
    assert np.isnan(carried([], [], np.full(n, NAN)).node).all()


def test_long_rows_take_neither_depth_nor_iterations():
    n = 200_000
    row = np.arange(n)
    edges = np.stack([row[:-1], row[1:]], axis=1)
    held = np.full(n, NAN)
    held[[0, -1]] = 1.0, 0.0
    found = solve(edges, 1.0, held)

    assert found.iterations == 0
    np.testing.assert_allclose(found.pressure, 1 - row / (n - 1), atol=1e-9)
    np.testing.assert_array_equal(found.flow, found.flow[0])


def test_an_absurd_contrast_is_told():
    """The throughput drowns in what rounds off between the strong edges."""
    edges = [(0, 1), (1, 2), (2, 3), (3, 1), (3, 4), (2, 4), (4, 5)]
    with pytest.raises(StalledError, match=r"keeps .* of the flow, above tolerance 1e-10"):
        solve(edges, [1, 1e20, 3e20, 7e20, 2e20, 1e20, 1], [0.3, *[NAN] * 4, -1.1])


# ---------------------------------------------------------------------- carried
def mixed(net, q, inlet, k, outside):
    """The same balance as one dense system, node by node."""
    a, b = np.eye(net.n), np.full(net.n, NAN)
    into = np.maximum(net.inflow(q), 0)
    into[np.isnan(inlet)] = 0
    supply, solute = into.copy(), into * np.nan_to_num(inlet)
    links = []
    for e in np.flatnonzero(q):
        u, v = net.edges[e] if q[e] > 0 else net.edges[e][::-1]
        supply[v] += abs(q[e])
        kept = np.exp(-k[e] / abs(q[e]))
        solute[v] += abs(q[e]) * outside[e] * (1 - kept)
        links.append((u, v, abs(q[e]) * kept))
    fed = supply > 0
    for u, v, share in links:
        a[v, u] -= share / supply[v]
    b[fed] = solute[fed] / supply[fed]
    node = np.full(net.n, NAN)
    node[fed] = np.linalg.solve(a[np.ix_(fed, fed)], b[fed])
    return node


@settings(max_examples=100, deadline=None)
@given(nets(decades=2), st.integers(0, 2**16))
def test_carried_is_that_of_dense_algebra(net, seed):
    rng = np.random.default_rng(seed)
    q = net.solve().flow
    total = np.maximum(net.inflow(q), 0).sum()
    q[np.abs(q) < 1e-6 * total] = 0  # in a balanced bridge the flow is rounding
    m = len(q)
    k, outside = rng.exponential(1, m) * (rng.random(m) < 0.8), rng.uniform(0, 2, m)
    inlet = np.where(np.isnan(net.held), NAN, rng.uniform(0, 5, net.n))
    inlet[np.abs(net.inflow(q)) > 0] = 1.5  # where a flow was dropped
    found = carried(net.edges, q, inlet, loss=k, outside=outside)

    np.testing.assert_allclose(found.node, mixed(net, q, inlet, k, outside), atol=1e-12)
    # what enters leaves, or is given off
    into = net.inflow(q)
    entered = (np.maximum(into, 0) * np.nan_to_num(inlet)).sum()
    left = (np.maximum(-into, 0) * np.nan_to_num(found.node)).sum()
    assert entered == pytest.approx(left + found.released.sum(), abs=1e-9 * max(total, 1))
    # what an edge gives off is its mean excess times k
    moving = q != 0
    np.testing.assert_allclose(
        found.released[moving], (k * (found.mean - outside))[moving], atol=1e-9 * max(total, 1)
    )


def test_carried_on_a_solved_network():
    """Residuals of the solve are no inlets; nothing rises above what enters."""
    rng = np.random.default_rng(5)
    edges, held = rng.integers(0, 400, (900, 2)), np.full(400, NAN)
    held[:8] = [1, 1, 1, 1, 0, 0, 0, 0]
    q = solve(edges, rng.uniform(1, 100, 900), held).flow
    found = carried(edges, q, np.where(held == 1, 0.2, NAN))
    known = found.node[~np.isnan(found.node)]

    assert known.max() <= 0.2 * (1 + 1e-12)
    assert known.min() >= 0
    np.testing.assert_allclose(found.node[4:8], 0.2, rtol=1e-8)


def test_nothing_flows_nothing_is_carried():
    found = carried([(0, 1), (1, 1)], [0.0, 0.0], [1.0, NAN], loss=1.0, outside=0.3)

    assert np.isnan(found.node).all()
    np.testing.assert_array_equal(found.mean, 0.3)
    np.testing.assert_array_equal(found.released, 0)


def test_a_slow_edge_gives_all_it_has():
    found = carried([(0, 1)], [1e-310], [1.0, NAN], loss=1.0, outside=0.25)

    assert found.node.tolist() == [1.0, pytest.approx(0.25, rel=1e-9)]
    assert found.mean.tolist() == [0.25]


# -------------------------------------------------------------------- bad input
PAIR = [(0, 1)]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: solve([(0, 2)], 1.0, [1.0, NAN]), r"edge 0 joins \[0, 2\].*0 to 1"),
        (lambda: solve([(0, -1)], 1.0, [1.0, NAN]), r"edge 0 joins \[0, -1\]"),
        (lambda: solve([0, 1], 1.0, [1.0, NAN]), r"edges is .* shape \(2,\)"),
        (lambda: solve([(0.5, 1.0)], 1.0, [1.0, NAN]), "whole numbers"),
        (lambda: solve(PAIR, [1.0, 2.0], [1.0, NAN]), r"conductance has shape \(2,\).* 1 edge"),
        (lambda: solve(PAIR, -1.0, [1.0, NAN]), "conductance of edge 0 is -1"),
        (lambda: solve(PAIR, 1e-300, [1.0, NAN]), "conductance of edge 0 is 1e-300"),
        (lambda: solve(PAIR, NAN, [1.0, NAN]), "conductance is nan"),
        (lambda: solve(PAIR, [np.inf], [1.0, NAN]), r"conductance\[0\] is inf"),
        (lambda: solve(PAIR, 1.0, [1.0, np.inf]), r"held\[1\] is inf"),
        (lambda: solve(PAIR, 1.0, 1.0), r"held has shape \(\)"),
        (lambda: solve(PAIR, 1.0, ["a", "b"]), "held is"),
        (lambda: solve(PAIR, 1.0, [1.0, NAN], tolerance=0), "tolerance is 0"),
        (lambda: on_a_path(PAIR, 2, [0, 2]), "roots go from 0 to 2"),
        (lambda: on_a_path(PAIR, 2, [0.0]), "roots is an array of float64"),
        (lambda: on_a_path(PAIR, -1, [0]), "n_nodes is -1"),
        (lambda: carried(PAIR, [1.0], [NAN, NAN]), "node 0 feeds 1 m3/s.*no inlet"),
        (lambda: carried(PAIR, [1.0], [-1.0, NAN]), "inlet .*>= 0"),
        (lambda: carried(PAIR, [1.0], [1.0, NAN], loss=[-2.0]), "loss of edge 0 is -2"),
        (lambda: carried(PAIR, [1.0], [1.0, NAN], outside=-2.0), "outside of edge 0 is -2"),
        (lambda: carried(PAIR, [NAN], [1.0, NAN]), r"flow\[0\] is nan"),
        (lambda: poiseuille([1e-6, 0.0], 1e-4, viscosity=1e-3), "radius goes down to 0"),
        (lambda: poiseuille(1e-6, -1.0, viscosity=1e-3), "length goes down to -1"),
        (lambda: poiseuille(1e-6, 1e-4, viscosity=NAN), "viscosity is nan"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("edges", [[(1, 2), (2, 3), (3, 1)], [(1, 1)]])
def test_a_circle_is_no_flow(edges):
    with pytest.raises(ValueError, match="circle"):
        carried([(0, 4), *edges], np.ones(1 + len(edges)), [1.0, *[NAN] * 4])


def test_inputs_stay():
    edges, g, held = np.array([[0, 1], [1, 2]]), np.ones(2), np.array([1.0, NAN, 0.0])
    inlet = np.array([1.0, NAN, NAN])
    kept = [a.tobytes() for a in (edges, g, held, inlet)]
    carried(edges, solve(edges, g, held).flow, inlet, loss=0.1)

    assert [a.tobytes() for a in (edges, g, held, inlet)] == kept


def test_layouts_do_not_matter():
    rng = np.random.default_rng(8)
    edges, g, held = rng.integers(0, 30, (70, 2)), rng.uniform(1, 2, 70), np.full(30, NAN)
    held[:2] = 0, 1
    results = [
        solve(e, np.repeat(g, 2)[::2], held).flow.tobytes()
        for e in (edges, np.asfortranarray(edges), edges.astype(np.uint16), edges.tolist())
    ]

    assert all(a == b for a, b in pairwise(results))
