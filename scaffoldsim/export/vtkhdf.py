"""VTKHDF for ParaView: one file of voxels, one of cells, one of vessels, each with all times.

Lengths are in µm, times in h. Values of voxels stand at the points of an image whose origin is the
centre of the first voxel, so that they can be contoured and drawn as a volume as they are; a file
of cells or vessels is a set of points or lines for each time.

Source: VTK file formats, VTKHDF 2.0 (https://docs.vtk.org/en/latest/vtk_file_formats/).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scaffoldsim.export.frames import (
    UM,
    cells_of,
    legend,
    most_cells,
    packed_bytes,
    vessels_of,
    voxel_series,
    voxel_um,
)
from scaffoldsim.export.hdf5 import Hdf5File, interrupts_held
from scaffoldsim.run.record import Run

Array = npt.NDArray[Any]

_VERSION = (2, 0)
#: VTK reads deflated chunks only; higher levels take twice the time for 2 % of the size
_PACKED: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
#: sides of a chunk, z, y, x: whole rows, and a slab that reads fast
_CHUNK = (16, 128, 128)
#: rows of a chunk: of values of points, and of tables with a row for each time
_ROWS, _TIMES = 1 << 14, 1 << 8
#: kinds of cells of a vtkPolyData, in VTK's order
_CELLS = ("Vertices", "Lines", "Polygons", "Strips")


def bytes_of(run: Run, frames: Sequence[int]) -> int:
    """About the most that an export takes."""
    voxels, cells = math.prod(run.shape), most_cells(run)
    raw = len(frames) * (4 * voxels * len(voxel_series(run)) + 100 * cells) + 4 * voxels
    return packed_bytes(run, len(frames), raw)


def write_frames(run: Run, frames: Sequence[int], part: Path, done: Callable[[int], None]) -> None:
    """Write the frames into the folder `part`."""
    with ExitStack() as open_files:
        files: list[Hdf5File] = []

        def new(name: str) -> Any:
            files.append(open_files.enter_context(Hdf5File(part / f"{name}.vtkhdf")))
            return files[-1].root

        check = open_files.enter_context(interrupts_held())
        voxels = _Image(new("voxels"), run, len(frames))
        cells = _Polygons(new("cells"))
        vessels = None if run.vessels(frames[0]) is None else _Polygons(new("vessels"))
        for count, frame in enumerate(frames):
            time = run.frames[frame]
            voxels.append(time, frame)
            columns = cells_of(run, frame)
            points = np.stack([columns.pop(f"{axis}_um") for axis in "xyz"], axis=1)
            cells.append(time, points, columns, vertices=np.arange(len(points)))
            if vessels is not None:
                _append_vessels(vessels, time, run, frame)
            check()
            for file in files:
                file.require_written()
            done(count + 1)
        if len(frames) == 1:  # VTK takes data of one time for data without time
            for file in files:
                del file.root["VTKHDF/Steps"]
        for file in files:
            file.close()
        check()
    (part / "README.txt").write_text(legend(run), encoding="utf-8")


def _append_vessels(file: _Polygons, time: float, run: Run, frame: int) -> None:
    """Each edge is a line of two points of its own, which carry its values; a tip is a point."""
    edges, tips = vessels_of(run, frame)
    n, k = len(edges["radius_um"]), len(tips["node"])
    points = np.concatenate([edges["ends_um"].reshape(-1, 3), tips["ends_um"][:, 1]])
    nodes = np.stack([edges["node_1"], edges["node_2"]], axis=1).ravel()
    values: dict[str, Array] = {
        "radius_um": np.append(np.repeat(edges["radius_um"], 2), np.zeros(k)).astype(np.float32),
        "perfused": np.append(np.repeat(edges["perfused"], 2), np.zeros(k)).astype(np.uint8),
        "tip": np.repeat(np.array([0, 1], np.uint8), [2 * n, k]),
        "node": np.append(nodes, tips["node"]).astype(np.int32),
    }
    lines = np.arange(2 * n).reshape(n, 2)
    file.append(time, points, values, vertices=np.arange(2 * n, 2 * n + k), lines=lines)


def _root(file: Any, kind: str) -> Any:
    """Make the group that VTK looks for, of a kind of data set."""
    import h5py

    group = file.create_group("VTKHDF")
    group.attrs["Version"] = _VERSION
    name = kind.encode("ascii")
    group.attrs.create("Type", name, dtype=h5py.string_dtype("ascii", len(name)))
    steps = group.create_group("Steps")
    steps.attrs["NSteps"] = 0
    return group


def _growing(group: Any, name: str, dtype: Any, shape: tuple[int, ...] = ()) -> Any:
    """Make an empty array that grows along its first axis."""
    return group.create_dataset(
        name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(_ROWS, *shape), **_PACKED
    )


def _table(group: Any, name: str, dtype: Any = "i8", shape: tuple[int, ...] = ()) -> Any:
    """Make an empty array that gets a row for each time."""
    return group.create_dataset(
        name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(_TIMES, *shape)
    )


def _append(array: Any, values: Any) -> None:
    added = np.asarray(values).reshape(-1, *array.shape[1:])
    count = len(array)
    array.resize(count + len(added), axis=0)
    if len(added):
        array[count:] = added


class _Image:
    """A vtkImageData with values per voxel: of each time, and the distance to the wall once."""

    def __init__(self, file: Any, run: Run, frames: int) -> None:
        root = _root(file, "ImageData")
        edge, shape = voxel_um(run), run.shape
        root.attrs["WholeExtent"] = [n for count in shape for n in (0, count - 1)]
        root.attrs["Origin"] = [edge / 2] * 3
        root.attrs["Spacing"] = [edge] * 3
        root.attrs["Direction"] = np.eye(3).ravel()
        self._root, self._steps = root, root["Steps"]
        self._times = _table(self._steps, "Values", "f8")
        zyx = shape[::-1]
        chunk = tuple(min(n, most) for n, most in zip(zyx, _CHUNK, strict=True))
        values, starts = (
            root.create_group("PointData"),
            self._steps.create_group("PointDataOffsets"),
        )
        self._series = voxel_series(run)
        for name in (*(series.name for series in self._series), "distance_um"):
            times = [frames if name != "distance_um" else 1] if frames > 1 else []
            values.create_dataset(
                name, (*times, *zyx), "f4", chunks=(*(1 for _ in times), *chunk), **_PACKED
            )
            _table(starts, name)
        self._put("distance_um", 0, run.distance * np.float32(UM))

    def append(self, time: float, frame: int) -> None:
        step = len(self._times)
        for name, read in self._series:
            self._put(name, step, read(frame))
            _append(self._steps["PointDataOffsets"][name], step)
        _append(self._steps["PointDataOffsets"]["distance_um"], 0)
        _append(self._times, time)
        self._steps.attrs["NSteps"] = step + 1

    def _put(self, name: str, step: int, values: Array) -> None:
        array = self._root["PointData"][name]
        array[step if array.ndim > values.ndim else ...] = values.T


class _Polygons:
    """A vtkPolyData with other points, vertices and lines at each time, and values per point."""

    def __init__(self, file: Any) -> None:
        root = _root(file, "PolyData")
        self._root, self._steps = root, root["Steps"]
        _growing(root, "Points", "f4", (3,))
        _table(root, "NumberOfPoints")
        root.create_group("PointData")
        self._steps.create_group("PointDataOffsets")
        for kind in _CELLS:
            group = root.create_group(kind)
            for name in ("NumberOfConnectivityIds", "NumberOfCells"):
                _table(group, name)
            for name in ("Offsets", "Connectivity"):
                _growing(group, name, "i8")
        _table(self._steps, "Values", "f8")
        for name in ("PartOffsets", "NumberOfParts", "PointOffsets"):
            _table(self._steps, name)
        for name in ("CellOffsets", "ConnectivityIdOffsets"):
            _table(self._steps, name, shape=(len(_CELLS),))

    def append(
        self,
        time: float,
        points: Array,
        values: Mapping[str, Array],
        *,
        vertices: Array,
        lines: Array | None = None,
    ) -> None:
        """Add a time: `vertices` are rows of points, `lines` pairs of them."""
        root, steps = self._root, self._steps
        before = len(root["Points"])
        _append(steps["PointOffsets"], before)
        step = len(root["NumberOfPoints"])
        # VTK looks for the offsets of a step at its cell offset and one more for each step before.
        _append(steps["CellOffsets"], [len(root[kind]["Offsets"]) - step for kind in _CELLS])
        _append(
            steps["ConnectivityIdOffsets"], [len(root[kind]["Connectivity"]) for kind in _CELLS]
        )
        _append(steps["PartOffsets"], step)
        _append(steps["NumberOfParts"], 1)
        none = np.zeros((0, 1), np.int64)
        corners = {"Vertices": vertices.reshape(-1, 1), "Lines": none if lines is None else lines}
        for kind in _CELLS:
            each = corners.get(kind, none)
            _append(root[kind]["NumberOfCells"], len(each))
            _append(root[kind]["NumberOfConnectivityIds"], each.size)
            # Where there are none, one entry that nobody reads: VTK 9.7 takes a step with the
            # cell offset of the step before for a mesh it has, and reads its offsets wrong.
            _append(root[kind]["Offsets"], np.arange(max(len(each), 1) + 1) * each.shape[1])
            _append(root[kind]["Connectivity"], each.ravel() if each.size else [0])
        _append(root["Points"], points)
        _append(root["NumberOfPoints"], len(points))
        for name, column in values.items():
            if name not in root["PointData"]:
                _growing(root["PointData"], name, column.dtype)
                _table(steps["PointDataOffsets"], name)
            _append(root["PointData"][name], column)
            _append(steps["PointDataOffsets"][name], before)
        _append(steps["Values"], time)
        steps.attrs["NSteps"] = len(steps["Values"])
