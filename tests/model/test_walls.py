"""Walls that change a few voxels at a time, and cells that others let die, change or come."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.model.cells import Cells
from scaffoldsim.model.lattice import Lattice
from scaffoldsim.model.ledger import Ledger
from scaffoldsim.model.walls import BONE, OSTEOID, PORE, SCAFFOLD
from scaffoldsim.scaffold.grid import Grid

TYPES, CAUSES = ["bmsc", "osteoblast", "osteocyte"], ["basal", "buried", "left"]
SHAPE = (6, 5, 7)
DT = 3600.0


def a_lattice(n: int = 0, seed: int = 1, shape: Any = SHAPE, **more: Any) -> tuple[Lattice, Cells]:
    """Open voxels with some cells in them."""
    rng = np.random.default_rng(seed)
    lattice = Lattice(Grid(shape, 2e-5, (True, False, True)), np.zeros(shape, bool), **more)
    cells = Cells(TYPES, CAUSES)
    voxels = rng.permutation(int(np.prod(shape)))[:n]
    cells.append(n, voxel=voxels, type=rng.integers(0, 3, n), origin=rng.integers(0, 2, n))
    lattice.place(cells)
    return lattice, cells


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from([SHAPE, (1, 4, 3), (2, 1, 9), (1, 1, 1)]),
    periodic=st.tuples(*[st.booleans()] * 3),
    gel=st.booleans(),
)
def test_a_few_voxels_changed_are_as_all_set_anew(
    seed: int, shape: tuple[int, int, int], periodic: tuple[bool, bool, bool], gel: bool
) -> None:
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 4, shape).astype(np.uint8)
    hold = rng.random(shape) < 0.3 if gel else None
    lattices = [Lattice(Grid(shape, 2e-5, periodic), np.zeros(shape, bool)) for _ in range(2)]
    little, anew = lattices
    free = np.flatnonzero(kind != SCAFFOLD)
    cells = Cells(TYPES, CAUSES)
    cells.append(free.size // 3, voxel=rng.permutation(free)[: free.size // 3])
    for each in lattices:
        each.set_walls(kind == SCAFFOLD, matrix=kind > SCAFFOLD, gel=hold)
        each.place(cells)
    for _ in range(3):
        other = rng.integers(0, 4, shape).astype(np.uint8)
        other[(little.occupant.reshape(shape) >= 0) & (other == SCAFFOLD)] = BONE
        here = rng.random(shape) < rng.choice([0.0, 0.1, 1.0])
        voxels = np.flatnonzero(here)
        little.change_walls(voxels, other.ravel()[voxels])
        kind = np.where(here, other, kind)
        anew.set_walls(kind == SCAFFOLD, matrix=kind > SCAFFOLD, gel=hold)
        assert little._flags.tobytes() == anew._flags.tobytes()
        assert little.occupant.tobytes() == anew.occupant.tobytes()
        assert repr(little) == repr(anew)


@pytest.mark.parametrize(
    ("voxels", "kind", "message"),
    [
        ([3, 2], [0, 0], r"must ascend and lie in 0 to 209"),
        ([3, 3], [0, 0], r"must ascend"),
        ([-1, 3], [0, 0], r"must ascend"),
        ([3, 210], [0, 0], r"must ascend"),
        ([3, 4], [0, 4], r"kind has values 0 to 4, must lie in 0 to 3"),
        ([3, 4], [0], r"must be one kind a voxel"),
    ],
)
def test_changes_that_cannot_be_are_refused(voxels: Any, kind: Any, message: str) -> None:
    lattice, _ = a_lattice(5)
    before = lattice._flags.copy()
    with pytest.raises(ValueError, match=message):
        lattice.change_walls(voxels, kind)
    assert (lattice._flags == before).all()


def test_no_scaffold_where_a_cell_stands() -> None:
    lattice, cells = a_lattice(1)
    voxel = int(cells.voxel[0])
    at = np.unravel_index(voxel, SHAPE)
    message = rf"voxel \({at[0]}, {at[1]}, {at[2]}\) holds a cell and cannot become solid"
    before = lattice._flags.copy()
    with pytest.raises(ValueError, match=message):
        lattice.change_walls([voxel], [SCAFFOLD])
    assert (lattice._flags == before).all()
    lattice.change_walls([voxel], [OSTEOID])
    assert lattice.occupant[voxel] == 0


def test_a_voxel_that_is_a_pore_again_may_be_entered() -> None:
    lattice, cells = a_lattice(0, shape=(1, 2, 1))
    lattice.settle(cells, [0], type=0, origin=0)
    hops = []
    for step, kind in enumerate([BONE] * 20 + [PORE] * 20):
        lattice.change_walls([1], [kind])
        cells.hop = np.inf
        hops.append(lattice.update(cells, DT, seed=1, step=step + 1).n_hops)
    assert sum(hops[:20]) == 0
    assert sum(hops[20:]) > 0


# what others decide ------------------------------------------------------------------------------


def test_cells_die_and_change_as_told_and_the_books_close() -> None:
    lattice, cells = a_lattice(60)
    ledger = Ledger(CAUSES, TYPES, ["autologous", "allogeneic"])
    for (origin, kind), count in np.ndenumerate(cells.census(2)):
        ledger.deliver(type=kind, origin=origin, given=count, stayed=count)
    cells.clock, cells.age = 7.0, 9.0
    before = {
        int(i): (int(t), int(v)) for i, t, v in zip(cells.id, cells.type, cells.voxel, strict=True)
    }
    rows = np.random.default_rng(2).permutation(60)
    dead, gone, turned = rows[:10], rows[10:13], rows[13:40]
    ids = [cells.id[each].tolist() for each in (dead, gone, turned)]
    lattice.change_walls(np.sort(cells.voxel[dead]), np.full(10, BONE))
    events = lattice.interfere(
        cells, deaths={"buried": dead, "left": gone}, fates={"osteocyte": turned}
    )
    assert events.died.tolist() == [0, 10, 3]
    assert sorted(events.deaths["id"].tolist()) == events.deaths["id"].tolist()
    assert {int(i) for i in events.deaths["id"][events.deaths["cause"] == 1]} == set(ids[0])
    changed = [i for i in sorted(ids[2]) if before[i][0] != 2]
    assert events.fates["id"].tolist() == changed
    assert (events.born, events.n_hops, events.substeps) == (0, 0, 0)
    ledger.book(events, cells.census(2))
    assert ledger.died == {"basal": 0, "buried": 10}
    assert ledger.left == 3
    row = cells.rows_of(changed)
    assert (cells.type[row] == 2).all()
    assert (cells.clock[row] == 0).all()
    assert (cells.age == 9).all()
    assert np.count_nonzero(cells.clock) == cells.n - len(changed)
    # everybody else stands where it stood, and the dead have left their voxels
    assert np.array_equal(lattice.occupant[cells.voxel], np.arange(cells.n))
    assert all(before[int(i)][1] == v for i, v in zip(cells.id, cells.voxel, strict=True))
    assert (lattice.occupant[[before[i][1] for i in ids[0]]] == -2).all()
    assert (lattice.occupant[[before[i][1] for i in ids[1]]] == -1).all()
    cells.hop = 0.2 / DT
    lattice.update(cells, DT, seed=1, step=1)


def test_nothing_told_is_nothing_done() -> None:
    lattice, cells = a_lattice(9)
    state = cells.state()
    for told in ({}, {"deaths": {"basal": []}, "fates": {"osteoblast": np.zeros(0, int)}}):
        events = lattice.interfere(cells, **told)
        assert events.balance(2).tolist() == [[0] * 3] * 2
    nobody = Cells(TYPES, CAUSES)
    assert lattice.interfere(nobody, deaths={"basal": []}).died.tolist() == [0, 0, 0]
    assert all(np.array_equal(v, state[k]) for k, v in cells.state().items())


def test_the_order_of_the_rows_does_not_matter() -> None:
    found = []
    for turned in (False, True):
        lattice, cells = a_lattice(40)
        if turned:
            cells.order(np.arange(40)[::-1])
        dead = cells.rows_of(np.arange(0, 40, 3))
        events = lattice.interfere(
            cells, deaths={"basal": dead}, fates={"osteoblast": cells.rows_of([1, 4])}
        )
        lattice.settle(cells, events.deaths["voxel"], type=1, origin=1)
        order = np.argsort(cells.id)
        found.append(
            [events.deaths.tobytes(), events.fates.tobytes()]
            + [v[order].tobytes() for v in cells.state().values() if v.ndim]
        )
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"deaths": {"hunger": [0]}}, r"no cause of death 'hunger' \(allowed: basal, buried, left"),
        ({"fates": {"neuron": [0]}}, r"no cell type 'neuron' \(allowed: bmsc"),
        ({"deaths": {"basal": [0, 9]}}, r"no row 9: there are 9 cells"),
        ({"deaths": {"basal": [-1]}}, r"no row -1"),
        ({"deaths": {"basal": [2, 1, 2]}}, r"row 2 is named twice"),
        ({"deaths": {"basal": [2]}, "fates": {"bmsc": [2]}}, r"row 2 is named twice"),
    ],
)
def test_what_cannot_befall_is_refused(told: Any, message: str) -> None:
    lattice, cells = a_lattice(9)
    state = cells.state()
    with pytest.raises(ValueError, match=message):
        lattice.interfere(cells, **told)
    assert all(np.array_equal(v, state[k]) for k, v in cells.state().items())


def test_cells_moved_by_hand_are_noticed_when_they_die() -> None:
    lattice, cells = a_lattice(2)
    free = int(np.flatnonzero(lattice.occupant < 0)[0])
    cells.voxel[0] = free
    lattice.interfere(cells, deaths={"basal": [0]})
    assert np.count_nonzero(lattice.occupant >= 0) == 1
    assert lattice.occupant[cells.voxel[0]] == 0


def test_cells_settle_in_the_order_of_their_voxels() -> None:
    lattice, cells = a_lattice(20)
    free = np.flatnonzero(lattice.occupant < 0)[[5, 2, 9]]
    rows = lattice.settle(cells, free, type=1, origin=1, doublings=3)
    assert cells.voxel[rows].tolist() == free.tolist()
    assert cells.id[rows].tolist() == [21, 20, 22]
    assert cells.clone[rows].tolist() == [21, 20, 22]
    assert (cells.doublings[rows] == 3).all()
    assert (cells.type[rows] == 1).all()
    assert np.array_equal(lattice.occupant[cells.voxel], np.arange(23))
    cells.hop, cells.divide = 0.25 / DT, 0.05 / DT
    for step in range(5):
        lattice.update(cells, DT, seed=1, step=step)
    again, _ = a_lattice()
    again.place(cells)
    assert (again.occupant == lattice.occupant).all()
    assert (again._flags == lattice._flags).all()
    assert lattice.settle(cells, [], type=0, origin=0).size == 0


def test_osteocytes_may_settle_in_matrix_but_not_in_scaffold() -> None:
    lattice, cells = a_lattice()
    lattice.change_walls([10, 11], [BONE, SCAFFOLD])
    with pytest.raises(ValueError, match=r"voxel \(0, 1, 3\) is solid or matrix: take one that is"):
        lattice.settle(cells, [10], type=2, origin=0)
    with pytest.raises(ValueError, match=r"voxel \(0, 1, 4\) is solid"):
        lattice.settle(cells, [10, 11], type=2, origin=0, buried=True)
    lattice.settle(cells, [10], type=2, origin=0, buried=True)
    assert lattice.occupant[10] == 0
    lattice.interfere(cells, deaths={"basal": [0]})
    assert lattice.occupant[10] == -2


@pytest.mark.parametrize(
    ("voxels", "more", "message"),
    [
        ([210], {}, r"there is no voxel 210, must be 0 to 209"),
        ([-1], {}, r"there is no voxel -1"),
        ([7, 6, 7], {}, r"voxel \(0, 1, 0\) is named twice"),
        ("held", {}, r"holds a cell already: take one that is free"),
        ([7], {"type": 3}, r"there is no cell type 3"),
        ([7], {"colour": 3}, r"cells have no column colour"),
    ],
)
def test_cells_that_cannot_settle_are_refused(voxels: Any, more: Any, message: str) -> None:
    lattice, cells = a_lattice()
    lattice.settle(cells, [9], type=0, origin=0)
    where = [3, 9] if voxels == "held" else voxels
    with pytest.raises(ValueError, match=message):
        lattice.settle(cells, where, **({"type": 0, "origin": 0} | more))
    assert cells.n == 1
    assert np.count_nonzero(lattice.occupant >= 0) == 1
