"""Cells on the voxels: rates become deaths, fates, divisions and moves, for all cells at once.

The lattice is generic: it knows no factor, cell type or host by name. Rules set rates; one call
of `Lattice.update` turns them into events (compiled twins: ``_events.pyx``, ``_lattice.pyx``).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaffoldsim.model import _events, _lattice, counter, cycle
from scaffoldsim.model.checks import (
    name_bad_rate,
    require_potential,
    require_short_step,
    require_type,
)
from scaffoldsim.model.events import BIRTH, FATE, Events, become, record
from scaffoldsim.model.occupancy import FIRST, Occupancy, struck_rows
from scaffoldsim.model.walls import TAKEN
from scaffoldsim.solver.inputs import cores

if TYPE_CHECKING:
    from scaffoldsim.model.cells import Cells
    from scaffoldsim.scaffold.grid import Grid

__all__ = ["Events", "Lattice"]

#: Greatest chance of a hop per sub-step; above it, lost conflicts slow diffusion (docs/theory.md).
LARGEST_HOP = 0.3

#: Greatest product of division rate and step; above it, a cell would need two divisions.
LARGEST_DIVISION = 0.1

#: More sub-steps than this are taken for a mistaken rate (assumed: 250 times the usual 4).
MOST_SUBSTEPS = 1000

#: Greatest size of the chemotaxis potential; exp(500) still is a finite double (assumed).
LARGEST_POTENTIAL = 500.0

#: Steps between two sortings by voxel: neighbours in space are then neighbours in memory.
SORT_EVERY = 12

# work is cut into this many parts for any number of threads, as in _lattice.pyx
_CHUNKS = 64

# below this many cells a thread costs more to wake than it gains
_CELLS_PER_THREAD = 20_000


class Lattice(Occupancy):
    r"""The voxels that cells live on, one motile cell each.

    In a step each cell has at most one event: it dies of cause c or becomes type j with

    .. math:: P = 1 - e^{-K dt}, \qquad K = \sum_c k_c + \sum_j k_j,

    shared as :math:`k_i / K`; if neither, it tries to divide with :math:`e^{\lambda dt} - 1`.
    Where it does, mother and daughter each become `senescent` with the chance `Cells.arrest`, by
    draws of their own. Others hop with :math:`k \delta` in each of the sub-steps :math:`\delta`.
    A hop and a daughter go to one of the six face neighbours with weight

    .. math:: w_j \propto a_j \exp(\tfrac12 (\Phi_j - \Phi_i)),

    :math:`a_j` = 1 next to a surface or to another cell, else `open_grip`; solid weighs 0. With
    guidance off :math:`a_j` = 1 everywhere and solid weighs like open fluid without potential. An
    occupied or solid target means that the attempt is abandoned. Of cells that want one voxel a
    daughter goes before a hop (a division is tried once, a hop again in the next sub-step; else
    crowded growth would fall behind the logistic law), and equals draw lots.

    Parameters
    ----------
    grid
        Grid of the voxels; periodic axes wrap, other faces are walls to cells.
    solid
        Bool (nx, ny, nz): voxels that never hold a cell.
    guidance
        Whether surfaces guide cells.
    open_grip
        Weight of a target in open fluid, 0 to 1; .1 is assumed (1 would suit a gel).
    senescent
        Index of the type that mother and daughter become, each with the chance `Cells.arrest`, at
        a division; None: neither ever does.
    stages
        Stages k of the cell cycle (`cycle`): a cell divides from the last, 1 is the exponential
        clock.
    threads
        Threads of the kernel; None takes all cores. Results do not depend on it.

    Attributes
    ----------
    occupant : ndarray of int32
        Per voxel, flat: row of the cell, -1 empty, -2 not to be entered.

    Raises
    ------
    ValueError
        If shapes differ, a number is out of range or the grid has 2**31 voxels or more.

    References
    ----------
    docs/theory.md, Cells. Exclusion process: the mean density of cells obeys the linear diffusion
    equation (Liggett 1985, *Interacting particle systems*, chapter VIII; recalled).

    Examples
    --------
    >>> import numpy as np
    >>> from scaffoldsim.model.cells import Cells
    >>> from scaffoldsim.scaffold.grid import Grid
    >>> grid = Grid(shape=(4, 4, 4), voxel=20e-6, periodic=(True, True, True))
    >>> lattice = Lattice(grid, np.zeros(grid.shape, dtype=bool))
    >>> cells = Cells(["bmsc"], ["basal"])
    >>> rows = cells.append(1, voxel=21)
    >>> cells.divide = np.inf
    >>> lattice.update(cells, 3600.0, seed=1, step=0).born
    1
    """

    def __init__(
        self,
        grid: Grid,
        solid: ArrayLike,
        *,
        guidance: bool = True,
        open_grip: float = 0.1,
        senescent: int | None = None,
        stages: int = 1,
        threads: int | None = None,
    ) -> None:
        if not 1 <= stages <= cycle.MOST_STAGES:
            raise ValueError(f"stages is {stages}, must lie in 1 to {cycle.MOST_STAGES}.")
        if not 0.0 <= open_grip <= 1.0:
            raise ValueError(f"open_grip is {open_grip}, must lie in 0 to 1.")
        if threads is not None and threads < 1:
            raise ValueError(f"threads is {threads}, must be 1 or more.")
        super().__init__(grid, solid)
        self.guidance = bool(guidance)
        self.open_grip = float(open_grip)
        self.senescent = senescent
        self.stages = int(stages)
        self.threads = threads if threads is not None else cores()
        self._potential: NDArray[np.float32] | None = None
        self._want = np.empty(0, dtype=np.int32)
        self._notes = self._event = self._outcome = np.empty(0, dtype=np.uint8)

    def __repr__(self) -> str:
        nx, ny, nz = self.grid.shape
        return f"Lattice({nx} x {ny} x {nz} voxels, {self._n_free} free of solid)"

    # potential ------------------------------------------------------------------------------

    @property
    def potential(self) -> NDArray[np.float32] | None:
        """Chemotaxis exponent of every voxel, flat float32, or None for no bias."""
        return self._potential

    @potential.setter
    def potential(self, value: ArrayLike | None) -> None:
        if value is None:
            self._potential = None
            return
        array = np.ascontiguousarray(value, dtype=np.float32).reshape(-1)
        if array.size != self._flags.size:
            raise ValueError(
                f"the potential has {array.size} values, must have one for each of the "
                f"{self._flags.size} voxels."
            )
        self._potential = array

    # cells ------------------------------------------------------------------------------------

    def growing_stages(self, u: ArrayLike) -> NDArray[np.uint8]:
        """Stages of a delivery that grows from the first step on, from uniform numbers."""
        return cycle.growing_stages(u, self.stages)

    def update(self, cells: Cells, dt: float, *, seed: int, step: int) -> Events:
        """One step of all cells: die or change fate or divide, and move.

        Ages and clocks go on by `dt`; the clock of a cell that divides or changes type starts at
        0 again, the stage of its cycle only at a division. A daughter has age 0, shares her
        mother's doublings (one more for both), rates, type, origin, genes and clone, and gets her
        id in the order of the daughters' voxels. A division whose voxel is taken is abandoned: the
        cell stays in the last stage.

        Parameters
        ----------
        cells
            The cells, their rates set.
        dt
            Step, s.
        seed, step
            Keys of the random numbers: the run's seed, the number of the step.

        Returns
        -------
        Events
            What happened.

        Raises
        ------
        ValueError
            If a rate is negative or NaN, the step is too long for a rate, a potential is not
            finite, or the cells cannot stand where they say (`place`). No cell has been changed.
        """
        if not (dt > 0.0 and math.isfinite(dt)):
            raise ValueError(f"the step is {dt} s, must be a finite time above 0.")
        if not self._is_linked(cells):
            self.place(cells)
        require_type(self.senescent, cells.types)
        event, largest_hop = self._draw(cells, dt, seed, step)
        if self._potential is not None:
            require_potential(self._potential, self._flags, LARGEST_POTENTIAL, self.threads)

        cells.age += np.float32(dt)
        cells.clock += np.float32(dt)
        struck = struck_rows(event)
        first_fate = FIRST + len(cells.hazards)
        fates = self._change(cells, event, struck, first_fate)
        deaths = self._remove(cells, event, struck, first_fate)

        # the small margin keeps .3 stored in single precision within one sub-step
        substeps = max(1, math.ceil(largest_hop * dt / LARGEST_HOP - 1e-6))
        n_hops = 0
        for k in range(substeps):
            self._reserve(cells.n)
            n_hops += self._substep(cells, event, dt / substeps, seed, step, k)
            if k == 0:
                born, arrested = self._bear(cells, seed, step)
                fates = np.concatenate([fates, arrested])
                fates = fates[np.argsort(fates["id"])]
        if step % SORT_EVERY == 0:
            self._sort(cells)
        self._link(cells)
        return Events(
            births=born,
            deaths=deaths,
            fates=fates,
            n_hops=n_hops,
            substeps=substeps,
            n_types=len(cells.types),
            n_causes=len(cells.causes),
        )

    # ------------------------------------------------------------------------------------------

    def _draw(
        self, cells: Cells, dt: float, seed: int, step: int
    ) -> tuple[NDArray[np.uint8], float]:
        """Event code of every cell and the greatest hop rate, checked; changes nothing."""
        self._reserve(cells.n)
        event = self._event[: cells.n]
        summary = np.zeros((_CHUNKS, 8))  # a row fills a cache line: threads do not share one
        _events.draw(
            cells.n,
            cells.allocated("id"),
            cells.allocated("type"),
            cells.allocated("voxel"),
            cells.allocated("stage"),
            cells.allocated("hop"),
            cells.allocated("divide"),
            cells.allocated("arrest"),
            cells.allocated("death"),
            cells.allocated("fate"),
            self.occupant,
            dt,
            self.stages,
            cycle.haste(self.stages),
            *counter.keys(seed=seed, step=step, purpose="lattice.event"),
            *counter.keys(seed=seed, step=step, purpose="lattice.divide"),
            self._threads_for(cells.n),
            event,
            summary,
        )
        hop, division, bad, astray = summary.max(axis=0)[:4]
        if bad:
            raise ValueError(name_bad_rate(cells))
        most_division = min(LARGEST_DIVISION, cycle.longest_step(self.stages))
        require_short_step(
            cells, dt, float(hop), float(division), LARGEST_HOP * MOST_SUBSTEPS, most_division
        )
        if astray:
            self.place(cells)
        return event, float(hop)

    def _substep(
        self,
        cells: Cells,
        event: NDArray[np.uint8],
        delta: float,
        seed: int,
        step: int,
        k: int,
    ) -> int:
        none = np.zeros(0, dtype=np.float32)
        hops: int = _lattice.substep(
            cells.n,
            cells.allocated("id"),
            cells.allocated("voxel"),
            cells.allocated("hop"),
            event,
            k == 0,
            delta,
            *counter.keys(seed=seed, step=step, substep=k, purpose="lattice.target"),
            *counter.keys(seed=seed, step=step, substep=k, purpose="lattice.rank"),
            self.occupant,
            self._flags,
            self.guidance,
            self.open_grip,
            self._potential is not None,
            none if self._potential is None else self._potential,
            *self.grid.shape,
            *self.grid.periodic,
            self._threads_for(cells.n),
            self._want,
            self._outcome,
        )
        return hops

    def _bear(
        self, cells: Cells, seed: int, step: int
    ) -> tuple[NDArray[np.void], NDArray[np.void]]:
        """Add the daughters in the order of their voxels; returns births by id, and arrests."""
        want, outcome = self._want[: cells.n], self._outcome[: cells.n]
        mothers = struck_rows(outcome)
        mothers = mothers[np.argsort(want[mothers])]
        cells.doublings[mothers] += np.float32(1.0)
        cells.clock[mothers] = 0.0
        cells.stage[mothers] = 0
        own = {"id", "voxel", "parent", "age", "clock"}
        rows = cells.append(mothers.size, voxel=want[mothers], parent=cells.id[mothers])
        for name in cells.columns.keys() - own:
            for column in np.atleast_2d(cells.allocated(name)):
                column[rows] = column[mothers]
        self.occupant[cells.voxel[rows]] = rows
        self._flags[cells.voxel[rows]] |= np.uint8(TAKEN)
        records = record(BIRTH, cells, rows)
        if self.senescent is None:
            return records, np.zeros(0, FATE)
        family = np.concatenate([mothers, rows])
        key = counter.keys(seed=seed, step=step, purpose="lattice.arrest")
        struck = counter.uniform(cells.id[family], key) < cells.arrest[family]
        family = family[struck & (cells.type[family] != self.senescent)]
        return records, become(cells, family, self.senescent)

    def _sort(self, cells: Cells) -> None:
        """Put the rows into the order of the voxels."""
        self._reserve(cells.n)
        row, where = self._want[: cells.n], np.empty(_CHUNKS + 1, dtype=np.int32)
        threads = self._threads_for(cells.n)
        _lattice.sort(self._flags, self.occupant, row, where, threads)
        # what became of the cells is told: its two bytes a cell are free
        cells.take(row, scratch=self._notes.view(np.uint16), threads=threads)

    def _reserve(self, n: int) -> None:
        """Room for what the kernel notes of each cell; kept, since new memory costs time."""
        if self._want.size < n:
            n += n // 32
            self._want = np.empty(n, dtype=np.int32)
            self._notes = np.empty(2 * n, dtype=np.uint8)
            self._event, self._outcome = self._notes[:n], self._notes[n:]

    def _threads_for(self, n: int) -> int:
        return max(1, min(self.threads, n // _CELLS_PER_THREAD))
