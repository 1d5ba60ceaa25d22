"""Tables as Parquet: cells, vessels, tips and metrics, with a row group for each frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd

from scaffoldsim.export.tables import bytes_of, frame_tables
from scaffoldsim.run.record import Run

__all__ = ["bytes_of", "write_frames"]


def write_frames(run: Run, frames: Sequence[int], part: Path, done: Callable[[int], None]) -> None:
    """Write the frames into the folder `part`."""
    import pyarrow
    from pyarrow import parquet

    def arrow(table: pd.DataFrame) -> Any:
        return pyarrow.Table.from_pandas(table, preserve_index=False)

    with ExitStack() as open_files:
        writers: dict[str, Any] = {}
        for count, frame in enumerate(frames):
            for name, table in frame_tables(run, frame):
                rows = arrow(table)
                if name not in writers:
                    writers[name] = open_files.enter_context(
                        parquet.ParquetWriter(
                            part / f"{name}.parquet", rows.schema, compression="zstd"
                        )
                    )
                writers[name].write_table(rows)
            done(count + 1)
    if (run.path / "metrics.csv").is_file():
        parquet.write_table(arrow(run.metrics), part / "metrics.parquet", compression="zstd")
