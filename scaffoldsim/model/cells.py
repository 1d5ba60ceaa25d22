"""The cells of a simulation, one row each, stored as columns.

Every attribute is declared once, as a `Column` in the body of `Cells`; the declaration drives
allocation, defaults, checkpoints, output and documentation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaffoldsim.model import _cells, counter

__all__ = ["Cells", "Column"]

#: ids are kept in four bytes: a million cells would have to divide two thousand times each
_MOST_IDS = 2**31 - 1


class Column:
    """Declaration of one attribute of all cells; reading it gives the live rows.

    Parameters
    ----------
    dtype
        NumPy type of a value.
    default
        Value of a new row where none is given.
    unit
        SI unit, "-" for a plain number.
    meaning
        One line for the documentation.
    per
        "" for one value a cell; "hazards" or "types" for one value a cell and hazard or type,
        with the shape (n_hazards, n) or (n_types, n).
    output
        Written into the frames of a run.
    checkpoint
        Needed to go on after a restart.
    """

    def __init__(
        self,
        dtype: type,
        default: float,
        unit: str,
        meaning: str,
        *,
        per: str = "",
        output: bool = False,
        checkpoint: bool = True,
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.default = default
        self.unit = unit
        self.meaning = meaning
        self.per = per
        self.output = output
        self.checkpoint = checkpoint
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, cells: Cells | None, owner: type | None = None) -> Any:
        if cells is None:
            return self
        return cells.allocated(self.name)[..., : cells.n]

    def __set__(self, cells: Cells, value: ArrayLike) -> None:
        cells.allocated(self.name)[..., : cells.n] = value

    def __repr__(self) -> str:
        return f"Column({self.name}: {self.dtype} [{self.unit}] {self.meaning})"


class Cells:
    """All living cells: who they are, where they are, and the rates of what may happen to them.

    A column reads as a writable view of the live rows, valid until the next `append`, `keep`,
    `drop`, `order` or `load`. The order of the rows never changes a result: random numbers hang
    on the id. A rate of ``inf`` means *now*.

    Parameters
    ----------
    types
        Names of the cell types; `type` holds an index into them.
    causes
        Names of the causes of death.
    hazards
        How many of them, the first ones, have a rate; by default all. The others strike by
        `Lattice.interfere` alone.
    capacity
        Rows to allocate at first; it grows as needed.

    Attributes
    ----------
    n : int
        Number of live cells.
    next_id : int
        Id of the next new cell; ids are never used twice.
    epoch : int
        Changes whenever rows are renumbered.
    seed, step : int
        The run's seed and the number of the step being made, for `uniform`; the model sets them.

    Raises
    ------
    ValueError
        If a name is missing or doubled, or there are more than 250 names.

    Examples
    --------
    >>> cells = Cells(["bmsc", "osteoblast"], ["basal"])
    >>> cells.append(3, voxel=[7, 5, 6], type=[0, 1, 0])
    array([0, 1, 2])
    >>> cells.id          # consecutive in the order of the voxels
    array([2, 0, 1], dtype=int32)
    >>> cells.hop = 1 / 3600
    >>> cells
    Cells(3: 2 bmsc, 1 osteoblast)
    """

    id = Column(np.int32, -1, "-", "unique for ever", output=True)
    voxel = Column(np.int32, -1, "-", "flat index (x*ny + y)*nz + z; -1 not placed", output=True)
    type = Column(np.uint8, 0, "-", "index into types", output=True)
    origin = Column(np.uint8, 0, "-", "where it or its founder came from", output=True)
    parent = Column(np.int32, -1, "-", "id of the mother; -1 for a founder", output=True)
    clone = Column(np.int32, -1, "-", "id of the founder", output=True)
    genes = Column(np.uint8, 0, "-", "bit mask of gene modifications")
    age = Column(np.float32, 0.0, "s", "time since birth or delivery", output=True)
    doublings = Column(np.float32, 0.0, "-", "population doublings passed", output=True)
    clock = Column(np.float32, 0.0, "s", "time since it last divided or changed type")
    stage = Column(np.uint8, 0, "-", "stage of the cell cycle")
    hop = Column(np.float32, 0.0, "1/s", "rate of moving to a neighbour voxel", checkpoint=False)
    divide = Column(np.float32, 0.0, "1/s", "rate of division", checkpoint=False)
    arrest = Column(
        np.float32, 0.0, "-", "chance to become senescent at a division", checkpoint=False
    )
    death = Column(
        np.float32, 0.0, "1/s", "rate of death by cause", per="hazards", checkpoint=False
    )
    fate = Column(np.float32, 0.0, "1/s", "rate of becoming a type", per="types", checkpoint=False)

    def __init__(
        self,
        types: Sequence[str],
        causes: Sequence[str],
        *,
        hazards: int | None = None,
        capacity: int = 1024,
    ) -> None:
        self.types = _names(types, "types")
        self.causes = _names(causes, "causes")
        self.hazards = self.causes[:hazards]
        if len(self.types) + len(self.causes) > 250:
            raise ValueError(
                f"{len(self.types)} types and {len(self.causes)} causes of death are more than "
                "the 250 that fit into one byte: use fewer."
            )
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}, must be at least 1 row.")
        self.n = 0
        self.next_id = 0
        self.epoch = 0
        self.seed = self.step = 0
        self._data = {
            name: np.full(self._shape(column, capacity), column.default, column.dtype)
            for name, column in self.columns.items()
        }
        self._by_id: tuple[int, int, NDArray[np.int64]] | None = None

    @property
    def columns(self) -> Mapping[str, Column]:
        """Declarations of all columns by name, in the order of declaration."""
        return {k: v for k, v in Cells.__dict__.items() if isinstance(v, Column)}

    @property
    def capacity(self) -> int:
        """Rows allocated."""
        return int(self._data["id"].shape[0])

    @property
    def nbytes(self) -> int:
        """Memory of all columns, bytes."""
        return sum(array.nbytes for array in self._data.values())

    def allocated(self, name: str) -> NDArray[Any]:
        """The whole allocated array of a column; rows from `n` on are spare."""
        return self._data[name]

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        counts = np.bincount(self.type, minlength=len(self.types))
        parts = [f"{c} {t}" for c, t in zip(counts, self.types, strict=True) if c]
        return f"Cells({self.n}{': ' if parts else ''}{', '.join(parts)})"

    # rows -------------------------------------------------------------------------------------

    def append(self, n: int, **columns: ArrayLike) -> NDArray[np.int64]:
        """Add `n` cells.

        Ids are given here, consecutive in the order of the voxels (of the rows where cells are
        not placed yet). A founder is its own clone unless one is given.

        Parameters
        ----------
        n
            Number of new cells.
        **columns
            Values of columns, a scalar or one per new cell (last axis); the rest get defaults.

        Returns
        -------
        ndarray of int64
            The rows of the new cells.

        Raises
        ------
        ValueError
            If a column is unknown or the id is given, a value does not fit the column, a type
            does not exist, or there would be 2**31 ids. Nothing has been added then.
        """
        if n < 0:
            raise ValueError(f"{n} cells cannot be added: the number must be 0 or more.")
        allowed = [name for name in self.columns if name != "id"]
        unknown = [name for name in columns if name not in allowed]
        if unknown:
            raise ValueError(
                f"cells have no column {', '.join(unknown)} to set (allowed: {', '.join(allowed)})."
            )
        new = {name: self._cast(self.columns[name], v, n) for name, v in columns.items()}
        self._check_types(new.get("type"))
        if self.next_id + n > _MOST_IDS:
            raise ValueError(
                f"{n} more cells after {self.next_id} are more than the {_MOST_IDS} ids there are: "
                "use a smaller scaffold or a shorter run."
            )
        self._reserve(self.n + n)
        rows = np.arange(self.n, self.n + n)
        for name, column in self.columns.items():
            self._data[name][..., rows] = new.get(name, column.default)
        rank = np.argsort(self._data["voxel"][rows], kind="stable")
        self._data["id"][rows[rank]] = np.arange(self.next_id, self.next_id + n)
        if "clone" not in new:
            self._data["clone"][rows] = self._data["id"][rows]
        self.next_id += n
        self.n += n
        return rows

    def keep(self, mask: ArrayLike) -> None:
        """Keep the rows where `mask` (bool, one per cell) is true, in their order."""
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != (self.n,):
            raise ValueError(
                f"the mask has type {mask.dtype} and shape {mask.shape}, must be one bool for "
                f"each of the {self.n} cells."
            )
        self.take(np.flatnonzero(mask))

    def drop(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Remove a few rows at a cost that depends on their number alone.

        The last rows move into the holes.

        Parameters
        ----------
        rows
            Rows to remove, ascending and different.

        Returns
        -------
        source, target : ndarray of int64
            Rows that moved, and where to.
        """
        left = self.n - rows.size
        target = rows[rows < left]
        tail = np.ones(rows.size, dtype=bool)
        tail[rows[rows >= left] - left] = False
        source = left + np.flatnonzero(tail)
        for array in self._data.values():
            array[..., target] = array[..., source]
        self.n = left
        self.epoch += 1
        return source, target

    def order(self, permutation: ArrayLike) -> None:
        """Renumber the rows: new row i is the old row ``permutation[i]``."""
        rows = np.asarray(permutation)
        seen = np.zeros(self.n, dtype=bool)
        if rows.shape == (self.n,) and rows.dtype.kind in "iu" and _inside(rows, self.n):
            seen[rows] = True
        if not seen.all():
            raise ValueError(f"not a permutation of the {self.n} rows.")
        self.take(rows)

    def take(
        self,
        rows: NDArray[Any],
        *,
        scratch: NDArray[np.uint16] | None = None,
        threads: int = 1,
    ) -> None:
        """Keep these rows only, in this order; unchecked, for who has made sure.

        Parameters
        ----------
        rows
            Different rows.
        scratch
            Room for one value a row; None makes it.
        threads
            Of the kernel; the result does not depend on it.
        """
        index = np.ascontiguousarray(rows, dtype=np.int32)
        room = np.empty(index.size, dtype=np.uint16) if scratch is None else scratch
        for array in self._data.values():
            for column in np.atleast_2d(array):
                if column.itemsize == 1:
                    _cells.take(index, column.view(np.uint8), room, threads)
                    continue
                words = column.view(np.uint16).reshape(column.size, -1)
                for part in range(words.shape[1]):
                    _cells.take(index, words[:, part], room, threads)
        self.n = rows.size
        self.epoch += 1

    def rows_of(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Rows of the cells with these ids, -1 for a cell that is gone."""
        ids = np.asarray(ids, dtype=np.int64)
        if self.n == 0:
            return np.full(ids.shape, -1, dtype=np.int64)
        if self._by_id is None or self._by_id[:2] != (self.epoch, self.n):
            self._by_id = (self.epoch, self.n, np.argsort(self.id, kind="stable"))
        order = self._by_id[2]
        place = np.minimum(np.searchsorted(self.id, ids, sorter=order), self.n - 1)
        rows = order[place]
        return np.where(self.id[rows] == ids, rows, -1)

    def census(self, n_origins: int) -> NDArray[np.int64]:
        """Numbers of living cells, shape (n_origins, n_types)."""
        if self.n and int(self.origin.max()) >= n_origins:
            raise ValueError(
                f"a cell has origin {int(self.origin.max())}, but only {n_origins} were asked for."
            )
        n_types = len(self.types)
        flat = self.origin.astype(np.int64) * n_types + self.type
        return np.bincount(flat, minlength=n_origins * n_types).reshape(n_origins, n_types)

    # random numbers, checkpoints --------------------------------------------------------------

    def uniform(
        self, purpose: str, *, seed: int | None = None, step: int | None = None, n: int = 1
    ) -> NDArray[np.float64]:
        """Random numbers in [0, 1) that hang on each cell's id, never on its row.

        Parameters
        ----------
        purpose
            What they are for; other words give independent numbers.
        seed, step
            The run's seed and the number of the step; by default those that the model has set.
        n
            Numbers per cell.

        Returns
        -------
        ndarray of float64
            Shape (n_cells,), or (n, n_cells) if `n` > 1.
        """
        # a prefix of its own keeps users' words apart from the lattice's
        words = f"cells.{purpose}"
        seed = self.seed if seed is None else seed
        step = self.step if step is None else step
        draws = [
            counter.uniform(self.id, counter.keys(seed=seed, step=step, substep=k, purpose=words))
            for k in range(n)
        ]
        return draws[0] if n == 1 else np.stack(draws)

    def state(self) -> dict[str, NDArray[Any]]:
        """Copies of all that a restart needs; rates are not, since every step sets them anew."""
        state = {k: getattr(self, k).copy() for k, c in self.columns.items() if c.checkpoint}
        return state | {"next_id": np.array(self.next_id, dtype=np.int64)}

    def load(self, state: Mapping[str, ArrayLike]) -> None:
        """Replace all cells by those of a `state`; rates are 0 until they are set.

        Raises
        ------
        ValueError
            If an array is missing or has the wrong length, an id is doubled or not below
            ``next_id``, or a type does not exist. Nothing has been changed then.
        """
        wanted = [k for k, c in self.columns.items() if c.checkpoint] + ["next_id"]
        missing = [name for name in wanted if name not in state]
        if missing:
            raise ValueError(f"the state of the cells lacks {', '.join(missing)}.")
        ids = np.asarray(state["id"])
        n, next_id = ids.size, int(np.asarray(state["next_id"]))
        wrong = [k for k in wanted[:-1] if np.shape(state[k]) != (n,)]
        if wrong:
            raise ValueError(f"the state's {', '.join(wrong)} must have one value a cell ({n}).")
        if np.unique(ids).size != n or not _inside(ids, next_id):
            raise ValueError(f"the state's ids must differ and lie in 0 to {next_id - 1}.")
        new = {k: self._cast(self.columns[k], state[k], n) for k in wanted[:-1]}
        self._check_types(new["type"])
        self._reserve(n)
        for name, column in self.columns.items():
            self._data[name][..., :n] = new.get(name, column.default)
        self.n, self.next_id = n, next_id
        self.epoch += 1

    # ------------------------------------------------------------------------------------------

    def _shape(self, column: Column, capacity: int) -> tuple[int, ...]:
        sizes = {"": (), "hazards": (len(self.hazards),), "types": (len(self.types),)}
        return (*sizes[column.per], capacity)

    def _cast(self, column: Column, value: ArrayLike, n: int) -> NDArray[Any]:
        given = np.asarray(value)
        shape = self._shape(column, n)
        try:
            wide = np.broadcast_to(given, shape)
        except ValueError:
            raise ValueError(
                f"{column.name} has shape {given.shape}, must be one value or {shape}."
            ) from None
        with np.errstate(invalid="ignore", over="ignore"):
            cast = wide.astype(column.dtype, copy=False)
        if column.dtype.kind in "iu" and not np.array_equal(cast, wide):
            raise ValueError(f"{column.name} holds a value that does not fit {column.dtype}.")
        return cast

    def _check_types(self, types: NDArray[Any] | None) -> None:
        if types is not None and types.size and int(types.max()) >= len(self.types):
            raise ValueError(
                f"there is no cell type {int(types.max())} (allowed: 0 to {len(self.types) - 1}, "
                f"{', '.join(self.types)})."
            )

    def _reserve(self, rows: int) -> None:
        if rows <= self.capacity:
            return
        # an eighth more: few copies while a population grows, little memory idle
        capacity = max(rows, self.capacity + self.capacity // 8 + 1024)
        for name, column in self.columns.items():
            array = np.full(self._shape(column, capacity), column.default, column.dtype)
            array[..., : self.n] = self._data[name][..., : self.n]
            self._data[name] = array


def _names(names: Sequence[str], what: str) -> tuple[str, ...]:
    names = tuple(names)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{what} are {names}, must be at least one name and all different.")
    return names


def _inside(values: NDArray[Any], limit: int) -> bool:
    return values.size == 0 or (int(values.min()) >= 0 and int(values.max()) < limit)
