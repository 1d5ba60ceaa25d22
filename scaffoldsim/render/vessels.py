"""Vessels of a picture: edges of the network joined to smooth paths, tubes about them, tips.

The network is stored as short straight edges (`Run.vessels`). Edges that follow each other are one
path, and where vessels branch the straightest way goes on, so that tubes have no seams.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: Up to this many edges paths are drawn with `_BETWEEN` points to an edge, and rounder.
_FINE_BELOW = 40_000
_BETWEEN = 4
_SIDES, _SIDES_FINE = 7, 14
#: A tip is a cone, so long and so wide, in radii of its vessel as drawn.
_CONE_LENGTH, _CONE_WIDTH, _CONE_SIDES = 4.0, 1.5, 20
#: Of that length the middle of a cone is ahead of its tip, so that it joins its tube.
_CONE_AHEAD = 0.3
#: Radius of a vessel where no edge tells it, µm: that of a capillary.
_CAPILLARY = 5.0
#: A tip that has not come any way yet is drawn this share of the edge behind it ahead.
_BARELY = 1e-3
#: So often each point of a path is put nearer to the middle of its neighbours, by half the way.
_ROUNDS = 2
NONE = -1

Array = npt.NDArray[Any]


def wrapped(ends: Array, nodes: Array, size: Array) -> tuple[Array, Array, Array]:
    """Divide edges that leave the box through a periodic face, and take the rest to the other side.

    Parameters
    ----------
    ends : array (n, 2, 3)
        Where edges begin and end; an end beyond the box is to go on at the other side.
    nodes : array (n, 2)
        Numbers of their nodes.
    size : array (3,)
        Edges of the box.

    Returns
    -------
    ends, nodes : arrays (m, 2, 3), (m, 2)
        All in the box; a piece ends at a face in a node of its own, so that no path goes on there.
    edge : array (m,)
        Which edge each is a piece of.

    Examples
    --------
    >>> ends = np.array([[[8.0, 1, 1], [12.0, 1, 1]]])
    >>> pieces, nodes, edge = wrapped(ends, np.array([[0, 1]]), np.array([10.0, 10, 10]))
    >>> pieces[:, :, 0].tolist(), nodes.tolist(), edge.tolist()
    ([[8.0, 10.0], [0.0, 2.0]], [[0, 2], [3, 1]], [0, 0])
    """
    ends, nodes = np.array(ends, np.float64), np.array(nodes, np.int64)
    edge, following = np.arange(len(ends)), int(nodes.max(initial=NONE)) + 1
    for axis in range(3):
        # what a face of another axis cut off may be beyond this one as a whole
        begin = ends[:, :1, axis]
        ends[:, :, axis] -= ((begin > size[axis]) - 1.0 * (begin < 0)) * size[axis]
        last = ends[:, 1, axis]
        face = np.where(last > size[axis], size[axis], 0.0)
        out = np.flatnonzero((last > size[axis]) | (last < 0))
        first = ends[out, 0, axis]
        share = np.clip((face[out] - first) / (last[out] - first), 0.0, 1.0)
        way = ends[out, 1] - ends[out, 0]
        crossing = ends[out, 0] + share[:, None] * way
        crossing[:, axis] = face[out]
        rest = np.stack([crossing, ends[out, 1]], axis=1)
        rest[:, :, axis] += np.where(face[out] > 0, -size[axis], size[axis])[:, None]
        ends[out, 1] = crossing
        fresh = following + np.arange(2 * len(out)).reshape(-1, 2)
        following += 2 * len(out)
        beyond = np.stack([fresh[:, 1], nodes[out, 1]], axis=1)
        nodes[out, 1] = fresh[:, 0]
        ends = np.concatenate([ends, rest])
        nodes = np.concatenate([nodes, beyond])
        edge = np.concatenate([edge, edge[out]])
    return ends, nodes, edge


def paths(ends: Array, nodes: Array, kind: Array) -> list[tuple[Array, int]]:
    """Join edges to paths.

    Parameters
    ----------
    ends, nodes : arrays (n, 2, 3), (n, 2)
        Edges; they meet where they have the same node.
    kind : array (n,)
        Edges of different kinds make different paths.

    Returns
    -------
    list of (points, edge)
        The points (k, 3) of each path in order, and one of its edges. Every edge is in one path.

    Examples
    --------
    >>> x = np.arange(4.0)[:, None] * [1, 0, 0]
    >>> ends = np.stack([x[[0, 2, 2]], x[[1, 1, 3]]], axis=1)
    >>> (points, edge), = paths(ends, np.array([[0, 1], [2, 1], [2, 3]]), np.zeros(3))
    >>> points[:, 0].tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    ahead = _continued(ends, nodes, kind).tolist()
    found, used = [], np.zeros(len(ends), bool)
    # half-edge 2 e + s leaves end s of edge e; first those from which no other edge goes on
    begins = [half for half, other in enumerate(ahead) if other == NONE]
    for half in [*begins, *range(0, 2 * len(ends), 2)]:
        if used[half // 2]:
            continue
        points, at = [ends[half // 2, half % 2]], half
        while at != NONE and not used[at // 2]:
            used[at // 2] = True
            points.append(ends[at // 2, 1 - at % 2])
            at = ahead[at ^ 1]
        found.append((np.array(points), half // 2))
    return found


def _continued(ends: Array, nodes: Array, kind: Array) -> Array:
    """For each end of an edge (2 e + s) the end of the edge that goes on from there, or -1."""
    n = len(ends)
    node = nodes.reshape(-1)
    way = ends[:, 1] - ends[:, 0]
    way = way / np.maximum(np.sqrt((way * way).sum(axis=1, keepdims=True)), 1e-30)
    leaves = np.stack([way, -way], axis=1).reshape(-1, 3)
    ahead = np.full(2 * n, NONE)
    order = np.lexsort((np.repeat(kind, 2), node))
    key = np.stack([node, np.repeat(kind, 2)], axis=1)[order]
    new = np.flatnonzero(np.r_[True, (key[1:] != key[:-1]).any(axis=1)]) if n else np.zeros(0, int)
    count = np.diff(np.r_[new, 2 * n])
    pair = new[count == 2]
    a, b = order[pair], order[pair + 1]
    ahead[a], ahead[b] = b, a
    for first, many in zip(new[count > 2].tolist(), count[count > 2].tolist(), strict=True):
        halves = order[first : first + many]
        turn = leaves[halves] @ leaves[halves].T
        turn[np.tril_indices(many)] = 2.0
        for _ in range(many // 2):  # the straightest pair first
            i, j = divmod(int(turn.argmin()), many)
            ahead[halves[i]], ahead[halves[j]] = halves[j], halves[i]
            turn[[i, j]] = turn[:, [i, j]] = 2.0
    return ahead


def smooth(points: Array, between: int) -> Array:
    """Round the corners of a path, its ends kept: `between` points to a stretch, on a spline."""
    if len(points) < 3:
        return points
    rounded = points
    for _ in range(_ROUNDS):
        inner = 0.25 * rounded[:-2] + 0.5 * rounded[1:-1] + 0.25 * rounded[2:]
        rounded = np.concatenate([points[:1], inner, points[-1:]])
    if between < 2:
        return rounded
    # Catmull and Rom: through every point, along its neighbours
    padded = np.concatenate([rounded[:1], rounded, rounded[-1:]])
    p0, p1, p2, p3 = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = (np.arange(between) / between)[:, None, None]
    spline = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
        + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )  # fmt: skip
    return np.concatenate([spline.transpose(1, 0, 2).reshape(-1, 3), rounded[-1:]])


def lines(points: list[Array], radius: list[float], hidden: Any) -> Any | None:
    """Tubes' axes as one mesh, radius and number of path a point; what is `hidden` is left out."""
    import pyvista as pv

    pieces: list[tuple[Array, float]] = []
    for path, wide in zip(points, radius, strict=True):
        seen = ~hidden(path)
        ends = np.flatnonzero(np.diff(np.r_[False, seen, False]))
        pieces += [
            (path[a:b], wide) for a, b in zip(ends[::2], ends[1::2], strict=True) if b - a > 1
        ]
    if not pieces:
        return None
    count = np.array([len(path) for path, _ in pieces])
    first = np.cumsum(count) - count
    cells = np.concatenate(
        [np.r_[n, np.arange(f, f + n)] for f, n in zip(first, count, strict=True)]
    )
    mesh = pv.PolyData(np.concatenate([path for path, _ in pieces]).astype(np.float32), lines=cells)
    mesh["radius"] = np.repeat([wide for _, wide in pieces], count).astype(np.float32)
    mesh["path"] = np.repeat(np.arange(len(count)), count)
    return mesh


def add_vessels(
    plotter: Any,
    network: Mapping[str, Array],
    paints: Mapping[str, Mapping[str, str]],
    *,
    size: Array,
    width: float,
    hidden: Any,
) -> None:
    """Add a network to a picture.

    Parameters
    ----------
    plotter : pyvista.Plotter
        The picture.
    network : mapping
        As `Run.vessels` returns it, in µm.
    paints : mapping
        ``perfused``, ``growing`` and ``tip``, each with a ``color``.
    size : array (3,)
        Edges of the box, µm.
    width : float
        How many times as wide as they are vessels are drawn.
    hidden : callable
        Says of points (n, 3) which are not to be seen.
    """
    traced = trace(network, size)
    fine = len(traced.ends) <= _FINE_BELOW
    for kind in ("growing", "perfused"):
        own = traced.courses(kind)
        axes = lines(
            [smooth(path, _BETWEEN if fine else 1) for path, _ in own],
            [width * wide for _, wide in own],
            hidden,
        )
        if axes is None:
            continue
        tubes = axes.tube(
            scalars="radius", absolute=True, n_sides=_SIDES_FINE if fine else _SIDES, capping=True
        )
        _add(plotter, tubes, paints[kind]["color"])
        if fine:
            _add(plotter, rounded(axes), paints[kind]["color"])
    heads = traced.heads(width, hidden)
    if heads is not None:
        _add(plotter, heads, paints["tip"]["color"])


@dataclass(frozen=True)
class Traced:
    """A network as it is drawn: all in the box, joined to paths.

    Attributes
    ----------
    ends : array (n, 2, 3)
        Edges and the stretches that tips have come, `wrapped`.
    last : array (n,) of bool
        Which of them end in a tip.
    edge : array (n,)
        Which edge of the network each is a piece of.
    radius, carries : arrays
        Of the edges of the network, the stretches of the tips after them.
    paths : list of (points, edge)
        As `paths` joins them.
    """

    ends: Array
    last: Array
    edge: Array
    radius: Array
    carries: Array
    paths: list[tuple[Array, int]]

    def courses(self, kind: str) -> list[tuple[Array, float]]:
        """Points and radius of each path that is ``perfused``, or is ``growing``."""
        carries, radius = self.carries[self.edge], self.radius[self.edge]
        perfused = kind == "perfused"
        return [(path, float(radius[k])) for path, k in self.paths if carries[k] == perfused]

    def heads(self, width: float, hidden: Any = None) -> Any | None:
        """Cones at the tips as one mesh, none where a tip is `hidden`; None without any."""
        last = self.ends[self.last]
        last = last[~hidden(last[:, 1])] if hidden is not None and len(last) else last
        if not len(last):
            return None
        return cones(last, width * float(np.median(self.radius)))


def trace(network: Mapping[str, Array], size: Array) -> Traced:
    """Join a network, as `Run.vessels` returns it in the unit of `size`, to paths in the box."""
    tips, radius, carries = tip_edges(network)
    every = np.concatenate([network["ends"], tips])
    of_tips = _tip_nodes(network)
    ends, joined, edge = wrapped(every, np.concatenate([network["nodes"], of_tips]), size)
    last = np.isin(joined[:, 1], of_tips[:, 1])
    return Traced(ends, last, edge, radius, carries, paths(ends, joined, carries[edge]))


def cones(last: Array, wide: float) -> Any:
    """Cones at the ends of the edges (n, 2, 3) of tips, along these, for vessels so wide."""
    import pyvista as pv

    heads = pv.PolyData(last[:, 1].astype(np.float32))
    heads["way"] = (last[:, 1] - last[:, 0]).astype(np.float32)
    long = _CONE_LENGTH * wide
    cone = pv.Cone(
        center=(_CONE_AHEAD * long, 0, 0), direction=(1, 0, 0), height=long,
        radius=_CONE_WIDTH * wide, resolution=_CONE_SIDES,
    )  # fmt: skip
    return heads.glyph(orient="way", scale=False, geom=cone)


def rounded(axes: Any) -> Any:
    """Balls at both ends of each tube: none ends in a disc, none that meet leave a gap."""
    import pyvista as pv

    many = np.flatnonzero(np.diff(np.asarray(axes["path"]))) + 1
    at = np.concatenate([[0], many, many - 1, [axes.n_points - 1]])
    ends = pv.PolyData(np.asarray(axes.points)[at])
    ends["radius"] = np.asarray(axes["radius"])[at]
    ball = pv.Sphere(radius=1.0, theta_resolution=_SIDES_FINE, phi_resolution=_SIDES_FINE)
    return ends.glyph(orient=False, scale="radius", factor=1.0, geom=ball)


def tip_edges(network: Mapping[str, Array]) -> tuple[Array, Array, Array]:
    """Return the stretches that tips have come since their last node, as edges (n, 2, 3).

    Also the radius and the perfusion of all edges, those of tips last.
    """
    tips = np.array(network["tips"], np.float64)
    # a tip that has only just begun to grow has no way yet: that of the edge that leads to it
    way = tips[:, 1] - tips[:, 0]
    still = ~way.any(axis=1)
    if still.any() and len(network["nodes"]):
        lead = np.full(int(max(network["nodes"].max(), network["tip_nodes"].max())) + 1, NONE)
        lead[network["nodes"][:, 1]] = np.arange(len(network["nodes"]))
        edge = lead[network["tip_nodes"][still]]
        along = network["ends"][edge, 1] - network["ends"][edge, 0]
        # some direction, where none leads to it
        tips[still, 1] += _BARELY * np.where(edge[:, None] >= 0, along, _CAPILLARY)
    thin = float(np.median(network["radius"])) if len(network["radius"]) else _CAPILLARY
    radius = np.concatenate([network["radius"], np.full(len(tips), thin)])
    carries = np.concatenate([network["carries"], np.zeros(len(tips), bool)])
    return tips, radius, carries


def _tip_nodes(network: Mapping[str, Array]) -> Array:
    """Node that each tip left, and a number of its own for the tip."""
    left = network["tip_nodes"].astype(np.int64)
    most = max(int(network["nodes"].max(initial=NONE)), int(left.max(initial=NONE)))
    return np.stack([left, most + 1 + np.arange(len(left))], axis=1)


def _add(plotter: Any, mesh: Any, color: str) -> None:
    plotter.add_mesh(
        mesh, color=color, smooth_shading=True, split_sharp_edges=False, ambient=0.3, diffuse=0.75,
        specular=0.35, specular_power=25,
    )  # fmt: skip
