"""Blood vessels that grow into the box from living tissue beyond its faces."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaffoldsim.model import counter, tips
from scaffoldsim.model.checks import require_mask
from scaffoldsim.model.steering import HOUR, Surroundings, unit, unit_vectors
from scaffoldsim.model.tip_growth import Growth
from scaffoldsim.model.vessel_graph import LOOSE, Graph
from scaffoldsim.model.vessel_loss import regress, strike
from scaffoldsim.solver.graph import on_a_path
from scaffoldsim.solver.network import Flow, poiseuille, solve

if TYPE_CHECKING:
    from scaffoldsim.model.sprouting import VesselTissue
    from scaffoldsim.scaffold.grid import Faces, Grid

__all__ = ["Vessels"]

Array = NDArray[Any]

#: time between two looks at which vessels disappear, and which carry blood, s: both take days
_LOOK_EVERY = 6 * HOUR
#: in a stored state, when an edge was closed that is on no path between two roots
_OPEN = -1.0
#: a box with so many times more vessels than `crowded` is beyond what the rules are meant for
TOO_DENSE = 2.0


class Vessels:
    r"""A network of vessels, its tips, and where it carries blood.

    A step goes: sites sprout and tips branch, the less, the more vessels are around; tips turn and
    move; those that meet a vessel that blood may reach another way than their own join it; vessels
    without flow and VEGF disappear; and vessels that are on a path between two roots since long
    enough carry blood. The rules are those of `VesselTissue`.

    Parameters
    ----------
    grid
        The voxels.
    faces
        Roots are on those that are ``host``.
    rules
        How vessels grow.
    blocked : bool (nx, ny, nz)
        Where no vessel goes; no root is there.
    root_density : 1/m², float or (nx, ny, nz), optional
        By default that of the rules.
    seed
        Of the roots.
    owner
        A Mesa model, in which every tip is then an agent.

    Attributes
    ----------
    graph : Graph
        Nodes and edges.
    growth : Growth
        What tips do to it.
    tips : Table
        Theirs.
    agents : dict of int to Tip
        By number.
    flag, perfused : ndarray of bool
        Per voxel: holds a vessel; holds one that carries blood. `perfused` is never written to:
        when it changes, another array is in its place.
    perfused_voxels : ndarray of int32
        Those voxels, flat, ascending.
    carries : ndarray of bool
        Per edge: carries blood.
    changed : ndarray of int32
        Flat voxels whose `flag` changed in the last step, ascending.

    Notes
    -----
    All draws are by the numbers of nodes, edges and tips, so the result does not depend on the
    order of rows, and a restart gives the same bytes. A face of the box that is not periodic turns
    tips back; at one to the host they meet the vessels there, by as much as these are open
    (`root_density` over that of healthy tissue), and their end is a root.

    Examples
    --------
    >>> from pathlib import Path
    >>> from scaffoldsim.model.sprouting import VesselTissue
    >>> from scaffoldsim.scaffold.grid import Faces, Grid
    >>> from scaffoldsim.tree import read
    >>> rules = VesselTissue.model_validate(read(Path("configs/vessels/vessel.yaml")).data)
    >>> grid, faces = Grid((20, 20, 20), 2e-5), Faces.model_validate({"z-": "host"})
    >>> vegf, blocked = np.full(grid.shape, 5e-6), np.zeros(grid.shape, bool)
    >>> vessels = Vessels(grid, faces, rules, blocked=blocked, root_density=1e8, seed=1)
    >>> for step in range(72):
    ...     vessels.advance(
    ...         3600.0, time=3600.0 * step, vegf=vegf, blocked=blocked, seed=1, step=step
    ...     )
    >>> vessels.density > 0 and bool(vessels.flag.any())
    True
    """

    def __init__(
        self,
        grid: Grid,
        faces: Faces,
        rules: VesselTissue,
        *,
        blocked: NDArray[np.bool_],
        root_density: ArrayLike | None = None,
        seed: int,
        owner: Any = None,
    ) -> None:
        self.grid, self.faces, self.rules, self._owner = grid, faces, rules, owner
        self.graph = Graph(grid)
        self.growth = Growth(self.graph, rules, self._host_faces())
        self.tips = self.growth.tips
        self.agents: dict[int, tips.Tip] = {}
        self._looked = self._now = 0.0
        self._dense = False
        self.flag = np.zeros(grid.shape, bool)
        self.perfused = np.zeros(grid.shape, bool)
        self.perfused_voxels = np.zeros(0, np.int32)
        self.carries = np.zeros(0, bool)
        self.changed = np.zeros(0, np.int32)
        density = rules.root_density if root_density is None else root_density
        self._take_root(require_mask(blocked, "blocked", grid.shape), density, seed)

    def __repr__(self) -> str:
        return (
            f"Vessels({self.graph.edges.n} edges, {self.tips.n} tips, {self.n_roots} roots, "
            f"{self.density / 1e6:.3g} mm/mm³)"
        )

    @property
    def n_roots(self) -> int:
        """Number of roots."""
        return int(np.count_nonzero(self.graph.nodes["root"]))

    @property
    def density(self) -> float:
        """Length of vessels per volume of the box, 1/m² (1e6 are 1 mm/mm³)."""
        return self._per_volume(self.graph.edges["length"])

    @property
    def perfused_density(self) -> float:
        """Length of vessels that carry blood per volume of the box, 1/m²."""
        return self._per_volume(self.graph.edges["length"][self.carries])

    @property
    def depth(self) -> float:
        """Greatest distance of a vessel from the nearest host face, m; 0 without vessels."""
        return self._depth(np.ones(self.graph.edges.n, bool))

    @property
    def perfused_depth(self) -> float:
        """Greatest distance from the nearest host face to which blood comes, m."""
        return self._depth(self.carries)

    @property
    def closed_length(self) -> float:
        """Length of vessels on a path between two roots, with blood or not yet, m."""
        edges = self.graph.edges
        return float(edges["length"][~np.isnan(edges["closed"])].sum())

    def tip_positions(self) -> NDArray[np.float64]:
        """Return where the tips are, (n, 3), m."""
        return self.growth.positions()

    # a step -----------------------------------------------------------------------------------

    def advance(
        self,
        dt: float,
        *,
        time: float,
        vegf: Array | None,
        blocked: NDArray[np.bool_],
        growth: float | Array = 1.0,
        regression: Array | None = None,
        seed: int,
        step: int,
    ) -> None:
        """Advance by `dt` seconds from `time`.

        Parameters
        ----------
        dt, time
            Seconds.
        vegf : (nx, ny, nz), kg/m³, or None
            Concentration of VEGF; none anywhere, if None.
        blocked : bool (nx, ny, nz)
            Where no vessel goes. One that is there already stays.
        growth : float or (nx, ny, nz)
            Factor on the speed of tips.
        regression : (nx, ny, nz), 1/s, optional
            Hazard of vessels beyond that of the rules, also of those that carry blood. A segment is
            lost as a whole, from one branching to the next; what it cuts off from every root
            grows no more, and is lost after `VesselTissue.regression` unless it is joined again.
        seed, step
            Of the random numbers.

        Raises
        ------
        ValueError
            If an array has another shape.
        """
        require_mask(blocked, "blocked", self.grid.shape)
        for name, array in (("vegf", vegf), ("regression", regression), ("growth", growth)):
            if array is not None and np.ndim(array) and np.shape(array) != self.grid.shape:
                raise ValueError(f"{name} has shape {np.shape(array)}; grid: {self.grid.shape}")
        around, end = Surroundings(self.grid, vegf, blocked), time + dt
        self.graph.changed.clear()
        self.growth.sprout(dt, time, around, seed, step)
        self.growth.branch(dt, time, seed, step)
        self.growth.grow(dt, time, around, growth, seed, step)
        if int(end // _LOOK_EVERY) > int(time // _LOOK_EVERY):
            self._regress(end, around, regression, seed, step)
            if self.growth.joined:
                self._find_paths(end)
            self._perfuse(end)
        else:
            self._carry_on()
        self._take_stock()
        self._show()

    def sprout_from(
        self, voxels: Array, ids: Array, dt: float, *, seed: int, step: int
    ) -> NDArray[np.bool_]:
        """Let endothelial cells within one voxel of a vessel become tips; say which do.

        Parameters
        ----------
        voxels, ids
            Flat voxel and number for life of each cell.
        dt
            Seconds.
        seed, step
            Of the random numbers.
        """
        voxels, ids = np.asarray(voxels, np.int64), np.asarray(ids, np.int64)
        chance = -math.expm1(-float(self.rules.incorporation) * dt)
        draws = counter.uniform(
            ids.reshape(-1), counter.keys(seed=seed, step=step, purpose="vessel incorporation")
        )
        becomes = draws[: len(ids)] < chance
        nodes, directions = [], []
        for row in np.flatnonzero(becomes)[np.argsort(ids[becomes])].tolist():
            near = self._around(int(voxels[row]))
            edges = self.graph.crossings.edges_in(near)
            edges = edges[self.graph.nodes["tree"][self.graph.edges["ends"][edges, 0]] != LOOSE]
            if not edges.size:
                becomes[row] = False
                continue
            ends = np.unique(self.graph.edges["ends"][edges])
            cell = np.array(np.unravel_index(voxels[row], self.grid.shape)) + 0.5
            way = self.graph.between(self.graph.nodes["position"][ends], cell * self.grid.voxel)
            nearest = int(np.argmin((way * way).sum(axis=1)))
            nodes.append(int(ends[nearest]))
            directions.append(way[nearest])
        if nodes:
            some = unit(np.array(directions))
            side = unit_vectors(np.sort(ids[becomes]), seed=seed, step=step, purpose="vessel side")
            some = np.where((some != 0).any(axis=1)[:, None], some, side)
            self.growth.start(np.array(nodes), some, 0.0)
            self._show()
        return becomes

    def open_at_start(self) -> None:
        """Leave only what is on a path between two roots, and let blood flow there from time 0."""
        edges = self.graph.edges
        self.tips.keep(np.zeros(self.tips.n, bool))
        self._find_paths(0.0)
        self.graph.remove(np.isnan(edges["closed"]), np.zeros(0, np.int64))
        self.graph.look_at_trees()
        edges["closed"][:] = -float(self.rules.opening)
        edges["born"][:] = edges["lacking"][:] = 0.0
        self.graph.nodes["ready"][:] = self._looked = 0.0
        self._perfuse(0.0)
        self._take_stock()
        self.changed = np.zeros(0, np.int32)
        self._show()

    # blood ------------------------------------------------------------------------------------

    def flow(self) -> Flow:
        """Return the flow of blood, one per edge.

        Roots of each piece that carries blood are arterial and venous in turn, in the order in
        which they were laid, so that blood flows in every piece.
        """
        rules, edges = self.rules, self.graph.edges
        roots = np.flatnonzero(self.graph.nodes["root"])
        piece = self.graph.pieces(self.carries)[roots]
        order = np.argsort(piece, kind="stable")
        turn = np.empty(len(roots), np.int64)
        turn[order] = np.arange(len(roots)) - np.searchsorted(piece[order], piece[order])
        held = np.full(self.graph.nodes.n, np.nan)
        held[roots[turn % 2 == 0]] = float(rules.arterial_pressure)
        held[roots[turn % 2 == 1]] = float(rules.venous_pressure)
        conductance = poiseuille(
            edges["radius"][self.carries],
            edges["length"][self.carries],
            viscosity=float(rules.viscosity),
        )
        found = solve(edges["ends"][self.carries], conductance, held)
        flow, on_path = np.zeros(edges.n), np.zeros(edges.n, bool)
        flow[self.carries], on_path[self.carries] = found.flow, found.on_path
        return Flow(found.pressure, flow, on_path, found.total, found.residual, found.iterations)

    def flow_by_voxel(self) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return flat voxels with blood, ascending, and the greatest flow in each, m³/s."""
        flow = np.abs(self.flow().flow)[self.carries]
        voxels = self.graph.edges["voxels"][self.carries]
        real = voxels >= 0
        found, index = np.unique(voxels[real], return_inverse=True)
        greatest = np.zeros(len(found))
        np.maximum.at(greatest, index, np.broadcast_to(flow[:, None], voxels.shape)[real])
        return found, greatest

    # checkpoints ------------------------------------------------------------------------------

    def state(self) -> dict[str, Array]:
        """Return what a restart needs."""
        state = {f"graph/{k}": v for k, v in self.graph.state().items()}
        state |= {f"tips/{k}": v for k, v in self.tips.state().items()}
        numbers = self.tips["number"].tolist()
        there = [self.agents[n].unique_id if n in self.agents else 0 for n in numbers]
        # not a number would make equal states unequal
        state["graph/edges/closed"] = np.nan_to_num(state["graph/edges/closed"], nan=_OPEN)
        state["agents"] = np.array(there, np.int64)
        state["looked"] = np.array(self._looked)
        state["now"] = np.array(self._now)
        state["joined"] = np.array(self.growth.joined)
        return state | {"next_tip": np.array(self.growth.following)}

    def load(self, state: Mapping[str, Array]) -> None:
        """Go to a stored state of the same configuration."""
        for name, part in (("graph", self.graph), ("tips", self.tips)):
            prefix = f"{name}/"
            part.load({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        closed = self.graph.edges["closed"]
        closed[closed == _OPEN] = np.nan
        self._looked, self.growth.following = float(state["looked"]), int(state["next_tip"])
        self.growth.joined = bool(state["joined"])
        self._dense = self._too_dense()
        self._perfuse(float(state["now"]))
        self.flag = (self.graph.crossings.first >= 0).reshape(self.grid.shape)
        self.changed = np.zeros(0, np.int32)
        if self._owner is not None:
            ids = zip(self.tips["number"].tolist(), state["agents"].tolist(), strict=True)
            tips.rebuild(self._owner, self, self.agents, {n: i for n, i in ids if i})

    # ------------------------------------------------------------------------------------------

    def _take_root(self, blocked: Array, density: ArrayLike, seed: int) -> None:
        """Draw the roots: voxels on host faces, each with the chance density × h²."""
        chance = np.broadcast_to(np.asarray(density, np.float64), self.grid.shape)
        if not (np.isfinite(chance).all() and (chance >= 0).all()):
            raise ValueError("root_density is negative or not a number somewhere, must be >= 0")
        numbers = np.arange(self.grid.n_voxels, dtype=np.int64).reshape(self.grid.shape)
        found, at, open_to = [], [np.zeros(0, np.int64)], [np.zeros(0)]
        healthy = float(self.rules.root_density)
        for face in self._host_faces():
            axis, last = "xyz".index(face[0]), -1 if face[1] == "+" else 0
            ids, p, shut = (np.take(a, last, axis).ravel() for a in (numbers, chance, blocked))
            at.append(ids)
            open_to.append(np.where(p < healthy, p / max(healthy, 1e-30), p > 0))
            key = counter.keys(seed=seed, step=0, purpose=f"vessel root {face}")
            found.append(ids[(counter.uniform(ids, key) < p * self.grid.voxel**2) & ~shut])
        voxels = np.unique(np.concatenate([np.zeros(0, np.int64), *found]))
        faces, first = np.unique(np.concatenate(at), return_index=True)
        self.growth.home = faces, np.concatenate(open_to)[first]
        where = np.stack(np.unravel_index(voxels, self.grid.shape), axis=1)
        self.graph.add_nodes((where + 0.5) * self.grid.voxel, site=True, root=True)

    def _host_faces(self) -> list[str]:
        return self.faces.of_kind("host")

    def _regress(
        self,
        end: float,
        around: Surroundings,
        hazard: Array | None,
        seed: int,
        step: int,
    ) -> None:
        """Let vessels disappear."""
        elapsed, self._looked = end - self._looked, end
        if self.graph.edges.n:
            regress(self.growth, around, end, elapsed)
        if hazard is not None and self.graph.edges.n:
            strike(self.growth, hazard.reshape(-1), end, elapsed, seed, step)

    def _find_paths(self, end: float) -> None:
        """Say which edges are on a path between two roots, and since when."""
        edges = self.graph.edges
        self.graph.look_at_trees()
        path = on_a_path(edges["ends"], self.graph.nodes.n, self.graph.nodes["root"])
        closed = edges["closed"]
        since = np.where(np.isnan(closed), end, closed)
        closed[:] = np.where(path, since, np.nan)
        self.growth.joined = False

    def _perfuse(self, end: float) -> None:
        """Let blood flow where a path was closed long enough ago."""
        self._now, self.carries = end, np.zeros(0, bool)
        self._carry_on()
        voxels = self.graph.edges["voxels"][self.carries]
        perfused = np.zeros(self.grid.n_voxels, bool)
        perfused[voxels[voxels >= 0]] = True
        found = np.flatnonzero(perfused).astype(np.int32)
        if not np.array_equal(found, self.perfused_voxels):
            self.perfused, self.perfused_voxels = perfused.reshape(self.grid.shape), found

    def _carry_on(self) -> None:
        """Say of edges that are new since the last look whether they are parts with blood."""
        closed = self.graph.edges["closed"][len(self.carries) :]
        if not closed.size:
            return
        with np.errstate(invalid="ignore"):
            new = closed + float(self.rules.opening) <= self._now
        self.carries = np.concatenate([self.carries, new])

    def _take_stock(self) -> None:
        """See which voxels hold a vessel now, and whether there are too many."""
        flag, holds = self.flag.reshape(-1), self.graph.crossings.hold
        touched = np.concatenate([np.zeros(0, np.int32), *self.graph.changed])
        self.changed = np.unique(touched[flag[touched] != holds(touched)])
        flag[self.changed] = holds(self.changed)
        dense, self._dense = self._dense, self._too_dense()
        if self._dense and not dense:
            warnings.warn(
                f"{self.density / 1e6:.3g} mm of vessel per mm³ are more than {TOO_DENSE:g} × "
                f"crowded, {self.rules.crowded.text}: tips go on from where there is room; take "
                "less VEGF or slower sprouting",
                RuntimeWarning,
                stacklevel=3,
            )

    def _too_dense(self) -> bool:
        return self.density > TOO_DENSE * float(self.rules.crowded)

    def _show(self) -> None:
        """Let the owner's agents be the tips there are."""
        if self._owner is not None:
            tips.sync(self._owner, self, self.agents)

    def _per_volume(self, length: Array) -> float:
        return float(length.sum()) / math.prod(self.grid.size)

    def _depth(self, edges: NDArray[np.bool_]) -> float:
        ends = self.graph.edges["ends"][edges].ravel()
        position = self.graph.nodes["position"][ends]
        nearest = np.full(len(ends), np.inf)
        for face in self._host_faces():
            axis = "xyz".index(face[0])
            along = position[:, axis]
            off = along if face[1] == "-" else self.grid.size[axis] - along
            nearest = np.minimum(nearest, off)
        return float(nearest.max()) if len(ends) and np.isfinite(nearest).all() else 0.0

    def _around(self, voxel: int) -> NDArray[np.int64]:
        """Return a voxel and those that touch it."""
        shape = np.array(self.grid.shape)
        offsets = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3)
        where = np.array(np.unravel_index(voxel, self.grid.shape)) + offsets
        wraps = np.array(self.grid.periodic)
        where = np.where(wraps, where % shape, where)
        where = where[((where >= 0) & (where < shape)).all(axis=1)]
        flat: NDArray[np.int64] = (where[:, 0] * shape[1] + where[:, 1]) * shape[2] + where[:, 2]
        return flat
