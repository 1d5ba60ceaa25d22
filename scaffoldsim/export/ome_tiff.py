"""OME-TIFF for Fiji: one image of axes T, C, Z, Y, X, in a BigTIFF of float32 pages.

Its channels are the fields, the shares of a voxel, and ``cell``: 0 where there is none, else one
more than the code of its type. What codes mean is in the description of the image.

Source: The OME model and file formats 6.2 (https://docs.openmicroscopy.org/ome-model/).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import numpy.typing as npt

from scaffoldsim.export.frames import Series, legend, packed_bytes, voxel_series, voxel_um
from scaffoldsim.run.record import Run


def bytes_of(run: Run, frames: Sequence[int]) -> int:
    """About the most that an export takes."""
    raw = len(frames) * 4 * math.prod(run.shape) * len(_channels(run))
    return packed_bytes(run, len(frames), raw)


def write_frames(run: Run, frames: Sequence[int], part: Path, done: Callable[[int], None]) -> None:
    """Write the frames into the file `part`."""
    import tifffile

    channels = _channels(run)
    nx, ny, nz = run.shape
    tifffile.imwrite(
        part,
        _pages(channels, frames, done),
        bigtiff=True,
        ome=True,
        shape=(len(frames), len(channels), nz, ny, nx),
        dtype=np.float32,
        photometric="minisblack",
        compression="zlib",
        compressionargs={"level": 1},
        software="scaffoldsim",
        metadata=_metadata(run, frames, channels),
    )
    done(len(frames))


def _channels(run: Run) -> list[Series]:
    return [*voxel_series(run), Series("cell", lambda frame: cell_types(run, frame))]


def cell_types(run: Run, frame: int) -> npt.NDArray[np.float32]:
    """Give 1 + the type of the cell in each voxel, 0 where there is none; (x, y, z)."""
    cells = run.cells(frame)
    image = np.zeros(math.prod(run.shape), np.float32)
    image[cells["voxel"]] = cells["type"].astype(np.float32) + 1
    return image.reshape(run.shape)


def _pages(
    channels: Sequence[Series], frames: Sequence[int], done: Callable[[int], None]
) -> Iterator[npt.NDArray[np.float32]]:
    """Planes (y, x), one channel of one frame in memory at a time."""
    for count, frame in enumerate(frames):
        if count:  # who takes the last plane of all does not ask for another
            done(count)
        for channel in channels:
            yield from np.ascontiguousarray(channel.read(frame).T)


def _metadata(run: Run, frames: Sequence[int], channels: Sequence[Series]) -> dict[str, Any]:
    edge, times = voxel_um(run), [run.frames[frame] for frame in frames]
    words = legend(run).replace("type:", "cell: 0 none, else 1 + type. type:")
    metadata: dict[str, Any] = {
        "axes": "TCZYX",
        # by what is in it, so that the same export gives the same bytes
        "UUID": str(uuid5(NAMESPACE_URL, f"scaffoldsim {run.manifest} {times}")),
        "Creator": "scaffoldsim",
        "Name": run.title,
        "Description": words,
        "Channel": {"Name": [channel.name for channel in channels]},
        # one entry for each page, in their order
        "Plane": {
            "DeltaT": [time for time in times for _ in range(len(channels) * run.shape[2])],
            "DeltaTUnit": ["h"] * (len(times) * len(channels) * run.shape[2]),
        },
    }
    for axis in "XYZ":
        metadata |= {f"PhysicalSize{axis}": edge, f"PhysicalSize{axis}Unit": "µm"}
    between = {round(step, 9) for step in np.diff(times).tolist()}
    if len(between) == 1:  # else there is no such number, and the planes tell their times
        metadata |= {"TimeIncrement": between.pop(), "TimeIncrementUnit": "h"}
    return metadata
