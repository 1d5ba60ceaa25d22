"""Pulse sensitivity: exact for any step, and the figures of parathyroid hormone."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from scaffoldsim.config import read_entry
from scaffoldsim.model.exposures import Exposure, pieces
from scaffoldsim.model.model import Model
from scaffoldsim.model.pulses import PulseState

H, D = 3600.0, 86400.0
PTH: Any = read_entry("factors", "pth")
DAILY = Exposure(factor=PTH, dose=1, every="1 d", lasts="1 h")


def steps(dt: float, dose: Exposure, days: int) -> tuple[list[float], list[float], PulseState]:
    """Means of m over each step, and m at the end of each step."""
    state, means, ends = PulseState(PTH.pulse), [], []
    for k in range(round(days * D / dt)):
        means.append(state.advance(pieces([dose], k * dt, (k + 1) * dt))[0])
        ends.append(state.multipliers()[0])
    return means, ends, state


def test_an_hour_a_day_helps_and_a_steady_dose_harms() -> None:
    means, ends, _ = steps(H, DAILY, 10)
    assert np.mean(ends[-24:]) == pytest.approx(1.647, abs=2e-3)  # 1.6484

    assert np.mean(means[-24:]) == pytest.approx(1.66, abs=5e-3)  # 1.6641, any step
    steady = PulseState(PTH.pulse)
    bone, loss = steady.advance([(60 * D, 1.0)])
    assert steady.multipliers()[0] == pytest.approx(0.65, abs=5e-3)
    assert steady.multipliers()[1] == pytest.approx(1 + 1 / (1 + 0.35**4))
    assert bone > 0
    assert loss < steady.multipliers()[1]


def test_the_day_counts_the_same_for_any_step() -> None:
    fine = [np.mean(steps(dt, DAILY, 6)[0][-round(D / dt) :]) for dt in (900.0, H, 6 * H, D)]
    assert fine == pytest.approx([fine[0]] * 4, rel=2e-6)
    short = Exposure(factor=PTH, dose=60, every="1 d", lasts="1 min")  # shorter than any step
    assert [np.mean(steps(dt, short, 3)[0]) for dt in (900.0, 6 * H)] == pytest.approx(
        [np.mean(steps(H, short, 3)[0])] * 2, rel=1e-5
    )


def test_update_is_exact() -> None:
    doses = [(5 * H, 0.3), (0.2 * H, 4.0), (30 * H, 0.0), (7 * H, 1.0)]
    state = PulseState(PTH.pulse)
    mean, _ = state.advance(doses)

    def slope(_: float, y: Any, dose: float) -> list[float]:
        a, i, _ = y
        bone = (1 + 4 * a / (a + 0.15)) / (1 + 6 * i**4 / (i**4 + 0.35**4))
        return [(dose - a) / (4 * H), (dose - i) / (24 * H), bone]

    y = [0.0, 0.0, 0.0]
    for duration, dose in doses:
        y = solve_ivp(
            slope, (0, duration), y, args=(dose,), rtol=1e-10, atol=1e-12, method="DOP853"
        ).y[:, -1].tolist()  # fmt: skip
    assert (state.activation, state.inhibition) == pytest.approx(y[:2], rel=1e-8)
    assert mean == pytest.approx(y[2] / sum(t for t, _ in doses), rel=1e-5)


def test_no_dose_is_no_effect() -> None:
    state = PulseState(PTH.pulse)
    assert state.advance([(D, 0.0)]) == pytest.approx((1.0, 1.0), rel=1e-12)
    assert state.advance([]) == (1.0, 1.0)


def test_the_state_is_in_the_checkpoint() -> None:
    config = {"exposures": [{"factor": "pth", "dose": 1, "every": "1 d", "lasts": "1 h"}]}
    change = {
        **config,
        "duration": "2 d",
        "cells.number": 200,
        "scaffold.pore_size": "320 um",
        "scaffold.size": "0.9 mm",
    }
    model, other = (Model("quickstart", set=change) for _ in range(2))
    for _ in range(5):
        model.step()
    state = model.state()
    decay = math.exp(-4 / 4) * -math.expm1(-1 / 4)
    assert state["signals/pth"][0] == pytest.approx(decay, rel=1e-12)
    other.load(state)
    for each in (model, other):
        each.step()
    assert all(np.array_equal(v, other.state()[k]) for k, v in model.state().items())


def test_a_step_that_fails_does_not_advance_the_state() -> None:
    class Raises:
        def apply(self, model: Model, dt: float) -> None:
            raise ValueError("planted")

    config = {"exposures": [{"factor": "pth", "dose": 1}]}
    change = {
        **config,
        "duration": "2 d",
        "cells.number": 200,
        "scaffold.pore_size": "320 um",
        "scaffold.size": "0.9 mm",
    }
    model = Model("quickstart", set=change)
    model.step()
    before = model.state()["signals/pth"]
    model.behaviours.append(Raises())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="planted"):
        model.step()
    assert np.array_equal(model.state()["signals/pth"], before)
