"""NumPy's own files: one array (x, y, z), as `numpy.save` writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scaffoldsim.scaffold.images.raw import RawValues
from scaffoldsim.scaffold.images.stack import BadImage, Stack, readable, require_grey, volume_shape

KIND = "an .npy array"
_HEADERS = {  # 3.0 is for names of fields that are not Latin
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def open_npy(file: Path) -> Stack:
    """An array of bools or numbers with axes x, y, z, as the package's own arrays have them.

    It says nothing of the size of a voxel. Objects are never unpickled.

    Raises
    ------
    BadImage
        If it is no .npy file, truncated, or not one volume of bools or numbers.
    """
    with readable(file.name, KIND), file.open("rb") as stream:
        try:
            version = np.lib.format.read_magic(stream)
            read = _HEADERS.get(version)
            header = None if read is None else read(stream)
        except Exception as error:  # a damaged header is parsed as Python and fails as such
            raise BadImage(
                f"{file.name}: cannot be read as {KIND}: its header is damaged; save it again with "
                "numpy.save"
            ) from error
        if header is None:
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
