"""Configurations: read, merge, complete from the catalogue, validate, and say what is wrong where.

This module knows files, origins and errors. What a section means is declared beside the code that
uses it (`OWNERS` says where); the owner is imported the moment a configuration is validated, never
before, and nothing here knows what it does.
"""

import copy
import hashlib
import importlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from scaffoldsim import catalogue
from scaffoldsim.schema import (
    Entry,
    Parameter,
    Section,
    Unit,
    expand,
    explain,
    parameters_of,
)
from scaffoldsim.tree import Mark, Path_, Problem, Tree, assign, digest, merge, read

__all__ = [
    "Config",
    "ConfigError",
    "Entry",
    "Parameter",
    "Section",
    "Unit",
    "dump",
    "load",
    "located_entry",
    "read_entry",
]

#: section of a configuration → the class that declares it ("module:name")
OWNERS: dict[str, str] = {
    "scaffold": "scaffoldsim.scaffold.section:ScaffoldSection",
    "faces": "scaffoldsim.scaffold.grid:Faces",
    "host": "scaffoldsim.model.host:Host",
    "bone": "scaffoldsim.model.bone:BoneTissue",
    "fields": "scaffoldsim.model.fields:Species",
    "cell_types": "scaffoldsim.model.celltypes:CellType",
    "cells": "scaffoldsim.model.delivery:Seeding",
    "exposures": "scaffoldsim.model.exposures:Exposure",
    "mechanics": "scaffoldsim.model.substrate:Mechanics",
    "behaviours": "scaffoldsim.model.plugins:BehaviourSection",
    "output": "scaffoldsim.run.schedule:Output",
}
#: catalogue kind → the class of its entries, for `describe` and the catalogue's own tests
ENTRIES: dict[str, str] = {
    "designs": OWNERS["scaffold"],
    "materials": "scaffoldsim.scaffold.material:Material",
    "studies": "scaffoldsim.compare.expectations:Study",
    "tuning": "scaffoldsim.compare.expectations:Tuning",
    "hosts": OWNERS["host"],
    "fields": OWNERS["fields"],
    "cells": OWNERS["cell_types"],
    "factors": "scaffoldsim.model.factors:Factor",
    "organisms": "scaffoldsim.model.organisms:Organism",
    "tissues": OWNERS["bone"],
    "vessels": "scaffoldsim.model.sprouting:VesselTissue",
    "immunity": "scaffoldsim.model.immunity:ImmuneResponse",
    "loads": "scaffoldsim.model.mechanics:Load",
    "conditions": "scaffoldsim.model.conditions:Condition",
    "genes": "scaffoldsim.model.genes:Gene",
}
#: what must agree between sections: a function that yields (path, message) for a `Config`
AGREEMENT = "scaffoldsim.model.agreement:problems"
#: sections that hold several entries: as a mapping by name, or as a list
_BY_NAME = {"fields", "cell_types"}
_LISTS = {"exposures", "behaviours"}
#: what lies below every configuration
DEFAULTS: dict[str, Any] = {
    "faces": "closed",
    "host": "culture",
    "bone": "bone",
    "fields": {"oxygen": "oxygen"},
    "cell_types": {
        name: name
        for name in (
            "bmsc",
            "preosteoblast",
            "osteoblast",
            "osteocyte",
            "adipocyte",
            "chondrocyte",
            "endothelial",
            "senescent",
        )
    },
    "exposures": [],
    "mechanics": {},
    "behaviours": [],
    "output": {},
}


class Top(Section):
    """The keys of a configuration that belong to no section."""

    schema_: Literal[1] = Field(alias="schema")
    name: str = Field("run", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    title: str = Field("", max_length=200)
    seed: int = Field(1, ge=0, lt=2**63)
    duration: Annotated[float, Unit("s", ge=3600, le=10 * 365.25 * 86400, show="d")]
    step: Annotated[float, Unit("s", ge=60, le=6 * 3600, show="h")] = "1 h"  # type: ignore[assignment]


class ConfigError(ValueError):
    """Everything that is wrong with a configuration, each problem with its place.

    Attributes
    ----------
    problems : list of Problem
        In the order of files and lines.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems), key=Problem.order)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Config:
    """A validated configuration: one attribute per section, and the tree it came from.

    Attributes
    ----------
    name, title, seed, duration, step
        The keys of no section; duration and step in seconds.
    scaffold, faces, host, bone, fields, cell_types, cells, exposures, mechanics, behaviours, output
        The validated sections.
    """

    scaffold: Any
    faces: Any
    host: Any
    bone: Any
    fields: Any
    cell_types: Any
    cells: Any
    exposures: Any
    mechanics: Any
    behaviours: Any
    output: Any

    def __init__(self, top: Top, sections: Mapping[str, Any], tree: Tree) -> None:
        self.name, self.title, self.seed = top.name, top.title, top.seed
        self.duration, self.step = top.duration, top.step
        self._top, self._tree = top, tree
        for key, section in sections.items():
            setattr(self, key, section)

    def __repr__(self) -> str:
        return f"Config({self.name!r}, seed={self.seed}, hash={self.hash[:8]})"

    @property
    def steps(self) -> int:
        """Number of steps; the last one ends at, or just after, `duration`."""
        return -int(-self.duration // self.step)

    def resolved(self) -> dict[str, Any]:
        """Return the whole configuration as plain data, with every catalogue value in it."""
        data = self._top.model_dump(mode="json", by_alias=True)
        for key in OWNERS:
            data[key] = _plain(getattr(self, key))
        return data

    @property
    def hash(self) -> str:
        """sha256 of what is simulated: the resolved configuration without seed, name and title.

        Input files count by content, not by path.
        """
        data = self.resolved()
        for key in ("seed", "name", "title"):
            data.pop(key)
        for path, file in self.inputs().items():
            _put(data, path, digest(file))
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def inputs(self) -> dict[Path_, Path]:
        """Return the files the configuration reads, by their place in it."""
        return dict(self._tree.inputs)

    def parameters(self) -> dict[str, Parameter]:
        """Return every number that carries a source, by dotted key."""
        found: dict[str, Parameter] = {}
        for key in OWNERS:
            found.update(parameters_of(getattr(self, key), key))
        return found

    def error(self, path: Path_, message: str) -> ConfigError:
        """Return a located error for a problem found after validation."""
        return ConfigError([self._tree.problem(path, message)])


def load(
    config: str | os.PathLike[str] | Mapping[str, Any],
    *,
    set: Mapping[str, Any] | Iterable[str] | None = None,
    seed: int | None = None,
) -> Config:
    """Read, complete and validate a configuration.

    Parameters
    ----------
    config
        A name of the catalogue, a path to a YAML file, or the data itself.
    set
        Changes: ``{"scaffold.porosity": 0.95}``, or ``["scaffold.porosity=0.95"]``.
    seed
        Replaces the configuration's seed.

    Raises
    ------
    ConfigError
        With every problem at once.

    Examples
    --------
    >>> load("quickstart", set={"duration": "2 h"}).steps
    2
    """
    try:
        tree = _read(config)
        tree = merge(Tree.of(DEFAULTS, Mark("default")), _with_bases(tree))
        for key, value, mark in _changes(set):
            assign(tree, key, value, mark)
        if seed is not None:
            assign(tree, ("seed",), seed, Mark(f"--seed {seed}"))
    except ConfigError:
        raise
    except (catalogue.UnknownEntryError, OSError, ValueError) as error:
        problems = getattr(error, "problems", None) or [Problem(Mark(str(config)), "", str(error))]
        raise ConfigError(problems) from error
    return _validate(tree)


def read_entry(kind: str, name: str) -> Entry:
    """Return a validated entry of the catalogue, for example a material.

    Examples
    --------
    >>> read_entry("materials", "bcp").density.mark
    'recalled'
    """
    return located_entry(kind, name)[0]


def located_entry(kind: str, name: str) -> tuple[Entry, Tree]:
    """Return a validated entry of the catalogue, and where each key of it was written."""
    try:
        tree = Tree.of(name, Mark(name))
        model = _import(ENTRIES[kind])
        problems = expand(model, tree, ())
    except (catalogue.UnknownEntryError, OSError, ValueError) as error:
        raise ConfigError([Problem(Mark(str(name)), "", str(error))]) from error
    section, more = _section(model, tree, ())
    if problems or more:
        raise ConfigError([*problems, *more])
    return section, tree


def dump(data: Mapping[str, Any]) -> str:
    """Return plain data as YAML; floats keep every digit."""
    import io

    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 4096
    yaml.default_flow_style = False
    text = io.StringIO()
    yaml.dump(dict(data), text)
    return text.getvalue()


def _read(config: str | os.PathLike[str] | Mapping[str, Any]) -> Tree:
    if isinstance(config, Mapping):
        return Tree.of(config, Mark("config"))
    try:
        path = catalogue.find("experiments", config)
    except catalogue.UnknownEntryError as error:
        text = os.fspath(config)
        if os.sep in text or text.endswith((".yaml", ".yml")):
            raise ConfigError([Problem(Mark(text), "", f"no such file: {text!r}")]) from None
        raise ConfigError([Problem(Mark(text), "", str(error))]) from None
    tree = read(path)
    if isinstance(tree.data, dict) and path.stem != "config":
        tree.data.setdefault("name", path.stem)
    return tree


def _with_bases(tree: Tree, depth: int = 0) -> Tree:
    """Merge `tree` over the configuration its ``base`` names, if it names one."""
    if not isinstance(tree.data, dict):
        raise ConfigError([tree.problem((), "a configuration is a mapping of keys to values")])
    if "base" not in tree.data:
        return tree
    name = tree.data.pop("base")
    mark = tree.mark(("base",))
    if depth > 8:
        raise ConfigError([Problem(mark, "base", "the chain of bases is too long, or goes round")])
    beside = Path(mark.file).parent / str(name)
    try:
        base = read(beside if beside.is_file() else catalogue.find("experiments", str(name)))
    except catalogue.UnknownEntryError as error:
        raise ConfigError([Problem(mark, "base", str(error))]) from error
    return merge(_with_bases(base, depth + 1), tree)


def _changes(
    changes: Mapping[str, Any] | Iterable[str] | None,
) -> Iterator[tuple[Path_, Any, Mark]]:
    """Yield (path, value, origin) for each change, from text or from data."""
    if changes is None:
        return
    if isinstance(changes, str):
        changes = [changes]
    if isinstance(changes, Mapping):
        for key, value in changes.items():
            yield tuple(str(key).split(".")), value, Mark(f"set {key}={value!r}")
        return
    problems: list[Problem] = []
    for text in changes:
        key, equals, value = str(text).partition("=")
        mark = Mark(f"--set {text}")
        if not equals or not key.strip():
            problems.append(
                Problem(mark, "", "write KEY=VALUE, for example scaffold.porosity=0.95")
            )
            continue
        try:
            yield tuple(key.strip().split(".")), Tree.parse(value), mark
        except ValueError as error:
            problems.append(Problem(mark, key.strip(), str(error)))
    if problems:
        raise ConfigError(problems)


def _validate(tree: Tree) -> Config:
    problems: list[Problem] = []
    known = [field.alias or key for key, field in Top.model_fields.items()] + list(OWNERS)
    top_tree = Tree({k: v for k, v in tree.data.items() if k not in OWNERS}, tree.marks)
    top, found = _section(Top, top_tree, (), known=known)
    problems += found
    sections: dict[str, Any] = {}
    for key, owner in OWNERS.items():
        if key not in tree.data:
            problems.append(tree.problem((key,), f"the section {key!r} is missing"))
            continue
        model = _import(owner)
        kind: Any = model
        if key in _BY_NAME:
            kind = dict[str, model]  # type: ignore[valid-type]
        elif key in _LISTS:
            kind = list[model]  # type: ignore[valid-type]
        broken = expand(kind, tree, (key,))
        sections[key], found = _section(kind, tree, (key,))
        # an entry that was not found has been named already; its values cannot be judged
        gone = tuple(problem.key for problem in broken)
        problems += [*broken, *(each for each in found if not each.key.startswith(gone or "\0"))]
    if problems:
        raise ConfigError(problems)
    config = Config(top, sections, tree)
    problems += [tree.problem(path, message) for path, message in _import(AGREEMENT)(config)]
    if problems:
        raise ConfigError(problems)
    return config


def _section(
    kind: Any, tree: Tree, path: Path_, *, known: list[str] | None = None
) -> tuple[Any, list[Problem]]:
    """Validate the node at `path`; return the section (None if broken) and what is wrong."""
    adapter, node = TypeAdapter(kind), tree.at(path)
    problems: list[Problem] = []
    section = whole = None
    torn = False  # whether what is missing may stand in what was taken away
    try:
        section = whole = adapter.validate_python(node)
    except ValidationError as error:
        problems = [explain(kind, tree, path, item, known) for item in error.errors()]
        # without the broken keys, or all that holds one, the rest can still be judged as a whole
        for depth in (None, 1):
            try:
                whole = adapter.validate_python(_without(node, path, problems, depth))
            except ValidationError:
                continue
            torn = depth is not None
            break
    named = tuple(problem.key for problem in problems)
    for place, item in _members(whole, ()):
        for key, message in item.problems():
            problem = tree.problem((*path, *place, *key), message)
            apart = key and not problem.key.startswith(named)
            apart = apart and not (torn and "is missing" in message)
            if apart or not named:
                problems.append(problem)
    return section, problems


def _without(node: Any, path: Path_, problems: list[Problem], depth: int | None) -> Any:
    """Return a copy of `node`, which stands at `path`, without the keys that have a problem.

    With `depth`, no further down than that: a key goes whole if one below it has a problem.
    """
    rest = copy.deepcopy(node)
    for problem in problems:
        *way, last = problem.key.split(".")[len(path) :][:depth] or [""]
        below = rest
        for key in way:
            below = below.get(key) if isinstance(below, dict) else None
        if isinstance(below, dict):
            below.pop(last, None)
    return rest


def _members(node: Any, place: Path_) -> Iterator[tuple[Path_, Section]]:
    """Yield every section at and below `node`, with where it stands."""
    below: Iterable[tuple[str | int, Any]] = ()
    if isinstance(node, Section):
        yield place, node
        fields = type(node).model_fields.items()
        below = ((field.alias or name, getattr(node, name)) for name, field in fields)
    elif isinstance(node, Mapping):
        below = node.items()
    elif isinstance(node, list):
        below = enumerate(node)
    for key, child in below:
        yield from _members(child, (*place, key))


def _import(owner: str) -> Any:
    module, _, name = owner.partition(":")
    return getattr(importlib.import_module(module), name)


def _plain(section: Any) -> Any:
    if isinstance(section, Section):
        return section.model_dump(mode="json", by_alias=True)
    if isinstance(section, Mapping):
        return {key: _plain(item) for key, item in section.items()}
    return [_plain(item) for item in section]


def _put(data: Any, path: Path_, value: Any) -> None:
    for key in path[:-1]:
        data = data[key]
    data[path[-1]] = value
