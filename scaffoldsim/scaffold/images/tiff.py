"""TIFF stacks, read a page at a time, and single TIFF pages."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scaffoldsim.scaffold.images.stack import (
    LENGTHS,
    BadImage,
    Plane,
    Stack,
    Triple,
    check_claim,
    file_size,
    readable,
    require_grey,
)

if TYPE_CHECKING:
    from tifffile import TiffFile

KIND = "a TIFF image"
_COUNTED = {"shaped", "imagej", "ome"}  # the first page says how many there are


def open_tiff(file: Path) -> Stack:
    """A stack of pages along z: (z, y, x) in the file becomes (x, y, z).

    Raises
    ------
    BadImage
        If it is no TIFF, truncated, compressed beyond belief, or not one volume of grey values.
    """
    import tifffile

    with (
        readable(file.name, KIND) as complaints,
        tifffile.TiffFile(file, _multifile=False) as tiff,
    ):
        shape = _volume(file, tiff, complaints)
        _check_claim(file, tiff, shape)
        nz, ny, nx = shape
        return Stack(
            file.name,
            KIND,
            (nx, ny, nz),
            np.dtype(tiff.series[0].dtype),
            partial(_pages, file, shape),
            _spacing(tiff),
            page="page",
        )


def open_page(file: Path) -> tuple[tuple[int, int], np.dtype[Any], Triple | None]:
    """Shape (y, x), type and spacing of a file of one page.

    Raises
    ------
    BadImage
        If it is not one page of grey values.
    """
    import tifffile

    with readable(file.name, KIND), tifffile.TiffFile(file, _multifile=False) as tiff:
        if not tiff.series:
            raise BadImage(f"{file.name}: holds no image")
        series = tiff.series[0]
        _require_grey(file, tiff)
        if len(tiff.series) > 1 or len(series.shape) < 2 or math.prod(series.shape[:-2]) != 1:
            raise BadImage(
                f"{file.name}: holds more than one page; in a folder each file is one slice"
            )
        _check_claim(file, tiff, series.shape)
        return (
            (series.shape[-2], series.shape[-1]),
            np.dtype(series.dtype),
            _spacing(tiff),
        )


def read_page(file: Path) -> Plane:
    """The values (y, x) of a file of one page."""
    import tifffile

    with tifffile.TiffFile(file, _multifile=False) as tiff:
        plane: Plane = tiff.series[0].asarray()
        return plane.reshape(plane.shape[-2:])


def _require_grey(file: Path, tiff: TiffFile) -> None:
    series = tiff.series[0]
    require_grey(file.name, series.dtype)
    if "S" in series.axes or series.keyframe.samplesperpixel > 1:
        raise BadImage(f"{file.name}: is in colour; convert it to grey values first")


def _volume(file: Path, tiff: TiffFile, complaints: list[str]) -> tuple[int, int, int]:
    """The shape (z, y, x) of the file's image, if it is one volume of grey values."""
    if not tiff.series:
        raise BadImage(f"{file.name}: holds no image")
    series = tiff.series[0]
    shape, axes, dtype = series.shape, series.axes, series.dtype
    count = len(tiff.series)
    broken = any("TiffPages" in said for said in complaints)  # a damaged tag may be harmless
    if broken and series.kind not in _COUNTED:
        raise _damaged(file, tiff, complaints)
    require_grey(file.name, dtype)
    if (
        count > 1
        and len(shape) == 2
        and all(s.shape == shape and s.dtype == dtype for s in tiff.series)
    ):
        shape, axes = (count, *shape), f"Z{axes}"  # each page was written as an image of its own
    elif count > 1:
        raise BadImage(
            f"{file.name}: holds {count} images of different kinds or sizes; one volume of equal "
            "pages is needed"
        )
    _require_grey(file, tiff)
    if "C" in axes and shape[axes.index("C")] > 1:
        raise BadImage(
            f"{file.name}: has {shape[axes.index('C')]} channels; one is needed. If they are "
            "slices, save it with axes ZYX (in Fiji: Image > Properties, swap channels and slices; "
            "in tifffile: metadata={'axes': 'ZYX'})"
        )
    if len(shape) < 3 or shape[-3] < 2:
        if complaints:
            raise _damaged(file, tiff, complaints)
        raise BadImage(
            f"{file.name}: is one plane, {' x '.join(map(str, shape))}; a stack is needed"
        )
    if math.prod(shape[:-3]) != 1:
        raise BadImage(f"{file.name}: has axes {axes} of {shape}; a single volume is needed")
    nz, ny, nx = shape[-3:]
    return nz, ny, nx


def _damaged(file: Path, tiff: TiffFile, complaints: list[str]) -> BadImage:
    """What to say of a file whose chain of pages breaks off."""
    reason = complaints[0].split("> ", 1)[-1]
    return BadImage(
        f"{file.name}: is damaged or cut off: pages that can be found: {len(tiff.pages)}; then "
        f"{reason}"
    )


def _check_claim(file: Path, tiff: TiffFile, shape: tuple[int, ...]) -> None:
    page = tiff.series[0].keyframe
    compressed = page.compression != 1
    bits = 8 * np.dtype(tiff.series[0].dtype).itemsize if compressed else page.bitspersample
    claimed = math.ceil(math.prod(shape) * bits / 8)
    check_claim(file.name, claimed, file_size(file), compressed=compressed)


def _pages(file: Path, shape: tuple[int, int, int], first: int, stop: int) -> Iterator[Plane]:
    """Pages first … stop − 1."""
    import tifffile

    with tifffile.TiffFile(file, _multifile=False) as tiff:
        series = tiff.series[0]
        apart = len(tiff.series) > 1
        # ImageJ writes large stacks as one page with the other planes behind it
        start = series.dataoffset if series.keyframe.compression == 1 and not apart else None
        for z in range(first, stop):
            if start is not None:
                yield _stored(file, tiff, start, z, shape)
                continue
            page = tiff.series[z][0] if apart else series[z]
            if page is None:
                raise BadImage(f"{file.name}: page {z} is missing")
            yield page.asarray()


def _stored(file: Path, tiff: TiffFile, start: int, z: int, shape: tuple[int, int, int]) -> Plane:
    count = shape[1] * shape[2]
    stored = np.dtype(tiff.series[0].dtype).newbyteorder(tiff.byteorder)
    with file.open("rb") as stream:
        stream.seek(start + z * count * stored.itemsize)
        data = stream.read(count * stored.itemsize)
    if len(data) != count * stored.itemsize:
        raise BadImage(f"{file.name}: is truncated: page {z} ends too soon")
    return np.frombuffer(data, stored).reshape(shape[1:])


def _spacing(tiff: TiffFile) -> Triple | None:
    """Edges of a voxel from the file's own words, m."""
    return _ome_spacing(tiff) or _imagej_spacing(tiff) or _plain_spacing(tiff)


def _resolution(tiff: TiffFile) -> tuple[float, float] | None:
    """Pixels per unit along x and y."""
    values = []
    for name in ("XResolution", "YResolution"):
        tag = tiff.pages.first.tags.get(name)
        if tag is None or not tag.value or not tag.value[0] or not tag.value[1]:
            return None
        values.append(tag.value[0] / tag.value[1])
    return values[0], values[1]


def _imagej_spacing(tiff: TiffFile) -> Triple | None:
    metadata, pixels = tiff.imagej_metadata, _resolution(tiff)
    unit = LENGTHS.get(str((metadata or {}).get("unit", "")).strip().lower())
    if metadata is None or unit is None or pixels is None:
        return None
    x, y = unit / pixels[0], unit / pixels[1]
    return x, y, float(metadata.get("spacing", x / unit)) * unit


def _ome_spacing(tiff: TiffFile) -> Triple | None:
    text = tiff.ome_metadata or ""
    edges = []
    for axis in "XYZ":
        size = re.search(rf'PhysicalSize{axis}="([0-9.eE+-]+)"', text)
        unit = re.search(rf'PhysicalSize{axis}Unit="([^"]{{1,12}})"', text)
        scale = LENGTHS.get(unit[1].lower() if unit else "um")  # OME's own default is µm
        if size is None or scale is None:
            return None
        edges.append(float(size[1]) * scale)
    return edges[0], edges[1], edges[2]


def _plain_spacing(tiff: TiffFile) -> Triple | None:
    """From the resolution tags, unless they are one of the values programs write unasked."""
    tag, pixels = tiff.pages.first.tags.get("ResolutionUnit"), _resolution(tiff)
    scale = {2: 0.0254, 3: 0.01}.get(int(tag.value)) if tag is not None else None
    if (
        scale is None
        or pixels is None
        or (scale == 0.0254 and pixels[0] % 1 == 0 and pixels[0] <= 1200)
    ):
        return None
    return scale / pixels[0], scale / pixels[1], scale / pixels[0]
