"""Speed of the memory, and of one explicit sweep of diffusion, as a fraction of it.

    python benchmarks/stream.py [--large] [--sizes N ...] [--threads N ...] [--megabytes MB]

The triad runs on three arrays far larger than any cache; a sweep of 100³ voxels (20 MB) may lie in
a cache, and is then faster than the triad. Goal for the sweep: 0.7 of the triad (aim 0.9).

Source: McCalpin, "Memory bandwidth and machine balance in current high performance computers"
(1995); recalled.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Sets OMP_WAIT_POLICY before the OpenMP library is loaded, so that all here wait in the same way.
import scaffoldsim  # noqa: F401

MEGABYTES = 400  # of one array of the triad
ENOUGH = 15.0  # s
SWEEP_BYTES = 20  # per voxel: three conductances and c read, c written
FAR = 64e6  # bytes; arrays that take more do not lie in a cache
FLAGS = ["-O3", "-march=native", "-fopenmp", "-shared", "-fPIC"]

# Arrays are filled by the threads that will read them, so that each page lies near its thread.
SOURCE = r"""
#include <stddef.h>

void fill(double *a, double value, ptrdiff_t n, int threads)
{
#pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < n; i++)
        a[i] = value;
}

/* 24 B per element: b and c are read, a is written */
void triad(double *restrict a, const double *restrict b, const double *restrict c, double s,
           ptrdiff_t n, int threads)
{
#pragma omp parallel for num_threads(threads) schedule(static)
    for (ptrdiff_t i = 0; i < n; i++)
        a[i] = b[i] + s * c[i];
}

/* n voxels of a row, in one step of dc/dt = div(k grad c) - decay c; X[i] is the conductance of the
 * face between voxel i and the one before it along x. */
static inline __attribute__((always_inline)) void
step(float *restrict O, const float *C, const float *X, const float *Y, const float *Z, float dt,
     float decay, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const float along_x =
            X[i] * (C[i - plane] - C[i]) + X[i + plane] * (C[i + plane] - C[i]);
        const float along_y = Y[i] * (C[i - row] - C[i]) + Y[i + row] * (C[i + row] - C[i]);
        const float along_z = Z[i] * (C[i - 1] - C[i]) + Z[i + 1] * (C[i + 1] - C[i]);
        O[i] = C[i] + dt * (along_x + along_y + along_z - decay * C[i]);
    }
}

/* The same on nx * ny * nz voxels inside a halo of one. 20 B per voxel: kx, ky, kz and c are read,
 * out is written. Each of these streams ends at every page for the prefetcher of the processor, so
 * where they come from memory (far) they are asked for AHEAD of their use, a STRIP at a time. */
#define STRIP 64
#define AHEAD 512
#define ASK(P) __builtin_prefetch((P) + i + j + AHEAD, 0, 2)
void sweep(float *restrict out, const float *restrict c, const float *restrict kx,
           const float *restrict ky, const float *restrict kz, float dt, float decay,
           int nx, int ny, int nz, int far, int threads)
{
    const ptrdiff_t row = nz + 2, plane = row * (ny + 2);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int x = 1; x <= nx; x++)
        for (int y = 1; y <= ny; y++) {
            const ptrdiff_t at = x * plane + y * row + 1;
            const float *C = c + at, *X = kx + at, *Y = ky + at, *Z = kz + at;
            float *O = out + at;
            ptrdiff_t i = 0;
            for (; far && i + STRIP <= nz; i += STRIP) {
                for (ptrdiff_t j = 0; j < STRIP; j += 16) {
                    ASK(C + plane);
                    ASK(X + plane);
                    ASK(Y + row);
                    ASK(Z);
                    ASK(O);
                }
                step(O + i, C + i, X + i, Y + i, Z + i, dt, decay, plane, row, STRIP);
            }
            step(O + i, C + i, X + i, Y + i, Z + i, dt, decay, plane, row, nz - i);
        }
}
"""


def best(call: Callable[[], object], repeats: int) -> float:
    """Shortest of several times, s: what the machine can do when nobody interferes.

    What takes long is not repeated once `ENOUGH` seconds are spent.
    """
    times: list[float] = []
    while len(times) < repeats and sum(times) < ENOUGH:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


class Stream:
    """`SOURCE`, compiled for this machine by the compiler that CC names (cc by default)."""

    def __init__(self, megabytes: float = MEGABYTES) -> None:
        self.megabytes = megabytes
        self._sweeps: dict[tuple[int, int], float] = {}
        self._triads: dict[int, float] = {}
        self._arrays: list[NDArray[np.float32]] = []
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "stream.so"
            compiler = shlex.split(os.environ.get("CC", "cc"))
            command = [*compiler, *FLAGS, "-x", "c", "-", "-o", str(file)]
            subprocess.run(command, input=SOURCE, text=True, check=True)
            self._code = ctypes.CDLL(str(file))

    def triad(self, threads: int, *, anew: bool = False) -> float:
        """Bytes per second of STREAM's triad, the best of ten; timed once, or `anew`."""
        if anew or threads not in self._triads:
            n = int(self.megabytes * 1e6) // 8
            size, count = ctypes.c_ssize_t(n), ctypes.c_int(threads)
            arrays = [np.empty(n) for _ in range(3)]
            for array in arrays:
                self._code.fill(_pointer(array), ctypes.c_double(1), size, count)
            pointers = [_pointer(array) for array in arrays]
            half = ctypes.c_double(0.5)
            seconds = best(lambda: self._code.triad(*pointers, half, size, count), 10)
            self._triads[threads] = 24 * n / seconds
        return self._triads[threads]

    def step(
        self,
        out: NDArray[np.float32],
        c: NDArray[np.float32],
        conductance: list[NDArray[np.float32]],
        dt: float,
        decay: float,
        threads: int,
    ) -> None:
        """One explicit step of `c` into `out`; all arrays have a halo of one voxel."""
        edges = [ctypes.c_int(n - 2) for n in c.shape]
        self._code.sweep(
            *(_pointer(array) for array in (out, c, *conductance)),
            ctypes.c_float(dt),
            ctypes.c_float(decay),
            *edges,
            ctypes.c_int(5 * c.nbytes > FAR),
            ctypes.c_int(threads),
        )

    def sweep_call(self, n: int, threads: int) -> Callable[[], None]:
        """An explicit sweep of n³ voxels, ready to be timed."""
        shape = (n + 2,) * 3
        if not self._arrays or self._arrays[0].shape != shape:
            self._arrays = []  # gone before there are others
            self._arrays = [np.empty(shape, np.float32) for _ in range(5)]
            for array in self._arrays:
                # Two floats of one: what they hold is of no matter, only who touches them first.
                self._code.fill(
                    _pointer(array),
                    ctypes.c_double(0),
                    ctypes.c_ssize_t(array.nbytes // 8),
                    ctypes.c_int(threads),
                )
                array[...] = 1.0
        out, c, *conductance = self._arrays
        return lambda: self.step(out, c, conductance, 0.1, 0.0, threads)

    def sweep(self, n: int, threads: int) -> float:
        """Seconds of one explicit sweep of n³ voxels, the best of all that were timed so far.

        Six are timed in each call, so that the sweep meets the load that a solve beside it meets.
        """
        known = self._sweeps.get((n, threads), math.inf)
        self._sweeps[n, threads] = min(known, best(self.sweep_call(n, threads), 6))
        return self._sweeps[n, threads]

    def fraction(self, n: int, threads: int) -> float:
        """Speed of a sweep as a fraction of the triad's, both in bytes per second.

        They are timed one after the other: on a shared machine the memory may be half as fast a
        minute later.
        """
        return SWEEP_BYTES * n**3 / self.sweep(n, threads) / self.triad(threads, anew=True)


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="300³ as well")
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--megabytes", type=float, default=MEGABYTES)
    options = parser.parse_args()
    sizes = options.sizes or [100, 200] + [300] * options.large
    stream = Stream(options.megabytes)
    for threads in options.threads:
        print(
            f"triad, 3 arrays of {options.megabytes:g} MB, {threads} threads: "
            f"{stream.triad(threads) / 1e9:.1f} GB/s"
        )
        for n in sizes:
            print(
                f"  sweep {n}³ ({SWEEP_BYTES * n**3 / 1e6:.0f} MB): "
                f"{1e3 * stream.sweep(n, threads):.2f} ms, "
                f"{stream.fraction(n, threads):.2f} of the triad, "
                f"{stream.triad(threads) / 1e9:.1f} GB/s beside it"
            )


if __name__ == "__main__":
    main()
