"""Tables of parquet and csv: a row for each cell, edge and tip, and the run's own numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaffoldsim import export
from scaffoldsim.run.manifest import update_manifest
from scaffoldsim.run.record import Run
from tests.export.box import ORIGINS, SHAPE, TIMES, TYPES, cells_at, vessels_at

CELLS = [
    "frame", "time_h", "id", "type", "x_um", "y_um", "z_um", "age_h", "doublings", "clone",
    "parent", "origin", "oxygen_mM", "vegf_ng_per_mL",
]  # fmt: skip
ENDS = [f"{axis}{end}_um" for end in (1, 2) for axis in "xyz"]
EDGES = [
    "frame", "time_h", *ENDS, "node_1", "node_2", "radius_um", "length_um", "perfused",
]  # fmt: skip
TIPS = ["frame", "time_h", *ENDS, "node"]


def read(folder: Path, name: str) -> pd.DataFrame:
    path = folder / f"{name}.{folder.name}"
    if path.suffix == ".csv":
        return pd.read_csv(path)
    return pd.read_parquet(path)


@pytest.fixture(scope="module", params=["csv", "parquet"])
def folder(box: Run, tmp_path_factory: pytest.TempPathFactory, request) -> Path:
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return export.write(box, request.param, tmp_path_factory.mktemp("tables") / request.param)


def test_cells_are_those_of_the_run(box: Run, folder: Path) -> None:
    table = read(folder, "cells")

    assert list(table) == CELLS
    assert list(table["frame"]) == [1] * 8 + [2] * 16
    for frame, rows in table.groupby("frame"):
        stored = cells_at(frame)
        assert (rows["time_h"] == TIMES[frame]).all()
        assert list(rows["type"]) == [TYPES[code] for code in stored["type"]]
        assert list(rows["origin"]) == [ORIGINS[code] for code in stored["origin"]]
        ijk = np.stack(np.unravel_index(stored["voxel"], SHAPE), axis=1)
        np.testing.assert_array_equal(rows[["x_um", "y_um", "z_um"]], 20.0 * ijk + 10)
        for name in ("id", "clone", "parent"):
            np.testing.assert_array_equal(rows[name], stored[name])
        np.testing.assert_array_equal(rows["age_h"], stored["age"].astype(float) / 3600)
        np.testing.assert_array_equal(rows["doublings"].astype("f4"), stored["doublings"])
        for column, name in (("oxygen_mM", "oxygen"), ("vegf_ng_per_mL", "vegf")):
            there = box.field(name, frame)[tuple(ijk.T)]
            np.testing.assert_array_equal(rows[column].astype("f4"), there)


def test_vessels_and_tips_are_those_of_the_run(folder: Path) -> None:
    edges, tips = read(folder, "vessels"), read(folder, "tips")

    assert list(edges) == EDGES
    assert list(tips) == TIPS
    assert list(edges["frame"]) == [1] * 3 + [2] * 6
    assert list(tips["frame"]) == [1, 2]
    assert edges["perfused"].dtype == bool
    for frame in (1, 2):
        stored, rows = vessels_at(frame), edges[edges["frame"] == frame]
        ends = stored["ends"].astype(float) * 1e6
        np.testing.assert_allclose(rows[ENDS], ends.reshape(-1, 6), rtol=0, atol=1e-6)
        np.testing.assert_array_equal(rows[["node_1", "node_2"]], stored["nodes"])
        np.testing.assert_allclose(rows["radius_um"], stored["radius"] * 1e6, atol=1e-6)
        length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
        np.testing.assert_allclose(rows["length_um"], length, rtol=0, atol=3e-6)
        np.testing.assert_array_equal(rows["perfused"], stored["carries"])
        tip = tips[tips["frame"] == frame]
        np.testing.assert_allclose(tip[ENDS], stored["tips"].reshape(-1, 6) * 1e6, atol=1e-6)
        np.testing.assert_array_equal(tip["node"], stored["tip_nodes"])


def test_metrics_are_copied(box: Run, folder: Path) -> None:
    if folder.name == "csv":
        original = (box.path / "metrics.csv").read_bytes()
        assert (folder / "metrics.csv").read_bytes() == original
    pd.testing.assert_frame_equal(read(folder, "metrics"), box.metrics)


def test_types_of_a_parquet_table_are_kept(box: Run, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = export.write(box, "parquet", tmp_path / "out") / "cells.parquet"

    table = pd.read_parquet(path)
    assert table["doublings"].dtype == table["oxygen_mM"].dtype == np.float32
    assert list(table["type"].cat.categories) == TYPES
    assert parquet.ParquetFile(path).num_row_groups == len(TIMES)


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_without_anything_a_table_has_its_columns(bare: Run, to: str, tmp_path: Path) -> None:
    folder = export.write(bare, to, tmp_path / to)

    assert sorted(path.stem for path in folder.iterdir()) == ["cells", "metrics"]
    table = read(folder, "cells")
    assert list(table) == CELLS[:-2]
    assert len(table) == 0


def test_a_line_that_a_kill_cut_is_left_out(run: Run) -> None:
    update_manifest(run.path, status="interrupted")
    whole = (run.path / "metrics.csv").read_text()
    with (run.path / "metrics.csv").open("a") as table:
        table.write("30.0,2")

    folder = export.write(run.path, "csv")

    assert (folder / "metrics.csv").read_text() == whole


def test_origins_a_run_does_not_name_are_numbers(run: Run) -> None:
    root = run.path / "state.zarr" / "zarr.json"
    document = json.loads(root.read_text())
    del document["attributes"]["origin_names"]  # as in runs of a version before
    root.write_text(json.dumps(document))

    table = pd.read_csv(export.write(run.path, "csv") / "cells.csv")

    assert list(table["origin"]) == [*cells_at(1)["origin"], *cells_at(2)["origin"]]


def test_every_column_is_explained() -> None:
    text = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")

    for name in {*CELLS, *EDGES, *TIPS}:
        assert f"`{name}`" in text, name
