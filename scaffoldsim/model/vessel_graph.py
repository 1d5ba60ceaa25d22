"""The network of vessels as arrays: nodes, edges, and the voxels they are in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import _vessels
from scaffoldsim.model.crossings import MOST_CROSSED, Crossings
from scaffoldsim.model.crowding import Crowding
from scaffoldsim.solver.graph import pieces

if TYPE_CHECKING:
    from scaffoldsim.scaffold.grid import Grid

__all__ = ["LOOSE", "Graph", "Table", "box_of", "crossed"]

Array = NDArray[Any]

NONE = -1
#: tree of a node that is joined to several roots, and to none
SEVERAL, LOOSE = -1, -2


class Table:
    """Columns that grow at the end; each is a view of the rows there are."""

    def __init__(self, **columns: tuple[Any, tuple[int, ...]]) -> None:
        self.n = 0
        self._data = {name: np.empty((64, *more), kind) for name, (kind, more) in columns.items()}

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return list(self._data)

    def __getitem__(self, name: str) -> Array:
        rows: Array = self._data[name][: self.n]
        return rows

    def append(self, n: int, **values: Any) -> NDArray[np.int64]:
        """Add `n` rows, every column given, and return their numbers."""
        rows = np.arange(self.n, self.n + n)
        room = len(next(iter(self._data.values())))
        for name, column in self._data.items():
            if self.n + n > room:
                wider = np.empty((max(2 * room, self.n + n), *column.shape[1:]), column.dtype)
                wider[: self.n] = column[: self.n]
                self._data[name] = column = wider
            column[self.n : self.n + n] = values[name]
        self.n += n
        return rows

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop the other rows; the order stays."""
        n = int(np.count_nonzero(mask))
        for column in self._data.values():
            column[:n] = column[: self.n][mask]
        self.n = n

    def state(self) -> dict[str, Array]:
        """Return a copy of every column."""
        return {name: self[name].copy() for name in self._data}

    def load(self, state: Mapping[str, Array]) -> None:
        """Take other rows in place of all there are."""
        self.n = 0
        self.append(len(next(iter(state.values()))), **{name: state[name] for name in self._data})


def crossed(start: Array, step: Array, grid: Grid, *, once: bool = False) -> NDArray[np.int32]:
    """Return the voxels that straight segments cross, in their order.

    Parameters
    ----------
    start, step
        Where each begins and how far it goes, (n, 3), in voxels; shorter than two voxels.
    grid
        Of the voxels.
    once
        Whether a voxel that comes again is -1.

    Returns
    -------
    ndarray of int32
        Flat voxels, (n, 7); at the end the last one again; -1 outside the box.

    Examples
    --------
    >>> from scaffoldsim.scaffold.grid import Grid
    >>> grid = Grid((4, 1, 1), 1.0)
    >>> crossed(np.array([[0.5, 0.5, 0.5]]), np.array([[1.6, 0, 0]]), grid).tolist()
    [[0, 1, 2, 2, 2, 2, 2]]
    """
    out = np.empty((len(start), MOST_CROSSED), np.int32)
    start, step = (np.ascontiguousarray(each, np.float64) for each in (start, step))
    _vessels.crossed(start, step, *box_of(grid), once, out)
    return out


def barred(
    start: Array, step: Array, blocked: NDArray[np.bool_], grid: Grid, *, ends: bool = False
) -> NDArray[np.bool_]:
    """Return which straight segments leave the box or cross what is blocked.

    Parameters
    ----------
    start, step, grid
        As for `crossed`.
    blocked
        Flat voxels; the one that a segment starts in does not bar it.
    ends
        Whether neither does the one that it ends in.
    """
    out = np.empty(len(start), bool)
    start, step = (np.ascontiguousarray(each, np.float64) for each in (start, step))
    _vessels.barred(start, step, blocked.view(np.uint8), *box_of(grid), ends, out.view(np.uint8))
    return out


def box_of(grid: Grid) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Return the shape of a grid and which axes wrap, for the kernels."""
    return np.array(grid.shape, np.intp), np.array(grid.periodic, np.int32)


class Graph:
    """Vessels: nodes joined by edges, each edge in the voxels that it crosses.

    Rows keep their order when others go, so their numbers change only then.

    Attributes
    ----------
    nodes : Table
        ``position`` m, ``voxel``, ``parent`` (the node that it grew from, -1), ``site`` and
        ``root`` bool, ``ready`` s (from when on a site may sprout), ``number`` (for life), ``tree``
        (number of the only root that it is joined to, `SEVERAL` or `LOOSE`; as last looked at).
    edges : Table
        ``ends`` (node, node), ``length``, ``radius`` m, ``born``, ``closed`` s (nan: not on a path
        between two roots), ``lacking`` s (how long without flow and VEGF), ``voxels`` (-1: no
        further one), ``number`` (for life).
    crossings : Crossings
        The edges in each voxel.
    crowding : Crowding
        Length of edges per volume.
    changed : list of ndarray
        Voxels that edges came to or left since the list was emptied.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.size = np.array(grid.size)
        self._box = box_of(grid)
        self.nodes = Table(
            position=(np.float64, (3,)),
            voxel=(np.int32, ()),
            parent=(np.int32, ()),
            site=(np.bool_, ()),
            root=(np.bool_, ()),
            ready=(np.float64, ()),
            number=(np.int64, ()),
            tree=(np.int64, ()),
        )
        self.edges = Table(
            ends=(np.int32, (2,)),
            length=(np.float64, ()),
            radius=(np.float64, ()),
            born=(np.float64, ()),
            closed=(np.float64, ()),
            lacking=(np.float64, ()),
            voxels=(np.int32, (MOST_CROSSED,)),
            number=(np.int64, ()),
        )
        self.crossings = Crossings(grid.n_voxels)
        self.crowding = Crowding(grid)
        self.changed: list[NDArray[np.int32]] = []
        self.next_node = self.next_edge = 0

    def inside(self, position: Array) -> Array:
        """Return positions in the box, m: round periodic axes."""
        return self._located(position)[0]

    def voxel_of(self, position: Array) -> NDArray[np.int32]:
        """Return the flat voxel that holds each position."""
        return self._located(position)[1]

    def _located(self, position: Array) -> tuple[Array, NDArray[np.int32]]:
        position = np.ascontiguousarray(position, np.float64)
        inside, voxel = np.empty_like(position), np.empty(len(position), np.int32)
        _vessels.locate(position, self.size, self.grid.voxel, *self._box, inside, voxel)
        return inside, voxel

    def between(self, start: Array, end: Array) -> Array:
        """Return the shortest way from positions to positions, m."""
        way = end - start
        turn = np.where(self.grid.periodic, np.rint(way / self.size) * self.size, 0.0)
        result: Array = way - turn
        return result

    def apart(self, position: Array, others: Array, spacing: float) -> NDArray[np.bool_]:
        """Return which positions are `spacing` or more, m, from others and all before that are."""
        apart = np.empty(len(position), bool)
        _vessels.apart(position, others, self.size, self._box[1], spacing, apart.view(np.uint8))
        return apart

    def add_nodes(
        self,
        position: Array,
        *,
        parent: Any = NONE,
        site: Any = False,
        root: Any = False,
        ready: float = 0.0,
    ) -> NDArray[np.int64]:
        """Add nodes and return their rows."""
        n = len(position)
        number = np.arange(self.next_node, self.next_node + n)
        self.next_node += n
        position, voxel = self._located(position)
        parent, tree = np.asarray(parent), np.where(root, number, SEVERAL)
        if self.nodes.n:
            tree = np.where(parent >= 0, self.nodes["tree"][parent], tree)
        return self.nodes.append(
            n,
            position=position,
            voxel=voxel,
            parent=parent,
            site=site,
            root=root,
            ready=ready,
            number=number,
            tree=tree,
        )

    def add_edges(
        self, start: Array, end: Array, way: Array, *, radius: float, time: float
    ) -> None:
        """Join nodes by the ways between them (n, 3), m."""
        length = np.sqrt((way * way).sum(axis=1))
        h = self.grid.voxel
        length = np.maximum(length, 1e-3 * h)  # two nodes in one place still resist
        voxels = crossed(self.nodes["position"][start] / h, way / h, self.grid, once=True)
        number = np.arange(self.next_edge, self.next_edge + len(start))
        self.next_edge += len(start)
        self.edges.append(
            len(start),
            ends=np.stack([start, end], axis=1),
            length=length,
            radius=radius,
            born=time,
            closed=np.nan,
            lacking=0.0,
            voxels=voxels,
            number=number,
        )
        self._take_in(self.edges.n - len(start))

    def split(self, edge: int, voxel: int) -> int:
        """Return a node of `edge` in `voxel`, a new one if need be; -1 if it is not in there."""
        first, last = (int(end) for end in self.edges["ends"][edge])
        for node in (first, last):
            if self.nodes["voxel"][node] == voxel:
                return node
        position, edges = self.nodes["position"], self.edges
        way = self.between(position[first], position[last])
        share = self._share(position[first], way, voxel)
        if share is None:
            return NONE
        node = int(self.add_nodes(position[[first]] + share * way, parent=first)[0])
        if self.nodes["voxel"][node] != voxel:  # a corner within rounding
            self.nodes.n -= 1
            self.next_node -= 1
            return NONE
        # the first part takes the row and the number of the whole; both are in its voxels
        crosses = edges["voxels"][edge].copy()
        at = int(np.flatnonzero(crosses == voxel)[0])
        length = float(edges["length"][edge])
        self.crowding.add(crosses[:1], np.array([length]), -1)
        values = {name: edges[name][edge].copy() for name in edges.names}
        values |= {
            "ends": (node, last),
            "length": max((1 - share) * length, 1e-3 * self.grid.voxel),
        }
        values |= {"number": self.next_edge, "voxels": NONE}
        self.next_edge += 1
        edges.append(1, **values)
        edges["voxels"][-1, : MOST_CROSSED - at] = crosses[at:]
        edges["voxels"][edge, at + 1 :] = NONE
        edges["ends"][edge, 1] = node
        edges["length"][edge] = max(share * length, 1e-3 * self.grid.voxel)
        self.crossings.split(edges["voxels"], edge, at)
        rows = np.array([edge, edges.n - 1])
        self.crowding.add(edges["voxels"][rows, 0], edges["length"][rows], 1)
        self.changed.append(crosses[at : at + 1])
        parent = self.nodes["parent"]
        if parent[last] == first:
            parent[last] = node
        elif parent[first] == last:
            parent[first], parent[node] = node, last
        return node

    def _share(self, start: Array, way: Array, voxel: int) -> float | None:
        """Return the middle of the part of a segment that is in a voxel, as share of the way."""
        _, ny, nz = self.grid.shape
        index = (voxel // (ny * nz), voxel // nz % ny, voxel % nz)
        h, low, high = self.grid.voxel, 0.0, 1.0
        for axis in range(3):
            begin, along = float(start[axis]), float(way[axis])
            size = float(self.size[axis])
            edge = index[axis] * h
            if self.grid.periodic[axis]:  # the image of the voxel that is nearest to the segment
                edge += round((begin + along / 2 - edge - h / 2) / size) * size
            if along == 0.0:
                if not edge <= begin <= edge + h:
                    return None
                continue
            a, b = sorted(((edge - begin) / along, (edge + h - begin) / along))
            low, high = max(low, a), min(high, b)
        return (low + high) / 2 if low < high else None

    def remove(self, edges: NDArray[np.bool_], keep: Array) -> NDArray[np.int64]:
        """Remove edges, and nodes without any that are not in `keep` nor roots that can sprout.

        Returns
        -------
        ndarray of int64
            For each node the new row, -1 if it is gone.
        """
        gone = self.edges["voxels"][edges]
        self.crowding.add(gone[:, 0], self.edges["length"][edges], -1)
        self.changed.append(gone[gone >= 0])
        self.crossings.remove(self.edges["voxels"])
        self.edges.keep(~edges)
        self.crossings.add(self.edges["voxels"], 0)
        stays = self.nodes["root"] & self.nodes["site"]
        stays[keep] = True
        stays[self.edges["ends"].ravel()] = True
        row = np.where(stays, np.cumsum(stays) - 1, NONE)
        self.nodes.keep(stays)
        self.edges["ends"][:] = row[self.edges["ends"]]
        parent = self.nodes["parent"]
        parent[:] = np.where(parent >= 0, row[parent], NONE)
        return row

    def rooted(self) -> NDArray[np.bool_]:
        """Return which nodes are joined to a root."""
        piece = self.pieces()
        held = np.zeros(len(piece) + 1, bool)
        held[piece[self.nodes["root"]]] = True
        result: NDArray[np.bool_] = held[piece]
        return result

    def look_at_trees(self) -> None:
        """Say of every node to which root it is joined, if to one alone."""
        piece = self.pieces()
        root, number = self.nodes["root"], self.nodes["number"]
        n = len(piece)
        roots = np.bincount(piece[root], minlength=n)
        only = np.full(n, LOOSE, np.int64)
        only[piece[root]] = number[root]
        only[roots > 1] = SEVERAL
        self.nodes["tree"][:] = only[piece]

    def pieces(self, edges: Any = slice(None)) -> NDArray[np.int32]:
        """Return of every node which piece of the network it is in, all edges or some taken."""
        return pieces(self.edges["ends"][edges], self.nodes.n)

    def state(self) -> dict[str, Array]:
        """Return what a restart needs."""
        state = {f"nodes/{k}": v for k, v in self.nodes.state().items()}
        state |= {f"edges/{k}": v for k, v in self.edges.state().items()}
        return state | {"numbered": np.array([self.next_node, self.next_edge])}

    def load(self, state: Mapping[str, Array]) -> None:
        """Go to a stored state."""
        self.crossings.remove(self.edges["voxels"])
        for name in ("nodes", "edges"):
            prefix = f"{name}/"
            getattr(self, name).load(
                {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            )
        self.next_node, self.next_edge = (int(n) for n in state["numbered"])
        self.crowding.clear()
        self._take_in(0)
        self.changed.clear()

    def _take_in(self, start: int) -> None:
        """Note where edges are from a row on."""
        voxels = self.edges["voxels"]
        self.crossings.add(voxels, start)
        new = voxels[start:]
        self.crowding.add(new[:, 0], self.edges["length"][start:], 1)
        self.changed.append(new[new >= 0])
