"""What the solver accepts: one readable guard each, with the value and what is allowed."""

from __future__ import annotations

import math
import operator
import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

# A relative diffusivity below this share of the largest cannot be told from a wall in single
# precision.
LEAST_PORE = 1e-9


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


def relative_pore(pore: ArrayLike) -> tuple[Array, float]:
    """A mask (or a relative diffusivity up to 1) and the factor taken out of it."""
    array = np.asarray(pore)
    if array.ndim != 3 or array.size == 0:
        raise ValueError(f"pore has shape {array.shape}; it must be (x, y, z), each at least 1.")
    if math.prod(n + 2 for n in array.shape) >= 2**31:
        raise ValueError(f"pore has shape {array.shape}; fewer than 2**31 voxels are allowed.")
    if array.dtype == bool:
        return array, 1.0
    if array.dtype.kind not in "iuf":
        raise ValueError(f"pore has dtype {array.dtype}; it must be bool or numbers >= 0.")
    array = array.astype(np.float64)
    if not np.isfinite(array).all() or array.min() < 0:
        raise ValueError(
            "pore holds values that are negative or not finite; it must be a "
            "bool mask or the relative diffusivity >= 0 of each voxel."
        )
    top = float(array.max())
    if top == 0:
        return array > 0, 1.0
    array /= top
    array[array < LEAST_PORE] = 0.0
    if np.isin(array, (0.0, 1.0)).all():
        return array > 0, top
    return array, top


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
