"""A row of metrics: every column from the first, None for what is not there, sums by hand."""

import types
from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import load, read_entry
from scaffoldsim.model import indicators
from scaffoldsim.model.model import Model

DAY = 86400.0
CONFIG: dict[str, Any] = {
    "schema": 1,
    "duration": "2 d",
    "scaffold": {
        "family": "gyroid_net",
        "material": "bcp",
        "porosity": 0.92,
        "pore_size": "320 um",
        "size": ["0.44 mm", "0.44 mm", "0.44 mm"],
        "voxel": "20 um",
    },
    "faces": "periodic",
    "cells": {"number": 300},
}
#: what is only there with tissue
TISSUE = {
    "bv_tv", "mv_tv", "host_bone_fraction", "bone_in_pore", "bs_bv_per_mm", "ov_bv", "ob_s_bs",
    "mar_um_per_d", "bfr_bs_um_per_d", "bone_scaffold_contact", "empty_lacunae_fraction",
    "adiposity", "scaffold_mass", "lesion_fraction", "bone_laid_mm3", "bone_resorbed_mm3",
    "host_bone_resorbed_mm3", "calcium_released_mol", "stiffness_MPa", "stiffness_voigt_MPa",
    "stiffness_reuss_MPa", "collapse_index", "score_c2", "score_c5",
}  # fmt: skip


def names(values: dict[str, Any]) -> set[str]:
    return {name for name, value in values.items() if value is not None}


def with_tissue(config: dict[str, Any] = CONFIG, **change: Any) -> Model:
    """A model with a layer of bone on its scaffold, written by hand."""
    model = Model(load(config))
    shape = model.grid.shape
    mineral, host = np.zeros((2, *shape), np.float32)
    osteoid = np.zeros((3, *shape), np.float32)
    layer = model.lattice.near_surface & ~model.scaffold.solid
    mineral[layer] = 0.5
    osteoid[2][layer] = 0.2
    given = {
        "matrix": types.SimpleNamespace(
            osteoid=osteoid,
            mineral=mineral,
            host=host,
            mineralisation_time=10 * DAY,
            bone=read_entry("tissues", "bone"),
            ledger=types.SimpleNamespace(laid=3e-9, resorbed_new=1e-9, resorbed_host=2e-9),
        ),
        "degradation": types.SimpleNamespace(
            fraction=model.scaffold.fraction, mass=0.9, mean_molecular_weight=None
        ),
        "mechanics": types.SimpleNamespace(
            stiffness=2e8, voigt=4e8, reuss=1e8, lowest=1e8, collapse_index=0.8,
            time_to_collapse=None,
        ),
        "hostbone": types.SimpleNamespace(
            dead_share=lambda host: 0.0,
            bmd=lambda m, b: 300.0,
            t_score=lambda bmd: (bmd - 330) / 20,
        ),
        "release": types.SimpleNamespace(given={"calcium": 1e-9}),
        "supplied": np.zeros(shape, bool),
        "throughout": lambda rates, event: 1.0,
    }  # fmt: skip
    model.tissue = types.SimpleNamespace(**given | change)  # type: ignore[attr-defined]
    return model


def test_columns_stand_once_and_structure_is_among_them() -> None:
    assert len(set(indicators.COLUMNS)) == len(indicators.COLUMNS)
    assert set(indicators.STRUCTURE) <= set(indicators.COLUMNS)
    assert list(indicators.COLUMNS[:3]) == ["time_h", "cells_total", "cells_bmsc"]


@pytest.fixture(scope="module")
def model() -> Model:
    return with_tissue()


def test_a_culture_that_begins_has_no_bone_and_no_patient() -> None:
    fresh = Model(load(CONFIG))
    values = indicators.row(fresh, structure=True)
    assert tuple(values) == indicators.COLUMNS
    for name in ("bv_tv", "mv_tv", "host_bone_fraction", "bone_in_pore", "bone_laid_mm3",
                 "bone_resorbed_mm3", "host_bone_resorbed_mm3", "calcium_released_mol",
                 "bone_scaffold_contact", "largest_bone_piece", "adiposity"):  # fmt: skip
        assert values[name] == 0, name
    assert values["scaffold_fraction"] == pytest.approx(
        fresh.scaffold.fraction.mean(dtype=np.float64)
    )
    assert values["scaffold_mass"] == 1
    # nothing to divide by, no load, no host whose bone or blood could be near
    for name in ("ov_bv", "bs_bv_per_mm", "ob_s_bs", "mar_um_per_d", "bfr_bs_um_per_d", "tb_th_um",
                 "empty_lacunae_fraction", "collapse_index", "time_to_collapse_h", "bmd_g_per_cm3",
                 "t_score", "lesion_fraction", "molecular_weight",
                 "acid_released_mol"):  # fmt: skip
        assert values[name] is None, name
    assert 0 < values["stiffness_reuss_MPa"] < values["stiffness_MPa"]
    assert values["stiffness_MPa"] < values["stiffness_voigt_MPa"]
    assert values["score_c1"] == 0.7  # bcp is inert, the cells are another's
    assert 0 < values["score_c3"] < 1
    assert values["score_c4"] == 1
    assert values["risk_near_pd_max"] == values["risk_mitogenic_gene"] == 0
    assert values["risk_allogeneic"] is values["risk_jaw_necrosis"] is None


def test_every_column_is_one_of_metrics(model: Model) -> None:
    values = indicators.row(model, structure=True)
    assert tuple(values) == indicators.COLUMNS
    assert names(values) >= TISSUE - {"empty_lacunae_fraction", "score_c2"}
    assert all(
        isinstance(value, int | float) and not isinstance(value, np.generic | bool)
        for value in values.values()
        if value is not None
    )


def test_structure_is_measured_with_frames_only(model: Model) -> None:
    values = indicators.row(model)
    assert not names(values) & set(indicators.STRUCTURE)
    framed = indicators.row(model, structure=True)
    assert names(framed) >= set(indicators.STRUCTURE)
    assert {k: v for k, v in framed.items() if k not in indicators.STRUCTURE} == {
        k: v for k, v in values.items() if k not in indicators.STRUCTURE
    }
    assert framed["largest_bone_piece"] <= framed["bv_tv"] / 0.7 + 1e-9


def test_volumes_by_hand(model: Model) -> None:
    values, n = indicators.row(model, structure=True), model.grid.n_voxels
    layer = int(np.count_nonzero(model.tissue.matrix.mineral))  # type: ignore[attr-defined]
    solid = int(np.count_nonzero(model.scaffold.solid))
    assert values["bv_tv"] == pytest.approx(0.7 * layer / n)
    assert values["mv_tv"] == pytest.approx(0.5 * layer / n)
    assert values["bone_in_pore"] == pytest.approx(0.7 * layer / (n - solid))
    assert values["ov_bv"] == pytest.approx(2 / 7)
    assert values["bone_scaffold_contact"] == 1
    assert values["bone_laid_mm3"] == pytest.approx(3)
    assert values["bone_resorbed_mm3"] == pytest.approx(1)
    assert values["host_bone_resorbed_mm3"] == pytest.approx(2)
    assert values["t_score"] == pytest.approx(-1.5)
    assert values["bmd_g_per_cm3"] == pytest.approx(0.3)
    assert values["stiffness_MPa"] == pytest.approx(200)
    assert values["score_c5"] == pytest.approx(0.625)
    assert values["calcium_released_mol"] == 1e-9
    assert values["acid_released_mol"] is None
    assert values["molecular_weight"] is None
    # a third of the mean time in each stage: .2 × 3/10 of the layer a day, over all its surface
    surface = values["bs_bv_per_mm"] * 1e3 * layer * model.grid.voxel_volume
    rate = 0.2 * 0.3 * layer * model.grid.voxel_volume / surface
    assert values["bfr_bs_um_per_d"] == pytest.approx(rate * 1e6, rel=1e-6)
    assert values["mar_um_per_d"] == pytest.approx(rate * 1e6, rel=1e-6)


def test_osteoblasts_cover_bone_and_adipocytes_fill_marrow(model: Model) -> None:
    before = model.cells.type.copy()
    types_ = model.cells.types
    model.cells.type[:] = types_.index("adipocyte")
    fat = indicators.row(model, structure=True)
    assert fat["ob_s_bs"] == 0
    free = (1 - fat["scaffold_fraction"] - fat["bv_tv"]) * model.grid.n_voxels
    assert fat["adiposity"] == pytest.approx(model.cells.n / free)
    model.cells.type[:] = types_.index("osteoblast")
    covered = indicators.row(model, structure=True)
    assert covered["adiposity"] == 0
    assert 0 < covered["ob_s_bs"] < 1
    model.cells.type[:] = types_.index("osteocyte")
    assert indicators.row(model)["empty_lacunae_fraction"] == 0
    model.cells.type[:] = before


def test_nothing_but_bone_and_no_bone_at_all_have_a_row() -> None:
    model = with_tissue()
    matrix = model.tissue.matrix  # type: ignore[attr-defined]
    matrix.mineral[...] = matrix.osteoid[...] = 0
    none = indicators.row(model, structure=True)
    assert none["bone_in_pore"] == none["bone_scaffold_contact"] == none["largest_bone_piece"] == 0
    for name in ("ov_bv", "bs_bv_per_mm", "ob_s_bs", "mar_um_per_d", "tb_th_um", "tb_sp_um"):
        assert none[name] is None
    model.tissue.degradation.fraction = np.zeros(model.grid.shape, np.float32)  # type: ignore[attr-defined]
    matrix.host[...] = 1
    full = indicators.row(model, structure=True)
    assert full["host_bone_fraction"] == 1
    assert full["bone_in_pore"] == full["ov_bv"] == full["bs_bv_per_mm"] == 0
    for name in ("adiposity", "tb_th_um", "tb_sp_um", "bone_scaffold_contact", "ob_s_bs"):
        assert full[name] is None
    matrix.host[...] = 0
    gone = indicators.row(model, structure=True)  # no scaffold, no bone
    assert gone["bone_in_pore"] == 0
    assert gone["bone_scaffold_contact"] is None


def test_no_cells_have_a_row() -> None:
    model = with_tissue({**CONFIG, "cells": {"number": 0}})
    values = indicators.row(model, structure=True)
    assert values["risk_near_pd_max"] is values["empty_lacunae_fraction"] is None
    assert values["lesion_fraction"] == 1
    assert values["score_c1"] == 1
    assert values["adiposity"] == 0


def test_flags_of_a_patient() -> None:
    config = {
        **CONFIG,
        "host": "healthy_human",
        "cells": {
            "number": 300,
            "source": "xenogeneic",
            "donor": {"species": "rat"},
            "genes": ["bmp2", "bfgf"],
        },
        "fields": {"bfgf": "bfgf", "bmp2": "bmp2"},
        "exposures": [{"factor": "bisphosphonate", "dose": 1}],
    }
    model = Model(load(config))
    values = indicators.row(model)
    assert (values["risk_xenogeneic"], values["risk_allogeneic"]) == (1, 0)
    assert values["risk_mitogenic_gene"] == 1
    assert values["risk_jaw_necrosis"] == 0  # not given yet
    model.step()
    values = indicators.row(model)
    assert (values["risk_jaw_necrosis"], values["risk_breast_cancer"]) == (1, 0)
    model.cells.genes[:] = 1  # that of BMP-2 alone, which drives no division
    assert indicators.row(model)["risk_mitogenic_gene"] == 0
    assert indicators.row(model)["cells_graft"] == model.cells.n
