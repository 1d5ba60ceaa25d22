"""Distance maps, exact local thickness and its distribution, wrapped round periodic axes."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from scaffoldsim.scaffold import _thickness
from scaffoldsim.solver.inputs import thread_count

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Periodic = bool | tuple[bool, bool, bool]

_MOST_LINES, _LINES_PER_VOXEL = 4e10, 2000  # two minutes; fifty times what a foam takes
_SLABS = 32  # fixed, and more than threads: slabs differ in work


def per_axis(periodic: Periodic) -> tuple[bool, bool, bool]:
    """One bool, or one per axis, as three bools."""
    if isinstance(periodic, bool | np.bool_):
        return (bool(periodic),) * 3
    flags = tuple(bool(flag) for flag in periodic)
    if len(flags) != 3:
        raise ValueError(f"periodic: {periodic!r} is not a bool or three bools, one per axis")
    return flags[0], flags[1], flags[2]


def squared_distance(
    mask: Bools, *, periodic: Periodic = False, threads: int | None = None
) -> Ints:
    r"""Squared distance, in voxels, from each mask voxel's centre to the nearest outside one's.

    .. math:: D^2(x) = \min_{y \notin mask} |x - y|^2, \qquad D^2 = 0 \text{ outside the mask}

    Parameters
    ----------
    mask : ndarray of bool, shape (nx, ny, nz)
    periodic : bool or three bools
        Axes that wrap round. What lies beyond the border of another axis counts as mask.
    threads : int, optional
        Default: every core.

    Returns
    -------
    ndarray of int32, shape (nx, ny, nz)

    Raises
    ------
    ValueError
        If nothing lies outside the mask: then no distance exists.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.array([0, 1, 1, 1, 1], bool).reshape(5, 1, 1)
    >>> squared_distance(mask).ravel().tolist()
    [0, 1, 4, 9, 16]
    >>> squared_distance(mask, periodic=True).ravel().tolist()
    [0, 1, 4, 4, 1]
    """
    import edt

    wraps = np.array(per_axis(periodic))
    mask = np.ascontiguousarray(mask, dtype=bool)
    if mask.all():
        raise ValueError("mask: every voxel is set, so no distance to an unset one exists")
    size = np.array(mask.shape)
    # Wrapped margins hold the images; the first is wide enough for usual pores, and a second
    # pass takes what the first found, which can only be too large.
    margin = np.where(wraps, np.minimum(size // 2 + 1, 24), 0)
    while True:
        padded = np.pad(mask, [(int(m), int(m)) for m in margin], mode="wrap")
        found = edt.edtsq(padded.view(np.uint8), black_border=False, parallel=thread_count(threads))
        inner = found[
            tuple(slice(int(m), int(m) + int(n)) for m, n in zip(margin, size, strict=True))
        ]
        largest = float(inner.max())
        if not math.isfinite(largest):
            wanted = size // 2 + 1
        else:
            wanted = np.minimum(size // 2 + 1, math.isqrt(round(largest)) + 1)
        wanted = np.where(wraps, wanted, 0)
        if (margin >= wanted).all():
            return np.ascontiguousarray(np.rint(inner), dtype=np.int32)
        margin = np.maximum(margin, wanted)


def within(
    mask: Bools, reach: float, *, periodic: Periodic = False, threads: int | None = None
) -> Bools:
    """Return where a voxel's centre is within `reach`, in voxels, of that of a mask voxel.

    Examples
    --------
    >>> within(np.array([1, 0, 0, 0, 0], bool).reshape(5, 1, 1), 2.0).ravel().astype(int).tolist()
    [1, 1, 1, 0, 0]
    """
    if not mask.any():
        return np.zeros(mask.shape, bool)
    found: Bools = squared_distance(~mask, periodic=periodic, threads=threads) <= reach**2
    return found


@lru_cache(maxsize=4)
def _containment(largest: int) -> Ints:
    """Remy and Thiel's table: the smallest ball that contains a shifted ball.

    Balls are discrete and open, B(R) = {p : |p|² < R}. Row n - 1, column R: the smallest R' such
    that B(R), shifted to a neighbour at squared distance n = 1, 2, 3, lies in B(R').
    """
    edge = np.arange(math.isqrt(largest) + 1, dtype=np.int32)
    # By symmetry the point of a ball that sticks out furthest has its coordinates in the order
    # of the shift's, largest first, so one wedge of the octant is enough.
    wedge = []
    for first in edge:  # plane by plane: in a nearly empty volume the wedge is large
        second, third = edge[: first + 1, None], edge[: first + 1]
        inside = (second >= third) & (first**2 + second**2 + third**2 < largest)
        wedge.append(np.insert(np.argwhere(inside).astype(np.int32), 0, first, axis=1))
    x, y, z = np.concatenate(wedge).T
    norm = x * x + y * y + z * z
    order = np.argsort(norm, kind="stable")
    x, y, z, norm = x[order], y[order], z[order], norm[order]
    last = np.searchsorted(norm, np.arange(1, largest + 1), side="left") - 1
    table = np.zeros((3, largest + 1), np.int32)
    for row, (a, b, c) in enumerate(((1, 0, 0), (1, 1, 0), (1, 1, 1))):
        outermost = np.maximum.accumulate((x + a) ** 2 + (y + b) ** 2 + (z + c) ** 2)
        table[row, 1:] = outermost[last] + 1
    return table


def _half_chords(largest: int) -> Ints:
    """``half[m]``: the largest h with h² < m (m ≥ 1)."""
    m = np.arange(largest + 1)
    half = np.sqrt(np.maximum(m - 1, 0)).astype(np.int32)  # exact: integers below 2^53
    half[0] = -1
    return half


def _bits(mask: Bools) -> npt.NDArray[np.uint8]:
    """One bit per voxel of the mask, eight a byte along z, and eight spare bytes a line."""
    nx, ny, nz = mask.shape
    packed = np.zeros((nx, ny, -(-nz // 8) + 8), np.uint8)
    packed[:, :, :-8] = np.packbits(mask, axis=2, bitorder="little")
    return packed


class Painter:
    """Gives each voxel the ball that covered it first.

    Balls inside a neighbour's are dropped beforehand by exact tables, and each voxel is written
    once (a bit per voxel tells what is still free): Remy and Thiel 2005, Image and Vision Computing
    23, "Exact medial axis with euclidean distance".

    Attributes
    ----------
    radii : ndarray of int32, shape (nx, ny, nz)
        Squared radius, in voxels, of the ball that covered a voxel first; 0 where none has.
    """

    def __init__(self, squared: Ints, wraps: tuple[bool, bool, bool], threads: int | None) -> None:
        self.radii: Ints = np.zeros(squared.shape, np.int32)
        largest = int(squared.max(initial=0))
        self._tables = _containment(largest), _half_chords(largest)
        self._wraps = np.array(wraps, np.uint8)
        self._free = _bits(squared > 0)
        self._threads = thread_count(threads)

    def paint(self, squared: Ints, new: Bools | None = None) -> None:
        """Paint a ball of squared radius ``squared[c]`` on each voxel c, the largest first.

        A voxel of 0 carries no ball. With `new`, only voxels in it do; every other ball must lie
        in the painted already.
        """
        ridge = np.empty(squared.shape, np.uint8)
        _thickness.mark_ridge(squared, self._tables[0], self._wraps, ridge, self._threads)
        if new is not None:
            ridge &= new
        index = np.flatnonzero(ridge)
        del ridge
        radius = squared.ravel()[index]
        _require_walls(squared, radius)
        last = int(radius.max(initial=0)) - radius
        if last.max(initial=0) < 2**16:
            last = last.astype(np.uint16)  # NumPy sorts these by radix, several times faster
        order = np.argsort(last, kind="stable")
        index, radius = index[order].astype(np.int32), np.ascontiguousarray(radius[order])
        centre = np.array(np.unravel_index(index, squared.shape), dtype=np.int32)
        _thickness.paint_balls(
            centre,
            radius,
            self._tables[1],
            self._wraps,
            self._free,
            self.radii,
            min(_SLABS, squared.shape[0]),
            self._threads,
        )


def _require_walls(squared: Ints, radius: Ints) -> None:
    """Refuse a volume with so few walls that sizing it would take minutes, and mean nothing."""
    face = max(squared.size // n for n in squared.shape)
    lines = float(np.minimum(np.pi * radius, face).sum())  # that the balls have, all together
    if lines > _MOST_LINES and lines > _LINES_PER_VOXEL * squared.size:
        walls = 1 - np.count_nonzero(squared) / squared.size
        raise ValueError(
            f"mask: only {walls:.2g} of the volume lies outside it, so that sizes are those of the "
            "box. Check the threshold and which side of it is solid (invert), or take coarser "
            "voxels."
        )


def ball_radii(squared: Ints, *, periodic: Periodic = False, threads: int | None = None) -> Ints:
    """Squared radius of the largest ball over each voxel, from the squared distance map.

    Examples
    --------
    >>> import numpy as np
    >>> ball_radii(np.array([0, 1, 4, 1, 0], np.int32).reshape(5, 1, 1)).ravel().tolist()
    [0, 4, 4, 4, 0]
    """
    painter = Painter(squared, per_axis(periodic), threads)
    painter.paint(squared)
    return painter.radii


def local_thickness(
    mask: Bools, *, voxel: float, periodic: Periodic = False, threads: int | None = None
) -> Floats:
    r"""Diameter of the largest ball that fits in the mask and covers each voxel.

    .. math:: τ(x) = 2 h \max \{ D(c) : |x - c| < D(c) \}

    D(c) is the distance from the centre of voxel c to the nearest voxel centre outside the mask,
    in voxels of edge h; the maximum is found exactly. A slab of w voxels reads w (w even) or w + 1
    (w odd), in general directions its width within one voxel, and a cylinder its diameter. Balls
    stand on voxel centres, so a sphere whose centre lies δ voxels from the nearest of them reads
    up to 2δ voxels less: none where it is centred on a voxel, about one in a random place, √3 on a
    corner of voxels.

    Parameters
    ----------
    mask : ndarray of bool, shape (nx, ny, nz)
        The phase to measure, e.g. ``~scaffold.solid`` for pores.
    voxel : float
        h, m.
    periodic : bool or three bools, default False
        Axes that wrap round. The border of another axis is not solid: balls may reach beyond it.
    threads : int, optional
        Default: every core. The result does not depend on it.

    Returns
    -------
    ndarray of float32, shape (nx, ny, nz)
        Diameters, m; 0 outside the mask.

    Raises
    ------
    ValueError
        If `mask` is not three-dimensional or is empty, if every voxel is set (no wall: no size
        exists), or if `voxel` is not positive.

    References
    ----------
    Hildebrand and Rüegsegger 1997, J Microscopy 185: "A new method for the model-independent
    assessment of thickness in three-dimensional images".

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.zeros((9, 4, 4), bool)
    >>> mask[2:6] = True                                 # a slab of four voxels
    >>> float(local_thickness(mask, voxel=1e-5).max())   # doctest: +ELLIPSIS
    3.99...e-05
    """
    mask = as_mask(mask)
    voxel = as_voxel(voxel)
    squared = squared_distance(mask, periodic=periodic, threads=threads)
    radii = ball_radii(squared, periodic=periodic, threads=threads)
    del squared
    diameter = np.sqrt(radii, dtype=np.float32)
    diameter *= np.float32(2 * voxel)
    return diameter


class Sizes:
    """A distribution of diameters by volume, from squared radii in voxels.

    Attributes
    ----------
    diameter : ndarray of float
        Diameters that occur, m, ascending.
    weight : ndarray of float
        Share of the volume that has each.
    """

    def __init__(self, squared_radii: Ints, voxel: float) -> None:
        count = np.bincount(squared_radii.ravel())
        count[:1] = 0
        present = np.flatnonzero(count)
        self.diameter = 2 * voxel * np.sqrt(present.astype(float))
        self.weight = count[present] / count.sum()

    def mean(self) -> float:
        """Mean diameter, m."""
        return float((self.diameter * self.weight).sum())

    def sd(self) -> float:
        """Standard deviation, m."""
        return math.sqrt(float(((self.diameter - self.mean()) ** 2 * self.weight).sum()))

    def quantile(self, share: float) -> float:
        """The smallest diameter, m, that at least `share` of the volume does not exceed."""
        reached = np.searchsorted(np.cumsum(self.weight), share * (1 - 1e-12))
        return float(self.diameter[min(int(reached), self.diameter.size - 1)])

    def share_within(self, low: float, high: float) -> float:
        """Share of the volume with a diameter from `low` to `high`, m."""
        return float(self.weight[(self.diameter >= low) & (self.diameter <= high)].sum())


def inner_box(shape: tuple[int, ...], margin: tuple[int, int, int]) -> tuple[slice, ...]:
    """The box without `margin` voxels on each side, per axis."""
    return tuple(slice(m, n - m) for m, n in zip(margin, shape, strict=True))


def mean_thickness(
    mask: Bools,
    *,
    voxel: float,
    periodic: Periodic = False,
    margin: tuple[int, int, int] = (0, 0, 0),
    threads: int | None = None,
) -> float:
    """Mean local thickness (m) of the mask, over the box without its `margin` (voxels per axis)."""
    squared = squared_distance(mask, periodic=periodic, threads=threads)
    radii = ball_radii(squared, periodic=periodic, threads=threads)
    return Sizes(radii[inner_box(mask.shape, margin)], voxel).mean()


def as_mask(mask: npt.ArrayLike) -> Bools:
    """`mask` as a three-dimensional array of bools with at least one voxel."""
    array = np.asarray(mask)
    if array.ndim != 3 or array.size == 0:
        raise ValueError(
            f"mask: an array of shape {array.shape}; three axes with voxels are needed"
        )
    if array.dtype != bool:
        raise ValueError(f"mask: an array of {array.dtype}; bool is needed, e.g. image > 63")
    return np.ascontiguousarray(array)


def as_voxel(voxel: float) -> float:
    """`voxel` as a positive, finite float, m."""
    value = float(voxel)
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"voxel: {voxel!r} is not a positive length in m")
    return value
