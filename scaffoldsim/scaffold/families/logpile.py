"""Extruded filaments in crossed layers, as fused deposition and 3D fibre deposition lay them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pydantic

from scaffoldsim.scaffold.families.base import register
from scaffoldsim.scaffold.families.skeleton import Edges, Skeleton, SkeletonFamily

_USUAL = 0.9  # porosity of a log-pile that nobody fitted
_INTERVALS = 4000  # of the integral over a crossing; then it is good to 1e-7


def crossing(rise: float) -> float:
    r"""Volume common to two unit cylinders that cross, times the sine of their angle.

    .. math:: J(k) = \int_{k-1}^{1} 4 \sqrt{1 - z^2} \sqrt{1 - (z - k)^2} \, dz

    Parameters
    ----------
    rise : float
        k, distance of the axes in radii, 0 to 2.

    Examples
    --------
    >>> round(crossing(0.0), 5), crossing(2.0)         # Steinmetz's solid has the volume 16/3
    (5.33333, 0.0)
    """
    # The substitution z = k/2 + (1 - k/2) sin(a) takes the roots at both ends away.
    half = 1 - rise / 2
    angle = (np.arange(_INTERVALS) + 0.5) * (np.pi / _INTERVALS) - np.pi / 2
    z = rise / 2 + half * np.sin(angle)
    under = np.maximum((1 - z**2) * (1 - (z - rise) ** 2), 0)
    return float((4 * np.sqrt(under) * half * np.cos(angle)).sum() * (np.pi / _INTERVALS))


@register("logpile")
@dataclass(frozen=True)
class LogPile(SkeletonFamily):
    r"""Layers of parallel filaments, each layer turned against the one below and sunk into it.

    Filaments of diameter d lie at the spacing s (the unit of length here, so s = 1), and layers
    rise by h = d (1 − overlap): they touch at any porosity. Equal layers lie exactly above each
    other. The share of solid is

    .. math:: 1 - P = \frac{π r - J(k) r^2}{k}, \qquad r = d/2, \; k = h / r

    where J is the `crossing` volume; it does not depend on the angle between layers, since sharper
    crossings are larger and rarer. `fitted` solves it for d. Unfitted, the log-pile is the one of
    90 % porosity, where filaments are about .12 spacings thick.

    At 90 % pores are .77 spacings and filaments .15 of a pore. Thin filaments limit the porosity:
    at 95 % they are .07 of a pore, 42 µm in pores of 600 µm.

    Parameters
    ----------
    pattern : {"0/90", "0/60/120"}
        Directions of the layers, in degrees.
    overlap : float
        How far a layer sinks into the next, in filament diameters; .02 to .5.

    References
    ----------
    Moroni, de Wijn and van Blitterswijk 2006, Biomaterials 27, "3D fiber-deposited scaffolds for
    tissue engineering: influence of pores geometry and architecture on dynamic mechanical
    properties".

    Examples
    --------
    >>> pile = LogPile().fitted(0.90)
    >>> [round(edge, 3) for edge in pile.cell]
    [1.0, 1.0, 0.207]
    """

    title = "log-pile"
    one_piece = True

    pattern: Literal["0/90", "0/60/120"] = "0/90"
    overlap: Annotated[float, pydantic.Field(ge=0.02, le=0.5)] = 0.1

    def fitted(self, porosity: float) -> LogPile:
        """The log-pile whose filaments have the diameter that this porosity needs.

        Raises
        ------
        ValueError
            If filaments that thick would touch their neighbours in the layer.
        """
        rise = 2 * (1 - self.overlap)
        volume = crossing(rise)
        least = 1 - (math.pi / 2 - volume / 4) / rise
        if not least <= porosity < 1:
            raise ValueError(
                f"porosity: {porosity:g} asked of a {self.title} with overlap {self.overlap:g}; "
                f"its filaments touch side by side at {least:.3f}. Ask for more, up to 1."
            )
        root = math.sqrt(math.pi**2 - 4 * volume * rise * (1 - porosity))
        return FittedLogPile(self.pattern, self.overlap, (math.pi - root) / volume)

    @property
    def cell(self) -> Edges:
        """Periods in spacings: one of each layer is h, 2 h or 3 h high."""
        return self.fitted(_USUAL).cell

    def skeleton(self) -> Skeleton:
        """The axes of the filaments."""
        return self.fitted(_USUAL).skeleton()


@dataclass(frozen=True)
class FittedLogPile(LogPile):
    """A log-pile whose filament diameter, in spacings, has been chosen."""

    diameter: float = 0.0

    @property
    def cell(self) -> Edges:
        """Periods in spacings."""
        rise = self.diameter * (1 - self.overlap)
        return (1.0, 1.0, 2 * rise) if self.pattern == "0/90" else (2 / 3**0.5, 2.0, 3 * rise)

    def skeleton(self) -> Skeleton:
        """The axes of the filaments in one period."""
        a, b, height = self.cell
        if self.pattern == "0/90":
            lines = [[(0.0, 0.5), (a, 0.5)], [(0.5, 0.0), (0.5, b)]]
            layer = np.array([0, 1])
        else:
            # Of the lines at 60 and 120 degrees one each crosses the box, along its diagonals.
            lines = [
                [(0.0, 0.5), (a, 0.5)],
                [(0.0, 1.5), (a, 1.5)],
                [(0.0, 0.0), (a, b)],
                [(a, 0.0), (0.0, b)],
            ]
            layer = np.array([0, 0, 1, 2])
        ends = np.zeros((len(lines), 2, 3))
        ends[:, :, :2] = lines
        ends[:, :, 2] = ((layer + 0.5) * height / (layer[-1] + 1))[:, None]
        return Skeleton(ends, self.cell)
