"""Schedules: the mean over a step is the integral, however pulses and steps fall."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.config import ConfigError, load, read_entry
from scaffoldsim.model.exposures import Exposure, pieces
from scaffoldsim.model.factors import Cue, Factor

H, D = 3600.0, 86400.0


def exposures(*lines: dict[str, Any]) -> list[Exposure]:
    found: list[Exposure] = load("quickstart", set={"exposures": list(lines)}).exposures
    return found


def test_an_exposure_acts_in_its_window_alone() -> None:
    (dose,) = exposures({"factor": "dexamethasone", "dose": "10 nM", "from": "1 d", "until": "3 d"})
    given = [dose.mean(t * D, t * D + H) for t in (0.5, 1.0, 2.9, 3.0)]
    assert given == pytest.approx([0, 1e-5, 1e-5, 0])
    assert dose.mean(D - 1800, D + 1800) == pytest.approx(0.5e-5)  # begins within the step


def test_a_dose_list() -> None:
    (doses,) = exposures(
        {
            "factor": "dexamethasone",
            "doses": [
                {"at": "3 d", "dose": "10 nM", "lasts": "2 h"},
                {"at": "3 d", "dose": "5 nM", "lasts": "30 min"},
            ],
        }
    )
    assert doses.mean(3 * D, 3 * D + H) == pytest.approx(12.5e-6)
    assert doses.mean(3 * D + H, 3 * D + 2 * H) == pytest.approx(10e-6)
    assert doses.mean(3 * D + 2 * H, 4 * D) == 0


PTH = read_entry("factors", "pth")


@settings(deadline=None)
@given(
    begin=st.integers(0, 400),
    every=st.integers(2, 200),
    lasts=st.floats(0.01, 1),
    until=st.integers(0, 3000) | st.none(),
    start=st.integers(0, 3000),
    length=st.integers(1, 300),
)
def test_mean_is_the_integral(
    begin: int, every: int, lasts: float, until: int | None, start: int, length: int
) -> None:
    lasts = max(1, round(lasts * every))  # whole minutes, so that a sum over minutes is exact
    dose = Exposure.model_construct(
        factor=PTH, dose=2.0, from_=begin * 60.0, every=every * 60.0, lasts=lasts * 60.0,
        until=None if until is None else until * 60.0, doses=[],
    )  # fmt: skip
    minute = np.arange(start, start + length)
    on = (minute >= begin) & ((minute - begin) % every < lasts)
    on &= True if until is None else minute < until
    a, b = start * 60.0, (start + length) * 60.0
    assert dose.mean(a, b) == pytest.approx(2 * on.mean(), abs=1e-12)
    parts = pieces([dose, dose], a, b)
    assert sum(duration for duration, _ in parts) == pytest.approx(b - a)
    total = sum(duration * level for duration, level in parts)
    assert total / (b - a) == pytest.approx(4 * on.mean(), abs=1e-12)


@pytest.mark.parametrize(
    ("line", "key", "says"),
    [
        ({"dose": "1 nM", "from": "3 d", "until": "1 d"}, "until", "1 d is before the start"),
        ({"dose": "1 nM", "every": "1 d"}, "every", "pulses need lasts too"),
        ({"dose": "1 nM", "every": "1 h", "lasts": "2 h"}, "lasts", "longer than every 1 h"),
        ({}, "", "give either a dose or a list"),
        ({"dose": "1 nM", "doses": [{"at": "1 d", "dose": "1 nM", "lasts": "1 h"}]}, "",
         "give either a dose or a list"),
        ({"until": "1 d", "doses": [{"at": "1 d", "dose": "1 nM", "lasts": "1 h"}]}, "doses",
         "has its own times"),
        ({"dose": "1 ng/mL"}, "dose", "1 ng/mL is a mass per volume, but dexamethasone is measured"
         " as an amount per volume"),
        ({"dose": 10}, "dose", "10 is a plain number, but dexamethasone is measured as an amount"),
        ({"doses": [{"at": "1 d", "dose": 3, "lasts": "1 h"}]}, "doses.0.dose", "3 is a plain"),
        ({"dose": "-1 nM"}, "dose", "-1 nM is out of range"),
        ({"dose": ["1 nM"]}, "dose", "['1 nM'] is not a quantity"),
        ({"dose": {"value": "1 nM"}}, "dose", "is not a quantity"),
        ({"factor": "dexametasone", "dose": "1 nM"}, "factor", "did you mean 'dexamethasone'?"),
    ],
)  # fmt: skip
def test_a_schedule_that_cannot_be_is_located(line: dict[str, Any], key: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        exposures({"factor": "dexamethasone", **line})
    assert [p.key for p in caught.value.problems] == [f"exposures.0.{key}".rstrip(".")]
    assert says in str(caught.value)


def test_three_kinds_of_unit() -> None:
    kinds = {name: read_entry("factors", name).unit for name in ("calcium", "bmp2", "pth")}  # type: ignore[attr-defined]
    assert kinds == {"calcium": "mol/m^3", "bmp2": "kg/m^3", "pth": ""}
    (given,) = exposures({"factor": "pth", "dose": 0.5})
    assert given.mean(0, H) == 0.5


def number(value: Any) -> dict[str, Any]:
    return {"value": value, "range": [value, value], "mark": "assumed", "source": "a test"}


def cue(event: str = "osteogenic", half: Any = "1 nM", **more: Any) -> dict[str, Any]:
    return {
        "event": event,
        "half_maximal": number(half),
        "hill": number(1),
        "fold": number(2),
    } | more


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "needs cues, chemotaxis, relieves or pulse"),
        ({"cues": [cue(), cue(half="1 ng/mL")]}, "1 ng/mL is a mass per volume, but this factor"),
        ({"cues": [cue(), cue(half=3)]}, "3 is a plain number"),
    ],
)
def test_a_factor_that_does_not_agree_with_itself(data: dict[str, Any], says: str) -> None:
    factor = Factor.model_validate(data)
    assert says in "".join(message for _, message in factor.problems())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"event": "osteogenc"}, "'osteogenc' is no event; did you mean 'osteogenic'"),
        ({"fold": number(-1)}, "-1 is out of range"),
        ({"half_maximal": number("0 nM")}, "0 nM is out of range"),
    ],
)
def test_a_cue_that_cannot_be_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Cue.model_validate(cue(**change))


def test_events_named_after_species_and_factors_are_known() -> None:
    for event in ("vegf_secretion", "sdf1_chemotaxis", "vessel_growth"):
        assert Cue.model_validate(cue(event)).event == event
