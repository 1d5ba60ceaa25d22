"""NRRD volumes: .nrrd, or a header .nhdr with its values in another file."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np

from scaffoldsim.scaffold.images.raw import Packing, RawValues
from scaffoldsim.scaffold.images.stack import (
    LENGTHS,
    BadImage,
    Stack,
    Triple,
    absent,
    file_size,
    orientation,
    readable,
    require_orthogonal,
    volume_shape,
)

KIND = "an NRRD image"
_MOST_HEADER = 1 << 20  # bytes; a header is a few lines
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int",
           "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}  # fmt: skip
_TYPE = {name: code for code, names in _TYPES.items() for name in names}
_PACKING: dict[str, Packing] = {
    "raw": "none",
    "gzip": "gzip",
    "gz": "gzip",
    "bzip2": "bzip2",
    "bz2": "bzip2",
}


def open_nrrd(file: Path, unit: float, unit_name: str) -> Stack:
    """A volume with the spacings, or space directions, of its header.

    The voxels keep the order of the file. Where the header has no unit of length, `unit` (m) is
    taken.

    Raises
    ------
    BadImage
        If pynrrd is not installed, or the file is no NRRD, truncated, or not one volume of grey
        values.
    """
    with readable(file.name, KIND):
        header, end = _header(file)
        notes: list[str] = []
        values = _values(file, header, end, notes)
        spacing = _spacing(file, header, unit, unit_name, notes)
        nz, ny, nx = values.counts
        return Stack(
            file.name,
            KIND,
            (nx, ny, nz),
            values.value_type(),
            values.planes(),
            spacing,
            notes=notes,
        )


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """What the header says, and where it ends."""
    try:
        import nrrd
    except ImportError as error:
        raise absent(file.name, "pynrrd", "medical") from error

    with file.open("rb") as stream:
        start = io.BytesIO(stream.read(_MOST_HEADER))
    if not start.getvalue().startswith(b"NRRD"):
        raise BadImage(f"{file.name}: is no NRRD file")
    try:
        header = nrrd.read_header(start)
    except ValueError as error:
        raise _bad_line(file, start.getvalue()) from error
    if "sizes" not in header or "type" not in header or "encoding" not in header:
        raise BadImage(f"{file.name}: is cut off within its header")
    return dict(header), start.tell()


def _bad_line(file: Path, start: bytes) -> BadImage:
    """What to say of a header in which pynrrd cannot understand a line."""
    import nrrd

    magic, *lines = start.split(b"\n\n", 1)[0].decode("ascii", "replace").splitlines()
    for number, line in enumerate(lines, 2):
        try:
            nrrd.read_header([magic, line])
        except ValueError:
            return BadImage(f"{file.name}: line {number} of its header is wrong: {line[:60]!r}")
    return BadImage(f"{file.name}: begins with {magic[:60]!r}; NRRD0001 to NRRD0005 are known")


def _data_file(file: Path, header: dict[str, Any], notes: list[str]) -> Path:
    named = header.get("data file", header.get("datafile"))
    if named is None:
        return file
    if file.suffix.lower() != ".nhdr":
        raise BadImage(f"{file.name}: keeps its values in {named!r}; save both as one .nrrd")
    named = str(named)
    if named in ("", ".", "..") or {"/", "\\", ":"} & {*named}:
        raise BadImage(
            f"{file.name}: names {named!r} as the file of its values; only the plain name of a "
            "file in the header's own folder is read: put it there and correct the header"
        )
    there = file.parent / named
    if not there.is_file():
        raise BadImage(
            f"{file.name}: names {named!r} as the file of its values; there is no such file beside "
            "the header"
        )
    notes.append(f"Values read from {named}, as the header says.")
    return there


def _values(file: Path, header: dict[str, Any], end: int, notes: list[str]) -> RawValues:
    kind = str(header["type"]).strip().lower()
    if kind not in _TYPE:
        raise BadImage(f"{file.name}: holds values of type {kind}; grey values are needed")
    sizes = [int(n) for n in header["sizes"]]
    kinds = [str(each).lower() for each in header.get("kinds", [])]
    if any("color" in each or each == "vector" for each in kinds):
        raise BadImage(f"{file.name}: is in colour or of vectors; convert it to grey values first")
    nx, ny, nz = volume_shape(file.name, sizes)
    encoding = str(header["encoding"]).lower()
    if encoding not in _PACKING:
        raise BadImage(
            f"{file.name}: has encoding {encoding}; save it as one of {', '.join(_PACKING)}"
        )
    order = {"little": "<", "big": ">"}.get(str(header.get("endian", "little")).lower())
    if order is None:
        raise BadImage(f"{file.name}: has endian {header['endian']}; little or big is needed")
    stored = np.dtype(f"{order}{_TYPE[kind]}")
    data = _data_file(file, header, notes)
    start = end if data == file else 0
    lines = int(header.get("line skip", header.get("lineskip", 0)))
    with data.open("rb") as stream:
        stream.seek(start)
        for _ in range(lines):
            if not stream.readline(_MOST_HEADER):
                raise BadImage(f"{file.name}: is truncated: it has no {lines} lines to skip")
        start = stream.tell()
    skip = int(header.get("byte skip", header.get("byteskip", 0)))
    if skip == -1 and _PACKING[encoding] == "none":  # the values are the end of the file
        start = max(start, file_size(data) - nx * ny * nz * stored.itemsize)
    elif skip < 0:
        raise BadImage(f"{file.name}: has byte skip {skip}; 0 or more is needed")
    return RawValues(
        data,
        file.name,
        stored,
        (nz, ny, nx),
        start=start,
        skip=max(skip, 0),
        packing=_PACKING[encoding],
    )


def _spacing(
    file: Path, header: dict[str, Any], unit: float, unit_name: str, notes: list[str]
) -> Triple | None:
    """Edges of a voxel, m; None if the header does not say."""
    directions, spacings = header.get("space directions"), header.get("spacings")
    axes = len(header["sizes"])
    for name, given in (("space directions", directions), ("spacings", spacings)):
        if given is not None and len(given) != axes:
            raise BadImage(
                f"{file.name}: has {len(given)} {name} for {axes} axes; correct the header"
            )
    if directions is not None:
        columns = [[float(part) for part in row] for row in np.asarray(directions)[:3]]
        edges = [math.hypot(*column) for column in columns]
        units = header.get("space units")
        require_orthogonal(file.name, columns)
        notes += orientation(columns)
    elif spacings is not None:
        edges = [float(edge) for edge in spacings[:3]]
        units = header.get("units")
    else:
        return None
    named = [str(each).strip(' "') for each in ([] if units is None else units)][:3]
    if not named or not all(named):
        notes.append(f"The file names no unit of length; taken as {unit_name}.")
        lengths = [unit] * 3
    elif all(each.lower() in LENGTHS for each in named) and len(named) == 3:
        lengths = [LENGTHS[each.lower()] for each in named]
    else:
        notes.append(f"The file's unit of length, {', '.join(named)}, is not known here.")
        return None
    x, y, z = (edge * length for edge, length in zip(edges, lengths, strict=True))
    return x, y, z
