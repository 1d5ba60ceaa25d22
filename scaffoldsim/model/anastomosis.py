"""Tips that meet a vessel join it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import _vessels

if TYPE_CHECKING:
    from scaffoldsim.model.vessel_graph import Graph, Table

__all__ = ["OWN_NODES", "edges_in", "encounters", "meetings"]

Array = NDArray[Any]

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
    graph: Graph,
    tips: Table,
    voxel: NDArray[np.int32],
    free: NDArray[np.bool_],
    mark: NDArray[np.bool_],
) -> list[tuple[int, int]]:
    """Return (row of a tip, node that it joins); edges that are joined in between are split.

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
    mark
        Working array, one per voxel, all False; left so.
    """
    rows = np.flatnonzero(free & (tips["laid"] >= OWN_NODES) & (graph.count[voxel] > 0))
    if not rows.size:
        return []
    hits = edges_in(graph, voxel[rows], mark)
    of_edge, of_voxel = _pairs(graph, hits, voxel[rows])
    rows = rows[_strange(graph, tips["node"][rows], voxel[rows], of_edge, of_voxel)]
    wanted = set(voxel[rows].tolist())
    within = defaultdict(list)
    for edge, each in zip(of_edge.tolist(), of_voxel.tolist(), strict=True):
        if each in wanted:
            within[each].append(edge)
    found = []
    for row in rows.tolist():
        here = int(voxel[row])
        own = _own(graph, int(tips["node"][row]))
        tree = int(graph.nodes["tree"][tips["node"][row]])
        for edge in within[here]:
            crosses = graph.edges["voxels"][edge]
            ends = graph.edges["ends"][edge].tolist()
            if not (crosses == here).any() or not own.isdisjoint(ends):
                continue
            if 0 <= tree == graph.nodes["tree"][ends[0]]:
                continue
            before = graph.edges.n
            node = graph.split(edge, here)
            if graph.edges.n > before:
                for each in {*crosses.tolist(), *graph.edges["voxels"][-1].tolist()} & wanted:
                    within[each].append(before)
            if node >= 0:
                found.append((row, node))
                break
    return found


def edges_in(graph: Graph, voxels: Array, mark: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the edges in any of some flat voxels, ascending; `mark` as in `encounters`."""
    out = np.empty(graph.edges.n, np.int64)
    mark[voxels] = True
    found = _vessels.touching(graph.edges["voxels"], mark.view(np.uint8), out)
    mark[voxels] = False
    return out[:found]


def _pairs(graph: Graph, edges: Array, voxels: Array) -> tuple[Array, Array]:
    """Return (edge, voxel) for each of `edges` in any of `voxels`, by voxel, then edge."""
    inside = graph.edges["voxels"][edges]
    which, column = np.nonzero(np.isin(inside, voxels))
    of_edge, of_voxel = edges[which], inside[which, column]
    order = np.lexsort((of_edge, of_voxel))
    return of_edge[order], of_voxel[order]


def _strange(
    graph: Graph, node: Array, voxel: Array, of_edge: Array, of_voxel: Array
) -> NDArray[np.bool_]:
    """Return which tips have an edge in their voxel that is not at their own last nodes."""
    first = np.searchsorted(of_voxel, voxel, "left")
    size = np.searchsorted(of_voxel, voxel, "right") - first
    tip = np.repeat(np.arange(len(node)), size)
    pair = np.arange(len(tip)) - np.repeat(np.cumsum(size) - size, size) + np.repeat(first, size)
    ends = graph.edges["ends"][of_edge[pair]]
    own, back = np.zeros(len(tip), bool), node[tip].astype(np.int64)
    for _ in range(OWN_NODES):
        own |= (ends == back[:, None]).any(axis=1) & (back >= 0)
        back = np.where(back >= 0, graph.nodes["parent"][back], -1)
    trees = graph.nodes["tree"]
    of_tip = trees[node][tip]
    own |= (of_tip >= 0) & (of_tip == trees[ends[:, 0]])
    strange = np.zeros(len(node), bool)
    strange[tip[~own]] = True
    return strange


def _own(graph: Graph, node: int) -> set[int]:
    """Return a tip's last nodes."""
    own = set()
    for _ in range(OWN_NODES):
        if node < 0:
            break
        own.add(node)
        node = int(graph.nodes["parent"][node])
    return own
