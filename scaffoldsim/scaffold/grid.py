"""The box of voxels everything stands on."""

import math
from dataclasses import dataclass

from scaffoldsim.scaffold.thickness import as_voxel, per_axis

_MOST_VOXELS = 2**31 - 1  # a voxel is addressed by an int32


class TooLarge(ValueError):
    """More voxels, or more memory, than there can be."""


@dataclass(frozen=True)
class Grid:
    """Cubic voxels that fill a box.

    Attributes
    ----------
    shape : (nx, ny, nz)
        Voxels along x, y, z; arrays are in C order.
    voxel : float
        Edge of a voxel, m.
    periodic : three bools
        Axes whose two faces are one.

    Raises
    ------
    ValueError
        If a count or the voxel is not positive.
    TooLarge
        If the box holds more voxels than an int32 can number.

    Examples
    --------
    >>> grid = Grid((50, 50, 80), 2e-5, (True, True, False))
    >>> grid.n_voxels
    200000
    >>> grid
    Grid(50 × 50 × 80 voxels of 20 um, periodic xy)
    """

    shape: tuple[int, int, int]
    voxel: float
    periodic: tuple[bool, bool, bool] = (False, False, False)

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"shape: {self.shape!r} is not three positive counts of voxels")
        if math.prod(shape) > _MOST_VOXELS:
            raise TooLarge(
                f"{' × '.join(map(str, shape))} = {math.prod(shape):.3g} voxels; at most "
                f"{_MOST_VOXELS} are possible. Take a coarser voxel or a smaller size."
            )
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "voxel", as_voxel(self.voxel))
        object.__setattr__(self, "periodic", per_axis(self.periodic))

    @property
    def size(self) -> tuple[float, float, float]:
        """Edges of the box, m."""
        nx, ny, nz = self.shape
        return nx * self.voxel, ny * self.voxel, nz * self.voxel

    @property
    def n_voxels(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel, m³."""
        return self.voxel**3

    def __repr__(self) -> str:
        from scaffoldsim.units import format_si

        axes = "".join(name for name, wraps in zip("xyz", self.periodic, strict=True) if wraps)
        return (
            f"Grid({' × '.join(map(str, self.shape))} voxels of {format_si(self.voxel, 'm')}"
            f"{f', periodic {axes}' if axes else ''})"
        )
