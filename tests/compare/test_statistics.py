from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scaffoldsim.compare.statistics import (
    EQUIVALENT,
    MARGIN,
    NOT_SHOWN,
    SHOWN,
    compare_all,
    compare_pair,
    mean_interval,
)


def arm(*values: float) -> dict[int, float]:
    return dict(enumerate(values, start=1))


def test_mean_interval_is_students() -> None:
    values = [3.1, 2.9, 3.6, 3.3, math.nan]
    found = mean_interval(values)
    expected = stats.t.interval(0.95, 3, np.mean(values[:4]), stats.sem(values[:4]))
    assert found.n == 4
    assert (found.low, found.high) == pytest.approx(expected)


@pytest.mark.parametrize(("values", "n"), [([], 0), ([2.0], 1), ([math.nan, 2.0], 1)])
def test_one_value_has_no_interval(values: list[float], n: int) -> None:
    found = mean_interval(values)
    assert found.n == n
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_pairs_are_paired() -> None:
    # Donors differ tenfold, arms by 30 % in each of them: unpaired this would drown.
    b = {1: 100.0, 2: 1000.0, 3: 300.0}
    a = {
        seed: 1.3 * value * wobble
        for (seed, value), wobble in zip(b.items(), (1, 1.01, 0.99), strict=True)
    }
    found = compare_pair("cells", "a", "b", a | {9: 1.0}, b | {8: 1.0})
    assert found.n == 3
    assert found.ratio == pytest.approx(1.3, rel=1e-3)
    logs = np.log([a[s] / b[s] for s in (1, 2, 3)])
    low, high = stats.t.interval(0.95, 2, logs.mean(), stats.sem(logs))
    assert (found.low, found.high) == pytest.approx((math.exp(low), math.exp(high)))
    assert found.verdict == SHOWN


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ((1.30, 1.31, 1.29), SHOWN),
        ((0.70, 0.71, 0.69), SHOWN),
        ((1.00, 1.01, 0.99), EQUIVALENT),
        ((1.0, 1.0, 1.0), EQUIVALENT),
        ((2.0, 2.0, 2.0), SHOWN),
        ((1.15, 1.30, 1.00), NOT_SHOWN),
        ((1.10, 1.12, 1.11), NOT_SHOWN),
    ],
)
def test_verdicts(ratios: tuple[float, ...], verdict: str) -> None:
    found = compare_pair("x", "a", "b", arm(*ratios), arm(1, 1, 1))
    assert found.verdict == verdict
    back = compare_pair("x", "b", "a", arm(1, 1, 1), arm(*ratios))
    assert back.verdict == verdict
    assert back.ratio == pytest.approx(1 / found.ratio)


@pytest.mark.parametrize(
    ("a", "b", "n", "reason"),
    [
        (arm(-1, 2), arm(5, 6), 2, "below zero in 1 of 2 pairs"),
        (arm(3), arm(1), 1, "one seed has no interval"),
        ({1: 3.0}, {2: 3.0}, 0, "no seed"),
        (arm(math.nan), arm(1), 0, "no seed"),
    ],
)
def test_no_interval_is_made_up(a: dict, b: dict, n: int, reason: str) -> None:
    found = compare_pair("x", "a", "b", a, b)
    assert (found.n, found.verdict) == (n, NOT_SHOWN)
    assert reason in found.reason
    assert math.isnan(found.low)
    assert math.isnan(found.ratio) == (n != 1)


def test_nothing_against_something_is_judged_by_order() -> None:
    """The sign test on 16 donors: the k-th smallest and greatest ratio, k by the level."""
    none = arm(*[0.0] * 16)
    some = arm(*[3.0] * 14, 0.0, 0.0)  # in two of them nothing on either side: a ratio of 1
    at_95, at_9979 = (compare_pair("x", "a", "b", some, none, level=p) for p in (0.95, 0.9979))
    assert (at_95.verdict, at_95.ratio, at_95.low) == (SHOWN, math.inf, math.inf)
    assert (at_9979.verdict, at_9979.low, at_9979.high) == (NOT_SHOWN, 1.0, math.inf)
    back = compare_pair("x", "b", "a", none, some, level=0.95)
    assert (back.verdict, back.ratio, back.high) == (SHOWN, 0.0, 0.0)
    assert (at_95.interval_text, back.interval_text) == ("∞ to ∞", "0 to 0")
    few = compare_pair("x", "a", "b", arm(3, 4), arm(0, 5))
    assert (few.n, few.verdict) == (2, NOT_SHOWN)
    assert "2 seeds are too few" in few.reason
    assert math.isnan(few.low)
    half = arm(*[3.0] * 8, *[0.0] * 8)  # infinite in half of them, zero in the other
    torn = compare_pair("x", "a", "b", half, arm(*[0.0] * 8, *[3.0] * 8))
    assert (torn.ratio, torn.low, torn.high) == (1.0, 0.0, math.inf)


def test_order_statistics_keep_their_level() -> None:
    """Of samples with the median at the margin no more than 5 % are shown (4 sigma)."""
    rng, shown, trials = np.random.default_rng(1), 0, 400
    for _ in range(trials):
        a = {s: float(x) for s, x in enumerate(np.exp(rng.normal(math.log(1.1), 0.3, 16)))}
        b = dict.fromkeys(a, 1.0)
        a[0] = 0.0 if a[0] < 1.1 else math.inf  # which changes the order of nothing
        shown += compare_all({"x": {"a": a, "b": b}})[0].verdict == SHOWN
    assert 0 < shown <= trials * 0.05 + 4 * math.sqrt(trials * 0.05 * 0.95)


def test_holm_steps_down_and_stops() -> None:
    rng = np.random.default_rng(0)
    seeds = range(1, 13)

    def noisy(centre: float) -> dict[int, float]:
        return {s: math.exp(centre + rng.normal(0, 0.1)) for s in seeds}

    values = {
        "strong": {"a": noisy(1.0), "b": noisy(0)},
        "weak": {"a": noisy(0.2), "b": noisy(0)},
        "none": {"a": noisy(0), "b": noisy(0)},
        "unknown": {"a": arm(-1, 0), "b": noisy(0)},
    }
    found = {d.outcome: d for d in compare_all(values)}
    assert found["strong"].level == pytest.approx(1 - 0.05 / 3)
    assert found["strong"].verdict == SHOWN
    # The weak one fails at its step, and the last keeps that level.
    assert found["weak"].level == pytest.approx(1 - 0.05 / 2)
    assert found["none"].level == pytest.approx(1 - 0.05 / 2)
    assert found["unknown"].level == 0.95
    alone = compare_all({"weak": values["weak"]})[0]
    assert alone.level == 0.95
    assert alone.high < found["weak"].high


def test_holm_keeps_the_family_wise_error() -> None:
    # 400 families of 6 comparisons exactly on the margin: at most 5 % may show anything.
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(400):
        logs = rng.normal(MARGIN, 0.2, (6, 6))
        values = {
            str(k): {"a": dict(enumerate(np.exp(row))), "b": dict.fromkeys(range(6), 1.0)}
            for k, row in enumerate(logs)
        }
        wrong += any(d.verdict == SHOWN and d.ratio > 1 for d in compare_all(values))
    assert wrong / 400 < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 400)
    assert wrong > 0


def test_family_may_be_chosen_and_keeps_its_order() -> None:
    values = {"x": {"a": arm(9, 9.1), "b": arm(3, 3.1), "c": arm(1, 1.1)}}
    assert [(d.first, d.second) for d in compare_all(values)] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    chosen = compare_all(values, family=[("x", "c", "a")])
    assert [(d.first, d.second) for d in chosen] == [("c", "a")]
    assert chosen[0].level == 0.95


@given(st.lists(st.floats(0.5, 2.0), min_size=2, max_size=9))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_interval_holds_the_ratio_and_grows_with_the_level(ratios: list[float]) -> None:
    a, b = arm(*ratios), arm(*[1.0] * len(ratios))
    narrow, wide = (compare_pair("x", "a", "b", a, b, level=level) for level in (0.95, 0.999))
    assert wide.low <= narrow.low <= narrow.ratio * (1 + 1e-12)
    assert narrow.ratio <= narrow.high * (1 + 1e-12) <= wide.high * (1 + 2e-12)
    assert narrow.ratio == pytest.approx(stats.gmean(ratios))
