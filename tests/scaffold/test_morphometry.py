"""What is measured, on geometries where the answer is known, and the file it is written to."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from scaffoldsim.scaffold.morphometry import (
    Morphometry,
    judge,
    local_thickness,
    measure,
    without_walls,
)
from scaffoldsim.scaffold.scaffold import Scaffold
from scaffoldsim.scaffold.thickness import Sizes, ball_radii, squared_distance

CONTRACT = {
    "schema", "porosity", "porosity_accessible", "pore_size_mean_um", "pore_size_sd_um",
    "pore_size_d10_um", "pore_size_d50_um", "pore_size_d90_um", "pore_fraction_in_range",
    "throat_um", "pore_networks", "percolates", "wall_thickness_mean_um",
    "specific_surface_per_mm", "voxel_um", "uncertainty_um", "criteria",
}  # fmt: skip
WITH_TRANSPORT = {
    "accessible_fraction", "diffusivity_relative", "tortuosity_factor",
    "permeability_estimate_um2",
}  # fmt: skip
CURVATURE = {
    "curvature_mean_per_mm", "curvature_mean_sd_per_mm", "curvature_gaussian_per_mm2",
    "concave_fraction",
}  # fmt: skip
DOCUMENT = Path(__file__).parents[2] / "docs/morphometry.md"
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
    found = measure(solid, voxel=1e-5, periodic=True)
    sizes = local_thickness(~solid, voxel=1e-5, periodic=True)[~solid].astype(float) * 1e6
    assert found.pore_size_mean_um == pytest.approx(sizes.mean(), rel=1e-6)
    assert found.pore_size_sd_um == pytest.approx(sizes.std(), rel=1e-6)
    for share, value in ((10, found.pore_size_d10_um), (90, found.pore_size_d90_um)):
        expected = np.percentile(sizes, share, method="inverted_cdf")
        assert value == pytest.approx(expected, rel=1e-6)
    in_range = (sizes >= 300) & (sizes <= 1200)
    assert found.pore_fraction_in_range == pytest.approx(in_range.mean())


def test_sizes_of_an_image_are_averaged_away_from_its_faces():
    """A block cut from an endless gyroid reads as the gyroid does, though its faces cut pores."""
    design = Scaffold.design("gyroid_net", porosity=0.92, pore_size=6e-4, size=2.4e-3, voxel=3e-5)
    endless = design.measure().pore_size_mean_um
    block = measure(design.solid, voxel=3e-5)
    assert block.pore_size_mean_um == pytest.approx(endless, rel=0.01)
    assert block.pore_size_faces == "averaged 480 um and more from the faces that are not periodic"
    whole = Sizes(ball_radii(squared_distance(~design.solid)), 3e-5).mean() * 1e6
    assert whole > 1.04 * endless
    assert any(f"would read {whole:.1f} um" in note for note in block.notes)


def test_in_a_small_box_half_a_pore_has_to_do():
    design = Scaffold.design("gyroid_net", porosity=0.92, pore_size=6e-4, size=1.6e-3, voxel=2e-5)
    block = measure(design.solid, voxel=2e-5)
    assert block.pore_size_mean_um == pytest.approx(design.measure().pore_size_mean_um, rel=0.015)
    assert block.pore_size_faces.startswith("averaged 340 um and more")


def test_a_box_too_small_for_an_inner_region_says_so():
    solid = np.zeros((20, 20, 20), bool)
    solid[10] = True
    found = measure(solid, voxel=2e-5)
    assert "too small" in found.pore_size_faces
    radii = ball_radii(squared_distance(~solid))
    assert found.pore_size_mean_um == pytest.approx(Sizes(radii, 2e-5).mean() * 1e6)


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


def test_plates_carry_and_let_through_what_they_should():
    found = measure(plates(), voxel=20e-6, periodic=True, transport=True)
    assert found.diffusivity_relative == {
        "x": pytest.approx(26 / 30, rel=1e-5),
        "y": pytest.approx(26 / 30, rel=1e-5),
        "z": 0,
    }
    assert found.tortuosity_factor["x"] == pytest.approx(1, rel=1e-5)
    assert found.tortuosity_factor["z"] is None
    assert found.permeability_estimate_um2["x"] == pytest.approx(26 / 30 * 520**2 / 32, rel=1e-4)
    assert found.permeability_estimate_um2["z"] == 0
    assert found.uncertainty["tortuosity_factor"]["x"] < 1e-4
    assert found.chord_length_mean_um == {"x": None, "y": None, "z": pytest.approx(520)}
    probes = {entry.probe_um: entry.fraction for entry in found.accessible_fraction}
    assert probes == dict.fromkeys([0, 50, 100, 200, 300, 400], 1)  # 20 is one voxel, 600 too wide
    assert found.curvature_mean_per_mm == pytest.approx(0, abs=0.01)
    assert found.curvature_gaussian_per_mm2 == pytest.approx(0, abs=0.01)


def test_transport_is_measured_only_when_asked_for():
    found = measure(plates(), voxel=20e-6, periodic=True).to_dict()
    assert {key for key, value in found.items() if value is None} == WITH_TRANSPORT


def test_a_wall_beyond_the_face_keeps_probes_off_as_it_ends_pores():
    """Two plates, 100 um apart, one of them outside the box; above them nothing."""
    solid = np.zeros((40, 40, 40), bool)
    solid[:, :, 8:10] = solid[:, :, 15:17] = True
    inner = (slice(10, 30),) * 3
    beyond = measure(solid, voxel=20e-6, margin=(10, 10, 10), transport=True)
    alone = measure(solid[inner], voxel=20e-6, transport=True)
    assert beyond.porosity_accessible == beyond.porosity == pytest.approx(0.9)
    for found, slit in ((beyond, 0), (alone, 5)):
        probes = {entry.probe_um: entry.fraction for entry in found.accessible_fraction}
        assert probes[0] == probes[50] == 1
        assert probes[200] == pytest.approx((13 + slit) / 18)


def test_thin_walls_have_no_curvature_and_it_is_said():
    found = measure(plates(thick=2, gap=28), voxel=20e-6, periodic=True).to_dict()
    assert all(found[key] is None for key in CURVATURE)
    assert any("too thin to measure how they curve" in note for note in found["notes"])


def test_curvature_of_a_spherical_pore_from_distance_and_from_voxels():
    at = np.arange(40) - 19.63
    radius = np.sqrt(at[:, None, None] ** 2 + at[:, None] ** 2 + at**2)
    distance = ((14 - radius) * 20e-6).astype(np.float32)
    for given, error in ((distance, 0.015), (None, 0.015)):
        found = measure(distance < 0, voxel=20e-6, distance=given)
        assert found.curvature_mean_per_mm == pytest.approx(-1 / 0.28, rel=error)
        assert found.curvature_gaussian_per_mm2 == pytest.approx(1 / 0.28**2, rel=2 * error)
        assert found.concave_fraction > 0.999


def test_porosity_of_an_image_is_uncertain_by_half_a_voxel_of_wall():
    image = measure(plates(), voxel=20e-6, periodic=True)
    assert image.uncertainty["porosity"] == pytest.approx(1 / 30, rel=0.02)  # two walls in 30
    z = np.arange(60)
    away = np.abs((z - 1.5) % 30 - 15)
    field = np.broadcast_to((13 - away) * 20e-6, (20, 24, 60)).astype(np.float32)
    design = measure(plates(), voxel=20e-6, periodic=True, distance=-field)
    assert "porosity" not in design.uncertainty


def test_no_result_depends_on_the_number_of_threads():
    solid = np.random.default_rng(4).random((24, 26, 28)) < 0.2
    one, three = (
        measure(solid, voxel=2e-5, periodic=(True, False, True), transport=True, threads=n)
        for n in (1, 3)
    )
    assert one == three
    for axis in "xyz":
        ratio = one.diffusivity_relative[axis]
        assert 0 < ratio < 2 * one.porosity / (3 - one.porosity)  # Hashin and Shtrikman's bound
        assert one.tortuosity_factor[axis] == pytest.approx(one.porosity / ratio)


def test_every_field_is_defined_in_the_file_and_in_the_document():
    named = {entry.name for entry in dataclasses.fields(Morphometry)}
    definitions = Morphometry.definitions()
    assert named - set(definitions) == {"schema", "pore_size_definition"}
    assert all(text.endswith(".") for text in definitions.values())
    found = measure(plates(), voxel=20e-6, periodic=True).to_dict()
    assert found["definitions"] == definitions
    document = DOCUMENT.read_text(encoding="utf-8")
    assert [name for name in sorted(named) if f"`{name}`" not in document] == []


def test_a_gel_has_no_walls_and_so_no_sizes_nor_criteria(tmp_path):
    gel = without_walls((8, 9, 10), voxel=20e-6, periodic=(True, True, False), notes=["a gel"])
    assert gel.porosity == gel.porosity_accessible == 1
    assert gel.pore_size_mean_um is gel.wall_thickness_mean_um is gel.throat_um["x"] is None
    assert gel.tortuosity_factor == {"x": 1, "y": 1, "z": 1}
    assert gel.check() == []
    assert gel.notes == ["a gel"]
    read = json.loads(gel.write(tmp_path / "morphometry.json").read_text())
    assert set(read) >= CONTRACT
    assert read["shape"] == [8, 9, 10]
    assert repr(gel).startswith("Morphometry(porosity 1.000, no walls")


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
