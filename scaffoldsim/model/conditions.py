"""What is wrong with a host or a donor: one file in ``configs/conditions/`` per condition.

Each harm acts once. A condition holds the missing hormone or the steroid itself; `excludes` names
the factors and conditions that would be the same harm a second time, and they are refused.
"""

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from scaffoldsim.config import Entry, Parameter, Section, Unit
from scaffoldsim.model.factors import Event

_Share = Annotated[Parameter, Unit("", ge=0, le=1)]


class Effect(Section):
    """What a condition does to one event: multiplier 1 + slope · severity.

    Several effects on one event multiply.
    """

    event: Event
    slope: Annotated[Parameter, Unit("", ge=-1, le=20)]


class Condition(Entry):
    """A disease, a lack, a habit.

    Attributes
    ----------
    memory
        Share of the severity that cells keep when they are taken out of such a host.
    effects
        What it does to events.
    excludes
        Names of factors and conditions that are the same harm.
    """

    kind: ClassVar[str] = "conditions"

    memory: _Share
    effects: list[Effect] = Field(min_length=1)
    excludes: list[str] = Field([])

    def multiplier(self, event: str, severity: float) -> float:
        """Return the factor on the rate of `event`.

        Examples
        --------
        >>> from scaffoldsim.config import read_entry
        >>> round(read_entry("conditions", "glucocorticoid").multiplier("proliferation", 0.5), 3)
        0.8
        """
        result = 1.0
        for effect in self.effects:
            if effect.event == event:
                result *= 1.0 + float(effect.slope) * severity
        return result


def _with_source(value: Any) -> Any:
    """A severity may be a bare number in a configuration: it is then that of the user's case."""
    if isinstance(value, int | float) and not isinstance(value, bool | Parameter):
        return {
            "value": value,
            "range": [0, 1],
            "mark": "assumed",
            "source": "set in the configuration",
        }
    return value


class Affliction(Section):
    """A condition that a host or donor has, and how badly: 0 not at all, 1 fully."""

    condition: Condition
    severity: Annotated[Parameter, Unit("", ge=0, le=1), BeforeValidator(_with_source)]
