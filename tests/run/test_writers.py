from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.run import atomic, writers
from scaffoldsim.run.writers import MetricsWriter, StateWriter

SHAPE = (7, 5, 6)


def digest(root: Path) -> dict[str, str]:
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def create(path: Path, shape: tuple[int, int, int] = SHAPE) -> StateWriter:
    grid = np.random.default_rng(1).normal(size=shape).astype("f4")
    return StateWriter.create(
        path, grid_shape=shape, voxel=2e-5, field_names=["oxygen", "vegf"],
        field_units=["mM", "kg/m3"], type_names=["bmsc"], distance=grid, fraction=grid < 0,
        matrix_names=["scaffold", "osteoid"],
    )  # fmt: skip


def frame(k: int, shape: tuple[int, int, int] = SHAPE) -> tuple[dict, dict, dict]:
    rng = np.random.default_rng(k)
    fields = {name: rng.random(shape).astype("f4") for name in ("oxygen", "vegf")}
    fields["oxygen"][0] = np.nan
    cells = {"id": np.arange(3 * k), "age": rng.random(3 * k).astype("f4")}
    return fields, cells, {name: rng.random(shape).astype("f4") for name in ("scaffold", "osteoid")}


# ---------------------------------------------------------------------------------------- files


def test_atomic_write_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    writers.write_atomic(file, "old\n")
    writers.write_atomic(file, b"new\n")
    assert file.read_bytes() == b"new\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_failed_write_keeps_the_old_file(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.txt"
    writers.write_atomic(file, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, failing, full)
    with pytest.raises(OSError, match="No space"):
        writers.write_atomic(file, "new")
    assert file.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


# ------------------------------------------------------------------------------------- manifest


def test_manifest_round_trip(tmp_path: Path) -> None:
    made = writers.new_manifest(
        title="t", seed=3, config_hash="ab", threads=2, sources={"D": "book"}, notes=["n"]
    )
    writers.write_manifest(tmp_path, made)
    assert writers.read_manifest(tmp_path) == json.loads(json.dumps(made))
    assert made["status"] == "running"
    assert made["end"] is None
    done = writers.update_manifest(tmp_path, status="finished")
    assert done["end"] >= done["start"]
    assert writers.update_manifest(tmp_path, status="running")["end"] is None


def test_bad_manifests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not a run folder"):
        writers.read_manifest(tmp_path)
    with pytest.raises(ValueError, match="finished, interrupted, failed"):
        writers.write_manifest(tmp_path, {"status": "fine"})
    for text, message in (
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"status": "finished", "schema": 2}', "schema 2"),
    ):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            writers.read_manifest(tmp_path)


# -------------------------------------------------------------------------------------- metrics


@given(st.lists(st.floats(allow_infinity=False) | st.integers(-(2**40), 2**40), max_size=8))
@settings(derandomize=True, deadline=None, max_examples=30)
def test_numbers_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, values: list) -> None:
    path = tmp_path_factory.mktemp("m") / "metrics.csv"
    with MetricsWriter(path, ["time_h", "x"]) as table:
        for k, value in enumerate(values):
            table.append({"time_h": k, "x": value})
    lines = path.read_text().splitlines()
    assert lines[0] == "time_h,x"
    for line, value in zip(lines[1:], values, strict=True):
        text = line.split(",")[1]
        if isinstance(value, float) and np.isnan(value):
            assert text == ""
        else:
            assert type(value)(text) == value
            assert isinstance(value, int) == text.lstrip("-").isdigit()


def test_what_is_not_modelled_is_empty_never_zero(tmp_path: Path) -> None:
    with MetricsWriter(tmp_path / "m.csv", ["time_h", "a", "b", "c", "d"]) as table:
        table.append({"time_h": 0.0, "a": None, "b": np.float32("nan"), "d": np.int32(0)})
    assert (tmp_path / "m.csv").read_text().splitlines()[1] == "0.0,,,,0"


def test_resume_keeps_rows_and_cuts_what_a_kill_left(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    with MetricsWriter(path, ["time_h", "x"]) as table:
        for k in range(5):
            table.append({"time_h": k, "x": k / 3})
    whole = path.read_bytes()
    with path.open("ab") as stream:
        stream.write(b"5,1.6")
    with MetricsWriter(path, ["time_h", "x"], rows=3) as table:
        assert path.read_text().count("\n") == 4
        for k in (3, 4):
            table.append({"time_h": k, "x": k / 3})
        assert table.rows == 5
    assert path.read_bytes() == whole
    with pytest.raises(ValueError, match="only 5 whole rows"):
        MetricsWriter(path, ["time_h", "x"], rows=6)
    with pytest.raises(ValueError, match=r"different: \['x', 'y'\]"):
        MetricsWriter(path, ["time_h", "y"], rows=1)


def test_bad_rows_are_refused(tmp_path: Path) -> None:
    with MetricsWriter(tmp_path / "m.csv", ["time_h", "x"]) as table:
        with pytest.raises(ValueError, match="no column 'z'"):
            table.append({"z": 1})
        with pytest.raises(ValueError, match="'x' holds 'many'"):
            table.append({"x": "many"})
    with pytest.raises(ValueError, match="repeated"):
        MetricsWriter(tmp_path / "m.csv", ["x", "x"])


def test_commit_reaches_other_readers(tmp_path: Path) -> None:
    table = MetricsWriter(tmp_path / "m.csv", ["x"])
    table.append({"x": 1})
    table.commit()
    assert (tmp_path / "m.csv").read_text() == "x\n1\n"
    table.close()
    table.close()


# ---------------------------------------------------------------------------------------- state


def test_equal_data_gives_equal_bytes_and_resume_the_same(tmp_path: Path) -> None:
    for name in ("a", "b"):
        writer = create(tmp_path / name)
        for k in range(3):
            writer.write_frame(24.0 * k, *frame(k))
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    # A later frame half-written by a killed process goes, and the rest is written again.
    (tmp_path / "b" / "cells" / "3" / "id").mkdir(parents=True)
    (tmp_path / "b" / "matrix" / "0" / "c" / "3").mkdir()
    (tmp_path / "b" / "matrix" / "0" / "c" / "3" / "shard").write_bytes(b"x")
    for left in ("cells/3/id/zarr.0f.partial", "matrix/0/zarr.0f.partial", ".zarr.json.7.partial"):
        (tmp_path / "b" / left).write_bytes(b"x")
    again = StateWriter.reopen(tmp_path / "b", frames=1)
    assert again.frames == 1
    for k in (1, 2):
        again.write_frame(24.0 * k, *frame(k))
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_a_frame_counts_only_when_all_of_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = create(tmp_path / "s")
    writer.write_frame(0.0, *frame(1))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for step in ("create_array", "open_array"):
        with monkeypatch.context() as patch:
            patch.setattr(zarr, step, killed)
            with pytest.raises(KeyboardInterrupt):
                writer.write_frame(1.0, *frame(2))
        assert writers.read_state_attributes(tmp_path / "s")["frames_committed"] == 1
    again = StateWriter.reopen(tmp_path / "s", frames=1)
    again.write_frame(1.0, *frame(2))
    fresh = create(tmp_path / "fresh")
    for k in (1, 2):
        fresh.write_frame(k - 1.0, *frame(k))
    assert digest(tmp_path / "s") == digest(tmp_path / "fresh")


def test_layout_is_ome_ngff(tmp_path: Path) -> None:
    writer = create(tmp_path / "s")
    fields, cells, matrix = frame(1)
    writer.write_frame(6.0, fields, cells, matrix)
    root = zarr.open_group(str(tmp_path / "s"), mode="r")
    array = root["fields/0"]
    assert array.shape == (1, 2, *SHAPE[::-1])
    assert array.metadata.dimension_names == ("t", "c", "z", "y", "x")
    np.testing.assert_array_equal(array[0, 1], fields["vegf"].T)
    ome = root["fields"].attrs["ome"]
    assert ome["version"] == "0.5"
    axes = ome["multiscales"][0]["axes"]
    assert [a["name"] for a in axes] == ["t", "c", "z", "y", "x"]
    assert [a.get("unit") for a in axes] == ["hour", None, *["micrometer"] * 3]
    scale = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert scale == [1.0, 1.0, 20.0, 20.0, 20.0]
    assert [c["label"] for c in ome["omero"]["channels"]] == ["oxygen", "vegf"]
    assert root["scaffold/distance"].shape == SHAPE[::-1]
    assert root["matrix/0"].metadata.dimension_names == ("t", "c", "z", "y", "x")
    np.testing.assert_array_equal(root["matrix/0"][0, 1], matrix["osteoid"].T)
    channels = root["matrix"].attrs["ome"]["omero"]["channels"]
    assert [c["label"] for c in channels] == ["scaffold", "osteoid"]
    np.testing.assert_array_equal(root["cells/0/id"][:], cells["id"])
    assert root["cells/0/id"].dtype == np.int64
    assert root.attrs["frames_committed"] == 1


@pytest.mark.parametrize(("n", "chunk"), [(1, 1), (64, 64), (80, 40), (100, 50), (131, 44)])
def test_chunks_divide_the_axis(n: int, chunk: int, tmp_path: Path) -> None:
    writer = create(tmp_path / "s", shape=(n, 2, 3))
    fields, cells, matrix = frame(1, (n, 2, 3))
    writer.write_frame(0.0, fields, cells, matrix)
    array = zarr.open_array(str(tmp_path / "s" / "fields" / "0"), mode="r")
    assert array.chunks[-1] == chunk
    np.testing.assert_array_equal(array[0, 0], fields["oxygen"].T)
    shards = [p for p in (tmp_path / "s" / "fields" / "0" / "c").rglob("*") if p.is_file()]
    assert len(shards) == 2


def test_bad_frames_are_refused_and_nothing_is_counted(tmp_path: Path) -> None:
    writer = create(tmp_path / "s")
    fields, cells, matrix = frame(2)
    writer.write_frame(1.0, fields, cells, matrix)
    for time_h, f, c, m, message in (
        (1.0, fields, cells, matrix, "later than the last"),
        (2.0, {"oxygen": fields["oxygen"]}, cells, matrix, "needs the fields"),
        (2.0, fields | {"vegf": np.zeros((2, 2, 2))}, cells, matrix, "fields 'vegf': shape"),
        (2.0, fields, cells | {"id": np.arange(4)}, matrix, "one length"),
        (2.0, fields, cells, None, r"needs the matrix \['scaffold', 'osteoid'\]; given: \[\]"),
        (2.0, fields, cells, matrix | {"osteoid": np.zeros(3)}, "matrix 'osteoid': shape"),
    ):
        with pytest.raises(ValueError, match=message):
            writer.write_frame(time_h, f, c, m)
    assert writers.read_state_attributes(tmp_path / "s")["frame_times_h"] == [1.0]
    with pytest.raises(ValueError, match="holds 1 frames"):
        StateWriter.reopen(tmp_path / "s", frames=2)
    with pytest.raises(FileExistsError, match="exists"):
        create(tmp_path / "s")


def test_bad_grids_are_refused(tmp_path: Path) -> None:
    one = np.zeros((2, 2, 2))
    for change, message in (
        ({"distance": np.zeros((2, 2, 3))}, "distance has shape"),
        ({"field_units": []}, "0 field units"),
        ({"field_names": ["a", "a"], "field_units": ["", ""]}, "must differ"),
        ({"matrix_names": ["osteoid", "osteoid"]}, "must differ"),
        ({"grid_shape": (2, 2)}, "three positive"),
    ):
        given_ = dict(
            grid_shape=(2, 2, 2), voxel=1e-5, field_names=["a"], field_units=["mM"],
            type_names=[], distance=one, fraction=one,
        ) | change  # fmt: skip
        with pytest.raises(ValueError, match=message):
            StateWriter.create(tmp_path / "s", **given_)
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys
from pathlib import Path
from tests.run.test_writers import create, frame, MetricsWriter
folder = Path(sys.argv[1])
state = create(folder / "s", (24, 24, 24))
table = MetricsWriter(folder / "m.csv", ["time_h"])
for k in range(10_000):
    table.append({"time_h": k})
    table.commit()
    state.write_frame(float(k), *frame(k, (24, 24, 24)))
    print(k, flush=True)
"""


@pytest.mark.parametrize("delay", [0.003, 0.011])
def test_kill_at_any_moment_leaves_whole_frames(tmp_path: Path, delay: float) -> None:
    root = Path(__file__).resolve().parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        cwd=root, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(root)},
    )  # fmt: skip
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) == 3:
            time.sleep(delay)
            child.send_signal(signal.SIGKILL)
            break
    child.wait()
    child.stdout.close()
    committed = writers.read_state_attributes(tmp_path / "s")["frames_committed"]
    assert committed >= 4
    StateWriter.reopen(tmp_path / "s", frames=committed)
    root_group = zarr.open_group(str(tmp_path / "s"), mode="r")
    for k in range(committed):
        fields, cells, matrix = frame(k, (24, 24, 24))
        np.testing.assert_array_equal(root_group["fields/0"][k, 0], fields["oxygen"].T)
        np.testing.assert_array_equal(root_group["matrix/0"][k, 1], matrix["osteoid"].T)
        np.testing.assert_array_equal(root_group[f"cells/{k}/id"][:], cells["id"])
    with MetricsWriter(tmp_path / "m.csv", ["time_h"], rows=committed) as table:
        assert table.rows == committed
