"""Where cells can go: what each voxel is to them (compiled twin: ``_ground.pyx``)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaffoldsim.model import _ground
from scaffoldsim.model.checks import require_changes, require_mask

if TYPE_CHECKING:
    from scaffoldsim.scaffold.grid import Grid

__all__ = ["Walls"]

#: what a voxel is to cells: open, or filled by scaffold, osteoid or bone
PORE, SCAFFOLD, OSTEOID, BONE = range(4)

EMPTY, CLOSED = -1, -2

# bits of a voxel's flags, as in _lattice.pyx and _ground.pyx
NO_ENTRY, SOLID, SURFACE, INNER, TAKEN, GEL = 1, 2, 4, 8, 16, 32


class Walls:
    """The voxels, and which of them are open to cells.

    Parameters
    ----------
    grid
        Grid of the voxels; periodic axes wrap, other faces are walls to cells.
    solid
        Bool (nx, ny, nz): voxels that never hold a cell.

    Attributes
    ----------
    occupant : ndarray of int32
        Per voxel, flat: row of the cell, -1 empty, -2 not to be entered.

    Raises
    ------
    ValueError
        If a shape differs or the grid has 2**31 voxels or more.
    """

    def __init__(self, grid: Grid, solid: ArrayLike) -> None:
        n_voxels = math.prod(grid.shape)
        if n_voxels >= 2**31:  # they are numbered by int32
            raise ValueError(f"{n_voxels} voxels are too many (below 2**31): use larger voxels.")
        self.grid = grid
        self.occupant = np.full(n_voxels, EMPTY, dtype=np.int32)
        self._flags = np.zeros(n_voxels, dtype=np.uint8)
        self.set_walls(solid)

    def set_walls(
        self, solid: ArrayLike, *, matrix: ArrayLike | None = None, gel: ArrayLike | None = None
    ) -> None:
        """Say anew where cells can go.

        Parameters
        ----------
        solid
            Bool (nx, ny, nz): voxels that never hold a cell (scaffold, vessels).
        matrix
            Bool (nx, ny, nz): voxels that no cell enters, but where a cell may be buried.
        gel
            Bool (nx, ny, nz): voxels where cells find hold without a surface.

        Raises
        ------
        ValueError
            If a shape is wrong or a cell stands in `solid`. Nothing has been changed then.
        """
        wall = require_mask(solid, "solid", self.grid.shape)
        occupied = self.occupant.reshape(self.grid.shape) >= 0
        if (occupied & wall).any():
            raise _stands(np.flatnonzero(occupied & wall)[0], self.grid.shape)
        closed = wall if matrix is None else wall | require_mask(matrix, "matrix", self.grid.shape)
        near = beside(closed, self.grid.periodic)
        flags = closed * np.uint8(NO_ENTRY) + wall * np.uint8(SOLID)
        if gel is not None:
            hold = require_mask(gel, "gel", self.grid.shape)
            flags += hold * np.uint8(GEL)
            near |= hold
        flags += near * np.uint8(SURFACE)
        # two voxels or more from every face, the neighbours of neighbours need no care
        flags[2:-2, 2:-2, 2:-2] |= np.uint8(INNER)
        flags |= occupied * np.uint8(TAKEN)
        self._flags[:] = flags.ravel()
        self._n_free = int(wall.size - np.count_nonzero(wall))
        free = ~occupied.ravel()
        self.occupant[free] = np.where(closed.ravel()[free], CLOSED, EMPTY)

    def change_walls(self, voxels: ArrayLike, kind: ArrayLike) -> None:
        """Say anew what a few voxels are; the result is that of `set_walls`, bit for bit.

        Where there is gel stays as it was.

        Parameters
        ----------
        voxels
            Flat voxel numbers, ascending.
        kind
            What each of them is now: `SCAFFOLD` never holds a cell, `OSTEOID` and `BONE` are not
            entered, `PORE` is open.

        Raises
        ------
        ValueError
            If a voxel or a kind does not exist, the voxels do not ascend, or a cell stands in one
            that is to be scaffold. Nothing has been changed then.
        """
        where, now = require_changes(voxels, kind, self._flags.size, BONE)
        wall = now == SCAFFOLD
        blocked = where[wall & (self.occupant[where] >= 0)]
        if blocked.size:
            raise _stands(blocked[0], self.grid.shape)
        was = int(np.count_nonzero(self._flags[where] & SOLID))
        self._n_free += was - int(np.count_nonzero(wall))
        _ground.change_walls(
            where, now, self._flags, self.occupant, *self.grid.shape, *self.grid.periodic
        )

    @property
    def near_surface(self) -> NDArray[np.bool_]:
        """Voxels that touch a solid or matrix face or lie in gel, shape of the grid."""
        return ((self._flags & SURFACE) > 0).reshape(self.grid.shape)

    def _vacant(self, voxels: slice | NDArray[Any]) -> NDArray[np.int32]:
        """What `occupant` says of these voxels without a cell: -1, or -2 where none may enter."""
        return EMPTY - (self._flags[voxels] & NO_ENTRY).astype(np.int32)


def _stands(voxel: int, shape: tuple[int, int, int]) -> ValueError:
    x, y, z = np.unravel_index(int(voxel), shape)
    return ValueError(
        f"voxel ({x}, {y}, {z}) holds a cell and cannot become solid: move or remove the cell "
        "first."
    )


def beside(values: NDArray[Any], periodic: tuple[bool, bool, bool]) -> NDArray[Any]:
    """Return the greatest of what the face neighbours of each voxel hold; of a mask, if one is set.

    Values are not negative; beyond a face that is not periodic there are none.
    """
    found = np.zeros_like(values)
    for axis, wraps in enumerate(periodic):
        a, b = np.moveaxis(found, axis, 0), np.moveaxis(values, axis, 0)
        np.maximum(a[1:], b[:-1], out=a[1:])
        np.maximum(a[:-1], b[1:], out=a[:-1])
        if wraps:
            np.maximum(a[0], b[-1], out=a[0])
            np.maximum(a[-1], b[0], out=a[-1])
    return found
