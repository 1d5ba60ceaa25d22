"""Bone as histology and micro-CT measure it, from shares of volume on voxels.

Names follow the field (Dempster 2013 for sections, Bouxsein 2010 for micro-CT). Plain arrays in,
numbers out; a number that does not exist, such as the thickness of no bone, is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from scaffoldsim.model.bone import ENTER
from scaffoldsim.scaffold.networks import find_networks
from scaffoldsim.scaffold.thickness import (
    Bools,
    Floats,
    Periodic,
    mean_thickness,
    per_axis,
    squared_distance,
)

__all__ = [
    "Phases",
    "Structure",
    "connectivity",
    "empty_lacunae",
    "largest_piece",
    "lesion",
    "structure",
]

#: osteocyte lacunae per volume of bone, 1/m³: 20 000 to 30 000 per mm³ of human bone (recalled)
LACUNAE = 2.0e13
#: share of the box that bone must fill before a spacing is measured: with less, the largest balls
#: between the islands are those of the box, and painting them takes minutes (assumed)
_LEAST_BONE = 0.01


@dataclass(frozen=True)
class Phases:
    """The three phases of a box; each voxel belongs to one.

    A voxel less than half full is pore. A fuller one belongs to what there is more of in it.

    Attributes
    ----------
    bone, scaffold, pore : ndarray of bool, shape (nx, ny, nz)
    """

    bone: Bools
    scaffold: Bools
    pore: Bools

    @classmethod
    def of(cls, scaffold: Floats, bone: Floats) -> Phases:
        """Sort voxels by their shares of scaffold and of bone (osteoid included).

        Examples
        --------
        >>> s = np.float32([0.0, 0.9, 0.3, 0.0]).reshape(4, 1, 1)
        >>> b = np.float32([0.2, 0.0, 0.4, 0.6]).reshape(4, 1, 1)
        >>> Phases.of(s, b).bone.ravel().tolist()
        [False, False, True, True]
        """
        full = scaffold + bone >= np.float32(ENTER)
        more: Bools = full & (bone > scaffold)
        return cls(bone=more, scaffold=full & ~more, pore=~full)


# structure ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Structure:
    """What takes distances or labels to measure; None where it does not exist.

    Attributes
    ----------
    thickness : m
        Tb.Th, mean local thickness of bone.
    spacing : m
        Tb.Sp, mean local thickness of the pores between bone and scaffold.
    number : 1/m
        Tb.N = (BV/TV)/Tb.Th, of plates (Parfitt 1983).
    connectivity : 1/m³
        Conn.D.
    largest : float
        Volume of the largest connected piece of new bone over that of the box.
    """

    thickness: float | None
    spacing: float | None
    number: float | None
    connectivity: float
    largest: float


def structure(
    phases: Phases,
    new: Bools,
    *,
    voxel: float,
    periodic: Periodic = False,
    threads: int | None = None,
) -> Structure:
    """Measure thickness, spacing, number, connectivity and the largest piece.

    Parameters
    ----------
    phases
        Bone of either kind, scaffold, pore.
    new
        Voxels of new bone alone, for the largest piece.
    voxel : float
        Edge, m.
    periodic : bool or three bools
        Axes that wrap round.
    threads : int, optional
        Default: every core. No result depends on it.

    References
    ----------
    Bouxsein 2010, J Bone Miner Res 25: 1468 (definitions); Parfitt 1983, J Clin Invest 72: 1396
    (number of plates). Recalled.

    Examples
    --------
    >>> content = np.zeros((20, 8, 8), np.float32)
    >>> content[4:8] = content[14:18] = 1               # plates of 4 voxels, 10 from each other
    >>> plates = Phases.of(np.zeros_like(content), content)
    >>> found = structure(plates, plates.bone, voxel=1e-5, periodic=True)
    >>> round(found.thickness * 1e6), round(found.spacing * 1e6), round(found.number / 1e3)
    (40, 60, 10)
    """
    bone = phases.bone
    filled = int(np.count_nonzero(bone)) / bone.size

    def mean(mask: Bools) -> float | None:
        if not mask.any():
            return None
        try:
            return mean_thickness(mask, voxel=voxel, periodic=periodic, threads=threads)
        except ValueError:  # no walls, or so few that a size would be that of the box
            return None

    thickness = mean(bone)
    return Structure(
        thickness=thickness,
        spacing=mean(phases.pore) if filled >= _LEAST_BONE else None,
        number=filled / thickness if thickness else None,
        connectivity=connectivity(bone, voxel=voxel, periodic=periodic),
        largest=largest_piece(new, periodic=periodic),
    )


def largest_piece(mask: Bools, *, periodic: Periodic = False) -> float:
    """Return the share of the box in the largest piece of a mask, joined through faces.

    Examples
    --------
    >>> largest_piece(np.array([1, 1, 0, 1], bool).reshape(4, 1, 1))
    0.5
    """
    sizes = find_networks(mask, periodic=periodic).sizes()[1:]
    return int(sizes.max(initial=0)) / mask.size


def euler(mask: Bools, *, periodic: Periodic = False) -> float:
    r"""Return what a box adds to the Euler number of an endless structure.

    .. math:: \chi = \sum_e (-1)^{\dim e}\, 2^{-f(e)}

    over the elements of the mask: voxels (dimension 0), pairs of neighbours (1), squares of four
    (2) and cubes of eight (3), so that voxels are joined through faces only. f counts the faces of
    the box in which an element lies: half of it belongs to the box beyond (Odgaard and Gundersen
    1993). Nothing is halved on a periodic axis.

    Examples
    --------
    A ring has χ = 0, a ball 1.

    >>> ring = np.pad(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)[:, :, None], 1)
    >>> euler(ring), euler(np.pad(np.ones((2, 2, 2), bool), 1))
    (0.0, 1.0)
    """
    wraps = per_axis(periodic)
    total = 0.0
    for extent in product((0, 1), repeat=3):
        element = mask
        for axis in range(3):
            if extent[axis]:
                lines = np.moveaxis(element, axis, 0)
                both = lines & np.roll(lines, -1, axis=0) if wraps[axis] else lines[:-1] & lines[1:]
                element = np.moveaxis(both, 0, axis)
        total += (-1) ** sum(extent) * _halved(
            element, [not e and not w for e, w in zip(extent, wraps, strict=True)]
        )
    return total


def _halved(mask: Bools, halve: list[bool]) -> float:
    """Count a mask, the first and last voxel of each axis that is to be halved by a half."""
    if not any(halve):
        return float(np.count_nonzero(mask))
    axis = halve.index(True)
    rest = [h and k != axis for k, h in enumerate(halve)]
    lines = np.moveaxis(mask, axis, 0)
    total = _halved(mask, rest)
    kept = [h for k, h in enumerate(rest) if k != axis]
    for end in (0, -1):
        total -= 0.5 * _halved_plane(lines[end], kept)
    return total


def _halved_plane(plane: Bools, halve: list[bool]) -> float:
    return _halved(plane[None], [False, *halve])


def connectivity(mask: Bools, *, voxel: float, periodic: Periodic = False) -> float:
    r"""Connectivity density Conn.D, 1/m³: loops that could be cut before the bone falls apart.

    .. math:: Conn.D = (1 - \Delta\chi)/V, \qquad -\Delta\chi/V \text{ where the bone goes on}

    of the largest piece with its closed cavities filled. A piece within the box has 1 − χ loops;
    of one that faces cut, or that a period continues, the box holds −Δχ (0 for a plate or a rod
    right through it). Free ends that a face cuts could take it below 0; 0 is returned then.

    References
    ----------
    Odgaard and Gundersen 1993, Bone 14: 173, "Quantification of connectivity in cancellous bone";
    recalled.

    Examples
    --------
    >>> ring = np.pad(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)[:, :, None], 1)
    >>> round(connectivity(ring, voxel=1e-3) * 1e-9 * ring.size, 9)   # in its box of 75 mm³
    1.0
    """
    import cc3d

    wraps = per_axis(periodic)
    pieces = find_networks(mask, periodic=wraps)
    if not pieces.count:
        return 0.0
    wanted = np.zeros(pieces.count + 1, bool)
    wanted[1 + int(np.argmax(pieces.sizes()[1:]))] = True
    largest = pieces.members(wanted)
    # Bone is joined through faces, so what it encloses is joined through edges and corners too.
    # A cavity at a face of the box counts as open.
    labels = cc3d.connected_components((~largest).view(np.uint8), connectivity=26)
    open_ = np.zeros(int(labels.max(initial=0)) + 1, bool)
    for axis in range(3):
        for end in (0, -1):
            open_[np.take(labels, end, axis)] = True
    largest |= (labels > 0) & ~open_[labels]
    goes_on = bool(pieces.spans[wanted].any()) or any(
        np.take(largest, end, axis).any() for axis in range(3) if not wraps[axis] for end in (0, -1)
    )
    loops = (0.0 if goes_on else 1.0) - euler(largest, periodic=wraps)
    return max(loops, 0.0) / (mask.size * voxel**3)


# cells and supply --------------------------------------------------------------------------------


def empty_lacunae(
    living: int, dead: int, *, host: float = 0.0, host_dead: float = 0.0
) -> float | None:
    r"""Share of osteocyte lacunae without a living osteocyte.

    .. math:: (dead + n V_{dead}) / (living + dead + n V)

    Parameters
    ----------
    living, dead
        Osteocytes that live, and that have died since the start.
    host : float
        Volume of the host's bone, m³, with n = `LACUNAE` per volume.
    host_dead : float
        Share of that bone that is dead.

    Returns
    -------
    float or None
        None where there are no lacunae.

    Examples
    --------
    >>> empty_lacunae(90, 10), empty_lacunae(0, 0), empty_lacunae(0, 0, host=1e-9, host_dead=1)
    (0.1, None, 1.0)
    """
    own = LACUNAE * host
    total = living + dead + own
    return (dead + own * host_dead) / total if total else None


def lesion(
    supplied: Bools,
    roi: Bools,
    cells: npt.NDArray[np.integer],
    *,
    voxel: float,
    distance: float,
    periodic: Periodic = False,
    threads: int | None = None,
) -> float | None:
    """Share of a region that is neither near a supply nor near a living cell.

    Parameters
    ----------
    supplied : ndarray of bool, shape (nx, ny, nz)
        Voxels within `distance` of what is perfused.
    roi : ndarray of bool
        The region: what is not scaffold.
    cells : ndarray of int
        Flat voxels of living cells.
    voxel, distance : float
        Edge, and how far is near, m.

    Returns
    -------
    float or None
        None where the region is empty.
    """
    region = int(np.count_nonzero(roi))
    if not region:
        return None
    far = roi & ~supplied
    if cells.size and far.any():
        empty = np.ones(roi.size, bool)
        empty[cells] = False
        squared = squared_distance(empty.reshape(roi.shape), periodic=periodic, threads=threads)
        far &= squared > (distance / voxel) ** 2
    return int(np.count_nonzero(far)) / region
