"""Which vessels are in each voxel, kept up as these come, split and go."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import _crossings

__all__ = ["MOST_CROSSED", "Crossings"]

Array = NDArray[Any]

#: voxels that an edge may cross: it is shorter than two voxels, so two planes along each axis
MOST_CROSSED = 7


class Crossings:
    """The edges of a network by voxel.

    For every voxel there is a list of the edges in it. A tip so finds what it meets without a look
    at all others, and a voxel holds a vessel if its list is not empty.

    Parameters
    ----------
    n_voxels
        Of the grid.

    Attributes
    ----------
    first : ndarray of int32, shape (n_voxels,)
        Head of each list, an entry ``edge * MOST_CROSSED + slot``; -1 where no edge is.

    Examples
    --------
    >>> voxels = np.full((2, MOST_CROSSED), -1, np.int32)
    >>> voxels[0, :2], voxels[1, :2] = (3, 4), (4, 5)
    >>> crossings = Crossings(8)
    >>> crossings.add(voxels, 0)
    >>> crossings.edges_in(np.array([3, 4])).tolist(), crossings.hold(np.array([5, 6])).tolist()
    ([0, 1], [True, False])
    """

    def __init__(self, n_voxels: int) -> None:
        self.first = np.full(n_voxels, -1, np.int32)
        self._following = np.empty((64, MOST_CROSSED), np.int32)

    def add(self, voxels: NDArray[np.int32], start: int) -> None:
        """Take in the rows of `voxels`, of all edges, (edges, 7), from `start` on."""
        self._reserve(len(voxels))
        _crossings.enlist(voxels, start, self.first, self._following)

    def remove(self, voxels: NDArray[np.int32]) -> None:
        """Forget all edges, whose voxels these are."""
        _crossings.unlist(voxels, self.first)

    def split(self, voxels: NDArray[np.int32], edge: int, slot: int) -> None:
        """Give the last of all edges what `edge` had after `slot`; both are in that voxel now."""
        self._reserve(len(voxels))
        _crossings.hand_over(voxels, edge, slot, self.first, self._following)

    def hold(self, voxels: Array) -> NDArray[np.bool_]:
        """Return which voxels have an edge in them."""
        held: NDArray[np.bool_] = self.first[voxels] >= 0
        return held

    def edges_in(self, voxels: Array) -> NDArray[np.int64]:
        """Return the edges in any of some voxels, ascending."""
        found, following = set(), self._following.reshape(-1)
        for head in self.first[voxels].tolist():
            entry = head
            while entry >= 0:
                found.add(entry // MOST_CROSSED)
                entry = int(following[entry])
        return np.array(sorted(found), np.int64)

    def met(
        self,
        voxel: Array,
        node: Array,
        own: int,
        parent: Array,
        tree: Array,
        ends: Array,
        *,
        after: int = -1,
    ) -> NDArray[np.int32]:
        """Return the first edge after `after` that each tip may join where it is, else -1.

        Parameters
        ----------
        voxel, node
            Of each tip: where it is, and the last node it left behind.
        own
            It joins no edge at so many of its last nodes, and none of its own tree.
        parent, tree
            Of each node, as in `Graph`.
        ends : (edges, 2)
            Nodes of each edge.
        after
            An edge.
        """
        found = np.empty(len(voxel), np.int32)
        _crossings.met(
            np.ascontiguousarray(voxel, np.int32),
            np.ascontiguousarray(node, np.int32),
            after,
            own,
            parent,
            tree,
            ends,
            self.first,
            self._following,
            found,
        )
        return found

    def _reserve(self, edges: int) -> None:
        if edges > len(self._following):
            wider = np.empty((max(2 * len(self._following), edges), MOST_CROSSED), np.int32)
            wider[: len(self._following)] = self._following
            self._following = wider
