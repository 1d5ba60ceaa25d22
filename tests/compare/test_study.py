"""A study written down, from synthetic runs: arm a makes half as much bone again as b and c."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from scaffoldsim.compare import metrics
from scaffoldsim.compare.expectations import Study
from scaffoldsim.compare.plan import Plan, own_key
from scaffoldsim.compare.study import table_lines, write_study
from scaffoldsim.run.record import Run
from scaffoldsim.run.writers import update_manifest
from tests.compare.test_report import Page
from tests.run.synthetic import write_run

OWN = {"factors/bmp2.cues.osteogenic.fold": 1}


@pytest.fixture
def plan() -> Plan:
    study = Study.model_validate(
        {
            "name": "bone", "title": "Who makes <bone>?", "rows": ["N6"], "config": "c",
            "arms": {"a": {"x": 1}, "b": {}, "c": {"x": 2}}, "own": OWN, "at": "3 d",
            "outcomes": ["cells", "osteogenic_share"],
            "expect": [
                {"outcome": "osteogenic_share", "at": "6 d", "order": ["a", "b"]},
                {"outcome": "cells", "at": ["3 d", "6 d"], "equivalent": ["a", "c"], "own": {}},
                {"outcome": "osteoblasts / adipocytes", "at": "6 d", "order": ["b", "a"]},
            ],
        }
    )  # fmt: skip
    configs: dict[str, Any] = {
        name: SimpleNamespace(hash="0" * 64) for name in (*"abc", "a neutral")
    }
    key = own_key(OWN)
    return Plan(study, configs, {(key, "a"): "a neutral", (key, "b"): "b"}, {"a": ["x.y"]})


@pytest.fixture
def runs(arms: dict[str, list[Run]]) -> dict[str, list[Run]]:
    return {**arms, "a neutral": arms["b"]}


def test_tables_verdicts_and_page_say_the_same(
    plan: Plan, runs: dict[str, list[Run]], tmp_path: Path
) -> None:
    verdicts, files = write_study(plan, runs, tmp_path / "out", notes=["seed 9 failed"])
    assert sorted(p.name for p in files.values()) == [
        "outcomes.csv", "report.html", "runs.csv", "study.csv", "verdicts.json",
    ]  # fmt: skip
    assert [(v.verdict, v.kind) for v in verdicts] == [
        ("shown", "input"), ("equivalent", "tuned"), ("equivalent", "tuned"), ("not shown", ""),
    ]  # fmt: skip
    table = pd.read_csv(files["study"])
    assert list(table["verdict"]) == [v.pairs[0].verdict for v in verdicts]
    first = table.iloc[0]
    assert (first["first"], first["second"], first["n"]) == ("a", "b", 4)
    assert first["ratio"] == pytest.approx(1.5, rel=0.05)
    assert first["ratio_without_own"] == pytest.approx(1.0)
    assert first["low"] > 1.1
    document = json.loads(files["verdicts"].read_text())
    assert document["schema"] == 1
    assert document["rows"] == ["N6"]
    assert document["comparisons"] == 4
    assert document["donors"] == [1, 2, 3, 4]
    said = document["statements"][0]
    assert (said["verdict"], said["kind"], said["holds"]) == ("shown", "input", True)
    assert said["comparisons"][0]["ratio"] == first["ratio"]
    assert said["comparisons"][0]["without_own"]["first"] == "a neutral"
    assert said["own"] == OWN
    assert said["donors"] == {"hold": 4, "of": 4, "asked": None}
    assert document["statements"][3]["kind"] is None
    values = pd.read_csv(files["runs"])
    assert len(values) == 16 * 5  # five outcomes and times
    means = pd.read_csv(files["outcomes"]).set_index(["arm", "outcome", "day"])
    at_three = values.query("arm == 'a' and outcome == 'cells' and day == 3")["value"]
    assert means.loc[("a", "cells", 3), "mean"] == at_three.mean()
    assert means.loc[("a", "cells", 3), "n"] == 4
    page = Page(files["report"])
    for words in ("Who makes <bone>?", "N6", "seed 9 failed", "a > b", "input", "fewer than 16",
                  "a neutral", "only predicted supports the model"):  # fmt: skip
        assert words.lower() in page.text.lower(), words
    assert [w for w in page.wanted if not w.startswith("#")] == []
    lines = table_lines(verdicts)
    assert len(lines) == 5
    assert lines[1].split()[:3] == ["osteogenic_share", "6", "a"]
    assert lines[1].endswith("4 of 4  input")


def test_equal_runs_give_equal_bytes(
    plan: Plan, runs: dict[str, list[Run]], tmp_path: Path
) -> None:
    _, one = write_study(plan, runs, tmp_path / "one")
    _, two = write_study(plan, dict(reversed(runs.items())), tmp_path / "two")
    for name in ("study", "verdicts", "outcomes", "report"):
        assert one[name].read_bytes() == two[name].read_bytes(), name


def test_runs_that_are_missing_or_not_finished_are_told(
    plan: Plan, runs: dict[str, list[Run]], tmp_path: Path
) -> None:
    broken = write_run(tmp_path / "broken", n=8, cells=100, seed=5, days=(0, 6))
    update_manifest(broken.path, status="interrupted")
    some = {"a": [*runs["a"][1:], Run(broken.path)], "b": runs["b"], "c": runs["c"]}
    verdicts, files = write_study(plan, some, tmp_path / "out")
    assert (verdicts[0].kind, verdicts[0].pairs[0].found.n) == ("unknown", 3)
    notes = json.loads(files["verdicts"].read_text())["notes"]
    assert any("[1, 2, 3, 4]" in note for note in notes)
    assert "runs without the row" in Page(files["report"]).text
    with pytest.raises(ValueError, match="no arm of study bone has a finished run"):
        write_study(plan, {"a": [Run(broken.path)]}, tmp_path / "none")
    with pytest.raises(ValueError, match="'a' has seed 1 twice"):
        write_study(plan, {**runs, "a": runs["a"] * 2}, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_an_outcome_is_read_at_its_time(arms: dict[str, list[Run]]) -> None:
    run = arms["a"][0]
    table = run.metrics
    for day in (0, 3, 6):
        row = table.iloc[day]
        assert row["time_h"] == 24 * day
        assert metrics.value_at(run, "cells", day * 86400) == row["cells_total"]
        fat = metrics.value_at(run, "adipocytes", day * 86400)
        assert fat == row["cells_adipocyte"]
        ratio = metrics.value_at(run, "osteoblasts / adipocytes", day * 86400)
        if fat:
            assert ratio == row["cells_osteoblast"] / fat
        else:
            assert not 0 <= ratio < 1e9  # infinite, or NaN where there is neither
    assert metrics.value_at(run, "cells", 2.5 * 86400) != metrics.value_at(run, "cells", 2 * 86400)
    told = Path("docs/studies.md").read_text()
    for name in metrics.courses():
        assert f"`{name}`" in told
        assert len(metrics.series(table, name)) == len(table)
        assert metrics.outcome(name).label
    with pytest.raises(ValueError, match="'celsl / cells' has no course"):
        metrics.series(table, "celsl / cells")
