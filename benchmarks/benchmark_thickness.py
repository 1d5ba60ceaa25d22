"""Local thickness against porespy's default: CPU and wall seconds as ratios, and peak memory.

    python benchmarks/benchmark_thickness.py [--large] [--threads N ...] [--porespy PYTHON]

The project does not depend on porespy. Where it is installed, or a PYTHON that has it is named, its
``filters.local_thickness`` measures the same volumes, ours before and after it, so that both meet
the same load. Each measurement is a process of its own that has warmed up on a small volume
(porespy compiles then); its peak memory is that of the work, above what was there with the volume
loaded. The aim is 10 times porespy's speed, and at least 4 times. Say the version beside a ratio:
the default of porespy 3.2.0 takes half to a quarter of the time of that of 2.4.3. It finds whole
radii, that of 2.4.3 25 sizes; ours are exact.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

VOXEL, PORE = 20e-6, 600e-6  # m
FAMILIES = {"gyroid_net": 0.92, "gyroid_sheet": 0.92, "voronoi_foam": 0.90}  # porosity
UNIT = 1024 if sys.platform.startswith("linux") else 1  # of ru_maxrss, bytes


def measured(work: Callable[[], object], warm_up: Callable[[], object]) -> dict[str, float]:
    """Seconds on the wall and of all cores, and bytes at the peak above those before."""
    warm_up()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"wall": wall, "cpu": cpu, "bytes": (peak - before) * UNIT}


def child(script: str, *arguments: str, python: str = sys.executable) -> dict[str, float] | None:
    """What the script prints when it runs in a process of its own; None if it cannot measure."""
    done = subprocess.run(
        [python, script, *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, float] | None = json.loads(done.stdout)
    return found


def thickness(who: str, file: str, threads: int) -> dict[str, float] | None:
    """Measure one way to find the local thickness of the pores in a file."""
    pore = np.load(file)
    small = np.ascontiguousarray(pore[:40, :40, :40])
    if who == "porespy":
        try:
            import numba
            from porespy import settings
            from porespy.filters import local_thickness as theirs
        except ImportError:
            return None
        settings.tqdm["disable"] = True
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        return measured(lambda: theirs(pore), lambda: theirs(small))
    from scaffoldsim.scaffold.thickness import local_thickness as ours

    return measured(
        lambda: ours(pore, voxel=VOXEL, threads=threads),
        lambda: ours(small, voxel=VOXEL, threads=threads),
    )


def volume(file: str, n: int) -> None:
    """Write the pores of n³ voxels of the family that the file is named after.

    In a process of its own as well: on Linux a child counts what its parent held as its own peak.
    """
    from scaffoldsim.scaffold.families import get_family
    from scaffoldsim.scaffold.feasibility import level_of, unit_cell
    from scaffoldsim.scaffold.grid import Grid
    from scaffoldsim.scaffold.implicit import Implicit

    family = get_family(Path(file).stem)
    porosity = FAMILIES[family.name]
    edge = PORE / unit_cell(family, porosity).pore
    values = Implicit(family, Grid((n, n, n), VOXEL), (edge,) * 3).values()
    np.save(file, values >= level_of(values, porosity), allow_pickle=False)


def compare(family: str, n: int, threads: int, file: str, porespy: str) -> str:
    """One row: the ratios first."""
    ours = child(__file__, "--child", "ours", file, str(threads))
    theirs = child(__file__, "--child", "porespy", file, str(threads), python=porespy)
    again = child(__file__, "--child", "ours", file, str(threads))
    assert ours is not None
    assert again is not None
    ours = {key: (ours[key] + again[key]) / 2 for key in ours}
    name = f"{family} {n}³, {threads} thread{'s' * (threads > 1)}"
    row = f"{ours['cpu']:7.2f} cpu-s {ours['wall']:7.2f} s {ours['bytes'] / n**3:5.1f} B/voxel"
    if theirs is None:
        return f"{name:32}{'no porespy':24}  ours {row}"
    ratios = f"{theirs['cpu'] / ours['cpu']:6.1f} x cpu {theirs['wall'] / ours['wall']:6.1f} x wall"
    return (
        f"{name:32}{ratios:24}  ours {row}  porespy {theirs['cpu']:7.2f} cpu-s "
        f"{theirs['wall']:7.2f} s {theirs['bytes'] / n**3:5.1f} B/voxel"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="200³ in place of 100³")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--porespy", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        who, file, number = options.child
        if who == "volume":
            volume(file, int(number))
        print(json.dumps(None if who == "volume" else thickness(who, file, int(number))))
        return
    n = 200 if options.large else 100
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; porespy's seconds / ours")
    with tempfile.TemporaryDirectory() as folder:
        for family in FAMILIES:
            file = str(Path(folder) / f"{family}.npy")
            child(__file__, "--child", "volume", file, str(n))
            for threads in options.threads:
                print(compare(family, n, threads, file, options.porespy), flush=True)


if __name__ == "__main__":
    main()
