"""The ``behaviours`` of a configuration: classes in the user's Python files, with their options."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar

from pydantic import (
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from scaffoldsim.model.behaviours import Behaviour, Rule, read_options
from scaffoldsim.schema import InputFile, Parameter, Section
from scaffoldsim.tree import digest

__all__ = ["BehaviourSection", "behaviours_in", "find_class"]


class BehaviourSection(Section):
    """A class in a Python file: ``file.py:Class``, or ``{use: "file.py:Class", option: value}``.

    The resolved configuration has the two keys `file` and `name` in place of `use`, and beside
    them every option that has a source. To know the options, the file is imported when the
    configuration is read.
    """

    model_config = ConfigDict(extra="allow")
    shorthand_key: ClassVar[str | None] = "use"

    file: Annotated[str, InputFile()]
    name: str

    @classmethod
    def shorthand(cls, text: str) -> dict[str, Any]:
        """Return the two keys that ``file.py:Class`` stands for."""
        file, colon, name = text.rpartition(":")
        return {"file": file, "name": name} if colon else {"file": text, "name": ""}

    @model_validator(mode="before")
    @classmethod
    def _read_options(cls, data: Any) -> Any:
        """Take the options the class has; each wrong one is a problem of its own."""
        if not isinstance(data, dict):
            return data
        file, name = (str(data.get(key, "")) for key in ("file", "name"))
        if not name.isidentifier():
            raise ValueError(f"{name!r} is not the name of a class; write file.py:Class")
        if not Path(file).is_file():
            return data  # named by the search for input files
        given = {key: value for key, value in data.items() if key not in cls.model_fields}
        values, wrong = read_options(find_class(Path(file), name), given)
        if wrong:
            details = [
                InitErrorDetails(
                    type=PydanticCustomError("value_error", "{what}", {"what": what}),
                    loc=(key,) if key else (),
                    input=given.get(key),
                )
                for key, what in wrong
            ]
            raise ValidationError.from_exception_data("behaviour", details)
        return {"file": file, "name": name, **values}

    @model_serializer(mode="wrap")
    def _as_data(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        sources = {k: v.data() for k, v in self.options.items() if isinstance(v, Parameter)}
        return {**handler(self), **sources}

    @property
    def options(self) -> dict[str, Any]:
        """What the class is made with."""
        return dict(self.model_extra or {})

    @property
    def sha256(self) -> str:
        """Hash of the file, for the manifest."""
        return digest(Path(self.file))

    def make(self, fields: Collection[str] | None = None) -> Rule:
        """Import the file and make the behaviour; `fields` are those of the model, if it is known.

        Raises
        ------
        ValueError
            If the file cannot be imported, the class is missing or has neither method, or it needs
            a field that there is not.
        """
        path = Path(self.file)
        kind = find_class(path, self.name)
        label = f"{path.name}:{self.name}"
        try:
            rule = Rule(label, kind(**self.options))
        except (Exception, SystemExit) as error:  # a user's file may raise anything
            raise ValueError(f"{label}: {type(error).__name__}: {error}") from error
        if fields is not None and (missing := list(rule.missing(fields))):
            raise ValueError(
                f"{label} reads or writes {', '.join(map(repr, missing))}, which is neither a "
                f"column of the cells nor one of the fields ({', '.join(fields)})"
            )
        return rule


def find_class(path: Path, name: str) -> type:
    """Import the file `path` and return its class `name`, which has one of the two methods.

    Raises
    ------
    ValueError
        If the file cannot be imported, or the class is missing or has neither method.
    """
    module = _import(path)
    kind = getattr(module, name, None)
    if not isinstance(kind, type):
        classes = [each for each, value in vars(module).items() if isinstance(value, type)]
        raise ValueError(f"{path.name}:{name}: there is no such class ({', '.join(classes)})")
    if not _acts(kind):
        raise ValueError(f"{path.name}:{name} has neither apply(model, dt) nor step(cell)")
    return kind


def behaviours_in(path: Path) -> list[type[Behaviour]]:
    """Return the behaviours that the file `path` defines, in its order; bases of others not.

    Raises
    ------
    ValueError
        If the file cannot be imported.
    """
    module = _import(path)
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Behaviour)
        and value.__module__ == module.__name__
        and _acts(value)
    ]


def _acts(kind: type) -> bool:
    return hasattr(kind, "apply") or hasattr(kind, "step")


def _import(path: Path) -> ModuleType:
    """Return the file as a module, executed anew: no model shares what another left in it."""
    spec = importlib.util.spec_from_file_location(f"_behaviour_{digest(path)[:12]}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look up the words of annotations
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a user's file may raise anything
        raise ValueError(f"{path.name}: {type(error).__name__}: {error}") from error
    return module
