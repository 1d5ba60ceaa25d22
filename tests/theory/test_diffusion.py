"""Checks A8 to A12 and F1 to F3 of docs/theory.md: closed forms of steady diffusion.

Flat faces are second order in the voxel, curved ones first. The tables of errors are printed by
``make evidence``, or ``pytest -s``.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_bvp
from scipy.special import i0

from scaffoldsim.solver.diffusion import steady_state
from tests.theory.orders import observed_order

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
    """Positions and field across a slab of half-thickness `half`, faces held at C0 unless told."""
    h = 2 * half / voxels
    found = steady_state(
        np.ones((1, 1, voxels), bool),
        voxel=h,
        diffusivity=D,
        **{"boundary": {"z-": C0, "z+": C0}, **terms},
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
    worst = np.abs(c / expected - 1).max()
    print(f"\n  A8, L = .9 L_crit, L/h 40: off by at most {worst:.2%}")
    assert worst <= TOLERANCE["A8"]


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


def sphere(voxels, radius, **terms):
    """An eighth of a ball of tissue in a well-stirred bath: distance in m, field, which is inside.

    Harmonic faces put C0 on the staircase itself, not half a voxel outside it.
    """
    h = radius / voxels
    r = octant(voxels + 2) * h
    inside = r < radius
    found = steady_state(
        np.where(inside, 1.0, 1e4),
        voxel=h,
        diffusivity=D,
        boundary={"x+": C0, "y+": C0, "z+": C0},
        consumption=terms["consumption"] * inside,
        half_saturation=terms["half_saturation"],
    )
    return r, found.value, inside


def test_a9_zero_order_sphere():
    radius = 0.9 * SPHERE_LIMIT
    r, c, inside = sphere(24, radius, **ZERO_ORDER)
    worst = np.abs(c - C0 + UPTAKE * (radius**2 - r**2) / (6 * D))[inside].max() / C0
    print(f"\n  A9, a/h 24: off by at most {worst:.2%} of c0")
    assert worst <= TOLERANCE["A9"]
    assert c[0, 0, 0] == pytest.approx(0.19 * C0, abs=0.01 * C0)


@pytest.mark.parametrize(("share", "fed"), [(0.95, True), (1.05, False)])
def test_a9_critical_radius(share, fed):
    centre = sphere(24, share * SPHERE_LIMIT, **ZERO_ORDER)[1][0, 0, 0]
    assert (centre > 0.01 * C0) == fed


@pytest.mark.parametrize(
    ("phi", "centre"), [(0.5, 0.8868), (1, 0.6481), (2, 0.2658), (3, 0.0993), (5, 0.01348)]
)
def test_a10_first_order_slab(phi, centre):
    half = 1e-3
    _, c = slab(half, 81, decay=phi**2 * D / half**2)
    print(f"\n  A10, Thiele modulus {phi:g}: {c[40] / C0:.5f}, expected {centre}")
    assert c[40] / C0 == pytest.approx(centre, rel=TOLERANCE["A10"])


@pytest.mark.parametrize(("half", "centre"), [(1e-3, 0.13466), (1.5e-3, 0.05819), (2e-3, 0.00489)])
def test_a11_michaelis_menten_slab(half, centre):
    _, c = slab(half, 81, **OXYGEN)
    print(f"\n  A11, half-thickness {half * 1e3:g} mm: {c[40]:.5f} mM, expected {centre}")
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
    worst = np.abs(found / expected - 1)[seen].max()
    print(f"\n  A12, {np.count_nonzero(seen)} voxels from 6 h to 3 l: off by at most {worst:.2%}")
    assert worst <= TOLERANCE["A12"]


# F1: the observed orders, slabs
def reference_slab(half, terms):
    """D c'' = V c / (Km + c) between c'(0) = 0 and c(half) = C0, collocated to 1e-9."""
    v, km = terms["consumption"], terms["half_saturation"]
    x = np.linspace(0, 1, 201)
    found = solve_bvp(
        lambda _, y: np.array([y[1], half**2 * v / D * y[0] / (km + y[0])]),
        lambda a, b: np.array([a[1], b[0] - C0]),
        x,
        np.array([np.full(x.size, C0), np.zeros(x.size)]),
        tol=1e-9,
        max_nodes=100_000,
    )
    assert found.success
    return lambda at: found.sol(np.abs(at) / half)[0]


HALF, PHI, FILM = 1e-3, 3.0, 2e-6  # m, 1, m/s
SLABS = {
    "A8 zero-order slab, L = .9 L_crit": (
        0.9 * SLAB_LIMIT,
        ZERO_ORDER,
        lambda x: C0 - UPTAKE * ((0.9 * SLAB_LIMIT) ** 2 - x**2) / (2 * D),
    ),
    "A10 first-order slab, Thiele modulus 3": (
        HALF,
        {"decay": PHI**2 * D / HALF**2},
        lambda x: C0 * np.cosh(PHI * x / HALF) / np.cosh(PHI),
    ),
    "A11 Michaelis-Menten slab, 1 mm": (HALF, OXYGEN, reference_slab(HALF, OXYGEN)),
    "first-order slab behind films of 2e-6 m/s": (
        HALF,
        {
            "decay": PHI**2 * D / HALF**2,
            "boundary": {"z-": (C0, FILM), "z+": (C0, FILM)},
        },
        lambda x: (
            C0 * np.cosh(PHI * x / HALF) / (np.cosh(PHI) + PHI * D / (HALF * FILM) * np.sinh(PHI))
        ),
    ),
}


@pytest.mark.parametrize("name", SLABS)
def test_slabs_are_second_order(name):
    half, terms, expected = SLABS[name]
    sizes, errors = [32, 64, 128, 256], []
    for voxels in sizes:
        x, c = slab(half, voxels, tolerance=1e-10, **terms)
        errors.append(np.abs(c - expected(x)).max() / C0)
    assert 1.8 < observed_order(f"{name}; voxels", sizes, errors) < 2.2


# F2: the half-space of host tissue
HOST = {"D": 1e-10, "k": np.log(2) / 3600, "far": 0.03}  # VEGF: 60 min; far in mol/m3
LENGTH = np.sqrt(HOST["D"] / HOST["k"])  # m, what a molecule diffuses before it decays: 0.72 mm
SLAB = 1.5 * LENGTH


def beside_half_space(x, p, source, decay):
    """A slab 0 < x < L of diffusivity p D, closed at 0, beside tissue that fills all of x > L.

    In the tissue D c'' = k (c - c_host) and c -> c_host, hence c - c_host falls as exp(-x / l) with
    l = sqrt(D / k), and the flux into it at x = L is (D / l) (c - c_host) = sqrt(D k) (c - c_host):
    an exchange coefficient of sqrt(D k), whatever the slab is like. In the slab
    p D c'' - k' c + S = 0, c'(0) = 0.

    k' > 0, m = sqrt(k' / (p D)): c = S/k' + (c_host - S/k') cosh(m x) / (cosh(m L) + b sinh(m L)),
    b = p D m / sqrt(D k). For p = 1 and k' = k, b = 1: the denominator is exp(L / l).
    k' = 0: c = c_host + S L / sqrt(D k) + S (L^2 - x^2) / (2 p D).
    """
    exchange, inner = np.sqrt(HOST["D"] * HOST["k"]), p * HOST["D"]
    if decay == 0:
        return HOST["far"] + source * SLAB / exchange + source * (SLAB**2 - x**2) / (2 * inner)
    m, full = np.sqrt(decay / inner), source / decay
    b = inner * m / exchange
    scale = np.cosh(m * SLAB) + b * np.sinh(m * SLAB)
    return full + (HOST["far"] - full) * np.cosh(m * x) / scale


@pytest.mark.parametrize(
    ("p", "share"), [(1.0, 1.0), (0.3, 1.0), (1.0, 0.0), (0.5, 4.0)], ids=lambda v: f"{v:g}"
)
def test_half_space_of_host_tissue(p, share):
    source, decay = 2e-5, share * HOST["k"]
    film = np.sqrt(HOST["D"] * HOST["k"])
    sizes, errors = [16, 32, 64, 128], []
    for voxels in sizes:
        h = SLAB / voxels
        c = steady_state(
            np.full((voxels, 1, 1), p),
            voxel=h,
            diffusivity=HOST["D"],
            boundary={"x+": (HOST["far"], film)},
            source=source,
            decay=decay,
            tolerance=1e-10,
        ).value[:, 0, 0]
        expected = beside_half_space((np.arange(voxels) + 0.5) * h, p, source, decay)
        errors.append(np.abs(c - expected).max() / expected.max())
    name = f"half-space of host tissue, p {p:g}, k'/k {share:g}; voxels"
    assert 1.8 < observed_order(name, sizes, errors) < 2.2
    assert errors[-1] < 1e-3


def test_half_space_is_that_of_a_wide_box():
    """The closed form, and so the face, against the tissue itself: 12 decay lengths of voxels."""
    voxels, source = 32, 2e-5
    h = SLAB / voxels
    x = (np.arange(12 * voxels) + 0.5) * h
    tissue = x > SLAB
    wide = steady_state(
        np.ones((x.size, 1, 1)),
        voxel=h,
        diffusivity=HOST["D"],
        boundary={},
        source=np.where(tissue, HOST["k"] * HOST["far"], source)[:, None, None],
        decay=HOST["k"],
        tolerance=1e-9,
    ).value[:, 0, 0]
    expected = beside_half_space(x[~tissue], 1.0, source, HOST["k"])
    np.testing.assert_allclose(wide[~tissue], expected, rtol=1e-3)


# F3: the observed orders, curves
def distance(voxels, reach, dimensions):
    """Coordinates and distance from the axis or centre, in radii of `voxels` voxels."""
    shape = (int(reach * voxels),) * dimensions + (1,) * (3 - dimensions)
    x = (np.indices(shape) + 0.5)[:dimensions] / voxels
    return x, np.sqrt((x**2).sum(axis=0))


def tissue_in_a_bath(voxels, dimensions):
    """RMS error of a ball or cylinder of tissue, Thiele modulus 3, in voxels held at C0."""
    _, r = distance(voxels, 1.25, dimensions)
    inside = r < 1
    found = steady_state(
        np.ones(r.shape, bool),
        voxel=HALF / voxels,
        diffusivity=D,
        boundary={},
        decay=PHI**2 * D / HALF**2,
        fixed=np.where(inside, np.nan, C0),
        tolerance=1e-8,
    ).value
    expected = np.sinh(PHI * r) / (r * np.sinh(PHI)) if dimensions == 3 else i0(PHI * r) / i0(PHI)
    return np.sqrt(np.mean((found / C0 - expected)[inside] ** 2))


def body_in_a_gradient(voxels, dimensions):
    """RMS error beside an impermeable ball or cylinder in a uniform gradient along x.

    c = G x (1 + 1/r^2) or G x (1 + 1/(2 r^3)), r in radii; the outermost voxels hold that.
    """
    reach = 3 if dimensions == 2 else 2
    (x, *_), r = distance(voxels, reach, dimensions)
    expected = C0 / reach * x * (1 + (r**-2 if dimensions == 2 else r**-3 / 2))
    pore, outermost = r > 1, np.zeros(r.shape, bool)
    for axis in range(dimensions):
        np.moveaxis(outermost, axis, 0)[-1] = True
    found = steady_state(
        pore,
        voxel=HALF / voxels,
        diffusivity=D,
        boundary={"x-": 0.0},
        fixed=np.where(outermost, expected, np.nan),
        tolerance=1e-8,
    ).value
    return np.sqrt(np.mean((found - expected)[pore] ** 2)) / C0


CURVES = {
    "ball of tissue in a bath": (tissue_in_a_bath, 3, [8, 12, 16, 24, 32]),
    "cylinder of tissue in a bath": (tissue_in_a_bath, 2, [8, 16, 32, 64]),
    "impermeable ball in a gradient": (body_in_a_gradient, 3, [6, 8, 12, 16, 24]),
    "impermeable cylinder in a gradient": (body_in_a_gradient, 2, [8, 16, 32, 64]),
}


@pytest.mark.parametrize("name", CURVES)
def test_curved_walls_are_first_order(name):
    error, dimensions, sizes = CURVES[name]
    errors = [error(voxels, dimensions) for voxels in sizes]
    assert 0.7 < observed_order(f"{name}; voxels per radius", sizes, errors) < 1.6
