"""``study`` as a user meets it: one tiny study end to end, and every way it can end."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from distributed import LocalCluster

from scaffoldsim.cli import main
from scaffoldsim.run.study import Failure, StudyError
from tests.compare.studies import STUDY, TINY, write_files

#: fast enough to be run: two arms and a neutral one, three donors
FEW = STUDY.replace("seeds: 2", "seeds: 3").split("  - outcome: adipocyte")[0]
FEW = FEW.replace("  high:\n    exposures:\n      - {factor: dexamethasone, dose: 1000 nM}\n", "")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def scheduler():
    """Give the address of workers that are threads of this process: they start at once."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def done(tmp_path_factory, scheduler):
    """Run the study once; its file and folder."""
    place = tmp_path_factory.mktemp("done")
    (place / "tiny.yaml").write_text(TINY)
    (place / "few.yaml").write_text(FEW)
    words = ["study", str(place / "few.yaml"), "--out", str(place / "s")]
    assert main([*words, "--scheduler", scheduler]) == 0
    return place / "few.yaml", place / "s"


def test_a_study_runs_its_arms_and_judges_them(done, capsys):
    _, folder = done
    arms = {path.name for path in folder.iterdir() if path.is_dir()}
    assert len(arms) == 3
    assert {"none", "low"} < arms
    assert all(len(list((folder / arm).iterdir())) == 3 for arm in arms)
    document = json.loads((folder / "verdicts.json").read_text())
    assert document["schema"] == 1
    at_6, at_12 = document["statements"]
    assert (at_6["day"], at_12["day"]) == (0.25, 0.5)
    for said in (at_6, at_12):
        pair = said["comparisons"][0]
        assert (pair["first"], pair["second"], pair["n"]) == ("low", "none", 3)
        assert pair["without_own"]["first"].startswith("low.neutral-")
    # Runs of the neutral arm differ from those of the arm, by the multiplier alone.
    (neutral,) = arms - {"none", "low"}
    shares = {arm: (folder / arm / "s1" / "metrics.csv").read_bytes() for arm in ("low", neutral)}
    assert shares["low"] != shares[neutral]
    with (folder / "study.csv").open() as file:
        assert [row["verdict"] for row in csv.DictReader(file)] == [
            said["comparisons"][0]["verdict"] for said in (at_6, at_12)
        ]
    assert "<svg" in (folder / "report.html").read_text()


def test_what_is_done_is_kept_and_what_broke_off_is_gone_on_with(done, scheduler, capsys):
    file, folder = done
    written = {path: path.stat().st_mtime_ns for path in folder.glob("*/s*/metrics.csv")}
    before = (folder / "verdicts.json").read_bytes()
    # As if the last run had broken off: it alone is gone on with.
    manifest = folder / "none" / "s3" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"finished"', '"interrupted"'))
    assert main(["study", str(file), "--out", str(folder), "--scheduler", scheduler]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(folder)
    assert said.err.count(": kept") == 8
    assert said.err.count(": resumed") == 1
    assert "low > none" in said.err
    kept = {path: path.stat().st_mtime_ns for path in written if "none/s3" not in str(path)}
    assert kept == {path: written[path] for path in kept}
    assert (folder / "verdicts.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["study", "dose"], "no study named 'dose'"),
        (["study", "dexametasone"], "did you mean 'dexamethasone'?"),
        (["study", "none.yaml"], "no such file: 'none.yaml'"),
        (["study", "tiny.yaml"], "tiny.yaml is no study: it has no arms"),
        (["study", "doses.yaml", "--seeds", "0"], "--seeds 0: at least 1"),
        (["study", "doses.yaml", "--workers", "0"], "--workers 0: at least 1"),
        (["study", "doses.yaml", "--out", "tiny.yaml"], "tiny.yaml is a file"),
        (["study", "bad.yaml"], "bad.yaml:7:45: arms.low.exposures.0.dose"),
        (["check", "bad.yaml"], "bad.yaml:7:45: arms.low.exposures.0.dose"),
        (["check", "doses.yaml", "--seed", "2"], "is a study; --set and --seed go with a config"),
        (["study", "thick.yaml"], "pores of 900 um need a unit cell of"),
    ],
)
def test_wrong_words_end_with_2_and_write_nothing(home, capsys, words, said):
    (home / "bad.yaml").write_text(STUDY.replace("10 nM", "10 kg"))
    thick = STUDY.replace("low: {", "low: {scaffold.family: kelvin, scaffold.pore_size: 900 um, ")
    (home / "thick.yaml").write_text(thick)
    before = sorted(home.rglob("*"))
    assert main(words) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert "Traceback" not in told.err
    assert told.out == ""
    assert sorted(home.rglob("*")) == before


def test_check_says_what_a_study_will_run(home, capsys):
    assert main(["check", "doses.yaml"]) == 0
    said = capsys.readouterr().out
    assert "none, low, high" in said
    assert "2 arms without the row's own multipliers" in said
    assert "adipocyte_share / osteogenic_share, day 0.5: high greatest of high, none" in said
    assert not (home / "runs").exists()


def test_studies_are_listed_and_described(capsys):
    assert main(["list", "studies"]) == 0
    assert "studies  pth" in capsys.readouterr().out
    assert main(["describe", "studies/pth"]) == 0
    assert "factors/pth.pulse.activation.gain" in capsys.readouterr().out
    assert main(["list", "tuning"]) == 0


def test_an_interrupted_study_says_how_to_go_on(home, monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("scaffoldsim.run.study.execute", stopped)
    assert main(["study", "doses.yaml", "--out", "s"]) == 130
    assert "s keeps its runs, the same command goes on" in capsys.readouterr().err


def test_runs_that_fail_are_named_and_the_others_are_judged(done, tmp_path, monkeypatch, capsys):
    file, folder = done
    out = Path(shutil.copytree(folder, tmp_path / "s"))
    (out / "verdicts.json").unlink()

    def partly(arms, seeds, place, **_):
        folders = {arm: [Path(place, arm, f"s{seed}") for seed in seeds] for arm in arms}
        lost = folders["low"].pop()
        raise StudyError(folders, [Failure("low", 3, lost, "oxygen became NaN")])

    monkeypatch.setattr("scaffoldsim.run.study.execute", partly)
    assert main(["study", str(file), "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert "low, seed 3: oxygen became NaN" in said.err
    document = json.loads((out / "verdicts.json").read_text())
    assert document["statements"][0]["comparisons"][0]["n"] == 2
    assert "low, seed 3: oxygen became NaN" in document["notes"]


def test_too_little_memory_for_all_workers_is_refused(home, monkeypatch, capsys):
    monkeypatch.setattr("scaffoldsim.scaffold.grid.free_memory", lambda: 1e9)
    assert main(["study", "doses.yaml", "--workers", "9"]) == 3
    assert "9 runs at a time need about 2." in capsys.readouterr().err
    assert not (home / "runs").exists()
