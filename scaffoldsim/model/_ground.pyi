from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def changes(
    scaffold: Array,
    osteoid: Array,
    mineral: Array,
    host: Array,
    enter: float,
    kind: Array,
    level: Array,
    threads: int,
    found: Array,
) -> None: ...
def take(
    scaffold: Array,
    osteoid: Array,
    mineral: Array,
    host: Array,
    enter: float,
    found: Array,
    first: Array,
    kind: Array,
    voxel: Array,
    threads: int,
) -> None: ...
def levels(
    scaffold: Array,
    osteoid: Array,
    mineral: Array,
    host: Array,
    soft: float,
    hard: float,
    level: Array,
    threads: int,
) -> None: ...
def feel_all(
    kind: Array,
    modulus: Array,
    touch: Array,
    felt: Array,
    nx: int,
    ny: int,
    nz: int,
    wrap_x: bool,
    wrap_y: bool,
    wrap_z: bool,
    threads: int,
) -> None: ...
def feel_around(
    voxel: Array,
    kind: Array,
    modulus: Array,
    touch: Array,
    felt: Array,
    nx: int,
    ny: int,
    nz: int,
    wrap_x: bool,
    wrap_y: bool,
    wrap_z: bool,
) -> None: ...
def change_walls(
    voxel: Array,
    kind: Array,
    flags: Array,
    occupant: Array,
    nx: int,
    ny: int,
    nz: int,
    wrap_x: bool,
    wrap_y: bool,
    wrap_z: bool,
) -> None: ...
