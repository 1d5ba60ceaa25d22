from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def crossed(start: Array, step: Array, shape: Array, wraps: Array, out: Array) -> None: ...
def touching(voxels: Array, mark: Array, out: Array) -> int: ...
def stamp(
    mask: Array, base: Array, voxels: Array, rows: Array, shape: Array, wraps: Array
) -> None: ...
def locate(
    position: Array,
    size: Array,
    h: float,
    shape: Array,
    wraps: Array,
    inside: Array,
    voxel: Array,
) -> None: ...
def beside(
    voxel: Array,
    vegf: Array,
    blocked: Array,
    h: float,
    shape: Array,
    wraps: Array,
    gradient: Array,
    solid: Array,
    normal: Array,
) -> None: ...
def advance(
    position: Array,
    direction: Array,
    distance: Array,
    blocked: Array,
    shape: Array,
    wraps: Array,
    way: Array,
    taken: Array,
    left: Array,
) -> None: ...
