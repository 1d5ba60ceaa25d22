"""One period of each family, against figures measured before with other code; the survey."""

import math

import pytest

from scaffoldsim.scaffold.families import get_family
from scaffoldsim.scaffold.feasibility import Survey, highest_porosity, survey, unit_cell

# Mean pore size / cell size and wall / mean pore size at 90 % porosity, measured on a prototype
# that shares no code with the package.
MEASURED = {
    "gyroid_sheet": (0.420, 0.077),
    "primitive_sheet": (0.742, 0.058),
    "diamond_sheet": (0.396, 0.067),
    "iwp_sheet": (0.408, 0.069),
    "gyroid_net": (0.728, 0.233),
    "iwp_net": (0.674, 0.290),
    "cubic": (1.126, 0.197),
    "bcc": (0.630, 0.226),
    "octet": (0.533, 0.169),
    "kelvin": (0.876, 0.154),
    "rhombic_dodecahedron": (0.649, 0.158),
    "opal_fcc": (0.762, 0.192),
    "opal_bcc": (0.968, 0.104),
}
HIGHEST = {"gyroid_net": 0.98, "diamond_net": 0.914, "iwp_net": 0.986, "opal_fcc": 0.935}


@pytest.mark.parametrize("name", MEASURED)
def test_pores_and_walls_of_one_period(name):
    pore, wall = MEASURED[name]
    cell = unit_cell(get_family(name), 0.90)
    assert cell.pore == pytest.approx(pore, rel=0.032)  # a voxel of the 32 across a pore
    assert cell.wall / cell.pore == pytest.approx(wall, rel=0.06)
    assert cell.whole >= 0.998


@pytest.mark.parametrize("name", HIGHEST)
def test_highest_porosity_in_one_piece(name):
    assert highest_porosity(get_family(name)) == pytest.approx(HIGHEST[name], abs=0.01)


def test_a_survey_says_which_families_can(monkeypatch):
    names = ["gyroid_net", "gyroid_sheet", "primitive_net", "gel"]
    monkeypatch.setattr("scaffoldsim.scaffold.feasibility.family_names", lambda: names)
    found = {each.name: each for each in survey(0.92, 20e-6)}
    assert list(found) == names[:3]
    assert found["primitive_net"].verdict().startswith("no: in pieces above 7")
    net, sheet = found["gyroid_net"], found["gyroid_sheet"]
    assert net.least_pore < 300e-6
    assert net.verdict() == "pores 300 to 1200 um"
    # a wall of one voxel at the least pore size, of two at the good one
    assert sheet.least_pore == pytest.approx(20e-6 * sheet.pore / sheet.wall)
    least, good = (math.ceil(size * 1e6) for size in (sheet.least_pore, sheet.good_pore))
    assert sheet.verdict() == f"pores {least} to 1200 um; walls of 2 voxels from {good} um"
    assert least == pytest.approx(330, abs=10)


@pytest.mark.parametrize(
    ("least", "verdict"),
    [
        (100e-6, "pores 300 to 1200 um"),
        (200e-6, "pores 300 to 1200 um; walls of 2 voxels from 400 um"),
        (700e-6, "pores 700 to 1200 um; walls of 2 voxels never"),
        (1300e-6, "no: walls under 1 voxel for any pores up to 1200 um"),
    ],
)
def test_verdicts(least, verdict):
    assert Survey("x", True, 0.9, 0.5, 0.1, least, 2 * least).verdict() == verdict
