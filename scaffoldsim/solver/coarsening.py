"""From one level to the next: the pieces of every 2 x 2 x 2 block, and the links between them.

What a block shows on the grid alone is compiled (`_aggregation`); the few blocks that a wall cuts,
or that hold a row with links off the grid, are gathered as lists.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from scaffoldsim.solver import _aggregation
from scaffoldsim.solver.levels import LISTED, MAIN, Array, Int, Level, find, halved
from scaffoldsim.solver.padding import Shape, aligned, padded_shape, wrap

Places = NDArray[np.int32]  # see `_aggregation`

# A link below this share of the strongest one of either row is weak: a wall that lets little
# through. Pieces joined across walls of 1e-4 made solves of a foam take thousands of cycles; walls
# of 1e-2 do no harm.
STRENGTH = 0.01


def next_level(fine: Level) -> Level:
    """An empty level of half the size."""
    shape = halved(fine.shape)
    px, py, pz = (w and n > 1 for w, n in zip(fine.periodic, shape, strict=True))
    wide = padded_shape(shape)
    k = [aligned(wide, np.float32) for _ in range(3)]
    return Level(shape, (px, py, pz), aligned(wide, np.uint8), k)


def coarsen(fine: Level, coarse: Level, blocks: Places, threads: int) -> Places:
    """Fill the next level, and the parts and members of `fine`.

    Only these blocks are looked at, beside those with listed members; the others are as they were.
    Returns the places of the next level that may have changed.
    """
    loose = np.empty((0, 0, 0), np.uint8)
    if len(fine.row):
        flat = np.zeros(fine.n, np.uint8)
        flat[fine.row[fine.row < fine.n]] = 1
        loose = flat.reshape(fine.padded)
    before = fine.forget_members()
    _aggregation.label_blocks(
        fine.mask,
        fine.links,
        fine.k,
        loose,
        fine.shape,
        fine.periodic,
        STRENGTH,
        blocks,
        fine.part,
        threads,
    )
    pieces = _Pieces(fine, coarse.padded)
    x, y, z = fine.place(pieces.member)
    at = ((x - 1) >> 1, (y - 1) >> 1, (z - 1) >> 1)
    fine.listed = np.unique(np.ravel_multi_index(at, coarse.shape)).astype(np.int32)
    blocks = np.concatenate((blocks, before, fine.listed))
    changed: Places = _aggregation.about(blocks, coarse.shape, coarse.periodic, True, False)
    wrap(fine.part, fine.shape, fine.periodic)
    _aggregation.join_blocks(
        fine.k,
        fine.part,
        fine.shape,
        fine.periodic,
        changed,
        coarse.mask,
        coarse.k,
        threads,
    )
    coarse.extend(pieces.site)
    pieces.link(coarse)
    for conductance in coarse.k:
        wrap(conductance, coarse.shape, coarse.periodic)
    return changed


def lengthened(k: Array, first: Array, second: Array) -> Array:
    """Conductances of links on the next level, as `_aggregation.lengthened`."""
    longer: Array = k / (1 + k / (2 * first) + k / (2 * second))
    return longer


class _Pieces:
    """The pieces of blocks that the grid alone does not tell, and their links.

    A block needs more than its largest piece where a wall cuts it or where one of its rows is
    loose. Those members are listed.
    """

    def __init__(self, fine: Level, wide: Shape) -> None:
        self.fine = fine
        part = fine.part.reshape(-1)
        cut = np.flatnonzero((part > MAIN) & (part < LISTED))
        self.member = np.union1d(cut, fine.row[np.diff(fine.ptr) > 0]).astype(np.int64)
        self.site = np.empty(0, np.int64)
        if not len(self.member):
            return
        block = fine.blocks(self.member)
        on_grid = self.member < fine.n
        # A node is a piece as the grid sees it, or an extra row; links off the grid join them.
        key = np.where(on_grid, 16 * block + part[np.where(on_grid, self.member, 0)], 0)
        key[~on_grid] = 16 * int(np.prod(wide)) + self.member[~on_grid]
        nodes, node = np.unique(key, return_inverse=True)
        start, end, value = self._off_grid()
        most = fine.strongest(fine.row.astype(np.int64))
        a, b = find(fine.row, start), find(fine.row, end)
        strong = value >= STRENGTH * np.maximum(most[a], most[b])
        inside = strong & (fine.blocks(start) == fine.blocks(end))
        a = node[np.searchsorted(self.member, start[inside])]
        b = node[np.searchsorted(self.member, end[inside])]
        graph = sparse.coo_matrix((np.ones(len(a)), (a, b)), (len(nodes), len(nodes)))
        piece = connected_components(graph, directed=False)[1][node]
        # The piece with the block's largest part keeps the place on the grid; where the block
        # has none there, its first piece takes it.
        main = np.zeros(int(piece.max()) + 1, bool)
        main[piece[on_grid & (key % 16 == MAIN)]] = True
        home = np.zeros(len(main), np.int64)
        home[piece] = block
        lowest = np.full(len(main), np.iinfo(np.int64).max)
        np.minimum.at(lowest, piece, self.member)
        order = np.lexsort((lowest, ~main, home))
        leads = np.ones(len(order), bool)
        leads[1:] = home[order][1:] != home[order][:-1]
        head = order[leads]
        taken = main[head] | ~self._has_main(home[head])
        main[head[taken]] = True
        order = order[~main[order]]
        row = home.copy()
        row[order] = int(np.prod(wide)) + np.arange(len(order))
        self.site = home[order]
        owner = row[piece]
        part[self.member[on_grid]] += LISTED
        self._store(owner)

    def _has_main(self, block: Int) -> Any:
        """Whether a block has a piece on the grid as the kernel labelled it; none is listed yet."""
        found = np.zeros(len(block), bool)
        found[self.fine.members(block)[1]] = True
        return found

    def _store(self, owner: Int) -> None:
        fine, member = self.fine, self.member
        order = np.lexsort((member, owner))
        member = member[order]
        self.member, self.owner = member, owner[order]
        parent, first = np.unique(self.owner, return_index=True)
        fine.parent = parent.astype(np.int32)
        fine.first = np.append(first, len(member)).astype(np.int32)
        fine.member = member.astype(np.int32)
        fine.edges = find(fine.row, member).astype(np.int32)

    def _off_grid(self) -> tuple[Int, Int, Array]:
        """Links off the fine grid, once each: two rows and the conductance."""
        fine = self.fine
        start = np.repeat(fine.row, np.diff(fine.ptr)).astype(np.int64)
        end = fine.idx.astype(np.int64)
        once = start < end
        return start[once], end[once], fine.val[once]

    def _on_grid(self) -> tuple[Int, Int, Array]:
        """Links on the fine grid with a listed member at one end, once each."""
        fine = self.fine
        listed = self.member[self.member < fine.n]
        place = fine.place(listed)
        strides = np.array([fine.padded[1] * fine.padded[2], fine.padded[2], 1])
        starts, ends, values = [], [], []
        for axis in range(3):
            for side in (-1, 1):
                other = place[axis] + side
                beyond = listed + side * strides[axis]
                if fine.links is not None:
                    value = fine.mask.reshape(-1)[beyond].astype(np.float32)
                else:
                    value = fine.k[axis].reshape(-1)[listed if side < 0 else beyond]
                n = fine.shape[axis]
                around = np.where(other < 1, n, np.where(other > n, -n, 0)) * strides[axis]
                end = beyond + around
                kept = (value > 0) & ((fine.part.reshape(-1)[end] == MAIN) | (listed < end))
                starts.append(listed[kept])
                ends.append(end[kept])
                values.append(value[kept])
        return np.concatenate(starts), np.concatenate(ends), np.concatenate(values)

    def link(self, coarse: Level) -> None:
        """Add the links of the listed members to the next level."""
        if not len(self.member):
            return
        coarse.mask.reshape(-1)[self.owner[self.owner < coarse.n]] = 1
        start, end, value = (
            np.concatenate(both) for both in zip(self._off_grid(), self._on_grid(), strict=True)
        )
        a, b = self.fine.parents(start), self.fine.parents(end)
        across = a != b
        first, second = self.fine.strongest(start[across]), self.fine.strongest(end[across])
        a, b, value = a[across], b[across], lengthened(value[across], first, second)
        grid = (a < coarse.n) & (b < coarse.n)
        place_a, place_b = coarse.place(a[grid]), coarse.place(b[grid])
        for axis in range(3):
            step = place_b[axis] - place_a[axis]
            moved = step != 0
            # Neighbours differ by one; by more only around a periodic axis, whose first face
            # is the lower one of place 1.
            low = np.where(np.abs(step) > 1, 1, np.maximum(place_a[axis], place_b[axis]))
            at = [i[moved] for i in place_a]
            at[axis] = low[moved]
            np.add.at(coarse.k[axis], tuple(at), value[grid][moved])
        _link_off_grid(coarse, a[~grid], b[~grid], value[~grid])


def _link_off_grid(level: Level, a: Int, b: Int, value: Array) -> None:
    """Store links with an extra row at one end at least; equal ones are summed."""
    a, b = np.minimum(a, b), np.maximum(a, b)  # so that both ways sum in one order
    start, end = np.concatenate([a, b]), np.concatenate([b, a])
    order = np.lexsort((end, start))
    start, end = start[order], end[order]
    fresh = np.ones(len(start), bool)
    fresh[1:] = (start[1:] != start[:-1]) | (end[1:] != end[:-1])
    heads = np.flatnonzero(fresh)
    weight = np.concatenate([value, value])[order]
    val = np.add.reduceat(weight, heads) if len(heads) else weight
    start, end = start[heads], end[heads]
    extras = level.n + np.arange(level.extra)
    row = np.union1d(start, extras)
    counts = np.bincount(np.searchsorted(row, start), minlength=len(row))
    level.row = row.astype(np.int32)
    level.ptr = np.append(0, np.cumsum(counts)).astype(np.int32)
    level.idx, level.val = end.astype(np.int32), val.astype(np.float32)
