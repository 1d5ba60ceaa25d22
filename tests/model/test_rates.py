"""Rules become rates: each against its equation written out by hand."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import load, read_entry
from scaffoldsim.model.cells import Cells
from scaffoldsim.model.host import Exposure, cue_multipliers
from scaffoldsim.model.rates import CAUSES, Donor, Rates, rise

H, D, Y = 3600.0, 86400.0, 31557600.0
TYPES = ["bmsc", "preosteoblast", "osteoblast", "adipocyte"]


def evaluate(oxygen: float = 0.052, hours: float = 48.0, **change: Any) -> Cells:
    """Rates of one cell of each type in a scaffold of osteoconductivity 1.2."""
    config = load("quickstart", set=change.pop("set", None))
    cells = Cells(TYPES, CAUSES)
    cells.append(4, voxel=np.arange(4), type=np.arange(4))
    cells.doublings[:] = change.pop("doublings", 0.0)
    donor = Donor(1, 0.0)
    rates = Rates(
        {name: read_entry("cells", name) for name in TYPES},  # type: ignore[misc]
        voxel=20e-6,
        donor=donor,
        donor_age=change.pop("age", 20 * Y),
        host=config.host,
        exposures=config.exposures,
        osteoconductivity=1.2,
    )
    touching = np.array([True, True, False, False])
    model = SimpleNamespace(
        cells=cells,
        seconds=hours * H,
        fields=SimpleNamespace(at=lambda voxel, name: np.full(len(voxel), oxygen, np.float32)),
        lattice=SimpleNamespace(near_surface=touching),
    )
    rates.evaluate(model)  # type: ignore[arg-type]
    return cells


def test_hop_rate_is_six_d_over_h_squared() -> None:
    d = 15**2 * 0.9 / 3  # µm²/h
    assert evaluate().hop[0] == pytest.approx(6 * d / 20**2 / H, rel=1e-6)
    assert evaluate().hop[2] == 0  # osteoblasts stay


def test_division_rate() -> None:
    expected = math.log(2) / (33 * H) * 0.6 * 0.052 / 0.055
    assert evaluate().divide[0] == pytest.approx(expected, rel=1e-6)
    assert list(evaluate().divide[1:]) == [0, 0, 0]


def test_division_waits_for_the_lag_and_slows_with_doublings() -> None:
    assert evaluate(hours=23.9).divide[0] == 0
    assert evaluate(hours=24.0).divide[0] > 0
    fast, slow = evaluate().divide[0], evaluate(doublings=10.0).divide[0]
    assert fast / slow == pytest.approx(1.08, rel=1e-6)


def test_ischaemic_death_is_half_at_its_oxygen_and_full_without() -> None:
    row = CAUSES.index("ischaemic")
    assert evaluate(oxygen=0.002).death[row, 0] == pytest.approx(0.25 / D, rel=1e-6)
    assert evaluate(oxygen=0.0).death[row, 0] == pytest.approx(0.5 / D, rel=1e-6)
    assert evaluate(oxygen=0.2).death[row, 0] < 1e-4 * 0.5 / D * 1.01


def test_only_osteoblasts_age_out() -> None:
    row = CAUSES.index("lifespan")
    assert list(evaluate().death[row]) == pytest.approx([0, 0, 1 / (60 * D), 0])


def test_fates_at_reference_oxygen() -> None:
    fate = evaluate().fate
    assert fate[1, 0] == pytest.approx(0.06 * 1.2 / D, rel=1e-6)  # touches the scaffold
    assert fate[3, 0] == pytest.approx(0.015 / D, rel=1e-6)
    assert fate[2, 1] == pytest.approx(0.142857 / D, rel=1e-6)
    assert np.count_nonzero(fate) == 3


def test_hypoxia_holds_back_bone_not_fat() -> None:
    low, high = evaluate(oxygen=0.002).fate, evaluate(oxygen=0.2).fate
    assert low[1, 0] < 0.2 * high[1, 0]
    assert low[3, 0] == high[3, 0]


@pytest.mark.parametrize(("row", "column"), [("divide", 0), ("fate", 1)])
def test_old_donors_are_slower(row: str, column: int) -> None:
    q = math.exp(-50 / 60)
    young, old = evaluate(age=20 * Y), evaluate(age=70 * Y)
    if row == "divide":
        assert old.divide[0] / young.divide[0] == pytest.approx(0.7 + 0.3 * q, rel=1e-6)
    else:
        assert old.fate[1, 0] / young.fate[1, 0] == pytest.approx(0.5 + 0.5 * q, rel=1e-6)
        assert old.fate[3, 0] / young.fate[3, 0] == pytest.approx(1.5 - 0.5 * q, rel=1e-6)


def exposure(dose: str, **more: str) -> dict[str, Any]:
    return {"exposures": [{"factor": "dexamethasone", "dose": dose, **more}]}


def test_dexamethasone_low_for_bone_high_for_fat() -> None:
    none = evaluate().fate
    low = evaluate(set=exposure("10 nM")).fate
    high = evaluate(set=exposure("1 uM")).fate
    assert low[1, 0] > 1.5 * none[1, 0]
    assert high[1, 0] / high[3, 0] < none[1, 0] / none[3, 0]
    assert high[3, 0] > low[3, 0] > none[3, 0]


def test_an_exposure_acts_in_its_window_alone() -> None:
    config = load("quickstart", set=exposure("10 nM", **{"from": "1 d", "until": "3 d"}))
    (dose,) = config.exposures
    assert [dose.concentration(t * D) for t in (0.5, 1.0, 2.99, 3.0)] == pytest.approx(
        [0, 1e-5, 1e-5, 0]
    )


def test_half_maximal_dose_gives_half_the_effect() -> None:
    bmp2 = read_entry("factors", "bmp2")
    given = Exposure.model_validate({"factor": bmp2, "dose": "50 ng/mL"})
    assert cue_multipliers([given], 0.0)["osteogenic"] == pytest.approx(2.5)
    assert cue_multipliers([], 0.0) == dict.fromkeys(cue_multipliers([given], 0.0), 1.0)
    assert cue_multipliers([given, given], 0.0)["osteogenic"] == pytest.approx(6.25)


def test_donors_are_lognormal_and_fixed_by_the_seed() -> None:
    draws = np.array([[(d := Donor(s, 0.3)).osteogenic, d.doubling_time] for s in range(4000)])
    logs = np.log(draws)
    sigma = math.sqrt(math.log1p(0.09))
    assert np.abs(logs.mean(0)).max() < 4 * sigma / math.sqrt(4000)
    assert np.abs(logs.std(0) / sigma - 1).max() < 4 / math.sqrt(2 * 4000)
    assert abs(np.corrcoef(logs.T)[0, 1]) < 4 / math.sqrt(4000)
    assert repr(Donor(5, 0.3)) == repr(Donor(5, 0.3)) != repr(Donor(6, 0.3))
    assert Donor(5, 0.0).osteogenic == 1


def test_rise_is_zero_without_and_half_at_k() -> None:
    assert rise(np.array([-1.0, 0.0, 0.5, 1e9]), 0.5) == pytest.approx([0, 0, 0.5, 1])
