"""A run from configuration to folder, and the same bytes whatever happens on the way."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mesa
import numpy as np
import pytest
import zarr

import scaffoldsim as ss
from scaffoldsim.config import ConfigError
from scaffoldsim.model.indicators import COLUMNS
from scaffoldsim.model.ledger import InvariantError
from scaffoldsim.run import estimate as estimate_module
from scaffoldsim.run import simulation as simulation_module
from scaffoldsim.run.estimate import ResourceError, estimate
from scaffoldsim.run.simulation import FolderExistsError, Simulation

#: a small scaffold of the real kind: 300 µm pores, one period across, two deep
SMALL: dict[str, Any] = {
    "schema": 1,
    "name": "small",
    "seed": 5,
    "duration": "36 h",
    "scaffold": {
        "family": "gyroid_net",
        "material": "bcp",
        "porosity": 0.92,
        "pore_size": "320 um",
        "size": ["0.44 mm", "0.44 mm", "0.9 mm"],
        "voxel": "20 um",
    },
    "faces": {"x": "periodic", "y": "periodic", "z": "medium"},
    "cells": {"number": 1500},
    "output": {"metrics_every": "6 h", "frames_every": "12 h", "checkpoint_every": "0 s"},
}


def fingerprint(folder: Path) -> dict[str, str]:
    """Hashes of metrics.csv and of every file of state.zarr."""
    files = [
        folder / "metrics.csv",
        *sorted(p for p in (folder / "state.zarr").rglob("*") if p.is_file()),
    ]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "reference"
    Simulation.from_config(SMALL).run(folder, threads=1)
    return folder


def test_a_run_folder_holds_what_the_contract_names(reference: Path) -> None:
    run = ss.Run(reference)
    assert run.status == "finished"
    for name in (
        "manifest.json",
        "config.yaml",
        "metrics.csv",
        "morphometry.json",
        "state.zarr",
        "checkpoint",
    ):
        assert (reference / name).exists(), name
    header = (reference / "metrics.csv").read_text().splitlines()[0]
    assert header == ",".join(COLUMNS)
    assert list(run.metrics.time_h) == [0, 6, 12, 18, 24, 30, 36]
    assert run.frames == [0, 12, 24, 36]
    assert run.origin_names == ["autologous", "allogeneic", "xenogeneic", "host"]
    assert len(list((reference / "checkpoint").glob("*.npz"))) == 2


def test_what_a_voxel_holds_is_written_where_it_is_modelled(tmp_path: Path) -> None:
    """Frames hold the scaffold of the day, all osteoid, mineral and host bone, as they are."""
    from scaffoldsim.model.model import Model

    model = Model(Simulation.from_config(SMALL).config)
    model.tissue = None
    assert simulation_module._matrix(model) == {}
    shape = model.grid.shape
    shares = np.random.default_rng(1).random((6, *shape)).astype("f4")
    matrix = SimpleNamespace(osteoid=shares[:3], mineral=shares[3], host=shares[4])
    degradation = SimpleNamespace(fraction=shares[5])
    model.tissue = SimpleNamespace(matrix=matrix, degradation=degradation)
    simulation = Simulation.from_config(SMALL)
    metrics, state = simulation._begin(tmp_path, model)
    metrics.close()
    simulation_module._write_frame(state, model)
    stored = zarr.open_array(str(tmp_path / "state.zarr" / "matrix" / "0"), mode="r")[0]
    for channel, expected in enumerate((shares[5], shares[:3].sum(0), shares[3], shares[4])):
        np.testing.assert_array_equal(stored[channel].T, expected)


def test_metrics_say_what_is_modelled_and_leave_the_rest_empty(reference: Path) -> None:
    metrics = ss.Run(reference).metrics
    for name in ("vessel_density_mm_per_mm3", "bmd_g_per_cm3", "collapse_index"):
        assert metrics[name].isna().all(), name  # no vessels, no bone of a host, no load
    assert metrics.bv_tv[0] == 0
    assert (np.diff(metrics.bv_tv) >= 0).all()  # nothing is resorbed in culture
    assert 0 < metrics.bv_tv.iloc[-1] < 1e-3  # the first osteoblasts have just begun
    assert (metrics.stiffness_MPa > 0).all()
    # what takes long is measured with frames only
    framed = metrics.time_h.isin(ss.Run(reference).frames)
    assert (metrics.score_c4.notna() == framed).all()
    assert metrics.cells_total[0] == 1200  # 80 % of 1500 stay
    assert (metrics.cells_delivered == 1500).all()
    assert (metrics.cells_left == 300).all()
    types = [
        f"cells_{name}"
        for name in (
            "bmsc", "preosteoblast", "osteoblast", "osteocyte", "adipocyte", "chondrocyte",
            "endothelial", "senescent",
        )
    ]  # fmt: skip
    assert (metrics[types].sum(axis=1) == metrics.cells_total).all()
    balance = metrics.cells_total[0] + metrics.cells_born - metrics.cells_dead
    assert (balance == metrics.cells_total).all()
    assert metrics.cells_preosteoblast.iloc[-1] > 0
    assert (metrics.oxygen_p05_mM <= metrics.oxygen_mean_mM).all()


def test_manifest_names_every_source(reference: Path) -> None:
    manifest = json.loads((reference / "manifest.json").read_text())
    assert manifest["schema"] == 1
    assert manifest["seed"] == 5
    source = manifest["sources"]["cell_types.bmsc.oxygen_uptake"]
    assert source["value"] == "98 fmol/h"
    assert source["mark"] == "read"
    assert "Pattappa" in source["source"]
    assert any("donor" in note for note in manifest["notes"])


def test_two_threads_give_the_same_bytes(tmp_path: Path, monkeypatch: Any) -> None:
    from scaffoldsim.model import lattice, rates

    monkeypatch.setattr(lattice, "_CELLS_PER_THREAD", 1)
    monkeypatch.setattr(rates, "_CELLS_PER_THREAD", 1)
    change = {"cells.number": 8000, "duration": "8 h"}
    for threads in (1, 2, 3):
        Simulation.from_config(SMALL, set=change).run(tmp_path / str(threads), threads=threads)
    assert fingerprint(tmp_path / "1") == fingerprint(tmp_path / "2") == fingerprint(tmp_path / "3")


def test_its_own_config_gives_the_same_bytes(reference: Path, tmp_path: Path) -> None:
    again = Simulation.from_config(reference / "config.yaml")
    again.run(tmp_path / "again")
    assert fingerprint(tmp_path / "again") == fingerprint(reference)
    first = (reference / "config.yaml").read_bytes()
    assert (tmp_path / "again" / "config.yaml").read_bytes() == first


def test_another_seed_gives_another_run(reference: Path, tmp_path: Path) -> None:
    Simulation.from_config(SMALL, seed=6, set={"duration": "12 h"}).run(tmp_path / "six")
    assert (
        ss.Run(tmp_path / "six").metrics.oxygen_mean_mM[1]
        != ss.Run(reference).metrics.oxygen_mean_mM[1]
    )


def start(folder: Path, config: Path) -> subprocess.Popen[bytes]:
    code = (
        "import sys; from scaffoldsim.run.simulation import Simulation\n"
        "Simulation.from_config(sys.argv[1]).run(sys.argv[2])"
    )
    arguments = [sys.executable, "-c", code, str(config), str(folder)]
    return subprocess.Popen(arguments, stderr=subprocess.DEVNULL, env=os.environ.copy())


def wait_for_step(process: subprocess.Popen[bytes], folder: Path, step: int) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if any(int(p.stem[5:]) >= step for p in (folder / "checkpoint").glob("step-*.npz")):
            return
        time.sleep(0.01)
    pytest.fail(f"the run ended, or never came to step {step}")


@pytest.mark.parametrize(
    ("number", "step"), [(signal.SIGKILL, 4), (signal.SIGKILL, 20), (signal.SIGTERM, 13)]
)
def test_an_interrupted_run_goes_on_to_the_same_bytes(
    reference: Path, tmp_path: Path, number: signal.Signals, step: int
) -> None:
    folder = tmp_path / "killed"
    process = start(folder, reference / "config.yaml")
    wait_for_step(process, folder, step)
    process.send_signal(number)
    process.wait()
    status = ss.Run(folder).status
    assert status == ("running" if number == signal.SIGKILL else "interrupted")
    Simulation.resume(folder).run()
    assert fingerprint(folder) == fingerprint(reference)
    assert ss.Run(folder).status == "finished"


def test_a_damaged_checkpoint_falls_back_to_the_one_before(reference: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    process = start(folder, reference / "config.yaml")
    wait_for_step(process, folder, 15)
    process.kill()
    process.wait()
    last = max((folder / "checkpoint").glob("step-*.npz"))
    last.write_bytes(last.read_bytes()[:-500])
    Simulation.resume(folder).run()
    assert fingerprint(folder) == fingerprint(reference)


def test_resume_of_a_finished_run_changes_nothing(reference: Path) -> None:
    before = fingerprint(reference)
    Simulation.resume(reference).run()
    assert fingerprint(reference) == before


def test_an_existing_folder_is_kept_unless_forced(reference: Path, tmp_path: Path) -> None:
    with pytest.raises(FolderExistsError, match="resume"):
        Simulation.from_config(SMALL).run(reference)
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(FolderExistsError, match=r"holds 'thesis\.txt'"):
        Simulation.from_config(SMALL).run(other, force=True)
    (other / "manifest.json").write_text('{"name": "a web page"}')
    (other / "thesis.txt").unlink()
    with pytest.raises(FolderExistsError, match="not a run folder"):
        Simulation.from_config(SMALL).run(other, force=True)
    assert (other / "manifest.json").exists()
    with pytest.raises(FolderExistsError, match="is a file"):
        Simulation.from_config(SMALL).run(other / "manifest.json", force=True)


def test_a_forced_run_replaces_a_run(tmp_path: Path) -> None:
    short = {**SMALL, "duration": "2 h"}
    Simulation.from_config(short).run(tmp_path / "run")
    for name in ("view.html", "cutaway.png", "healing.webp"):  # as `view` and `render` name them
        (tmp_path / "run" / name).write_text("drawn")
    Simulation.from_config(short, seed=8).run(tmp_path / "run", force=True)
    assert ss.Run(tmp_path / "run").manifest["seed"] == 8


def test_a_full_disk_leaves_no_hole(reference: Path, tmp_path: Path, monkeypatch: Any) -> None:
    write, calls = simulation_module._write_frame, []

    def full(state: Any, model: Any) -> None:
        calls.append(model.step_index)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        write(state, model)

    monkeypatch.setattr(simulation_module, "_write_frame", full)
    with pytest.raises(OSError, match="No space"):
        Simulation.from_config(reference / "config.yaml").run(tmp_path / "full")
    assert ss.Run(tmp_path / "full").status == "failed"
    Simulation.resume(tmp_path / "full").run()
    assert fingerprint(tmp_path / "full") == fingerprint(reference)
    assert ss.Run(tmp_path / "full").manifest["error"] is None


def test_a_broken_state_is_never_kept(reference: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def broken(model: ss.Model) -> None:
        if model.step_index == 24:
            model.cells.age[0] = -1.0
            raise InvariantError("planted")

    monkeypatch.setattr(ss.Model, "check", broken)
    with pytest.raises(InvariantError, match="planted"):
        Simulation.from_config(reference / "config.yaml").run(tmp_path / "broken")
    monkeypatch.undo()
    Simulation.resume(tmp_path / "broken").run()
    assert fingerprint(tmp_path / "broken") == fingerprint(reference)


def interrupted(folder: Path, config: Any, step: int, monkeypatch: Any) -> None:
    """A run that failed after `step` steps."""
    advance = ss.Model.step

    def stop(model: ss.Model) -> None:
        if model.step_index == step:
            raise OSError("planted")
        advance(model)

    monkeypatch.setattr(ss.Model, "step", stop)
    with pytest.raises(OSError, match="planted"):
        Simulation.from_config(config).run(folder)
    monkeypatch.undo()


def test_a_body_with_bone_goes_on_to_the_same_bytes(tmp_path: Path, monkeypatch: Any) -> None:
    """Bone of the host, load and a scaffold that dissolves: all of it is in the checkpoint."""
    host = {
        "base": "healthy_rat",
        "load": "femoral_head",
        "bone": {"family": "gyroid_net", "pore_size": "200 um"},
    }
    changes = {
        "scaffold.material": "scpp",
        "scaffold.size": ["0.44 mm", "0.44 mm", "0.88 mm"],
        "faces.z": "host",
        "host": host,
        "cells.donor": {"species": "rat", "age": "6 months"},
        "fields": {"oxygen": "oxygen", "calcium": "calcium"},
        "duration": "30 h",
        "output.frames_every": "15 h",
    }
    whole = Simulation.from_config(SMALL, set=changes)
    run = whole.run(tmp_path / "whole", threads=1)
    interrupted(tmp_path / "parts", tmp_path / "whole" / "config.yaml", 19, monkeypatch)
    Simulation.resume(tmp_path / "parts").run(threads=2)
    assert fingerprint(tmp_path / "parts") == fingerprint(tmp_path / "whole")
    last = run.metrics.iloc[-1]
    assert last.host_bone_fraction > 0.1
    assert last.host_bone_resorbed_mm3 > 0
    assert last.bone_laid_mm3 > 0
    assert last.scaffold_mass < 1
    assert last.calcium_released_mol > 0
    assert last.collapse_index > 0
    assert last.t_score == last.t_score
    assert run.matrix("host_bone", 0).max() > 0.9


def test_resume_refuses_another_configuration(tmp_path: Path, monkeypatch: Any) -> None:
    interrupted(tmp_path / "run", {**SMALL, "duration": "4 h"}, 2, monkeypatch)
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text().replace("seed: 5", "seed: 9"))
    with pytest.raises(ConfigError, match="not the configuration the run began with"):
        Simulation.resume(tmp_path / "run")


@pytest.mark.parametrize("lost", ["metrics.csv", "state.zarr", "checkpoint"])
def test_a_run_that_lost_a_part_begins_anew(
    reference: Path, tmp_path: Path, monkeypatch: Any, lost: str
) -> None:
    folder = tmp_path / "run"
    interrupted(folder, reference / "config.yaml", 14, monkeypatch)
    target = folder / lost
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    Simulation.resume(folder).run()
    assert fingerprint(folder) == fingerprint(reference)


def test_a_folder_that_is_being_written_is_left_alone(tmp_path: Path, monkeypatch: Any) -> None:
    interrupted(tmp_path / "run", {**SMALL, "duration": "4 h"}, 2, monkeypatch)
    with (
        simulation_module._locked(tmp_path / "run"),
        pytest.raises(FolderExistsError, match="another process"),
    ):
        Simulation.resume(tmp_path / "run").run()


def test_a_duration_between_steps_is_said(tmp_path: Path) -> None:
    run = Simulation.from_config(SMALL, set={"duration": "90 min"}).run(tmp_path / "run")
    assert list(run.metrics.time_h) == [0, 2]
    assert any("2 h were run" in note for note in run.manifest["notes"])


def test_an_impossible_scaffold_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="scaffold"):
        Simulation.from_config(SMALL, set={"scaffold.size": "0.2 mm"}).run(tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_too_little_memory_is_refused_with_numbers(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(estimate_module, "free_memory", lambda: 1_000_000)
    with pytest.raises(ResourceError, match=r"GB of memory; 0.0 GB are free"):
        Simulation.from_config(SMALL).run(tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_the_estimate_bounds_cells_and_disk(reference: Path) -> None:
    simulation = Simulation.resume(reference)
    need = estimate(simulation.config)
    run = ss.Run(reference)
    assert need.voxels == pytest.approx(np.prod(run.shape), rel=0.1)
    assert run.metrics.cells_total.max() <= need.cells
    stored = sum(p.stat().st_size for p in reference.rglob("*") if p.is_file())
    assert stored < need.disk_bytes - estimate_module._PAGES_BYTES + 500_000  # not yet written


def test_the_estimate_counts_cells_of_host_bone_and_the_picture() -> None:
    need = estimate(Simulation.from_config("rat_bone").config)
    assert 0.01 * need.voxels < need.cells < 0.1 * need.voxels  # no cell is given
    assert need.picture_bytes > need.memory_bytes


def test_the_estimate_knows_vessels() -> None:
    dense = {"host.vessels.crowded": {"value": "1e6 mm/mm^3", "range": ["1 mm/mm^3", "1e6 mm/mm^3"],
                                      "mark": "assumed", "source": "of a test"}}  # fmt: skip
    none, some, most = (
        estimate(Simulation.from_config("vessels_in_defect", set=change).config)
        for change in ({"host.vessels": None}, {}, dense)
    )
    assert (none.voxels, none.cells) == (some.voxels, some.cells)
    # 2 x 60 mm/mm3 in edges of 20 um are .048 a voxel, of 142 bytes at least; beside them masks
    assert 0.048 * 142 + 8 < (some.memory_bytes - none.memory_bytes) / some.voxels < 100
    assert 1 < some.seconds / none.seconds < 2
    assert some.disk_bytes > none.disk_bytes
    assert 142 < (most.memory_bytes - none.memory_bytes) / some.voxels < 1000, "no voxel holds two"


RULES = """
class Still:
    def apply(self, model, dt):
        model.cells.hop[:] = 0

class StillOneByOne:
    def step(self, cell):
        cell.hop = 0.0

class Chance:
    def apply(self, model, dt):
        draw = model.cells.uniform("chance", seed=model.seed, step=model.step_index)
        model.cells.divide[draw.ravel() < 0.01] = float("inf")

class Broken:
    def apply(self, model, dt):
        if model.step_index == 3:
            model.cells.divide[7] = float("nan")
"""


def with_rule(folder: Path, name: str, **more: Any) -> dict[str, Any]:
    (folder / "rules.py").write_text(RULES)
    return {**SMALL, "duration": "8 h", "behaviours": [f"{folder / 'rules.py'}:{name}"], **more}


def test_a_users_rule_as_columns_and_cell_by_cell_agree(tmp_path: Path) -> None:
    for name in ("Still", "StillOneByOne"):
        config = with_rule(tmp_path, name, cells={"number": 300})
        Simulation.from_config(config).run(tmp_path / name)
    assert fingerprint(tmp_path / "Still") == fingerprint(tmp_path / "StillOneByOne")
    run = ss.Run(tmp_path / "Still")
    first, last = run.cells(0), run.cells(-1)
    stayed = np.isin(last["id"], first["id"])
    where = dict(zip(first["id"], first["voxel"], strict=True))
    assert all(
        where[i] == v for i, v in zip(last["id"][stayed], last["voxel"][stayed], strict=True)
    )


def test_a_rule_that_draws_numbers_is_reproduced_from_the_run_folder(tmp_path: Path) -> None:
    Simulation.from_config(with_rule(tmp_path, "Chance")).run(tmp_path / "a")
    Simulation.from_config(tmp_path / "a" / "config.yaml").run(tmp_path / "b")
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    assert ss.Run(tmp_path / "a").metrics.cells_born.iloc[-1] > 10
    (stored,) = (tmp_path / "a" / "inputs").iterdir()
    assert stored.name.endswith("-rules.py")


def test_a_folder_of_slices_is_kept_and_gives_the_same_run(tmp_path: Path) -> None:
    from tifffile import imwrite

    slices = tmp_path / "slices"
    slices.mkdir()
    solid = np.random.default_rng(0).random((12, 20, 20)) < 0.1
    for z, plane in enumerate(solid):
        imwrite(slices / f"slice_{z}.tif", plane.astype(np.uint8) * 255)
    (slices / ".DS_Store").write_text("none of the image")
    image = {"image": str(slices), "voxel": "20 um", "threshold": 100}
    config = {**SMALL, "scaffold": image, "duration": "3 h", "cells": {"number": 200}}
    one = Simulation.from_config(config)
    before = one.config.hash
    one.run(tmp_path / "one")
    (kept,) = (tmp_path / "one" / "inputs").iterdir()
    assert len(list(kept.iterdir())) == 12
    shutil.rmtree(slices)
    two = Simulation.from_config(tmp_path / "one" / "config.yaml")
    two.run(tmp_path / "two")
    assert two.config.hash == before
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "two")


def test_rules_of_the_same_name_stay_apart(tmp_path: Path) -> None:
    for folder, body in (("a", "model.cells.hop[:] = 0"), ("b", "model.cells.divide[:] = 0")):
        (tmp_path / folder).mkdir()
        text = f"class Rule:\n    def apply(self, model, dt):\n        {body}\n"
        (tmp_path / folder / "rule.py").write_text(text)
    rules = [f"{tmp_path / folder / 'rule.py'}:Rule" for folder in ("a", "b")]
    config = {**SMALL, "duration": "4 h", "cells": {"number": 300}, "behaviours": rules}
    Simulation.from_config(config).run(tmp_path / "one")
    Simulation.from_config(tmp_path / "one" / "config.yaml").run(tmp_path / "two")
    assert len(list((tmp_path / "one" / "inputs").iterdir())) == 2
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "two")
    texts = [(tmp_path / name / "config.yaml").read_bytes() for name in ("one", "two")]
    assert texts[0] == texts[1]


def test_a_rule_that_leaves_python_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "rule.py").write_text(
        "class Rule:\n    def apply(self, model, dt):\n        raise SystemExit(7)\n"
    )
    config = {**SMALL, "duration": "4 h", "behaviours": [f"{tmp_path / 'rule.py'}:Rule"]}
    with pytest.raises(ValueError, match=r"rule\.py:Rule: SystemExit: 7"):
        Simulation.from_config(config).run(tmp_path / "run")


def test_a_broken_rule_stops_the_run_with_a_checkpoint_and_its_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"rules.py:Broken set divide of cell \d+ to nan"):
        Simulation.from_config(with_rule(tmp_path, "Broken")).run(tmp_path / "broken")
    assert ss.Run(tmp_path / "broken").status == "failed"
    assert max((tmp_path / "broken" / "checkpoint").glob("*.npz")).stem == "step-00000003"


def test_a_rule_that_is_not_there_is_a_located_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"rules\.py:Nobody"):
        Simulation.from_config(with_rule(tmp_path, "Nobody")).run(tmp_path / "no")
    with pytest.raises(ConfigError, match="no such file"):
        Simulation.from_config({**SMALL, "behaviours": ["none.py:Rule"]})


def test_no_cells_at_all_is_a_defined_result(tmp_path: Path) -> None:
    config = {**SMALL, "duration": "3 h", "cells": {"number": 0}}
    metrics = Simulation.from_config(config).run(tmp_path / "none").metrics
    assert (metrics.cells_total == 0).all()
    assert metrics.viability.isna().all()
    assert metrics.oxygen_mean_mM.iloc[-1] == pytest.approx(0.2, rel=1e-3)


def test_mesa_batch_run_runs_the_model() -> None:
    grid = {
        "config": [SMALL],
        "set": [{"seed": 1, "duration": "4 h"}, {"seed": 2, "duration": "4 h"}],
    }
    results = mesa.batch_run(ss.Model, grid, max_steps=10, display_progress=False)
    assert {row["time_h"] for row in results} == {4.0}
    assert len({row["oxygen_mean_mM"] for row in results}) == 2


def test_rng_is_the_seed() -> None:
    one = ss.Model(config=SMALL, set={"duration": "2 h"}, rng=11)
    two = ss.Model(config=SMALL, set={"duration": "2 h", "seed": 11})
    for model in (one, two):
        while model.running:
            model.step()
    assert np.array_equal(one.cells.voxel, two.cells.voxel)
    assert one.datacollector.model_vars["time_h"] == [1.0, 2.0]
