"""Columns of cells, and the random numbers that hang on their ids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.model import counter
from scaffoldsim.model.cells import Cells

PINNED_KEY = (3624858560200930630, 4002633763756950356)
PINNED_NUMBERS = [0.6710074382883812, 0.08857726102899288]

TYPES, CAUSES = ["bmsc", "osteoblast"], ["basal", "ischaemic", "lifespan"]


def population(n: int = 5) -> Cells:
    """Cells with something different in each."""
    cells = Cells(TYPES, CAUSES, capacity=1)
    cells.append(n, voxel=np.arange(n)[::-1] * 3, type=np.arange(n) % 2, age=np.arange(n) * 10.0)
    return cells


def test_columns_have_the_declared_types_shapes_and_defaults() -> None:
    cells = population()
    assert cells.death.shape == (3, 5)
    assert cells.fate.shape == (2, 5)
    for name, column in cells.columns.items():
        array = getattr(cells, name)
        assert array.dtype == column.dtype
        assert array.shape[-1] == cells.n == len(cells) == 5
        assert column.name == name
        assert column.unit
        assert column.meaning
        assert array.base is not None, "a view: writing to it reaches the cells"
    assert (cells.parent == -1).all()
    assert (cells.hop == 0.0).all()
    assert repr(cells) == "Cells(5: 3 bmsc, 2 osteoblast)"


def test_columns_are_written_in_place() -> None:
    cells = population()
    cells.hop = 2.0
    cells.hop[1] = 3.0
    cells.hop *= 2.0
    cells.death[1] = 5.0
    assert cells.hop.tolist() == [4.0, 6.0, 4.0, 4.0, 4.0]
    assert cells.death.sum() == 25.0


def test_new_ids_follow_the_order_of_the_voxels() -> None:
    cells = Cells(TYPES, CAUSES)
    cells.append(3, voxel=[30, 10, 20])
    cells.append(2, voxel=[2, 1], clone=[7, 8])
    assert cells.id.tolist() == [2, 0, 1, 4, 3]
    assert cells.clone.tolist() == [2, 0, 1, 7, 8]
    assert cells.next_id == 5


def test_growing_keeps_what_is_there() -> None:
    cells = Cells(TYPES, CAUSES, capacity=2)
    for batch in range(6):
        rows = cells.append(700, doublings=batch, age=batch)
        cells.fate[1, rows] = batch
    assert cells.n <= cells.capacity < 2 * cells.n
    assert (cells.doublings == np.repeat(np.arange(6), 700)).all()
    assert (cells.fate[1] == cells.doublings).all()
    assert (cells.fate[0] == 0.0).all()


def test_rates_of_dead_rows_do_not_come_back() -> None:
    cells = population()
    cells.hop = 9.0
    cells.keep(np.zeros(5, dtype=bool))
    cells.append(3)
    assert (cells.hop == 0.0).all()


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**16)), max_size=12))
def test_rows_can_be_moved_and_removed(actions: list[tuple[int, int]]) -> None:
    """Any mix of append, keep, drop and order against a dictionary by id."""
    cells, known = Cells(TYPES, CAUSES, capacity=1), {}
    dead: set[int] = set()
    for action, seed in actions:
        rng = np.random.default_rng(seed)
        epoch = cells.epoch
        if action == 0:
            rows = cells.append(int(rng.integers(0, 9)), genes=seed % 250)
            cells.divide[rows] = seed
            known |= {int(i): seed for i in cells.id[rows]}
        elif action == 1:
            mask = rng.random(cells.n) < 0.7
            gone = cells.id[~mask].tolist()
            cells.keep(mask)
        elif action == 2:
            rows = np.flatnonzero(rng.random(cells.n) < 0.4)
            gone, left = cells.id[rows].tolist(), np.setdiff1d(cells.id, cells.id[rows])
            before = cells.id.copy()
            source, target = cells.drop(rows)
            assert (cells.id[target] == before[source]).all()
            assert (np.sort(cells.id) == left).all()
        else:
            cells.order(rng.permutation(cells.n))
        if action in (1, 2):
            dead |= set(gone)
            known = {i: v for i, v in known.items() if i not in dead}
        if action > 0:
            assert cells.epoch != epoch
        assert dict(zip(cells.id.tolist(), cells.divide.tolist(), strict=True)) == known
        ids = np.array([*known, *dead, 10**6], dtype=np.int64)
        rows = cells.rows_of(ids)
        assert (cells.id[rows[: len(known)]] == list(known)).all()
        assert (rows[len(known) :] == -1).all()


def test_census_counts_by_origin_and_type() -> None:
    cells = Cells(TYPES, CAUSES)
    cells.append(4, type=[0, 1, 1, 1], origin=[0, 0, 2, 2])
    assert cells.census(3).tolist() == [[1, 1], [0, 0], [0, 2]]
    with pytest.raises(ValueError, match="origin 2, but only 2"):
        cells.census(2)


def test_state_restores_all_but_rates() -> None:
    cells = population()
    cells.keep(np.array([False, False, True, True, True]))  # without the newest ids
    cells.hop = 1.0
    state = cells.state()
    other = population(9)
    other.hop = 7.0
    other.load(state)
    assert other.next_id == 5
    assert (other.hop == 0.0).all()
    for name, column in cells.columns.items():
        if column.checkpoint:
            assert getattr(other, name).tobytes() == getattr(cells, name).tobytes()
    cells.voxel[0] = 99
    assert state["voxel"][0] != 99, "a state does not follow the cells"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"age": None}, "lacks age"),
        ({"age": np.zeros(2)}, "age must have one value a cell"),
        ({"id": np.array([0, 1, 1, 2, 3])}, "ids must differ"),
        ({"next_id": np.array(3)}, "lie in 0 to 2"),
        ({"type": np.array([0, 1, 2, 0, 0])}, "no cell type 2"),
        ({"voxel": np.array([0, 1, 2, 3, 2**40])}, "voxel holds a value that does not fit int32"),
    ],
)
def test_a_wrong_state_is_refused_whole(change: dict, message: str) -> None:
    cells = population()
    state = {k: v for k, v in (cells.state() | change).items() if v is not None}
    before = cells.state()
    with pytest.raises(ValueError, match=message):
        cells.load(state)
    assert all(np.array_equal(cells.state()[k], v) for k, v in before.items())


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"colour": 1}, "no column colour to set .*voxel"),
        ({"id": 1}, "no column id to set"),
        ({"type": 2}, "no cell type 2 .*bmsc, osteoblast"),
        ({"type": -1}, "type holds a value that does not fit uint8"),
        ({"voxel": [1, 2]}, r"voxel has shape \(2,\)"),
        ({"origin": 0.5}, "origin holds a value that does not fit"),
    ],
)
def test_wrong_new_cells_are_refused_whole(columns: dict, message: str) -> None:
    cells = population()
    with pytest.raises(ValueError, match=message):
        cells.append(3, **columns)
    assert (cells.n, cells.next_id) == (5, 5)


def test_wrong_rows_are_refused() -> None:
    cells = population()
    with pytest.raises(ValueError, match="one bool for each of the 5 cells"):
        cells.keep(np.ones(4, dtype=bool))
    for rows in ([0, 1, 2, 3, 3], [0, 1, 2, 3, -1], [0, 1, 2], [0.0, 1.0, 2.0, 3.0, 4.0]):
        with pytest.raises(ValueError, match="not a permutation"):
            cells.order(rows)
    with pytest.raises(ValueError, match="must be 0 or more"):
        cells.append(-1)
    with pytest.raises(ValueError, match="types are"):
        Cells(["bmsc", "bmsc"], CAUSES)
    with pytest.raises(ValueError, match="causes are"):
        Cells(TYPES, [])
    with pytest.raises(ValueError, match="250"):
        Cells([f"type {i}" for i in range(251)], CAUSES)


# random numbers ---------------------------------------------------------------------------------


def test_numbers_are_those_of_the_definition() -> None:
    """Against whole numbers of Python, written out."""

    def mix(z: int) -> int:
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        return z ^ z >> 31

    key = counter.keys(seed=3, step=5, substep=1, purpose="hop")
    ids = [0, 1, 2, 10**6, 2**62]
    expected = [mix(mix((i + key[0]) % 2**64) ^ key[1]) for i in ids]
    assert counter.bits(ids, key).tolist() == expected
    assert counter.uniform(ids, key).tolist() == [(e >> 11) / 2**53 for e in expected]


def test_numbers_never_change() -> None:
    """Pinned, since a run must be the same with the next version."""
    key = counter.keys(seed=1, step=2, purpose="lattice.event")
    assert key == PINNED_KEY
    assert counter.uniform([0, 1], key).tolist() == PINNED_NUMBERS


def test_numbers_are_uniform_and_unrelated() -> None:
    """4 standard errors: mean, every bit, and neighbours in id, step, sub-step and purpose."""
    n = 100_000
    ids = np.arange(n)
    base = {"seed": 1, "step": 1, "substep": 0, "purpose": "hop"}
    first = counter.uniform(ids, counter.keys(**base))
    assert first.min() >= 0.0
    assert first.max() < 1.0
    assert abs(first.mean() - 0.5) < 4.0 / np.sqrt(12.0 * n)
    words = counter.bits(ids, counter.keys(**base))
    ones = [int((words >> np.uint64(b) & np.uint64(1)).sum()) for b in range(64)]
    assert np.abs(np.array(ones) / n - 0.5).max() < 4.0 * 0.5 / np.sqrt(n)
    assert np.unique(words).size == n
    others = [counter.uniform(ids + 1, counter.keys(**base))]
    for change in ({"seed": 2}, {"step": 2}, {"substep": 1}, {"purpose": "divide"}):
        others.append(counter.uniform(ids, counter.keys(**(base | change))))
    for other in others:
        assert abs(np.corrcoef(first, other)[0, 1]) < 4.0 / np.sqrt(n)


def test_a_cell_keeps_its_numbers_in_any_row() -> None:
    cells = population(50)
    by_id = dict(zip(cells.id, cells.uniform("sprout", seed=1, step=4), strict=True))
    cells.order(np.random.default_rng(0).permutation(50))
    cells.keep(cells.id % 3 > 0)
    again = cells.uniform("sprout", seed=1, step=4, n=2)
    assert again.shape == (2, cells.n)
    assert again[0].tolist() == [by_id[i] for i in cells.id]
    assert not (again[0] == again[1]).any()
    assert not (again[0] == cells.uniform("branch", seed=1, step=4)).any()
