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
    layers : relative diffusivity of the voxels at the faces

    Attributes
    ----------
    rows : per level, the rows that an open face supplies
    """

    def __init__(
        self,
        grid: Multigrid,
        face_k: list[NDArray[np.float64] | None],
        layers: list[NDArray[np.float64]],
    ) -> None:
        self.grid = grid
        voxels, halves, films = [np.empty(0, np.int64)], [np.empty(0)], [np.empty(0)]
        for face, k in enumerate(face_k):
            if k is None:
                continue
            axis, side = divmod(face, 2)
            at = np.nonzero(k)
            place = [i + 1 for i in at]
            place.insert(axis, np.full(len(at[0]), grid.shape[axis] if side else 1))
            voxels.append(np.ravel_multi_index(place, grid.levels[0].padded))
            half = 0.5 / layers[face][at]
            halves.append(half)
            films.append(np.maximum(1.0 / k[at] - half, 0.0))
        self._voxels = np.concatenate(voxels)
        self._half, self._film = np.concatenate(halves), np.concatenate(films)
        none = np.empty(0, np.int64), np.empty(0)
        self._open = self._restrict(np.ones(len(self._voxels), bool), *none)
        self.rows: list[Array] = [self._voxels, *self._open[0]]

    def _restrict(self, free: NDArray[np.bool_], anchors: Array, links: Array) -> Any:
        """For every coarse level, rows that border on held values and what their s lacks for it.

        From level to level the way to a face doubles (`_half` is the resistance of half a voxel),
        a film on it stays; the finest s holds both. `links` of `anchors` lead to held voxels;
        they lie inside blocks and are halved once.
        """
        inside, half, film = self._voxels[free], self._half[free], self._film[free]
        rows, lacking = [], []
        for level in self.grid.levels[:-1]:
            inside = level.parents(inside)
            kept = inside >= 0
            inside, half, film = inside[kept], half[kept], film[kept]
            owners = level.parents(anchors)
            met, which = np.unique(np.append(inside, owners[owners >= 0]), return_inverse=True)
            gain = 1.0 / (2.0 * half + film) - 1.0 / (half + film)
            gain = np.append(gain, 0.5 * links[owners >= 0])
            rows.append(met.astype(np.int32))
            lacking.append(np.bincount(which, gain, len(met)).astype(np.float32))
            half, anchors, links = 2.0 * half, anchors[:0], links[:0]
        return rows, lacking

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
