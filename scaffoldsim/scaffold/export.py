"""Scaffolds for other programs: image stacks and a mesh, each written whole or not at all.

Images hold 255 in solid and 0 in pores.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scaffoldsim.scaffold.thickness import Bools, Floats

#: Suffixes that `write_scaffold` knows, without the dot.
FORMATS = ("tif", "stl", "nii.gz", "nii", "npy", "nrrd")


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """Give a name beside `target` to write to; it takes the target's name once it is complete."""
    part = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        yield part
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def write_scaffold(path: Path, solid: Bools, distance: Floats, voxel: float) -> None:
    """Write in the format that the suffix of `path` names, one of `FORMATS`.

    Parameters
    ----------
    path : Path
    solid : ndarray of bool, shape (nx, ny, nz)
    distance : ndarray of float32, shape (nx, ny, nz)
        Signed distance to the wall, m, > 0 in pores; for the mesh.
    voxel : float
        m.

    Raises
    ------
    ValueError
        If the suffix is not known, or a library for it is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from scaffoldsim.scaffold.images import read_image
    >>> ball = np.indices((12, 12, 12)) - 5.5
    >>> distance = (np.sqrt((ball**2).sum(axis=0)) - 4).astype(np.float32) * 20e-6
    >>> path = Path(tempfile.mkdtemp()) / "ball.nrrd"
    >>> write_scaffold(path, distance < 0, distance, 20e-6)
    >>> bool((read_image(path).solid == (distance < 0)).all())
    True
    """
    name = path.name.lower()
    if name.endswith((".tif", ".tiff")):
        write_image(path, solid, voxel)
    elif name.endswith((".nii", ".nii.gz")):
        write_nifti(path, solid, voxel)
    elif name.endswith(".nrrd"):
        write_nrrd(path, solid, voxel)
    elif name.endswith(".npy"):
        write_npy(path, solid)
    elif name.endswith(".stl"):
        write_mesh(path, distance, voxel)
    else:
        raise ValueError(f"{path.name}: is none of the formats {', '.join(FORMATS)}")


def _grey(solid: Bools) -> npt.NDArray[np.uint8]:
    """The values (z, y, x), as most formats order them."""
    return np.ascontiguousarray(solid.transpose(2, 1, 0)).astype(np.uint8) * np.uint8(255)


def write_image(path: Path, solid: Bools, voxel: float) -> None:
    """Write `solid` as a TIFF stack, 255 in solid, with its voxel in ImageJ's metadata."""
    import tifffile

    um = voxel * 1e6
    with _whole(path) as part:
        tifffile.imwrite(
            part,
            _grey(solid),
            imagej=True,
            resolution=(1 / um, 1 / um),
            metadata={"axes": "ZYX", "spacing": um, "unit": "um"},
        )


def write_nifti(path: Path, solid: Bools, voxel: float) -> None:
    """Write `solid` as NIfTI-1, .nii or .nii.gz, in mm, with its axes along the world's.

    Raises
    ------
    ValueError
        If nibabel is not installed.
    """
    try:
        import nibabel
    except ImportError as error:
        raise ValueError(
            f"{path.name}: writing it needs nibabel, which is not installed: "
            'pip install "scaffoldsim[medical]"'
        ) from error

    mm = voxel * 1e3
    image = nibabel.Nifti1Image(_grey(solid).transpose(2, 1, 0), np.diag([mm, mm, mm, 1.0]))
    image.header.set_xyzt_units("mm")
    with _whole(path) as part, part.open("wb") as plain:
        if path.suffix.lower() != ".gz":
            image.to_stream(plain)
        else:  # without name and time, so that the same scaffold gives the same bytes
            with gzip.GzipFile("", "wb", fileobj=plain, mtime=0) as packed:
                image.to_stream(packed)


def write_nrrd(path: Path, solid: Bools, voxel: float) -> None:
    """Write `solid` as NRRD, gzipped, in mm (http://teem.sourceforge.net/nrrd/format.html)."""
    mm = voxel * 1e3
    header = [
        "NRRD0004",
        "type: uint8",
        "dimension: 3",
        f"sizes: {' '.join(map(str, solid.shape))}",
        "space dimension: 3",
        f"space directions: ({mm!r},0,0) (0,{mm!r},0) (0,0,{mm!r})",
        'space units: "mm" "mm" "mm"',
        "encoding: gzip",
    ]
    with _whole(path) as part, part.open("wb") as plain:
        plain.write(("\n".join(header) + "\n\n").encode("ascii"))
        with gzip.GzipFile("", "wb", fileobj=plain, mtime=0) as packed:
            packed.write(_grey(solid).tobytes())


def write_npy(path: Path, solid: Bools) -> None:
    """Write `solid` as an .npy array (x, y, z), 255 in solid; it does not hold the voxel."""
    with _whole(path) as part:
        np.save(part, solid.astype(np.uint8) * np.uint8(255), allow_pickle=False)


def surface(
    distance: Floats, voxel: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Closed surface of the solid: vertices in m, triangles that wind outwards.

    Where solid meets a face of the box it is cut off flat there.

    Raises
    ------
    ValueError
        If there is no solid.
    """
    if not (distance < 0).any():
        raise ValueError("distance: holds no solid (no value below 0), so there is no surface")
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
    # Lewiner's cases, the default, put two triangles back to back where voxels meet along an edge
    # only: no printer takes four triangles on one edge.
    vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
        level, 0.0, gradient_direction="descent", method="lorensen"
    )
    return ((vertices - 0.5) * voxel).astype(np.float32), faces.astype(np.int32)


def write_mesh(path: Path, distance: Floats, voxel: float) -> float:
    """Write the closed surface of the solid as a binary STL file in mm; return its volume, m³.

    That is Σ a · (b × c) / 6 over its triangles (a, b, c).
    """
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
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)
