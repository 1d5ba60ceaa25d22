from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from scaffoldsim.compare import metrics
from scaffoldsim.run.record import Run
from tests.run.synthetic import write_run


def table(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_endpoints_are_those_of_the_last_row(run: Run) -> None:
    found = metrics.endpoints(run)
    last = run.metrics.iloc[-1]
    assert found["cells"] == last["cells_total"]
    bone = last["cells_preosteoblast"] + last["cells_osteoblast"]
    assert found["osteogenic_share"] == pytest.approx(bone / last["cells_total"])
    assert found["viability"] == last["viability"]
    assert found["oxygen_p05_mM"] == last["oxygen_p05_mM"]
    assert found["pore_size_um"] == 601.0
    assert set(found) == {o.name for o in metrics.OUTCOMES}


def test_what_a_run_does_not_say_is_nan_not_zero() -> None:
    few = table(time_h=[0.0, 1.0], cells_total=[10, 0], cells_dead=[0, 10])
    assert np.isnan(metrics.series(few, "osteoblasts")).all()
    assert np.isnan(metrics.series(few, "osteogenic_share")).all()
    assert metrics.series(few, "viability").tolist() == [1.0, 0.0]
    live = table(cells_total=[0], cells_preosteoblast=[0], cells_osteoblast=[0])
    assert np.isnan(metrics.series(live, "osteogenic_share")).all()
    with pytest.raises(ValueError, match="no course over time"):
        metrics.series(few, "porosity")


def test_a_stored_share_goes_before_a_derived_one() -> None:
    stored = table(
        cells_total=[10, 10], cells_preosteoblast=[1, 1], cells_osteoblast=[1, 3],
        osteogenic_share=[0.15, math.nan],
    )  # fmt: skip
    np.testing.assert_allclose(metrics.series(stored, "osteogenic_share"), [0.15, 0.4])


def test_porosity_without_morphometry_is_of_the_solid(tmp_path) -> None:
    bare = write_run(tmp_path / "r", n=8, cells=20, days=(0, 1), morphometry=False)
    found = metrics.endpoints(bare)
    assert found["porosity"] == pytest.approx(1 - bare.fraction.mean(), abs=1e-6)
    assert math.isnan(found["pore_size_um"])


def test_values_are_shown_with_their_digits() -> None:
    outcomes = {o.name: o for o in metrics.OUTCOMES}
    assert outcomes["cells"].text(12345.0) == "12\N{NARROW NO-BREAK SPACE}345"
    assert outcomes["viability"].text(0.98765) == "98.8"
    assert outcomes["viability"].text(math.nan) == "–"


def test_outcomes_of_bone_are_columns_of_the_same_name() -> None:
    made = table(time_h=[0.0, 6.0], bone_in_pore=[0.1, 0.2], tb_th_um=[40.0, math.nan])
    assert metrics.series(made, "bone_in_pore").tolist() == [0.1, 0.2]
    assert np.isnan(metrics.series(made, "tb_th_um")[1])
    assert np.isnan(metrics.series(made, "t_score")).all()


def test_outcomes_that_need_a_frame_are_those_that_the_model_measures_with_one() -> None:
    from scaffoldsim.model.indicators import COLUMNS, STRUCTURE

    assert {name for name in metrics.courses() if metrics.outcome(name).framed} == set(STRUCTURE)
    assert metrics.outcome("bv_tv / tb_th_um").framed
    assert not metrics.outcome("bv_tv / cells").framed
    counts = "adipocytes born bmsc cells chondrocytes dead endothelial osteoblasts osteocytes"
    derived = {*counts.split(), "preosteoblasts", "senescent", "osteogenic_cells", "standing_bone"}
    assert set(metrics.courses()) - derived <= set(COLUMNS)
