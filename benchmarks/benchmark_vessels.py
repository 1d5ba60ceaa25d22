"""Cost of the vessels per step, part by part, against the step of oxygen.

    python benchmarks/benchmark_vessels.py [--sizes N ...] [--threads N ...] [--days N] [--cpu]

Vessels grow into a gyroid network, 92 % of the box, from the host on both z faces and from roots
within the box, so that it is full of them at once: in VEGF of 1 ng/mL, in steps of 6 h, until there
are 60 mm/mm³. They are crowded at 80 here, so that at 60 they still grow, more than they do in a
run. Then 1 % of the voxels with blood get a cell, so that some have no room.

What is timed is `Circulation.advance`, 24 steps of 1 h at a time, since losses, paths and blood
are looked at every 6 h and walls once a day; a few walls change every day. Of each hour the best of
all days counts, since a busy machine only ever adds to it. Rows are the mean of a step; parts are
within the whole. Oxygen is the *step of a run* of `benchmark_diffusion.py`, in the same run. With
--cpu all is in processor time of all threads: its shares are right beside busy neighbours too,
where those of time are not. Flow is solved only when someone asks; its row is one solve.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from benchmark_diffusion import Oxygen, Table, network
from benchmark_tissue import CLOCK, DAY, Hours, best

import scaffoldsim as ss
from scaffoldsim.model.circulation import Circulation

HOUR = 3600.0
WANTED, VEGF = 60e6, 1e-6  # 1/m2, kg/m3
CROWDED = "80 mm/mm^3"
INNER = 20e9  # roots per m3 of the box

# Greatest share of the step of oxygen, in percent.
GOAL = (20, 10)

#: part → (attribute of the circulation, method)
PARTS = {
    "sprouts, branches": [("growth", "sprout"), ("growth", "branch")],
    "tips": [("growth", "grow")],
    "losses": [("vessels", "_regress")],
    "paths, blood": [("vessels", "_find_paths"), ("vessels", "_perfuse")],
    "reach of blood": [("", "_reach")],
    "walls, throats": [("", "_look")],
    "cells": [("", "_incorporate"), ("", "_let_out")],
}


def grown(n: int, threads: int, folder: Path) -> ss.Model:
    """A model full of vessels."""
    np.save(folder / "net.npy", np.where(network(n), 0, 255).astype(np.uint8))
    number = {"mark": "assumed", "source": "of a benchmark"}
    model = ss.Model(
        config={
            "schema": 1,
            "title": "benchmark",
            "base": "quickstart",
            "scaffold": {
                "image": str(folder / "net.npy"),
                "family": None,
                "porosity": None,
                "pore_size": None,
                "size": None,
                "voxel": "20 um",
                "material": "bcp",
            },
            "faces": {"x": "periodic", "y": "periodic", "z": "host"},
            "fields": {"oxygen": "oxygen", "vegf": "vegf", "sdf1": "sdf1"},
            "host": {"base": "healthy_rat", "vessels": "vessel"},
            "cells": {"number": 0, "donor": {"species": "rat", "age": "6 months"}},
        },
        set={"host.vessels.crowded": number | {"value": CROWDED, "range": [CROWDED, CROWDED]}},
        threads=threads,
    )
    model.fields.value["vegf"] = np.full(model.grid.shape, VEGF, np.float32)
    circulation = circulation_of(model)
    vessels = circulation.vessels
    open_ = np.flatnonzero(~circulation.blocked)
    chance = INNER * model.grid.voxel_volume
    chosen = open_[np.random.default_rng(1).random(open_.size) < chance]
    where = np.stack(np.unravel_index(chosen, model.grid.shape), 1) + 0.5
    vessels.graph.add_nodes(where * model.grid.voxel, site=True, root=True)
    step = 0
    while vessels.density < WANTED:
        vessels.advance(
            6 * HOUR, time=step * 6 * HOUR, vegf=model.fields.value["vegf"],
            blocked=circulation.blocked, seed=1, step=step,
        )  # fmt: skip
        step += 1
    circulation._reach()
    model.step_index = -(-6 * step // DAY) * DAY
    voxels = vessels.perfused_voxels[::100]
    kind = model.cells.types.index("bmsc")
    model.lattice.settle(model.cells, voxels, type=kind, origin=0)
    model.ledger.deliver(type=kind, origin=0, given=voxels.size, stayed=voxels.size)
    return model


def circulation_of(model: ss.Model) -> Circulation:
    """The vessels of a model that has some."""
    assert model.circulation is not None
    return model.circulation


class Day(Hours):
    """Times what vessels do."""

    def __init__(self, circulation: Any) -> None:
        super().__init__((*PARTS, "all"))
        owners = {
            "": circulation,
            "vessels": circulation.vessels,
            "growth": circulation.vessels.growth,
        }
        for part, methods in PARTS.items():
            for owner, name in methods:
                self.watch(part, owners[owner], name)

    def run(self, model: ss.Model) -> None:
        """One day of the vessels alone: a few walls change, and fields stay as they are."""
        for hour in range(DAY):
            if hour == 0:
                host = model.tissue.matrix.host.reshape(-1)
                host[model.step_index % 977 :: 9973] = 1.0
            self.whole(lambda: circulation_of(model).advance(model, HOUR))
            model.step_index += 1
            self.keep(hour)


def measure(n: int, threads: int, days: int, table: Table) -> None:
    """Print all rows of one size."""
    where = f"{n}³, {threads} thread{'s' * (threads > 1)}"
    oxygen = Oxygen(network(n), threads)
    oxygen.cold()
    reference = best(oxygen.step, 8)
    with tempfile.TemporaryDirectory() as folder:
        model = grown(n, threads, Path(folder))
    vessels = circulation_of(model).vessels
    day = Day(model.circulation)
    began = vessels.density
    for _ in range(1 + days):  # the first day reserves what the others use
        day.run(model)
        reference = min(reference, best(oxygen.step, 2))
    table.row(f"oxygen, step of a run, {where}", reference, "ms")
    for part in PARTS:
        spent = day.mean(part)
        note = f"{100 * spent / reference:6.1f} % of the step of oxygen"
        table.row(f"{part}, {where}", spent, "ms", None, note)
    flow = best(vessels.flow, 2)
    table.row(f"flow, when asked for, {where}", flow, "ms")
    spent = day.mean("all")
    note = (
        f"{spent:.2f} ms; {began / 1e6:.0f} to {vessels.density / 1e6:.0f} mm/mm³, "
        f"{vessels.perfused_density / 1e6:.0f} with blood; {vessels.graph.edges.n} edges, "
        f"{vessels.tips.n} tips"
    )
    table.row(f"vessels, all, {where}", 100 * spent / reference, "% of O2", GOAL, note)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N", default=[100, 200])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--cpu", action="store_true", help="processor time")
    options = parser.parse_args()
    if options.cpu:
        CLOCK[0] = time.process_time
    warnings.filterwarnings("ignore", ".*more than 2 × crowded")
    table = Table()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; a step is 1 h, means of a day")
    for n in options.sizes:
        for threads in options.threads:
            measure(n, threads, options.days, table)
    table.close()


if __name__ == "__main__":
    main()
