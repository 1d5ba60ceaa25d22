"""Oxygen that blood carries along the vessels, and loses to the tissue on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.solver.network import carried

if TYPE_CHECKING:
    from scaffoldsim.model.vessels import Vessels

__all__ = ["oxygen_in_blood"]

Array = NDArray[Any]


def oxygen_in_blood(
    vessels: Vessels,
    oxygen: Array,
    pore: Array,
    *,
    diffusivity: float,
    level: float,
    binding: float,
) -> NDArray[np.float32]:
    r"""Return what blood holds in each of `Vessels.perfused_voxels`, mol/m³ dissolved.

    It enters at arterial roots with `level`. Along a vessel with the flow q,

    .. math:: B q \frac{dc}{ds} = -k (c - c_t), \qquad k = \sum D h \frac{2 p_v p_n}{p_v + p_n}

    B being `binding`, how much more oxygen blood gives off than what is dissolved in it falls; s
    goes from 0 to 1, and the sum over the faces of its voxels to those without blood, which hold
    c_t. Where vessels share a voxel they share its faces, and the voxel has their mean.

    Parameters
    ----------
    vessels
        With blood somewhere.
    oxygen, pore : (nx, ny, nz)
        Oxygen of the tissue, mol/m³, and the share of a flux that each voxel lets through.
    diffusivity : m²/s
        D in an open voxel.
    level : mol/m³
    binding

    Examples
    --------
    See ``tests/model/test_blood.py``: one vessel against its closed form.
    """
    grid, edges, graph = vessels.grid, vessels.graph.edges, vessels.graph
    voxels, rows = vessels.perfused_voxels, np.flatnonzero(vessels.carries)
    exchange, drawn = _surroundings(voxels, vessels.perfused, oxygen, pore, grid.periodic)
    exchange, drawn = exchange * diffusivity * grid.voxel, drawn * diffusivity * grid.voxel
    inside = edges["voxels"][rows]
    edge, column = np.nonzero(inside >= 0)
    at = np.searchsorted(voxels, inside[edge, column])
    sharers = np.bincount(at, minlength=voxels.size)
    loss = np.bincount(edge, exchange[at] / sharers[at], rows.size)
    beyond = np.bincount(edge, drawn[at] / sharers[at], rows.size)
    outside = np.divide(beyond, loss, out=np.zeros(rows.size), where=loss > 0)
    flow = vessels.flow().flow[rows]
    inlet = np.where(graph.nodes["root"], level, np.nan)
    found = carried(edges["ends"][rows], flow, inlet, loss=loss / binding, outside=outside)
    held = np.bincount(at, found.mean[edge], voxels.size) / np.maximum(sharers, 1)
    return held.astype(np.float32)


def _surroundings(
    voxels: NDArray[np.int32],
    perfused: NDArray[np.bool_],
    oxygen: Array,
    pore: Array,
    periodic: tuple[bool, bool, bool],
) -> tuple[Array, Array]:
    """Return of each voxel the sum of conductances to those without blood, and that times c."""
    shape = perfused.shape
    where = np.unravel_index(voxels, shape)
    exchange, drawn = np.zeros(voxels.size), np.zeros(voxels.size)
    own = pore[where].astype(np.float64)
    for axis in range(3):
        for step in (-1, 1):
            beside = list(where)
            beside[axis] = where[axis] + step
            there = np.ones(voxels.size, bool)
            if not periodic[axis]:
                there = (beside[axis] >= 0) & (beside[axis] < shape[axis])
            beside[axis] = beside[axis] % shape[axis]
            next_ = tuple(beside)
            other = pore[next_].astype(np.float64)
            both = own + other
            conducts = np.divide(2 * own * other, both, out=np.zeros(both.size), where=both > 0)
            conducts *= there & ~perfused[next_]
            exchange += conducts
            drawn += conducts * oxygen[next_]
    return exchange, drawn
