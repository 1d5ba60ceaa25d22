"""How vessels disappear: for lack of flow and VEGF, or struck by a hazard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import counter
from scaffoldsim.solver.graph import segments

if TYPE_CHECKING:
    from scaffoldsim.model.steering import Surroundings
    from scaffoldsim.model.tip_growth import Growth

__all__ = ["regress", "strike"]

Array = NDArray[Any]


def regress(growth: Growth, around: Surroundings, end: float, elapsed: float) -> None:
    """Let vessels go that lacked flow and VEGF for too long, with all that hung on them.

    What is joined to no root, since a hazard cut it off, lives on as if it had no VEGF.

    Parameters
    ----------
    growth
        The vessels and their tips.
    around
        Of VEGF.
    end, elapsed
        Time now and since the last look, s.
    """
    graph, edges, tips = growth.graph, growth.graph.edges, growth.tips
    loose = ~graph.rooted()[edges["ends"][:, 0]]
    low = around.vegf(edges["voxels"][:, 0]) < float(growth.rules.survival_vegf)
    lacks = np.isnan(edges["closed"]) & (low | loose)
    edges["lacking"][:] = np.where(lacks, edges["lacking"] + _lived(growth, end, elapsed), 0.0)
    due = edges["lacking"] >= float(growth.rules.regression)
    if not due.any():
        return
    cut = _lose(growth, due)
    tips.keep(~cut[tips["node"]])
    _lose(growth, cut[edges["ends"][:, 0]])


def strike(growth: Growth, hazard: Array, end: float, elapsed: float, seed: int, step: int) -> None:
    """Let a hazard take vessels, whole segments from one branching to the next.

    What it cuts off from every root has no tips any more, and sprouts none (`Growth.sprout`).

    A segment is lost at the mean of what its edges are exposed to. Drawn edge by edge, a vessel
    would break the sooner, the finer the voxels; were what it cuts off lost at once, the sooner,
    the more branchings lie between it and a root.

    Parameters
    ----------
    growth, end, elapsed
        As for `regress`.
    hazard : (n_voxels,), 1/s
        Of being lost.
    seed, step
        Of the random numbers.
    """
    edges, nodes = growth.graph.edges, growth.graph.nodes
    exposed = hazard[edges["voxels"][:, 0]] * _lived(growth, end, elapsed)
    segment = segments(edges["ends"], nodes.n, nodes["root"])
    chance = -np.expm1(-np.bincount(segment, exposed) / np.bincount(segment))
    number = np.full(len(chance), np.iinfo(np.int64).max)
    np.minimum.at(number, segment, edges["number"])
    key = counter.keys(seed=seed, step=step, purpose="vessel loss")
    struck = (counter.uniform(number, key) < chance)[segment]
    if not struck.any():
        return
    cut = _lose(growth, struck)
    growth.tips.keep(~cut[growth.tips["node"]])
    growth.joined = True  # what is on a path has to be looked for again


def _lived(growth: Growth, end: float, elapsed: float) -> NDArray[np.float64]:
    """Return for how much of the time since the last look each edge was there, s."""
    lived: NDArray[np.float64] = np.minimum(elapsed, end - growth.graph.edges["born"])
    return lived


def _lose(growth: Growth, edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Remove edges; return which nodes are joined to a root no more."""
    graph, tips = growth.graph, growth.tips
    held = graph.rooted()
    row = graph.remove(edges, tips["node"])
    tips["node"][:] = row[tips["node"]]
    cut: NDArray[np.bool_] = held[row >= 0] & ~graph.rooted()
    return cut
