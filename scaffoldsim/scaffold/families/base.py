"""What a family is: a periodic scalar field whose low values are solid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Vector = tuple[Floats, Floats, Floats]

_FAMILIES: dict[str, type[Family]] = {}
_F = TypeVar("_F", bound="type[Family]")


class Family(ABC):
    r"""A geometry rule: a field φ of period 1 along each axis; solid is φ < t.

    So the level t for a wanted porosity is a quantile of φ, and the size of the unit cell follows
    from the wanted pore size. A new family is one subclass with `field`, marked by `register`.

    Attributes
    ----------
    name : str
        As written in a config; set by `register`.
    title : str
        As written in messages.
    sheet : bool
        The wall is thickened on both sides of the surface φ = 0, so that 2 t is its thickness,
        and the solid is in one piece for every t > 0.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    sheet: ClassVar[bool] = False

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    @abstractmethod
    def field(self, u: Floats, v: Floats, w: Floats) -> Floats:
        """φ at the positions (u, v, w) in unit cells; arrays that broadcast together."""

    def gradient(self, u: Floats, v: Floats, w: Floats) -> Vector:
        """(∂φ/∂u, ∂φ/∂v, ∂φ/∂w), here by central differences; override where it is known."""
        h = u.dtype.type(1e-3)
        return (
            (self.field(u + h, v, w) - self.field(u - h, v, w)) / (2 * h),
            (self.field(u, v + h, w) - self.field(u, v - h, w)) / (2 * h),
            (self.field(u, v, w + h) - self.field(u, v, w - h)) / (2 * h),
        )


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


def get_family(name: str) -> Family:
    """The family called `name`.

    Raises
    ------
    ValueError
        If there is none; the message lists those there are.

    Examples
    --------
    >>> get_family("gyroid_net").title
    'gyroid net'
    """
    if name not in _FAMILIES:
        import difflib

        near = difflib.get_close_matches(str(name), _FAMILIES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"family: {name!r} is not known{hint} ({', '.join(family_names())})")
    return _FAMILIES[name]()
