"""One cell as a Mesa agent: a view of its row."""

import math

import mesa
import numpy as np
import pytest

from scaffoldsim.model.agents import COLUMNS, Cell, cell_class
from tests.model.toy import BMSC, SHAPE, TYPES, Toy


def test_every_column_reads_and_writes_through_a_view():
    toy = Toy(6)
    cell = toy.agents[2]
    fixed = {"id", "voxel", "type"}

    assert set(COLUMNS) == {name for name, c in toy.cells.columns.items() if not c.per}
    for name in set(COLUMNS) - {"type"}:
        value = getattr(cell, name)
        assert type(value) in (int, float)
        assert value == getattr(toy.cells, name)[2]
    for name in set(COLUMNS) - fixed:
        setattr(cell, name, 3)
        assert getattr(toy.cells, name).tolist().count(3) >= 1
        assert getattr(toy.cells, name)[2] == 3
    for name in (*fixed, "pos", "xyz", "unique_id", "model", "row", "alive"):
        with pytest.raises(AttributeError):
            setattr(cell, name, 3)
        if name in fixed:
            with pytest.raises(AttributeError, match="read-only"):
                toy.agents.set(name, 3)


def test_place_and_names():
    toy = Toy(6)
    cell = toy.agents[0]
    i, j, k = cell.pos

    assert (i * SHAPE[1] + j) * SHAPE[2] + k == toy.cells.voxel[0]
    assert cell.xyz == pytest.approx([(v + 0.5) * 20e-6 for v in (i, j, k)])
    assert cell.type == TYPES[toy.cells.type[0]]
    assert type(cell) is cell_class(cell.type)
    assert isinstance(cell, mesa.Agent)
    assert cell.model is toy
    assert repr(cell) == f"<{type(cell).__name__} {cell.unique_id}>"
    assert repr(toy.agents) == "<Everyone of 6 agents>"


def test_nothing_written_is_lost():
    toy = Toy(6, tips=1)
    cell = toy.agents[1]

    with pytest.raises(AttributeError, match="no column 'agee'"):
        cell.agee = 1.0
    with pytest.raises(AttributeError, match="no column 'step'"):
        cell.step = print
    with pytest.raises(AttributeError, match="no column 'agee'"):
        toy.agents.set("agee", 1.0)
    with pytest.raises(ValueError, match="whole numbers of uint8"):
        cell.genes = 256
    with pytest.raises(ValueError, match="whole numbers of uint8"):
        toy.agents_by_type[BMSC].set("genes", 1.5)


@pytest.mark.parametrize("rate", [-1.0, math.nan])
def test_rates_are_checked(rate):
    cell = Toy(6).agents[0]

    for write in (
        lambda: setattr(cell, "hop", rate),
        lambda: cell.set_fate("osteoblast", rate),
        lambda: cell.set_death("basal", rate),
        lambda: cell.model.agents.set("divide", rate),
    ):
        with pytest.raises(ValueError, match="allowed: >= 0 in 1/s"):
            write()


def test_rates_by_name():
    toy = Toy(6)
    cell = toy.agents[3]

    cell.set_fate("osteoblast", 0.25)
    cell.set_death("ischaemic", math.inf)
    cell.hop = 0.5

    assert toy.cells.fate[:, 3].tolist() == [0.0, 0.0, 0.25]
    assert toy.cells.death[:, 3].tolist() == [0.0, math.inf]
    assert (toy.cells.fate > 0).sum() == (toy.cells.death > 0).sum() == 1
    assert (toy.cells.hop > 0).sum() == 1
    with pytest.raises(ValueError, match="fate 'bone' is unknown; allowed: bmsc, preosteoblast"):
        cell.set_fate("bone", 1.0)
    with pytest.raises(ValueError, match="death 'age' is unknown; allowed: basal, ischaemic"):
        cell.set_death("age", 1.0)


def test_removing_a_cell_is_refused_with_advice():
    toy = Toy(6)

    with pytest.raises(TypeError, match=r"set_death\(cause, math.inf\)"):
        toy.agents[0].remove()
    with pytest.raises(TypeError):
        BMSC(toy)
    with pytest.raises(TypeError):
        BMSC.create_agents(toy, 2)
    assert len(toy.agents) == 6


def test_a_dead_cell_says_so():
    toy = Toy(6)
    cell = toy.agents[0]
    same = toy.agents[0]
    toy.cells.keep(toy.cells.id != cell.unique_id)

    assert not cell.alive
    assert cell == same
    assert cell not in toy.agents
    assert repr(cell).endswith(", dead>")
    for use in (lambda: cell.age, lambda: setattr(cell, "age", 1.0), lambda: cell.pos):
        with pytest.raises(ReferenceError, match=f"cell {cell.unique_id} is dead"):
            use()


def test_views_of_one_cell_are_equal():
    toy = Toy(6)
    a, b = toy.agents[2], toy.agents.select(at_most=3)[2]

    assert a is not b
    assert a == b
    assert len({a, b}) == 1
    assert a != toy.agents[1]


def test_random_numbers_hang_on_the_cell_not_the_row():
    toy = Toy(8)
    before = {cell: cell.uniform("rest") for cell in toy.agents}

    toy.cells.order(np.arange(8)[::-1])

    assert {cell: cell.uniform("rest") for cell in toy.agents} == before
    columns = toy.cells.uniform("rest", seed=toy.seed, step=toy.step_index)
    assert [cell.uniform("rest") for cell in toy.agents] == columns.tolist()
    cell = toy.agents[0]
    assert cell.uniform("other") != cell.uniform("rest")
    toy.step_index += 1
    assert cell.uniform("rest") != before[cell]


def test_a_step_per_cell_and_one_on_columns_agree():
    slow, fast = Toy(30), Toy(30)

    def step(cell):
        if cell.type == "bmsc" and cell.uniform("rest") < 0.5:
            cell.hop = 0.0
            cell.set_fate("osteoblast", 0.1 * cell.age)

    for toy in (slow, fast):
        toy.cells.hop = 1.0
    slow.agents.do(step)
    cells = fast.cells
    rest = (cells.type == 0) & (cells.uniform("rest", seed=fast.seed, step=0) < 0.5)
    cells.hop[rest] = 0.0
    cells.fate[2, rest] = 0.1 * cells.age[rest].astype(float)

    assert rest.any()
    assert np.array_equal(slow.cells.hop, fast.cells.hop)
    assert np.array_equal(slow.cells.fate, fast.cells.fate)


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("bmsc", "BMSC"),
        ("preosteoblast", "PreOsteoblast"),
        ("osteoblast", "Osteoblast"),
        ("adipocyte", "Adipocyte"),
        ("endothelial_like", "EndothelialLike"),
    ],
)
def test_classes_have_public_names(name, public):
    assert cell_class(name).__name__ == public
    assert cell_class(name) is cell_class(name)
    assert issubclass(cell_class(name), Cell)
