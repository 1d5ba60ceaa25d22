"""The Scaffold object: sections of a config, files for other programs, words."""

import numpy as np
import pytest

from scaffoldsim.config import ConfigError, load
from scaffoldsim.scaffold.export import surface
from scaffoldsim.scaffold.scaffold import Scaffold

BARE = {"schema": 1, "duration": "1 h", "cells": {"number": 0}}
NET = {
    "family": "gyroid_net",
    "porosity": 0.92,
    "pore_size": "600 um",
    "size": "1.6 mm",
    "voxel": "40 um",
}


def small(**change):
    return Scaffold.design(**{**NET, "periodic": True, **change})


def test_arrays_agree():
    scaffold = small()
    assert scaffold.solid.dtype == bool
    assert scaffold.fraction.dtype == scaffold.distance.dtype == np.float32
    assert scaffold.solid.shape == scaffold.grid.shape
    assert all(a.flags.c_contiguous for a in (scaffold.solid, scaffold.fraction, scaffold.distance))
    np.testing.assert_array_equal(scaffold.fraction, scaffold.solid)
    assert repr(scaffold).startswith("Scaffold(gyroid net, ")
    assert "\n" not in repr(scaffold)


def test_material_may_be_a_name_or_none():
    assert small().material is None
    assert small(material="plga").material.degradation.mode == "hydrolysis"


@pytest.mark.parametrize("periodic", [True, False])
def test_mesh_is_closed_oriented_and_as_large_as_the_solid(tmp_path, periodic):
    scaffold = small(size="0.8 mm" if periodic else "1.6 mm", voxel="25 um", periodic=periodic)
    vertices, faces = surface(scaffold.distance, scaffold.grid.voxel)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    there = {tuple(edge) for edge in edges.tolist()}
    assert len(there) == len(edges)  # no edge twice in the same direction
    assert all((b, a) in there for a, b in there)  # and each once in the other
    a, b, c = (vertices[faces[:, i]].astype(float) for i in range(3))
    volume = (a * np.cross(b, c)).sum() / 6
    assert volume == pytest.approx(
        scaffold.fraction.mean(dtype=float) * np.prod(scaffold.grid.size), rel=0.05
    )
    assert vertices.min() >= -1e-9
    assert (vertices.max(axis=0) <= np.array(scaffold.grid.size) * (1 + 1e-6)).all()


def test_written_folder(tmp_path):
    scaffold = small(periodic=(True, True, False))
    folder = scaffold.write(tmp_path / "new" / "folder")
    assert sorted(p.name for p in folder.iterdir()) == [
        "morphometry.json", "scaffold.stl", "scaffold.tif",
    ]  # fmt: skip
    again = Scaffold.from_image(folder / "scaffold.tif")
    np.testing.assert_array_equal(again.solid, scaffold.solid)
    assert again.grid.voxel == pytest.approx(scaffold.grid.voxel, rel=1e-6)
    data = (folder / "scaffold.stl").read_bytes()
    count = int.from_bytes(data[80:84], "little")
    assert len(data) == 84 + 50 * count
    triangles = np.frombuffer(data[84:], np.dtype([("f", "<f4", (4, 3)), ("n", "<u2")]))["f"]
    assert triangles[:, 1:].max() == pytest.approx(max(scaffold.grid.size) * 1e3, rel=1e-5)
    lengths = np.linalg.norm(triangles[:, 0], axis=1)
    assert lengths.max() == pytest.approx(1, abs=1e-5)


def test_section_and_arguments_give_the_same_scaffold():
    config = load({**BARE, "scaffold": {**NET, "material": "bcp"}, "faces": "periodic"})
    assert config.scaffold.grid().n_voxels == 40**3
    one = Scaffold.from_section(config.scaffold, config.faces.periodic)
    two = small(material="bcp")
    assert one.distance.tobytes() == two.distance.tobytes()
    assert one.material == two.material


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        ({"porosity": 0.85}, "porosity", "0.85 is below 0.90, .* set criteria: report"),
        ({"pore_size": "200 um"}, "pore_size", "200 um is outside 300 to 1200 um, .* report"),
        ({"porosity": 1.2}, "porosity", "1.2 is out of range"),
        ({"family": "gyroid"}, "family", "'gyroid' is not known; did you mean 'gyroid_net'"),
        ({"family": None}, "", "either a family, to be designed, or an image"),
        ({"voxel": None}, "voxel", "is missing"),
        ({"size": ["1 mm", "2 mm"]}, "size", "2 edges; one is needed, or three"),
        ({"size": "1 s"}, "size", "is needed, for example in m"),
        ({"solid": "hollow"}, "solid", "'hollow' is not one of binary, fraction"),
        ({"porousity": 0.9}, "porousity", "did you mean 'porosity'"),
        ({"material": "bcq"}, "material", "did you mean 'bcp'"),
        ({"grading": {"along": "z", "porosity": [0.9, 0.95]}}, "porosity", "grading as well"),
        ({"grading": {"along": "z", "porosity": [0.8, 0.95]}, "porosity": None},
         "grading.porosity.0", "0.8 is below 0.90"),
        ({"grading": {"along": "z", "pore_size": ["600 um"]}, "pore_size": None},
         "grading.pore_size", "a profile needs at least two"),
        ({"porosity": None}, "porosity", "is missing"),
        ({"options": {"seed": 1}}, "options.seed", "gyroid_net has no options"),
        ({"family": "voronoi_foam", "options": {"cells": 2, "sed": 1}}, "options.sed",
         "did you mean 'seed'"),
        ({"family": "voronoi_foam", "options": {"cells": 2, "sed": 1}}, "options.cells",
         "greater than or equal to 8"),
        ({"family": "gel"}, "porosity", "a gel has no walls"),
        ({"resample": "30 um"}, "resample", "is for images"),
        ({"crop": {"x": ["1 mm", "2 mm"]}}, "crop", "is for images"),
        ({"smallest_island": -1}, "smallest_island", "greater"),
    ],
)  # fmt: skip
def test_problems_of_a_section_are_located(change, key, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load({**BARE, "scaffold": {**NET, **change}})
    wanted = f"scaffold.{key}".rstrip(".")
    assert any(problem.key.startswith(wanted) for problem in caught.value.problems)
    if "options" in change and len(change["options"]) > 1:
        assert len(caught.value.problems) == 2  # each of them, at once


def test_criteria_report_lets_a_section_outside_the_limits():
    section = load({**BARE, "scaffold": {**NET, "porosity": 0.8, "criteria": "report"}}).scaffold
    assert section.criteria == "report"
    assert load({**BARE, "scaffold": NET}).scaffold.criteria == "enforce"


def test_a_gel_is_open_everywhere_and_has_no_criteria(tmp_path):
    gel = Scaffold.design("gel", size="0.4 mm", voxel="20 um", material="alginate")
    assert gel.grid.shape == (20, 20, 20)
    assert gel.porosity == 1
    assert not gel.solid.any()
    assert gel.distance.min() >= max(gel.grid.size)
    assert gel.measure().check() == []
    assert "C4 does not apply" in gel.notes[0]
    assert sorted(p.name for p in gel.write(tmp_path / "gel").iterdir()) == [
        "morphometry.json",
        "scaffold.tif",
    ]


def test_a_design_of_options_and_grading_is_the_same_from_a_section():
    asked = {
        "family": "voronoi_foam",
        "options": {"seed": 4, "cells": 12},
        "grading": {"along": "z", "porosity": [0.9, 0.93]},
        "pore_size": "500 um",
        "size": ["1.2 mm", "1.2 mm", "1.6 mm"],
        "voxel": "40 um",
    }
    config = load({**BARE, "scaffold": asked})
    one = Scaffold.from_section(config.scaffold)
    again = Scaffold.from_section(load(config.resolved()).scaffold)
    two = Scaffold.design(asked.pop("family"), **asked)
    assert one.solid.tobytes() == two.solid.tobytes() == again.solid.tobytes()
