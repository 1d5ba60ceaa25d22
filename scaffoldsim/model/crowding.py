"""How close vessels are to each other: their length per volume around a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scaffoldsim.scaffold.grid import Grid

__all__ = ["Crowding"]

Array = NDArray[Any]

#: edge of a block, m; what is around a place is its block and those that touch it
BLOCK = 100e-6
#: lengths are added as whole numbers of this, m: their sum has no order
_GRAIN = 1e-9


class Crowding:
    """Length of vessels per volume of the box in blocks, and around them.

    A window of three blocks across is 300 µm wide: at 60 mm/mm³ five vessels cross it each way. One
    block alone would be full with a single vessel.

    Parameters
    ----------
    grid
        The voxels.

    Examples
    --------
    >>> from scaffoldsim.scaffold.grid import Grid
    >>> crowding = Crowding(Grid((45, 45, 45), 20e-6))
    >>> crowding.add(np.array([0]), np.array([1e-4]), 1)
    >>> (crowding.around(np.array([0, 5, 10])) * 1e-6).round(6).tolist()
    [12.5, 8.333333, 0.0]
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._across = max(1, round(BLOCK / grid.voxel))
        size = np.array(grid.shape)
        self._shape = tuple(int(n) for n in -(-size // self._across))
        self._length = np.zeros(self._shape, np.int64)
        voxels = [np.minimum(self._across, n - np.arange(0, n, self._across)) for n in grid.shape]
        x, y, z = np.ix_(*voxels)
        self._volume = self._window(x * y * z) * grid.voxel_volume
        self._density: Array | None = None

    def add(self, voxel: Array, length: Array, sign: int) -> None:
        """Count lengths, m, in (1) or out (-1), each where its flat voxel is."""
        whole = np.rint(np.asarray(length) / _GRAIN).astype(np.int64)
        np.add.at(self._length.reshape(-1), self._block(voxel), sign * whole)
        self._density = None

    def clear(self) -> None:
        """Forget all lengths."""
        self._length[:] = 0
        self._density = None

    def around(self, voxel: Array) -> NDArray[np.float64]:
        """Return the length of vessels per volume around flat voxels, 1/m²."""
        if self._density is None:
            self._density = self._window(self._length) * (_GRAIN / self._volume)
        found: NDArray[np.float64] = self._density.reshape(-1)[self._block(voxel)]
        return found

    def _block(self, voxel: Array) -> Array:
        _, ny, nz = self.grid.shape
        _, by, bz = self._shape
        row, k = np.divmod(voxel, nz)
        i, j = np.divmod(row, ny)
        n = self._across
        block: Array = (i // n * by + j // n) * bz + k // n
        return block

    def _window(self, values: Array) -> Array:
        """Return sums over blocks and those that touch them."""
        for axis, wraps in enumerate(self.grid.periodic):
            along = np.moveaxis(values, axis, 0)
            total = along.copy()
            total[1:] += along[:-1]
            total[:-1] += along[1:]
            if wraps:
                total[0] += along[-1]
                total[-1] += along[0]
            values = np.moveaxis(total, 0, axis)
        return np.ascontiguousarray(values)
