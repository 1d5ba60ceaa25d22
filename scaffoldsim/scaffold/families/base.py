"""What a family is: a periodic scalar field whose low values are solid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar, get_type_hints

import numpy as np
import numpy.typing as npt

from scaffoldsim.catalogue import did_you_mean

Floats = npt.NDArray[np.floating]
Vector = tuple[Floats, Floats, Floats]

_FAMILIES: dict[str, type[Family]] = {}
_F = TypeVar("_F", bound="type[Family]")


@dataclass(frozen=True)
class Family(ABC):
    r"""A geometry rule: a periodic field φ; solid is φ < t.

    So the level t for a wanted porosity is a quantile of φ, and the size of the unit cell follows
    from the wanted pore size. A new family is one frozen dataclass with `field`, marked by
    `register`; its dataclass fields are its options in a config, and their annotations the schema.

    Attributes
    ----------
    name : str
        As written in a config; set by `register`.
    title : str
        As written in messages.
    walls : bool
        False for a family that has no solid at all (a gel): then nothing is solved.
    one_piece : bool
        The solid is known to be in one piece at any level, so that it need not be counted.
    sheet : bool
        The wall parts two pore networks that never meet.
    random : bool
        The unit cell is a sample of a random structure, so that it need not fit in the box twice;
        `cells_across` says how many pores it holds along an edge.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    walls: ClassVar[bool] = True
    one_piece: ClassVar[bool] = False
    sheet: ClassVar[bool] = False
    random: ClassVar[bool] = False

    @abstractmethod
    def field(self, u: Floats, v: Floats, w: Floats) -> Floats:
        """φ at the positions (u, v, w), in units of the cell size; arrays that broadcast."""

    def gradient(self, u: Floats, v: Floats, w: Floats) -> Vector:
        """(∂φ/∂u, ∂φ/∂v, ∂φ/∂w), here by central differences; override where it is known."""
        h = u.dtype.type(1e-3)
        return (
            (self.field(u + h, v, w) - self.field(u - h, v, w)) / (2 * h),
            (self.field(u, v + h, w) - self.field(u, v - h, w)) / (2 * h),
            (self.field(u, v, w + h) - self.field(u, v, w - h)) / (2 * h),
        )

    @property
    def cell(self) -> tuple[float, float, float]:
        """Periods of φ along u, v, w, in units of the cell size."""
        return 1.0, 1.0, 1.0

    @property
    def cells_across(self) -> float:
        """Pores along an edge of the unit cell; 1 where the structure repeats with it."""
        return 1.0

    def fitted(self, porosity: float) -> Family:
        """The family with the proportions that this porosity needs; most have none to choose."""
        return self

    def wall(self, level: float) -> float | None:
        """Thickness of the walls at a level, in units of the cell size; None: to be measured."""
        return None


def register(name: str) -> Callable[[_F], _F]:
    """Class decorator: make the family known under `name`."""

    def enter(family: _F) -> _F:
        family.name = name
        _FAMILIES[name] = family
        return family

    return enter


def family_names() -> list[str]:
    """Names of every known family, sorted."""
    return sorted(_FAMILIES)


def get_family(name: str, options: Mapping[str, Any] | None = None) -> Family:
    """The family called `name`, with `options` in place of its own choices.

    Raises
    ------
    ValueError
        If there is none, or an option is unknown or out of range; every problem is a line.

    Examples
    --------
    >>> get_family("gyroid_net").title
    'gyroid net'
    """
    if name not in _FAMILIES:
        raise ValueError(f"family: {name!r} is not known{_near(name, _FAMILIES)}")
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"options: {options!r} is not a mapping of names to values")
    family = _FAMILIES[name]
    problems = option_problems(name, options or {})
    if problems:
        raise ValueError("\n".join(f"options.{key}: {what}" for key, what in problems))
    return family(**_checked(family, dict(options or {})))


def option_problems(name: str, options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(key, what is wrong) for each option that the family `name` does not take."""
    from pydantic import ValidationError

    family = _FAMILIES[name]
    known = [option.name for option in fields(family)]
    found = [
        (
            str(key),
            f"{name} has no such option{_near(str(key), known)}"
            if known
            else f"{name} has no options",
        )
        for key in options
        if key not in known
    ]
    try:
        _checked(family, {key: value for key, value in options.items() if key in known})
    except ValidationError as error:
        found += [
            (str(each["loc"][0]) if each["loc"] else "", f"{each['input']!r}: {each['msg']}")
            for each in error.errors()
        ]
    return found


def option_types(family: type[Family]) -> dict[str, Any]:
    """Option → its annotation, which says what is allowed."""
    hints = get_type_hints(family, include_extras=True)
    return {option.name: hints[option.name] for option in fields(family)}


def _checked(family: type[Family], options: dict[str, Any]) -> dict[str, Any]:
    """The options, converted and checked against the annotations of the family's fields."""
    from pydantic import create_model

    types: dict[str, Any] = {key: (kind, None) for key, kind in option_types(family).items()}
    model = create_model(family.__name__, **types)
    return {key: getattr(model(**options), key) for key in options}


def _near(name: str, known: Iterable[str]) -> str:
    return f"{did_you_mean(name, known)} ({', '.join(sorted(known))})"
