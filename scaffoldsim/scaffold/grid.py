"""The box of voxels everything stands on, and what lies beyond its faces."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scaffoldsim.scaffold.thickness import as_voxel, per_axis
from scaffoldsim.schema import Section

_MOST_VOXELS = 2**31 - 1  # a voxel is addressed by an int32


class TooLarge(ValueError):  # noqa: N818 - what it says of the input
    """More voxels, or more memory, than there can be."""


def free_memory() -> int:
    """Memory that is available, bytes; the whole memory where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def require_memory(needed: float, what: str) -> None:
    """Refuse work that needs more bytes than are free.

    Raises
    ------
    TooLarge
        With both numbers.
    """
    free = free_memory()
    if needed > free:
        raise TooLarge(
            f"{what} needs about {needed / 1e9:.3g} GB of memory, and {free / 1e9:.3g} GB are free."
            " Take a coarser voxel or a smaller size."
        )


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

    @classmethod
    def of_size(
        cls,
        size: tuple[float, float, float],
        voxel: float,
        periodic: tuple[bool, bool, bool] = (False, False, False),
    ) -> "Grid":
        """The grid whose edges are nearest to `size`, m, with at least one voxel along each.

        Examples
        --------
        >>> Grid.of_size((1e-3, 1e-3, 1.01e-3), 2e-5).shape
        (50, 50, 50)
        """
        x, y, z = (max(1, round(edge / voxel)) for edge in size)
        return cls((x, y, z), voxel, periodic)

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

    def below(self, face: str) -> NDArray[np.float64]:
        """Return how far below a face each voxel's centre lies, m; broadcasts to the grid.

        Examples
        --------
        >>> Grid((1, 1, 3), 2e-3).below("z+").ravel().tolist()
        [0.005, 0.003, 0.001]
        """
        axis = "xyz".index(face[0])
        depth = (np.arange(self.shape[axis], dtype=np.float64) + 0.5) * self.voxel
        along = [-1 if k == axis else 1 for k in range(3)]
        return (depth if face[1] == "-" else depth[::-1]).reshape(along)

    def __repr__(self) -> str:
        from scaffoldsim.units import format_si

        axes = "".join(name for name, wraps in zip("xyz", self.periodic, strict=True) if wraps)
        return (
            f"Grid({' × '.join(map(str, self.shape))} voxels of {format_si(self.voxel, 'm')}"
            f"{f', periodic {axes}' if axes else ''})"
        )


def layer(face: str) -> tuple[slice | int, ...]:
    """Return the index of the voxels at a face of the box.

    Examples
    --------
    >>> layer("y+")
    (slice(None, None, None), -1, slice(None, None, None))
    """
    index: list[slice | int] = [slice(None)] * 3
    index["xyz".index(face[0])] = 0 if face[1] == "-" else -1
    return tuple(index)


FaceKind = Literal["host", "medium", "closed", "periodic"]


class Faces(Section):
    """What lies beyond each face of the box.

    ``host`` is living tissue, ``medium`` a culture bath, ``closed`` a wall, ``periodic`` the
    opposite face. ``x`` speaks for both faces of an axis, ``x-`` and ``x+`` for one; a single word
    in place of the mapping for all six.

    Examples
    --------
    >>> faces = Faces.model_validate({"x": "periodic", "z-": "host"})
    >>> faces.periodic, faces.kind("z-"), faces.kind("z+")
    ((True, False, False), 'host', 'closed')
    """

    x: FaceKind = "closed"
    y: FaceKind = "closed"
    z: FaceKind = "closed"
    x_low: FaceKind | None = Field(None, alias="x-")
    x_high: FaceKind | None = Field(None, alias="x+")
    y_low: FaceKind | None = Field(None, alias="y-")
    y_high: FaceKind | None = Field(None, alias="y+")
    z_low: FaceKind | None = Field(None, alias="z-")
    z_high: FaceKind | None = Field(None, alias="z+")

    @classmethod
    def shorthand(cls, text: str) -> dict[str, Any]:
        """One word is meant for all faces."""
        return {"x": text, "y": text, "z": text}

    def kind(self, face: str) -> FaceKind:
        """What lies beyond `face`, one of ``"x-"``, ``"x+"``, … ``"z+"``."""
        axis, side = face[0], {"-": "low", "+": "high"}[face[1]]
        own: FaceKind | None = getattr(self, f"{axis}_{side}")
        both: FaceKind = getattr(self, axis)
        return own or both

    def of_kind(self, kind: FaceKind) -> list[str]:
        """The faces beyond which `kind` lies, from ``"x-"`` to ``"z+"``."""
        every = [f"{axis}{side}" for axis in "xyz" for side in "-+"]
        return [face for face in every if self.kind(face) == kind]

    @property
    def periodic(self) -> tuple[bool, bool, bool]:
        """Axes that wrap round."""
        x, y, z = (self.kind(f"{axis}-") == self.kind(f"{axis}+") == "periodic" for axis in "xyz")
        return x, y, z

    def problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """A periodic face needs its opposite."""
        for axis in "xyz":
            kinds = {side: self.kind(f"{axis}{side}") for side in "-+"}
            if list(kinds.values()).count("periodic") == 1:
                side = next(side for side, kind in kinds.items() if kind != "periodic")
                yield (
                    (f"{axis}{side}",),
                    f"{kinds[side]} opposite a periodic face; write {axis}: periodic for both "
                    "faces, or none of them",
                )
