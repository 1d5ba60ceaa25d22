"""Boxes of fluid for cells, and places in them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model.lattice import Lattice
from scaffoldsim.scaffold.grid import Grid

HOUR = 3600.0
GROWTH = math.log(2.0) / (33.0 * HOUR)  # doubling time 33 h
HOP = 1.0 / HOUR


def open_box(
    shape: tuple[int, int, int],
    periodic: tuple[bool, bool, bool] = (True, True, True),
    *,
    guidance: bool = False,
    **options: int,
) -> Lattice:
    """A box of fluid without scaffold."""
    solid = np.zeros(shape, dtype=bool)
    return Lattice(Grid(shape, 20e-6, periodic), solid, guidance=guidance, **options)


def random_voxels(lattice: Lattice, n: int, seed: int = 0) -> NDArray[np.int64]:
    """Different voxels at random."""
    n_voxels = lattice.occupant.size
    return np.sort(np.random.default_rng(seed).permutation(n_voxels)[:n])


def lone_voxels(shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """Voxels none of which shares a neighbour with another, so that no daughter is in the way.

    Where x + 2y + 3z is a multiple of 7, a voxel and its six neighbours tile the periodic box (a
    perfect code): cells there divide exactly as if there were no exclusion.
    """
    assert all(n % 7 == 0 for n in shape)
    x, y, z = np.indices(shape)
    return np.flatnonzero((x + 2 * y + 3 * z) % 7 == 0)
