"""One level of the multigrid hierarchy: rows on a padded grid, and rows beyond it.

A row is one connected piece of the pore inside a block of voxels. The largest piece of a block has
its row *on* the grid, at the place of the block; the others, where a wall cuts the block, follow
the grid in the same arrays as *extra* rows. Links between rows on the grid are three arrays of
conductances, so that smoothing runs along rows of memory; a row with a link to or from an extra row
is *loose*, and its further links are kept in CSR form. In open pores nearly no row is loose.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.solver import _aggregation
from scaffoldsim.solver.padding import Axes, Shape, aligned, core_of, padded_shape

Array = NDArray[Any]
Int = NDArray[np.int64]

MAIN, LISTED, ENDS = 1, 16, 255  # `Level.part`


def find(rows: Array, wanted: Array) -> Int:
    """Where each `wanted` row stands in the list `rows` (in any order, none twice), else -1."""
    if not len(rows):
        return np.full(len(wanted), -1)
    order = np.argsort(rows, kind="stable")
    at = order[np.minimum(np.searchsorted(rows, wanted, sorter=order), len(rows) - 1)]
    return np.where(rows[at] == wanted, at, -1)


def halved(shape: Shape) -> Shape:
    """Shape of the next grid."""
    nx, ny, nz = shape
    return (nx + 1) // 2, (ny + 1) // 2, (nz + 1) // 2


class Level:
    """The rows of one level: a padded grid of them, then `extra` ones.

    Attributes
    ----------
    shape, periodic : of the grid; an axis one row long does not wrap
    padded, core, n : shape with ghosts and slack, where in it the grid is, its number of places
    mask : uint8, where the grid has a row
    k : conductance of the lower face of every place along x, y, z; none if all links are one
    links : uint8, how many links and where to (`_rows.h`), if all are one
    site : places on the grid of the blocks of the extra rows
    row, ptr, idx, val : loose rows and their links off the grid, both ways
    part : uint8, how a row of the grid is passed on: 0 there is none, MAIN to the place of its
        block, its piece + LISTED as `member` says, ENDS not at all
    listed : int32, the blocks with listed members, by their places (see `_aggregation`)
    parent, first, member, edges : rows of the next level, and the members that `part` does not
        give them (member[first[i]:first[i + 1]], with their number in `row` or -1)
    x, y, b, s, dinv : float32 work arrays of all rows: correction, the same a step before (not on
        the finest level), residual, sink, 1 / diagonal
    """

    def __init__(
        self,
        shape: Shape,
        periodic: Axes,
        mask: NDArray[np.uint8],
        k: list[Array],
        *,
        links: Array | None = None,
        finest: bool = False,
    ) -> None:
        self.finest = finest
        self.shape, self.periodic, self.mask, self.k, self.links = shape, periodic, mask, k, links
        self.padded, self.core = padded_shape(shape), core_of(shape)
        self.n = math.prod(self.padded)
        self.part = aligned(self.padded, np.uint8)
        self.x = self.y = np.empty(0, np.float32)
        self.member = np.empty(0, np.int32)
        self.listed = np.empty(0, np.int32)
        self.extend(np.empty(0, np.int64))
        self.forget_members()

    def extend(self, site: Int) -> None:
        """Take as many extra rows as there are sites, without links, and make room for them."""
        self.site = site
        self.row, self.idx = np.empty(0, np.int32), np.empty(0, np.int32)
        self.ptr, self.val = np.zeros(1, np.int32), np.empty(0, np.float32)
        if len(self.x) != self.n + self.extra:
            self.x, self.b, self.s, self.dinv = (
                aligned(self.n + self.extra, np.float32) for _ in range(4)
            )
        if not self.finest and len(self.y) != len(self.x):
            self.y = aligned(len(self.x), np.float32)

    def forget_members(self) -> NDArray[np.int32]:
        """Take the list of members back; returns the blocks that had any."""
        before, self.listed = self.listed, np.empty(0, np.int32)
        self.part.reshape(-1)[self.member[self.member < self.n]] -= LISTED
        self.parent, self.member, self.edges = (np.empty(0, np.int32) for _ in range(3))
        self.first = np.zeros(1, np.int32)
        return before

    @property
    def extra(self) -> int:
        """Rows beyond the grid."""
        return len(self.site)

    @property
    def linked(self) -> bool:
        """Whether any two rows are linked."""
        if self.links is not None:
            return bool(_aggregation.any_above(self.links))
        return len(self.row) > 0 or any(_aggregation.any_above(k) for k in self.k)

    def place(self, rows: Int) -> tuple[Int, Int, Int]:
        """Coordinates (from 1 on) of rows, extra ones at their block."""
        if self.extra:
            rows = np.where(rows < self.n, rows, self.site[np.maximum(rows - self.n, 0)])
        x, y, z = np.unravel_index(rows, self.padded)
        return x, y, z

    def blocks(self, rows: Int) -> Int:
        """Place on the next grid of the block that holds each row."""
        wide = padded_shape(halved(self.shape))
        place = tuple(((i - 1) >> 1) + 1 for i in self.place(rows))
        return np.ravel_multi_index(place, wide).astype(np.int64)

    def parents(self, rows: Int) -> Int:
        """The row of the next level that each row belongs to, -1 if it is not passed on."""
        if len(rows) == 0:
            return rows
        on_grid = rows < self.n
        code = np.where(on_grid, self.part.ravel()[np.where(on_grid, rows, 0)], LISTED)
        out = np.where(code == MAIN, self.blocks(rows), -1)
        listed = np.flatnonzero((code >= LISTED) & (code < ENDS))
        at = find(self.member, rows[listed])
        owner = np.append(np.repeat(self.parent, np.diff(self.first)), -1)
        out[listed] = owner[at]  # where it is not listed, the last: -1
        return out

    def strongest(self, rows: Int) -> Array:
        """Largest conductance of the links of each row."""
        most = np.zeros(len(rows), np.float32)
        grid = np.flatnonzero(rows < self.n)
        place = self.place(rows[grid].astype(np.int64))
        if self.links is not None:
            most[grid] = self.links[place] > 0
        for axis, k in enumerate(self.k):
            for side in (0, 1):
                face = list(place)
                face[axis] = face[axis] + side
                most[grid] = np.maximum(most[grid], k[tuple(face)])
        if len(self.val):
            beyond = np.zeros(len(self.row), np.float32)
            linked = np.flatnonzero(np.diff(self.ptr))
            beyond[linked] = np.maximum.reduceat(self.val, self.ptr[:-1][linked])
            at = find(self.row, rows)
            most = np.maximum(most, np.where(at >= 0, beyond[at], 0))
        return most

    def members(self, rows: Int) -> tuple[Int, Int]:
        """The rows of this level that make up rows of the next, and which of `rows` each is in."""
        wide = padded_shape(halved(self.shape))
        size = math.prod(wide)
        which = np.flatnonzero(rows < size)
        place = np.unravel_index(rows[which], wide)
        found, owner = [], []
        for corner in range(8):
            corners = [2 * i - 1 + (corner >> axis & 1) for axis, i in enumerate(place)]
            flat = np.ravel_multi_index(corners, self.padded, mode="clip").astype(np.int64)
            fits = np.all([i <= n for i, n in zip(corners, self.shape, strict=True)], axis=0)
            main = fits & (self.part.ravel()[flat] == MAIN)
            found.append(flat[main])
            owner.append(which[main])
        if len(self.parent) and len(rows):
            at = find(rows, np.repeat(self.parent, np.diff(self.first)))
            found.append(self.member[at >= 0].astype(np.int64))
            owner.append(at[at >= 0])
        return np.concatenate(found), np.concatenate(owner)

    def ends(self, *, last: bool) -> Int:
        """Rows that are not passed on: each is one whole piece of the pore."""
        inner = np.zeros(self.padded, bool)
        at = self.core
        inner[at] = self.mask[at] > 0 if last else self.part[at] == ENDS
        alone = self.row[np.diff(self.ptr) == 0].astype(np.int64)
        beyond = self.n + np.arange(self.extra) if last else alone[alone >= self.n]
        return np.append(np.flatnonzero(inner), beyond)
