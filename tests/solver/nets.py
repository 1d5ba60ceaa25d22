"""Multigraphs drawn at random, with closed edges and held nodes."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
from hypothesis import strategies as st

from scaffoldsim.solver.network import solve

NAN = np.nan


@dataclass
class Net:
    """A multigraph with loops, closed edges, pieces of its own and a few held nodes."""

    edges: np.ndarray
    g: np.ndarray
    held: np.ndarray

    @property
    def n(self):
        return len(self.held)

    def solve(self):
        return solve(self.edges, self.g, self.held)

    def inflow(self, flow):
        """What enters each node from beyond the network."""
        into = np.zeros(self.n)
        np.add.at(into, self.edges[:, 0], flow)
        np.subtract.at(into, self.edges[:, 1], flow)
        return into


@st.composite
def nets(draw, largest=40, decades=4):
    n = draw(st.integers(1, largest))
    m = draw(st.integers(0, 3 * n))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    edges = rng.integers(0, n, (m, 2))
    if draw(st.booleans()):  # long and thin
        edges[:, 1] = np.minimum(edges[:, 0] + rng.integers(0, 3, m), n - 1)
    g = 10.0 ** rng.uniform(-decades / 2, decades / 2, m) * (rng.random(m) < 0.95)
    held = np.full(n, NAN)
    some = rng.choice(n, min(n, draw(st.integers(0, 4))), replace=False)
    held[some] = rng.choice([0.0, 1.0, 2.5, -3.0], len(some))
    return Net(edges, g, held)


def graph(edges, n):
    out = nx.MultiGraph()
    out.add_nodes_from(range(n))
    out.add_edges_from((a, b, k) for k, (a, b) in enumerate(edges.tolist()))
    return out
