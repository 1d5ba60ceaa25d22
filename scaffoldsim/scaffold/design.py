"""Design to constraints: the level and the cell size that give a porosity and a mean pore size.

Solid is where the field φ of a family is below a level t. So, on the real grid, t is the quantile
of φ at 1 − porosity: no search. The size of the unit cell is the pore size asked divided by the
pore size of one period, and one or two secant steps take away what the grid adds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from scaffoldsim.scaffold.families import Family, get_family
from scaffoldsim.scaffold.grid import Grid, require_memory
from scaffoldsim.scaffold.implicit import Implicit
from scaffoldsim.scaffold.morphometry import MIN_POROSITY, PORE_RANGE, mean_thickness
from scaffoldsim.scaffold.networks import find_networks
from scaffoldsim.scaffold.thickness import Bools, Floats
from scaffoldsim.units import format_si

_TOLERANCE = 0.02  # of the mean pore size; contract
_GOOD = 0.0125  # within this no further correction is tried
_CORRECTIONS = 4
_LEAST_PERIODS = 1.9  # on an axis that is not periodic: two, less what the corrections may add
_LEAST_WRAPPED = 0.95  # on a periodic axis: one, likewise
_WHOLE = 0.98  # of the solid in its largest piece
_BYTES_PER_VOXEL = 32  # field, distances, radii, pointers, pieces at the peak of a design
_SHIFTS = 8  # places within a voxel where the unit cell is tried to begin


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
    """One period of a family at one porosity; lengths in periods.

    Attributes
    ----------
    pore, wall : float
        Mean local thickness of pores, and thickness of walls.
    whole : float
        Share of the solid in its largest piece, on 2 × 2 × 2 periods.
    """

    pore: float
    wall: float
    whole: float


@dataclass(frozen=True)
class Built:
    """A solved design."""

    implicit: Implicit
    level: float
    solid: Bools
    values: Floats
    margin: tuple[int, int, int]
    pore_size: float
    notes: list[str] = field(default_factory=list)


@lru_cache(maxsize=64)
def unit_cell(name: str, porosity: float) -> UnitCell:
    """Measure one period of family `name` at `porosity`, on a grid that suits its pores.

    Examples
    --------
    >>> cell = unit_cell("gyroid_sheet", 0.90)
    >>> round(cell.pore, 2), round(cell.wall, 2)
    (0.42, 0.03)
    """
    family = get_family(name)

    def solid_of(n: int) -> tuple[Bools, float]:
        values = Implicit(family, Grid((n, n, n), 1.0, (True, True, True)), (n, n, n)).values()
        level = _level(values, porosity)
        return values < level, level

    rough, _ = solid_of(32)
    pore = mean_thickness(~rough, voxel=1 / 32, periodic=True)
    n = int(min(max(round(32 / pore), 40), 112))  # pores of about 16 voxels radius
    solid, level = solid_of(n)
    pore = mean_thickness(~solid, voxel=1 / n, periodic=True)
    if family.sheet:
        return UnitCell(pore, 2 * level, 1.0)
    fine, _ = solid_of(max(n, 80))
    tiled = find_networks(np.tile(fine, (2, 2, 2)), periodic=True).sizes()[1:]
    wall = mean_thickness(solid, voxel=1 / n, periodic=True)
    return UnitCell(pore, wall, float(tiled.max() / tiled.sum()))


def _level(values: Floats, porosity: float) -> float:
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


def solve(
    name: str,
    *,
    porosity: float,
    pore_size: float,
    size: tuple[float, float, float],
    voxel: float,
    periodic: tuple[bool, bool, bool] = (False, False, False),
    solid: str = "binary",
    criteria: str = "enforce",
    threads: int | None = None,
) -> Built:
    """Find the geometry of family `name` with a porosity and a mean pore size, on a voxel grid.

    Parameters
    ----------
    name : str
        A family.
    porosity : float
        Pore volume / volume; met within .002.
    pore_size : float
        Mean local thickness of the pores, m; met within 2 %, measured on this grid without the
        faces that are not periodic (the geometry is continued beyond them).
    size : (x, y, z)
        Edges of the box, m. An axis that is not periodic is rounded to whole voxels, a periodic
        one to whole periods.
    voxel : float
        m.
    periodic : three bools
    solid : {"binary", "fraction"}
        With "fraction" walls thinner than a voxel are allowed.
    criteria : {"enforce", "report"}
        With "enforce", criterion C4 is kept or the design refused.
    threads : int, optional

    Raises
    ------
    Infeasible
        With every reason at once.
    TooLarge
        If there are more voxels than memory.
    """
    family = get_family(name)
    if not 0.02 <= porosity <= 0.995:
        raise Infeasible([f"porosity: {porosity:g} asked; between 0.02 and 0.995 can be designed."])
    cell = unit_cell(name, float(porosity))
    length = pore_size / cell.pore
    problems = [
        *_wall_problems(family, cell, length, porosity, pore_size, voxel, solid),
        *_criteria_problems(family, porosity, pore_size, criteria),
        *_piece_problems(family, cell, porosity),
        *_box_problems(family, length, pore_size, size, periodic),
    ]
    if problems:
        raise Infeasible(problems)

    tried: list[tuple[float, Built]] = []
    for _ in range(_CORRECTIONS):
        implicit = _lay(family, length, size, voxel, periodic)
        if any(implicit == other.implicit for _, other in tried):
            break  # every axis is periodic, and rounds to the same whole voxels again
        built = _build(implicit, cell.pore * length, porosity, threads)
        tried.append((length, built))
        if _misses(built, pore_size, criteria) <= _GOOD:
            break
        length *= (_aim(pore_size, criteria) / built.pore_size) ** (1 / _exponent(tried))
    length, built = min(tried, key=lambda t: _misses(t[1], pore_size, criteria))
    for attempt in range(1, _SHIFTS):
        if _misses(built, pore_size, criteria) <= _TOLERANCE:
            break
        implicit = _lay(family, length, size, voxel, periodic, attempt)
        again = _build(implicit, cell.pore * length, porosity, threads)
        built = min(built, again, key=lambda b: _misses(b, pore_size, criteria))
    problems = _result_problems(family, built, pore_size, voxel, solid, criteria)
    if problems:
        raise Infeasible(problems)
    built.notes.extend(_notes(family, cell, built, size, pore_size, porosity, voxel))
    return built


def _lay(
    family: Family,
    length: float,
    size: tuple[float, float, float],
    voxel: float,
    periodic: tuple[bool, bool, bool],
    attempt: int = 0,
) -> Implicit:
    """Lay unit cells of `length` over the box: whole voxels, and whole periods where it wraps."""
    shape, period = [], []
    for edge, wraps in zip(size, periodic, strict=True):
        repeats = max(1, round(edge / length)) if wraps else 0
        shape.append(max(1, round((repeats * length if wraps else edge) / voxel)))
        period.append(shape[-1] * voxel / repeats if wraps else length)
    grid = Grid((shape[0], shape[1], shape[2]), voxel, periodic)
    return Implicit(family, grid, (period[0], period[1], period[2]), attempt)


def _build(implicit: Implicit, pore: float, porosity: float, threads: int | None) -> Built:
    """The geometry with this porosity, and its mean pore size; `pore` is about what it will be."""
    grid = implicit.grid
    # A ball over a voxel at the face has its centre within a radius of it; .75 of the mean
    # diameter covers nearly all of them, and twice as much moves the mean by less than .1 %.
    reach = math.ceil(0.75 * pore / grid.voxel)
    x, y, z = (0 if wraps else reach for wraps in grid.periodic)
    margin = (x, y, z)
    require_memory(
        math.prod(n + 2 * m for n, m in zip(grid.shape, margin, strict=True)) * _BYTES_PER_VOXEL,
        f"A scaffold of {grid.n_voxels:.3g} voxels",
    )
    values = implicit.values()
    level = _level(values, porosity)
    pore_size = mean_thickness(
        implicit.values(margin) >= level,
        voxel=grid.voxel,
        periodic=grid.periodic,
        margin=margin,
        threads=threads,
    )
    return Built(implicit, level, values < level, values, margin, pore_size)


def _exponent(tried: list[tuple[float, Built]]) -> float:
    """The slope d log(pore size) / d log(cell size): 1, and the secant once two are known."""
    if len(tried) < 2:
        return 1.0
    (a, first), (b, second) = tried[-2:]
    pore_a, pore_b = first.pore_size, second.pore_size
    if a == b or pore_a == pore_b:
        return 1.0
    return min(max(math.log(pore_b / pore_a) / math.log(b / a), 0.5), 2.0)


def _aim(pore_size: float, criteria: str) -> float:
    """What to steer for: at the very limits of C4 a little inside, so that the result keeps it."""
    if criteria != "enforce":
        return pore_size
    low, high = PORE_RANGE
    return min(max(pore_size, low * 1.005), high * 0.995)


def _misses(built: Built, pore_size: float, criteria: str) -> float:
    """Relative error of the mean pore size; beyond tolerance where C4 is enforced and broken."""
    low, high = PORE_RANGE
    if criteria == "enforce" and not low <= built.pore_size <= high:
        return 1 + abs(built.pore_size / pore_size - 1)
    return abs(built.pore_size / pore_size - 1)


def _wall_problems(
    family: Family,
    cell: UnitCell,
    length: float,
    porosity: float,
    pore_size: float,
    voxel: float,
    solid: str,
) -> list[str]:
    wall = cell.wall * length
    if solid == "fraction" or wall >= voxel:
        return []
    return [
        f"{family.title}: at {100 * porosity:.4g} % porosity and {format_si(pore_size, 'm')} pores "
        f"the walls are {wall * 1e6:.0f} um = {wall / voxel:.1f} voxels of {format_si(voxel, 'm')};"
        " at least 1 is needed, 2 advised. Use solid: fraction, or a thicker family, or larger "
        f"pores (voxel <= {wall / 2 * 1e6:.1f} um for build and measure alone)."
    ]


def _criteria_problems(
    family: Family, porosity: float, pore_size: float, criteria: str
) -> list[str]:
    if criteria != "enforce":
        return []
    low, high = PORE_RANGE
    found = []
    if porosity < MIN_POROSITY:
        found.append(
            f"{family.title}: porosity {porosity:.4g} asked; criterion C4 needs at least "
            f"{MIN_POROSITY:.2f}. Ask for {MIN_POROSITY:.2f} or more, or set criteria: report."
        )
    if not low <= pore_size <= high:
        found.append(
            f"{family.title}: pores of {format_si(pore_size, 'm')} asked; criterion C4 needs a "
            f"mean local thickness of {low * 1e6:.0f} to {high * 1e6:.0f} um. Ask for a size in "
            "that range, or set criteria: report."
        )
    return found


def _piece_problems(family: Family, cell: UnitCell, porosity: float) -> list[str]:
    if cell.whole >= _WHOLE:
        return []
    return [
        f"{family.title}: at {100 * porosity:.4g} % porosity the solid falls into pieces (the "
        f"largest holds {cell.whole:.0%} of it on 2 x 2 x 2 periods; {_WHOLE:.0%} is needed). Use "
        "a lower porosity, or a sheet family such as gyroid_sheet."
    ]


def _box_problems(
    family: Family,
    length: float,
    pore_size: float,
    size: tuple[float, float, float],
    periodic: tuple[bool, bool, bool],
) -> list[str]:
    found = []
    for axis, edge, wraps in zip("xyz", size, periodic, strict=True):
        if edge / length < (_LEAST_WRAPPED if wraps else _LEAST_PERIODS):
            count, kind = (1, "a periodic") if wraps else (2, "an open")
            found.append(
                f"{family.title}: pores of {format_si(pore_size, 'm')} need a unit cell of "
                f"{length * 1e6:.0f} um, and {axis} of {format_si(edge, 'm')} holds "
                f"{edge / length:.2f} of them; {kind} axis needs {count}. Make {axis} at least "
                f"{count * length * 1e3:.3g} mm, or the pores at most "
                f"{pore_size * edge / (count * length) * 1e6:.0f} um."
            )
    return found


def _result_problems(
    family: Family, built: Built, pore_size: float, voxel: float, solid: str, criteria: str
) -> list[str]:
    """What only the finished grid shows."""
    found = []
    if _misses(built, pore_size, criteria) > _TOLERANCE:
        found.append(
            f"{family.title}: the nearest mean pore size on this grid is "
            f"{built.pore_size * 1e6:.1f} um, not {pore_size * 1e6:.1f} um within 2 %. Use a voxel "
            f"of {voxel / 2 * 1e6:.3g} um, or more periods along each periodic axis."
        )
    if solid != "fraction":
        # A strut that an open face cuts off is joined outside the box: look half a period beyond.
        grid = built.implicit.grid
        half = [round(length / voxel / 2) for length in built.implicit.period]
        x, y, z = (0 if wraps else n for wraps, n in zip(grid.periodic, half, strict=True))
        beyond = built.implicit.values((x, y, z)) < built.level
        networks = find_networks(beyond, periodic=grid.periodic)
        nx, ny, nz = grid.shape
        labels = networks.labels[x : x + nx, y : y + ny, z : z + nz]
        pieces = np.bincount(networks.piece[labels][built.solid])[1:]
        whole = float(pieces.max() / pieces.sum())
        if whole < _WHOLE:
            found.append(
                f"{family.title}: on voxels of {format_si(voxel, 'm')} the wall breaks into pieces "
                f"(the largest holds {whole:.1%} of the solid; {_WHOLE:.0%} is needed). Use solid: "
                f"fraction, or a voxel of {voxel / 2 * 1e6:.3g} um for build and measure alone."
            )
    return found


def _notes(
    family: Family,
    cell: UnitCell,
    built: Built,
    size: tuple[float, float, float],
    pore_size: float,
    porosity: float,
    voxel: float,
) -> list[str]:
    """What the user should be told: rounding, thin walls, what was reached."""
    notes = []
    grid, period = built.implicit.grid, built.implicit.period
    for axis in range(3):
        asked, got = size[axis], grid.size[axis]
        if abs(got / asked - 1) > 1e-9:
            why = "whole voxels"
            if grid.periodic[axis]:
                count = round(got / period[axis])
                why = f"{count} whole period{'s' * (count > 1)} of {period[axis] * 1e6:.1f} um"
            notes.append(
                f"{'xyz'[axis]}: {format_si(asked, 'm')} asked, {format_si(got, 'm')} built: {why}."
            )
    wall = cell.wall * math.fsum(period) / 3
    if wall < 2 * voxel:
        notes.append(
            f"Walls are {wall * 1e6:.0f} um = {wall / voxel:.1f} voxels; 2 are advised: topology "
            "and area of the walls are uncertain."
        )
    if family.sheet:
        notes.append("A sheet parts two pore networks that never meet: seed cells in both.")
    notes.append(
        f"Mean pore size {built.pore_size * 1e6:.1f} um ({pore_size * 1e6:.1f} asked), porosity "
        f"{1 - built.solid.mean():.4f} ({porosity:.4f} asked), walls {wall * 1e6:.0f} um."
    )
    return notes
