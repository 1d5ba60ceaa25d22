"""Statements judged: what is shown, in how many donors, and whether it had been put in.

All comparisons of a study are one family under Holm's correction; those of its neutral arms are
another. docs/studies.md defines verdicts and kinds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from scaffoldsim.compare.expectations import Claim, Expectation
from scaffoldsim.compare.plan import Plan, own_key
from scaffoldsim.compare.statistics import (
    EQUIVALENT,
    MARGIN,
    NOT_SHOWN,
    SHOWN,
    Difference,
    compare_all,
    compare_pair,
)

#: the opposite of what is stated is shown
REVERSED = "reversed"
#: of a step that may not rise: neither a fall nor a rise beyond the margin is shown, no rise there
NOT_LESS = "not less"
INPUT, TUNED, PREDICTED, UNKNOWN = "input", "tuned", "predicted", "unknown"

#: (outcome, s) → name in `Plan.configs` → seed → value
Values = Mapping[tuple[str, float], Mapping[str, Mapping[int, float]]]


@dataclass(frozen=True)
class Pair:
    """One comparison of a statement.

    Attributes
    ----------
    claim : Claim
        The arms, and what is wanted.
    found : Difference
        Ratio first ÷ second with its interval.
    verdict : str
        ``shown``, ``equivalent``, ``not shown`` or ``reversed``; of a step that may not rise also
        ``not less``, where only a rise beyond the margin is out.
    holds : bool
        Whether it is as wanted.
    without : Difference or None
        The same with the row's own multipliers taken out, `found` itself where neither arm has any;
        None if the row has none at all, or those runs are missing.
    """

    claim: Claim
    found: Difference
    verdict: str
    holds: bool
    without: Difference | None


@dataclass(frozen=True)
class Verdict:
    """A statement at one time.

    Attributes
    ----------
    expectation : Expectation
    at : float
        When, s.
    pairs : tuple of Pair
    verdict : str
        That of its comparisons if they agree or all hold; ``reversed`` if one is; else
        ``not shown``.
    holds : bool
        Whether every comparison is as wanted, in as many donors as asked.
    kind : str
        ``input``, ``tuned`` or ``predicted`` of a statement that holds, ``unknown`` where the
        neutral runs are missing; else empty.
    donors, of : int
        Donors in which the whole statement holds, and how many have all its arms.
    reason : str
        Why it does not hold, or why the kind is what it is.
    """

    expectation: Expectation
    at: float
    pairs: tuple[Pair, ...]
    verdict: str
    holds: bool
    kind: str
    donors: int
    of: int
    reason: str


def judge(plan: Plan, values: Values) -> list[Verdict]:
    """Judge every statement of a study.

    Parameters
    ----------
    plan : Plan
        What was run.
    values : mapping of (outcome, s) to mapping of name to mapping of seed to value
        The outcomes of the runs that finished, those of the neutral arms among them.

    Returns
    -------
    list of Verdict
        In the order of the file, a statement at several times once for each.
    """
    arms = list(plan.study.arms)
    stated = [(each, at, each.claims(arms)) for each in plan.study.expect for at in each.at]
    main: list[_Key] = []
    neutral: list[_Key] = []
    for each, at, claims in stated:
        main += [_key(plan, each.outcome, at, claim.first, claim.second) for claim in claims]
        for claim in claims:
            names = _neutral_names(plan, each, claim)
            if _is_other(names, claim) and _has_runs(values, each.outcome, at, names):
                neutral.append(_key(plan, each.outcome, at, *names))
    levels, levels_neutral = _levels(main, values), _levels(neutral, values)
    return [
        _verdict(plan, each, at, [
            _pair(plan, values, each, at, claim, levels, levels_neutral) for claim in claims
        ], values)
        for each, at, claims in stated
    ]  # fmt: skip


#: outcome, time, and two names in the order of the plan: a comparison, whichever way it is stated
_Key = tuple[str, float, str, str]


def _key(plan: Plan, outcome: str, at: float, first: str, second: str) -> _Key:
    order = list(plan.configs)
    one, other = sorted((first, second), key=order.index)
    return (outcome, float(at), one, other)


def _levels(keys: Sequence[_Key], values: Values) -> dict[_Key, float]:
    """Return the level of each interval, every comparison counted once in the family."""
    unique = list(dict.fromkeys(keys))
    table = {f"{outcome} {at!r}": dict(values[outcome, at]) for outcome, at, _, _ in unique}
    for outcome, at, first, second in unique:
        for name in (first, second):
            table[f"{outcome} {at!r}"].setdefault(name, {})
    family = [(f"{outcome} {at!r}", first, second) for outcome, at, first, second in unique]
    found = compare_all(table, family=family)
    return {key: difference.level for key, difference in zip(unique, found, strict=True)}


def _pair(
    plan: Plan,
    values: Values,
    expectation: Expectation,
    at: float,
    claim: Claim,
    levels: Mapping[_Key, float],
    levels_neutral: Mapping[_Key, float],
) -> Pair:
    outcome, here = expectation.outcome, values[expectation.outcome, float(at)]
    found = compare_pair(
        outcome, claim.first, claim.second,
        here.get(claim.first, {}), here.get(claim.second, {}),
        level=levels[_key(plan, outcome, at, claim.first, claim.second)],
    )  # fmt: skip
    names = _neutral_names(plan, expectation, claim)
    without = None if names is None else found
    if _is_other(names, claim):
        without = None
        if _has_runs(values, outcome, at, names):
            without = compare_pair(
                outcome, *names, here[names[0]], here[names[1]],
                level=levels_neutral[_key(plan, outcome, at, *names)],
            )  # fmt: skip
    return Pair(claim, found, _word(claim, found), _holds(claim, found), without)


def _neutral_names(plan: Plan, expectation: Expectation, claim: Claim) -> tuple[str, str] | None:
    """Return the names of the neutral arms of a comparison, None where nothing is taken out."""
    own = plan.study.own_of(expectation)
    if not own:
        return None
    key = own_key(own)
    return plan.neutral[key, claim.first], plan.neutral[key, claim.second]


def _is_other(names: tuple[str, str] | None, claim: Claim) -> TypeGuard[tuple[str, str]]:
    """Whether there is something to take out of either arm."""
    return names is not None and names != (claim.first, claim.second)


def _has_runs(values: Values, outcome: str, at: float, names: tuple[str, str]) -> bool:
    return all(values[outcome, float(at)].get(name) for name in names)


def _word(claim: Claim, found: Difference) -> str:
    if found.verdict != SHOWN:
        step = claim.wanted == "not less" and found.verdict == NOT_SHOWN and _holds(claim, found)
        return NOT_LESS if step else found.verdict
    if claim.wanted == "equivalent" or found.ratio < 1:
        return REVERSED
    return SHOWN


def _holds(claim: Claim, found: Difference) -> bool:
    if claim.wanted == "greater":
        return found.verdict == SHOWN and found.ratio > 1
    if claim.wanted == "equivalent":
        return found.verdict == EQUIVALENT
    return found.low > math.exp(-MARGIN)  # never of NaN: there is no interval


def _verdict(
    plan: Plan, expectation: Expectation, at: float, pairs: Sequence[Pair], values: Values
) -> Verdict:
    agreeing, of = _donors(pairs, values[expectation.outcome, float(at)])
    enough = not expectation.donors or (of > 0 and agreeing >= expectation.donors * of - 1e-9)
    as_wanted = all(pair.holds for pair in pairs)
    words = {pair.verdict for pair in pairs}
    if as_wanted:
        verdict = EQUIVALENT if expectation.statement == "equivalent" else SHOWN
    elif REVERSED in words:
        verdict = REVERSED
    else:
        verdict = words.pop() if len(words) == 1 else NOT_SHOWN
        verdict = NOT_SHOWN if verdict == SHOWN else verdict
    kind, reason = "", ""
    if not as_wanted:
        missing = [p for p in pairs if not p.holds]
        reason = "; ".join(
            f"{p.claim.first} against {p.claim.second}: {p.found.reason or p.verdict}"
            for p in missing
        )
    elif not enough:
        verdict = NOT_SHOWN
        reason = f"in {agreeing} of {of} donors, {float(expectation.donors or 0):.0%} are asked"
    else:
        kind, reason = _kind(plan, expectation, pairs)
    return Verdict(
        expectation, float(at), tuple(pairs), verdict, as_wanted and enough, kind, agreeing, of,
        reason,
    )  # fmt: skip


def _kind(plan: Plan, expectation: Expectation, pairs: Sequence[Pair]) -> tuple[str, str]:
    """Return the kind of a statement that holds, and why."""
    if plan.study.own_of(expectation):
        for pair in pairs:
            if pair.without is None or pair.without.n < pair.found.n:
                return UNKNOWN, "runs without the row's own multipliers are missing"
            if pair.without.reason and not pair.found.reason:
                return UNKNOWN, f"without the row's own multipliers: {pair.without.reason}"
        gone = [p for p in pairs if p.without is not None and not _holds(p.claim, p.without)]
        if gone:
            said = ", ".join(f"{p.claim.first} against {p.claim.second}" for p in gone)
            return INPUT, f"no longer shown without the row's own multipliers: {said}"
    used = dict.fromkeys(arm for p in pairs for arm in (p.claim.first, p.claim.second))
    chosen = sorted({key for arm in used for key in plan.tuned.get(arm, [])})
    if chosen:
        return TUNED, f"chosen by this study: {', '.join(chosen)}"
    return PREDICTED, ""


def _donors(pairs: Sequence[Pair], here: Mapping[str, Mapping[int, float]]) -> tuple[int, int]:
    """Count the donors in which every comparison goes as wanted, of those that have all arms."""
    names = dict.fromkeys(arm for p in pairs for arm in (p.claim.first, p.claim.second))
    by_arm = {name: here.get(name, {}) for name in names}
    whole = set.intersection(*(set(by_seed) for by_seed in by_arm.values()))
    whole = {s for s in whole if not any(math.isnan(v[s]) for v in by_arm.values())}

    def goes(claim: Claim, seed: int) -> bool:
        a, b = by_arm[claim.first][seed], by_arm[claim.second][seed]
        if claim.wanted == "greater":
            return a > b
        least = math.exp(-MARGIN)
        return a >= b * least and (claim.wanted == "not less" or b >= a * least)

    return sum(all(goes(p.claim, seed) for p in pairs) for seed in whole), len(whole)
