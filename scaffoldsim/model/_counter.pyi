from typing import Any

from numpy.typing import NDArray

def uniforms(ids: NDArray[Any], a: int, b: int, out: NDArray[Any]) -> None: ...
