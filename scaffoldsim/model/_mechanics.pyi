from typing import Any

from numpy.typing import NDArray

def sums(
    scaffold: NDArray[Any],
    osteoid: NDArray[Any],
    mineral: NDArray[Any],
    young: NDArray[Any],
    host: NDArray[Any],
    integrity: float | NDArray[Any],
    *,
    solid: float,
    least: float,
    osteoid_modulus: float,
    mature_modulus: float,
    fresh_modulus: float,
    host_modulus: float,
    soft_modulus: float,
    gel_modulus: float,
    by_y: bool,
    threads: int,
) -> NDArray[Any]: ...
