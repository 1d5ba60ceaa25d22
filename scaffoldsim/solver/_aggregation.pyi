from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, int, int]
Axes = tuple[bool, bool, bool]
Array = NDArray[Any]
Places = NDArray[np.int32]

LEAST_PORE: float

def about(places: Places, shape: Shape, periodic: Axes, spread: bool, halve: bool) -> Places: ...
def any_above(values: Array) -> bool: ...
def first_partial(pore: Array, top: float) -> int: ...
def count_links(mask: Array, shape: Shape, blocks: Places, links: Array, threads: int) -> None: ...
def conductances(
    pore: Array,
    top: float,
    periodic: Axes,
    blocks: Places,
    mask: Array,
    k: list[Any],
    threads: int,
) -> None: ...
def differing(
    pore: Array, top: float, periodic: Axes, mask: Array, k: list[Any], out: Array, threads: int
) -> None: ...
def label_blocks(*arguments: Any) -> None: ...
def join_blocks(*arguments: Any) -> None: ...
