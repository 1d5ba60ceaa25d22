from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def snapshot(
    bone: Array,
    scaffold: Array,
    occupied: Array,
    osteoblasts: Array,
    planes: Array,
    shape: Array,
    wraps: Array,
    whole: bool,
    enter: float,
    threads: int,
    rows: Array,
    near: Array,
    f: Array,
    kind: Array,
) -> None: ...
def lay(
    osteoid: Array,
    bone: Array,
    holds: Array,
    shape: Array,
    wraps: Array,
    f: Array,
    kind: Array,
    near: Array,
    osteoblasts: Array,
    planes: Array,
    output: Array,
    varies: bool,
    amount: float,
    full: float,
    visited: float,
    nothing: Array,
    slabs: int,
    threads: int,
    scratch: Array,
    books: Array,
) -> None: ...
def marked(marks: Array, out: Array) -> None: ...
