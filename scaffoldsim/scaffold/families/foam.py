"""Open-cell foam with irregular cells: the struts along the edges of Voronoi cells."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pydantic

from scaffoldsim.scaffold.families.base import register
from scaffoldsim.scaffold.families.skeleton import Doubles, Edges, Skeleton, SkeletonFamily

_SAMPLES = 150  # points per cell that find its centre in a Lloyd step
_MARGIN = 3  # cell sizes of images around the box; an empty ball that large has a chance of e^-113


@register("voronoi_foam")
@dataclass(frozen=True)
class VoronoiFoam(SkeletonFamily):
    """Struts where the cells of a periodic Voronoi tessellation meet; one pore network.

    Like trabecular bone, demineralised bone matrix, corallines and tantalum foam: with cells
    stretched along z like vertebral bone. At 90 % porosity pores are .34 of the unit
    cell for 27 cells and struts .17 of a pore. Roberts and Garboczi
    2002, J Mech Phys Solids 50, "Elastic properties of model random three-dimensional open-cell
    solids".

    Parameters
    ----------
    cells : int
        In the unit cell, 8 to 1000; more repeat better between seeds.
    seed : int
        Of the random numbers.
    regularity : int
        Lloyd steps, in which each cell's point moves to the cell's centre: 0 leaves cells as
        uneven as random points make them, 50 makes them nearly alike.
    elongation : float
        Factor by which cells are longer along z, .5 to 2.5; struts stay round.

    Examples
    --------
    >>> foam = VoronoiFoam(elongation=1.5)
    >>> foam.cell, round(foam.cells_across, 6)
    ((1.0, 1.0, 1.5), 3.0)
    """

    title = "Voronoi foam"
    one_piece = True
    random = True

    cells: Annotated[int, pydantic.Field(ge=8, le=1000)] = 27
    seed: Annotated[int, pydantic.Field(ge=0)] = 0
    regularity: Annotated[int, pydantic.Field(ge=0, le=50)] = 15
    elongation: Annotated[float, pydantic.Field(ge=0.5, le=2.5)] = 1.0

    @property
    def cell(self) -> Edges:
        """Periods: 1, 1, and the elongation."""
        return 1.0, 1.0, self.elongation

    @property
    def cells_across(self) -> float:
        """Cells along an edge: their number's cube root."""
        return float(self.cells ** (1 / 3))

    def skeleton(self) -> Skeleton:
        """The edges of the tessellation."""
        return Skeleton(self.edges(), self.cell)

    def edges(self) -> Doubles:
        """Ends of each edge of the tessellation, shape (n, 2, 3)."""
        points = np.random.default_rng(self.seed).random((self.cells, 3))
        found: Doubles = voronoi_edges(relaxed(points, self.regularity)) * np.array(self.cell)
        return found


def relaxed(points: Doubles, steps: int) -> Doubles:
    """Points in the unit box after Lloyd steps: each goes to the mean of the samples nearest it."""
    from scipy.spatial import cKDTree

    count = len(points)
    along = round((_SAMPLES * count) ** (1 / 3))
    axis = (np.arange(along) + 0.5) / along
    samples = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    for _ in range(steps):
        owner = cKDTree(points, boxsize=1.0).query(samples)[1]
        away = samples - points[owner]
        away -= np.round(away)
        owned = np.maximum(np.bincount(owner, minlength=count), 1)
        for i in range(3):
            points[:, i] += np.bincount(owner, away[:, i], count) / owned
        points %= 1.0
        points[points >= 1.0] = 0.0  # -1e-17 % 1 is 1
    return points


def voronoi_edges(points: Doubles) -> Doubles:
    """Edges of the Voronoi cells of points that repeat with the unit box; shape (n, 2, 3)."""
    from scipy.spatial import Voronoi

    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    images = (points + shifts[:, None]).reshape(-1, 3)
    margin = _MARGIN * len(points) ** (-1 / 3)
    near = ((images > -margin) & (images < 1 + margin)).all(axis=1)
    diagram = Voronoi(images[near])
    pairs = {
        (min(pair), max(pair))
        for ridge in diagram.ridge_vertices
        for pair in itertools.pairwise([*ridge, ridge[0]])
        if min(pair) >= 0
    }
    edges: Doubles = diagram.vertices[np.array(sorted(pairs))]
    middle = edges.mean(axis=1)
    # One image of each edge is enough; at the faces rounding may keep two, which does no harm.
    kept: Doubles = edges[((middle > -1e-9) & (middle < 1)).all(axis=1)]
    return kept
