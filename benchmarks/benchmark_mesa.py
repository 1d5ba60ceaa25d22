"""The same rules as Mesa objects and as rows: seconds per step, bytes per cell.

    python benchmarks/benchmark_mesa.py [--cells N ...] [--threads N]

Cells walk at random, divide, die and change fate in a periodic box that they fill to an eighth;
one step of 1 h has four sub-steps of walking, oxygen is off. `PureMesa` is written as Mesa's
tutorials write it: a `CellAgent` per cell on an `OrthogonalVonNeumannGrid` that holds one each.
`Rows` is a `mesa.Model` as well, with our columns and our lattice under it. Both give the same
growth, deaths, fates and spread (tests/model/test_twin.py). No goal: the ratio is printed.
"""

from __future__ import annotations

import argparse
import math
import time
import tracemalloc
from dataclasses import dataclass

import mesa
import numpy as np
from mesa.discrete_space import CellAgent, OrthogonalVonNeumannGrid

from scaffoldsim.model.agents import ColumnAgents
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.lattice import LARGEST_HOP, Lattice
from scaffoldsim.scaffold.grid import Grid

HOUR = 3600.0
TYPES, CAUSES = ("bmsc", "osteoblast"), ("basal",)
VOXELS_PER_CELL = 8


@dataclass(frozen=True)
class Rules:
    """Rates, 1/s."""

    hop: float = 1.0 / HOUR
    divide: float = 0.01 / HOUR
    death: float = 0.001 / HOUR
    fate: float = 0.001 / HOUR

    @property
    def substeps(self) -> int:
        return max(1, math.ceil(self.hop * HOUR / LARGEST_HOP - 1e-6))

    @property
    def chances(self) -> tuple[float, float, float, float]:
        """Of dying, of a change of fate, of a division in a step, of a hop in a sub-step."""
        total = self.death + self.fate
        either = -math.expm1(-total * HOUR) / total if total else 0.0
        division = math.expm1(self.divide * HOUR)
        return (
            either * self.death, either * self.fate, division, self.hop * HOUR / self.substeps
        )  # fmt: skip


def edge_of(n_cells: int) -> int:
    return round((VOXELS_PER_CELL * n_cells) ** (1 / 3))


def places(n_cells: int, rng: int) -> np.ndarray:
    """Different voxels at random, flat."""
    return np.random.default_rng(rng).permutation(edge_of(n_cells) ** 3)[:n_cells]


class Walker(CellAgent):
    """One cell as an object."""

    def __init__(self, model: PureMesa, cell, type: str = "bmsc") -> None:
        super().__init__(model)
        self.cell, self.type, self.age, self.busy = cell, type, 0.0, False

    def beside(self):
        return self.random.choice(list(self.cell.connections.values()))

    def live(self) -> None:
        """Die, change fate or divide."""
        die, change, divide, _ = self.model.chances
        self.age += HOUR
        self.busy = True
        lot = self.random.random()
        if lot < die:
            self.remove()
        elif lot < die + change:
            self.type = "osteoblast"
        elif self.random.random() < divide:
            target = self.beside()
            if target.is_empty:
                Walker(self.model, target, self.type)
        else:
            self.busy = False

    def hop(self, chance: float) -> None:
        if self.busy:  # who did something else stands still for a sub-step
            self.busy = False
        elif self.random.random() < chance:
            target = self.beside()
            if target.is_empty:
                self.cell = target


class PureMesa(mesa.Model):
    """Nothing but Mesa."""

    def __init__(self, n_cells: int, rules: Rules = Rules(), rng: int = 1) -> None:
        super().__init__(rng=rng)
        self.rules, self.chances = rules, rules.chances
        self.grid = OrthogonalVonNeumannGrid(
            (edge_of(n_cells),) * 3, torus=True, capacity=1, random=self.random
        )
        shape = self.grid.dimensions
        voxels = list(zip(*np.unravel_index(places(n_cells, rng), shape), strict=True))
        for voxel in voxels:
            Walker(self, self.grid[tuple(int(i) for i in voxel)])

    def step(self) -> None:
        self.agents.shuffle_do("live")
        for _ in range(self.rules.substeps):
            self.agents.shuffle_do("hop", self.chances[3])

    def count(self) -> dict[str, int]:
        return {name: self.agents.get("type").count(name) for name in TYPES}

    def positions(self) -> dict[int, tuple[int, ...]]:
        """Voxel of every cell by id."""
        return {agent.unique_id: agent.cell.coordinate for agent in self.agents}


class Rows(ColumnAgents):
    """The same as rows."""

    def __init__(
        self,
        n_cells: int,
        rules: Rules = Rules(),
        rng: int = 1,
        threads: int | None = None,
    ) -> None:
        super().__init__(rng=rng)
        self.rules, self.seed, self.step_index = rules, rng, 0
        self.grid = Grid((edge_of(n_cells),) * 3, 20e-6, (True, True, True))
        solid = np.zeros(self.grid.shape, dtype=bool)
        self.lattice = Lattice(self.grid, solid, guidance=False, threads=threads)
        self.cells = Cells(TYPES, CAUSES, capacity=n_cells)
        self.cells.append(n_cells, voxel=places(n_cells, rng))

    def step(self) -> None:
        cells, rules = self.cells, self.rules
        cells.hop, cells.divide, cells.death = rules.hop, rules.divide, rules.death
        cells.fate = 0.0
        cells.fate[1] = rules.fate  # also who is one already, as in the twin
        self.lattice.update(cells, HOUR, seed=self.seed, step=self.step_index)
        self.step_index += 1

    def count(self) -> dict[str, int]:
        counts = np.bincount(self.cells.type, minlength=len(TYPES))
        return dict(zip(TYPES, counts.tolist(), strict=True))

    def positions(self) -> dict[int, tuple[int, ...]]:
        voxels = zip(*np.unravel_index(self.cells.voxel, self.grid.shape), strict=True)
        return dict(zip(self.cells.id.tolist(), voxels, strict=True))


def seconds_per_step(model: mesa.Model, enough: float) -> float:
    """Median over as many steps as fit into `enough` seconds, three at least."""
    times: list[float] = []
    while len(times) < 3 or (sum(times) < enough and len(times) < 24):
        start = time.perf_counter()
        model.step()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def bytes_per_cell() -> float:
    """Of a cell as an object, its entry in the grid's voxel included, the voxel itself not."""
    model = PureMesa(8)
    model.grid = OrthogonalVonNeumannGrid((20, 20, 20), torus=True, capacity=1, random=model.random)
    voxels = list(model.grid.all_cells)[:4000]
    tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    for voxel in voxels:
        Walker(model, voxel)
    used = tracemalloc.get_traced_memory()[0] - start
    tracemalloc.stop()
    return used / len(voxels)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="3·10⁵ cells as well")
    parser.add_argument("--cells", type=int, nargs="+", metavar="N")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=4.0, help="per number of cells, at least")
    options = parser.parse_args()
    objects = bytes_per_cell()
    print(f"Mesa {mesa.__version__}; {options.threads} thread(s) for the rows")
    print("  cells  Mesa objects, s/step  rows, s/step  ratio  bytes/cell: objects  rows")
    for n_cells in options.cells or [10_000, 100_000] + [300_000] * options.large:
        rows = Rows(n_cells, threads=options.threads)
        ours = seconds_per_step(rows, options.seconds)
        size = rows.cells.nbytes / rows.cells.capacity + 6  # and want, outcome, event of a step
        theirs = seconds_per_step(PureMesa(n_cells), options.seconds)
        print(
            f"{n_cells:7d}  {theirs:20.4f}  {ours:12.6f}  {theirs / ours:5.1f}"
            f"  {objects:19.0f}  {size:4.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
