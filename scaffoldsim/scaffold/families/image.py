"""Scaffolds from images: a stack of grey values in one TIFF file, read a page at a time."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scaffoldsim.scaffold.grid import Grid, require_memory
from scaffoldsim.scaffold.thickness import Bools

if TYPE_CHECKING:
    from tifffile import TiffFile

_MOST_COMPRESSED = 1100  # deflate cannot exceed 1032 : 1; a file that claims more is a trap
_BYTES_PER_VOXEL = 12
_BINS = 256  # of Otsu's histogram of images that do not hold a few integers, as in scikit-image
_MOST_LEVELS = 1 << 20  # integers that may have a bin each
_COUNTED = {"shaped", "imagej", "ome"}  # the first page says how many there are
_IMAGEJ_UNITS = {
    "micron": 1e-6,
    "microns": 1e-6,
    "um": 1e-6,
    "µm": 1e-6,
    "μm": 1e-6,
    "\\u00b5m": 1e-6,
    "nm": 1e-9,
    "mm": 1e-3,
    "cm": 1e-2,
    "m": 1.0,
    "inch": 0.0254,
}


@dataclass(frozen=True)
class Image:
    """A segmented image.

    Attributes
    ----------
    solid : ndarray of bool, shape (nx, ny, nz)
    voxel : float
        m.
    threshold : float
        Solid is value > threshold (≤, if inverted).
    notes : list of str
        What was found out rather than given.
    """

    solid: Bools
    voxel: float
    threshold: float
    notes: list[str]


def read_image(
    path: str | os.PathLike[str],
    *,
    voxel: float | None = None,
    threshold: float | str = "otsu",
    invert: bool = False,
) -> Image:
    """Read a TIFF stack and tell solid from pore.

    Parameters
    ----------
    path : path
        One file, with pages along z; (z, y, x) in the file becomes (x, y, z).
    voxel : float, optional
        Edge of the cubic voxels, m; without it the file must say (ImageJ, OME, or resolution in cm
        or inch).
    threshold : float or "otsu"
        Solid is what is brighter.
    invert : bool
        Solid is what is not brighter.

    Raises
    ------
    ValueError
        If the file is missing, no TIFF, truncated, compressed beyond belief, not one volume of
        grey values, not finite, or all on one side of the threshold; or if its voxels are not
        cubes or of unknown size.
    TooLarge
        If it does not fit in memory.
    """
    import tifffile

    file = Path(path)
    if not file.is_file():
        raise ValueError(f"image: {file} is {'a folder' if file.is_dir() else 'not there'}")
    if isinstance(threshold, str) and threshold != "otsu":
        raise ValueError(f"threshold: {threshold!r} is neither a number nor otsu")
    notes: list[str] = []
    with _readable(file) as complaints, tifffile.TiffFile(file, _multifile=False) as tiff:
        nz, ny, nx = shape = _volume(file, tiff, complaints)
        edge = voxel if voxel is not None else _spacing(file, tiff, notes)
        grid = Grid((nx, ny, nz), edge)
        _check_claim(file, tiff, shape)
        require_memory(grid.n_voxels * _BYTES_PER_VOXEL, f"{file.name}: {grid.n_voxels:.3g} voxels")
        planes = _Planes(file, tiff, shape)
        limit = _otsu(planes) if threshold == "otsu" else float(threshold)
        if not math.isfinite(limit):
            raise ValueError(f"threshold: {threshold!r} is not a finite number")
        if threshold == "otsu":
            notes.append(
                f"Otsu's threshold is {limit:g}: solid is value {'<=' if invert else '>'} it."
            )
        solid = np.empty((nz, ny, nx), bool)
        for z, plane in enumerate(planes):
            np.greater(plane, limit, out=solid[z])
    if invert:
        np.logical_not(solid, out=solid)
    filled = int(np.count_nonzero(solid))
    if filled in (0, solid.size):
        low, high = planes.extremes()
        raise ValueError(
            f"{file.name}: with threshold {limit:g} every voxel is "
            f"{'solid' if filled else 'pore'}; the values go from {low:g} to {high:g}. "
            "Choose a threshold in between."
        )
    return Image(np.ascontiguousarray(solid.transpose(2, 1, 0)), edge, limit, notes)


def image_grid(path: str | os.PathLike[str], *, voxel: float | None = None) -> Grid:
    """The grid of an image, from its header alone; see `read_image`."""
    import tifffile

    file = Path(path)
    with _readable(file) as complaints, tifffile.TiffFile(file, _multifile=False) as tiff:
        nz, ny, nx = _volume(file, tiff, complaints)
        return Grid((nx, ny, nz), voxel if voxel is not None else _spacing(file, tiff, []))


@contextmanager
def _readable(file: Path) -> Iterator[list[str]]:
    """Turn whatever a broken file makes the decoder raise into one sentence.

    What it only logs, such as a chain of pages that breaks off, is put into the list given.
    """
    log = logging.getLogger("tifffile")
    before = log.level, log.propagate, log.handlers[:]
    complaints: list[str] = []
    log.handlers[:] = [_Listener(complaints)]
    log.setLevel(logging.ERROR)
    log.propagate = False
    try:
        yield complaints
    except ValueError as error:
        if str(error).startswith((f"{file.name}:", "threshold:", "voxel:", "shape:")) or (
            type(error).__name__ == "TooLarge"
        ):
            raise
        raise ValueError(f"{file.name}: cannot be read as a TIFF image ({error})") from error
    except OSError as error:
        raise ValueError(f"{file.name}: cannot be read ({error.strerror or error})") from error
    except Exception as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{file.name}: cannot be read as a TIFF image ({detail})") from error
    finally:
        log.setLevel(before[0])
        log.propagate, log.handlers[:] = before[1:]


class _Listener(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__()
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(record.getMessage())


def _volume(file: Path, tiff: TiffFile, complaints: list[str]) -> tuple[int, int, int]:
    """The shape (z, y, x) of the file's image, if it is one volume of grey values."""
    if not tiff.series:
        raise ValueError(f"{file.name}: holds no image")
    series = tiff.series[0]
    shape, axes, dtype = series.shape, series.axes, series.dtype
    count = len(tiff.series)
    broken = any("TiffPages" in said for said in complaints)  # a damaged tag may be harmless
    if broken and series.kind not in _COUNTED:
        raise _damaged(file, tiff, complaints)
    if dtype is None or dtype.kind not in "buif":
        raise ValueError(f"{file.name}: holds values of type {dtype}; grey values are needed")
    if (
        count > 1
        and len(shape) == 2
        and all(s.shape == shape and s.dtype == dtype for s in tiff.series)
    ):
        shape, axes = (count, *shape), f"Z{axes}"  # each page was written as an image of its own
    elif count > 1:
        raise ValueError(
            f"{file.name}: holds {count} images of different kinds or sizes; one volume of equal "
            "pages is needed"
        )
    if "S" in axes or series.keyframe.samplesperpixel > 1:
        raise ValueError(f"{file.name}: is in colour; convert it to grey values first")
    if "C" in axes and shape[axes.index("C")] > 1:
        raise ValueError(f"{file.name}: has {shape[axes.index('C')]} channels; one is needed")
    if len(shape) < 3 or shape[-3] < 2:
        if complaints:
            raise _damaged(file, tiff, complaints)
        raise ValueError(
            f"{file.name}: is one plane, {' x '.join(map(str, shape))}; a stack is needed"
        )
    if math.prod(shape[:-3]) != 1:
        raise ValueError(f"{file.name}: has axes {axes} of {shape}; a single volume is needed")
    nz, ny, nx = shape[-3:]
    return nz, ny, nx


def _damaged(file: Path, tiff: TiffFile, complaints: list[str]) -> ValueError:
    """What to say of a file whose chain of pages breaks off."""
    reason = complaints[0].split("> ", 1)[-1]
    return ValueError(
        f"{file.name}: is damaged or cut off: pages that can be found: {len(tiff.pages)}; then "
        f"{reason}"
    )


def _check_claim(file: Path, tiff: TiffFile, shape: tuple[int, int, int]) -> None:
    """Compare the size the header claims with that of the file, before anything is allocated."""
    page = tiff.series[0].keyframe
    claimed = math.prod(shape) * np.dtype(tiff.series[0].dtype).itemsize
    packed = math.ceil(math.prod(shape) * page.bitspersample / 8)
    there = file.stat().st_size
    if page.compression == 1 and packed > there:
        raise ValueError(
            f"{file.name}: is truncated: its header claims {packed} bytes of image, and the file "
            f"has {there}"
        )
    if page.compression != 1 and claimed > there * _MOST_COMPRESSED:
        raise ValueError(
            f"{file.name}: claims {claimed:.3g} bytes of image in a file of {there}; that is not "
            "believable"
        )


class _Planes:
    """The pages of a volume, one at a time, checked."""

    def __init__(self, file: Path, tiff: TiffFile, shape: tuple[int, int, int]) -> None:
        self.file, self.tiff, self.shape = file, tiff, shape
        self.dtype = np.dtype(tiff.series[0].dtype)
        self._low, self._high = math.inf, -math.inf

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        series = self.tiff.series[0]
        apart = len(self.tiff.series) > 1
        # ImageJ writes large stacks as one page with the other planes behind it
        start = series.dataoffset if series.keyframe.compression == 1 and not apart else None
        for z in range(self.shape[0]):
            if start is not None:
                plane = self._stored(start, z)
            else:
                page = self.tiff.series[z][0] if apart else series[z]
                if page is None:
                    raise ValueError(f"{self.file.name}: page {z} is missing")
                plane = page.asarray()
            if plane.shape != self.shape[1:]:
                raise ValueError(
                    f"{self.file.name}: page {z} is of {plane.shape}, not {self.shape[1:]}"
                )
            if self.dtype.kind == "f" and not np.isfinite(plane).all():
                raise ValueError(
                    f"{self.file.name}: page {z} holds values that are not finite (NaN)"
                )
            self._low = min(self._low, float(plane.min()))
            self._high = max(self._high, float(plane.max()))
            yield plane

    def _stored(self, start: int, z: int) -> npt.NDArray[Any]:
        count = self.shape[1] * self.shape[2]
        stored = self.dtype.newbyteorder(self.tiff.byteorder)
        with self.file.open("rb") as stream:
            stream.seek(start + z * count * stored.itemsize)
            data = stream.read(count * stored.itemsize)
        if len(data) != count * stored.itemsize:
            raise ValueError(f"{self.file.name}: is truncated: page {z} ends too soon")
        return np.frombuffer(data, stored).reshape(self.shape[1:])

    def extremes(self) -> tuple[float, float]:
        """Least and greatest value seen."""
        return self._low, self._high


def _otsu(planes: _Planes) -> float:
    """Otsu's threshold (1979) of the whole volume, from its histogram."""
    from skimage.filters import threshold_otsu

    for _ in planes:
        pass
    low, high = planes.extremes()
    if low == high:
        raise ValueError(
            f"{planes.file.name}: every voxel has the value {low:g}: no solid can be told from it"
        )
    if planes.dtype.kind in "bui" and high - low < _MOST_LEVELS:
        centres = np.arange(low, high + 1)
        counts = np.zeros(centres.size, np.int64)
        for plane in planes:
            level = (plane.astype(np.int64) - int(low)).ravel()
            counts += np.bincount(level, minlength=counts.size)
    else:
        edges = np.linspace(low, high, _BINS + 1)
        centres = (edges[1:] + edges[:-1]) / 2
        counts = np.zeros(_BINS, np.int64)
        for plane in planes:
            counts += np.histogram(plane, edges)[0]
    found = threshold_otsu(hist=(counts, centres))  # type: ignore[no-untyped-call]
    return float(found)


def _spacing(file: Path, tiff: TiffFile, notes: list[str]) -> float:
    """Edge of the voxels from the file's own words, m."""
    found = _ome_spacing(tiff) or _imagej_spacing(tiff) or _plain_spacing(tiff)
    if found is None:
        raise ValueError(
            f"{file.name}: does not say how large a voxel is; give it, e.g. voxel: 20 um"
        )
    least, greatest = min(found), max(found)
    if not (math.isfinite(greatest) and least > 0):
        raise ValueError(
            f"{file.name}: names an impossible voxel of {found}; give the voxel yourself"
        )
    if greatest > 1.01 * least:
        raise ValueError(
            f"{file.name}: voxels of {' x '.join(f'{edge * 1e6:.4g}' for edge in found)} um are "
            "not cubes; resample it, or give the voxel if the file is wrong"
        )
    notes.append(f"Voxel of {found[0] * 1e6:.6g} um, from the file.")
    return found[0]


def _resolution(tiff: TiffFile) -> tuple[float, float] | None:
    """Pixels per unit along x and y."""
    values = []
    for name in ("XResolution", "YResolution"):
        tag = tiff.pages.first.tags.get(name)
        if tag is None or not tag.value or not tag.value[0] or not tag.value[1]:
            return None
        values.append(tag.value[0] / tag.value[1])
    return values[0], values[1]


def _imagej_spacing(tiff: TiffFile) -> tuple[float, float, float] | None:
    metadata, pixels = tiff.imagej_metadata, _resolution(tiff)
    unit = _IMAGEJ_UNITS.get(str((metadata or {}).get("unit", "")).strip().lower())
    if metadata is None or unit is None or pixels is None:
        return None
    x, y = unit / pixels[0], unit / pixels[1]
    return x, y, float(metadata.get("spacing", x / unit)) * unit


def _ome_spacing(tiff: TiffFile) -> tuple[float, float, float] | None:
    text = tiff.ome_metadata or ""
    edges = []
    for axis in "XYZ":
        size = re.search(rf'PhysicalSize{axis}="([0-9.eE+-]+)"', text)
        unit = re.search(rf'PhysicalSize{axis}Unit="([^"]{{1,12}})"', text)
        scale = _IMAGEJ_UNITS.get(unit[1].lower() if unit else "um")  # OME's own default is µm
        if size is None or scale is None:
            return None
        edges.append(float(size[1]) * scale)
    return edges[0], edges[1], edges[2]


def _plain_spacing(tiff: TiffFile) -> tuple[float, float, float] | None:
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
