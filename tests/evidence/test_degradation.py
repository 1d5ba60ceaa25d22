"""Each mode of degradation from the first step to the last: what the head of its config says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scaffoldsim.config import read_entry
from scaffoldsim.run.record import Run
from tests.evidence.conftest import Whole

pytestmark = pytest.mark.evidence
WEEK = 7 * 24.0  # h
LEFT_ALONE = {"cells.number": 0}
SHOWN = {
    "scaffold_mass": "mass",
    "molecular_weight": "M/M0",
    "stiffness_MPa": "E, MPa",
    "bone_in_pore": "bone/pore",
    "cells_total": "cells",
}


def at(run: Run, weeks: float, name: str) -> float:
    """A column at a time."""
    table = run.metrics
    return float(np.interp(weeks * WEEK, table["time_h"], table[name].astype(float)))


def show(title: str, run: Run, every: float = 2) -> None:
    """A row every other week."""
    table = run.metrics
    rows = table[np.isclose(table["time_h"] % (every * WEEK), 0)]
    names = [name for name in SHOWN if table[name].notna().any()]
    print(f"\n{title}, {run.config['scaffold'].get('material', {}).get('title')}")
    print("week " + "".join(f"{SHOWN[name]:>11}" for name in names))
    for _, row in rows.iterrows():
        print(f"{row['time_h'] / WEEK:4.0f} " + "".join(f"{row[name]:11.4g}" for name in names))


def given_off(run: Run, material: str, product: str) -> tuple[float, float]:
    """What is booked as given off, and what the lost mass held of it, mol."""
    entry: Any = read_entry("materials", material)
    what, table = entry.products[product], run.metrics
    volume = math.prod(run.shape) * run.voxel**3
    if table["scaffold_fraction"].iloc[0] > 0:  # a gel fills the box
        volume *= table["scaffold_fraction"].iloc[0]
    lost = (1 - table["scaffold_mass"].iloc[-1]) * volume * float(entry.density)
    free = 1.0 if what.free is None else float(what.free)
    return float(table[f"{product}_released_mol"].iloc[-1]), float(what.content) * free * lost


def grows(run: Run) -> None:
    """Bone comes, and only more of it, where nothing resorbs."""
    bone: pd.Series[float] = run.metrics["bv_tv"]
    assert bone.iloc[-1] > 0.01
    assert (bone.diff().dropna() >= -1e-7).all()


def test_a_metal_stays(whole: Whole) -> None:
    run = whole("degradation_none")
    show("none", run)
    assert (run.metrics["scaffold_mass"] == 1).all()
    grows(run)
    assert at(run, 12, "stiffness_MPa") > at(run, 0, "stiffness_MPa")


def test_half_dissolves_in_twelve_weeks_and_strontium_comes_with_calcium(whole: Whole) -> None:
    alone = whole("degradation_dissolution", LEFT_ALONE)
    run, plain = (
        whole("degradation_dissolution", change) for change in (None, {"scaffold.material": "cpp"})
    )
    for title, each in (("left alone", alone), ("with cells", run), ("with cells", plain)):
        show(f"dissolution, {title}", each)
    assert at(alone, 12, "scaffold_mass") == pytest.approx(0.5, abs=0.01)
    # bone keeps fluid from the surface that it covers
    assert 0.5 < at(run, 12, "scaffold_mass") < 0.9
    for material, each in (("scpp", alone), ("scpp", run), ("cpp", plain)):
        booked, expected = given_off(each, material, "calcium")
        assert booked == pytest.approx(expected, rel=1e-4)
    strontium, calcium = (
        run.metrics[f"{ion}_released_mol"].iloc[-1] for ion in ("strontium", "calcium")
    )
    assert strontium / (strontium + calcium) == pytest.approx(0.08, abs=0.002)
    assert plain.metrics["strontium_released_mol"].isna().all()
    grows(run)
    assert run.metrics["strontium_mean_mM"].max() > 0


def test_chains_shorten_first_and_mass_goes_after_eleven_weeks(whole: Whole) -> None:
    run = whole("degradation_hydrolysis")
    buffered = whole("degradation_hydrolysis", {"scaffold.material": "plga_cpc"})
    show("hydrolysis", run)
    show("hydrolysis", buffered)
    assert at(run, 4, "molecular_weight") < 0.52
    assert at(run, 4, "scaffold_mass") == 1
    assert at(run, 10, "molecular_weight") < 0.2
    assert at(run, 10, "scaffold_mass") > 0.95
    fast = at(run, 12, "scaffold_mass") - at(run, 14, "scaffold_mass")
    slow = at(run, 8, "scaffold_mass") - at(run, 10, "scaffold_mass")
    assert fast > 0.15 > 0.02 > slow
    assert at(run, 16, "scaffold_mass") < 0.3
    # stiffness of the polymer goes with its chains, before its mass: here bone takes over
    assert at(run, 3, "stiffness_MPa") < 0.9 * at(run, 0, "stiffness_MPa")
    for material, each in (("plga", run), ("plga_cpc", buffered)):
        booked, expected = given_off(each, material, "acid")
        assert booked == pytest.approx(expected, rel=1e-4)
    # less acid, and the composite keeps its mass for longer
    sour, mild = (each.metrics["lactic_acid_mean_mM"].max() for each in (run, buffered))
    assert mild < sour
    assert at(buffered, 14, "scaffold_mass") > at(run, 14, "scaffold_mass")
    factor = run.metrics["bmp2_mean_ng_per_mL"]
    print(
        f"acid at most {sour:.3g}, buffered {mild:.3g} mM; BMP-2 at most {factor.max():.3g} ng/mL"
    )
    assert at(run, 11, "bmp2_mean_ng_per_mL") < 0.15 * factor.max()
    grows(run)


def test_cells_take_a_xenograft_away_only_where_they_are_supplied(whole: Whole) -> None:
    run = whole("degradation_cell_mediated")
    show("cell-mediated", run)
    before, after = run.matrix("scaffold", 0).sum((0, 1)), run.matrix("scaffold", -1).sum((0, 1))
    near = round(100e-6 / run.voxel)
    left = after / before
    print("layers from the host, share left:", np.round(left[: near + 2], 3))
    assert left[: near - 1] == pytest.approx(0.5 ** (12 / 26), abs=0.01)
    assert left[near + 1 :] == pytest.approx(1, abs=1e-6)
    booked, expected = given_off(run, "xacb", "calcium")
    assert booked == pytest.approx(expected, rel=1e-4)
    assert run.metrics["bv_tv"].iloc[-1] > 0.005


def test_a_gel_is_half_lost_in_six_weeks_and_its_factor_within_days(whole: Whole) -> None:
    run = whole("degradation_ion_exchange")
    show("ion exchange", run)
    assert at(run, 6, "scaffold_mass") == pytest.approx(0.5, abs=0.005)
    assert at(run, 12, "scaffold_mass") == pytest.approx(0.25, abs=0.005)
    factor = run.metrics["bmp2_mean_ng_per_mL"]
    # later on, what there is of it comes from the cells
    assert at(run, 1, "bmp2_mean_ng_per_mL") < 0.4 * factor.max()
    assert at(run, 2, "bmp2_mean_ng_per_mL") < 0.2 * factor.max()
    booked, expected = given_off(run, "alginate", "calcium")
    assert booked == pytest.approx(expected, rel=1e-4)
    assert at(run, 12, "stiffness_MPa") > 0
