"""Behaviours at work: on columns, cell by cell and built in they give the same cells.

Where all three set the same rates, bytes are compared; where a behaviour draws the events that the
lattice would draw, numbers, to 4 standard errors.
"""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scaffoldsim as ss
from scaffoldsim.config import load
from scaffoldsim.model import lattice as lattice_module
from scaffoldsim.model.behaviours import Behaviour, Rule
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.lattice import Lattice
from scaffoldsim.model.model import Model
from scaffoldsim.scaffold.grid import Grid
from tests.model.test_behaviours import SMALL
from tests.model.toy import ColumnAgents

ROOT = Path(__file__).resolve().parent.parent.parent
HOUR = 3600.0
RATE_COLUMNS = ("hop", "divide", "death", "fate")
LONG = {**SMALL, "duration": "10 d", "cells": {"number": 300}}


def model(*behaviours: Any, threads: int | None = None, **changes: Any) -> Model:
    made = Model(LONG, set=changes, threads=threads)
    made.behaviours += [Rule(type(each).__name__, each) for each in behaviours]
    return made


def go(made: Model, steps: int) -> Model:
    for _ in range(steps):
        made.step()
    return made


def by_id(made: Model) -> dict[str, Any]:
    """The state and the rates of the last step, with cells in the order of their ids."""
    state = made.state() | {f"cells/{name}": getattr(made.cells, name) for name in RATE_COLUMNS}
    order = np.argsort(state["cells/id"])
    return {
        key: value[..., order] if key.startswith("cells/") and value.ndim else value
        for key, value in state.items()
    }


def assert_same(one: Model, other: Model) -> None:
    a, b = by_id(one), by_id(other)
    assert a.keys() == b.keys()
    assert [key for key in a if a[key].tobytes() != b[key].tobytes()] == []


# -- bit for bit ----------------------------------------------------------------------------------


class Doubled(Behaviour):
    """Twice the rates, which is exact in binary."""

    reads = ("hop", "divide")
    writes = ("hop", "divide")

    def apply(self, model: Any, dt: float) -> None:
        model.cells.hop *= 2
        model.cells.divide *= 2


class DoubledByCell(Behaviour):
    reads = ("hop", "divide")
    writes = ("hop", "divide")

    def step(self, cell: Any) -> None:
        cell.hop *= 2
        cell.divide *= 2


@pytest.mark.parametrize("behaviour", [Doubled(), DoubledByCell()])
def test_a_behaviour_gives_the_bytes_of_the_built_in_rates(behaviour: Any) -> None:
    two = {"value": 2, "range": [1, 3], "mark": "assumed", "source": "a test"}
    twice = {"host.multipliers": {"migration": two, "proliferation": two}}
    built_in = go(model(**twice), 32)
    assert_same(go(model(behaviour), 32), built_in)
    assert built_in.ledger.born > 20  # divisions begin after a lag of a day
    assert go(model(), 32).ledger.born < built_in.ledger.born


class Restless(Behaviour):
    """Draws: who rests, who dies, who turns; on columns."""

    reads = ("type",)
    writes = ("hop", "death.basal", "fate.osteoblast", "divide")

    def apply(self, model: Any, dt: float) -> None:
        cells = model.cells
        lot = cells.uniform("lot", n=2)
        cells.hop[lot[0] < 0.3] = 0
        cells.divide[lot[1] < 0.05] = np.inf
        cells.death[cells.causes.index("basal"), cells.uniform("end") < 0.01] = np.inf
        turning = (cells.uniform("turn") < 0.02) & (cells.type == 0)
        cells.fate[cells.types.index("osteoblast"), turning] = np.inf


class RestlessByCell(Behaviour):
    """The same cell by cell."""

    reads = ("type",)
    writes = Restless.writes
    turn: float = ss.option(0.02, range=(0, 1), source="a test")

    def step(self, cell: Any) -> None:
        cells = cell.model.cells
        lot = cells.uniform("lot", n=2)[:, cell.row]
        if lot[0] < 0.3:
            cell.hop = 0.0
        if lot[1] < 0.05:
            cell.divide = math.inf
        if cell.uniform("end") < 0.01:
            cell.set_death("basal", math.inf)
        if cell.uniform("turn") < self.turn and cell.type == "bmsc":
            cell.set_fate("osteoblast", math.inf)


def test_on_columns_and_cell_by_cell_give_the_same_bytes() -> None:
    columns, one_by_one = go(model(Restless()), 6), go(model(RestlessByCell()), 6)
    assert_same(columns, one_by_one)
    assert columns.ledger.born > 30
    assert sum(columns.ledger.died.values()) > 5
    assert (columns.cells.type == columns.cells.types.index("osteoblast")).sum() > 10


@pytest.mark.parametrize("behaviour", [Restless, RestlessByCell])
def test_a_behaviour_that_draws_keeps_its_word(behaviour: type) -> None:
    ss.check_contract(behaviour, go(model(**{"cells.number": 60}), 1))


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_do_not_change_what_is_drawn(monkeypatch: Any, threads: int) -> None:
    monkeypatch.setattr(lattice_module, "_CELLS_PER_THREAD", 1)  # else so few cells take one
    assert_same(
        go(model(Restless(), threads=1), 14), go(model(Restless(), threads=threads), 14)
    )  # across a sorting of the rows


@pytest.mark.parametrize("behaviour", [Restless(), RestlessByCell()])
def test_the_order_of_rows_does_not_change_what_is_drawn(behaviour: Any) -> None:
    straight, mixed = model(behaviour), model(behaviour)
    for step in range(5):
        straight.step()
        order = np.random.default_rng(step).permutation(mixed.cells.n)
        mixed.cells.order(order)
        mixed.lattice.place(mixed.cells)
        mixed.step()
    assert_same(straight, mixed)


@pytest.mark.parametrize("at", [1, 3, 7])
def test_a_restart_does_not_change_what_is_drawn(at: int) -> None:
    straight, first, second = model(Restless()), model(Restless()), model(Restless())
    go(first, at)
    second.load(first.state())
    assert_same(go(second, 8 - at), go(straight, 8))


def test_uniform_is_that_of_the_step_and_of_the_cell() -> None:
    seen = []

    class Sees:
        def apply(self, model: Any, dt: float) -> None:
            cells = model.cells
            drawn = cells.uniform("x")
            seen.append(drawn)
            full = cells.uniform("x", seed=model.seed, step=model.step_index)
            assert np.array_equal(drawn, full)
            assert drawn.tolist() == [agent.uniform("x") for agent in model.agents]

    go(model(Sees(), seed=4), 2)
    assert not np.isin(seen[0], seen[1]).any()


# -- in distribution ------------------------------------------------------------------------------

N = 20_000
RATES = {"divide": 0.02 / HOUR, "death": 0.03 / HOUR, "fate": 0.04 / HOUR}


class Toy(ColumnAgents):
    """Cells far from each other, so that no daughter is in the way, and nothing else."""

    dt = HOUR

    def __init__(self, seed: int, n: int) -> None:
        super().__init__(rng=seed)
        self.seed, self.step_index = seed, 0
        self.grid = Grid((42, 84, 84), 20e-6, (True, True, True))
        self.lattice = Lattice(self.grid, np.zeros(self.grid.shape, bool), guidance=False)
        x, y, z = np.indices(self.grid.shape)
        self.cells = Cells(("bmsc", "osteoblast"), ("basal",))
        self.cells.append(n, voxel=np.flatnonzero((x + 2 * y + 3 * z) % 7 == 0)[:n])
        self.cells.seed = seed

    def outcome(self) -> dict[str, int]:
        events = self.lattice.update(self.cells, HOUR, seed=self.seed, step=0)
        return {
            "divide": events.born,
            "death": int(sum(events.died)),
            "fate": len(events.fates),
        }


class Kernel(Behaviour):
    """Leaves the draw to the lattice: rates."""

    writes = ("divide", "death", "fate.osteoblast")

    def apply(self, model: Any, dt: float) -> None:
        cells = model.cells
        cells.divide, cells.death = RATES["divide"], RATES["death"]
        cells.fate[1] = RATES["fate"]


def drawn(lots: Any, dt: float) -> Any:
    """Which of the events each cell has: of death and fate one, else perhaps a division."""
    total = RATES["death"] + RATES["fate"]
    either = -math.expm1(-total * dt)
    dies = lots[0] < either * RATES["death"] / total
    turns = ~dies & (lots[0] < either)
    return dies, turns, lots[1] < math.expm1(RATES["divide"] * dt)


class Drawing(Behaviour):
    """Draws what happens itself, and says *now*."""

    writes = Kernel.writes

    def apply(self, model: Any, dt: float) -> None:
        cells = model.cells
        dies, turns, divides = drawn(cells.uniform("lot", n=2), dt)
        cells.death[0, dies] = np.inf
        cells.fate[1, turns] = np.inf
        cells.divide[divides] = np.inf


class DrawingByCell(Behaviour):
    writes = Kernel.writes

    def step(self, cell: Any) -> None:
        lots = np.array([[cell.uniform("one")], [cell.uniform("two")]])
        dies, turns, divides = (bool(one[0]) for one in drawn(lots, HOUR))
        if dies:
            cell.set_death("basal", math.inf)
        if turns:
            cell.set_fate("osteoblast", math.inf)
        if divides:
            cell.divide = math.inf


@pytest.mark.parametrize(("behaviour", "n"), [(Kernel, N), (Drawing, N), (DrawingByCell, 5000)])
def test_events_drawn_by_a_behaviour_are_those_of_the_lattice(behaviour: type, n: int) -> None:
    toy = Toy(seed=11, n=n)
    Rule("mine", behaviour()).apply(toy, HOUR)  # type: ignore[arg-type]
    total = RATES["death"] + RATES["fate"]
    either = -math.expm1(-total * HOUR)
    chance = {
        "death": either * RATES["death"] / total,
        "fate": either * RATES["fate"] / total,
        "divide": (1 - either) * math.expm1(RATES["divide"] * HOUR),
    }
    for event, count in toy.outcome().items():
        p = chance[event]
        assert count == pytest.approx(n * p, abs=4 * math.sqrt(n * p * (1 - p))), event


# -- who is called --------------------------------------------------------------------------------


def test_a_step_is_for_cells_and_not_for_other_agents() -> None:
    import mesa

    class Tip(mesa.Agent):
        pass

    class Counts(Behaviour):
        def step(self, cell: Any) -> None:
            assert cell.unique_id >= 0
            cell.hop = 0.0

    toy = Toy(seed=1, n=50)
    Tip(toy)
    toy.cells.hop = 1e-6
    Rule("mine", Counts()).apply(toy, HOUR)  # type: ignore[arg-type]
    assert not toy.cells.hop.any()


# -- the how-to -----------------------------------------------------------------------------------


def test_the_recipe_of_the_how_to_runs(tmp_path: Path, monkeypatch: Any) -> None:
    text = (ROOT / "docs" / "howto.md").read_text(encoding="utf-8")
    section = text.partition("## Write your own behaviour\n")[2].partition("\n## ")[0]
    columns, by_cell, contract = re.findall(r"```python\n(.*?)```", section, re.S)
    (config,) = re.findall(r"```yaml\n(.*?)```", section, re.S)
    (tmp_path / "rules.py").write_text(columns + "\n\n" + by_cell)
    (tmp_path / "mine.yaml").write_text(config)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "rules", raising=False)
    exec(compile(contract, "howto", "exec"), {})
    (used,) = load("mine.yaml").behaviours
    assert used.options["limit"] == 30
    options = {"low": "0.2 mM", "resting": 0.5}
    one, other = (
        go(Model(LONG, set={"behaviours": [{"use": f"rules.py:{name}", **options}]}), 3)
        for name in ("Quiet", "QuietByCell")
    )
    assert_same(one, other)
    assert (one.cells.hop == 0).mean() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(one.cells.n))
