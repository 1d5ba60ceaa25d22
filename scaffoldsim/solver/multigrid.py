"""Geometric multigrid on a voxel mask: the hierarchy, and the Python side of its kernels.

The finest level is the padded grid itself. A row of the next level is one connected piece of the
pore inside a 2 x 2 x 2 block, so two pores on either side of a thin wall are never averaged; each
further level joins the rows of 2 x 2 x 2 blocks in the same way. Transfer is piecewise constant
and the operator is Galerkin's with every conductance halved: a coarse face gathers four fine
conductances, yet its centres are twice as far apart. Sinks are summed unscaled.

Rows are ordered by the colour of their block (the parity of its position; three colours when a
periodic axis has an odd number of blocks), so that rows of one colour never touch and
Gauss-Seidel gives the same bits for any number of threads. A row without edges has nothing left
to exchange and is not passed on. The smoother is W(2, 2) red-black Gauss-Seidel.

Source: Stuben, "A review of algebraic multigrid", J Comput Appl Math 128 (2001) 281-309, section 9
(aggregation and the rescaled Galerkin operator); recalled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.solver import _aggregation, _diffusion

Float = NDArray[np.float32]
Int = NDArray[np.int32]

# A row may be visited again only while all visits of its level stay below this share of one sweep
# of the first coarse level: a labyrinth or a slab coarsens too slowly for a full W-cycle.
REVISIT_SHARE = 0.6


@dataclass(frozen=True)
class Rows:
    """One coarse level: block positions (n, 3), CSR edges, children in the finer level."""

    position: Int
    colour_start: Int
    ptr: Int
    idx: Int
    val: Float
    boundary: NDArray[np.float64]
    child_ptr: Int
    child: Int

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.position)


def pad(values: NDArray[Any], periodic: tuple[bool, bool, bool]) -> NDArray[Any]:
    """Add a ghost layer: the opposite layer on a periodic axis, zero elsewhere."""
    out = np.zeros(tuple(n + 2 for n in values.shape), values.dtype)
    out[1:-1, 1:-1, 1:-1] = values
    wrap(out, periodic)
    return out


def wrap(padded: NDArray[Any], periodic: tuple[bool, bool, bool]) -> None:
    """Copy the opposite layers into the ghosts of the periodic axes, in place."""
    for axis, wrapped in enumerate(periodic):
        if wrapped:
            layers = np.moveaxis(padded, axis, 0)
            layers[0], layers[-1] = layers[-2], layers[1]


def block_colours(blocks: tuple[int, ...], periodic: tuple[bool, ...]) -> tuple[list[Any], int]:
    """Colour of a block along each axis, and how many colours their sum is taken modulo.

    Neighbours differ by 1 or 2 along one axis only, so the sum modulo 3 separates them; without
    an odd ring, 2 colours do.
    """
    axes, colours = [], 2
    for n, wrapped in zip(blocks, periodic, strict=True):
        colour = (np.arange(n) & 1).astype(np.uint8)
        if wrapped and n > 1 and n & 1:
            colour[-1] = 2
            colours = 3
        axes.append(colour)
    return axes, colours


def count_links(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pore neighbours of every pore voxel; mask and result are padded."""
    links = np.zeros_like(mask)
    inner = links[1:-1, 1:-1, 1:-1]
    core = (slice(1, -1),) * 3
    for axis in range(3):
        for shift in (slice(None, -2), slice(2, None)):
            inner += mask[tuple(shift if a == axis else core[a] for a in range(3))]
    inner *= mask[core]
    return links


def link_conductances(pore: NDArray[np.float64], periodic: tuple[bool, bool, bool]) -> list[Float]:
    """Harmonic conductance of the lower face of every voxel along x, y, z; padded."""
    wide = pad(pore, periodic)
    out = []
    for axis in range(3):
        low = np.moveaxis(wide, axis, 0)[:-1]
        high = np.moveaxis(wide, axis, 0)[1:]
        total = low + high
        k = np.zeros_like(wide, dtype=np.float32)
        with np.errstate(invalid="ignore"):
            np.moveaxis(k, axis, 0)[1:] = np.where(
                (low > 0) & (high > 0), 2 * low * (high / np.where(total > 0, total, 1)), 0
            )
        out.append(k)
    return out


class Multigrid:
    """The hierarchy of one geometry and the working arrays of its cycle.

    Parameters
    ----------
    pore : (nx, ny, nz) bool, or float >= 0 relative diffusivity (0 = solid)
    periodic : three bools; an axis one voxel long counts as closed
    faces : six (or None) arrays of boundary conductance per face voxel, in units of D h, in the
        order x-, x+, y-, y+, z-, z+
    threads : number of OpenMP threads
    linked : False for a diffusivity of zero, where every voxel is alone
    """

    def __init__(
        self,
        pore: NDArray[Any],
        periodic: tuple[bool, bool, bool],
        faces: list[NDArray[np.float64] | None],
        threads: int,
        linked: bool = True,
    ) -> None:
        shape = pore.shape
        self.linked = linked
        wrapped = [bool(p) and n > 1 for p, n in zip(periodic, shape, strict=True)]
        self.periodic: tuple[bool, bool, bool] = (wrapped[0], wrapped[1], wrapped[2])
        self.mask = pad((pore > 0).astype(np.uint8), self.periodic)
        self.links = count_links(self.mask)
        self.k = [] if pore.dtype == bool else link_conductances(pore, self.periodic)
        if not linked:
            self.links[...] = 0
            self.k = [np.zeros(self.mask.shape, np.float32) for _ in range(3)]
        boundary = np.zeros(self.mask.shape)
        for face, conductance in enumerate(faces):
            if conductance is not None:
                axis, side = divmod(face, 2)
                layer = np.moveaxis(boundary, axis, 0)[-2 if side else 1]
                layer[1:-1, 1:-1] += conductance
        self.boundary = boundary
        self.diag = self._diagonal(boundary)
        self.x, self.b, self.s, self.dinv, self.r = (
            np.zeros(self.mask.shape, np.float32) for _ in range(5)
        )
        self.active = self.mask.copy()
        self.kernel = _diffusion.Kernel(shape, self.periodic, threads)
        self.kernel.bind(
            self.k, self.diag, self.links, self.active, self.x, self.b, self.s, self.dinv, self.r
        )
        self.levels: list[Rows] = []
        self._build()

    def set_held(self, held: NDArray[np.bool_] | None) -> None:
        """Give the coarse levels the conductance towards interior voxels of held value."""
        if held is None:
            self.kernel.anchor(None)
            return
        wide = pad(held, self.periodic)
        anchor = np.zeros(wide.shape, np.float32)
        inner = anchor[1:-1, 1:-1, 1:-1]
        for axis in range(3):
            for side in range(2):
                shift = [slice(1, -1)] * 3
                shift[axis] = slice(2, None) if side else slice(None, -2)
                face = [slice(1, -1)] * 3
                if side:
                    face[axis] = slice(2, None)
                inner += wide[tuple(shift)] * (self.k[axis][tuple(face)] if self.k else 1)
        anchor *= self.mask
        self.kernel.anchor(anchor)

    def _diagonal(self, boundary: NDArray[np.float64]) -> Float:
        diag = boundary.copy()
        if not self.k:
            diag += self.links
        for axis, k in enumerate(self.k):
            low, out = np.moveaxis(k, axis, 0), np.moveaxis(diag, axis, 0)
            out[1:-1] += low[1:-1]
            out[1:-1] += low[2:]
        diag *= self.mask
        inner = np.zeros_like(diag, dtype=np.float32)
        inner[1:-1, 1:-1, 1:-1] = diag[1:-1, 1:-1, 1:-1]
        return inner

    def _build(self) -> None:
        rows = self._first_rows()
        while rows.n:
            self.levels.append(rows)
            rows = self._next_rows(rows)
        visits, budget = 1, REVISIT_SHARE * (self.levels[0].n if self.levels else 0)
        for number, level in enumerate(self.levels):
            sweeps = 1
            if number and 2 * visits * level.n <= budget:
                sweeps, visits = 2, 2 * visits
            self._bind_level(level, sweeps)

    def _bind_level(self, level: Rows, sweeps: int) -> None:
        sums = np.zeros(level.n)
        joined = np.diff(level.ptr) > 0
        if joined.any():
            sums[joined] = np.add.reduceat(level.val, level.ptr[:-1][joined], dtype=np.float64)
        diag = (sums + level.boundary).astype(np.float32)
        work = [np.zeros(level.n, np.float32) for _ in range(4)]
        self.kernel.add_level(
            level.colour_start,
            level.ptr,
            level.idx,
            level.val,
            diag,
            level.child_ptr,
            level.child,
            *work,
            len(level.colour_start) - 1,
            sweeps,
        )

    def _first_rows(self) -> Rows:
        shape = tuple(n - 2 for n in self.mask.shape)
        root = np.empty(self.mask.shape, np.int32)
        row = np.empty(self.mask.shape, np.int32)
        start = np.zeros(5, np.int32)
        _aggregation.label_voxels(self.mask, 1, *self.periodic, root)
        blocks = tuple((n + 1) // 2 for n in shape)
        axes, colours = block_colours(blocks, self.periodic)
        _aggregation.number_voxels(root, self.links, *axes, colours, row, start[:4])
        n = int(row.max()) + 1
        start[4] = n
        start = start[: colours + 1].copy()
        start[colours] = n
        child_ptr = np.zeros(n + 1, np.int32)
        child = np.empty(int(np.count_nonzero(row >= 0)), np.int32)
        _aggregation.gather_children(row.ravel(), child_ptr, child)
        first = np.stack(np.unravel_index(child[child_ptr[:-1]], self.mask.shape), axis=1)
        boundary = np.zeros(n)
        held = np.flatnonzero(self.boundary * (row >= 0))
        np.add.at(boundary, row.ravel()[held], 0.5 * self.boundary.ravel()[held])
        wrap(row, self.periodic)
        empty = np.empty((0, 0, 0), np.float32)
        fixed = (row, *(self.k or (empty, empty, empty)), child_ptr, child, np.float32(0.5))
        edges = _fill_edges(_aggregation.join_voxels, fixed, n)
        position = ((first - 1) >> 1).astype(np.int32)
        return Rows(position, start, *edges, boundary, child_ptr, child)

    def _next_rows(self, fine: Rows) -> Rows:
        shift = len(self.levels) + 1
        blocks = tuple(-(-(n - 2) >> shift) for n in self.mask.shape)
        block = fine.position >> 1
        key = np.ravel_multi_index(tuple(block.T), blocks).astype(np.int64)
        root = np.empty(fine.n, np.int32)
        _aggregation.label_rows(fine.ptr, fine.idx, key, root)
        heads = np.flatnonzero(root == np.arange(fine.n))
        axes, colours = block_colours(blocks, self.periodic)
        colour = sum(axes[a][block[heads, a]].astype(np.int64) for a in range(3)) % colours
        order = heads[np.lexsort((heads, key[heads], colour))]
        n = len(order)
        row_of = np.full(fine.n + 1, -1, np.int32)
        row_of[order] = np.arange(n)
        row = row_of[root]
        start = np.zeros(colours + 1, np.int32)
        start[1:] = np.cumsum(np.bincount(colour, minlength=colours))
        child_ptr = np.zeros(n + 1, np.int32)
        child = np.empty(int(np.count_nonzero(row >= 0)), np.int32)
        _aggregation.gather_children(row, child_ptr, child)
        boundary = np.zeros(n)
        np.add.at(boundary, row[row >= 0], 0.5 * fine.boundary[row >= 0])
        fixed = (row, fine.ptr, fine.idx, fine.val, child_ptr, child, np.float32(0.5))
        edges = _fill_edges(_aggregation.join_rows, fixed, n)
        return Rows(block[order].astype(np.int32), start, *edges, boundary, child_ptr, child)


def _fill_edges(kernel: Any, fixed: tuple[Any, ...], n: int) -> tuple[Int, Int, Float]:
    """Run an edge kernel twice: to count, then to fill arrays of the exact size."""
    ptr, mark = np.zeros(n + 1, np.int32), np.empty(n, np.int32)
    kernel(*fixed, mark, ptr, np.empty(0, np.int32), np.empty(0, np.float32))
    idx, val = np.empty(int(ptr[-1]), np.int32), np.empty(int(ptr[-1]), np.float32)
    if len(idx):
        kernel(*fixed, mark, ptr, idx, val)
    return ptr, idx, val
