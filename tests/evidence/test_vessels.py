"""How deep vessels come by the size of pores, and that they stay as dense as is meant."""

from __future__ import annotations

import numpy as np
import pytest

from scaffoldsim.model.throats import throats
from scaffoldsim.scaffold.scaffold import Scaffold
from tests.model.plexus import DAY, NG_ML, RULES, UM, Box
from tests.theory.test_vessels import depth

pytestmark = [
    pytest.mark.evidence,
    pytest.mark.filterwarnings("ignore:.*more than 2 × crowded"),
]
SEEDS = (1, 2, 3)
#: pore, um: pitch and radius of spheres, in voxels of 20 um
ROUND = {600: (28, 15.0), 300: (14, 7.5), 200: (9, 4.9), 100: (5, 2.2)}


def test_round_pores_of_100_um_keep_vessels_out() -> None:
    """Their windows are a voxel wide, below 40 um; from 200 um on these let vessels through."""
    found = {
        pore: [depth(*lattice, seed, hours=336) / UM for seed in SEEDS]
        for pore, lattice in ROUND.items()
    }
    for pore, each in found.items():
        print(f"round pores of {pore} um, deepest after 2 weeks, um:", np.round(each))
    assert max(found[100]) < 100
    for pore in (200, 300, 600):
        assert np.mean(found[pore]) > 2 * np.mean(found[100]), pore


def test_gyroids_have_no_throats_that_keep_vessels_out() -> None:
    """Nets of 100, 200 and 600 um: nothing in them is below 40 um, and vessels come as deep."""
    depths = {}
    for pore, porosity, size in ((100, 0.8, 0.8e-3), (200, 0.9, 0.8e-3), (600, 0.9, 1.7e-3)):
        built = Scaffold.design(
            "gyroid_net", porosity=porosity, pore_size=pore * UM, size=(size,) * 3, voxel=20 * UM,
            periodic=(True, True, False), criteria="report",
        )  # fmt: skip
        solid = built.solid
        narrow = throats(~solid, 20 * UM, float(RULES.narrowest), (True, True, False))
        assert narrow.sum() < 0.01 * solid.size
        depths[pore] = []
        for seed in SEEDS:
            box = Box(solid.shape, vegf=5 * NG_ML, blocked=solid | narrow, seed=seed,
                      root_density=4e7)  # fmt: skip
            box.run(56, dt=DAY / 4)
            assert not (box.vessels.flag & solid).any()
            depths[pore].append(box.vessels.depth / UM)
        print(f"gyroid net of {pore} um, deepest after 2 weeks, um:", np.round(depths[pore]))
    assert np.mean(depths[100]) > 300


@pytest.mark.parametrize("vegf", [0.6, 1.3, 10.0])
def test_vegf_that_never_falls_fills_a_box_once(vegf: float) -> None:
    """mm of vessel per mm³ after 10, 20, ... 60 days in 1 mm³ between two faces of the host."""
    faces = {"x": "periodic", "y": "periodic", "z": "host"}
    box = Box((50, 50, 50), faces=faces, vegf=vegf * NG_ML)
    course, perfused = [], []
    for _ in range(6):
        box.run(240)
        course.append(box.vessels.density / 1e6)
        perfused.append(box.vessels.perfused_density / 1e6)
    print(f"VEGF {vegf} ng/mL:", np.round(course), "with blood:", np.round(perfused))
    assert course[-1] < 120
    assert course[-1] < 1.25 * course[-2]
    assert 0.2 < perfused[-1] / course[-1] < 0.95
