"""Units at the door, SI floats inside.

A quantity is a number with a unit, ``"600 um"``, ``"28 d"``, ``"98 fmol/h"``. The package works in
m, s, kg, mol (so concentrations are mol/m³ = mM and rates 1/s). Pint does the conversion; it is
imported only when a text is met, since its import costs more than the rest of a ``--help``.
"""

import math
import re
from functools import lru_cache
from typing import Any

# A number, then names with one-digit powers joined by products. Anything else never reaches Pint,
# so a hostile text such as "m^9^9^9" cannot make it compute.
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_QUANTITY = re.compile(rf"^\s*({_NUMBER})\s*(.*?)\s*$")
_NAME = r"[A-Za-zµμ%°]{1,20}(?:(?:\^|\*\*)?-?\d)?"
_UNIT = re.compile(rf"^(?:1?\s*/\s*)?{_NAME}(?:(?:\s*[*/]\s*|\s+){_NAME}){{0,5}}$")


class UnitError(ValueError):
    """A text that is not a quantity, or one of another dimension."""


@lru_cache(maxsize=1)
def _registry() -> Any:
    import pint

    registry: Any = pint.UnitRegistry()
    registry.define("cell = []")  # "98 fmol/cell/h": a count, kept for reading
    registry.define("@alias year = y")
    registry.define("@alias week = wk")
    return registry


@lru_cache(maxsize=1024)
def _factor(text: str, unit: str, example: str) -> float:
    """SI-free conversion factor from the unit ``text`` to ``unit``."""
    registry = _registry()
    clean = text.replace("µ", "u").replace("μ", "u").replace("^", "**")
    clean = re.sub(r"([A-Za-z])(-?\d)$|([A-Za-z])(-?\d)(?=[ */])", r"\1\3**\2\4", clean)
    if clean.startswith("/"):
        clean = "1" + clean
    try:
        given = registry.parse_expression(clean) * registry.dimensionless
    except Exception as error:
        raise UnitError(f"{text!r} is not a unit known here") from error
    try:
        return float(given.to(unit.replace("^", "**") or "dimensionless").magnitude)
    except Exception as error:
        raise UnitError(
            f"{text!r} is a {_dimension(given)}, but a "
            f"{_dimension(registry(unit or 'dimensionless'))} is needed, for example in "
            f"{example or 'plain numbers'}"
        ) from error


def _dimension(quantity: Any) -> str:
    text = str(getattr(quantity, "dimensionality", "dimensionless"))
    return "plain number" if text == "dimensionless" else f"quantity of {text}"


def parse(value: str | float, unit: str, *, example: str | None = None) -> float:
    """Return `value` as a float in `unit`.

    Parameters
    ----------
    value
        A text such as ``"600 um"``, or a number that is in `unit` already.
    unit
        The unit wanted, as Pint writes it; ``""`` for a plain number.
    example
        The unit that an error message proposes; `unit` if None.

    Raises
    ------
    UnitError
        If the text is no quantity, lacks its unit, or is of another dimension.

    Examples
    --------
    >>> parse("600 um", "m")
    0.0006
    >>> round(parse("98 fmol/h", "mol/s"), 20)
    2.722e-17
    >>> parse("600", "m")
    Traceback (most recent call last):
    ...
    scaffoldsim.units.UnitError: '600' has no unit; write for example '600 m'
    """
    if isinstance(value, bool):
        raise UnitError(f"{value!r} is a switch, not a quantity")
    if isinstance(value, int | float):
        return float(value)
    example = example or unit
    found = _QUANTITY.match(str(value))
    if found is None and not example:
        raise UnitError(f"{value!r} is not a number; write for example '0.9'")
    if found is None:
        raise UnitError(f"{value!r} is not a quantity; write for example '1 {example}'")
    number, text = float(found[1]), found[2]
    if not math.isfinite(number):
        raise UnitError(f"{value!r} is too large a number")
    if not text:
        if unit:
            raise UnitError(f"{value!r} has no unit; write for example '{found[1]} {example}'")
        return number
    if not _UNIT.match(text):
        raise UnitError(f"{text!r} is not a unit known here")
    if text == "%":
        text, number = "", number / 100
        if not unit:
            return number
    # Whole factors keep round figures round: 600 um is 0.0006 m, not 0.0006000000000000001.
    factor = _factor(text, unit, example)
    if _whole(factor):
        return number * round(factor)
    return number / round(1 / factor) if _whole(1 / factor) else number * factor


def _whole(number: float) -> bool:
    return 1 <= number < 1e19 and abs(number - round(number)) <= 1e-9 * number


def format_si(value: float, unit: str, *, digits: int = 4) -> str:
    """Return `value` (in `unit`) with a readable prefix.

    Examples
    --------
    >>> format_si(0.0006, "m")
    '600 um'
    >>> format_si(2.722e-17, "mol/s")
    '2.722e-17 mol/s'
    """
    scales = {
        "m": ((1e-6, "um"), (1e-3, "mm"), (1.0, "m")),
        "s": ((1.0, "s"), (60.0, "min"), (3600.0, "h"), (86400.0, "d")),
        "Pa": ((1.0, "Pa"), (1e3, "kPa"), (1e6, "MPa"), (1e9, "GPa")),
    }
    best = (1.0, unit)
    for scale, name in scales.get(unit, ()):
        if abs(value) >= 0.999 * scale or best == (1.0, unit):
            best = (scale, name)
    return f"{value / best[0]:.{digits}g} {best[1]}".strip()
