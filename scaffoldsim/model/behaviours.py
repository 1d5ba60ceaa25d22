"""The user's own rules: a class that changes the rates of cells before they become events.

A behaviour changes rates (``inf`` = now), never the cells themselves; the lattice then does what
the rates say. It has either ``apply(model, dt)``, which works on columns, or ``step(cell)``, which
is called for every cell (small runs). The one class says all there is to know of it: its fields are
its options in a configuration, `reads` and `writes` name what it touches, and
`scaffoldsim.check_contract` holds it to that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform, get_type_hints

import numpy as np

from scaffoldsim.catalogue import did_you_mean
from scaffoldsim.model.cells import Cells
from scaffoldsim.schema import Parameter, Unit

if TYPE_CHECKING:
    from scaffoldsim.model.model import Model

__all__ = ["Behaviour", "Rule", "option"]

#: names that mean something else in a configuration or in a behaviour
_TAKEN = ("use", "file", "name", "reads", "writes", "apply", "step")
#: columns that only events may change, since lattice and ledger lean on them
_EVENTS_ONLY = ("id", "voxel", "type")


def option(
    default: str | float,
    *,
    unit: str = "",
    range: tuple[str | float, str | float],
    source: str,
    mark: str = "assumed",
) -> Any:
    """Declare an option of a behaviour: a number with its unit, range, mark and source.

    In the behaviour it is a float in the SI unit; in a configuration it is written with its unit,
    and a value outside the range is refused there. A switch or a word needs no helper: it is a
    field of the dataclass like any other.

    Parameters
    ----------
    default
        Such as ``"33 h"``, or a plain number where there is no unit.
    unit
        The SI unit; "" for a plain number.
    range
        The plausible range, both ends included, written as the default is.
    source
        The reference; or for ``assumed`` the reason.
    mark
        read, recalled or assumed.

    Raises
    ------
    ValueError
        If the default is outside the range, a unit is wrong, or the source is empty.

    Examples
    --------
    >>> class Rest(Behaviour):
    ...     duration: float = option("6 h", unit="s", range=("1 h", "1 d"), source="an example")
    >>> Rest().duration, Rest(duration="0.5 d").duration
    (21600.0, 43200.0)
    """
    data = {"value": default, "range": list(range), "mark": mark, "source": source}
    return dataclasses.field(default=Parameter.of(data, Unit(unit)), metadata={"unit": Unit(unit)})


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(option, dataclasses.field)
)
class Behaviour:
    """Base of the user's rules; a subclass becomes a frozen dataclass without being told to.

    Its annotated fields are its options. It is frozen since a checkpoint holds the model and not
    the behaviour: what was kept on `self` would be lost on resuming. Random numbers come from
    ``model.cells.uniform(purpose)``, or ``cell.uniform(purpose)``, so that neither threads nor the
    order of rows nor a restart changes a result.

    Attributes
    ----------
    reads, writes : tuple of str
        What it looks at and what it changes: columns of cells ("doublings"), one line of a table of
        rates ("death.basal", "fate.osteoblast"), fields ("oxygen"), or the way to another array of
        the model ("lattice.occupant"). What is written may be read, and so may id and voxel.

    Raises
    ------
    TypeError
        If a declaration cannot be meant as it stands.

    Examples
    --------
    >>> class Quiescence(Behaviour):
    ...     "No division after many doublings."
    ...     reads = ("doublings",)
    ...     writes = ("divide",)
    ...     limit: float = option(20, range=(5, 60), source="an example")
    ...
    ...     def apply(self, model, dt):
    ...         model.cells.divide[model.cells.doublings > self.limit] = 0
    >>> Quiescence(limit=30)
    Quiescence(limit=30.0)
    """

    reads: ClassVar[tuple[str, ...]] = ()
    writes: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)
        for key in ("reads", "writes"):
            names = getattr(cls, key)
            if isinstance(names, str) or not all(isinstance(name, str) for name in names):
                raise TypeError(f"{cls.__name__}.{key} is {names!r}; write a tuple of names")
        if taken := [name for name in fields_of(cls) if name in _TAKEN]:
            raise TypeError(
                f"{cls.__name__}: {', '.join(taken)} cannot be an option; give the option another "
                "name, and write reads and writes without an annotation"
            )
        if fixed := [name for name in cls.writes if name in _EVENTS_ONLY]:
            raise TypeError(
                f"{cls.__name__} writes {', '.join(fixed)}, which only events may change; set a "
                "rate of death, fate, divide or hop instead (inf = now)"
            )

    def __post_init__(self) -> None:
        for name, spec in fields_of(type(self)).items():
            if "unit" in spec.metadata:
                object.__setattr__(self, name, _taken(spec, getattr(self, name)))


def fields_of(kind: type) -> dict[str, dataclasses.Field[Any]]:
    """Return the options of a class by name: the fields of a dataclass, else none."""
    if not dataclasses.is_dataclass(kind):
        return {}
    return {spec.name: spec for spec in dataclasses.fields(kind) if spec.init}


def read_options(
    kind: type, given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the value of every option of the class `kind`, and (option, what is wrong).

    Values that were not given are there only where they carry a source, so that a resolved
    configuration and the manifest hold them.
    """
    from pydantic import TypeAdapter

    specs = fields_of(kind)
    values: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    for name in given:
        if name not in specs:
            hint = did_you_mean(name, specs) if specs else ""
            allowed = f"options: {', '.join(specs)}" if specs else "it has none; see ss.Behaviour"
            wrong.append((name, f"{kind.__name__} has no such option{hint} ({allowed})"))
    for name, spec in specs.items():
        try:
            if name not in given:
                if isinstance(spec.default, Parameter):
                    values[name] = spec.default
                elif spec.default is spec.default_factory is dataclasses.MISSING:
                    wrong.append(("", f"{kind.__name__} needs the option {name!r}"))
            elif "unit" in spec.metadata:
                values[name] = _taken(spec, given[name])
            else:
                hint_of = get_type_hints(kind, include_extras=True)[name]
                values[name] = TypeAdapter(hint_of).validate_python(given[name])
        except (ValueError, NameError) as error:
            details = getattr(error, "errors", None)
            what = f"{given[name]!r}: {details()[0]['msg']}" if details else str(error)
            wrong.append((name, what))
    return values, wrong


def _taken(spec: dataclasses.Field[Any], value: Any) -> Parameter:
    """Return the option's value: with a source of its own, or within the range of the default."""
    unit: Unit = spec.metadata["unit"]
    default: Any = spec.default
    if not isinstance(value, Parameter | dict):
        source = f"the user's choice; {default.text} by default: {default.source}"
        value = {"value": value, "range": default.range, "mark": "assumed", "source": source}
    return Parameter.of(value, unit)


class Rule:
    """A behaviour in a model, with the name to use when it fails."""

    def __init__(self, name: str, behaviour: Any) -> None:
        self.name, self.behaviour = name, behaviour

    def __repr__(self) -> str:
        return f"Rule({self.name})"

    def missing(self, fields: Collection[str]) -> Iterator[str]:
        """Yield what it says it reads or writes, but no cell has and no field is."""
        for name in (*getattr(self.behaviour, "reads", ()), *getattr(self.behaviour, "writes", ())):
            column = getattr(Cells, name.partition(".")[0], None)
            if "." in name and column is None:
                continue  # another array of the model, by its way
            if name not in fields and not hasattr(column, "dtype"):
                yield name

    def apply(self, model: Model, dt: float) -> None:
        """Let the behaviour set rates; refuse what is no rate, chance or concentration."""
        try:
            call(self.behaviour, model, dt)
        except (Exception, SystemExit) as error:  # a user's file may raise anything
            where = "".join(f"{note}: " for note in getattr(error, "__notes__", ()))
            raise ValueError(
                f"behaviour {self.name}: {where}{type(error).__name__}: {error}"
            ) from error
        cells = model.cells
        for name, column in cells.columns.items():
            rate = getattr(cells, name)
            if column.checkpoint or (rate >= 0).all():  # what is set anew in every step is a rate
                continue
            *line, row = np.argwhere(~(rate >= 0))[0]
            lines = cells.types if column.per == "types" else cells.hazards
            label = f"{name} ({lines[line[0]]})" if line else name
            raise ValueError(
                f"behaviour {self.name} set {label} of cell {cells.id[row]} to "
                f"{rate[(*line, row)]}; a rate is 0 or more (inf = now)"
            )
        above = np.flatnonzero(cells.arrest > 1)
        if above.size:
            raise ValueError(
                f"behaviour {self.name} set arrest of cell {cells.id[above[0]]} to "
                f"{cells.arrest[above[0]]}; a chance lies in 0 to 1"
            )
        for name in getattr(self.behaviour, "writes", ()):
            field = model.fields.value.get(name) if hasattr(model, "fields") else None
            if field is not None and not (np.isfinite(field) & (field >= 0)).all():
                i, j, k = np.argwhere(~(np.isfinite(field) & (field >= 0)))[0].tolist()
                raise ValueError(
                    f"behaviour {self.name} set {name} in voxel ({i}, {j}, {k}) to "
                    f"{field[i, j, k]}; a concentration is a number of 0 or more"
                )


def call(behaviour: Any, model: Model, dt: float) -> None:
    """Let a behaviour act on all cells, in whichever of the two ways it has."""
    if hasattr(behaviour, "apply"):
        behaviour.apply(model, dt)
        return
    for agent in model.agents:
        if agent.unique_id >= 0:  # below are ordinary agents, such as the tips of vessels
            try:
                behaviour.step(agent)
            except (Exception, SystemExit) as error:
                error.add_note(f"cell {agent.unique_id}")
                raise
