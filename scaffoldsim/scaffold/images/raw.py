"""Values that lie in a file one after the other, behind a header, plain or compressed."""

from __future__ import annotations

import bz2
import gzip
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np

from scaffoldsim.scaffold.images.stack import BadImage, Plane, Planes, check_claim, file_size

Packing = Literal["none", "gzip", "bzip2"]


@dataclass(frozen=True)
class RawValues:
    """Where the values of a volume lie.

    Attributes
    ----------
    file : Path
    name : str
        For messages: that of the header, where it is a file of its own.
    dtype : dtype
        As stored, with its byte order.
    counts : three ints
        Planes, rows, columns, as they follow each other in the file.
    start : int
        Bytes of the file before the (compressed) stream.
    skip : int
        Bytes of the stream before the first value.
    packing : {"none", "gzip", "bzip2"}
    slope, offset : float
        A value is slope · stored + offset.
    """

    file: Path
    name: str
    dtype: np.dtype[Any]
    counts: tuple[int, int, int]
    start: int = 0
    skip: int = 0
    packing: Packing = "none"
    slope: float = 1.0
    offset: float = 0.0

    @property
    def scaled(self) -> bool:
        """Whether values are not those stored."""
        return (self.slope, self.offset) != (1.0, 0.0)

    def value_type(self) -> np.dtype[Any]:
        """The type of the values."""
        return np.dtype(np.float64) if self.scaled else self.dtype.newbyteorder("=")

    def planes(self) -> Planes:
        """A reader of planes, after the claim of the header has been held against the file.

        Raises
        ------
        BadImage
            If the file is smaller than its header claims.
        """
        claimed = self.skip + math.prod(self.counts) * self.dtype.itemsize
        there = file_size(self.file) - self.start
        check_claim(self.name, claimed, there, compressed=self.packing != "none")
        return partial(_planes, self)


def _planes(values: RawValues, first: int, stop: int) -> Iterator[Plane]:
    size = values.counts[1] * values.counts[2] * values.dtype.itemsize
    with values.file.open("rb") as plain:
        plain.seek(values.start)
        stream: BinaryIO = plain
        if values.packing == "gzip":
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=plain))
        elif values.packing == "bzip2":
            stream = cast(BinaryIO, bz2.BZ2File(plain))
        stream.seek(values.skip + first * size, 1)
        for number in range(first, stop):
            data = stream.read(size)
            if len(data) != size:
                raise BadImage(f"{values.name}: is truncated: slice {number} ends too soon")
            if values.packing != "none" and number == values.counts[0] - 1:
                stream.read(1)  # the checksum is looked at when the stream ends
            plane: Plane = np.frombuffer(data, values.dtype).reshape(values.counts[1:])
            if values.scaled:
                plane = plane.astype(np.float64) * values.slope + values.offset
            yield plane
