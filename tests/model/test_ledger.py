"""The books of the cells: what is entered, and that nothing is missed."""

from __future__ import annotations

import re

import numpy as np
import pytest

from scaffoldsim.model.events import BIRTH, DEATH, FATE, Events
from scaffoldsim.model.ledger import LEFT, InvariantError, Ledger

CAUSES, TYPES = ["basal", LEFT, "lifespan"], ["bmsc", "osteoblast", "senescent"]
ORIGINS = ["autologous", "allogeneic"]


def events(births: list = (), deaths: list = (), fates: list = ()) -> Events:
    """Births (type, origin), deaths (type, origin, cause), fates (origin, before, after)."""
    made = [
        np.zeros(len(what), kind)
        for what, kind in ((births, BIRTH), (deaths, DEATH), (fates, FATE))
    ]
    names = (("type", "origin"), ("type", "origin", "cause"), ("origin", "before", "after"))
    for records, columns, given in zip(made, names, (births, deaths, fates), strict=True):
        for row, values in zip(records, given, strict=True):
            for name, value in zip(columns, values, strict=True):
                row[name] = value
    return Events(*made, n_hops=0, substeps=1, n_types=3, n_causes=3)


def delivered() -> Ledger:
    ledger = Ledger(CAUSES, TYPES, ORIGINS)
    ledger.deliver(type=0, origin=1, given=50, stayed=40)
    ledger.deliver(type=1, origin=0, given=7, stayed=7, not_stromal=900)
    return ledger


STEP = events(
    births=[(0, 1), (0, 1)],
    deaths=[(0, 1, 0), (1, 0, 2), (1, 0, 1)],
    fates=[(1, 0, 1), (1, 0, 2), (1, 0, 2)],
)
AFTER = np.array([[0, 5, 0], [38, 1, 2]])


def test_everything_is_entered_by_origin() -> None:
    ledger = delivered()
    ledger.book(STEP, AFTER)
    assert ledger.by_origin() == {
        "autologous": {
            "delivered": 7,
            "born": 0,
            "died": {"basal": 0, "lifespan": 1},
            "left": 1,
            "not_stromal": 900,
            "became": {},
        },
        "allogeneic": {
            "delivered": 50,
            "born": 2,
            "died": {"basal": 1, "lifespan": 0},
            "left": 10,
            "not_stromal": 0,
            "became": {"bmsc to osteoblast": 1, "bmsc to senescent": 2},
        },
    }
    assert (ledger.living == AFTER).all()
    assert (ledger.delivered, ledger.born, ledger.left) == (57, 2, 11)
    assert ledger.died == {"basal": 1, "lifespan": 1}, "who left is not dead"
    assert ledger.not_stromal == 900, "counted, and in no other entry"
    assert repr(ledger) == "Ledger(46 living: 57 delivered, 2 born, 2 died, 11 left)"


@pytest.mark.parametrize("origin", [0, 1])
@pytest.mark.parametrize("type_", [0, 1, 2])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_cell_too_many_or_too_few_is_named(origin: int, type_: int, change: int) -> None:
    census = AFTER.copy()
    census[origin, type_] += change
    words = f"{census[origin, type_]} {ORIGINS[origin]} {TYPES[type_]} live, but the books say "
    with pytest.raises(InvariantError, match=re.escape(words + str(AFTER[origin, type_]))):
        delivered().book(STEP, census)


def test_two_errors_that_cancel_are_both_named() -> None:
    census = AFTER + np.array([[0, 0, 0], [-1, 1, 0]])
    with pytest.raises(InvariantError, match=r"37 allogeneic bmsc .*50 delivered"):
        delivered().book(STEP, census)
    with pytest.raises(InvariantError, match=r"; 2 allogeneic osteoblast live"):
        delivered().book(STEP, census)
    with pytest.raises(InvariantError, match=r"census has shape \(2,\), the books \(2, 3\)"):
        delivered().book(STEP, [1, 2])


def test_state_goes_on_where_it_was() -> None:
    one, other = delivered(), Ledger(CAUSES, TYPES, ORIGINS)
    state = one.state()
    one.book(STEP, AFTER)
    other.load(state)
    other.book(STEP, AFTER)
    assert other.by_origin() == one.by_origin()
    assert state["born"].sum() == 0, "a state does not follow the ledger"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"died": None}, "lacks died"),
        ({"died": np.zeros((2, 3, 3))}, r"died has shape \(2, 3, 3\), must be \(2, 2, 3\)"),
        ({"born": np.zeros((1, 3))}, "of other causes, types or origins"),
    ],
)
def test_a_wrong_state_is_refused_whole(change: dict, message: str) -> None:
    ledger = delivered()
    state = {k: v for k, v in (ledger.state() | change).items() if v is not None}
    state["delivered"] = state["delivered"] + 1
    with pytest.raises(ValueError, match=message):
        ledger.load(state)
    assert ledger.delivered == 57


def test_more_than_given_cannot_stay() -> None:
    with pytest.raises(ValueError, match="8 cells stayed of 7 given"):
        delivered().deliver(type=0, origin=0, given=7, stayed=8)
