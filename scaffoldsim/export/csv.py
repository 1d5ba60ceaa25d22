"""Tables as text: ``cells.csv``, ``vessels.csv`` and ``tips.csv``, and ``metrics.csv`` copied.

Numbers are written so that they read back exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from scaffoldsim.export.tables import bytes_of, frame_tables
from scaffoldsim.run.record import Run

__all__ = ["bytes_of", "write_frames"]


def write_frames(run: Run, frames: Sequence[int], part: Path, done: Callable[[int], None]) -> None:
    """Write the frames into the folder `part`."""
    for count, frame in enumerate(frames):
        for name, table in frame_tables(run, frame):
            table.to_csv(
                part / f"{name}.csv",
                mode="a",
                header=not count,
                index=False,
                lineterminator="\n",
                encoding="utf-8",
            )
        done(count + 1)
    if (run.path / "metrics.csv").is_file():
        text = (run.path / "metrics.csv").read_bytes()
        # a kill may have cut the last line
        (part / "metrics.csv").write_bytes(text[: text.rfind(b"\n") + 1])
