"""Vessels in a model: what they bring, that its books close, and that restart changes no byte.

Sprouting, flow and cells that come out are set high, so that 36 hours show what else takes weeks.
"""

from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import Config, ConfigError, load
from scaffoldsim.model.circulation import Circulation
from scaffoldsim.model.ground import SCAFFOLD
from scaffoldsim.model.ledger import InvariantError
from scaffoldsim.model.model import Model
from scaffoldsim.model.vessels import Vessels
from tests.model.body import BODY as BOX
from tests.model.body import kept
from tests.model.body import number as quick

BODY: dict[str, Any] = BOX | {
    "duration": "36 h",
    # no cells of its marrow, which would come beside those that vessels let out
    "host": {"base": "healthy_rat", "vessels": "vessel", "marrow": None},
    "fields": {"oxygen": "oxygen", "vegf": "vegf", "sdf1": "sdf1"},
    "cells": {"number": 1000, "donor": {"species": "rat", "age": "6 months"}},
}
FAST: dict[str, Any] = {
    "fields.vegf.host": quick("5 ng/mL"),
    "host.vessels.root_density": quick("150 1/mm^2"),
    "host.vessels.sprouting": quick("0.05 1/h"),
    "host.vessels.opening": quick("4 h"),
    "host.vessels.incorporation": quick("0.5 1/h"),
    "host.vessels.crowded": quick("1000 mm/mm^3"),
    "host.vessels.recruitment": quick("800 1/mm/d"),
    "cell_types.bmsc.fates.endothelial.rate": quick("0.4 /d"),
}
#: before blood flows, and between two looks at what is blocked and at what is lost, while it does
EARLY, MIDDLE = 9, 27


def body(**change: Any) -> Config:
    return load(BODY, set={**FAST, **change})


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def vessels_of(model: Model) -> Vessels:
    assert model.circulation is not None
    return model.circulation.vessels


def tips_are_agents(model: Model) -> bool:
    vessels = vessels_of(model)
    agents = {vessels.agents[number].unique_id for number in vessels.tips["number"].tolist()}
    return len(agents) == vessels.tips.n and set(model.ordinary) == agents


class Course:
    """A run of 36 hours, and what was seen on the way."""

    def __init__(self) -> None:
        self.model = model = Model(body(), threads=1)
        self.at_first, self.lost = model.ledger.left, 0
        self.supplied = [self.near]
        self.oxygen: list[float] = []
        self.states: dict[int, dict[str, Any]] = {}
        self.then: dict[int, int] = {}
        vessels, join = vessels_of(model), vessels_of(model).sprout_from

        def counted(*args: Any, **more: Any) -> Any:
            joins = join(*args, **more)
            self.lost += int(joins.sum())
            return joins

        vessels.sprout_from = counted  # type: ignore[method-assign]
        while model.running:
            perfused = vessels.perfused
            model.step()
            model.check()
            assert tips_are_agents(model)
            self.supplied.append(self.near)
            held = model.fields.value["oxygen"][perfused]
            self.oxygen.append(float(np.abs(held - level(model)).max()) if held.size else 0.0)
            if model.step_index in (EARLY, MIDDLE):
                self.states[model.step_index] = kept(model)
                self.then[model.step_index] = self.near

    @property
    def near(self) -> int:
        supplied = self.model.tissue.supplied
        assert supplied is not None
        return int(np.count_nonzero(supplied))


def level(model: Model) -> float:
    return float(model.config.fields["oxygen"].host)


@pytest.fixture(scope="module")
def course() -> Course:
    return Course()


def test_cells_come_out_and_become_tips_and_all_is_accounted_for(course: Course) -> None:
    model, ledger = course.model, course.model.ledger
    host = ledger.origins.index("host")
    came = int(ledger.entries["delivered"][host].sum())
    assert came > 20
    assert course.lost > 20
    assert ledger.left == course.at_first + course.lost
    alive = ledger.delivered + ledger.born - sum(ledger.died.values()) - ledger.left
    assert alive == model.cells.n


def test_a_cell_that_is_not_booked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def unbooked(self: Circulation, model: Model, dt: float) -> None:
        model.lattice.interfere(model.cells, deaths={"left": np.array([0])})

    monkeypatch.setattr(Circulation, "_incorporate", unbooked)
    with pytest.raises(InvariantError):
        Model(body(), threads=1).step()


def test_blood_holds_oxygen_and_widens_what_is_supplied(course: Course) -> None:
    model, vessels = course.model, vessels_of(course.model)
    assert vessels.perfused.any()
    assert max(course.oxygen) <= 1e-6 * level(model)
    assert course.supplied[0] == course.supplied[1] < course.supplied[-1]
    supplied, reached = model.tissue.supplied, model.tissue.reached
    assert supplied is not None
    assert reached is not None
    assert supplied[vessels.perfused].all()
    assert reached[vessels.perfused].all()
    assert not supplied.all() or not reached.all()


def test_no_vessel_is_in_the_scaffold(course: Course) -> None:
    model, nodes = course.model, vessels_of(course.model).graph.nodes
    assert nodes.n > 100
    assert not (model.ground.kind[nodes["voxel"]] == SCAFFOLD).any()
    assert model.circulation is not None
    assert model.circulation.blocked.ravel()[model.ground.kind == SCAFFOLD].all()
    assert not model.circulation.blocked.all()


def test_the_row_of_metrics_tells_of_vessels(course: Course) -> None:
    values, vessels = course.model.metrics(), vessels_of(course.model)
    density, perfused = (values[f"{n}_density_mm_per_mm3"] for n in ("vessel", "perfused"))
    box = 0.26 * 0.26 * 0.6
    assert density == pytest.approx(vessels.graph.edges["length"].sum() * 1e3 / box)
    assert 0 < perfused < density
    assert values["vessel_depth_um"] == pytest.approx(vessels.depth * 1e6)
    assert 20 < values["vessel_depth_um"] <= 300
    assert values["vessel_tips"] == vessels.tips.n > 0


def test_a_restart_changes_no_byte(course: Course) -> None:
    again = Model(body(), threads=1)
    again.load(course.states[MIDDLE])
    assert same(again.state(), course.states[MIDDLE])
    assert tips_are_agents(again)
    assert np.count_nonzero(again.tissue.supplied) == course.then[MIDDLE] > course.supplied[0]
    while again.running:
        again.step()
    assert same(again.state(), course.model.state())
    assert again.metrics() == course.model.metrics()


def test_a_model_that_went_on_goes_back_and_on_again(course: Course) -> None:
    model = Model(body(), threads=1)
    model.load(course.states[MIDDLE])
    model.step()
    model.load(course.states[EARLY])
    assert same(model.state(), course.states[EARLY])
    while model.step_index < MIDDLE:
        model.step()
    assert same(model.state(), course.states[MIDDLE])


def test_threads_change_no_byte(course: Course) -> None:
    model = Model(body(), threads=2)
    while model.step_index < MIDDLE:
        model.step()
    assert same(model.state(), course.states[MIDDLE])


def test_a_host_without_vessels_has_none_of_it() -> None:
    model = Model(body(**{"host.vessels": None}), threads=1)
    assert model.circulation is None
    for _ in range(3):
        model.step()
    assert not any(name.startswith("vessels/") for name in model.state())
    values = model.metrics()
    assert all(values[name] is None for name in values if "vessel" in name or "perfused" in name)
    # roots that never sprout change nothing of all else
    still = Model(body(**{"host.vessels.sprouting": quick("0 1/h")}), threads=1)
    for _ in range(3):
        still.step()
    state = still.state()
    rest = {k: v for k, v in state.items() if not k.startswith("vessels/")}
    assert same(rest, model.state())


DEFINED: dict[str, dict[str, Any]] = {
    "no field of VEGF": {"fields": {"oxygen": "oxygen"}},
    "no face of the host": {"faces": {"x": "periodic", "y": "periodic", "z": "closed"}},
    "no roots": {"host.vessels.root_density": quick("0 1/mm^2")},
}


@pytest.mark.parametrize("change", DEFINED.values(), ids=DEFINED)
def test_without_what_vessels_need_there_are_none(change: dict[str, Any]) -> None:
    data = {**BODY, **{key: change[key] for key in change.keys() & BODY.keys()}}
    fast = {k: v for k, v in FAST.items() if "fields" not in change or not k.startswith("fields")}
    more = {key: change[key] for key in change.keys() - BODY.keys()}
    model = Model(load(data, set={**fast, **more}), threads=1)
    for _ in range(3):
        model.step()
    model.check()
    values = model.metrics()
    for name in ("vessel_density_mm_per_mm3", "perfused_density_mm_per_mm3", "vessel_depth_um"):
        assert values[name] == 0, name
    assert values["vessel_tips"] == 0
    assert not vessels_of(model).perfused.any()
    again = Model(model.config, threads=1)
    again.load(kept(model))
    assert same(again.state(), model.state())


def test_a_step_of_four_hours_gives_vessels_too(course: Course) -> None:
    model = Model(body(step="4 h"), threads=1)
    while model.running:
        model.step()
    model.check()
    density, other = vessels_of(model).density, vessels_of(course.model).density
    assert 0.4 < density / other < 2.5
    assert vessels_of(model).perfused.any()


def test_a_culture_has_no_vessels() -> None:
    with pytest.raises(ConfigError) as caught:
        load("quickstart", set={"host": {"base": "culture", "vessels": "vessel"}})
    (problem,) = caught.value.problems
    assert problem.key == "host.vessels"
    assert "a culture has no vessels" in str(caught.value)
