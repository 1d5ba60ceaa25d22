"""Diffusion through pores, permeability and what probes reach: against theory and brute force."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from scaffoldsim.scaffold.networks import find_networks
from scaffoldsim.scaffold.thickness import mean_thickness, squared_distance
from scaffoldsim.scaffold.transport import (
    accessible_fraction,
    relative_diffusivity,
    tube_permeability,
)


def gyroid(n, porosity):
    x, y, z = np.meshgrid(*[(np.arange(n) + 0.3) * 2 * np.pi / n] * 3, indexing="ij")
    phi = np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
    return phi >= np.quantile(phi, 1 - porosity)


def distances(shape, centre):
    """Squared distance, in voxels, of every voxel from a place in a box that wraps round."""
    steps = [np.abs(np.arange(n) - c) for n, c in zip(shape, centre, strict=True)]
    x, y, z = (np.minimum(s, n - s) ** 2 for s, n in zip(steps, shape, strict=True))
    return x[:, None, None] + y[:, None] + z


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_empty_box_hinders_nothing(axis, periodic):
    ratio, mismatch = relative_diffusivity(np.ones((9, 7, 8), bool), axis=axis, periodic=periodic)
    assert ratio == pytest.approx(1, abs=1e-6)
    assert mismatch < 1e-6


def test_parallel_plates_carry_their_share_along_and_nothing_across():
    pore = np.ones((8, 9, 12), bool)
    pore[:, :, [0, 1, 6, 7]] = False
    for axis in (0, 1):
        ratio, _ = relative_diffusivity(pore, axis=axis, periodic=True)
        assert ratio == pytest.approx(8 / 12, rel=1e-6)  # so the tortuosity factor is 1
    assert relative_diffusivity(pore, axis=2, periodic=True) == (0.0, 0.0)


def test_pores_of_two_widths_in_series():
    """Wide and narrow slits joined end to end, both many widths long: resistances add.

    The spreading at the joints adds less than (2 w / π) ln 2 of length in all, here 2 %.
    """
    pore = np.zeros((400, 2, 12), bool)
    pore[:200] = True
    pore[200:, :, :6] = True
    ratio, _ = relative_diffusivity(pore, axis=0)
    expected = 400 / (200 + 200 / (6 / 12))
    assert ratio == pytest.approx(expected, rel=0.02)
    assert ratio < expected


def test_a_channel_inclined_by_45_degrees():
    """A long slit from face to face that winds round y: τ = 1 / cos² 45° = 2.

    The stairs of its walls are first order: they add 6 % at 16 voxels along y and 3 % at 32.
    """
    excess = []
    for width in (8, 16, 32):
        x, y, _ = np.indices((40 * width, 2 * width, 1))
        pore = (x + y) % (2 * width) < width
        ratio, _ = relative_diffusivity(pore, axis=0, periodic=(False, True, True))
        excess.append(pore.mean() / ratio - 2)
    assert excess[1] < 0.5 * excess[0]
    assert 0 < excess[2] < 0.5 * excess[1] < 0.07


def test_impermeable_spheres_far_apart():
    """Maxwell 1873: D_eff / D_0 = 2 ε / (3 - ε) of dilute spheres, on any regular lattice.

    Stairs make it 2 % low at a radius of 5 voxels and 1 % at 9: first order again.
    """
    errors = []
    for n in (16, 32):
        pore = distances((n,) * 3, (n / 2 - 0.37,) * 3) >= (0.2875 * n) ** 2
        porosity = pore.mean()
        assert porosity == pytest.approx(0.90, abs=0.002)
        ratio, _ = relative_diffusivity(pore, axis=0, periodic=True)
        errors.append(1 - ratio / (2 * porosity / (3 - porosity)))
    assert 0 < errors[1] < 0.55 * errors[0] < 0.012


def test_a_gyroid_is_alike_along_its_axes_for_any_number_of_threads():
    pore = gyroid(24, 0.85)
    ratios = [relative_diffusivity(pore, axis=axis, periodic=True)[0] for axis in range(3)]
    assert ratios == pytest.approx([ratios[0]] * 3, rel=1e-3)
    assert 0.6 < ratios[0] < 2 * 0.85 / (3 - 0.85)  # Hashin and Shtrikman's bound
    one = relative_diffusivity(pore, axis=1, periodic=True, threads=1)
    assert one == relative_diffusivity(pore, axis=1, periodic=True, threads=3)


def test_pores_off_the_way_change_nothing():
    pore = np.zeros((12, 12, 12), bool)
    pore[:, 2:5, 2:5] = True
    alone = relative_diffusivity(pore, axis=0)
    pore[:6, 8:10, 8:10] = pore[8:10, 8:10, 8:10] = True
    assert relative_diffusivity(pore, axis=0) == alone
    assert alone[0] == pytest.approx(9 / 144, rel=1e-6)


def test_permeability_of_a_tube_on_the_grid_is_that_of_poiseuille():
    """k = ε d² / 32, with the diameter and the diffusivity measured."""
    y, z = np.meshgrid(*[np.arange(40) - 19.4] * 2, indexing="ij")
    pore = np.repeat((y * y + z * z < 15.0**2)[None], 6, axis=0)
    ratio, _ = relative_diffusivity(pore, axis=0, periodic=True)
    size = mean_thickness(pore, voxel=1e-5, periodic=True)
    exact = math.pi * 15**2 / 40**2 * 30e-5**2 / 32
    assert tube_permeability(ratio, size) == pytest.approx(exact, rel=0.07)


def test_permeability_of_slits_is_underestimated_by_what_is_said():
    pore = np.ones((4, 4, 12), bool)
    pore[:, :, :2] = False
    ratio, _ = relative_diffusivity(pore, axis=0, periodic=True)
    exact = 10 / 12 * 10e-5**2 / 12
    size = mean_thickness(pore, voxel=1e-5, periodic=True)
    assert exact / tube_permeability(ratio, size) == pytest.approx(32 / 12, rel=1e-5)


@pytest.mark.parametrize(
    ("ratio", "size", "name"),
    [
        (-0.1, 1e-4, "ratio"),
        (1.1, 1e-4, "ratio"),
        (math.nan, 1e-4, "ratio"),
        (0.5, 0.0, "pore_size"),
        (0.5, math.nan, "pore_size"),
    ],
)
def test_permeability_of_nonsense_is_refused(ratio, size, name):
    with pytest.raises(ValueError, match=name):
        tube_permeability(ratio, size)


def reached_by_brute_force(pore, diameter, periodic):
    """Balls painted one after the other, at every voxel that a sphere of `diameter` gets to."""
    tiles = [3 if wrap else 1 for wrap in periodic]
    squared = squared_distance(pore, periodic=periodic)
    fits = np.tile((squared > 0) & (4 * squared >= diameter**2), tiles)
    labels, _ = ndimage.label(fits)
    ends = set()
    for axis, wrap in enumerate(periodic):
        if not wrap:
            for end in (0, -1):
                ends |= set(np.unique(np.take(labels, end, axis)).tolist())
    middle = tuple(
        slice(n, 2 * n) if wrap else slice(None)
        for n, wrap in zip(pore.shape, periodic, strict=True)
    )
    inside = np.isin(labels, sorted(ends - {0}))[middle]
    covered = np.zeros(pore.shape, bool)
    for centre in np.argwhere(inside):
        total = 0
        for axis, (n, wrap) in enumerate(zip(pore.shape, periodic, strict=True)):
            step = np.abs(np.arange(n) - centre[axis])
            step = np.minimum(step, n - step) if wrap else step
            total = total + (step**2).reshape([-1 if a == axis else 1 for a in range(3)])
        covered |= total < squared[tuple(centre)]
    return covered.sum() / pore.sum()


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    st.tuples(st.integers(2, 10), st.integers(2, 10), st.integers(2, 12)),
    st.floats(0.6, 0.99),
    st.integers(0, 99),
)
def test_accessible_fraction_is_that_of_brute_force(shape, share, seed):
    pore = np.random.default_rng(seed).random(shape) < share
    pore[0, 0, 0], pore[1, 1, 1] = False, True
    probes = [0.0, 2.5, 3.0, 4.2, 6.0]
    found = accessible_fraction(
        squared_distance(pore), voxel=2e-5, probes=[d * 2e-5 for d in probes]
    )
    assert found == [reached_by_brute_force(pore, d, (False,) * 3) for d in probes]


@pytest.mark.parametrize("seed", range(4))
def test_accessible_fraction_wraps_round(seed):
    """A tile of three is enough here: no way in these boxes takes more than one turn."""
    periodic = (False, True, True)
    pore = np.random.default_rng(seed).random((9, 8, 10)) < 0.93
    probes = [0.0, 2.5, 3.0, 4.2]
    found = accessible_fraction(
        squared_distance(pore, periodic=periodic), voxel=1.0, probes=probes, periodic=periodic
    )
    assert found == [reached_by_brute_force(pore, d, periodic) for d in probes]


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    st.floats(0.8, 0.99),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.lists(st.floats(0, 12), min_size=2, max_size=5),
    st.integers(0, 99),
)
def test_a_larger_probe_never_reaches_more_and_the_least_reaches_all(share, periodic, probes, seed):
    pore = np.random.default_rng(seed).random((14, 12, 13)) < share
    squared = squared_distance(pore, periodic=periodic)
    found = accessible_fraction(squared, voxel=1.0, probes=probes, periodic=periodic)
    falling = [fraction for _, fraction in sorted(zip(probes, found, strict=True))]
    assert falling == sorted(falling, reverse=True)
    networks = find_networks(pore, periodic=periodic)
    accessible = networks.sizes()[networks.open_pieces(periodic)].sum() / pore.sum()
    assert accessible_fraction(squared, voxel=1.0, probes=[0.0], periodic=periodic) == [accessible]


def test_a_cave_behind_a_neck_is_not_reached_by_what_the_neck_stops():
    pore = np.zeros((30, 20, 20), bool)
    pore[:10, 4:16, 4:16] = True  # 12 wide, open to the outside
    pore[10:14, 8:12, 8:12] = True  # the neck, 4 wide
    pore[14:26, 4:16, 4:16] = True  # the cave
    squared = squared_distance(pore)
    small, large = accessible_fraction(squared, voxel=10e-6, probes=[40e-6, 60e-6])
    mouth = pore[:12].sum() / pore.sum()
    assert small == 1
    assert large < mouth
    assert large == pytest.approx(pore[:10].sum() / pore.sum(), abs=0.1)


@pytest.mark.parametrize("probes", [[-1e-6], [math.nan], [math.inf]])
def test_a_probe_that_is_no_diameter_is_refused(probes):
    squared = squared_distance(np.arange(8).reshape(2, 2, 2) > 0)
    with pytest.raises(ValueError, match="probes"):
        accessible_fraction(squared, voxel=1.0, probes=probes)


def test_nothing_to_enter_is_refused():
    with pytest.raises(ValueError, match="no voxel is pore"):
        accessible_fraction(np.zeros((3, 3, 3), np.int32), voxel=1.0, probes=[0.0])
