"""Sealed pockets: pieces of the pore that reach no held or exchanging face.

At steady state such a piece has no supply, so its field is set by its own sources and sinks:
without either it keeps what it had, with a sink alone it drains to zero, and with a source it
balances only if a linear sink exists or the Michaelis-Menten sink can exceed the source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.solver.multigrid import Multigrid


@dataclass(frozen=True)
class Settled:
    """Voxels (flat, unpadded) that need no solving; True where they keep the initial value."""

    voxel: NDArray[np.int64]
    keep: NDArray[np.bool_]


class Pockets:
    """The pieces of a geometry that no face supplies.

    Attributes
    ----------
    voxel : flat indices (unpadded, C order), pocket by pocket
    start : first position of each pocket in `voxel`
    """

    def __init__(self, grid: Multigrid, outlets: list[NDArray[Any]]) -> None:
        """`outlets`: per level, the rows that some face supplies."""
        self.shape = grid.shape
        voxels, owners, pieces = [], [], 0
        for number, level in enumerate(grid.levels):
            rows = level.ends(last=number + 1 == len(grid.levels))
            rows = rows[~np.isin(rows, outlets[number])]
            owner = np.arange(len(rows))
            for below in reversed(grid.levels[:number]):
                rows, which = below.members(rows)
                owner = owner[which]
            voxels.append(rows)
            owners.append(pieces + owner)
            pieces += int(owner.max(initial=-1)) + 1
        place = np.unravel_index(np.concatenate(voxels), grid.levels[0].padded)
        voxel = np.ravel_multi_index([i - 1 for i in place], self.shape)
        owner = np.concatenate(owners)
        lowest = np.full(pieces, np.iinfo(np.int64).max)
        np.minimum.at(lowest, owner, voxel)
        order = np.lexsort((voxel, lowest[owner]))
        self.voxel = voxel[order]
        self.start = np.flatnonzero(np.diff(lowest[owner][order], prepend=-1))

    def __len__(self) -> int:
        return len(self.start)

    def _sum(self, values: Any) -> NDArray[np.float64]:
        if np.ndim(values) == 0:
            picked = np.full(len(self.voxel), float(values))
        else:
            picked = values.reshape(-1)[self.voxel].astype(np.float64)
        return np.add.reduceat(picked, self.start)

    def _place(self, pocket: int) -> str:
        end = self.start[pocket + 1] if pocket + 1 < len(self) else len(self.voxel)
        first = self.voxel[self.start[pocket]]
        at = tuple(int(i) for i in np.unravel_index(first, self.shape))
        size = int(end - self.start[pocket])
        return f"a sealed pocket of {size} voxel{'s' if size > 1 else ''} at {at}"

    def settle(self, source: Any, decay: Any, uptake: Any, fixed: Any) -> Settled:
        """Which voxels are settled without solving, given scalars or arrays of mol/m3/s and 1/s.

        Raises
        ------
        ValueError
            A pocket with a source and no sink, or whose source reaches its greatest consumption.
        """
        if not len(self):
            return Settled(np.empty(0, np.int64), np.empty(0, bool))
        supply, drain, most = self._sum(source), self._sum(decay), self._sum(uptake)
        open_ = np.zeros(len(self), bool)
        if fixed is not None:
            open_ = np.logical_or.reduceat(fixed.reshape(-1)[self.voxel], self.start)
        starved = ~open_ & (supply > 0) & (drain == 0) & (supply >= most)
        if starved.any():
            pocket = int(np.flatnonzero(starved)[0])
            where = self._place(pocket)
            if most[pocket] == 0:
                raise ValueError(
                    f"{where} has a source and no sink, so no steady state exists. Give a decay, "
                    "open the pocket, or advance in time with dt."
                )
            raise ValueError(
                f"{where} has a source of {supply[pocket]:g}, not below its greatest consumption "
                f"of {most[pocket]:g} mol/m3/s (sums over voxels), so no steady state exists. "
                "Lower the source, open the pocket, or advance in time with dt."
            )
        size = np.diff(np.append(self.start, len(self.voxel)))
        settled = np.repeat(~open_ & (supply == 0), size)
        keep = np.repeat((drain == 0) & (most == 0), size)
        return Settled(self.voxel[settled], keep[settled])
