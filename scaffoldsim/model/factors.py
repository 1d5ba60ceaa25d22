"""What a hormone, growth factor, ion or drug does: one file in ``configs/factors/`` each.

A factor is a table of cues. It acts *systemically* through an exposure and *locally* through a
species of the fields that names it; where both are given, the concentrations add before the Hill
function. Nothing in the package knows a factor by name.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field

from scaffoldsim.catalogue import did_you_mean
from scaffoldsim.config import Entry, Parameter, Section, Unit
from scaffoldsim.tree import Path_

#: what a cell does
CellEvent = Literal[
    "proliferation",
    "migration",
    "death",
    "osteogenic",
    "adipogenic",
    "chondrogenic",
    "endothelial",
]
#: the same; the order is that of the compiled tables
CELL_EVENTS: tuple[str, ...] = get_args(CellEvent)
#: what a tissue does, or has
TISSUE_EVENTS = (
    "deposition",
    "mineralisation",
    "resorption",
    "vessel_growth",
    "msc_count",
    "stimulus",
)
#: what is named after a species (``vegf_secretion``) or a factor (``sdf1_chemotaxis``)
_NAMED = re.compile(r"[a-z][a-z0-9_]*_(secretion|chemotaxis)")

#: an amount per volume (small molecules) or a mass per volume (proteins)
Concentration = Unit("mol/m^3", ge=0, le=1e6, show="mM", other="kg/m^3")
#: the same, or a plain number: an index from 0 to 1, or doses as they are given to patients
Dose = Unit("mol/m^3", ge=0, le=1e6, show="mM", other=("kg/m^3", ""))
#: of a half-maximal concentration: never 0, it stands in a denominator
_Half = Unit("mol/m^3", ge=1e-15, le=1e6, show="mM", other=("kg/m^3", ""))
_Hill = Annotated[Parameter, Unit("", ge=0.5, le=10)]
_Share = Annotated[Parameter, Unit("", ge=0, le=1)]
_Gain = Annotated[Parameter, Unit("", ge=0, le=100)]
_Time = Annotated[Parameter, Unit("s", ge=60, le=1e9, show="h")]


def _event(name: str) -> str:
    known = (*CELL_EVENTS, *TISSUE_EVENTS)
    if name not in known and not _NAMED.fullmatch(name):
        raise ValueError(
            f"{name!r} is no event{did_you_mean(name, known)} (known: {', '.join(known)}, "
            "<species>_secretion, <factor>_chemotaxis)"
        )
    return name


#: a process that a factor, condition, gene or host can speed up or slow down
Event = Annotated[str, AfterValidator(_event)]

#: what a drug may do elsewhere in the body: flagged, not simulated
Risk = Literal["jaw_necrosis", "breast_cancer"]

#: where something happens: in a dish, or in an animal or patient
Setting = Literal["culture", "in_vivo"]


def hill(x: float, half_maximal: float, n: float) -> float:
    r"""Return :math:`x^n / (K^n + x^n)`, the share of the greatest effect; 0 at and below x = 0.

    Examples
    --------
    >>> hill(0.0, 5.0, 2.0), hill(5.0, 5.0, 2.0)
    (0.0, 0.5)
    """
    return 1.0 / (1.0 + (half_maximal / x) ** n) if x > 0 else 0.0


class Cue(Section):
    r"""How one factor changes the rate of one event.

    .. math:: m = 1 + (F - 1) \frac{x^n}{K^n + x^n}

    with concentration x, half-maximal concentration K, Hill coefficient n and fold change F.
    """

    event: Event
    half_maximal: Annotated[Parameter, _Half]
    hill: _Hill
    fold: Annotated[Parameter, Unit("", ge=0, le=100)]

    def multiplier(self, x: float) -> float:
        """Return m at concentration `x`, in the unit of `half_maximal`.

        Examples
        --------
        >>> from scaffoldsim.config import read_entry
        >>> cue = read_entry("factors", "dexamethasone").cues[0]
        >>> cue.multiplier(0.0), cue.multiplier(float(cue.half_maximal)) == (1 + cue.fold) / 2
        (1.0, True)
        """
        return 1.0 + (float(self.fold) - 1.0) * hill(x, self.half_maximal, self.hill)


class Chemotaxis(Section):
    r"""How a gradient draws crawling cells.

    A target weighs :math:`\exp(\tfrac12 \beta \Delta\Theta)` with :math:`\Theta = c / (K + c)`
    of the local concentration c and the strength β. A systemic exposure has no gradient and draws
    nobody.
    """

    strength: Annotated[Parameter, Unit("", ge=-200, le=200)]
    half_maximal: Annotated[Parameter, _Half]


class Relief(Section):
    r"""How a factor lessens a condition in vivo: severity × (1 − share · xⁿ/(Kⁿ + xⁿ))."""

    condition: str
    share: _Share
    half_maximal: Annotated[Parameter, _Half]
    hill: _Hill

    def multiplier(self, x: float) -> float:
        """Return what is left of the severity at concentration `x`."""
        return 1.0 - float(self.share) * hill(x, self.half_maximal, self.hill)


class Gain(Section):
    """What a state at full effect adds to the multiplier 1."""

    gain: _Gain
    half_maximal: Annotated[Parameter, Unit("", ge=1e-6, le=1e6)]
    hill: _Hill

    def multiplier(self, x: Any) -> float:
        """Return 1 + gain · xⁿ/(Kⁿ + xⁿ)."""
        return 1.0 + float(self.gain) * hill(x, self.half_maximal, self.hill)


class Pulse(Section):
    r"""A factor whose effect depends on how it is given: pulses help, a steady level does not.

    .. math::
        \tau_A \dot A = P - A, \qquad \tau_I \dot I = P - I, \qquad
        m = \frac{1 + g_A A^n/(K_A^n + A^n)}{1 + g_I I^n/(K_I^n + I^n)}

    with the dose P (a plain number), quick activation A and slow inhibition I. m multiplies the
    osteogenic fate; resorption is multiplied by :math:`1 + r\,I^n/(K_I^n + I^n)`.

    See Also
    --------
    scaffoldsim.model.pulses.PulseState : the state, and its exact update
    """

    activation_time: _Time
    inhibition_time: _Time
    activation: Gain
    inhibition: Gain
    resorption: _Gain


class Factor(Entry):
    """A hormone, growth factor, ion or drug.

    Attributes
    ----------
    setting
        Where its cues act, if not everywhere. A factor of ``culture`` may still relieve a
        condition in vivo.
    instead
        The condition that holds it in vivo; such a factor is then refused there, since the harm
        would act twice.
    cues
        What it does to rates.
    chemotaxis
        How its gradient draws cells.
    relieves
        Which condition of the host it lessens.
    pulse
        For a factor that is sensitive to pulses.
    risks
        What it may do elsewhere in the body; a run that gives it is flagged.
    """

    kind: ClassVar[str] = "factors"

    setting: Literal["culture"] | None = None
    instead: str | None = None
    cues: list[Cue] = Field([])
    chemotaxis: Chemotaxis | None = None
    relieves: Relief | None = None
    pulse: Pulse | None = None
    risks: list[Risk] = Field([])

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield a factor that does nothing, and concentrations of several kinds."""
        if not self.cues and not (self.chemotaxis or self.relieves or self.pulse):
            yield (), "a factor needs cues, chemotaxis, relieves or pulse; it has none of them"
        kinds = {parameter.unit for _, parameter in self._halves()}
        if self.pulse is not None:
            kinds.add("")
        if len(kinds) > 1:
            first = self.unit
            for path, parameter in self._halves():
                if parameter.unit != first:
                    yield (
                        path,
                        f"{parameter.text} is {kind_in_words(parameter.unit)}, but this factor is "
                        f"measured as {kind_in_words(first)}; write all its concentrations alike",
                    )

    @property
    def unit(self) -> str:
        """The unit its concentration is kept in: mol/m^3, kg/m^3, or "" for a plain number."""
        if self.pulse is not None:
            return ""
        return next((parameter.unit for _, parameter in self._halves()), "")

    def acts(self, setting: str) -> bool:
        """Whether its cues act in this setting."""
        return self.setting in (None, setting)

    def _halves(self) -> Iterator[tuple[Path_, Parameter]]:
        for index, cue in enumerate(self.cues):
            yield ("cues", index, "half_maximal"), cue.half_maximal
        for key in ("chemotaxis", "relieves"):
            part = getattr(self, key)
            if part is not None:
                yield (key, "half_maximal"), part.half_maximal


def kind_in_words(unit: str) -> str:
    """Return what a unit of concentration measures, for a message."""
    return {"": "a plain number", "kg/m^3": "a mass per volume"}.get(unit, "an amount per volume")
