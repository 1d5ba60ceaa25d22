"""What `Scaffold` accepts in Python: one readable guard each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from scaffoldsim import units
from scaffoldsim.scaffold.grading import Grading
from scaffoldsim.scaffold.material import Material

_LONGEST = 1.0  # m

Size = str | float | list[str | float] | tuple[str | float, ...]


def material_of(material: str | Material | None) -> Material | None:
    """A material, from its name in the catalogue where need be."""
    if material is None or isinstance(material, Material):
        return material
    if not isinstance(material, str):
        raise ValueError(f"material: {material!r} is neither a name nor a Material")
    from scaffoldsim.config import read_entry

    entry = read_entry("materials", material)
    if not isinstance(entry, Material):
        raise TypeError(f"material: {material!r} is a {type(entry).__name__}")
    return entry


def edges(size: Size) -> tuple[float, float, float]:
    """Three edges in m, from one quantity or three."""
    given = list(size) if isinstance(size, list | tuple) else [size] * 3
    if len(given) == 1:
        given *= 3
    if len(given) != 3:
        raise ValueError(f"size: {size!r} is neither one edge nor three")
    x, y, z = (positive_length("size", units.parse(edge, "m")) for edge in given)
    return x, y, z


def positive_length(name: str, value: float) -> float:
    """`value` if it is a length (m) that a scaffold can have."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name}: {value!r} is not a positive length in m")
    if value > _LONGEST:
        raise ValueError(
            f"{name}: {value:g} m is longer than {_LONGEST:g} m; a number is in metres, so write a "
            f"text with its unit, for example '{value:g} um'"
        )
    return value


def require_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a word that is not one of those allowed."""
    if value not in allowed:
        raise ValueError(f"{name}: {value!r} is not one of {', '.join(allowed)}")


def number(name: str, value: object) -> float:
    """A number without unit, or in per cent."""
    try:
        return units.parse(value, "")  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def grading_of(given: Grading | Mapping[str, Any]) -> Grading:
    """A grading, from a mapping where need be, with its problems as one error."""
    if not isinstance(given, Grading):
        sizes = given.get("pore_size")
        if isinstance(sizes, list | tuple):
            sizes = [f"{d!r} m" if isinstance(d, int | float) else d for d in sizes]
        try:
            given = Grading.model_validate({**given, "pore_size": sizes})
        except ValidationError as error:
            lines = [
                f"grading.{'.'.join(map(str, each['loc']))}: {each['input']!r}: "
                + each["msg"].removeprefix("Value error, ")
                for each in error.errors()
            ]
            raise ValueError("\n".join(lines)) from None
    grading = given
    wrong = [f"grading{''.join(f'.{key}' for key in path)}: {what}"
             for path, what in grading.problems()]  # fmt: skip
    if wrong:
        raise ValueError("\n".join(wrong))
    return grading


def spans(crop: Mapping[str, Sequence[str | float]]) -> dict[str, tuple[float, float]]:
    """Axis → (from, to) in m."""
    found = {}
    for axis, span in crop.items():
        ends = [units.parse(end, "m") for end in span]
        if axis not in ("x", "y", "z") or len(ends) != 2:
            raise ValueError(f"crop: {axis!r}: {span!r} is not an axis with from and to")
        found[axis] = (ends[0], ends[1])
    return found
