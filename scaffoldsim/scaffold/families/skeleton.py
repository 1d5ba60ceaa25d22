"""Distance to a periodic skeleton of straight segments and points, and families made of it."""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from scaffoldsim.scaffold import _skeleton
from scaffoldsim.scaffold.families.base import Family, Floats, Vector

Doubles = npt.NDArray[np.float64]
Edges = tuple[float, float, float]

_BINS = 2**18  # about: then a bin knows a handful of pieces, and all bins take a few MB
_SLACK = 1e-9  # of the box: what rounding may move a position, or a distance


class Skeleton:
    r"""Segments (points have no length) in a box that repeats for ever.

    .. math:: d(x) = \min_{i, k} \left( |x - s_i - k| - r_i \right)

    over segments :math:`s_i` of radius :math:`r_i` and all their images, :math:`k` whole periods
    away. Exact: a distance changes by no more than the way gone, so the pieces that can be nearest
    somewhere in a bin are those not further from its centre than the nearest one plus the bin's
    diagonal. Bins are halved from the box down, so that each looks at its parent's pieces only.

    Parameters
    ----------
    segments : array_like of float, shape (n, 2, 3)
        Both ends of each; they may lie outside the box, and be further apart than it is wide.
    cell : (a, b, c)
        Edges of the box; > 0.
    radii : array_like of float, shape (n,), optional
        Default: 0.

    Raises
    ------
    ValueError
        If a shape is wrong, a value is not finite, or an edge of the box is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> bar = Skeleton([[[0, 0.5, 0.5], [1, 0.5, 0.5]]], (1, 1, 1))
    >>> bar.distance(np.array([0.3]), np.array([0.5]), np.array([1.25])).tolist()
    [0.25]
    """

    def __init__(
        self, segments: npt.ArrayLike, cell: Edges, radii: npt.ArrayLike | None = None
    ) -> None:
        ends = np.asarray(segments, np.float64)
        self.cell = np.asarray(cell, np.float64)
        thick = np.zeros(len(ends)) if radii is None else np.asarray(radii, np.float64)
        if ends.ndim != 3 or ends.shape[1:] != (2, 3) or not len(ends):
            raise ValueError(f"segments: shape {ends.shape}; (n, 2, 3) with n >= 1 is needed")
        if thick.shape != ends.shape[:1]:
            raise ValueError(f"radii: shape {thick.shape}; one per segment, {ends.shape[:1]}")
        if not (np.isfinite(ends).all() and np.isfinite(thick).all()):
            raise ValueError("segments, radii: a value is not finite; check how they were made")
        if self.cell.shape != (3,) or not (np.isfinite(self.cell) & (self.cell > 0)).all():
            raise ValueError(f"cell: {cell!r} is not three positive edges")
        self._pieces = _images(ends, self.cell, thick)
        self._shape, self._start, self._members = _bins(self._pieces, self.cell)

    def distance(self, u: Floats, v: Floats, w: Floats) -> Floats:
        """Distance from each position to the nearest segment's surface; < 0 inside its radius.

        Parameters
        ----------
        u, v, w : ndarray of float
            In the unit of the segments, anywhere: they are wrapped into the box. Broadcast
            together, to at most three axes.

        Returns
        -------
        ndarray of float32
        """
        where, shape = self._inside(u, v, w)
        out = np.empty(where[0].shape, np.float32)
        _skeleton.distance(**self._tables(where), out=out)
        return out.reshape(shape)

    def direction(self, u: Floats, v: Floats, w: Floats) -> Vector:
        """Unit vector from the nearest segment's nearest point to each position; 0 on a segment.

        The gradient of `distance`, which takes the same parameters.
        """
        where, shape = self._inside(u, v, w)
        x, y, z = (np.empty(where[0].shape, np.float32) for _ in range(3))
        _skeleton.direction(**self._tables(where), out_x=x, out_y=y, out_z=z)
        return x.reshape(shape), y.reshape(shape), z.reshape(shape)

    def _inside(
        self, u: Floats, v: Floats, w: Floats
    ) -> tuple[tuple[Doubles, Doubles, Doubles], tuple[int, ...]]:
        """The positions wrapped into the box, as three views with three axes; and their shape."""
        wrapped = zip((u, v, w), self.cell, strict=True)
        x, y, z = np.broadcast_arrays(
            *(np.mod(np.asarray(position, np.float64), edge) for position, edge in wrapped)
        )
        if x.ndim > 3:
            raise ValueError(f"positions: {x.ndim} axes; at most three are taken")
        full = (1,) * (3 - x.ndim) + x.shape
        return (x.reshape(full), y.reshape(full), z.reshape(full)), x.shape

    def _tables(
        self, where: tuple[Doubles, Doubles, Doubles]
    ) -> dict[str, npt.NDArray[np.generic]]:
        x, y, z = where
        return {
            "x": x,
            "y": y,
            "z": z,
            "pieces": self._pieces,
            "per_length": self._shape / self.cell,
            "shape": self._shape,
            "start": self._start,
            "members": self._members,
        }


def _images(ends: Doubles, cell: Doubles, radii: Doubles) -> Doubles:
    """Rows (start, vector, 1 / length², radius) of every image that can be nearest in the box.

    A segment is cut until it is shorter than the box along each axis, and moved until its middle
    lies in the box. Then each of its points has its nearest image less than two periods away.
    """
    rows = []
    for (first, last), radius in zip(ends, radii, strict=True):
        vector = last - first
        count = int((np.abs(vector) / cell).max()) + 1
        vector = vector / count
        for part in range(count):
            start = first + part * vector
            start -= np.floor((start + vector / 2) / cell) * cell
            square = float((vector * vector).sum())
            rows.append([*start, *vector, 1 / square if square > 0 else 0.0, radius])
    pieces = np.array(rows)
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3))) * cell
    images = np.tile(pieces, (len(shifts), 1))
    images[:, :3] += np.repeat(shifts, len(pieces), axis=0)
    return images


def _bins(
    pieces: Doubles, cell: Doubles
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Bins per axis, and the pieces of each bin: where its list begins, and all lists in a row."""
    edge = (float(cell.prod()) / _BINS) ** (1 / 3)
    levels = [max(0, round(math.log2(length / edge))) for length in cell]
    start = np.array([0, len(pieces)], np.int64)
    members = np.arange(len(pieces), dtype=np.int32)
    shape = np.ones(3, np.int32)
    for level in range(max(levels)):
        halves = np.array([level < own for own in levels], np.int32)
        shape = shape << halves
        parents, above = start, members
        start = np.empty(int(shape.prod()) + 1, np.int64)
        members = np.empty(len(above) << int(halves.sum()), np.int32)
        _skeleton.divide(
            pieces=pieces,
            edge=cell / shape,
            shape=shape,
            halves=halves,
            parent_start=parents,
            parent_members=above,
            slack=_SLACK * float(cell.max()),
            start=start,
            members=members,
        )
        members = members[: start[-1]].copy()
    return shape, start, members


@dataclass(frozen=True)
class SkeletonFamily(Family):
    """Solid is what lies within a distance t of a periodic skeleton: round struts of diameter 2 t.

    A family gives `skeleton`; it is made once and kept.
    """

    @abstractmethod
    def skeleton(self) -> Skeleton:
        """The skeleton, in units of the cell size, in the box `cell`; made anew at each call."""

    def field(self, u: Floats, v: Floats, w: Floats) -> Floats:
        """φ, the distance to the skeleton, in units of the cell size."""
        return kept_skeleton(self).distance(u, v, w)

    def gradient(self, u: Floats, v: Floats, w: Floats) -> Vector:
        """∇φ: unit vectors away from the skeleton."""
        return kept_skeleton(self).direction(u, v, w)

    def wall(self, level: float) -> float | None:
        """Diameter of a strut, 2 t."""
        return 2 * level


@lru_cache(maxsize=8)
def kept_skeleton(family: SkeletonFamily) -> Skeleton:
    """The skeleton of a family; those of the last few are kept."""
    return family.skeleton()
