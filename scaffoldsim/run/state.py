"""``state.zarr``: scaffold, fields, matrix, cells and vessels over time, frame after frame."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scaffoldsim.run.atomic import SCHEMA, fsync_folder, fsync_tree, json_text, write_atomic

#: Chunk sides follow N / ceil(N / 64): fixed 64-voxel chunks on 200 voxels double the size.
_CHUNK = 64
#: One chunk per cell column up to about a million rows, so that a column is one file.
_CELL_CHUNK = 1 << 20
#: Groups of columns, one folder a frame.
_TABLES = ("cells", "vessels")
#: Groups of values per voxel over time, and the attribute that names their channels.
_SERIES = {"fields": "field_names", "matrix": "matrix_names"}
_CHANNEL_COLOURS = ("0072B2", "009E73", "D55E00", "CC79A7", "E69F00", "56B4E9")


def _chunk(n: int) -> int:
    """Chunk side of an axis of `n` voxels (the last chunk may reach beyond the array)."""
    return math.ceil(n / math.ceil(n / _CHUNK))


def _group(attributes: Mapping[str, Any]) -> str:
    return json_text({"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)})


def _axes(names: str) -> list[dict[str, str]]:
    kinds = {
        "t": {"name": "t", "type": "time", "unit": "hour"},
        "c": {"name": "c", "type": "channel"},
    }
    return [kinds.get(n, {"name": n, "type": "space", "unit": "micrometer"}) for n in names]


def _multiscale(name: str, axes: str, scale: Iterable[float]) -> dict[str, Any]:
    """OME-NGFF 0.5 image metadata with one resolution level, ``0``."""
    return {
        "version": "0.5",
        "multiscales": [
            {
                "name": name,
                "axes": _axes(axes),
                "datasets": [
                    {
                        "path": "0",
                        "coordinateTransformations": [{"type": "scale", "scale": list(scale)}],
                    }
                ],
            }
        ],
    }


class StateWriter:
    """Writer of ``state.zarr``: scaffold, fields, matrix and cells (Zarr 3, OME-NGFF 0.5).

    Layout, for a grid of (nx, ny, nz) voxels::

        state.zarr/                 attributes: schema, frame_times_h, frames_committed, voxel_m, …
            scaffold/0              float32 (z, y, x), fraction of solid
            scaffold/distance       float32 (z, y, x), m, signed, > 0 in the pore
            fields/0                float32 (t, c, z, y, x), one shard per field and frame
            matrix/0                the same, shares of a voxel: scaffold, osteoid, mineral, …
            cells/<frame>/<column>  one value per cell, rows as given
            vessels/<frame>/<column>  one row per edge or tip; only in a run with vessels

    Equal data gives equal bytes. Values in memory are (x, y, z); on disk the axes are (z, y, x), as
    OME-NGFF asks. Use `StateWriter.create` or `StateWriter.reopen`.
    """

    def __init__(self, path: Path, attributes: dict[str, Any]) -> None:
        self.path = path
        self._attributes = attributes

    def __repr__(self) -> str:
        shape = self._attributes["shape"]
        return f"StateWriter({self.path.name}: {self.frames} frames of {shape} voxels)"

    @property
    def frames(self) -> int:
        """Frames committed so far."""
        return int(self._attributes["frames_committed"])

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        grid_shape: Sequence[int],
        voxel: float,
        field_names: Sequence[str],
        field_units: Sequence[str],
        type_names: Sequence[str],
        distance: npt.NDArray[Any],
        fraction: npt.NDArray[Any],
        frames_every_h: float = 1.0,
        matrix_names: Sequence[str] = (),
        vessels: bool = False,
        origin_names: Sequence[str] = (),
    ) -> StateWriter:
        """Start a store without frames.

        Parameters
        ----------
        path : path
            The new ``state.zarr``; it appears complete, by a rename, or not at all.
        grid_shape : (nx, ny, nz)
            Voxels along each axis.
        voxel : float
            Edge of a voxel, m.
        field_names, field_units : sequence of str
            Names of the fields and the units their values are in.
        type_names : sequence of str
            Cell types by code.
        distance, fraction : array (nx, ny, nz)
            Signed distance to the scaffold (m) and fraction of solid.
        frames_every_h : float
            Time between frames, for the OME metadata; ``frame_times_h`` holds the actual times.
        matrix_names : sequence of str
            What each voxel is filled with over time, as shares of it; none where nothing changes.
        vessels : bool
            Whether frames hold vessels.
        origin_names : sequence of str
            Where cells come from, by code.

        Raises
        ------
        FileExistsError
            If `path` exists.
        ValueError
            If shapes or names do not fit together.
        """
        import zarr
        from zarr.codecs import ZstdCodec

        target = Path(path)
        if target.exists():
            raise FileExistsError(f"{target} exists; reopen it or remove it first")
        shape = tuple(int(n) for n in grid_shape)
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"grid_shape {shape} must be three positive numbers of voxels")
        if len(field_names) != len(field_units):
            raise ValueError(f"{len(field_names)} fields but {len(field_units)} field units")
        for names in (field_names, matrix_names):
            if len(set(names)) != len(names):
                raise ValueError(f"names {list(names)} must differ")
        for name, array in (("distance", distance), ("fraction", fraction)):
            if np.shape(array) != shape:
                raise ValueError(f"{name} has shape {np.shape(array)}; the grid is {shape}")
        attributes = {
            "schema": SCHEMA,
            "shape": list(shape),
            "voxel_m": float(voxel),
            "field_names": list(field_names),
            "field_units": list(field_units),
            "matrix_names": list(matrix_names),
            "type_names": list(type_names),
            "origin_names": list(origin_names),
            "vessels": bool(vessels),
            "frame_times_h": [],
            "frames_committed": 0,
        }
        um = [round(float(voxel) * 1e6, 9)] * 3
        zyx = shape[::-1]
        chunks = tuple(_chunk(n) for n in zyx)
        shards = tuple(c * math.ceil(n / c) for c, n in zip(chunks, zyx, strict=True))
        codec = ZstdCodec(level=1)
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "scaffold").mkdir(parents=True)
        (partial / "cells").mkdir()
        (partial / "zarr.json").write_text(_group(attributes), encoding="utf-8")
        (partial / "cells" / "zarr.json").write_text(
            _group({"type_names": list(type_names), "voxel": "(x * ny + y) * nz + z"}),
            encoding="utf-8",
        )
        if vessels:
            (partial / "vessels").mkdir()
            units = {"ends": "m", "radius": "m", "tips": "m"}
            (partial / "vessels" / "zarr.json").write_text(
                _group({"axes": "xyz", "units": units}), encoding="utf-8"
            )
        scaffold = {"ome": _multiscale("scaffold, fraction of solid", "zyx", um)}
        (partial / "scaffold" / "zarr.json").write_text(_group(scaffold), encoding="utf-8")
        for name, array in (("0", fraction), ("distance", distance)):
            stored = zarr.create_array(
                str(partial / "scaffold" / name),
                shape=zyx,
                chunks=chunks,
                shards=shards,
                dtype="float32",
                fill_value=0.0,
                compressors=codec,
                dimension_names=list("zyx"),
                config={"write_empty_chunks": True},
            )
            stored[...] = _zyx(array)
        scale = (float(frames_every_h), 1.0, *um)
        of = {"fields": list(field_units), "matrix": ["1"] * len(matrix_names)}
        for group, names in (("fields", field_names), ("matrix", matrix_names)):
            if names:
                _create_series(partial / group, names, of[group], shape, chunks, shards, scale)
        fsync_tree(partial)
        os.replace(partial, target)
        fsync_folder(target.parent)
        return cls(target, attributes)

    @classmethod
    def reopen(cls, path: str | os.PathLike[str], *, frames: int) -> StateWriter:
        """Go on with a store after its first `frames` frames; later ones are dropped.

        Raises
        ------
        ValueError
            If fewer frames are committed than asked for, or the store is damaged.
        """
        target = Path(path)
        attributes = read_state_attributes(target)
        committed = int(attributes["frames_committed"])
        if not 0 <= frames <= committed:
            raise ValueError(f"{target} holds {committed} frames; it cannot go on after {frames}")
        attributes["frames_committed"] = frames
        attributes["frame_times_h"] = attributes["frame_times_h"][:frames]
        writer = cls(target, attributes)
        writer._commit()
        for leftover in sorted(target.rglob("*.partial")):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        of_frames = [target / group for group in _TABLES]
        for folder in (*of_frames, *(target / group / "0" / "c" for group in _SERIES)):
            for child in sorted(folder.glob("*")):
                if child.name.isdigit() and int(child.name) >= frames:
                    shutil.rmtree(child)
        for group in _SERIES:
            writer._set_frames(group, frames)
        return writer

    def write_frame(
        self,
        time_h: float,
        fields: Mapping[str, npt.NDArray[Any]],
        cells: Mapping[str, npt.NDArray[Any]],
        matrix: Mapping[str, npt.NDArray[Any]] | None = None,
        vessels: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> int:
        """Write one frame, then count it.

        Parameters
        ----------
        time_h : float
            Time of the frame, h; later than the frame before.
        fields : mapping of name to array (nx, ny, nz)
            Every field of the store, in its unit (NaN where it is not defined).
        cells : mapping of column to array (n,)
            Columns of the cells, all of one length, in the order they are to be stored.
        matrix : mapping of name to array (nx, ny, nz)
            Every share of the store, if it has any.
        vessels : mapping of column to array (n, ...)
            Columns of edges and tips, if the store has vessels, see `Run.vessels`.

        Returns
        -------
        int
            Index of the frame.

        Raises
        ------
        ValueError
            If a field or share is missing, unknown or misshapen, columns differ in length, time
            does not grow, or vessels are missing or not expected.
        """
        import zarr

        times = self._attributes["frame_times_h"]
        series = {"fields": fields, "matrix": matrix or {}}
        for group, arrays in series.items():
            self._check_series(group, arrays)
        if times and not float(time_h) > times[-1]:
            raise ValueError(f"frame time {time_h} h must be later than the last, {times[-1]} h")
        lengths = {name: np.shape(column) for name, column in cells.items()}
        if any(len(shape) != 1 for shape in lengths.values()) or len(set(lengths.values())) > 1:
            raise ValueError(f"cell columns must be 1-D and of one length; given: {lengths}")
        if (vessels is not None) != bool(self._attributes.get("vessels")):
            raise ValueError("a frame needs vessels if, and only if, the store was made for them")
        frame = self.frames
        for group, columns in zip(_TABLES, (cells, vessels), strict=True):
            if columns is not None:
                _write_table(self.path / group / str(frame), columns, float(time_h))
        for group, arrays in series.items():
            if not arrays:
                continue
            self._set_frames(group, frame + 1)
            # A chunk of fill values is written too: a missing file then means a damaged store.
            with zarr.config.set({"array.write_empty_chunks": True}):
                stored = zarr.open_array(str(self.path / group / "0"), mode="r+")
            for channel, name in enumerate(self._names(group)):
                stored[frame, channel] = _zyx(arrays[name])
            fsync_tree(self.path / group / "0" / "c" / str(frame))
        times.append(float(time_h))
        self._attributes["frames_committed"] = frame + 1
        self._commit()
        return frame

    def _names(self, group: str) -> list[str]:
        """Channels of a group, none in a store of a version that had no such group."""
        return list(self._attributes.get(_SERIES[group], []))

    def _check_series(self, group: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        names, grid = self._names(group), tuple(self._attributes["shape"])
        if set(arrays) != set(names):
            raise ValueError(f"a frame needs the {group} {names}; given: {sorted(arrays)}")
        for name, array in arrays.items():
            if np.shape(array) != grid:
                raise ValueError(f"{group} {name!r}: shape {np.shape(array)}; the grid is {grid}")

    def _set_frames(self, group: str, frames: int) -> None:
        if not self._names(group):
            return
        path = self.path / group / "0" / "zarr.json"
        document = json.loads(path.read_text(encoding="utf-8"))
        document["shape"][0] = frames
        write_atomic(path, json_text(document))

    def _commit(self) -> None:
        write_atomic(self.path / "zarr.json", _group(self._attributes))


def _write_table(folder: Path, columns: Mapping[str, npt.NDArray[Any]], time_h: float) -> None:
    """Write columns of one frame, each as an array of as many rows as there are."""
    import zarr
    from zarr.codecs import ZstdCodec

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "zarr.json").write_text(_group({"time_h": time_h}), encoding="utf-8")
    codec = ZstdCodec(level=1)
    for name, column in columns.items():
        data = np.ascontiguousarray(column)
        stored = zarr.create_array(
            str(folder / name),
            shape=data.shape,
            chunks=(min(max(len(data), 1), _CELL_CHUNK), *data.shape[1:]),
            dtype=data.dtype,
            fill_value=0,
            compressors=codec,
            config={"write_empty_chunks": True},
        )
        if data.size:
            stored[...] = data
    fsync_tree(folder)


def _zyx(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(np.asarray(array, dtype=np.float32).T)


def _create_series(
    folder: Path,
    names: Sequence[str],
    units: Sequence[str],
    grid: Sequence[int],
    chunks: tuple[int, ...],
    shards: tuple[int, ...],
    scale: Sequence[float],
) -> None:
    """Make the empty (t, c, z, y, x) array of a group; what was not written reads as NaN."""
    import zarr
    from zarr.codecs import ZstdCodec

    ome = _multiscale(folder.name, "tczyx", scale)
    window = {"min": 0.0, "max": 1.0, "start": 0.0, "end": 1.0}
    ome["omero"] = {
        "channels": [
            {
                "label": name,
                "color": _CHANNEL_COLOURS[i % len(_CHANNEL_COLOURS)],
                "active": i == 0,
                "window": window,
            }
            for i, name in enumerate(names)
        ]
    }
    folder.mkdir()
    (folder / "zarr.json").write_text(_group({"ome": ome, "units": list(units)}), encoding="utf-8")
    array = zarr.create_array(
        str(folder / "0"),
        shape=(0, len(names), *grid[::-1]),
        chunks=(1, 1, *chunks),
        shards=(1, 1, *shards),
        dtype="float32",
        fill_value=float("nan"),
        compressors=ZstdCodec(level=1),
        dimension_names=list("tczyx"),
    )
    del array  # only its metadata is wanted: the frames are written as they come
    metadata_path = folder / "0" / "zarr.json"
    document = json.loads(metadata_path.read_text(encoding="utf-8"))
    metadata_path.write_text(json_text(document), encoding="utf-8")


def read_state_attributes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Root attributes of a ``state.zarr``, checked.

    Raises
    ------
    FileNotFoundError
        If the store is not there.
    ValueError
        If its metadata is damaged or of another schema.
    """
    file = Path(path) / "zarr.json"
    if not file.is_file():
        raise FileNotFoundError(f"{Path(path)} is not there: the run has stored no state")
    try:
        attributes = json.loads(file.read_text(encoding="utf-8"))["attributes"]
        schema, times = attributes["schema"], attributes["frame_times_h"]
        enough = len(times) == int(attributes["frames_committed"]) and len(attributes["shape"]) == 3
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} is damaged: {error!r}; resume or repeat the run") from error
    if schema != SCHEMA:
        raise ValueError(f"{file} has schema {schema!r}; this version reads schema {SCHEMA}")
    if not enough:
        raise ValueError(f"{file} is damaged: its frame times and its frame count differ")
    return dict(attributes)
