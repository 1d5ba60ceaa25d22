from typing import Any

from numpy.typing import NDArray

def dissolve(
    fraction: NDArray[Any],
    total: NDArray[Any],
    reach: float,
    residue: float,
    periodic: tuple[bool, bool, bool],
    threads: int,
    left: NDArray[Any],
    lost: NDArray[Any],
) -> None: ...
def thin(
    body: NDArray[Any],
    share: float,
    residue: float,
    where: NDArray[Any],
    threads: int,
    left: NDArray[Any],
    lost: NDArray[Any],
) -> None: ...
def hydrolyse(
    body: NDArray[Any],
    acid: NDArray[Any],
    periodic: tuple[bool, bool, bool],
    cut: float,
    per_acid: float,
    critical: float,
    loss: float,
    residue: float,
    threads: int,
    weight: NDArray[Any],
    left: NDArray[Any],
    lost: NDArray[Any],
) -> None: ...
