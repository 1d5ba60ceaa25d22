"""Arms side by side: ``compare.csv``, ``differences.csv``, ``runs.csv`` and ``report.html``."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scaffoldsim.compare import curves, metrics, page
from scaffoldsim.compare.curves import ARM_COLOURS, Line
from scaffoldsim.compare.metrics import OUTCOMES, Outcome
from scaffoldsim.compare.statistics import (
    NOT_SHOWN,
    SHOWN,
    Difference,
    Interval,
    compare_all,
    mean_interval,
)
from scaffoldsim.run.atomic import write_atomic
from scaffoldsim.run.record import Run

#: outcome → arm → seed → value
Values = dict[str, dict[str, dict[int, float]]]
_COURSES = (
    "bone_in_pore",
    "scaffold_mass",
    "stiffness_MPa",
    "osteogenic_share",
    "cells",
    "osteoblasts",
    "adipocyte_share",
    "viability",
    "oxygen_p05_mM",
)


def write_comparison(
    arms: Mapping[str, Sequence[Run]],
    out: str | os.PathLike[str],
    *,
    title: str = "Comparison",
    pictures: Mapping[str, Path] | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Path]:
    """Judge arms against each other and write tables and a self-contained page.

    Runs pair by seed: a seed is one virtual donor in all arms.

    Parameters
    ----------
    arms : mapping of str to sequence of Run
        The runs of each arm; those that are not finished are left out, and the page says so.
    out : path
        Folder for the files; made if need be.
    title : str
        Said above the page.
    pictures : mapping of str to path, optional
        A picture of each arm, drawn with one scene so that colours compare; by default
        ``picture.png`` of the arm's first run that has one.
    notes : sequence of str
        Said on the page, such as runs that failed.

    Returns
    -------
    dict of str to Path
        ``compare`` (means with intervals), ``differences`` (pairs with verdicts), ``runs`` (every
        run's outcomes) and ``report``.

    Raises
    ------
    ValueError
        If fewer than two arms have a finished run, or an arm has a seed twice.

    Examples
    --------
    >>> write_comparison({"bcp": [Run("b1")], "plga": [Run("p1")]}, "out")  # doctest: +SKIP
    """
    kept, said = _finished(arms)
    notes = [*notes, *said]
    values = _values(kept)
    judged = {o.name: values[o.name] for o in OUTCOMES if o.judged and _has_any(values[o.name])}
    differences = compare_all(judged)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    means = {
        o.name: {a: mean_interval(list(values[o.name][a].values())) for a in kept} for o in OUTCOMES
    }
    paths = {
        "compare": _write_means(folder / "compare.csv", means),
        "differences": _write_differences(folder / "differences.csv", differences),
        "runs": _write_runs(folder / "runs.csv", kept, values),
    }
    colours = {arm: ARM_COLOURS[i % len(ARM_COLOURS)] for i, arm in enumerate(kept)}
    context = {
        "title": title,
        "arms": [
            {"name": arm, "colour": colours[arm], "runs": len(runs), "title": runs[0].title}
            for arm, runs in kept.items()
        ],
        "seeds": sorted({seed for by_seed in values["cells"].values() for seed in by_seed}),
        "day": f"{max(_end(run) for runs in kept.values() for run in runs):.4g}",
        "cards": _cards(differences, len(kept)),
        "rows": [_row(o, means[o.name], differences) for o in OUTCOMES if _has_any(values[o.name])],
        "figures": course_figures(kept, colours),
        "groups": _groups(differences, colours),
        "pictures": _pictures(kept, pictures or {}),
        "notes": notes,
        "versions": kept[next(iter(kept))][0].manifest["versions"],
        "hashes": [
            {
                "arm": arm,
                "hash": str(run.manifest["config_hash"])[:16],
                "seed": run.manifest["seed"],
            }
            for arm, runs in kept.items()
            for run in runs
        ],
    }
    paths["report"] = page.write_page("comparison", folder / "report.html", context)
    return paths


def _finished(arms: Mapping[str, Sequence[Run]]) -> tuple[dict[str, list[Run]], list[str]]:
    kept: dict[str, list[Run]] = {}
    notes = []
    for arm, runs in arms.items():
        done = [run for run in runs if run.status == "finished"]
        for run in runs:
            if run.status != "finished":
                notes.append(f"{arm}, seed {run.manifest['seed']}: {run.status}, left out")
        seeds = [run.manifest["seed"] for run in done]
        if len(set(seeds)) != len(seeds):
            raise ValueError(f"arm {arm!r} has a seed twice ({seeds}); a virtual donor counts once")
        if done:
            kept[arm] = done
    if len(kept) < 2:
        raise ValueError(
            f"a comparison needs two arms with finished runs; there are {len(kept)} of {len(arms)}"
        )
    ends = {round(_end(run), 6) for runs in kept.values() for run in runs}
    if len(ends) > 1:
        listed = ", ".join(f"{end:g}" for end in sorted(ends))
        notes.append(f"the runs end on different days ({listed}): each is taken at its own end")
    donors = [{run.manifest["seed"] for run in runs} for runs in kept.values()]
    lonely = set.union(*donors) - set.intersection(*donors)
    if lonely:
        notes.append(
            f"seeds that not every arm has, left out of pairs that lack them: {sorted(lonely)}"
        )
    return kept, notes


def _values(arms: Mapping[str, Sequence[Run]]) -> Values:
    values: Values = {o.name: {arm: {} for arm in arms} for o in OUTCOMES}
    for arm, runs in arms.items():
        for run in runs:
            for name, value in metrics.endpoints(run).items():
                values[name][arm][int(run.manifest["seed"])] = value
    return values


def _has_any(by_arm: Mapping[str, Mapping[int, float]]) -> bool:
    return any(math.isfinite(v) for by_seed in by_arm.values() for v in by_seed.values())


def _end(run: Run) -> float:
    return float(run.metrics["time_h"].iloc[-1]) / 24


# --------------------------------------------------------------------------------------- tables


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    """Write a table; floats by repr, what is not there empty."""

    def text(value: Any) -> str:
        if isinstance(value, float):
            return "" if math.isnan(value) else repr(value)
        return str(value)

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[text(value) for value in row] for row in rows])
    write_atomic(path, buffer.getvalue())
    return path


def _write_means(path: Path, means: Mapping[str, Mapping[str, Interval]]) -> Path:
    rows = [
        [arm, name, found.n, found.mean, found.low, found.high]
        for name, by_arm in means.items()
        for arm, found in by_arm.items()
    ]
    return write_csv(path, ["arm", "outcome", "n", "mean", "low95", "high95"], rows)


def _write_differences(path: Path, differences: Sequence[Difference]) -> Path:
    header = [
        "outcome",
        "first",
        "second",
        "n",
        "ratio",
        "low",
        "high",
        "level",
        "verdict",
        "reason",
    ]
    rows = [[getattr(difference, name) for name in header] for difference in differences]
    return write_csv(path, header, rows)


def _write_runs(path: Path, arms: Mapping[str, Sequence[Run]], values: Values) -> Path:
    rows = []
    for arm, runs in arms.items():
        for run in runs:
            seed = int(run.manifest["seed"])
            found = [values[o.name][arm].get(seed, math.nan) for o in OUTCOMES]
            rows.append([arm, seed, run.manifest["config_hash"], *found])
    header = ["arm", "seed", "config_hash", *(o.name for o in OUTCOMES)]
    return write_csv(path, header, rows)


# ----------------------------------------------------------------------------------------- page


def _cards(differences: Sequence[Difference], arms: int) -> list[dict[str, str]]:
    """For the first outcomes, the arm shown to be above all others, if there is one."""
    cards: list[dict[str, str]] = []
    for outcome in OUTCOMES:
        about = [d for d in differences if d.outcome == outcome.name]
        if not about or len(cards) == 3:
            continue
        wins: dict[str, int] = {}
        for d in about:
            if d.verdict == SHOWN:
                winner = d.first if d.ratio > 1 else d.second
                wins[winner] = wins.get(winner, 0) + 1
        best = [arm for arm, count in wins.items() if count == arms - 1]
        value = best[0] if best else "not decided"
        beside = "shown against every other arm" if best else "no arm is shown above every other"
        cards.append(
            {"label": f"Highest: {outcome.label.lower()}", "value": value, "beside": beside}
        )
    return cards


def _row(
    outcome: Outcome, means: Mapping[str, Interval], differences: Sequence[Difference]
) -> dict[str, Any]:
    unit = f" ({outcome.unit})" if outcome.unit else ""
    cells = [
        {
            "mean": outcome.text(found.mean),
            "interval": f"{outcome.text(found.low)} to {outcome.text(found.high)}"
            if math.isfinite(found.low)
            else f"n = {found.n}, no interval",
        }
        for found in means.values()
    ]
    verdicts = {d.verdict for d in differences if d.outcome == outcome.name}
    return {
        "label": outcome.label + unit,
        "cells": cells,
        "judged": outcome.judged and bool(verdicts),
    }


def _groups(differences: Sequence[Difference], colours: Mapping[str, str]) -> list[dict[str, Any]]:
    """Differences by outcome: a forest plot and a table."""
    groups = []
    for outcome in OUTCOMES:
        about = [d for d in differences if d.outcome == outcome.name]
        if not about:
            continue
        rows = [
            {
                "pair": f"{d.first} ÷ {d.second}",
                "n": d.n,
                "ratio": d.ratio_text,
                "interval": d.interval_text,
                "level": f"{100 * d.level:.4g} %",
                "verdict": d.verdict,
                "mark": "" if d.verdict == NOT_SHOWN else d.verdict,
            }
            for d in about
        ]
        drawing = curves.forest(about, dict(colours), alt=f"Ratios of {outcome.label.lower()}")
        groups.append({"label": outcome.label, "rows": rows, "svg": page.svg(drawing)})
    return groups


def course_figures(
    arms: Mapping[str, Sequence[Run]],
    colours: Mapping[str, str],
    outcomes: Sequence[str] = _COURSES,
) -> list[dict[str, Any]]:
    """Mean and 95 % interval over seeds, over time, for every outcome that has a course."""
    figures = []
    for name in outcomes:
        outcome = metrics.outcome(name)
        lines = [_course(runs, outcome, arm, colours[arm]) for arm, runs in arms.items()]
        unit = f" ({outcome.unit})" if outcome.unit else ""
        drawn = curves.curves(
            lines,
            x_label="day",
            y_label=outcome.label.split(" of ")[0] + unit,
            alt=f"{outcome.label} over time, by arm",
        )
        if drawn:
            figures.append({"title": outcome.label, "svg": page.svg(drawn)})
    return figures


def _course(runs: Sequence[Run], outcome: Outcome, arm: str, colour: str) -> Line:
    """One arm's course, on the times that its first run has."""
    times = metrics.column(runs[0].metrics, "time_h")
    rows: list[npt.NDArray[np.float64]] = []
    for run in runs:
        own = metrics.column(run.metrics, "time_h")
        course = metrics.series(run.metrics, outcome.name) * outcome.scale
        if outcome.framed:  # a line from frame to frame
            there = np.isfinite(course)
            own, course = (own[there], course[there]) if there.any() else (own, course)
        rows.append(np.interp(times, own, course, right=np.nan))
    found = [mean_interval(at) for at in np.array(rows).T]
    low, high = (np.array([getattr(f, side) for f in found]) for side in ("low", "high"))
    return Line(arm, colour, times / 24, np.array([f.mean for f in found]), low, high)


def _pictures(arms: Mapping[str, Sequence[Run]], given: Mapping[str, Path]) -> list[dict[str, str]]:
    shown = []
    for arm, runs in arms.items():
        own = [run.path / "picture.png" for run in runs]
        choice = given.get(arm) or next((file for file in own if file.is_file()), None)
        data = page.embedded(Path(choice), 900) if choice is not None else ""
        if data:
            shown.append({"name": arm, "data": data})
    return shown
