"""Cells as Mesa agents: agents by protocol, rows by storage.

A row of :class:`~scaffoldsim.model.cells.Cells` gets a light view (:class:`Cell`), a group of rows
Mesa's ``AgentSet`` protocol (:class:`CellSet`), the model Mesa's names (:class:`ColumnAgents`).
Cell ids count up from 0, those of ordinary ``mesa.Agent`` objects (vessel tips) down from -2: ids
are unique, and an ordinary agent never changes the ids, hence the random numbers, of the cells.
"""

# ruff: noqa: D102 - members of the protocol inherit Mesa's docstrings; classes say what differs
from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator, MutableSet
from functools import cache, partial, partialmethod
from typing import Any

import mesa
import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import counter
from scaffoldsim.model.cells import Cells, Column

_sets: Any = getattr(mesa, "agentset", mesa.agent)  # Mesa 3.5 moved them
__all__ = ["Cell", "CellSet", "ColumnAgents", "Everyone", "cell_class"]

SLOW_ABOVE = 100_000  # agents; a loop over more views takes a second or longer
COLUMNS = tuple(k for k, v in vars(Cells).items() if isinstance(v, Column) and not v.per)
READABLE = (*COLUMNS, "unique_id", "pos", "xyz")
FIXED = ("id", "type", "voxel", "unique_id", "pos", "xyz")  # lattice and ledger lean on these
PUBLIC_NAMES = {"bmsc": "BMSC", "preosteoblast": "PreOsteoblast"}  # the rest are CamelCase


def _read(model: ColumnAgents, name: str, rows: Any) -> Any:
    """Attribute of one row or of several."""
    cells = model.cells
    if name == "type":
        return np.take(cells.types, cells.type[rows])
    if name in ("pos", "xyz"):
        pos = np.stack(np.unravel_index(cells.voxel[rows], model.grid.shape), axis=-1)
        return pos if name == "pos" else (pos + 0.5) * model.grid.voxel
    return cells.allocated("id" if name == "unique_id" else name)[rows]


def _write(cells: Cells, name: str, rows: Any, value: Any, line: str = "") -> None:
    """Write rows of a column, or of one line of a table of rates; refuse what does not fit."""
    if name in FIXED:
        raise AttributeError(f"{name!r} of a cell is read-only: set a rate, events do the rest")
    column, values = getattr(cells, name), np.asarray(value)
    if line:
        lines = cells.types if name == "fate" else cells.hazards
        if line not in lines:
            raise ValueError(f"{name} {line!r} is unknown; allowed: {', '.join(lines)}")
        column = column[lines.index(line)]
    if (line or name in ("hop", "divide")) and not np.all(values >= 0):  # so NaN is refused too
        raise ValueError(f"rate {line or name!r} is {value!r}; allowed: >= 0 in 1/s, inf = now")
    with np.errstate(invalid="ignore"):
        stored = values.astype(column.dtype)
    if column.dtype.kind in "iu" and not np.array_equal(stored, values):
        raise ValueError(f"{name!r} is {value!r}; allowed: whole numbers of {column.dtype}")
    column[rows] = stored


class Cell(mesa.Agent):  # type: ignore[misc]
    """Light view of one cell: the model, the id and the row where it was last seen.

    Columns with one value a cell are attributes; `type` is a name, `pos` the voxel (i, j, k) and
    `xyz` its centre in m. Two views of a cell are equal, and one may be kept across steps (its
    class is the type it was made with). A per-cell behaviour sets rates in 1/s, inf for *now*, and
    the lattice makes them events; each step evaluates all rates anew before the behaviours. Use of
    a dead cell raises ReferenceError (`alive`, `unique_id` and comparing work); writing what is no
    column, or what only events may change, raises AttributeError.
    """

    __slots__ = ("_row", "model", "unique_id")

    def __init__(self, model: ColumnAgents, unique_id: int, row: int) -> None:
        for name, value in (("model", model), ("unique_id", unique_id), ("_row", row)):
            object.__setattr__(self, name, value)

    @property
    def row(self) -> int:
        """Row of the cell in the columns at this moment."""
        cells, row = self.model.cells, self._row
        if row >= cells.n or cells.allocated("id")[row] != self.unique_id:
            row = int(cells.rows_of(self.unique_id))
            if row < 0:
                raise ReferenceError(f"cell {self.unique_id} is dead; ask .alive before use")
            object.__setattr__(self, "_row", row)
        return int(row)

    @property
    def alive(self) -> bool:
        """Whether the cell is still in the model."""
        try:
            return self.row >= 0
        except ReferenceError:
            return False

    def set_fate(self, type: str, rate: float) -> None:
        """Set the rate of becoming `type`."""
        _write(self.model.cells, "fate", self.row, rate, line=type)

    def set_death(self, cause: str, rate: float) -> None:
        """Set the rate of dying of `cause`."""
        _write(self.model.cells, "death", self.row, rate, line=cause)

    def uniform(self, purpose: str) -> float:
        """Random number in [0, 1) of this cell, step and purpose, equal in any order of rows."""
        seed, step = self.model.seed, self.model.step_index
        key = counter.keys(seed=seed, step=step, purpose=f"cells.{purpose}")  # as Cells.uniform
        return float(counter.uniform(self.unique_id, key)[0])

    def remove(self) -> None:
        """Refuse: the ledger needs a cause of death, and the lattice commits it."""
        raise TypeError("a cell dies of something: use cell.set_death(cause, math.inf)")

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(getattr(type(self), name, None), property):
            raise AttributeError(f"{type(self).__name__} has no column {name!r}; nothing was set")
        object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cell) and other.model is self.model and hash(other) == hash(self)

    def __hash__(self) -> int:
        return hash(self.unique_id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.unique_id}{'' if self.alive else ', dead'}>"


def _attribute(name: str) -> property:
    def get(cell: Cell) -> Any:
        value = _read(cell.model, name, cell.row)
        return tuple(value.tolist()) if value.ndim else value.item()

    return property(get, lambda cell, value: _write(cell.model.cells, name, cell.row, value))


for _name in set(READABLE) - {"unique_id"}:
    setattr(Cell, _name, _attribute(_name))


@cache
def cell_class(name: str) -> type[Cell]:
    """Class of the views of a cell type (such as "bmsc"), one per name for the whole process."""
    public = PUBLIC_NAMES.get(name) or "".join(part.capitalize() for part in name.split("_"))
    return type(public, (Cell,), {"__slots__": (), "__module__": __name__, "__doc__": f"A {name}."})


def _as_list(values: NDArray[Any]) -> list[Any]:
    """Python scalars, or tuples where an agent has several values, as views give them."""
    return [tuple(v) for v in values.tolist()] if values.ndim > 1 else values.tolist()


class CellSet(_sets.AgentSet):  # type: ignore[misc]
    """Mesa's ``AgentSet`` over rows: ids in order (below 0: ordinary agents), no object per cell.

    It does what an ``AgentSet`` of the same agents does, follows its cells when rows are
    renumbered and drops the dead. What differs, since values are columns: `get` gives a read-only
    array (`set` is the way to write), `set` also takes an array with one value per agent, `select`
    also takes an array of bools, and `agg` hands over float64 or int64. A function is called once
    per agent, never on columns. As in Mesa, `remove` ends a membership, not a life.
    """

    def __init__(self, model: ColumnAgents, ids: Any) -> None:
        self.model = model
        self._keep(np.array(ids, np.int64))

    random = property(lambda self: self.model.random)
    copy = copy.copy  # a set of its own, even of one that follows the model
    remove = MutableSet.remove

    def __reduce__(self) -> tuple[Any, ...]:
        return CellSet, (self.model, self._members()[0])

    def _keep(self, ids: NDArray[Any], rows: Any = None) -> CellSet:
        self._ids, self._rows, self._epoch = ids, rows, self.model.cells.epoch
        return self

    def _members(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Ids and rows of the members still there; the row of an ordinary agent is -1."""
        fresh = self._rows is not None and self._epoch == self.model.cells.epoch
        rows = self._rows if fresh else self.model.cells.rows_of(self._ids)
        here = (rows >= 0) | np.isin(self._ids, list(self.model.ordinary))
        self._keep(self._ids[here], rows[here])
        return self._ids, self._rows

    def _result(self, positions: Any, inplace: bool = False) -> CellSet:
        """Members at these positions, as a set of their own or as all that is left of this."""
        ids, rows = self._members()
        chosen = self if inplace else CellSet(self.model, [])
        return chosen._keep(np.array(ids[positions]), np.array(rows[positions]))

    def _types(self) -> NDArray[np.int64]:
        """Index of the type of each member, -1 for an ordinary agent."""
        rows = self._members()[1]
        return np.where(rows < 0, np.int64(-1), self.model.cells.allocated("type")[rows])

    def _agents(self, positions: Any = slice(None)) -> Iterator[Any]:
        """Agents one by one: views of cells, ordinary agents themselves."""
        ids, rows, types = (v[positions].tolist() for v in (*self._members(), self._types()))
        if len(ids) > SLOW_ABOVE:
            warnings.warn(f"{len(ids)} cells one by one: use get, set or agg", RuntimeWarning, 3)
        views, ordinary = [cell_class(t) for t in self.model.cells.types], self.model.ordinary
        for uid, row, kind in zip(ids, rows, types, strict=True):
            yield views[kind](self.model, uid, row) if uid >= 0 else ordinary[uid]

    __iter__ = _agents
    to_list: Any = partialmethod(list)

    def __len__(self) -> int:
        return len(self._members()[0])

    def __contains__(self, agent: Any) -> bool:
        return getattr(agent, "model", None) is self.model and agent.unique_id in self._members()[0]

    def __getitem__(self, item: Any) -> Any:
        return list(self._agents(item)) if isinstance(item, slice) else next(self._agents([item]))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} agents>"

    def add(self, agent: Any) -> None:
        self._update([*self, agent])

    def discard(self, agent: Any) -> None:
        self._update(member for member in self if member != agent)

    def _update(self, agents: Iterable[Any]) -> CellSet:
        agents = list(dict.fromkeys(agents))
        if strangers := [a for a in agents if getattr(a, "model", None) is not self.model]:
            raise ValueError(f"{strangers[0]!r} is no agent of this model")
        return self._keep(np.array([agent.unique_id for agent in agents], np.int64))

    def _from_iterable(self, agents: Iterable[Any]) -> CellSet:  # results of & | - ^, see Set
        return CellSet(self.model, [])._update(agents)

    def get(self, attr_names: Any, handle_missing: str = "error", default_value: Any = None) -> Any:
        if handle_missing not in ("error", "default"):
            raise ValueError(f"handle_missing is {handle_missing!r}; allowed: 'error', 'default'")
        if not isinstance(attr_names, str):
            several = [_as_list(self.get(n, handle_missing, default_value)) for n in attr_names]
            return [list(values) for values in zip(*several, strict=True)]
        missing = () if handle_missing == "error" else (default_value,)
        ids, rows = self._members()
        by_view = (ids < 0) | (attr_names not in READABLE)
        values = np.empty(0) if by_view.all() else _read(self.model, attr_names, rows[~by_view])
        if by_view.any():
            cells, views = iter(_as_list(values)), self._agents(by_view)
            each = (
                getattr(next(views), attr_names, *missing) if v else next(cells) for v in by_view
            )
            values = np.fromiter(each, object, len(ids))
        values.flags.writeable = False  # a copy: writing to it would be lost
        return values

    def set(self, attr_name: str, value: Any) -> CellSet:
        ids, rows = self._members()
        values = value if isinstance(value, np.ndarray) else [value] * len(ids)
        if len(values) != len(ids):
            raise ValueError(f"{attr_name!r}: {len(values)} values for {len(ids)} agents")
        if attr_name in (*COLUMNS, *FIXED) and (ids >= 0).all():
            _write(self.model.cells, attr_name, rows, value)
        else:
            for agent, one in zip(self, values, strict=True):
                setattr(agent, attr_name, one)
        return self

    def agg(self, attribute: str, func: Any) -> Any:
        values = self.get(attribute)
        wide = {"f": float, "i": int, "u": int}.get(values.dtype.kind if values.ndim == 1 else "")
        values = values.astype(wide) if wide else _as_list(values)
        swift: Any = {sum: np.sum, min: np.min, max: np.max} if wide and len(values) else {}
        reduced = (swift.get(f, f)(values) for f in ([func] if callable(func) else func))
        results = [value.item() if isinstance(value, np.generic) else value for value in reduced]
        return results[0] if callable(func) else results

    def select(
        self,
        filter_func: Any = None,
        at_most: float = float("inf"),
        inplace: bool = False,
        agent_type: Any = None,
    ) -> CellSet:
        keep = np.full(len(self), True)
        if isinstance(at_most, float) and at_most <= 1.0:
            at_most = int(len(keep) * at_most)
        if callable(filter_func):
            filter_func = np.array([bool(filter_func(agent)) for agent in self], bool)
        if filter_func is not None:
            keep = np.asarray(filter_func)
            if keep.dtype != bool or keep.shape != (len(self),):
                raise ValueError(f"mask {keep.dtype} {keep.shape}; allowed: one bool per agent")
        if agent_type is not None:
            types = self._types()
            fits = [issubclass(cell_class(name), agent_type) for name in self.model.cells.types]
            fit = np.array([*fits, False])[types]
            fit[types < 0] = [isinstance(agent, agent_type) for agent in self._agents(types < 0)]
            keep = keep & fit
        at_most = max(int(min(at_most, len(keep))), 0)
        return self._result(np.flatnonzero(keep)[:at_most], inplace)

    def groupby(self, by: Any, result_type: str = "agentset") -> Any:
        values: Any = self._types()
        labels: list[Any] = list(self.model.cells.types)
        if by != "type" or (values < 0).any():  # else without a word per cell
            seen: dict[Any, int] = {}
            keys = [by(agent) for agent in self] if callable(by) else _as_list(self.get(by))
            values = np.array([seen.setdefault(key, len(seen)) for key in keys], np.intp)
            labels = list(seen)
        found, first, size = np.unique(values, return_index=True, return_counts=True)
        parts = np.split(np.argsort(values, kind="stable"), np.cumsum(size)[:-1])
        groups = {labels[found[i]]: self._result(parts[i]) for i in np.argsort(first)}
        if result_type == "list":
            return _sets.GroupBy({key: group.to_list() for key, group in groups.items()})
        result = _sets.GroupBy(groups)
        result.agg = partial(result.map, "agg")  # by columns
        return result

    def shuffle(self, inplace: bool = False) -> CellSet:
        order = list(range(len(self)))
        self.model.random.shuffle(order)
        return self._result(np.array(order, np.intp), inplace)

    def sort(self, key: Any, ascending: bool = False, inplace: bool = False) -> CellSet:
        values = [key(agent) for agent in self] if callable(key) else _as_list(self.get(key))
        order = sorted(range(len(values)), key=values.__getitem__, reverse=not ascending)
        return self._result(np.array(order, np.intp), inplace)

    def map(self, method: Any, *args: Any, **kwargs: Any) -> list[Any]:
        kinds, results = self.model.agents_by_type, []
        for agent in self:  # a call may remove others
            if agent.alive if isinstance(agent, Cell) else agent in kinds[type(agent)]:
                call = getattr(agent, method) if isinstance(method, str) else partial(method, agent)
                results.append(call(*args, **kwargs))
        return results

    def do(self, method: Any, *args: Any, **kwargs: Any) -> CellSet:
        self.map(method, *args, **kwargs)
        return self

    def shuffle_do(self, method: Any, *args: Any, **kwargs: Any) -> CellSet:
        self.shuffle().map(method, *args, **kwargs)
        return self


class Everyone(CellSet):
    """``model.agents`` (ordinary agents, then cells), or all cells of a type: follows the model."""

    def __init__(self, model: ColumnAgents, type_index: int | None = None) -> None:
        self.model, self._type = model, type_index

    def _keep(self, ids: NDArray[Any], rows: Any = None) -> CellSet:
        raise TypeError("the model says who is in this set; change a .copy() of it")

    def _members(self) -> tuple[NDArray[Any], NDArray[Any]]:
        cells = self.model.cells
        if self._type is not None:
            rows = np.flatnonzero(cells.type == self._type)
            return cells.id[rows], rows
        ordinary = np.fromiter(self.model.ordinary, np.int64)
        rows = np.arange(-len(ordinary), cells.n)
        return np.concatenate([ordinary, cells.id]), np.maximum(rows, -1)


class ColumnAgents(mesa.Model):  # type: ignore[misc]
    """A ``mesa.Model`` whose cells are rows; only public names of Mesa are overridden.

    `agents_by_type` has a key for every type of cell, ``cell_class(name)``. The model sets `cells`,
    `grid`, `lattice`, `seed` and `step_index`; `next_ordinary_id` belongs into a checkpoint.
    """

    next_ordinary_id = -2
    agents = property(Everyone)
    agent_types = property(lambda self: list(self.agents_by_type))

    @property
    def ordinary(self) -> dict[int, Any]:
        """Agents that are objects, not rows, by id."""
        return {agent.unique_id: agent for agent in super().agents}

    @property
    def agents_by_type(self) -> dict[type, Any]:
        cells = {cell_class(name): Everyone(self, i) for i, name in enumerate(self.cells.types)}
        return {**super().agents_by_type, **cells}

    def register_agent(self, agent: Any) -> None:
        super().register_agent(agent)
        agent.unique_id = self.next_ordinary_id
        self.next_ordinary_id -= 1

    def remove_all_agents(self) -> None:
        """Remove all agents; unlike death this is no event, and nothing is counted."""
        super().remove_all_agents()
        self.cells.keep(np.zeros(self.cells.n, bool))
        self.lattice.place(self.cells)
