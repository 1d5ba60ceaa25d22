r"""Factors that are sensitive to pulses, such as parathyroid hormone: a small state, kept exactly.

With a dose P that is constant for a time, both states relax to it,

.. math:: A(t) = P + (A_0 - P)\, e^{-t/\tau_A}, \qquad I(t) = P + (I_0 - P)\, e^{-t/\tau_I},

so the update has no error for any step, also where a pulse is shorter than one. What a step's
rates are multiplied by is the mean of m over the step (Gauss–Legendre on each piece): the state at
the end of a step would favour what happens last, and a pulse of an hour would count differently
with every step.
"""

import math
from collections.abc import Iterable

import numpy as np

from scaffoldsim.model.factors import Pulse, hill

#: nodes per piece and the longest piece, in units of the shorter time constant: the mean of m is
#: then good to 1e-6
_NODES, _LONGEST = 6, 1.0


class PulseState:
    """Activation A and inhibition I of one factor.

    Attributes
    ----------
    activation, inhibition : float
        A and I, in units of the dose.

    Examples
    --------
    >>> from scaffoldsim.config import read_entry
    >>> state = PulseState(read_entry("factors", "pth").pulse)
    >>> osteogenic, resorption = state.advance([(3600.0, 1.0)])
    >>> round(state.activation, 4), osteogenic > 1, resorption < 1.01
    (0.2212, True, True)
    """

    def __init__(self, rule: Pulse) -> None:
        self.rule = rule
        self.activation = self.inhibition = 0.0

    def advance(self, pieces: Iterable[tuple[float, float]]) -> tuple[float, float]:
        """Go on in time, and return what that time's rates are multiplied by.

        Parameters
        ----------
        pieces
            (duration in s, dose) one after another.

        Returns
        -------
        osteogenic, resorption : float
            Means over the whole time.
        """
        rule = self.rule
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        longest = _LONGEST * min(rule.activation_time, rule.inhibition_time)
        total = bone = loss = 0.0
        for duration, dose in pieces:
            parts = max(1, math.ceil(duration / longest))
            length = duration / parts
            for _ in range(parts):
                for x, w in zip(nodes.tolist(), weights.tolist(), strict=True):
                    osteogenic, resorption = self._multipliers(
                        *self._after(length * (1 + x) / 2, dose)
                    )
                    bone += 0.5 * w * length * osteogenic
                    loss += 0.5 * w * length * resorption
                self.activation, self.inhibition = self._after(length, dose)
            total += duration
        if total == 0.0:
            return self.multipliers()
        return bone / total, loss / total

    def multipliers(self) -> tuple[float, float]:
        """Return what rates of bone formation and of resorption are multiplied by now."""
        return self._multipliers(self.activation, self.inhibition)

    def _multipliers(self, activation: float, inhibition: float) -> tuple[float, float]:
        rule = self.rule
        slow = rule.inhibition
        reach = hill(inhibition, slow.half_maximal, slow.hill)
        bone = rule.activation.multiplier(activation) / slow.multiplier(inhibition)
        return bone, 1.0 + float(rule.resorption) * reach

    def _after(self, time: float, dose: float) -> tuple[float, float]:
        fast = math.exp(-time / self.rule.activation_time)
        slow = math.exp(-time / self.rule.inhibition_time)
        return (
            dose + (self.activation - dose) * fast,
            dose + (self.inhibition - dose) * slow,
        )
