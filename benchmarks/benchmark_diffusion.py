"""The fields against the memory: solves in explicit sweeps, memory per voxel, a busy neighbour.

    python benchmarks/benchmark_diffusion.py [--large] [--sizes N ...] [--threads N ...]

A *sweep* is one explicit step of diffusion with a conductance per face (`stream.py`, 20 B per
voxel), compiled for this machine and timed beside each solve with as many voxels and threads; the
best so far counts. Next to it stands the solve as the time STREAM's triad takes for 20 B per voxel.
Mind that where a sweep lies in the cache (20 MB at 100³) it is faster than the triad, and the
solve, which holds more, counts more of them.

Oxygen: 0.2 mM at both z faces, x and y periodic, in an eighth of the pore voxels a cell. A cold
solve starts from nothing, a warm one from the field before 1 % of the cells moved; both are steady
states to 1e-6. A step of a run keeps the term of time, 1 h, as well. The linear field is like
VEGF: it decays with a half-life of 60 min and comes from cells of which 1 % move per step of 1 h.
What is timed is all that the model pays: float32 arrays come in, a float32 array is filled.

Without --large 100³ and 200³, sealed geometry at 100³; with it 300³ and sealed geometry at 200³.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from stream import MEGABYTES, SWEEP_BYTES, Stream, best

from scaffoldsim.solver.diffusion import ConvergenceError, Diffusion, Domain

Pore = NDArray[Any]
Field = NDArray[np.float32]

HOUR = 3600.0
VOXEL, OXYGEN_D, HALF_SATURATION, MEDIUM = 2e-5, 2e-9, 0.006, 0.2  # m, m2/s, mol/m3, mol/m3
UPTAKE = 98e-15 / HOUR / VOXEL**3  # mol/m3/s, one cell in a voxel (Pattappa 2011)
FACTOR_D, DECAY = 1e-10, np.log(2) / HOUR  # m2/s, 1/s: as configs/fields/vegf.yaml
SECRETION = 3e-15 / (24 * HOUR) / VOXEL**3  # g/m3/s, one cell in a voxel: 3 fg/d, likewise
SHARE, MOVED, OPENED = 0.125, 0.01, 0.001  # of pores hold a cell; of cells move; of walls open
PERIOD, FOAM_CELL = 50, 30  # voxels: 728 um pores in the gyroid, 600 um in the foam
CONTRAST = 1e-4  # diffusivity of a wall that lets a little through
PINHOLES = 2e-4  # of the wall voxels of a sealed foam

# Goals, must and aim; the first is a least value, the others greatest ones.
SWEEP_GOAL, SPEEDUP_GOAL = (0.7, 0.9), (1.6, 1.9)
WARM_GOAL, COLD_GOAL, SEALED_GOAL, LINEAR_GOAL = (50, 25), (150, 75), (800, 300), (60, 30)
MEMORY_GOAL = (80, 50)  # B per voxel, five fields
BUSY_LIMIT = 20  # times slower, as threads that spin while they wait were

# A neighbour that never waits, and ends by itself should this script be killed.
SPIN = "import time\nend = time.time() + 120\nwhile time.time() < end: pass"


class Table:
    """Prints rows with their goals, and counts what was missed."""

    def __init__(self) -> None:
        self.missed: dict[str, list[str]] = {"must": [], "aim": []}

    def row(
        self,
        name: str,
        value: float,
        unit: str,
        goal: tuple[float, ...] | None = None,
        note: str = "",
        *,
        least: bool = False,
    ) -> None:
        verdict = ""
        for kind, bound in zip(("must", "aim"), goal or (), strict=False):
            met = value >= bound if least else value <= bound
            verdict += f"  {kind} {bound:.3g} {'met' if met else 'MISSED'}"
            if not met:
                self.missed[kind].append(name)
        print(f"{name:62}{value:8.2f} {unit:9}{verdict:34} {note}".rstrip(), flush=True)

    def close(self) -> None:
        for kind, names in self.missed.items():
            print(f"\n{kind} missed by {len(names)} rows", *names, sep="\n  ")


# ------------------------------------------------------------------ geometry
def planes(n: int) -> Iterator[tuple[Field, Field]]:
    """Field of a gyroid and the length of its gradient per voxel, plane by plane.

    It is periodic in n voxels. No array of the whole box is made, so that memory can be measured.
    """
    turn = 2 * np.pi * max(1, round(n / PERIOD)) / n
    angle = ((np.arange(n) + 0.5) * turn).astype(np.float32)
    y, z = np.ix_(angle, angle)
    for x in angle:
        field = np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
        square = (np.cos(x) * np.cos(y) - np.sin(z) * np.sin(x)) ** 2
        square += (np.cos(y) * np.cos(z) - np.sin(x) * np.sin(y)) ** 2
        square += (np.cos(z) * np.cos(x) - np.sin(y) * np.sin(z)) ** 2
        yield field, np.sqrt(square) * np.float32(turn)


def network(n: int) -> Pore:
    """Pores of a gyroid network, 92 % of the box, all connected."""
    pore = np.empty((n, n, n), bool)
    for plane, (field, _) in zip(pore, planes(n), strict=True):
        np.greater(field, -1.25, out=plane)
    return pore


def sheet(n: int) -> Pore:
    """Pores of a gyroid sheet with walls of two voxels: two networks that never meet."""
    pore = np.empty((n, n, n), bool)
    for plane, (field, slope) in zip(pore, planes(n), strict=True):
        np.greater(np.abs(field), slope, out=plane)
    return pore


def foam(n: int) -> Pore:
    """Pores of a Voronoi foam: walls of one voxel, closed but for few pinholes, x and y closed."""
    rng = np.random.default_rng(7)
    empty = np.ones((n, n, n), bool)
    empty[tuple(rng.integers(0, n, (3, max(2, round((n / FOAM_CELL) ** 3)))))] = False
    nearest = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
    owner = np.ravel_multi_index(tuple(nearest), empty.shape)
    wall = np.zeros_like(empty)
    wall[0], wall[:, 0] = True, True
    for axis in range(3):
        low, high = ([slice(None)] * 3 for _ in range(2))
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        wall[tuple(low)] |= owner[tuple(low)] != owner[tuple(high)]
    pore: Pore = ~wall | (rng.random(wall.shape) < PINHOLES)
    return pore


def pockets(pore: Pore) -> str:
    """How much of the pores no path joins to a z face."""
    label, count = ndimage.label(pore)
    supplied = np.setdiff1d(label[:, :, [0, -1]], [0])
    share = np.count_nonzero(pore & ~np.isin(label, supplied)) / np.count_nonzero(pore)
    return f"sealed pockets: {count - len(supplied)}, {100 * share:.0f} % of the pores"


def leaky(pore: Pore) -> Field:
    """The same, but its walls let a little through."""
    return np.where(pore, 1, CONTRAST).astype(np.float32)


# ------------------------------------------------------------------- species
class Cells:
    """Voxels of the cells, and what they take up or give off."""

    def __init__(self, pore: Pore) -> None:
        self.rng = np.random.default_rng(0)
        self.shape = pore.shape
        self.free = np.flatnonzero(pore > 0.5)
        self.voxel = self.rng.choice(self.free, int(SHARE * len(self.free)), replace=False)

    def move(self) -> None:
        """Put 1 % of the cells elsewhere."""
        moved = self.rng.choice(len(self.voxel), max(1, int(MOVED * len(self.voxel))), False)
        self.voxel[moved] = self.rng.choice(self.free, len(moved))

    def rate(self, per_cell: float) -> Field:
        out = np.zeros(self.shape, np.float32)
        out.ravel()[self.voxel] = per_cell
        return out


def domain_of(pore: Pore, threads: int) -> Domain:
    return Domain(pore, voxel=VOXEL, periodic=(True, True, False), threads=threads)


def species(domain: Domain, diffusivity: float, medium: float) -> Diffusion:
    boundary: dict[str, Any] = {"x": "periodic", "y": "periodic", "z-": medium, "z+": medium}
    return Diffusion(domain, diffusivity=diffusivity, boundary=boundary)


class Oxygen:
    """Oxygen in a geometry: cold and warm steady state, and the step of a run."""

    def __init__(self, pore: Pore, threads: int) -> None:
        self.domain = domain_of(pore, threads)
        self.diffusion = species(self.domain, OXYGEN_D, MEDIUM)
        self.out, self.field = np.zeros(pore.shape, np.float32), np.zeros(pore.shape, np.float32)
        cells = Cells(pore)
        self.before = cells.rate(UPTAKE)
        cells.move()
        self.after = cells.rate(UPTAKE)
        self.cycles = 0

    def _solve(self, initial: Field | None, sink: Field, out: Field, **time: Any) -> None:
        self.cycles = self.diffusion.solve(
            initial, consumption=sink, half_saturation=HALF_SATURATION, out=out, **time
        ).cycles

    def cold(self) -> None:
        self._solve(None, self.before, self.field)

    def warm(self) -> None:
        self._solve(self.field, self.after, self.out)

    def step(self) -> None:
        self._solve(self.field, self.after, self.out, previous=self.field, dt=HOUR)


# ------------------------------------------------------------------- measures
class Benchmark:
    """The rows, all in sweeps of the same size on as many threads."""

    def __init__(self, stream: Stream, table: Table) -> None:
        self.stream, self.table = stream, table

    def solve(
        self, name: str, n: int, threads: int, seconds: float, goal: Any, note: str = ""
    ) -> float:
        """Print a solve; return its time in sweeps."""
        sweeps = seconds / self.stream.sweep(n, threads)
        streamed = seconds * self.stream.triad(threads) / (SWEEP_BYTES * n**3)
        label = f"{name}, {n}³, {threads} thread{'s' * (threads > 1)}"
        note = f"{streamed:6.1f} at STREAM  {seconds:7.3f} s  {note}"
        self.table.row(label, sweeps, "sweeps", goal, note)
        return sweeps

    def memory(self, n: int, threads: int) -> None:
        """Before anything large is made here: a child counts its parent's peak as its own."""
        for count in (1, 5):
            found = child("memory", n, threads, count)
            self.table.row(
                f"memory, {count} field{'s' * (count > 1)}, {n}³, {threads} threads",
                found["peak"] / n**3,
                "B/voxel",
                MEMORY_GOAL if count == 5 else None,
                f"at the peak; {found['resident'] / n**3:.1f} after the solves; "
                "pore, fields and one input included",
            )

    def sweeps(self, n: int, threads: int, goal: tuple[float, float] | None) -> None:
        megabytes = SWEEP_BYTES * n**3 / 1e6
        self.table.row(
            f"explicit sweep / triad, {n}³, {threads} thread{'s' * (threads > 1)}",
            self.stream.fraction(n, threads),
            "",
            goal,
            f"{megabytes:.0f} MB in {1e3 * self.stream.sweep(n, threads):.2f} ms; triad "
            f"{self.stream.triad(threads) / 1e9:.1f} GB/s, 3 x {self.stream.megabytes:g} MB",
            least=True,
        )

    def oxygen(self, n: int, threads: int) -> float:
        """Open pores; returns the seconds of the warm solve."""
        start = time.perf_counter()
        oxygen = Oxygen(network(n), threads)
        oxygen.cold()
        setup = time.perf_counter() - start
        cold = best(oxygen.cold, 4)
        note = f"{oxygen.cycles} cycles, {setup:.2f} s with all set up"
        self.solve("oxygen, cold", n, threads, cold, COLD_GOAL, note)
        warm = best(oxygen.warm, 15)
        sweeps = self.solve("oxygen, warm", n, threads, warm, WARM_GOAL, f"{oxygen.cycles} cycles")
        step = best(oxygen.step, 15)
        self.solve("oxygen, step of a run", n, threads, step, WARM_GOAL, f"{oxygen.cycles} cycles")
        explicit = 6 * OXYGEN_D * HOUR / VOXEL**2
        print(
            "    the same hour marched at PhysiCell's dt = 0.01 min: 6000 sweeps at the least "
            f"({6000 / sweeps:.0f} times a warm solve); explicit steps are stable up to h²/6D: "
            f"{explicit:.0f} sweeps ({explicit / sweeps:.0f} times)"
        )
        self.update(oxygen, n, threads)
        return warm

    def update(self, oxygen: Oxygen, n: int, threads: int) -> None:
        """Cost of a changed geometry: the first solve after it less the same solve again."""
        pore = network(n)
        inside = ndimage.binary_erosion(~pore, border_value=1)
        rim = np.flatnonzero(~pore & ~inside)
        count = max(1, int(OPENED * np.count_nonzero(~pore)))
        rim = np.random.default_rng(3).permutation(rim)
        costs = []
        for k in range(3):
            pore.ravel()[rim[k * count : (k + 1) * count]] = True
            start = time.perf_counter()
            oxygen.domain.update(pore)
            oxygen.warm()
            changed = time.perf_counter() - start
            costs.append(changed - best(oxygen.warm, 2))
        start = time.perf_counter()
        domain = domain_of(pore, threads)
        oxygen.diffusion = species(domain, OXYGEN_D, MEDIUM)
        oxygen.warm()
        rebuilt = time.perf_counter() - start - best(oxygen.warm, 2)
        self.solve("geometry update", n, threads, min(costs), None, f"{count} wall voxels opened")
        self.solve("geometry from scratch", n, threads, rebuilt, None)

    def linear(self, n: int, threads: int) -> None:
        """A factor that cells give off, after six hours of it."""
        pore = network(n)
        diffusion = species(domain_of(pore, threads), FACTOR_D, 0.0)
        field, out = np.zeros(pore.shape, np.float32), np.zeros(pore.shape, np.float32)
        terms: dict[str, Any] = {"decay": DECAY, "previous": field, "dt": HOUR, "out": out}
        for tolerance, goal in ((1e-6, LINEAR_GOAL), (1e-4, None)):
            field[...] = 0
            cells, times, cycles = Cells(pore), [], []
            for hour in range(8):
                cells.move()
                source = cells.rate(SECRETION)
                call = partial(diffusion.solve, source=source, tolerance=tolerance, **terms)
                cycles.append(call().cycles)
                if hour >= 6:
                    times.append(best(call, 8))
                field[...] = out
            self.solve(
                f"linear field, step of 1 h, {tolerance:g}",
                n,
                threads,
                statistics.mean(times),
                goal,
                f"{cycles[0]} cycles in the first hour, {cycles[-1]} now",
            )

    def sealed(self, name: str, pore: Pore, threads: int) -> None:
        oxygen, n = Oxygen(pore, threads), pore.shape[0]
        for kind, call in (("cold", oxygen.cold), ("warm", oxygen.warm), ("step", oxygen.step)):
            try:
                seconds, note = best(call, 4), f"{oxygen.cycles} cycles"
            except ConvergenceError as error:
                seconds, note = float("inf"), str(error)
            self.solve(f"{name}, {kind}", n, threads, seconds, SEALED_GOAL, note)

    def busy(self, n: int, threads: int, neighbours: int = 2) -> None:
        """Median times, quiet and beside processes that never wait."""
        oxygen = Oxygen(network(n), threads)
        oxygen.cold()
        sweep = self.stream.sweep_call(n, threads)
        quiet = median(oxygen.warm, 9), median(sweep, 400)
        processes = []
        try:
            for _ in range(neighbours):
                processes.append(subprocess.Popen([sys.executable, "-c", SPIN]))
            time.sleep(0.5)
            loud = median(oxygen.warm, 9), median(sweep, 400)
        finally:
            for process in processes:
                process.kill()
                process.wait()
        share = max(1.0, (threads + neighbours) / (os.cpu_count() or 1))
        self.table.row(
            f"{neighbours} busy neighbours, warm solve, {n}³, {threads} threads",
            loud[0] / quiet[0],
            "x quiet",
            (BUSY_LIMIT,),
            f"a fair share is {share:.1f}; the explicit sweep {loud[1] / quiet[1]:.2f}; "
            f"OMP_WAIT_POLICY={os.environ.get('OMP_WAIT_POLICY')}",
        )


def median(call: Callable[[], object], repeats: int) -> float:
    return statistics.median(best(call, 1) for _ in range(repeats))


# --------------------------------------------------------------------- memory
def child(*arguments: Any) -> dict[str, float]:
    """What this script prints when it measures in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def resident() -> float:
    """Bytes of this process in memory; NaN where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return float("nan")


def peak() -> float:
    unit = 1024 if sys.platform.startswith("linux") else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory(n: int, threads: int, count: int) -> dict[str, float]:
    """Bytes that `count` fields take: oxygen, then factors that cells give off."""

    def fields(n: int) -> list[Any]:
        pore = network(n)
        domain = domain_of(pore, threads)
        kept: list[Any] = [pore, domain]
        for number in range(count):
            solver = species(domain, *((FACTOR_D, 0.0) if number else (OXYGEN_D, MEDIUM)))
            field, rate = np.zeros(pore.shape, np.float32), np.zeros(pore.shape, np.float32)
            rng = np.random.default_rng(number)
            for plane, open_ in zip(rate, pore, strict=True):
                plane[open_ & (rng.random(plane.shape) < SHARE)] = SECRETION if number else UPTAKE
            terms: dict[str, Any] = {"consumption": rate, "half_saturation": HALF_SATURATION}
            if number:
                terms = {"source": rate, "decay": DECAY}
            out = np.zeros_like(field)
            solver.solve(field, previous=field, dt=HOUR, out=out, **terms)
            kept += [solver, out]
        return kept

    fields(20)
    before, before_peak = resident(), peak()
    kept = fields(n)
    found = {"peak": peak() - before_peak, "resident": resident() - before}
    kept.clear()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true", help="300³, sealed geometry at 200³")
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--megabytes", type=float, default=MEGABYTES, help="an array of the triad")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(memory(*map(int, options.child[1:]))))
        return
    sizes = options.sizes or [100, 200] + [300] * options.large
    threads, most, table = options.threads, max(options.threads), Table()
    print(
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; of a solve: sweeps, its time as "
        f"that of {SWEEP_BYTES} B per voxel at STREAM's speed, seconds"
    )
    benchmark = Benchmark(Stream(options.megabytes), table)
    benchmark.memory(min(200, max(sizes)), most)
    stream = benchmark.stream
    for n in sizes:
        warm = {}
        for count in threads:
            benchmark.sweeps(n, count, SWEEP_GOAL if count == most else None)
            warm[count] = benchmark.oxygen(n, count)
            benchmark.linear(n, count)
        if {1, 2} <= set(warm):
            table.row(
                f"two-thread speed-up, warm solve, {n}³",
                warm[1] / warm[2],
                "x",
                SPEEDUP_GOAL,
                f"the triad's {stream.triad(2) / stream.triad(1):.2f}, the explicit sweep's "
                f"{stream.sweep(n, 1) / stream.sweep(n, 2):.2f}",
                least=True,
            )
    for n in dict.fromkeys(min(limit, max(sizes)) for limit in [100] + [200] * options.large):
        walls = foam(n)
        print(f"foam of closed cells with pinholes, {n}³: {pockets(walls)}")
        benchmark.sealed("foam of closed cells with pinholes", walls, most)
        benchmark.sealed("gyroid sheet with walls of two voxels", sheet(n), most)
        benchmark.sealed("foam, walls of 1e-4", leaky(walls), most)
        benchmark.sealed("gyroid, walls of 1e-4", leaky(network(n)), most)
    benchmark.busy(min(100, max(sizes)), most)
    table.close()


if __name__ == "__main__":
    main()
