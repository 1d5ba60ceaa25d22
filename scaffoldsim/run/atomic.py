"""Files replaced whole and pushed to the disk: the ground the run folder stands on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

#: Version of the layout of everything in a run folder.
SCHEMA = 1


def write_atomic(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Replace a file as a whole: readers see the old bytes or the new ones, never a mixture.

    The bytes go to a temporary file in the same folder, reach the disk (fsync) and are then
    renamed over the target.

    Parameters
    ----------
    path : path
        The file to write; its folder must exist.
    data : bytes or str
        Text is written as UTF-8 with line feeds.

    Raises
    ------
    OSError
        If the folder is missing, read-only or full; the old file is then untouched.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> write_atomic(folder / "note.txt", "done")
    >>> (folder / "note.txt").read_text()
    'done'
    """
    target = Path(path)
    raw = data.encode("utf-8") if isinstance(data, str) else data
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    fsync_folder(target.parent)


def fsync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable, where the system lets a folder be opened."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_tree(root: Path) -> None:
    """Push every file below `root` to the disk before the mark that counts it is written."""
    for folder, _, files in os.walk(root):
        for name in files:
            fsync_file(Path(folder) / name)
        fsync_folder(Path(folder))


def fsync_file(path: Path) -> None:
    """Push one file to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def json_text(document: Any) -> str:
    """Indented JSON that refuses NaN, which JSON does not know."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def existing(place: Path) -> Path:
    """Return a place, or the nearest folder above it that is there."""
    there = place.absolute()
    while not there.exists():
        there = there.parent
    return there
