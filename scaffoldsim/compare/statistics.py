"""Judgement: means with intervals, and paired log ratios with Holm's correction.

The unit is the virtual donor: one seed, the same in all arms. An interval says how sure the *model*
is under its assumptions; it is no statement about patients.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: A ratio beyond ±10 % counts as a difference; on the log scale the margin is symmetric.
MARGIN = math.log(1.1)
LEVEL = 0.95
SHOWN, EQUIVALENT, NOT_SHOWN = "shown", "equivalent", "not shown"


@dataclass(frozen=True)
class Interval:
    """Mean of `n` values, between `low` and `high` (NaN where there is no interval)."""

    n: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """How two arms differ in one outcome, over the seeds they share.

    Attributes
    ----------
    outcome, first, second : str
        What is compared: first ÷ second.
    n : int
        Pairs of runs that entered.
    ratio, low, high : float
        Geometric mean of the ratios and its interval, NaN where there is none.
    level : float
        Level of the interval, 0.95 or higher by Holm's correction.
    verdict : str
        ``shown``: the interval lies beyond ±10 %; ``equivalent``: within; else ``not shown``.
    reason : str
        Why there is no interval; else empty.
    """

    outcome: str
    first: str
    second: str
    n: int
    ratio: float
    low: float
    high: float
    level: float
    verdict: str
    reason: str = ""


def mean_interval(values: Sequence[float] | npt.NDArray[np.float64]) -> Interval:
    """Mean of the finite values and its 95 % interval by Student's t.

    One value has no interval: its bounds are NaN.

    Examples
    --------
    >>> mean_interval([1.0, 2.0, 3.0])
    Interval(n=3, mean=2.0, low=-0.484..., high=4.484...)
    """
    from scipy import stats

    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    n = int(finite.size)
    mean = float(finite.mean()) if n else math.nan
    if n < 2:
        return Interval(n, mean, math.nan, math.nan)
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * float(finite.std(ddof=1)) / math.sqrt(n)
    return Interval(n, mean, mean - reach, mean + reach)


def compare_pair(
    outcome: str,
    first: str,
    second: str,
    a: Mapping[int, float],
    b: Mapping[int, float],
    *,
    level: float = LEVEL,
) -> Difference:
    """Compare two arms in one outcome by the paired log ratio ln(a_s / b_s) over seeds s.

    Parameters
    ----------
    outcome, first, second : str
        Names.
    a, b : mapping of seed to value
        The outcome of both arms; seeds that only one of them has are left out.
    level : float
        Level of the interval.

    Returns
    -------
    Difference
        Without an interval, and so ``not shown``, where there are fewer than two pairs or where a
        value is not above zero: a ratio to zero is no number, and adding a constant to escape that
        would choose the answer.

    Notes
    -----
    mean ± t(1 − (1 − level)/2, n − 1) · sd / √n of the log ratios, exponentiated.

    Examples
    --------
    >>> found = compare_pair("cells", "a", "b", {1: 200.0, 2: 210.0}, {1: 100.0, 2: 104.0})
    >>> round(found.ratio, 2), found.n
    (2.01, 2)
    """
    from scipy import stats

    mean, error, n, reason = _log_ratio(a, b)
    if reason:
        ratio = math.exp(mean) if math.isfinite(mean) else math.nan
        return Difference(
            outcome, first, second, n, ratio, math.nan, math.nan, level, NOT_SHOWN, reason
        )
    reach = float(stats.t.ppf(0.5 + level / 2, n - 1)) * error
    low, high = mean - reach, mean + reach
    if low > MARGIN or high < -MARGIN:
        verdict = SHOWN
    elif low > -MARGIN and high < MARGIN:
        verdict = EQUIVALENT
    else:
        verdict = NOT_SHOWN
    return Difference(
        outcome, first, second, n, math.exp(mean), math.exp(low), math.exp(high), level, verdict
    )


def compare_all(
    values: Mapping[str, Mapping[str, Mapping[int, float]]],
    *,
    family: Sequence[tuple[str, str, str]] | None = None,
) -> list[Difference]:
    """Compare all pairs of arms in all outcomes, as one family under Holm's correction.

    Parameters
    ----------
    values : mapping outcome → arm → seed → value
        The outcomes of all runs.
    family : sequence of (outcome, first, second), optional
        The comparisons; by default every pair of arms in every outcome.

    Returns
    -------
    list of Difference
        In the order of the family.

    Notes
    -----
    Each comparison has p, the two-sided level at which its interval just touches the margin of
    ±10 %. Sorted by p, the k-th of m (from 0) gets an interval at level 1 − 0.05/(m − k); from the
    first whose interval does not clear the margin on, all keep the level of that one (Holm 1979,
    Scand J Statist 6:65).

    Examples
    --------
    >>> table = {"cells": {"a": {1: 9.0, 2: 9.1}, "b": {1: 3.0, 2: 3.1}}}
    >>> [d.verdict for d in compare_all(table)]
    ['shown']
    """
    from scipy import stats

    if family is None:
        family = [
            (outcome, first, second)
            for outcome, arms in values.items()
            for i, first in enumerate(arms)
            for second in list(arms)[i + 1 :]
        ]
    p_values: dict[int, float] = {}
    for index, (outcome, first, second) in enumerate(family):
        mean, error, n, reason = _log_ratio(values[outcome][first], values[outcome][second])
        if reason:
            continue
        beyond = abs(mean) - MARGIN
        if error == 0:
            p_values[index] = 0.0 if beyond > 0 else 1.0
        else:
            p_values[index] = min(1.0, 2 * float(stats.t.sf(beyond / error, n - 1)))
    levels = dict.fromkeys(range(len(family)), LEVEL)
    count, stopped, alpha = len(p_values), False, 1 - LEVEL
    for rank, index in enumerate(sorted(p_values, key=lambda i: (p_values[i], i))):
        if not stopped:
            alpha = (1 - LEVEL) / (count - rank)
            stopped = p_values[index] > alpha
        levels[index] = 1 - alpha
    return [
        compare_pair(
            outcome, first, second, values[outcome][first], values[outcome][second], level=levels[i]
        )
        for i, (outcome, first, second) in enumerate(family)
    ]


def _log_ratio(a: Mapping[int, float], b: Mapping[int, float]) -> tuple[float, float, int, str]:
    """Mean and standard error of ln(a/b) over shared seeds, their number, and what is missing."""
    shared = [seed for seed in a if seed in b]
    pairs = [(a[s], b[s]) for s in shared if not (math.isnan(a[s]) or math.isnan(b[s]))]
    if not pairs:
        return math.nan, math.nan, 0, "no seed has this outcome in both arms"
    # A time that never came (a construct that did not collapse) is censored, not missing at random:
    # the donors that are left would have been chosen by the outcome.
    if len(pairs) < len(shared):
        text = f"there in {len(pairs)} of {len(shared)} pairs only: it would choose the donors"
        return math.nan, math.nan, len(pairs), text
    # An outcome that is itself a ratio to zero is infinite: left out, it would choose the donors.
    zeros = sum(1 for x, y in pairs if x <= 0 or y <= 0 or math.isinf(x) or math.isinf(y))
    if zeros:
        text = f"zero in {zeros} of {len(pairs)} pairs: a ratio to zero is no number"
        return math.nan, math.nan, len(pairs), text
    logs = np.log([x / y for x, y in pairs])
    mean = float(logs.mean())
    if len(pairs) == 1:
        return mean, math.nan, 1, "one seed has no interval"
    return mean, float(logs.std(ddof=1)) / math.sqrt(len(pairs)), len(pairs), ""
