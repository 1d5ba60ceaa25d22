"""Check F7 of docs/theory.md: what is stored is what came in less what was used, to 1e-6.

Every term is counted by itself from the solved field, in double precision and in NumPy, with the
conductances of `tests.solver.reference`: half a voxel (and the film) at a face, harmonic means
beside a voxel that is held.
"""

from __future__ import annotations

import numpy as np
import pytest

from scaffoldsim.solver.diffusion import Diffusion, Domain
from tests.solver.foam import foam
from tests.solver.reference import KM, V_CELL, D, H, gyroid, operator

N = 24
RNG = np.random.default_rng(7)
PORES = {
    "gyroid": gyroid(N, 20),
    "foam with pockets": foam(N, RNG),
    "contrast 1e-4": np.where(gyroid(N, 20), 1.0, 1e-4),
}
FACES = {"x-": 0.2, "z+": (0.1, 2e-6), "y": "periodic"}
VESSEL = np.full((N,) * 3, np.nan)
VESSEL[12, 12] = 0.05
TERMS = {
    "consumption": 0.3 * V_CELL * (RNG.random((N,) * 3) < 0.2),
    "decay": 2e-3,
    "source": 5e-3 * (RNG.random((N,) * 3) < 0.1),
    "fixed": VESSEL,
}
# tolerance of the solver: what may be missing, as a share of all that came in. A residual is a
# rate that no term accounts for; over the box, 1e-6 was measured to add up to 4e-5 at most.
ALLOWED = {1e-6: 1e-4, 1e-8: 1e-6}


def budget(pore, c, before, dt):
    """Terms of the balance of the voxels that are free, mol/s; gains are positive."""
    a, rhs = operator(pore, FACES)
    closed, _ = operator(pore, {"y": "periodic"})
    free = (np.ravel(pore) > 0) & np.isnan(VESSEL.ravel())
    c, before = np.nan_to_num(c).ravel(), np.nan_to_num(before).ravel()
    terms = {
        "stored": (before - c) / dt,
        "source": TERMS["source"].ravel(),
        "decay": -TERMS["decay"] * c,
        "uptake": -TERMS["consumption"].ravel() * c / (KM + c),
        "faces": rhs - (a - closed) @ c,
        "vessels": -closed @ c,  # between free voxels it cancels
    }
    return {name: H**3 * rate[free].sum() for name, rate in terms.items()}


@pytest.mark.parametrize("dt", [60.0, 3600.0, np.inf], ids=["60 s", "1 h", "steady"])
@pytest.mark.parametrize("name", PORES)
def test_mass_closes(name, dt):
    pore = PORES[name]
    before = np.where(pore > 0, 0.2 * np.random.default_rng(1).random(pore.shape), np.nan)
    species = Diffusion(
        Domain(pore, voxel=H, periodic=(False, True, False), threads=2),
        diffusivity=D,
        boundary=FACES,
    )
    step = {} if np.isinf(dt) else {"previous": before, "dt": dt}
    missing = {}
    for tolerance in ALLOWED:
        c = species.solve(before, half_saturation=KM, tolerance=tolerance, **TERMS, **step).value
        terms = budget(pore, c, before, dt)
        supply = sum(max(term, 0) for term in terms.values())
        missing[tolerance] = abs(sum(terms.values())) / supply
    shares = ", ".join(f"{term} {rate / supply:+.3f}" for term, rate in terms.items())
    told = ", ".join(f"{share:.1e} at {tolerance:g}" for tolerance, share in missing.items())
    print(f"\n  {name}: {shares}; missing {told}")
    for term, rate in terms.items():
        assert abs(rate) > 1e-3 * supply or (term == "stored" and np.isinf(dt))
    for tolerance, allowed in ALLOWED.items():
        assert missing[tolerance] <= allowed
