"""Statements on made-up outcomes whose truth is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from scaffoldsim.compare.expectations import Study
from scaffoldsim.compare.plan import Plan, own_key
from scaffoldsim.compare.verdicts import Verdict, judge

DAY = 86400.0
OWN = {"factors/bmp2.cues.osteogenic.fold": 1}
ARMS = ("none", "low", "high")


def plan(
    *expect: dict[str, Any],
    own: dict[str, Any] | None = OWN,
    tuned: dict[str, list[str]] | None = None,
) -> Plan:
    """Return a plan whose arms are only names; ``none*`` is ``none`` made neutral."""
    given = [{"outcome": "cells", "at": "7 d", **each} for each in expect]
    study = Study.model_validate(
        {"name": "s", "rows": ["N7"], "config": "c", "own": own, "expect": given,
         "arms": {a: {} for a in ARMS}}
    )  # fmt: skip
    assert list(study.problems()) == []
    names: dict[str, Any] = dict.fromkeys([*ARMS, *(f"{a}*" for a in ARMS)])
    neutral = {(own_key(own or {}), a): f"{a}*" for a in ARMS}
    return Plan(study, names, neutral, tuned or {})


def arm(centre: float, *, noise: float = 0.03, n: int = 16, seed: int = 0) -> dict[int, float]:
    """Return one arm: donors differ tenfold, around `centre` by `noise`."""
    rng = np.random.default_rng([seed, round(centre * 1e6)])
    donors = np.exp(np.random.default_rng(7).uniform(0, math.log(10), n))
    values = centre * donors * np.exp(rng.normal(0, noise, n))
    # In no order: pairs are made by donor, not by place.
    return {int(s) + 1: float(values[s]) for s in rng.permutation(n)}


def verdicts(the: Plan, **by_arm: dict[int, float]) -> list[Verdict]:
    """Judge on `by_arm`; ``none_`` stands for the neutral arm ``none*``."""
    named = {name.replace("_", "*"): values for name, values in by_arm.items()}
    outcomes = {each.outcome for each in the.study.expect}
    return judge(the, {(o, 7 * DAY): named for o in outcomes})


FLAT = {"none_": arm(1.0, seed=1), "low_": arm(1.0, seed=2), "high_": arm(1.0, seed=3)}


@pytest.mark.parametrize(
    ("ratio", "verdict", "kind"),
    [
        (1.5, "shown", "input"),
        (1 / 1.5, "reversed", ""),
        (1.001, "equivalent", ""),
        (1.1, "not shown", ""),
    ],
)
def test_an_order_is_shown_reversed_equivalent_or_not_shown(
    ratio: float, verdict: str, kind: str
) -> None:
    (found,) = verdicts(plan({"order": ["low", "none"]}), none=arm(1), low=arm(ratio), **FLAT)
    assert (found.verdict, found.kind, found.holds) == (verdict, kind, verdict == "shown")
    assert found.pairs[0].verdict == verdict
    assert found.pairs[0].found.ratio == pytest.approx(ratio, rel=0.03)
    assert found.pairs[0].found.n == 16
    assert bool(found.reason) == (verdict != "shown" or kind == "input")


def test_pairs_are_those_of_one_donor() -> None:
    # 20 % over donors that differ tenfold: an unpaired comparison would see nothing.
    low, none = arm(1.2), arm(1.0)
    (found,) = verdicts(plan({"order": ["low", "none"]}), none=none, low=low, **FLAT)
    logs = np.log([low[s] / none[s] for s in none])
    assert found.pairs[0].found.ratio == pytest.approx(math.exp(logs.mean()))
    assert found.verdict == "shown"
    assert (found.donors, found.of) == (sum(logs > 0), 16)


@pytest.mark.parametrize(
    ("neutral", "tuned", "kind"),
    [
        ({"low": arm(1.0, seed=5)}, {}, "input"),
        ({"low": arm(1.4)}, {}, "predicted"),
        ({"low": arm(1.4)}, {"low": ["cells/bmsc.fates.preosteoblast.rate"]}, "tuned"),
        ({"low": arm(1.4)}, {"high": ["cells/bmsc.fates.preosteoblast.rate"]}, "predicted"),
        ({"low": arm(1.0, seed=5)}, {"low": ["x.y"]}, "input"),
        ({"low": arm(1 / 1.4)}, {}, "input"),
        ({"low": {}}, {}, "unknown"),
        ({"low": {s: v for s, v in arm(1.4).items() if s > 4}}, {}, "unknown"),
        ({"low": {**arm(1.4), 3: -1.0}}, {}, "unknown"),
        ({"low": {**arm(1.4), 3: 0.0}}, {}, "predicted"),
    ],
)
def test_the_kind_is_what_the_neutral_runs_say(
    neutral: dict[str, dict[int, float]], tuned: dict[str, list[str]], kind: str
) -> None:
    the = plan({"order": ["low", "none"]}, tuned=tuned)
    (found,) = verdicts(the, none=arm(1), low=arm(1.5), none_=arm(1, seed=4), low_=neutral["low"])
    assert found.holds
    assert found.verdict == "shown"
    assert found.kind == kind


def test_a_row_without_multipliers_of_its_own_needs_no_neutral_runs() -> None:
    (found,) = verdicts(plan({"order": ["low", "none"]}, own={}), none=arm(1), low=arm(1.5))
    assert (found.kind, found.pairs[0].without) == ("predicted", None)


def test_arms_that_have_nothing_to_take_out_keep_their_comparison() -> None:
    the = plan({"order": ["high", "low", "none"]})
    key = own_key(OWN)
    the.neutral.update({(key, "none"): "none", (key, "low"): "low"})
    (found,) = verdicts(the, none=arm(1), low=arm(1.5), high=arm(3), high_=arm(2.4))
    assert found.pairs[1].without == found.pairs[1].found
    assert found.pairs[0].without is not None
    assert found.pairs[0].without.ratio == pytest.approx(1.6, rel=0.05)
    assert found.kind == "predicted"


def test_a_chain_holds_only_as_a_whole() -> None:
    the = plan({"order": ["high", "low", "none"]})
    (good,) = verdicts(the, none=arm(1), low=arm(1.5), high=arm(2.5), **FLAT)
    assert [p.verdict for p in good.pairs] == ["shown", "shown"]
    assert (good.verdict, good.kind) == ("shown", "input")
    (same,) = verdicts(the, none=arm(1), low=arm(1.5), high=arm(1.5, seed=1), **FLAT)
    assert [p.verdict for p in same.pairs] == ["equivalent", "shown"]
    assert (same.verdict, same.kind) == ("not shown", "")
    (wrong,) = verdicts(the, none=arm(1), low=arm(1.5), high=arm(1.2), **FLAT)
    assert (wrong.verdict, wrong.holds) == ("reversed", False)
    assert "high against low: reversed" in wrong.reason
    # One link that is no longer shown is enough: the chain had been put in there.
    half = {**FLAT, "low_": arm(1.5), "high_": arm(1.5, seed=1)}
    (part,) = verdicts(the, none=arm(1), low=arm(1.5), high=arm(2.5), **half)
    assert part.kind == "input"
    assert part.reason.endswith("high against low")


def test_greatest_and_least_are_against_every_other_arm() -> None:
    the = plan({"greatest": "high"}, {"least": "none"}, {"greatest": "low", "among": ["none"]})
    great, least, some = verdicts(the, none=arm(1), low=arm(1.5), high=arm(2.5), **FLAT)
    assert [(p.claim.first, p.claim.second) for p in great.pairs] == [
        ("high", "none"), ("high", "low"),
    ]  # fmt: skip
    assert [(p.claim.first, p.claim.second) for p in least.pairs] == [
        ("low", "none"), ("high", "none"),
    ]  # fmt: skip
    assert len(some.pairs) == 1
    assert great.holds
    assert least.holds
    assert some.holds
    great, _, _ = verdicts(the, none=arm(1), low=arm(2.5), high=arm(2.5, seed=1), **FLAT)
    assert not great.holds


def test_monotone_lets_a_step_rest_but_not_rise() -> None:
    the = plan({"monotone": ["high", "low", "none"]})
    (rest,) = verdicts(the, none=arm(1), low=arm(1, seed=1), high=arm(1.5), **FLAT)
    assert [p.verdict for p in rest.pairs] == ["shown", "shown", "equivalent"]
    assert rest.holds
    (rise,) = verdicts(the, none=arm(1), low=arm(0.8), high=arm(1.5), **FLAT)
    assert (rise.verdict, rise.holds) == ("reversed", False)
    # No rise is a claim: an interval that reaches below −10 % does not make it.
    (wide,) = verdicts(the, none=arm(1), low=arm(1, noise=0.5), high=arm(1.8), **FLAT)
    assert [p.holds for p in wide.pairs][0::2] == [True, False]
    assert not wide.holds
    (gentle,) = verdicts(the, none=arm(1), low=arm(1.08, noise=0.08), high=arm(1.5), **FLAT)
    assert gentle.pairs[2].verdict == "not less"
    assert gentle.holds


def test_equivalence_is_a_statement_and_a_difference_its_opposite() -> None:
    the = plan({"equivalent": ["low", "none"]})
    (found,) = verdicts(the, none=arm(1), low=arm(1, seed=1), **FLAT)
    assert (found.verdict, found.holds, found.kind) == ("equivalent", True, "predicted")
    (apart,) = verdicts(the, none=arm(1), low=arm(1.5), **FLAT)
    assert (apart.verdict, apart.holds) == ("reversed", False)
    # Two effects that cancel: equal because of the row's own multiplier.
    (put,) = verdicts(the, none=arm(1), low=arm(1, seed=1), none_=arm(1), low_=arm(2))
    assert put.kind == "input"


def test_all_comparisons_are_one_family_and_each_counts_once() -> None:
    the = plan({"order": ["high", "low"]}, {"greatest": "high"}, {"order": ["low", "high"]})
    found = verdicts(the, none=arm(1), low=arm(1.5), high=arm(2.5), **FLAT)
    pairs = [p for v in found for p in v.pairs]
    levels = {frozenset((p.claim.first, p.claim.second)): p.found.level for p in pairs}
    assert len(levels) == 2
    # high ÷ none is the further from the margin, so it bears the greater correction.
    assert levels[frozenset(("high", "none"))] == pytest.approx(1 - 0.05 / 2)
    assert levels[frozenset(("high", "low"))] == pytest.approx(0.95)
    # The same comparison, stated the other way round.
    assert found[0].pairs[0].found.ratio == pytest.approx(1 / found[2].pairs[0].found.ratio)
    assert [found[0].verdict, found[2].verdict] == ["shown", "reversed"]


def test_the_whole_statement_has_to_hold_in_as_many_donors_as_asked() -> None:
    low, none = arm(1.6, noise=0), arm(1, noise=0)
    for s in (1, 2, 3, 4):
        low[s] = none[s] * 0.98
    the = plan(
        {"order": ["low", "none"], "donors": "80 %"}, {"order": ["low", "none"], "donors": "75 %"}
    )
    strict, lax = verdicts(the, none=none, low=low, **FLAT)
    assert (strict.donors, strict.of) == (12, 16)
    assert strict.pairs[0].verdict == "shown"
    assert (strict.verdict, strict.holds, strict.kind) == ("not shown", False, "")
    assert strict.reason == "in 12 of 16 donors, 80% are asked"
    assert (lax.verdict, lax.holds) == ("shown", True)
    # Of a chain every link has to hold in the same donor.
    (chain,) = verdicts(plan({"order": ["high", "low", "none"]}), none=none, low=low,
                        high={s: 3 * v for s, v in none.items()}, **FLAT)  # fmt: skip
    assert (chain.donors, chain.of) == (12, 16)


def test_a_ratio_to_zero_drops_no_donor() -> None:
    low = {**arm(1.5), 2: math.inf}
    (found,) = verdicts(plan({"order": ["low", "none"]}), none=arm(1), low=low, **FLAT)
    assert (found.verdict, found.pairs[0].found.n) == ("shown", 16)
    assert found.pairs[0].found.ratio == pytest.approx(1.5, rel=0.03)


def test_runs_that_failed_leave_fewer_pairs() -> None:
    low = {s: v for s, v in arm(1.5).items() if s > 3}
    (found,) = verdicts(plan({"order": ["low", "none"]}), none=arm(1), low=low, **FLAT)
    assert (found.pairs[0].found.n, found.of) == (13, 13)
    (none,) = verdicts(plan({"order": ["low", "none"]}), none=arm(1), **FLAT)
    assert (none.verdict, none.of) == ("not shown", 0)
    assert "no seed has this outcome in both arms" in none.reason
