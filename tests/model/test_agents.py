"""A model whose cells are rows, as Mesa sees it."""

import copy
import warnings

import pytest
from mesa.batchrunner import batch_run

from scaffoldsim.model.agents import SLOW_ABOVE, Everyone, cell_class
from tests.model.toy import BMSC, OSTEOBLAST, TYPES, Tip, Toy, ids


def test_agents_by_type():
    toy = Toy(tips=2)

    assert set(toy.agent_types) == {Tip, *map(cell_class, TYPES)}
    assert len(toy.agents_by_type[OSTEOBLAST]) == 0
    assert len(toy.agents_by_type[Tip]) == 2
    bmsc = toy.agents_by_type[BMSC]
    assert isinstance(bmsc, Everyone)
    assert ids(bmsc) == toy.cells.id[toy.cells.type == 0].tolist()
    assert all(agent in bmsc for agent in bmsc)
    turned = bmsc[0]
    toy.cells.type[turned.row] = 2
    assert turned not in bmsc
    assert ids(toy.agents_by_type[OSTEOBLAST]) == [turned.unique_id]
    assert turned.type == "osteoblast"


def test_ids_are_unique_and_tips_do_not_move_those_of_cells():
    alone, crowded = Toy(), Toy(tips=3)
    Tip(crowded)

    everyone = ids(crowded.agents)

    assert len(set(everyone)) == len(everyone) == 24
    assert everyone[:4] == [-2, -3, -4, -5]
    assert ids(alone.agents) == everyone[4:]
    assert crowded.next_ordinary_id == -6


def test_remove_all_agents():
    toy = Toy(tips=2)
    kept = toy.agents.copy()

    toy.remove_all_agents()

    assert len(toy.agents) == len(kept) == toy.cells.n == 0
    assert toy.lattice.placed == 0
    with pytest.raises(AttributeError):
        toy.agents = []


def test_looping_over_very_many_cells_warns_and_columns_do_not():
    toy = Toy()
    n = SLOW_ABOVE + 1
    toy.cells.append(n - toy.cells.n, type=1)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(toy.agents) == n
        assert toy.agents.groupby("type").count()["preosteoblast"] > 1000
        assert len(toy.agents.select(toy.agents.get("age") > 0.15)) < 20
        toy.agents.set("age", 1.0)
        assert toy.agents.agg("age", sum) == n
        assert len(toy.agents.select(agent_type=BMSC)) < 20
    with pytest.warns(RuntimeWarning, match=f"{n} cells one by one"):
        next(iter(toy.agents))


def test_datacollector():
    toy = Toy(tips=1, collect=True, rng=1)
    for _ in range(2):
        toy.step()

    model = toy.datacollector.get_model_vars_dataframe()
    agents = toy.datacollector.get_agent_vars_dataframe()
    bmsc = toy.datacollector.get_agenttype_vars_dataframe(BMSC)
    none = toy.datacollector.get_agenttype_vars_dataframe(OSTEOBLAST)

    assert model["cells"].tolist() == [21, 21]
    assert model["types"].iloc[0] == toy.agents.groupby("type").count()
    assert agents.loc[2]["age"].tolist() == toy.agents.get("age").tolist()
    assert agents.loc[2].index.tolist() == ids(toy.agents)
    assert bmsc.loc[2]["where"].tolist() == [c.pos for c in toy.agents_by_type[BMSC]]
    assert none.dropna().empty


def test_batch_run():
    parameters = {"n": [5, 9], "tips": 1, "collect": True}

    results = batch_run(Toy, parameters, number_processes=1, max_steps=3, display_progress=False)

    assert {row["n"] for row in results} == {5, 9}
    for n in (5, 9):
        rows = [row for row in results if row["n"] == n]
        assert len(rows) >= n + 1
        assert {row["cells"] for row in rows} == {n + 1}


def test_copies_stand_alone():
    toy = Toy(tips=1)
    some = toy.agents.select(at_most=4)

    twin = copy.deepcopy(some)

    assert ids(twin) == ids(some)
    assert twin.model is not toy
    twin.set("age", 9.0)
    assert 9.0 not in toy.agents.get("age")
