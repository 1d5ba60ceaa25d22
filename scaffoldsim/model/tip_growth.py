"""How vessels grow: sites sprout, tips branch, turn, move and join."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaffoldsim.model import anastomosis, counter, steering
from scaffoldsim.model.steering import HOUR, Surroundings, unit, unit_vectors
from scaffoldsim.model.vessel_graph import LOOSE, Graph, Table, barred

if TYPE_CHECKING:
    from scaffoldsim.model.sprouting import VesselTissue

__all__ = ["Growth"]

Array = NDArray[Any]

#: a tip that came no voxel further in this time stops, s (assumed; it takes hours if it is free)
_GIVES_UP = 48 * HOUR


class Growth:
    """The tips of a network, and what they do to it.

    Parameters
    ----------
    graph
        The vessels.
    rules
        How they grow.
    faces
        Names of the faces from which roots grow inwards.

    Attributes
    ----------
    tips : Table
        ``number`` (for life), ``node`` (row of the last one left behind), ``offset`` from there, m,
        ``direction``, ``since`` the last site, m, ``laid`` nodes, ``idle`` s since the last.
    joined : bool
        Whether a tip joined a vessel; set back by who asks.
    following : int
        Number of the next tip.
    home : tuple of ndarray
        Flat voxels at faces of the host, ascending, and the share of tips that find a vessel of the
        host there. It follows from what the network is made of, so no restart needs it.
    """

    def __init__(self, graph: Graph, rules: VesselTissue, faces: list[str]) -> None:
        self.graph, self.grid, self.rules, self.faces = graph, graph.grid, rules, faces
        self.tips = Table(
            number=(np.int64, ()),
            node=(np.int32, ()),
            offset=(np.float64, (3,)),
            direction=(np.float64, (3,)),
            since=(np.float64, ()),
            laid=(np.int32, ()),
            idle=(np.float64, ()),
        )
        self.following = 0
        self.joined = False
        self.home: tuple[Array, Array] = (np.zeros(0, np.int64), np.zeros(0))

    def positions(self) -> NDArray[np.float64]:
        """Return where the tips are, (n, 3), m."""
        start = self.graph.nodes["position"][self.tips["node"]]
        found: NDArray[np.float64] = self.graph.inside(start + self.tips["offset"])
        return found

    def sprout(self, dt: float, time: float, around: Surroundings, seed: int, step: int) -> None:
        """Let sites sprout where no tip is near."""
        nodes, rules = self.graph.nodes, self.rules
        fed = nodes["tree"] != LOOSE
        sites = np.flatnonzero(nodes["site"] & fed & (nodes["ready"] <= time))
        if not sites.size:
            return
        key = counter.keys(seed=seed, step=step, purpose="vessel sprout")
        draw = counter.uniform(nodes["number"][sites], key)
        few = draw < -math.expm1(-float(rules.sprouting) * dt)  # none sprouts at a greater rate
        sites, draw = sites[few], draw[few]
        voxel = nodes["voxel"][sites]
        rate = rules.sprouts(around.vegf(voxel)) * self._room(voxel)
        sites = sites[draw < -np.expm1(-rate * dt)]
        place, spacing = nodes["position"][sites], float(rules.spacing)
        rows = sites[self.graph.apart(place, self.positions(), spacing)]
        if rows.size:
            nodes["ready"][rows] = time + dt + float(rules.refractory)
            self.start(rows, self._outward(rows, around, seed, step), 0.0)

    def branch(self, dt: float, time: float, seed: int, step: int) -> None:
        """Let tips branch."""
        number = self.tips["number"]
        if not len(number):
            return
        room = self._room(self.graph.voxel_of(self.positions()))
        chance = -np.expm1(-float(self.rules.branching) * dt * room)
        key = counter.keys(seed=seed, step=step, purpose="vessel branch")
        rows = np.flatnonzero(counter.uniform(number, key) < chance)
        if rows.size:
            side = unit_vectors(number[rows], seed=seed, step=step, purpose="vessel side")
            self.lay(rows, time)
            direction = steering.branched(self.tips["direction"][rows], side)
            self.start(self.tips["node"][rows], direction, self.tips["since"][rows])

    def grow(
        self,
        dt: float,
        time: float,
        around: Surroundings,
        growth: float | Array,
        seed: int,
        step: int,
    ) -> None:
        """Let tips turn and move; those that meet a vessel join it."""
        rules, table = self.rules, self.tips
        turns = max(1, math.ceil(dt / HOUR - 1e-9))
        reach = float(rules.fast) * float(np.max(growth)) * dt / turns
        parts = max(1, math.ceil(reach / (self.grid.voxel / 2)))
        factor = np.asarray(growth, np.float64).reshape(-1)
        for turn in range(turns):
            if not table.n:
                return
            noise = unit_vectors(
                table["number"], seed=seed, step=step, purpose="vessel turn", substep=turn
            )
            voxel = self.graph.voxel_of(self.positions())
            table["direction"][:] = steering.steer(
                table["direction"], voxel, around, rules, noise, dt / turns
            )
            for part in range(turn * parts, (turn + 1) * parts):
                if part > turn * parts:
                    voxel = self.graph.voxel_of(self.positions())
                speed = rules.speed(around.vegf(voxel)) * (
                    factor if factor.size == 1 else factor[voxel]
                )
                self._move(speed, dt / (turns * parts), around, time, (seed, step, part))
            self._join(time)
            self._come_home(time, seed)

    def start(self, node: Array, direction: Array, since: Any) -> None:
        """Add tips at nodes, each so far from the last site, m."""
        n = len(node)
        number = np.arange(self.following, self.following + n)
        self.following += n
        self.tips.append(
            n,
            number=number,
            node=node,
            offset=0.0,
            direction=direction,
            since=since,
            laid=0,
            idle=0.0,
        )

    def lay(self, rows: Array, time: float) -> None:
        """Leave a node behind where tips are, and an edge to it."""
        table = self.tips
        rows = rows[(table["offset"][rows] != 0).any(axis=1)]
        if not rows.size:
            return
        start, way, spacing = table["node"][rows], table["offset"][rows], float(self.rules.spacing)
        since = table["since"][rows] + np.sqrt((way * way).sum(axis=1))
        site = since >= spacing
        node = self.graph.add_nodes(
            self.graph.nodes["position"][start] + way, parent=start, site=site
        )
        self.graph.add_edges(start, node, way, radius=float(self.rules.radius), time=time)
        table["node"][rows], table["offset"][rows] = node, 0.0
        table["since"][rows] = np.where(site, since - spacing, since)
        table["laid"][rows] += 1
        table["idle"][rows] = 0.0

    def _room(self, voxel: Array) -> Array:
        """Return what is left of sprouting and branching among the vessels around."""
        room: Array = np.maximum(
            0.0, 1.0 - self.graph.crowding.around(voxel) / float(self.rules.crowded)
        )
        return room

    def _outward(self, rows: Array, around: Surroundings, seed: int, step: int) -> Array:
        """Return where sprouts go: into the box from a root, sideways from a vessel."""
        nodes = self.graph.nodes
        noise = unit_vectors(nodes["number"][rows], seed=seed, step=step, purpose="vessel side")
        pull = float(self.rules.attraction) * around.cue(nodes["voxel"][rows], self.rules)[0]
        pull = pull + float(self.rules.wandering) * noise
        root = nodes["root"][rows]
        inward = self._inward(nodes["voxel"][rows])
        off = (pull * inward).sum(axis=1, keepdims=True)
        from_root = unit(inward + pull - np.minimum(off, 0.0) * inward)
        before = nodes["parent"][rows]
        axis_ = self.graph.between(nodes["position"][before], nodes["position"][rows])
        axis_ = unit(np.where((before >= 0)[:, None], axis_, 0.0))
        sideways = unit(pull - (pull * axis_).sum(axis=1, keepdims=True) * axis_)
        chosen = np.where(root[:, None], from_root, sideways)
        return np.where((chosen != 0).any(axis=1)[:, None], chosen, noise)

    def _inward(self, voxel: Array) -> Array:
        """Return the direction away from the host at its faces, elsewhere nothing."""
        inward = np.zeros((len(voxel), 3))
        where = np.stack(np.unravel_index(voxel, self.grid.shape), axis=1)
        for face in self.faces:
            axis, low = "xyz".index(face[0]), face[1] == "-"
            at = where[:, axis] == (0 if low else self.grid.shape[axis] - 1)
            inward[at, axis] += 1.0 if low else -1.0
        return unit(inward)

    def _move(
        self,
        speed: Array,
        dt: float,
        around: Surroundings,
        time: float,
        when: tuple[int, int, int],
    ) -> None:
        """Move tips for a part of a step, and lay nodes behind them."""
        table, h, (seed, step, part) = self.tips, self.grid.voxel, when

        def random(rows: Array, attempt: int) -> Array:
            purpose = f"vessel escape {attempt}"
            return unit_vectors(
                table["number"][rows], seed=seed, step=step, purpose=purpose, substep=part
            )

        way, table["direction"][:] = steering.advance(
            self.positions(), table["direction"], speed * dt, around, random
        )
        # an edge is straight: where a corner is between, it ends before
        start, reach = self.graph.nodes["position"][table["node"]] / h, table["offset"] + way
        corner = barred(start, reach / h, around.blocked, self.grid, ends=True)
        far = ~corner & ((reach * reach).sum(axis=1) >= h * h)
        table["offset"][far], way[far] = reach[far], 0.0
        self.lay(np.concatenate([np.flatnonzero(corner), np.flatnonzero(far)]), time)
        table["offset"][:] += way
        table["idle"][:] += dt
        stuck = table["idle"] >= _GIVES_UP
        if stuck.any():
            self.lay(np.flatnonzero(stuck), time)
            table.keep(~stuck)

    def _join(self, time: float) -> None:
        """Let tips join vessels and each other."""
        table, graph = self.tips, self.graph
        voxel = graph.voxel_of(self.positions())
        pairs = anastomosis.meetings(graph, table, voxel)
        done = np.zeros(table.n, bool)
        done[[row for pair in pairs for row in pair]] = True
        self.lay(np.flatnonzero(done), time)
        joints = [(int(table["node"][a]), int(table["node"][b])) for a, b in pairs]
        found = anastomosis.encounters(graph, table, voxel, ~done)
        met = np.array([row for row, _ in found], np.int64)
        self.lay(met, time)
        joints += [(int(table["node"][row]), node) for row, node in found]
        joints = [(a, b) for a, b in joints if a != b]
        if joints:
            start, end = np.array(joints).T
            position = graph.nodes["position"]
            way = graph.between(position[start], position[end])
            graph.add_edges(start, end, way, radius=float(self.rules.radius), time=time)
            self.joined = True
        done[met] = True
        if done.any():
            table.keep(~done)

    def _come_home(self, time: float, seed: int) -> None:
        """Let tips that leave through a face of the host join the vessels there.

        A tip leaves if it is in the last voxel before the face and goes towards it. Its end is a
        root from then on, but no site: none sprouts there that was not drawn at the start.
        """
        table, graph, (voxels, shares) = self.tips, self.graph, self.home
        if not (table.n and voxels.size):
            return
        voxel = graph.voxel_of(self.positions())
        place = np.minimum(np.searchsorted(voxels, voxel), voxels.size - 1)
        there = voxels[place] == voxel
        rows = np.flatnonzero(there & (table["laid"] >= anastomosis.OWN_NODES))
        leaves = (self._inward(voxel[rows]) * table["direction"][rows]).sum(axis=1) < 0
        rows = rows[leaves]
        # a tip finds one or not, for life
        key = counter.keys(seed=seed, step=0, purpose="vessel home")
        rows = rows[counter.uniform(table["number"][rows], key) < shares[place[rows]]]
        if not rows.size:
            return
        self.lay(rows, time)
        ends, gone = table["node"][rows], np.zeros(table.n, bool)
        graph.nodes["root"][ends], graph.nodes["site"][ends] = True, False
        gone[rows] = self.joined = True
        table.keep(~gone)
