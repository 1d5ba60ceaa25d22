"""Which part of an image is taken, and on which voxels: crop and resampling.

Resampling keeps the physical extent: voxel i of n spans i … i + 1 edges from the low face, in the
image and in the result. Along an axis on which voxels become larger, a new one is the mean of what
it covers, weighted by length; where they become smaller, values are interpolated linearly between
centres. Both are the same for any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scaffoldsim.scaffold.grid import Grid
from scaffoldsim.scaffold.images.stack import (
    SAME_EDGE,
    BadImage,
    Plane,
    Region,
    Stack,
    Triple,
    in_um,
)

Crop = Mapping[str, tuple[float, float]]
_ROUNDING = 1e-6  # of an edge: lengths that differ by less are the same


@dataclass(frozen=True)
class Weights:
    """New values along an axis as sums of old ones: new[i] = Σ_k weight[i, k] · old[index[i, k]].

    Attributes
    ----------
    index : ndarray of int, shape (n, k)
    weight : ndarray of float64, shape (n, k)
        Rows add to 1.
    """

    index: npt.NDArray[np.intp]
    weight: npt.NDArray[np.float64]

    def apply(self, plane: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
        """The new values of a plane along one of its two axes."""
        total: npt.NDArray[np.float64] = np.zeros(())
        for k in range(self.index.shape[1]):
            weight = self.weight[:, k].reshape((-1, 1) if axis == 0 else (1, -1))
            total = total + weight * np.take(plane, self.index[:, k], axis)
        return total


def weights(n: int, edge: float, new_edge: float, count: int) -> Weights | None:
    """How `count` voxels of `new_edge` come from `n` of `edge`; None if they are the same ones.

    Examples
    --------
    >>> weights(4, 1.0, 2.0, 2).weight[:, :2].tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    >>> weights(2, 2.0, 1.0, 4).weight.tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    ratio = new_edge / edge
    if count == n and abs(ratio - 1) * n < _ROUNDING:
        return None
    i = np.arange(count)
    if ratio > 1:
        low, high = i * ratio, np.minimum((i + 1) * ratio, n)
        first = np.floor(low).astype(np.intp)
        index = first[:, None] + np.arange(math.ceil(ratio) + 1)
        share = np.minimum(high[:, None], index + 1) - np.maximum(low[:, None], index)
        share = np.maximum(share, 0)
        return Weights(np.minimum(index, n - 1), share / share.sum(axis=1, keepdims=True))
    centre = np.clip((i + 0.5) * ratio - 0.5, 0, n - 1)
    first = np.minimum(np.floor(centre).astype(np.intp), max(n - 2, 0))
    part = centre - first
    return Weights(
        np.stack([first, np.minimum(first + 1, n - 1)], axis=1), np.stack([1 - part, part], axis=1)
    )


@dataclass(frozen=True)
class Sampling:
    """The voxels asked for, in terms of those of a stack.

    Attributes
    ----------
    region : three pairs
        Voxels of the stack that are read: (first, stop) along x, y, z.
    edges : (x, y, z)
        Edges of the voxels of the stack, m.
    grid : Grid
        Of the result.
    notes : list of str
    """

    region: Region
    edges: Triple
    grid: Grid
    notes: list[str]

    def weights(self) -> list[Weights | None]:
        """How the voxels of the grid come from those of the region, along x, y, z."""
        return [
            weights(stop - first, edge, self.grid.voxel, count)
            for (first, stop), edge, count in zip(
                self.region, self.edges, self.grid.shape, strict=True
            )
        ]

    def planes(self, stack: Stack) -> Iterator[Plane]:
        """The planes of the result, in the order of the stack's axes."""
        every = self.weights()
        if every == [None, None, None]:
            yield from stack.planes(self.region)
            return
        along, rows, columns = (every[axis] for axis in stack.order)
        source = stack.planes(self.region)
        if along is None:
            for plane in source:
                yield _resample(plane, rows, columns)
            return
        held: dict[int, npt.NDArray[np.float64]] = {}
        reached = 0
        for index, weight in zip(along.index.tolist(), along.weight.tolist(), strict=True):
            while reached <= max(index):
                held[reached] = _resample(next(source), rows, columns)
                reached += 1
            for done in [number for number in held if number < index[0]]:
                del held[done]
            total = np.zeros_like(held[index[0]])
            for number, share in zip(index, weight, strict=True):
                if share:
                    total += share * held[number]
            yield total

    def bytes_held(self, stack: Stack) -> int:
        """Memory that the planes need while they are made, bytes."""
        _, rows, columns = (stack.shape[axis] for axis in stack.order)
        _, new_rows, new_columns = (self.grid.shape[axis] for axis in stack.order)
        along = self.weights()[stack.order[0]]
        held = 3 if along is None else along.index.shape[1] + 2
        return rows * columns * (stack.dtype.itemsize + 16) + held * 8 * new_rows * new_columns


def _resample(
    plane: Plane, rows: Weights | None, columns: Weights | None
) -> npt.NDArray[np.float64]:
    new = np.asarray(plane, np.float64)
    if rows is not None:
        new = rows.apply(new, 0)
    if columns is not None:
        new = columns.apply(new, 1)
    return new


def plan(stack: Stack, voxel: float | None, resample: float | None, crop: Crop | None) -> Sampling:
    """What to read of a stack, and the grid it becomes.

    Parameters
    ----------
    stack : Stack
    voxel : float, optional
        Edge of the stack's voxels, m, in place of what the file says.
    resample : float, optional
        Edge of the grid's voxels, m; without it that of the stack's, the least where they differ.
    crop : mapping of axis to (from, to), optional
        m, from the low face of the image; rounded to its voxels.

    Raises
    ------
    BadImage
        If the size of a voxel is not known, the crop is empty or outside, or a voxel wanted is
        larger than the box that is left.
    TooLarge
        If the grid cannot be numbered.
    """
    notes: list[str] = []
    edges = stack.edges(voxel, notes)
    region = crop_region(stack.name, stack.shape, edges, crop, notes)
    new = min(edges) if resample is None else resample
    if not (math.isfinite(new) and new > 0):
        raise BadImage(f"{stack.name}: resample: {new!r} is not a positive length in m")
    counts = [stop - first for first, stop in region]
    box = [n * edge for n, edge in zip(counts, edges, strict=True)]
    if resample is not None and new > min(box) * (1 + _ROUNDING):
        raise BadImage(
            f"{stack.name}: resample: voxels of {new * 1e6:.6g} um are larger than the box of "
            f"{' x '.join(f'{edge * 1e3:.4g}' for edge in box)} mm; at most its shortest edge, "
            f"{min(box) * 1e6:.6g} um, is possible"
        )
    if max(*edges, new) <= (1 + _ROUNDING) * min(*edges, new):
        return Sampling(region, edges, Grid((counts[0], counts[1], counts[2]), edges[0]), notes)
    sizes = [max(1, round(n * edge / new)) for n, edge in zip(counts, edges, strict=True)]
    grid = Grid((sizes[0], sizes[1], sizes[2]), new)
    how = [
        word
        for word, used in (
            ("averaged", any(new > edge * (1 + _ROUNDING) for edge in edges)),
            ("interpolated", any(new < edge * (1 - _ROUNDING) for edge in edges)),
        )
        if used
    ]
    if max(edges) > SAME_EDGE * min(edges):
        notes.append(f"Voxels of {in_um(edges)} are not cubes.")
    notes.append(
        f"Resampled (grey values {' and '.join(how)}) from {' x '.join(map(str, counts))} "
        f"voxels of {in_um(edges)} to {' x '.join(map(str, sizes))} cubes of {new * 1e6:.6g} um."
    )
    return Sampling(region, edges, grid, notes)


def crop_region(
    name: str,
    shape: tuple[int, int, int],
    edges: Triple,
    crop: Crop | None,
    notes: list[str],
) -> Region:
    """The voxels (first, stop) that a crop in m means, along x, y, z.

    Raises
    ------
    BadImage
        If it names another axis, is empty, or reaches beyond the image.
    """
    found = [(0, n) for n in shape]
    for axis, limits in (crop or {}).items():
        if axis not in ("x", "y", "z"):
            raise BadImage(f"{name}: crop: {axis!r} is not one of x, y, z")
        index = "xyz".index(axis)
        edge, n = edges[index], shape[index]
        try:
            low, high = (float(limit) for limit in limits)
        except (TypeError, ValueError) as error:
            raise BadImage(
                f"{name}: crop: {axis}: {limits!r} is not a pair (from, to) of lengths"
            ) from error
        extent = f"the image goes from 0 to {n * edge * 1e3:.6g} mm along {axis}"
        slack = _ROUNDING * n * edge
        if not (low >= -slack and high <= n * edge + slack):
            raise BadImage(
                f"{name}: crop: {axis}: {low * 1e3:.6g} to {high * 1e3:.6g} mm is outside; {extent}"
            )
        first, stop = round(low / edge), round(high / edge)
        if stop <= first:
            raise BadImage(
                f"{name}: crop: {axis}: {low * 1e3:.6g} to {high * 1e3:.6g} mm holds no voxel of "
                f"{edge * 1e6:.4g} um; {extent}"
            )
        found[index] = first, stop
        notes.append(
            f"Cropped along {axis} to {first * edge * 1e3:.6g} to {stop * edge * 1e3:.6g} mm, "
            f"{stop - first} of {n} voxels."
        )
    return found[0], found[1], found[2]
