"""What the solver accepts: one readable guard each, with the value and what is allowed."""

from __future__ import annotations

import math
import operator
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def positive(value: Any, name: str, unit: str, *, zero: bool = False) -> float:
    """One finite number above zero (or at zero, if `zero`)."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, str) or not (math.isfinite(number) and number >= 0 and (zero or number)):
        raise ValueError(
            f"{name} is {value!r}; it must be one number {'>=' if zero else '>'} 0 in {unit}."
        )
    return number


def axes(periodic: Any) -> tuple[bool, bool, bool]:
    """Three bools, one per axis."""
    try:
        x, y, z = (bool(wraps) for wraps in periodic)
    except (TypeError, ValueError):
        raise ValueError(
            f"periodic is {periodic!r}; it must be three bools, for x, y and z."
        ) from None
    return x, y, z


def cores() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_count(threads: int | None) -> int:
    """OpenMP threads to use: `threads`, or every processor this process may run on."""
    if threads is None:
        return cores()
    try:
        count = operator.index(threads)
    except TypeError:
        count = 0
    if count < 1:
        raise ValueError(
            f"threads is {threads!r}; it must be a whole number >= 1, or None for all."
        )
    return count


class Inputs:
    """Checks arguments of one geometry; `mask` is above zero in its pore, (nx, ny, nz)."""

    def __init__(self, mask: NDArray[np.uint8]) -> None:
        self.mask, self.shape = mask, mask.shape

    def array(self, values: Any, name: str) -> Any:
        """A float, or a contiguous float array of this shape."""
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{name} is {values!r}; it must be a number or an array of numbers.")
        if array.ndim == 0:
            return float(array)
        if array.shape != self.shape:
            raise ValueError(f"{name} has shape {array.shape}; pore has {self.shape}.")
        if array.dtype not in (np.float32, np.float64):
            array = array.astype(np.float64)
        return np.ascontiguousarray(array)

    def out(self, out: Any) -> Any:
        """Where the field goes: `out`, or a new array that is NaN in the solid."""
        if out is None:
            return np.full(self.shape, np.nan)
        if not (
            isinstance(out, np.ndarray)
            and out.shape == self.shape
            and out.dtype in (np.float32, np.float64)
            and out.flags.c_contiguous
            and out.flags.writeable
        ):
            raise ValueError(
                f"out is no writeable, contiguous float32 or float64 array of shape {self.shape}."
            )
        return out

    def held(self, fixed: Any) -> tuple[Any, Any]:
        """Interior voxels of held value (None if there are none) and the values."""
        if fixed is None:
            return None, None
        values = self.array(fixed, "fixed")
        if np.ndim(values) == 0:
            raise ValueError("fixed is one number; it must be an array with NaN where c is free.")
        held = ~np.isnan(values) & (self.mask > 0)
        if not held.any():
            return None, None
        picked = values[held]
        if not (picked.min() >= 0 and picked.max() < math.inf):
            raise ValueError(
                "fixed holds a negative or infinite value; it must be >= 0 in mol/m3, "
                "NaN where c is free."
            )
        return held, values
