"""The field of a family on the voxels of a grid, and the distance to its wall."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scaffoldsim.scaffold.families import Family
from scaffoldsim.scaffold.grading import Graded
from scaffoldsim.scaffold.grid import Grid
from scaffoldsim.scaffold.thickness import Floats, squared_distance
from scaffoldsim.solver.inputs import thread_count

_RAMP = 2e-5
_SLAB = 16  # planes evaluated at a time
_STEPS = (0.8191725, 0.6710436, 0.5497005)  # powers of 1 / 1.2207441, which solves x^4 = x + 1
_BATCH = 1 << 18  # voxels projected at a time
_BAND = 3  # voxels on each side of the wall where distances are exact
_NEWTON = 3  # steps to the wall; a fourth changes nothing

Place = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class Implicit:
    """The field of a family laid over a grid; it goes on beyond the faces.

    Attributes
    ----------
    family : Family
    grid : Grid
    period : (Lx, Ly, Lz)
        Edges of the unit cell, m; of a graded design those of a cell of the mean size.
    begin : int
        Where within a voxel the unit cell begins, as a number of a fixed sequence: walls that fall
        on voxel centres in step read thicker or thinner, so a beginning in step with nothing is
        better, and another one may serve where it is not.
    graded : Graded, optional
        How cell size and level change over the box.
    """

    family: Family
    grid: Grid
    period: tuple[float, float, float]
    begin: int = 0
    graded: Graded | None = None

    def values(
        self, margin: tuple[int, int, int] = (0, 0, 0), threads: int | None = None
    ) -> Floats:
        """φ at the voxel centres, and at those of `margin` more voxels on each side.

        A ramp of 2e-5 over the box is added. Along a strut that follows an axis every voxel of a
        row has the same φ, so that only whole rows could be added, and no porosity could be met.
        """
        x, y, z = (
            (np.arange(-more, n + more) + begin).astype(np.float32)
            for n, more, begin in zip(self.grid.shape, margin, self._beginning, strict=True)
        )
        out = np.empty((x.size, y.size, z.size), np.float32)

        ramp = [
            np.float32(_RAMP * slope / n) * at
            for slope, n, at in zip(_STEPS, self.grid.shape, (x, y, z), strict=True)
        ]

        def fill(start: int) -> None:
            part = slice(start, start + _SLAB)
            out[part] = self._field((x[part, None, None], y[None, :, None], z[None, None, :]))
            out[part] += ramp[0][part, None, None] + ramp[1][:, None] + ramp[2]

        fill(0)  # alone, since a family may have something to prepare
        with ThreadPoolExecutor(thread_count(threads)) as pool:
            for _ in pool.map(fill, range(_SLAB, x.size, _SLAB)):
                pass
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

            def project(
                start: int,
                index: tuple[npt.NDArray[np.intp], ...] = index,
                bound: Floats = bound,
                way: Floats = way,
            ) -> None:
                part = slice(start, start + _BATCH)
                near = np.flatnonzero(bound[part] < _BAND * voxel) + start
                way[near] = self._way_to_wall(tuple(axis[near] for axis in index), level)

            with ThreadPoolExecutor(thread_count(threads)) as pool:
                for _ in pool.map(project, range(0, bound.size, _BATCH)):
                    pass
            # The floor keeps the sign, and `fraction >= .5`, where φ meets t within rounding.
            out[index] = sign * np.clip(way, np.float32(1e-6) * voxel, bound)
        return out

    def _way_to_wall(self, index: tuple[npt.NDArray[np.intp], ...], level: float) -> Floats:
        """Distance (m, unsigned) from the voxel centres at `index` to the wall, by projection."""
        begin = np.array(self._beginning, np.float32).reshape(3, 1)
        start = np.array(index, np.float32) + begin
        at = start.copy()
        floor = np.float32(1e-12) * np.float32(self.grid.voxel / min(self.period)) ** 2
        for _ in range(_NEWTON):
            above = self._field((at[0], at[1], at[2])) - np.float32(level)
            slope = np.array(self._slope((at[0], at[1], at[2])))
            at -= slope * (above / np.maximum((slope * slope).sum(axis=0), floor))
        way: Floats = np.sqrt(((at - start) ** 2).sum(axis=0)) * np.float32(self.grid.voxel)
        return way

    def _field(self, place: Place) -> Floats:
        """φ at places given in voxels."""
        if self.graded is None:
            u, v, w = self._in_cells(place)
            return self.family.field(u, v, w)
        position, stretched = self.graded.lay(place, self.grid)
        u, v, w = self._in_cells(stretched)
        phi: Floats = self.family.field(u, v, w) - self.graded.level(position)
        return phi

    def _slope(self, place: Place) -> Place:
        """∇φ per voxel at places given in voxels."""
        x, y, z = place
        if self.graded is None:
            u, v, w = self._in_cells(place)
            gradient = self.family.gradient(u, v, w)
            a, b, c = (g * scale for g, scale in zip(gradient, self._scale, strict=True))
            return a, b, c
        h = np.float32(0.05)
        return (
            (self._field((x + h, y, z)) - self._field((x - h, y, z))) / (2 * h),
            (self._field((x, y + h, z)) - self._field((x, y - h, z))) / (2 * h),
            (self._field((x, y, z + h)) - self._field((x, y, z - h))) / (2 * h),
        )

    def _in_cells(self, place: Place) -> Place:
        """Places, from voxels to units of the family's cell size, within its first period."""
        u, v, w = (
            np.mod(position * scale, np.float32(edge))
            for position, scale, edge in zip(place, self._scale, self.family.cell, strict=True)
        )
        return u, v, w

    @property
    def _scale(self) -> tuple[np.float32, ...]:
        """The voxel in units of the family's cell size, per axis."""
        return tuple(
            np.float32(self.grid.voxel * edge / period)
            for edge, period in zip(self.family.cell, self.period, strict=True)
        )

    @property
    def _beginning(self) -> tuple[float, float, float]:
        """Position of the first voxel's centre, in voxels: an additive recurrence."""
        x, y, z = ((self.begin + 1) * step % 1 for step in _STEPS)
        return x, y, z
