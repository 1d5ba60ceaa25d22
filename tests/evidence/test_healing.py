"""Eight weeks of healing, and the rate at which a scaffold under load may go, run in full."""

from __future__ import annotations

import math
from typing import Any

import pytest

from scaffoldsim.compare.metrics import value_at
from scaffoldsim.compare.plan import make_plan
from scaffoldsim.run.record import Run
from scaffoldsim.run.simulation import Simulation
from tests.evidence.conftest import Whole

pytestmark = pytest.mark.evidence
WEEK = 7 * 86400.0
#: what is changed of healing_8_weeks, one at a time
CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "5 000 cells/mm3": {"cells.density": "5e6 /mL"},
    "20 000 cells/mm3": {"cells.density": "20e6 /mL"},
    "another donor": {"seed": 2},
    "300 um3/d": {"host.organism.bone.deposition.value": "300 um^3/d"},
    "old host": {"host.base": "aged_rat"},
}


def bone(run: Run, weeks: float) -> float:
    return value_at(run, "bone_in_pore", weeks * WEEK)


@pytest.fixture(scope="module")
def arms(whole: Whole) -> dict[str, Run]:
    found = {name: whole("healing_8_weeks", change) for name, change in CHANGES.items()}
    print(f"\n{'bone over pore, week':24}{2:>8}{4:>8}{6:>8}{8:>8}{'osteoblasts':>13}{'E, MPa':>8}")
    for name, run in found.items():
        course = "".join(f"{bone(run, week):8.1%}" for week in (2, 4, 6, 8))
        row = run.metrics.iloc[-1]
        print(f"{name:24}{course}{row['cells_osteoblast']:13.0f}{row['stiffness_MPa']:8.0f}")
    return found


def test_bone_is_some_tens_of_per_cent_of_the_pores(arms: dict[str, Run]) -> None:
    run = arms["as it is"]
    assert bone(run, 2) < 0.05
    assert 0.1 < bone(run, 8) < 0.5
    assert run.metrics["mv_tv"].iloc[-1] > 0.5 * run.metrics["bv_tv"].iloc[-1]
    assert run.metrics["stiffness_MPa"].iloc[-1] > 1.5 * run.metrics["stiffness_MPa"].iloc[0]


def test_all_that_was_laid_is_there_or_was_taken(arms: dict[str, Run]) -> None:
    for run in arms.values():
        last = run.metrics.iloc[-1]
        volume = math.prod(run.shape) * run.voxel**3 * 1e9
        left = last["bone_laid_mm3"] - last["bone_resorbed_mm3"]
        assert last["bv_tv"] * volume == pytest.approx(left, rel=1e-4)


def test_more_cells_and_faster_osteoblasts_make_more_bone(arms: dict[str, Run]) -> None:
    at_end = {name: bone(run, 8) for name, run in arms.items()}
    assert at_end["5 000 cells/mm3"] < at_end["as it is"] < at_end["20 000 cells/mm3"]
    assert at_end["300 um3/d"] < 0.6 * at_end["as it is"]
    assert at_end["old host"] < at_end["as it is"]
    assert at_end["another donor"] != at_end["as it is"]


def test_a_scaffold_may_go_neither_too_fast_nor_too_slowly(tmp_path: Any) -> None:
    """C2: most bone that stands is in between. One donor; for more, the study degradation_rate."""
    plan = make_plan("degradation_rate")
    print(
        f"\n{'':12}{'bone/box':>10}{'standing':>10}{'scaffold':>10}{'collapse, d':>13}{'E, MPa':>8}"
    )
    found: dict[str, float] = {}
    for name in ("half_1_wk", "half_4_wk", "half_26_wk", "never"):
        run = Simulation(plan.configs[name]).run(tmp_path / name)
        row = run.metrics.iloc[-1]
        found[name] = value_at(run, "standing_bone", 12 * WEEK)
        print(
            f"{name:12}{row['bv_tv']:10.1%}{found[name]:10.1%}{row['scaffold_mass']:10.1%}"
            f"{row['time_to_collapse_h'] / 24:10.1f}{row['stiffness_MPa']:8.0f}"
        )
        assert math.isfinite(row["time_to_collapse_h"]) == (name == "half_1_wk")
    assert max(found, key=found.__getitem__) == "half_4_wk"
    assert found["half_4_wk"] > 2 * found["half_1_wk"]
    assert found["half_4_wk"] > 1.1 * found["never"]
