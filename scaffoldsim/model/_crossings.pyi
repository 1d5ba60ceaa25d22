from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def enlist(voxels: Array, start: int, first: Array, following: Array) -> None: ...
def unlist(voxels: Array, first: Array) -> None: ...
def hand_over(voxels: Array, edge: int, slot: int, first: Array, following: Array) -> None: ...
def met(
    voxel: Array,
    node: Array,
    after: int,
    own: int,
    parent: Array,
    tree: Array,
    ends: Array,
    first: Array,
    following: Array,
    out: Array,
) -> None: ...
