"""Where a pore is too narrow for a vessel: opening by a ball."""

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.scaffold.thickness import squared_distance, within

__all__ = ["throats"]

Mask = NDArray[np.bool_]

#: share of a voxel by which a width may be more than whole voxels by rounding
_ROUNDING = 1e-6


def throats(
    open_: Mask,
    voxel: float,
    narrowest: float,
    periodic: tuple[bool, bool, bool] = (False, False, False),
    *,
    threads: int | None = None,
) -> Mask:
    """Return open voxels that no ball as wide as `narrowest` covers without touching solid.

    The ball has the smallest whole number of voxels across that is as wide as `narrowest`; from
    four on, one less if that is even, so that its centre is that of a voxel. Beyond a face that is
    not periodic everything goes on as at the face.

    Parameters
    ----------
    open_
        Bool (nx, ny, nz): not solid.
    voxel, narrowest
        Edge of a voxel, and the width of the narrowest throat that lets a vessel through, m.
    periodic
        Axes that wrap.
    threads
        Of the distance transform.

    Examples
    --------
    A gap of one voxel is closed to a vessel, one of two is not:

    >>> gap = np.zeros((7, 7, 7), bool)
    >>> gap[1:2] = gap[4:6] = True
    >>> throats(gap, 20e-6, 40e-6).any(axis=(1, 2)).tolist()
    [False, True, False, False, False, False, False]
    """
    across = max(1, math.ceil(narrowest / voxel - _ROUNDING))
    if across == 1 or not open_.any():
        return np.zeros_like(open_)
    if across == 2:
        opened = _block(open_, periodic)
    else:
        radius = (across - 1 + across % 2) / 2  # of an odd ball, voxels
        opened = _ball(open_, radius, periodic, threads)
    narrow: Mask = open_ & ~opened
    return narrow


def _ball(
    open_: Mask, radius: float, periodic: tuple[bool, bool, bool], threads: int | None
) -> Mask:
    """Return the opening by a ball around the centre of a voxel."""
    if open_.all():
        return open_
    centres = squared_distance(open_, periodic=periodic, threads=threads) > radius**2
    return within(centres, radius, periodic=periodic, threads=threads)


def _block(open_: Mask, periodic: tuple[bool, bool, bool]) -> Mask:
    """Return the opening by 2 × 2 × 2 voxels: the ball around a corner of voxels."""
    padded = open_
    for axis, wraps in enumerate(periodic):
        width = [(1, 1) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(padded, width, mode="wrap" if wraps else "edge")
    nx, ny, nz = open_.shape
    fits = np.ones((nx + 1, ny + 1, nz + 1), bool)  # per corner
    for i, j, k in product((0, 1), repeat=3):
        fits &= padded[i : i + nx + 1, j : j + ny + 1, k : k + nz + 1]
    opened = np.zeros(open_.shape, bool)
    for i, j, k in product((0, 1), repeat=3):
        opened |= fits[i : i + nx, j : j + ny, k : k + nz]
    return opened
