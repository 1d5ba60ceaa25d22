"""Folders of slices: TIFF, PNG, BMP or JPEG files of one size, in the order of their numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from scaffoldsim.scaffold.images.stack import (
    BadImage,
    Plane,
    Stack,
    Triple,
    check_claim,
    file_size,
    readable,
)
from scaffoldsim.scaffold.images.tiff import open_page, read_page

KIND = "a folder of slices"
#: Formats of slices by suffix.
SLICES = {
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".png": "PNG",
    ".bmp": "BMP",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
}
_GREY_MODES = {
    "1": np.dtype(bool),
    "L": np.dtype(np.uint8),
    "P": np.dtype(np.uint8),
    "I;16": np.dtype(np.uint16),
    "I;16B": np.dtype(np.uint16),
    "I": np.dtype(np.int32),
    "F": np.dtype(np.float32),
}
_NAMED = 3  # files that a note names


def natural(file: Path) -> list[tuple[int, int | str]]:
    """Key that sorts names by the numbers in them: slice_9 before slice_10.

    Examples
    --------
    >>> sorted([Path("s_10.png"), Path("s_9.png")], key=natural)[0].name
    's_9.png'
    """
    parts = re.split(r"(\d+)", file.name.lower())
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts if part]


def slice_files(files: list[Path]) -> list[Path]:
    """Those of `files` that are slices of the format most of them have, in order.

    Raises
    ------
    BadImage
        If two formats have equally many.
    """
    kinds = [SLICES.get(file.suffix.lower()) for file in files]
    count = Counter(kind for kind in kinds if kind).most_common(2)
    if not count:
        return []
    if len(count) == 2 and count[0][1] == count[1][1]:
        raise BadImage(
            f"{files[0].parent.name}: holds as many {count[0][0]} as {count[1][0]} files; put one "
            "series of slices into a folder of its own"
        )
    chosen = [file for file, kind in zip(files, kinds, strict=True) if kind == count[0][0]]
    return sorted(chosen, key=natural)


def ignored(chosen: list[Path], files: list[Path]) -> list[str]:
    """A note on the files of a folder that are not read."""
    rest = sorted({file.name for file in files} - {file.name for file in chosen})
    if not rest:
        return []
    names = ", ".join(rest[:_NAMED]) + (", ..." if len(rest) > _NAMED else "")
    return [f"Ignored in the folder: {len(rest)} other file{'s' * (len(rest) > 1)} ({names})."]


def open_slices(folder: Path, files: list[Path], notes: list[str]) -> Stack:
    """The slices `files` of a folder as one volume, along z.

    Raises
    ------
    BadImage
        If a slice cannot be read, is in colour, or differs from the first in size or type.
    """
    name = folder.name
    kind = SLICES[files[0].suffix.lower()]
    if len(files) < 2:
        raise BadImage(f"{name}: holds one slice, {files[0].name}; a stack is needed")
    shape, dtype, spacing = _open_slice(files[0])
    for file in files[1:]:
        size, of_type, _ = _open_slice(file)
        if size != shape:
            raise BadImage(
                f"{name}: slices of different sizes: {files[0].name} is {shape[1]} x {shape[0]}, "
                f"{file.name} {size[1]} x {size[0]}"
            )
        if of_type != dtype:
            raise BadImage(
                f"{name}: slices of different kinds: {files[0].name} holds {dtype}, "
                f"{file.name} {of_type}"
            )
    notes = [*notes, f"{len(files)} {kind} slices, {files[0].name} to {files[-1].name}."]
    notes += _gaps(files)
    if kind == "JPEG":
        notes.append("JPEG changes grey values near walls; prefer a format without loss.")
    if spacing is not None:
        notes.append("The distance between slices is taken as the width of their pixels.")
        spacing = (spacing[0], spacing[1], spacing[0])
    return Stack(
        name,
        KIND,
        (shape[1], shape[0], len(files)),
        dtype,
        partial(_planes, files),
        spacing,
        notes=notes,
    )


def _gaps(files: list[Path]) -> list[str]:
    """A note on numbers that are left out, as by a slice that was lost."""
    numbers = [re.findall(r"\d+", file.stem) for file in files]
    if not all(numbers):
        return []
    last = [int(each[-1]) for each in numbers]
    gaps = [(a, b) for a, b in pairwise(last) if b != a + 1]
    if not gaps:
        return []
    a, b = gaps[0]
    return [f"The numbers of the slices are not consecutive: {b} follows {a}."]


def _open_slice(file: Path) -> tuple[tuple[int, int], np.dtype[Any], Triple | None]:
    """Shape (y, x), type and spacing of a slice, from its header."""
    if SLICES[file.suffix.lower()] == "TIFF":
        return open_page(file)
    from PIL import Image

    kind = SLICES[file.suffix.lower()]
    with readable(file.name, f"a {kind} image"), Image.open(file, formats=[kind]) as picture:
        width, height = picture.size
        dtype = _GREY_MODES.get(picture.mode)
        palette = picture.getpalette() if picture.mode == "P" else None
        if dtype is None or (palette is not None and not _is_grey(palette)):
            raise BadImage(f"{file.name}: is in colour; convert it to grey values first")
        compressed = kind != "BMP" or picture.info.get("compression", 0) != 0
        bits = 1 if picture.mode in ("1", "P") else 8 * dtype.itemsize
        check_claim(file.name, width * height * bits // 8, file_size(file), compressed=compressed)
        return (height, width), dtype, None


def _is_grey(palette: list[int]) -> bool:
    red, green, blue = palette[::3], palette[1::3], palette[2::3]
    return red == green == blue


def _planes(files: list[Path], first: int, stop: int) -> Iterator[Plane]:
    from PIL import Image

    for file in files[first:stop]:
        kind = SLICES[file.suffix.lower()]
        with readable(file.name, f"a {kind} image"):
            if kind == "TIFF":
                plane = read_page(file)
            else:
                with Image.open(file, formats=[kind]) as picture:
                    grey = picture.convert("L") if picture.mode == "P" else picture
                    plane = np.asarray(grey)
        yield plane
