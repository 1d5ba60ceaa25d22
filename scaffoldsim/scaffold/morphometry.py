"""What a scaffold measures: porosity, pore sizes, throats, networks, walls, surface, verdicts."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scaffoldsim.scaffold.networks import find_networks, throat
from scaffoldsim.scaffold.thickness import (
    Bools,
    Floats,
    Ints,
    Periodic,
    as_mask,
    as_voxel,
    ball_radii,
    local_thickness,
    per_axis,
    squared_distance,
)

__all__ = [
    "MIN_POROSITY",
    "PORE_RANGE",
    "Criterion",
    "Morphometry",
    "local_thickness",
    "mean_thickness",
    "measure",
]

#: Criterion C4 of the review on stem cells and osteoporosis, section 4.1 [its reference 38]:
#: porosity of at least 90 %, pores of 300 to 1200 µm; read.
MIN_POROSITY = 0.90
PORE_RANGE = (300e-6, 1200e-6)

_DEFINITION = (
    "Volume-weighted mean local thickness of the pore phase (as Tb.Sp): each pore voxel counts "
    "with the diameter of the largest ball that fits in the pores and covers it, found exactly on "
    "voxels."
)
_SHARE = 0.01  # of the pore volume: a smaller piece is a closed bubble or a corner, no network
_CRITERION = "C4"
_SMOOTHING = 0.7  # voxels


@dataclass(frozen=True)
class Criterion:
    """One verdict: the value measured, the limit, and whether it is kept."""

    name: str
    value: float
    limit: str
    verdict: str  # "pass" or "fail"

    def __str__(self) -> str:
        return f"{self.name}: {self.value:.4g} (limit {self.limit}) {self.verdict}"


@dataclass(frozen=True)
class Morphometry:
    """Measured geometry of a scaffold; lengths in µm, as written to ``morphometry.json``.

    Attributes
    ----------
    porosity : float
        Pore voxels / voxels.
    porosity_accessible : float
        The part of it in pores that are open to the outside: connected to a face that is not
        periodic, or, where all are, in a network that goes on for ever.
    pore_size_mean_um, pore_size_sd_um, pore_size_d10_um, pore_size_d50_um, pore_size_d90_um
        Of the local thickness of the pores, by volume; the definition is in
        `pore_size_definition`, and how the faces were treated in `pore_size_faces`.
    pore_fraction_in_range : float
        Share of the pore volume within 300–1200 µm.
    throat_um : dict of float
        Diameter of the largest sphere that can travel through along x, y, z.
    pore_networks : int
        Networks of pores with no way between them, each at least 1 % of the pore volume.
    percolates : dict of bool
        Whether a pore network spans x, y, z.
    solid_pieces : int
        Pieces of solid, counted the same way; one is sound.
    wall_thickness_mean_um : float
        Mean local thickness of the solid.
    specific_surface_per_mm : float
        Pore surface / volume of the box, mm²/mm³, of the smooth surface (not of voxel faces).
    voxel_um : float
    uncertainty_um : float
        What the grid does to a diameter: about one voxel.
    shape, periodic
        The grid measured.
    criteria : list of Criterion
        C4: porosity and mean pore size.
    notes : list of str
        What the reader should know.
    """

    porosity: float
    porosity_accessible: float
    pore_size_mean_um: float
    pore_size_sd_um: float
    pore_size_d10_um: float
    pore_size_d50_um: float
    pore_size_d90_um: float
    pore_fraction_in_range: float
    throat_um: dict[str, float]
    pore_networks: int
    percolates: dict[str, bool]
    solid_pieces: int
    wall_thickness_mean_um: float
    specific_surface_per_mm: float
    voxel_um: float
    uncertainty_um: float
    shape: tuple[int, int, int]
    periodic: tuple[bool, bool, bool]
    pore_size_faces: str
    pore_size_definition: str = _DEFINITION
    criteria: list[Criterion] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    schema: int = 1

    def check(self) -> list[Criterion]:
        """Verdicts on criterion C4."""
        return list(self.criteria)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, texts, lists and mappings, `schema` first."""
        values = asdict(self)
        values["shape"], values["periodic"] = list(self.shape), list(self.periodic)
        return {"schema": values.pop("schema"), **values}

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write as JSON: all of it or nothing."""
        target = Path(path)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            part.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def __repr__(self) -> str:
        kept = sum(criterion.verdict == "pass" for criterion in self.criteria)
        return (
            f"Morphometry(porosity {self.porosity:.3f}, pores {self.pore_size_mean_um:.0f} um, "
            f"{self.pore_networks} network{'s' * (self.pore_networks != 1)}, "
            f"criteria {kept}/{len(self.criteria)} passed)"
        )


def judge(porosity: float, pore_size: float) -> list[Criterion]:
    """Verdicts of C4 on a porosity and a mean pore size (m)."""
    low, high = PORE_RANGE
    return [
        Criterion(
            f"{_CRITERION} porosity",
            porosity,
            f">= {MIN_POROSITY:.2f}",
            "pass" if porosity >= MIN_POROSITY else "fail",
        ),
        Criterion(
            f"{_CRITERION} mean pore size (um)",
            pore_size * 1e6,
            f"{low * 1e6:.0f} to {high * 1e6:.0f}",
            "pass" if low <= pore_size <= high else "fail",
        ),
    ]


class _Sizes:
    """A distribution of diameters, from squared radii and how many voxels have each."""

    def __init__(self, squared_radii: Ints, voxel: float) -> None:
        count = np.bincount(squared_radii.ravel())
        count[:1] = 0
        present = np.flatnonzero(count)
        self.diameter = 2 * voxel * np.sqrt(present.astype(float))
        self.weight = count[present] / count.sum()

    def mean(self) -> float:
        return float((self.diameter * self.weight).sum())

    def sd(self) -> float:
        return math.sqrt(float(((self.diameter - self.mean()) ** 2 * self.weight).sum()))

    def quantile(self, share: float) -> float:
        reached = np.searchsorted(np.cumsum(self.weight), share * (1 - 1e-12))
        return float(self.diameter[min(int(reached), self.diameter.size - 1)])

    def share_within(self, low: float, high: float) -> float:
        return float(self.weight[(self.diameter >= low) & (self.diameter <= high)].sum())


def _inner(shape: tuple[int, ...], margin: tuple[int, int, int]) -> tuple[slice, ...]:
    return tuple(slice(m, n - m) for m, n in zip(margin, shape, strict=True))


def mean_thickness(
    mask: Bools,
    *,
    voxel: float,
    periodic: Periodic = False,
    margin: tuple[int, int, int] = (0, 0, 0),
    threads: int | None = None,
) -> float:
    """Mean local thickness (m) of the mask, over the box without its `margin` (voxels per axis)."""
    squared = squared_distance(mask, periodic=periodic, threads=threads)
    radii = ball_radii(squared, periodic=periodic, threads=threads)
    return _Sizes(radii[_inner(mask.shape, margin)], voxel).mean()


def measure(
    solid: npt.ArrayLike,
    *,
    voxel: float,
    periodic: Periodic = False,
    distance: Floats | None = None,
    margin: tuple[int, int, int] = (0, 0, 0),
    notes: list[str] | None = None,
    threads: int | None = None,
) -> Morphometry:
    """Measure a voxel geometry.

    Parameters
    ----------
    solid : ndarray of bool, shape (nx, ny, nz)
        True in solid.
    voxel : float
        Edge of a voxel, m.
    periodic : bool or three bools
        Axes that wrap round. Beyond the border of another axis lies no solid.
    distance : ndarray of float32, optional
        Signed distance to the wall, m, > 0 in pores, of the shape of the box (without `margin`);
        gives the surface. Without it the surface is that of the voxels, smoothed.
    margin : three ints
        Voxels on each side, per axis, that belong to the geometry but not to the box measured: they
        let the balls at its faces end where the next wall is.
    notes : list of str, optional
        Kept in the result.
    threads : int, optional
        Default: every core. No result depends on it.

    Returns
    -------
    Morphometry

    Raises
    ------
    ValueError
        If the array holds no pore or no solid.

    Examples
    --------
    >>> import numpy as np
    >>> solid = np.zeros((24, 24, 24), bool)
    >>> solid[:, :, :2] = True                       # plates 440 um apart
    >>> report = measure(solid, voxel=20e-6, periodic=True)
    >>> round(report.pore_size_mean_um), report.percolates
    (440, {'x': True, 'y': True, 'z': False})
    """
    solid = as_mask(solid)
    voxel = as_voxel(voxel)
    wraps = per_axis(periodic)
    inner = _inner(solid.shape, margin)
    box = np.ascontiguousarray(solid[inner])
    if box.all() or not box.any():
        phase = "solid" if box.all() else "pore"
        raise ValueError(
            f"solid: every voxel is {phase}, so there is nothing to measure. Check the threshold, "
            "and which side of it is solid (invert)."
        )
    notes = list(notes or [])

    squared = squared_distance(~solid, periodic=wraps, threads=threads)
    pores = _Sizes(ball_radii(squared, periodic=wraps, threads=threads)[inner], voxel)
    passing = [
        2 * voxel * math.sqrt(r2)
        for r2 in throat(np.ascontiguousarray(squared[inner]), periodic=wraps)
    ]
    del squared
    walls = _Sizes(
        ball_radii(
            squared_distance(solid, periodic=wraps, threads=threads),
            periodic=wraps,
            threads=threads,
        )[inner],
        voxel,
    )

    networks = find_networks(~box, periodic=wraps)
    sizes = networks.sizes()
    pore_voxels = int(sizes[1:].sum())
    large = sizes >= _SHARE * pore_voxels
    large[0] = False
    porosity = pore_voxels / box.size
    accessible = int(
        sizes[_open_pieces(networks.labels, networks.piece, networks.spans, wraps)].sum()
    )
    pieces = find_networks(box, periodic=wraps).sizes()[1:]
    count = int(large.sum())
    spanning = [bool(networks.spans[large, axis].any()) for axis in range(3)]
    if count > 1:
        notes.append(
            f"The pores form {count} networks with no way between them: cells cannot cross from "
            "one to another. Seed each of them."
        )
    loose = 1 - pieces.max() / pieces.sum()
    if loose > 0:
        notes.append(
            f"{loose:.2%} of the solid is not joined to the largest piece within this box "
            f"({pieces.size} pieces)."
        )
    if walls.mean() < 3 * voxel:
        notes.append(
            "Walls of fewer than 3 voxels: their thickness reads up to one voxel too high."
        )

    axes = ("x", "y", "z")
    return Morphometry(
        porosity=porosity,
        porosity_accessible=accessible / box.size,
        pore_size_mean_um=pores.mean() * 1e6,
        pore_size_sd_um=pores.sd() * 1e6,
        pore_size_d10_um=pores.quantile(0.1) * 1e6,
        pore_size_d50_um=pores.quantile(0.5) * 1e6,
        pore_size_d90_um=pores.quantile(0.9) * 1e6,
        pore_fraction_in_range=pores.share_within(*PORE_RANGE),
        throat_um={name: size * 1e6 for name, size in zip(axes, passing, strict=True)},
        pore_networks=count,
        percolates=dict(zip(axes, spanning, strict=True)),
        solid_pieces=int((pieces >= _SHARE * pieces.sum()).sum()),
        wall_thickness_mean_um=walls.mean() * 1e6,
        specific_surface_per_mm=_surface_density(solid, distance, voxel, wraps, inner) * 1e-3,
        voxel_um=voxel * 1e6,
        uncertainty_um=voxel * 1e6,
        shape=(box.shape[0], box.shape[1], box.shape[2]),
        periodic=wraps,
        pore_size_faces=_faces_text(wraps, margin),
        criteria=judge(porosity, pores.mean()),
        notes=notes,
    )


def _open_pieces(
    labels: npt.NDArray[np.integer], piece: Ints, spans: Bools, wraps: tuple[bool, bool, bool]
) -> Bools:
    """Which pieces are open to the outside; see `Morphometry.porosity_accessible`."""
    reached: Bools = np.zeros(spans.shape[0], bool)
    if all(wraps):
        np.any(spans, axis=1, out=reached)
    for axis in range(3):
        if not wraps[axis]:
            for end in (0, -1):
                reached[np.unique(piece[np.take(labels, end, axis)])] = True
    reached[0] = False
    return reached


def _faces_text(wraps: tuple[bool, bool, bool], margin: tuple[int, int, int]) -> str:
    """How pores cut by a face were measured, in words."""
    if all(wraps):
        return "wrapped round all faces"
    if all(m > 0 for m, wrap in zip(margin, wraps, strict=True) if not wrap):
        return "geometry continued beyond the faces that are not periodic"
    return "faces that are not periodic count as open, so pores cut by them read larger"


def _surface_density(
    solid: Bools,
    distance: Floats | None,
    voxel: float,
    wraps: tuple[bool, bool, bool],
    inner: tuple[slice, ...],
) -> float:
    """Area of the wall per volume, 1/m, by marching cubes between the voxel centres of the box."""
    from scipy.ndimage import gaussian_filter
    from skimage.measure import marching_cubes, mesh_surface_area

    if distance is None:
        # The bare voxels give stairs, 8 % too much area; this smoothing leaves a sphere
        # of 10 to 20 voxels radius within 1 %.
        modes = ["wrap" if wrap else "nearest" for wrap in wraps]
        level = 0.5 - gaussian_filter(solid.astype(np.float32), _SMOOTHING, mode=modes)[inner]
    else:
        level = distance / np.float32(voxel)
    level = np.pad(level, [(0, int(wrap)) for wrap in wraps], mode="wrap")
    if min(level.shape) < 2 or level.min() >= 0 or level.max() <= 0:
        return 0.0
    area = 0.0
    thick = 64  # planes at a time: the mesh of a large scan need not fit in memory at once
    for start in range(0, level.shape[0] - 1, thick):
        slab = level[start : start + thick + 1]
        if slab.min() < 0 < slab.max():
            vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
                slab, 0.0, allow_degenerate=False
            )
            area += float(mesh_surface_area(vertices, faces))  # type: ignore[no-untyped-call]
    return float(area / math.prod(n - 1 for n in level.shape) / voxel)
