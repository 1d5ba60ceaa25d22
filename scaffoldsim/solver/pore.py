"""The pore as a solver takes it: a mask, or the diffusivity of each voxel relative to the largest.

Values stay in the array they came in, of single or double precision; kernels divide by `top`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaffoldsim.solver import _aggregation

Array = NDArray[Any]


@dataclass(frozen=True)
class Pore:
    """A checked pore.

    Attributes
    ----------
    values : (nx, ny, nz) bool, or float32 or float64 between 0 and `top`
    top : the largest of them, 1 for a mask
    highest, partial : flat numbers of a voxel that has it, and of one between it and nothing; -1
        if there is none, as in every mask
    """

    values: Array
    top: float = 1.0
    highest: int = -1
    partial: int = -1

    @classmethod
    def of(cls, pore: ArrayLike) -> Pore:
        """Check all of a pore; it is a mask if no voxel is partly open.

        Raises
        ------
        ValueError
            If it is of another kind than the values above.
        """
        array = _numbers(pore)
        if array.dtype == bool:
            return cls(array)
        low, top = float(array.min()), float(array.max())
        _require(low, top)
        if top == 0:
            return cls(array > 0)
        partial = int(_aggregation.first_partial(array, top))
        if partial < 0:
            return cls(array > top / 2, top, int(array.argmax()))
        return cls(array, top, int(array.argmax()), partial)

    def after(self, pore: ArrayLike, changed: NDArray[np.int32]) -> Pore:
        """The same of a pore that differs in the voxels `changed` at most; little is looked at.

        Raises
        ------
        ValueError
            As `of`; a voxel that is not there.
        """
        array, changed = _numbers(pore), np.asarray(changed, np.int32)
        if array.shape != self.values.shape or (array.dtype == bool) != (self.highest < 0):
            return Pore.of(array)
        if changed.size and not 0 <= changed.min() <= changed.max() < array.size:
            raise ValueError(
                f"changed holds {changed.min()} to {changed.max()}; it must be flat numbers of "
                f"voxels, 0 to {array.size - 1}."
            )
        if array.dtype == bool:
            return Pore(array)
        value = array.reshape(-1)
        fresh = value[changed]
        if fresh.size:
            _require(float(fresh.min()), float(fresh.max()))
        at_top = float(value[self.highest]) == self.top and bool((fresh <= self.top).all())
        if not at_top:
            return Pore.of(array)
        if self.partial < 0:
            if _aggregation.first_partial(fresh.reshape(1, 1, -1), self.top) < 0:
                return Pore(array > self.top / 2, self.top, self.highest)
            return Pore.of(array)
        left = array.reshape(1, 1, -1)[..., self.partial :]
        further = int(_aggregation.first_partial(left, self.top))
        if further < 0:
            return Pore.of(array)
        return Pore(array, self.top, self.highest, self.partial + further)

    def layers(self) -> list[Array]:
        """Relative diffusivity of the outer layers, in the order x-, x+, y-, y+, z-, z+."""
        found = []
        for axis in range(3):
            for end in (0, -1):
                layer = np.take(self.values, end, axis)
                if layer.dtype != bool:
                    layer = layer.astype(np.float64) / self.top
                    layer[layer < _aggregation.LEAST_PORE] = 0.0
                found.append(layer)
        return found


def _numbers(pore: ArrayLike) -> Array:
    """A contiguous array of bools, or of numbers in single or double precision."""
    array = np.asarray(pore)
    if array.ndim != 3 or array.size == 0:
        raise ValueError(f"pore has shape {array.shape}; it must be (x, y, z), each at least 1.")
    if math.prod(n + 2 for n in array.shape) >= 2**31:
        raise ValueError(f"pore has shape {array.shape}; fewer than 2**31 voxels are allowed.")
    if array.dtype != bool and array.dtype.kind not in "iuf":
        raise ValueError(f"pore has dtype {array.dtype}; it must be bool or numbers >= 0.")
    if array.dtype not in (bool, np.float32, np.float64):
        array = array.astype(np.float64)
    return np.ascontiguousarray(array)


def _require(low: float, top: float) -> None:
    if not 0 <= low <= top < math.inf:
        raise ValueError(
            "pore holds values that are negative or not finite; it must be a "
            "bool mask or the relative diffusivity >= 0 of each voxel."
        )
