"""Local thickness and design: seconds, and megavoxels per second and core.

    python benchmarks/benchmark_thickness.py [--large] [--threads N]

Compared with porespy's default (`porespy.filters.local_thickness`) where that is installed, on the
same volume and under the same load; the project does not depend on it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from scaffoldsim.scaffold.design import unit_cell
from scaffoldsim.scaffold.families import get_family
from scaffoldsim.scaffold.grid import Grid
from scaffoldsim.scaffold.implicit import Implicit
from scaffoldsim.scaffold.morphometry import local_thickness
from scaffoldsim.scaffold.scaffold import Scaffold

T = TypeVar("T")
VOXEL = 20e-6


def timed(work: Callable[[], T]) -> tuple[T, float, float]:
    """Result, seconds on the wall, seconds of all cores."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def row(what: str, wall: float, cpu: float, voxels: int, note: str = "") -> None:
    print(f"{what:44}{wall:9.2f} s {cpu:9.2f} cpu-s {voxels / cpu / 1e6:9.2f} Mvoxel/cpu-s  {note}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="200³ as well as 100³")
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    for n in (100, 200) if options.large else (100,):
        for name in ("gyroid_net", "gyroid_sheet"):
            period = 600e-6 / unit_cell(name, 0.92).pore
            implicit = Implicit(get_family(name), Grid((n, n, n), VOXEL), (period,) * 3)
            values = implicit.values()
            pore = values >= np.quantile(values, 0.08)
            sizes, wall, cpu = timed(
                lambda pore=pore: local_thickness(pore, voxel=VOXEL, threads=options.threads)
            )
            ours = cpu
            row(
                f"local_thickness {name} {n}³",
                wall,
                cpu,
                pore.size,
                f"{sizes[pore].mean() * 1e6:.1f} um",
            )
            try:
                from porespy.filters import local_thickness as theirs
            except ImportError:
                pass
            else:
                _, wall, cpu = timed(lambda pore=pore: theirs(pore))
                row(
                    f"porespy default {name} {n}³",
                    wall,
                    cpu,
                    pore.size,
                    f"{cpu / ours:.1f} times ours",
                )
            unit_cell.cache_clear()
            edge = max(n * VOXEL, 2 * period)
            scaffold, wall, cpu = timed(
                lambda name=name, edge=edge: Scaffold.design(
                    name,
                    porosity=0.92,
                    pore_size=600e-6,
                    size=edge,
                    voxel=VOXEL,
                    threads=options.threads,
                )
            )
            row(
                f"Scaffold.design {name} {scaffold.grid.shape[0]}³",
                wall,
                cpu,
                scaffold.grid.n_voxels,
            )
            measured, wall, cpu = timed(lambda s=scaffold: s.measure(options.threads))
            row(
                "  .measure()",
                wall,
                cpu,
                scaffold.grid.n_voxels,
                f"{measured.pore_size_mean_um:.1f} um",
            )


if __name__ == "__main__":
    main()
