"""What a wound gives to the fields, against the closed form of a source in a half-space."""

import math
from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import load
from scaffoldsim.model.model import Model

#: diffuses and decays as VEGF: D = 1e-10 m²/s, half of it in an hour
REACH = math.sqrt(1e-10 * 3600 / math.log(2))
RIM, LEVEL, FADE = 200e-6, 0.5e-6, 7 * 86400.0


def wounded(**change: Any) -> Model:
    """A box of 4 mm of marrow behind one face of a host."""
    data: dict[str, Any] = {
        "schema": 1,
        "duration": "10 d",
        "step": "1 h",
        "scaffold": {"family": "gel", "size": ["40 um", "40 um", "4 mm"], "voxel": "20 um"},
        "faces": {"x": "periodic", "y": "periodic", "z-": "host"},
        "host": "healthy_rat",
        "fields": {"oxygen": "oxygen", "vegf": "vegf"},
        "cells": {"number": 0, "donor": {"species": "rat", "age": "6 months"}},
    }
    return Model(load(data, set=change), threads=1)


def closed_form(z: np.ndarray) -> np.ndarray:
    r"""c/c_w of a source in z < r that goes on behind the face, with k c = D c''.

    .. math:: 1 - \tfrac12 e^{-(r-z)/\ell} \quad (z < r), \qquad \tfrac12 e^{-(z-r)/\ell}
    """
    off = (z - RIM) / REACH
    return np.where(off < 0, 1 - 0.5 * np.exp(-np.abs(off)), 0.5 * np.exp(-np.abs(off)))


def test_a_wound_behind_a_face_and_in_its_rim_is_a_source_in_a_half_space() -> None:
    # a wound that fades within a hundred years stands still
    model = wounded(
        **{
            "host.wound.signals_fade": {
                "value": "10000 d", "range": ["1 d", "10000 d"], "mark": "assumed",
                "source": "of a test",
            }
        }
    )  # fmt: skip
    for _ in range(48):
        model.step()
    found = model.fields.value["vegf"][0, 0] / LEVEL
    z = (np.arange(found.size) + 0.5) * 20e-6
    near = z < 2e-3
    assert found[near] == pytest.approx(closed_form(z[near]), rel=0.01)


def test_it_fades() -> None:
    model = wounded()
    for _ in range(7 * 24):
        model.step()
    # what it holds lags behind what it gives by 1/k, and by half a step
    z, lag = 10e-6, 3600 / math.log(2)
    expected = closed_form(np.array([z]))[0] * math.exp(-(FADE - lag / 2) / FADE)
    assert model.fields.value["vegf"][0, 0, 0] / LEVEL == pytest.approx(expected, rel=0.01)
