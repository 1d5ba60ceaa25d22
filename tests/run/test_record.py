from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from scaffoldsim.run import writers
from scaffoldsim.run.record import Run
from tests.run.synthetic import tissue_of, write_run


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run.path, tmp_path / "copy"))


def test_everything_comes_back(run: Run) -> None:
    assert repr(run) == f"Run({str(run.path)!r}, finished, seed 1, 3 frames)"
    assert run.frames == [0.0, 336.0, 672.0]
    assert run.shape == (12, 12, 12)
    assert run.voxel == 2e-5
    assert run.config["scaffold"]["porosity"] == 0.92
    assert run.field_units == {"oxygen": "mM"}
    assert run.notes == ["size rounded to whole periods"]
    assert run.morphometry is not None
    assert run.morphometry["pore_size_mean_um"] == 601.0
    assert run.metrics["cells_total"].dtype.kind == "i"
    assert run.metrics["bv_tv"].isna().all()
    assert run.metrics["time_h"].tolist() == [24.0 * d for d in range(29)]
    np.testing.assert_array_equal(run.fraction > 0.5, run.distance < 0)


def test_frames_are_x_y_z_and_cells_stand_in_the_pore(run: Run) -> None:
    oxygen = run.field("oxygen", 1)
    assert oxygen.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(np.isnan(oxygen), run.distance < 0)
    profile = np.nanmean(oxygen, axis=(0, 1))
    assert profile[0] > profile[6]  # medium at the z faces
    assert np.nanmax(np.nanstd(oxygen, axis=(0, 1))) < 1e-6
    cells = run.cells()
    assert set(cells) == {"id", "voxel", "type"}
    assert (run.distance.ravel()[cells["voxel"]] >= 0).all()
    ijk = np.floor(run.positions() / run.voxel).astype(int)
    np.testing.assert_array_equal(np.ravel_multi_index(tuple(ijk.T), run.shape), cells["voxel"])


def test_what_a_voxel_holds_comes_back_frame_by_frame(healing: Run) -> None:
    assert healing.matrix_names == ["scaffold", "osteoid", "mineral", "host_bone"]
    for frame, day in enumerate((0, 14, 28)):
        expected = tissue_of(healing.distance, healing.voxel, day)
        for name, share in expected.items():
            np.testing.assert_array_equal(healing.matrix(name, frame), share)
    assert healing.matrix("mineral").sum() > healing.matrix("mineral", 1).sum() > 0
    with pytest.raises(ValueError, match="no share of a voxel 'cement'"):
        healing.matrix("cement")


def test_a_run_without_bone_stores_no_matrix(run: Run, copy: Path) -> None:
    assert run.matrix_names == []
    assert not (run.path / "state.zarr" / "matrix").exists()
    # A run of a version that knew of no matrix is read, and gone on with.
    root = copy / "state.zarr" / "zarr.json"
    document = json.loads(root.read_text())
    del document["attributes"]["matrix_names"]
    root.write_text(json.dumps(document))
    assert Run(copy).matrix_names == []
    assert writers.StateWriter.reopen(copy / "state.zarr", frames=2).frames == 2


def test_a_truncated_matrix_is_an_error_not_zeros(healing: Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(healing.path, tmp_path / "copy"))
    shutil.rmtree(copy / "state.zarr" / "matrix" / "0" / "c" / "1" / "2")
    with pytest.raises(ValueError, match="share of a voxel 'mineral' of frame 1 is missing"):
        Run(copy).matrix("mineral", 1)
    assert Run(copy).matrix("mineral", 2).any()


def test_a_moment_finds_its_frame(run: Run) -> None:
    assert [run.frame_at(t) for t in (None, 0, 200, 400, 1e9)] == [2, 0, 1, 1, 2]


def test_arrays_of_one_value_are_not_taken_for_missing(tmp_path: Path) -> None:
    empty = np.zeros((4, 4, 4), np.float32)
    state = writers.StateWriter.create(
        tmp_path / "state.zarr", grid_shape=(4, 4, 4), voxel=2e-5, field_names=["oxygen"],
        field_units=["mM"], type_names=["bmsc"], distance=empty, fraction=empty,
    )  # fmt: skip
    state.write_frame(0.0, {"oxygen": empty + np.nan}, {"id": np.arange(0), "age": np.zeros(0)})
    writers.write_manifest(
        tmp_path, writers.new_manifest(title="t", seed=1, config_hash="", threads=1)
    )
    run = Run(tmp_path)
    assert (run.fraction == 0).all()
    assert (run.distance == 0).all()
    assert np.isnan(run.field("oxygen")).all()
    assert run.cells()["id"].size == 0


def test_what_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no run folder"):
        Run(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="not a run folder"):
        Run(tmp_path)
    with pytest.raises(ValueError, match="no field 'vegf'"):
        run.field("vegf")
    with pytest.raises(ValueError, match="no frame 3; it has 0 to 2"):
        run.cells(3)


def test_a_run_that_has_no_frame_yet_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "r", n=8, cells=20, days=(1.5,), status="running")
    assert run.frames == []
    for read in (lambda: run.field("oxygen"), run.cells, run.frame_at):
        with pytest.raises(ValueError, match="no stored frame yet"):
            read()
    shutil.rmtree(run.path / "state.zarr")
    assert repr(Run(run.path)).endswith("0 frames)")
    with pytest.raises(FileNotFoundError, match="no state"):
        Run(run.path).cells()


@pytest.mark.parametrize(
    ("victim", "read"),
    [
        ("state.zarr/fields/0/c/1", lambda run: run.field("oxygen", 1)),
        ("state.zarr/fields/0/zarr.json", lambda run: run.field("oxygen", 1)),
        ("state.zarr/cells/1", lambda run: run.cells(1)),
        ("state.zarr/cells/1/voxel/c", lambda run: run.cells(1)),
        ("state.zarr/cells/1/voxel/zarr.json", lambda run: run.cells(1)),
        ("state.zarr/scaffold/distance/c", lambda run: run.distance),
    ],
)
def test_truncated_state_is_an_error_not_zeros(copy: Path, victim: str, read: object) -> None:
    target = copy / victim
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(ValueError, match="truncated"):
        read(Run(copy))  # type: ignore[operator]


def test_damaged_bytes_are_an_error(copy: Path) -> None:
    shard = copy / "state.zarr/fields/0/c/1/0/0/0/0"
    shard.write_bytes(shard.read_bytes()[:40])
    with pytest.raises(ValueError, match="damaged"):
        Run(copy).field("oxygen", 1)
    (copy / "state.zarr" / "zarr.json").write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        _ = Run(copy).frames
    (copy / "config.yaml").write_text("a: [")
    with pytest.raises(ValueError, match="damaged"):
        _ = Run(copy).config
    (copy / "morphometry.json").write_text("a")
    with pytest.raises(ValueError, match="damaged"):
        _ = Run(copy).morphometry


def test_yaml_cannot_build_objects(copy: Path) -> None:
    (copy / "config.yaml").write_text("a: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(ValueError, match="damaged"):
        _ = Run(copy).config


def test_a_cut_last_line_counts_only_in_a_finished_run(copy: Path) -> None:
    table = copy / "metrics.csv"
    whole = len(Run(copy).metrics)
    table.write_bytes(table.read_bytes() + b"672.5,12")
    with pytest.raises(ValueError, match="truncated in line 31"):
        _ = Run(copy).metrics
    writers.update_manifest(copy, status="interrupted")
    assert len(Run(copy).metrics) == whole


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\n24.0,", "\n24.0,1,", "line 3: 18 entries, the header has 17"),
        ("\n24.0,", "\nmonday,", "line 3: 'monday' is not a number"),
        ("time_h,", "hours,", "names no column time_h"),
    ],
)
def test_damaged_metrics_name_the_line(copy: Path, old: str, new: str, message: str) -> None:
    table = copy / "metrics.csv"
    table.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        _ = Run(copy).metrics
