"""Fields draw cells: the potential is that of the equation, and a gradient gives its drift."""

import math
from typing import Any

import numpy as np
import pytest

from scaffoldsim.model.model import Model

BOX: dict[str, Any] = {
    "schema": 1,
    "duration": "10 d",
    "scaffold": {
        "family": "gyroid_net",
        "material": "bcp",
        "porosity": 0.92,
        "pore_size": "320 um",
        "size": ["0.44 mm", "0.44 mm", "0.9 mm"],
        "voxel": "20 um",
    },
    "faces": {"x": "periodic", "y": "periodic", "z": "medium"},
    "fields": {"oxygen": "oxygen", "sdf1": "sdf1"},
    "cells": {"number": 800},
}


def box(**change: Any) -> Model:
    return Model(BOX, set={key.replace("__", "."): value for key, value in change.items()})


def test_potential_is_the_sum_over_factors() -> None:
    model = box(**{"fields.vegf": "vegf"})
    shape = model.grid.shape
    c = np.linspace(0, 1e-4, math.prod(shape), dtype=np.float32).reshape(shape)
    model.fields.value["sdf1"], model.fields.value["vegf"] = c, c[::-1]
    phi = model.rates.potential(model.fields)
    assert phi == pytest.approx(40 * c / (c + 3e-5) + 30 * c[::-1] / (c[::-1] + 1e-5), rel=1e-5)


def test_cells_of_an_ovariectomised_donor_feel_sdf1_less() -> None:
    model, ovx = box(), box(cells__donor__conditions=[{"condition": "ovariectomy", "severity": 1}])
    for each in (model, ovx):
        each.fields.value["sdf1"][...] = 3e-5
    ratio = ovx.rates.potential(ovx.fields) / model.rates.potential(model.fields)  # type: ignore[operator]
    assert ratio.min() == pytest.approx(0.6) == ratio.max()


def test_no_field_or_no_factor_draws_nobody() -> None:
    assert box(fields__sdf1__factor=None).rates.potential(box().fields) is None
    given = box(exposures=[{"factor": "sdf1", "dose": "30 ng/mL"}], fields__sdf1__factor=None)
    given.step()
    assert given.lattice.potential is None  # a systemic dose has no gradient
    model = box()
    model.step()
    assert model.lattice.potential is not None
    assert np.all(model.lattice.potential == 0)


def test_cells_climb_a_gradient() -> None:
    """Most gather where SDF-1 is held high; without its factor they do not."""
    mean = {}
    for factor in ("sdf1", None):
        model = box(fields__sdf1__factor=factor, cells__number=400)
        high = np.zeros(model.grid.shape)
        high[:] = np.linspace(0, 6e-5, model.grid.shape[2])
        model.fields.value["sdf1"] = np.where(model.scaffold.solid, 0, high).astype(np.float32)
        supply = model.fields.value["sdf1"]
        for _ in range(120):
            model.fields.value["sdf1"] = supply
            model.lattice.potential = model.rates.potential(model.fields)
            model.rates.advance(model.seconds, model.seconds + model.dt)
            model.rates.evaluate(model)
            model.lattice.update(model.cells, model.dt, seed=1, step=model.step_index)
            model.step_index += 1
        mean[factor] = float((model.cells.voxel % model.grid.shape[2]).mean())
    middle = (box().grid.shape[2] - 1) / 2
    assert mean["sdf1"] > middle + 4 * 13 / 18
    assert abs(mean[None] - middle) < 4 * 13 / 18  # 4 sigma of 320 cells in 45 layers
