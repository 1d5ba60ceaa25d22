"""What cells feel of the solid they touch: how stiff it is, and how it is loaded."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scaffoldsim.config import Section

if TYPE_CHECKING:
    from scaffoldsim.scaffold.scaffold import Scaffold

#: a solid of no named material is taken as rigid, Pa (assumed: above every gate's half-maximum)
_RIGID = 1e9


class Mechanics(Section):
    """Load on the construct.

    Attributes
    ----------
    stimulus
        Mechanical stimulus S, the same everywhere: octahedral shear strain/3.75 % + fluid
        speed/(3 µm/s) (Prendergast 1997, recalled). Without it there is no load, and no fate asks
        for it.
    """

    stimulus: float | None = Field(None, ge=0, le=1000)


def is_gel(scaffold: "Scaffold") -> bool:
    """Whether the box is filled with a gel: a material, and no walls."""
    return scaffold.material is not None and not bool(scaffold.solid.any())


def stiffness_felt(scaffold: "Scaffold") -> NDArray[np.float32]:
    """Return Young's modulus of the stiffest of a voxel and its six face neighbours, Pa, flat.

    Solid has the modulus of its material, a box without walls is a gel of it; fluid has none, so 0
    means that a cell there touches nothing.

    Examples
    --------
    >>> import scaffoldsim as ss
    >>> model = ss.Model(config="quickstart", set={"duration": "1 h"})
    >>> felt = model.substrate
    >>> bool(np.array_equal(felt > 0, (model.lattice.near_surface | model.scaffold.solid).ravel()))
    True
    """
    material = scaffold.material
    modulus = np.float32(_RIGID if material is None else material.youngs_modulus)
    if is_gel(scaffold):
        return np.full(scaffold.grid.n_voxels, modulus)
    own = np.where(scaffold.solid, modulus, np.float32(0))
    felt = own.copy()
    for axis, wraps in enumerate(scaffold.grid.periodic):
        a, b = np.moveaxis(felt, axis, 0), np.moveaxis(own, axis, 0)
        np.maximum(a[1:], b[:-1], out=a[1:])
        np.maximum(a[:-1], b[1:], out=a[:-1])
        if wraps:
            np.maximum(a[0], b[-1], out=a[0])
            np.maximum(a[-1], b[0], out=a[-1])
    return felt.ravel()
