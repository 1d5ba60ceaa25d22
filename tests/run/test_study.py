from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from distributed import LocalCluster

from scaffoldsim.run import study
from scaffoldsim.run.study import Arm, StudyError, execute, run_one
from scaffoldsim.run.writers import new_manifest, update_manifest, write_manifest


class Stub:
    """Stands in for a simulation: writes a manifest, fails or kills its worker on demand."""

    def __init__(self, config: SimpleNamespace, folder: Path | None = None) -> None:
        self.config, self.folder = config, folder

    @classmethod
    def from_config(cls, config: str, *, set: dict[str, Any], seed: int) -> Stub:
        if config == "wrong":
            raise ValueError("config.yaml:3:1: porosty: unknown key (did you mean porosity?)")
        return cls(SimpleNamespace(hash=f"{config}-{set}", seed=seed, name=config, set=set))

    @classmethod
    def resume(cls, folder: Path) -> Stub:
        return cls(SimpleNamespace(seed=0, name="resumed", set={}), folder)

    def run(self, folder: Path | None = None, *, threads: int) -> None:
        assert threads == 1
        if self.folder is not None:
            update_manifest(self.folder, status="finished", resumed=True)
            return
        assert folder is not None
        folder.mkdir()
        manifest = new_manifest(
            title=self.config.name, seed=self.config.seed, config_hash=self.config.hash, threads=1
        )
        write_manifest(folder, manifest)
        if self.config.set.get("fail") == self.config.seed:
            update_manifest(folder, status="failed")
            raise RuntimeError("oxygen became NaN")
        if self.config.set.get("kill") == self.config.seed:
            os.kill(os.getpid(), signal.SIGKILL)
        update_manifest(folder, status="finished", pid=os.getpid())


def manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text())


def test_a_study_survives_a_killed_worker_a_failed_run_and_a_stop(tmp_path: Path) -> None:
    # Seed 2 of arm b kills its worker; the retry finds a begun run and resumes it.
    arms = {"a": Arm("quick"), "b": Arm("quick", {"kill": 2}), "c": Arm("quick", {"fail": 3})}
    heard: list[tuple[int, int, str]] = []
    with pytest.raises(StudyError, match="1 of 9 runs failed, 8 are done") as caught:
        execute(
            arms, [1, 2, 3], tmp_path / "s", workers=2, simulation=Stub,
            progress=lambda done, total, news: heard.append((done, total, news["outcome"])),
        )  # fmt: skip
    error = caught.value
    assert str(error.failures[0]) == "c, seed 3: RuntimeError: oxygen became NaN"
    assert error.folders["a"] == [tmp_path / "s" / "a" / f"s{k}" for k in (1, 2, 3)]
    assert [folder.name for folder in error.folders["c"]] == ["s1", "s2"]
    assert manifest(tmp_path / "s/b/s2")["resumed"]
    assert [h[:2] for h in heard] == [(k, 9) for k in range(1, 10)]
    outcomes = [h[2] for h in heard]
    # What was done, but whose answer died with the worker, is asked for again: kept.
    assert outcomes.count("failed") == 1
    assert set(outcomes) <= {"failed", "resumed", "run", "kept"}
    assert manifest(tmp_path / "s/a/s1")["pid"] != os.getpid()
    # Again: what is finished stays as it is, what failed is gone on with.
    before = (tmp_path / "s/a/s1/manifest.json").stat().st_mtime_ns
    heard.clear()
    folders = execute(
        arms, [1, 2, 3], tmp_path / "s", workers=1, simulation=Stub,
        progress=lambda done, total, news: heard.append((done, total, news["outcome"])),
    )  # fmt: skip
    assert sorted(h[2] for h in heard) == [*["kept"] * 8, "resumed"]
    assert (tmp_path / "s/a/s1/manifest.json").stat().st_mtime_ns == before
    assert {name: len(runs) for name, runs in folders.items()} == {"a": 3, "b": 3, "c": 3}
    described = json.loads((tmp_path / "s" / "study.json").read_text())
    assert described["arms"]["b"] == {"config": "quick", "set": {"kill": 2}}
    assert described["seeds"] == [1, 2, 3]


def test_a_running_scheduler_is_used(tmp_path: Path) -> None:
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        folders = execute(
            {"a": Arm("quick")}, [7], tmp_path, scheduler=cluster.scheduler_address, simulation=Stub
        )
    # The worker of that scheduler lives in this process.
    assert manifest(folders["a"][0])["pid"] == os.getpid()


def test_one_run_is_kept_resumed_or_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "s1"
    assert run_one(Arm("quick"), 1, folder, Stub) == "run"
    assert run_one(Arm("quick"), 1, folder, Stub) == "kept"
    update_manifest(folder, status="interrupted")
    assert run_one(Arm("quick"), 1, folder, Stub) == "resumed"
    with pytest.raises(ValueError, match="another config"):
        run_one(Arm("quick", {"x": 1}), 1, folder, Stub)
    # Killed before the manifest was there: nothing to keep.
    (folder / "manifest.json").unlink()
    (folder / "config.yaml").write_text("half")
    assert run_one(Arm("quick"), 1, folder, Stub) == "run"
    assert not (folder / "config.yaml").exists()


@pytest.mark.parametrize(
    ("arms", "seeds", "workers", "message"),
    [
        ({}, [1], None, "at least one arm"),
        ({"a": Arm("quick")}, [], None, "at least one seed"),
        ({"a": Arm("quick")}, [1, 1], None, "must differ"),
        ({"../a": Arm("quick")}, [1], None, "cannot name a folder"),
        ({"a": Arm("quick")}, [1], 0, "at least 1"),
        ({"a": Arm("quick"), "b": Arm("wrong")}, [1], None, "did you mean porosity"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_starts(
    tmp_path: Path, arms: dict[str, Arm], seeds: list[int], workers: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        execute(arms, seeds, tmp_path / "s", workers=workers, simulation=Stub)
    assert not (tmp_path / "s").exists()


def test_a_folder_with_runs_of_another_config_is_refused_at_once(tmp_path: Path) -> None:
    execute({"a": Arm("quick")}, [1], tmp_path, workers=1, simulation=Stub)
    described = (tmp_path / "study.json").read_bytes()
    with pytest.raises(ValueError, match="s1 holds a run of another config"):
        execute({"a": Arm("quick", {"x": 1})}, [1, 2], tmp_path, workers=1, simulation=Stub)
    assert (tmp_path / "study.json").read_bytes() == described
    assert not (tmp_path / "a" / "s2").exists()


def test_dask_says_nothing_of_a_failed_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arms = {"a": Arm("quick", {"fail": 1}), "b": Arm("quick", {"kill": 1})}
    with pytest.raises(StudyError, match="1 of 2 runs failed"):
        execute(arms, [1], tmp_path, workers=1, simulation=Stub)
    assert capfd.readouterr().err == ""


def test_a_worker_that_dies_every_time_is_said_in_words() -> None:
    killed = type("KilledWorker", (Exception,), {})()
    assert "out of memory" in study._words(killed)
    assert study._words(None) == "cancelled"
