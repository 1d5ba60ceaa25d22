"""Who stands where, and what befalls cells between two steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaffoldsim.model import _events
from scaffoldsim.model.checks import (
    require_free,
    require_name,
    require_one_each,
    require_places,
    require_rows,
)
from scaffoldsim.model.events import BIRTH, DEATH, Events, become, record
from scaffoldsim.model.walls import NO_ENTRY, SOLID, TAKEN, Walls

if TYPE_CHECKING:
    from scaffoldsim.model.cells import Cells
    from scaffoldsim.scaffold.grid import Grid

__all__ = ["Occupancy"]

# codes of an event, as in _events.pyx: the first death, and a stage of the cycle
FIRST, STAGE = 2, 255


class Occupancy(Walls):
    """The voxels and the cells in them, one each.

    Parameters and attributes are those of `Walls`.
    """

    def __init__(self, grid: Grid, solid: ArrayLike) -> None:
        super().__init__(grid, solid)
        self._linked: tuple[int, int, int] | None = None

    def place(self, cells: Cells) -> None:
        """Enter all cells at their voxels, as after a delivery or a restart.

        Raises
        ------
        ValueError
            If there are more cells than voxels, a cell has no voxel or stands in solid, or two
            share a voxel. Nothing has been changed then.
        """
        require_places(cells, self._flags & SOLID, self._n_free, self.grid.shape)
        occupant = self._vacant(slice(None))
        occupant[cells.voxel] = np.arange(cells.n, dtype=np.int32)
        require_one_each(cells, occupant, self.grid.shape)
        self.occupant[:] = occupant
        self._flags &= np.uint8(~TAKEN & 255)
        self._flags[cells.voxel] |= np.uint8(TAKEN)
        self._link(cells)

    def interfere(
        self,
        cells: Cells,
        *,
        deaths: Mapping[str, ArrayLike] | None = None,
        fates: Mapping[str, ArrayLike] | None = None,
    ) -> Events:
        """Let cells die or change type between two steps: who is decided by the caller.

        Time does not go on and nobody moves or divides. The clock of a cell that changes type
        starts at 0 again.

        Parameters
        ----------
        cells
            The cells.
        deaths
            Cause → rows of the cells that die of it.
        fates
            Type → rows of the cells that become it; who is of it already has no event.

        Returns
        -------
        Events
            What happened, for the ledger.

        Raises
        ------
        ValueError
            If a cause, type or row does not exist, a row is named twice, or the cells cannot stand
            where they say (`place`). No cell has been changed then.
        """
        kinds = ((deaths, cells.causes, FIRST, "cause of death"),
                 (fates, cells.types, FIRST + len(cells.causes), "cell type"))  # fmt: skip
        event = np.zeros(cells.n, dtype=np.uint8)
        moved = not self._is_linked(cells)
        for chosen, names, first, what in kinds:
            for name, rows in (chosen or {}).items():
                index = require_name(name, names, what)
                at = require_rows(rows, cells.n, event)
                moved = moved or bool((self.occupant[cells.voxel[at]] != at).any())
                if what == "cell type":
                    at = at[cells.type[at] != index]
                event[at] = first + index
        if moved:
            self.place(cells)
        struck = struck_rows(event)
        first_fate = FIRST + len(cells.causes)
        changed = self._change(cells, event, struck, first_fate)
        died = self._remove(cells, event, struck, first_fate)
        self._link(cells)
        return Events(
            births=np.zeros(0, BIRTH),
            deaths=died,
            fates=changed[np.argsort(changed["id"])],
            n_hops=0,
            substeps=0,
            n_types=len(cells.types),
            n_causes=len(cells.causes),
        )

    def settle(
        self,
        cells: Cells,
        voxels: ArrayLike,
        *,
        type: int,
        origin: int,
        buried: bool = False,
        **columns: ArrayLike,
    ) -> NDArray[np.int64]:
        """Add cells at open voxels that are free; their ids are in the order of the voxels.

        Parameters
        ----------
        cells
            The cells to add to.
        voxels
            Flat voxel numbers, all different.
        type, origin
            Of the new cells.
        buried
            Whether voxels of matrix are allowed as well, as for osteocytes.
        **columns
            Further columns, as `Cells.append` takes them.

        Returns
        -------
        ndarray of int64
            Rows of the new cells, in the order of `voxels`.

        Raises
        ------
        ValueError
            If a voxel does not exist, is named twice, is not free or not open, or a column is
            wrong. No cell has been added then.
        """
        where = np.atleast_1d(np.asarray(voxels, dtype=np.int64))
        if not self._is_linked(cells):
            self.place(cells)
        shut = np.uint8(SOLID if buried else NO_ENTRY)
        require_free(where, self.occupant, self._flags, shut, self.grid.shape)
        rows = cells.append(where.size, voxel=where, type=type, origin=origin, **columns)
        self.occupant[where] = rows
        self._flags[where] |= np.uint8(TAKEN)
        self._link(cells)
        return rows

    # ------------------------------------------------------------------------------------------

    def _change(
        self, cells: Cells, event: NDArray[np.uint8], struck: NDArray[np.int64], first_fate: int
    ) -> NDArray[np.void]:
        """Give cells their new stages and types; returns the records of the types."""
        code = event[struck]
        passed = struck[code == STAGE]
        cells.stage[passed] += np.uint8(1)
        event[passed] = 0
        rows = struck[(code >= first_fate) & (code != STAGE)]
        cells.clock[rows] = 0.0
        return become(cells, rows, event[rows] - np.uint8(first_fate))

    def _remove(
        self, cells: Cells, event: NDArray[np.uint8], struck: NDArray[np.int64], first_fate: int
    ) -> NDArray[np.void]:
        """Free the voxels of the dead and drop their rows; returns the records, by id."""
        code = event[struck]
        rows = struck[(code >= FIRST) & (code < first_fate)]
        records = record(DEATH, cells, rows)
        records["cause"] = event[rows] - FIRST
        voxel = records["voxel"]
        self.occupant[voxel] = self._vacant(voxel)
        self._flags[voxel] ^= np.uint8(TAKEN)
        source, target = cells.drop(rows)
        event[target] = event[source]
        self.occupant[cells.voxel[target]] = target
        return records[np.argsort(records["id"])]

    def _link(self, cells: Cells) -> None:
        self._linked = (id(cells), cells.epoch, cells.n)

    def _is_linked(self, cells: Cells) -> bool:
        return self._linked == (id(cells), cells.epoch, cells.n)


def struck_rows(code: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Rows whose code is 2 or more: deaths and fates, or births."""
    rows = np.empty(_events.struck(code.size, code, np.empty(0, np.int64)), dtype=np.int64)
    _events.struck(code.size, code, rows)
    return rows
