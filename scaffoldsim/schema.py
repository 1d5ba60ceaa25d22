"""What a section of a configuration is made of: quantities, parameters with a source, entries.

A section is a pydantic model. A number with a unit is annotated with `Unit`; a number from the
literature is a `Parameter`; a section that the catalogue holds by name is an `Entry`.
"""

import copy
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import core_schema

from scaffoldsim import catalogue, units
from scaffoldsim.tree import Path_, Problem, Tree, merge, read

#: how sure a number is: its source was read, it is common knowledge, or it is a modelling choice
MARKS = ("read", "recalled", "assumed")


class Section(BaseModel):
    """Base of all sections: unknown keys are refused, values do not change after validation."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, populate_by_name=True
    )
    #: in a mapping, the key whose text stands for other keys as a `shorthand` does
    shorthand_key: ClassVar[str | None] = None

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield (key, message) for what is wrong across keys; each check names its criterion."""
        yield from ()

    @classmethod
    def shorthand(cls, text: str) -> dict[str, Any] | None:
        """Return the keys that a single word stands for, or None if it stands for none."""
        return None


class Entry(Section):
    """A section that the catalogue holds: a configuration gives its name, or the values.

    In a mapping, ``base: NAME`` starts from an entry and the other keys change it.
    """

    kind: ClassVar[str]
    #: a word that may stand for ``base`` in a configuration
    base_key: ClassVar[str] = "base"

    schema_: Literal[1] = Field(1, alias="schema")
    name: str = ""
    title: str = ""


class Quantity(float):
    """A float in SI that remembers how it was written."""

    text: str

    def __new__(cls, value: float, text: str = "") -> "Quantity":
        """Return `value`, written as `text`."""
        self = super().__new__(cls, value)
        self.text = text
        return self


class Parameter(float):
    """A number from the literature: a float in SI with unit, range, mark and source.

    Attributes
    ----------
    text : str
        The value as written, for example ``"98 fmol/h"``.
    unit : str
        The SI unit of the float.
    range : tuple of str or float
        The plausible range, as written.
    mark : {"read", "recalled", "assumed"}
    source : str
        The reference, or for ``assumed`` the reason.
    """

    text: str | float
    unit: str
    range: tuple[str | float, str | float]
    mark: str
    source: str

    @classmethod
    def of(cls, data: Any, unit: "Unit") -> "Parameter":
        """Return the parameter a mapping describes.

        Raises
        ------
        ValueError
            If a key is missing or unknown, a unit is wrong, or the value is outside its range.
        """
        if isinstance(data, Parameter):
            return data
        keys = {"value", "range", "mark", "source"}
        if not isinstance(data, dict) or set(data) != keys:
            bare = not isinstance(data, dict)
            way_out = "; to change its number alone, set the key value in it" if bare else ""
            raise ValueError(
                "a parameter has exactly the keys value, range, mark and source (given: "
                f"{repr(data) if bare else sorted(data)}){way_out}"
            )
        if data["mark"] not in MARKS:
            raise ValueError(f"mark {data['mark']!r} is none of {', '.join(MARKS)}")
        if not str(data["source"] or "").strip():
            raise ValueError("the source is empty; name a reference, or why it is assumed")
        value = unit.convert(data["value"])
        limits = data["range"]
        if not isinstance(limits, list | tuple) or len(limits) != 2:
            raise ValueError("the range is a list of two quantities, [lowest, highest]")
        si = unit.kind_of(data["value"])
        low, high = (units.parse(limit, si) for limit in limits)
        if not low <= value <= high:
            raise ValueError(
                f"value {data['value']} is outside its own range [{limits[0]}, {limits[1]}]; "
                "widen the range to go there on purpose"
            )
        self = cls(value)
        self.text, self.unit = data["value"], si
        self.range, self.mark = (limits[0], limits[1]), data["mark"]
        self.source = str(data["source"]).strip()
        return self

    def data(self) -> dict[str, Any]:
        """Return the mapping the parameter was read from."""
        return {
            "value": self.text,
            "range": list(self.range),
            "mark": self.mark,
            "source": self.source,
        }


class Unit:
    """Annotation of a float (or `Parameter`) that is written with a unit.

    Parameters
    ----------
    unit
        The SI unit inside; ``""`` for plain numbers.
    ge, le
        The allowed range, both ends included, in `unit`.
    show
        The unit in which a message shows the range, if not `unit`.
    other
        Further SI units that are accepted too (an amount or a mass per volume); ``""`` is a plain
        number.
    """

    def __init__(
        self,
        unit: str,
        *,
        ge: float = -1e300,
        le: float = 1e300,
        show: str | None = None,
        other: str | tuple[str, ...] = (),
    ) -> None:
        self.unit, self.ge, self.le, self.show = unit, ge, le, show or unit
        self.others = (other,) if isinstance(other, str) else other

    def kind_of(self, value: str | float) -> str:
        """Return which of the units, `unit` or an `other`, `value` can be read in.

        Examples
        --------
        >>> dose = Unit("mol/m^3", other=("kg/m^3", ""))
        >>> dose.kind_of("10 nM"), dose.kind_of("2 ng/mL"), dose.kind_of(0.5)
        ('mol/m^3', 'kg/m^3', '')
        """
        if "" in self.others and _is_plain(value):
            return ""
        for unit in (self.unit, *self.others):
            try:
                units.parse(value, unit)
            except units.UnitError:
                continue
            return unit
        return next((unit for unit in reversed(self.others) if unit), self.unit)

    @property
    def allowed(self) -> str:
        """The allowed range in words, of a value in the first of the units."""
        scale = units.parse(f"1 {self.show}", self.unit) if self.show != self.unit else 1.0
        low, high = (f"{limit / scale:.6g}" for limit in (self.ge, self.le))
        if self.le >= 1e300:
            text = f"at least {low}" if self.ge > -1e300 else "any number"
        else:
            text = f"{low} to {high}"
        return f"{text} {self.show}".strip()

    def convert(self, value: Any) -> float:
        """Return `value` as a float in the SI unit, checked against the range."""
        plain = isinstance(value, int | float) and not isinstance(value, bool | Quantity)
        if plain and self.unit and "" not in self.others:
            raise ValueError(f"{value!r} has no unit; write for example '{value} {self.show}'")
        if isinstance(value, Quantity):
            return value
        number = units.parse(value, self.kind_of(value), example=self.show)
        if not self.ge <= number <= self.le:
            kind = self.kind_of(value)
            allowed = self.allowed if kind == self.unit else f"{self.ge:g} to {self.le:g} {kind}"
            raise ValueError(f"{value} is out of range (allowed {allowed.strip()})")
        return number

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        if source is Parameter:
            return core_schema.no_info_plain_validator_function(
                lambda value: Parameter.of(value, self),
                serialization=core_schema.plain_serializer_function_ser_schema(Parameter.data),
            )

        def quantity(value: Any) -> Quantity:
            text = value.text if isinstance(value, Quantity) else value
            return Quantity(self.convert(value), text)

        return core_schema.no_info_plain_validator_function(
            quantity,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: value.text if isinstance(value, Quantity) else value
            ),
        )


class InputFile:
    """Annotation of a text that names a file to be read; relative to the configuration."""


def expand(kind: Any, tree: Tree, path: Path_) -> list[Problem]:
    """Complete the node at `path`, which is of type `kind`, from defaults and the catalogue.

    Names of entries become their data, with the marks of the file they stand in; relative names of
    input files become absolute.
    """
    kind, notes = _unwrap(kind, tree.at(path) if path else tree.data)
    node = tree.at(path) if path else tree.data
    if any(note is InputFile or isinstance(note, InputFile) for note in notes):
        return _find_input(tree, path)
    origin = typing.get_origin(kind)
    if origin is dict and isinstance(node, dict):
        item = typing.get_args(kind)[1]
        return [found for key in list(node) for found in expand(item, tree, (*path, key))]
    if origin is list and isinstance(node, list):
        item = typing.get_args(kind)[0]
        return [found for index in range(len(node)) for found in expand(item, tree, (*path, index))]
    if not _is_section(kind):
        return []
    if issubclass(kind, Entry):
        broken = _find_entry(kind, tree, path)
        if broken:
            return broken
        node = tree.at(path) if path else tree.data
    if isinstance(node, str):
        meant = kind.shorthand(node)
        if meant is not None and path:
            node = tree.at(path[:-1])[path[-1]] = meant
    elif isinstance(node, dict) and isinstance(node.get(kind.shorthand_key), str):
        short = (*path, kind.shorthand_key or "")
        meant = kind.shorthand(node.pop(kind.shorthand_key)) or {}
        tree.marks.update({(*path, key): tree.mark(short) for key in meant})
        node.update(meant)
    if not isinstance(node, dict):
        return []
    problems: list[Problem] = []
    for name, field in kind.model_fields.items():
        key = field.alias or name
        if key not in node:
            default = field.get_default(call_default_factory=True, validated_data={})
            if not isinstance(default, str | int | float | list | dict):
                continue
            node[key] = copy.deepcopy(default)
        annotation = field.annotation
        if field.metadata:
            annotation = Annotated[(annotation, *field.metadata)]
        problems += expand(annotation, tree, (*path, key))
    return problems


def _find_entry(kind: type[Entry], tree: Tree, path: Path_) -> list[Problem]:
    """Replace a name, or a mapping with a base, by the whole entry."""
    node = tree.at(path) if path else tree.data
    name: Any = node
    if isinstance(node, dict):
        key = next((key for key in (kind.base_key, "base") if key in node), None)
        if key is None:
            return []
        name = node[key]
        mark_path: Path_ = (*path, key)
    else:
        mark_path = path
    if not isinstance(name, str):
        return [] if name is None else [tree.problem(path, f"{name!r} is not a name or a mapping")]
    try:
        file = catalogue.find(kind.kind, name)
        entry = read(file)
    except catalogue.UnknownEntryError as error:
        return [tree.problem(mark_path, str(error))]
    except ValueError as error:
        return list(getattr(error, "problems", [tree.problem(mark_path, str(error))]))
    if not isinstance(entry.data, dict):
        return [entry.problem((), "an entry is a mapping of keys to values")]
    entry.data.setdefault("name", file.stem)
    problems: list[Problem] = []
    if any(key in entry.data for key in (kind.base_key, "base")):
        problems = _find_entry(kind, entry, ()) if len(tree.marks) < 20_000 else []
    if isinstance(node, dict):
        changes = tree.branch(path)
        changes.data = {k: v for k, v in node.items() if k not in (kind.base_key, "base")}
        for name, field in kind.model_fields.items():
            inner, change = entry.data.get(name), changes.data.get(name)
            # a change inside an entry that is only named, such as the material of a design
            if isinstance(inner, str) and isinstance(change, dict):
                part, _ = _unwrap(field.annotation, change)
                if isinstance(part, type) and issubclass(part, Entry) and "base" not in change:
                    change["base"] = inner
        entry = merge(entry, changes)
    tree.graft(path, entry)
    return problems


def _find_input(tree: Tree, path: Path_) -> list[Problem]:
    """Make the file name at `path` absolute: beside the file that says it, or where the user is."""
    name = tree.at(path)
    if not isinstance(name, str):
        return []
    folder = Path(tree.mark(path).file).parent
    for place in (folder / name, Path.cwd() / name):
        if place.exists():
            tree.at(path[:-1])[path[-1]] = str(place.resolve())
            tree.inputs[path] = place.resolve()
            return []
    return [tree.problem(path, f"no such file: {name!r}")]


def explain(kind: Any, tree: Tree, path: Path_, item: Any, known: list[str] | None) -> Problem:
    """Return pydantic's error `item` in our words, with the place in the tree."""
    location = item["loc"]
    place, missing = list(path), item["type"] == "missing"
    node = tree.at(path)
    for part in location:
        if _holds(node, part):
            node = node[part]
            place.append(part)
        elif part == location[-1] and (missing or item["type"] == "extra_forbidden"):
            place.append(part)  # anything else that is in no file is the tag of a union
    where = tuple(place)
    if item["type"] == "extra_forbidden":
        keys = known or _keys(kind, location[:-1])
        hint = catalogue.did_you_mean(location[-1], keys)
        return tree.problem(where, f"no such key{hint} (known: {', '.join(keys)})")
    if missing:
        return tree.problem(where, "this key is missing")
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "literal_error":
        allowed = [str(choice) for choice in _choices(item)]
        hint = catalogue.did_you_mean(item["input"], allowed)
        message = f"{item['input']!r} is not one of {', '.join(allowed)}{hint}"
    elif item["type"] != "value_error":
        context = item.get("ctx", {})
        limits = ", ".join(f"{key} {value}" for key, value in context.items() if key != "error")
        message = f"{_short(item['input'])}: {message[0].lower()}{message[1:]}"
        if limits and limits not in message:
            message += f" ({limits})"
    return tree.problem(where, message)


def parameters_of(node: Any, path: str) -> Iterator[tuple[str, Parameter]]:
    """Yield (dotted key, parameter) for every parameter below `node`."""
    if isinstance(node, Parameter):
        yield path, node
    elif isinstance(node, Section):
        for name in (*type(node).model_fields, *(node.model_extra or {})):
            yield from parameters_of(getattr(node, name), f"{path}.{name}" if path else name)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from parameters_of(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from parameters_of(value, f"{path}.{index}")


def _is_plain(value: Any) -> bool:
    """Whether `value` is a number without a unit, as data or as text."""
    if isinstance(value, Quantity):
        return _is_plain(value.text)
    try:
        float(value)
    except (TypeError, ValueError):  # a list or a mapping is no number either
        return False
    return not isinstance(value, bool)


def _unwrap(kind: Any, node: Any) -> tuple[Any, list[Any]]:
    """Strip ``Annotated`` and choose the arm of a union that fits `node`."""
    notes: list[Any] = []
    while True:
        origin = typing.get_origin(kind)
        if origin is Annotated:
            kind, *more = typing.get_args(kind)
            notes += more
        elif origin in (typing.Union, types.UnionType):
            arms = [arm for arm in typing.get_args(kind) if arm is not type(None)]
            fits = [arm for arm in arms if _fits(arm, node)]
            kind = (fits or arms)[0]
        else:
            return kind, notes


def _fits(arm: Any, node: Any) -> bool:
    arm, notes = _unwrap(arm, node)
    if _is_section(arm):
        return isinstance(node, dict) or (issubclass(arm, Entry) and isinstance(node, str))
    origin = typing.get_origin(arm) or arm
    if origin is Literal:
        return node in typing.get_args(arm)
    return bool(notes) or (isinstance(origin, type) and isinstance(node, origin))


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def _holds(node: Any, part: Any) -> bool:
    if isinstance(node, list):
        return isinstance(part, int) and part < len(node)
    return isinstance(node, dict) and part in node


def _keys(kind: Any, location: tuple[Any, ...]) -> list[str]:
    """Return the keys that the section at `location` inside `kind` knows."""
    for part in location:
        kind, _ = _unwrap(kind, {})
        if typing.get_origin(kind) in (dict, list):
            kind = typing.get_args(kind)[-1]
        elif _is_section(kind):
            fields = {field.alias or name: field for name, field in kind.model_fields.items()}
            if part in fields:
                kind = fields[part].annotation
    kind, _ = _unwrap(kind, {})
    if not _is_section(kind):
        return []
    keys = [field.alias or name for name, field in kind.model_fields.items()]
    return keys + ([kind.base_key] if issubclass(kind, Entry) else [])


def _choices(item: Any) -> list[str]:
    text = item.get("ctx", {}).get("expected", "")
    return [word.strip("' ") for word in text.replace(" or ", ",").split(",")]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
