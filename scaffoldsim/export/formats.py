"""The formats a run can be written in, and `write`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from scaffoldsim.catalogue import did_you_mean
from scaffoldsim.export.placing import placed, require_absent, require_space
from scaffoldsim.run.record import Run

#: called after each frame with how many are done, how many there are, and ``frame`` and ``day``
Progress = Callable[[int, int, Mapping[str, Any]], None]


class Format(NamedTuple):
    """One way to write a run.

    Its module has ``write_frames(run, frames, part, done)``, which writes the frames to the path
    ``part`` and calls ``done(k)`` after the k-th, and ``bytes_of(run, frames)``, about the most it
    may write.
    """

    module: str
    #: default name in RUN/export
    target: str
    #: suffixes a file may have; none for a folder
    suffixes: tuple[str, ...] = ()
    #: names that may be in a folder
    files: tuple[str, ...] = ()
    #: libraries of the extra ``export`` that it needs
    needs: tuple[str, ...] = ()


_TABLES = ("cells", "vessels", "tips", "metrics")

FORMATS: dict[str, Format] = {
    "vtkhdf": Format(
        "scaffoldsim.export.vtkhdf",
        "vtkhdf",
        files=("voxels.vtkhdf", "cells.vtkhdf", "vessels.vtkhdf", "README.txt"),
        needs=("h5py",),
    ),
    "ome-tiff": Format(
        "scaffoldsim.export.ome_tiff", "voxels.ome.tif", suffixes=(".ome.tif", ".ome.tiff")
    ),
    "parquet": Format(
        "scaffoldsim.export.parquet",
        "parquet",
        files=tuple(f"{name}.parquet" for name in _TABLES),
        needs=("pyarrow",),
    ),
    "csv": Format("scaffoldsim.export.csv", "csv", files=tuple(f"{name}.csv" for name in _TABLES)),
    "simularium": Format(
        "scaffoldsim.export.simularium", "cells.simularium", suffixes=(".simularium",)
    ),
}


def find_format(to: str) -> Format:
    """Return a format by its name.

    Raises
    ------
    ValueError
        If there is none of this name, or a library it needs is not installed.

    Examples
    --------
    >>> find_format("csv").target
    'csv'
    >>> find_format("vtkdhf")
    Traceback (most recent call last):
    ...
    ValueError: 'vtkdhf' is no format; did you mean 'vtkhdf'? (formats: vtkhdf, ome-tiff, ...)
    """
    if to not in FORMATS:
        raise ValueError(
            f"{to!r} is no format{did_you_mean(to, FORMATS)} (formats: {', '.join(FORMATS)})"
        )
    found = FORMATS[to]
    for library in found.needs:
        if find_spec(library) is None:
            raise ValueError(
                f"{to}: writing it needs {library}, which is not installed: "
                'pip install "scaffoldsim[export]"'
            )
    return found


def find_target(run: Run, to: str, path: str | os.PathLike[str] | None, *, force: bool) -> Path:
    """Return where an export will be written.

    Raises
    ------
    ValueError
        If the suffix is not one of the format, or there is something that may not be replaced.
    """
    kind = find_format(to)
    target = Path(path) if path is not None else run.path / "export" / kind.target
    if kind.suffixes and not target.name.lower().endswith(kind.suffixes):
        raise ValueError(f"{target}: a file of {to} ends in {' or '.join(kind.suffixes)}")
    require_absent(target, force=force, files=kind.files)
    return target


def write(
    run: Run | str | os.PathLike[str],
    to: str,
    path: str | os.PathLike[str] | None = None,
    *,
    frames: Sequence[int] | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write the stored frames of a run for another program.

    Only committed frames are written, so a run may be exported while it goes on. Frame after frame
    is read and written; an export appears whole, or not at all.

    Parameters
    ----------
    run : Run or path
        The run, or its folder.
    to : str
        One of `FORMATS`: ``vtkhdf`` (ParaView), ``ome-tiff`` (Fiji), ``parquet``, ``csv`` (pandas),
        ``simularium``.
    path : path, optional
        The file, or the folder for vtkhdf and tables; in ``RUN/export`` by default.
    frames : sequence of int, optional
        Which frames, by index; all by default.
    force : bool
        Replace an export that exists.
    progress : callable, optional
        Called after each frame, see `Progress`.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    FileNotFoundError
        If there is no such run, or it has stored no state.
    ValueError
        If the format is unknown or lacks a library, the run has no frame yet or not those asked
        for, its store is damaged, or `path` does not suit or exists.
    ResourceError
        If the disk has no room for it.

    Examples
    --------
    >>> from scaffoldsim import export
    >>> export.write("runs/a", "parquet")  # doctest: +SKIP
    PosixPath('runs/a/export/parquet')
    """
    kind = find_format(to)
    stored = run if isinstance(run, Run) else Run(run)
    times = stored.frames
    if not times:
        raise ValueError(
            f"{stored.path} has no stored frame yet (status {stored.status}); nothing to export"
        )
    wanted = range(len(times)) if frames is None else sorted({*frames})
    wrong = [frame for frame in wanted if not 0 <= frame < len(times)]
    if wrong or not wanted:
        raise ValueError(
            f"{stored.path} has the frames 0 to {len(times) - 1}; asked for: "
            f"{', '.join(map(str, wrong)) or 'none'}"
        )
    target = find_target(stored, to, path, force=force)
    module = import_module(kind.module)
    require_space(target, module.bytes_of(stored, wanted))

    def done(count: int) -> None:
        if progress is not None:
            frame = wanted[count - 1]
            progress(count, len(wanted), {"frame": frame, "day": times[frame] / 24})

    with placed(target, folder=not kind.suffixes) as part:
        module.write_frames(stored, wanted, part, done)
    return target
