"""`Scaffold.design`: wall and CPU seconds against the aim of 3 s (at most 10 s), and peak memory.

    python benchmarks/benchmark_design.py [--large] [--threads N]

An open box of 200³ voxels: 4 mm of 20 um, pores of 600 um. Without --large 100³ of 40 um, pores of
800 um. Each design is made in a process of its own that has only imported the package: one period
of the family is measured as part of it. Peak memory is that above the imported package.
"""

from __future__ import annotations

import argparse
import json
import os

from benchmark_thickness import child, measured

EDGE, AIM = 4e-3, 3.0  # m, s
PORES = {100: 800e-6, 200: 600e-6}  # m; at 600 um the walls of sheets are less than a coarse voxel
FAMILIES = {
    "gyroid_net": 0.92,
    "gyroid_sheet": 0.92,
    "diamond_sheet": 0.92,
    "kelvin": 0.92,
    "voronoi_foam": 0.90,
    "logpile": 0.92,
}


def design(family: str, n: int, threads: int) -> dict[str, float]:
    """Measure one design; also count the boxes whose local thickness was found."""
    from scaffoldsim.scaffold import design as solver
    from scaffoldsim.scaffold.scaffold import Scaffold

    calls = 0
    original = solver.mean_thickness

    def counted(*arguments: object, **options: object) -> float:
        nonlocal calls
        calls += 1
        return original(*arguments, **options)  # type: ignore[arg-type]

    solver.mean_thickness = counted
    found = measured(
        lambda: Scaffold.design(
            family,
            porosity=FAMILIES[family],
            pore_size=PORES[n],
            size=EDGE,
            voxel=EDGE / n,
            threads=threads,
        ),
        lambda: None,
    )
    return found | {"boxes": calls}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="200³ in place of 100³")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        family, n, threads = options.child
        print(json.dumps(design(family, int(n), int(threads))))
        return
    n = 200 if options.large else 100
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; seconds / {AIM:.0f} s")
    for family, porosity in FAMILIES.items():
        found = child(__file__, "--child", family, str(n), str(options.threads))
        assert found is not None
        print(
            f"{family:16}{porosity:.2f} {n}³ {found['wall'] / AIM:6.2f} x the aim"
            f"{found['wall']:8.2f} s {found['cpu']:8.2f} cpu-s {found['bytes'] / 1e6:7.0f} MB"
            f"{found['bytes'] / n**3:6.1f} B/voxel  {found['boxes']:.0f} thickness evaluations",
            flush=True,
        )


if __name__ == "__main__":
    main()
