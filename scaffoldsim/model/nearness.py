"""Which voxels are near some others, kept up as these come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import _vessels
from scaffoldsim.model.vessel_graph import box_of

if TYPE_CHECKING:
    from scaffoldsim.scaffold.grid import Grid

__all__ = ["Nearness"]

Array = NDArray[Any]

#: an empty array: balls are set, not made as before
_SET = np.zeros(0, np.uint8)


class Nearness:
    """Voxels within a distance of some voxels, middle to middle, or of what is near from the start.

    Only what comes or goes is looked at; what results does not depend on how it came about.

    Parameters
    ----------
    grid
        The voxels.
    distance
        m.
    always : bool (nx, ny, nz)
        What is near by itself.

    Attributes
    ----------
    mask : ndarray of bool, shape (nx, ny, nz)
        Written to by `update`.

    Examples
    --------
    >>> from scaffoldsim.scaffold.grid import Grid
    >>> near = Nearness(Grid((1, 1, 9), 2e-5), 4e-5, np.zeros((1, 1, 9), bool))
    >>> near.update(np.array([1, 7]))
    >>> near.mask.ravel().astype(int).tolist()
    [1, 1, 1, 1, 0, 1, 1, 1, 1]
    >>> near.update(np.array([7]))
    >>> near.mask.ravel().astype(int).tolist()
    [0, 0, 0, 0, 0, 1, 1, 1, 1]
    """

    def __init__(self, grid: Grid, distance: float, always: NDArray[np.bool_]) -> None:
        self.grid, self._always = grid, always
        self.mask = always.copy()
        self._box = box_of(grid)
        self._ball, self._wide = (_rows(n * distance / grid.voxel) for n in (1, 2))
        self._voxels = np.zeros(0, np.int32)

    def update(self, voxels: Array) -> None:
        """Take other voxels, flat and ascending."""
        voxels, before = np.ascontiguousarray(voxels, np.int32), self._voxels
        come = np.setdiff1d(voxels, before, assume_unique=True)
        gone = np.setdiff1d(before, voxels, assume_unique=True)
        self._voxels = voxels
        if gone.size:
            self._stamp(self.mask, gone, self._ball, self._always.reshape(-1).view(np.uint8))
            touched = np.zeros(self.grid.shape, bool)
            self._stamp(touched, gone, self._wide)
            come = voxels[touched.reshape(-1)[voxels] | np.isin(voxels, come, assume_unique=True)]
        self._stamp(self.mask, come, self._ball)

    def _stamp(
        self, mask: NDArray[np.bool_], voxels: Array, ball: Array, like: Array = _SET
    ) -> None:
        _vessels.stamp(mask.reshape(-1).view(np.uint8), like, voxels, ball, *self._box)


def _rows(radius: float) -> NDArray[np.int32]:
    """Return a ball as rows (x, y, half length along z), in voxels."""
    n, squared = int(radius + 1e-9), radius * radius * (1 + 1e-9)
    line = np.arange(-n, n + 1)
    x, y = (each.ravel() for each in np.meshgrid(line, line, indexing="ij"))
    inside = x * x + y * y <= squared
    x, y = x[inside], y[inside]
    half = np.floor(np.sqrt(squared - x * x - y * y))
    return np.ascontiguousarray(np.stack([x, y, half], axis=1), np.int32)
