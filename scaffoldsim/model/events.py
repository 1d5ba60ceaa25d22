"""What happened to the cells in one step: enough for a ledger that closes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from scaffoldsim.model.cells import Cells

__all__ = ["BIRTH", "DEATH", "FATE", "Events", "become", "record"]

BIRTH = np.dtype(
    [("id", "i8"), ("parent", "i8"), ("voxel", "i4"), ("type", "u1"), ("origin", "u1")]
)
DEATH = np.dtype([("id", "i8"), ("voxel", "i4"), ("type", "u1"), ("origin", "u1"), ("cause", "u1")])
FATE = np.dtype(
    [("id", "i8"), ("voxel", "i4"), ("origin", "u1"), ("before", "u1"), ("after", "u1")]
)


def record(kind: np.dtype[np.void], cells: Cells, rows: NDArray[np.int64]) -> NDArray[np.void]:
    """Records of these rows; what is no column of a cell is 0."""
    records = np.zeros(rows.size, kind)
    for name in set(kind.names or ()) & set(cells.columns):
        records[name] = getattr(cells, name)[rows]
    return records


def become(cells: Cells, rows: NDArray[np.int64], after: ArrayLike) -> NDArray[np.void]:
    """Give cells another type; returns the records."""
    records = record(FATE, cells, rows)
    records["before"] = cells.type[rows]
    records["after"] = after
    cells.type[rows] = after
    return records


@dataclass(frozen=True)
class Events:
    """What happened to the cells in one step.

    Attributes
    ----------
    births
        One record per daughter (id, parent, voxel, type, origin), by id.
    deaths
        One record per death (id, voxel, type, origin, cause), by id.
    fates
        One record per change of type (id, voxel, origin, before, after), by id. A daughter that is
        born and at once senescent has a birth, with her mother's type, and a fate.
    n_hops
        Moves made.
    substeps
        Sub-steps of movement.
    n_types, n_causes
        Sizes of the tables below.
    """

    births: NDArray[np.void]
    deaths: NDArray[np.void]
    fates: NDArray[np.void]
    n_hops: int
    substeps: int
    n_types: int
    n_causes: int

    @property
    def born(self) -> int:
        """Number of daughters."""
        return int(self.births.size)

    @property
    def died(self) -> NDArray[np.int64]:
        """Deaths per cause, shape (n_causes,)."""
        return np.bincount(self.deaths["cause"], minlength=self.n_causes)

    @property
    def changed(self) -> NDArray[np.int64]:
        """Changes from type i to type j, shape (n_types, n_types)."""
        flat = self.fates["before"].astype(np.int64) * self.n_types + self.fates["after"]
        return np.bincount(flat, minlength=self.n_types**2).reshape(self.n_types, self.n_types)

    def balance(self, n_origins: int) -> NDArray[np.int64]:
        """Net change of the number of cells, shape (n_origins, n_types).

        Equals the difference of `Cells.census` before and after the step: the ledger closes.
        """
        net = np.zeros((n_origins, self.n_types), dtype=np.int64)
        np.add.at(net, (self.births["origin"], self.births["type"]), 1)
        np.add.at(net, (self.deaths["origin"], self.deaths["type"]), -1)
        np.add.at(net, (self.fates["origin"], self.fates["before"]), -1)
        np.add.at(net, (self.fates["origin"], self.fates["after"]), 1)
        return net
