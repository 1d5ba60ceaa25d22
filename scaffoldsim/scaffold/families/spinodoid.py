"""Spinodoids: random waves of one length, as in a mixture that has just begun to part."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import numpy as np
from pydantic import Field

from scaffoldsim.scaffold.families.base import Family, register
from scaffoldsim.scaffold.families.tpms import Net, Sheet
from scaffoldsim.scaffold.families.waves import Wave, Waves

_SHELL = 0.5  # half its width, in waves across the cell


@lru_cache(maxsize=16)
def random_waves(waves: int, seed: int) -> Waves:
    r"""The sum of all waves that fit in the unit cell and are about 1/`waves` long.

    .. math:: g(x) = \sum_j \cos(2π k_j·x + θ_j), \qquad |\,|k_j| - n| ≤ 1/2

    with whole k_j, so that g is periodic, and random phases θ_j (Kumar et al. 2020, npj
    Computational Materials 6: "Inverse-designed spinodoid metamaterials"; after Cahn 1965).
    """
    phases = np.random.default_rng(seed)
    reach = range(-waves - 1, waves + 2)
    series: dict[Wave, complex] = {}
    for a in reach:
        for b in reach:
            for c in reach:
                k = (a, b, c)
                if k > (0, 0, 0) and abs(math.sqrt(a * a + b * b + c * c) - waves) <= _SHELL:
                    series[k] = 0.5 * cmath.exp(2j * math.pi * phases.random())
                    series[-a, -b, -c] = series[k].conjugate()
    return Waves.of(series)


@dataclass(frozen=True)
class Sample(Family):
    """A family whose surface is a sum of `random_waves`.

    Attributes
    ----------
    waves : int
        Waves along an edge of the unit cell.
    seed : int
        Of the random phases.
    """

    random = True
    waves: Annotated[int, Field(ge=2, le=12)] = 4
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def surface(self) -> Waves:
        """The waves of this seed."""
        return random_waves(self.waves, self.seed)

    @property
    def cells_across(self) -> float:
        """One pore per wave."""
        return float(self.waves)


@register("spinodoid")
class Spinodoid(Sample, Net):
    """Random smooth struts: one phase of a spinodal mixture.

    In one piece only up to about 82 to 88 % porosity. `waves` of them (4) lie along an edge of the
    unit cell; `seed` chooses their phases.
    """

    title = "spinodoid"


@register("spinodoid_sheet")
class SpinodoidSheet(Sample, Sheet):
    """A random smooth wall between the two phases of a spinodal mixture.

    `waves` of them (4) lie along an edge of the unit cell; `seed` chooses their phases.
    """

    title = "spinodoid sheet"
