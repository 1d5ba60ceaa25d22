"""The field of a family on the voxels of a grid, and the distance to its wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scaffoldsim.scaffold.families import Family
from scaffoldsim.scaffold.grid import Grid
from scaffoldsim.scaffold.thickness import Floats, squared_distance

_SLAB = 16  # planes evaluated at a time
_STEPS = (0.8191725, 0.6710436, 0.5497005)  # powers of 1 / 1.2207441, which solves x^4 = x + 1
_BATCH = 1 << 18  # voxels projected at a time
_BAND = 3  # voxels on each side of the wall where distances are exact
_NEWTON = 3  # steps to the wall; a fourth changes nothing


@dataclass(frozen=True)
class Implicit:
    """The field of a family laid over a grid; it goes on beyond the faces.

    Attributes
    ----------
    family : Family
    grid : Grid
    period : (Lx, Ly, Lz)
        Edges of the unit cell, m.
    attempt : int
        Where within a voxel the unit cell begins, as a number of a fixed sequence: walls that fall
        on voxel centres in step read thicker or thinner, so a beginning in step with nothing is
        better, and another one may serve where it is not.
    """

    family: Family
    grid: Grid
    period: tuple[float, float, float]
    attempt: int = 0

    def values(self, margin: tuple[int, int, int] = (0, 0, 0)) -> Floats:
        """φ at the voxel centres, and at those of `margin` more voxels on each side."""
        u, v, w = self._positions(margin)
        out = np.empty((u.size, v.size, w.size), np.float32)
        for start in range(0, u.shape[0], _SLAB):
            part = slice(start, start + _SLAB)
            out[part] = self.family.field(u[part], v, w)
        return out

    def distance(self, values: Floats, level: float, threads: int | None = None) -> Floats:
        """Signed distance to the wall φ = t, m, > 0 in pores.

        Within three voxels of the wall: how far Newton's steps along ∇φ carry a voxel's centre
        until it meets the wall. Beyond: half a voxel less than to the next voxel centre of the
        other phase. Nowhere further than to that.
        """
        solid = values < level
        voxel = np.float32(self.grid.voxel)
        out = np.empty(values.shape, np.float32)
        for phase, sign in ((~solid, 1), (solid, -1)):
            index = np.nonzero(phase)
            bound = voxel * np.sqrt(
                squared_distance(phase, periodic=self.grid.periodic, threads=threads)[index],
                dtype=np.float32,
            )
            way = bound - voxel / 2
            for start in range(0, bound.size, _BATCH):
                part = slice(start, start + _BATCH)
                near = np.flatnonzero(bound[part] < _BAND * voxel) + start
                way[near] = self._way_to_wall(tuple(axis[near] for axis in index), level)
            # The floor keeps the sign, and `fraction >= .5`, where φ meets t within rounding.
            out[index] = sign * np.clip(way, np.float32(1e-6) * voxel, bound)
        return out

    def _way_to_wall(self, index: tuple[npt.NDArray[np.intp], ...], level: float) -> Floats:
        """Distance (m, unsigned) from the voxel centres at `index` to the wall, by projection."""
        size = np.array(self.period, np.float32).reshape(3, 1)
        begin = np.array(self._beginning, np.float32).reshape(3, 1)
        start = (np.array(index, np.float32) + begin) * np.float32(self.grid.voxel) / size
        at = start.copy()
        for _ in range(_NEWTON):
            above = self.family.field(at[0], at[1], at[2]) - np.float32(level)
            slope = np.array(self.family.gradient(at[0], at[1], at[2])) / size
            step = slope * (
                above / np.maximum((slope * slope).sum(axis=0), 1e-12 / size.min() ** 2)
            )
            at -= step / size
        way: Floats = np.sqrt((((at - start) * size) ** 2).sum(axis=0))
        return way

    @property
    def _beginning(self) -> tuple[float, float, float]:
        """Position of the first voxel's centre, in voxels: an additive recurrence."""
        x, y, z = ((self.attempt + 1) * step % 1 for step in _STEPS)
        return x, y, z

    def _positions(self, margin: tuple[int, int, int]) -> tuple[Floats, Floats, Floats]:
        """Coordinates of the voxel centres in unit cells, 0 to 1, ready to broadcast."""
        axes = []
        for axis in range(3):
            index = np.arange(-margin[axis], self.grid.shape[axis] + margin[axis])
            position = (index + self._beginning[axis]) * (self.grid.voxel / self.period[axis])
            shape = [-1 if other == axis else 1 for other in range(3)]
            axes.append(np.mod(position, 1.0).astype(np.float32).reshape(shape))
        return axes[0], axes[1], axes[2]
