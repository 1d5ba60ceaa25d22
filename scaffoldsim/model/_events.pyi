from typing import Any

from numpy.typing import NDArray

def draw(
    n: int,
    id: NDArray[Any],
    type: NDArray[Any],
    voxel: NDArray[Any],
    stage: NDArray[Any],
    hop: NDArray[Any],
    divide: NDArray[Any],
    arrest: NDArray[Any],
    death: NDArray[Any],
    fate: NDArray[Any],
    occupant: NDArray[Any],
    dt: float,
    stages: int,
    haste: float,
    event_a: int,
    event_b: int,
    divide_a: int,
    divide_b: int,
    threads: int,
    event: NDArray[Any],
    summary: NDArray[Any],
) -> None: ...
def struck(n: int, code: NDArray[Any], row: NDArray[Any]) -> int: ...
