"""Walls left between packed grains that are leached, burnt or dissolved out."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pydantic

from scaffoldsim.scaffold.families.base import Floats, Vector, register
from scaffoldsim.scaffold.families.skeleton import (
    Doubles,
    Skeleton,
    SkeletonFamily,
    kept_skeleton,
)


@dataclass(frozen=True)
class Packing(SkeletonFamily):
    r"""Pores are grains, spheres of radius r about their centres, grown alike until they fuse.

    .. math:: φ(x) = -\min_i ( |x - c_i| - r_i )

    Solid, φ < t, is what lies further than −t from every grain.
    """

    def field(self, u: Floats, v: Floats, w: Floats) -> Floats:
        """φ in units of the cell size: minus the distance to the nearest grain."""
        return -kept_skeleton(self).distance(u, v, w)

    def gradient(self, u: Floats, v: Floats, w: Floats) -> Vector:
        """∇φ: unit vectors towards the nearest grain's centre."""
        x, y, z = kept_skeleton(self).direction(u, v, w)
        return -x, -y, -z

    def wall(self, level: float) -> float | None:
        """None: walls between grains are of every thickness, and have to be measured."""
        return None

    @abstractmethod
    def grains_at(self) -> tuple[Doubles, Doubles]:
        """Centres (n, 3) and radii (n,) of the grains."""

    def skeleton(self) -> Skeleton:
        """The centres, as segments without length, with the radii of the grains."""
        centres, radii = self.grains_at()
        return Skeleton(np.stack([centres, centres], axis=1), self.cell, radii)


@register("opal_fcc")
@dataclass(frozen=True)
class OpalFCC(Packing):
    """Inverse opal: beads in face-centred cubic order, fused, and leached from the walls.

    Each pore opens into its twelve neighbours. At 90 % porosity pores are .76 of the unit cell;
    above 93.5 % the walls fall into pieces (Zhang, Choi and Xia 2013, Soft Matter, "Inverse opal
    scaffolds for applications in regenerative medicine", is a review).
    """

    title = "FCC inverse opal"

    def grains_at(self) -> tuple[Doubles, Doubles]:
        """Corners and face centres."""
        nodes = [node for node in itertools.product((0, 0.5), repeat=3) if sum(node) in (0, 1)]
        return np.array(nodes), np.zeros(len(nodes))


@register("opal_bcc")
@dataclass(frozen=True)
class OpalBCC(Packing):
    """Inverse opal with beads in body-centred cubic order: a pore opens into eight, then six more.

    At 90 % porosity pores are .97 of the unit cell; the walls stay in one piece up to 98.8 %.
    """

    title = "BCC inverse opal"

    def grains_at(self) -> tuple[Doubles, Doubles]:
        """Corners and centres."""
        return np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]), np.zeros(2)


# Share of the box that grains fill before they fuse: between random loose packing, .555 (Onoda
# and Liniger 1990, Phys Rev Lett 64), and random close packing, .637 (Scott and Kilgour 1969,
# J Phys D 2).
_DENSE = 0.60
_ROUNDS = 400
_TOUCH = 1e-3  # overlap of the worst pair, in mean diameters, at which grains count as packed


@register("salt_leached")
@dataclass(frozen=True)
class SaltLeached(Packing):
    """Sieved salt or porogen grains packed at random, fused, and leached: PLGA, PCL, silk.

    Grains that fill 60 % of the box are thrown in at random, and pairs that overlap are pushed
    apart until none does (after Jodrey and Tory 1985, Phys Rev A 32, "Computer simulation of close
    random packing of equal spheres"). At 90 % porosity pores are .27 of the unit cell for 100
    grains; above 90 to 93 %, it depends on the seed, the walls fall into pieces.

    Parameters
    ----------
    seed : int
        Of the random numbers.
    grains : int
        In the unit cell, 20 to 2000.
    spread : float
        Coefficient of variation of the grain diameters (lognormal), 0 to .5.

    Examples
    --------
    >>> centres, radii = SaltLeached(grains=50).grains_at()
    >>> round(float((4 / 3 * np.pi * radii**3).sum()), 3)
    0.6
    """

    title = "leached salt packing"
    random = True

    seed: Annotated[int, pydantic.Field(ge=0)] = 0
    grains: Annotated[int, pydantic.Field(ge=20, le=2000)] = 100
    spread: Annotated[float, pydantic.Field(ge=0, le=0.5)] = 0.1

    @property
    def cells_across(self) -> float:
        """Grains along an edge: their number's cube root."""
        return float(self.grains ** (1 / 3))

    def grains_at(self) -> tuple[Doubles, Doubles]:
        """Centres and radii of the packed grains."""
        from scipy.spatial import cKDTree

        rng = np.random.default_rng(self.seed)
        sigma = np.sqrt(np.log1p(self.spread**2))
        radii = np.exp(sigma * rng.standard_normal(self.grains))
        radii *= (_DENSE / (4 / 3 * np.pi * (radii**3).sum())) ** (1 / 3)
        centres = rng.random((self.grains, 3))
        for _ in range(_ROUNDS):
            near = cKDTree(centres, boxsize=1.0).query_pairs(
                2 * float(radii.max()), output_type="ndarray"
            )
            # Sums depend on the order of their terms, so it is fixed here.
            a, b = near[np.lexsort(near.T)].T
            apart = centres[a] - centres[b]
            apart -= np.round(apart)
            length = np.sqrt((apart * apart).sum(axis=1))
            overlap = np.maximum(radii[a] + radii[b] - length, 0)
            if overlap.max(initial=0.0) < 2 * _TOUCH * radii.mean():
                break
            push = apart * (overlap / (2 * np.maximum(length, 1e-12)))[:, None]
            np.add.at(centres, a, push)
            np.subtract.at(centres, b, push)
            centres %= 1.0
            centres[centres >= 1.0] = 0.0  # -1e-17 % 1 is 1
        return centres, radii
