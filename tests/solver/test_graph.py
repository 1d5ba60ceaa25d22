"""Paths, pieces and segments of networks are those of networkx."""

from __future__ import annotations

import networkx as nx
import numpy as np
from hypothesis import given, settings

from scaffoldsim.solver.graph import on_a_path, pieces, segments
from tests.solver.nets import graph, nets


def by_blocks(edges, n, roots):
    """Edges that share a biconnected component with a node joined to every root."""
    simple = nx.Graph([(a, b) for a, b in edges.tolist() if a != b])
    simple.add_nodes_from(range(n))
    simple.add_edges_from(("s", r) for r in roots)
    inside = set()
    for block in nx.biconnected_component_edges(simple):
        pairs = {frozenset(pair) for pair in block}
        if any("s" in pair for pair in pairs):
            inside |= pairs
    return [a != b and frozenset((a, b)) in inside for a, b in edges.tolist()]


@settings(max_examples=150, deadline=None)
@given(nets())
def test_paths_are_the_blocks_of_networkx(net):
    roots = np.flatnonzero(~np.isnan(net.held))
    found = on_a_path(net.edges, net.n, roots)

    assert found.tolist() == by_blocks(net.edges, net.n, roots.tolist())
    assert (found == on_a_path(net.edges, net.n, ~np.isnan(net.held))).all()
    assert (found == on_a_path(net.edges, net.n, np.tile(roots[::-1], 2))).all()


@settings(max_examples=60, deadline=None)
@given(nets(largest=7))
def test_paths_are_paths(net):
    """Every simple path between two roots, one by one."""
    roots = np.flatnonzero(~np.isnan(net.held)).tolist()
    full = graph(net.edges, net.n)
    expected = np.zeros(len(net.edges), bool)
    for k, a in enumerate(roots):
        for b in roots[k + 1 :]:
            for path in nx.all_simple_edge_paths(full, a, b):
                expected[[key for *_, key in path]] = True

    assert (on_a_path(net.edges, net.n, roots) == expected).all()


@settings(max_examples=60, deadline=None)
@given(nets())
def test_pieces_are_those_of_networkx(net):
    found = pieces(net.edges, net.n).tolist()

    leaders = [found.index(number) for number in range(max(found, default=-1) + 1)]
    assert leaders == sorted(leaders)
    assert {frozenset(i for i in range(net.n) if found[i] == k) for k in set(found)} == {
        frozenset(piece) for piece in nx.connected_components(graph(net.edges, net.n))
    }


@settings(max_examples=60, deadline=None)
@given(nets())
def test_segments_end_at_branchings(net):
    roots = np.flatnonzero(~np.isnan(net.held))
    found = segments(net.edges, net.n, roots)

    degree = np.bincount(net.edges.ravel(), minlength=net.n)
    inner = set(np.flatnonzero(degree == 2)) - set(roots)
    series = nx.Graph()
    series.add_nodes_from(range(len(net.edges)))
    for node in inner:
        series.add_edge(*(np.argwhere(net.edges == node)[:, 0]))
    expected = {frozenset(piece) for piece in nx.connected_components(series)}
    assert {frozenset(np.flatnonzero(found == k).tolist()) for k in set(found)} == expected


def test_a_path_closes_when_a_tip_meets_another_root():
    edges = [(0, 1), (1, 2), (3, 4), (4, 5), (1, 6)]

    assert not on_a_path(edges, 7, [0, 3]).any()
    closed = on_a_path([*edges, (2, 5)], 7, [0, 3])
    assert closed.tolist() == [True, True, True, True, False, True]


def test_a_loop_on_one_root_is_no_path():
    ring = [(0, 1), (1, 2), (2, 0)]

    assert not on_a_path(ring, 3, [0]).any()
    assert on_a_path(ring, 3, [0, 1]).all()
