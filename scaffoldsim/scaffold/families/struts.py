"""Lattices of round struts, as printed from metals, ceramics and polymers by laser or light."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from scaffoldsim.scaffold.families.base import register
from scaffoldsim.scaffold.families.skeleton import Doubles, Skeleton, SkeletonFamily

_CORNER = [(0.0, 0.0, 0.0)]
_CENTRE = [(0.5, 0.5, 0.5)]
_FACES = [(0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0)]
_EDGES = [(0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.5)]
_QUARTERS = list(itertools.product(*[(0.25, 0.75)] * 3))

Nodes = Sequence[tuple[float, ...]]


def bonds(first: Nodes, second: Nodes, length: float) -> Doubles:
    """Segments of one length from nodes of one set to nodes of another, in one unit cell.

    Parameters
    ----------
    first, second : sequences of (x, y, z)
        Nodes in [0, 1)³, in unit cells; their images are nodes as well. Either the same set, or
        sets without a node in common.
    length : float

    Returns
    -------
    ndarray of float, shape (n, 2, 3)
        Each bond once.

    Examples
    --------
    >>> bonds([(0.0, 0.0, 0.0)], [(0.0, 0.0, 0.0)], 1.0)[:, 1].tolist()
    [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    shifts = itertools.product((-1, 0, 1), repeat=3)
    found = []
    for shift, start, node in itertools.product(shifts, first, second):
        end = np.add(node, shift)
        vector = end - start
        # Among one set each bond is met from both of its ends.
        if first == second and tuple(vector) < (0.0, 0.0, 0.0):
            continue
        if abs(float((vector * vector).sum()) - length**2) < 1e-9:
            found.append((start, end))
    return np.array(found)


@dataclass(frozen=True)
class Struts(SkeletonFamily):
    """Straight struts that join lattice points; a family lists its `segments`.

    The skeleton is one connected graph, so the solid is in one piece at any level.
    """

    one_piece = True

    @staticmethod
    @abstractmethod
    def segments() -> Doubles:
        """Ends of each strut, in unit cells; shape (n, 2, 3)."""

    def skeleton(self) -> Skeleton:
        """The struts of one unit cell."""
        return Skeleton(self.segments(), self.cell)


@register("cubic")
@dataclass(frozen=True)
class Cubic(Struts):
    """Struts along the edges of cubes: the plainest lattice, with straight channels.

    At 90 % porosity pores are 1.13 and struts .22 of the unit cell: the largest pores of all
    strut lattices, stiff along the axes and soft in shear (Gibson and Ashby 1997, Cellular Solids).
    """

    title = "cubic struts"
    segments = staticmethod(partial(bonds, _CORNER, _CORNER, 1.0))


@register("bcc")
@dataclass(frozen=True)
class BCC(Struts):
    """Struts from the centre of each cube to its eight corners (body-centred cubic).

    At 90 % porosity pores are .63 and struts .14 of the unit cell. Bends rather than stretches;
    common in laser-melted titanium, since no strut lies flat on the bed.
    """

    title = "BCC struts"
    segments = staticmethod(partial(bonds, _CORNER, _CENTRE, 0.75**0.5))


@register("fcc")
@dataclass(frozen=True)
class FCC(Struts):
    """Struts from the corners of each cube to the centres of its faces (face-centred cubic).

    At 90 % porosity pores are .70 and struts .13 of the unit cell.
    """

    title = "FCC struts"
    segments = staticmethod(partial(bonds, _CORNER, _FACES, 0.5**0.5))


_FCC_NODES = _CORNER + _FACES


@register("octet")
@dataclass(frozen=True)
class Octet(Struts):
    """Struts between all nearest neighbours of a face-centred cubic lattice: the octet truss.

    Twelve struts meet at each node, so that they stretch rather than bend: stiff for its weight,
    with small pores, .52 of the unit cell at 90 % porosity (Deshpande, Fleck and Ashby 2001,
    J Mech Phys Solids 49, "Effective properties of the octet-truss lattice material").
    """

    title = "octet truss"
    segments = staticmethod(partial(bonds, _FCC_NODES, _FCC_NODES, 0.5**0.5))


@register("diamond_strut")
@dataclass(frozen=True)
class DiamondStrut(Struts):
    """Struts along the bonds of the diamond lattice: four meet at each node.

    At 90 % porosity pores are .66 and struts .15 of the unit cell. Compliant and open; used in
    porous titanium implants.
    """

    title = "diamond struts"
    segments = staticmethod(
        partial(
            bonds,
            _FCC_NODES,
            [tuple(x + 0.25 for x in node) for node in _FCC_NODES],
            3**0.5 / 4,
        )
    )


_KELVIN_NODES = sorted(
    {
        node
        for signed in itertools.product((0.25, 0.75), (0.0, 0.5), (0.0, 0.5))
        for node in itertools.permutations(signed)
        if sorted(node) in ([0.0, 0.25, 0.5], [0.0, 0.5, 0.75])
    }
)


@register("kelvin")
@dataclass(frozen=True)
class Kelvin(Struts):
    """Struts along the edges of truncated octahedra, the cells with which Kelvin filled space.

    Two cells a unit cell. At 90 % porosity pores are .89 and struts .13 of it. The usual model of
    an open-cell foam (Thomson, Lord Kelvin, 1887, Philosophical Magazine 24, "On the division of
    space with minimum partitional area").
    """

    title = "Kelvin cells"
    segments = staticmethod(partial(bonds, _KELVIN_NODES, _KELVIN_NODES, 2**0.5 / 4))


@register("rhombic_dodecahedron")
@dataclass(frozen=True)
class RhombicDodecahedron(Struts):
    """Struts along the edges of rhombic dodecahedra, which fill space: four cells a unit cell.

    Nodes where eight struts meet, joined through nodes where four meet; common in implants melted
    by an electron beam. At 90 % porosity pores are .67 and struts .10 of the unit cell.
    """

    title = "rhombic dodecahedra"
    segments = staticmethod(partial(bonds, _EDGES + _CENTRE, _QUARTERS, 3**0.5 / 4))
