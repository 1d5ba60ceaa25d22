"""The immune response: who is rejected, how fast, from when on, and what provokes nothing."""

from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import load
from scaffoldsim.model.delivery import SOURCES
from scaffoldsim.model.immunity import Immunity
from scaffoldsim.model.model import Model
from tests.model.body import BODY, DAY, VESSELS, closes, kept

PER_DAY = 1 / DAY
WEEK = 7 * 24


def built(**change: Any) -> Model:
    change = {"cells.source": "allogeneic", "duration": "30 d"} | change
    return Model(load(BODY, set=change), threads=1)


def immunity(model: Model) -> Immunity:
    assert model.immunity is not None
    return model.immunity


def hazards(model: Model, hour: int) -> Any:
    """Per day, at the beginning of an hour."""
    model.step_index = hour
    found = immunity(model).hazard(model)
    return np.zeros(model.cells.n) if found is None else found * DAY


RAW = {"scaffold.material": "xenograft_raw"}
SHORT = {"value": "40 um", "range": ["10 um", "200 um"], "mark": "assumed", "source": "of a test"}


def test_cells_of_another_are_rejected_after_a_week() -> None:
    model = built()
    assert not hazards(model, WEEK - 1).any()
    assert hazards(model, WEEK) == pytest.approx(0.15 * 0.3)
    assert immunity(model).near is None, "BCP provokes nothing"


def test_own_cells_on_an_inert_material_are_left_alone() -> None:
    model = built(**{"cells.source": "autologous"})
    assert not hazards(model, 2 * WEEK).any()
    model.immunity.advance(model, DAY)  # type: ignore[union-attr]
    assert model.ledger.died["immune"] == 0


def test_the_greater_of_cell_and_material_counts_and_the_host_feels_the_material_alone() -> None:
    model = built(**RAW, **{"host.immunity.reach": SHORT})
    cells, near = model.cells, immunity(model).near
    assert near is not None
    cells.origin[:100] = SOURCES.index("host")
    # some to where no surface is
    away = np.flatnonzero(~near.ravel() & (model.lattice.occupant == -1))[:50]
    rows = np.arange(75, 125)
    cells.voxel[rows[: away.size]] = away
    model.lattice.place(cells)
    beside = near.ravel()[cells.voxel]
    own = np.where(cells.origin == SOURCES.index("host"), 0.0, 0.3)
    expected = 0.15 * np.maximum(own, np.where(beside, 0.8, 0.0))
    assert len(set(expected.round(6))) == 3
    assert hazards(model, WEEK) == pytest.approx(expected)
    assert not hazards(model, WEEK - 1).any()


def test_near_is_what_lies_within_reach_of_the_material() -> None:
    model = built(**RAW, **{"host.immunity.reach": SHORT})
    there = np.argwhere(model.tissue.degradation.fraction >= 0.1)
    near, shape = immunity(model).near, np.array(model.grid.shape)
    assert near is not None
    for voxel in np.argwhere(np.ones(model.grid.shape, bool))[::97]:
        way = np.abs(there - voxel)
        way[:, :2] = np.minimum(way[:, :2], shape[:2] - way[:, :2])
        assert near[tuple(voxel)] == ((way**2).sum(1).min() <= 4)
    model.tissue.degradation.fraction = np.zeros_like(model.tissue.degradation.fraction)
    model.step_index = 24 * 8 + 1
    model.immunity.advance(model, 3600.0)  # type: ignore[union-attr]
    assert immunity(model).near is near, "looked at once a day"
    model.step_index = 24 * 8
    model.immunity.advance(model, 3600.0)  # type: ignore[union-attr]
    assert near.any()
    assert not immunity(model).near.any(), "what has dissolved is forgotten"  # type: ignore[union-attr]


def test_a_gel_is_material_too() -> None:
    raw = {"value": 0.8, "range": [0, 1], "mark": "assumed", "source": "of a test"}
    gel = {"family": "gel", "pore_size": None, "porosity": None, "material.immunogenicity": raw}
    model = built(**{f"scaffold.{key}": value for key, value in gel.items()})
    near = immunity(model).near
    assert near is not None
    assert near.all()


def test_where_the_material_was_is_kept_across_a_restart() -> None:
    one = immunity(built(**RAW, **{"host.immunity.reach": SHORT}))
    assert one.near is not None
    state, near = one.state(), one.near
    one.near = ~near
    one.load(state)
    assert np.array_equal(one.near, near)


def test_the_rejected_die_at_their_rate_and_are_booked() -> None:
    model, days = built(**{"cells.source": "xenogeneic", "cells.donor.species": "human"}), 5
    n = model.cells.n
    for day in range(days):
        model.step_index = WEEK + 24 * day
        model.immunity.advance(model, DAY)  # type: ignore[union-attr]
    left = np.exp(-0.15 * 0.8 * days)
    assert abs(model.cells.n - n * left) < 4 * np.sqrt(n * left * (1 - left))
    assert model.ledger.died["immune"] == n - model.cells.n
    assert closes(model)


def test_a_second_dose_meets_a_response_that_is_there() -> None:
    model = built(
        **{"cells.number": 0, "cells.doses": [{"at": "2 d", "number": 100}, {"at": "9 d"}]}
    )
    assert immunity(model).met == 2 * DAY
    model.cells.append(1, voxel=np.flatnonzero(model.lattice.occupant == -1)[:1], origin=1)
    assert not hazards(model, 24 * 9 - 1).any()
    assert hazards(model, 24 * 9).all()


def test_vessels_beside_a_material_that_provokes_are_lost() -> None:
    assert immunity(built()).hazard_of_vessels(30 * DAY) is None
    one = immunity(built(**RAW, **{"host.immunity.reach": SHORT}))
    assert one.hazard_of_vessels(7 * DAY - 1) is None
    found = one.hazard_of_vessels(7 * DAY)
    assert found is not None
    assert found[one.near] == pytest.approx(0.1 * 0.8 * PER_DAY)
    assert not found[~one.near].any()  # type: ignore[operator]
    assert one.hazard_of_vessels(8 * DAY) is found, "made once a look"
    one.near = np.zeros_like(one.near)
    assert not one.hazard_of_vessels(8 * DAY).any()  # type: ignore[union-attr]


def test_in_a_run_the_response_reaches_vessels_and_a_restart_keeps_it() -> None:
    onset = {"value": "2 h", "range": ["1 h", "14 d"], "mark": "assumed", "source": "of a test"}
    change = {**VESSELS, **RAW, "cells.delivery": "gel_seeding", "host.immunity.onset": onset}
    model = built(**change)
    for _ in range(2):
        model.step()
    assert model.circulation is not None
    assert model.circulation.hazard is None
    early = kept(model)
    for _ in range(2):
        model.step()
    assert model.circulation.hazard is not None
    assert model.ledger.died["immune"] > 0
    assert closes(model)
    again = Model(model.config, threads=2)
    again.load(early)
    for _ in range(2):
        again.step()
    one, other = kept(model), kept(again)
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_culture_rejects_nothing() -> None:
    assert Model("culture", set={"cells.number": 10}, threads=1).immunity is None
