r"""The five criteria for scaffolds as scores from 0 to 1, and plain flags of risk.

C1 to C5 are the criteria of the review on stem cells and osteoporosis (section 4.1, read): no
immune reaction; degradation that keeps pace with tissue; an interface that cells like; pores;
strength until tissue has formed. The review gives no scale: the form of every score is a choice
(assumed), and a score ranks scaffolds by one criterion, it is no probability of success. None
where there is nothing to judge.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model.celltypes import CellType
from scaffoldsim.model.exposures import Exposure
from scaffoldsim.scaffold.criteria import MIN_POROSITY, PORE_RANGE

#: immunogenicity of cells by their source, on the scale of materials, on which a raw xenograft has
#: 0.8: stromal cells of another human are tolerated for weeks and then cleared (sign from the
#: reviews; sizes assumed)
SOURCE_IMMUNOGENICITY = {"autologous": 0.0, "host": 0.0, "allogeneic": 0.3, "xenogeneic": 0.8}
#: adhesion × osteoconductivity that scores a half (assumed)
_HALF_INTERFACE = 0.5
#: what costs a factor e: porosity short of the least allowed, and a ratio of pore sizes (assumed)
_POROSITY_WIDTH, _PORE_RATIO = 0.2, 2.0
#: widths of the logistic below the limit of doublings from which a cell counts as near it: there a
#: division ends in senescence with a chance of 12 % (assumed)
_NEAR_WIDTHS = 2.0


def compatibility(immunogenicity: float | None, source: str | None) -> float | None:
    r"""C1: :math:`1 - \max(i_{material}, i_{cells})`.

    Parameters
    ----------
    immunogenicity
        Of the material, 0 to 1; None without one.
    source
        Of the cells that were given; None without any.

    Examples
    --------
    >>> compatibility(0.05, "autologous"), compatibility(None, "xenogeneic")
    (0.95, 0.19999999999999996)
    """
    parts = [] if immunogenicity is None else [float(immunogenicity)]
    if source is not None:
        parts.append(SOURCE_IMMUNOGENICITY[source])
    return 1.0 - max(parts) if parts else None


def pace(half_mass: float, bone_in_pore: float, time: float) -> float | None:
    r"""C2: :math:`\min(r, 1/r)` with :math:`r = t_{scaffold}/t_{bone}`.

    Parameters
    ----------
    half_mass
        :math:`t_{scaffold}`, time to half the mass left on its own, s; inf for what never degrades.
    bone_in_pore
        Share x of the pores that is bone at `time`, s; :math:`t_{bone} = time / 2x`, when half of
        them is at that pace.

    Returns
    -------
    float or None
        0 where only one of the two goes on, None where neither does, and at the start.

    Examples
    --------
    >>> week = 7 * 86400.0
    >>> pace(16 * week, 0.25, 8 * week), pace(16 * week, 0.1, 8 * week), pace(math.inf, 0.25, week)
    (1.0, 0.4, 0.0)
    """
    if time <= 0:
        return None
    bone = time / (2 * bone_in_pore) if bone_in_pore > 0 else math.inf
    if math.isinf(half_mass) and math.isinf(bone):
        return None
    return min(half_mass, bone) / max(half_mass, bone)


def interface(adhesion: float, osteoconductivity: float) -> float:
    r"""C3: :math:`x/(x + 1/2)` with x = adhesion × osteoconductivity; rises with either.

    Examples
    --------
    >>> interface(0.0, 1.0), interface(0.5, 1.0), round(interface(0.9, 1.6), 3)
    (0.0, 0.5, 0.742)
    """
    x = float(adhesion) * float(osteoconductivity)
    return x / (x + _HALF_INTERFACE)


def pores(porosity: float, pore_size: float) -> float:
    r"""C4: 1 within the limits of `criteria`, and beyond them

    .. math:: e^{-(\Delta\varepsilon/0.2)^2} \cdot e^{-(\log_2 \rho)^2}

    with the porosity missing Δε, and ρ the ratio of the pore size to the nearer limit.

    Parameters
    ----------
    porosity, pore_size : float
        As built; pore size in m.

    Examples
    --------
    >>> pores(0.92, 600e-6), round(pores(0.92, 150e-6), 3), round(pores(0.7, 600e-6), 3)
    (1.0, 0.368, 0.368)
    """  # noqa: D400
    short = max(0.0, MIN_POROSITY - porosity) / _POROSITY_WIDTH
    low, high = PORE_RANGE
    ratio = max(1.0, low / pore_size, pore_size / high)
    return math.exp(-(short**2)) * math.exp(-((math.log(ratio) / math.log(_PORE_RATIO)) ** 2))


def strength(lowest: float, stiffness: float, collapse_index: float | None) -> float | None:
    r"""C5: :math:`\min(1, E_{lowest} / E_{needed})`.

    Parameters
    ----------
    lowest, stiffness
        Least stiffness so far, and that of now, Pa.
    collapse_index
        Now; :math:`E_{needed} = E \cdot index`, with which the weakest layer would just hold. None
        without load.

    Returns
    -------
    float or None
        None without load; 1 where the load is zero.

    Examples
    --------
    >>> strength(50e6, 100e6, 0.8), strength(200e6, 200e6, 0.4), strength(1e6, 1e6, None)
    (0.625, 1.0, None)
    """
    if collapse_index is None:
        return None
    needed = stiffness * collapse_index
    return min(1.0, lowest / needed) if needed > 0 else 1.0


# risks -------------------------------------------------------------------------------------------


def near_limit(
    doublings: NDArray[np.float32],
    type_: NDArray[np.uint8],
    types: Iterable[CellType],
    q: float,
) -> float | None:
    r"""Share of the cells that divide which are near their last division.

    Near is :math:`PD \ge PD_{max} - 2w`, limit and width w of the cell's own type.

    Parameters
    ----------
    doublings, type_
        One per cell: population doublings, and its index into `types`.
    q
        Vitality of the donor.

    Returns
    -------
    float or None
        None while no cell of a type with a limit lives.
    """
    near = among = 0
    for index, each in enumerate(types):
        if each.senescence is not None:
            own = doublings[type_ == index]
            edge = each.senescence.limit(q) - _NEAR_WIDTHS * float(each.senescence.width)
            near += int(np.count_nonzero(own >= np.float32(edge)))
            among += own.size
    return near / among if among else None


def given_risks(exposures: Iterable[Exposure], time: float) -> set[str]:
    """Return the risks of all factors that were given systemically up to `time`, s.

    Examples
    --------
    >>> from scaffoldsim.config import read_entry
    >>> drug = Exposure(factor=read_entry("factors", "bisphosphonate"), dose=1, **{"from": "7 d"})
    >>> given_risks([drug], 86400.0), given_risks([drug], 14 * 86400.0)
    (set(), {'jaw_necrosis'})
    """
    return {
        risk
        for each in exposures
        if each.factor.risks and any(dose > 0 for _, _, dose in each.given(0.0, time))
        for risk in each.factor.risks
    }
