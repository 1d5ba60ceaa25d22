"""Where the pore borders on held values: the open faces of the box and held voxels inside it.

The coarse levels of the hierarchy need the conductance towards them; it is zero nearly everywhere,
so it is kept as lists of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.solver.multigrid import Multigrid

Array = NDArray[Any]


class Outlets:
    """Rows with a conductance towards held values, level by level.

    Parameters
    ----------
    grid : the hierarchy
    face_k : conductance per voxel of the faces x-, x+, y-, y+, z-, z+, or None

    Attributes
    ----------
    rows : per level, the rows that an open face supplies
    """

    def __init__(
        self,
        grid: Multigrid,
        face_k: list[NDArray[np.float64] | None],
    ) -> None:
        self.grid = grid
        voxels, faces, flows = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
        for face, k in enumerate(face_k):
            if k is None:
                continue
            axis, side = divmod(face, 2)
            at = np.nonzero(k)
            place = [i + 1 for i in at]
            place.insert(axis, np.full(len(at[0]), grid.shape[axis] if side else 1))
            voxels.append(np.ravel_multi_index(place, grid.levels[0].padded))
            faces.append(np.full(len(at[0]), face))
            flows.append(k[at])
        self._voxels, self._faces = np.concatenate(voxels), np.concatenate(faces)
        self._flow = np.concatenate(flows)
        none = np.empty(0, np.int64), np.empty(0)
        self._open = self._restrict(np.ones(len(self._voxels), bool), *none)
        self.rows: list[Array] = [self._voxels, *self._open[0]]

    def _restrict(self, free: NDArray[np.bool_], anchors: Array, links: Array) -> Any:
        """For every coarse level, rows that border on held values and what their s lacks for it.

        The way to a held value gets longer from level to level, as that between two rows does; s
        would only sum what it was. `links` of `anchors`, which lead to held voxels, are not in the
        finest s; the conductances of faces are.
        """
        rows: Array = np.append(self._voxels[free], anchors)
        face: Array = np.append(self._faces[free], np.full(len(anchors), 6))
        flow: Array = np.append(self._flow[free], links)
        held: Array = np.append(self._flow[free], np.zeros(len(links)))
        met, lacking = [], []
        for level in self.grid.levels[:-1]:
            owner = level.parents(rows)
            kept = owner >= 0
            most = level.strongest(rows[kept]).astype(np.float64)
            longer = flow[kept] / (1 + flow[kept] / (2 * most))
            found, which = np.unique(owner[kept], return_inverse=True)
            met.append(found.astype(np.int32))
            gain = np.bincount(which, longer - held[kept], len(found))
            lacking.append(gain.astype(np.float32))
            # Ways through different faces stay apart.
            ways, way = np.unique(7 * owner[kept] + face[kept], return_inverse=True)
            rows, face = ways // 7, ways % 7
            flow = np.bincount(way, longer, len(ways))
            held = flow
        return met, lacking

    def use(self, state: NDArray[np.uint8], held: NDArray[np.bool_] | None) -> None:
        """Give the coarse levels what a solve with this `state` needs (1 where c is free)."""
        if state is self.grid.mask:
            self.grid.kernel.set_outlets(*self._open)
            return
        free = state.reshape(-1)[self._voxels] == 1
        anchors, links = self._anchors(state, held)
        self.grid.kernel.set_outlets(*self._restrict(free, anchors, links))

    def _anchors(self, state: NDArray[np.uint8], held: NDArray[np.bool_] | None) -> Any:
        """Free neighbours of held voxels, once per link, and the conductance of the link."""
        rows, links = [np.empty(0, np.int64)], [np.empty(0)]
        level = self.grid.levels[0]
        inner = () if held is None else np.nonzero(held)
        for axis in range(3 if held is not None else 0):
            n = self.grid.shape[axis]
            for side in (0, 1):
                place = [i + 1 for i in inner]
                # The conductance lies at the higher of the two voxels; ghosts hold their own.
                face = list(place)
                face[axis] = face[axis] + side
                place[axis] = place[axis] + (1 if side else -1)
                if level.periodic[axis]:
                    place[axis] = (place[axis] - 1) % n + 1
                kept = state[tuple(place)] == 1
                flat = np.ravel_multi_index([i[kept] for i in place], level.padded)
                rows.append(flat)
                if level.k:
                    links.append(level.k[axis][tuple(i[kept] for i in face)].astype(float))
                else:
                    links.append(np.ones(len(flat)))
        return np.concatenate(rows), np.concatenate(links)
