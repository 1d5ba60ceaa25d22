from typing import Any

from numpy.typing import NDArray

def count_links(
    mask: NDArray[Any],
    shape: tuple[int, int, int],
    dirty: NDArray[Any],
    links: NDArray[Any],
    threads: int,
) -> None: ...
def conductances(
    pore: NDArray[Any], k: list[Any], shape: tuple[int, int, int], threads: int
) -> None: ...
def label_blocks(*arguments: Any) -> None: ...
def join_blocks(*arguments: Any) -> None: ...
