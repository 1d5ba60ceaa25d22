"""Gels: a carrier without walls."""

from __future__ import annotations

import numpy as np

from scaffoldsim.scaffold.families.base import Family, Floats, register


@register("gel")
class Gel(Family):
    """A hydrogel such as calcium alginate: solutes and cells pass through its whole volume.

    Its meshes, nanometres wide, are far below a voxel, so it has no walls and no pores on the grid:
    porosity and pore size cannot be asked, and criterion C4 does not apply.
    """

    title = "gel"
    walls = False

    def field(self, u: Floats, v: Floats, w: Floats) -> Floats:
        """φ, above every level."""
        return np.full(np.broadcast_shapes(u.shape, v.shape, w.shape), np.inf, u.dtype)
