"""The diffusion tests of the PerMedCoE community benchmark, beside the exact discrete solution.

    python benchmarks/benchmark_permedcoe.py [--large] [--steps MIN ...]

*One sink*: a cube of 60 um in 27 voxels, 10 uM on its boundary, none inside at first, D 2000
um2/min, the cell in the middle takes up 20 uM/min for 10 min. *1000 sinks*: a box of 240 um in 12³
voxels, a cell in each of the 10³ inner ones; of it the mean concentration and the amount consumed
are asked for. The benchmark steps by 0.01 min.

Our curve is backward Euler with `Diffusion.solve`. Exact means the same voxels, an ordinary
differential equation each, assembled here on its own and integrated to 1e-10 of the boundary's
concentration by SciPy's Radau (of the 1000 sinks one octant, which is the same by symmetry). What
is between the two is the step in time, of first order, and the tolerance of the solver.

The specification leaves open, and where it matters both readings are computed:

- The boundary is that "of a cube of edge length 60 um": the outer *faces*, half a voxel from the
  outer centres. "Each source-voxel produces 10 uM" makes it the outer *voxels*, held themselves.
- The uptake is 20 uM/0.01 min beside the equation and 20 uM/min in the list (Chaste's entry takes
  the former, 2000 uM/min). The list's is ours; both are computed.
- The law is a constant rate, which would carry an empty voxel below zero: it stops there, as
  c/(Km + c) with Km 1e-6 mM does. BioFVM's rate is proportional to c; with the same uptake at 10 uM
  that is 2/min.
- The amount consumed is written as a sum of c, which is the amount that is there. Consumed is the
  time integral of the uptake; what is there is the mean.

Source: PerMedCoE community benchmarks, "Appendix 1: Unit tests and use cases description",
github.com/PerMedCoE/observatory_benchmark, and github.com/Chaste/PerMedCoE, both read; BioFVM's
law (Ghaffarizadeh 2016), recalled.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.integrate import solve_ivp

from scaffoldsim.solver.diffusion import Diffusion, Domain

Array = NDArray[np.float64]

MINUTE, MICROMOLAR = 60.0, 1e-3  # s; mol/m3
VOXEL, DIFFUSIVITY, HELD = 2e-5, 2000e-12 / MINUTE, 10 * MICROMOLAR  # m, m2/s, mol/m3
LINK = DIFFUSIVITY / VOXEL**2  # 1/s, between two voxels
HALF_SATURATION = 1e-6  # mol/m3: 1e-6 mM, a constant rate down to nothing
END = 10.0  # min
TIMES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # min, those of the table
FEMTOMOLE = 1e-15
EXACT = 1e-10  # of HELD


@dataclass(frozen=True)
class Case:
    """One reading of one test."""

    name: str
    edge: int  # voxels
    faces: bool  # held are the outer faces, not the outer voxels
    uptake: float  # mol/m3/s, at a constant rate
    first_order: bool = False  # proportional to c, the same at HELD

    @property
    def sink(self) -> NDArray[np.bool_]:
        """Voxels with a cell: all but the outer ones."""
        inner = np.zeros((self.edge,) * 3, bool)
        inner[1:-1, 1:-1, 1:-1] = True
        return inner

    @property
    def decay(self) -> float:
        """1/s, of the uptake in proportion to c."""
        return self.uptake / HELD

    def rate(self, c: Any) -> Any:
        """Uptake of a cell at c, mol/m3/s."""
        return self.decay * c if self.first_order else self.uptake * c / (HALF_SATURATION + c)

    def slope(self, c: Any) -> Any:
        """Derivative of `rate`, 1/s."""
        if self.first_order:
            return np.full_like(c, self.decay)
        return self.uptake * HALF_SATURATION / (HALF_SATURATION + c) ** 2


@dataclass(frozen=True)
class Curve:
    """What the benchmark asks for, at each time of TIMES."""

    middle: Array  # uM, in the voxel in the middle (at an even edge one of the eight)
    mean: Array  # uM, over all voxels
    consumed: Array  # fmol, since the start


# ----------------------------------------------------------------------- ours
def ours(case: Case, step: float, times: tuple[float, ...] = TIMES) -> Curve:
    """Backward Euler by the solver, steps of `step` minutes."""
    shape = (case.edge,) * 3
    domain = Domain(np.ones(shape, bool), voxel=VOXEL)
    names = [axis + side for axis in "xyz" for side in "-+"] if case.faces else []
    model = Diffusion(domain, diffusivity=DIFFUSIVITY, boundary=dict.fromkeys(names, HELD))
    terms: dict[str, Any] = {"dt": step * MINUTE}
    c = np.zeros(shape)
    if not case.faces:
        terms["fixed"] = np.where(case.sink, np.nan, HELD)
    if case.first_order:
        terms["decay"] = np.where(case.sink, case.decay, 0.0)
    else:
        terms["consumption"] = np.where(case.sink, case.uptake, 0.0)
        terms["half_saturation"] = HALF_SATURATION
    half, consumed, rows = case.edge // 2, 0.0, []
    at = {round(t / step) for t in times}
    for number in range(1, max(at) + 1):
        c = model.solve(previous=c, **terms).value
        consumed += step * MINUTE * VOXEL**3 * float(case.rate(c[case.sink]).sum())
        if number in at:
            rows.append((c[half, half, half], c.mean(), consumed))
    middle, mean, amount = np.array(rows).T
    return Curve(middle / MICROMOLAR, mean / MICROMOLAR, amount / FEMTOMOLE)


# ---------------------------------------------------------------------- exact
def line(n: int, at_face: bool, mirrored: bool) -> tuple[Any, Array]:
    """Diffusion between n voxels in a row: matrix, and what comes in from HELD, in units of LINK.

    The first end is held at the face (half a voxel away) or in the voxel before it; so is the last,
    or there the row is mirrored.
    """
    held = 2 if at_face else 1
    diagonal, inflow = np.full(n, -2.0), np.zeros(n)
    for end in [0] if mirrored else [0, n - 1]:
        diagonal[end] += 1 - held
        inflow[end] += held
    diagonal[n - 1] += mirrored
    side = np.ones(n - 1)
    return sparse.diags([side, diagonal, side], [-1, 0, 1], shape=(n, n)), inflow


def exact(case: Case, times: tuple[float, ...] = TIMES) -> Curve:
    """The same voxels in continuous time; the last unknown is the mean of what was consumed."""
    mirrored = case.edge % 2 == 0
    free = case.edge if case.faces else case.edge - 2
    n = free // 2 if mirrored else free
    row, inflow = line(n, case.faces, mirrored)
    one, ones = sparse.identity(n), np.ones(n)
    matrix = LINK * (
        sparse.kron(sparse.kron(row, one), one)
        + sparse.kron(sparse.kron(one, row), one)
        + sparse.kron(sparse.kron(one, one), row)
    )
    into = LINK * (
        np.einsum("i,j,k", inflow, ones, ones)
        + np.einsum("i,j,k", ones, inflow, ones)
        + np.einsum("i,j,k", ones, ones, inflow)
    )
    sink = case.sink if case.faces else case.sink[1:-1, 1:-1, 1:-1]
    sink = sink[:n, :n, :n].ravel()
    share = sink / sink.sum()
    # Concentrations in HELD, time in minutes: every unknown is near one.
    matrix, into = (matrix * MINUTE).tocsr(), into.ravel() * MINUTE

    def change(_: float, state: Array) -> Any:
        c = state[:-1]
        taken = sink * case.rate(c * HELD) * (MINUTE / HELD)
        return np.append(matrix @ c + into - taken, share @ taken)

    def jacobian(_: float, state: Array) -> Any:
        slope = sink * case.slope(state[:-1] * HELD) * MINUTE
        nothing = sparse.csr_matrix((1, 1))
        return sparse.bmat(
            [[matrix - sparse.diags(slope), None], [(share * slope)[None], nothing]], format="csc"
        )

    found = solve_ivp(
        change,
        (0, max(times)),
        np.zeros(n**3 + 1),
        method="Radau",
        t_eval=times,
        jac=jacobian,
        rtol=EXACT,
        atol=EXACT,
    )
    if not found.success:
        raise RuntimeError(f"{case.name}: {found.message}")
    c, consumed = found.y[:-1] * (HELD / MICROMOLAR), found.y[-1] * HELD
    middle = c[-1] if mirrored else c[n**3 // 2]
    mean, held = c.mean(axis=0), HELD / MICROMOLAR
    if not case.faces:
        mean = held + (mean - held) * (free / case.edge) ** 3
    return Curve(middle, mean, consumed * case.sink.sum() * VOXEL**3 / FEMTOMOLE)


# ---------------------------------------------------------------------- table
def cases() -> list[Case]:
    per_minute = MICROMOLAR / MINUTE
    found = []
    for name, edge in (("one sink", 3), ("1000 sinks", 12)):
        for faces in (True, False):
            plain = Case(name, edge, faces, 20 * per_minute)
            found += [plain, replace(plain, uptake=2000 * per_minute)]
            found.append(replace(plain, first_order=True))
    return found


def show(case: Case, steps: list[float]) -> None:
    law = (
        f"uptake {case.decay * MINUTE:g}/min x c"
        if case.first_order
        else f"uptake {case.uptake * MINUTE / MICROMOLAR:g} uM/min"
    )
    held = "outer faces" if case.faces else "outer voxels"
    print(f"\n{case.name}, {case.edge}³ voxels, 10 uM held on the {held}, {law}")
    start = time.perf_counter()
    reference = exact(case)
    seconds = time.perf_counter() - start
    curves, spent = [], []
    for step in steps:
        start = time.perf_counter()
        curves.append(ours(case, step, tuple(t for t in TIMES if t > 0.99 * step)))
        spent.append(time.perf_counter() - start)

    def line(label: str, values: Array, form: str) -> None:
        cells = "".join(f"{value:{form}}" for value in values)
        print(f"    {label:20}{cells:>{12 * len(TIMES)}}")

    wanted = {"middle": "middle, uM"} if case.edge == 3 else {}
    for key, label in (wanted | {"mean": "mean, uM", "consumed": "consumed, fmol"}).items():
        truth = getattr(reference, key)
        print(f"  {label:15}at, min" + "".join(f"{t:12g}" for t in TIMES))
        line("exact", truth, "12.6f")
        for step, curve in zip(steps, curves, strict=True):
            values = getattr(curve, key)
            line(f"ours, dt {step:g} min", values, "12.6f")
            line("  less exact", values - truth[-len(values) :], "12.1e")
    timing = ", ".join(f"dt {s:g} min {t:.2f} s" for s, t in zip(steps, spent, strict=True))
    print(f"  time: exact {seconds:.2f} s; {timing}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=float, nargs="+", default=[0.01, 0.1, 1.0], metavar="MIN")
    parser.add_argument("--large", action="store_true", help="steps of 0.001 min as well")
    options = parser.parse_args()
    for case in cases():
        show(case, [0.001] * options.large + options.steps)


if __name__ == "__main__":
    main()
