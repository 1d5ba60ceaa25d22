"""Doses in a model: what comes when and where, who leaves again, and that the books close.

Founders of a dose are numbered one after the other.
"""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import ConfigError, load
from scaffoldsim.model import doses
from scaffoldsim.model.delivery import SOURCES, Given, Seeding
from scaffoldsim.model.model import Model
from scaffoldsim.model.seeding import seed_voxels
from tests.model.body import BODY, HOUR, VESSELS, closes, kept, number

TRACK = {"rim": number("80 um"), "lesion": {}, "track": {"face": "z+", "depth": "0.4 mm"}}


def built(**change: Any) -> Model:
    return Model(load(BODY, set={k.replace("__", "."): v for k, v in change.items()}), threads=1)


def settled(model: Model) -> Any:
    """Graft cells, by their voxels."""
    return model.cells.voxel[model.cells.origin < SOURCES.index("host")]


@pytest.fixture(scope="module")
def repeated() -> tuple[Model, list[int], dict[str, Any]]:
    """Three doses and one that comes too late; how many were delivered, and the state at 3 h."""
    with pytest.warns(RuntimeWarning, match=r"dose at 0\.5 d would come at or after the end"):
        model = built(
            cells__delivery="injection",
            cells__doses=[
                {"at": "0.5 h", "number": 40},
                {"at": "6.5 h", "delivery": "gel_seeding", "number": 100},
                {"at": "12 h"},
            ],
        )
    given, early = [model.ledger.delivered], {}
    while model.running:
        model.step()
        assert closes(model)
        given.append(model.ledger.delivered)
        if model.step_index == 3:
            early = kept(model)
    model.check()
    return model, given, early


def test_doses_come_at_the_beginning_of_their_step_and_none_at_the_end(repeated: Any) -> None:
    _, given, _ = repeated
    assert np.diff(given).tolist() == [0, 0, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0]
    assert given[0] == 1040
    founders = repeated[0].delivery.founders
    assert founders[:, 1].tolist() == [150, 6, 80, 0]


def test_a_dose_is_one_clone_after_the_other(repeated: Any) -> None:
    model, _, _ = repeated
    first, n = model.delivery.founders[2].tolist()
    own = (model.cells.clone >= first) & (model.cells.clone < first + n)
    born = int((model.cells.parent[own] >= 0).sum())
    assert 60 < own.sum() - born <= 80
    assert (model.cells.age[own] <= 6 * HOUR).all()


def test_a_dose_that_is_to_come_comes_after_a_restart_too(repeated: Any) -> None:
    model, _, early = repeated
    with pytest.warns(RuntimeWarning, match="is not given"):
        again = Model(model.config, threads=2)
    again.load(early)
    while again.running:
        again.step()
    one, other = kept(model), kept(again)
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_without_cells_there_is_a_defined_result() -> None:
    model = built(cells__number=0, cells__doses=[{"at": "1 h", "number": 0}], duration="2 h")
    model.step()
    model.step()
    assert (model.ledger.delivered, settled(model).size) == (0, 0)


def test_of_marrow_only_the_stromal_cells_are_there() -> None:
    model = built(cells__number=1_000_000, cells__msc_fraction=1e-4, cells__delivery="injection")
    assert (model.ledger.delivered, model.ledger.not_stromal) == (100, 999_900)
    assert settled(model).size == 15
    assert closes(model)


def test_more_cells_than_there_is_room_for() -> None:
    with pytest.raises(ConfigError, match=r"cells\.number.*200000.*pores hold \d+ voxels") as error:
        built(cells__number=200_000)
    most = int(str(error.value).rpartition("at most ")[2].split()[0])
    assert settled(built(cells__number=most)).size == round(0.8 * most)
    dense = {"cells__number": None, "cells__density": "9e9 /mL", "cells__msc_fraction": 0.6}
    with pytest.raises(ConfigError, match=r"cells\.density.*pores hold \d+ voxels") as error:
        built(**dense)
    limit = str(error.value).rpartition("at most ")[2]
    assert limit.endswith(" /mL")
    free = settled(built(cells__number=most)).size
    assert 0.98 * free < settled(built(**dense | {"cells__density": limit})).size <= free
    later = {"at": "0 h", "number": 40_000, "delivery": "gel_seeding"}
    with pytest.warns(
        RuntimeWarning, match=r"gel seeding at 0 d: there was room for \d+ of the 32"
    ):
        model = built(cells__doses=[later], cells__number=10)
    assert closes(model)
    assert not model.tissue.vacant().any()


# the site -----------------------------------------------------------------------------------------


def test_a_dose_goes_into_the_track_and_counts_its_volume() -> None:
    body = {"base": "healthy_rat", "site": TRACK}
    model = built(
        host=body,
        cells__number=None,
        cells__density="20e6 /mL",
        cells__delivery="core_decompression",
    )
    assert model.place.cleared is not None
    volume = model.place.cleared.sum() * model.grid.voxel_volume
    assert 0.6 < volume / (model.grid.n_voxels * model.grid.voxel_volume) < 0.7
    assert model.ledger.delivered == round(20e12 * volume)
    assert settled(model).size == round(0.15 * model.ledger.delivered)
    assert model.place.cleared.ravel()[settled(model)].all()
    # other routes reach all of the lesion
    model = built(host=body, cells__number=20_000, cells__delivery="injection")
    assert model.place.region.ravel()[settled(model)].all()
    assert not model.place.cleared.ravel()[settled(model)].all()  # type: ignore[union-attr]


def test_what_stays_of_a_static_seeding_depends_on_the_material() -> None:
    sticky = built(cells__delivery="static_seeding", scaffold__material__adhesion=number(0.5))
    assert settled(sticky).size == round(0.5 * 0.5 * 1000)


def test_cells_that_divide_in_stages_start_in_all_of_them() -> None:
    change = {"cell_types__bmsc__proliferation__cycle": "erlang"}
    stage = built(**change).cells.stage
    assert set(stage) == set(range(8))


# late loss ----------------------------------------------------------------------------------------


def test_cells_of_a_suspension_leave_after_the_first_day_and_by_the_law() -> None:
    """k = 1/d, τ = 2 d: exp(−2 (1 − e^(−(t − 1)/2))) are left after t days."""
    model = built(
        cells__number=12_000,
        cells__delivery="injection",
        cells__doses=[{"at": "0 h", "delivery": "gel_seeding", "number": 500}],
        cell_types__bmsc__attachment__late_loss=number("1 /d"),
        cell_types__bmsc__attachment__late_loss_fade=number("2 d"),
        duration="30 d",
    )
    first, n = model.delivery.founders[0].tolist()
    cells, left = model.cells, {}
    bone = cells.types.index("osteoblast")
    settles = model.lattice.interfere(cells, fates={"osteoblast": np.arange(200)})
    model.ledger.book(settles, cells.census(len(SOURCES)))
    stays = int((cells.clone[:200] < first + n).sum())
    of_gel = int((cells.clone >= first + n).sum())
    for step in range(10 * 24):
        model.step_index = step
        moving = (cells.clone >= first) & (cells.clone < first + n) & (cells.type != bone)
        left[step / 24] = int(moving.sum())
        model.delivery.lose(model, HOUR)
    whole = n - stays
    assert left[1.0] == whole
    for day in (1.5, 3.0, 9.0):
        expected = np.exp(-2 * -np.expm1(-(day - 1) / 2))
        error = 4 * np.sqrt(expected * (1 - expected) * whole)
        assert abs(left[day] - whole * expected) < error, day
    assert (cells.type == bone).sum() == 200, "who cannot crawl stays"
    assert (cells.clone >= first + n).sum() == of_gel == 400, "a gel keeps its cells"


def test_daughters_of_a_suspension_leave_with_it() -> None:
    model = built(
        cells__delivery="gel_seeding",
        cells__doses=[{"at": "0 h", "delivery": "injection"}],
        cell_types__bmsc__attachment__late_loss=number("800 /d"),
        duration="3 d",
    )
    (gel, n_gel), (first, n) = model.delivery.founders.tolist()
    free = np.flatnonzero(model.tissue.vacant())[:90]
    for clone, voxels in ((first + n - 1, free[:50]), (gel, free[50:])):
        model.lattice.settle(model.cells, voxels, type=0, origin=0, clone=clone, parent=clone)
        model.ledger.deliver(type=0, origin=0, given=voxels.size, stayed=voxels.size)
    model.step_index = 24
    model.delivery.lose(model, HOUR)
    assert model.cells.n == n_gel + 40
    assert (model.cells.clone < first).all()
    assert closes(model)


def test_who_leaves_late_does_so_in_a_step_and_the_same_after_a_restart() -> None:
    model = built(
        cells__delivery="injection",
        cell_types__bmsc__attachment__late_loss=number("2 /d"),
        duration="3 d",
    )
    model.step_index = 24
    (dose,) = model.delivery.plan
    chance = model.delivery._chance(dose, model, HOUR)
    assert chance > 0
    # a dose comes at the beginning of its step, and its first day is counted from there
    assert model.delivery._chance(replace(dose, at=0.5 * HOUR), model, HOUR) == chance
    early, left = kept(model), model.ledger.left
    model.step()
    assert model.ledger.left > left
    again = Model(model.config, threads=2)
    again.load(early)
    again.step()
    assert all(np.array_equal(value, kept(again)[name]) for name, value in kept(model).items())
    unlike = Model(model.config, threads=1)
    unlike.load(early | {"delivery/founders": np.zeros((1, 2), np.int64)})
    unlike.step()
    assert unlike.ledger.left == left


def test_doses_of_one_step_draw_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def noted(*args: Any, **more: Any) -> Any:
        seen.append((more["step"], more["index"]))
        return seed_voxels(*args, **more)

    monkeypatch.setattr(doses, "seed_voxels", noted)
    built(cells__doses=[{"at": "0 h"}, {"at": "0.5 h"}])
    assert seen == [(0, 0), (0, 1), (0, 2)]


# infusion -----------------------------------------------------------------------------------------


def first_infusion() -> Given:
    return Seeding.model_validate({"number": 9, "delivery": "arterial_infusion"}).plan[0]


def test_an_infusion_into_vessels_without_blood_passes_by() -> None:
    with pytest.warns(RuntimeWarning, match=r"arterial infusion at 0 d: no blood flows"):
        model = built(**VESSELS)
    assert (model.ledger.delivered, model.ledger.left, settled(model).size) == (1000, 1000, 0)


def test_an_infusion_places_cells_beside_vessels_that_carry_blood() -> None:
    change = VESSELS | {
        "cells.number": 0,
        "cells.doses": [{"at": "48 h", "number": 400}],
        "duration": "50 h",
    }
    model = built(**change)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        while model.step_index < 48:
            model.step()
    assert model.circulation is not None
    perfused = model.circulation.vessels.perfused
    assert perfused.any()
    near = perfused.copy()
    for axis in range(3):
        for shift in (-1, 1):
            near |= np.roll(perfused, shift, axis)
    found = settled(model)
    assert found.size == 12
    assert near.ravel()[found].all()
    assert closes(model)
