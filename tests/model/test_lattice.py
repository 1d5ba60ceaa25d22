"""One step of the lattice: against plain loops, and what must hold in every step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scaffoldsim.model import counter
from scaffoldsim.model import lattice as lattice_module
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.lattice import Lattice
from scaffoldsim.model.ledger import Ledger
from scaffoldsim.scaffold.grid import Grid

TYPES, CAUSES = ["bmsc", "osteoblast", "adipocyte", "senescent"], ["basal", "left"]
SENESCENT = 3
DT = 3600.0


@dataclass
class Case:
    """A small random tissue; everything follows from its numbers."""

    seed: int
    shape: tuple[int, int, int] = (6, 6, 6)
    periodic: tuple[bool, bool, bool] = (True, False, True)
    guidance: bool = True
    biased: bool = True
    filled: float = 0.4
    walls: float = 0.15
    buried: float = 0.1
    hop: float = 1.0
    senescent: int | None = SENESCENT
    stages: int = 1
    lattice: Lattice = field(init=False)
    cells: Cells = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        solid = rng.random(self.shape) < self.walls
        solid[0, 0, 0] = False
        self.matrix = rng.random(self.shape) < self.buried
        self.lattice = self.new_lattice(solid)
        free = np.flatnonzero(~solid.ravel())
        n = math.ceil(self.filled * free.size)
        self.cells = Cells(TYPES, CAUSES, capacity=1)
        self.cells.append(
            n,
            voxel=rng.permutation(free)[:n],
            type=rng.integers(0, 3, n),
            origin=rng.integers(0, 2, n),
            doublings=rng.integers(0, 30, n),
            stage=rng.integers(0, self.stages, n),
        )
        self.solid = solid

    def new_ledger(self) -> Ledger:
        ledger = Ledger(CAUSES, TYPES, ["autologous", "allogeneic"])
        for (origin, kind), count in np.ndenumerate(self.cells.census(2)):
            ledger.deliver(type=kind, origin=origin, given=count + 3, stayed=count)
        return ledger

    def new_lattice(self, solid: NDArray[np.bool_], threads: int = 1) -> Lattice:
        grid = Grid(self.shape, 20e-6, self.periodic)
        lattice = Lattice(
            grid,
            solid,
            guidance=self.guidance,
            senescent=self.senescent,
            stages=self.stages,
            threads=threads,
        )
        # matrix is laid around the cells that stand there
        lattice.set_walls(solid, matrix=self.matrix)
        if self.biased:
            lattice.potential = np.random.default_rng(self.seed).normal(0.0, 2.0, self.shape)
        return lattice


def set_rates(cells: Cells, step: int, hop: float) -> None:
    """Rates that differ by cell and hang on its id alone; some cells must act now."""
    u = cells.uniform("rates", seed=9, step=step, n=6)
    cells.hop = hop * u[0] / DT
    cells.divide = np.where(u[1] < 0.2, np.inf, 0.08 * u[1] / DT)
    cells.arrest = np.clip(1.2 * u[5] - 0.1, 0.0, 1.0)
    cells.death = 0.1 * u[2] / DT
    cells.fate = 0.1 * u[3] / DT
    now = u[4] < 0.06
    cells.death[:, u[4] < 0.02] = np.inf
    cells.fate[1:, now] = np.inf
    cells.hop[(u[4] > 0.5) & (u[4] < 0.6)] = np.inf


class Restless:
    """A user's behaviour: some cells run, some die or age at once, by draws of its own."""

    def apply(self, model: SimpleNamespace, dt: float) -> None:
        cells = model.cells
        u, v = cells.uniform("restless", seed=model.seed, step=model.step_index, n=2)
        cells.hop[u < 0.3] *= 3.0
        cells.divide[(u > 0.4) & (v < 0.2)] = np.inf
        cells.death[1, u > 0.97] = np.inf
        cells.arrest[v > 0.9] = 1.0


def signature(cells: Cells, lattice: Lattice) -> list[bytes]:
    """State in bytes, whatever the order of the rows."""
    state, order = cells.state(), np.argsort(cells.id)
    columns = [v[order] if v.ndim else v for v in state.values()]
    ids = np.append(cells.id, [-2, -1])  # what the codes -2 and -1 pick
    return [v.tobytes() for v in columns] + [ids[lattice.occupant].tobytes()]


# plain loops ------------------------------------------------------------------------------------


class Reference:
    """One step in plain loops over dictionaries by id, as slow as it is simple."""

    def __init__(self, case: Case) -> None:
        self.case, c = case, case.cells
        self.at = dict(zip(c.id.tolist(), c.voxel.tolist(), strict=True))
        self.type = dict(zip(c.id.tolist(), c.type.tolist(), strict=True))
        self.clock = dict.fromkeys(self.at, 0.0)
        self.doublings = dict(zip(c.id.tolist(), c.doublings.tolist(), strict=True))
        self.stage = dict(zip(c.id.tolist(), c.stage.tolist(), strict=True))
        self.next_id = c.next_id
        # neither is entered, but a cell may be buried in matrix
        self.solid = (case.solid | case.matrix).ravel()
        self.phi = case.lattice.potential

    def around(self, v: int) -> list[int | None]:
        here = np.unravel_index(v, self.case.shape)
        found: list[int | None] = []
        for axis in range(3):
            for step in (-1, 1):
                there = [int(i) for i in here]
                there[axis] += step
                n = self.case.shape[axis]
                if self.case.periodic[axis]:
                    there[axis] %= n
                inside = 0 <= there[axis] < n
                found.append(int(np.ravel_multi_index(there, self.case.shape)) if inside else None)
        return found

    def grip(self, target: int, mover: int) -> float:
        for w in self.around(target):
            if w is not None and (self.solid[w] or self.held.get(w, mover) != mover):
                return 1.0
        return 0.1

    def target(self, cell: int, r: float) -> int | None:
        here, weights = self.at[cell], []
        for j in self.around(here):
            if j is None or self.solid[j]:
                weights.append(0.0 if self.case.guidance else 1.0)
                continue
            weights.append(self.grip(j, cell) if self.case.guidance else 1.0)
            if self.phi is not None:
                weights[-1] *= math.exp(0.5 * (float(self.phi[j]) - float(self.phi[here])))
        passed = 0.0
        r *= sum(weights)
        for j, w in zip(self.around(here), weights, strict=True):
            passed += w
            if w > 0.0 and r < passed:
                return None if j is None or self.solid[j] or j in self.held else j
        return None

    def update(self, rates: dict[str, dict[int, list[float]]], step: int) -> None:
        def draw(purpose: str, cell: int, substep: int = 0) -> float:
            key = counter.keys(seed=4, step=step, substep=substep, purpose=f"lattice.{purpose}")
            return float(counter.uniform(cell, key)[0])

        def rank(cell: int, substep: int) -> int:
            key = counter.keys(seed=4, step=step, substep=substep, purpose="lattice.rank")
            return int(counter.bits(cell, key)[0])

        busy, dividing = set(), set()
        for cell in list(self.at):
            self.clock[cell] += DT
            hazards = rates["death"][cell] + rates["fate"][cell]
            hazards[2 + self.type[cell]] = 0.0
            now = math.inf in hazards
            if now:
                hazards = [float(k == math.inf) for k in hazards]
            total = sum(hazards)
            p = 1.0 if now else -math.expm1(-total * DT)
            u = draw("event", cell)
            if u < p:
                passed, i = hazards[0], 0
                while u / p * total >= passed:
                    i += 1
                    passed += hazards[i]
                if i < 2:
                    for of in (self.at, self.type, self.clock, self.doublings, self.stage):
                        del of[cell]
                else:
                    self.type[cell], self.clock[cell] = i - 2, 0.0
                    busy.add(cell)
                continue
            rate, k = rates["divide"][cell][0], self.case.stages
            if rate == math.inf:
                dividing.add(cell)
            elif draw("divide", cell) < math.expm1(rate * DT) / (2 ** (1 / k) - 1):
                if self.stage[cell] == k - 1:
                    dividing.add(cell)
                else:
                    self.stage[cell] += 1
        hop = {c: r[0] for c, r in rates["hop"].items()}
        fastest = max((h for h in hop.values() if h < math.inf), default=0.0)
        substeps = max(1, math.ceil(fastest * DT / 0.3 - 1e-6))
        for k in range(substeps):
            self.held = {v: c for c, v in self.at.items()}
            wants: dict[int, list[int]] = {}
            for cell in self.at:
                p = hop[cell] * (DT / substeps)
                if hop[cell] == math.inf:
                    p = float(k == 0)
                if k == 0 and cell in dividing:
                    p = 1.0
                elif k == 0 and cell in busy:
                    continue
                u = draw("target", cell, k)
                target = self.target(cell, u / p) if u < p else None
                if target is not None:
                    wants.setdefault(target, []).append(cell)
            for target in sorted(wants):
                births = [c for c in wants[target] if k == 0 and c in dividing]
                winner = min(births or wants[target], key=lambda c: rank(c, k))
                if not births:
                    self.at[winner] = target
                    continue
                daughter, self.next_id = self.next_id, self.next_id + 1
                self.at[daughter], self.type[daughter] = target, self.type[winner]
                self.clock[winner] = self.clock[daughter] = 0.0
                self.stage[winner] = self.stage[daughter] = 0
                self.doublings[winner] += 1.0
                self.doublings[daughter] = self.doublings[winner]
                hop[daughter] = hop[winner]
                if self.case.senescent is not None:
                    for cell in (winner, daughter):
                        if draw("arrest", cell) < rates["arrest"][winner][0]:
                            self.type[cell] = self.case.senescent


@pytest.mark.parametrize("guidance", [True, False])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize(
    "tissue",
    [
        {"shape": (6, 6, 6), "periodic": (True, False, True)},
        {"shape": (6, 6, 6), "periodic": (True, False, True), "stages": 4, "senescent": None},
        {"shape": (2, 7, 1), "periodic": (True, True, False), "stages": 2},
        # thin, so that the grip of far neighbours tells
        {"shape": (9, 9, 9), "periodic": (False, True, True), "filled": 0.08, "walls": 0.02},
    ],
)
def test_kernel_equals_plain_loops(guidance: bool, biased: bool, tissue: dict) -> None:
    """Exactly: same numbers, same places, same ids."""
    case = Case(seed=2, guidance=guidance, biased=biased, **tissue)
    reference, cells = Reference(case), case.cells
    for step in range(10, 14):
        set_rates(cells, step, hop=1.0)
        rates = {
            name: dict(zip(cells.id.tolist(), np.atleast_2d(value).T.tolist(), strict=True))
            for name in ("hop", "divide", "arrest", "death", "fate")
            for value in [getattr(cells, name)]
        }
        reference.update(rates, step)
        case.lattice.update(cells, DT, seed=4, step=step)
        for name, expected in (
            ("voxel", reference.at),
            ("type", reference.type),
            ("clock", reference.clock),
            ("doublings", reference.doublings),
            ("stage", reference.stage),
        ):
            assert dict(zip(cells.id.tolist(), getattr(cells, name).tolist(), strict=True)) == (
                expected
            ), name
        assert cells.next_id == reference.next_id


def test_short_cut_inside_the_box_changes_nothing() -> None:
    """A potential of 0 is no bias, but takes the long way."""
    results = []
    for biased in (False, True):
        case = Case(seed=3, shape=(24, 24, 24), biased=biased, filled=0.1, walls=0.02)
        if biased:
            case.lattice.potential = np.zeros(case.shape)
        for step in range(3):
            set_rates(case.cells, step, hop=1.0)
            case.lattice.update(case.cells, DT, seed=1, step=step)
        results.append(signature(case.cells, case.lattice))
    assert results[0] == results[1]


# invariants -------------------------------------------------------------------------------------

cases = st.builds(
    Case,
    seed=st.integers(0, 1000),
    shape=st.tuples(*[st.integers(1, 8)] * 3),
    periodic=st.tuples(*[st.booleans()] * 3),
    guidance=st.booleans(),
    biased=st.booleans(),
    filled=st.floats(0.05, 1.0),
    buried=st.sampled_from([0.0, 0.3]),
    senescent=st.sampled_from([None, SENESCENT]),
    stages=st.sampled_from([1, 8]),
    hop=st.sampled_from([0.0, 0.3, 2.0]),
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(cases)
def test_what_holds_in_every_step(case: Case) -> None:
    cells, lattice, ledger = case.cells, case.lattice, case.new_ledger()
    ever = set(cells.id.tolist())
    for step in range(14):
        set_rates(cells, step, case.hop)
        before, first = cells.census(2), cells.next_id
        age = dict(zip(cells.id.tolist(), cells.age.tolist(), strict=True))
        place = dict(zip(cells.id.tolist(), cells.voxel.tolist(), strict=True))
        events = lattice.update(cells, DT, seed=case.seed, step=step)
        # one cell a voxel, none in solid
        assert (lattice.occupant[cells.voxel] == np.arange(cells.n)).all()
        assert np.count_nonzero(lattice.occupant >= 0) == cells.n
        assert not case.solid.ravel()[cells.voxel].any()
        assert (lattice.occupant[case.solid.ravel()] == -2).all()
        # none has entered matrix; who is buried there has not moved
        buried = case.matrix.ravel()[cells.voxel]
        assert all(
            place.get(i) == v for i, v in zip(cells.id[buried], cells.voxel[buried], strict=True)
        )
        assert (lattice.occupant[case.matrix.ravel()] != -1).all()
        # the ledger closes
        ledger.book(events, cells.census(2))
        assert (cells.census(2) - before == events.balance(2)).all()
        assert events.died.sum() == events.deaths.size
        assert events.changed.sum() == events.fates.size
        assert not np.diag(events.changed).any()
        # ids are never used twice, and follow the daughters' voxels
        born = events.births["id"].tolist()
        assert born == list(range(first, first + events.born))
        assert all(a < b for a, b in pairwise(events.births["voxel"].tolist()))
        assert not ever & set(born)
        ever |= set(born)
        assert set(cells.id.tolist()) == (set(age) | set(born)) - set(events.deaths["id"].tolist())
        # a daughter is her mother's
        mothers = cells.rows_of(events.births["parent"])
        daughters = cells.rows_of(events.births["id"])
        assert (mothers >= 0).all()
        for name in ("origin", "clone", "genes", "doublings", "stage", "hop"):
            assert (getattr(cells, name)[mothers] == getattr(cells, name)[daughters]).all()
        # only the arrested differ from what they were born as, and that is their one fate
        fate_of = dict(
            zip(events.fates["id"].tolist(), events.fates["after"].tolist(), strict=True)
        )
        assert len(fate_of) == events.fates.size
        for born_as, *pair in zip(
            events.births["type"].tolist(),
            events.births["parent"].tolist(),
            born,
            strict=True,
        ):
            for cell in pair:
                assert fate_of.get(cell, born_as) == cells.type[cells.rows_of(cell)]
        # time goes on
        expected = [age[i] + DT if i in age else 0.0 for i in cells.id.tolist()]
        assert cells.age.tolist() == expected
        assert cells.stage.max(initial=0) < case.stages
        assert set(np.flatnonzero(cells.clock == 0.0)) == {
            *mothers.tolist(),
            *daughters.tolist(),
            *cells.rows_of(events.fates["id"]).tolist(),
        }


@settings(derandomize=True, deadline=None, max_examples=25)
@given(cases, st.integers(9, 13), st.randoms(use_true_random=False))
def test_threads_rows_and_restarts_change_nothing(case: Case, stop: int, random: object) -> None:
    """Same bytes for 1, 2 and 4 threads, any order of the rows, a restart after any step.

    A behaviour that draws random numbers of its own keeps all that.
    """
    state, restless = case.cells.state(), Restless()
    results = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lattice_module, "_CELLS_PER_THREAD", 1)
        for variant, threads in [
            ("plain", 1),
            ("plain", 2),
            ("plain", 4),
            ("rows", 2),
            ("rows before the rules", 4),
            ("restart", 1),
        ]:
            lattice, ledger = case.new_lattice(case.solid, threads), case.new_ledger()
            cells = Cells(TYPES, CAUSES)
            cells.load(state)
            log = []
            for step in range(8, 14):
                shuffled = np.array(random.sample(range(cells.n), cells.n), dtype=int)
                if variant == "rows before the rules" and step % 3 == 0:
                    cells.order(shuffled)
                if variant == "restart" and step == stop:
                    saved, cells = cells.state(), Cells(TYPES, CAUSES)
                    cells.load(saved)
                    lattice = case.new_lattice(case.solid)
                    books, ledger = ledger.state(), case.new_ledger()
                    ledger.load(books)
                set_rates(cells, step, case.hop)
                restless.apply(SimpleNamespace(cells=cells, seed=1, step_index=step), DT)
                if variant == "rows" and step % 3 == 1:
                    cells.order(shuffled)
                events = lattice.update(cells, DT, seed=1, step=step)
                log.append((events.n_hops, events.substeps, events.births.tobytes()))
                log.append((events.deaths.tobytes(), events.fates.tobytes()))
                ledger.book(events, cells.census(2))
            log.append(ledger.by_origin())
            results.append((signature(cells, lattice), log))
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("biased", [False, True])
def test_many_threads_give_the_same_bytes_in_a_crowd(biased: bool) -> None:
    """Large enough that threads really race."""
    results = []
    for threads in (1, 2, 4):
        case = Case(seed=5, shape=(64, 64, 64), biased=biased)
        case.lattice = case.new_lattice(case.solid, threads)
        for step in range(3):
            set_rates(case.cells, step, hop=1.0)
            case.lattice.update(case.cells, DT, seed=1, step=step)
        results.append(signature(case.cells, case.lattice))
    assert case.cells.n > 4 * lattice_module._CELLS_PER_THREAD
    assert results[0] == results[1] == results[2]


# contests ---------------------------------------------------------------------------------------


def crosses(m: int) -> tuple[Lattice, NDArray[np.int64], list[NDArray[np.int64]]]:
    """Pores of seven voxels each: a centre, and six voxels from which only it can be reached."""
    shape = (4 * m, 4 * m, 4 * m)
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    centre = (4 * np.indices((m, m, m)).reshape(3, -1).T + 1) @ strides
    arms = [centre + sign * s for s in strides for sign in (-1, 1)]
    solid = np.ones(shape, dtype=bool)
    for voxels in (centre, *arms):
        solid.ravel()[voxels] = False
    return Lattice(Grid(shape, 20e-6, (True,) * 3), solid), centre, arms


def test_equals_draw_lots() -> None:
    """Six cells want one voxel: each wins a sixth, whatever its id, row or side (4 s.e.)."""
    lattice, centre, arms = crosses(14)
    cells = Cells(["bmsc"], ["basal"])
    for arm in arms:
        cells.append(centre.size, voxel=arm)
    cells.hop = np.inf
    events = lattice.update(cells, DT, seed=1, step=1)
    winner = lattice.occupant[centre]
    assert events.n_hops == centre.size
    assert events.substeps == 1
    assert (winner >= 0).all()
    wins = np.bincount(winner // centre.size, minlength=6)
    assert np.abs(wins / centre.size - 1 / 6).max() < 4.0 * math.sqrt(5 / 36 / centre.size)


def test_a_daughter_goes_before_a_hop() -> None:
    lattice, centre, arms = crosses(3)
    cells = Cells(["bmsc"], ["basal"])
    for arm in arms:
        cells.append(centre.size, voxel=arm)
    cells.hop = np.inf
    cells.divide[: centre.size] = np.inf
    events = lattice.update(cells, DT, seed=1, step=1)
    assert (events.n_hops, events.born) == (0, centre.size)
    assert (events.births["parent"] == np.arange(centre.size)).all()
