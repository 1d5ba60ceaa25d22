"""VTKHDF, read by VTK's own reader: places, times and values are those of the run."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvista
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline
from vtkmodules.vtkIOHDF import vtkHDFReader

from scaffoldsim import export
from scaffoldsim.export import vtkhdf
from scaffoldsim.run.record import Run
from tests.export.box import SHAPE, TIMES, cells_at, vessels_at

pytest.importorskip("h5py")


def read(path: Path) -> tuple[tuple[float, ...] | None, list[Any]]:
    """Times of a file, if it has any, and its data set at each."""
    reader = vtkHDFReader()
    reader.SetFileName(str(path))
    reader.UpdateInformation()
    times = reader.GetOutputInformation(0).Get(vtkStreamingDemandDrivenPipeline.TIME_STEPS())
    sets: dict[int, Any] = {}
    for step in sorted(range(reader.GetNumberOfSteps()), key=lambda step: (step % 2, -step)):
        reader.SetStep(step)  # as with a slider, in any order
        reader.Update()
        sets[step] = pyvista.wrap(reader.GetOutputDataObject(0)).copy()
    return times, [sets[step] for step in sorted(sets)]


@pytest.fixture(scope="module")
def folder(box: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export.write(box, "vtkhdf", tmp_path_factory.mktemp("vtkhdf") / "out")


def test_voxels_are_where_they_are_and_when(box: Run, folder: Path) -> None:
    times, images = read(folder / "voxels.vtkhdf")

    assert times == TIMES
    for frame, image in enumerate(images):
        assert image.dimensions == SHAPE
        assert image.spacing == (20.0, 20.0, 20.0)
        assert image.origin == (10.0, 10.0, 10.0)
        expected = {
            "oxygen_mM": box.field("oxygen", frame),
            "vegf_ng_per_mL": box.field("vegf", frame),
            **{name: box.matrix(name, frame) for name in box.matrix_names},
            "distance_um": box.distance * np.float32(1e6),
        }
        assert set(image.point_data.keys()) == set(expected)
        for name, values in expected.items():
            np.testing.assert_array_equal(
                np.asarray(image.point_data[name]).reshape(SHAPE, order="F"), values, name
            )
    # a place of the image is that of the cells: the voxel (3, 1, 5)
    at = images[2].find_closest_point((70.0, 30.0, 110.0))
    assert tuple(images[2].points[at]) == (70.0, 30.0, 110.0)
    assert images[2].point_data["scaffold"][at] == box.matrix("scaffold", 2)[3, 1, 5]


def test_cells_are_points_with_columns(box: Run, folder: Path) -> None:
    times, sets = read(folder / "cells.vtkhdf")

    assert times == TIMES
    assert [points.n_points for points in sets] == [0, 8, 16]
    for frame, points in enumerate(sets):
        stored = cells_at(frame)
        ijk = np.stack(np.unravel_index(stored["voxel"], SHAPE), axis=1)
        np.testing.assert_array_equal(points.points, 20.0 * ijk + 10)
        assert points.n_verts == points.n_cells == len(ijk)
        for name in ("id", "type", "origin", "parent", "clone", "doublings"):
            np.testing.assert_array_equal(points.point_data[name], stored[name], name)
        age = stored["age"].astype(float) / 3600
        np.testing.assert_array_equal(points.point_data["age_h"], age)
        np.testing.assert_array_equal(
            points.point_data["oxygen_mM"], box.field("oxygen", frame)[tuple(ijk.T)]
        )


def test_vessels_are_lines_and_tips_points(folder: Path) -> None:
    times, sets = read(folder / "vessels.vtkhdf")

    assert times == TIMES
    assert [(each.n_lines, each.n_verts) for each in sets] == [(0, 0), (3, 1), (6, 1)]
    for frame in (1, 2):
        lines, stored = sets[frame], vessels_at(frame)
        pairs = lines.lines.reshape(-1, 3)
        assert (pairs[:, 0] == 2).all()
        np.testing.assert_allclose(lines.points[pairs[:, 1:]], stored["ends"] * 1e6, rtol=1e-6)
        np.testing.assert_array_equal(lines.point_data["node"][pairs[:, 1:]], stored["nodes"])
        for end in (1, 2):
            rows = pairs[:, end]
            np.testing.assert_array_equal(lines.point_data["perfused"][rows], stored["carries"])
            np.testing.assert_allclose(
                lines.point_data["radius_um"][rows], stored["radius"] * 1e6, rtol=1e-6
            )
            assert not lines.point_data["tip"][rows].any()
        at = lines.verts.reshape(-1, 2)[:, 1]
        np.testing.assert_allclose(lines.points[at], stored["tips"][:, 1] * 1e6, rtol=1e-6)
        assert lines.point_data["tip"][at].all()


@pytest.mark.parametrize("numbers", [[0, 3, 6], [2, 0, 3], [0, 2, 0, 3, 0, 0, 4, 1], [3, 0, 0]])
def test_a_time_without_lines_does_not_spoil_the_next(tmp_path: Path, numbers: list[int]) -> None:
    import h5py

    with h5py.File(tmp_path / "lines.vtkhdf", "w") as file:
        written = vtkhdf._Polygons(file)
        for time, n in enumerate(numbers):
            lines, places = np.arange(2 * n).reshape(n, 2), np.full((2 * n, 3), time)
            written.append(time, places, {}, vertices=np.arange(0), lines=lines)

    for n, lines in zip(numbers, read(tmp_path / "lines.vtkhdf")[1], strict=True):
        pairs = np.arange(2 * n).reshape(n, 2)
        np.testing.assert_array_equal(lines.lines.reshape(-1, 3)[:, 1:], pairs)


def test_what_codes_mean_stands_beside(folder: Path) -> None:
    text = (folder / "README.txt").read_text()

    assert "type: 0 bmsc, 1 osteoblast, 2 adipocyte" in text
    assert "origin: 0 autologous, 1 allogeneic, 2 host" in text


def test_without_anything_there_is_the_scaffold(bare: Run, tmp_path: Path) -> None:
    out = export.write(bare, "vtkhdf", tmp_path / "out")

    assert sorted(path.name for path in out.iterdir()) == [
        "README.txt", "cells.vtkhdf", "voxels.vtkhdf",
    ]  # fmt: skip
    times, (image,) = read(out / "voxels.vtkhdf")
    assert times is None  # VTK takes one time for none, so the file is one without
    import h5py

    for name in ("voxels", "cells"):
        with h5py.File(out / f"{name}.vtkhdf") as file:
            assert "Steps" not in file["VTKHDF"]
    assert set(image.point_data.keys()) == {"scaffold", "distance_um"}
    np.testing.assert_array_equal(
        np.asarray(image.point_data["scaffold"]).reshape(SHAPE, order="F"), bare.fraction
    )
    assert read(out / "cells.vtkhdf")[1][0].n_points == 0
    assert pyvista.read(out / "voxels.vtkhdf").n_points == image.n_points


def test_an_interruption_waits_until_hdf5_is_not_at_work(
    box: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, ended = vtkhdf._Image.append, []

    def interrupted(self: Any, time: float, frame: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        append(self, time, frame)
        ended.append(frame)

    monkeypatch.setattr(vtkhdf._Image, "append", interrupted)
    before = signal.getsignal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        export.write(box, "vtkhdf", tmp_path / "out")

    assert ended == [0]
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is before


def test_from_another_thread(box: Run, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        path = pool.submit(export.write, box, "vtkhdf", tmp_path / "out").result()

    assert read(path / "cells.vtkhdf")[0] == TIMES
