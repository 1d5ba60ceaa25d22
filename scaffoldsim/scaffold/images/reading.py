"""`read_image`: any image or mesh as solid and pore, with a line on everything that was changed."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from scaffoldsim import units
from scaffoldsim.scaffold.grid import Grid, require_memory
from scaffoldsim.scaffold.images.dicom import is_dicom, open_dicom
from scaffoldsim.scaffold.images.mesh import MESHES, mesh_grid, read_mesh
from scaffoldsim.scaffold.images.nifti import open_nifti
from scaffoldsim.scaffold.images.npy import open_npy
from scaffoldsim.scaffold.images.nrrd import open_nrrd
from scaffoldsim.scaffold.images.sampling import Crop, plan
from scaffoldsim.scaffold.images.segmentation import (
    Values,
    drop_islands,
    keep_largest_network,
    segment,
)
from scaffoldsim.scaffold.images.slices import SLICES, ignored, open_slices, slice_files
from scaffoldsim.scaffold.images.stack import BadImage, Stack
from scaffoldsim.scaffold.images.tiff import open_tiff
from scaffoldsim.scaffold.thickness import Bools

_BYTES_PER_VOXEL = 12
_BYTES_TO_CLEAN = 15  # per voxel, measured: labels of pieces, beside the solid
_SUFFIXES = {
    ".tif": "tiff",
    ".tiff": "tiff",
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".nrrd": "nrrd",
    ".nhdr": "nrrd",
    ".dcm": "dicom",
    ".npy": "npy",
    **dict.fromkeys(MESHES, "mesh"),
}
_FIRST_BYTES = {
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"NRRD": "nrrd",
    b"\x93NUMPY": "npy",
}


@dataclass(frozen=True)
class Image:
    """A segmented image.

    Attributes
    ----------
    solid : ndarray of bool, shape (nx, ny, nz)
    voxel : float
        m.
    threshold : float or None
        Solid is value > threshold (≤, if inverted); None of a mesh.
    notes : list of str
        What was found out rather than given, and what was changed.
    """

    solid: Bools
    voxel: float
    threshold: float | None
    notes: list[str]


def read_image(
    path: str | os.PathLike[str],
    *,
    voxel: float | None = None,
    threshold: float | str = "otsu",
    invert: bool = False,
    unit: str = "mm",
    resample: float | None = None,
    crop: Crop | None = None,
    largest_pore_network: bool = False,
    smallest_island: int = 0,
) -> Image:
    """Read an image or a mesh and tell solid from pore.

    Parameters
    ----------
    path : path
        A TIFF stack (z, y, x), NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr), a DICOM file of many
        frames, .npy with axes (x, y, z), a mesh (.stl, .obj, .ply); or a folder with slices (TIFF,
        PNG, BMP, JPEG) in the order of their numbers, or with a DICOM series.
    voxel : float, optional
        Edge of the cubic voxels, m; without it the file must say. Voxels that are no cubes, by the
        file, are resampled to cubes of their least edge. A mesh needs it.
    threshold : float or "otsu"
        Solid is what is brighter, after any resampling. Of no meaning for a mesh.
    invert : bool
        Solid is what is not brighter.
    unit : str
        Unit of length of files that do not say: meshes, and NIfTI and NRRD without one.
    resample : float, optional
        Edge of the voxels of the result, m: grey values are averaged over larger voxels, and
        interpolated linearly on smaller ones.
    crop : mapping of "x", "y", "z" to (from, to), optional
        Part to take, m, from the low face of the image (of the box round a mesh).
    largest_pore_network : bool
        Make every pore solid that is not joined to the largest network of pores.
    smallest_island : int
        Make pieces of solid of fewer voxels pore.

    Returns
    -------
    Image

    Raises
    ------
    BadImage
        A ValueError. If the file is missing, of no known kind, truncated, compressed beyond belief,
        not one volume of finite grey values, all on one side of the threshold, or of unknown voxel
        size; if a mesh is open or crosses itself; or if a library that reads it is not installed.
    TooLarge
        If it does not fit in memory.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> solid = np.zeros((8, 8, 8), bool)
    >>> solid[:2] = True
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/plate.npy", solid)
    ...     image = read_image(f"{folder}/plate.npy", voxel=20e-6, resample=40e-6)
    >>> image.solid.shape, int(image.solid.sum())
    ((4, 4, 4), 16)
    """
    file = _there(path)
    limit = _limit(threshold)
    if (
        isinstance(smallest_island, bool)
        or int(smallest_island) != smallest_island
        or smallest_island < 0
    ):
        raise ValueError(
            f"smallest_island: {smallest_island!r} is not a number of voxels; 0 or more is needed"
        )
    notes: list[str] = []
    kind = _kind(file)
    level: float | None = None
    if kind == "mesh":
        edge, length = _mesh_lengths(file, voxel, resample, unit)
        solid, grid = read_mesh(
            file, voxel=edge, unit=length, unit_name=unit, crop=crop, notes=notes
        )
        if invert:
            solid = ~solid
        if solid.all() or not solid.any():
            raise BadImage(
                f"{file.name}: every voxel of {edge * 1e6:.4g} um is "
                f"{'solid' if solid.all() else 'pore'}; check the unit ({unit}) and the voxel"
            )
    else:
        stack = _open(file, kind, unit)
        sampling = plan(stack, voxel, resample, crop)
        grid = sampling.grid
        require_memory(
            grid.n_voxels * _BYTES_PER_VOXEL + sampling.bytes_held(stack),
            f"{file.name}: {grid.n_voxels:.3g} voxels",
        )
        notes += stack.notes + sampling.notes
        solid, level = segment(Values(stack, sampling), limit, invert, notes)
    if invert:
        notes.append("Inverted: solid and pore changed places.")
    if smallest_island > 1 or largest_pore_network:
        require_memory(
            solid.size * _BYTES_TO_CLEAN, f"{file.name}: finding pieces in {solid.size:.3g} voxels"
        )
    if smallest_island > 1:
        solid = drop_islands(file.name, solid, int(smallest_island), notes)
    if largest_pore_network:
        solid = keep_largest_network(solid, notes)
    return Image(solid, grid.voxel, level, notes)


def image_grid(
    path: str | os.PathLike[str],
    *,
    voxel: float | None = None,
    unit: str = "mm",
    resample: float | None = None,
    crop: Crop | None = None,
) -> Grid:
    """The grid that `read_image` gives, from the header alone (of a mesh: from its corners)."""
    file = _there(path)
    kind = _kind(file)
    if kind == "mesh":
        edge, length = _mesh_lengths(file, voxel, resample, unit)
        return mesh_grid(file, voxel=edge, unit=length, crop=crop)
    return plan(_open(file, kind, unit), voxel, resample, crop).grid


def _there(path: str | os.PathLike[str]) -> Path:
    if not os.fspath(path):  # which Path would make the current folder
        raise BadImage("image: is an empty name; give that of a file, or of a folder of slices")
    file = Path(path)
    if not file.exists():
        raise BadImage(f"image: {file} is not there")
    _require_plain(file)
    return file


def _require_plain(file: Path) -> None:
    """Refuse pipes, sockets and devices, which may never end, before one is opened."""
    if not (file.is_file() or file.is_dir()):
        raise BadImage(
            f"image: {file} is neither a file nor a folder (a pipe, socket, device or broken "
            "link); save the image as a file"
        )


def _limit(threshold: float | str) -> float | str:
    if isinstance(threshold, str) and threshold != "otsu":
        raise ValueError(f"threshold: {threshold!r} is neither a number nor otsu")
    if not isinstance(threshold, str) and not math.isfinite(threshold):
        raise ValueError(f"threshold: {threshold!r} is not a finite number")
    return threshold


def _mesh_lengths(
    file: Path, voxel: float | None, resample: float | None, unit: str
) -> tuple[float, float]:
    """The voxel to use for a mesh, and its unit of length, m."""
    if resample is not None:
        raise BadImage(
            f"{file.name}: a mesh has no voxels to resample; give the edge wanted as voxel"
        )
    if voxel is None:
        raise BadImage(f"{file.name}: a mesh has no voxels; give their edge, e.g. voxel: 20 um")
    if not (math.isfinite(voxel) and voxel > 0):
        raise BadImage(f"{file.name}: voxel: {voxel!r} is not a positive length in m")
    return float(voxel), units.parse(f"1 {unit}", "m")


def _kind(file: Path) -> str:
    """The kind of image, by suffix; by its first bytes where the suffix is not known."""
    if file.is_dir():
        return "folder"
    name = file.name.lower()
    for suffix, kind in _SUFFIXES.items():
        if name.endswith(suffix):
            return kind
    with file.open("rb") as stream:
        start = stream.read(8)
    for mark, kind in _FIRST_BYTES.items():
        if start.startswith(mark):
            return kind
    if is_dicom(file):
        return "dicom"
    if file.suffix.lower() in SLICES:
        raise BadImage(f"{file.name}: is one plane; give the folder of its slices, or a stack")
    raise BadImage(
        f"{file.name}: is of no known kind; known are {', '.join(_SUFFIXES)}, and folders of "
        "slices (TIFF, PNG, BMP, JPEG) or of a DICOM series"
    )


def _open(file: Path, kind: str, unit: str) -> Stack:
    if kind == "tiff":
        return open_tiff(file)
    if kind == "npy":
        return open_npy(file)
    if kind == "nifti":
        return open_nifti(file, units.parse(f"1 {unit}", "m"), unit)
    if kind == "nrrd":
        return open_nrrd(file, units.parse(f"1 {unit}", "m"), unit)
    if kind == "dicom":
        return open_dicom(file.name, [file], [])
    files, dicom, notes = _files(file)
    return open_dicom(file.name, files, notes) if dicom else open_slices(file, files, notes)


def _files(folder: Path) -> tuple[list[Path], bool, list[str]]:
    """The files of a folder that make the image, whether they are DICOM, and notes."""
    inside = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
    for each in inside:
        _require_plain(each)
    every = [each for each in inside if each.is_file()]
    slices = slice_files(every)
    others = [each for each in every if each.suffix.lower() not in SLICES]
    dicom = [each for each in others if each.name.upper() != "DICOMDIR" and is_dicom(each)]
    if not slices and not dicom:
        raise BadImage(
            f"image: {folder} is a folder with no slices (TIFF, PNG, BMP, JPEG) and no DICOM files"
        )
    chosen = dicom if len(dicom) > len(slices) else slices
    return chosen, chosen is dicom, ignored(chosen, every)
