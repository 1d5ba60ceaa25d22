"""What a type of cell does, and how fast: one file in ``configs/cells/`` each."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from scaffoldsim.config import Entry, Parameter, Section, Unit
from scaffoldsim.model.factors import CELL_EVENTS, CellEvent
from scaffoldsim.model.ledger import LEFT
from scaffoldsim.tree import Path_

#: why a cell dies, in the order of the death columns; those with a rate come first
CAUSES = ("basal", "ischaemic", "lifespan", LEFT, "buried", "immune")
#: how many have a rate
HAZARDS = 4

_Rate = Annotated[Parameter, Unit("1/s", ge=0, le=1, show="1/h")]
_Time = Annotated[Parameter, Unit("s", ge=60, le=1e12, show="h")]
#: of a half-maximal concentration: never 0, it stands in a denominator
_Oxygen = Annotated[Parameter, Unit("mol/m^3", ge=1e-9, le=10, show="mM")]
_Number = Annotated[Parameter, Unit("", ge=0, le=1e3)]
_Share = Annotated[Parameter, Unit("", ge=0, le=1)]
_Form = Literal["rising", "falling"]


class Migration(Section):
    r"""Persistent random walk: D = S² P / 3, and on voxels of edge h a hop rate k = 6 D / h².

    In a gel the speed is S times `gel_speed` (1 if not given).
    """

    speed: Annotated[Parameter, Unit("m/s", ge=0, le=1e-6, show="um/h")]
    persistence: _Time
    gel_speed: _Share | None = None

    def hop_rate(self, voxel: float, *, gel: bool = False) -> float:
        """Return k in 1/s on voxels of edge `voxel` in m."""
        speed = float(self.speed)
        if gel and self.gel_speed is not None:
            speed *= float(self.gel_speed)
        return float(2 * speed**2 * self.persistence / voxel**2)


class Proliferation(Section):
    r"""λ = (ln 2/TD) f_3D · C/(C + C_q) · multipliers, with TD longer after many doublings.

    A cell that was given does not divide before `lag`; a daughter has none.

    Attributes
    ----------
    doubling_time : s
    scaffold_factor
        f_3D.
    half_maximal_oxygen : mol/m³
        C_q.
    lag : s
        After delivery.
    slowing
        TD × (1 + slowing (doublings/10)²).
    doublings_per_passage
        What a passage of expansion adds to the doublings.
    cycle
        ``exponential``: division is memoryless. ``erlang``: a cycle of `stages` equal stages, so
        that two divisions of a cell are apart; growth is the same.
    """

    doubling_time: _Time
    scaffold_factor: _Number
    half_maximal_oxygen: _Oxygen
    lag: Annotated[Parameter, Unit("s", ge=0, show="h")]
    slowing: _Number
    doublings_per_passage: Annotated[Parameter, Unit("", ge=0, le=10)] | None = None
    cycle: Literal["exponential", "erlang"] = "exponential"
    stages: Annotated[Parameter, Unit("", ge=1, le=100)] | None = None

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield a cycle of stages whose number is missing or no whole one."""
        if self.cycle == "erlang" and self.stages is None:
            yield ("stages",), "is missing; a cycle of kind erlang needs it"
        if self.stages is not None and float(self.stages) != int(self.stages):
            yield ("stages",), f"{self.stages.text} is no whole number"

    @property
    def shape(self) -> int:
        """Number of stages of the cycle; 1 is memoryless."""
        return int(self.stages) if self.cycle == "erlang" and self.stages is not None else 1


class Senescence(Section):
    r"""Who stops dividing for good: at a division, mother and daughter each with

    .. math:: p = \frac{1}{1 + e^{-(PD - PD_\text{max})/w}}, \qquad PD_\text{max} = a + b\,q

    PD doublings (with this one), vitality q of the donor.

    Attributes
    ----------
    type
        What they become.
    doublings, vitality, width
        a, b, w.
    """  # noqa: D400

    type: str
    doublings: _Number
    vitality: _Number
    width: Annotated[Parameter, Unit("", ge=0.01, le=100)]

    def limit(self, q: float) -> float:
        """Return PD_max of a donor of vitality `q`."""
        return float(self.doublings) + float(self.vitality) * q


class Death(Section):
    """Loss at a basal rate, and where oxygen lacks: k / (1 + (C/C_half)²)."""

    basal: _Rate
    ischaemic: _Rate
    ischaemic_oxygen: _Oxygen
    lifespan: _Time | None = None


class OxygenGate(Section):
    r"""A share of a rate: ``rising`` C/(C + K), ``falling`` 1/(1 + (C/K)²).

    With a `reference` it is divided by its value there, so the rate is the one stated for it.
    """

    form: _Form
    half_maximal: _Oxygen
    reference: _Oxygen | None = None

    @property
    def scale(self) -> float:
        """What makes it 1 at `reference`."""
        return 1.0 if self.reference is None else 1.0 / float(self.raw(float(self.reference)))

    def raw(self, oxygen: Any) -> Any:
        """Return the share at `oxygen` in mol/m³ before it is scaled."""
        half = float(self.half_maximal)
        if self.form == "rising":
            return rise(oxygen, half)
        return 1.0 / (1.0 + (np.maximum(oxygen, 0) / half) ** 2)

    def __call__(self, oxygen: Any) -> Any:
        """Return the share at `oxygen` in mol/m³, 1 at `reference`."""
        return self.scale * self.raw(oxygen)


class StiffnessGate(Section):
    r"""What the stiffness E of the substrate does to a fate.

    ``rising`` :math:`1 + g E^2/(K^2 + E^2)`, ``falling`` :math:`1 + g K^2/(K^2 + E^2)`.
    """

    form: _Form
    half_maximal: Annotated[Parameter, Unit("Pa", ge=1, le=1e12, show="kPa")]
    gain: Annotated[Parameter, Unit("", ge=0, le=100)]

    def __call__(self, stiffness: Any) -> Any:
        """Return the factor at `stiffness` in Pa."""
        share = 1.0 / (1.0 + (np.asarray(stiffness, float) / float(self.half_maximal)) ** 2)
        return 1.0 + float(self.gain) * (share if self.form == "falling" else 1.0 - share)


class MechanicsRow(Section):
    """The factor on a fate at one mechanical stimulus."""

    stimulus: Annotated[Parameter, Unit("", ge=0, le=1e3)]
    factor: _Number


class Fate(Section):
    """What a cell can become, and how fast.

    Attributes
    ----------
    rate : 1/s
        Before all that follows.
    event
        What host, donor, cues and genes act on.
    oxygen, stiffness
        Gates.
    osteoconductive
        Whether the material's osteoconductivity multiplies the rate of a cell that touches it.
    mechanics
        Factor over the mechanical stimulus; linear between rows, a jump is two rows of one
        stimulus (at it, the second counts), flat outside. Without load it does not act.
    """

    rate: _Rate
    event: CellEvent | None = None
    oxygen: OxygenGate | None = None
    osteoconductive: bool = False
    stiffness: StiffnessGate | None = None
    mechanics: list[MechanicsRow] = Field([])

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield a table of mechanics whose stimuli fall."""
        at = [float(row.stimulus) for row in self.mechanics]
        for index, (a, b) in enumerate(pairwise(at), start=1):
            if b < a:
                text = self.mechanics[index].stimulus.text
                yield ("mechanics", index, "stimulus"), f"{text} is below that of the row before"

    @property
    def event_index(self) -> int:
        """Place of `event` among `CELL_EVENTS`; -1 if nothing acts on it."""
        return -1 if self.event is None else CELL_EVENTS.index(self.event)


class Attachment(Section):
    r"""How much of a dose stays, by its route.

    What is absent is of a route by which the type cannot be given.

    Attributes
    ----------
    dynamic_share, static_share, gel_share
        Kept of cells that are seeded; the second times the adhesion of the material.
    static_depth : m
        At which 1/e is left of static seeding.
    injected_share
        Kept of a suspension after its first day.
    late_loss, late_loss_fade : 1/s, s
        Cells of a suspension that can move leave at :math:`k e^{-(t - 1 d)/\tau}` from a day on.
    infused_share
        Of an infusion, what comes out of the blood in the head of the femur.
    """

    dynamic_share: _Number
    static_share: _Number
    static_depth: Annotated[Parameter, Unit("m", ge=1e-6, le=0.1, show="mm")]
    gel_share: _Share | None = None
    injected_share: _Share | None = None
    late_loss: Annotated[Parameter, Unit("1/s", ge=0, le=1e-2, show="1/d")] | None = None
    late_loss_fade: _Time | None = None
    infused_share: _Share | None = None

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield one half of a late loss."""
        if (self.late_loss is None) != (self.late_loss_fade is None):
            key = "late_loss" if self.late_loss is None else "late_loss_fade"
            yield (key,), f"{key} is missing; late_loss and late_loss_fade go together"


class CellType(Entry):
    """A cell type: what it does, and how fast.

    A missing `migration` or `proliferation` means that it does not move or divide.
    """

    kind: ClassVar[str] = "cells"

    oxygen_uptake: Annotated[Parameter, Unit("mol/s", ge=0, le=1e-12, show="fmol/h")]
    death: Death
    migration: Migration | None = None
    proliferation: Proliferation | None = None
    senescence: Senescence | None = None
    fates: dict[str, Fate] = Field({})
    attachment: Attachment | None = None

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield senescence of a cell that does not divide."""
        if self.senescence is not None and self.proliferation is None:
            yield ("senescence",), "acts at a division, and this cell does not divide; leave it out"


def stages_of(types: Mapping[str, CellType]) -> int:
    """Return the stages of the cell cycle of all types; 1 if division is memoryless."""
    return max((t.proliferation.shape for t in types.values() if t.proliferation), default=1)


def senescent_of(types: Mapping[str, CellType]) -> int | None:
    """Return the index of the type that arrested cells become; None if none does."""
    for each in types.values():
        if each.senescence is not None:
            return list(types).index(each.senescence.type)
    return None


def rise(concentration: Any, half_maximal: float) -> Any:
    """Return C/(C + K), the share of the greatest effect; 0 at and below C = 0.

    Examples
    --------
    >>> rise(0.006, 0.006)
    0.5
    """
    positive = np.maximum(concentration, 0)
    share = positive / (positive + half_maximal)
    return float(share) if np.ndim(share) == 0 else share
