"""All links of the loose rows of a level, laid out for vectors.

Rows with about as many links each stand together in slices of `LANES`; a slice holds the first
link of each of its rows, then the second of each, and so on. Where a row has fewer than the longest
of its slice, links of conductance zero to itself fill up; the last row fills up the last slice. So
no loop ends after a number of links that the processor cannot predict, which took more time than
all else, and the links of a slice are next to each other in memory.

Source: Kreutzer et al., "A unified sparse matrix data format for efficient general sparse
matrix-vector multiplication on modern processors with wide SIMD units", SIAM J Sci Comput 36 (2014)
C401-C423 (SELL-C-sigma); recalled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.solver.levels import Level
from scaffoldsim.solver.padding import LANES

WINDOW = 64 * LANES  # rows that are sorted by their number of links; few, so that they lie near


class Slices:
    """The loose rows of a level in slices.

    Attributes
    ----------
    row : int32, the loose rows in this order
    first : int32, where the links of each slice begin, and the last ones end
    idx, val : int32 and float32, their other ends and conductances
    open : float32, sum of the conductances of each row
    fresh : float32, scratch, a value for each row
    slot : int32, for each listed member its place in `row`, or -1
    """

    def __init__(self, level: Level) -> None:
        rows = level.row.astype(np.int64)
        owner, end, value = _links(level, rows)
        order = np.argsort(owner, kind="stable")
        end, value = end[order], value[order]
        count = np.bincount(owner, minlength=len(rows))
        start = np.cumsum(count) - count
        number = np.arange(len(rows))
        slots = np.lexsort((count, number // WINDOW))
        place = np.empty(len(rows), np.int32)
        place[slots] = number
        slots = np.append(slots, np.repeat(slots[-1:], -len(slots) % LANES))
        lanes = rows[slots].reshape(-1, LANES)
        count = count[slots]
        depth = count.reshape(-1, LANES).max(axis=1, initial=0)
        first = np.append(0, np.cumsum(LANES * depth))
        self.row, self.first = lanes.ravel().astype(np.int32), first.astype(np.int32)
        self.idx = np.repeat(lanes, depth, axis=0).ravel().astype(np.int32)
        self.val = np.zeros(len(self.idx), np.float32)
        slot = np.repeat(np.arange(len(slots)), count)
        turn = np.arange(len(slot)) - np.repeat(np.cumsum(count) - count, count)
        at = first[slot // LANES] + LANES * turn + slot % LANES
        source = start[slots][slot] + turn
        self.idx[at], self.val[at] = end[source], value[source]
        self.open = np.bincount(slot, value[source], len(slots)).astype(np.float32)
        self.fresh = np.zeros(len(slots), np.float32)
        self.slot = np.append(place, -1)[level.edges].astype(np.int32)


def _links(level: Level, rows: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
    """Number of the loose row, other end and conductance of each link, on the grid and off it."""
    owners = [np.repeat(np.arange(len(rows)), np.diff(level.ptr))]
    ends, values = [level.idx.astype(np.int64)], [level.val]
    number = np.flatnonzero(rows < level.n)
    strides = (level.padded[1] * level.padded[2], level.padded[2], 1)
    for k, stride in zip(level.k, strides, strict=False):
        for far in (0, stride):
            at = rows[number] + far
            value = k.reshape(-1)[at]
            open_ = value > 0
            owners.append(number[open_])
            ends.append((at + far - stride)[open_])
            values.append(value[open_])
    return np.concatenate(owners), np.concatenate(ends), np.concatenate(values)
