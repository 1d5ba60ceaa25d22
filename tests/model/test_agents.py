"""Sets of cells act as Mesa's own agents would: every answer is compared with a plain Mesa model.

`Plain` holds one Mesa object per cell with the same data, in the same order and with the same
seed; `Toy` holds the same cells as rows. The suite runs on whichever Mesa 3.x is installed.
"""

import copy
import math
import statistics
import types
import warnings

import mesa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mesa.batchrunner import batch_run

from scaffoldsim.model.agents import (
    COLUMNS,
    SLOW_ABOVE,
    Cell,
    CellSet,
    ColumnAgents,
    Everyone,
    cell_class,
)
from scaffoldsim.model.cells import Cells

TYPES = ("bmsc", "preosteoblast", "osteoblast")
CAUSES = ("basal", "ischaemic")
SHAPE = (6, 7, 8)
BMSC, OSTEOBLAST = cell_class("bmsc"), cell_class("osteoblast")


class Occupants:
    """The part of the lattice that agents use: it is told when cells have gone."""

    placed: int | None = None

    def place(self, cells):
        self.placed = cells.n


class Tip(mesa.Agent):
    """An ordinary agent with some attributes of a cell."""

    type = "tip"

    def __init__(self, model, age=0.0):
        super().__init__(model)
        self.age = age
        self.steps = 0

    def step(self):
        self.steps += 1


class Toy(ColumnAgents, mesa.Model):
    """Random cells and some tips."""

    def __init__(self, n=20, tips=0, collect=False, rng=None):
        super().__init__(rng=rng)
        self.seed, self.step_index = 5, 0
        self.grid = types.SimpleNamespace(shape=SHAPE, voxel=20e-6)
        self.lattice = Occupants()
        self.cells = Cells(TYPES, CAUSES, capacity=max(n, 1))
        draw = np.random.default_rng(3)
        self.cells.append(
            n,
            voxel=draw.permutation(math.prod(SHAPE))[:n],
            type=draw.integers(0, 2, n),  # no osteoblast
            age=draw.integers(0, 5, n) * np.float32(0.1),
            genes=draw.integers(0, 256, n),
        )
        for i in range(tips):
            Tip(self, age=0.25 * i)
        self.datacollector = mesa.DataCollector(
            model_reporters={
                "cells": lambda m: len(m.agents),
                "types": lambda m: m.agents.groupby("type").count(),
            },
            agent_reporters={"age": "age"} if collect else None,
            agenttype_reporters={BMSC: {"where": "pos"}, OSTEOBLAST: {"where": "pos"}}
            if collect
            else None,
        )

    def step(self):
        self.step_index += 1
        self.cells.age += 1.0
        self.datacollector.collect(self)


class Plain(mesa.Model):
    """The same agents as one Mesa object each."""

    def __init__(self, toy, rng=None):
        super().__init__(rng=rng)
        for agent in toy.agents:
            one = mesa.Agent(self)
            one.unique_id = agent.unique_id
            for name in ("type", "age"):
                setattr(one, name, getattr(agent, name))
            if isinstance(agent, Cell):
                for name in ("genes", "voxel", "hop", "pos", "xyz"):
                    setattr(one, name, getattr(agent, name))


def ids(agents):
    return [agent.unique_id for agent in agents]


def pair(n=20, tips=0):
    toy = Toy(n, tips, rng=7)
    return toy, Plain(toy, rng=7)


@pytest.fixture(params=[0, 3], ids=["cells", "cells and tips"])
def both(request):
    """All agents as rows and as objects."""
    toy, plain = pair(tips=request.param)
    yield toy.agents, plain.agents
    del toy, plain  # Mesa's sets hold their agents weakly: the models must live as long as a test


# -- the protocol, member by member, against Mesa ------------------------------------------------


def test_order_length_and_items(both):
    ours, theirs = both

    assert len(ours) == len(theirs)
    assert ids(ours) == ids(theirs)
    assert ids(ours.to_list()) == ids(theirs)
    assert ours[4].unique_id == list(theirs)[4].unique_id
    assert ours[-1].unique_id == list(theirs)[-1].unique_id
    assert ids(ours[3:9:2]) == ids(list(theirs)[3:9:2])
    assert isinstance(ours.copy(), CellSet)
    assert ids(copy.copy(ours)) == ids(theirs)
    with pytest.raises(IndexError):
        ours[len(ours)]


@pytest.mark.parametrize("name", ["age", "type", "unique_id"])
def test_get_one_attribute(both, name):
    ours, theirs = both

    values = ours.get(name)

    assert values.tolist() == list(theirs.get(name))
    with pytest.raises(ValueError, match="read-only"):
        values[:] = values[0]


def test_get_several_attributes(both):
    ours, theirs = both

    assert ours.get(["age", "type"]) == theirs.get(["age", "type"])


def test_get_positions():
    toy, plain = pair()

    assert [tuple(p) for p in toy.agents.get("pos").tolist()] == plain.agents.get("pos")
    assert np.allclose(toy.agents.get("xyz"), plain.agents.get("xyz"), rtol=1e-15, atol=0)
    assert toy.agents.get(["pos"]) == plain.agents.get(["pos"])


def test_get_a_missing_attribute(both):
    ours, theirs = both

    for agents in both:
        with pytest.raises(AttributeError):
            agents.get("colour")
        with pytest.raises(ValueError, match="handle_missing"):
            agents.get("age", handle_missing="ignore")
    wanted = theirs.get("genes", handle_missing="default", default_value=-9)
    assert ours.get("genes", handle_missing="default", default_value=-9).tolist() == wanted
    assert ours.get("colour", "default", "red").tolist() == theirs.get("colour", "default", "red")


def test_set_one_value(both):
    ours, theirs = both

    assert ours.set("age", 0.5) is ours
    theirs.set("age", 0.5)

    assert ours.get("age").tolist() == theirs.get("age")


def test_set_one_value_per_agent(both):
    ours, _ = both
    values = np.arange(len(ours)) * 0.5

    ours.set("age", values)

    assert [agent.age for agent in ours] == values.tolist()
    with pytest.raises(ValueError, match=r"'age': \d+ values for \d+ agents"):
        ours.set("age", values[:-1])


@pytest.mark.parametrize(
    "func", [sum, min, max, np.mean, np.std, statistics.mean, len, lambda v: max(v) - min(v)]
)
def test_agg(both, func):
    ours, theirs = both

    value = ours.agg("age", func)

    assert value == pytest.approx(theirs.agg("age", func), rel=1e-14)
    assert isinstance(value, int | float)
    assert not isinstance(value, np.generic)


def test_agg_by_several_functions_and_of_none(both):
    ours, theirs = both

    assert ours.agg("age", [min, max]) == theirs.agg("age", [min, max])
    assert ours.select(at_most=0).agg("age", sum) == 0
    with pytest.raises(ValueError):  # noqa: PT011 - the words are Python's
        ours.select(at_most=0).agg("age", min)
    assert ours.agg("type", set) == set(theirs.get("type"))


def test_agg_does_not_overflow_the_column():
    toy, plain = pair(50)

    assert toy.agents.agg("genes", sum) == plain.agents.agg("genes", sum) > 255


CHOICES = [
    {},
    {"filter_func": lambda a: a.age > 0.15},
    {"filter_func": lambda a: a.type == "bmsc", "at_most": 3},
    {"at_most": 0.5},
    {"at_most": 1.0},
    {"at_most": 1},
    {"at_most": 0},
    {"filter_func": lambda a: a.age > 0.15, "at_most": 0.25},
]


@pytest.mark.parametrize("choice", CHOICES)
def test_select(both, choice):
    ours, theirs = both

    chosen = ours.select(**choice)

    assert ids(chosen) == ids(theirs.select(**choice))
    assert type(chosen) is CellSet
    narrowed = ours.copy()
    assert narrowed.select(**choice, inplace=True) is narrowed
    assert ids(narrowed) == ids(chosen)


def test_select_by_mask(both):
    ours, theirs = both

    chosen = ours.select(ours.get("age") > 0.15, at_most=4)

    assert ids(chosen) == ids(theirs.select(lambda a: a.age > 0.15, at_most=4))
    with pytest.raises(ValueError, match="one bool per agent"):
        ours.select(np.ones(len(ours) + 1, bool))
    with pytest.raises(ValueError, match="one bool per agent"):
        ours.select(ours.get("age"))


def test_a_function_is_called_once_per_agent(both):
    seen = []

    both[0].select(lambda a: seen.append(a) or True)

    assert ids(seen) == ids(both[1])
    assert all(isinstance(agent, mesa.Agent) for agent in seen)


def test_select_by_class():
    toy = Toy(tips=2)

    assert set(toy.agents.select(agent_type=BMSC).get("type")) == {"bmsc"}
    assert len(toy.agents.select(agent_type=OSTEOBLAST)) == 0
    assert len(toy.agents.select(agent_type=Tip)) == 2
    assert len(toy.agents.select(agent_type=Cell)) == 20
    assert len(toy.agents.select(agent_type=(Tip, Cell))) == 22
    assert len(toy.agents.select(agent_type=mesa.Agent)) == 22
    old = toy.agents.select(lambda a: a.age > 0.15, agent_type=BMSC)
    assert ids(old) == [a.unique_id for a in toy.agents if type(a) is BMSC and a.age > 0.15]


@pytest.mark.parametrize("by", ["type", "age", lambda a: a.age > 0.15])
def test_groupby(both, by):
    ours, theirs = both

    got, want = ours.groupby(by), theirs.groupby(by)

    assert list(got.count().items()) == list(want.count().items())  # keys in Mesa's order
    assert {k: ids(g) for k, g in got} == {k: ids(g) for k, g in want}
    assert got.agg("age", max) == pytest.approx(want.agg("age", max))
    assert got.map("agg", "age", min) == want.map("agg", "age", min)
    lists = ours.groupby(by, result_type="list")
    assert all(isinstance(group, list) for _, group in lists)
    assert lists.count() == want.count()


def test_group_keys_are_type_names():
    toy = Toy(tips=2)

    counts = toy.agents.groupby("type").count()

    assert counts == {
        "tip": 2,
        "bmsc": int((toy.cells.type == 0).sum()),
        "preosteoblast": int((toy.cells.type == 1).sum()),
    }
    assert {type(key) for key in counts} == {str}
    assert toy.agents.select(at_most=0).groupby("type").count() == {}


def test_shuffle_draws_what_mesa_draws(both):
    ours, theirs = both

    assert ids(ours.shuffle()) == ids(theirs.shuffle())
    assert ids(ours.shuffle()) == ids(theirs.shuffle()) != sorted(ids(ours))
    once = ours.copy()
    assert once.shuffle(inplace=True) is once
    assert ids(once) == ids(theirs.shuffle())


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("key", ["age", "type", lambda a: -a.age])
def test_sort_is_stable(both, key, ascending):
    ours, theirs = both

    assert ids(ours.sort(key, ascending)) == ids(theirs.sort(key, ascending))


def test_do_and_map(both):
    ours, theirs = both

    def grow(agent, by, *, times=1):
        agent.age += by * times
        return agent.unique_id

    assert ours.do(grow, 0.5, times=2) is ours
    theirs.do(grow, 0.5, times=2)
    assert ours.map(grow, 0.5) == theirs.map(grow, 0.5)
    assert ours.get("age").tolist() == pytest.approx(theirs.get("age"), rel=1e-6)
    assert ours.map("__hash__") == [hash(agent) for agent in ours]
    order = []
    assert ours.shuffle_do(lambda a: order.append(a.unique_id)) is ours
    assert order == ids(theirs.shuffle())


def test_do_leaves_out_who_was_removed_meanwhile():
    toy = Toy(tips=3)
    first, *others = (a for a in toy.agents if isinstance(a, Tip))
    called = []

    def act(agent):
        called.append(agent.unique_id)
        if agent is first:
            others[0].remove()
        if len(called) == 4:
            toy.cells.keep(toy.cells.id > 9)

    toy.agents.do(act)

    assert called[:2] == [first.unique_id, others[1].unique_id]
    assert all(uid > 9 for uid in called[4:])
    assert len(called) == 4 + sum(uid > 9 for uid in ids(toy.agents)) - sum(
        uid > 9 for uid in called[:4]
    )


def test_set_algebra_and_membership(both):
    ours, theirs = both
    old, old_plain = (agents.select(lambda c: c.age > 0.15) for agents in both)
    first, first_plain = (agents.select(at_most=12) for agents in both)

    for operation in ("__and__", "__or__", "__sub__", "__xor__"):
        got = getattr(old, operation)(first)
        assert sorted(ids(got)) == sorted(ids(getattr(old_plain, operation)(first_plain)))
        assert isinstance(got, CellSet)
    assert old <= ours
    assert not ours <= old
    assert ours == ours.copy()
    assert all(agent in ours for agent in old)
    assert old[0] in old
    assert ours.select(lambda c: c.age < 0.15)[0] not in old
    assert "bmsc" not in ours
    assert next(iter(theirs)) not in ours


def test_membership_can_change_but_not_of_those_that_follow_the_model():
    toy = Toy(tips=1)
    some = toy.agents.select(at_most=5)
    agent = toy.agents[9]

    some.add(agent)
    some.add(agent)
    assert len(some) == 6
    some.remove(agent)
    some.discard(agent)
    assert len(some) == 5
    assert agent.alive
    with pytest.raises(KeyError):
        some.remove(agent)
    with pytest.raises(ValueError, match="no agent of this model"):
        some.add(Tip(mesa.Model()))
    for live in (toy.agents, toy.agents_by_type[BMSC]):
        for change in (lambda s: s.discard(s[0]), lambda s: s.shuffle(inplace=True)):
            with pytest.raises(TypeError, match=r"\.copy\(\)"):
                change(live)


def test_sets_cannot_be_taken_from_another_model():
    one, other = Toy(), Toy()

    assert one.agents[0] != other.agents[0]
    assert other.agents[0] not in one.agents
    with pytest.raises(ValueError, match="no agent of this model"):
        one.agents | other.agents


# -- rows come and go ----------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.data())
def test_selections_follow_their_cells(data):
    toy = Toy(12, tips=1)
    some = toy.agents.select(lambda a: a.age > 0.15)
    kept = some.to_list()
    for _ in range(3):
        n = toy.cells.n
        if data.draw(st.booleans()):
            toy.cells.order(np.array(data.draw(st.permutations(range(n)))))
        else:
            mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
            toy.cells.keep(np.array(mask, bool))
            toy.cells.append(2, voxel=[1, 2])
    alive = set(toy.cells.id.tolist())

    survivors = [a for a in kept if isinstance(a, Tip) or a.unique_id in alive]

    assert some.to_list() == survivors
    assert some.get("age").tolist() == [a.age for a in survivors]
    assert [a.alive for a in kept if isinstance(a, Cell)] == [
        a.unique_id in alive for a in kept if isinstance(a, Cell)
    ]
    some.set("age", 7.0)
    assert (toy.cells.age == 7.0).sum() == sum(isinstance(a, Cell) for a in survivors)


def test_a_removed_tip_drops_out():
    toy = Toy(tips=2)
    everyone = toy.agents.copy()
    tip = everyone[0]

    tip.remove()

    assert tip not in everyone
    assert len(everyone) == len(toy.agents) == 21


# -- one cell ------------------------------------------------------------------------------------


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


# -- the model -----------------------------------------------------------------------------------


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
