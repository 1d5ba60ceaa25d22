"""An image as it lies in its file: what the header says, and planes of values, read when needed."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[Any]
Triple = tuple[float, float, float]
Region = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
Planes = Callable[[int, int], Iterator[Plane]]

#: Lengths as image files spell them, in m.
LENGTHS = {
    "nm": 1e-9,
    "nanometer": 1e-9,
    "um": 1e-6,
    "µm": 1e-6,
    "μm": 1e-6,
    "\\u00b5m": 1e-6,
    "micron": 1e-6,
    "microns": 1e-6,
    "micrometer": 1e-6,
    "mm": 1e-3,
    "millimeter": 1e-3,
    "cm": 1e-2,
    "centimeter": 1e-2,
    "m": 1.0,
    "meter": 1.0,
    "in": 0.0254,
    "inch": 0.0254,
}
#: Edges of a voxel that differ by less than this are one edge.
SAME_EDGE = 1.01
#: Deflate cannot exceed 1032 : 1; a file that claims more is a trap.
MOST_COMPRESSED = 1100

_ALONG = 0.999  # of 1: an axis that deviates by less than 2.6 degrees runs along a world axis
_SQUARE = 1e-3  # cosine of the angle of two axes: less is the rounding of a header
_LOGGERS = ("tifffile", "nibabel.global", "pydicom", "trimesh", "PIL")


class BadImage(ValueError):  # noqa: N818 - what it says of the input
    """An image that cannot be used; the message names the file, what is wrong, and the fix."""


@dataclass(frozen=True)
class Stack:
    """What an image file holds.

    Attributes
    ----------
    name : str
        Of the file, for messages.
    kind : str
        Of the format, with its article: ``"a TIFF image"``.
    shape : (nx, ny, nz)
        Voxels.
    dtype : dtype
        Of the values `planes` gives.
    read : callable
        ``read(first, stop)`` gives planes first … stop − 1, whole and in order.
    spacing : (x, y, z), optional
        Edges of a voxel as the file says, m, unchecked; None if it does not.
    order : three ints
        The axes (0 is x) that number the planes, their rows and their columns.
    page : str
        What a plane is called.
    notes : list of str
        What the user should know.
    """

    name: str
    kind: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    read: Planes
    spacing: Triple | None = None
    order: tuple[int, int, int] = (2, 1, 0)
    page: str = "slice"
    notes: list[str] = field(default_factory=list)

    def planes(self, region: Region) -> Iterator[Plane]:
        """The planes of a region (first, stop along x, y, z), each cut to it and checked.

        Raises
        ------
        BadImage
            If a plane is missing, of another shape, or holds values that are not finite.
        """
        along, rows, columns = (region[axis] for axis in self.order)
        whole = tuple(self.shape[axis] for axis in self.order[1:])
        with readable(self.name, self.kind):
            source = self.read(*along)
        for number in range(*along):
            with readable(self.name, self.kind):
                plane = next(source, None)
            if plane is None:
                raise BadImage(f"{self.name}: {self.page} {number} is missing")
            if plane.shape != whole:
                raise BadImage(
                    f"{self.name}: {self.page} {number} is of {plane.shape}, not {whole}"
                )
            part = plane[slice(*rows), slice(*columns)]
            if self.dtype.kind == "f" and not np.isfinite(part).all():
                raise BadImage(
                    f"{self.name}: {self.page} {number} holds values that are not finite (NaN)"
                )
            yield part

    def edges(self, voxel: float | None, notes: list[str]) -> Triple:
        """Edges of a voxel, m: those the file says, or cubes of the edge given.

        Raises
        ------
        BadImage
            If the file does not say, or says what cannot be.
        """
        said = self.spacing
        if said is not None and not all(math.isfinite(edge) and edge > 0 for edge in said):
            if voxel is None:
                raise BadImage(
                    f"{self.name}: says a voxel is {in_um(said)}, which cannot be; give its edge "
                    "yourself, as voxel (--voxel), e.g. 20 um"
                )
            notes.append(
                f"The file says a voxel is {in_um(said)}, which cannot be; the one given, "
                f"{voxel * 1e6:.6g} um, is taken instead."
            )
            said = None
        if voxel is None:
            if said is None:
                raise BadImage(
                    f"{self.name}: does not say how large a voxel is; give it, e.g. voxel: 20 um"
                )
            if max(said) <= SAME_EDGE * min(said):
                notes.append(f"Voxel of {said[0] * 1e6:.6g} um, from the file.")
                return said[0], said[0], said[0]
            notes.append(f"Voxel of {in_um(said)}, from the file.")
            return said
        if said is not None and max(*said, voxel) > SAME_EDGE * min(*said, voxel):
            notes.append(
                f"The file says a voxel is {in_um(said)}; the one given, {voxel * 1e6:.6g} um, is "
                "taken instead."
            )
        return voxel, voxel, voxel


def in_um(edges: Triple) -> str:
    """Three lengths in words, ``"10 x 10 x 40 um"``."""
    return f"{' x '.join(f'{edge * 1e6:.4g}' for edge in edges)} um"


def require_orthogonal(name: str, columns: list[list[float]]) -> None:
    """Refuse axes that are not at right angles: a sheared volume has no cubes.

    Raises
    ------
    BadImage
        If the cosine of the angle between two axes is more than 10⁻³.
    """
    for one, other in combinations(columns, 2):
        size = math.hypot(*one) * math.hypot(*other)
        if size > 0 and abs(sum(a * b for a, b in zip(one, other, strict=True))) > _SQUARE * size:
            raise BadImage(
                f"{name}: is sheared: axes {in_words(one)} and {in_words(other)} of its header are "
                "not at right angles; resample it to orthogonal axes first, e.g. in 3D Slicer "
                "(Resample Scalar Volume)"
            )


def in_words(column: list[float]) -> str:
    """A vector in words, ``"(0.02, 0, 0)"``."""
    return f"({', '.join(f'{part:.4g}' for part in column)})"


def orientation(columns: list[list[float]]) -> list[str]:
    """A note on where the axes of the voxels point, unless that is along x, y, z of the world."""
    words = []
    for column in columns:
        length = math.hypot(*column)
        if not (math.isfinite(length) and length > 0):
            return []
        main = int(np.argmax(np.abs(column)))
        if abs(column[main]) < _ALONG * length:
            words.append("obliquely")
        else:
            words.append(f"{'-' if column[main] < 0 else '+'}{'xyz'[main]}")
    if words == ["+x", "+y", "+z"]:
        return []
    return [
        f"Axes x, y, z of the voxels point along {', '.join(words)} of the scanner; the order of "
        "the voxels is that of the file."
    ]


def require_grey(name: str, dtype: np.dtype[Any] | None) -> None:
    """Refuse values that are no grey values: complex, structured, texts, objects."""
    if dtype is None or dtype.kind not in "buif":
        raise BadImage(f"{name}: holds values of type {dtype}; grey values are needed")


def volume_shape(name: str, sizes: list[int]) -> tuple[int, int, int]:
    """`sizes` (x, y, z, …) as those of one volume; further axes of one voxel are left out."""
    if len(sizes) > 3 and math.prod(sizes[3:]) != 1:
        raise BadImage(
            f"{name}: is {' x '.join(map(str, sizes))} voxels; a single volume of three axes is "
            "needed"
        )
    if len(sizes) < 2:
        raise BadImage(
            f"{name}: has {len(sizes)} {'axis' if len(sizes) == 1 else 'axes'}; a volume of three "
            "(x, y, z) is needed"
        )
    if any(n < 1 for n in sizes):
        raise BadImage(f"{name}: claims {' x '.join(map(str, sizes))} voxels: it holds none")
    if len(sizes) < 3 or sizes[2] < 2:
        raise BadImage(f"{name}: is one plane, {' x '.join(map(str, sizes))}; a stack is needed")
    return sizes[0], sizes[1], sizes[2]


def check_claim(name: str, claimed: int, there: int, *, compressed: bool) -> None:
    """Compare the bytes a header claims with those of the file, before anything is allocated."""
    if not compressed and claimed > there:
        raise BadImage(
            f"{name}: is truncated: its header claims {claimed} bytes of image, and the file has "
            f"{there}"
        )
    if compressed and claimed > there * MOST_COMPRESSED:
        raise BadImage(
            f"{name}: claims {claimed:.3g} bytes of image in a file of {there}; that is not "
            "believable"
        )


def absent(name: str, library: str, extra: str) -> BadImage:
    """What to say where an optional library is not installed."""
    return BadImage(
        f"{name}: reading it needs {library}, which is not installed: "
        f'pip install "scaffoldsim[{extra}]"'
    )


def file_size(path: Path) -> int:
    """Bytes in a file."""
    return path.stat().st_size


@contextmanager
def readable(name: str, kind: str) -> Iterator[list[str]]:
    """Turn whatever a broken file makes a library raise into one sentence.

    What libraries only log, such as a chain of pages that breaks off, is put into the list given;
    what they warn of is theirs to know.
    """
    from scaffoldsim.scaffold.grid import TooLarge

    complaints: list[str] = []
    logs = [logging.getLogger(each) for each in _LOGGERS]
    before = [(log.level, log.propagate, log.handlers[:]) for log in logs]
    for log in logs:
        log.handlers[:] = [_Listener(complaints)]
        log.setLevel(logging.ERROR)
        log.propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield complaints
    except (BadImage, TooLarge):
        raise
    except OSError as error:
        reason = str(error.strerror or error).splitlines()
        raise BadImage(f"{name}: cannot be read ({reason[0] if reason else 'no data'})") from error
    except Exception as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadImage(f"{name}: cannot be read as {kind} ({detail})") from error
    finally:
        for log, (level, propagate, handlers) in zip(logs, before, strict=True):
            log.setLevel(level)
            log.propagate, log.handlers[:] = propagate, handlers


class _Listener(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__()
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(record.getMessage())
