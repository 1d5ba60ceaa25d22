"""The wound: what it does to division, and the factors that it gives off."""

import math
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from scaffoldsim.config import Parameter, Section, Unit
from scaffoldsim.model.factors import Concentration
from scaffoldsim.tree import Path_

_Fade = Unit("s", ge=3600, le=1e9, show="d")


class Wound(Section):
    r"""The signal of a fresh wound, which lets cells divide: :math:`f_w = r + o\,e^{-t/\tau}`.

    It also gives off factors, so much that each would stay at :math:`c_w e^{-t/\tau_s}` if none
    diffused away.

    Attributes
    ----------
    resting
        r, what is left in tissue at rest.
    opened
        o, what the wound adds at first.
    fade
        τ, s.
    rim : m, optional
        How deep the tissue around is wounded.
    signals : mol/m³ or kg/m³
        :math:`c_w` of each factor, by the name of its field; does nothing without that field.
    signals_fade : s, optional
        :math:`\tau_s`.
    """

    resting: Annotated[Parameter, Unit("", ge=0, le=2)]
    opened: Annotated[Parameter, Unit("", ge=0, le=2)]
    fade: Annotated[Parameter, _Fade]
    rim: Annotated[Parameter, Unit("m", ge=0, le=0.01, show="um")] | None = None
    signals: dict[str, Annotated[Parameter, Concentration]] = Field({})
    signals_fade: Annotated[Parameter, _Fade] | None = None

    def problems(self) -> Iterator[tuple[Path_, str]]:
        """Yield what signals need and lack."""
        if self.signals:
            for key in ("rim", "signals_fade"):
                if getattr(self, key) is None:
                    yield (key,), "is missing; a wound with signals needs it"

    def mean(self, start: float, end: float) -> float:
        """Return the mean of f_w between `start` and `end`, s since the wound."""
        return float(self.resting) + float(self.opened) * _mean(start, end, float(self.fade))

    def given(self, start: float, end: float) -> float:
        r"""Return the mean of :math:`e^{-t/\tau_s}` between two times, s since the wound.

        Examples
        --------
        >>> from scaffoldsim.config import read_entry
        >>> wound = read_entry("hosts", "healthy_rat").wound
        >>> round(wound.given(0, 3600), 3), round(wound.given(7 * 86400, 7 * 86400 + 1), 3)
        (0.997, 0.368)
        """
        assert self.signals_fade is not None
        return _mean(start, end, float(self.signals_fade))


def _mean(start: float, end: float, tau: float) -> float:
    """Return the mean of e^(−t/τ)."""
    return tau * math.exp(-start / tau) * -math.expm1(-(end - start) / tau) / (end - start)
