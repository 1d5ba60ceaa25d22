"""Geometric multigrid on a voxel mask: the hierarchy, and the Python side of its kernels.

Level 0 is the padded grid of voxels. A row of the next level is one connected piece of the pore
inside a 2 x 2 x 2 block, so two pores on either side of a thin wall are never averaged; each
further level joins the rows of 2 x 2 x 2 blocks in the same way.

Transfer is piecewise constant and the operator is Galerkin's with lengthened links: a coarse face
gathers four fine conductances, yet its centres are twice as far apart, so in the open each is
halved; that of a wall or a throat hardly. Were it halved from level to level, W cycles would
correct what lies behind it in the wrong direction. Sinks are summed unscaled. A row without links
has nothing left to exchange and is not passed on: it is one whole piece of the pore. A W cycle
smooths before and after by a Chebyshev polynomial of degree 3 in the operator scaled by its
diagonal, so it is symmetric and conjugate gradients may use it.

Source: Stuben, "A review of algebraic multigrid", J Comput Appl Math 128 (2001) 281-309, section 9
(aggregation and the rescaled Galerkin operator); Adams et al., "Parallel multigrid smoothing:
polynomial versus Gauss-Seidel", J Comput Phys 188 (2003) 593-610; recalled.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.solver import _aggregation, _diffusion
from scaffoldsim.solver.coarsening import coarsen, next_level
from scaffoldsim.solver.levels import Array, Level, halved
from scaffoldsim.solver.padding import Axes, Shape, aligned, pad, wrap

# A level may be visited again only while all visits of it stay below this share of one sweep of
# the first coarse level, if it has half the rows of the one above at most, and enough of them that
# they take longer to compute than to call.
REVISIT_SHARE, REVISIT_RATIO, REVISIT_ROWS = 0.6, 0.5, 1000
# The smoother damps eigenvalues of the scaled operator from SMOOTHED to 2, the largest possible.
SMOOTHED = 0.5


def smoother() -> NDArray[np.float32]:
    """Weights of the steps of a smoother: the reciprocal roots of the Chebyshev polynomial."""
    degree = _diffusion.degree
    at = np.cos(np.pi * (2 * np.arange(degree) + 1) / (2 * degree))
    weights: NDArray[np.float32] = (1 / (1 + SMOOTHED / 2 + (1 - SMOOTHED / 2) * at)).astype(
        np.float32
    )
    return weights


def _all_blocks(shape: Shape) -> NDArray[np.int32]:
    return np.arange(math.prod(halved(shape)), dtype=np.int32)


class Multigrid:
    """The hierarchy of one geometry and the working arrays of its cycle.

    Parameters
    ----------
    pore : (nx, ny, nz) bool, or float32 or float64 between 0 (solid) and `top`
    periodic : three bools; an axis one voxel long counts as closed
    threads : number of OpenMP threads
    linked : False for a diffusivity of zero, where every voxel of a mask is alone
    top : diffusivities are relative to it

    Attributes
    ----------
    levels : the finest first; the last has no links
    """

    def __init__(
        self,
        pore: NDArray[Any],
        periodic: Axes,
        threads: int,
        *,
        linked: bool = True,
        top: float = 1.0,
    ) -> None:
        self.shape: Shape = pore.shape
        wrapped = [bool(p) and n > 1 for p, n in zip(periodic, pore.shape, strict=True)]
        self.periodic: Axes = (wrapped[0], wrapped[1], wrapped[2])
        self.threads, self.linked = threads, linked
        self.kernel = _diffusion.Kernel(threads, pore.shape, smoother())
        mask = pad((pore > 0).astype(np.uint8), self.periodic)
        unit = pore.dtype == bool and linked
        links = aligned(mask.shape, np.uint8) if unit else None
        k = [] if unit else [aligned(mask.shape, np.float32) for _ in range(3)]
        self.levels = [Level(self.shape, self.periodic, mask, k, links=links, finest=True)]
        self._make(pore, top, _all_blocks(self.shape))

    @property
    def mask(self) -> NDArray[np.uint8]:
        """The pore, padded."""
        return self.levels[0].mask

    @property
    def core(self) -> tuple[slice, slice, slice]:
        """Where a padded array holds the voxels."""
        return self.levels[0].core

    def update(
        self, pore: NDArray[Any], top: float = 1.0, *, changed: NDArray[np.int32] | None = None
    ) -> None:
        """Take a changed geometry of the same shape and kind.

        Only blocks about changed voxels are done anew; the result is that of a new hierarchy, bit
        for bit. `changed` lists those voxels, by their places (see `_aggregation`), and perhaps
        some more; without it they are searched for.
        """
        finest = self.levels[0]
        if changed is None:
            changed = self._differing(pore, top)
        if pore.dtype == bool:
            x, y, z = np.unravel_index(changed, self.shape)
            finest.mask[x + 1, y + 1, z + 1] = pore.reshape(-1)[changed]
            wrap(finest.mask, self.shape, self.periodic)
        self._make(pore, top, _aggregation.about(changed, self.shape, self.periodic, True, True))

    def _differing(self, pore: NDArray[Any], top: float) -> NDArray[np.int32]:
        """Voxels that opened or closed, or whose lower faces conduct otherwise."""
        finest = self.levels[0]
        if pore.dtype == bool:
            differs = finest.mask[finest.core] != pore
        else:
            differs = np.empty(self.shape, np.uint8)
            _aggregation.differing(
                pore, top, self.periodic, finest.mask, finest.k, differs, self.threads
            )
        return np.flatnonzero(differs).astype(np.int32)

    def _make(self, pore: NDArray[Any], top: float, blocks: NDArray[np.int32]) -> None:
        self.kernel.clear()
        finest, threads = self.levels[0], self.threads
        if finest.links is not None:
            _aggregation.count_links(finest.mask, self.shape, blocks, finest.links, threads)
            wrap(finest.links, self.shape, self.periodic)
        elif self.linked:
            _aggregation.conductances(
                pore, top, self.periodic, blocks, finest.mask, finest.k, threads
            )
            for array in (finest.mask, *finest.k):
                wrap(array, self.shape, self.periodic)
        number = 0
        while self.levels[number].linked:
            fine = self.levels[number]
            number += 1
            if number == len(self.levels):
                self.levels.append(next_level(fine))
                blocks = _all_blocks(fine.shape)
            coarse = self.levels[number]
            rows = coarsen(fine, coarse, blocks, threads)
            blocks = _aggregation.about(rows, coarse.shape, coarse.periodic, False, True)
        del self.levels[number + 1 :]
        self.levels[number].forget_members()
        self.levels[number].part[...] = 0
        self._bind()

    def _bind(self) -> None:
        visits, above = 1, 0
        budget = 0.0
        for number, level in enumerate(self.levels):
            rows = int(np.prod(level.shape)) + level.extra
            again = 1
            if number == 1:
                budget = REVISIT_SHARE * rows
            elif REVISIT_ROWS < rows <= REVISIT_RATIO * above and 2 * visits * rows <= budget:
                again, visits = 2, 2 * visits
            self.kernel.add_level(level, self.threads, again)
            above = rows
        finest = self.levels[0]
        self.x, self.b, self.s, self.dinv = (
            column.reshape(finest.padded) for column in (finest.x, finest.b, finest.s, finest.dinv)
        )

    def load(self, field: Array, scale: float, c: NDArray[np.float64]) -> None:
        """Fill c with scale * field in the pore, zero in the solid."""
        _diffusion.load_field(field, scale, self.mask, c, self.threads)

    def store(self, c: NDArray[np.float64], scale: float, out: Array) -> None:
        """Fill out with scale * c in the pore, not below zero; the rest of it stays."""
        _diffusion.store_field(c, scale, self.mask, out, self.threads)

    def top(self, field: Array) -> float:
        """Largest value in the pore; -1 if one there is negative or not finite."""
        most = np.zeros(self.shape[0], np.float32)
        return float(_diffusion.field_top(field, self.mask, most, self.threads))
