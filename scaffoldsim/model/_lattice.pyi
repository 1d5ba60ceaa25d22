from typing import Any

from numpy.typing import NDArray

def substep(
    n: int,
    id: NDArray[Any],
    voxel: NDArray[Any],
    hop: NDArray[Any],
    event: NDArray[Any],
    first: bool,
    delta: float,
    target_a: int,
    target_b: int,
    rank_a: int,
    rank_b: int,
    occupant: NDArray[Any],
    flags: NDArray[Any],
    guidance: bool,
    open_grip: float,
    biased: bool,
    potential: NDArray[Any],
    nx: int,
    ny: int,
    nz: int,
    wrap_x: bool,
    wrap_y: bool,
    wrap_z: bool,
    threads: int,
    want: NDArray[Any],
    outcome: NDArray[Any],
) -> int: ...
def count_bad_potential(
    potential: NDArray[Any], flags: NDArray[Any], limit: float, threads: int
) -> int: ...
def sort(
    flags: NDArray[Any],
    occupant: NDArray[Any],
    row: NDArray[Any],
    where: NDArray[Any],
    threads: int,
) -> None: ...
