r"""The cell cycle in stages: a time between divisions that varies less than an exponential one.

With k stages a cell passes one in a step with probability

.. math:: p = (e^{\lambda dt} - 1) / (2^{1/k} - 1)

and divides from the last, so that the time between divisions is Erlang distributed (in steps:
negative binomial), with coefficient of variation about 1/√k. In a population whose stages are
those of `growing_stages`, every stage grows by :math:`1 + p (2^{1/k} - 1) = e^{\lambda dt}` a step,
for any k: λ keeps its meaning. k = 1 is the exponential clock. p ≤ 1 asks for λ dt ≤ ln(2)/k.

References
----------
Yates et al. 2017, "A multi-stage representation of cell proliferation as a Markov process", Bull
Math Biol 79:2905 (the stages; recalled). The probability is that of the growing eigenvector:
docs/theory.md, Cells.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["MOST_STAGES", "growing_stages", "haste", "longest_step"]

#: stages of the cell cycle fit into a byte
MOST_STAGES = 250


def haste(stages: int) -> float:
    """How many times faster than a division, for short steps, a stage is passed: 1/(2^(1/k) − 1).

    Examples
    --------
    >>> haste(1)
    1.0
    >>> round(haste(8), 3)
    11.049
    """
    return 1.0 / math.expm1(math.log(2.0) / stages)


def longest_step(stages: int) -> float:
    """Greatest λ dt, at which each step passes a stage with certainty: ln(2)/k."""
    return math.log(2.0) / stages


def growing_stages(u: ArrayLike, stages: int) -> NDArray[np.uint8]:
    r"""Stages of the cells of a population that has long been growing.

    Stage i is held by a share :math:`\propto 2^{-i/k}`: for each mother in the last stage there
    are two daughters in the first.

    Parameters
    ----------
    u
        One number in [0, 1) a cell, uniform.
    stages
        Stages k of the cycle.

    Examples
    --------
    >>> growing_stages([0.0, 0.5, 0.99], 8)
    array([0, 3, 7], dtype=uint8)
    """
    share = 1.0 - np.asarray(u, dtype=np.float64) / 2.0
    stage: NDArray[np.uint8] = (-stages * np.log2(share)).astype(np.uint8)
    return np.minimum(stage, np.uint8(stages - 1))
