"""Whether a behaviour does what it declares: it reads and writes this, and nothing else."""

from __future__ import annotations

import copy
import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model.behaviours import call
from scaffoldsim.model.cells import Cells

if TYPE_CHECKING:
    from scaffoldsim.model.model import Model

__all__ = ["ContractError", "check_contract"]

#: who a cell is and where: always readable, since random numbers and fields hang on them
_ALWAYS_READ = ("cells.id", "cells.voxel")
#: what takes the place of undeclared values; with one of them a comparison comes out otherwise
_NONSENSE = (np.nan, 1e30, -1e30)
#: cells that a `step` is tried on, spread over the rows
_TRIED = 40

Parts = dict[str, NDArray[Any]]


class ContractError(AssertionError):
    """A behaviour touched what it does not declare."""


def check_contract(behaviour: Any, model: Model) -> None:
    """Check that a behaviour touches only what it declares; for your own tests.

    All runs are on copies; `model` stays as it is. Their rates are numbers that no rule gives, so
    that setting one shows. First every array that `writes` does not declare is frozen. Then the
    same cells must get the same rates a second time, and in another order of the rows: what is
    drawn has to come from ``uniform``. A `step` must write to its own cell alone. At last every
    column and field that `reads` does not declare is replaced by nonsense, one by one, which must
    change nothing. What the state of `model` does not bring about is not seen: let it be one in
    which the rule has something to do.

    Parameters
    ----------
    behaviour
        A behaviour, or a class that needs no options.
    model
        A small model.

    Raises
    ------
    ContractError
        Naming the array and, where it was frozen, the line that wrote to it.

    Examples
    --------
    >>> import scaffoldsim as ss
    >>> class Rest(ss.Behaviour):
    ...     reads = ("oxygen",)
    ...     writes = ("divide",)
    ...
    ...     def apply(self, model, dt):
    ...         oxygen = model.fields.at(model.cells.voxel, "oxygen")
    ...         model.cells.hop[oxygen < 0.01] = 0
    >>> model = ss.Model(set={"cells.number": 500})
    >>> try:
    ...     ss.check_contract(Rest, model)
    ... except AssertionError as error:
    ...     print(str(error).partition(":")[0])
    Rest writes cells.hop, but declares writes = ('divide',)
    """
    trial = _Trial(behaviour() if isinstance(behaviour, type) else behaviour, model)
    trial.require_known_names()
    result = trial.run_frozen()
    trial.run_again(result)
    if not hasattr(trial.behaviour, "apply"):
        trial.run_one_by_one()
    trial.run_on_nonsense(result)


class _Trial:
    """One behaviour, tried on copies of one model."""

    def __init__(self, behaviour: Any, model: Model) -> None:
        self.behaviour, self.model = behaviour, model
        self.name = type(behaviour).__name__
        self.reads = tuple(getattr(behaviour, "reads", ()))
        self.writes = tuple(getattr(behaviour, "writes", ()))
        # the configuration never changes; the solver's working memory is no state, nor copied
        self._shared = {id(node): node for _, node in _walk(model) if _is_solver(node)}
        if (config := getattr(model, "config", None)) is not None:
            self._shared[id(config)] = config

    def require_known_names(self) -> None:
        """Refuse a declaration that means nothing in this model."""
        parts = _parts(self.model)
        for key in ("reads", "writes"):
            for name in getattr(self, key):
                if not any(_means(name, path) for path in parts):
                    raise ContractError(
                        f"{self.name}.{key} names {name!r}, which is no array of the model; "
                        f"there are: {', '.join(parts)}"
                    )

    def run_frozen(self) -> Parts:
        """Run with all that is not declared frozen; return what is written."""
        twin = self._twin()
        before = {path: part.copy() for path, part in _parts(twin).items()}
        for part in self._undeclared(twin).values():
            part.flags.writeable = False
        try:
            self._act(twin)
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise self._wrote(self._culprit(), _line(error)) from error
        after = _parts(twin)
        for path, values in before.items():
            if not self._writable(path) and not (path in after and _same(values, after[path])):
                raise self._wrote(path)  # a line of a table, or an array put in place of another
        return self._written(twin)

    def run_again(self, result: Parts) -> None:
        """Run a second time, and with the rows the other way round."""
        again, turned = self._twin(), self._twin()
        turned.cells.order(np.arange(turned.cells.n)[::-1])
        turned.lattice.place(turned.cells)
        for twin, when in ((again, "a second time"), (turned, "in another order of the rows")):
            self._act(twin)
            for path, values in self._written(twin).items():
                if not _same(values, result[path]):
                    raise ContractError(
                        f"{self.name} sets {path} otherwise {when}: draw numbers from "
                        "cells.uniform(purpose), and let nothing hang on the row of a cell"
                    )

    def run_one_by_one(self) -> None:
        """Give a few cells to `step`; no other cell may change."""
        twin = self._twin()
        rows = np.zeros(twin.cells.n, bool)
        rows[np.linspace(0, twin.cells.n - 1, _TRIED).astype(int)] = True
        for cell in [twin.agents[int(i - twin.cells.n)] for i in np.flatnonzero(rows)]:
            _set_rates(twin.cells)
            others = np.arange(twin.cells.n) != cell.row
            before = {path: part[others] for path, part in _columns(twin.cells).items()}
            self.behaviour.step(cell)
            for path, part in _columns(twin.cells).items():
                if not _same(before[path], part[others]):
                    raise ContractError(
                        f"{self.name} was given cell {cell.unique_id} and wrote {path} of another: "
                        "a step sets the rates of its own cell"
                    )

    def run_on_nonsense(self, result: Parts) -> None:
        """Replace what may not be read, one by one; what is written must not change."""
        fields = getattr(getattr(self.model, "fields", None), "value", {})
        for path in (*_columns(self.model.cells), *(f"fields.value.{name}" for name in fields)):
            declared = any(_means(name, path) for name in (*self.reads, *self.writes))
            if declared or path in _ALWAYS_READ:
                continue
            for nonsense in _NONSENSE:
                twin = self._twin()
                _spoil(twin, path, nonsense)
                try:
                    with np.errstate(all="ignore"):
                        self._act(twin)
                    written = self._written(twin)
                    moved = not all(_same(written[key], result[key]) for key in result)
                except Exception:  # what chokes on nonsense has looked at it
                    moved = True
                if moved:
                    raise ContractError(
                        f"{self.name} reads {path}, but declares reads = {self.reads}"
                    )

    def _act(self, twin: Model) -> None:
        call(self.behaviour, twin, float(getattr(twin, "dt", 3600.0)))

    def _twin(self) -> Model:
        twin = copy.deepcopy(self.model, dict(self._shared))
        _set_rates(twin.cells)
        return twin

    def _writable(self, path: str) -> bool:
        return any(_means(name, path) for name in self.writes)

    def _undeclared(self, twin: Model) -> Parts:
        """Arrays no part of which may be written; a column with its spare rows, a table whole."""
        parts = {path: part for path, part in _parts(twin).items() if not self._writable(path)}
        for name in twin.cells.columns:
            mine = [path for path in _columns(twin.cells) if _means(name, path)]
            closed = [parts.pop(path, None) is not None for path in mine]
            if all(closed):
                parts[f"cells.{name}"] = twin.cells.allocated(name)
        return parts

    def _written(self, twin: Model) -> Parts:
        """What may be written, cells in the order of their ids."""
        order = np.argsort(twin.cells.id)
        return {
            path: part[order].copy() if path.startswith("cells.") else part.copy()
            for path, part in _parts(twin).items()
            if self._writable(path)
        }

    def _culprit(self) -> str:
        """Which of the frozen arrays it was: the one that, frozen alone, stops the behaviour."""
        for path in self._undeclared(self.model):
            twin = self._twin()
            self._undeclared(twin)[path].flags.writeable = False
            try:
                self._act(twin)
            except ValueError as error:
                if "read-only" in str(error):
                    return path
        return "an array that is read-only for all"

    def _wrote(self, path: str, where: str = "") -> ContractError:
        return ContractError(
            f"{self.name} writes {path}, but declares writes = {self.writes}{where}"
        )


def _means(name: str, path: str) -> bool:
    """Whether a declared name means the array at `path`, or a table of which that is a line."""
    return path in (name, f"cells.{name}", f"fields.value.{name}") or path.startswith(
        (f"cells.{name}.", f"{name}.")
    )


def _columns(cells: Cells) -> Parts:
    """Live rows of every column by path; of a table every line."""
    parts: Parts = {}
    lines = {"hazards": cells.hazards, "types": cells.types}
    for name, column in cells.columns.items():
        values = getattr(cells, name)
        if column.per:
            parts |= {f"cells.{name}.{v}": values[i] for i, v in enumerate(lines[column.per])}
        else:
            parts[f"cells.{name}"] = values
    return parts


def _parts(model: Model) -> Parts:
    """All arrays of the model by path."""
    arrays = {path: node for path, node in _walk(model) if isinstance(node, np.ndarray)}
    return _columns(model.cells) | arrays


def _walk(model: Model) -> Iterator[tuple[str, Any]]:
    """Yield (path, node) of all the package's objects and arrays, but cells and configuration."""
    seen = {id(model), id(model.cells), id(getattr(model, "config", None))}
    # level by level, so that what several objects hold goes by its shortest path
    ahead = deque((key.lstrip("_"), node) for key, node in vars(model).items())
    while ahead:
        path, node = ahead.popleft()
        if id(node) in seen:
            continue
        below: Any = ()
        if isinstance(node, Mapping):
            below = node.items()
        elif isinstance(node, list | tuple):
            below = enumerate(node)
        elif type(node).__module__.startswith("scaffoldsim.") and not _is_solver(node):
            below = getattr(node, "__dict__", {}).items()
        elif not (isinstance(node, np.ndarray) or _is_solver(node)):
            continue
        seen.add(id(node))
        yield path, node
        ahead += [(f"{path}.{str(key).lstrip('_')}", child) for key, child in below]


def _is_solver(node: Any) -> bool:
    return type(node).__module__.startswith("scaffoldsim.solver.")


def _set_rates(cells: Cells) -> None:
    """Give every cell rates that are its own, above 0 and given by no rule."""
    for path, part in _columns(cells).items():
        if not cells.columns[path.split(".")[1]].checkpoint:  # what every step sets anew
            part[:] = 1e-6 * (1 + cells.uniform(path))


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays have the same bytes."""
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def _spoil(model: Model, path: str, nonsense: float) -> None:
    """Replace a column, a line of a table or a field by what no cell or pore has."""
    if path.startswith("fields.value."):
        name = path.removeprefix("fields.value.")
        model.fields.value[name] = np.full_like(model.fields.value[name], nonsense)
        return
    values = _columns(model.cells)[path]
    if path == "cells.type":
        values[:] = (values + 1) % len(model.cells.types)
    else:
        values[:] = nonsense if values.dtype.kind == "f" else ~values


def _line(error: BaseException) -> str:
    """Where it happened, outside of this package: file, line and code."""
    inside = __file__.rpartition("model")[0]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(inside):
            return f": {frame.filename}:{frame.lineno}: {frame.line}"
    return ""
