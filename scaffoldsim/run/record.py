"""A stored run, opened for reading: `Run`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scaffoldsim.run.manifest import read_manifest
from scaffoldsim.run.state import read_state_attributes

if TYPE_CHECKING:
    import pandas as pd


class Run:
    """A run folder.

    Only what was committed is read, so a run can be looked at while it goes on or after a kill.

    Parameters
    ----------
    path : path
        The folder that `scaffoldsim run` made.

    Attributes
    ----------
    path : Path
        The folder.
    manifest : dict
        ``manifest.json``: status, title, seed, config_hash, versions, threads, start, end, …

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or it is not a run folder.
    ValueError
        If its manifest is damaged.

    Examples
    --------
    >>> import scaffoldsim as ss
    >>> run = ss.Run("runs/a")  # doctest: +SKIP
    >>> run.metrics["cells_total"].iloc[-1]  # doctest: +SKIP
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise FileNotFoundError(f"there is no run folder {self.path}")
        self.manifest = read_manifest(self.path)

    def __repr__(self) -> str:
        seed, frames = self.manifest.get("seed"), len(self.frames) if self._has_state else 0
        return f"Run({str(self.path)!r}, {self.status}, seed {seed}, {frames} frames)"

    # ------------------------------------------------------------------------------- what it is

    @property
    def status(self) -> str:
        """``running``, ``finished``, ``interrupted`` or ``failed``."""
        return str(self.manifest["status"])

    @property
    def title(self) -> str:
        """Title of the config."""
        return str(self.manifest.get("title") or self.path.name)

    @property
    def notes(self) -> list[str]:
        """What was rounded or changed on the way, said to the user."""
        return [str(note) for note in self.manifest.get("notes") or []]

    @cached_property
    def config(self) -> dict[str, Any]:
        """``config.yaml``: the resolved config, every catalogue value in it."""
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        path = self.path / "config.yaml"
        if not path.is_file():
            raise FileNotFoundError(f"{self.path} has no config.yaml: the run never started")
        try:
            loaded = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, YAMLError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        if not isinstance(loaded, dict):
            raise ValueError(f"{path} is damaged: it holds no mapping")
        return loaded

    @cached_property
    def morphometry(self) -> dict[str, Any] | None:
        """``morphometry.json`` of the scaffold, or None where the run wrote none."""
        path = self.path / "morphometry.json"
        if not path.is_file():
            return None
        try:
            loaded = json.loads(path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        return loaded if isinstance(loaded, dict) else None

    # ----------------------------------------------------------------------------------- tables

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """``metrics.csv`` as a table, one row per time; what is not modelled is NaN.

        The last line is left out if a kill cut it.

        Raises
        ------
        FileNotFoundError
            If the table is not there.
        ValueError
            If a line is damaged.
        """
        import pandas as pd

        path = self.path / "metrics.csv"
        if not path.is_file():
            raise FileNotFoundError(f"{self.path} has no metrics.csv: the run never started")
        try:
            text = path.read_bytes().decode("ascii")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        lines = text.split("\n")
        if lines[-1] and self.status == "finished":
            raise ValueError(f"{path} is truncated in line {len(lines)}, though the run finished")
        lines = lines[:-1]
        header = lines[0].split(",") if lines else []
        if "time_h" not in header:
            raise ValueError(f"{path} is damaged: its first line names no column time_h")
        rows = [line.split(",") for line in lines[1:]]
        for number, row in enumerate(rows, start=2):
            if len(row) != len(header):
                raise ValueError(
                    f"{path}, line {number}: {len(row)} entries, the header has {len(header)}"
                )
            for entry in row:
                if not _is_number(entry):
                    raise ValueError(f"{path}, line {number}: {entry!r} is not a number")
        columns = zip(*rows, strict=True) if rows else [()] * len(header)
        return pd.DataFrame(
            {name: _column(entries) for name, entries in zip(header, columns, strict=True)}
        )

    # ------------------------------------------------------------------------------------ state

    @property
    def _store(self) -> Path:
        return self.path / "state.zarr"

    @property
    def _has_state(self) -> bool:
        return (self._store / "zarr.json").is_file()

    @cached_property
    def _state(self) -> dict[str, Any]:
        return read_state_attributes(self._store)

    @property
    def frames(self) -> list[float]:
        """Times of the committed frames, h."""
        return [float(time) for time in self._state["frame_times_h"]]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        nx, ny, nz = (int(n) for n in self._state["shape"])
        return nx, ny, nz

    @property
    def voxel(self) -> float:
        """Edge of a voxel, m."""
        return float(self._state["voxel_m"])

    @property
    def type_names(self) -> list[str]:
        """Cell types; the code in the column ``type`` is the index here."""
        return [str(name) for name in self._state["type_names"]]

    @property
    def origin_names(self) -> list[str]:
        """Where cells come from, by the code in ``origin``; empty if the run is too old to say."""
        return [str(name) for name in self._state.get("origin_names", [])]

    @property
    def field_names(self) -> list[str]:
        """Names of the stored fields."""
        return [str(name) for name in self._state["field_names"]]

    @property
    def field_units(self) -> dict[str, str]:
        """Unit of each stored field."""
        return dict(zip(self.field_names, self._state["field_units"], strict=True))

    @property
    def matrix_names(self) -> list[str]:
        """What a voxel is filled with over time; empty in a run where nothing of it changes."""
        return [str(name) for name in self._state.get("matrix_names", [])]

    @cached_property
    def distance(self) -> npt.NDArray[np.float32]:
        """Signed distance to the scaffold, m, > 0 in the pore, (x, y, z)."""
        return self._scaffold("distance")

    @cached_property
    def fraction(self) -> npt.NDArray[np.float32]:
        """Fraction of solid as built, 0–1, (x, y, z); `matrix` has that of a frame."""
        return self._scaffold("0")

    def frame_at(self, time_h: float | None = None) -> int:
        """Index of the frame nearest to a time (None: the last).

        Raises
        ------
        ValueError
            If the run has no committed frame.
        """
        times = self.frames
        if not times:
            raise ValueError(f"{self.path} has no stored frame yet (status {self.status})")
        if time_h is None:
            return len(times) - 1
        return min(range(len(times)), key=lambda k: abs(times[k] - time_h))

    def field(self, name: str, frame: int = -1) -> npt.NDArray[np.float32]:
        """Read a field at a frame, (x, y, z), in its unit (`field_units`).

        Raises
        ------
        ValueError
            If the field or the frame does not exist, or the store is truncated.
        """
        return self._channel("fields", "field", self.field_names, name, frame)

    def matrix(self, name: str, frame: int = -1) -> npt.NDArray[np.float32]:
        """Read what share of each voxel is scaffold, osteoid, … (`matrix_names`), (x, y, z).

        Raises
        ------
        ValueError
            If there is no such share or frame, or the store is truncated.
        """
        return self._channel("matrix", "share of a voxel", self.matrix_names, name, frame)

    def _channel(
        self, group: str, what: str, names: list[str], name: str, frame: int
    ) -> npt.NDArray[np.float32]:
        if name not in names:
            raise ValueError(f"{self.path} stores no {what} {name!r} (stored: {names})")
        index, channel = self._frame(frame), names.index(name)
        array = self._open(f"{group}/0")
        shard = self._store / group / "0" / "c" / str(index) / str(channel) / "0" / "0" / "0"
        if array.ndim != 5 or array.shape[0] <= index or not shard.is_file():
            raise ValueError(
                f"{self._store} is truncated: {what} {name!r} of frame {index} is missing"
            )
        return _xyz(self._read(array, (index, channel)))

    def cells(self, frame: int = -1) -> dict[str, npt.NDArray[Any]]:
        """Columns of the cells at a frame, by name.

        Raises
        ------
        ValueError
            If the frame does not exist or the store is truncated.
        """
        return self._table("cells", "cells", "column", frame)

    def vessels(self, frame: int = -1) -> dict[str, npt.NDArray[Any]] | None:
        """Read the network of vessels at a frame; None in a run without vessels.

        Returns
        -------
        dict
            Of each edge ``ends`` (n, 2, 3) m, the second where it lies from the first, so beyond
            the box where the edge crosses a periodic face; ``nodes`` (n, 2), the same number where
            edges meet; ``radius`` m; ``carries`` bool, whether it carries blood. Of each tip
            ``tips`` (k, 2, 3) m, where it left the last node (``tip_nodes``) and where it is.

        Raises
        ------
        ValueError
            If the frame does not exist or the store is truncated.
        """
        if not self._state.get("vessels"):
            return None
        return self._table("vessels", "vessels", "column of vessels", frame)

    def _table(self, group: str, what: str, one: str, frame: int) -> dict[str, npt.NDArray[Any]]:
        """Columns of a group at a frame, by name."""
        index = self._frame(frame)
        folder = self._store / group / str(index)
        if not (folder / "zarr.json").is_file():
            raise ValueError(f"{self._store} is truncated: the {what} of frame {index} are missing")
        columns: dict[str, npt.NDArray[Any]] = {}
        for child in sorted(folder.iterdir()):
            if child.is_dir():
                array = self._open(f"{group}/{index}/{child.name}")
                if array.shape[0] and not (child / "c" / "0").exists():
                    raise ValueError(
                        f"{self._store} is truncated: {one} {child.name!r} of frame {index}"
                    )
                columns[child.name] = np.asarray(self._read(array, ...))
        return columns

    def positions(self, frame: int = -1) -> npt.NDArray[np.float32]:
        """Centres of the cells' voxels at a frame, (n, 3), m."""
        voxels = self.cells(frame)["voxel"]
        ijk = np.stack(np.unravel_index(voxels, self.shape), axis=1)
        return ((ijk + 0.5) * self.voxel).astype(np.float32)

    def _scaffold(self, name: str) -> npt.NDArray[np.float32]:
        array = self._open(f"scaffold/{name}")
        if not (self._store / "scaffold" / name / "c" / "0" / "0" / "0").is_file():
            raise ValueError(f"{self._store} is truncated: scaffold/{name} is missing")
        return _xyz(self._read(array, ...))

    def _frame(self, frame: int) -> int:
        count = len(self.frames)
        if not count:
            raise ValueError(f"{self.path} has no stored frame yet (status {self.status})")
        if not -count <= frame < count:
            raise ValueError(f"{self.path} has no frame {frame}; it has 0 to {count - 1}")
        return frame % count

    def _open(self, name: str) -> Any:
        import zarr

        try:
            return zarr.open_array(str(self._store / name), mode="r")
        except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self._store} is truncated: {name} cannot be read") from error

    def _read(self, array: Any, selection: Any) -> Any:
        try:
            return array[selection]
        except Exception as error:  # zarr's codecs raise many kinds on damaged bytes
            raise ValueError(
                f"{self._store} is damaged: {array.name or 'an array'}: {error}"
            ) from error


def _xyz(array: Any) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(np.asarray(array, dtype=np.float32).T)


def _column(entries: Sequence[str]) -> npt.NDArray[Any]:
    """Entries of one column: whole numbers stay whole, empty ones are NaN."""
    if entries and all(entry.lstrip("-").isdigit() for entry in entries):
        return np.array([int(entry) for entry in entries], dtype=np.int64)
    return np.array([float(entry) if entry else np.nan for entry in entries], dtype=np.float64)


def _is_number(entry: str) -> bool:
    if not entry:
        return True
    try:
        float(entry)
    except ValueError:
        return False
    return True
