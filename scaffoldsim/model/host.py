"""Who the scaffold is put into, and what is given over time.

A host multiplies the rates of its cells; an exposure is a systemic dose (in culture, in the medium)
over a window of time. Both are data: a host is a file in ``configs/hosts/``, an exposure a line of
the configuration that names a factor of ``configs/factors/``.
"""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from scaffoldsim.config import Entry, Parameter, Section, Unit
from scaffoldsim.schema import Quantity
from scaffoldsim.tree import Path_

#: the processes a host or a cue can speed up or slow down
EVENTS = ("proliferation", "migration", "death", "osteogenic", "adipogenic")
Event = Literal["proliferation", "migration", "death", "osteogenic", "adipogenic"]

Multiplier = Annotated[Parameter, Unit("", ge=0, le=100)]
#: an amount per volume (small molecules) or a mass per volume (proteins)
Concentration = Unit("mol/m^3", ge=0, le=1e6, show="mM", other="kg/m^3")


class Host(Entry):
    """The surroundings of the scaffold.

    Attributes
    ----------
    setting
        ``culture``: in vitro, no wound, no vessels, no resorption.
    multipliers
        Factor on the rate of each process, 1 where not given.
    """

    kind: ClassVar[str] = "hosts"

    setting: Literal["culture"]
    multipliers: dict[Event, Multiplier] = Field({})

    def multiplier(self, event: str) -> float:
        """Return the factor on the rate of `event`."""
        return float(self.multipliers.get(event, 1.0))  # type: ignore[call-overload]


class Cue(Section):
    r"""How one factor changes the rate of one event.

    .. math:: m = 1 + (F - 1) \frac{x^n}{K^n + x^n}

    with concentration x, half-maximal concentration K, Hill coefficient n and fold change F.
    """

    event: Event
    half_maximal: Annotated[Parameter, Concentration]
    hill: Annotated[Parameter, Unit("", ge=0.5, le=10)]
    fold: Annotated[Parameter, Unit("", ge=0, le=100)]

    def multiplier(self, x: float) -> float:
        """Return m at concentration `x` (mol/m³ or kg/m³, as `half_maximal`).

        Examples
        --------
        >>> from scaffoldsim.config import read_entry
        >>> cue = read_entry("factors", "dexamethasone").cues[0]
        >>> cue.multiplier(0.0), cue.multiplier(float(cue.half_maximal)) == (1 + cue.fold) / 2
        (1.0, True)
        """
        if x <= 0:
            return 1.0
        reach = 1.0 / (1.0 + (self.half_maximal / x) ** self.hill)
        return float(1.0 + (self.fold - 1.0) * reach)


class Factor(Entry):
    """A hormone, growth factor, ion or drug: a table of cues."""

    kind: ClassVar[str] = "factors"

    cues: list[Cue] = Field(min_length=1)


class Exposure(Section):
    """A factor given to all cells at a dose, from one time until another."""

    factor: Factor
    dose: Annotated[float, Concentration]
    from_: Annotated[float, Unit("s", ge=0, show="d")] = Field("0 d", alias="from")  # type: ignore[assignment]
    until: Annotated[float, Unit("s", ge=0, show="d")] | None = None

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield a window that ends before it begins, and a dose of another kind than the cues."""
        if self.until is not None and self.until < self.from_:
            yield ("until",), f"{_text(self.until)} is before the start at {_text(self.from_)}"
        kinds = {Concentration.kind_of(cue.half_maximal.text) for cue in self.factor.cues}
        given = Concentration.kind_of(_text(self.dose))
        if kinds != {given}:
            yield (
                ("dose",),
                f"{_text(self.dose)} is in {given}, but {self.factor.name} is measured in "
                f"{', '.join(sorted(kinds))}",
            )

    def concentration(self, time: float) -> float:
        """Return the concentration at `time` (s after the start of the run)."""
        end = float("inf") if self.until is None else self.until
        return float(self.dose) if self.from_ <= time < end else 0.0


def cue_multipliers(exposures: list[Exposure], time: float) -> dict[str, float]:
    """Return, per event, the product of all cues at `time`; several factors multiply."""
    result = dict.fromkeys(EVENTS, 1.0)
    for exposure in exposures:
        x = exposure.concentration(time)
        for cue in exposure.factor.cues:
            result[cue.event] *= cue.multiplier(x)
    return result


def _text(value: Any) -> str:
    return str(value.text) if isinstance(value, Quantity) else f"{value}"
