"""NumPy's own files: one array (x, y, z), as `numpy.save` writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scaffoldsim.scaffold.images.raw import RawValues
from scaffoldsim.scaffold.images.stack import BadImage, Stack, readable, require_grey, volume_shape

KIND = "an .npy array"


def open_npy(file: Path) -> Stack:
    """An array of bools or numbers with axes x, y, z, as the package's own arrays have them.

    It says nothing of the size of a voxel. Objects are never unpickled.

    Raises
    ------
    BadImage
        If it is no .npy file, truncated, or not one volume of bools or numbers.
    """
    with readable(file.name, KIND), file.open("rb") as stream:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            header = np.lib.format.read_array_header_1_0(stream)
        elif version == (2, 0):
            header = np.lib.format.read_array_header_2_0(stream)
        else:  # 3.0 is for names of fields that are not Latin
            raise BadImage(f"{file.name}: is of version {version}; save it with numpy.save")
        shape, fortran, dtype = header
        require_grey(file.name, dtype)
        nx, ny, nz = volume_shape(file.name, list(shape))
        counts = (nz, ny, nx) if fortran else (nx, ny, nz)
        values = RawValues(file, file.name, dtype, counts, start=stream.tell())
        return Stack(
            file.name,
            KIND,
            (nx, ny, nz),
            values.value_type(),
            values.planes(),
            order=(2, 1, 0) if fortran else (0, 1, 2),
        )
