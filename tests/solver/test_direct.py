"""The solver against SciPy's direct solver in double precision.

Newton's method with SuperLU on the same voxel equations (`tests.solver.reference.operator`), the
unknowns in the order of a geometric nested dissection, which makes 64 000 of them a matter of
seconds. Within 1e-4 of the largest held value at the default tolerance and 1e-5 at 1e-8; boxes of
40 voxels are run by ``make evidence``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from scaffoldsim.solver.diffusion import Diffusion, Domain, steady_state
from tests.solver.foam import foam
from tests.solver.reference import ALL_FACES, KM, V_CELL, D, H, gyroid, operator

C0 = 0.2  # mol/m3
# tolerance of the solver: share of C0 by which a voxel may differ
ALLOWED = {1e-6: 1e-4, 1e-8: 1e-5}
SIZES = [24, pytest.param(40, marks=pytest.mark.evidence)]
LARGEST_LEAF = 64  # voxels below which dissecting further saves nothing


def dissected(ijk):
    """Voxels (n, 3) in the order of elimination: two halves, then the plane between them."""
    axis = int(np.argmax(np.ptp(ijk, axis=0)))
    at = ijk[:, axis]
    plane = (at.min() + at.max()) // 2
    if len(ijk) <= LARGEST_LEAF or plane == at.min():
        return [ijk]
    return [*dissected(ijk[at < plane]), *dissected(ijk[at > plane]), ijk[at == plane]]


def exact(pore, boundary, near, *, kept=0.0, consumption=0.0, decay=0.0, source=0.0, fixed=None):
    """The root from `near` on; a piece without supply is empty, or `kept` if it has no sink.

    One factorisation serves while each correction is a tenth of the one before.
    """
    a, rhs = operator(pore, boundary)
    shape, inside = np.shape(pore), np.ravel(pore) > 0
    v, k, s = (np.broadcast_to(q, shape).ravel() for q in (consumption, decay, source))
    held = np.zeros(a.shape[0], bool)
    c = np.nan_to_num(near).ravel()
    if fixed is not None:
        held = ~np.isnan(fixed.ravel()) & inside
        c[held] = fixed.ravel()[held]

    closed, _ = operator(pore, {key: kind for key, kind in boundary.items() if kind == "periodic"})
    _, piece = connected_components(a, directed=False)
    through = (a - closed).diagonal()
    supplied = np.bincount(piece, through + k + s + held)[piece] > 0
    drained = np.bincount(piece, v)[piece] > 0
    c[~supplied] = np.where(drained, 0.0, np.broadcast_to(kept, shape).ravel())[~supplied]

    order = np.concatenate(dissected(np.argwhere(np.ones(shape))))
    order = np.ravel_multi_index(order.T, shape)
    at = order[(inside & supplied & ~held)[order]]
    matrix, factors, last = a[at][:, at], None, np.inf
    for _ in range(40):
        w = 1 / (KM + np.maximum(c, 0))
        f = (rhs + s - a @ c - k * c - v * c * w)[at]
        if factors is None:
            slope = sparse.diags((k + v * KM * w * w)[at])
            factors = splu((matrix + slope).tocsc(), permc_spec="NATURAL", diag_pivot_thresh=0.0,
                           options={"SymmetricMode": True})  # fmt: skip
        new = np.maximum(c[at] + factors.solve(f), 0)
        step, c[at] = np.abs(new - c[at]).max(initial=0), new
        if step < 1e-9 * C0:
            break
        factors, last = (factors if step < 0.1 * last else None), step
    else:
        raise AssertionError(f"the reference moves by {step:.1e} still")
    c[~inside] = np.nan
    return c.reshape(shape)


def case(name, n):
    """Pore and boundary of a case, and terms with Michaelis-Menten sinks at a fifth of voxels."""
    rng = np.random.default_rng(n)
    terms = {"consumption": V_CELL * (rng.random((n, n, n)) < 0.2)}
    if name == "gyroid":
        return gyroid(n, 20), {"z-": C0}, terms
    if name == "contrast 1e-4":
        return np.where(gyroid(n, 20), 1.0, 1e-4), ALL_FACES, terms
    if name == "foam with sealed pockets":
        terms["consumption"] *= rng.choice([0.0, 0.05], terms["consumption"].shape)
        return foam(n, rng), {"x-": C0, "y+": (C0, 1e-6)}, terms
    assert name == "random mask of 92 %"
    return rng.random((n, n, n)) < 0.92, {"z-": C0}, terms


def error(found, expected):
    difference = np.abs(found - expected)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    return np.nanmax(difference, initial=0)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(
    "name", ["gyroid", "foam with sealed pockets", "random mask of 92 %", "contrast 1e-4"]
)
def test_steady_state(name, n):
    pore, boundary, terms = case(name, n)
    found = {
        tolerance: steady_state(
            pore,
            voxel=H,
            diffusivity=D,
            boundary=boundary,
            half_saturation=KM,
            tolerance=tolerance,
            initial=C0,
            threads=2,
            **terms,
        )
        for tolerance in ALLOWED
    }
    expected = exact(pore, boundary, found[1e-8].value, kept=C0, **terms)
    share = {tolerance: error(f.value, expected) / C0 for tolerance, f in found.items()}
    print(
        f"\n  {name}, {n}³, porosity {np.mean(pore > 0.5):.2f}, least c {np.nanmin(expected):.1e}: "
        + ", ".join(f"{e:.1e} c0 at {t:g} ({found[t].cycles} cycles)" for t, e in share.items())
    )
    for tolerance, allowed in ALLOWED.items():
        assert share[tolerance] <= allowed


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dt", [60.0, 3600.0])
def test_steps_in_time(n, dt):
    """Three steps with cells, sources and vessels, each scheme from its own field before."""
    pore, boundary, terms = case("foam with sealed pockets", n)
    rng = np.random.default_rng(0)
    fixed = np.full(pore.shape, np.nan)
    fixed[::7, ::7] = 0.05
    terms |= {"source": 1e-5 * (rng.random(pore.shape) < 0.1), "decay": 2e-4, "fixed": fixed}
    start = np.where(pore, C0 * rng.random(pore.shape), np.nan)
    domain = Domain(pore, voxel=H, threads=2)
    oxygen = Diffusion(domain, diffusivity=D, boundary=boundary)
    worst, expected, found = {}, start, dict.fromkeys(ALLOWED, start)
    for _ in range(3):
        for tolerance in ALLOWED:
            found[tolerance] = oxygen.solve(
                previous=found[tolerance], dt=dt, half_saturation=KM, tolerance=tolerance, **terms
            ).value
        step = {"decay": 2e-4 + 1 / dt, "source": terms["source"] + np.nan_to_num(expected) / dt}
        expected = exact(pore, boundary, found[1e-8], **(terms | step))
        for tolerance in ALLOWED:
            worst[tolerance] = max(worst.get(tolerance, 0), error(found[tolerance], expected) / C0)
    told = ", ".join(f"{e:.1e} c0 at {t:g}" for t, e in worst.items())
    print(f"\n  steps of {dt:g} s, {n}³: {told}")
    for tolerance, allowed in ALLOWED.items():
        assert worst[tolerance] <= allowed


@pytest.mark.parametrize("dt", [None, 3600.0])
@pytest.mark.parametrize("name", ["foam with sealed pockets", "random mask of 92 %"])
def test_from_the_field_before(name, dt):
    """One sink in a hundred moves: all the error is slow, and hides behind fast corrections."""
    pore, boundary, _ = case(name, 24)
    rng = np.random.default_rng(4)
    uptake = 0.05 * V_CELL
    domain = Domain(pore, voxel=H, threads=2)
    oxygen = Diffusion(domain, diffusivity=D, boundary=boundary)
    sink = uptake * (rng.random(pore.shape) < 0.2)
    field = oxygen.solve(C0, consumption=sink, half_saturation=KM, tolerance=1e-8).value
    for _ in range(3):
        moved = rng.random(pore.shape) < 0.01
        sink = np.where(moved, uptake * (rng.random(pore.shape) < 0.2), sink)
        time = {} if dt is None else {"previous": field, "dt": dt}
        terms = {"consumption": sink, "half_saturation": KM, **time}
        loose, tight = (oxygen.solve(field, tolerance=t, **terms).value for t in (1e-6, 1e-8))
        step = {"consumption": sink}
        if dt is not None:
            step |= {"decay": 1 / dt, "source": np.nan_to_num(field) / dt}
        expected = exact(pore, boundary, tight, kept=np.nan_to_num(field), **step)
        assert error(loose, expected) <= 1e-4 * C0
        assert error(tight, expected) <= 1e-5 * C0
        field = tight


def test_walls_that_leak_cost_few_cycles():
    """Cells of a foam behind walls of 1e-4; 100 cycles where pieces are joined across them."""
    rng = np.random.default_rng(7)
    seeds = rng.integers(0, 24, (9, 3))
    place = np.stack(np.indices((24, 24, 24)), axis=-1)
    near = np.sort(np.linalg.norm(place[..., None, :] - seeds, axis=-1), axis=-1)
    pore = np.where(near[..., 1] - near[..., 0] < 1.5, 1e-4, 1.0)
    found = steady_state(
        pore,
        voxel=H,
        diffusivity=D,
        boundary={"z-": C0},
        consumption=0.01 * V_CELL,
        half_saturation=KM,
        threads=2,
    )
    assert found.cycles <= 16


AXIS = st.one_of(
    st.just(("periodic", None)),
    st.tuples(*[st.sampled_from(["closed", "held", "exchange"])] * 2),
)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**31),
    porosity=st.floats(0.35, 0.95),
    kinds=st.tuples(AXIS, AXIS, AXIS),
    film=st.floats(-9, -4),
    uptake=st.floats(-4, 0.5),
    decay=st.sampled_from([0.0, 1e-6, 1e-3]),
    vessels=st.booleans(),
    dt=st.sampled_from([None, 10.0, 3600.0]),
)
def test_random_masks_with_any_faces(seed, porosity, kinds, film, uptake, decay, vessels, dt):
    rng, n = np.random.default_rng(seed), 12
    pore = rng.random((n, n, n)) < porosity
    boundary = {}
    for axis, pair in zip("xyz", kinds, strict=True):
        if pair[0] == "periodic":
            boundary[axis] = "periodic"
            continue
        for side, kind in zip("-+", pair, strict=True):
            if kind != "closed":
                boundary[axis + side] = C0 if kind == "held" else (C0, 10.0**film)
    terms = {"consumption": 10.0**uptake * V_CELL * (rng.random(pore.shape) < 0.2), "decay": decay}
    if decay:
        terms["source"] = C0 * decay * rng.random(pore.shape)
    if vessels:
        terms["fixed"] = np.where(rng.random(pore.shape) < 0.01, C0 * 0.25, np.nan)
    before = np.where(pore, C0 * rng.random(pore.shape), np.nan)
    periodic = tuple(boundary.get(axis) == "periodic" for axis in "xyz")
    oxygen = Diffusion(Domain(pore, voxel=H, periodic=periodic), diffusivity=D, boundary=boundary)
    time = {} if dt is None else {"previous": before, "dt": dt}
    found = {
        tolerance: oxygen.solve(before, half_saturation=KM, tolerance=tolerance, **terms, **time)
        for tolerance in ALLOWED
    }
    if dt is not None:
        terms["decay"] = decay + 1 / dt
        terms["source"] = terms.get("source", 0.0) + np.nan_to_num(before) / dt
    expected = exact(pore, boundary, found[1e-8].value, kept=np.nan_to_num(before), **terms)
    for tolerance, allowed in ALLOWED.items():
        assert error(found[tolerance].value, expected) <= allowed * C0
