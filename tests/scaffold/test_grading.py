"""Graded scaffolds have the profiles that were asked, measured on the built voxels."""

import numpy as np
import pytest

from scaffoldsim.scaffold.design import Infeasible
from scaffoldsim.scaffold.grading import NODES, Graded, Grading
from scaffoldsim.scaffold.grid import Grid
from scaffoldsim.scaffold.morphometry import local_thickness
from scaffoldsim.scaffold.scaffold import Scaffold

UM = 1e-6


def graded(family="gyroid_net", **change):
    asked = {"size": ["2.4 mm", "2.4 mm", "4.5 mm"], "voxel": "40 um", **change}
    return Scaffold.design(family, **asked)


def radius(shape):
    x, y, _ = np.meshgrid(*[np.arange(n) + 0.5 - n / 2 for n in shape], indexing="ij")
    return np.hypot(x, y) / (min(shape[:2]) / 2)


def test_porosity_along_an_axis():
    scaffold = graded(
        pore_size="600 um", grading={"along": "z", "porosity": [0.90, 0.96]}, periodic=(1, 1, 0)
    )
    bands = np.array_split(scaffold.solid, 3, axis=2)
    found = [1 - band.mean() for band in bands]
    np.testing.assert_allclose(found, [0.91, 0.93, 0.95], atol=0.006)
    assert scaffold.porosity == pytest.approx(0.93, abs=0.002)


def test_pore_size_along_an_axis():
    scaffold = graded(porosity=0.92, grading={"along": "z", "pore_size": ["450 um", "700 um"]})
    pore = ~scaffold.solid
    sizes = local_thickness(pore, voxel=40 * UM)
    # the middle third away from the open faces, and the profile's trend over the box
    middle = sizes[15:-15, 15:-15]
    kept = pore[15:-15, 15:-15]
    n = middle.shape[2]
    means = [
        middle[..., k : k + n // 6][kept[..., k : k + n // 6]].mean() / UM
        for k in range(n // 8, n - n // 4, n // 6)
    ]
    assert np.all(np.diff(means) > 0)
    assert means[-1] - means[0] == pytest.approx(250 * (len(means) - 1) / 6, rel=0.35)
    bands = [1 - band.mean() for band in np.array_split(scaffold.solid, 3, axis=2)]
    np.testing.assert_allclose(bands, 0.92, atol=0.012)


def test_pores_of_one_size_while_porosity_changes():
    """Cells of one size have larger pores where there is less solid; asked for, they shrink."""
    grading = {"along": "z", "porosity": [0.90, 0.97]}
    size = ["2.4 mm", "2.4 mm", "4.2 mm"]
    free = graded(pore_size="600 um", grading=grading, size=size)
    held = graded(grading={**grading, "pore_size": ["600 um", "600 um"]}, size=size)

    def spread(scaffold):
        sizes = scaffold.notes[-1].split("mean pore size ")[1].removesuffix(" um.").split(", ")
        return float(sizes[-1]) - float(sizes[0])

    assert spread(free) > 35
    assert abs(spread(held)) < 20


def test_porosity_along_the_radius():
    scaffold = graded(pore_size="500 um", grading={"along": "radius", "porosity": [0.96, 0.90]})
    r = radius(scaffold.solid.shape)
    inner = 1 - scaffold.solid[r < 0.5].mean()
    outer = 1 - scaffold.solid[(r > 0.5) & (r < 1)].mean()
    assert inner == pytest.approx(0.94, abs=0.01)  # the mean radius of a disc is two thirds
    assert outer == pytest.approx(0.9133, abs=0.01)


def test_the_note_tells_what_was_asked_and_built():
    scaffold = graded(pore_size="600 um", grading={"along": "z", "porosity": [0.90, 0.96]})
    note = scaffold.notes[-1]
    assert note.startswith("Along z, in 5 parts: porosity 0.90")
    assert "(asked 0.906, 0.918, 0.930, 0.942, 0.954)" in note
    assert "mean pore size" in note


def test_a_profile_that_was_missed_is_said():
    """Struts that stand in a few planes cannot follow a profile across them."""
    scaffold = Scaffold.design(
        "cubic",
        pore_size="600 um",
        size=["1.2 mm", "1.2 mm", "1.2 mm"],
        voxel="40 um",
        grading={"along": "x", "porosity": [0.90, 0.95]},
    )
    assert "% off: a part holds few periods)" in scaffold.notes[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"porosity": 0.92, "grading": {"along": "z", "pore_size": [300 * UM, 1200 * UM]}},
         "bent by"),
        ({"porosity": 0.92, "grading": {"along": "z", "pore_size": [500 * UM, 600 * UM]},
          "periodic": (True, True, False)}, "an axis is periodic"),
        ({"pore_size": "600 um", "grading": {"along": "z", "porosity": [0.9, 0.95]},
          "periodic": True}, "an axis is periodic"),
        ({"pore_size": "600 um", "grading": {"along": "z", "porosity": [0.85, 0.95]}},
         "porosity 0.85 asked; criterion C4"),
        ({"pore_size": "600 um", "grading": {"along": "z", "porosity": [0.92]}},
         "grading.porosity: 1 values"),
        ({"pore_size": "600 um", "grading": {"along": "z"}}, "changes nothing"),
        ({"grading": {"along": "z", "pore_size": [5e-4, 6e-4]}}, "porosity: is missing"),
        ({"pore_size": "600 um", "grading": {"along": "z", "pore_size": [5e-4, 6e-4]}},
         "pore_size: is given by the grading as well"),
        ({"family": "logpile", "pore_size": "600 um", "voxel": "20 um",
          "grading": {"along": "z", "porosity": [0.9, 0.93]}}, "layers of a log-pile"),
        ({"family": "diamond_net", "pore_size": "600 um",
          "grading": {"along": "z", "porosity": [0.9, 0.92]}},
         "diamond net: at 92 % porosity the solid falls into pieces"),
    ],
)  # fmt: skip
def test_what_cannot_be_graded_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        graded(**change)


def test_walls_are_judged_at_the_ends_of_the_grading():
    with pytest.raises(Infeasible) as caught:
        graded(
            "gyroid_sheet",
            pore_size="600 um",
            size=["3.2 mm", "3.2 mm", "4 mm"],
            voxel="20 um",
            grading={"along": "x", "porosity": [0.90, 0.96]},
        )
    (reason,) = caught.value.reasons
    assert "at 96 % porosity" in reason


@pytest.mark.parametrize("along", ["x", "z", "radius"])
def test_cells_change_size_as_asked_and_nowhere_fold(along):
    """The map to equal cells has the local size as its scale, and keeps the order of places."""
    grid = Grid((40, 40, 60), 1.0)
    sizes = tuple(np.linspace(0.8, 1.2, NODES))
    laid = Graded(along, (0.0,) * NODES, sizes)
    x, y, z = np.meshgrid(*[np.arange(-5, n + 5) + 0.5 for n in grid.shape], indexing="ij")
    place = tuple(a.astype(np.float32) for a in (x, y, z))
    at, image = laid.lay(place, grid)
    local = np.interp(at, np.linspace(0, 1, NODES), sizes)
    axis = {"x": 0, "z": 2, "radius": 2}[along]
    step = np.gradient(image[axis], axis=axis)
    np.testing.assert_allclose(step[2:-2, 2:-2, 2:-2] * local[2:-2, 2:-2, 2:-2], 1, rtol=0.02)
    jacobian = np.array([np.gradient(a) for a in image])
    determinant = np.linalg.det(np.moveaxis(jacobian, (0, 1), (-2, -1)))
    assert determinant.min() > 0.3


def test_a_profile_is_linear_between_its_values():
    profile = Grading(along="z", porosity=[0.9, 0.95, 0.9])
    assert profile.at("porosity", 0.25) == pytest.approx(0.925)
    assert profile.nodes("pore_size") is None
    assert profile.nodes("porosity")[NODES // 2] == pytest.approx(0.95)
