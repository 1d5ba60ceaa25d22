"""NIfTI-1 and NIfTI-2 volumes in one file, .nii or .nii.gz."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

from scaffoldsim.scaffold.images.raw import RawValues
from scaffoldsim.scaffold.images.stack import (
    LENGTHS,
    SAME_EDGE,
    BadImage,
    Stack,
    Triple,
    absent,
    in_um,
    orientation,
    readable,
    require_grey,
    require_orthogonal,
    volume_shape,
)

KIND = "a NIfTI image"
_LENGTHS_OF_HEADER = (348, 540)  # NIfTI-1, NIfTI-2


def open_nifti(file: Path, unit: float, unit_name: str) -> Stack:
    """A volume with the spacing, unit, slope and intercept of its header.

    The voxels keep the order of the file; a note says where its axes point, if not along the
    world's. Where the header has no unit of length, `unit` (m) is taken.

    Raises
    ------
    BadImage
        If nibabel is not installed, or the file is no NIfTI, truncated, or not one volume of grey
        values.
    """
    try:
        import nibabel
    except ImportError as error:
        raise absent(file.name, "nibabel", "medical") from error

    packed = file.name.lower().endswith(".gz")
    with readable(file.name, KIND):
        with gzip.open(file) if packed else file.open("rb") as stream:
            block = stream.read(_LENGTHS_OF_HEADER[1])
        sizes = {int.from_bytes(block[:4], order) for order in ("little", "big")}
        if not block or len(block) < _LENGTHS_OF_HEADER[0] or not sizes & {*_LENGTHS_OF_HEADER}:
            raise BadImage(f"{file.name}: is no NIfTI file, or is cut off within its header")
        kind: Any = nibabel.Nifti1Header
        if _LENGTHS_OF_HEADER[0] in sizes:
            block = block[: _LENGTHS_OF_HEADER[0]]
        else:
            kind = nibabel.Nifti2Header
        header = kind(block)
        if bytes(header["magic"].item()).startswith(b"ni"):
            raise BadImage(
                f"{file.name}: has its values in another file (.img); save it as one .nii"
            )
        dtype = header.get_data_dtype()
        if dtype.names is not None:
            raise BadImage(f"{file.name}: is in colour; convert it to grey values first")
        require_grey(file.name, dtype)
        nx, ny, nz = volume_shape(file.name, [int(n) for n in header.get_data_shape()])
        slope, offset = header.get_slope_inter()
        skip = float(header["vox_offset"])
        if not (math.isfinite(skip) and skip >= len(block)):
            raise BadImage(f"{file.name}: says its values begin at byte {skip:g}, in the header")
        values = RawValues(
            file,
            file.name,
            dtype,
            (nz, ny, nx),
            skip=int(skip),
            packing="gzip" if packed else "none",
            slope=1.0 if slope is None else float(slope),
            offset=0.0 if offset is None else float(offset),
        )
        notes: list[str] = []
        if values.scaled:
            notes.append(f"Values are {values.slope:g} x stored + {values.offset:g} (header).")
        said = header.get_xyzt_units()[0]
        length = LENGTHS.get(said)
        if length is None:
            length = unit
            notes.append(f"The file names no unit of length; taken as {unit_name}.")
        return Stack(
            file.name,
            KIND,
            (nx, ny, nz),
            values.value_type(),
            values.planes(),
            _spacing(file, header, kind(block, check=False)["pixdim"], length, notes),
            notes=notes,
        )


def _spacing(file: Path, header: Any, pixdim: Any, length: float, notes: list[str]) -> Triple:
    """Edges of a voxel from pixdim, held against the affine.

    `pixdim` is that of the file: in `header` nibabel has put other values for impossible ones.
    """
    # 7 digits are what a float32 holds: 0.02 mm is stored as 0.0199999996
    x, y, z = (float(f"{float(edge) * length:.7g}") for edge in pixdim[1:4])
    code = int(header["sform_code"])
    if code <= 0 and int(header["qform_code"]) <= 0:
        return x, y, z
    affine = header.get_best_affine()[:3, :3]
    columns = [[float(affine[row, axis]) for row in range(3)] for axis in range(3)]
    a, b, c = (math.hypot(*column) * length for column in columns)
    pairs = list(zip((x, y, z), (a, b, c), strict=True))
    if not all(max(pair) <= SAME_EDGE * min(pair) for pair in pairs if min(pair) > 0):
        raise BadImage(
            f"{file.name}: says two sizes of its voxels, {in_um((x, y, z))} (pixdim) and "
            f"{in_um((a, b, c))} (affine); correct the header"
        )
    require_orthogonal(file.name, columns)
    notes += orientation(columns)
    return x, y, z
