"""What is measured, on geometries where the answer is known, and the file it is written to."""

import json
from pathlib import Path

import numpy as np
import pytest

from scaffoldsim.scaffold.morphometry import judge, local_thickness, measure
from scaffoldsim.scaffold.scaffold import Scaffold

CONTRACT = {
    "schema", "porosity", "porosity_accessible", "pore_size_mean_um", "pore_size_sd_um",
    "pore_size_d10_um", "pore_size_d50_um", "pore_size_d90_um", "pore_fraction_in_range",
    "throat_um", "pore_networks", "percolates", "wall_thickness_mean_um",
    "specific_surface_per_mm", "voxel_um", "uncertainty_um", "criteria",
}  # fmt: skip
SCAN = Path(__file__).parents[3] / "shared/data/trabecular_bone_3155_D_4_bc.tif"


def plates(thick=4, gap=26, repeats=2):
    """Plates of solid across z; one period is 30 voxels."""
    solid = np.zeros((20, 24, (thick + gap) * repeats), bool)
    for i in range(repeats):
        solid[:, :, i * (thick + gap) : i * (thick + gap) + thick] = True
    return solid


def test_plates():
    found = measure(plates(), voxel=20e-6, periodic=True)
    assert found.porosity == found.porosity_accessible == pytest.approx(26 / 30)
    assert found.pore_size_mean_um == pytest.approx(26 * 20)
    assert found.pore_size_sd_um == pytest.approx(0, abs=1e-6)
    assert found.pore_size_d10_um == found.pore_size_d90_um == pytest.approx(520)
    assert found.pore_fraction_in_range == 1
    assert found.wall_thickness_mean_um == pytest.approx(80)
    assert found.specific_surface_per_mm == pytest.approx(2 / (30 * 0.02), rel=0.02)
    assert found.pore_networks == 2
    assert found.percolates == {"x": True, "y": True, "z": False}
    assert found.throat_um == {"x": pytest.approx(520), "y": pytest.approx(520), "z": 0}
    assert found.voxel_um == found.uncertainty_um == pytest.approx(20)
    assert any("cannot cross" in note for note in found.notes)
    assert [c.verdict for c in found.check()] == ["fail", "pass"]


def test_distribution_is_that_of_the_thickness_by_volume():
    solid = np.random.default_rng(0).random((24, 26, 28)) < 0.05
    found = measure(solid, voxel=1e-5)
    sizes = local_thickness(~solid, voxel=1e-5)[~solid].astype(float) * 1e6
    assert found.pore_size_mean_um == pytest.approx(sizes.mean(), rel=1e-6)
    assert found.pore_size_sd_um == pytest.approx(sizes.std(), rel=1e-6)
    for share, value in ((10, found.pore_size_d10_um), (90, found.pore_size_d90_um)):
        expected = np.percentile(sizes, share, method="inverted_cdf")
        assert value == pytest.approx(expected, rel=1e-6)
    in_range = (sizes >= 300) & (sizes <= 1200)
    assert found.pore_fraction_in_range == pytest.approx(in_range.mean())


def test_a_closed_bubble_is_neither_accessible_nor_a_network():
    solid = np.ones((30, 30, 30), bool)
    solid[:, 10:20, 10:20] = False
    solid[2:5, 2:5, 2:5] = False
    found = measure(solid, voxel=2e-5)
    assert found.porosity == pytest.approx((3000 + 27) / 27000)
    assert found.porosity_accessible == pytest.approx(3000 / 27000)
    assert found.pore_networks == 1
    wrapped = measure(solid, voxel=2e-5, periodic=True)
    assert wrapped.porosity_accessible == pytest.approx(3000 / 27000)


def test_loose_solid_is_told():
    solid = plates()
    solid[10, 10, 12] = True
    found = measure(solid, voxel=20e-6, periodic=True)
    assert found.solid_pieces == 2
    assert any("not joined to the largest piece" in note for note in found.notes)


def test_margin_counts_for_balls_but_not_for_the_average():
    solid = plates(repeats=3)
    whole = measure(solid[:, :, 30:60], voxel=20e-6)
    framed = measure(solid, voxel=20e-6, margin=(0, 0, 30))
    assert framed.shape == whole.shape == (20, 24, 30)
    assert framed.porosity == whole.porosity
    assert framed.pore_size_mean_um == pytest.approx(520)
    assert whole.pore_size_mean_um > 700  # cut by a face, a pore reads larger
    assert "continued" not in framed.pore_size_faces  # x and y still end at their faces


@pytest.mark.parametrize(
    ("porosity", "pore", "verdicts"),
    [
        (0.90, 300e-6, ["pass", "pass"]),
        (0.8999, 299.9e-6, ["fail", "fail"]),
        (0.95, 1200e-6, ["pass", "pass"]),
        (0.95, 1201e-6, ["pass", "fail"]),
    ],
)
def test_limits_of_the_criterion(porosity, pore, verdicts):
    assert [c.verdict for c in judge(porosity, pore)] == verdicts


@pytest.mark.parametrize("fill", [True, False])
def test_nothing_to_measure_is_refused(fill):
    with pytest.raises(ValueError, match=f"every voxel is {'solid' if fill else 'pore'}"):
        measure(np.full((4, 4, 4), fill), voxel=1e-5)


def test_written_file_has_every_key_of_the_contract(tmp_path):
    found = measure(plates(), voxel=20e-6, periodic=True)
    path = found.write(tmp_path / "morphometry.json")
    read = json.loads(path.read_text())
    assert set(read) >= CONTRACT
    assert next(iter(read)) == "schema"
    assert read["schema"] == 1
    assert "local thickness" in read["pore_size_definition"]
    assert set(read["throat_um"]) == set(read["percolates"]) == {"x", "y", "z"}
    assert [set(c) for c in read["criteria"]] == [{"name", "value", "limit", "verdict"}] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["morphometry.json"]


def test_repr_is_one_line_and_criteria_print():
    found = measure(plates(), voxel=20e-6, periodic=True)
    assert repr(found).startswith("Morphometry(porosity 0.867, pores 520 um, 2 networks")
    assert str(found.check()[0]) == "C4 porosity: 0.8667 (limit >= 0.90) fail"


@pytest.mark.skipif(
    not SCAN.is_file(), reason="the scan of shared/data is not beside this checkout"
)
def test_real_bone():
    """Porosity .772 and 703 µm of pores are the figures this scan has to give."""
    scaffold = Scaffold.from_image(SCAN, voxel="19.5 um", threshold=63)
    assert scaffold.grid.shape == (200, 200, 200)
    assert scaffold.porosity == pytest.approx(0.772, abs=0.0005)
    sizes = local_thickness(~scaffold.solid, voxel=19.5e-6)[~scaffold.solid]
    assert sizes.mean(dtype=float) == pytest.approx(703e-6, rel=0.02)
