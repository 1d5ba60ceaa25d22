"""Speed of the lattice: million cell updates per second and sub-step, all events on.

``python benchmarks/benchmark_lattice.py`` prints one line per number of cells and threads. The
tissue is a sheet gyroid with an eighth of its box filled, so that a million cells stand in 200^3
voxels; steps of 1 h with four sub-steps. Goal: 8 per core (aim 18), 1.7 times that on two.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from scaffoldsim.model.cells import Cells
from scaffoldsim.model.lattice import Lattice
from scaffoldsim.scaffold.grid import Grid

HOUR = 3600.0


def tissue(n_cells: int, threads: int) -> tuple[Lattice, Cells]:
    """Cells at random in the pores of a gyroid of two periods."""
    edge = round((8 * n_cells) ** (1 / 3))
    x, y, z = (np.indices((edge,) * 3, dtype=np.float32) * np.float32(4.0 * np.pi / edge))[:]
    gyroid = np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
    solid = np.abs(gyroid) < 0.3
    grid = Grid((edge,) * 3, 20e-6, (True, True, True))
    lattice = Lattice(grid, solid, threads=threads)
    cells = Cells(["bmsc", "osteoblast", "adipocyte"], ["basal", "ischaemic", "lifespan"])
    free = np.flatnonzero(~solid)
    chosen = np.random.default_rng(1).permutation(free)[:n_cells]
    cells.append(n_cells, voxel=np.sort(chosen))
    return lattice, cells


def measure(n_cells: int, threads: int, steps: int) -> tuple[float, float]:
    """Median of million cell updates per second and sub-step, and bytes per cell."""
    lattice, cells = tissue(n_cells, threads)
    speeds = []
    for step in range(steps):
        cells.hop = 1.0 / HOUR
        cells.divide = 0.01 / HOUR
        cells.death = 0.001 / HOUR
        cells.fate = 0.001 / HOUR
        n, start = cells.n, time.perf_counter()
        events = lattice.update(cells, HOUR, seed=1, step=step)
        speeds.append(n * events.substeps / (time.perf_counter() - start) / 1e6)
    # want, outcome and event: what a step needs besides the columns
    return float(np.median(speeds)), cells.nbytes / cells.capacity + 6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    print("  cells  threads  Mcells/s  times one thread  bytes/cell")
    for n_cells in options.cells:
        one = None
        for threads in options.threads:
            speed, size = measure(n_cells, threads, options.steps)
            one = one or speed
            print(f"{n_cells:7d}  {threads:7d}  {speed:8.1f}  {speed / one:16.2f}  {size:10.0f}")


if __name__ == "__main__":
    main()
