"""Mats of straight fibres, fused where they meet: felts, melt-drawn and electrospun mats."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pydantic

from scaffoldsim.scaffold.families.base import register
from scaffoldsim.scaffold.families.skeleton import Doubles, Skeleton, SkeletonFamily

_WINDING = 4.0  # periods a fibre runs before it closes: more directions, and longer fibres


@register("fibres")
@dataclass(frozen=True)
class Fibres(SkeletonFamily):
    """Endless straight fibres at random, most of them nearly in the plane of the mat, x-y.

    The direction of a fibre is a random one, rounded to a whole number of periods along each axis,
    so that the fibre closes upon itself and has no ends. Fibres that meet are fused; a mat may
    have loose ones, the more of them the fewer and thinner its fibres.

    Geometry ties the fibre to the pore: at 90 % porosity a fibre is about .21 of the mean pore
    size thick. So the pores of criterion C4, 300 µm and more, need fibres of 60 µm and more, as in
    a felt or as drawn from a melt. Fibres electrospun from solution, .1 to 10 µm thick,
    have pores of .5 to 50 µm at this porosity, which voxels as wide as a cell do not show. Pham,
    Sharma and Mikos 2006, Tissue Engineering 12, "Electrospinning of polymeric nanofibers for
    tissue engineering applications: a review".

    Parameters
    ----------
    count : int
        Fibres in the unit cell, 10 to 400.
    seed : int
        Of the random numbers.
    tilt : float
        Out-of-plane part of the direction against the in-plane part: 0 a mat of plane layers, 1
        no preferred direction.

    Examples
    --------
    >>> lines = Fibres(count=10, tilt=0.0).lines()
    >>> (lines[:, 1] - lines[:, 0])[0].tolist()
    [1.0, -1.0, 0.0]
    """

    title = "fibre mat"
    random = True

    count: Annotated[int, pydantic.Field(ge=10, le=400)] = 40
    seed: Annotated[int, pydantic.Field(ge=0)] = 0
    tilt: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.3

    @property
    def cells_across(self) -> float:
        """Pores along an edge: as in a cubic lattice with the same length of line, 3 n² edges."""
        vectors = np.diff(self.lines(), axis=1)
        return math.sqrt(float(np.sqrt((vectors**2).sum(axis=-1)).sum()) / 3)

    def skeleton(self) -> Skeleton:
        """The axes of the fibres."""
        return Skeleton(self.lines(), self.cell)

    def lines(self) -> Doubles:
        """Start and end of each fibre, whole periods apart; shape (count, 2, 3)."""
        rng = np.random.default_rng(self.seed)
        found: list[Doubles] = []
        while len(found) < self.count:
            direction = rng.standard_normal(3) * (1, 1, self.tilt)
            periods = np.rint(direction * (_WINDING / math.sqrt(float((direction**2).sum()))))
            # A direction that closes after a part of the way stands for as many fibres.
            for _ in range(times := math.gcd(*(int(period) for period in periods))):
                start = rng.random(3)
                found.append(np.array([start, start + periods / times]))
        return np.array(found[: self.count])
