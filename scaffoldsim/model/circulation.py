"""Vessels of the host in a model, and what they bring: oxygen, reach of its cells, and cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import counter
from scaffoldsim.model.blood import oxygen_in_blood
from scaffoldsim.model.degradation import REACH_OF_CELLS
from scaffoldsim.model.delivery import SOURCES
from scaffoldsim.model.fields import Supply
from scaffoldsim.model.ground import PORE, SCAFFOLD
from scaffoldsim.model.ledger import LEFT
from scaffoldsim.model.nearness import Nearness
from scaffoldsim.model.resting import settle
from scaffoldsim.model.throats import throats
from scaffoldsim.model.vessels import Vessels

if TYPE_CHECKING:
    from scaffoldsim.config import Config
    from scaffoldsim.model.fields import Fields
    from scaffoldsim.model.model import Model
    from scaffoldsim.model.tissue import Tissue

#: the fields by which vessels grow and cells come
GROWTH, _CALL = "vegf", "sdf1"
#: what comes out of vessels, and what becomes part of them
_STROMAL, _ENDOTHELIAL = "bmsc", "endothelial"
#: share of mineral from which on no vessel enters a voxel
_HARD = 0.3
#: time between two looks at where pores are too narrow, s: walls change over days
_LOOK_EVERY = 24 * 3600.0
#: time between two looks at what blood loses, s: vessels with blood change as seldom
_BREATHES_EVERY = 6 * 3600.0


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
    roots : (nx, ny, nz), optional
        Factor on the density of roots.
    living : bool (nx, ny, nz), optional
        Tissue of the host in the box, in which vessels carry blood from the start, at the
        `VesselTissue.resting_density` times the mean of `roots` in it (`resting.settle`).

    Attributes
    ----------
    vessels : Vessels
    blocked : ndarray of bool
        Where no vessel goes: scaffold, bone, throats; looked at once a day.
    hazard : (nx, ny, nz), 1/s, or None
        At which vessels are lost beyond their own rules; who sets it sets it anew after a restart.
    """

    def __init__(
        self,
        config: Config,
        tissue: Tissue,
        fields: Fields,
        *,
        owner: Any,
        roots: NDArray[Any] | None = None,
        living: NDArray[np.bool_] | None = None,
    ) -> None:
        self.config, self.tissue, self.fields = config, tissue, fields
        self.rules = config.host.vessels
        self.grid = tissue.scaffold.grid
        self._hard: NDArray[np.bool_] | None = None
        self.hazard: NDArray[Any] | None = None
        self.blocked = self._look()
        density = float(self.rules.root_density)
        self.vessels = Vessels(
            self.grid,
            config.faces,
            self.rules,
            blocked=self.blocked,
            root_density=density if roots is None else density * np.asarray(roots, np.float64),
            seed=config.seed,
            owner=owner,
        )
        if living is not None and living.any():
            share = 1.0 if roots is None else float(np.mean(roots[living], dtype=np.float64))
            wanted = share * float(self.rules.resting_density)
            settle(self.vessels, living, self.blocked, wanted, seed=config.seed)
        distances = {"supplied": config.bone.supply_distance, "reached": REACH_OF_CELLS}
        self._near = {
            name: Nearness(self.grid, float(distance), getattr(tissue, name))
            for name, distance in distances.items()
            if distance is not None
        }
        for name, near in self._near.items():
            setattr(tissue, name, near.mask)
        self._perfused: NDArray[np.bool_] | None = None
        self._blood, self._held_in = Supply(), np.zeros(0, np.int32)
        self._carried: NDArray[np.float32] | None = None
        self._reach()
        if "oxygen" in fields.species:
            fields.add_supply("oxygen", self._breath)

    def __repr__(self) -> str:
        return repr(self.vessels)

    def advance(self, model: Model, dt: float) -> None:
        """Let vessels grow for `dt` seconds, and let in what they bring."""
        step, vessels, fields = model.step_index, self.vessels, self.fields
        if step > 0 and _is_due(step - 1, dt, _LOOK_EVERY):
            self.blocked = self._look()
        vessels.advance(
            dt,
            time=step * dt,
            vegf=fields.value.get(GROWTH),
            blocked=self.blocked,
            growth=self.tissue.throughout(model.rates, "vessel_growth"),
            regression=self.hazard,
            seed=model.seed,
            step=step,
        )
        self._incorporate(model, dt)
        self._let_out(model, dt)
        self._reach()
        if self.rules.oxygen_binding is not None and _is_due(step, dt, _BREATHES_EVERY):
            self._breathe_on()
        model.ledger.close(model.cells.census(len(SOURCES)))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a restart needs."""
        state = self.vessels.state() | {"blocked": np.packbits(self.blocked)}
        return state if self._carried is None else state | {"oxygen": self._carried}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go to a stored state of the same configuration."""
        bits = np.unpackbits(np.asarray(state["blocked"], np.uint8), count=self.grid.n_voxels)
        self.blocked, self._hard = bits.astype(bool).reshape(self.grid.shape), None
        own = {name: value for name, value in state.items() if name not in ("blocked", "oxygen")}
        self.vessels.load(own)
        self._reach()
        if "oxygen" in state:
            self._carried = np.array(state["oxygen"], np.float32)
            self._hold(self._carried)

    # ------------------------------------------------------------------------------------------

    def _breath(self) -> Supply:
        """Oxygen of the host's tissue where blood flows."""
        return self._blood

    def _look(self) -> NDArray[np.bool_]:
        """Where no vessel goes now."""
        hard = (self.tissue.ground.kind == SCAFFOLD).reshape(self.grid.shape)
        hard |= self.tissue.matrix.mineral + self.tissue.matrix.host > _HARD
        if self._hard is not None and np.array_equal(hard, self._hard):
            return self.blocked
        self._hard = hard
        narrow = throats(~hard, self.grid.voxel, float(self.rules.narrowest), self.grid.periodic)
        blocked: NDArray[np.bool_] = hard | narrow
        return blocked

    def _reach(self) -> None:
        """Widen what the host reaches by what is near vessels with blood; say what they hold."""
        perfused, voxels = self.vessels.perfused, self.vessels.perfused_voxels
        if perfused is self._perfused:
            return
        self._perfused = perfused
        for near in self._near.values():
            near.update(voxels)
        self._carried = None
        if "oxygen" in self.fields.species:
            self._hold(float(self.config.fields["oxygen"].host))

    def _breathe_on(self) -> None:
        """Let blood lose to the tissue what it does now."""
        fields, rule = self.fields, self.config.fields.get("oxygen")
        if rule is None or not self.vessels.perfused_voxels.size:
            return
        self._carried = oxygen_in_blood(
            self.vessels,
            fields.value["oxygen"],
            fields.pore,
            diffusivity=float(rule.diffusivity),
            level=float(rule.host),
            binding=float(self.rules.oxygen_binding),
        )
        self._hold(self._carried)

    def _hold(self, oxygen: Any) -> None:
        """Hold this in the voxels with blood, and nothing elsewhere."""
        voxels, before, held = self.vessels.perfused_voxels, self._held_in, self._blood.held
        if held is None:
            held = np.full(self.grid.shape, np.nan)
        held.reshape(-1)[before] = np.nan
        held.reshape(-1)[voxels] = oxygen
        self._blood, self._held_in = Supply(held=held if voxels.size else None), voxels

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
        cells, places = model.cells, self.vessels.perfused_voxels
        if _STROMAL not in cells.types or not places.size:
            return
        material = self.tissue.scaffold.material
        rate = float(self.rules.recruitment) * self.vessels.perfused_density
        rate *= self.grid.voxel_volume * self.grid.n_voxels / places.size
        rate *= float(material.osteoconductivity) if material is not None else 1.0
        rate *= model.rates.signals.multiplier("msc_count", "host")
        calm = float(self.rules.recruitment_resting)
        key = counter.keys(seed=model.seed, step=model.step_index, purpose="vessel stromal cell")
        draw = counter.uniform(places, key)
        few = draw < rate * dt  # none comes at a greater rate
        places, draw = places[few], draw[few]
        called = np.zeros(places.size)
        if _CALL in self.fields.species:
            level = self.fields.at(places, _CALL).astype(np.float64)
            called = level / (level + float(self.rules.recruitment_sdf1))
        places = places[draw < rate * dt * (calm + (1 - calm) * called)]
        open_ = self.tissue.ground.kind[places] == PORE
        places = places[open_ & (model.lattice.occupant[places] < 0)]
        self.tissue.welcome(model, _STROMAL, places)


def _is_due(step: int, dt: float, every: float) -> bool:
    """Whether a multiple of `every` seconds is reached at the end of the step."""
    return int((step + 1) * dt // every) > int(step * dt // every)
