from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def crossed(start: Array, step: Array, shape: Array, wraps: Array, out: Array) -> None: ...
def touching(voxels: Array, mark: Array, out: Array) -> int: ...
def stamp(
    mask: Array, base: Array, voxels: Array, rows: Array, shape: Array, wraps: Array
) -> None: ...
