from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def crossed(
    start: Array, step: Array, shape: Array, wraps: Array, once: bool, out: Array
) -> None: ...
def barred(
    start: Array,
    step: Array,
    blocked: Array,
    shape: Array,
    wraps: Array,
    ends: bool,
    out: Array,
) -> None: ...
def apart(
    position: Array, others: Array, size: Array, wraps: Array, spacing: float, out: Array
) -> None: ...
def blocks(voxel: Array, shape: Array, across: int, number: Array, out: Array) -> None: ...
def around(block: Array, amount: Array, number: Array, wraps: Array, out: Array) -> None: ...
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
