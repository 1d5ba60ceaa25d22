"""Graded scaffolds: porosity and pore size as functions of position."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from scaffoldsim.scaffold.grid import Grid
from scaffoldsim.scaffold.thickness import Floats
from scaffoldsim.schema import Section, Unit

NODES = 65  # of the profiles as computed with
_MOST_SHEAR = 0.5

Place = tuple[Floats, Floats, Floats]


class Grading(Section):
    """How porosity and pore size change over the box.

    Attributes
    ----------
    along
        ``x``, ``y`` or ``z``: from the low face to the high one; ``radius``: from the axis that
        runs along z through the middle of the box out to the nearest face (and constant beyond).
    porosity
        Values at equal steps from start to end, linear in between.
    pore_size
        Likewise, mean local thickness in m. Cells then grow and shrink with it; without it they are
        all of one size.

    Examples
    --------
    >>> Grading(along="z", porosity=[0.9, 0.95]).at("porosity", 0.5)
    0.925
    """

    along: Literal["x", "y", "z", "radius"]
    porosity: list[Annotated[float, Unit("", ge=0.02, le=0.995)]] | None = None
    pore_size: list[Annotated[float, Unit("m", ge=1e-6, le=1e-2, show="um")]] | None = None

    def problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """At least one profile, of at least two values."""
        if self.porosity is None and self.pore_size is None:
            yield (), "changes nothing; give porosity, pore_size or both as lists"
        for key in ("porosity", "pore_size"):
            values = getattr(self, key)
            if values is not None and len(values) < 2:
                yield (key,), f"{len(values)} values; a profile needs at least two"

    def at(self, key: str, position: float) -> float:
        """The profile `key` at a position, 0 (start) to 1 (end)."""
        values = [float(value) for value in getattr(self, key)]
        return float(np.interp(position, np.linspace(0, 1, len(values)), values))

    def nodes(self, key: str) -> Floats | None:
        """The profile `key` at `NODES` equal steps, or None where it does not change."""
        if getattr(self, key) is None:
            return None
        return np.array([self.at(key, s) for s in np.linspace(0, 1, NODES)])


@dataclass(frozen=True)
class Graded:
    """A grading as it is laid over a grid.

    Attributes
    ----------
    along : str
        As in `Grading`.
    levels : tuple of `NODES` float
        What is taken from φ, from start to end.
    sizes : tuple of `NODES` float, optional
        Size of the cells over their mean size.
    """

    along: str
    levels: tuple[float, ...]
    sizes: tuple[float, ...] | None = None

    def position(self, place: Place, grid: Grid) -> Floats:
        """0 to 1 along the grading, at places given in voxels."""
        if self.along == "radius":
            x, y, _ = place
            cx, cy = grid.shape[0] / 2, grid.shape[1] / 2
            s = np.sqrt((x - np.float32(cx)) ** 2 + (y - np.float32(cy)) ** 2) / min(cx, cy)
        else:
            axis = "xyz".index(self.along)
            s = place[axis] / grid.shape[axis]
        clipped: Floats = np.clip(s, 0, 1).astype(np.float32)
        return clipped

    def positions(self, grid: Grid) -> Floats:
        """`position` of the voxel centres of a grid, ready to broadcast over it."""
        x, y, z = (np.arange(n, dtype=np.float32) + np.float32(0.5) for n in grid.shape)
        return self.position((x[:, None, None], y[None, :, None], z[None, None, :]), grid)

    def level(self, position: Floats) -> Floats:
        """What is taken from φ at a position."""
        return self._profile(self.levels, position)

    def lay(self, place: Place, grid: Grid) -> tuple[Floats, Place]:
        r"""Position, and the place in a box where every cell would have the mean size.

        Along the grading :math:`∫ ds / g` with g the relative size; across it the distance from
        the middle over g.
        """
        position = self.position(place, grid)
        if self.sizes is None:
            return position, place
        x, y, z = (p - np.float32(n / 2) for p, n in zip(place, grid.shape, strict=True))
        shrunk = 1 / self._profile(self.sizes, position)
        inverse = 1 / np.array(self.sizes)
        steps = (inverse[1:] + inverse[:-1]) / 2 / (NODES - 1)
        integral = tuple(np.concatenate([[0.0], np.cumsum(steps)]))
        if self.along == "radius":
            reach = np.float32(min(grid.shape[:2]) / 2)
            r = np.sqrt(x * x + y * y)
            end = np.float32(integral[-1]) * reach + (r - reach) / np.float32(self.sizes[-1])
            inner = self._profile(integral, position) * reach
            ratio = np.where(r > reach, end, inner) / np.maximum(r, np.float32(1e-6))
            return position, _single(x * ratio, y * ratio, z * shrunk)
        axis = "xyz".index(self.along)
        length = np.float32(grid.shape[axis])
        laid = [x * shrunk, y * shrunk, z * shrunk]
        beyond = place[axis] / length - position  # before the first face < 0, behind the last > 0
        ends = np.where(beyond < 0, self.sizes[0], self.sizes[-1]).astype(np.float32)
        laid[axis] = length * (self._profile(integral, position) + beyond / ends)
        return position, _single(*laid)

    def shear(self, grid: Grid) -> float:
        """How much the cells are bent at worst, as a tangent; 0 where their size is the same."""
        if self.sizes is None:
            return 0.0
        sizes = np.array(self.sizes)
        slope = np.abs(np.gradient(sizes, 1 / (NODES - 1)) / sizes).max()  # over the whole grading
        half = [n / 2 for n in grid.shape]
        if self.along == "radius":
            return float(slope * half[2] / min(half[:2]))
        axis = "xyz".index(self.along)
        across = math.hypot(*(half[other] for other in range(3) if other != axis))
        return float(slope * across / grid.shape[axis])

    def problem(self, grid: Grid) -> str | None:
        """Why this grading cannot be built on this grid, if so."""
        axis = 0 if self.along == "radius" else "xyz".index(self.along)
        if self.sizes is None:
            wraps = grid.periodic[:2] if self.along == "radius" else grid.periodic[axis : axis + 1]
        else:
            wraps = grid.periodic
        if any(wraps):
            return (
                f"a scaffold graded along {self.along} does not repeat, but an axis is periodic. "
                "Make the axis open, or grade only the porosity along another one."
            )
        shear = self.shear(grid)
        if shear > _MOST_SHEAR:
            return (
                f"pore sizes along {self.along} change so fast that cells would be bent by "
                f"{math.degrees(math.atan(shear)):.0f} degrees at the sides; at most "
                f"{math.degrees(math.atan(_MOST_SHEAR)):.0f} are allowed. Take sizes closer to "
                "each other, or a box that is longer along the grading or narrower across."
            )
        return None

    def _profile(self, values: tuple[float, ...], position: Floats) -> Floats:
        at = np.interp(position, np.linspace(0, 1, NODES), values)
        return np.asarray(at, dtype=np.float32)


def _single(x: Any, y: Any, z: Any) -> Place:
    """Places in single precision, as fields are evaluated."""
    return np.asarray(x, np.float32), np.asarray(y, np.float32), np.asarray(z, np.float32)
