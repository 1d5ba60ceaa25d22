"""Solid told from pore: a threshold, and what is too small or cut off taken away."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from scaffoldsim.scaffold.images.sampling import Sampling
from scaffoldsim.scaffold.images.stack import BadImage, Plane, Stack
from scaffoldsim.scaffold.networks import find_networks
from scaffoldsim.scaffold.thickness import Bools

_BINS = 256  # of Otsu's histogram of images that do not hold a few integers, as in scikit-image
_MOST_LEVELS = 1 << 20  # integers that may have a bin each


class Values:
    """The grey values of an image as sampled, plane by plane, and how far they reach."""

    def __init__(self, stack: Stack, sampling: Sampling) -> None:
        self.name = stack.name
        self.order = stack.order
        self.shape = tuple(sampling.grid.shape[axis] for axis in stack.order)
        self.integer = stack.dtype.kind in "bui" and sampling.weights() == [None] * 3
        self._stack, self._sampling = stack, sampling
        self._low, self._high = math.inf, -math.inf

    def __iter__(self) -> Iterator[Plane]:
        for plane in self._sampling.planes(self._stack):
            self._low = min(self._low, float(plane.min()))
            self._high = max(self._high, float(plane.max()))
            yield plane

    def extremes(self) -> tuple[float, float]:
        """Least and greatest value seen."""
        return self._low, self._high


def otsu(values: Values) -> float:
    """Otsu's threshold (1979) of all values, from their histogram."""
    from skimage.filters import threshold_otsu

    for _ in values:
        pass
    low, high = values.extremes()
    if low == high:
        raise BadImage(
            f"{values.name}: every voxel has the value {low:g}: no solid can be told from it"
        )
    if values.integer and high - low < _MOST_LEVELS:
        centres = np.arange(low, high + 1)
        counts = np.zeros(centres.size, np.int64)
        for plane in values:
            level = (plane.astype(np.int64) - int(low)).ravel()
            counts += np.bincount(level, minlength=counts.size)
    else:
        edges = np.linspace(low, high, _BINS + 1)
        centres = (edges[1:] + edges[:-1]) / 2
        counts = np.zeros(_BINS, np.int64)
        for plane in values:
            counts += np.histogram(plane, edges)[0]
    found = threshold_otsu(hist=(counts, centres))  # type: ignore[no-untyped-call]
    return float(found)


def segment(
    values: Values, threshold: float | str, invert: bool, notes: list[str]
) -> tuple[Bools, float]:
    """The mask (x, y, z) of what is above the threshold, and the threshold.

    Raises
    ------
    BadImage
        If everything is on one side of it.
    """
    limit = otsu(values) if isinstance(threshold, str) else float(threshold)
    if isinstance(threshold, str):
        notes.append(f"Otsu's threshold is {limit:g}: solid is value {'<=' if invert else '>'} it.")
    solid = np.empty(values.shape, bool)
    for number, plane in enumerate(values):
        np.greater(plane, limit, out=solid[number])
    if invert:
        np.logical_not(solid, out=solid)
    filled = int(np.count_nonzero(solid))
    if filled in (0, solid.size):
        low, high = values.extremes()
        raise BadImage(
            f"{values.name}: with threshold {limit:g} every voxel is "
            f"{'solid' if filled else 'pore'}; the values go from {low:g} to {high:g}. "
            "Choose a threshold in between."
        )
    # an order of axes here is either as it is or reversed, so it undoes itself
    return np.ascontiguousarray(solid.transpose(values.order)), limit


def drop_islands(name: str, solid: Bools, smallest: int, notes: list[str]) -> Bools:
    """`solid` without its pieces of fewer than `smallest` voxels (6-connected).

    Raises
    ------
    BadImage
        If nothing remains.
    """
    pieces = find_networks(solid)
    sizes = pieces.sizes()
    kept = sizes >= smallest
    kept[0] = False
    if not kept.any():
        raise BadImage(
            f"{name}: smallest_island: {smallest} voxels are more than any of the "
            f"{pieces.count} pieces of solid has (the largest: {sizes[1:].max()})"
        )
    gone = pieces.count - int(kept.sum())
    if not gone:
        return solid
    taken = int(sizes[1:][~kept[1:]].sum())
    notes.append(
        f"Islands of fewer than {smallest} voxels: {gone} of {pieces.count} pieces of solid, "
        f"{taken} voxels ({taken / int(sizes[1:].sum()):.3g} of the solid), became pore."
    )
    return pieces.members(kept)


def keep_largest_network(solid: Bools, notes: list[str]) -> Bools:
    """`solid` with every pore filled that is not in the largest pore network (6-connected)."""
    networks = find_networks(~solid)
    sizes = networks.sizes()
    sizes[0] = 0
    kept = np.zeros(networks.count + 1, bool)
    kept[int(np.argmax(sizes))] = True
    filled = int(sizes[~kept].sum())
    if not filled:
        return solid
    notes.append(
        f"Only the largest pore network is kept: {networks.count - 1} of {networks.count}, "
        f"{filled} voxels ({filled / int(sizes.sum()):.3g} of the pores), became solid."
    )
    return ~networks.members(kept)
