from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def take_stock(
    osteoid: Array, bone: Array, holds: Array, shape: Array, wraps: Array, threads: int
) -> None: ...
def turn_over(
    osteoid: Array,
    bone: Array,
    holds: Array,
    shape: Array,
    wraps: Array,
    f: Array,
    supplied: Array,
    near: float,
    far: float,
    chain: Array,
    threads: int,
    books: Array,
) -> None: ...
def call(
    osteoid: Array,
    bone: Array,
    holds: Array,
    shape: Array,
    wraps: Array,
    share: float,
    per_voxel: float,
    call_a: int,
    call_b: int,
    open_: Array,
    threads: int,
    called: Array,
) -> None: ...
def place(
    osteoid: Array,
    bone: Array,
    holds: Array,
    shape: Array,
    wraps: Array,
    per_voxel: float,
    place_a: int,
    place_b: int,
    open_: Array,
    out: Array,
) -> int: ...
