"""A scaffold under load that goes too fast collapses; one that stays lets bone come and carry."""

from __future__ import annotations

from typing import Any

import pytest

from scaffoldsim.model.model import Model

DAYS = 15
SMALL = {
    "step": "2 h",
    "duration": f"{DAYS} d",
    "scaffold.voxel": "25 um",
    "scaffold.pore_size": "300 um",
    "scaffold.size": ["0.42 mm", "0.42 mm", "0.84 mm"],
    "cells.number": None,
    "cells.density": "10e6 /mL",
}


def after(half_mass: str) -> dict[str, Any]:
    model = Model(config="load_bearing", set={**SMALL, **rate(half_mass)}, rng=1)
    built = model.metrics()["stiffness_MPa"]
    while model.running:
        model.step()
    model.check()
    return {**model.metrics(), "built": built}


def rate(half_mass: str) -> dict[str, Any]:
    """Half the scaffold is gone after this time."""
    return {
        "scaffold.material": {
            "base": "bcp",
            "degradation": {
                "half_mass": {
                    "value": half_mass,
                    "range": ["1 d", "104 wk"],
                    "mark": "assumed",
                    "source": "varied here",
                }
            },
        }
    }


@pytest.fixture(scope="module")
def fast() -> dict[str, Any]:
    return after("4 d")


@pytest.fixture(scope="module")
def sane() -> dict[str, Any]:
    return after("26 wk")


def test_what_dissolves_before_bone_is_there_collapses(fast: dict[str, Any]) -> None:
    assert 24 < fast["time_to_collapse_h"] < 7 * 24
    assert fast["collapse_index"] > 1
    assert fast["score_c5"] < 0.5
    assert fast["scaffold_mass"] < 0.1


def test_what_stays_carries_while_bone_comes(sane: dict[str, Any]) -> None:
    assert sane["time_to_collapse_h"] is None
    assert sane["score_c5"] == 1
    assert 0.01 < sane["bone_in_pore"] < 0.2
    assert sane["mv_tv"] > 0.003
    assert 0.9 < sane["scaffold_mass"] < 1
    # bone makes it stiffer than it was, although some of it is gone
    assert sane["stiffness_MPa"] > 1.1 * sane["built"]
