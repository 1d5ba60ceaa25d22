"""Checks A8 to A12 of docs/theory.md: closed forms of diffusion with a sink."""

from __future__ import annotations

import numpy as np
import pytest

from scaffoldsim.solver.diffusion import steady_state

C0, D = 0.2, 2e-9  # mol/m3, m2/s
# mol/m3/s: 98 fmol per cell and hour at 1e4 cells/mm3 (Pattappa 2011)
UPTAKE = 98e-15 / 3600 * 1e4 * 1e9
OXYGEN = {"consumption": UPTAKE, "half_saturation": 0.006}
ZERO_ORDER = {"consumption": UPTAKE, "half_saturation": 1e-6}
SLAB_LIMIT = np.sqrt(2 * D * C0 / UPTAKE)
SPHERE_LIMIT = np.sqrt(6 * D * C0 / UPTAKE)
# Share of the expected value (A10 to A12) or of C0 (A8, A9) that docs/theory.md allows.
TOLERANCE = {"A8": 0.02, "A9": 0.03, "A10": 0.01, "A11": 0.02, "A12": 0.03}


def slab(half, voxels, **terms):
    """Positions and field across a slab of half-thickness `half` between faces held at C0."""
    h = 2 * half / voxels
    found = steady_state(
        np.ones((1, 1, voxels), bool),
        voxel=h,
        diffusivity=D,
        boundary={"z-": C0, "z+": C0},
        **terms,
    )
    return (np.arange(voxels) + 0.5) * h - half, found.value[0, 0]


def octant(voxels):
    """Distance from the corner of a cube of voxels, in voxels."""
    a = np.arange(voxels) + 0.5
    return np.sqrt(a[:, None, None] ** 2 + a[:, None] ** 2 + a**2)


def test_a8_limits_are_those_of_the_model():
    assert pytest.approx(1.714e-3, rel=1e-3) == SLAB_LIMIT
    assert pytest.approx(2.969e-3, rel=1e-3) == SPHERE_LIMIT


def test_a8_zero_order_slab():
    half = 0.9 * SLAB_LIMIT
    x, c = slab(half, 80, **ZERO_ORDER)
    expected = C0 - UPTAKE * (half**2 - x**2) / (2 * D)
    np.testing.assert_allclose(c, expected, rtol=0, atol=TOLERANCE["A8"] * expected.min())


@pytest.mark.parametrize(("share", "fed"), [(0.97, True), (1.03, False)])
def test_a8_critical_thickness(share, fed):
    _, c = slab(share * SLAB_LIMIT, 81, **ZERO_ORDER)
    assert (c[40] > 0.01 * C0) == fed


def test_a8_starved_slab():
    half = 1.5 * SLAB_LIMIT
    x, c = slab(half, 120, **ZERO_ORDER)
    depth = half - np.abs(x)
    expected = C0 * np.maximum(1 - depth / SLAB_LIMIT, 0) ** 2
    np.testing.assert_allclose(c, expected, rtol=0, atol=TOLERANCE["A8"] * C0)


def test_a9_zero_order_sphere():
    voxels = 24  # a / h = 24
    radius = 0.9 * SPHERE_LIMIT
    r = octant(voxels + 2) * radius / voxels
    inside = r < radius
    # A well-stirred bath: harmonic faces then put C0 on the staircase itself, not half a voxel
    # outside it.
    found = steady_state(
        np.where(inside, 1.0, 1e4),
        voxel=radius / voxels,
        diffusivity=D,
        boundary={"x+": C0, "y+": C0, "z+": C0},
        consumption=UPTAKE * inside,
        half_saturation=1e-6,
    ).value
    expected = C0 - UPTAKE * (radius**2 - r**2) / (6 * D)
    np.testing.assert_allclose(found[inside], expected[inside], rtol=0, atol=TOLERANCE["A9"] * C0)
    assert found[0, 0, 0] == pytest.approx(0.19 * C0, abs=0.01 * C0)


@pytest.mark.parametrize(
    ("phi", "centre"), [(0.5, 0.8868), (1, 0.6481), (2, 0.2658), (3, 0.0993), (5, 0.01348)]
)
def test_a10_first_order_slab(phi, centre):
    half = 1e-3
    _, c = slab(half, 81, decay=phi**2 * D / half**2)
    assert c[40] / C0 == pytest.approx(centre, rel=TOLERANCE["A10"])


def test_a10_is_second_order():
    half, phi = 1e-3, 3.0
    sizes, errors = np.array([16, 32, 64, 128]), []
    for voxels in sizes:
        x, c = slab(half, voxels, decay=phi**2 * D / half**2, tolerance=1e-9)
        errors.append(np.abs(c - C0 * np.cosh(phi * x / half) / np.cosh(phi)).max())
    order = -np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert 1.8 < order < 2.2


@pytest.mark.parametrize(("half", "centre"), [(1e-3, 0.13466), (1.5e-3, 0.05819), (2e-3, 0.00489)])
def test_a11_michaelis_menten_slab(half, centre):
    _, c = slab(half, 81, **OXYGEN)
    assert c[40] == pytest.approx(centre, rel=TOLERANCE["A11"])


@pytest.mark.parametrize("axis", range(3))
def test_a11_does_not_depend_on_the_axis(axis):
    shape = [4, 4, 4]
    shape[axis] = 41
    name = "xyz"[axis]
    found = steady_state(
        np.ones(shape, bool),
        voxel=2e-3 / 41,
        diffusivity=D,
        boundary={name + "-": C0, name + "+": C0},
        **OXYGEN,
    ).value
    line = np.moveaxis(found, axis, 0)
    assert line[20, 1, 2] == pytest.approx(0.13466, rel=TOLERANCE["A11"])


def test_a12_point_source_with_decay():
    h, voxels, length = 2e-5, 48, 8  # a decay length of 8 voxels, the box 12 of them across
    strength = 1e-15  # mol/s
    source = np.zeros((voxels,) * 3)
    source[0, 0, 0] = strength / 8 / h**3
    found = steady_state(
        np.ones(source.shape, bool),
        voxel=h,
        diffusivity=D,
        boundary={},
        source=source,
        decay=D / (length * h) ** 2,
    ).value
    r = octant(voxels)
    seen = (r >= 6) & (r <= 3 * length)
    expected = strength / (4 * np.pi * D * r * h) * np.exp(-r / length)
    np.testing.assert_allclose(found[seen], expected[seen], rtol=TOLERANCE["A12"])
