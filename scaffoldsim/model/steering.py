"""Where the tips of vessels turn, and how far they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import _vessels, counter
from scaffoldsim.model.vessel_graph import barred, box_of

if TYPE_CHECKING:
    from scaffoldsim.model.sprouting import VesselTissue
    from scaffoldsim.scaffold.grid import Grid

__all__ = ["Surroundings", "advance", "branched", "steer", "unit", "unit_vectors"]

Array = NDArray[Any]

HOUR = 3600.0
#: angle between a branch and the tip that it leaves (assumed)
BRANCH_ANGLE = np.pi / 3
#: directions that a tip tries at random where it cannot go on or along a wall
_TRIES = 4


def unit(vectors: Array) -> Array:
    """Return vectors at length 1; those of no length stay."""
    length = np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True))
    result: Array = vectors / np.where(length > 0, length, 1.0)
    return result


def unit_vectors(ids: Array, *, seed: int, step: int, purpose: str, substep: int = 0) -> Array:
    """Return one direction per id, even over the sphere, (n, 3).

    Examples
    --------
    >>> unit_vectors([7], seed=1, step=0, purpose="turn").shape
    (1, 3)
    """
    ids = np.asarray(ids, np.int64).reshape(-1)
    u, v = (
        counter.uniform(
            ids, counter.keys(seed=seed, step=step, purpose=f"{purpose} {axis}", substep=substep)
        )
        for axis in ("height", "angle")
    )
    z = 2.0 * u - 1.0
    r = np.sqrt(np.maximum(1.0 - z * z, 0.0))
    return np.stack([r * np.cos(2 * np.pi * v), r * np.sin(2 * np.pi * v), z], axis=1)


class Surroundings:
    """What vessels meet: concentration of VEGF and what blocks them, both per voxel.

    Parameters
    ----------
    grid
        The voxels.
    vegf : (nx, ny, nz), kg/m³, or None
        None is nothing anywhere.
    blocked : bool (nx, ny, nz)
        Where no vessel goes.
    """

    def __init__(self, grid: Grid, vegf: Array | None, blocked: NDArray[np.bool_]) -> None:
        self.grid = grid
        self.blocked = blocked.reshape(-1)
        self._vegf = None if vegf is None else vegf.reshape(-1)
        known = np.zeros(0) if self._vegf is None else self._vegf
        self._known = np.ascontiguousarray(known, np.float32)
        self.box = box_of(grid)

    def vegf(self, voxel: Array) -> Array:
        """Return the concentration in flat voxels, kg/m³, float64."""
        if self._vegf is None:
            return np.zeros(len(voxel))
        return self._vegf[voxel].astype(np.float64)

    def beside(self, voxel: Array) -> tuple[Array, Array, Array]:
        """Return the gradient of VEGF, kg/m⁴, which faces are solid, and the normal off solid.

        Shapes (n, 3), (n, 2, 3) and (n, 3). Nothing diffuses into solid or out of the box.
        """
        n = len(voxel)
        gradient, normal = np.empty((n, 3)), np.empty((n, 3))
        solid = np.empty((n, 2, 3), bool)
        _vessels.beside(
            np.ascontiguousarray(voxel, np.int32),
            self._known,
            self.blocked.view(np.uint8),
            self.grid.voxel,
            *self.box,
            gradient,
            solid.view(np.uint8),
            normal,
        )
        return gradient, solid, normal

    def cue(self, voxel: Array, rules: VesselTissue) -> tuple[Array, Array, Array]:
        """Return how VEGF attracts (g of `VesselTissue`), solid faces, and the normal off solid."""
        gradient, solid, normal = self.beside(voxel)
        scale = float(rules.sensing) / (self.vegf(voxel) + float(rules.speed_vegf))
        strength = np.sqrt((gradient * gradient).sum(axis=1)) * scale
        return unit(gradient) * (strength / (1 + strength))[:, None], solid, normal


def steer(
    direction: Array,
    voxel: Array,
    around: Surroundings,
    rules: VesselTissue,
    noise: Array,
    dt: float = HOUR,
) -> Array:
    """Return the directions of tips after `dt`, see `VesselTissue`.

    In other times than an hour the direction keeps its weight to the power of the hours; what
    draws it counts by what is then lost of that, noise by the root of the sum of squares.

    Parameters
    ----------
    direction, noise : (n, 3)
        Of length 1.
    voxel
        Flat, where the tips are.
    """
    attraction, solid, normal = around.cue(voxel, rules)
    along = direction - (direction * normal).sum(axis=1, keepdims=True) * normal
    along[solid.all(axis=1)] = 0.0  # between two walls
    touching: Array = np.asarray(np.any(solid, axis=(1, 2)))
    along = np.where(touching[:, None], unit(along), 0.0)
    keep, drawn, shaken = _weights(float(rules.persistence), dt / HOUR)
    cue = float(rules.attraction) * attraction + float(rules.guidance) * along
    turned = keep * direction + drawn * cue + shaken * float(rules.wandering) * noise
    found = (turned * turned).sum(axis=1, keepdims=True) > 1e-24
    result: Array = np.where(found, unit(turned), direction)
    return result


def _weights(persistence: float, hours: float) -> tuple[float, float, float]:
    """Return how much the old direction, cues and noise count in a time."""
    keep = persistence**hours
    if hours == 1.0 or persistence >= 1.0:
        return keep, hours, float(np.sqrt(hours))
    lost = (1 - keep) / (1 - persistence)
    return keep, lost, float(np.sqrt((1 - keep * keep) / (1 - persistence * persistence)))


def branched(direction: Array, side: Array) -> Array:
    """Return directions at `BRANCH_ANGLE` to the given ones, to the sides that `side` points to."""
    across = side - (side * direction).sum(axis=1, keepdims=True) * direction
    return unit(np.cos(BRANCH_ANGLE) * direction + np.sin(BRANCH_ANGLE) * unit(across))


def advance(
    position: Array,
    direction: Array,
    distance: Array,
    around: Surroundings,
    random: Callable[[Array, int], Array],
) -> tuple[Array, Array]:
    """Move tips straight on, else along a wall, else elsewhere; none ends or passes in solid.

    Along a wall one component of the direction is left out, the smallest first; then all but one
    are, the largest of these first.

    Parameters
    ----------
    position : (n, 3), m
        In the box.
    direction : (n, 3)
    distance : (n,), m
        Half a voxel at most.
    random
        (rows, attempt) → directions to try last, (rows, 3).

    Returns
    -------
    way : (n, 3), m
        Nothing where all that was tried is barred.
    direction : (n, 3)
        In which each went.
    """
    h = around.grid.voxel
    direction = np.ascontiguousarray(direction)
    way, taken, stay = np.zeros_like(position), direction.copy(), np.empty(len(position), bool)
    _vessels.advance(
        np.ascontiguousarray(position / h),
        direction,
        distance / h,
        around.blocked.view(np.uint8),
        *around.box,
        way,
        taken,
        stay.view(np.uint8),
    )
    way *= h
    left = np.flatnonzero(stay)
    for attempt in range(_TRIES):
        if not left.size:
            break
        heading = random(left, attempt)
        step = heading * distance[left, None]
        free = ~barred(position[left] / h, step / h, around.blocked, around.grid)
        free &= (heading != 0).any(axis=1)
        chosen = left[free]
        way[chosen], taken[chosen] = step[free], heading[free]
        left = left[~free]
    return way, taken
