"""Tips that meet a vessel join it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scaffoldsim.model.vessel_graph import Graph, Table

__all__ = ["OWN_NODES", "encounters", "meetings"]

#: a tip joins nothing before it has left as many nodes, nor an edge at its own last ones
OWN_NODES = 3


def meetings(graph: Graph, tips: Table, voxel: NDArray[np.int32]) -> list[tuple[int, int]]:
    """Return pairs of rows of tips that are in one voxel, each tip at most once."""
    rows = np.flatnonzero(tips["laid"] >= OWN_NODES)
    order = rows[np.argsort(voxel[rows], kind="stable")]
    same = np.flatnonzero(voxel[order[1:]] == voxel[order[:-1]])
    tree = graph.nodes["tree"][tips["node"][order]]
    same = same[(tree[same] != tree[same + 1]) | (tree[same] < 0)]
    pairs, last = [], -2
    for i in same.tolist():
        if i > last + 1:
            pairs.append((int(order[i]), int(order[i + 1])))
            last = i
    return pairs


def encounters(
    graph: Graph, tips: Table, voxel: NDArray[np.int32], free: NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Return (row of a tip, node that it joins); edges that are joined in between are split.

    Of the edges in its voxel a tip joins the first that is not its own.

    Parameters
    ----------
    graph
        The vessels.
    tips
        Their tips.
    voxel
        Where the tips are, flat.
    free
        Tips that may join.
    """

    def met(rows: NDArray[np.int64], after: int = -1) -> NDArray[np.int32]:
        nodes = graph.nodes
        return graph.crossings.met(
            voxel[rows],
            tips["node"][rows],
            OWN_NODES,
            nodes["parent"],
            nodes["tree"],
            graph.edges["ends"],
            after=after,
        )

    rows = np.flatnonzero(free & (tips["laid"] >= OWN_NODES))
    rows = rows[met(rows) >= 0]
    found = []
    for i, row in enumerate(rows.tolist()):
        node, edge = -1, -1
        while node < 0:  # what others joined before is split now
            edge = int(met(rows[i : i + 1], edge)[0])
            if edge < 0:
                break
            node = graph.split(edge, int(voxel[row]))
        if node >= 0:
            found.append((row, node))
    return found
