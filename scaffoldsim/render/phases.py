"""What the solid of a picture is made of: scaffold, new bone and bone of the host, as depths.

A frame holds what share of each voxel is scaffold, osteoid, mineral, host bone. A surface needs a
depth: > 0 inside, 0 on it. The solid as a whole is where the shares come to half a voxel, as it is
closed to cells there; each part of it is where that part is the greatest. So the parts fill the
solid without a gap between them, however thin a layer of bone is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

#: Parts of the solid and the shares of a frame that make them, in the order of the legend.
PARTS: dict[str, tuple[str, ...]] = {
    "scaffold": ("scaffold",),
    "bone": ("osteoid", "mineral"),
    "host_bone": ("host_bone",),
}
#: The share of a voxel from which on it is solid.
_HALF = np.float32(0.5)
#: Distances between voxels up to 1.5 voxels apart are 1 and √2 on each side, whatever the offset.
_MASK_VALUES = 32
#: Widths of the Gaussian in voxels: of a surface, and of the border of two parts.
_BLUR = 1.3
_SHARE_BLUR = 1.0
_BORDER_BLUR = 0.6
#: A share of the scaffold that differs by more from that as built has changed.
_CHANGED = 1e-4
#: The smallest depth after blurring, in voxels: a voxel stays on its side of the surface.
_LEAST = np.float32(0.05)

Array = npt.NDArray[Any]


def parts_of(shares: Mapping[str, Array]) -> dict[str, Array]:
    """Add the shares of a frame up to the parts of a picture (`PARTS`); without bone, none.

    Parameters
    ----------
    shares : mapping of str to array (x, y, z)
        Shares of a voxel by name; those that are missing are 0.

    Returns
    -------
    dict
        Share of each part that is there, always with the scaffold.

    Examples
    --------
    >>> ones = np.ones((1, 1, 1), np.float32)
    >>> parts = parts_of({"scaffold": 0 * ones, "osteoid": 0.25 * ones, "mineral": 0.5 * ones})
    >>> {name: float(share[0, 0, 0]) for name, share in parts.items()}
    {'scaffold': 0.0, 'bone': 0.75}
    """
    parts = {}
    for part, names in PARTS.items():
        found = [shares[name] for name in names if name in shares]
        share = sum(found[1:], found[0]) if found else None
        if share is not None and (part == "scaffold" or np.any(share)):
            parts[part] = np.asarray(share, dtype=np.float32)
    return parts


def kinds(parts: Mapping[str, Array]) -> Array:
    """Which part each voxel shows: 0 for none (pore), else 1 + its place in `parts`.

    Examples
    --------
    >>> scaffold, bone = np.array([[[0.6, 0.3, 0.0]]]), np.array([[[0.0, 0.4, 0.1]]])
    >>> kinds({"scaffold": scaffold, "bone": bone}).tolist()
    [[[1, 2, 0]]]
    """
    stack = np.stack(list(parts.values()))
    shown: Array = np.where(stack.sum(axis=0) >= _HALF, 1 + stack.argmax(axis=0), 0)
    return shown


def depths(
    distance: Array, h: float, parts: Mapping[str, Array], built: Array | None = None
) -> dict[str, Array]:
    """Depth in each part of the solid, > 0 inside, in the unit of `h`.

    Parameters
    ----------
    distance : array (x, y, z)
        Signed distance to the scaffold as built, > 0 in the pore.
    h : float
        Edge of a voxel.
    parts : mapping of str to array (x, y, z)
        Share of each part (`parts_of`); empty for a scaffold as built and nothing else.
    built : array (x, y, z), optional
        Share of the scaffold as built: where it has not changed, its wall is that of `distance`,
        which is smooth.

    Returns
    -------
    dict
        Depth by part; ``solid``, that in all of them, comes last.
    """
    from scipy import ndimage

    scaffold = without_stairs(-np.asarray(distance, dtype=np.float32), h)
    if not parts:
        return {"scaffold": scaffold, "solid": scaffold}
    total = sum(list(parts.values())[1:], next(iter(parts.values())))
    changed = total > parts["scaffold"] + np.float32(_CHANGED)
    if built is None:
        changed[...] = True
    else:
        changed |= np.abs(parts["scaffold"] - built) > _CHANGED
    if not changed.any():
        return {"scaffold": scaffold, "solid": scaffold}
    # What is drawn between two voxels depends on both, and on what the blur reaches.
    near = ndimage.binary_dilation(changed, iterations=2)
    solid: Array = np.where(near, _from_share(total, h), scaffold)
    if len(parts) == 1:
        return {"scaffold": solid, "solid": solid}
    blurred = {name: ndimage.gaussian_filter(share, _BORDER_BLUR) for name, share in parts.items()}
    found = {}
    for name, own in blurred.items():
        rival = np.max([share for other, share in blurred.items() if other != name], axis=0)
        lead = (own - rival) * np.float32(h)
        if name == "scaffold":
            lead = np.where(near, lead, np.float32(h))
        found[name] = np.minimum(solid, lead)
    return {**found, "solid": solid}


def _from_share(share: Array, h: float) -> Array:
    """Depth of a surface that is known by the shares of voxels, blurred; no voxel changes sides."""
    from scipy import ndimage

    raw = np.clip(share, 0, 1) - _HALF
    smooth = ndimage.gaussian_filter(raw, _SHARE_BLUR, mode="nearest")
    kept = np.where(raw >= 0, np.maximum(smooth, _LEAST), np.minimum(smooth, -_LEAST))
    depth: Array = (kept * np.float32(h)).astype(np.float32)
    return depth


def without_stairs(solid: Array, h: float) -> Array:
    """Smooth the distance to a voxel image; an analytic distance is returned as it is.

    A distance measured from a mask takes few values near the wall, and its contour shows every
    voxel. It is blurred, but by less than the distance of the nearest voxel to the wall: each voxel
    stays on its side, so that no thin wall vanishes.
    """
    from scipy import ndimage

    near = solid[np.abs(solid) < 1.5 * h]
    if near.size == 0 or np.unique(np.round(near / h, 2)).size > _MASK_VALUES:
        return solid
    margin = np.float32(0.9 * np.abs(near).min())
    blurred = ndimage.gaussian_filter(solid, _BLUR, mode="nearest")
    smooth: Array = np.clip(blurred, solid - margin, solid + margin)
    return smooth
