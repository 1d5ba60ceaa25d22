"""Cost of the tissue per step: matrix laid, mineralised, resorbed and answered.

    python benchmarks/benchmark_tissue.py [--large] [--sizes N ...] [--threads N ...] [--repeats N]

A sheet gyroid of two periods per 100 voxels, in an eighth of a periodic box. On its surfaces lies
matrix, in a tenth of the voxels, and a tenth of the voxels holds an osteoblast, next to it. A step
is 1 h; the best of the repeats counts, since a busy machine only ever adds to it. *In culture*
nothing is resorbed; *in a host* all bone is within reach of a supply. Without --large 100³, with it
200³ as well.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import numpy as np
from benchmark_diffusion import Table
from numpy.typing import NDArray
from scipy import ndimage

from scaffoldsim.config import read_entry
from scaffoldsim.model.matrix import Matrix
from scaffoldsim.scaffold.grid import Grid

HOUR, DAY, UM = 3600.0, 86400.0, 1e-6
VOXEL, SHARE = 20e-6, 0.1  # m; of voxels that hold matrix, and of those with an osteoblast

# Greatest milliseconds of a step in culture on two threads, must and aim.
GOALS = {100: (6, 3), 200: (50, 25)}


class Tissue:
    """A scaffold, the matrix on it and the osteoblasts that go on with it."""

    def __init__(self, n: int) -> None:
        angle = (np.arange(n) * (4.0 * np.pi / 100)).astype(np.float32)
        x, y, z = np.ix_(angle, angle, angle)
        height = np.abs(np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x))
        order = np.argpartition(height.ravel(), [n**3 // 8, n**3 // 8 + int(SHARE * n**3)])
        solid, covered = n**3 // 8, int(SHARE * n**3)
        self.scaffold = np.zeros((n, n, n), np.float32)
        self.scaffold.ravel()[order[:solid]] = 1.0
        self.grid = Grid((n, n, n), VOXEL, (True, True, True))
        self.matrix = Matrix(
            self.grid,
            read_entry("tissues", "bone"),
            deposition=1000 * UM**3 / DAY,
            mineralisation_time=10 * DAY,
            threads=1,
        )
        rng = np.random.default_rng(1)
        where = order[solid : solid + covered]
        for array in (*self.matrix.osteoid, self.matrix.mineral, self.matrix.answering):
            array.ravel()[where] = rng.uniform(0.0, 0.2, covered)
        self.matrix.begin()
        taken = (self.scaffold > 0) | (self.matrix.covered > 0.5)
        reach = ndimage.distance_transform_cdt(~taken, "taxicab").ravel()
        free = np.flatnonzero(reach > 0)
        nearest = free[np.argsort(reach[free], kind="stable")[: int(SHARE * n**3)]]
        self.osteoblasts = np.sort(nearest).astype(np.int32)
        self.occupied = np.zeros(n**3, np.uint8)
        self.supplied = np.ones((n, n, n), bool)
        self.open = (~taken).ravel()
        self.next = 0

    def advance(self, supplied: NDArray[np.bool_] | None) -> None:
        self.matrix.advance(
            HOUR,
            scaffold=self.scaffold,
            osteoblasts=self.osteoblasts,
            output=1.0,
            occupied=self.occupied,
            supplied=supplied,
        )

    def recruits(self) -> None:
        self.matrix.recruits(HOUR, 1e14, seed=1, step=self.next, open_=self.open)
        self.next += 1


def milliseconds(work: Callable[[], None], repeats: int) -> float:
    """The best of some calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return min(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true", help="200³ as well")
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=8)
    options = parser.parse_args()
    table = Table()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for n in options.sizes or [100] + [200] * options.large:
        tissue = Tissue(n)
        for threads in options.threads:
            tissue.matrix.threads = threads
            name = f"{n}³, {threads} thread{'s' * (threads > 1)}"
            goal = GOALS.get(n) if threads == 2 else None
            for words, work, limit in (
                ("matrix in culture", lambda t=tissue: t.advance(None), goal),
                ("matrix in a host", lambda t=tissue: t.advance(t.supplied), None),
                ("recruits", tissue.recruits, None),
            ):
                table.row(f"{words}, {name}", milliseconds(work, options.repeats), "ms", limit)
        print(f"gap of the books {tissue.matrix.gap:.1e}")
    table.close()


if __name__ == "__main__":
    main()
