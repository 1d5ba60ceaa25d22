"""Oxygen in a 92 % gyroid: cycles and time of a solve, in explicit sweeps measured beside it.

    python benchmarks/benchmark_diffusion.py [--sizes 80 100] [--threads N]

A warm solve starts from the field of the hour before, after 1 % of the cells have moved. The
sweep is one red-black Gauss-Seidel sweep of the same kernel in single precision: it reads the
field and two coefficients and writes the field, as an explicit 7-point step does.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

from scaffoldsim.solver.diffusion import Diffusion, Domain

VOXEL, DIFFUSIVITY, HALF_SATURATION = 2e-5, 2e-9, 0.006  # m, m2/s, mol/m3: oxygen
UPTAKE = 98e-15 / 3600 / VOXEL**3  # mol/m3/s, one cell in a voxel
SHARE = 0.125  # of the pore voxels hold a cell


def gyroid(n: int) -> np.ndarray:
    a = (np.arange(n) + 0.5) * 4 * np.pi / n
    x, y, z = a[:, None, None], a[None, :, None], a[None, None, :]
    return np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x) > -1.25


def best(call, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(n: int, threads: int) -> str:
    rng = np.random.default_rng(0)
    pore = gyroid(n)
    free = np.flatnonzero(pore)
    cells = rng.choice(free, int(SHARE * len(free)), replace=False)

    def uptake() -> np.ndarray:
        out = np.zeros(pore.size, np.float32)
        out[cells] = UPTAKE
        return out.reshape(pore.shape)

    start = time.perf_counter()
    model = Diffusion(
        Domain(pore, voxel=VOXEL, periodic=(True, True, False), threads=threads),
        diffusivity=DIFFUSIVITY,
        boundary={"x": "periodic", "y": "periodic", "z-": 0.2, "z+": 0.2},
    )
    setup = time.perf_counter() - start
    kernel = model._grid.kernel

    def solve(initial):
        return model.solve(initial, consumption=field, half_saturation=HALF_SATURATION)

    field = uptake()
    cold = solve(None)
    cold_time = best(lambda: solve(None), 2)
    moved = rng.choice(len(cells), len(cells) // 100, replace=False)
    cells[moved] = rng.choice(free, len(moved))
    field = uptake()
    warm = solve(cold.value)
    warm_time = best(lambda: solve(cold.value), 5)
    sweep = best(kernel.sweep, 10)
    return (
        f"{n:4d}^3  threads {threads}  setup {setup:6.2f} s  sweep {1e3 * sweep:7.2f} ms  "
        f"cold {cold.cycles:2d} cycles {cold_time:7.3f} s = {cold_time / sweep:5.0f} sweeps  "
        f"warm {warm.cycles:2d} cycles {warm_time:7.3f} s = {warm_time / sweep:5.0f} sweeps"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[40, 80])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    for n in options.sizes:
        print(measure(n, options.threads), flush=True)


if __name__ == "__main__":
    main()
