"""Every drug of osteoporosis over its whole run, against the same rat without it (and a sham).

One virtual host here; over many of them, with intervals: ``scaffoldsim study drugs``.
"""

from __future__ import annotations

import pytest

from scaffoldsim.config import load
from scaffoldsim.run.record import Run
from tests.evidence.conftest import Whole

pytestmark = pytest.mark.evidence
#: config without its prefix → the factor that it gives
SLOWING = {
    "bisphosphonate": "bisphosphonate",
    "calcitonin": "calcitonin",
    "ipriflavone": "ipriflavone",
    "calcium": "calcium_supplement",
    "calcitriol": "calcitriol",
    "vitamin_k2": "vitamin_k2",
    "anabolic_steroid": "anabolic_steroid",
}
HOST_BONE = "host_bone_resorbed_mm3"
_printed: list[str] = []


def end(run: Run, name: str) -> float:
    return float(run.metrics[name].iloc[-1])


def show(name: str, run: Run) -> None:
    if not _printed:
        print(f"\n{'':18}{'days':>5}{'BMD':>9}{'change':>9}{'T':>7}{'resorbed':>11}{'laid':>11}")
        _printed.append(name)
    table = run.metrics
    start, now = table["bmd_g_per_cm3"].iloc[0], end(run, "bmd_g_per_cm3")
    print(
        f"{name:18}{table['time_h'].iloc[-1] / 24:5.0f}{now:9.4f}{now / start - 1:9.1%}"
        f"{end(run, 't_score'):7.2f}{resorbed(run):11.5f}{end(run, 'bone_laid_mm3'):11.5f}"
    )


def resorbed(run: Run) -> float:
    return end(run, HOST_BONE) + end(run, "bone_resorbed_mm3")


def fold(drug: str) -> float:
    """What the drug makes of resorption at the dose of its config, by its own numbers."""
    (exposure,) = load(f"drug_{drug}").exposures
    assert exposure.factor.name == SLOWING[drug]
    (cue,) = (cue for cue in exposure.factor.cues if cue.event == "resorption")
    occupied = 1 / (1 + (float(cue.half_maximal) / float(exposure.dose)) ** float(cue.hill))
    return 1 + (float(cue.fold) - 1) * occupied


@pytest.fixture(scope="module")
def without(whole: Whole) -> Run:
    run = whole("ovx_bone")
    show("no drug", run)
    return run


@pytest.fixture(scope="module")
def sham(whole: Whole, without: Run) -> Run:
    duration = f"{without.metrics['time_h'].iloc[-1]} h"
    run = whole("rat_bone", {"duration": duration})
    show("sham", run)
    return run


def test_ovariectomy_loses_bone(without: Run, sham: Run) -> None:
    assert end(without, "bmd_g_per_cm3") < 0.95 * end(sham, "bmd_g_per_cm3")
    assert resorbed(without) > 1.3 * resorbed(sham)


@pytest.mark.parametrize("drug", [*SLOWING, "oestrogen"])
def test_a_drug_slows_the_loss_and_adds_none(
    drug: str, whole: Whole, without: Run, sham: Run
) -> None:
    run = whole(f"drug_{drug}")
    show(drug, run)
    # what is taken away shows the drug itself, the balance its result
    assert resorbed(run) < resorbed(without)
    assert end(run, "bmd_g_per_cm3") > end(without, "bmd_g_per_cm3")
    assert end(run, "bmd_g_per_cm3") < run.metrics["bmd_g_per_cm3"].iloc[0]
    if drug in SLOWING:
        ratio = end(run, HOST_BONE) / end(without, HOST_BONE)
        # a host that keeps more bone has more surface to lose from: a little less than at once
        assert fold(drug) - 0.02 < ratio < fold(drug) + 0.12


def test_pth_by_the_hour_builds(whole: Whole, without: Run) -> None:
    run = whole("drug_pth")
    show("pth", run)
    assert end(run, "bone_laid_mm3") > 1.2 * end(without, "bone_laid_mm3")
    assert end(run, "bmd_g_per_cm3") > end(without, "bmd_g_per_cm3")
