"""Vessels of the host in a model, and what they bring: oxygen, reach of its cells, and cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import counter
from scaffoldsim.model.degradation import REACH_OF_CELLS
from scaffoldsim.model.delivery import SOURCES
from scaffoldsim.model.fields import Supply
from scaffoldsim.model.ground import SCAFFOLD
from scaffoldsim.model.ledger import LEFT
from scaffoldsim.model.throats import throats
from scaffoldsim.model.vessels import Vessels
from scaffoldsim.scaffold.thickness import squared_distance

if TYPE_CHECKING:
    from scaffoldsim.config import Config
    from scaffoldsim.model.fields import Fields
    from scaffoldsim.model.model import Model
    from scaffoldsim.model.tissue import Tissue

#: the fields by which vessels grow and cells come
_GROWTH, _CALL = "vegf", "sdf1"
#: what comes out of vessels, and what becomes part of them
_STROMAL, _ENDOTHELIAL = "bmsc", "endothelial"
#: share of mineral from which on no vessel enters a voxel
_HARD = 0.3
#: time between two looks at where pores are too narrow, s: walls change over days
_LOOK_EVERY = 24 * 3600.0


class Circulation:
    r"""The vessels of a host that has some (`Host.vessels`), as a part of the model.

    A vessel is 10 µm wide and leaves room for a cell in its voxel. Perfused ones hold the oxygen of
    the host's tissue, bring its osteoclasts and cells (they widen `Tissue.supplied` and
    `Tissue.reached`), and let stromal cells out:

    .. math:: k = k_0 L\,oc\,n \left[r + (1 - r) \frac{c}{c + K}\right]

    with the length L, the osteoconductivity oc of the scaffold, the multiplier n of the number of
    stromal cells, and the concentration c of SDF-1 (none without such a field).

    Parameters
    ----------
    config
        The configuration; its host has vessels.
    tissue, fields
        Of the model.
    owner
        The model, in which tips are agents.

    Attributes
    ----------
    vessels : Vessels
    blocked : ndarray of bool
        Where no vessel goes: scaffold, bone, throats; looked at once a day.
    hazard : ndarray of float32, 1/s, or None
        Of vessels, beyond that of the rules; the owner sets it for each step.
    """

    def __init__(self, config: Config, tissue: Tissue, fields: Fields, *, owner: Any) -> None:
        self.config, self.tissue, self.fields = config, tissue, fields
        self.rules = config.host.vessels
        self.grid = tissue.scaffold.grid
        self.hazard: NDArray[np.float32] | None = None
        self._near_host = (tissue.supplied, tissue.reached)
        self.blocked = self._look()
        self.vessels = Vessels(
            self.grid, config.faces, self.rules, blocked=self.blocked, seed=config.seed, owner=owner
        )
        self._perfused = self.vessels.perfused
        if "oxygen" in fields.species:
            fields.add_supply("oxygen", self._breath)

    def __repr__(self) -> str:
        return repr(self.vessels)

    def advance(self, model: Model, dt: float) -> None:
        """Let vessels grow for `dt` seconds, and let in what they bring."""
        step, vessels, fields = model.step_index, self.vessels, self.fields
        if step > 0 and int(step * dt // _LOOK_EVERY) > int((step - 1) * dt // _LOOK_EVERY):
            self.blocked = self._look()
        vessels.advance(
            dt,
            time=step * dt,
            vegf=fields.value.get(_GROWTH),
            blocked=self.blocked,
            growth=self.tissue.throughout(model.rates, "vessel_growth"),
            regression=self.hazard,
            seed=model.seed,
            step=step,
        )
        self._incorporate(model, dt)
        self._let_out(model, dt)
        self._reach()
        model.ledger.close(model.cells.census(len(SOURCES)))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a restart needs."""
        return self.vessels.state() | {"blocked": np.packbits(self.blocked)}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go to a stored state of the same configuration."""
        bits = np.unpackbits(np.asarray(state["blocked"], np.uint8), count=self.grid.n_voxels)
        self.blocked = bits.astype(bool).reshape(self.grid.shape)
        self.vessels.load({name: value for name, value in state.items() if name != "blocked"})
        self._reach()

    # ------------------------------------------------------------------------------------------

    def _breath(self) -> Supply:
        """Oxygen of the host's tissue where blood flows."""
        if not self.vessels.perfused.any():
            return Supply()
        level = float(self.config.fields["oxygen"].host)
        return Supply.perfused(self.vessels.perfused, level)

    def _look(self) -> NDArray[np.bool_]:
        """Where no vessel goes now."""
        hard = (self.tissue.ground.kind == SCAFFOLD).reshape(self.grid.shape)
        hard |= self.tissue.matrix.mineral + self.tissue.matrix.host > _HARD
        narrow = throats(~hard, self.grid.voxel, float(self.rules.narrowest), self.grid.periodic)
        blocked: NDArray[np.bool_] = hard | narrow
        return blocked

    def _reach(self) -> None:
        """Widen what the host reaches by what lies near perfused vessels."""
        if self.vessels.perfused is self._perfused:
            return
        self._perfused = perfused = self.vessels.perfused
        supplied, reached = self._near_host
        if perfused.any():
            squared = squared_distance(~perfused, periodic=self.grid.periodic)
            for distance, name, base in (
                (float(self.config.bone.supply_distance), "supplied", supplied),
                (REACH_OF_CELLS, "reached", reached),
            ):
                near = squared <= (distance / self.grid.voxel) ** 2
                setattr(self.tissue, name, near if base is None else base | near)
        else:
            self.tissue.supplied, self.tissue.reached = supplied, reached

    def _incorporate(self, model: Model, dt: float) -> None:
        """Let endothelial cells beside a vessel become tips of it; they leave the cells."""
        cells = model.cells
        if _ENDOTHELIAL not in cells.types:
            return
        rows = np.flatnonzero(cells.type == cells.types.index(_ENDOTHELIAL))
        if not rows.size:
            return
        joins = self.vessels.sprout_from(
            cells.voxel[rows], cells.id[rows], dt, seed=model.seed, step=model.step_index
        )
        if joins.any():
            events = model.lattice.interfere(cells, deaths={LEFT: rows[joins]})
            model.ledger.book(events, cells.census(len(SOURCES)))

    def _let_out(self, model: Model, dt: float) -> None:
        """Let stromal cells of the host come out of perfused vessels."""
        cells, perfused = model.cells, self.vessels.perfused.ravel()
        places = np.flatnonzero(perfused)
        if _STROMAL not in cells.types or not places.size:
            return
        material = self.tissue.scaffold.material
        rate = float(self.rules.recruitment) * self.vessels.perfused_density
        rate *= self.grid.voxel_volume * self.grid.n_voxels / places.size
        rate *= float(material.osteoconductivity) if material is not None else 1.0
        rate *= model.rates.signals.multiplier("msc_count", "host")
        calm = float(self.rules.recruitment_resting)
        called = np.zeros(places.size)
        if _CALL in self.fields.species:
            level = self.fields.at(places.astype(np.int32), _CALL).astype(np.float64)
            called = level / (level + float(self.rules.recruitment_sdf1))
        chance = rate * dt * (calm + (1 - calm) * called)
        key = counter.keys(seed=model.seed, step=model.step_index, purpose="vessel stromal cell")
        places = places[counter.uniform(places, key) < chance]
        places = places[self.tissue.vacant().ravel()[places]]
        self.tissue.welcome(model, _STROMAL, places.astype(np.int32))
