from typing import Any

from numpy.typing import NDArray

def chains(
    tail: NDArray[Any],
    head: NDArray[Any],
    start: NDArray[Any],
    link: NDArray[Any],
    ends: NDArray[Any],
    number: NDArray[Any],
    conductance: NDArray[Any],
    first: NDArray[Any],
    last: NDArray[Any],
    series: NDArray[Any],
    chain: NDArray[Any],
    sense: NDArray[Any],
    inside: NDArray[Any],
    share: NDArray[Any],
) -> int: ...
def pressures(
    node_start: NDArray[Any],
    chain_start: NDArray[Any],
    first: NDArray[Any],
    last: NDArray[Any],
    g: NDArray[Any],
    held: NDArray[Any],
    p: NDArray[Any],
    q: NDArray[Any],
    tolerance: float,
    work: NDArray[Any],
) -> tuple[int, float]: ...
def hang(order: NDArray[Any], parent: NDArray[Any], pressure: NDArray[Any]) -> None: ...
def carry(
    tail: NDArray[Any],
    head: NDArray[Any],
    start: NDArray[Any],
    link: NDArray[Any],
    flow: NDArray[Any],
    fed: NDArray[Any],
    loss: NDArray[Any],
    outside: NDArray[Any],
    node: NDArray[Any],
    mean: NDArray[Any],
    lost: NDArray[Any],
    waiting: NDArray[Any],
    queue: NDArray[Any],
) -> int: ...
