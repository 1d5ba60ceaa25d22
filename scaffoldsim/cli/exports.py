"""``export``."""

from __future__ import annotations

from pathlib import Path

from scaffoldsim.cli.failures import REFUSED, Failure, reading_input
from scaffoldsim.cli.places import require_file, require_folder, writing
from scaffoldsim.cli.progress import Progress
from scaffoldsim.cli.runs import Flag


def export(run: Path, /, *, to: str, out: Path | None = None, force: Flag = False) -> None:
    """Write the stored frames of a run for another program; the path is printed on stdout.

    Parameters
    ----------
    run
        The run folder; of a run that is not finished, what it has stored so far.
    to
        The format: vtkhdf (ParaView), ome-tiff (Fiji), parquet or csv (pandas), simularium.
    out
        A folder for vtkhdf, parquet and csv, a .ome.tif or .simularium file for the others; in
        RUN/export by default.
    force
        Replace an export that exists.
    """
    from scaffoldsim.export.formats import find_format, find_target, write
    from scaffoldsim.run.estimate import ResourceError
    from scaffoldsim.run.record import Run

    with reading_input(str(run)):
        kind = find_format(to)
        stored = Run(run)
        target = find_target(stored, to, out, force=force)
        (require_file if kind.suffixes else require_folder)(target)
        with writing(target), Progress(f"{stored.title} to {to}") as progress:
            try:
                write(stored, to, target, force=force, progress=progress)
            except ResourceError as error:
                raise Failure(REFUSED, str(error)) from error
    print(target)
