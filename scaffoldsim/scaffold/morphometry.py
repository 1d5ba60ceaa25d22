"""What a scaffold measures: porosity, pore sizes, networks, walls, surface, transport, verdicts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from scaffoldsim.scaffold.criteria import MIN_POROSITY, PORE_RANGE, Criterion, judge
from scaffoldsim.scaffold.definitions import Accessible, Morphometry
from scaffoldsim.scaffold.networks import find_networks, throat
from scaffoldsim.scaffold.surface import (
    curvature,
    mean_chords,
    smoothed,
    surface_density,
)
from scaffoldsim.scaffold.thickness import (
    Bools,
    Floats,
    Ints,
    Periodic,
    Sizes,
    as_mask,
    as_voxel,
    ball_radii,
    inner_box,
    local_thickness,
    mean_thickness,
    per_axis,
    squared_distance,
)
from scaffoldsim.scaffold.transport import (
    accessible_fraction,
    relative_diffusivity,
    tube_permeability,
)
from scaffoldsim.solver.boundary import AXES
from scaffoldsim.solver.diffusion import ConvergenceError

__all__ = [
    "MIN_POROSITY",
    "PORE_RANGE",
    "Accessible",
    "Criterion",
    "Morphometry",
    "judge",
    "local_thickness",
    "mean_thickness",
    "measure",
    "without_walls",
]

_SHARE = 0.01  # of the pore volume: a smaller piece is a closed bubble or a corner, no network
#: Diameters, m, from a rounded cell to the widest pores of criterion C4.
_PROBES = tuple(d * 1e-6 for d in (20, 50, 100, 200, 300, 400, 600, 800, 1000, 1200))
# Standard deviations of the Gaussians, in voxels, that take the stairs from an image. The first
# leaves the area within 1 % on spheres from a radius of 5 voxels, 3 % on walls of 1.5 voxels, 5 %
# on struts; bare, it is 8 % too large. Curvature takes second differences and so needs the second,
# which leaves a scatter of 0.006 per voxel.
_AREA_SIGMA = 1.0
_IMAGE_SIGMA = 2.0
# Distances have creases where struts meet and in the middle of walls. Cut off at two voxels and
# smoothed a little they give the Euler number of gyroids within 4 %, of struts within 8 %.
_BAND = 2.0
_DISTANCE_SIGMA = 1.5
_AWAY = (0.75, 0.5)  # mean pore diameters from the faces of an image, as far as it is large enough
_CURVED_WALL = 4.0  # voxels: in thinner ones the other side of the wall is felt


def measure(
    solid: npt.ArrayLike,
    *,
    voxel: float,
    periodic: Periodic = False,
    distance: Floats | None = None,
    margin: tuple[int, int, int] = (0, 0, 0),
    notes: list[str] | None = None,
    transport: bool = False,
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
        Axes that wrap round. Beyond the border of another axis lies no solid; since pores cut by
        it read larger, sizes are averaged .75 of a mean pore away from it, or half of one, where
        the box is large enough (`pore_size_faces` says so).
    distance : ndarray of float32, optional
        Signed distance to the wall, m, > 0 in pores, of the shape of the box (without `margin`);
        gives the surface. Without it the surface is that of the voxels, smoothed.
    margin : three ints
        Voxels on each side, per axis, that belong to the geometry but not to the box measured: they
        let the balls at its faces end where the next wall is.
    notes : list of str, optional
        Kept in the result.
    transport : bool
        Whether to measure what takes a solution of the diffusion equation, and what probes reach:
        `accessible_fraction`, `diffusivity_relative`, `tortuosity_factor` and
        `permeability_estimate_um2`, which are None otherwise.
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
    >>> report = measure(solid, voxel=20e-6, periodic=True, transport=True)
    >>> round(report.pore_size_mean_um), report.percolates
    (440, {'x': True, 'y': True, 'z': False})
    >>> report.diffusivity_relative["z"], report.tortuosity_factor["z"]
    (0.0, None)
    """
    solid = as_mask(solid)
    voxel = as_voxel(voxel)
    wraps = per_axis(periodic)
    inner = inner_box(solid.shape, margin)
    box = np.ascontiguousarray(solid[inner])
    if box.all() or not box.any():
        phase = "solid" if box.all() else "pore"
        raise ValueError(
            f"solid: every voxel is {phase}, so there is nothing to measure. Check the threshold, "
            "and which side of it is solid (invert)."
        )
    notes = list(notes or [])

    squared = squared_distance(~solid, periodic=wraps, threads=threads)
    radii = ball_radii(squared, periodic=wraps, threads=threads)
    pores = Sizes(radii[inner], voxel)
    kept = _away_from_faces(solid, margin, wraps, pores.mean() / voxel)
    if kept != margin:
        notes.append(
            f"Over the whole box, with the pores that its faces cut, the mean pore size would read "
            f"{pores.mean() * 1e6:.1f} um."
        )
        pores = Sizes(radii[inner_box(solid.shape, kept)], voxel)
    squared = np.ascontiguousarray(squared[inner])
    passing = [2 * voxel * math.sqrt(r2) for r2 in throat(squared, periodic=wraps)]
    radii = ball_radii(
        squared_distance(solid, periodic=wraps, threads=threads), periodic=wraps, threads=threads
    )
    walls = Sizes(radii[inner_box(solid.shape, kept)], voxel)
    del radii

    networks = find_networks(~box, periodic=wraps)
    sizes = networks.sizes()
    pore_voxels = int(sizes[1:].sum())
    large = sizes >= _SHARE * pore_voxels
    large[0] = False
    porosity = pore_voxels / box.size
    accessible = int(sizes[networks.open_pieces(wraps)].sum())
    pieces = find_networks(box, periodic=wraps).sizes()[1:]
    count = int(large.sum())
    spanning = [bool(networks.spans[large, axis].any()) for axis in range(3)]
    del networks
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
    level = distance
    if level is None:
        level = smoothed(np.float32(0.5) - solid, sigma=_AREA_SIGMA, periodic=wraps)[inner]
    surface = surface_density(level, voxel=voxel, periodic=wraps)
    del level
    carried: dict[str, Any] = _curvature(solid, distance, inner, voxel, wraps, walls.mean(), notes)
    uncertainty: dict[str, float | dict[str, float | None]] = {}
    if distance is None:
        uncertainty["porosity"] = surface * voxel / 2
    if transport:
        carried["accessible_fraction"] = _accessible(
            squared, float(pores.diameter[-1]), voxel, wraps, threads
        )
        carried |= _diffusion(~box, pores.mean(), wraps, notes, uncertainty, threads)

    return Morphometry(
        porosity=porosity,
        porosity_accessible=accessible / box.size,
        pore_size_mean_um=pores.mean() * 1e6,
        pore_size_sd_um=pores.sd() * 1e6,
        pore_size_d10_um=pores.quantile(0.1) * 1e6,
        pore_size_d50_um=pores.quantile(0.5) * 1e6,
        pore_size_d90_um=pores.quantile(0.9) * 1e6,
        pore_fraction_in_range=pores.share_within(*PORE_RANGE),
        throat_um={name: size * 1e6 for name, size in zip(AXES, passing, strict=True)},
        pore_networks=count,
        percolates=dict(zip(AXES, spanning, strict=True)),
        solid_pieces=int((pieces >= _SHARE * pieces.sum()).sum()),
        wall_thickness_mean_um=walls.mean() * 1e6,
        specific_surface_per_mm=surface * 1e-3,
        chord_length_mean_um={
            name: None if chord is None else chord * 1e6
            for name, chord in zip(AXES, mean_chords(box, voxel=voxel, periodic=wraps), strict=True)
        },
        voxel_um=voxel * 1e6,
        uncertainty_um=voxel * 1e6,
        uncertainty=uncertainty,
        shape=(box.shape[0], box.shape[1], box.shape[2]),
        periodic=wraps,
        pore_size_faces=_faces_text(wraps, margin, kept, voxel),
        criteria=judge(porosity, pores.mean()),
        notes=notes,
        **carried,
    )


def without_walls(
    shape: tuple[int, int, int],
    *,
    voxel: float,
    periodic: Periodic = False,
    notes: list[str] | None = None,
) -> Morphometry:
    """What there is to say of a box without solid, such as a gel.

    It is open everywhere; sizes of pores and walls do not exist, and criterion C4 does not apply.

    Examples
    --------
    >>> gel = without_walls((10, 10, 10), voxel=20e-6)
    >>> gel, gel.pore_size_mean_um, gel.check()
    (Morphometry(porosity 1.000, no walls, 1 network, criteria 0/0 passed), None, [])
    """
    return Morphometry(
        porosity=1.0,
        porosity_accessible=1.0,
        pore_size_mean_um=None,
        pore_size_sd_um=None,
        pore_size_d10_um=None,
        pore_size_d50_um=None,
        pore_size_d90_um=None,
        pore_fraction_in_range=None,
        throat_um=dict.fromkeys(AXES),
        pore_networks=1,
        percolates=dict.fromkeys(AXES, True),
        solid_pieces=0,
        wall_thickness_mean_um=None,
        specific_surface_per_mm=0.0,
        chord_length_mean_um=dict.fromkeys(AXES),
        voxel_um=as_voxel(voxel) * 1e6,
        uncertainty_um=as_voxel(voxel) * 1e6,
        uncertainty={},
        shape=shape,
        periodic=per_axis(periodic),
        pore_size_faces="no walls, so no pore sizes",
        diffusivity_relative=dict.fromkeys(AXES, 1.0),
        tortuosity_factor=dict.fromkeys(AXES, 1.0),
        permeability_estimate_um2=dict.fromkeys(AXES),
        notes=list(notes or []),
    )


def _curvature(
    solid: Bools,
    distance: Floats | None,
    inner: tuple[slice, ...],
    voxel: float,
    wraps: tuple[bool, bool, bool],
    wall: float,
    notes: list[str],
) -> dict[str, float]:
    """Curvature of the wall; nothing, and a note, where the wall is too thin."""
    if wall < _CURVED_WALL * voxel:
        notes.append(
            f"Walls of fewer than {_CURVED_WALL:.0f} voxels: too thin to measure how they curve."
        )
        return {}
    if distance is not None:
        sigma = _DISTANCE_SIGMA
        sharp = np.clip(distance / np.float32(voxel), -_BAND, _BAND)
    else:
        sigma = _IMAGE_SIGMA
        sharp = np.float32(0.5) - solid[inner]
    level = smoothed(sharp, sigma=sigma, periodic=wraps)
    found = curvature(level, voxel=voxel, periodic=wraps, skip=math.ceil(2 * sigma))
    if found is None:
        return {}
    return {
        "curvature_mean_per_mm": found.mean * 1e-3,
        "curvature_mean_sd_per_mm": found.mean_sd * 1e-3,
        "curvature_gaussian_per_mm2": found.gaussian * 1e-6,
        "concave_fraction": found.concave,
    }


def _accessible(
    squared: Ints,
    widest: float,
    voxel: float,
    wraps: tuple[bool, bool, bool],
    threads: int | None,
) -> list[Accessible]:
    """What each of the usual probes reaches, as far as the grid and the widest pore allow."""
    probes = [0.0, *(d for d in _PROBES if 2 * voxel < d <= widest)]
    found = accessible_fraction(
        squared, voxel=voxel, probes=probes, periodic=wraps, threads=threads
    )
    return [
        Accessible(round(probe * 1e6, 6), fraction)
        for probe, fraction in zip(probes, found, strict=True)
    ]


def _diffusion(
    pore: Bools,
    pore_size: float,
    wraps: tuple[bool, bool, bool],
    notes: list[str],
    uncertainty: dict[str, float | dict[str, float | None]],
    threads: int | None,
) -> dict[str, dict[str, float | None]]:
    """Relative diffusivity, tortuosity factor and permeability per axis."""
    porosity = int(np.count_nonzero(pore)) / pore.size
    ratios: dict[str, float | None] = dict.fromkeys(AXES)
    tortuosity, spread, permeability = dict(ratios), dict(ratios), dict(ratios)
    for axis, name in enumerate(AXES):
        try:
            ratio, mismatch = relative_diffusivity(pore, axis=axis, periodic=wraps, threads=threads)
        except ConvergenceError as error:
            notes.append(f"No tortuosity along {name}: {error}")
            continue
        ratios[name] = ratio
        permeability[name] = tube_permeability(ratio, pore_size) * 1e12
        if ratio:
            tortuosity[name] = porosity / ratio
            spread[name] = porosity / ratio * mismatch
    uncertainty["tortuosity_factor"] = spread
    return {
        "diffusivity_relative": ratios,
        "tortuosity_factor": tortuosity,
        "permeability_estimate_um2": permeability,
    }


def _away_from_faces(
    solid: Bools,
    margin: tuple[int, int, int],
    wraps: tuple[bool, bool, bool],
    diameter: float,
) -> tuple[int, int, int]:
    """The margin within which sizes are averaged: beyond it, faces cut pores, which read larger.

    At a distance of .75 of the mean `diameter` (voxels) from the faces the mean of a gyroid is
    within .1 % of that of the endless one, at half of it within 1 %. What is left has to be a pore
    wide; a box too small for that keeps its own margin.
    """
    for share in _AWAY:
        away = math.ceil(share * diameter)
        x, y, z = (own if wrap or own else away for own, wrap in zip(margin, wraps, strict=True))
        kept = (x, y, z)
        if all(n - 2 * m >= diameter for n, m in zip(solid.shape, kept, strict=True)):
            inside = solid[inner_box(solid.shape, kept)]
            if inside.any() and not inside.all():
                return kept
    return margin


def _faces_text(
    wraps: tuple[bool, bool, bool],
    margin: tuple[int, int, int],
    kept: tuple[int, int, int],
    voxel: float,
) -> str:
    """How pores cut by a face were measured, in words."""
    if all(wraps):
        return "wrapped round all faces"
    if kept != margin:
        away = max(k for k, m in zip(kept, margin, strict=True) if k != m) * voxel
        return f"averaged {away * 1e6:.0f} um and more from the faces that are not periodic"
    if all(m > 0 for m, wrap in zip(margin, wraps, strict=True) if not wrap):
        return "geometry continued beyond the faces that are not periodic"
    return (
        "box too small for a region away from the faces that are not periodic: pores cut by them "
        "read larger"
    )
