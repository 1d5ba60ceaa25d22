"""Where the cells of a dose come to lie."""

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import counter, walls
from scaffoldsim.model.celltypes import Attachment
from scaffoldsim.model.delivery import Given
from scaffoldsim.scaffold.grid import Grid

Array = NDArray[np.float64]

#: share of the chance of a surface voxel that a pore voxel away from any surface has (assumed, so
#: small that cells settle on surfaces, and only what finds no room there stays in the fluid)
_IN_FLUID = 1e-6


def seed_voxels(
    dose: Given,
    n: int,
    rule: Attachment,
    grid: Grid,
    open_: NDArray[np.bool_],
    near_surface: NDArray[np.bool_],
    *,
    flow: Array | None = None,
    seed: int,
    step: int = 0,
    index: int = 0,
) -> NDArray[np.int32]:
    r"""Choose the voxels of `n` cells that stay, none twice; fewer if there are not as many.

    Voxel v is drawn with weight :math:`w_v`. Of a seeding it is 1 at a surface (times
    :math:`e^{-d/\lambda}` at depth d from the loaded face when seeding is static) and
    10⁻⁶ of that in the fluid; of a gel and of a suspension 1; of an infusion the flow of blood. The
    n smallest of :math:`-\ln(u_v)/w_v` are a weighted sample without replacement (Efraimidis and
    Spirakis 2006); :math:`u_v` depends on seed, step, dose and voxel alone.

    Parameters
    ----------
    dose
        How it is given.
    n
        Cells that stay.
    rule
        Of the cell type.
    grid
        The voxels.
    open_, near_surface
        Where a cell may be put; what is next to a surface.
    flow : (nx, ny, nz), optional
        Of an infusion: flow of blood at each voxel, 0 where there is none.
    seed, step, index
        The run's seed, the step, and the number of the dose.

    Returns
    -------
    ndarray of int32
        Flat voxel numbers, ascending.
    """
    voxels = np.flatnonzero(open_.ravel()).astype(np.int32)
    weight = np.ones(voxels.size)
    if dose.delivery == "arterial_infusion":
        weight = np.zeros(voxels.size) if flow is None else flow.ravel()[voxels]
        voxels, weight = voxels[weight > 0], weight[weight > 0]
    elif dose.delivery in ("dynamic_seeding", "static_seeding"):
        weight = np.where(near_surface.ravel()[voxels], 1.0, _IN_FLUID)
    if dose.delivery == "static_seeding":
        depth = np.broadcast_to(grid.below(dose.face), grid.shape).ravel()[voxels]
        weight *= np.exp(-depth / float(rule.static_depth))
    key = counter.keys(seed=seed, step=step, substep=index, purpose="seeding")
    u = counter.uniform(voxels.astype(np.int64), key)
    order = np.argsort(-np.log1p(-u) / weight, kind="stable")
    return np.sort(voxels[order[:n]])


def beside(voxels: NDArray[np.int32], flow: Array, grid: Grid) -> Array:
    """Return the greatest flow among each voxel and those that share a face with it, (nx, ny, nz).

    Parameters
    ----------
    voxels, flow
        Flat voxels with blood, all different, and the flow in each.
    grid
        The voxels.
    """
    own = np.zeros(grid.shape)
    own.reshape(-1)[voxels] = flow
    found: Array = np.maximum(own, walls.beside(own, grid.periodic))
    return found
