"""What the solid of a picture is made of: scaffold, new bone and bone of the host, as depths.

A frame holds what share of each voxel is scaffold, osteoid, mineral, host bone. A surface needs a
depth: > 0 inside, 0 on it. The solid as a whole is where the shares come to half a voxel, as it is
closed to cells there; its surface shows the part that is the greatest. So no gap is between two
parts, however thin a layer of bone is.
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
#: Widths of the Gaussian in voxels: of a surface, and of the border of two parts. Under a wider one
#: half a voxel of bone on a wall would count as the wall.
_BLUR = 1.3
_BORDER_BLUR = 0.75
#: A voxel whose solid share differs by more from that of the scaffold as built has changed.
_CHANGED = 1e-4
#: What blurring leaves at least of a depth: a voxel stays on its side of the surface.
_LEAST = np.float32(0.1)

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


def solid_depth(
    distance: Array, h: float, parts: Mapping[str, Array], built: Array | None = None
) -> Array:
    """Depth in the solid, all its parts together, > 0 inside, in the unit of `h`.

    Parameters
    ----------
    distance : array (x, y, z)
        Signed distance to the scaffold as built, > 0 in the pore.
    h : float
        Edge of a voxel.
    parts : mapping of str to array (x, y, z)
        Share of each part (`parts_of`); empty for a scaffold as built and nothing else.
    built : array (x, y, z), optional
        Share of the scaffold as built: where the solid is still that, its wall is the one of
        `distance`, which is smooth.
    """
    from scipy import ndimage

    scaffold = without_stairs(-np.asarray(distance, dtype=np.float32), h)
    if not parts:
        return scaffold
    total = np.zeros(scaffold.shape, np.float32)
    for share in parts.values():
        total += share
    changed = np.ones(total.shape, bool) if built is None else np.abs(total - built) > _CHANGED
    if not changed.any():
        return scaffold
    # What is drawn between two voxels depends on both, and on what the blur reaches.
    near = ndimage.binary_dilation(changed, iterations=2)
    depth: Array = np.where(near, _from_share(total, h), scaffold)
    return depth


def leads(parts: Mapping[str, Array]) -> dict[str, Array]:
    """By how much each part is ahead of the others, a share of a voxel; empty for one part alone.

    Where the lead of a part is above 0, the solid shows that part: the leads of two parts that meet
    change sign together, so that there is neither gap nor overlap between them.
    """
    from scipy import ndimage

    if len(parts) < 2:
        return {}
    smooth = {name: ndimage.gaussian_filter(share, _BORDER_BLUR) for name, share in parts.items()}
    return {
        name: own - np.max([share for other, share in smooth.items() if other != name], axis=0)
        for name, own in smooth.items()
    }


def _from_share(share: Array, h: float) -> Array:
    """Depth of a surface that is known by the shares of voxels, blurred; no voxel changes sides."""
    from scipy import ndimage

    raw = np.clip(share, 0, 1) - _HALF
    smooth = ndimage.gaussian_filter(raw, _BLUR, mode="nearest")
    least = raw * _LEAST
    kept = np.where(raw >= 0, np.maximum(smooth, least), np.minimum(smooth, least))
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
