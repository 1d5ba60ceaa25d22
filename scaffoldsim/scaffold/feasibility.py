"""What a family can do: pores, walls and pieces of one period, and reasons to refuse a design."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scaffoldsim.scaffold.families import Family, family_names, get_family
from scaffoldsim.scaffold.grid import Grid
from scaffoldsim.scaffold.implicit import Implicit
from scaffoldsim.scaffold.morphometry import MIN_POROSITY, PORE_RANGE, mean_thickness
from scaffoldsim.scaffold.networks import find_networks
from scaffoldsim.scaffold.thickness import Bools, Floats
from scaffoldsim.units import format_si

WHOLE = 0.98  # of the solid in its largest piece
_LEAST_PERIODS = 1.9  # on an axis that is not periodic: two, less what the corrections may add
_LEAST_WRAPPED = 0.95  # on a periodic axis: one, likewise
_PORE_VOXELS = 32  # across a pore, when one period is measured
_FEWEST, _MOST = 40, 160  # voxels to the cell size
_THINNEST = 16  # voxels at least along each edge of a flat cell


class Infeasible(ValueError):  # noqa: N818 - what it says of the design
    """A design that cannot be built.

    Attributes
    ----------
    reasons : list of str
        Each with the value it would have, and what to change.
    """

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = list(reasons)
        super().__init__("\n".join(self.reasons))


@dataclass(frozen=True)
class UnitCell:
    """One period of a family at one porosity; lengths in units of the cell size.

    Attributes
    ----------
    level : float
        The t of solid φ < t.
    pore, wall : float
        Mean local thickness of pores, and thickness of walls.
    whole : float
        Share of the solid in its largest piece, on 2 × 2 × 2 periods.
    """

    level: float
    pore: float
    wall: float
    whole: float


def level_of(values: Floats, porosity: float) -> float:
    """The t for which φ < t holds in a share 1 − porosity of the voxels, never in more."""
    keep = math.floor(values.size * (1 - porosity) + 1e-6)
    keep = min(max(keep, 1), values.size - 1)
    sorted_around = np.partition(values.ravel(), (keep - 1, keep))
    low, high = float(sorted_around[keep - 1]), float(sorted_around[keep])
    if low == high:  # as many voxels share this value: leave all of them to the pores
        below = values[values < high]
        if not below.size:
            return float(np.nextafter(np.float32(high), np.float32(np.inf)))
        low = float(below.max())
    return (low + high) / 2


def fitted(family: Family, porosity: float) -> Family:
    """The family with the proportions for this porosity.

    Raises
    ------
    Infeasible
        If there are none.
    """
    try:
        return family.fitted(porosity)
    except ValueError as error:
        raise Infeasible([f"{family.title}: {error}"]) from error


def sample(family: Family, n: int) -> tuple[Floats, float]:
    """φ on one period with about n voxels to the cell size, and the edge of a voxel."""
    n = max(n, math.ceil(_THINNEST / min(family.cell)))
    x, y, z = (max(1, round(edge * n)) for edge in family.cell)
    grid = Grid((x, y, z), 1 / n, (True, True, True))
    return Implicit(family, grid, grid.size).values(), 1 / n


@lru_cache(maxsize=256)
def unit_cell(family: Family, porosity: float) -> UnitCell:
    """Measure one period of a family at `porosity`, on a grid that suits its pores.

    Examples
    --------
    >>> from scaffoldsim.scaffold.families import get_family
    >>> cell = unit_cell(get_family("gyroid_sheet"), 0.90)
    >>> round(cell.pore, 2), round(cell.wall, 2)
    (0.42, 0.03)
    """
    family = fitted(family, porosity)

    def solid_of(n: int) -> tuple[Bools, float, float]:
        values, voxel = sample(family, n)
        level = level_of(values, porosity)
        return values < level, level, voxel

    solid, _, voxel = solid_of(_rough(family))
    pore = mean_thickness(~solid, voxel=voxel, periodic=True)
    n = int(min(max(round(_PORE_VOXELS / pore), _FEWEST), _MOST))
    solid, level, voxel = solid_of(n)
    pore = mean_thickness(~solid, voxel=voxel, periodic=True)
    wall = family.wall(level)
    if wall is None:
        wall = mean_thickness(solid, voxel=voxel, periodic=True)
    whole = 1.0
    if not family.one_piece:
        fine, _, _ = solid_of(max(n, 80))
        whole = largest_share(np.tile(fine, (2, 2, 2)))
    return UnitCell(level, pore, wall, whole)


def _rough(family: Family) -> int:
    """Voxels to the cell size that show its shape; more where many pores share a cell."""
    return int(40 * max(1.0, family.cells_across) ** 0.5)


def largest_share(solid: Bools) -> float:
    """Share of the solid in its largest piece, all axes periodic."""
    sizes = find_networks(solid, periodic=True).sizes()[1:]
    return float(sizes.max() / sizes.sum())


@lru_cache(maxsize=64)
def highest_porosity(family: Family) -> float:
    """About the highest porosity at which the solid is still in one piece.

    Bisection on 2 × 2 × 2 periods, to .5 %.
    """
    low, high = 0.3, 0.99
    while high - low > 0.005:
        middle = (low + high) / 2
        values, _ = sample(family.fitted(middle), _rough(family))
        whole = largest_share(np.tile(values < level_of(values, middle), (2, 2, 2)))
        low, high = (middle, high) if whole >= WHOLE else (low, middle)
    return low


def wall_problems(
    family: Family,
    cell: UnitCell,
    length: float,
    porosity: float,
    pore_size: float,
    voxel: float,
    solid: str,
) -> Iterator[str]:
    """Walls thinner than a voxel."""
    wall = cell.wall * length
    if solid == "fraction" or wall >= voxel:
        return
    yield (
        f"{family.title}: at {100 * porosity:.4g} % porosity and {format_si(pore_size, 'm')} pores "
        f"the walls are {wall * 1e6:.0f} um = {wall / voxel:.1f} voxels of {format_si(voxel, 'm')};"
        " at least 1 is needed, 2 advised. Use solid: fraction, or a thicker family, or larger "
        f"pores (voxel <= {wall / 2 * 1e6:.1f} um for build and measure alone)."
    )


def criteria_problems(
    family: Family, porosity: float, pore_size: float, criteria: str
) -> Iterator[str]:
    """Criterion C4, where it is enforced."""
    if criteria != "enforce":
        return
    low, high = PORE_RANGE
    if porosity < MIN_POROSITY:
        yield (
            f"{family.title}: porosity {porosity:.4g} asked; criterion C4 needs at least "
            f"{MIN_POROSITY:.2f}. Ask for {MIN_POROSITY:.2f} or more, or set criteria: report."
        )
    if not low <= pore_size <= high:
        yield (
            f"{family.title}: pores of {format_si(pore_size, 'm')} asked; criterion C4 needs a "
            f"mean local thickness of {low * 1e6:.0f} to {high * 1e6:.0f} um. Ask for a size in "
            "that range, or set criteria: report."
        )


def piece_problems(family: Family, cell: UnitCell, porosity: float) -> Iterator[str]:
    """Solid that falls into pieces."""
    if cell.whole >= WHOLE:
        return
    yield (
        f"{family.title}: at {100 * porosity:.4g} % porosity the solid falls into pieces (the "
        f"largest holds {cell.whole:.0%} of it on 2 x 2 x 2 periods; {WHOLE:.0%} is needed); it "
        f"holds together up to about {100 * highest_porosity(family):.0f} %. Use a lower porosity, "
        "or a sheet family such as gyroid_sheet."
    )


def box_problems(
    family: Family,
    length: float,
    pore_size: float,
    size: tuple[float, float, float],
    periodic: tuple[bool, bool, bool],
) -> Iterator[str]:
    """A box that holds too few periods (of a random family: too few pores)."""
    for axis, edge, wraps, share in zip("xyz", size, periodic, family.cell, strict=True):
        period = length * share
        unit = period if wraps else period / family.cells_across
        if edge / unit < (_LEAST_WRAPPED if wraps else _LEAST_PERIODS):
            count, kind = (1, "a periodic") if wraps else (2, "an open")
            what = "unit cell" if unit == period else "random cell"
            yield (
                f"{family.title}: pores of {format_si(pore_size, 'm')} need a {what} of "
                f"{unit * 1e6:.0f} um, and {axis} of {format_si(edge, 'm')} holds "
                f"{edge / unit:.2f} of them; {kind} axis needs {count}. Make {axis} at least "
                f"{count * unit * 1e3:.3g} mm, or the pores at most "
                f"{pore_size * edge / (count * unit) * 1e6:.0f} um."
            )


@dataclass(frozen=True)
class Survey:
    """What one family can do at one porosity, as far as pores of criterion C4 are concerned.

    Attributes
    ----------
    name : str
        Of the family.
    whole : bool
        The solid is in one piece.
    highest_porosity : float
        Up to which it is; asked only where it is not.
    pore, wall : float
        In units of the cell size.
    least_pore : float
        Pores for which walls are one voxel thick, m; smaller ones are refused.
    good_pore : float
        Pores for which walls are two voxels thick, m.
    """

    name: str
    whole: bool
    highest_porosity: float
    pore: float
    wall: float
    least_pore: float
    good_pore: float

    def verdict(self) -> str:
        """In a few words: for which pores of 300 to 1200 um it can be built."""
        if math.isnan(self.pore):
            return "no: its struts would touch side by side"
        if not self.whole:
            return f"no: in pieces above {100 * self.highest_porosity:.0f} %"
        low, high = PORE_RANGE
        least = max(self.least_pore, low)
        if least > high:
            return f"no: walls under 1 voxel for any pores up to {high * 1e6:.0f} um"
        text = f"pores {math.ceil(least * 1e6)} to {high * 1e6:.0f} um"
        if self.good_pore > least:
            good = f"from {math.ceil(self.good_pore * 1e6)} um"
            text += f"; walls of 2 voxels {good if self.good_pore <= high else 'never'}"
        return text


def survey(porosity: float, voxel: float) -> Iterator[Survey]:
    """What each family with walls can do at `porosity` on voxels of edge `voxel` (m).

    A family that has no proportions for this porosity has no figures.

    Examples
    --------
    >>> found = {each.name: each for each in survey(0.97, 20e-6)}         # doctest: +SKIP
    >>> found["primitive_net"].whole, found["cubic"].whole                # doctest: +SKIP
    (False, True)
    """
    for name in family_names():
        family = get_family(name)
        if not family.walls:
            continue
        try:
            cell = unit_cell(family, porosity)
        except Infeasible:
            yield Survey(name, False, 0.0, math.nan, math.nan, math.nan, math.nan)
            continue
        whole = cell.whole >= WHOLE
        least = voxel * cell.pore / cell.wall
        yield Survey(
            name,
            whole,
            porosity if whole else highest_porosity(family),
            cell.pore,
            cell.wall,
            least,
            2 * least,
        )
