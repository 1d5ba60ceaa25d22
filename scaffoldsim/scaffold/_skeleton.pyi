from typing import Any

import numpy.typing as npt

def divide(
    *,
    pieces: npt.NDArray[Any],
    edge: npt.NDArray[Any],
    shape: npt.NDArray[Any],
    halves: npt.NDArray[Any],
    parent_start: npt.NDArray[Any],
    parent_members: npt.NDArray[Any],
    slack: float,
    start: npt.NDArray[Any],
    members: npt.NDArray[Any],
) -> None: ...
def distance(
    *,
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    z: npt.NDArray[Any],
    pieces: npt.NDArray[Any],
    per_length: npt.NDArray[Any],
    shape: npt.NDArray[Any],
    start: npt.NDArray[Any],
    members: npt.NDArray[Any],
    out: npt.NDArray[Any],
) -> None: ...
def direction(
    *,
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    z: npt.NDArray[Any],
    pieces: npt.NDArray[Any],
    per_length: npt.NDArray[Any],
    shape: npt.NDArray[Any],
    start: npt.NDArray[Any],
    members: npt.NDArray[Any],
    out_x: npt.NDArray[Any],
    out_y: npt.NDArray[Any],
    out_z: npt.NDArray[Any],
) -> None: ...
