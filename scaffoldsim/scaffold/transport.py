"""How well pores carry: diffusion through them, flow as an estimate, and what a probe reaches."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from scaffoldsim.scaffold.networks import find_networks
from scaffoldsim.scaffold.thickness import Bools, Ints, Painter, Periodic, per_axis
from scaffoldsim.solver.boundary import AXES
from scaffoldsim.solver.diffusion import steady_state

__all__ = ["accessible_fraction", "relative_diffusivity", "tube_permeability"]


def relative_diffusivity(
    pore: Bools, *, axis: int, periodic: Periodic = False, threads: int | None = None
) -> tuple[float, float]:
    r"""Effective over free diffusivity of the pores along one axis, and how well it is solved.

    .. math:: D_{eff} / D_0 = J L / (A D_0 Δc), \qquad τ = ε D_0 / D_{eff}

    J (mol/s) flows through the pores when two faces of the box, L (m) apart and of area A (m²),
    solid included, are held at concentrations Δc (mol/m³) apart; ε is the porosity and τ the
    tortuosity factor. The faces of `axis` cut the box even where it wraps round; the other
    faces are closed, or joined where their axis wraps round.

    Parameters
    ----------
    pore : ndarray of bool, shape (nx, ny, nz)
    axis : {0, 1, 2}
    periodic : bool or three bools
    threads : int, optional
        Default: every core. The result does not depend on it.

    Returns
    -------
    ratio : float
        0 where no pore joins the two faces.
    mismatch : float
        Difference of the fluxes through the two faces, over their mean: what the solver left.

    References
    ----------
    Cooper et al. 2016, SoftwareX 5: 203, "TauFactor: an open-source application for calculating
    tortuosity factors from tomographic data".

    Examples
    --------
    >>> import numpy as np
    >>> plates = np.ones((8, 6, 10), bool)
    >>> plates[:, :, :2] = False
    >>> ratio, mismatch = relative_diffusivity(plates, axis=0, periodic=True)
    >>> round(ratio, 4), relative_diffusivity(plates, axis=2, periodic=True)
    (0.8, (0.0, 0.0))
    """
    wraps = tuple(wrap and a != axis for a, wrap in enumerate(per_axis(periodic)))
    cut = (wraps[0], wraps[1], wraps[2])
    networks = find_networks(pore, periodic=cut)
    spanning = networks.members(networks.spans[:, axis])
    if not spanning.any():
        return 0.0, 0.0
    boundary: dict[str, float | str] = {f"{AXES[axis]}-": 1.0, f"{AXES[axis]}+": 0.0}
    boundary |= {AXES[a]: "periodic" for a in range(3) if cut[a]}
    length = pore.shape[axis]
    ramp = np.moveaxis(np.empty(pore.shape), axis, -1)
    ramp[...] = 1 - (np.arange(length) + 0.5) / length
    value = steady_state(
        spanning,
        voxel=1.0,
        diffusivity=1.0,
        boundary=boundary,
        initial=np.moveaxis(ramp, -1, axis),
        threads=threads,
    ).value
    # A face is half a voxel from the centres of its voxels.
    into = float(np.nansum(2 * (1 - np.take(value, 0, axis))))
    out_of = float(np.nansum(2 * np.take(value, -1, axis)))
    flux = (into + out_of) / 2
    return flux * length**2 / pore.size, abs(into - out_of) / flux


def tube_permeability(ratio: float, pore_size: float) -> float:
    r"""Permeability of pores, m², as if they were tubes: an estimate, flow is not solved.

    .. math:: k = \frac{D_{eff}}{D_0} \frac{d^2}{32}

    D_eff / D_0 is the relative diffusivity of the pores and d (m) their mean local thickness. Exact
    in straight tubes of one size, 32 / 12 too low in slits. It is the law of Johnson, k = Λ² / 8 F,
    with d / 2 for the pore size Λ and the resistance F = D_0 / D_eff. Kozeny and Carman's estimate
    from the surface is not taken, because it is several times too high where thin walls stand in
    more than 80 % of pore.

    Raises
    ------
    ValueError
        If `ratio` is not from 0 to 1 or `pore_size` is not positive.

    References
    ----------
    Johnson, Koplik and Schwartz 1986, Phys Rev Lett 57: 2564, "New pore-size parameter
    characterizing transport in porous media"; recalled.

    Examples
    --------
    Tubes of 0.1 mm that fill half of the box (Poiseuille: ε d² / 32):

    >>> tube_permeability(0.5, 1e-4)
    1.5625e-10
    """
    if not 0 <= ratio <= 1 + 1e-6:
        raise ValueError(f"ratio: {ratio!r} is not a relative diffusivity from 0 to 1")
    if not pore_size > 0:
        raise ValueError(f"pore_size: {pore_size!r} is not a positive length in m")
    return ratio * pore_size**2 / 32


def accessible_fraction(
    squared: Ints,
    *,
    voxel: float,
    probes: Sequence[float],
    periodic: Periodic = False,
    threads: int | None = None,
) -> list[float]:
    r"""Share of the pore volume that spheres entering through the open faces can cover.

    .. math:: C_d = \{c : 2 h D(c) ≥ d, \text{ joined to an open face within } C_d\}, \qquad
        f(d) = |\{x : ∃ c ∈ C_d, |x - c| < D(c)\}| / |\{x : D(x) > 0\}|

    D is the distance, in voxels of edge h, to the nearest centre of a solid voxel. The centre of a
    sphere of diameter d moves from voxel to voxel through their faces, and stays in the box. Balls
    are those of local thickness: every point of one of radius D(c) ≥ d / (2 h) is reached by the
    smaller sphere too, so f never rises with d, and f(0) is the accessible over the whole porosity.
    Where every axis wraps round there is no open face: pores count that go on for ever.

    Parameters
    ----------
    squared : ndarray of int32, shape (nx, ny, nz)
        D², from `squared_distance`, of the box. It may know of solid beyond the box.
    voxel : float
        h, m.
    probes : sequence of float
        Diameters d, m, >= 0.
    periodic : bool or three bools
        Axes that wrap round; the faces of the others are open.
    threads : int, optional
        Default: every core. No result depends on it.

    Returns
    -------
    list of float
        f for each of `probes`.

    Raises
    ------
    ValueError
        If there is no pore, or a probe below zero.

    Examples
    --------
    A tube of 4 × 4 voxels that ends in one of 2 × 2:

    >>> import numpy as np
    >>> from scaffoldsim.scaffold.thickness import squared_distance
    >>> pore = np.zeros((20, 8, 8), bool)
    >>> pore[:10, 2:6, 2:6] = pore[10:, 3:5, 3:5] = True
    >>> squared = squared_distance(pore)
    >>> accessible_fraction(squared, voxel=1e-5, probes=[0.0, 30e-6, 50e-6])
    [1.0, 0.8, 0.0]
    """
    volume = int(np.count_nonzero(squared))
    if not volume:
        raise ValueError("squared: no voxel is pore, so there is nothing to enter")
    if any(not (math.isfinite(d) and d >= 0) for d in probes):
        raise ValueError(f"probes: {list(probes)!r}; diameters in m, each at least 0, are needed")
    painter = Painter(squared, per_axis(periodic), threads)
    reached = np.zeros(squared.shape, bool)
    fractions = [0.0] * len(probes)
    for i in sorted(range(len(probes)), key=lambda i: -probes[i]):
        # A diameter that equals one on the grid but for rounding fits.
        least = max(1, math.ceil((probes[i] / (2 * voxel)) ** 2 * (1 - 1e-12)))
        before = reached
        networks = find_networks(squared >= least, periodic=periodic)
        reached = networks.members(networks.open_pieces(periodic))
        if reached.any():
            painter.paint(np.where(reached, squared, np.int32(0)), reached & ~before)
        fractions[i] = int(np.count_nonzero(painter.radii)) / volume
    return fractions
