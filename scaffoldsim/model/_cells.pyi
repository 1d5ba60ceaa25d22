from typing import Any

from numpy.typing import NDArray

def take(rows: NDArray[Any], column: NDArray[Any], scratch: NDArray[Any], threads: int) -> None: ...
