"""Checks F4 to F6 of docs/theory.md: implicit steps in time against closed forms.

Backward Euler is first order in the step, the finite volumes second order in the voxel. On closed
voxels a cosine is an eigenvector, so that the steps have an exact answer of their own as well.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.fft import dctn, idctn

from scaffoldsim.solver.diffusion import Diffusion, Domain
from tests.theory.orders import observed_order

D, DECAY = 1e-10, np.log(2) / 3600  # m2/s, 1/s: VEGF
EDGE = 1e-3  # m, a box


def marched(start, voxel, *, dt, steps, tolerance=1e-10, boundary=None, **terms):
    """The field after so many steps from `start`."""
    domain = Domain(np.ones(start.shape, bool), voxel=voxel, threads=2)
    species = Diffusion(domain, diffusivity=D, boundary=boundary or {})
    c = start
    for _ in range(steps):
        c = species.solve(c, previous=c, dt=dt, tolerance=tolerance, **terms).value
    return c


def positions(shape, voxel):
    """Centres of voxels (3, nx, ny, nz), m."""
    return (np.indices(shape) + 0.5) * voxel


def cosine(shape, voxel, modes):
    """A product of cosines, one mode per axis, that no closed face changes; its two rates, 1/s.

    D |m pi / L|^2 in space, and D sum of (2 / h)^2 sin(m pi h / 2 L)^2 on voxels.
    """
    edges = np.array(shape) * voxel
    wave = np.pi * np.array(modes) / edges
    phase = np.einsum("axyz,a->axyz", positions(shape, voxel), wave, optimize=False)
    on_voxels = D * (4 / voxel**2 * np.sin(wave * voxel / 2) ** 2).sum()
    return np.cos(phase).prod(axis=0), D * (wave**2).sum(), on_voxels


@pytest.mark.parametrize("decay", [0.0, DECAY])
@pytest.mark.parametrize(("tolerance", "allowed"), [(1e-6, 1e-5), (1e-8, 1e-7)])
def test_a_cosine_decays_as_it_must_on_voxels(decay, tolerance, allowed):
    """Each step divides the mean by 1 + k dt and the wave by 1 + (lambda + k) dt, exactly."""
    shape, voxel, dt, steps = (20, 16, 24), EDGE / 20, 600.0, 8
    wave, _, rate = cosine(shape, voxel, (2, 1, 3))
    found = marched(1 + wave / 2, voxel, dt=dt, steps=steps, tolerance=tolerance, decay=decay)
    expected = (1 + decay * dt) ** -steps + wave / 2 * (1 + (rate + decay) * dt) ** -steps
    worst = np.abs(found - expected).max()
    print(f"\n  cosine, {steps} steps at {tolerance:g}: {worst:.1e} off the exact discrete decay")
    assert worst < allowed


def test_a_cosine_is_first_order_in_time():
    """Against exp(-(lambda + k) t) with lambda on voxels: what is left is the error of steps."""
    shape, voxel, end = (1, 1, 32), EDGE / 32, 1800.0
    wave, _, rate = cosine(shape, voxel, (0, 0, 2))
    expected = np.exp(-DECAY * end) + wave / 2 * np.exp(-(rate + DECAY) * end)
    sizes, errors = [8, 16, 32, 64], []
    for steps in sizes:
        found = marched(1 + wave / 2, voxel, dt=end / steps, steps=steps, decay=DECAY)
        errors.append(np.abs(found - expected).max())
    assert 0.9 < observed_order("decaying cosine, in time; steps", sizes, errors) < 1.1


def test_a_cosine_is_second_order_in_space():
    """Against the steps of the wave in space, (1 + (D |m pi / L|^2 + k) dt)^-n."""
    dt, steps, sizes, errors = 300.0, 6, [8, 16, 32, 64], []
    for voxels in sizes:
        wave, rate, _ = cosine((1, 1, voxels), EDGE / voxels, (0, 0, 2))
        found = marched(1 + wave / 2, EDGE / voxels, dt=dt, steps=steps, decay=DECAY)
        expected = (1 + DECAY * dt) ** -steps + wave / 2 * (1 + (rate + DECAY) * dt) ** -steps
        errors.append(np.abs(found - expected).max())
    assert 1.8 < observed_order("decaying cosine, in space; voxels", sizes, errors) < 2.2


FIRST, LAST = 0.1 * EDGE, 0.2 * EDGE  # m, widths (s.d.) of the Gaussian; the wall is 5 of them away
SPREAD = (LAST**2 - FIRST**2) / (2 * D)  # s


def gaussian(r2, width):
    """One mol in the eighth of all space."""
    return 8 * np.exp(-r2 / (2 * width**2)) / (2 * np.pi * width**2) ** 1.5


def spread(voxels, steps):
    """An eighth of a Gaussian between planes of symmetry; positions; squares of the distance."""
    voxel = EDGE / voxels
    x = positions((voxels,) * 3, voxel)
    r2 = (x**2).sum(axis=0)
    found = marched(gaussian(r2, FIRST), voxel, dt=SPREAD / steps, steps=steps, tolerance=1e-7)
    return found, x, r2


def test_a_gaussian_spreads_in_infinite_space():
    """With dt as h^2 the whole error against the closed form falls as h^2."""
    sizes, errors = [12, 16, 20, 24], []
    for voxels in sizes:
        found, _, r2 = spread(voxels, steps=voxels**2 // 4)
        errors.append(np.abs(found - gaussian(r2, LAST)).max() / gaussian(0.0, LAST))
    order = observed_order("Gaussian, 3-D, dt as h^2; voxels", sizes, errors)
    assert 1.8 < order < 2.2
    assert errors[-1] < 0.02


def test_a_gaussian_is_first_order_in_time():
    """Against the voxels' own solution, exact in time: every cosine of it decays at its rate."""
    voxels, sizes, errors = 16, [8, 16, 32, 64], []
    rate = D * (2 * voxels / EDGE * np.sin(np.pi * np.arange(voxels) / (2 * voxels))) ** 2
    rates = rate[:, None, None] + rate[:, None] + rate
    for steps in sizes:
        found, _, r2 = spread(voxels, steps)
        modes = dctn(gaussian(r2, FIRST), type=2, norm="ortho")
        expected = idctn(modes * np.exp(-rates * SPREAD), type=2, norm="ortho")
        errors.append(np.abs(found - expected).max() / expected.max())
    assert 0.9 < observed_order("Gaussian, 3-D, in time; steps", sizes, errors) < 1.1


def test_a_gaussian_is_second_order_in_space():
    """Against the same steps of space: cosines of the sampled Gaussian, at their rates there."""
    steps, sizes, errors = 8, [12, 16, 24, 32], []
    for voxels in sizes:
        found, _, r2 = spread(voxels, steps)
        rate = D * (np.pi * np.arange(voxels) / EDGE) ** 2
        rates = rate[:, None, None] + rate[:, None] + rate
        modes = dctn(gaussian(r2, FIRST), type=2, norm="ortho")
        each = (1 + rates * SPREAD / steps) ** -steps
        expected = idctn(modes * each, type=2, norm="ortho")
        errors.append(np.abs(found - expected).max() / expected.max())
    assert 1.8 < observed_order("Gaussian, 3-D, in space; voxels", sizes, errors) < 2.2


@pytest.mark.parametrize("steps", [6, 24])
def test_the_variance_of_a_gaussian_grows_by_2_d_t(steps):
    """Exactly so for any step and any voxel, as long as nothing meets a wall (here 2e-4 does)."""
    found, x, r2 = spread(24, steps)
    before = gaussian(r2, FIRST)
    for axis in range(3):
        grown = np.average(x[axis] ** 2, weights=found) - np.average(x[axis] ** 2, weights=before)
        assert grown == pytest.approx(2 * D * SPREAD, rel=5e-4)
    assert found.sum() == pytest.approx(before.sum(), rel=1e-6)


def test_a_half_space_answers_as_if_steady():
    """The face of host tissue against the tissue itself, after a source is switched on.

    A half-space in time answers with sqrt(D (k + s)), s the Laplace variable; the face has
    sqrt(D k). It takes up too little at first and is right when the field is steady.
    """
    voxels, voxel, dt, source = 20, 5e-5, 3600.0, 1e-5
    tissue = np.arange(10 * voxels) >= voxels
    film = {"x+": (0.0, np.sqrt(D * DECAY))}
    narrow, wide = np.zeros((voxels, 1, 1)), np.zeros((10 * voxels, 1, 1))
    steady = source / DECAY
    shares = []
    for _ in range(12):
        narrow = marched(narrow, voxel, dt=dt, steps=1, boundary=film, source=source, decay=DECAY)
        wide = marched(
            wide, voxel, dt=dt, steps=1, source=source * ~tissue[:, None, None], decay=DECAY
        )
        shares.append(np.abs(narrow - wide[~tissue]).max() / steady)
    told = ", ".join(f"{share:.1%}" for share in shares[:8])
    print(f"\n  face of host tissue, hour by hour: off by {told} of the steady source / decay")
    assert max(shares) < 0.1
    assert shares[-1] < 1e-3
