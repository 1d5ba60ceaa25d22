"""The tables that parquet and csv share: cells, vessels and their tips of all frames, metrics.

Each is long: a row for each cell, edge or tip and frame, with ``frame`` and ``time_h`` before it.
Types and origins are words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scaffoldsim.export.frames import cells_of, most_cells, vessels_of
from scaffoldsim.run.record import Run

Array = npt.NDArray[Any]

#: of a row of cells as text, with some fields
_ROW_BYTES = 180


def bytes_of(run: Run, frames: Sequence[int]) -> int:
    """About the most that an export takes: that of cells, as text."""
    return len(frames) * most_cells(run) * _ROW_BYTES


def frame_tables(run: Run, frame: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """Give the tables of a frame by name: cells; vessels and tips if the run has vessels."""
    time = run.frames[frame]
    cells: dict[str, Any] = {**cells_of(run, frame)}
    cells["type"] = _words(cells["type"], run.type_names)
    if "origin" in cells:
        cells["origin"] = _words(cells["origin"], run.origin_names)
    yield "cells", _table(frame, time, cells)
    if run.vessels(frame) is None:
        return
    edges, tips = vessels_of(run, frame)
    for name, columns in (("vessels", edges), ("tips", tips)):
        ends = columns.pop("ends_um")
        places = {
            f"{axis}{end + 1}_um": ends[:, end, k]
            for end in range(2)
            for k, axis in enumerate("xyz")
        }
        yield name, _table(frame, time, places | columns)


def _table(frame: int, time: float, columns: dict[str, Any]) -> pd.DataFrame:
    rows = len(next(iter(columns.values())))
    first = {"frame": np.full(rows, frame, np.int32), "time_h": np.full(rows, time)}
    return pd.DataFrame(first | columns)


def _words(codes: Array, names: list[str]) -> pd.Categorical:
    """Codes as words; as numbers where the run does not say what they mean."""
    whole = codes.astype(np.int64)
    known = names or [str(code) for code in range(int(whole.max(initial=0)) + 1)]
    return pd.Categorical.from_codes(whole, pd.Index(known, dtype="str"))
