"""What the host does to foreign cells and materials: one file in ``configs/immunity/``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.config import Entry, Parameter, Unit
from scaffoldsim.model import counter
from scaffoldsim.model.delivery import SOURCES
from scaffoldsim.model.scores import SOURCE_IMMUNOGENICITY
from scaffoldsim.scaffold.thickness import within

if TYPE_CHECKING:
    from scaffoldsim.config import Config
    from scaffoldsim.model.model import Model
    from scaffoldsim.model.tissue import Tissue

#: the cause of death
REJECTED = "immune"
#: share of a voxel from which on it is material to the host, so that a thin wall counts (assumed:
#: with nine tenths gone it provokes no more)
_TRACE = 0.1
#: time between two looks at where there is material, s: it goes over weeks
_LOOK_EVERY = 24 * 3600.0

Bools = NDArray[np.bool_]

_Rate = Annotated[Parameter, Unit("1/s", ge=0, le=1e-3, show="1/d")]


class ImmuneResponse(Entry):
    r"""Hazards of what is foreign: :math:`k\,\max(i_{cell}, i_{material})` from `onset` on.

    The immunogenicity :math:`i_{cell}` is that of the cell's source on the scale of
    `scores.SOURCE_IMMUNOGENICITY`, :math:`i_{material}` that of the material within `reach`.

    Attributes
    ----------
    rejection : 1/s
        k of cells.
    regression : 1/s
        Of vessels, times :math:`i_{material}`.
    onset : s
        From the first meeting: of the material the start of the run, of cells their first dose, so
        that a second dose meets a response that is there already.
    reach : m
        Of inflammation around a material.
    """

    kind: ClassVar[str] = "immunity"

    rejection: _Rate
    regression: _Rate
    onset: Annotated[Parameter, Unit("s", ge=0, le=1e9, show="d")]
    reach: Annotated[Parameter, Unit("m", ge=0, le=0.01, show="um")]


class Immunity:
    """The immune response of a host that has one (`Host.immunity`), as a part of the model.

    Parameters
    ----------
    config
        The configuration; its host has an immune response.
    tissue
        Of the model: what is left of the material.

    Attributes
    ----------
    near : ndarray of bool or None
        Where the material is within reach, looked at once a day; None if it provokes nothing.
    """

    def __init__(self, config: Config, tissue: Tissue) -> None:
        self.rules: ImmuneResponse = config.host.immunity
        self.tissue, self.grid = tissue, tissue.scaffold.grid
        material = tissue.scaffold.material
        self.material = 0.0 if material is None else float(material.immunogenicity)
        self.source = SOURCE_IMMUNOGENICITY[config.cells.source]
        given = [dose.at for dose in config.cells.plan if dose.number != 0 and dose.density != 0]
        self.met = min(given, default=math.inf)
        self._foreign = SOURCES.index(config.cells.source)
        self.near = self._look() if self.material > 0 else None
        self._of_vessels: tuple[Bools, NDArray[np.float32]] | None = None

    def __repr__(self) -> str:
        return f"Immunity(cells {self.source:g}, material {self.material:g})"

    def hazard_of_vessels(self, time: float) -> NDArray[np.float32] | None:
        """Return the hazard of vessels at `time` in s, 1/s, (nx, ny, nz); None where there is none.

        Until the next look at the material it is the same array, which is not to be written to.
        """
        rate = float(self.rules.regression) * self.material
        if self.near is None or rate == 0 or time < float(self.rules.onset):
            return None
        if self._of_vessels is None or self._of_vessels[0] is not self.near:
            self._of_vessels = self.near, self.near * np.float32(rate)
        return self._of_vessels[1]

    def hazard(self, model: Model) -> NDArray[np.float64] | None:
        """Return the hazard of each cell now, 1/s; None where nothing is foreign."""
        time, onset, cells = model.seconds, float(self.rules.onset), model.cells
        own = self.source if time >= self.met + onset else 0.0
        near = self.near if time >= onset else None
        if (own == 0 and near is None) or not cells.n or float(self.rules.rejection) == 0:
            return None
        foreign = np.where(cells.origin == self._foreign, own, 0.0)
        if near is not None:
            beside = near.ravel()[cells.voxel]
            foreign = np.maximum(foreign, np.where(beside, self.material, 0.0))
        hazard: NDArray[np.float64] = float(self.rules.rejection) * foreign
        return hazard

    def advance(self, model: Model, dt: float) -> None:
        """Let the cells die that are rejected in the step of `dt` seconds; book them."""
        step, time = model.step_index, model.seconds
        new_day = step > 0 and int(time // _LOOK_EVERY) > int((time - dt) // _LOOK_EVERY)
        if self.near is not None and new_day:
            self.near = self._look()
        hazard = self.hazard(model)
        if hazard is None:
            return
        cells = model.cells
        key = counter.keys(seed=model.seed, step=step, purpose="immune death")
        rows = np.flatnonzero(counter.uniform(cells.id, key) < -np.expm1(-hazard * dt))
        if rows.size:
            events = model.lattice.interfere(cells, deaths={REJECTED: rows})
            model.ledger.book(events, cells.census(len(SOURCES)))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a restart needs."""
        return {} if self.near is None else {"near": np.packbits(self.near)}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go to a stored state of the same configuration."""
        if self.near is not None:
            bits = np.unpackbits(np.asarray(state["near"], np.uint8), count=self.grid.n_voxels)
            self.near = bits.astype(bool).reshape(self.grid.shape)

    def _look(self) -> Bools:
        """Where material is within reach now."""
        degradation = self.tissue.degradation
        left = degradation.fraction if degradation.gel is None else degradation.gel
        reach = float(self.rules.reach) / self.grid.voxel
        return within(left >= _TRACE, reach, periodic=self.grid.periodic)
