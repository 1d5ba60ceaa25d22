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
        Geometric mean of the ratios and its interval, NaN where there is none. Of outcomes that are
        zero in some donors the median, whose bounds may be 0 or infinite.
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

    @property
    def ratio_text(self) -> str:
        """The ratio, "–" where there is none."""
        return _text(self.ratio)

    @property
    def interval_text(self) -> str:
        """The interval, or why there is none."""
        return self.reason or f"{_text(self.low)} to {_text(self.high)}"


def _text(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.3g}" if math.isfinite(value) else "∞"


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
        Without an interval, and so ``not shown``, where there are too few pairs or a value is
        below zero.

    Notes
    -----
    mean ± t(1 − (1 − level)/2, n − 1) · sd / √n of the log ratios, exponentiated.

    Where a value is zero there is no mean, and adding a constant to escape that would choose the
    answer. The interval is then that of the median by order statistics, which a sign test gives:
    the (k + 1)-th smallest and greatest ratio, with the greatest k for which 2 P(B ≤ k) is at most
    1 − level, B binomial of n and ½. A ratio to nothing is infinite there, that of nothing to
    nothing is 1.

    Examples
    --------
    >>> found = compare_pair("cells", "a", "b", {1: 200.0, 2: 210.0}, {1: 100.0, 2: 104.0})
    >>> round(found.ratio, 2), found.n
    (2.01, 2)
    >>> vessels, none = dict.fromkeys(range(16), 3.0), dict.fromkeys(range(16), 0.0)
    >>> compare_pair("vessels", "a", "b", vessels, none).interval_text
    '∞ to ∞'
    """
    sample = _sample(a, b)
    low, high = sample.bounds(level)
    reason = sample.reason
    if math.isnan(low):
        reason = reason or f"{sample.n} seeds are too few for a median with an interval"
        verdict = NOT_SHOWN
    elif low > MARGIN or high < -MARGIN:
        verdict = SHOWN
    elif low > -MARGIN and high < MARGIN:
        verdict = EQUIVALENT
    else:
        verdict = NOT_SHOWN
    ratio, low, high = (_exp(value) for value in (sample.middle, low, high))
    return Difference(outcome, first, second, sample.n, ratio, low, high, level, verdict, reason)


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
    ±10 % (by order statistics the sign test against the margin). Sorted by p, the k-th of m (from
    0) gets an interval at level 1 − 0.05/(m − k); from the first whose interval does not clear the
    margin on, all keep the level of that one (Holm 1979, Scand J Statist 6:65).

    Examples
    --------
    >>> table = {"cells": {"a": {1: 9.0, 2: 9.1}, "b": {1: 3.0, 2: 3.1}}}
    >>> [d.verdict for d in compare_all(table)]
    ['shown']
    """
    if family is None:
        family = [
            (outcome, first, second)
            for outcome, arms in values.items()
            for i, first in enumerate(arms)
            for second in list(arms)[i + 1 :]
        ]
    p_values: dict[int, float] = {}
    for index, (outcome, first, second) in enumerate(family):
        p = _sample(values[outcome][first], values[outcome][second]).p
        if not math.isnan(p):
            p_values[index] = p
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


@dataclass(frozen=True)
class _Sample:
    """ln(a/b) over shared seeds, or why there is none.

    Attributes
    ----------
    logs : ndarray
        Infinite where one of the two is zero.
    n : int
        Pairs that are there.
    reason : str
        Why there is no interval at any level.
    """

    logs: npt.NDArray[np.float64]
    n: int
    reason: str = ""

    @property
    def ordered(self) -> bool:
        """Whether only the order of the ratios counts, since some are not finite."""
        return not bool(np.isfinite(self.logs).all())

    @property
    def middle(self) -> float:
        """Mean, or median; NaN where there is none."""
        if not self.logs.size:
            return math.nan
        if not self.ordered:
            return float(self.logs.mean())
        low, high = np.sort(self.logs)[[(self.n - 1) // 2, self.n // 2]].tolist()
        if low == high or low == -high:  # also of nothing and infinite
            return low if low == high else 0.0
        return float(low + high) / 2

    def bounds(self, level: float) -> tuple[float, float]:
        """Return the interval of that; NaN where there is none."""
        from scipy import stats

        if self.reason:
            return math.nan, math.nan
        if self.ordered:
            k = int(stats.binom.ppf((1 - level) / 2, self.n, 0.5))
            while k >= 0 and 2 * float(stats.binom.cdf(k, self.n, 0.5)) > 1 - level:
                k -= 1
            if k < 0:
                return math.nan, math.nan
            inside = np.sort(self.logs)
            return float(inside[k]), float(inside[-1 - k])
        error = float(self.logs.std(ddof=1)) / math.sqrt(self.n)
        reach = float(stats.t.ppf(0.5 + level / 2, self.n - 1)) * error
        return float(self.logs.mean()) - reach, float(self.logs.mean()) + reach

    @property
    def p(self) -> float:
        """Two-sided level at which the interval just touches the margin; NaN without one."""
        from scipy import stats

        if math.isnan(self.bounds(LEVEL)[0]):
            return math.nan
        if self.ordered:
            inside = min(int((self.logs <= MARGIN).sum()), int((self.logs >= -MARGIN).sum()))
            return min(1.0, 2 * float(stats.binom.cdf(inside, self.n, 0.5)))
        error = float(self.logs.std(ddof=1)) / math.sqrt(self.n)
        beyond = abs(float(self.logs.mean())) - MARGIN
        if error == 0:
            return 0.0 if beyond > 0 else 1.0
        return min(1.0, 2 * float(stats.t.sf(beyond / error, self.n - 1)))


def _sample(a: Mapping[int, float], b: Mapping[int, float]) -> _Sample:
    """Pair two arms by seed."""
    none = np.zeros(0)
    shared = [seed for seed in a if seed in b]
    pairs = [(a[s], b[s]) for s in shared if not (math.isnan(a[s]) or math.isnan(b[s]))]
    if not pairs:
        return _Sample(none, 0, "no seed has this outcome in both arms")
    # A time that never came (a construct that did not collapse) is censored, not missing at random:
    # the donors that are left would have been chosen by the outcome.
    if len(pairs) < len(shared):
        text = f"there in {len(pairs)} of {len(shared)} pairs only: it would choose the donors"
        return _Sample(none, len(pairs), text)
    below = sum(1 for x, y in pairs if x < 0 or y < 0)
    if below:
        text = f"below zero in {below} of {len(pairs)} pairs: such a ratio is no number"
        return _Sample(none, len(pairs), text)
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = np.array(pairs, np.float64).T
        logs = np.where(x == y, 0.0, np.log(x) - np.log(y))
    reason = "one seed has no interval" if len(pairs) == 1 else ""
    return _Sample(logs, len(pairs), reason)


def _exp(value: float) -> float:
    return math.exp(value) if value < math.inf else value
