"""A study written down: tables, ``verdicts.json`` and a page."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scaffoldsim.compare import curves, metrics, page
from scaffoldsim.compare.comparison import course_figures, write_csv
from scaffoldsim.compare.curves import ARM_COLOURS
from scaffoldsim.compare.expectations import ENOUGH
from scaffoldsim.compare.plan import Plan, own_key
from scaffoldsim.compare.statistics import MARGIN, NOT_SHOWN, Difference, mean_interval
from scaffoldsim.compare.verdicts import PREDICTED, Pair, Verdict, judge
from scaffoldsim.run.atomic import SCHEMA, json_text, write_atomic
from scaffoldsim.run.manifest import versions
from scaffoldsim.run.record import Run

_HEADER = (
    "statement", "outcome", "day", "first", "second", "wanted", "n", "ratio", "low", "high",
    "level", "verdict", "holds", "ratio_without_own", "low_without_own", "high_without_own",
    "statement_verdict", "statement_holds", "kind", "donors", "donors_of", "reason",
)  # fmt: skip


def write_study(
    plan: Plan,
    runs: Mapping[str, Sequence[Run]],
    out: str | os.PathLike[str],
    *,
    notes: Sequence[str] = (),
) -> tuple[list[Verdict], dict[str, Path]]:
    """Judge a study by its runs and write tables, verdicts and a self-contained page.

    Parameters
    ----------
    plan : Plan
        What was to be run.
    runs : mapping of str to sequence of Run
        The runs by their name in `Plan.configs`; those that are not finished are left out.
    out : path
        Folder for the files; made if need be.
    notes : sequence of str
        Said on the page, such as runs that failed.

    Returns
    -------
    verdicts : list of Verdict
        One for each statement and time.
    files : dict of str to Path
        ``study`` (comparisons), ``outcomes`` (means with intervals), ``runs``, ``verdicts``,
        ``report``.

    Raises
    ------
    ValueError
        If no arm has a finished run, or one has a seed twice.
    """
    kept = {
        name: [run for run in group if run.status == "finished"] for name, group in runs.items()
    }
    shown = {name: kept[name] for name in plan.study.arms if kept.get(name)}
    if not shown:
        raise ValueError(f"no arm of study {plan.study.name} has a finished run")
    values = _values(plan, kept)
    verdicts = judge(plan, values)
    said = [*notes, *_notes(plan, kept)]
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row for verdict in verdicts for row in _rows(verdict)]
    means = [
        [arm, outcome, at / 86400, *_interval(values[outcome, at].get(arm, {}))]
        for outcome, at in values
        for arm in shown
    ]
    paths = {
        "study": write_csv(folder / "study.csv", _HEADER, rows),
        "outcomes": write_csv(
            folder / "outcomes.csv",
            ["arm", "outcome", "day", "n", "mean", "low95", "high95"],
            means,
        ),
        "runs": _write_runs(folder / "runs.csv", kept, values),
        "verdicts": folder / "verdicts.json",
    }
    document = {
        "schema": SCHEMA,
        "study": plan.study.name,
        "title": plan.study.title,
        "rows": plan.study.rows,
        "donors": _seeds(shown),
        "margin": math.exp(MARGIN) - 1,
        "comparisons": len(_family(verdicts)),
        "statements": [_statement(plan, verdict) for verdict in verdicts],
        "configs": {name: config.hash for name, config in plan.configs.items()},
        "notes": said,
        "versions": versions(),
    }
    write_atomic(paths["verdicts"], json_text(document))
    context = _page(plan, shown, values, verdicts, said)
    paths["report"] = page.write_page("study", folder / "report.html", context)
    return verdicts, paths


def table_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """Return what a terminal shows: a line for each comparison, its statement said once."""
    rows: list[tuple[str, ...]] = [
        ("outcome", "day", "comparison", "ratio", "interval", "n", "verdict", "donors", "kind")
    ]
    for verdict in verdicts:
        for k, pair in enumerate(verdict.pairs):
            rows.append(
                (
                    verdict.expectation.outcome if k == 0 else "",
                    f"{verdict.at / 86400:g}" if k == 0 else "",
                    f"{pair.claim.first} {_SIGNS[pair.claim.wanted]} {pair.claim.second}",
                    pair.found.ratio_text,
                    pair.found.interval_text,
                    str(pair.found.n),
                    pair.verdict,
                    f"{verdict.donors} of {verdict.of}" if k == 0 else "",
                    (verdict.kind or "-") if k == 0 else "",
                )
            )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


_SIGNS = {"greater": ">", "equivalent": "=", "not less": ">="}


def _values(
    plan: Plan, runs: Mapping[str, Sequence[Run]]
) -> dict[tuple[str, float], dict[str, dict[int, float]]]:
    """Read every outcome that is asked for, at every time it is asked for."""
    study = plan.study
    asked = [(o, float(at)) for at in study.times() for o in study.outcomes]
    asked += [(each.outcome, float(at)) for each in study.expect for at in each.at]
    values: dict[tuple[str, float], dict[str, dict[int, float]]] = {}
    for outcome, at in dict.fromkeys(asked):
        by_arm = values[outcome, at] = {}
        for name, group in runs.items():
            by_seed = by_arm[name] = {}
            for run in group:
                seed = int(run.manifest["seed"])
                if seed in by_seed:
                    raise ValueError(f"arm {name!r} has seed {seed} twice; a donor counts once")
                by_seed[seed] = metrics.value_at(run, outcome, at)
    return values


def _seeds(runs: Mapping[str, Sequence[Run]]) -> list[int]:
    return sorted({int(run.manifest["seed"]) for group in runs.values() for run in group})


def _notes(plan: Plan, runs: Mapping[str, Sequence[Run]]) -> list[str]:
    notes = []
    seeds = {name: {int(r.manifest["seed"]) for r in runs.get(name, [])} for name in plan.configs}
    fewest = min(len(found) for found in seeds.values())
    if fewest < ENOUGH:
        notes.append(f"{fewest} donors are fewer than {ENOUGH}: take these verdicts as a rehearsal")
    every = set(_seeds(runs))
    lonely = sorted(every - {seed for seed in every if all(seed in s for s in seeds.values())})
    if lonely:
        notes.append(f"donors that not every arm has, left out of pairs that lack them: {lonely}")
    return notes


def _family(verdicts: Sequence[Verdict]) -> set[tuple[str, float, frozenset[str]]]:
    return {
        (v.expectation.outcome, v.at, frozenset((p.claim.first, p.claim.second)))
        for v in verdicts
        for p in v.pairs
    }


# --------------------------------------------------------------------------------------- tables


def _interval(by_seed: Mapping[int, float]) -> list[Any]:
    found = mean_interval(list(by_seed.values()))
    return [found.n, found.mean, found.low, found.high]


def _rows(verdict: Verdict) -> list[list[Any]]:
    rows = []
    for pair in verdict.pairs:
        d, w = pair.found, pair.without
        without = [w.ratio, w.low, w.high] if w is not None else ["", "", ""]
        rows.append(
            [
                verdict.expectation.words(), d.outcome, verdict.at / 86400, d.first, d.second,
                pair.claim.wanted, d.n, d.ratio, d.low, d.high, d.level, pair.verdict, pair.holds,
                *without, verdict.verdict, verdict.holds, verdict.kind, verdict.donors, verdict.of,
                verdict.reason,
            ]
        )  # fmt: skip
    return rows


def _write_runs(
    path: Path,
    runs: Mapping[str, Sequence[Run]],
    values: Mapping[tuple[str, float], Mapping[str, Mapping[int, float]]],
) -> Path:
    rows = []
    for name, group in runs.items():
        for run in group:
            seed = int(run.manifest["seed"])
            rows += [
                [name, seed, run.manifest["config_hash"], outcome, at / 86400, by_arm[name][seed]]
                for (outcome, at), by_arm in values.items()
            ]
    return write_csv(path, ["arm", "seed", "config_hash", "outcome", "day", "value"], rows)


def _statement(plan: Plan, verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON; what is no number is null."""
    used = dict.fromkeys(a for p in verdict.pairs for a in (p.claim.first, p.claim.second))
    return {
        "statement": verdict.expectation.words(),
        "outcome": verdict.expectation.outcome,
        "day": verdict.at / 86400,
        "verdict": verdict.verdict,
        "holds": verdict.holds,
        "kind": verdict.kind or None,
        "reason": verdict.reason,
        "donors": {
            "hold": verdict.donors,
            "of": verdict.of,
            "asked": _finite(verdict.expectation.donors),
        },
        "own": plan.study.own_of(verdict.expectation),
        "tuned": sorted({key for arm in used for key in plan.tuned.get(arm, [])}),
        "comparisons": [_comparison(pair) for pair in verdict.pairs],
    }


def _comparison(pair: Pair) -> dict[str, Any]:
    def numbers(d: Difference) -> dict[str, Any]:
        return {
            "first": d.first,
            "second": d.second,
            "n": d.n,
            "ratio": _finite(d.ratio),
            "low": _finite(d.low),
            "high": _finite(d.high),
            "level": d.level,
        }

    return {
        **numbers(pair.found),
        "wanted": pair.claim.wanted,
        "verdict": pair.verdict,
        "holds": pair.holds,
        "reason": pair.found.reason,
        "without_own": None if pair.without is None else numbers(pair.without),
    }


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


# ----------------------------------------------------------------------------------------- page


def _page(
    plan: Plan,
    shown: Mapping[str, Sequence[Run]],
    values: Mapping[tuple[str, float], Mapping[str, Mapping[int, float]]],
    verdicts: Sequence[Verdict],
    notes: Sequence[str],
) -> dict[str, Any]:
    study = plan.study
    colours = {arm: ARM_COLOURS[k % len(ARM_COLOURS)] for k, arm in enumerate(study.arms)}
    parts = [p.strip() for o in (*study.outcomes, *(e.outcome for e in study.expect))
             for p in o.split("/")]  # fmt: skip
    own = {own_key(each): each for each in map(study.own_of, study.expect) if each}
    return {
        "title": study.title or study.name,
        "name": study.name,
        "reviews": study.rows,
        "arms": [
            {
                "name": arm,
                "colour": colours[arm],
                "runs": len(shown.get(arm, [])),
                "changes": [f"{key} = {value}" for key, value in study.arms[arm].items()],
            }
            for arm in study.arms
        ],
        "seeds": _seeds(shown),
        "notes": notes,
        "cards": _cards(verdicts),
        "statements": [_line(verdict) for verdict in verdicts],
        "groups": [_group(verdict, colours) for verdict in verdicts],
        "means": [
            {
                "label": _labelled(outcome),
                "day": f"{at / 86400:g}",
                "cells": [_cell(outcome, by_arm.get(arm, {})) for arm in study.arms],
            }
            for (outcome, at), by_arm in values.items()
        ],
        "figures": course_figures(shown, colours, list(dict.fromkeys(parts))),
        "own": [{"key": key, "changes": each} for key, each in own.items()],
        "tuned": sorted({key for keys in plan.tuned.values() for key in keys}),
        "family": len(_family(verdicts)),
        "hashes": [
            {"arm": name, "hash": config.hash[:16], "neutral": name not in study.arms}
            for name, config in plan.configs.items()
        ],
        "versions": versions(),
    }


def _cards(verdicts: Sequence[Verdict]) -> list[dict[str, str]]:
    hold = [verdict for verdict in verdicts if verdict.holds]
    support = [verdict for verdict in hold if verdict.kind == PREDICTED]
    least = min((v.of for v in verdicts), default=0)
    return [
        _card("Statements that hold", f"{len(hold)} of {len(verdicts)}", "at each time"),
        _card("Predicted", str(len(support)), "only these support the model"),
        _card("Virtual donors", str(least), "the same in every arm"),
    ]


def _card(label: str, value: str, beside: str) -> dict[str, str]:
    return {"label": label, "value": value, "beside": beside}


def _line(verdict: Verdict) -> dict[str, Any]:
    return {
        "label": metrics.outcome(verdict.expectation.outcome).label,
        "day": f"{verdict.at / 86400:g}",
        "words": verdict.expectation.words(),
        "verdict": verdict.verdict,
        "mark": _mark(verdict.verdict),
        "holds": verdict.holds,
        "kind": verdict.kind or "–",
        "donors": f"{verdict.donors} of {verdict.of}",
        "reason": verdict.reason,
    }


def _group(verdict: Verdict, colours: Mapping[str, str]) -> dict[str, Any]:
    """One statement: a forest plot of its comparisons, and a table."""
    found = [pair.found for pair in verdict.pairs]
    label = metrics.outcome(verdict.expectation.outcome).label
    rows = [
        {
            "pair": f"{p.claim.first} ÷ {p.claim.second}",
            "wanted": p.claim.wanted,
            "n": p.found.n,
            "ratio": p.found.ratio_text,
            "interval": p.found.interval_text,
            "level": f"{100 * p.found.level:.4g} %",
            "verdict": p.verdict,
            "mark": _mark(p.verdict),
            "without": p.without.ratio_text if p.without is not None else "–",
            "without_interval": p.without.interval_text if p.without is not None else "",
        }
        for p in verdict.pairs
    ]
    drawing = curves.forest(found, dict(colours), alt=f"Ratios of {label.lower()}")
    return {
        "label": f"{label}, day {verdict.at / 86400:g}",
        "words": verdict.expectation.words(),
        "rows": rows,
        "svg": page.svg(drawing),
    }


def _mark(verdict: str) -> str:
    return {NOT_SHOWN: "", "reversed": "fail"}.get(verdict, verdict)


def _labelled(outcome: str) -> str:
    shown = metrics.outcome(outcome)
    return f"{shown.label} ({shown.unit})" if shown.unit else shown.label


def _cell(outcome: str, by_seed: Mapping[int, float]) -> dict[str, str]:
    shown, found = metrics.outcome(outcome), mean_interval(list(by_seed.values()))
    span = f"{shown.text(found.low)} to {shown.text(found.high)}"
    return {
        "mean": shown.text(found.mean),
        "interval": span if math.isfinite(found.low) else f"n = {found.n}, no interval",
    }
