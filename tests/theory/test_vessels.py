"""Vessels against closed forms (docs/theory.md): speed, direction, sprouts, branches, depth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from scaffoldsim.model.fields import Supply
from scaffoldsim.model.throats import throats
from scaffoldsim.solver.diffusion import steady_state
from tests.model.plexus import HOUR, NG_ML, RULES, UM, Box, rules

pytestmark = pytest.mark.filterwarnings("ignore:.*more than 2 × crowded")
#: a statistic may be so many of its standard errors off
SIGMA = 4.0
OPEN = {"x": "periodic", "y": "periodic", "z": "periodic"}


def free_tips(n: int, vegf: Any, seed: int = 1, shape: Any = (64, 64, 64), **law: Any) -> Box:
    """`n` tips that go along z, spread over an open box, and neither branch nor join."""
    box = Box(shape, faces=OPEN, law=rules(branching="0 1/h", sprouting="0 1/h", **law), vegf=vegf,
              seed=seed)  # fmt: skip
    where = np.random.default_rng(seed).random((n, 3)) * box.vessels.graph.size
    nodes = box.vessels.graph.add_nodes(where, root=True)
    box.vessels.growth.start(nodes, np.broadcast_to([0.0, 0.0, 1.0], (n, 3)), 0.0)
    return box


def mean_cosine(kept: float, noise: float) -> float:
    """Mean cosine between a and the direction of a + w u, u even on the sphere, |a| = kept."""
    ratio = noise / kept
    return 1 - ratio**2 / 3 if ratio <= 1 else 2 / (3 * ratio)


@pytest.mark.parametrize(("vegf", "um_per_h"), [(0.0, 6.2), (1.0, 9.1), (1e6, 12.0)])
def test_speed_of_a_tip(vegf: float, um_per_h: float) -> None:
    """Exactly v0 + (v1 - v0) V / (1 + V), straight for an hour; times its factor."""
    for factor in (1.0, 1.4):
        box = free_tips(50, vegf * NG_ML, shape=(10, 10, 10))
        before = box.vessels.tip_positions()
        box.run(1, growth=factor)
        way = box.vessels.graph.between(before, box.vessels.tip_positions())
        length = np.sqrt((way**2).sum(1))
        np.testing.assert_allclose(length, factor * um_per_h * UM, rtol=1e-5)


@pytest.mark.parametrize(("persistence", "noise"), [(0.5, 0.5), (0.8, 0.4), (0.3, 0.9)])
def test_direction_is_kept_as_noise_allows(persistence: float, noise: float) -> None:
    """Mean cosine c^m after m hours, c = 1 - w²/3p² or 2p/3w; nothing drifts sideways."""
    n = 3000
    box = free_tips(n, NG_ML, persistence=persistence, wandering=noise, slow="0.1 um/h",
                    fast="0.1 um/h")  # fmt: skip
    once = mean_cosine(persistence, noise)
    for hours in range(1, 5):
        box.run(1)
        cosine = box.vessels.tips["direction"][:, 2]
        assert len(cosine) == n
        error = cosine.std() / math.sqrt(n)
        assert abs(cosine.mean() - once**hours) < SIGMA * error
    sideways = box.vessels.tips["direction"][:, :2]
    assert (np.abs(sideways.mean(0)) < SIGMA * sideways.std(0) / math.sqrt(n)).all()


def test_mean_square_displacement() -> None:
    """Of a persistent walk of steps v with mean cosine c: v² (N + 2 sum of (N - m) c^m)."""
    n, hours, step, c = 1500, 12, 9.1 * UM, mean_cosine(0.5, 0.5)
    box = free_tips(n, NG_ML, shape=(200, 200, 20))
    way, last = np.zeros((n, 3)), box.vessels.tip_positions()
    alone = np.arange(n)  # some join; they are left out
    for _ in range(hours):
        box.run(1)
        still = np.isin(alone, box.vessels.tips["number"])
        alone, way, last = alone[still], way[still], last[still]
        now = box.vessels.tip_positions()
        way, last = way + box.vessels.graph.between(last, now), now
    assert len(alone) > 0.95 * n
    squared = (way**2).sum(1)
    # the first turn is before the first step
    expected = step**2 * (hours + 2 * sum((hours - m) * c**m for m in range(1, hours)))
    error = squared.std() / math.sqrt(len(alone))
    assert abs(squared.mean() - expected) < SIGMA * error


def test_a_gradient_draws_tips() -> None:
    """Along z: a = p + q r/(1 + r), r = l |grad V| / (V + Vv); the mean cosine is that of a."""
    n = 3000
    slope = 1 * NG_ML / (100 * UM)
    vegf = (2 * NG_ML + slope * (np.arange(12) + 0.5) * 20 * UM)[None, None]
    box = free_tips(n, vegf, shape=(60, 60, 12))
    nodes = box.vessels.graph.nodes
    nodes["position"][:, 2] = 5.5 * 20 * UM  # all in one plane, in the middle
    before = box.vessels.graph.voxel_of(box.vessels.tip_positions())
    level = box.vegf.ravel()[before].astype(float)
    box.run(1)
    relative = 100 * UM * slope / (level[0] + NG_ML)
    along = 0.5 + 0.5 * relative / (1 + relative)
    cosine = box.vessels.tips["direction"][:, 2]
    error = cosine.std() / math.sqrt(n)
    assert abs(cosine.mean() - mean_cosine(along, 0.5)) < SIGMA * error
    assert along > 0.55


@pytest.mark.parametrize(("vegf", "hill"), [(0.25, 1 / 17), (0.5, 0.5), (5.0, 1e4 / (1e4 + 1))])
@pytest.mark.parametrize("hours", [1, 6])
def test_rate_of_sprouting(vegf: float, hill: float, hours: int) -> None:
    """P = 1 - exp(-k dt V⁴/(V⁴ + .5⁴)) of sites out of each other's reach."""
    box = Box((150, 150, 3), law=rules(spacing="1 um", sprouting="0.05 1/h"), vegf=vegf * NG_ML,
              root_density=2e8)  # fmt: skip
    n, p = box.vessels.n_roots, 1 - math.exp(-0.05 * hours * hill)
    box.run(1, dt=hours * HOUR)
    sprouted = np.count_nonzero(box.vessels.graph.nodes["ready"] > 0)
    assert n > 1500
    assert abs(sprouted - n * p) < SIGMA * math.sqrt(n * p * (1 - p))


def test_rate_of_branching() -> None:
    n, p = 4000, 1 - math.exp(-0.06)
    box = free_tips(n, NG_ML)
    box.vessels.growth.rules = RULES.model_copy(update={"sprouting": 0.0})
    box.run(1, dt=6 * HOUR)
    born = box.vessels.growth.following - n
    assert abs(born - n * p) < SIGMA * math.sqrt(n * p * (1 - p))


@pytest.mark.parametrize("share", [0.0, 0.25, 0.9, 1.2])
def test_sprouting_and_branching_end_where_vessels_are_crowded(share: float) -> None:
    """Both rates times 1 - rho/crowded, rho in three blocks of 100 um across."""
    law = rules(spacing="1 um", sprouting="0.05 1/h", branching="0.06 1/h", crowded="80 mm/mm^3")
    box = Box((125, 125, 15), law=law, vegf=5 * NG_ML, root_density=4e8)
    graph, n = box.vessels.graph, box.vessels.n_roots
    ids = np.arange(box.grid.n_voxels)
    graph.crowding.add(ids, np.full(len(ids), share * 80e6 * box.grid.voxel_volume), 1)
    np.testing.assert_allclose(graph.crowding.around(ids), share * 80e6, rtol=1e-3)
    box.run(1, dt=6 * HOUR)
    p = 1 - math.exp(-0.05 * 6 * max(0.0, 1 - share) * 1e4 / (1e4 + 1))
    sprouted = np.count_nonzero(graph.nodes["ready"] > 0)
    assert abs(sprouted - n * p) <= SIGMA * math.sqrt(n * p * (1 - p))
    box = free_tips(3000, NG_ML)
    box.vessels.growth.rules = law.model_copy(update={"sprouting": 0.0})
    ids = np.arange(box.grid.n_voxels)
    volume = box.grid.voxel_volume
    box.vessels.graph.crowding.add(ids, np.full(len(ids), share * 80e6 * volume), 1)
    box.vessels.growth.branch(6 * HOUR, 0.0, 1, 0)
    born, p = box.vessels.growth.following - 3000, 1 - math.exp(-0.36 * max(0.0, 1 - share))
    assert abs(born - 3000 * p) <= SIGMA * math.sqrt(3000 * p * (1 - p))


def test_density_stays_near_crowded() -> None:
    """In VEGF that never falls length levels off (before: twice as much every four days)."""
    box = Box((40, 40, 40), vegf=1.3 * NG_ML, faces={**OPEN, "z": "host"})
    early = box.run(240, dt=6 * HOUR).vessels.density
    late = box.run(80, dt=6 * HOUR).vessels.density
    print(f"mm of vessel per mm³ after 60 and 80 d: {early / 1e6:.3g}, {late / 1e6:.3g}")
    assert 0.75 * 60e6 < early < 2 * 60e6
    assert late < 1.15 * early


def test_sites_are_one_per_spacing() -> None:
    box = free_tips(200, NG_ML)
    box.run(60)
    graph = box.vessels.graph
    laid = graph.edges["length"].sum()
    sites = np.count_nonzero(graph.nodes["site"])
    # what each tip has behind it since its last site does not count yet: half a spacing
    assert sites == pytest.approx(laid / (60 * UM) - 200 / 2, rel=0.03)


@pytest.mark.parametrize("radius", [8, 15, 25])
def test_oxygen_around_one_vessel(radius: int) -> None:
    """Krogh and Erlang: c0 - M/2D [R² ln(r/r0) - (r² - r0²)/2], r0 = 0.1985 of the voxel.

    A column of voxels that is held is a sink of radius h e^{-gamma}/sqrt(8) to what is around it:
    the potential of a point of a square lattice is (ln(r/h) + gamma + 3/2 ln 2)/2 pi (Peaceman).
    """
    n, h = 2 * radius + 3, 20 * UM
    x, y = (np.indices((n, n)) - n // 2) * h
    off = np.sqrt(x**2 + y**2)
    pore = np.repeat((off <= radius * h)[:, :, None], 4, 2)
    box = Box(pore.shape, law=rules(sprouting="0 1/h"), faces={"z": "host"}, blocked=~pore,
              root_density=0.0)  # fmt: skip
    middle = n // 2 + 0.5
    nodes = box.chain(*[(middle, middle, z) for z in (0.5, 1.5, 2.5, 3.5)])
    box.root(nodes[0], nodes[-1])
    box.run(9, dt=6 * HOUR)
    assert np.count_nonzero(box.vessels.perfused) == 4
    level, diffusivity = 0.052, 2e-9
    # so much uptake that a quarter of the oxygen is left at the edge
    r0, area = math.exp(-np.euler_gamma) / math.sqrt(8) * h, np.count_nonzero(pore[:, :, 0]) * h * h
    edge = math.sqrt(area / math.pi)

    def lost(r: Any) -> Any:
        return (edge**2 * np.log(r / r0) - (r * r - r0 * r0) / 2) / (2 * diffusivity)

    uptake = 0.75 * level / lost(edge)
    held = Supply.perfused(box.vessels.perfused, level).held
    found = steady_state(
        pore, voxel=h, diffusivity=diffusivity, boundary={}, fixed=held, consumption=uptake,
        half_saturation=1e-6, tolerance=1e-8,
    ).value[:, :, 2]  # fmt: skip
    inside = (off > 0) & (off <= radius * h)
    error = np.abs(found[inside] - (level - uptake * lost(off[inside])))
    print(f"R = {radius} voxels: {100 * error.max() / level:.2f} % of the blood's oxygen")
    assert error.max() < 0.02 * level


def depth(cell: int, radius: float, seed: int, hours: int = 200) -> float:
    """How deep vessels come in pores that are spheres on a cubic lattice, in voxels, m."""
    shape = (cell * (30 // cell), cell * (30 // cell), 60)
    # the face to the host cuts spheres in the middle
    x, y, z = np.indices(shape) + 0.5
    off = [i % cell - cell / 2 for i in (x, y, z + cell // 2)]
    solid = sum(x * x for x in off) > radius**2
    narrow = throats(~solid, 20 * UM, float(RULES.narrowest), (True, True, False))
    box = Box(shape, vegf=5 * NG_ML, blocked=solid | narrow, seed=seed, root_density=1e8)
    assert box.vessels.n_roots > 2
    assert not (box.run(hours).vessels.flag & (solid | narrow)).any()
    return box.vessels.depth


def test_vessels_come_deeper_in_wide_pores() -> None:
    """Round pores of 600 and 100 um, with windows of 216 um and of a voxel, a fifth of the pore."""
    wide, small = ([depth(*pore, seed) for seed in (1, 2)] for pore in ((28, 15.0), (5, 2.2)))
    print("deepest vessel, um, in wide and in small pores:", wide, small)
    assert min(wide) > max(small) + 100 * UM
