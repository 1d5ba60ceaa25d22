"""Speed of the lattice: million cell updates per second, core and sub-step, all events on.

    python benchmarks/benchmark_lattice.py [--cells N ...] [--threads N ...] [--cycles N] [--large]

An eighth of a sheet gyroid's box is filled, so that a million cells stand in 200³ voxels. Eight
types, four causes of death, six fates each, division with senescence, hops once an hour with
surface guidance and a chemotaxis potential: four sub-steps in a step of 1 h, of which an update is
one cell in one sub-step; all that `Lattice.update` does counts, from drawing events to renumbering
rows. Cells start sorted by voxel and are sorted again once in a cycle of 12 steps, which is timed
as a whole: of each of its steps the best of the cycles counts. Rates are set between the steps and
not timed. On more than one thread the speed is divided by their number.

Bytes per cell are the columns and the most that a step takes beside them, watched at 10⁵ cells.
(When the columns grow, by an eighth, one table of rates stands in memory twice for a moment.)
Processor time is printed beside the time on the clock, since on a busy machine only it tells.
Without --large 10⁵ and 10⁶ cells, with it 10⁷.
"""

from __future__ import annotations

import argparse
import os
import time
import tracemalloc

import numpy as np
from benchmark_diffusion import Table

from scaffoldsim.config import DEFAULTS
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.celltypes import CAUSES, HAZARDS
from scaffoldsim.model.lattice import SORT_EVERY, Lattice
from scaffoldsim.scaffold.grid import Grid

HOUR = 3600.0
TYPES = list(DEFAULTS["cell_types"])
SENESCENT = TYPES.index("senescent")
SLOPE = 20.0  # of the potential, half its range over half a period: about 40 of chemotaxis strength

# Goals, must and aim.
SPEED_GOAL, SPEEDUP_GOAL, MEMORY_GOAL = (8, 18), (1.7, 1.9), (100, 70)


class Tissue:
    """Cells at random in the pores of a gyroid of two periods, and what they may do."""

    def __init__(self, n_cells: int) -> None:
        edge = round((8 * n_cells) ** (1 / 3))
        angle = (np.arange(edge) * (4.0 * np.pi / edge)).astype(np.float32)
        y, z = np.ix_(angle, angle)
        solid = np.empty((edge,) * 3, bool)
        potential = np.empty((edge,) * 3, np.float32)
        for wall, pull, x in zip(solid, potential, angle, strict=True):
            gyroid = np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
            np.less(np.abs(gyroid), 0.3, out=wall)
            np.multiply(SLOPE, np.cos(y) * (1.0 + np.sin(x) * np.cos(z)), out=pull)
        grid = Grid((edge,) * 3, 20e-6, (True, True, True))
        self.lattice = Lattice(grid, solid, senescent=SENESCENT, threads=1)
        self.lattice.potential = potential
        self.cells = Cells(TYPES, CAUSES, hazards=HAZARDS, capacity=n_cells + n_cells // 8)
        free = np.flatnonzero(~solid)
        chosen = np.random.default_rng(1).permutation(free)[:n_cells]
        self.cells.append(n_cells, voxel=np.sort(chosen))
        self.lattice.place(self.cells)
        self.next = 1

    def set_rates(self) -> None:
        """About as many deaths as births, so that the number of cells stays."""
        cells = self.cells
        cells.hop, cells.divide, cells.arrest = 1.0 / HOUR, 0.01 / HOUR, 0.1
        cells.death = 0.0022 / HOUR
        cells.fate[:SENESCENT] = 0.0005 / HOUR
        still = cells.type == SENESCENT
        cells.divide[still], cells.hop[still] = 0.0, 0.0

    def step(self) -> tuple[float, float]:
        """Nanoseconds of a step per cell and sub-step, on the clock and of processors."""
        self.set_rates()
        n, start, worked = self.cells.n, time.perf_counter(), time.process_time()
        events = self.lattice.update(self.cells, HOUR, seed=1, step=self.next)
        self.next += 1
        updates = 1e-9 * n * events.substeps
        return (time.perf_counter() - start) / updates, (time.process_time() - worked) / updates


def nanoseconds(n_cells: int, threads: list[int], cycles: int) -> dict[int, tuple[float, float]]:
    """By threads: of a cell and sub-step from sorting to sorting, on the clock, of processors.

    Their numbers take turns, cycle by cycle in the same tissue, so that a busy hour meets all.
    """
    tissue = Tissue(n_cells)
    times: dict[int, list[list[tuple[float, float]]]] = {count: [] for count in threads}
    for _ in range(cycles):
        for count in threads:
            tissue.lattice.threads = count
            times[count].append([tissue.step() for _ in range(SORT_EVERY)])
    means = {count: np.mean(np.min(times[count], axis=0), axis=0) for count in threads}
    return {count: (float(clock), float(worked)) for count, (clock, worked) in means.items()}


def bytes_per_cell(n_cells: int) -> tuple[float, float]:
    """Bytes of the columns, and the most that an update takes beside them, per cell."""
    tracemalloc.start()
    tissue = Tissue(n_cells)
    columns = tissue.cells.nbytes / tissue.cells.capacity
    kept = tracemalloc.get_traced_memory()[0] - tissue.cells.nbytes
    beside = 0
    for _ in range(SORT_EVERY):
        tissue.set_rates()
        tracemalloc.reset_peak()
        tissue.lattice.update(tissue.cells, HOUR, seed=1, step=tissue.next)
        tissue.next += 1
        beside = max(beside, tracemalloc.get_traced_memory()[1] - kept - tissue.cells.nbytes)
    tracemalloc.stop()
    return columns, beside / n_cells


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true", help="10⁷ cells as well")
    parser.add_argument("--cells", type=int, nargs="+", metavar="N")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cycles", type=int, default=3, help="of 12 steps, the best counts")
    options = parser.parse_args()
    table = Table()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; 10 M/s are 100 ns")
    columns, beside = bytes_per_cell(min([100_000, *(options.cells or [])]))
    table.row(
        "memory of a cell",
        columns + beside,
        "B",
        MEMORY_GOAL,
        f"{columns:.0f} in columns, {beside:.1f} beside them at the most of a step",
    )
    for n in options.cells or [100_000, 1_000_000] + [10_000_000] * options.large:
        found = nanoseconds(n, options.threads, options.cycles if n < 5_000_000 else 1)
        for threads, (clock, worked) in found.items():
            table.row(
                f"cell updates, {n:.0e} cells, {threads} thread{'s' * (threads > 1)}",
                1e3 / clock / threads,
                "M/s/core",
                SPEED_GOAL,
                f"{clock:.1f} ns a cell and sub-step, {worked:.1f} ns of processors",
                least=True,
            )
        if {1, 2} <= set(found):
            table.row(
                f"two-thread speed-up, {n:.0e} cells",
                found[1][0] / found[2][0],
                "x",
                SPEEDUP_GOAL,
                least=True,
            )
    table.close()


if __name__ == "__main__":
    main()
