"""Where a verb may write: told before the work, not after it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scaffoldsim.cli.failures import BAD_INPUT, REFUSED, Failure
from scaffoldsim.run.atomic import existing


def require_folder(folder: Path) -> None:
    """End with exit code 2 unless `folder` is, or can be made, a folder to write into."""
    with writing(folder):
        if folder.exists() and not folder.is_dir():
            raise Failure(BAD_INPUT, f"{folder} is a file; name a folder with --out")
        _require_writable(folder)


def require_file(file: Path) -> None:
    """End with exit code 2 unless `file` can be written; its folder may have to be made."""
    with writing(file):
        if file.is_dir():
            raise Failure(BAD_INPUT, f"{file} is a folder; name a file with --out")
        _require_writable(file.parent)
        if file.exists() and not os.access(file, os.W_OK):
            raise Failure(BAD_INPUT, f"{file} may not be written; name another file with --out")


def _require_writable(folder: Path) -> None:
    """Refuse a folder that lies in a file, or where nothing may be written."""
    there = existing(folder)
    if not there.is_dir():
        raise Failure(BAD_INPUT, f"{folder} cannot be made: {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise Failure(BAD_INPUT, f"{there} may not be written into; name another place with --out")


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turn what the system says against writing to `place` into one line.

    The exit code is 3 for a full disk, else 2. The system may name a file beside the one that was
    meant; the user's word is `place`.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (None, errno.ENOENT):  # said of what is read
            raise
        code = REFUSED if error.errno in (errno.ENOSPC, errno.EDQUOT) else BAD_INPUT
        reason = (error.strerror or str(error)).lower()
        raise Failure(code, f"{place} cannot be written: {reason}") from error
