"""Which edges of a network are on a path, in one piece, in series.

A graph has nodes, numbered from 0, and edges, each a pair of nodes. Everything runs on one thread
in one order, so the bits depend on the arguments alone.

Source: Hopcroft & Tarjan, Commun ACM 16:372 (1973), biconnected components; recalled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaffoldsim.solver import _graph
from scaffoldsim.solver.inputs import positive

__all__ = ["Walk", "adjacency", "nodes_of", "on_a_path", "pieces", "segments", "walk_from"]

Array = NDArray[Any]


def on_a_path(edges: ArrayLike, n_nodes: int, roots: ArrayLike) -> NDArray[np.bool_]:
    """Which edges lie on a path, without repeated nodes, between two different roots.

    These are the edges in the same biconnected component as a virtual node joined to all roots.

    Parameters
    ----------
    edges : (m, 2) int, nodes of each edge; parallel edges are allowed, a loop is on no path
    n_nodes : number of nodes
    roots : node numbers (repeats do not count), or (n_nodes,) bool

    Returns
    -------
    (m,) bool

    Raises
    ------
    ValueError
        An edge or a root that names no node.

    Examples
    --------
    Two roots, a dead end and a loop that hangs on one node:

    >>> edges = [(0, 1), (1, 2), (1, 3), (1, 4), (4, 5), (5, 1)]
    >>> on_a_path(edges, 6, roots=[0, 2]).tolist()
    [True, True, False, False, False, False]
    """
    count = int(positive(n_nodes, "n_nodes", "nodes", zero=True))
    tail, head = nodes_of(edges, count)
    held = roots_of(roots, count)
    # A path takes all of a segment or nothing.
    segment, first, last, number, nodes = _segments(tail, head, held, count)
    ends = number[held]
    whole = walk_from(first, last, np.ones(len(first), bool), ends[ends >= 0], nodes)
    return np.append(whole.on_path, False)[segment]


def segments(edges: ArrayLike, n_nodes: int, roots: ArrayLike) -> NDArray[np.int32]:
    """Which segment each edge is part of: edges in series, from one branching to the next.

    A segment ends at a root, and at a node that does not join just two edges. A ring without such
    a node is one segment.

    Parameters
    ----------
    edges, n_nodes, roots
        As for `on_a_path`.

    Raises
    ------
    ValueError
        An edge or a root that names no node.

    Examples
    --------
    A vessel that branches once:

    >>> segments([(0, 1), (1, 2), (2, 3), (2, 4), (4, 5)], 6, roots=[0]).tolist()
    [0, 0, 1, 2, 2]
    """
    count = int(positive(n_nodes, "n_nodes", "nodes", zero=True))
    tail, head = nodes_of(edges, count)
    segment, first, *_ = _segments(tail, head, roots_of(roots, count), count)
    rings = segment < 0
    if rings.any():
        piece = np.empty(count, np.int32)
        _graph.pieces(tail[rings], head[rings], piece)
        _, ring = np.unique(piece[tail[rings]], return_inverse=True)
        segment[rings] = len(first) + ring
    return segment


def pieces(edges: ArrayLike, n_nodes: int) -> NDArray[np.int32]:
    """Which connected piece of a network each node is in, numbered in the order of first nodes.

    Parameters
    ----------
    edges : (m, 2) int, nodes of each edge
    n_nodes : number of nodes

    Raises
    ------
    ValueError
        An edge that names no node.

    Examples
    --------
    >>> pieces([(3, 1), (4, 2)], 5).tolist()
    [0, 1, 2, 1, 2]
    """
    count = int(positive(n_nodes, "n_nodes", "nodes", zero=True))
    piece = np.empty(count, np.int32)
    _graph.pieces(*nodes_of(edges, count), piece)
    return piece


class Walk(NamedTuple):
    """Nodes in the order of discovery from the roots, and how each was found."""

    order: NDArray[np.int32]
    parent: NDArray[np.int32]
    block: NDArray[np.int32]
    on_path: NDArray[np.bool_]


def adjacency(tail: Array, head: Array, used: Array, n: int) -> tuple[Array, Array]:
    """Edges of node i, of those that are used, are ``link[start[i]:start[i + 1]]``, ascending."""
    start, link = np.empty(n + 1, np.int32), np.empty(2 * len(tail), np.int32)
    _graph.adjacency(tail, head, used.view(np.uint8), start, link)
    return start, link


def walk_from(tail: Array, head: Array, used: Array, roots: Array, n: int) -> Walk:
    """Depth-first from a virtual node that is joined to every root."""
    start, link = adjacency(tail, head, used, n)
    order, rank, low, parent, by, at, block = np.empty((7, n), np.int32)
    found = _graph.walk(tail, head, start, link, roots, order, rank, low, parent, by, at, block)
    # An edge belongs to the component of its later node: it led there, or leads back from there.
    later = np.where(rank[tail] > rank[head], tail, head)
    on_path = used & (tail != head) & (rank[tail] >= 0) & (block[later] >= 0)
    return Walk(order[:found], parent, block, on_path)


def nodes_of(edges: Any, n: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """First and second node of every edge."""
    array = np.asarray(edges)
    if array.size == 0:
        array = np.empty((0, 2), np.int32)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iu":
        raise ValueError(
            f"edges is an array of {array.dtype} of shape {array.shape}; it must be whole "
            "numbers of shape (m, 2), the two nodes of each edge."
        )
    if max(n, 2 * len(array)) >= 2**31:
        raise ValueError(
            f"there are {n} nodes and {len(array)} edges; fewer than 2**30 are allowed."
        )
    if array.size and (array.min() < 0 or array.max() >= n):
        at = int(np.flatnonzero(((array < 0) | (array >= n)).any(1))[0])
        raise ValueError(f"edge {at} joins {array[at].tolist()}; nodes are numbered 0 to {n - 1}.")
    tail, head = np.ascontiguousarray(array.T, np.int32)
    return tail, head


def roots_of(roots: Any, n: int) -> NDArray[np.int32]:
    """Numbers of the roots, ascending."""
    array = np.asarray(roots)
    if array.dtype == bool and array.shape == (n,):
        return np.flatnonzero(array).astype(np.int32)
    if array.size == 0:
        return np.empty(0, np.int32)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"roots is an array of {array.dtype} of shape {array.shape}; it must be node "
            f"numbers, or one bool for each of {n} nodes."
        )
    if array.min() < 0 or array.max() >= n:
        raise ValueError(
            f"roots go from {array.min()} to {array.max()}; nodes are numbered 0 to {n - 1}."
        )
    return np.unique(array).astype(np.int32)


def _segments(
    tail: Array, head: Array, roots: Array, n: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], int]:
    """The segment of each edge (-1 in a ring), the nodes at its ends, renumbered; how many."""
    held, number = np.zeros(n, bool), np.empty(n, np.int32)
    held[roots] = True
    segment, first, last = np.empty((3, len(tail)), np.int32)
    inner, piece = np.empty(n, np.uint8), np.empty(n, np.int32)
    count, nodes = _graph.segments(
        tail, head, held.view(np.uint8), inner, piece, number, segment, first, last
    )
    return segment, first[:count], last[:count], number, nodes
