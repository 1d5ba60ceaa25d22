"""Who answers resorption: closed forms, balance of the healthy adult, and what upsets it."""

from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import load
from scaffoldsim.model import counter
from scaffoldsim.model.model import Model
from scaffoldsim.model.remodelling import (
    BUILDER,
    RECRUIT,
    Remodelling,
    course,
    mechanical,
    pass_on,
    with_neighbours,
)
from scaffoldsim.model.signals import Signals
from scaffoldsim.scaffold.grid import Grid

DAY = 86400.0
OXYGEN = 0.052
RAT = {"cells.donor": {"species": "rat", "age": "6 months"}}
TYPES = load("culture").cell_types
GRID = Grid((24, 20, 22), 20e-6, (False, True, False))


def case(host: str = "healthy_rat", **keys: Any) -> tuple[Remodelling, Signals]:
    dead = keys.pop("dead", False)
    species = host.rpartition("_")[2]
    changes = {"host": host, "cells.donor": {"species": species, "age": None}, **keys}
    changes["cells.source"] = "autologous"
    config = load("culture", set=changes)
    signals = Signals(config.host, config.cells.donor, config.exposures, [], autologous=True)
    return (
        Remodelling(config.host.organism, config.cell_types, config.bone, oxygen=OXYGEN, dead=dead),
        signals,
    )


def plate() -> tuple[np.ndarray, np.ndarray]:
    """A plate of bone, and what it loses at both faces, share/s."""
    filled = np.zeros(GRID.shape, np.float32)
    filled[:, :, 8:14] = 1
    resorbed = np.zeros(GRID.shape, np.float32)
    resorbed[:, :, [8, 13]] = 0.08e-6 / DAY / GRID.voxel
    return filled, resorbed


# what becomes of a recruit ------------------------------------------------------------------------


@pytest.mark.parametrize("fold", [1.0, 4.0])
def test_course_is_that_of_cells_with_constant_hazards(fold: float) -> None:
    mean = course(TYPES, lambda event: fold if event == "death" else 1.0, OXYGEN)
    pre, ob = TYPES[RECRUIT], TYPES[BUILDER]
    lack = 1 / (1 + (OXYGEN / float(pre.death.ischaemic_oxygen)) ** 2)
    death = fold * (float(pre.death.basal) + float(pre.death.ischaemic) * lack)
    become = float(pre.fates[BUILDER].rate)
    end = fold * (float(ob.death.basal) + float(ob.death.ischaemic) * lack)
    end += 1 / float(ob.death.lifespan)
    # many recruits: times to death and fate by their own draws
    ids = np.arange(40_000)
    draw = [
        -np.log1p(-counter.uniform(ids, counter.keys(seed=1, step=0, purpose=p))) for p in "dfe"
    ]
    dies, turns, lasts = draw[0] / death, draw[1] / become, draw[2] / end
    building = np.where(turns < dies, lasts, 0.0)
    assert mean.waits == pytest.approx(np.minimum(dies, turns).mean(), rel=4 / np.sqrt(ids.size))
    assert mean.matures == pytest.approx(np.mean(turns < dies), abs=4 * 0.5 / np.sqrt(ids.size))
    assert mean.building == pytest.approx(
        building.mean(), abs=4 * building.std() / np.sqrt(ids.size)
    )


def test_course_without_the_cells_or_without_rates_is_defined() -> None:
    some = {name: TYPES[name] for name in ("bmsc", RECRUIT)}
    assert course(some, lambda event: 1.0, OXYGEN).building == 0
    assert course(TYPES, lambda event: 0.0, OXYGEN).builds == pytest.approx(60 * DAY)
    resolved = load("culture").resolved()
    for name in (RECRUIT, BUILDER):
        entry = resolved["cell_types"][name]
        entry["death"].pop("lifespan", None)
        for rate in (entry["death"], *({"rate": f["rate"]} for f in entry["fates"].values())):
            for key in ("basal", "ischaemic", "rate"):
                if key in rate:
                    rate[key].update(value="0 /d", range=["0 /d", "1 /d"])
    never = course(load(resolved).cell_types, lambda event: 1.0, OXYGEN)
    assert never.matures == 0
    assert np.isfinite([never.waits, never.builds, never.building]).all()


def test_factor_of_load_at_jumps_and_ends() -> None:
    rows = TYPES["bmsc"].fates[RECRUIT].mechanics
    at = [0, 0.005, 0.01, 0.5, 1, 2, 2.999999, 3, 50]
    expected = [1, 1, 1.5, 1.5, 1.5, 0.85, 0.2, 0, 0]
    assert [mechanical(rows, s) for s in at] == pytest.approx(expected, abs=1e-5)
    assert mechanical([], 5) == 1


# coupling -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["healthy_rat", "healthy_rabbit", "healthy_dog", "healthy_human"])
def test_healthy_adults_are_in_balance(host: str) -> None:
    remodelling, signals = case(host)
    signals.advance(0, 3600)  # a fresh wound: its signal does not count
    c = remodelling.coupling(signals)
    assert c == pytest.approx(1)
    # a steady stream of recruits lays what is taken away
    recruits = remodelling.recruits_per_volume(c)
    own = course(remodelling.types, lambda e: signals.multiplier(e, "host"), OXYGEN)
    output = float(remodelling.organism.bone.deposition) * signals.multiplier("deposition", "host")
    assert recruits * own.building * output == pytest.approx(1)


def test_what_upsets_the_balance() -> None:
    def share(host: str, **keys: Any) -> float:
        remodelling, signals = case(host, **keys)
        return remodelling.coupling(signals)

    assert share("ovx_6_months_rat") < share("ovx_3_months_rat") < 1
    assert share("aged_rat") < 0.6
    assert share("immobilised_rat") == pytest.approx(
        1 / 1.5
    )  # µ of no load over that in the window
    assert share("gc_rabbit") == pytest.approx(0.6 * 0.5 * 0.5)
    oestrogen = [{"factor": "oestrogen", "dose": "1 nM"}]
    assert share("ovx_6_months_rat") < share("ovx_6_months_rat", exposures=oestrogen) < 1
    tablets = [{"factor": "bisphosphonate", "dose": 1}]
    assert share("healthy_rat", exposures=tablets) == pytest.approx(1)  # adds no bone


def test_deaths_of_osteoblasts_act_through_the_cells_not_through_the_coupling() -> None:
    more = {"value": 5, "range": [1, 5], "mark": "assumed", "source": "a test"}
    host = {"base": "healthy_rat", "multipliers": {"death": more}}
    config = load("culture", set={**RAT, "host": host})
    signals = Signals(config.host, config.cells.donor, [], [])
    remodelling = Remodelling(config.host.organism, TYPES, config.bone, oxygen=OXYGEN)
    assert remodelling.coupling(signals) == pytest.approx(1)
    own = course(TYPES, lambda e: signals.multiplier(e, "host"), OXYGEN)
    assert own.building < 0.6 * remodelling.adult.building


def test_load_counts_as_felt() -> None:
    remodelling, signals = case()
    assert remodelling.coupling(signals, stimulus=0.5) == pytest.approx(1)
    assert remodelling.coupling(signals, stimulus=0.0) == pytest.approx(1 / 1.5)
    assert remodelling.coupling(signals, stimulus=5.0) == 0
    still, resting = case("immobilised_rat")
    assert still.coupling(resting, stimulus=5.0) == pytest.approx(1 / 1.5)


def test_dead_bone_calls_nobody() -> None:
    remodelling, signals = case(dead=True)
    filled, resorbed = plate()
    assert remodelling.coupling(signals) == 0
    assert remodelling.owed(0.0) == 0
    start = remodelling.start(signals, resorbed, filled, filled < 0.5, GRID, seed=1)
    assert start.builders.size == start.recruits.size == 0
    assert not start.answering.any()
    assert not start.osteoid.any()


# the start ----------------------------------------------------------------------------------------


def test_a_run_starts_in_the_steady_state() -> None:
    remodelling, signals = case()
    filled, resorbed = plate()
    total = float(resorbed.sum(dtype=float)) * GRID.voxel_volume
    numbers = []
    for seed in range(30):
        start = remodelling.start(signals, resorbed, filled, filled < 0.5, GRID, seed=seed)
        numbers.append((start.builders.size, start.recruits.size))
    mean = np.mean(numbers, axis=0)
    lays = float(remodelling.organism.bone.deposition) * signals.multiplier("deposition", "host")
    # osteoblasts lay what is lost; pre-osteoblasts replace them as they go
    assert mean[0] == pytest.approx(total / lays, abs=4 * 0.5 / np.sqrt(30))
    own = remodelling.adult
    # some are buried first and replaced: a place below ENTER is filled by any share
    shares = (np.arange(1000) + 0.5) / 1000 * 0.5
    buried = np.exp((shares - 0.8) * GRID.voxel_volume / (2 / 11 * lays * own.builds)).mean()
    assert 0.45 < buried < 0.55
    ratio = own.waits / own.building / (1 - buried)
    assert mean[1] == pytest.approx(mean[0] * ratio, abs=4 * 0.5 / np.sqrt(30) * 3)
    assert start.answering == pytest.approx(resorbed * 10 * DAY / (1 - buried))
    osteoid = float(start.osteoid.sum(dtype=float)) * GRID.voxel_volume
    assert osteoid == pytest.approx(total * 10 * DAY, rel=1e-5, abs=0)


def test_cells_stand_on_free_surfaces_of_bone() -> None:
    remodelling, signals = case()
    filled, resorbed = plate()
    free = filled < 0.5
    free[:12] = False
    start = remodelling.start(signals, 2 * resorbed, filled, free, GRID, seed=1)
    for voxels in (start.builders, start.recruits):
        x, _, z = np.unravel_index(voxels, GRID.shape)
        assert voxels.size
        assert np.all(np.diff(voxels) > 0)
        assert x.min() >= 12
        assert set(z) == {7, 14}
    assert not set(start.builders) & set(start.recruits)
    # more cells than places: as many as there are
    crowd = remodelling.start(signals, 1e4 * resorbed, filled, free, GRID, seed=1)
    assert crowd.builders.size + crowd.recruits.size == 12 * 20 * 2
    assert (filled + crowd.osteoid)[filled < 0.5].max() < 0.5


def test_the_start_depends_on_the_seed_alone() -> None:
    remodelling, signals = case()
    filled, resorbed = plate()
    one, same, other = (
        remodelling.start(signals, resorbed, filled, filled < 0.5, GRID, seed=seed)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one.builders, same.builders)
    assert one.builders.size == pytest.approx(other.builders.size, abs=1)
    assert len(set(one.builders) & set(other.builders)) < one.builders.size / 2


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_no_bone_and_bone_everywhere(value: float) -> None:
    remodelling, signals = case()
    filled = np.full(GRID.shape, value, np.float32)
    start = remodelling.start(signals, 0 * filled, filled, filled < 0.5, GRID, seed=1)
    assert start.builders.size == start.recruits.size == 0
    assert not start.osteoid.any()


def test_neighbours_wrap_where_the_box_does() -> None:
    values = np.zeros((4, 5, 3), np.float32)
    values[0, 0, 0], values[3, 4, 2] = 1, 10
    found = with_neighbours(values, (True, False, True))
    expected = np.zeros_like(values)
    for x, y, z in ((0, 0, 0), (1, 0, 0), (3, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 2)):
        expected[x, y, z] += 1
        expected[3 - x, 4 - y, 2 - z] += 10
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("periodic", [(False, True, False), (True, True, True)])
def test_what_waits_inside_bone_comes_out(periodic: tuple[bool, bool, bool]) -> None:
    filled, _ = plate()
    open_ = filled < 0.5
    waiting = np.zeros(GRID.shape, np.float32)
    waiting[:, :, 9:13] = 0.25
    waiting[3, 4, 13], waiting[3, 4, 2] = 2.0, 3.0  # not enclosed: stay where they are
    total = waiting.sum(dtype=float)
    for _ in range(100):
        pass_on(waiting, open_, periodic)
        assert waiting.min() >= 0
        assert waiting.sum(dtype=float) == pytest.approx(total, rel=1e-6)
    assert np.count_nonzero(waiting[open_]) == 1
    assert waiting[:, :, [8, 13]].sum(dtype=float) > 0.99 * (total - 3)
    # nobody can get in anywhere: all of it waits
    shut = waiting.copy()
    pass_on(shut, np.zeros(GRID.shape, bool), periodic)
    assert shut.sum(dtype=float) == pytest.approx(total, rel=1e-6)


def test_a_buried_osteoblast_is_replaced_by_one() -> None:
    remodelling, _ = case()
    for c in (1.0, 0.3):
        called = remodelling.owed(c) * remodelling.recruits_per_volume(c)
        assert called * remodelling.adult.matures == pytest.approx(1)


# the balance in a run -----------------------------------------------------------------------------


def pipeline(model: Model) -> float:
    """Return what all that waits, is on its way or builds will lay, m³."""
    matrix, rule = model.tissue.matrix, model.tissue.remodelling
    assert rule is not None
    counts = np.bincount(model.cells.type, minlength=len(model.cells.types))
    recruits, builders = (counts[model.cells.types.index(name)] for name in (RECRUIT, BUILDER))
    waiting = float(matrix.answering.sum(dtype=float)) * model.grid.voxel_volume
    return waiting + rule.lays * (float(recruits) + float(builders) / rule.adult.matures)


def test_healthy_bone_lays_what_it_loses() -> None:
    # faster than in life, so that many cells come and go in a month: chance counts for less
    faster = {"value": 4, "range": [4, 4], "mark": "assumed", "source": "a test"}
    changes = {"host.multipliers": {"resorption": faster}, "step": "6 h"}
    size = ["0.6 mm", "0.6 mm", "0.4 mm"]
    model = Model("rat_bone", set={"scaffold.size": size, **changes}, rng=5, threads=1)
    rule, began = model.tissue.remodelling, pipeline(model)
    assert rule is not None
    for _ in range(30 * 4):
        model.step()
    books, ends = model.tissue.matrix.ledger, pipeline(model)
    resorbed = books.resorbed_new + books.resorbed_host
    # who is called is a chance, and so is how long each builds: two variances of one per recruit
    spread = np.sqrt(2 * resorbed / rule.lays) * rule.lays
    assert model.tissue.coupling == 1
    assert books.laid + ends - began == pytest.approx(resorbed, abs=4 * spread)


def test_the_start_of_a_healthy_rat_is_that_of_its_steady_state() -> None:
    """Buried osteoblasts take as many replacements as wait for them."""
    remodelling, signals = case()
    filled, resorbed = plate()
    start = remodelling.start(signals, 20 * resorbed, filled, filled < 0.5, GRID, seed=3)
    own, voxel = remodelling.adult, GRID.voxel_volume
    lays = float(remodelling.organism.bone.deposition) * signals.multiplier("deposition", "host")
    # osteoblasts on a plane, each in a place filled by chance, for a time of chance
    ids = np.arange(40_000)
    u, v = (counter.uniform(ids, counter.keys(seed=1, step=0, purpose=p)) for p in "uv")
    time = -own.builds * np.log1p(-v)
    buried = np.mean(0.5 * u + 2 / 11 * lays * time / voxel > 0.8)
    waiting = float(start.answering.sum(dtype=float)) / float(resorbed.sum(dtype=float)) / 20
    reversal = float(remodelling.bone.reversal_time)
    assert waiting / reversal == pytest.approx(1 / (1 - buried), abs=4 * 2 / np.sqrt(ids.size))
