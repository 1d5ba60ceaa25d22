r"""What host, donor, exposures and genes say at a time: one multiplier per event.

Severity of a condition in a cell that was given is the greater of the host's and of what the cell
remembers of its donor,

.. math:: v = \max(v_\text{host},\ \text{memory} \cdot v_\text{donor}),

so no harm acts twice. What relieves a condition (in vivo) lessens v of host and cell alike, also
what is remembered. Age is a condition of severity 1 − q like any other.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model.conditions import Affliction, Condition
from scaffoldsim.model.donor import DonorSection
from scaffoldsim.model.exposures import Exposure, pieces
from scaffoldsim.model.factors import CELL_EVENTS, Cue, Factor
from scaffoldsim.model.genes import Modification
from scaffoldsim.model.host import Host
from scaffoldsim.model.pulses import PulseState

if TYPE_CHECKING:
    from scaffoldsim.model.species import Species

#: whose cells: those that were given, or the host's own
WHO = ("donor", "host")


class Signals:
    """All that multiplies rates and is the same everywhere, and the cues that act locally.

    Parameters
    ----------
    host, donor, exposures, genes
        The sections of a configuration.
    autologous
        Whether the donor is the host: its age and conditions then default to the host's.
    species
        Of the fields, by name; those with a factor act locally.
    touched
        Factor whose effect the scaffold has on cells that touch it; it acts locally, also where no
        field carries it.

    Attributes
    ----------
    factors : dict of str to Factor
        All that act, by name.
    level : dict of str to float
        Systemic concentration of each, mean over the step.
    carried : dict of str to list of str
        Factor that acts locally → species that carry it.
    touched : str or None
        Name of the factor that is felt where the scaffold is touched.
    """

    def __init__(
        self,
        host: Host,
        donor: DonorSection,
        exposures: Sequence[Exposure],
        genes: Sequence[Modification],
        *,
        autologous: bool = False,
        species: "Mapping[str, Species] | None" = None,
        touched: Factor | None = None,
    ) -> None:
        self.host, self.exposures, self.genes = host, list(exposures), list(genes)
        own = autologous and host.setting == "in_vivo"
        age = donor.age
        if age is None and own:
            age = host.age
        organism = donor.species
        #: vitality of the donor of the cells
        self.q = organism.q(float(organism.adult if age is None else age))
        given = donor.conditions
        if given is None:
            given = host.conditions if own else []
        self._donor: dict[str, Affliction] = {each.condition.name: each for each in given}
        self._host: dict[str, Affliction] = {e.condition.name: e for e in host.conditions}
        self._ageing = organism.ageing
        self.carried: dict[str, list[str]] = {}
        self.factors: dict[str, Factor] = {each.factor.name: each.factor for each in exposures}
        for name, entry in (species or {}).items():
            if entry.factor is not None:
                self.factors[entry.factor.name] = entry.factor
                self.carried.setdefault(entry.factor.name, []).append(name)
        self.touched = None if touched is None else touched.name
        if touched is not None:
            self.factors.setdefault(touched.name, touched)
            self.carried.setdefault(touched.name, [])
        self.level = dict.fromkeys(self.factors, 0.0)
        self._pulses = {
            name: PulseState(factor.pulse)
            for name, factor in self.factors.items()
            if factor.pulse is not None
        }
        self._pulsed = {name: state.multipliers() for name, state in self._pulses.items()}
        self._wound = host.wound_signal(0.0, 1.0)
        self._sense(0.0, 1.0)

    def __repr__(self) -> str:
        return f"Signals({self.host.setting}; {', '.join(self.factors) or 'no factors'})"

    # time -------------------------------------------------------------------------------------

    def advance(self, start: float, end: float) -> None:
        """Go on to the step from `start` to `end`, s after the start of the run."""
        for name, state in self._pulses.items():
            self._pulsed[name] = state.advance(pieces(self._of(name), start, end))
        self._wound = self.host.wound_signal(start, end)
        self._sense(start, end)

    def _sense(self, start: float, end: float) -> None:
        self.time = start
        for name in self.factors:
            self.level[name] = sum(each.mean(start, end) for each in self._of(name))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a restart needs: the state of factors that are sensitive to pulses."""
        return {
            name: np.array([state.activation, state.inhibition])
            for name, state in self._pulses.items()
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go to a stored state."""
        for name, pulse in self._pulses.items():
            pulse.activation, pulse.inhibition = (float(x) for x in state[name])

    # severities -------------------------------------------------------------------------------

    def severity(self, who: str, condition: str) -> float:
        """Return how badly the host, or a cell from the donor, has a condition now."""
        has = self._host.get(condition)
        severity = float(has.severity) if has is not None else 0.0
        if who == "donor" and condition in self._donor:
            had = self._donor[condition]
            severity = max(severity, float(had.condition.memory) * float(had.severity))
        if self.host.setting == "in_vivo":
            for name, factor in self.factors.items():
                if factor.relieves is not None and factor.relieves.condition == condition:
                    severity *= factor.relieves.multiplier(self.level[name])
        return severity

    def _conditions(self, who: str) -> Iterator[tuple[Condition, float]]:
        """Yield each condition with its severity, that of age last."""
        known = self._host if who == "host" else {**self._donor, **self._host}
        for name, has in known.items():
            yield has.condition, self.severity(who, name)
        ageing, old = self._ageing, 0.0
        if self.host.setting == "in_vivo" and self.host.organism is not None:
            ageing, old = self.host.organism.ageing, 1.0 - self.host.vitality
        if who == "donor":
            old = max(old, float(self._ageing.memory) * (1.0 - self.q))
        yield ageing, old

    # multipliers ------------------------------------------------------------------------------

    def multiplier(self, event: str, who: str = "donor", *, wound: bool = True) -> float:
        """Return the factor on the rate of `event`, without genes and without what acts locally.

        Without `wound` also without what a wound does to division.
        """
        result = self.host.multiplier(event)
        for condition, severity in self._conditions(who):
            result *= condition.multiplier(event, severity)
        for name, factor in self.factors.items():
            if name not in self.carried:
                result *= systemic(factor, event, self.level[name], self.host.setting)
        for bone, loss in self._pulsed.values():
            result *= bone if event == "osteogenic" else loss if event == "resorption" else 1.0
        return result * (self._wound if wound and event == "proliferation" else 1.0)

    def gene_multiplier(self, event: str, mask: int) -> float:
        """Return what the genes of `mask` do to the rate of `event` inside their cell."""
        result = 1.0
        for bit, change in enumerate(self.genes):
            for cue in change.gene.cues if mask >> bit & 1 else ():
                if cue.event == event:
                    result *= 1.0 + (float(cue.fold) - 1.0) * change.expression(self.time)
        return result

    def tables(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the multipliers of all cell events: by whose cells, and by mask of genes."""
        by_who = [[self.multiplier(event, who) for event in CELL_EVENTS] for who in WHO]
        masks = range(2 ** len(self.genes))
        by_mask = [[self.gene_multiplier(event, mask) for event in CELL_EVENTS] for mask in masks]
        return np.array(by_who), np.array(by_mask)

    def local_cues(self) -> Iterator[tuple[str, Cue]]:
        """Yield (factor, cue) of all that acts locally, and does in this setting."""
        for name in self.carried:
            factor = self.factors[name]
            if factor.acts(self.host.setting):
                for cue in factor.cues:
                    yield name, cue

    def local_multiplier(self, event: str, concentration: Mapping[str, Any]) -> Any:
        """Return the product of the local cues of `event`.

        Parameters
        ----------
        concentration
            Factor → local concentration, numbers or arrays; the systemic one is added.
        """
        result: Any = 1.0
        for name, cue in self.local_cues():
            if cue.event == event:
                x = np.maximum(concentration[name], 0) + self.level[name]
                power = (x / float(cue.half_maximal)) ** float(cue.hill)
                result = result * (1.0 + (float(cue.fold) - 1.0) * power / (1.0 + power))
        return result

    def expression(self, species: str) -> Iterator[tuple[int, Any, float]]:
        """Yield (bit, rate, share expressed) of each gene whose product is `species`."""
        for bit, change in enumerate(self.genes):
            product = change.gene.secretion
            if product is not None and product.species == species:
                yield bit, product.rate, change.expression(self.time)

    def _of(self, name: str) -> list[Exposure]:
        return [each for each in self.exposures if each.factor.name == name]


def systemic(factor: Factor, event: str, level: float, setting: str) -> float:
    """Return the product of the cues of `factor` on `event` at a systemic concentration.

    Examples
    --------
    >>> from scaffoldsim.config import read_entry
    >>> round(systemic(read_entry("factors", "bmp2"), "osteogenic", 5e-5, "culture"), 6)
    2.5
    """
    result = 1.0
    for cue in factor.cues if factor.acts(setting) else ():
        if cue.event == event:
            result *= cue.multiplier(level)
    return result
