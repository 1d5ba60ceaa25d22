"""Vessels that are there at the start, in living tissue within the box."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model.steering import HOUR

if TYPE_CHECKING:
    from scaffoldsim.model.vessels import Vessels

__all__ = ["settle"]

#: VEGF in which they grow, in units of the threshold of sprouting (assumed: so much that
#: with more they would hardly sprout or grow faster, so that the level is of no account)
_PLENTY = 10.0
#: length per volume at which they are crowded, in units of what is wanted (assumed: half of what
#: grows has blood, so that the density wanted is reached, and evenly)
_ROOM = 2.0
#: steps in which they grow, s, and for how many at most: two weeks (assumed: where that is not
#: enough roots are few, and the tissue behind them has few vessels too)
_STEP, _MOST = 6 * HOUR, 56


def settle(
    vessels: Vessels,
    living: NDArray[np.bool_],
    blocked: NDArray[np.bool_],
    density: float,
    *,
    seed: int,
) -> None:
    """Fill living tissue with vessels that carry blood, before time 0.

    They grow from the roots by their own rules in even VEGF, crowded at twice the `density`, and
    never out of `living`, until so many are on a path between two roots, for two weeks at most;
    those on no path are taken out.

    Parameters
    ----------
    vessels
        Roots only.
    living : bool (nx, ny, nz)
        Where they may be.
    blocked : bool (nx, ny, nz)
        Where no vessel goes.
    density : 1/m²
        Length with blood per volume of `living`.
    seed
        Of the random numbers; steps before time 0 have numbers below 0.
    """
    grid = vessels.grid
    wanted = density * np.count_nonzero(living) * grid.voxel_volume
    if not (wanted > 0 and vessels.n_roots > 1):
        return
    rules, growth, home = vessels.rules, vessels.growth, vessels.growth.home
    crowded = min(float(rules.crowded), _ROOM * density)
    growth.rules = rules.model_copy(update={"crowded": crowded})
    growth.home = home[0][:0], home[1][:0]  # tips that leave feed a third to a half less tissue
    vegf = np.where(living, _PLENTY * float(rules.sprouting_vegf), 0.0)
    barred = blocked | ~living
    for step in range(_MOST):
        vessels.advance(
            _STEP, time=step * _STEP, vegf=vegf, blocked=barred, seed=seed, step=step - _MOST
        )
        if vessels.closed_length >= wanted:
            break
    growth.rules, growth.home = rules, home
    vessels.open_at_start()
