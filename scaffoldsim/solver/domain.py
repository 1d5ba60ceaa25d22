"""Where species diffuse: the pore of a voxel image, its hierarchy and the arrays all share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaffoldsim.solver import _diffusion
from scaffoldsim.solver.inputs import Inputs, axes, positive, thread_count
from scaffoldsim.solver.multigrid import Multigrid
from scaffoldsim.solver.newton import Newton
from scaffoldsim.solver.outlets import Outlets
from scaffoldsim.solver.padding import aligned, padded_shape, wrap
from scaffoldsim.solver.pore import Pore


class Domain:
    """The pore of a voxel image, shared by all species that diffuse in it.

    Nothing of a solve is kept here: working arrays are overwritten by the next one. They take
    about 41 B per voxel, whatever the number of species (52 B where the diffusivity varies).

    Parameters
    ----------
    pore : (nx, ny, nz) bool, or float >= 0 that scales the diffusivity (0 is solid)
    voxel : edge of a voxel, m
    periodic : three bools, axes whose two faces are one
    threads : OpenMP threads, None for all

    Attributes
    ----------
    shape : (nx, ny, nz)
    version : int, changes with the geometry

    Raises
    ------
    ValueError
        Inputs of wrong shape, sign or kind.

    Examples
    --------
    >>> import numpy as np
    >>> pore = np.ones((20, 20, 20), bool)
    >>> pore[8:12] = False
    >>> domain = Domain(pore, voxel=2e-5)
    >>> pore[8, 5, 5] = True
    >>> domain.update(pore)
    >>> domain
    Domain((20, 20, 20), voxel=2e-05, version=2)
    """

    def __init__(
        self,
        pore: ArrayLike,
        *,
        voxel: float,
        periodic: tuple[bool, bool, bool] = (False, False, False),
        threads: int | None = None,
    ) -> None:
        self.voxel = positive(voxel, "voxel", "m")
        self.periodic = axes(periodic)
        self.threads = thread_count(threads)
        self.version = 0
        self._grid: Multigrid | None = None
        self._pore: Pore | None = None
        self.newton: Newton
        self._alone: Multigrid | None = None
        self.update(pore)

    def __repr__(self) -> str:
        return f"Domain({self.shape}, voxel={self.voxel:g}, version={self.version})"

    def __reduce__(self) -> Any:
        raise TypeError("a Domain cannot be copied or pickled; make another one from its pore.")

    def update(self, pore: ArrayLike, *, changed: NDArray[np.int32] | None = None) -> None:
        """Take a changed pore of the same shape: walls that dissolved, pores that were filled.

        What does not border on a changed voxel stays, so few of them cost little; the result is
        that of a new domain, bit for bit.

        Parameters
        ----------
        pore : as for the class
        changed : int32, flat numbers of the voxels that differ from the pore before, and perhaps
            of some that do not; without it all are looked at

        Raises
        ------
        ValueError
            Another shape, or what the class refuses.
        """
        last = self._pore
        taken = Pore.of(pore) if last is None or changed is None else last.after(pore, changed)
        values, self.factor = taken.values, taken.top
        if self._grid is None:
            self.shape: tuple[int, int, int] = values.shape
            self.threads = min(self.threads, self.shape[0])  # a plane each at least
        elif values.shape != self.shape:
            raise ValueError(f"pore has shape {values.shape}; the domain has {self.shape}.")
        if self._grid is not None and (values.dtype == bool) == (
            self._grid.levels[0].links is not None
        ):
            same = values.dtype == bool or (last is not None and taken.top == last.top)
            self._grid.update(values, taken.top, changed=changed if same else None)
        else:
            c = (
                aligned(padded_shape(self.shape), np.float64)
                if self._grid is None
                else self.newton.c
            )
            self._grid = Multigrid(values, self.periodic, self.threads, top=taken.top)
            self.newton = Newton(self._grid, c)
        self._pore = taken
        self._alone = None
        self._outlets: dict[tuple[bool, tuple[bytes, ...]], Outlets] = {}
        self.version += 1
        self.inputs = Inputs(self._grid.mask[self._grid.core])
        #: relative diffusivity of the outer layers, in the order x-, x+, y-, y+, z-, z+
        self.layers: list[NDArray[Any]] = taken.layers()

    def root_mean_squares(
        self, a: NDArray[np.float32], b: NDArray[np.float32]
    ) -> tuple[float, float, float]:
        """Root mean squares of two fields and of their difference over the box; 0 in solid.

        Sums run plane by plane in double, so no bit depends on the number of threads.

        Examples
        --------
        >>> import numpy as np
        >>> domain = Domain(np.ones((2, 2, 2), bool), voxel=2e-5)
        >>> three, one = (np.full((2, 2, 2), value, np.float32) for value in (3, 1))
        >>> domain.root_mean_squares(three, one)
        (3.0, 1.0, 2.0)
        """
        x, y, z = (math.sqrt(s) for s in _diffusion.mean_squares(a, b, self.threads))
        return x, y, z

    def solver(self, *, linked: bool) -> Newton:
        """The solver of all species that diffuse, or of those that cannot (not `linked`)."""
        if linked:
            return self.newton
        if self._alone is None:
            pore = self.inputs.mask > 0
            self._alone = Multigrid(pore, self.periodic, self.threads, linked=False)
        return Newton(self._alone, self.newton.c)

    def outlets(self, grid: Multigrid, face_k: list[NDArray[np.float64] | None]) -> Outlets:
        """The open faces as `Outlets`; species with the same conductances share them."""
        key = grid.linked, tuple(b"" if k is None else k.tobytes() for k in face_k)
        if key not in self._outlets:
            self._outlets[key] = Outlets(grid, face_k)
        return self._outlets[key]

    def load(self, field: Any, scale: float) -> None:
        """Fill the iterate with `scale` times a field, or one number, in the pore."""
        c, mask = self.newton.c, self.newton.grid.mask
        if np.ndim(field) == 0:
            np.multiply(mask, field * scale, out=c)
        else:
            self.newton.grid.load(field, scale, c)

    def wrap(self) -> None:
        """Fill the ghosts of the iterate."""
        wrap(self.newton.c, self.shape, self.newton.grid.periodic)
