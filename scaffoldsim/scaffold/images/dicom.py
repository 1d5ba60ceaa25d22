"""DICOM: a folder with the slices of one series, or one file of many frames."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scaffoldsim.scaffold.images.stack import (
    MOST_COMPRESSED,
    BadImage,
    Plane,
    Stack,
    Triple,
    absent,
    check_claim,
    file_size,
    readable,
    require_orthogonal,
)

if TYPE_CHECKING:
    from pydicom import Dataset

KIND = "a DICOM image"
_DEFLATED = "1.2.840.10008.1.2.1.99"  # DICOM PS3.5, A.5: all of the file, not only its pixels
_EVEN = 0.02  # of their distance: slices may be unevenly spaced by it, since positions are rounded
_UPRIGHT = 0.02  # of their distance: slices may be shifted sideways by it
_MM = 1e-3  # DICOM PS3.3, C.7.6.2: lengths are in mm


@dataclass(frozen=True)
class _Frame:
    """One slice: where it is stored and where it was taken."""

    file: Path
    index: int
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    spacing: tuple[float, float] | None  # along x and y, mm
    position: Triple | None  # mm
    direction: tuple[float, ...] | None  # of rows and columns
    thickness: float | None  # mm
    number: int
    slope: float
    offset: float
    series: str


def is_dicom(file: Path) -> bool:
    """Whether a file has the mark of DICOM, or at least its suffix."""
    with file.open("rb") as stream:
        stream.seek(128)
        return stream.read(4) == b"DICM" or file.suffix.lower() == ".dcm"


def open_dicom(name: str, files: list[Path], notes: list[str]) -> Stack:
    """The slices of one series as a volume; z runs along the normal of the slices.

    Raises
    ------
    BadImage
        If pydicom is not installed, a file cannot be read, there is more than one series, slices
        are missing, doubled or of different sizes, or their compression needs a plugin that is not
        there.
    """
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise absent(name, "pydicom", "medical") from error

    frames: list[_Frame] = []
    for file in files:
        with readable(file.name, KIND):
            frames += _frames(file)
    series = sorted({frame.series for frame in frames})
    if len(series) > 1:
        counts = [f"{uid} ({sum(f.series == uid for f in frames)} slices)" for uid in series]
        raise BadImage(
            f"{name}: holds {len(series)} series: {', '.join(counts)}; put one of them into a "
            "folder of its own"
        )
    first = frames[0]
    for frame in frames[1:]:
        if (frame.shape, frame.dtype, frame.spacing) != (first.shape, first.dtype, first.spacing):
            raise BadImage(
                f"{name}: slices of different kinds: {first.file.name} has {_size(first)}, "
                f"{frame.file.name} {_size(frame)}"
            )
    if len(frames) < 2:
        raise BadImage(f"{name}: is one plane, {_size(first)}; a stack is needed")
    notes = [*notes]
    with readable(name, KIND):
        frames, distance = _in_order(name, frames, notes)
    scaled = any((frame.slope, frame.offset) != (1.0, 0.0) for frame in frames)
    if scaled:
        notes.append(
            f"Values are rescaled as the file says (x {first.slope:g} + {first.offset:g})."
        )
    spacing = None
    if first.spacing is not None and distance is not None:
        spacing = (first.spacing[0] * _MM, first.spacing[1] * _MM, distance * _MM)
    return Stack(
        name,
        KIND,
        (first.shape[1], first.shape[0], len(frames)),
        np.dtype(np.float64) if scaled else first.dtype,
        partial(_planes, frames, scaled),
        spacing,
        notes=notes,
    )


def _size(frame: _Frame) -> str:
    pixels = "" if frame.spacing is None else f" of {frame.spacing[0]:g} x {frame.spacing[1]:g} mm"
    return f"{frame.shape[1]} x {frame.shape[0]} pixels{pixels} ({frame.dtype})"


def _frames(file: Path) -> list[_Frame]:
    """The frames of one file, from its header."""
    from pydicom import dcmread
    from pydicom.filereader import read_file_meta_info
    from pydicom.uid import UID

    from scaffoldsim.scaffold.grid import require_memory

    syntax = UID(str(read_file_meta_info(file).get("TransferSyntaxUID", "")))
    if syntax == _DEFLATED:
        require_memory(file_size(file) * MOST_COMPRESSED, f"{file.name}: unpacking it")
    with file.open("rb") as stream:
        header = dcmread(stream, stop_before_pixels=True)
        pixels = file_size(file) - stream.tell()
    name = file.name
    rows, columns = header.get("Rows"), header.get("Columns")
    bits = header.get("BitsAllocated")
    if rows is None or columns is None or bits is None:
        raise BadImage(f"{name}: holds no image")
    if header.get("SamplesPerPixel", 1) != 1 or "PALETTE" in header.get(
        "PhotometricInterpretation", ""
    ):
        raise BadImage(f"{name}: is in colour; convert it to grey values first")
    signed = header.get("PixelRepresentation", 0) == 1
    types = {8: "u1", 16: "u2", 32: "u4"}
    if bits not in types:
        raise BadImage(f"{name}: has {bits} bits a pixel; 8, 16 or 32 are needed")
    dtype = np.dtype(types[bits].replace("u", "i") if signed else types[bits])
    count = int(header.get("NumberOfFrames", 1) or 1)
    if count < 1 or rows < 1 or columns < 1:
        raise BadImage(f"{name}: claims {columns} x {rows} x {count} pixels: it holds none")
    packed = syntax == _DEFLATED or bool(syntax.is_transfer_syntax and syntax.is_compressed)
    claimed = int(rows) * int(columns) * count * dtype.itemsize
    check_claim(name, claimed, file_size(file) if packed else pixels, compressed=packed)
    if syntax.is_transfer_syntax and syntax.is_encapsulated:
        _require_plugin(name, syntax)
    groups = list(header.get("PerFrameFunctionalGroupsSequence", []))
    shared = (list(header.get("SharedFunctionalGroupsSequence", [])) or [None])[0]
    frames = []
    for index in range(count):
        own = groups[index] if index < len(groups) else None
        places = [_inner(own, shared, "PlanePositionSequence"), header]
        sizes = [_inner(own, shared, "PixelMeasuresSequence"), header]
        facing = [_inner(own, shared, "PlaneOrientationSequence"), header]
        values = [_inner(own, shared, "PixelValueTransformationSequence"), header]
        alone = count == 1 or own is not None
        position = _numbers(places, "ImagePositionPatient") if alone else None
        direction = _numbers(facing, "ImageOrientationPatient")
        spacing = _numbers(sizes, "PixelSpacing") or _numbers([header], "ImagerPixelSpacing")
        thickness = _numbers(sizes, "SpacingBetweenSlices") or _numbers(sizes, "SliceThickness")
        slope, offset = (_numbers(values, f"Rescale{word}") for word in ("Slope", "Intercept"))
        frames.append(
            _Frame(
                file,
                index,
                (int(rows), int(columns)),
                dtype,
                (spacing[1], spacing[0]) if spacing and len(spacing) == 2 else None,
                (position[0], position[1], position[2])
                if position and len(position) == 3
                else None,
                direction if direction and len(direction) == 6 else None,
                thickness[0] if thickness else None,
                int(header.get("InstanceNumber", 0) or 0),
                slope[0] if slope else 1.0,
                offset[0] if offset else 0.0,
                str(header.get("SeriesInstanceUID", "")),
            )
        )
    return frames


def _require_plugin(name: str, syntax: Any) -> None:
    from pydicom.pixels.decoders.base import get_decoder

    try:
        ready = get_decoder(syntax).is_available
    except NotImplementedError:
        ready = False
    if not ready:
        raise BadImage(
            f"{name}: its pixels are compressed ({syntax.name}), which needs a plugin of pydicom "
            "that is not installed: pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg, or "
            "save it uncompressed"
        )


def _inner(own: Dataset | None, shared: Dataset | None, keyword: str) -> Dataset | None:
    """The item of a functional group: of this frame, or that of all frames."""
    for group in (own, shared):
        if group is not None and group.get(keyword):
            item: Dataset = group.get(keyword)[0]
            return item
    return None


def _numbers(places: list[Dataset | None], keyword: str) -> tuple[float, ...] | None:
    """A value, as floats, from the first place that has it."""
    for place in places:
        value = None if place is None else place.get(keyword)
        if value not in (None, ""):
            try:
                return tuple(float(each) for each in value)
            except TypeError:
                return (float(value),)
    return None


def _in_order(
    name: str, frames: list[_Frame], notes: list[str]
) -> tuple[list[_Frame], float | None]:
    """Frames along the normal of the slices, and their distance, mm."""
    placed = [frame for frame in frames if frame.position is not None]
    if len(placed) < len(frames) or frames[0].direction is None:
        notes.append(
            "The slices have no position; they are in the order of their numbers, as far apart as "
            "they are thick."
        )
        ordered = sorted(frames, key=lambda frame: (frame.number, frame.index))
        return ordered, frames[0].thickness
    direction = frames[0].direction
    for frame in frames:
        other = frame.direction or ()
        if len(other) != 6 or max(abs(a - b) for a, b in zip(direction, other, strict=True)) > 1e-3:
            raise BadImage(
                f"{name}: slices face different ways ({frames[0].file.name}, {frame.file.name}); "
                "leave out what does not belong to the stack"
            )
    require_orthogonal(name, [[*direction[:3]], [*direction[3:]]])
    a, b = _unit(direction[:3]), _unit(direction[3:])
    normal = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])

    def place(frame: _Frame, along: tuple[float, ...] = normal) -> float:
        return sum(p * n for p, n in zip(frame.position or (), along, strict=True))

    ordered = sorted(frames, key=place)
    steps = [place(q) - place(p) for p, q in pairwise(ordered)]
    distance = (place(ordered[-1]) - place(ordered[0])) / len(steps)
    usual = sorted(steps)[len(steps) // 2]
    if not math.isfinite(distance):
        raise BadImage(f"{name}: has slices at positions that are not finite")
    for (before, after), step in zip(pairwise(ordered), steps, strict=True):
        if abs(step - usual) > _EVEN * max(abs(usual), abs(step)) or step <= 0:
            what = "at the same place" if step <= 0 or step < _EVEN * usual else "missing or uneven"
            raise BadImage(
                f"{name}: slices are {what}: {after.file.name} (frame {after.index}) lies {step:g} "
                f"mm behind {before.file.name} (frame {before.index}), others {usual:g} mm"
            )
    shift = max(abs(place(ordered[1], side) - place(ordered[0], side)) for side in (a, b))
    if shift > _UPRIGHT * distance:
        notes.append(
            f"Each slice is shifted sideways by {shift:.3g} mm (a tilted gantry), which is not "
            "corrected: the volume is sheared."
        )
    return ordered, distance


def _unit(vector: tuple[float, ...]) -> tuple[float, ...]:
    """Of length 1, which the rounding of direction cosines is not; 0 stays 0."""
    length = math.hypot(*vector) or 1.0
    return tuple(part / length for part in vector)


def _planes(frames: list[_Frame], scaled: bool, first: int, stop: int) -> Iterator[Plane]:
    from pydicom.pixels.utils import pixel_array

    for frame in frames[first:stop]:
        with readable(frame.file.name, KIND):
            plane = pixel_array(frame.file, index=frame.index, raw=True)
            if plane.shape != frame.shape:
                raise BadImage(f"{frame.file.name}: holds {plane.shape} pixels, not {frame.shape}")
        if scaled:
            plane = plane.astype(np.float64) * frame.slope + frame.offset
        yield plane
