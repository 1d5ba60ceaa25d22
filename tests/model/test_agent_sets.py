"""Sets of cells act as Mesa's own agents would: every answer is compared with a plain Mesa model.

The suite runs on whichever Mesa 3.x is installed.
"""

import copy
import statistics

import mesa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.model.agents import Cell, CellSet
from tests.model.toy import BMSC, OSTEOBLAST, Tip, Toy, ids, pair


@pytest.fixture(params=[0, 3], ids=["cells", "cells and tips"])
def both(request):
    """All agents as rows and as objects."""
    toy, plain = pair(tips=request.param)
    yield toy.agents, plain.agents
    del toy, plain  # Mesa's sets hold their agents weakly: the models must live as long as a test


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
