"""Flow in a network of tubes, and what it carries.

A graph has nodes and edges (tubes) of conductance g in m3/s/Pa. Where the pressure p is held, fluid
enters or leaves; at every other node what flows in flows out,

    sum over edges of g (p_j - p_i) = 0,    flow of an edge = g (p_tail - p_head).

An edge carries flow only on a path between two held nodes, so `solve` first drops all others
(`graph.on_a_path`), then makes one edge of every row of edges in series; conjugate gradients
preconditioned by the diagonal do the rest, for each piece of the network by itself. Everything
runs on one thread in one order, so the bits depend on the arguments alone.

Source: Hestenes & Stiefel, J Res Natl Bur Stand 49:409 (1952), conjugate gradients; recalled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaffoldsim.solver import _network
from scaffoldsim.solver.graph import Walk, adjacency, nodes_of, walk_from
from scaffoldsim.solver.inputs import positive

__all__ = ["Carried", "Flow", "StalledError", "carried", "poiseuille", "solve"]

Array = NDArray[Any]

#: share of the total that a node may keep
TOLERANCE = 1e-10
#: share of the total that may appear at a node without inlet: residuals of `solve`, no supply
UNFED = 1e-8
#: conductances between which series and sums stay far from the ends of the range of a double
LEAST, MOST = 1e-200, 1e200


class StalledError(RuntimeError):
    """Rounding keeps the flows from being conserved; says by how much and what to change."""


@dataclass(frozen=True)
class Flow:
    """A solved network.

    Attributes
    ----------
    pressure : (n,) float64, Pa; NaN in pieces without a held node
    flow : (m,) float64, m3/s, positive from the first node of an edge to its second
    on_path : (m,) bool, on a path between two held nodes; elsewhere the flow is 0
    total : what all held nodes feed into the network, m3/s
    residual : largest share of what its piece is fed that a free node keeps
    iterations : conjugate-gradient iterations spent
    """

    pressure: NDArray[np.float64]
    flow: NDArray[np.float64]
    on_path: NDArray[np.bool_]
    total: float
    residual: float
    iterations: int


@dataclass(frozen=True)
class Carried:
    """A solute in a network.

    Attributes
    ----------
    node : (n,) float64, mol/m3, mixed; NaN where nothing flows
    mean : (m,) float64, mol/m3, mean along an edge; that of outside where nothing flows
    released : (m,) float64, mol/s, what an edge gives to outside (takes up, if negative)
    """

    node: NDArray[np.float64]
    mean: NDArray[np.float64]
    released: NDArray[np.float64]


def poiseuille(
    radius: ArrayLike, length: ArrayLike, *, viscosity: ArrayLike
) -> NDArray[np.float64]:
    """Conductance of round tubes, g = pi r^4 / (8 mu L), m3/s/Pa.

    Parameters
    ----------
    radius, length : r and L, m, > 0
    viscosity : mu, Pa s, > 0; arrays of all three are broadcast

    Raises
    ------
    ValueError
        A value that is not above zero, or not finite.

    Examples
    --------
    >>> print(f"{poiseuille(5e-6, 1e-4, viscosity=3.5e-3):.3g}")
    7.01e-16
    """
    r, length, mu = (
        _every(values, name, unit)
        for values, name, unit in (
            (radius, "radius", "m"),
            (length, "length", "m"),
            (viscosity, "viscosity", "Pa s"),
        )
    )
    return np.asarray(np.pi / 8 * (r * r) * (r * r) / (mu * length))


def solve(
    edges: ArrayLike, conductance: ArrayLike, held: ArrayLike, *, tolerance: float = TOLERANCE
) -> Flow:
    """Pressure at every node and flow in every edge of a network.

    Parameters
    ----------
    edges : (m, 2) int, nodes of each edge; parallel edges and loops are allowed
    conductance : (m,), m3/s/Pa, 0 (closed) or in [1e-200, 1e200]
    held : (n,), Pa, the held pressures; NaN where the pressure is free
    tolerance : largest share of the total that a free node may keep

    Returns
    -------
    Flow
        A node at a dead end has the pressure of where it hangs; one in a piece that holds no
        pressure has NaN, and no flow.

    Raises
    ------
    ValueError
        Inputs of wrong shape, sign or kind.
    StalledError
        Conductances side by side differ so much that rounding breaks the balance of flows.

    Examples
    --------
    Two tubes in series, the second beside a third:

    >>> flow = solve([(0, 1), (1, 2), (1, 2)], [1.0, 0.5, 0.5], held=[3.0, np.nan, 1.0])
    >>> flow.pressure.round(9).tolist(), flow.flow.round(9).tolist()
    ([3.0, 2.0, 1.0], [1.0, 0.5, 0.5])
    """
    tolerance = positive(tolerance, "tolerance", "parts of one")
    pressure = _real(held, "held", "Pa, NaN where the pressure is free", missing=True)
    if pressure.ndim != 1:
        raise ValueError(f"held has shape {pressure.shape}; it must be one value per node.")
    n = len(pressure)
    tail, head = nodes_of(edges, n)
    g = _per_edge(conductance, "conductance", "m3/s/Pa", len(tail))
    wrong = (g != 0) & ~((g >= LEAST) & (g <= MOST))
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"conductance of edge {at} is {g[at]:g}; it must be 0 (closed) or in "
            f"[{LEAST:g}, {MOST:g}] m3/s/Pa."
        )
    is_held = ~np.isnan(pressure)
    walk = walk_from(tail, head, g > 0, np.flatnonzero(is_held).astype(np.int32), n)
    flow, residual, iterations = _flows(tail, head, g, walk, is_held, pressure, tolerance)
    if residual > 10 * tolerance:
        raise StalledError(
            f"network: after {iterations} iterations a node keeps {residual:.2e} of the flow, "
            f"above tolerance {tolerance:g}; conductances side by side differ too much for double "
            "precision. Bring radii and lengths closer together, or loosen the tolerance."
        )
    _network.hang(walk.order, walk.parent, pressure)
    total = _total(np.maximum(_net(tail, head, flow, n)[is_held], 0.0))
    return Flow(pressure, flow, walk.on_path, total, residual, iterations)


def carried(
    edges: ArrayLike,
    flow: ArrayLike,
    inlet: ArrayLike,
    *,
    loss: ArrayLike = 0.0,
    outside: ArrayLike = 0.0,
) -> Carried:
    """A solute carried by a steady flow that loses some of it to outside.

    Along an edge with flow q, dc/ds = -(k / q) (c - c_out) with s from 0 to 1, solved exactly; at
    a node all that flows in mixes. For a tube of radius r and length L with a wall of
    permeability P, k = 2 pi r L P; for a decay of rate b in the fluid, k = b pi r^2 L.

    Parameters
    ----------
    edges : (m, 2) int
    flow : (m,), q, m3/s, as `Flow.flow`
    inlet : (n,), mol/m3, what enters with the fluid that a node feeds into the network; NaN
        where none does; where fluid leaves it does not count
    loss : k, m3/s, >= 0, scalar or per edge
    outside : c_out, mol/m3, >= 0, scalar or per edge

    Raises
    ------
    ValueError
        Inputs of wrong shape, sign or kind; a node that feeds the network and has no inlet; a
        flow that runs in a circle, as no pressure can drive it.

    Examples
    --------
    A tube in which half is lost:

    >>> found = carried([(0, 1)], [2.0], inlet=[8.0, np.nan], loss=2 * np.log(2))
    >>> found.node.round(9).tolist(), found.released.round(9).tolist()
    ([8.0, 4.0], [8.0])
    """
    entering = _real(inlet, "inlet", "mol/m3, >= 0, NaN where nothing enters", missing=True)
    if entering.ndim != 1 or (entering < 0).any():
        raise ValueError(
            f"inlet (shape {entering.shape}) must be one value >= 0 in mol/m3 per node, NaN "
            "where nothing enters."
        )
    n = len(entering)
    tail, head = nodes_of(edges, n)
    m = len(tail)
    q = _per_edge(flow, "flow", "m3/s", m)
    k = _per_edge(loss, "loss", "m3/s, >= 0", m, least=0.0)
    beyond = _per_edge(outside, "outside", "mol/m3, >= 0", m, least=0.0)
    net = _net(tail, head, q, n)
    fed = np.maximum(net, 0.0)
    dry = np.isnan(entering)
    unfed = dry & (fed > UNFED * _total(fed))
    if unfed.any():
        at = int(np.flatnonzero(unfed)[0])
        raise ValueError(
            f"node {at} feeds {net[at]:g} m3/s into the network and has no inlet; give what "
            "enters there in mol/m3, or a flow that is conserved."
        )
    fed[dry] = 0.0
    start, link = adjacency(tail, head, q != 0, n)
    node, mean, released = entering.copy(), beyond.copy(), np.zeros(m)
    scratch = np.empty((2, n), np.int32)
    circling = _network.carry(
        tail, head, start, link, q, fed, k, beyond, node, mean, released, *scratch
    )
    looped = (q != 0) & (tail == head)
    if circling or looped.any():
        raise ValueError(
            f"flow runs in a circle before {max(circling, int(looped.sum()))} of {n} nodes; no "
            "pressure drives such a flow. Take it from `solve`."
        )
    node[start[1:] == start[:-1]] = np.nan
    return Carried(node, mean, released)


# ------------------------------------------------------------------------ flow
def _flows(
    tail: Array, head: Array, g: Array, walk: Walk, is_held: Array, pressure: Array, tol: float
) -> tuple[NDArray[np.float64], float, int]:
    """Flow per edge; `pressure` is filled in wherever something may flow."""
    n, m = len(pressure), len(tail)
    start, link = adjacency(tail, head, walk.on_path, n)
    degree = np.diff(start)
    ends = walk.order[((degree > 2) | (is_held & (degree > 0)))[walk.order]]
    number = np.full(n, -1, np.int32)
    number[ends] = np.arange(len(ends), dtype=np.int32)
    first, last = np.empty((2, m), np.int32)
    series, chain, sense = np.empty(m), np.full(m, -1, np.int32), np.zeros(m, np.int8)
    inside, share = np.full(n, -1, np.int32), np.zeros(n)
    count = _network.chains(
        tail, head, start, link, ends, number, g, first, last, series, chain, sense, inside, share
    )
    first, last, series = first[:count], last[:count], series[:count]
    # Blocks follow each other in the order of discovery, and so do the chains found from them.
    block = walk.block[ends]
    blocks = np.arange(block.max(initial=-1) + 2)
    node_start = np.searchsorted(block, blocks).astype(np.int32)
    chain_start = np.searchsorted(block[first], blocks).astype(np.int32)
    p, q = pressure[ends], np.zeros(count)
    iterations, residual = _network.pressures(
        node_start, chain_start, first, last, series, is_held[ends].view(np.uint8), p, q, tol,
        np.empty((4, len(ends))),
    )  # fmt: skip
    pressure[ends] = p
    inner = np.flatnonzero(inside >= 0)
    which = inside[inner]
    low, high = p[first[which]], p[last[which]]
    pressure[inner] = low + (high - low) * share[inner]
    flow = np.where(chain >= 0, q[chain] * sense, 0.0) if count else np.zeros(m)
    return flow + 0.0, residual, iterations  # + 0.0: no negative zeros


def _net(tail: Array, head: Array, flow: Array, n: int) -> NDArray[np.float64]:
    """What each node feeds into its edges, less what it takes from them; summed edge by edge."""
    return np.asarray(
        np.bincount(tail, flow, minlength=n) - np.bincount(head, flow, minlength=n), np.float64
    )


def _total(values: Array) -> float:
    """Summed one after the other."""
    return float(np.add.accumulate(values)[-1]) if len(values) else 0.0


# ----------------------------------------------------------------------- inputs
def _real(values: Any, name: str, allowed: str, *, missing: bool = False) -> NDArray[np.float64]:
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(np.float64)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} is {values!r}; it must be numbers in {allowed}.")
    array = np.array(array, np.float64, order="C")
    unfit = np.isinf(array) if missing else ~np.isfinite(array)
    if unfit.any():
        at = tuple(int(i) for i in np.argwhere(unfit)[0])
        raise ValueError(f"{name}{list(at) or ''} is {array[at]}; it must be in {allowed}.")
    return array


def _every(values: Any, name: str, unit: str) -> NDArray[np.float64]:
    """Finite numbers above zero."""
    array = _real(values, name, f"{unit}, > 0")
    if not (array > 0).all():
        raise ValueError(f"{name} goes down to {array.min():g}; it must be > 0 in {unit}.")
    return array


def _per_edge(
    values: Any, name: str, allowed: str, m: int, *, least: float | None = None
) -> NDArray[np.float64]:
    array = _real(values, name, allowed)
    if array.ndim == 0:
        array = np.full(m, float(array))
    if array.shape != (m,):
        raise ValueError(f"{name} has shape {array.shape}; there are {m} edges.")
    if least is not None and (array < least).any():
        at = int(np.flatnonzero(array < least)[0])
        raise ValueError(f"{name} of edge {at} is {array[at]:g}; it must be in {allowed}.")
    return array
