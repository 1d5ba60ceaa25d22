"""The surface of bone as faces of voxels, each with its own area: who covers it, what forms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from scaffoldsim.scaffold.thickness import Bools, Floats, Periodic, per_axis

__all__ = ["Surface", "formation", "surface"]

_Places = npt.NDArray[np.int64]

#: share of a voxel at a bone surface that is osteoid from which on the surface counts as
#: mineralising: 1 µm on voxels of 20 µm, what a light microscope tells (assumed)
SEAM = 0.05
#: cross weights of the 3 x 3 x 3 gradient (Youngs), 1 : 2 : 1
_CROSS = (1.0, 2.0, 1.0)


@dataclass(frozen=True)
class Surface:
    """A surface as the faces of voxels on it.

    Attributes
    ----------
    inner, outer : ndarray of int64
        Flat voxels on both sides of each face.
    area : ndarray of float64
        Of the true surface that each face stands for, m².
    """

    inner: _Places
    outer: _Places
    area: npt.NDArray[np.float64]

    @property
    def total(self) -> float:
        """The whole area, m²."""
        return float(self.area.sum())

    def of(self, held: npt.NDArray[np.bool_]) -> float:
        """Return the area, m², of the faces that have a voxel of `held` (flat) on either side."""
        return float(self.area[held[self.inner] | held[self.outer]].sum())


def surface(
    inside: Bools, outside: Bools, content: Floats, *, voxel: float, periodic: Periodic = False
) -> Surface:
    r"""The surface between two phases.

    A face across axis a stands for the area :math:`h^2 |n_a|`, with n the normal from the gradient
    of `content` over 3 × 3 × 3 voxels on both sides. A plane of any direction has
    :math:`|n_a|/h^2` such faces per area, and :math:`\sum n_a^2 = 1`, so areas come out right in
    every direction; plain faces would be half as much again on a sphere. Since every face has its
    own area, a share of the surface is a sum over some of them.

    Parameters
    ----------
    inside, outside : ndarray of bool, shape (nx, ny, nz)
        The phases; no voxel is in both, and they need not fill the box.
    content : ndarray of float32
        What falls from inside to outside, such as the share of solid.
    voxel : float
        Edge h, m.
    periodic : bool or three bools
        Axes that wrap round; other faces of the box are no surface.

    References
    ----------
    Youngs 1984, AWRE report 44/92/35 (gradient); recalled.

    Examples
    --------
    >>> plate = np.zeros((8, 5, 5), bool)
    >>> plate[3:5] = True
    >>> found = surface(plate, ~plate, np.float32(plate), voxel=1e-5, periodic=True)
    >>> round(found.total / 1e-10, 6)       # two sides of 25 faces
    50.0
    """
    wraps = per_axis(periodic)
    inner_of, outer_of, axes = [], [], []
    for axis in range(3):
        for near, far, step in _neighbours(axis, inside.shape, wraps[axis]):
            for first, second, ahead in ((near, far, step), (far, near, -step)):
                met = np.zeros(inside.shape, bool)
                np.logical_and(inside[first], outside[second], out=met[first])
                voxels = np.flatnonzero(met)
                inner_of.append(voxels)
                outer_of.append(voxels + ahead)
                axes.append(np.full(voxels.size, axis, np.int8))
    inner, outer = np.concatenate(inner_of), np.concatenate(outer_of)
    across = np.concatenate(axes)
    touched = np.zeros(inside.size, bool)
    touched[inner] = touched[outer] = True
    voxels = np.flatnonzero(touched)
    place = np.zeros(inside.size, np.int32)
    place[voxels] = np.arange(voxels.size, dtype=np.int32)
    slope = _gradient(content, voxels, wraps)
    both = slope[:, place[inner]] + slope[:, place[outer]]
    length = np.sqrt((both * both).sum(axis=0))
    along = np.abs(np.choose(across, both))
    # no direction to be seen, as round a lone voxel: the face as it is
    share = np.divide(along, length, out=np.ones_like(length), where=length > 0)
    return Surface(inner, outer, share * voxel**2)


def _neighbours(
    axis: int, shape: tuple[int, ...], wraps: bool
) -> list[tuple[tuple[slice, ...], tuple[slice, ...], int]]:
    """Slices of the voxels and of their next ones along an axis, and how far on these are, flat."""
    stride = math.prod(shape[axis + 1 :])
    before = shape[axis] - 1

    def cut(start: int | None, stop: int | None) -> tuple[slice, ...]:
        return (*[slice(None)] * axis, slice(start, stop))

    found = [(cut(None, -1), cut(1, None), stride)]
    if wraps:
        found.append((cut(-1, None), cut(None, 1), -before * stride))
    return found


def _gradient(
    content: Floats, voxels: _Places, wraps: tuple[bool, bool, bool]
) -> npt.NDArray[np.float64]:
    """Gradient (3, n) of `content` at flat `voxels`, up to a factor that is the same for all."""
    strides = (content.shape[1] * content.shape[2], content.shape[2], 1)
    offsets, scales = [], []
    for at, n, wrap, stride in zip(
        np.unravel_index(voxels, content.shape), content.shape, wraps, strides, strict=True
    ):
        moved = [at + step for step in (-1, 0, 1)]
        moved = [m % n if wrap else np.clip(m, 0, n - 1) for m in moved]
        offsets.append([m * stride for m in moved])
        # at a face of the box the difference is over one voxel in place of two
        cut = (not wrap) & ((at == 0) | (at == n - 1))
        scales.append(np.where(cut, 2.0, 1.0))
    flat = content.ravel()
    slope = np.zeros((3, voxels.size))
    for steps in product(range(3), repeat=3):
        value = flat[sum(offsets[axis][step] for axis, step in enumerate(steps))]
        for axis, step in enumerate(steps):
            if step != 1:
                cross = [_CROSS[other] for k, other in enumerate(steps) if k != axis]
                slope[axis] += (step - 1) * cross[0] * cross[1] * value
    slope *= np.array(scales)
    return slope


def formation(
    bone_surface: Surface, osteoid: Floats, mineralising: float, *, voxel: float
) -> tuple[float | None, float | None]:
    r"""Mineral apposition rate and bone formation rate, m/s.

    .. math:: BFR/BS = \dot V_{mineral} / BS, \qquad MAR = (BFR/BS) / (MS/BS)

    Mineralising surface MS: the bone surface with at least `SEAM` of osteoid in a voxel on either
    side. What mineralises deeper counts as well, read on the surface before it.

    Parameters
    ----------
    bone_surface
        Between bone and pore.
    osteoid : ndarray of float32, shape (nx, ny, nz)
        Share of each voxel.
    mineralising : float
        Sum over all voxels of the share that becomes mineral per time, 1/s.
    voxel : float
        Edge, m.

    Returns
    -------
    mar, bfr : float or None
        None where there is no surface for them.
    """
    total = bone_surface.total
    if not total:
        return None, None
    rate = mineralising * voxel**3 / total
    seam = bone_surface.of((osteoid >= np.float32(SEAM)).ravel())
    return (rate * total / seam if seam else None), rate
