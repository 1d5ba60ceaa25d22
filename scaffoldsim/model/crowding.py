"""How close vessels are to each other: their length per volume around a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import _vessels

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
        self._across = max(1, round(BLOCK / grid.voxel))
        self._grid = np.array(grid.shape, np.intp)
        self._shape, self._wraps = -(-self._grid // self._across), np.array(grid.periodic, np.int32)
        across = [np.minimum(self._across, n - np.arange(0, n, self._across)) for n in grid.shape]
        x, y, z = np.ix_(*across)
        voxels = np.ascontiguousarray(x * y * z, np.int64).reshape(-1)
        self._length = np.zeros(voxels.size, np.int64)
        every = np.arange(voxels.size, dtype=np.int32)
        self._volume = self._sum(voxels, every) * grid.voxel_volume

    def add(self, voxel: Array, length: Array, sign: int) -> None:
        """Count lengths, m, in (1) or out (-1), each where its flat voxel is."""
        whole = np.rint(np.asarray(length) / _GRAIN).astype(np.int64)
        np.add.at(self._length, self._block(voxel), sign * whole)

    def clear(self) -> None:
        """Forget all lengths."""
        self._length[:] = 0

    def around(self, voxel: Array) -> NDArray[np.float64]:
        """Return the length of vessels per volume around flat voxels, 1/m²."""
        block = self._block(voxel)
        found: NDArray[np.float64] = self._sum(self._length, block) * (_GRAIN / self._volume[block])
        return found

    def _block(self, voxel: Array) -> NDArray[np.int32]:
        """Return the flat block that holds each flat voxel."""
        voxel = np.ascontiguousarray(voxel, np.int32)
        block = np.empty(len(voxel), np.int32)
        _vessels.blocks(voxel, self._grid, self._across, self._shape, block)
        return block

    def _sum(self, amount: NDArray[np.int64], block: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return sums over blocks and those that touch them."""
        out = np.empty(len(block), np.int64)
        _vessels.around(block, amount, self._shape, self._wraps, out)
        return out
