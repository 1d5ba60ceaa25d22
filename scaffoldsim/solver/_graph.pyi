from typing import Any

from numpy.typing import NDArray

def adjacency(
    tail: NDArray[Any],
    head: NDArray[Any],
    used: NDArray[Any],
    start: NDArray[Any],
    link: NDArray[Any],
) -> None: ...
def walk(
    tail: NDArray[Any],
    head: NDArray[Any],
    start: NDArray[Any],
    link: NDArray[Any],
    roots: NDArray[Any],
    order: NDArray[Any],
    rank: NDArray[Any],
    low: NDArray[Any],
    parent: NDArray[Any],
    by: NDArray[Any],
    at: NDArray[Any],
    block: NDArray[Any],
) -> int: ...
def pieces(tail: NDArray[Any], head: NDArray[Any], piece: NDArray[Any]) -> int: ...
def segments(
    tail: NDArray[Any],
    head: NDArray[Any],
    held: NDArray[Any],
    inner: NDArray[Any],
    piece: NDArray[Any],
    number: NDArray[Any],
    segment: NDArray[Any],
    first: NDArray[Any],
    last: NDArray[Any],
) -> tuple[int, int]: ...
