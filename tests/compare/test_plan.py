"""What a study file says, what is wrong with it and where, and what will be run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scaffoldsim import catalogue
from scaffoldsim.compare.expectations import Study
from scaffoldsim.compare.plan import make_plan, own_key
from scaffoldsim.config import ConfigError, load, read_entry
from tests.compare.studies import TINY, write_files


@pytest.mark.parametrize("name", catalogue.names("studies"))
def test_every_study_of_the_catalogue_is_one(name: str) -> None:
    study = read_entry("studies", name)
    assert isinstance(study, Study)
    assert study.seeds >= 16
    if study.config not in catalogue.names("experiments"):
        pytest.skip(f"experiment {study.config} is not in the catalogue yet")
    plan = make_plan(name)
    assert set(study.arms) < set(plan.configs)


def test_what_was_tuned_leads_somewhere() -> None:
    for name in catalogue.names("tuning"):
        for chosen in read_entry("tuning", name).tuned:  # type: ignore[attr-defined]
            assert chosen.study in catalogue.names("studies"), chosen
            assert make_plan(chosen.study).tuned, chosen


def test_arms_are_run_as_they_are_and_without_what_is_their_own(tmp_path: Path) -> None:
    plan = make_plan(write_files(tmp_path))
    every, fates = (own_key(plan.study.own_of(each)) for each in plan.study.expect[::-1])
    assert list(plan.configs) == [
        "none", "low", "high", f"low.neutral-{fates}", f"high.neutral-{every}",
    ]  # fmt: skip
    # What has none of them is its own neutral arm, and is not run twice.
    assert plan.neutral == {
        (fates, "low"): f"low.neutral-{fates}", (fates, "none"): "none",
        (every, "high"): f"high.neutral-{every}", (every, "none"): "none",
    }  # fmt: skip
    folds = [c.fold for c in plan.configs[f"low.neutral-{fates}"].exposures[0].factor.cues]
    same = [c.fold for c in plan.configs["low"].exposures[0].factor.cues]
    events = [c.event for c in plan.configs["low"].exposures[0].factor.cues]
    assert folds == [1 if e == "osteogenic" else f for e, f in zip(events, same, strict=True)]
    assert {c.fold for c in plan.configs[f"high.neutral-{every}"].exposures[0].factor.cues} == {1}
    assert plan.configs["none"].hash == load(tmp_path / "tiny.yaml").hash
    assert [f"{t:g}" for t in plan.study.times()] == ["21600", "43200"]
    assert re.fullmatch(r"study-doses-[0-9a-f]{8}", plan.folder_name)


def test_the_folder_is_that_of_the_arms_whatever_is_expected_of_them(tmp_path: Path) -> None:
    first = make_plan(write_files(tmp_path)).folder_name
    fewer = make_plan(write_files(tmp_path, ("at: [6 h, 12 h]", "at: 12 h"), ("cues.*", "cues.0")))
    assert fewer.folder_name == first
    other = make_plan(write_files(tmp_path, ("dose: 10 nM", "dose: 20 nM")))
    assert other.folder_name != first


def test_common_changes_come_below_those_of_an_arm(tmp_path: Path) -> None:
    change = (
        "arms:\n  none: {}",
        "set: {cells.number: 400, seed: 3}\narms:\n  none: {cells.number: 300}",
    )
    plan = make_plan(write_files(tmp_path, change))
    assert [c.cells.number for c in plan.arms.values()] == [300, 400, 400]


BAD = {
    "a key": (("rows:", "row:"), [r":3:1: row: no such key.*did you mean 'rows'"]),
    "an outcome": (
        ("osteogenic_share, at: [6 h", "osteogenic_shar, at: [6 h"),
        [r":17:6: expect\.0\.outcome: no outcome .*; did you mean 'osteogenic_share'"],
    ),
    "a ratio of three": (
        ("adipocyte_share /", "cells / adipocyte_share /"),
        [r"expect\.1\.outcome: .*a ratio is of two outcomes"],
    ),
    "an arm": (
        ("order: [low, none]", "order: [lo, none]"),
        [r":17:50: expect\.0\.order: no arm named 'lo'; did you mean 'low'\? \(arms: none, l"],
    ),
    "an arm among others": (
        ("among: [none]", "among: [nnoe]"),
        [r"expect\.1\.among: no arm named 'nnoe'; did you mean 'none'"],
    ),
    "an arm twice": (("[low, none]", "[low, low]"), [r"expect\.0\.order: arm 'low' is .* twice"]),
    "two statements": (
        ("order: [low, none]", "order: [low, none], greatest: low"),
        [r":17:\d+: expect\.0: an expectation has one of .*order and greatest are given"],
    ),
    "no statement": ((", order: [low, none]", ""), [r"expect\.0: an expectation .*none is given"]),
    "one arm in order": (("[low, none]", "[low]"), [r"expect\.0\.order: names two arms or more"]),
    "three equivalent arms": (
        ("order: [low, none]", "equivalent: [low, none, high]"),
        [r"expect\.0\.equivalent: names two arms \(3 are given\)"],
    ),
    "a factor": (
        ("dexamethasone, dose: 1000", "dexametasone, dose: 1000"),
        [r":10:10: arms\.high\.exposures\.0\.factor: no factor .*mean 'dexamethasone'"],
    ),
    "a unit": (
        ("dose: 10 nM", "dose: 10 nm"),
        [r":7:\d+: arms\.low\.exposures\.0\.dose: .*'nm'.*length"],
    ),
    "a dotted key": (
        ("none: {}", "none: {scaffold.porosty: 0.9}"),
        [r":6:10: arms\.none\.scaffold\.porosty: no such key; did you mean 'porosity'"],
    ),
    "an experiment": (
        ("config: tiny.yaml", "config: tinny"),
        [r":4:1: config: no experiment named 'tinny'"],
    ),
    "a time without metrics": (
        ("at: [6 h, 12 h]", "at: [6 h, 11 h]"),
        [r":17:\d+: expect\.0\.at\.1: there are no metrics at 11 h: arm none writes .* every 6 h"],
    ),
    "a time without a frame": (
        ("outcome: osteogenic_share, at: [6 h", "outcome: tb_th_um / bv_tv, at: [6 h"),
        [r":17:\d+: expect\.0\.at\.0: .* no frames, which tb_th_um / bv_tv needs, at 6 h: .* 12 h"],
    ),
    "a time after the end": (
        ("\nat: 12 h", "\nat: 2 d"), [r"\.yaml:14:1: at\S*: .*no metrics at 2 d.*0\.5 d"],
    ),
    "arms that are the same": (
        ("1000 nM", "10 nM"), [r":8:3: arms\.high: simulates the same as arm 'low'"],
    ),
    "own left out": (
        ("own:\n  factors/dexamethasone.cues.osteogenic.fold: 1\n", ""),
        [r"expect\.0: own is missing, here or for the whole study"],
    ),
    "own of nothing": (
        ("own:\n  factors/dexamethasone.cues.osteogenic.fold: 1\n", "own: {}\n"),
        [r":12:1: own: arms low and none differ in factors/dexamethasone, and own takes nothing"],
    ),
    "own of another": (
        (
            "factors/dexamethasone.cues.osteogenic.fold: 1\nat",
            "cells/bmsc.fates.adipocyte.rate: 0 /d\nat",
        ),
        [r":12:1: own: arms low and none differ in factors/dexamethasone, and own takes nothing"],
    ),
    # two doses or two ages put an ordering in as well as a factor and none do
    "own of nothing, for two doses": (
        ("order: [low, none]}", "order: [low, high], own: {}}"),
        [r":17:\d+: expect\.0\.own: arms low and high differ in factors/dexamethasone, and own"],
    ),
    "own of nothing, for two ages": (
        (
            "none: {}\n",
            "none: {}\n  old: {cells.donor.age: 70 y}\n",
            "order: [low, none]}",
            "order: [none, old], own: {}}",
        ),
        [r":18:\d+: expect\.0\.own: arms none and old differ in conditions/ageing, and own"],
    ),
    "own that is nowhere": (
        ("cues.osteogenic.fold", "cues.osteogenc.fold"),
        [r":12:1: own: .*no item .* is 'osteogenc'; .*mean 'osteogenic'\?.*\(arms: low, none\)"],
    ),
    "own of an entry that is not used": (
        ("own:\n  factors/dexamethasone.c", "own:\n  factors/dexametasone.c"),
        [
            r":12:1: own: 'factors/dexametasone\S* is not used; .*'factors/dexamethasone'",
            r"and own takes nothing of it out",
        ],
    ),
    "own with a value that cannot be": (
        ("osteogenic.fold: 1", "osteogenic.fold: -1"),
        [r":12:1: own: arm low, exposures\.0\.factor\.cues\.0\.fold: -1 is out of range"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said_with_its_place(case: str, tmp_path: Path) -> None:
    change, patterns = BAD[case]
    pairs = list(zip(change[::2], change[1::2], strict=True))
    with pytest.raises(ConfigError) as caught:
        make_plan(write_files(tmp_path, *pairs))
    said = sorted(str(problem) for problem in caught.value.problems)
    for pattern in patterns:
        assert any(re.search(pattern, line) for line in said), said
    assert all(line.startswith(str(tmp_path / "doses.yaml")) for line in said), said


def test_what_is_wrong_in_the_experiment_is_said_there_and_once(tmp_path: Path) -> None:
    file = write_files(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY.replace("porosity: 0.92", "porosity: 1.2"))
    with pytest.raises(ConfigError) as caught:
        make_plan(file)
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith(str(tmp_path / "tiny.yaml:8:3: scaffold.porosity"))


def test_a_default_that_was_chosen_by_the_study_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_files(tmp_path)
    folder = tmp_path / "configs" / "tuning"
    folder.mkdir(parents=True)
    text = "schema: 1\ntuned:\n"
    for address, study in (
        ("factors/dexamethasone.cues.adipogenic.fold", "doses"),
        ("cells/bmsc.fates.adipocyte.rate", "another"),
    ):
        text += f"  - {{parameter: {address}, study: {study}, why: a test}}\n"
    (folder / "defaults.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    tuned = make_plan(file).tuned
    assert tuned == {
        "none": [],
        "low": ["factors/dexamethasone.cues.adipogenic.fold"],
        "high": ["factors/dexamethasone.cues.adipogenic.fold"],
    }
    (folder / "defaults.yaml").write_text(text.replace("adipogenic.fold", "adipogenic.flod"))
    with pytest.raises(ConfigError, match=r"defaults\.yaml: .*did you mean 'fold'"):
        make_plan(file)
