"""Runs with several species: their units, the same bytes, and what a stalled solve leaves."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scaffoldsim as ss
from scaffoldsim.cli import main
from scaffoldsim.run.estimate import estimate
from scaffoldsim.run.simulation import Simulation
from scaffoldsim.solver.diffusion import ConvergenceError, Diffusion
from tests.run.test_simulation import SMALL, fingerprint

#: three species that act on each other: VEGF is secreted where oxygen lacks
SEVERAL = {
    **SMALL,
    "duration": "25 h",
    "output": {"metrics_every": "6 h", "frames_every": "12 h", "checkpoint_every": "10 min"},
    "fields": {"vegf": "vegf", "calcium": "calcium"},
    "faces": {"x": "periodic", "y": "periodic", "z-": "host", "z+": "medium"},
}


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "several"
    Simulation.from_config(SEVERAL).run(folder, threads=1)
    return folder


def test_every_species_is_written_with_its_unit(several: Path) -> None:
    run = ss.Run(several)
    assert run.field_units == {"oxygen": "mM", "vegf": "ng/mL", "calcium": "mM"}
    vegf, last = run.field("vegf"), run.metrics.iloc[-1]
    assert np.nanmean(vegf, dtype=np.float64) == pytest.approx(last.vegf_mean_ng_per_mL, rel=1e-5)
    assert 0.001 < last.vegf_mean_ng_per_mL < 1
    assert 1.2 < last.calcium_mean_mM < 1.8
    assert run.metrics.bmp2_mean_ng_per_mL.isna().all()


def test_several_species_give_the_same_bytes_on_two_threads(several: Path, tmp_path: Path) -> None:
    Simulation.from_config(several / "config.yaml").run(tmp_path / "two", threads=2)
    assert fingerprint(tmp_path / "two") == fingerprint(several)


@pytest.mark.parametrize("last_solve", [1, 30, 70])
def test_a_stalled_solve_stops_the_run_with_a_checkpoint_to_go_on_from(
    several: Path, tmp_path: Path, monkeypatch: Any, capsys: Any, last_solve: int
) -> None:
    """Whichever species stalls, and when: in the first hour, at a jump, in a steady hour."""
    solve, solves = Diffusion.solve, []

    def stall(self: Diffusion, *given: Any, **named: Any) -> Any:
        solves.append(1)
        if len(solves) > last_solve:
            raise ConvergenceError([1.0, 0.5, 0.25], 1e-6)
        return solve(self, *given, **named)

    monkeypatch.setattr(Diffusion, "solve", stall)
    folder = tmp_path / "stalled"
    assert main(["run", str(several / "config.yaml"), "--out", str(folder)]) == 1
    assert "last relative residuals are 1.00e+00, 5.00e-01, 2.50e-01" in capsys.readouterr().err
    monkeypatch.undo()
    manifest = ss.Run(folder).manifest
    assert manifest["status"] == "failed"
    assert "2.50e-01" in manifest["error"]
    assert list((folder / "checkpoint").glob("step-*.npz"))
    Simulation.resume(folder).run()
    assert fingerprint(folder) == fingerprint(several)


def test_a_failed_run_with_its_log_can_be_replaced(tmp_path: Path) -> None:
    short = {**SMALL, "duration": "2 h"}
    Simulation.from_config(short).run(tmp_path / "run")
    (tmp_path / "run" / "error.log").write_text("a traceback")
    Simulation.from_config(short).run(tmp_path / "run", force=True)
    assert not (tmp_path / "run" / "error.log").exists()


def test_memory_and_disk_are_counted_by_species() -> None:
    alike = {**SMALL, "fields": SEVERAL["fields"]}
    one, three = (estimate(Simulation.from_config(c).config) for c in (SMALL, alike))
    per_voxel = (three.memory_bytes - one.memory_bytes) / one.voxels
    assert 8 <= per_voxel / 2 <= 40
    frames = 4  # of either run
    assert three.disk_bytes > one.disk_bytes + 2 * frames * 4 * one.voxels
