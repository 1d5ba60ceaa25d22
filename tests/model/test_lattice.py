"""One step of the lattice: against plain loops, and what must hold in every step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scaffoldsim.model import counter
from scaffoldsim.model import lattice as lattice_module
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.lattice import Lattice
from scaffoldsim.scaffold.grid import Grid

TYPES, CAUSES = ["bmsc", "osteoblast", "adipocyte"], ["basal", "ischaemic"]
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
    hop: float = 1.0
    lattice: Lattice = field(init=False)
    cells: Cells = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        solid = rng.random(self.shape) < self.walls
        solid[0, 0, 0] = False
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
        )
        self.solid = solid

    def new_lattice(self, solid: NDArray[np.bool_], threads: int = 1) -> Lattice:
        grid = Grid(self.shape, 20e-6, self.periodic)
        lattice = Lattice(grid, solid, guidance=self.guidance, threads=threads)
        if self.biased:
            lattice.potential = np.random.default_rng(self.seed).normal(0.0, 2.0, self.shape)
        return lattice


def set_rates(cells: Cells, step: int, hop: float) -> None:
    """Rates that differ by cell and hang on its id alone; some cells must act now."""
    u = cells.uniform("rates", seed=9, step=step, n=5)
    cells.hop = hop * u[0] / DT
    cells.divide = np.where(u[1] < 0.2, np.inf, 0.1 * u[1] / DT)
    cells.death = 0.1 * u[2] / DT
    cells.fate = 0.1 * u[3] / DT
    now = u[4] < 0.06
    cells.death[:, u[4] < 0.02] = np.inf
    cells.fate[1:, now] = np.inf
    cells.hop[(u[4] > 0.5) & (u[4] < 0.6)] = np.inf


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
        self.next_id = c.next_id
        self.solid = case.solid.ravel()
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
                    del self.at[cell], self.type[cell], self.clock[cell], self.doublings[cell]
                else:
                    self.type[cell], self.clock[cell] = i - 2, 0.0
                    busy.add(cell)
                continue
            rate = rates["divide"][cell][0]
            if rate == math.inf or draw("divide", cell) < math.expm1(rate * DT):
                dividing.add(cell)
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
                self.doublings[winner] += 1.0
                self.doublings[daughter] = self.doublings[winner]
                hop[daughter] = hop[winner]


@pytest.mark.parametrize("guidance", [True, False])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize(
    "tissue",
    [
        {"shape": (6, 6, 6), "periodic": (True, False, True)},
        {"shape": (2, 7, 1), "periodic": (True, True, False)},
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
            for name in ("hop", "divide", "death", "fate")
            for value in [getattr(cells, name)]
        }
        reference.update(rates, step)
        case.lattice.update(cells, DT, seed=4, step=step)
        for name, expected in (
            ("voxel", reference.at),
            ("type", reference.type),
            ("clock", reference.clock),
            ("doublings", reference.doublings),
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
    hop=st.sampled_from([0.0, 0.3, 2.0]),
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(cases)
def test_what_holds_in_every_step(case: Case) -> None:
    cells, lattice = case.cells, case.lattice
    ever = set(cells.id.tolist())
    for step in range(14):
        set_rates(cells, step, case.hop)
        before, first = cells.census(2), cells.next_id
        age = dict(zip(cells.id.tolist(), cells.age.tolist(), strict=True))
        events = lattice.update(cells, DT, seed=case.seed, step=step)
        # one cell a voxel, none in solid
        assert (lattice.occupant[cells.voxel] == np.arange(cells.n)).all()
        assert np.count_nonzero(lattice.occupant >= 0) == cells.n
        assert not case.solid.ravel()[cells.voxel].any()
        assert (lattice.occupant[case.solid.ravel()] == -2).all()
        # the ledger closes
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
        for name in ("type", "origin", "clone", "genes", "doublings", "hop"):
            assert (getattr(cells, name)[mothers] == getattr(cells, name)[daughters]).all()
        # time goes on
        expected = [age[i] + DT if i in age else 0.0 for i in cells.id.tolist()]
        assert cells.age.tolist() == expected
        assert set(np.flatnonzero(cells.clock == 0.0)) == {
            *mothers.tolist(),
            *daughters.tolist(),
            *cells.rows_of(events.fates["id"]).tolist(),
        }


@settings(derandomize=True, deadline=None, max_examples=25)
@given(cases, st.integers(9, 13), st.randoms(use_true_random=False))
def test_threads_rows_and_restarts_change_nothing(case: Case, stop: int, random: object) -> None:
    """Same bytes for 1 and 2 threads, any order of the rows, a restart after any step."""
    state = case.cells.state()
    results = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lattice_module, "_CELLS_PER_THREAD", 1)
        for variant, threads in [("plain", 1), ("plain", 2), ("rows", 2), ("restart", 1)]:
            lattice = case.new_lattice(case.solid, threads)
            cells = Cells(TYPES, CAUSES)
            cells.load(state)
            log = []
            for step in range(8, 14):
                if variant == "rows" and step % 3 == 0:
                    cells.order(np.array(random.sample(range(cells.n), cells.n), dtype=int))
                if variant == "restart" and step == stop:
                    saved, cells = cells.state(), Cells(TYPES, CAUSES)
                    cells.load(saved)
                    lattice = case.new_lattice(case.solid)
                set_rates(cells, step, case.hop)
                events = lattice.update(cells, DT, seed=1, step=step)
                log.append((events.n_hops, events.substeps, events.births.tobytes()))
                log.append((events.deaths.tobytes(), events.fates.tobytes()))
            results.append((signature(cells, lattice), log))
    assert all(result == results[0] for result in results)


def test_many_threads_give_the_same_bytes_in_a_crowd() -> None:
    """Large enough that threads really race."""
    results = []
    for threads in (1, 2, 4):
        case = Case(seed=5, shape=(64, 64, 64), biased=False)
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


# meaning of rates -------------------------------------------------------------------------------


def in_the_middle(n: int = 1) -> tuple[Lattice, Cells]:
    lattice = Lattice(Grid((9, 9, 9), 20e-6, (True,) * 3), np.zeros((9, 9, 9), dtype=bool))
    cells = Cells(TYPES, CAUSES)
    cells.append(n, voxel=364 + 3 * np.arange(n))
    return lattice, cells


def test_now_means_this_step_and_once() -> None:
    lattice, cells = in_the_middle(4)
    cells.death[1, 0] = np.inf
    cells.fate[2, 1] = np.inf
    cells.divide[2] = np.inf
    cells.hop[2:] = np.inf
    events = lattice.update(cells, DT, seed=1, step=1)
    assert events.died.tolist() == [0, 1]
    assert events.changed[0].tolist() == [0, 0, 1]
    assert events.births["parent"].tolist() == [2]
    assert events.n_hops == 1, "the cell that divides stays, the other hops once"


def test_becoming_what_it_is_is_no_event() -> None:
    lattice, cells = in_the_middle(1)
    cells.fate[0] = np.inf
    cells.divide = np.inf
    assert lattice.update(cells, DT, seed=1, step=1).born == 1


def test_a_cell_in_a_sealed_voxel_stays() -> None:
    for guidance in (True, False):
        solid = np.ones((3, 3, 3), dtype=bool)
        solid[1, 1, 1] = False
        lattice = Lattice(Grid((3, 3, 3), 20e-6, (True,) * 3), solid, guidance=guidance)
        cells = Cells(TYPES, CAUSES)
        cells.append(1, voxel=13)
        cells.hop, cells.divide = np.inf, np.inf
        events = lattice.update(cells, DT, seed=1, step=0)
        assert (events.n_hops, events.born, cells.voxel[0]) == (0, 0, 13)


def test_no_cells_is_a_step_too() -> None:
    lattice, cells = in_the_middle(0)
    events = lattice.update(cells, DT, seed=1, step=0)
    assert (events.born, events.n_hops, events.substeps) == (0, 0, 1)


def test_matrix_may_bury_a_cell_and_nobody_enters() -> None:
    lattice, cells = in_the_middle(2)
    buried = np.zeros((9, 9, 9), dtype=bool)
    buried.ravel()[[364, 365, 366]] = True  # a cell, and the two voxels between it and the next
    lattice.place(cells)
    lattice.set_walls(np.zeros_like(buried), matrix=buried)
    assert lattice.occupant[364:368].tolist() == [0, -2, -2, 1]
    assert lattice.near_surface.ravel()[364 + 9]
    assert not lattice.near_surface.ravel()[364 + 18]
    for step in range(20):
        cells.hop = np.where(cells.id == 1, 1.0 / DT, 0.0)
        lattice.update(cells, DT, seed=1, step=step)
        assert lattice.occupant[[365, 366]].tolist() == [-2, -2]
    buried_row = cells.rows_of(0)
    assert lattice.occupant[364] == buried_row
    cells.death[:, buried_row] = np.inf
    lattice.update(cells, DT, seed=1, step=20)
    assert lattice.occupant[364] == -2
    lattice.set_walls(np.zeros_like(buried))
    assert lattice.occupant[364] == -1


def test_a_cell_that_leaves_the_matrix_does_not_open_it() -> None:
    lattice, cells = in_the_middle(1)
    lattice.place(cells)
    matrix = np.zeros((9, 9, 9), dtype=bool)
    matrix[4, 4, 4] = True
    lattice.set_walls(np.zeros_like(matrix), matrix=matrix)
    cells.hop = np.inf
    assert lattice.update(cells, DT, seed=1, step=1).n_hops == 1
    assert lattice.occupant[364] == -2


def test_gel_gives_hold() -> None:
    lattice, _ = in_the_middle()
    gel = np.zeros((9, 9, 9), dtype=bool)
    gel[2:4] = True
    lattice.set_walls(np.zeros_like(gel), gel=gel)
    assert (lattice.near_surface == gel).all()


def test_cells_moved_or_added_by_hand_are_noticed() -> None:
    lattice, cells = in_the_middle(3)
    lattice.update(cells, DT, seed=1, step=1)
    cells.voxel[0] = 5
    cells.append(1, voxel=9)
    cells.keep(cells.id != 1)
    lattice.update(cells, DT, seed=1, step=2)
    assert np.flatnonzero(lattice.occupant >= 0).tolist() == sorted(cells.voxel.tolist())
    cells.voxel[0] = 700
    lattice.update(cells, DT, seed=1, step=3)
    assert np.flatnonzero(lattice.occupant >= 0).tolist() == sorted(cells.voxel.tolist())


# guards -----------------------------------------------------------------------------------------


def spoil(name: str, row: int, value: float) -> object:
    def change(lattice: Lattice, cells: Cells) -> None:
        getattr(cells, name)[..., row] = value

    return change


def spoil_potential(lattice: Lattice, cells: Cells) -> None:
    lattice.potential = np.full((9, 9, 9), np.nan)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil("hop", 1, np.nan), r"hop is nan /s for cell 1, must be 0 or more"),
        (spoil("divide", 2, -0.5), r"divide is -0.5 /s for cell 2"),
        (spoil("death", 0, -1.0), r"death \(basal\) is -1.0 /s for cell 0"),
        (spoil("fate", 0, np.nan), r"fate \(bmsc\) is nan /s for cell 0"),
        (spoil("divide", 1, 0.2 / DT), r"for cell 1: times the step of 3600 s .* at most 1800 s"),
        (spoil("hop", 2, 601.0 / DT), r"for cell 2: more than 300 hops .* at most 1797 s"),
        (spoil("voxel", 2, 364), r"cells \d and \d share voxel \(4, 4, 4\)"),
        (spoil("voxel", 2, -1), r"cell 2 has voxel -1, must be 0 to 728"),
        (spoil("voxel", 2, 729), r"cell 2 has voxel 729"),
        (spoil("voxel", 2, 0), r"cell 2 stands in solid at voxel \(0, 0, 0\)"),
        (spoil_potential, r"potential is not finite or beyond .* in 728 open voxels"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_changes(change: object, message: str) -> None:
    lattice, cells = in_the_middle(3)
    solid = np.zeros((9, 9, 9), dtype=bool)
    solid[0, 0, 0] = True
    lattice.set_walls(solid)
    cells.hop, cells.divide, cells.death = 1.0 / DT, 0.1 / DT, np.inf
    lattice.place(cells)
    change(lattice, cells)
    before, occupant = cells.state(), lattice.occupant.copy()
    with pytest.raises(ValueError, match=message):
        lattice.update(cells, DT, seed=1, step=0)
    assert all(v.tobytes() == before[k].tobytes() for k, v in cells.state().items())
    assert (lattice.occupant == occupant).all()


def test_a_limit_in_single_precision_is_within_the_limit() -> None:
    lattice, cells = in_the_middle(3)
    for dt in (3600.0, 1000.0, 777.0):
        cells.divide, cells.hop = 0.1 / dt, 0.3 / dt
        assert lattice.update(cells, dt, seed=1, step=0).substeps == 1


def test_wrong_arguments_are_refused() -> None:
    grid = Grid((3, 3, 3), 20e-6, (True,) * 3)
    open_voxels = np.zeros((3, 3, 3), dtype=bool)
    cells = Cells(TYPES, CAUSES)
    cells.append(27, voxel=np.arange(27))
    lattice = Lattice(grid, open_voxels)
    lattice.place(cells)
    solid = open_voxels.copy()
    solid[1, 2, 0] = True
    with pytest.raises(ValueError, match=r"voxel \(1, 2, 0\) holds a cell"):
        lattice.set_walls(solid)
    with pytest.raises(ValueError, match="27 cells are more than the 26 voxels"):
        Lattice(grid, solid).place(cells)
    with pytest.raises(ValueError, match="solid has type float64"):
        Lattice(grid, np.zeros((3, 3, 3)))
    with pytest.raises(ValueError, match=r"matrix has type bool and shape \(3, 3\)"):
        lattice.set_walls(open_voxels, matrix=open_voxels[0])
    with pytest.raises(ValueError, match="potential has 9 values"):
        lattice.potential = np.zeros((3, 3))
    with pytest.raises(ValueError, match="open_grip is 2"):
        Lattice(grid, open_voxels, open_grip=2)
    with pytest.raises(ValueError, match="threads is 0"):
        Lattice(grid, open_voxels, threads=0)
    for dt in (0.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="must be a finite time above 0"):
            lattice.update(cells, dt, seed=1, step=0)
