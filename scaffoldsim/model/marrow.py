"""Stromal cells of the host's marrow: where its tissue lies in the box or behind a face."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.config import Parameter, Section, Unit
from scaffoldsim.model import counter
from scaffoldsim.model.delivery import HOST
from scaffoldsim.scaffold.grid import layer

if TYPE_CHECKING:
    from scaffoldsim.model.model import Model

#: the cells that marrow holds
STROMAL = "bmsc"


class Marrow(Section):
    """Stromal cells in the marrow of a healthy young host.

    Attributes
    ----------
    stromal : 1/m³
        That can divide and become bone, per volume of marrow.
    turnover : 1/s
        At which marrow behind a face makes up for those that left.
    """

    stromal: Annotated[Parameter, Unit("1/m^3", ge=0, le=1e15, show="1/mm^3")]
    turnover: Annotated[Parameter, Unit("1/s", ge=0, le=1e-3, show="1/d")]


class MarrowCells:
    r"""The marrow of a host in a model: it holds stromal cells and makes up for those that leave.

    At the start living tissue of the host in the box, and the first voxels at its faces, hold
    :math:`\rho` cells per volume, times the host's number of stromal cells. Later the voxels at its
    faces, which stand for the marrow behind them, get each step

    .. math:: (\rho V - N)^+ (1 - e^{-k\,dt})

    new ones, N being the cells of that type from the host there: a reservoir that refills.

    Parameters
    ----------
    marrow
        What it holds.
    model
        At its start; a host without vessels in the box gives no such cells.

    Attributes
    ----------
    living : ndarray of bool, shape (nx, ny, nz)
        Where there is marrow at the start.
    voxels : ndarray of int64
        Those of them that are the first at faces of the host, flat, ascending.
    """

    def __init__(self, marrow: Marrow, model: Model) -> None:
        self.marrow = marrow
        place = model.place
        layers = np.zeros(model.grid.shape, bool)
        for face in place.faces.of_kind("host"):
            layers[layer(face)] = True
        # of a hole as large as the box, too, all that lives is behind the faces
        self.living = layers
        if place.living is not None and place.living.any():
            self.living = layers & ~place.lost | place.living
        self.voxels = np.flatnonzero(layers & self.living)

    def begin(self, model: Model) -> None:
        """Put the cells of the start into living tissue."""
        open_ = np.flatnonzero(self.living.ravel() & model.tissue.vacant().ravel())
        chance = np.full(open_.size, self._per_voxel(model))
        self._come(model, open_, chance, "marrow, start")

    def advance(self, model: Model, dt: float) -> None:
        """Make up for the cells that left in `dt` seconds."""
        cells = model.cells
        if STROMAL not in cells.types or not self.voxels.size:
            return
        vacant = model.tissue.vacant().ravel()[self.voxels]
        own = cells.voxel[(cells.type == cells.types.index(STROMAL)) & (cells.origin == HOST)]
        held = np.count_nonzero(np.isin(own, self.voxels, assume_unique=True))
        lacking = self._per_voxel(model) * self.voxels.size - held
        open_ = self.voxels[vacant]
        if lacking <= 0 or not open_.size:
            return
        come = lacking * -math.expm1(-dt * float(self.marrow.turnover)) / open_.size
        self._come(model, open_, np.full(open_.size, come), "marrow, later")

    def _per_voxel(self, model: Model) -> float:
        """Return how many stromal cells a voxel of this host's marrow holds on average."""
        number = model.rates.signals.multiplier("msc_count", "host")
        return float(self.marrow.stromal) * number * model.grid.voxel_volume

    def _come(
        self, model: Model, voxels: NDArray[np.int64], chance: NDArray[np.float64], purpose: str
    ) -> None:
        """Let a cell come into each of these free voxels with its chance."""
        key = counter.keys(seed=model.seed, step=model.step_index, purpose=purpose)
        chosen = voxels[counter.uniform(voxels, key) < chance]
        model.tissue.welcome(model, STROMAL, chosen.astype(np.int32))
