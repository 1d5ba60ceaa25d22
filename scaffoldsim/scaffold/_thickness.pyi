from typing import Any

import numpy.typing as npt

def mark_ridge(
    squared: npt.NDArray[Any],
    table: npt.NDArray[Any],
    periodic: npt.NDArray[Any],
    ridge: npt.NDArray[Any],
    threads: int,
) -> None: ...
def paint_balls(
    centre: npt.NDArray[Any],
    squared_radius: npt.NDArray[Any],
    half: npt.NDArray[Any],
    periodic: npt.NDArray[Any],
    free: npt.NDArray[Any],
    out: npt.NDArray[Any],
    slabs: int,
    threads: int,
) -> None: ...
