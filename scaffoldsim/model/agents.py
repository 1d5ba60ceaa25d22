"""Cells as Mesa agents: agents by protocol, rows by storage.

A cell is one row of the columns in :class:`~scaffoldsim.model.cells.Cells`. This file alone knows
Mesa's agents: it gives a row a light view (:class:`Cell`), any group of rows Mesa's ``AgentSet``
protocol (:class:`CellSet`) and the model Mesa's names for all its agents (:class:`ColumnAgents`).

Cell ids count up from 0, those of ordinary ``mesa.Agent`` objects (vessel tips) down from -2: ids
are unique, and an ordinary agent never changes the ids, hence the random numbers, of the cells.
"""
# members of Mesa's protocol inherit Mesa's docstrings; what differs is said in the class
# ruff: noqa: D102

from __future__ import annotations

import copy
import functools
import itertools
import re
import warnings
from collections.abc import Hashable, Iterable, Iterator, MutableSet
from typing import Any

import mesa
import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import counter
from scaffoldsim.model.cells import Cells, Column

try:  # Mesa >= 3.5
    from mesa.agentset import AbstractAgentSet, GroupBy
except ImportError:  # Mesa 3.3 and 3.4
    from mesa.agent import AgentSet as AbstractAgentSet
    from mesa.agent import GroupBy

__all__ = ["Cell", "CellSet", "ColumnAgents", "Everyone", "cell_class"]

# Above this many agents a loop over views takes a second or more, so say what is faster.
SLOW_ABOVE = 100_000
COLUMNS = tuple(k for k, v in vars(Cells).items() if isinstance(v, Column) and not v.per)
RATES = ("hop", "divide")
# The lattice and the ledger lean on these, so only events may change them.
FIXED = ("id", "unique_id", "type", "voxel", "pos", "xyz")
PUBLIC_NAMES = {"bmsc": "BMSC", "preosteoblast": "PreOsteoblast"}  # the rest are CamelCase


def _read(model: ColumnAgents, name: str, rows: Any) -> NDArray[Any]:
    """Attribute of one row or several; LookupError if it is no column."""
    cells = model.cells
    if name == "type":
        return np.asarray(cells.types)[cells.type[rows]]
    if name in ("pos", "xyz"):
        pos = np.stack(np.unravel_index(cells.voxel[rows], model.grid.shape), axis=-1)
        return pos if name == "pos" else (pos + 0.5) * model.grid.voxel
    if name not in (*COLUMNS, "unique_id"):
        raise LookupError(name)
    return np.asarray(getattr(cells, "id" if name == "unique_id" else name)[rows])


def _write(cells: Cells, name: str, rows: Any, value: Any, line: str = "") -> None:
    """Write rows of a column, or of one line of a table of rates; refuse what does not fit."""
    if name in FIXED:
        raise AttributeError(f"{name!r} of a cell is read-only: set a rate, events do the rest")
    column, values = getattr(cells, name), np.asarray(value)
    if line:
        lines = cells.types if name == "fate" else cells.causes
        if line not in lines:
            raise ValueError(f"{name} {line!r} is unknown; allowed: {', '.join(lines)}")
        column = column[lines.index(line)]
    if (line or name in RATES) and not np.all(values >= 0):  # so NaN is refused too
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
    the lattice makes them events; each step evaluates all rates anew before the behaviours.

    Raises
    ------
    ReferenceError
        On use of a cell that has died; `alive`, `unique_id` and comparing always work.
    AttributeError
        On writing a name that is no column, or one that only events may change.
    """

    __slots__ = ("_row", "model", "unique_id")

    def __init__(self, model: ColumnAgents, unique_id: int, row: int) -> None:
        for name, value in (("model", model), ("unique_id", unique_id), ("_row", row)):
            object.__setattr__(self, name, value)

    @property
    def row(self) -> int:
        """Row of the cell in the columns at this moment."""
        cells, row = self.model.cells, self._row
        if row >= cells.n or cells.id[row] != self.unique_id:
            row = int(cells.rows_of(self.unique_id))
            if row < 0:
                raise ReferenceError(f"cell {self.unique_id} is dead; ask .alive before use")
            object.__setattr__(self, "_row", row)
        return row  # type: ignore[no-any-return]

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
        cause = self.model.cells.causes[0]
        raise TypeError(f'a cell dies of something: use cell.set_death("{cause}", math.inf)')

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(getattr(type(self), name, None), property):
            raise AttributeError(f"{type(self).__name__} has no column {name!r}; nothing was set")
        object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cell) and hash(other) == hash(self) and other.model is self.model

    def __hash__(self) -> int:
        return hash(self.unique_id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.unique_id}{'' if self.alive else ', dead'}>"


def _attribute(name: str) -> property:
    def get(cell: Cell) -> Any:
        value = _read(cell.model, name, cell.row)
        return tuple(value.tolist()) if value.ndim else value.item()

    return property(get, lambda cell, value: _write(cell.model.cells, name, cell.row, value))


for _name in (*COLUMNS, "pos", "xyz"):
    setattr(Cell, _name, _attribute(_name))


@functools.cache
def cell_class(name: str) -> type[Cell]:
    """Class of the views of a cell type (such as "bmsc"), one per name for the whole process."""
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise ValueError(f"cell type {name!r}; allowed: lower-case letters, digits, _ ('bmsc')")
    public = PUBLIC_NAMES.get(name) or "".join(part.capitalize() for part in name.split("_"))
    body = {"__slots__": (), "__module__": __name__, "__doc__": f"View of one {name} cell."}
    return type(public, (Cell,), body)


def _as_list(values: NDArray[Any]) -> list[Any]:
    """Python scalars, or tuples where an agent has several values, as views give them."""
    return [tuple(v) for v in values.tolist()] if values.ndim > 1 else values.tolist()


class CellGroups(GroupBy):  # type: ignore[misc]
    """Mesa's groups of agents; `agg` works on columns."""

    def agg(self, attr_name: str, func: Any) -> dict[Hashable, Any]:
        return {key: group.agg(attr_name, func) for key, group in self.groups.items()}


class CellSet(AbstractAgentSet):  # type: ignore[misc]
    """Mesa's ``AgentSet`` over rows: ids in an order, and no object per cell.

    It does what an ``AgentSet`` of the same agents does, follows its cells when rows are
    renumbered and drops the dead. What differs, since values are columns: `get` gives a read-only
    array (`set` is the way to write), `set` also takes an array with one value per agent, `select`
    also takes an array of bools, and `agg` hands over float64 or int64. A function is called once
    per agent, never on columns. As in Mesa, `remove` ends a membership, not a life. Ids below 0
    are the model's ordinary agents.
    """

    def __init__(self, model: ColumnAgents, ids: Any) -> None:
        self.model = model
        self._keep(np.array(ids, np.int64))

    random = property(lambda self: self.model.random)
    copy = copy.copy  # a set of its own, even of one that follows the model
    remove = MutableSet.remove

    def __reduce__(self) -> tuple[Any, ...]:
        return CellSet, (self.model, self._members()[0])

    def _keep(self, ids: NDArray[Any], rows: NDArray[Any] | None = None) -> CellSet:
        """Make these the members; `rows`, if given, are where they are now."""
        self._ids, self._rows, self._epoch = ids, rows, self.model.cells.epoch
        return self

    def _members(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Ids and rows of the members still there; the row of an ordinary agent is -1."""
        if self._rows is None or self._epoch != self.model.cells.epoch:
            rows = self.model.cells.rows_of(self._ids)
            here = (rows >= 0) | (self._ids < 0)
            self._keep(self._ids[here], rows[here])
        if (self._ids < 0).any():
            here = (self._ids >= 0) | np.isin(self._ids, list(self.model.ordinary))
            self._keep(self._ids[here], self._rows[here])
        return self._ids, self._rows

    def _result(self, positions: Any, inplace: bool = False) -> CellSet:
        """Members at these positions, as a set of their own or as all that is left of this."""
        ids, rows = self._members()
        chosen = self if inplace else CellSet(self.model, [])
        return chosen._keep(np.array(ids[positions]), np.array(rows[positions]))

    def _types(self) -> NDArray[np.int64]:
        """Index of the type of each member, -1 for an ordinary agent."""
        ids, rows = self._members()
        types = np.full(len(ids), -1)
        types[ids >= 0] = self.model.cells.type[rows[ids >= 0]]
        return types

    def _agents(self, positions: Any = slice(None)) -> Iterator[Any]:
        """Agents one by one: views of cells, ordinary agents themselves."""
        ids, rows, types = (v[positions].tolist() for v in (*self._members(), self._types()))
        if len(ids) > SLOW_ABOVE:
            advice = "use columns (get, set, agg, groupby) or a sample (shuffle, at_most)"
            warnings.warn(f"a loop over {len(ids)} cells: {advice}", RuntimeWarning, stacklevel=3)
        views = [cell_class(name) for name in self.model.cells.types]
        ordinary = self.model.ordinary
        for uid, row, kind in zip(ids, rows, types, strict=True):
            yield views[kind](self.model, uid, row) if uid >= 0 else ordinary[uid]

    def _ids_of(self, agents: Iterable[Any]) -> NDArray[np.int64]:
        agents = list(dict.fromkeys(agents))
        if strangers := [a for a in agents if getattr(a, "model", None) is not self.model]:
            raise ValueError(f"{strangers[0]!r} is no agent of this model")
        return np.array([agent.unique_id for agent in agents], np.int64)

    def __len__(self) -> int:
        return len(self._members()[0])

    def __iter__(self) -> Iterator[Any]:
        return self._agents()

    def __contains__(self, agent: Any) -> bool:
        mine = getattr(agent, "model", None) is self.model
        return mine and bool((self._members()[0] == agent.unique_id).any())

    def __getitem__(self, item: Any) -> Any:
        return list(self._agents(item)) if isinstance(item, slice) else next(self._agents([item]))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} agents>"

    def to_list(self) -> list[Any]:
        return list(self)

    def add(self, agent: Any) -> None:
        if agent not in self:
            self._keep(np.append(self._members()[0], self._ids_of([agent])))

    def discard(self, agent: Any) -> None:
        if agent in self:
            self._result(self._members()[0] != agent.unique_id, inplace=True)

    def _update(self, agents: Iterable[Any]) -> CellSet:
        return self._keep(self._ids_of(agents))

    def _from_iterable(self, agents: Iterable[Any]) -> CellSet:
        return CellSet(self.model, self._ids_of(agents))  # results of & | - ^, see Set

    def get(self, attr_names: Any, handle_missing: str = "error", default_value: Any = None) -> Any:
        if handle_missing not in ("error", "default"):
            raise ValueError(f"handle_missing is {handle_missing!r}; allowed: 'error', 'default'")
        if not isinstance(attr_names, str):
            each = [_as_list(self.get(n, handle_missing, default_value)) for n in attr_names]
            return [list(values) for values in zip(*each, strict=True)]
        missing = () if handle_missing == "error" else (default_value,)
        ids, rows = self._members()
        try:
            values = _read(self.model, attr_names, rows[ids >= 0])
        except LookupError:
            values = [getattr(agent, attr_names, *missing) for agent in self]
        if len(values) < len(ids):  # ordinary agents among them
            cells, others = iter(_as_list(values)), self.model.ordinary
            values = [
                next(cells) if uid >= 0 else getattr(others[uid], attr_names, *missing)
                for uid in ids.tolist()
            ]
        if isinstance(values, list):
            values = np.fromiter(values, object, len(values))
        values.flags.writeable = False
        return values

    def set(self, attr_name: str, value: Any) -> CellSet:
        ids, rows = self._members()
        each = isinstance(value, np.ndarray) and value.ndim > 0
        if each and value.shape != ids.shape:
            raise ValueError(f"{attr_name!r}: {value.shape} values for {len(ids)} agents")
        if attr_name in (*COLUMNS, *FIXED) and (ids >= 0).all():
            _write(self.model.cells, attr_name, rows, value)
        else:
            for agent, one in zip(self, value if each else itertools.repeat(value)):
                setattr(agent, attr_name, one)
        return self

    def agg(self, attribute: str, func: Any) -> Any:
        values = self.get(attribute)
        numbers = values.ndim == 1 and values.dtype.kind in "iuf"
        wide = np.float64 if values.dtype.kind == "f" else np.int64
        values = values.astype(wide) if numbers else _as_list(values)
        swift: Any = {sum: np.sum, min: np.min, max: np.max} if numbers and len(values) else {}
        results = [swift.get(f, f)(values) for f in ([func] if callable(func) else func)]
        results = [r.item() if isinstance(r, np.generic) else r for r in results]
        return results[0] if callable(func) else results

    def select(
        self,
        filter_func: Any = None,
        at_most: float = float("inf"),
        inplace: bool = False,
        agent_type: Any = None,
    ) -> CellSet:
        positions = np.arange(len(self))
        if isinstance(at_most, float) and at_most <= 1.0:
            at_most = int(len(positions) * at_most)
        limit = None if at_most == float("inf") else max(int(at_most), 0)
        if agent_type is not None:
            fits = [issubclass(cell_class(name), agent_type) for name in self.model.cells.types]
            mine = np.array([*fits, False])[self._types()]
            for i in np.flatnonzero(self._types() < 0):
                mine[i] = isinstance(self[i], agent_type)
            positions = np.flatnonzero(mine)
        if callable(filter_func):
            agents = zip(positions.tolist(), self._agents(positions), strict=True)
            passed = (i for i, agent in agents if filter_func(agent))
            positions = np.fromiter(itertools.islice(passed, limit), np.intp)
        elif filter_func is not None:
            mask = np.asarray(filter_func)
            if mask.dtype != bool or mask.shape != (len(self),):
                raise ValueError(f"mask {mask.dtype} {mask.shape}; allowed: one bool per agent")
            positions = positions[mask[positions]]
        return self._result(positions[:limit], inplace)

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
        if result_type == "agentset":
            return CellGroups(groups)
        return GroupBy({key: group.to_list() for key, group in groups.items()})

    def shuffle(self, inplace: bool = False) -> CellSet:
        order = list(range(len(self)))
        self.random.shuffle(order)
        return self._result(np.array(order, np.intp), inplace)

    def sort(self, key: Any, ascending: bool = False, inplace: bool = False) -> CellSet:
        values = [key(agent) for agent in self] if callable(key) else _as_list(self.get(key))
        order = sorted(range(len(values)), key=values.__getitem__, reverse=not ascending)
        return self._result(np.array(order, np.intp), inplace)

    def map(self, method: Any, *args: Any, **kwargs: Any) -> list[Any]:
        call = (
            (lambda a, *v, **k: getattr(a, method)(*v, **k)) if isinstance(method, str) else method
        )
        kinds, results = self.model.agents_by_type, []
        for agent in self:
            # a call may have removed another agent
            if agent.alive if isinstance(agent, Cell) else agent in kinds[type(agent)]:
                results.append(call(agent, *args, **kwargs))
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

    def _keep(self, ids: NDArray[Any], rows: NDArray[Any] | None = None) -> CellSet:
        raise TypeError("the model says who is in this set; change a .copy() of it")

    def _members(self) -> tuple[NDArray[Any], NDArray[Any]]:
        cells = self.model.cells
        if self._type is not None:
            rows = np.flatnonzero(cells.type == self._type)
            return cells.id[rows], rows
        ordinary = np.fromiter(self.model.ordinary, np.int64)
        rows = np.concatenate([np.full(len(ordinary), -1), np.arange(cells.n)])
        return np.concatenate([ordinary, cells.id]), rows


class ColumnAgents(mesa.Model):  # type: ignore[misc]
    """A ``mesa.Model`` whose cells are rows; only public names of Mesa are overridden.

    `agents_by_type` has every type of cell as a key, ``cell_class(name)``, with or without cells.
    The model sets the attributes below; `seed` and `step_index` key the random numbers, and
    `next_ordinary_id` belongs into a checkpoint once there are ordinary agents.
    """

    cells: Cells
    lattice: Any
    grid: Any
    seed: int
    step_index: int
    next_ordinary_id: int = -2

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
