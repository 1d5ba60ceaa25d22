"""Connected pieces of a voxel phase, wrapped round periodic axes, and which of them span the box.

Voxels touch through faces only (6-connectivity): cells and solutes pass no edge or corner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scaffoldsim.scaffold.thickness import Bools, Ints, Periodic, per_axis

Offset = tuple[int, int, int]


@dataclass(frozen=True)
class Networks:
    """Pieces 1 … count of a phase.

    Attributes
    ----------
    labels : ndarray of int, shape (nx, ny, nz)
        0 outside the phase. Raw: `piece[labels]` is the number of the piece.
    piece : ndarray of int32
        Raw label → piece; entry 0 is 0.
    count : int
    spans : ndarray of bool, shape (count + 1, 3)
        Whether a piece joins both faces of an axis, or, on a periodic axis, whether it goes on
        from one period to the next for ever.
    """

    labels: npt.NDArray[np.integer]
    piece: Ints
    count: int
    spans: Bools

    def sizes(self) -> npt.NDArray[np.int64]:
        """Voxels in each piece; entry 0 counts what is outside the phase."""
        raw = np.bincount(self.labels.ravel(), minlength=self.piece.size)
        return np.bincount(self.piece, weights=raw, minlength=self.count + 1).astype(np.int64)

    def open_pieces(self, periodic: Periodic) -> Bools:
        """Which pieces (count + 1) are open to the outside.

        Those that touch a face which is not periodic; where all are, those that go on for ever.
        """
        wraps = per_axis(periodic)
        reached: Bools = np.zeros(self.count + 1, bool)
        if all(wraps):
            np.any(self.spans, axis=1, out=reached)
        for axis in range(3):
            if not wraps[axis]:
                for end in (0, -1):
                    reached[np.unique(self.piece[np.take(self.labels, end, axis)])] = True
        reached[0] = False
        return reached

    def members(self, wanted: Bools) -> Bools:
        """Mask of the voxels in the pieces whose entry in `wanted` (count + 1) is true."""
        chosen: Bools = wanted[self.piece][self.labels]
        return chosen


class _Joints:
    """Union-find over labels that also keeps how many periods lie between two of them.

    A loop whose offsets do not add to zero leads from a piece to its own image: it winds.
    """

    def __init__(self, count: int) -> None:
        self.parent = list(range(count + 1))
        self.offset: list[Offset] = [(0, 0, 0)] * (count + 1)
        self.winds: dict[int, set[int]] = {}

    def root(self, label: int) -> tuple[int, Offset]:
        x = y = z = 0
        while self.parent[label] != label:
            a, b, c = self.offset[label]
            x, y, z = x + a, y + b, z + c
            label = self.parent[label]
        return label, (x, y, z)

    def join(self, a: int, b: int, axis: int) -> None:
        """Label b, one period on along `axis`, touches label a."""
        (root_a, off_a), (root_b, off_b) = self.root(a), self.root(b)
        step = [p - q for p, q in zip(off_a, off_b, strict=True)]
        step[axis] += 1
        if root_a == root_b:
            self.winds.setdefault(root_a, set()).update(i for i in range(3) if step[i])
        else:
            self.parent[root_b] = root_a
            self.offset[root_b] = (step[0], step[1], step[2])
            self.winds.setdefault(root_a, set()).update(self.winds.pop(root_b, set()))


def find_networks(mask: Bools, *, periodic: Periodic = False) -> Networks:
    """Label the pieces of `mask`.

    Parameters
    ----------
    mask : ndarray of bool, shape (nx, ny, nz)
    periodic : bool or three bools
        Axes that wrap round.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.array([1, 1, 0, 1], bool).reshape(4, 1, 1)
    >>> find_networks(mask).count, find_networks(mask, periodic=(True, False, False)).count
    (2, 1)
    """
    import cc3d

    wraps = per_axis(periodic)
    labels = cc3d.connected_components(np.ascontiguousarray(mask).view(np.uint8), connectivity=6)
    count = int(labels.max(initial=0))
    joints = _Joints(count)
    for axis in range(3):
        if wraps[axis]:
            last = np.take(labels, -1, axis).ravel().astype(np.int64)
            first = np.take(labels, 0, axis).ravel().astype(np.int64)
            both = (last > 0) & (first > 0)
            for pair in np.unique(last[both] * (count + 1) + first[both]).tolist():
                joints.join(pair // (count + 1), pair % (count + 1), axis)
    roots = [joints.root(label)[0] for label in range(count + 1)]
    kept, inverse = np.unique(np.array(roots, np.int64), return_inverse=True)
    piece: Ints = inverse.astype(np.int32)
    spans = np.zeros((kept.size, 3), bool)
    for root, axes in joints.winds.items():
        spans[piece[root], list(axes)] = True
    for axis in range(3):
        if not wraps[axis]:
            first, last = (np.unique(piece[np.take(labels, end, axis)]) for end in (0, -1))
            spans[np.intersect1d(first, last), axis] = True
    spans[0] = False
    return Networks(labels, piece, int(kept.size) - 1, spans)


def throat(squared: Ints, *, periodic: Periodic = False) -> tuple[int, int, int]:
    """Squared radius of the largest sphere that can travel through along x, y and z.

    Bisection on the squared distance map: the centre of a sphere of radius r may go wherever the
    distance is at least r. 0 where nothing passes.

    Parameters
    ----------
    squared : ndarray of int32
        From `squared_distance`.
    periodic : bool or three bools
        On a periodic axis the sphere has to go on for ever.
    """
    radii = np.unique(squared)
    radii = radii[radii > 0]
    passes: dict[int, list[bool]] = {}
    found = []
    for axis in range(3):
        low, high = -1, radii.size - 1
        while low < high:
            middle = (low + high + 1) // 2
            if middle not in passes:
                open_to = find_networks(squared >= radii[middle], periodic=periodic)
                passes[middle] = [bool(open_to.spans[:, a].any()) for a in range(3)]
            low, high = (middle, high) if passes[middle][axis] else (low, middle - 1)
        found.append(int(radii[low]) if low >= 0 else 0)
    return found[0], found[1], found[2]
