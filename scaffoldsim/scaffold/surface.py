"""The wall between pores and solid: its area, how it curves, and the chords it cuts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scaffoldsim.scaffold.thickness import Bools, Floats, Periodic, per_axis

__all__ = ["Curvature", "curvature", "mean_chords", "smoothed", "surface_density"]

_SLAB = 64  # planes at a time: the mesh of a large scan need not fit in memory at once


@dataclass(frozen=True)
class Curvature:
    """How a wall curves, by area.

    A wall that bulges into the pore, like that of a solid ball, has H > 0; one that is hollow seen
    from the pore, like that of a spherical pore, H < 0; a saddle has K < 0.

    Attributes
    ----------
    mean, mean_sd : float
        Mean and standard deviation of the mean curvature H, 1/m.
    gaussian : float
        Mean of the Gaussian curvature K, 1/m².
    concave : float
        Share of the area with H < 0.
    """

    mean: float
    mean_sd: float
    gaussian: float
    concave: float


def smoothed(field: Floats, *, sigma: float, periodic: Periodic = False) -> Floats:
    """A field smoothed by a Gaussian and shifted, so that it is below zero in as many voxels.

    Smoothing alone would move a curved wall towards its centre, and thin struts would vanish.

    Parameters
    ----------
    field : ndarray of float32, shape (nx, ny, nz)
        Below zero in solid, above in pores, e.g. ``0.5 - solid`` of an image.
    sigma : float
        Standard deviation of the Gaussian, voxels.
    periodic : bool or three bools
        Axes that wrap round; beyond another face the field goes on as at the face.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.float32([-0.5, -0.5, -0.5, 0.5, 0.5, 0.5]).reshape(6, 1, 1)
    >>> np.round(smoothed(image, sigma=0.7), 2).ravel().tolist()  # doctest: +ELLIPSIS
    [-0.5, -0.4..., -0.2..., 0.2..., 0.4..., 0.5]
    """
    from scipy.ndimage import gaussian_filter

    modes = ["wrap" if wrap else "nearest" for wrap in per_axis(periodic)]
    blurred: Floats = gaussian_filter(field.astype(np.float32), sigma, mode=modes)
    share = np.count_nonzero(field < 0) / field.size
    return blurred - np.float32(np.quantile(blurred, share))


def _meshes(
    level: Floats,
) -> Iterator[tuple[int, npt.NDArray[np.float32], npt.NDArray[np.int32]]]:
    """First plane, vertices (voxels, from that plane) and triangles of the zero level, by slabs."""
    from skimage.measure import marching_cubes

    if min(level.shape) < 2:
        return
    for start in range(0, level.shape[0] - 1, _SLAB):
        slab = level[start : start + _SLAB + 1]
        if slab.min() < 0 < slab.max():
            vertices, triangles, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
                slab, 0.0, allow_degenerate=False
            )
            yield start, vertices, triangles


def _areas(
    vertices: npt.NDArray[np.float32], triangles: npt.NDArray[np.int32]
) -> npt.NDArray[np.float64]:
    a, b, c = (vertices[triangles[:, i]].astype(np.float64) for i in range(3))
    normal = np.cross(b - a, c - a)
    area: npt.NDArray[np.float64] = np.sqrt((normal * normal).sum(axis=1)) / 2
    return area


def surface_density(field: Floats, *, voxel: float, periodic: Periodic = False) -> float:
    """Area of the wall per volume, 1/m, by marching cubes between the voxel centres.

    Parameters
    ----------
    field : ndarray of float32, shape (nx, ny, nz)
        Zero at the wall, with one sign in pores and another in solid, such as a signed distance.
    voxel : float
        Edge of a voxel, m.
    periodic : bool or three bools
        Axes that wrap round.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(20, dtype=np.float32)[:, None, None] + np.zeros((20, 8, 8), np.float32)
    >>> round(surface_density(np.abs(x - 9.7) - 3, voxel=1e-5, periodic=True) * 20 * 1e-5, 6)
    2.0
    """
    level = np.pad(field, [(0, int(wrap)) for wrap in per_axis(periodic)], mode="wrap")
    area = sum(float(_areas(at, corners).sum()) for _, at, corners in _meshes(level))
    between = math.prod(n - 1 for n in level.shape)
    return area / between / voxel if between else 0.0


def curvature(
    field: Floats, *, voxel: float, periodic: Periodic = False, skip: int = 0
) -> Curvature | None:
    r"""Mean and Gaussian curvature of the zero level of a field, averaged over its area.

    .. math:: 2 H = ∇·\frac{∇φ}{|∇φ|}, \qquad
        K = \frac{∇φ · \mathrm{adj}(∇∇φ) ∇φ}{|∇φ|^4}

    with φ > 0 in pores, by central differences at the two voxels on each side of the wall.

    Parameters
    ----------
    field : ndarray of float32, shape (nx, ny, nz)
        φ: smooth, zero at the wall and > 0 in pores, such as a signed distance in m.
    voxel : float
        Edge of a voxel, m.
    periodic : bool or three bools
        Axes that wrap round.
    skip : int
        Voxels next to faces that are not periodic whose wall is left out, besides the outermost,
        which has no differences.

    Returns
    -------
    Curvature or None
        None where no wall is left.

    References
    ----------
    Goldman 2005, Computer Aided Geometric Design 22: 632, "Curvature formulas for implicit curves
    and surfaces".

    Examples
    --------
    A solid ball of 0.1 mm: H = 10/mm, K = 100/mm².

    >>> import numpy as np
    >>> at = np.arange(32) - 15.3
    >>> r = np.sqrt(at[:, None, None] ** 2 + at[:, None] ** 2 + at**2).astype(np.float32)
    >>> found = curvature(r - 10, voxel=1e-5)
    >>> round(found.mean * 1e-3, 1), round(found.gaussian * 1e-6), found.concave
    (10.0, 100, 0.0)
    """
    wraps = per_axis(periodic)
    inside = tuple(
        slice(None) if wrap else slice(skip, n - skip)
        for wrap, n in zip(wraps, field.shape, strict=True)
    )
    # One plane more on each side for the differences, and another where the last voxel of a
    # period meets the first.
    level = np.pad(field[inside], [(1, 2) if wrap else (0, 0) for wrap in wraps], mode="wrap")
    if min(level.shape) < 4:
        return None
    sums = np.zeros(5)  # of area, and of area times H, H², K, [H < 0]
    for start, at, triangles in _meshes(level[1:-1, 1:-1, 1:-1]):
        at[:, 0] += start
        low = np.floor(at)
        share = (at - low).sum(axis=1)  # a vertex lies between two neighbours
        ends = tuple(
            np.ravel_multi_index(tuple(place.astype(np.intp).T + 1), level.shape)
            for place in (low, np.ceil(at))
        )
        voxels, where = np.unique(np.concatenate(ends), return_inverse=True)
        at_voxel = _implicit_curvature(level, voxels)
        area = _areas(at, triangles)
        h, k = (
            (values[where[: share.size]] * (1 - share) + values[where[share.size :]] * share)[
                triangles
            ].mean(axis=1)
            for values in at_voxel
        )
        sums += [(area * term).sum() for term in (1.0, h, h * h, k, h < 0)]
    if not sums[0]:
        return None
    mean, square, gaussian, concave = (float(value) for value in sums[1:] / sums[0])
    return Curvature(
        mean=mean / voxel,
        mean_sd=math.sqrt(max(square - mean**2, 0.0)) / voxel,
        gaussian=gaussian / voxel**2,
        concave=concave,
    )


def _implicit_curvature(
    level: Floats, voxels: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """H and K (per voxel, per voxel²) of the level through each of `voxels` (flat indices)."""
    flat = level.ravel()
    steps = (level.shape[1] * level.shape[2], level.shape[2], 1)

    def value(*moves: int) -> npt.NDArray[np.float64]:
        return flat[voxels + sum(moves)].astype(np.float64)

    here = value()
    x, y, z = steps
    fx, fy, fz = ((value(s) - value(-s)) / 2 for s in steps)
    fxx, fyy, fzz = (value(s) - 2 * here + value(-s) for s in steps)
    fxy, fxz, fyz = (
        (value(s, t) - value(s, -t) - value(-s, t) + value(-s, -t)) / 4
        for s, t in ((x, y), (x, z), (y, z))
    )
    square = np.maximum(fx * fx + fy * fy + fz * fz, 1e-12 * np.square(flat).max())
    bending = (
        fx * fx * (fyy + fzz)
        + fy * fy * (fxx + fzz)
        + fz * fz * (fxx + fyy)
        - 2 * (fx * fy * fxy + fx * fz * fxz + fy * fz * fyz)
    )
    saddle = (
        fx * fx * (fyy * fzz - fyz * fyz)
        + fy * fy * (fxx * fzz - fxz * fxz)
        + fz * fz * (fxx * fyy - fxy * fxy)
        + 2 * fx * fy * (fxz * fyz - fxy * fzz)
        + 2 * fx * fz * (fxy * fyz - fxz * fyy)
        + 2 * fy * fz * (fxy * fxz - fyz * fxx)
    )
    return bending / (2 * square * np.sqrt(square)), saddle / (square * square)


def mean_chords(
    solid: Bools, *, voxel: float, periodic: Periodic = False
) -> tuple[float | None, float | None, float | None]:
    r"""Mean length of the chords that pores cut from lines along x, y and z, m.

    .. math:: \bar{l} = 2 L_{pore} / N

    L_pore is the length in pores of all the voxel lines along an axis and N the number of walls on
    them. A chord ends at two walls, so one that a face of the box cuts counts with the end that
    lies within, and the faces shorten nothing. In isotropic pores the three are 4 ε / S, with ε the
    porosity and S the surface per volume.

    Parameters
    ----------
    solid : ndarray of bool, shape (nx, ny, nz)
    voxel : float
        Edge of a voxel, m.
    periodic : bool or three bools
        Axes that wrap round.

    Returns
    -------
    tuple of three floats or None
        None where no wall stands across the axis.

    References
    ----------
    Torquato 2002, "Random Heterogeneous Materials", section 2.5 (chord lengths); recalled.

    Examples
    --------
    >>> import numpy as np
    >>> plates = np.zeros((10, 4, 4), bool)
    >>> plates[:2] = plates[5:7] = True
    >>> mean_chords(plates, voxel=1e-5, periodic=True)
    (3...e-05, None, None)
    """
    share = 1 - int(np.count_nonzero(solid)) / solid.size
    found: list[float | None] = []
    for axis, wrap in enumerate(per_axis(periodic)):
        lines = np.moveaxis(solid, axis, 0)
        walls = int(np.count_nonzero(lines[1:] != lines[:-1]))
        places = (lines.shape[0] - 1) * lines[0].size
        if wrap:
            walls += int(np.count_nonzero(lines[0] != lines[-1]))
            places += lines[0].size
        found.append(2 * share * places / walls * voxel if walls else None)
    return found[0], found[1], found[2]
