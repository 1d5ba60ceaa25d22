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

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.solver import _aggregation, _diffusion
from scaffoldsim.solver.coarsening import coarsen, next_level
from scaffoldsim.solver.levels import Array, Level, blocks_of, spread
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


class Multigrid:
    """The hierarchy of one geometry and the working arrays of its cycle.

    Parameters
    ----------
    pore : (nx, ny, nz) bool, or float >= 0 relative diffusivity (0 = solid)
    periodic : three bools; an axis one voxel long counts as closed
    threads : number of OpenMP threads
    linked : False for a diffusivity of zero, where every voxel is alone

    Attributes
    ----------
    levels : the finest first; the last has no links
    """

    def __init__(
        self, pore: NDArray[Any], periodic: Axes, threads: int, *, linked: bool = True
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
        self._make(pore, np.ones(tuple((n + 1) // 2 for n in pore.shape[:2]), bool))

    @property
    def mask(self) -> NDArray[np.uint8]:
        """The pore, padded."""
        return self.levels[0].mask

    @property
    def core(self) -> tuple[slice, slice, slice]:
        """Where a padded array holds the voxels."""
        return self.levels[0].core

    def update(self, pore: NDArray[Any]) -> None:
        """Take a changed geometry of the same shape and kind.

        Where the pore is a mask, only columns of blocks about changed voxels are done anew; the
        result is that of a new hierarchy, bit for bit.
        """
        before, mask = self.mask, pad((pore > 0).astype(np.uint8), self.periodic)
        self.levels[0].mask = mask
        changed = (mask != before)[self.levels[0].core].any(axis=2)
        if self.levels[0].links is None:
            changed[...] = True
        self._make(pore, blocks_of(spread(changed, self.periodic)))

    def _make(self, pore: NDArray[Any], dirty: NDArray[np.bool_]) -> None:
        self.kernel.clear()
        finest = self.levels[0]
        if finest.links is not None:
            _aggregation.count_links(
                finest.mask, self.shape, dirty.view(np.uint8), finest.links, self.threads
            )
            wrap(finest.links, self.shape, self.periodic)
        elif self.linked:
            wide = pad(pore.astype(np.float64), self.periodic)
            _aggregation.conductances(wide, finest.k, self.shape, self.threads)
            for conductance in finest.k:
                wrap(conductance, self.shape, self.periodic)
        number = 0
        while self.levels[number].linked:
            fine = self.levels[number]
            number += 1
            if number == len(self.levels):
                self.levels.append(next_level(fine))
                dirty[...] = True
            dirty = blocks_of(coarsen(fine, self.levels[number], dirty, self.threads))
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
