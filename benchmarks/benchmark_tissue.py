"""Cost of the tissue per step, part by part, against the step of oxygen.

    python benchmarks/benchmark_tissue.py [--sizes N ...] [--threads N ...] [--days N] [--cpu]

A sheet gyroid of two periods per 100 voxels is an eighth of the box. On its surfaces lies matrix,
in a tenth of the voxels, and next to it stands an osteoblast in each of as many. *In culture*
nothing is resorbed; *in a host* another tenth is bone of the host, in the middle of the pores, all
bone is resorbed, calling the cells for it is part of the matrix, and the construct is under load.
The scaffold dissolves from its surfaces, or its chains are cut in every voxel (hydrolysis, with the
acid that it gives off).

What is timed is `model.tissue` of a `Model`, 24 steps of 1 h at a time, since some parts act only
now and then; of each hour of the day the best of all days counts, since a busy machine only ever
adds to it. Degradation acts when enough is owed, at another hour each day: the best of the steps in
which it acts and the best of the others count as often as they occur. Rows are the mean of a step.
*Ground* is what voxels are to cells and to fluxes; once a day it makes the solver take a new
geometry, whose part that the next solve pays is counted too. Oxygen is the *step of a run* of
`benchmark_diffusion.py`, in the same run. *Memory* is what the tissue holds per voxel, and what a
step takes on top of it at the most, that of the new geometry included. With --cpu all is in
processor time of all threads: its shares are right beside busy neighbours too, where those of time
are not.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from benchmark_diffusion import Oxygen, Table, network
from numpy.typing import NDArray
from scipy import ndimage

import scaffoldsim as ss
from scaffoldsim.model.tissue import BUILDER, HOST, Tissue

DAY = 24  # steps
CLOCK = [time.perf_counter]
SOLID, SHARE = 0.125, 0.1  # of the voxels: scaffold; matrix, osteoblasts, bone of the host, each

# Greatest share of the step of oxygen that matrix and degradation may cost together, in percent.
GOAL = (100 / 3, 20)

#: part → the methods of `Tissue` it is made of, in the order of a step
PARTS = {
    "release": ("give",),
    "matrix": ("_lay", "_pass_on", "_recruit"),
    "burial": ("_bury",),
    "degradation": (),
    "ground": ("_settle_ground",),
    "mechanics": ("_bear_load",),
}
CULTURE: dict[str, Any] = {"faces": {"x": "periodic", "y": "periodic", "z": "medium"}}
IN_HOST: dict[str, Any] = {
    "faces": {"x": "periodic", "y": "periodic", "z": "host"},
    "host": {"base": "healthy_rat", "load": "contained"},
}
ACID = {"fields": {"lactic_acid": "lactic_acid"}}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "culture, dissolution": ("scpp", CULTURE),
    "culture, hydrolysis": ("plga", CULTURE | ACID),
    "host, dissolution": ("scpp", IN_HOST),
    "host, hydrolysis": ("plga", IN_HOST | ACID),
}


def height(n: int) -> NDArray[np.float32]:
    """Distance from the middle of the sheet, in no unit."""
    angle = (np.arange(n) * (4.0 * np.pi / 100)).astype(np.float32)
    x, y, z = np.ix_(angle, angle, angle)
    field: NDArray[np.float32] = np.abs(
        np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
    )
    return field


def grown(n: int, threads: int, material: str, changes: dict[str, Any], folder: Path) -> ss.Model:
    """A model with scaffold, bone and osteoblasts."""
    order = np.argsort(height(n).ravel(), kind="stable")
    solid, part = int(SOLID * n**3), int(SHARE * n**3)
    built = np.zeros(n**3, np.uint8)
    built[order[:solid]] = 255
    np.save(folder / "sheet.npy", built.reshape(n, n, n))
    model = ss.Model(
        config={
            "schema": 1,
            "title": "benchmark",
            "base": "quickstart",
            "scaffold": {
                "image": str(folder / "sheet.npy"),
                "family": None,
                "porosity": None,
                "pore_size": None,
                "size": None,
                "voxel": "20 um",
                "material": material,
            },
            "cells": {"number": 0, "donor": {"species": "rat", "age": "6 months"}},
            **changes,
        },
        threads=threads,
    )
    matrix = model.tissue.matrix
    rng = np.random.default_rng(1)
    covered = order[solid : solid + part]
    for array in (*matrix.osteoid, matrix.mineral, matrix.young, matrix.answering):
        array.ravel()[covered] = rng.uniform(0.0, 0.2, part)
    np.minimum(matrix.young, matrix.mineral, out=matrix.young)
    if model.config.host.setting == "in_vivo":
        matrix.host.ravel()[order[-part:]] = 1.0
    else:
        matrix.answering[:] = 0.0
    matrix.begin()
    model.tissue._settle_ground(first=True)
    free = model.tissue.vacant()
    reach = ndimage.distance_transform_cdt(free, "taxicab").ravel()
    free = np.flatnonzero(free)
    voxels = np.sort(free[np.argsort(reach[free], kind="stable")[:part]]).astype(np.int32)
    kind = model.cells.types.index(BUILDER)
    model.lattice.settle(model.cells, voxels, type=kind, origin=HOST)
    model.ledger.deliver(type=kind, origin=HOST, given=voxels.size, stayed=voxels.size)
    return model


def best(call: Callable[[], object], repeats: int) -> float:
    """Milliseconds of the quickest of some calls."""
    spent = []
    for _ in range(repeats):
        start = CLOCK[0]()
        call()
        spent.append(CLOCK[0]() - start)
    return 1e3 * min(spent)


class Hours:
    """Times parts of a step by the hour of the day; of each hour the best of all days counts."""

    def __init__(self, parts: Any) -> None:
        self.times = {part: np.full(DAY, np.inf) for part in parts}
        self.spent: dict[str, float] = {}

    def watch(self, part: str, owner: Any, name: str) -> None:
        """Let what a method takes count for a part."""
        call = getattr(owner, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            start = CLOCK[0]()
            try:
                return call(*arguments, **options)
            finally:
                self.spent[part] += CLOCK[0]() - start

        setattr(owner, name, timed)

    def whole(self, step: Callable[[], object]) -> None:
        """Take a step, of which the parts are parts."""
        self.spent = dict.fromkeys(self.times, 0.0)
        start = CLOCK[0]()
        step()
        self.spent["all"] = CLOCK[0]() - start

    def keep(self, hour: int) -> None:
        """Let the step count for its hour."""
        for part, spent in self.spent.items():
            self.times[part][hour] = min(self.times[part][hour], spent)

    def mean(self, part: str) -> float:
        """Milliseconds of a part in a step."""
        return 1e3 * float(self.times[part].mean())


class Day(Hours):
    """Times what the tissue of a model does."""

    def __init__(self, tissue: Any) -> None:
        super().__init__((*PARTS, "rest", "all"))
        self.best = {True: np.inf, False: np.inf}  # of degradation, by whether it acts
        self.acts = {True: 0, False: 0}
        for part, names in PARTS.items():
            for name in names:
                self.watch(part, tissue, name)
        self.watch("degradation", tissue.degradation, "advance")

    def run(self, model: ss.Model) -> None:
        """One day of the tissue alone: cells stay where they are, and fields as they are."""
        tissue = model.tissue
        for hour in range(DAY):
            model.cells.seed, model.cells.step = model.seed, model.step_index
            model.rates.advance(model.seconds, model.seconds + model.dt)
            self.whole(lambda: (tissue.give(model.dt), tissue.advance(model, model.dt)))
            model.step_index += 1
            if hour == DAY - 1:
                again = of_next_solve(model)
                self.spent["ground"] += again
                self.spent["all"] += again
            self.spent["rest"] = self.spent["all"] - sum(self.spent[part] for part in PARTS)
            acts = tissue.degradation.state()["owed"] == 0
            self.acts[bool(acts)] += 1
            self.best[bool(acts)] = min(self.best[bool(acts)], self.spent["degradation"])
            self.keep(hour)

    def mean(self, part: str) -> float:
        """Milliseconds of a part in a step; of "all" the sum of them."""
        if part == "all":
            return sum(self.mean(each) for each in (*PARTS, "rest"))
        if part == "degradation":
            spent = sum(n * self.best[acts] for acts, n in self.acts.items() if n)
            return 1e3 * spent / sum(self.acts.values())
        return super().mean(part)


def of_next_solve(model: ss.Model) -> float:
    """What a new geometry adds to the next solve."""
    fields, spent = model.fields, []
    before = fields.state()
    for _ in range(2):
        start = CLOCK[0]()
        fields.advance(model.cells, model.dt)
        spent.append(CLOCK[0]() - start)
        fields.load(before)
    return max(0.0, spent[0] - spent[1])


def held(tissue: Tissue) -> int:
    """Bytes of all arrays of a tissue; those it shares with others of the model count for them."""
    others = {id(tissue.lattice), id(tissue.fields), id(tissue.config), id(tissue.scaffold)}
    arrays: dict[int, int] = {}
    seen: set[int] = set(others)

    def visit(thing: Any) -> None:
        if id(thing) in seen:
            return
        seen.add(id(thing))
        if isinstance(thing, np.ndarray):
            if thing.base is not None:
                visit(thing.base)
            else:
                arrays[id(thing)] = thing.nbytes
        elif isinstance(thing, dict):
            for value in thing.values():
                visit(value)
        elif isinstance(thing, list | tuple):
            for value in thing:
                visit(value)
        elif type(thing).__module__.startswith("scaffoldsim.model."):
            visit(vars(thing))

    visit(tissue.scaffold.fraction)
    arrays.clear()
    visit(vars(tissue))
    return sum(arrays.values())


def peak(model: ss.Model) -> int:
    """Bytes that a step of a day takes at the most, beyond those that are held."""
    tissue, most = model.tissue, 0
    tracemalloc.start()
    for _ in range(DAY):
        model.cells.step = model.step_index
        model.rates.advance(model.seconds, model.seconds + model.dt)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        tissue.give(model.dt)
        tissue.advance(model, model.dt)
        most = max(most, tracemalloc.get_traced_memory()[1] - before)
        model.step_index += 1
    tracemalloc.stop()
    return most


def measure(n: int, threads: int, days: int, cases: list[str], table: Table) -> None:
    """Print all rows of one size."""
    where = f"{n}³, {threads} thread{'s' * (threads > 1)}"
    oxygen = Oxygen(network(n), threads)
    oxygen.cold()
    reference = best(oxygen.step, 8)
    timed: dict[str, Day] = {}
    notes: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            model = grown(n, threads, *CASES[case], Path(folder))
            day = timed[case] = Day(model.tissue)
            for _ in range(1 + days):  # the first day reserves what the others use
                day.run(model)
                reference = min(reference, best(oxygen.step, 2))
            memory, extra = held(model.tissue) / n**3, peak(model) / n**3
            model.tissue.check()
            notes[case] = f"memory {memory:.0f} B/voxel, {extra:.0f} more in a step"
    table.row(f"oxygen, step of a run, {where}", reference, "ms")
    for case, day in timed.items():
        for part in (*PARTS, "rest"):
            spent = day.mean(part)
            note = f"{100 * spent / reference:6.1f} % of the step of oxygen"
            table.row(f"{part}, {case}, {where}", spent, "ms", None, note)
        both = day.mean("matrix") + day.mean("degradation")
        note = f"all of the tissue {day.mean('all'):.1f} ms; {notes[case]}"
        table.row(
            f"matrix + degradation, {case}, {where}", 100 * both / reference, "% of O2", GOAL, note
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N", default=[100, 200])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--cpu", action="store_true", help="processor time")
    options = parser.parse_args()
    if options.cpu:
        CLOCK[0] = time.process_time
    table = Table()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; a step is 1 h, means of a day")
    for n in options.sizes:
        for threads in options.threads:
            measure(n, threads, options.days, options.cases, table)
    table.close()


if __name__ == "__main__":
    main()
