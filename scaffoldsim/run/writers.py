"""What a run leaves on disk, written so that a kill at any moment loses at most the last frame.

Three habits carry that promise. A small file is replaced whole (`write_atomic`). A table only
grows, and is cut back to the rows of the checkpoint on resume (`MetricsWriter`). A frame is
written first and counted afterwards: `frames_committed` in the root of ``state.zarr`` changes last,
and readers trust nothing beyond it (`StateWriter`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from scaffoldsim.run.atomic import SCHEMA, write_atomic
from scaffoldsim.run.manifest import (
    MANIFEST,
    STATUSES,
    new_manifest,
    read_manifest,
    update_manifest,
    write_manifest,
)
from scaffoldsim.run.state import StateWriter, read_state_attributes

__all__ = [
    "MANIFEST",
    "SCHEMA",
    "STATUSES",
    "MetricsWriter",
    "StateWriter",
    "new_manifest",
    "read_manifest",
    "read_state_attributes",
    "update_manifest",
    "write_atomic",
    "write_manifest",
]


def _cell_text(value: Any, column: str) -> str:
    """Text of one table entry: ints plain, floats by repr (read back exactly), unknown empty."""
    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_, int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return "" if math.isnan(number) else repr(number)
    raise ValueError(f"metrics column {column!r} holds {value!r}; a number or None is needed")


class MetricsWriter:
    """Append-only writer of ``metrics.csv``.

    Parameters
    ----------
    path : path
        The table.
    columns : sequence of str
        Header, in order; all columns exist from the first row, what is not modelled stays empty.
    rows : int
        0 starts a new table; `rows` > 0 keeps so many rows of an existing one (resume) and drops
        the rest.

    Raises
    ------
    ValueError
        If the existing table has another header or fewer rows than asked for.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "metrics.csv"
    >>> with MetricsWriter(path, ["time_h", "cells_total", "bv_tv"]) as table:
    ...     table.append({"time_h": 0.0, "cells_total": 20000, "bv_tv": None})
    >>> print(path.read_text(), end="")
    time_h,cells_total,bv_tv
    0.0,20000,
    """

    def __init__(
        self, path: str | os.PathLike[str], columns: Sequence[str], *, rows: int = 0
    ) -> None:
        self.path = Path(path)
        self.columns = tuple(columns)
        self.rows = 0
        repeated = {name for name in self.columns if self.columns.count(name) > 1}
        if repeated or not self.columns:
            raise ValueError(
                f"metrics columns must be given once each; repeated: {sorted(repeated)}"
            )
        if rows:
            self._check_header()
        else:
            write_atomic(self.path, ",".join(self.columns) + "\n")
        self._stream = open(self.path, "r+b")  # noqa: SIM115, open until close()
        self.truncate(rows)

    def __enter__(self) -> MetricsWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"MetricsWriter({self.path.name}: {self.rows} rows of {len(self.columns)} columns)"

    def _check_header(self) -> None:
        if not self.path.is_file():
            raise ValueError(f"{self.path} is missing, so its rows cannot be kept; run again")
        with open(self.path, encoding="utf-8") as stream:
            header = tuple(stream.readline().rstrip("\n").split(","))
        if header != self.columns:
            changed = sorted(set(header) ^ set(self.columns)) or "their order"
            raise ValueError(f"{self.path} was written with other columns (different: {changed})")

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one row; columns it does not name stay empty.

        Raises
        ------
        ValueError
            If it names a column that the table does not have, or holds something not a number.
        """
        unknown = [name for name in row if name not in self.columns]
        if unknown:
            raise ValueError(f"metrics has no column {unknown[0]!r} (columns: {self.columns})")
        line = ",".join(_cell_text(row.get(name), name) for name in self.columns) + "\n"
        self._stream.write(line.encode("ascii"))
        self.rows += 1

    def truncate(self, rows: int) -> None:
        """Keep the first `rows` rows: a resumed run writes the later ones again."""
        self._stream.flush()
        self._stream.seek(0)
        self._stream.readline()
        for kept in range(rows):
            if not self._stream.readline().endswith(b"\n"):
                raise ValueError(f"{self.path} has only {kept} whole rows; {rows} are needed")
        self._stream.truncate(self._stream.tell())
        self.rows = rows
        self.commit()

    def commit(self) -> None:
        """Push all rows to the disk."""
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Commit and close; closing twice is harmless."""
        if not self._stream.closed:
            self.commit()
            self._stream.close()
