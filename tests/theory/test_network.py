"""Checks V1 and V2 of docs/theory.md: networks of tubes with an exact answer."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from scaffoldsim.solver.network import carried, poiseuille, solve

NAN = np.nan
EXACT = 1e-9  # relative; the solve leaves 1e-10 of the flow at a node


def resistance(edges, conductance, ends=(0, 1)):
    """Between two nodes, and the solved network at a drop of one."""
    held = np.full(np.max(edges) + 1, NAN)
    held[list(ends)] = 1.0, 0.0
    found = solve(edges, conductance, held)
    return 1 / found.total, found


def test_v1_poiseuille():
    """Blood of 3.5 mPa s in a capillary of 5 um: 1 mmHg over 100 um drives 9.35e-14 m3/s."""
    assert poiseuille(5e-6, 1e-4, viscosity=3.5e-3) * 133.322 == pytest.approx(9.350e-14, rel=1e-3)
    thin, thick = poiseuille([4e-6, 8e-6], 1e-4, viscosity=3.5e-3)
    assert thick == pytest.approx(16 * thin, rel=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_v1_series_and_parallel(seed):
    g = np.random.default_rng(seed).uniform(1, 50, 20)
    row = [(0, 2), *[(i, i + 1) for i in range(2, 20)], (20, 1)]

    assert resistance(row, g)[0] == pytest.approx((1 / g).sum(), rel=1e-13)
    assert resistance([(0, 1)] * 20, g)[0] == pytest.approx(1 / g.sum(), rel=1e-13)


def test_v1_wheatstone_bridge():
    """Resistances 1 and 2, 2 and 1, bridge 1: 7/5, and 1/7 of the drop across the bridge."""
    edges = [(0, 2), (0, 3), (2, 1), (3, 1), (2, 3)]
    total, found = resistance(edges, 1 / np.array([1, 2, 2, 1, 1]))
    assert total == pytest.approx(7 / 5, rel=EXACT)
    assert found.pressure[2] - found.pressure[3] == pytest.approx(1 / 7, rel=EXACT)


def test_v1_balanced_bridge_is_still():
    edges = [(0, 2), (0, 3), (2, 1), (3, 1), (2, 3)]
    total, found = resistance(edges, [1, 2, 3, 6, 100])
    assert total == pytest.approx(4 / 9, rel=EXACT)
    assert abs(found.flow[4]) <= EXACT * found.total


def test_v1_cube():
    """Twelve equal tubes: 5/6 along a diagonal of space, 3/4 of a face, 7/12 of an edge."""
    cube = [(a, a | bit) for a in range(8) for bit in (1, 2, 4) if not a & bit]
    for end, expected in ((7, 5 / 6), (3, 3 / 4), (1, 7 / 12)):
        assert resistance(cube, 1.0, (0, end))[0] == pytest.approx(expected, rel=EXACT)


@pytest.mark.parametrize("rungs", [1, 2, 5, 30, 300])
def test_v1_ladder(rungs):
    """A continued fraction, R <- 1 + R / (1 + R) with unit rails and rungs; tends to the golden."""
    expected = Fraction(2)
    for _ in range(rungs - 1):
        expected = 1 + expected / (1 + expected)
    rail = [0, *range(2, rungs + 2)]
    edges = [*pairwise(rail), *((node, 1) for node in rail[1:])]
    total, found = resistance(edges, 1.0)
    assert total == pytest.approx(float(expected), rel=EXACT)
    if rungs >= 30:
        assert total == pytest.approx((1 + 5**0.5) / 2, rel=EXACT)
    assert np.isfinite(found.pressure).all()


def test_v1_grid_follows_kirchhoff():
    """Power in is power lost, and drops add to nothing round every square of a grid."""
    rng = np.random.default_rng(4)
    n = 40
    number = np.arange(n * n).reshape(n, n)
    edges = np.concatenate(
        [
            np.stack([number[:-1].ravel(), number[1:].ravel()], 1),
            np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], 1),
        ]
    )
    radius = rng.uniform(4e-6, 12e-6, len(edges))
    g = poiseuille(radius, 6e-5, viscosity=3.5e-3)
    held = np.full(n * n, NAN)
    held[number[0, ::5]], held[number[-1, ::5]] = 4000.0, 2000.0
    found = solve(edges, g, held)
    net = np.bincount(edges[:, 0], found.flow, n * n) - np.bincount(edges[:, 1], found.flow, n * n)

    assert np.abs(net[np.isnan(held)]).max() <= 1e-9 * found.total
    assert (found.flow**2 / g).sum() == pytest.approx(2000 * found.total, rel=1e-8)
    drop = found.flow / g
    down, right = drop[: n * (n - 1)].reshape(n - 1, n), drop[n * (n - 1) :].reshape(n, n - 1)
    around = down[:, :-1] + right[1:] - down[:, 1:] - right[:-1]
    assert np.abs(around).max() <= 1e-9 * 2000


def test_v2_a_row_of_tubes_is_one():
    """c = c_out + (c_in - c_out) e^(-k/q), however it is cut."""
    k = np.random.default_rng(5).exponential(0.1, 50)
    row = np.arange(51)
    inlet = np.where(row == 0, 0.13, NAN)
    edges = np.stack([row[:-1], row[1:]], 1)
    found = carried(edges, np.full(50, 2.0), inlet, loss=k, outside=0.03)
    expected = 0.03 + 0.1 * np.exp(-np.append(0, np.cumsum(k)) / 2.0)
    np.testing.assert_allclose(found.node, expected, rtol=1e-13)
    np.testing.assert_allclose(found.released, -2.0 * np.diff(expected), atol=1e-15)


def test_v2_streams_mix_by_flow():
    edges = [(0, 2), (1, 2), (2, 3), (2, 4)]
    found = carried(edges, [3.0, 1.0, 2.5, 1.5], [1.0, 9.0, NAN, NAN, NAN])
    np.testing.assert_allclose(found.node[2:], 3.0, rtol=1e-15)


def test_v2_wall_of_a_capillary():
    """Permeability of the wall: PS / q = 2 pi r L P / q (Renkin-Crone); half a mm of capillary."""
    r, length, wall = 5e-6, 5e-4, 1e-5
    q = float(solve([(0, 1)], poiseuille(r, length, viscosity=3.5e-3), [400.0, 0.0]).flow[0])
    found = carried([(0, 1)], [q], [1.0, NAN], loss=2 * np.pi * r * length * wall)
    extraction = 1 - np.exp(-2 * np.pi * r * length * wall / q)
    assert found.released[0] / q == pytest.approx(extraction, rel=1e-12)
    # plug flow seen step by step: dc/dx = -2 pi r P c / q
    c, steps = 1.0, 20_000
    for _ in range(steps):
        c -= c * 2 * np.pi * r * wall / q * length / steps
    assert found.node[1] == pytest.approx(c, rel=1e-3)
