"""The permeability estimate against Stokes flow, solved by a lattice-Boltzmann method.

D3Q19 with two relaxation times (Ginzburg, Verhaeghe and d'Humières 2008, Commun. Comput. Phys. 3),
Λ = 3/16, so that half-way bounce-back puts plane walls exactly between voxels; a body force drives
the flow through a periodic box. Slow on purpose: a reference, run by ``make evidence``.
"""

import itertools

import numpy as np
import pytest

from scaffoldsim.scaffold.morphometry import measure

STEPS = np.array([s for s in itertools.product((-1, 0, 1), repeat=3) if np.abs(s).sum() < 3])
STEPS = STEPS[np.argsort(np.abs(STEPS).sum(axis=1), kind="stable")]
WEIGHT = np.array([1 / 3, 1 / 18, 1 / 36])[np.abs(STEPS).sum(axis=1)]
OPPOSITE = [int(np.flatnonzero((-s == STEPS).all(axis=1))[0]) for s in STEPS]
N = 32


def permeability(solid, most=6000):
    """k along x in voxels², for solid in a periodic box; viscosity 1/6."""
    pore, force = ~solid, 1e-6
    magic = 3 / 16 / 0.5 + 0.5  # the odd relaxation time, from Λ and the even one, 1
    f = WEIGHT[:, None, None, None] * np.ones(solid.shape)
    before = 0.0
    for step in range(most):
        density = f.sum(axis=0)
        u = np.einsum("ia,ixyz->axyz", STEPS.astype(float), f, optimize=False) / density
        u[0] += force / 2
        u *= pore
        if step % 200 == 0:
            k = u[0].mean() / 6 / force
            if step > 400 and abs(k - before) < 2e-3 * k:
                return k
            before = k
        moved = np.empty_like(f)
        for i, j in enumerate(OPPOSITE):
            along = sum(c * v for c, v in zip(STEPS[i], u, strict=True))
            even = (f[i] + f[j]) / 2 - WEIGHT[i] * density
            odd = (f[i] - f[j]) / 2 - 3 * WEIGHT[i] * density * along
            push = 3 * WEIGHT[i] * STEPS[i][0] * force * density * (1 - 0.5 / magic)
            moved[i] = f[i] - even - odd / magic + push
        for i, j in enumerate(OPPOSITE):
            f[i] = np.roll(moved[i], STEPS[i], (0, 1, 2))
            bounced = np.roll(solid, STEPS[i], (0, 1, 2)) & pore
            f[i][bounced] = moved[j][bounced]
    raise AssertionError(f"the flow is not steady after {most} steps")


def shape(name):
    x, y, z = np.meshgrid(*[(np.arange(N) + 0.3) / N * 2 * np.pi] * 3, indexing="ij")
    gyroid = np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
    a, b, c = (np.abs((v / 2 / np.pi + 0.5) % 1 - 0.5) for v in (x, y, z))
    struts = np.minimum(np.hypot(a, b), np.minimum(np.hypot(b, c), np.hypot(a, c)))
    field, porosity = {
        "gyroid net, 92 %": (gyroid, 0.92),
        "gyroid net, 60 %": (gyroid, 0.60),
        "gyroid sheet, 90 %": (np.abs(gyroid), 0.90),
        "cubic struts, 95 %": (struts, 0.95),
        "primitive, 60 %": (np.cos(x) + np.cos(y) + np.cos(z), 0.60),
    }[name]  # fmt: skip
    return field < np.quantile(field, 1 - porosity)


@pytest.mark.evidence
def test_flow_between_plates_is_poiseuilles():
    """k = ε w² / 12: the reference itself, against theory."""
    solid = np.zeros((4, 4, 20), bool)
    solid[:, :, :4] = True
    assert permeability(solid) == pytest.approx(0.8 * 16**2 / 12, rel=0.01)


@pytest.mark.evidence
@pytest.mark.parametrize(
    "name",
    ["gyroid net, 92 %", "gyroid net, 60 %", "gyroid sheet, 90 %", "cubic struts, 95 %",
     "primitive, 60 %"],
)  # fmt: skip
def test_the_estimate_is_within_a_factor_of_two_of_solved_flow(name):
    solid = shape(name)
    found = measure(solid, voxel=1e-6, periodic=True, transport=True)
    estimate, solved = found.permeability_estimate_um2["x"], permeability(solid)
    surface = found.specific_surface_per_mm * 1e-3
    kozeny = found.porosity**3 / (2.5 * found.tortuosity_factor["x"] * surface**2)
    print(f"{name}: solved {solved:.3f}, estimate × {estimate / solved:.2f}, "
          f"Kozeny-Carman × {kozeny / solved:.2f}")  # fmt: skip
    assert 0.5 < estimate / solved < 2
    assert abs(np.log(estimate / solved)) < abs(np.log(kozeny / solved))
