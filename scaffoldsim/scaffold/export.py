"""Scaffolds for other programs: an image stack and a mesh, each written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scaffoldsim.scaffold.thickness import Bools, Floats


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """Give a name beside `target` to write to; it takes the target's name once it is complete."""
    part = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        yield part
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def write_image(path: Path, solid: Bools, voxel: float) -> None:
    """Write `solid` as a TIFF stack, 255 in solid, with its voxel in ImageJ's metadata."""
    import tifffile

    um = voxel * 1e6
    stack = np.ascontiguousarray(solid.transpose(2, 1, 0)).astype(np.uint8) * np.uint8(255)
    with _whole(path) as part:
        tifffile.imwrite(
            part,
            stack,
            imagej=True,
            resolution=(1 / um, 1 / um),
            metadata={"axes": "ZYX", "spacing": um, "unit": "um"},
        )


def surface(
    distance: Floats, voxel: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Closed surface of the solid: vertices in m, triangles that wind outwards.

    Where solid meets a face of the box it is cut off flat there.
    """
    from skimage.measure import marching_cubes

    # A voxel beyond the face as far outside the wall as the one before it is inside puts the cut
    # half-way between them: at the face.
    level = np.pad(distance, 1, mode="edge")
    for axis in range(3):
        for end in (0, -1):
            border = [slice(None)] * 3
            border[axis] = slice(end, None if end else 1)
            level[tuple(border)] = np.abs(level[tuple(border)])
    # A wall exactly through a voxel centre would give triangles without area.
    least = np.float32(1e-3 * voxel)
    level = np.where(np.abs(level) < least, np.copysign(least, level), level)
    vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
        level, 0.0, gradient_direction="descent"
    )
    return ((vertices - 0.5) * voxel).astype(np.float32), faces.astype(np.int32)


def write_mesh(path: Path, distance: Floats, voxel: float) -> None:
    """Write the closed surface of the solid as a binary STL file in mm."""
    vertices, faces = surface(distance, voxel)
    corners = (vertices * np.float32(1e3))[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.sqrt((normals * normals).sum(axis=1, keepdims=True))
    normals /= np.where(length > 0, length, 1)
    record = np.zeros(
        faces.shape[0], [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("unused", "<u2")]
    )
    record["normal"], record["corners"] = normals, corners
    with _whole(path) as part, part.open("wb") as stream:
        stream.write(b"scaffold, mm".ljust(80))
        stream.write(np.uint32(faces.shape[0]).astype("<u4").tobytes())
        stream.write(record.tobytes())
