"""Families that are distances to a skeleton: symmetry, theory, pores, pieces, randomness."""

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from scipy.spatial import cKDTree

from scaffoldsim.scaffold.families.base import get_family, option_problems
from scaffoldsim.scaffold.families.fibres import Fibres
from scaffoldsim.scaffold.families.foam import VoronoiFoam, relaxed, voronoi_edges
from scaffoldsim.scaffold.families.logpile import LogPile, crossing
from scaffoldsim.scaffold.families.packing import OpalBCC, OpalFCC, SaltLeached
from scaffoldsim.scaffold.families.skeleton import SkeletonFamily, kept_skeleton
from scaffoldsim.scaffold.families.struts import Cubic
from scaffoldsim.scaffold.morphometry import mean_thickness
from scaffoldsim.scaffold.networks import find_networks

STRUTS = ["cubic", "bcc", "fcc", "octet", "diamond_strut", "kelvin", "rhombic_dodecahedron"]
CUBIC_SYMMETRY = [*STRUTS, "opal_fcc", "opal_bcc"]
ALL = [*CUBIC_SYMMETRY, "logpile", "salt_leached", "voronoi_foam", "fibres"]

# pore / L, wall / pore at 90 %, as another program measured them; and voxels a cell here
PROPORTIONS = {
    "cubic": (1.126, 0.197, 60),
    "bcc": (0.630, 0.226, 60),
    "octet": (0.533, 0.169, 64),
    "kelvin": (0.876, 0.154, 60),
    "rhombic_dodecahedron": (0.649, 0.158, 64),
    "opal_fcc": (0.762, 0.192, 60),
    "opal_bcc": (0.968, 0.104, 60),
    "voronoi_foam": (0.338, 0.165, 72),
    "fibres": (0.157, 0.213, 100),
}
SPREAD = {"fibres": 0.10}  # between seeds; others within .04


@lru_cache(maxsize=64)
def unit_cell(family: SkeletonFamily, n):
    """φ on about n voxels of equal edge per unit of length."""
    shape = [round(n * edge) for edge in family.cell]
    axes = [(np.arange(m) + 0.37) / m * edge for m, edge in zip(shape, family.cell, strict=True)]
    u, v, w = np.meshgrid(*axes, indexing="ij", sparse=True)
    return family.field(u, v, w)


def level(family, porosity, n):
    return float(np.quantile(unit_cell(family, n), 1 - porosity))


def random_positions(count=400, seed=1):
    return np.random.default_rng(seed).uniform(-1, 2, (3, count))


@pytest.mark.parametrize("name", CUBIC_SYMMETRY)
def test_lattices_have_the_symmetries_of_the_cube(name):
    field = get_family(name).field
    u, v, w = random_positions()
    there = field(u, v, w)
    assert field(v, u, w) == pytest.approx(there, abs=1e-6)
    assert field(w, u, v) == pytest.approx(there, abs=1e-6)
    if name == "diamond_strut":  # it is turned upon itself by half a turn only
        assert field(-u, -v, w) == pytest.approx(there, abs=1e-6)
    else:
        assert field(-u, v, w) == pytest.approx(there, abs=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_field_has_the_period_of_the_cell(name):
    family = get_family(name)
    u, v, w = random_positions()
    a, b, c = family.cell
    there = family.field(u, v, w)
    assert family.field(u + a, v, w) == pytest.approx(there, abs=1e-6)
    assert family.field(u, v - b, w + 2 * c) == pytest.approx(there, abs=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_gradient_is_that_of_central_differences(name):
    family = get_family(name)
    u, v, w = random_positions(300)
    exact = np.array(family.gradient(u, v, w))
    rough = np.array(super(SkeletonFamily, family).gradient(u, v, w))
    assert np.sqrt((exact**2).sum(axis=0)) == pytest.approx(1, abs=1e-6)
    # Where two struts are equally far, the field has a crease.
    assert (np.abs(exact - rough).max(axis=0) < 0.01).mean() > 0.9


@pytest.mark.parametrize("name", PROPORTIONS)
def test_pores_and_walls_at_ninety_percent(name):
    pore_size, wall_to_pore, n = PROPORTIONS[name]
    family = get_family(name)
    t = level(family, 0.9, n)
    solid = unit_cell(family, n) < t
    pore = mean_thickness(~solid, voxel=1 / n, periodic=True)
    wall = family.wall(t) or mean_thickness(solid, voxel=1 / n, periodic=True)
    assert pore == pytest.approx(pore_size, rel=SPREAD.get(name, 0.04))
    assert wall / pore == pytest.approx(wall_to_pore, rel=0.08)  # a voxel of the wall


@pytest.mark.parametrize("porosity", [0.90, 0.95])
@pytest.mark.parametrize("name", [name for name in ALL if name not in ("opal_fcc", "salt_leached")])
def test_solid_is_in_one_piece(name, porosity):
    family = get_family(name).fitted(porosity)
    n = 80 if name == "fibres" else 64
    if name == "logpile":
        n = math.ceil(6 / family.cell[2])
    solid = unit_cell(family, n) < level(family, porosity, n)
    sizes = find_networks(np.tile(solid, (2, 2, 2)), periodic=True).sizes()[1:]
    assert sizes.max() / sizes.sum() > 0.99


def test_walls_between_grains_break_up_at_high_porosity():
    for name, whole in (("opal_fcc", 0.92), ("salt_leached", 0.90)):
        family = get_family(name)
        shares = []
        for porosity in (whole, 0.95):
            solid = unit_cell(family, 112) < level(family, porosity, 112)
            sizes = find_networks(np.tile(solid, (2, 2, 2)), periodic=True).sizes()[1:]
            shares.append(sizes.max() / sizes.sum())
        assert shares[0] > 0.98
        assert shares[1] < 0.9


def share_below(family, t, count=300_000):
    """Share of φ < t at random positions, and four standard errors."""
    share = (family.field(*np.random.default_rng(6).random((3, count))) < t).mean()
    return share, 4 * math.sqrt(share * (1 - share) / count)


@pytest.mark.parametrize("t", [0.05, 0.11, 0.2])
def test_share_of_cubic_struts_is_that_of_three_cylinders_that_cross(t):
    share, tolerance = share_below(Cubic(), t)
    exact = 3 * math.pi * t**2 - 8 * math.sqrt(2) * t**3
    assert share == pytest.approx(exact, abs=tolerance)


@pytest.mark.parametrize(
    ("opal", "touching", "packed"),
    [(OpalFCC(), math.sqrt(2) / 4, 0.74048), (OpalBCC(), math.sqrt(3) / 4, 0.68017)],
)
def test_grains_that_just_touch_fill_what_close_packing_fills(opal, touching, packed):
    share, tolerance = share_below(opal, -touching)
    assert 1 - share == pytest.approx(packed, abs=tolerance)


def test_crossing_is_the_common_volume_of_two_cylinders():
    points = np.random.default_rng(0).uniform(-1, 1, (400_000, 3))
    x, y, z = points.T
    both = ((x**2 + z**2 < 1) & (y**2 + (z - 0.7) ** 2 < 1)).mean()
    sigma = 8 * math.sqrt(both * (1 - both) / x.size)
    assert crossing(0.7) == pytest.approx(8 * both, abs=4 * sigma)


@pytest.mark.parametrize("pattern", ["0/90", "0/60/120"])
@pytest.mark.parametrize(("porosity", "overlap"), [(0.6, 0.1), (0.9, 0.02), (0.9, 0.4)])
def test_log_pile_has_the_porosity_it_is_fitted_to(pattern, porosity, overlap):
    pile = LogPile(pattern, overlap).fitted(porosity)
    n = math.ceil(48 / pile.cell[2])
    thick = level(pile, porosity, min(n, 150)) * 2
    assert thick == pytest.approx(pile.diameter, rel=0.02)
    height = pile.cell[2] / (2 if pattern == "0/90" else 3)
    assert height == pytest.approx(pile.diameter * (1 - overlap))


def test_log_pile_layers_lie_at_their_angles_a_spacing_apart():
    pile = LogPile("0/60/120").fitted(0.9)
    height = pile.cell[2] / 3
    along = np.linspace(-3, 3, 41)
    for layer, angle in enumerate(np.radians([0, 60, 120])):
        z = np.full(along.size, (layer + 0.5) * height)
        through = 0.5 if layer == 0 else 0.0 if layer == 1 else 2.0
        for spacing in (0, 1, 5):
            x = along * np.cos(angle) - spacing * np.sin(angle)
            y = through + along * np.sin(angle) + spacing * np.cos(angle)
            assert pile.field(x, y, z) == pytest.approx(0, abs=1e-6)
        x, y = x + 0.5 * np.sin(angle), y - 0.5 * np.cos(angle)
        assert (pile.field(x, y, z) > 0).all()


def test_log_pile_too_dense_for_its_spacing_is_refused():
    with pytest.raises(ValueError, match=r"filaments touch side by side at 0\.\d+"):
        LogPile().fitted(0.05)


def test_a_log_pile_that_nobody_fitted_is_one_of_ninety_percent():
    u, v, w = random_positions()
    assert LogPile().cell == LogPile().fitted(0.9).cell
    assert (LogPile().field(u, v, w) == LogPile().fitted(0.9).field(u, v, w)).all()


@pytest.mark.parametrize("spread", [0.0, 0.2])
def test_salt_grains_are_packed_and_as_uneven_as_asked(spread):
    centres, radii = SaltLeached(seed=3, grains=300, spread=spread).grains_at()
    assert radii.std() / radii.mean() == pytest.approx(
        spread, abs=4 * spread / math.sqrt(300) + 1e-9
    )
    assert (4 / 3 * math.pi * radii**3).sum() == pytest.approx(0.60)
    apart = centres[:, None] - centres
    apart -= np.round(apart)
    gap = np.sqrt((apart**2).sum(axis=-1)) - radii[:, None] - radii
    np.fill_diagonal(gap, 1)
    assert gap.min() > -0.01 * 2 * radii.mean()


@pytest.mark.parametrize("name", ["salt_leached", "voronoi_foam", "fibres"])
def test_a_seed_is_a_sample(name):
    family = get_family(name)
    u, v, w = random_positions()
    first = family.field(u, v, w)
    kept_skeleton.cache_clear()
    assert (family.field(u, v, w) == first).all()
    assert not np.allclose(replace(family, seed=1).field(u, v, w), first)
    assert family.random


def test_foam_edges_are_as_far_from_three_cells_and_end_at_four():
    points = np.random.default_rng(2).random((20, 3))
    edges = voronoi_edges(points.copy())
    tree = cKDTree(points, boxsize=1.0)
    ends, _ = tree.query(edges.reshape(-1, 3) % 1, 5)
    assert ends[:, 3] == pytest.approx(ends[:, 0], abs=1e-9)
    middle, _ = tree.query(edges.mean(axis=1) % 1, 4)
    assert middle[:, 2] == pytest.approx(middle[:, 0], abs=1e-9)
    # No edge is missing: four meet at each corner.
    apart = cKDTree(edges.reshape(-1, 3) % 1, boxsize=1.0).query_pairs(1e-9)
    degree = np.bincount(np.array(sorted(apart)).ravel(), minlength=len(ends)) + 1
    assert (degree >= 4).all()


def test_lloyd_steps_make_cells_alike():
    samples = np.random.default_rng(0).random((20_000, 3))

    def unevenness(steps):
        points = relaxed(np.random.default_rng(4).random((27, 3)), steps)
        owner = cKDTree(points, boxsize=1.0).query(samples)[1]
        return np.bincount(owner, minlength=27).std() / samples.shape[0] * 27

    assert unevenness(0) > 0.2
    assert unevenness(15) < 0.12


def test_foam_is_stretched_along_z_but_its_struts_are_not():
    foam, long = VoronoiFoam(), VoronoiFoam(elongation=2.0)
    assert long.cell == (1, 1, 2)
    edges = foam.edges()
    assert (long.edges() == edges * (1, 1, 2)).all()
    u, v, w = edges.mean(axis=1).T
    assert long.field(u, v, 2 * w) == pytest.approx(0, abs=1e-6)
    assert long.wall(0.1) == foam.wall(0.1) == 0.2


def test_fibres_are_endless_lines_mostly_in_the_plane():
    lines = Fibres(count=200, seed=2).lines()
    vectors = lines[:, 1] - lines[:, 0]
    assert np.rint(vectors) == pytest.approx(vectors)
    assert {math.gcd(*np.rint(vector).astype(int)) for vector in vectors} == {1}
    flat = np.sqrt((vectors[:, :2] ** 2).sum(axis=1))
    assert np.median(np.degrees(np.arctan2(np.abs(vectors[:, 2]), flat))) < 20
    level_lines = Fibres(tilt=0.0).lines()
    assert (level_lines[:, 0, 2] == level_lines[:, 1, 2]).all()


@pytest.mark.parametrize(
    ("name", "options", "key"),
    [
        ("logpile", {"pattern": "0/45"}, "pattern"),
        ("logpile", {"overlap": 0.6}, "overlap"),
        ("salt_leached", {"grains": 5}, "grains"),
        ("voronoi_foam", {"elongation": 3}, "elongation"),
        ("voronoi_foam", {"cells": "many"}, "cells"),
        ("fibres", {"tilt": -0.1}, "tilt"),
        ("cubic", {"seed": 1}, "seed"),
    ],
)
def test_an_option_out_of_range_is_named(name, options, key):
    assert [where for where, _ in option_problems(name, options)] == [key]
