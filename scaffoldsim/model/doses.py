"""Cells that are given to a run, at its start and later, and those that are washed out again."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import counter
from scaffoldsim.model.delivery import SOURCES, SUSPENDED, Given
from scaffoldsim.model.ledger import LEFT
from scaffoldsim.model.seeding import beside, seed_voxels

if TYPE_CHECKING:
    from scaffoldsim.config import Config, ConfigError
    from scaffoldsim.model.celltypes import Attachment
    from scaffoldsim.model.model import Model
    from scaffoldsim.model.site import Place

Bools = NDArray[np.bool_]

#: after which `Attachment.injected_share` is there by its definition, s: what leaves before that is
#: never put down
_FIRST_DAY = 86400.0
#: 1/m³ in one per mL
_PER_ML = 1e6
#: chance of leaving in a step below which nobody is asked: of a million cells one would in a
#: thousand steps
_NONE = 1e-9


class Delivery:
    r"""The doses of a configuration.

    Of a dose only what stays is put down; the rest is entered as delivered and left. Cells of a
    suspension (an injection) that can crawl leave later too, t after their dose, at

    .. math:: k\,e^{-(t - 1\,d)/\tau}, \qquad t \ge 1\,d

    and so do their daughters: whose clone began in the dose belongs to it.

    Parameters
    ----------
    config
        The configuration.

    Attributes
    ----------
    plan : tuple of Given
        All doses.
    founders : ndarray of int64, shape (n_doses, 2)
        Number for life of the first cell that stayed of each dose, and how many stayed; these are
        numbered one after the other.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.plan: tuple[Given, ...] = config.cells.plan
        self.type = list(config.cell_types).index(config.cells.type)
        self.origin = SOURCES.index(config.cells.source)
        rule = config.cell_types[config.cells.type].attachment
        assert rule is not None
        self.rule: Attachment = rule
        self.founders = np.zeros((len(self.plan), 2), np.int64)
        movers = [each.migration is not None for each in config.cell_types.values()]
        self._movers = np.array(movers)

    def __repr__(self) -> str:
        return f"Delivery({len(self.plan)} doses, {self.founders[:, 1].sum()} cells stayed)"

    def begin(self, model: Model) -> None:
        """Give the first dose, and others of the first step.

        Raises
        ------
        ConfigError
            If more cells stay than there is room for.
        """
        first = self.plan[0]
        room = int(np.count_nonzero(model.tissue.vacant() & self._target(first, model.place)))
        n = self._stay(first, model)
        if n > room and first.delivery != "arterial_infusion":
            raise self._too_many(first, n, room, model)
        for dose in self.plan[1:]:
            if int(dose.at // model.dt) >= self.config.steps:
                warnings.warn(
                    f"the dose at {dose.at / 86400:.3g} d would come at or after the end of the "
                    f"run, {self.config.steps * model.dt / 86400:.3g} d, and is not given",
                    RuntimeWarning,
                    stacklevel=2,
                )
        self._give(0, model)
        self.advance(model)

    def advance(self, model: Model) -> None:
        """Give the later doses that fall into the step that begins now, if one does."""
        for index, dose in enumerate(self.plan[1:], start=1):
            due = int(dose.at // model.dt) == model.step_index
            if due and model.step_index < self.config.steps:
                self._give(index, model)

    def lose(self, model: Model, dt: float) -> None:
        """Let cells of a suspension leave in the step of `dt` seconds; book them."""
        cells, rows = model.cells, []
        draws: NDArray[np.float64] | None = None
        for index, dose in enumerate(self.plan):
            first, n = self.founders[index].tolist()
            chance = self._chance(dose, model, dt) if n else 0.0
            if chance <= _NONE:
                continue
            if draws is None:
                key = counter.keys(seed=model.seed, step=model.step_index, purpose="late loss")
                draws = counter.uniform(cells.id, key)
            of = (cells.clone >= first) & (cells.clone < first + n) & self._movers[cells.type]
            rows.append(np.flatnonzero(of & (draws < chance)))
        leaves = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        if leaves.size:
            events = model.lattice.interfere(cells, deaths={LEFT: leaves})
            model.ledger.book(events, cells.census(len(SOURCES)))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a restart needs; what is still to come follows from the configuration."""
        return {"founders": self.founders.copy()}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go to a stored state of the same configuration."""
        self.founders[:] = state["founders"]

    # ------------------------------------------------------------------------------------------

    def _give(self, index: int, model: Model) -> None:
        """Give one dose: put down what stays, and enter all of it."""
        dose, seeding, step = self.plan[index], self.config.cells, model.step_index
        n = self._stay(dose, model)
        voxels = np.zeros(0, np.int32)
        if n:
            voxels = seed_voxels(
                dose,
                n,
                self.rule,
                model.grid,
                model.tissue.vacant() & self._target(dose, model.place),
                model.lattice.near_surface,
                flow=self._flow(dose, model),
                seed=model.seed,
                step=step,
                index=index,
            )
        if voxels.size:
            kind = self.config.cell_types[seeding.type]
            rows = model.lattice.settle(
                model.cells,
                voxels,
                type=self.type,
                origin=self.origin,
                genes=seeding.mask,
                doublings=seeding.doublings(kind),
            )
            if model.lattice.stages > 1:
                u = model.cells.uniform("stage", seed=model.seed, step=step)
                model.cells.stage[rows] = model.lattice.growing_stages(u[rows])
            self.founders[index] = model.cells.id[rows].min(), voxels.size
        volume = self._volume(dose, model)
        stromal = dose.stromal(volume)
        model.ledger.deliver(
            type=self.type,
            origin=self.origin,
            given=stromal,
            stayed=voxels.size,
            not_stromal=dose.count(volume) - stromal,
        )
        if voxels.size < n:
            self._tell(dose, n, voxels.size, model)

    def _too_many(self, dose: Given, n: int, room: int, model: Model) -> ConfigError:
        """Return the error that says how many cells may be given, in the words of the dose."""
        share, volume = dose.share(self.rule, self._adhesion(model)), self._volume(dose, model)
        most = int(room / share / dose.msc_fraction)
        key, limit = "number", f"{most} cells"
        if dose.density is not None:
            key, limit = "density", f"{_rounded_down(most / volume / _PER_ML)} /mL"
        return self.config.error(
            ("cells", key),
            f"{n} cells would stay ({share:.2g} of {dose.stromal(volume)}), but the pores hold "
            f"{room} voxels of one cell each; give at most {limit}",
        )

    def _tell(self, dose: Given, n: int, stayed: int, model: Model) -> None:
        why = f"there was room for {stayed} of the {n} that would have stayed"
        if dose.delivery == "arterial_infusion" and not stayed:
            why = "no blood flows beside a free voxel, and all cells pass by"
        warnings.warn(
            f"{dose.delivery.replace('_', ' ')} at {model.seconds / 86400:.3g} d: {why}",
            RuntimeWarning,
            stacklevel=4,
        )

    def _adhesion(self, model: Model) -> float:
        material = model.scaffold.material
        return float(material.adhesion) if material else 1.0

    def _stay(self, dose: Given, model: Model) -> int:
        """How many cells of a dose stay if there is room."""
        share = dose.share(self.rule, self._adhesion(model))
        return round(share * dose.stromal(self._volume(dose, model)))

    def _volume(self, dose: Given, model: Model) -> float:
        """Volume per which the dose is given, m³; what is infused goes to the whole region."""
        target = model.place.region
        if dose.delivery != "arterial_infusion":
            target = self._target(dose, model.place)
        return model.grid.voxel_volume * int(np.count_nonzero(target))

    def _target(self, dose: Given, place: Place) -> Bools:
        """Where cells of a dose may come to lie: the track, or the region of the site."""
        if dose.delivery == "arterial_infusion":
            return np.broadcast_to(np.bool_(True), place.region.shape)
        if dose.delivery == "core_decompression" and place.cleared is not None:
            return place.cleared
        return place.region

    def _flow(self, dose: Given, model: Model) -> NDArray[np.float64] | None:
        """Flow of blood at and beside each voxel, for an infusion, as a share of the greatest."""
        if dose.delivery != "arterial_infusion" or model.circulation is None:
            return None
        vessels = model.circulation.vessels
        if not vessels.carries.any():
            return None
        voxels, flow = vessels.flow_by_voxel()
        return beside(voxels, flow / float(flow.max()), model.grid)

    def _chance(self, dose: Given, model: Model, dt: float) -> float:
        """Chance of a cell of the dose to leave in the step."""
        k, tau = self.rule.late_loss, self.rule.late_loss_fade
        if dose.delivery not in SUSPENDED or k is None or tau is None:
            return 0.0
        since = model.seconds - math.floor(dose.at / model.dt) * model.dt - _FIRST_DAY
        start, end = max(since, 0.0), since + dt
        if end <= 0:
            return 0.0
        lost = float(k * tau) * (math.exp(-start / tau) - math.exp(-end / tau))
        return -math.expm1(-lost)


def _rounded_down(value: float) -> str:
    """Return a number with three digits that is not above it."""
    if value <= 0:
        return "0"
    digit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return f"{math.floor(value / digit) * digit:.3g}"
