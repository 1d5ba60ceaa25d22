"""Design to constraints: the level and the cell size that give a porosity and a mean pore size.

Solid is where the field φ of a family is below a level t. So, on the real grid, t is the quantile
of φ at 1 − porosity: no search. The size of the unit cell is the pore size asked divided by the
pore size of one period, and a few secant steps take away what the grid adds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from scaffoldsim.scaffold.families import Family
from scaffoldsim.scaffold.feasibility import (
    WHOLE,
    Infeasible,
    UnitCell,
    box_problems,
    criteria_problems,
    fitted,
    level_of,
    piece_problems,
    sample,
    unit_cell,
    wall_problems,
)
from scaffoldsim.scaffold.grading import NODES, Graded, Grading
from scaffoldsim.scaffold.grid import Grid, require_memory
from scaffoldsim.scaffold.implicit import Implicit
from scaffoldsim.scaffold.morphometry import PORE_RANGE, local_thickness, mean_thickness
from scaffoldsim.scaffold.networks import find_networks
from scaffoldsim.scaffold.thickness import Bools, Floats, inner_box
from scaffoldsim.units import format_si

__all__ = ["Built", "Infeasible", "solve"]

_PORE_TOLERANCE = 0.02  # of the mean pore size; contract
_POROSITY_TOLERANCE = 0.002  # contract
_GOOD = 0.6  # of the tolerances: within this no further correction is tried
_GOOD_IF_LARGE = 0.9  # where a correction takes seconds
_LARGE = 3_000_000  # voxels
_CORRECTIONS = 5
_BYTES_PER_VOXEL = 56  # field, distances, radii, bits, pieces at the peak of a design, measured
_UNBROKEN = 0.9999
_ATTEMPTS = 16
_ROUNDINGS = 4
_PARTS = 5  # of a graded box, in the note on what was built
_CELL_VOXELS = 80  # along the period on which the levels of a grading are found


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

    @property
    def porosity(self) -> float:
        """Pore voxels / voxels."""
        return 1 - np.count_nonzero(self.solid) / self.solid.size


@dataclass(frozen=True)
class _Task:
    """What is asked, with everything that stays the same while the cell size is searched."""

    family: Family
    porosity: float
    pore_size: float
    size: tuple[float, float, float]
    voxel: float
    periodic: tuple[bool, bool, bool]
    criteria: str
    graded: Graded | None
    threads: int | None

    def error(self, built: Built) -> float:
        """The larger error in units of its tolerance; more than 1 too where C4 is broken."""
        low, high = PORE_RANGE
        away = max(
            abs(built.pore_size / self.pore_size - 1) / _PORE_TOLERANCE,
            abs(built.porosity - self.porosity) / _POROSITY_TOLERANCE,
        )
        if self.criteria == "enforce" and not low <= built.pore_size <= high:
            return 1 + away
        return away

    def aim(self) -> float:
        """What to steer for: at the very limits of C4 a little inside, so that they are kept."""
        if self.criteria != "enforce":
            return self.pore_size
        low, high = PORE_RANGE
        return min(max(self.pore_size, low * 1.005), high * 0.995)


def solve(
    family: Family,
    *,
    porosity: float | None = None,
    pore_size: float | None = None,
    size: tuple[float, float, float],
    voxel: float,
    periodic: tuple[bool, bool, bool] = (False, False, False),
    solid: str = "binary",
    criteria: str = "enforce",
    grading: Grading | None = None,
    threads: int | None = None,
) -> Built:
    """Find the geometry of a family with a porosity and a mean pore size, on a voxel grid.

    Parameters
    ----------
    family : Family
    porosity : float
        Pore volume / volume; met within .002. May be left out where `grading` has it.
    pore_size : float
        Mean local thickness of the pores, m; met within 2 %, measured on this grid without the
        faces that are not periodic (the geometry is continued beyond them). Likewise.
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
    grading : Grading, optional
        Porosity or pore size as functions of position; their means over the box take the place of
        `porosity` and `pore_size`.
    threads : int, optional

    Raises
    ------
    Infeasible
        With every reason at once.
    TooLarge
        If there are more voxels than memory.
    """
    box = Grid.of_size(size, voxel, periodic)
    porosity, pore_size = _means(porosity, pore_size, grading, box)
    if not 0.02 <= porosity <= 0.995:
        raise Infeasible([f"porosity: {porosity:g} asked; between 0.02 and 0.995 can be designed."])
    family = fitted(family, porosity)
    cell = unit_cell(family, float(porosity))
    length = pore_size / cell.pore
    graded = None
    if grading is not None:
        graded = _graded(family, cell, porosity, pore_size, grading)
    task = _Task(family, porosity, pore_size, size, voxel, periodic, criteria, graded, threads)
    problems = [
        *wall_problems(family, cell, length, porosity, pore_size, voxel, solid),
        *_end_problems(task, cell, length, grading, solid),
        *criteria_problems(family, porosity, pore_size, criteria),
        *piece_problems(family, cell, porosity),
        *box_problems(family, length, pore_size, size, periodic),
    ]
    wrong = graded.problem(box) if graded is not None else None
    if wrong:
        problems.append(f"grading: {wrong}")
    if grading is not None and grading.porosity is not None and family.fitted(0.99) != family:
        problems.append(
            f"grading: the layers of a {family.title} are spaced for one porosity, and would part "
            "where filaments are thinner. Grade its pore size, or the porosity of another family."
        )
    if problems:
        raise Infeasible(list(dict.fromkeys(problems)))

    built = _search(task, cell, length)
    whole = _largest_piece(task, built)
    problems = _result_problems(task, built, whole, solid)
    if problems:
        raise Infeasible(problems)
    built.notes.extend(_notes(task, cell, built, whole))
    if grading is not None:
        built.notes.append(_profile_note(task, grading, built))
    return built


def _search(task: _Task, cell: UnitCell, length: float) -> Built:
    """Correct the cell size until the pores are right; where that fails, begin elsewhere."""
    tried: list[tuple[float, float]] = []  # cell size and pore size
    laid: list[Implicit] = []
    begin = 0
    best: Built | None = None
    for attempt in range(_ATTEMPTS):
        implicit = _lay(task, length, begin)
        repeated = implicit in laid
        if best is not None and task.error(best) <= 1 and (repeated or attempt >= _CORRECTIONS):
            break  # good enough: periodic axes round to the same whole voxels, or time is up
        if repeated or attempt >= _CORRECTIONS:
            begin += 1
            implicit = _lay(task, length, begin)
        sizes = zip(implicit.period, task.family.cell, strict=True)
        length = math.prod(edge / share for edge, share in sizes) ** (1 / 3)
        built = _build(task, implicit, cell.pore * length)
        laid.append(implicit)
        tried.append((length, built.pore_size))
        best = built if best is None else min(best, built, key=task.error)
        if task.error(best) <= (_GOOD_IF_LARGE if implicit.grid.n_voxels > _LARGE else _GOOD):
            break
        length = _next_length(tried, task.aim())
    assert best is not None
    return best


def _next_length(tried: list[tuple[float, float]], aim: float) -> float:
    """Where the cell size and the pore size, both as logarithms, suggest that the aim is met."""
    sizes = [(math.log(length), math.log(pore / aim)) for length, pore in tried]
    below = [each for each in sizes if each[1] < 0]
    above = [each for each in sizes if each[1] >= 0]
    if below and above:
        (a, low), (b, high) = (
            max(below, key=lambda each: each[1]),
            min(above, key=lambda each: each[1]),
        )
        return math.exp(a + (b - a) * low / (low - high))
    nearest, miss = min(sizes, key=lambda each: abs(each[1]))
    return math.exp(nearest - miss)  # pores grow with their cells


def _lay(task: _Task, length: float, begin: int) -> Implicit:
    """Lay unit cells of `length` over the box: whole voxels, and whole periods where it wraps.

    `begin` numbers a place within a voxel, and a way of rounding periodic axes.
    """
    edges = [length * share for share in task.family.cell]
    shape = list(Grid.of_size(task.size, task.voxel).shape)
    repeats = [
        max(1, round(size / edge)) if wraps else 0
        for size, edge, wraps in zip(task.size, edges, task.periodic, strict=True)
    ]
    wrapped = [axis for axis in range(3) if repeats[axis]]
    exact = [repeats[axis] * edges[axis] / task.voxel for axis in wrapped]
    for axis, count in zip(wrapped, _rounding(exact, begin), strict=True):
        shape[axis] = count
    x, y, z = (
        n * task.voxel / count if count else edge
        for n, count, edge in zip(shape, repeats, edges, strict=True)
    )
    grid = Grid((shape[0], shape[1], shape[2]), task.voxel, task.periodic)
    return Implicit(task.family, grid, (x, y, z), begin, task.graded)


def _rounding(exact: list[float], begin: int) -> tuple[int, ...]:
    """Whole voxels near the `exact` ones: the nearest for the first `begin`, others later.

    Whole voxels cannot give every cell size; rounding axes to different sides gives more of them.
    """
    if begin == 0:
        return tuple(max(1, round(n)) for n in exact)
    near = [[math.floor(n) + step for step in (-1, 0, 1, 2)] for n in exact]
    ways = [way for way in itertools.product(*near) if min(way, default=1) >= 1]

    def error(way: tuple[int, ...]) -> float:
        off = [math.log(n / wanted) for n, wanted in zip(way, exact, strict=True)]
        uneven = max(map(abs, off), default=0)  # a cell should stay nearly cubic
        return round(abs(math.fsum(off)) / 3 + uneven / 4, 9)

    ranked = sorted(ways, key=error)
    distinct = {tuple(sorted(way)): way for way in reversed(ranked)}  # keeps the best of each
    return sorted(distinct.values(), key=error)[(begin - 1) % min(_ROUNDINGS, len(distinct))]


def _build(task: _Task, implicit: Implicit, pore: float) -> Built:
    """The geometry with this porosity, and its mean pore size; `pore` is about what it will be."""
    grid = implicit.grid
    if task.graded is not None and task.graded.sizes is not None:
        pore *= max(task.graded.sizes)
    # A ball over a voxel at the face has its centre within a radius of it; .75 of the mean
    # diameter covers nearly all of them, and twice as much moves the mean by less than .1 %.
    reach = math.ceil(0.75 * pore / grid.voxel)
    x, y, z = (0 if wraps else reach for wraps in grid.periodic)
    margin = (x, y, z)
    require_memory(
        math.prod(n + 2 * m for n, m in zip(grid.shape, margin, strict=True)) * _BYTES_PER_VOXEL,
        f"A scaffold of {grid.n_voxels:.3g} voxels",
    )
    outer = implicit.values(margin, task.threads)
    values = np.ascontiguousarray(outer[inner_box(outer.shape, margin)])
    level = level_of(values, task.porosity)
    pore_size = mean_thickness(
        outer >= level,
        voxel=grid.voxel,
        periodic=grid.periodic,
        margin=margin,
        threads=task.threads,
    )
    return Built(implicit, level, values < level, values, margin, pore_size)


def _means(
    porosity: float | None, pore_size: float | None, grading: Grading | None, box: Grid
) -> tuple[float, float]:
    """Mean porosity of the box, and mean pore size over its pores; from the profiles, if any."""
    if grading is not None:
        at = Graded(grading.along, (0.0,) * NODES).positions(box)
        positions = np.linspace(0, 1, NODES)
        pores = grading.nodes("porosity")
        sizes = grading.nodes("pore_size")
        share = np.ones_like(at) if pores is None else np.interp(at, positions, pores)
        if pores is not None:
            porosity = float(share.mean())
        if sizes is not None:
            pore_size = float((share * np.interp(at, positions, sizes)).sum() / share.sum())
    if porosity is None or pore_size is None:
        missing = "porosity" if porosity is None else "pore_size"
        raise Infeasible([f"{missing}: is missing: a design needs it, or a grading of it."])
    return float(porosity), float(pore_size)


def _graded(
    family: Family, cell: UnitCell, porosity: float, pore_size: float, grading: Grading
) -> Graded:
    """The levels and relative cell sizes that give the profiles."""
    pores, sizes = grading.nodes("porosity"), grading.nodes("pore_size")
    levels: Floats = np.zeros(NODES, np.float32)
    relative = None
    if pores is not None:
        values, _ = sample(family, _CELL_VOXELS)
        levels = np.quantile(values, 1 - pores) - np.quantile(values, 1 - porosity)
    if sizes is not None:
        ratio = np.ones(NODES)  # pores of a cell grow with its porosity
        if pores is not None and np.ptp(pores) > 0:
            known = np.linspace(pores.min(), pores.max(), 3)
            ratio = np.interp(pores, known, [unit_cell(family, float(p)).pore for p in known])
            ratio /= cell.pore
        relative = tuple((sizes / pore_size / ratio).tolist())
    return Graded(grading.along, tuple(levels.tolist()), relative)


def _end_problems(
    task: _Task, cell: UnitCell, length: float, grading: Grading | None, solid: str
) -> Iterator[str]:
    """The same reasons to refuse, at the points a grading names."""
    if grading is None:
        return
    points = max(len(grading.porosity or ()), len(grading.pore_size or ()))
    for place in np.linspace(0, 1, points):
        porosity, pore_size, local = task.porosity, cell.pore * length, cell
        if grading.porosity is not None:
            porosity = grading.at("porosity", float(place))
            local = unit_cell(task.family, porosity)
            pore_size = local.pore * length
        if grading.pore_size is not None:
            pore_size = grading.at("pore_size", float(place))
        size = pore_size / local.pore
        yield from wall_problems(task.family, local, size, porosity, pore_size, task.voxel, solid)
        yield from piece_problems(task.family, local, porosity)
        # a pore size that was not asked for only follows from the porosity
        asked = pore_size if grading.pore_size is not None else task.pore_size
        yield from criteria_problems(task.family, porosity, asked, task.criteria)


def _largest_piece(task: _Task, built: Built) -> float:
    """Share of the solid in its largest piece.

    A strut that an open face cuts off is joined outside the box: look half a period beyond.
    """
    grid = built.implicit.grid
    across = task.family.cells_across
    half = [round(length / across / task.voxel / 2) for length in built.implicit.period]
    x, y, z = (0 if wraps else n for wraps, n in zip(grid.periodic, half, strict=True))
    beyond = built.implicit.values((x, y, z), task.threads) < built.level
    networks = find_networks(beyond, periodic=grid.periodic)
    nx, ny, nz = grid.shape
    labels = networks.labels[x : x + nx, y : y + ny, z : z + nz]
    pieces = np.bincount(networks.piece[labels][built.solid])[1:]
    return float(pieces.max() / pieces.sum())


def _result_problems(task: _Task, built: Built, whole: float, solid: str) -> list[str]:
    """What only the finished grid shows."""
    found, voxel, title = [], task.voxel, task.family.title
    low, high = PORE_RANGE
    inside = 0.98 * high if built.pore_size > high else 1.02 * low
    if task.criteria == "enforce" and not low <= built.pore_size <= high:
        found.append(
            f"{title}: the nearest mean pore size on this grid is {built.pore_size * 1e6:.1f} um; "
            f"criterion C4 needs {low * 1e6:.0f} to {high * 1e6:.0f} um. Ask for "
            f"{inside * 1e6:.0f} um, or set criteria: report."
        )
    elif task.error(built) > 1:
        found.append(
            f"{title}: the nearest mean pore size on this grid is {built.pore_size * 1e6:.1f} um "
            f"at a porosity of {built.porosity:.4f}, not {task.pore_size * 1e6:.1f} um within 2 % "
            f"at {task.porosity:.4f} within .002. Use a voxel of {voxel / 2 * 1e6:.3g} "
            "um, or more periods along each periodic axis."
        )
    if solid != "fraction" and whole < WHOLE:
        found.append(
            f"{title}: on voxels of {format_si(voxel, 'm')} the wall breaks into pieces "
            f"(the largest holds {whole:.1%} of the solid; {WHOLE:.0%} is needed). Use solid: "
            f"fraction, or a voxel of {voxel / 2 * 1e6:.3g} um for build and measure alone."
        )
    return found


def _notes(task: _Task, cell: UnitCell, built: Built, whole: float) -> list[str]:
    """What the user should be told: rounding, thin walls, what was reached."""
    notes = []
    grid, period = built.implicit.grid, built.implicit.period
    for axis in range(3):
        asked, got = task.size[axis], grid.size[axis]
        if abs(got / asked - 1) > 1e-9:
            why = "whole voxels"
            if grid.periodic[axis]:
                count = round(got / period[axis])
                why = f"{count} whole period{'s' * (count > 1)} of {period[axis] * 1e6:.1f} um"
            notes.append(
                f"{'xyz'[axis]}: {format_si(asked, 'm')} asked, {format_si(got, 'm')} built: {why}."
            )
    sizes = [edge / share for edge, share in zip(period, task.family.cell, strict=True)]
    wall = cell.wall * math.fsum(sizes) / 3
    if wall < 2 * task.voxel:
        notes.append(
            f"Walls are {wall * 1e6:.0f} um = {wall / task.voxel:.1f} voxels; 2 are advised: "
            "topology and area of the walls are uncertain."
        )
    if WHOLE <= whole < _UNBROKEN:
        pieces = find_networks(built.solid, periodic=grid.periodic).count
        notes.append(
            f"{1 - whole:.2%} of the solid is loose, in small pieces ({pieces} with those that "
            "faces cut off): walls are thin for this voxel."
        )
    if whole < WHOLE:
        notes.append(
            f"The largest piece of solid voxels holds {whole:.0%}: `fraction` keeps the volume of "
            "such thin walls, but on the grid they are broken."
        )
    if task.family.sheet:
        networks = find_networks(~built.solid, periodic=grid.periodic).sizes()[1:]
        if (networks >= 0.01 * networks.sum()).sum() > 1:
            notes.append("A sheet parts two pore networks that never meet: seed cells in both.")
        else:
            notes.append(
                "The wall leaks: it should part two pore networks, and on this grid they are one. "
                "Cells and solutes cross it; use a finer voxel to keep them apart."
            )
    notes.append(
        f"Mean pore size {built.pore_size * 1e6:.1f} um ({task.pore_size * 1e6:.1f} asked), "
        f"porosity {built.porosity:.4f} ({task.porosity:.4f} asked), walls "
        f"{wall * 1e6:.0f} um."
    )
    return notes


def _profile_note(task: _Task, grading: Grading, built: Built) -> str:
    """The profiles as asked and as built, in fifths of the way from start to end."""
    grid = built.implicit.grid
    assert task.graded is not None
    at = task.graded.positions(grid)
    part = np.broadcast_to(np.minimum((at * _PARTS).astype(int), _PARTS - 1), grid.shape)
    outer = built.implicit.values(built.margin, task.threads) >= built.level
    sizes = local_thickness(outer, voxel=grid.voxel, periodic=grid.periodic, threads=task.threads)
    sizes = sizes[inner_box(outer.shape, built.margin)]
    pore = ~built.solid
    share = [float(pore[part == each].mean()) for each in range(_PARTS)]
    size = [float(sizes[(part == each) & pore].mean()) * 1e6 for each in range(_PARTS)]
    text = f"Along {grading.along}, in {_PARTS} parts: porosity "
    text += ", ".join(f"{value:.3f}" for value in share)
    wanted = grading.nodes("porosity")
    if wanted is not None:
        position = np.broadcast_to(at, grid.shape)
        asked = np.interp(position, np.linspace(0, 1, NODES), wanted)
        means = [float(asked[part == each].mean()) for each in range(_PARTS)]
        off = max(abs(a - b) for a, b in zip(share, means, strict=True))
        text += f" (asked {', '.join(f'{value:.3f}' for value in means)}"
        text += f"; up to {100 * off:.1f} % off: a part holds few periods)" if off > 0.01 else ")"
    return text + f"; mean pore size {', '.join(f'{value:.0f}' for value in size)} um."
