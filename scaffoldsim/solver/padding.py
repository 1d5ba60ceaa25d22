"""Arrays with a layer of ghosts, laid out for vectors.

Rows along z begin a *pitch* apart: room for the row, its two ghosts and, where a row is as long as
a vector, slack up to a whole number of vectors or of halves. The first interior value of an array
stands on a cache line, so that of every row, or of every other one, does. Were it anywhere, each
load of a whole vector would touch two lines, which takes twice as long. Slack is zero, or what a
kernel made of zeros and ghosts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Shape = tuple[int, int, int]
Axes = tuple[bool, bool, bool]

LINE = 64  # bytes of a cache line, and of the widest vector
LANES = 16  # single-precision values in one; `_rows.h` has it too
SLACK = 1 / 8  # of a row, or less than half a vector


def pitch(n: int) -> int:
    """From one row of n values to the next."""
    if n < LANES:
        return n + 2
    whole = -(-(n + 2) // LANES) * LANES
    # Where that is much slack, half a vector: every other row begins amid a line.
    return whole if whole - n - 2 <= SLACK * whole else -(-2 * (n + 2) // LANES) * LANES // 2


def padded_shape(shape: Shape) -> Shape:
    """Shape with ghosts and slack."""
    nx, ny, nz = shape
    return nx + 2, ny + 2, pitch(nz)


def core_of(shape: Shape) -> tuple[slice, slice, slice]:
    """Where a padded array holds what is neither ghost nor slack."""
    nx, ny, nz = shape
    return slice(1, nx + 1), slice(1, ny + 1), slice(1, nz + 1)


def aligned(shape: int | tuple[int, ...], dtype: DTypeLike, *, first: int = 1) -> NDArray[Any]:
    """Zeros, with the flat index `first` on a cache line; one more may be read behind the last."""
    size, item = int(np.prod(shape)), np.dtype(dtype).itemsize
    room = np.zeros(size * item + 2 * LINE, np.uint8)
    begin = -(room.ctypes.data + first * item) % LINE
    return room[begin : begin + size * item].view(dtype).reshape(shape)


def pad(values: NDArray[Any], periodic: Axes) -> NDArray[Any]:
    """Add a ghost layer: the opposite layer on a periodic axis, zero elsewhere."""
    shape: Shape = values.shape
    out = aligned(padded_shape(shape), values.dtype)
    out[core_of(shape)] = values
    wrap(out, shape, periodic)
    return out


def wrap(padded: NDArray[Any], shape: Shape, periodic: Axes) -> None:
    """Copy the opposite layers into the ghosts of the periodic axes, in place."""
    for axis, wrapped in enumerate(periodic):
        if wrapped:
            layers, n = np.moveaxis(padded, axis, 0), shape[axis]
            layers[0], layers[n + 1] = layers[n], layers[1]
