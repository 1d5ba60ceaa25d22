"""The whole state on disk, so that a run can go on after any interruption.

A checkpoint is one ``.npz`` file in ``RUN/checkpoint/``, written beside its final name and renamed,
so it is whole or absent; the newest two are kept. It holds numbers only (no pickle).
"""

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.run.atomic import write_atomic

_KEEP = 2


def save(folder: Path, state: Mapping[str, NDArray[Any]], **counts: int) -> Path:
    """Write a checkpoint of `state`; `counts` say how many rows and frames belong to it.

    Returns
    -------
    Path
        The file.
    """
    folder.mkdir(exist_ok=True)
    data = io.BytesIO()
    extra = {f"count/{name}": np.array(count) for name, count in counts.items()}
    np.savez(data, allow_pickle=False, **{**state, **extra})
    path = folder / f"step-{int(state['step']):08d}.npz"
    write_atomic(path, data.getvalue())
    for old in sorted(folder.glob("step-*.npz"))[:-_KEEP]:
        old.unlink()
    return path


def newest_first(
    folder: Path,
) -> Iterator[tuple[dict[str, NDArray[Any]], dict[str, int]]]:
    """Yield the state and counts of every whole checkpoint, the newest first."""
    for path in sorted(folder.glob("step-*.npz"), reverse=True):
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
                data = {name: stored[name] for name in stored.files}
        except (OSError, ValueError, zipfile.BadZipFile, EOFError):
            continue  # damaged on disk: the one before it is as good, only older
        counts = {
            name.removeprefix("count/"): int(value)
            for name, value in data.items()
            if name.startswith("count/")
        }
        yield {k: v for k, v in data.items() if not k.startswith("count/")}, counts
