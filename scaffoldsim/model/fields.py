"""Concentrations in the pores: what cells breathe, and the faces it comes in through."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.config import Entry, Parameter, Unit
from scaffoldsim.solver.diffusion import Diffusion, Domain

if TYPE_CHECKING:
    from scaffoldsim.model.cells import Cells
    from scaffoldsim.model.rates import CellType
    from scaffoldsim.scaffold.grid import Faces, Grid

_Oxygen = Annotated[Parameter, Unit("mol/m^3", ge=0, le=10, show="mM")]


class Species(Entry):
    """A dissolved substance: how it spreads, what the faces hold, how cells take it up.

    ∂c/∂t = ∇·(D∇c) − Σ q c/(K_m + c)
    """

    kind: ClassVar[str] = "fields"

    diffusivity: Annotated[Parameter, Unit("m^2/s", ge=0, le=1e-6)]
    #: concentration held at a `medium` and at a `host` face
    medium: _Oxygen
    host: _Oxygen
    #: Michaelis–Menten constant of uptake
    half_saturation: Annotated[Parameter, Unit("mol/m^3", ge=1e-9, le=10, show="mM")]


class Fields:
    """All concentrations, one float32 array per species.

    Parameters
    ----------
    grid
        The voxels.
    fraction
        Solid fraction per voxel, shape (nx, ny, nz): a voxel lets through D (1 − s).
    faces
        What each face of the box is.
    species
        By name; ``oxygen`` is taken up by cells.
    types
        Cell types, in the order of the cells' type column.
    threads
        Of the solver.

    Attributes
    ----------
    open, core : ndarray of bool
        Pore voxels; those of them in the third that is farthest from medium and host faces (none
        if no face supplies anything).
    value : dict of str to ndarray
        Concentration in mol/m³, float32 (nx, ny, nz), 0 in solid.
    """

    def __init__(
        self,
        grid: "Grid",
        fraction: NDArray[np.float32],
        faces: "Faces",
        species: dict[str, Species],
        types: dict[str, "CellType"],
        *,
        threads: int | None = None,
    ) -> None:
        self.grid, self.species = grid, species
        self.pore = 1.0 - fraction
        self.open = self.pore > 0.5
        self.core = self.open & _core(grid, faces)
        self._uptake = np.array([float(t.oxygen_uptake) for t in types.values()])
        self.value: dict[str, NDArray[np.float32]] = {}
        self._solver: dict[str, Diffusion] = {}
        binary = bool(np.all((fraction == 0) | (fraction == 1)))
        self.domain = Domain(
            self.open if binary else self.pore,
            voxel=grid.voxel,
            periodic=faces.periodic,
            threads=threads,
        )
        for name, entry in species.items():
            boundary = _boundary(entry, faces)
            held = [value for value in boundary.values() if isinstance(value, float)]
            start = max(held, default=float(entry.medium))
            self.value[name] = np.where(self.pore > 0, start, 0).astype(np.float32)
            self._solver[name] = Diffusion(
                self.domain, diffusivity=float(entry.diffusivity), boundary=boundary
            )

    def advance(self, cells: "Cells", dt: float) -> None:
        """Advance every species by one implicit step of `dt` seconds; cells stay where they are."""
        for name, entry in self.species.items():
            sink = np.zeros(self.grid.n_voxels, dtype=np.float32)
            if name == "oxygen":
                sink[cells.voxel] = self._uptake[cells.type] / self.grid.voxel_volume
            solution = self._solver[name].solve(
                self.value[name],
                consumption=sink.reshape(self.grid.shape),
                half_saturation=float(entry.half_saturation),
                previous=self.value[name],
                dt=dt,
            )
            self.value[name] = np.nan_to_num(solution.value, nan=0.0).astype(np.float32)

    def at(self, voxel: NDArray[np.int32], name: str) -> NDArray[np.float32]:
        """Return the concentration of species `name` at flat voxel numbers."""
        return self.value[name].ravel()[voxel]

    def in_pores(self, name: str) -> NDArray[np.float32]:
        """Return the concentrations of species `name` in all pore voxels, flat."""
        return self.value[name][self.open]


def _core(grid: "Grid", faces: "Faces") -> NDArray[np.bool_]:
    """Return the voxels deeper below all supplying faces than two thirds of the greatest depth."""
    depth = np.full(grid.shape, np.inf)
    for axis, wraps in enumerate(faces.periodic):
        if wraps:
            continue
        n = grid.shape[axis]
        index = np.arange(n).reshape([-1 if i == axis else 1 for i in range(3)])
        for side, below in (("-", index), ("+", n - 1 - index)):
            if faces.kind("xyz"[axis] + side) in ("medium", "host"):
                depth = np.minimum(depth, below)
    deep: NDArray[np.bool_] = np.isfinite(depth) & (depth > 2 / 3 * depth.max())
    return deep


def _boundary(species: Species, faces: "Faces") -> dict[str, Any]:
    """Return the solver's boundary: values held at medium and host faces; others are closed."""
    held = {"medium": float(species.medium), "host": float(species.host)}
    boundary: dict[str, Any] = {}
    for axis, wraps in zip("xyz", faces.periodic, strict=True):
        if wraps:
            boundary[axis] = "periodic"
            continue
        for face in (f"{axis}-", f"{axis}+"):
            if faces.kind(face) in held:
                boundary[face] = held[faces.kind(face)]
    return boundary
