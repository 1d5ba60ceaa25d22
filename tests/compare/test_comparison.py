from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from scaffoldsim.compare.comparison import write_comparison
from scaffoldsim.run.record import Run
from scaffoldsim.run.writers import update_manifest
from tests.compare.test_report import Page


def test_arms_are_judged_and_written(arms: dict[str, list[Run]], tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    Image.new("RGB", (40, 30)).save(picture)
    paths = write_comparison(
        arms, tmp_path / "out", title="Which makes bone?", pictures={"a": picture}
    )
    assert sorted(p.name for p in paths.values()) == [
        "compare.csv", "differences.csv", "report.html", "runs.csv",
    ]  # fmt: skip
    found = pd.read_csv(paths["differences"]).set_index(["outcome", "first", "second"])
    assert found.loc[("osteogenic_share", "a", "b"), "verdict"] == "shown"
    assert found.loc[("osteogenic_share", "a", "b"), "ratio"] == pytest.approx(1.5, rel=0.05)
    assert found.loc[("cells", "a", "c"), "verdict"] == "equivalent"
    assert ("porosity", "a", "b") not in found.index
    means = pd.read_csv(paths["compare"]).set_index(["arm", "outcome"])
    runs = pd.read_csv(paths["runs"])
    assert len(runs) == 12
    assert means.loc[("a", "cells"), "mean"] == runs[runs.arm == "a"]["cells"].mean()
    assert means.loc[("a", "cells"), "n"] == 4
    read = Page(paths["report"])
    for words in ("Which makes bone?", "3 arms × 4 seeds", "a ÷ b", "equivalent", "Over time"):
        assert words in read.text, words
    assert [w[:22] for w in read.wanted if not w.startswith("#")] == ["data:image/webp;base64"]


def test_unfinished_and_single_runs_are_told_honestly(
    arms: dict[str, list[Run]], tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(arms["a"][0].path, tmp_path / "broken"))
    update_manifest(broken, status="interrupted")
    few = {"a": [arms["a"][0], Run(broken)], "b": arms["b"][:1], "gone": [Run(broken)]}
    paths = write_comparison(few, tmp_path / "out", notes=["seed 9 failed"])
    read = Page(paths["report"])
    assert "a, seed 1: interrupted, left out" in read.text
    assert "seed 9 failed" in read.text
    assert "one seed has no interval" in read.text
    assert "n = 1, no interval" in read.text
    found = pd.read_csv(paths["differences"])
    assert set(found["verdict"]) == {"not shown"}
    assert found["low"].isna().all()
    with pytest.raises(ValueError, match="two arms with finished runs; there are 1 of 2"):
        write_comparison({"a": arms["a"], "gone": [Run(broken)]}, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_donor_counts_once(arms: dict[str, list[Run]], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seed twice"):
        write_comparison({"a": arms["a"] + arms["a"][:1], "b": arms["b"]}, tmp_path)


def test_seeds_without_a_partner_are_named(arms: dict[str, list[Run]], tmp_path: Path) -> None:
    paths = write_comparison({"a": arms["a"], "b": arms["b"][1:]}, tmp_path)
    assert "left out of pairs that lack them: [1]" in Page(paths["report"]).text
    assert set(pd.read_csv(paths["differences"])["n"]) == {3}
