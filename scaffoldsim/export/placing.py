"""Where an export goes: it appears whole or not at all, and replaces nothing but an export."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from scaffoldsim.run.atomic import existing, fsync_file, fsync_folder, fsync_tree
from scaffoldsim.run.estimate import ResourceError


class ExportExistsError(ValueError):
    """What was to be written is there already."""


def require_absent(target: Path, *, force: bool, files: Collection[str]) -> None:
    """Refuse a target that exists, unless `force` and it is nothing but an export.

    Parameters
    ----------
    target : Path
        A file, or a folder if `files` are named.
    force : bool
        Whether an export may be replaced.
    files : collection of str
        Names an export of this kind may hold; none for a file.

    Raises
    ------
    ExportExistsError
    """
    if not target.exists():
        return
    if target.is_dir() != bool(files):
        kind, wanted = ("file", "folder") if files else ("folder", "file")
        raise ExportExistsError(f"{target} is a {kind}; name a {wanted} with --out")
    if not force:
        raise ExportExistsError(f"{target} exists; replace it with --force, or name another --out")
    if files:
        foreign = sorted({path.name for path in target.iterdir()} - set(files))
        if foreign:
            raise ExportExistsError(
                f"{target} holds {foreign[0]!r}, which no such export writes; it is not replaced, "
                "even with --force"
            )


def require_space(place: Path, need: int) -> None:
    """Refuse to begin what would fill the disk.

    Raises
    ------
    ResourceError
        If fewer than `need` bytes are free where `place` is to be.
    """
    free = shutil.disk_usage(existing(place)).free
    if need > free:
        raise ResourceError(
            f"the export would write up to {need / 1e6:,.1f} MB to {place}; {free / 1e6:,.1f} MB "
            "are free. Choose another --out."
        )


@contextmanager
def placed(target: Path, *, folder: bool) -> Iterator[Path]:
    """Give a place beside `target` to write to, which takes its name once all is on the disk.

    What is at `target` is replaced then, and not before.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _clear_leftovers(target)
    part, old = _beside(target, "partial"), _beside(target, "old")
    try:
        if folder:
            part.mkdir()
        yield part
        if folder:
            fsync_tree(part)
            if target.exists():  # a folder cannot be renamed over one that holds files
                os.replace(target, old)
        else:
            fsync_file(part)
        os.replace(part, target)
        fsync_folder(target.parent)
    finally:
        if old.exists() and not target.exists():
            os.replace(old, target)
        for left in (part, old):
            _remove(left)


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.{what}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _clear_leftovers(target: Path) -> None:
    """Remove what an export that was killed left beside `target`."""
    for path in target.parent.glob(f".{target.name}.*"):
        number, _, what = path.name.removeprefix(f".{target.name}.").partition(".")
        if what in ("partial", "old") and number.isdigit() and not _runs(int(number)):
            _remove(path)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True
