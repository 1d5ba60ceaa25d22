"""Where to stand in a pore, and where to look: `view`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# All that follows was chosen by looking at pictures.

#: Places that are tried, directions of a half sphere, and things that are looked for, about.
_PLACES, _DIRECTIONS, _TARGETS = 80, 200, 250
#: Steps of a look along a ray.
_STEPS = 32
#: The eye is where the pore is at least so wide, a share of the widest place, and no nearer to the
#: end of the box than this share of its edge, where a view would soon end.
_ROOM, _EDGE = 0.7, 0.08
#: In radii of the widest pore: what is nearer counts nothing, and fully this much further on; what
#: is so far counts half; a wall nearer than the last fills the view.
_NEAR, _FULL, _FAR, _FREE = 0.9, 0.5, 2.0, 1.8
#: What is seen is up to so far from the middle of the view, a share of its angle.
_WITHIN = 0.45
#: How much a view is worth that shows no wall, to one that shows nothing else.
_BARE = 0.05
#: So far walls are looked for, in radii of the widest pore.
_SEES = 4.0
#: Cosine of the steepest look up or down, to what is up.
_STEEP = 0.55

Array = npt.NDArray[Any]


def view(
    depth: Array, h: float, targets: Array, weight: Array, *, up: Array, angle: float
) -> tuple[Array, Array, float]:
    """Choose a place in a pore and a direction in which most is seen.

    Parameters
    ----------
    depth : array (x, y, z)
        Depth in the solid, > 0 inside, in the unit of `h`.
    h : float
        Edge of a voxel.
    targets, weight : arrays (n, 3), (n,)
        What is to be seen, and how much each counts; none, to look where the pore is longest.
    up : array (3,)
        What is up.
    angle : float
        Degrees that are seen.

    Returns
    -------
    eye, direction : arrays (3,)
        In the pore, and a unit vector.
    room : float
        Radius of the widest pore.

    Raises
    ------
    ValueError
        If there is no pore.

    Examples
    --------
    >>> x = (np.arange(24) + 0.5)[:, None, None] * np.ones((24, 24, 24))
    >>> eye, direction, room = view(
    ...     abs(x - 12) - 8, 1.0, np.array([[12.0, 20, 12]]), np.ones(1), up=np.eye(3)[2], angle=60
    ... )
    >>> float(room), bool(direction[1] > 0.5)
    (7.5, True)
    """
    shape = np.array(depth.shape)
    room = float(-depth.min())
    if room <= 0:
        raise ValueError("there is no pore to stand in")
    roomy = np.argwhere(-depth >= _ROOM * room)
    inner = ((roomy >= _EDGE * shape) & (roomy < (1 - _EDGE) * shape)).all(axis=1)
    chosen = roomy[inner] if inner.any() else roomy
    eyes = (chosen[:: max(1, len(chosen) // _PLACES)][:_PLACES] + 0.5) * h
    every = max(1, len(targets) // _TARGETS)
    targets, weight = targets[::every], weight[::every]
    looks = _sphere(up)
    free = _free(depth, h, eyes, looks, _SEES * room)
    score = free
    if len(targets):
        within = np.cos(np.radians(_WITHIN * angle))
        score = _framed(free, looks, room, within)
        score = score * _shown(depth, h, eyes, looks, targets, weight, room, within)
    place, best = np.unravel_index(int(score.argmax()), score.shape)
    return eyes[place], looks[best], room


def _framed(free: Array, looks: Array, room: float, within: float) -> Array:
    """How well walls stand in a view: some about it, none before the eye; (eyes, looks)."""
    beside = (np.einsum("di,ei->de", looks, looks) > within).astype(np.float64)
    walls = np.einsum("ed,dk->ek", (free < _SEES * room).astype(np.float64), beside)
    score = np.minimum(free / (_FREE * room), 1.0)
    score *= _BARE + (1 - _BARE) * walls / beside.sum(axis=0)
    result: Array = score
    return result


def _shown(
    depth: Array,
    h: float,
    eyes: Array,
    looks: Array,
    targets: Array,
    weight: Array,
    room: float,
    within: float,
) -> Array:
    """How much is seen from each eye in each direction; (eyes, looks)."""
    way = targets[None] - eyes[:, None]
    far = np.sqrt((way * way).sum(axis=-1))
    each = weight * np.clip((far / room - _NEAR) / _FULL, 0, 1) / (1 + (far / (_FAR * room)) ** 2)
    each *= _seen(depth, h, eyes, targets)
    towards = np.einsum("eti,di->etd", way / np.maximum(far, 1e-9)[..., None], looks)
    result: Array = np.einsum("et,etd->ed", each, (towards > within).astype(np.float64))
    return result


def _sphere(up: Array) -> Array:
    """Directions spread evenly, none of them steep."""
    n = np.arange(2 * _DIRECTIONS) + 0.5
    z, turn = 1 - n / _DIRECTIONS, np.pi * (1 + np.sqrt(5)) * n
    flat = np.sqrt(1 - z * z)
    found = np.stack([flat * np.cos(turn), flat * np.sin(turn), z], axis=1)
    up = up / np.sqrt((up * up).sum())
    level: Array = found[np.abs((found * up).sum(axis=1)) < _STEEP]
    return level


def _free(depth: Array, h: float, eyes: Array, looks: Array, most: float) -> Array:
    """How far it is from each eye to the solid, at most `most`; (eyes, looks)."""
    steps = np.linspace(0, most, _STEPS + 1)[1:]
    free = np.zeros((len(eyes), len(looks)))
    going = np.ones(free.shape, bool)
    for step in steps:
        at = eyes[:, None] + step * looks[None]
        going &= _open(depth, h, at)
        free[going] = step
    return free


def _seen(depth: Array, h: float, eyes: Array, targets: Array) -> Array:
    """Whether nothing solid stands between each eye and each target."""
    seen = np.ones((len(eyes), len(targets)), bool)
    for share in np.linspace(0, 1, _STEPS, endpoint=False)[1:]:
        seen &= _open(depth, h, eyes[:, None] + share * (targets[None] - eyes[:, None]))
    return seen


def _open(depth: Array, h: float, at: Array) -> Array:
    """Whether points are in the pore; beyond the box as at its face."""
    ijk = np.clip((at / h).astype(np.int64), 0, np.array(depth.shape) - 1)
    found: Array = depth[ijk[..., 0], ijk[..., 1], ijk[..., 2]] < 0
    return found
