from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from scaffoldsim.solver import _diffusion
from scaffoldsim.solver.diffusion import (
    ConvergenceError,
    Diffusion,
    advance,
    steady_state,
)
from scaffoldsim.solver.multigrid import Multigrid, pad
from tests.solver.reference import ALL_FACES, KM, V_CELL, D, H, gyroid, solve

UNITS = {"voxel": H, "diffusivity": D}
COARSE = settings(max_examples=15, deadline=None, derandomize=True)
N = 16
RNG = np.random.default_rng(1)
GYROID = gyroid(N, N)
CELLS = RNG.random((N, N, N)) < 0.2
FIXED = np.full((N, N, N), np.nan)
FIXED[9, 9, :], FIXED[3:6, 3:6, 3:6] = 0.15, 0.02
OXYGEN = {"consumption": V_CELL * CELLS, "half_saturation": KM}
ROUGH = RNG.random((N, N, N)) * GYROID

CASES = {
    "gyroid": (GYROID, ALL_FACES, OXYGEN),
    "contrast 1e-4": (np.where(GYROID, 1.0, 1e-4), ALL_FACES, OXYGEN),
    "contrast 1e-2, one face": (np.where(GYROID, 1.0, 1e-2), {"z-": 0.2}, OXYGEN),
    "rough diffusivity": (ROUGH, {"z-": 0.2}, OXYGEN),
    "periodic": (GYROID, {"x": "periodic", "y": "periodic", "z+": 0.2}, OXYGEN),
    "periodic, odd": (
        gyroid(15, 15), {"x": "periodic", "y": "periodic", "z": "periodic"},
        {"decay": 1e-3, "source": 1e-4 * CELLS[:15, :15, :15]},
    ),
    "periodic, rough, odd": (
        ROUGH[:15, :16, :13], {"x": "periodic", "y-": 0.2, "z": "periodic"},
        {"consumption": V_CELL * CELLS[:15, :16, :13], "half_saturation": KM},
    ),
    "exchange": (GYROID, {"x-": (0.2, 2e-6), "y+": (0.1, 1e-7)},
                 {"consumption": 0.05 * V_CELL * CELLS, "half_saturation": KM}),
    "exchange, rough": (ROUGH, {"x-": (0.2, 2e-6), "z+": 0.05},
                        {"consumption": 0.05 * V_CELL * CELLS, "half_saturation": KM}),
    "fixed": (GYROID, {"x-": 0.2, "y": "periodic"}, {**OXYGEN, "fixed": FIXED}),
    "fixed, rough, odd": (ROUGH[:, :15], {"x-": 0.2, "y": "periodic"},
                          {"decay": 1e-3, "fixed": FIXED[:, :15]}),
    "source and decay": (GYROID, {"x-": 0.0}, {"decay": 1e-3, "source": 3e-4 * CELLS}),
    "zero order": (GYROID, {"x-": 0.2, "x+": 0.2},
                   {"consumption": V_CELL, "half_saturation": 1e-6}),
    "thin": (GYROID[:, :1, :7], {"x-": 0.2, "y": "periodic", "z": "periodic"},
             {"consumption": 0.1 * V_CELL, "half_saturation": KM}),
}


def scale(boundary, reference):
    held = [v[0] if isinstance(v, tuple) else v for v in boundary.values() if v != "periodic"]
    return max([*held, np.nanmax(reference)])


@pytest.mark.parametrize("case", CASES)
def test_direct_solution(case):
    pore, boundary, terms = CASES[case]
    expected = solve(pore, boundary, **terms)
    c0 = scale(boundary, expected)
    for tolerance, allowed in ((1e-6, 1e-4), (1e-8, 1e-5)):
        found = steady_state(pore, boundary=boundary, tolerance=tolerance, threads=2, **UNITS,
                             **terms)
        assert found.residual <= tolerance
        np.testing.assert_allclose(found.value, expected, rtol=0, atol=allowed * c0)


def test_direct_solution_on_a_finer_gyroid():
    pore = gyroid(24, 24)
    terms = {"consumption": V_CELL * (RNG.random(pore.shape) < 0.3), "half_saturation": KM}
    loose, tight = (
        steady_state(pore, boundary=ALL_FACES, tolerance=t, **UNITS, **terms).value
        for t in (1e-6, 1e-8)
    )
    expected = solve(pore, ALL_FACES, start=tight, **terms)
    np.testing.assert_allclose(loose, expected, rtol=0, atol=1e-4 * 0.2)
    np.testing.assert_allclose(tight, expected, rtol=0, atol=1e-5 * 0.2)


@pytest.mark.parametrize("porosity", [0.92, 0.5, 0.33])
def test_random_mask_with_pockets(porosity):
    pore = np.random.default_rng(3).random((N, N, N)) < porosity
    label, _ = ndimage.label(pore)
    reached = np.isin(label, np.unique(label[:, :, 0])) & pore
    sink = 0.2 * V_CELL * CELLS
    expected = solve(pore, {"z-": 0.2}, consumption=sink, skip=~reached)
    found = steady_state(pore, boundary={"z-": 0.2}, consumption=sink, half_saturation=KM,
                         initial=0.07, threads=2, **UNITS)
    np.testing.assert_allclose(found.value[reached], expected[reached], rtol=0, atol=2e-5)
    drained = ndimage.maximum(CELLS, label, np.arange(label.max() + 1))[label] > 0
    assert (found.value[pore & ~reached & drained] == 0).all()
    assert (found.value[pore & ~reached & ~drained] == 0.07).all()
    assert np.isnan(found.value[~pore]).all()


@pytest.mark.parametrize("case", ["gyroid", "periodic, rough, odd", "fixed"])
def test_bits_do_not_depend_on_threads(case):
    pore, boundary, terms = CASES[case]
    # Repeated until every parallel loop has more rows than it takes to wake a second thread.
    tile = (6, 6, 5) if case == "gyroid" else (3, 3, 3)
    terms = {k: np.tile(v, tile) if np.ndim(v) else v for k, v in terms.items()}
    first, *others = (
        steady_state(np.tile(pore, tile), boundary=boundary, threads=n, **UNITS, **terms)
        for n in (1, 2, 4)
    )
    for other in others:
        assert other.value.tobytes() == first.value.tobytes()
        assert (other.residual, other.cycles) == (first.residual, first.cycles)


def test_a_solve_remembers_nothing():
    used = Diffusion(GYROID, boundary=ALL_FACES, threads=1, **UNITS)
    used.solve(None, decay=1e-3, source=1e-4 * CELLS, fixed=FIXED)
    used.solve(0.1, previous=0.1, dt=60.0, **OXYGEN)
    fresh = Diffusion(GYROID, boundary=ALL_FACES, threads=2, **UNITS)
    warm = np.where(GYROID, 0.19, np.nan)
    assert used.solve(warm, **OXYGEN).value.tobytes() == fresh.solve(warm, **OXYGEN).value.tobytes()


def test_backward_euler_step():
    model = Diffusion(GYROID, boundary={"x-": 0.1}, **UNITS)
    before = np.where(GYROID, RNG.random(GYROID.shape), np.nan)
    dt = 50.0
    found = model.solve(None, previous=before, dt=dt, decay=1e-3, source=2e-5, tolerance=1e-8)
    expected = solve(GYROID, {"x-": 0.1}, decay=1e-3 + 1 / dt,
                     source=2e-5 + np.nan_to_num(before) / dt)
    np.testing.assert_allclose(found.value, expected, rtol=0, atol=1e-5)
    same = advance(GYROID, boundary={"x-": 0.1}, previous=before, dt=dt, decay=1e-3, source=2e-5,
                   tolerance=1e-8, **UNITS)
    assert same.value.tobytes() == found.value.tobytes()


def test_closed_box_keeps_its_mass():
    model = Diffusion(GYROID, boundary={"x": "periodic"}, **UNITS)
    c = np.where(GYROID, RNG.random(GYROID.shape), np.nan)
    total = np.nansum(c)
    for _ in range(5):
        c = model.solve(c, previous=c, dt=20.0).value
    assert np.nansum(c) == pytest.approx(total, rel=1e-6)
    later = model.solve(c, previous=c, dt=20.0, source=1e-4 * CELLS).value
    gained = 20.0 * 1e-4 * np.count_nonzero(CELLS & GYROID)
    assert np.nansum(later) - total == pytest.approx(gained, rel=1e-5)


# ------------------------------------------------------------------ pockets and empty problems
def box_with_pocket():
    pore = np.ones((12, 10, 8), bool)
    pore[4:9, 4:9, 2:7] = False
    pore[5:8, 5:8, 3:6] = True
    return pore, (slice(5, 8), slice(5, 8), slice(3, 6))


def pocket_values(**terms):
    pore, inside = box_with_pocket()
    solution = steady_state(pore, boundary={"x-": 0.2}, **UNITS, **terms)
    assert np.isfinite(solution.value[pore]).all()
    np.testing.assert_array_less(solution.value[~np.isnan(solution.value)], 1e3)
    return solution.value[inside]


def only_in_pocket(value):
    pore, inside = box_with_pocket()
    out = np.zeros(pore.shape)
    out[inside] = value
    return out


def test_pocket_without_source_keeps_initial():
    assert (pocket_values() == 0).all()
    assert (pocket_values(initial=0.013) == 0.013).all()


def test_pocket_with_sink_alone_is_empty():
    assert (pocket_values(initial=0.1, decay=1e-6) == 0).all()
    assert (pocket_values(initial=0.1, consumption=V_CELL, half_saturation=KM) == 0).all()


def test_pocket_balances_source_and_decay():
    value = pocket_values(source=only_in_pocket(1e-5), decay=1e-4)
    np.testing.assert_allclose(value, 0.1, rtol=1e-4)


@pytest.mark.parametrize("share", [0.1, 0.9, 0.999])
@pytest.mark.parametrize("initial", [0.0, 5.0])
def test_pocket_balances_source_and_consumption(share, initial):
    value = pocket_values(source=only_in_pocket(share * V_CELL), consumption=V_CELL,
                          half_saturation=KM, initial=initial, tolerance=1e-9)
    np.testing.assert_allclose(value, KM * share / (1 - share), rtol=1e-3)


def test_pocket_with_a_fixed_voxel():
    fixed = only_in_pocket(np.nan)
    fixed[fixed == 0] = np.nan
    fixed[6, 6, 4] = 0.05
    np.testing.assert_allclose(pocket_values(fixed=fixed), 0.05, rtol=1e-4)


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"source": only_in_pocket(1e-5)}, r"27 voxels at \(5, 5, 3\) has a source and no sink"),
        ({"source": only_in_pocket(V_CELL), "consumption": V_CELL, "half_saturation": KM},
         r"27 voxels at \(5, 5, 3\) has a source of .* greatest consumption"),
    ],
)
def test_pocket_without_steady_state(terms, words):
    with pytest.raises(ValueError, match=words):
        pocket_values(**terms)


def test_pocket_across_a_periodic_face_is_one():
    pore = np.zeros((6, 5, 5), bool)
    pore[[0, 5], 2, 2] = True
    with pytest.raises(ValueError, match="2 voxels"):
        steady_state(pore, boundary={"x": "periodic"}, source=1e-5, **UNITS)
    with pytest.raises(ValueError, match="1 voxel at"):
        steady_state(pore, boundary={}, source=1e-5, **UNITS)


def test_all_solid():
    found = steady_state(np.zeros((4, 5, 6), bool), boundary=ALL_FACES, source=1.0, **UNITS)
    assert np.isnan(found.value).all()
    assert found.cycles == 0


def test_nothing_anywhere():
    found = steady_state(GYROID, boundary={"x-": 0.0}, initial=0.3, decay=1e-3, **UNITS)
    assert (found.value[GYROID] == 0).all()


def test_no_cells_is_the_face_value():
    found = steady_state(GYROID, boundary=ALL_FACES, initial=0.0, half_saturation=KM,
                         consumption=np.zeros(GYROID.shape), **UNITS)
    np.testing.assert_allclose(found.value[GYROID], 0.2, rtol=1e-4)


def test_zero_diffusivity_is_local():
    terms = {"voxel": H, "diffusivity": 0.0, "boundary": ALL_FACES}
    assert (steady_state(GYROID, initial=0.04, **terms).value[GYROID] == 0.04).all()
    found = steady_state(GYROID, source=1e-5, decay=1e-4, **terms).value[GYROID]
    np.testing.assert_allclose(found, 0.1, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 9), (9, 1, 1), (2, 3, 1), (5, 7, 3)])
@pytest.mark.parametrize("wrap", [False, True])
def test_any_size(shape, wrap):
    boundary = {"x": "periodic", "y": "periodic", "z-": 0.2} if wrap else {"x-": 0.2}
    terms = {"decay": 2e-3, "consumption": V_CELL, "half_saturation": KM}
    found = steady_state(np.ones(shape), boundary=boundary, tolerance=1e-8, **UNITS, **terms)
    np.testing.assert_allclose(
        found.value, solve(np.ones(shape), boundary, **terms), rtol=0, atol=1e-6)


def test_walls_one_voxel_thick():
    pore = np.ones((21, 20, 22), bool)
    pore[::4], pore[:, ::5], pore[:, :, ::3] = False, False, False
    pore[::4, 2::5, 1::3] = True  # one small hole from room to room along x
    found = steady_state(pore, boundary={"x-": 0.2}, consumption=1e-4 * V_CELL,
                         half_saturation=KM, **UNITS)
    expected = solve(pore, {"x-": 0.2}, consumption=1e-4 * V_CELL)
    np.testing.assert_allclose(found.value, expected, rtol=0, atol=2e-5)


def test_scale_of_the_relative_diffusivity():
    once = steady_state(np.where(GYROID, 0.5, 0.0), boundary=ALL_FACES, **UNITS, **OXYGEN)
    twice = steady_state(GYROID, boundary=ALL_FACES, voxel=H, diffusivity=D / 2, **OXYGEN)
    np.testing.assert_allclose(once.value, twice.value, rtol=1e-6)


def test_small_and_large_units_agree():
    terms = {"decay": 1e-3, "source": 1e-4 * CELLS}
    one = steady_state(GYROID, boundary={"x-": 0.2}, **UNITS, **terms).value
    terms["source"] = 2.0**-60 * terms["source"]
    tiny = steady_state(GYROID, boundary={"x-": 2.0**-60 * 0.2}, **UNITS, **terms).value
    assert (2.0**60 * tiny[GYROID] == one[GYROID]).all()


def test_stall_is_an_error_with_history(monkeypatch):
    monkeypatch.setattr("scaffoldsim.solver.newton.MAX_NEWTON", 2)
    monkeypatch.setattr("scaffoldsim.solver.newton.MAX_CYCLES", 2)
    monkeypatch.setattr("scaffoldsim.solver.newton.MAX_KRYLOV", 1)
    monkeypatch.setattr("scaffoldsim.solver.newton.MAX_JACOBI", 1)
    with pytest.raises(ConvergenceError, match="relative residual") as caught:
        steady_state(GYROID, boundary=ALL_FACES, tolerance=1e-10, **UNITS, **OXYGEN)
    assert len(caught.value.history) == 6
    assert caught.value.history[-1] > 1e-10


@pytest.mark.parametrize("off", ["MAX_CYCLES", "MAX_KRYLOV"])
def test_fall_backs_find_the_same_field(monkeypatch, off):
    expected = steady_state(GYROID, boundary=ALL_FACES, tolerance=1e-8, **UNITS, **OXYGEN)
    monkeypatch.setattr("scaffoldsim.solver.newton.MAX_CYCLES", 0)
    monkeypatch.setattr(f"scaffoldsim.solver.newton.{off}", 0)
    found = steady_state(GYROID, boundary=ALL_FACES, tolerance=1e-8, **UNITS, **OXYGEN)
    np.testing.assert_allclose(found.value, expected.value, rtol=0, atol=1e-6)


# --------------------------------------------------------------------------------- bad inputs
GOOD = {"pore": np.ones((4, 4, 4)), "voxel": H, "diffusivity": D, "boundary": {"x-": 0.2}}
BAD = [
    ({"pore": np.ones((4, 4))}, "pore has shape"),
    ({"pore": np.ones((4, 0, 4))}, "pore has shape"),
    ({"pore": -np.ones((4, 4, 4))}, "pore holds values that are negative"),
    ({"pore": np.full((4, 4, 4), np.nan)}, "pore holds values that are negative or not finite"),
    ({"pore": np.full((4, 4, 4), "a")}, "pore has dtype"),
    ({"voxel": 0.0}, "voxel is 0.0"),
    ({"voxel": "20 um"}, "voxel is '20 um'"),
    ({"diffusivity": -1.0}, "diffusivity is -1.0"),
    ({"diffusivity": np.inf}, "diffusivity is inf"),
    ({"boundary": {"x": 0.2}}, "can only be 'periodic'"),
    ({"boundary": {"w-": 0.2}}, "unknown key 'w-'"),
    ({"boundary": {"x": "periodic", "x-": 0.2}}, "a periodic axis has no faces"),
    ({"boundary": {"x-": -0.2}}, "must be a finite number >= 0"),
    ({"boundary": {"x-": "periodic"}}, "must be a finite number >= 0"),
    ({"boundary": {"x-": (0.2,)}}, "takes two numbers"),
    ({"boundary": {"x-": (0.2, -1.0)}}, "exchange|finite number >= 0"),
    ({"boundary": [0.2]}, "must be a mapping"),
    ({"consumption": 1e-4}, "half_saturation is missing"),
    ({"consumption": 1e-4, "half_saturation": 0.0}, "half_saturation is 0.0"),
    ({"consumption": np.ones((4, 4, 3)), "half_saturation": KM}, "consumption has shape"),
    ({"consumption": -np.ones((4, 4, 4)), "half_saturation": KM}, "consumption is negative"),
    ({"consumption": np.full((4, 4, 4), np.nan), "half_saturation": KM}, "consumption is negative"),
    ({"decay": -1.0}, "decay is negative"),
    ({"decay": "fast"}, "decay is 'fast'"),
    ({"source": -1.0}, "source is negative"),
    ({"source": np.inf}, "source is negative or not finite"),
    ({"fixed": 0.2}, "fixed is one number"),
    ({"fixed": -np.ones((4, 4, 4))}, "fixed holds a negative"),
    ({"fixed": np.ones((4, 4, 5))}, "fixed has shape"),
    ({"initial": -1.0}, "initial is negative"),
    ({"initial": np.full((4, 4, 4), np.nan)}, "initial is negative or not finite in some pore"),
    ({"initial": np.ones(4)}, "initial has shape"),
    ({"tolerance": 0.0}, "tolerance is 0.0"),
    ({"tolerance": 1e-14}, r"must lie in \[1e-12, 1\)"),
    ({"threads": 0}, "threads is 0"),
    ({"threads": 1.5}, "threads is 1.5"),
]


@pytest.mark.parametrize(("change", "words"), BAD, ids=[w for _, w in BAD])
def test_bad_input(change, words):
    with pytest.raises(ValueError, match=words):
        steady_state(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("terms", "words"),
    [({"dt": 1.0}, "go together"), ({"previous": 0.1}, "go together"),
     ({"dt": 0.0, "previous": 0.1}, "dt is 0.0"), ({"dt": 1.0, "previous": -0.1}, "previous is")],
)
def test_bad_step(terms, words):
    with pytest.raises(ValueError, match=words):
        Diffusion(**GOOD).solve(0.1, **terms)


def test_lists_and_integers_are_accepted():
    plain = Diffusion([[[1, 1], [1, 0]]], voxel=H, diffusivity=D, boundary={"x-": 1})
    found = plain.solve([[[0, 0], [0, 0]]], decay=[[[1, 1], [1, 1]]]).value
    assert np.isfinite(found).sum() == 3
    assert "Diffusion((1, 2, 2)" in repr(plain)


# ------------------------------------------------------------------ kernels and their properties
@st.composite
def boxes(draw):
    shape = tuple(draw(st.integers(1, 6)) for _ in range(3))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    pore = rng.random(shape) * (rng.random(shape) < draw(st.sampled_from([0.5, 0.8, 1.0])))
    if draw(st.booleans()):
        pore = pore > 0
    periodic = tuple(draw(st.booleans()) for _ in range(3))
    return pore, periodic, rng


def neighbours(shape, periodic):
    """Pairs of flat indices that share a face."""
    index = np.arange(np.prod(shape)).reshape(shape)
    for axis in range(3):
        i = np.moveaxis(index, axis, 0)
        yield from zip(i[:-1].ravel(), i[1:].ravel(), strict=True)
        if periodic[axis] and shape[axis] > 1:
            yield from zip(i[-1].ravel(), i[0].ravel(), strict=True)


def dense(pore, periodic):
    """Ten lines of NumPy: the matrix of the voxel equations with unit h and D."""
    p = pore.ravel().astype(float)
    a = np.zeros((p.size, p.size))
    for i, j in neighbours(pore.shape, periodic):
        if p[i] and p[j]:
            k = 2 * p[i] * p[j] / (p[i] + p[j])
            a[i, j] -= k
            a[j, i] -= k
            a[i, i] += k
            a[j, j] += k
    return a


def prepared(box, uptake, km, linear):
    pore, periodic, rng = box
    grid = Multigrid(pore, periodic, [None] * 6, threads=2)
    c = pad(np.where(pore > 0, rng.random(pore.shape), 0.0), grid.periodic)
    q = rng.random(pore.shape)
    u = np.full(pore.shape, uptake, np.float32)
    total = grid.kernel.linearise(c, u, km, np.full((1, 1, pore.shape[2]), linear), q,
                                  [None] * 6, np.zeros(6))
    return grid, c[1:-1, 1:-1, 1:-1].ravel(), q.ravel(), total


@COARSE
@given(boxes(), st.floats(0, 2), st.floats(0.01, 2), st.floats(0, 1))
def test_residual_kernel(box, uptake, km, linear):
    grid, c, q, total = prepared(box, uptake, km, linear)
    uptake = float(np.float32(uptake))
    expected = q - dense(box[0], box[1]) @ c - linear * c - uptake * c / (km + c)
    expected = np.where(box[0].ravel() > 0, expected, 0)
    found = grid.b[1:-1, 1:-1, 1:-1].ravel()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert total == pytest.approx(np.sum(expected**2), rel=1e-5, abs=1e-9)
    slope = np.where(box[0].ravel() > 0, linear + uptake * km / (km + c) ** 2, 0)
    np.testing.assert_allclose(grid.s[1:-1, 1:-1, 1:-1].ravel(), slope, rtol=1e-5)


@COARSE
@given(boxes(), st.floats(0.01, 1))
def test_sweep_kernel(box, linear):
    grid, _, _, _ = prepared(box, 0.0, 1.0, linear)
    pore = box[0].ravel() > 0
    even = np.indices(box[0].shape).sum(axis=0).ravel() % 2 == 1
    a = dense(box[0], box[1]) + linear * np.eye(pore.size)
    x, b = np.zeros(pore.size), grid.b[1:-1, 1:-1, 1:-1].ravel().astype(float)
    for _ in range(2):
        for colour in (even, ~even):
            new = (b - (a - np.diag(np.diag(a))) @ x) / np.diag(a)
            x = np.where(colour & pore, new, x)
        grid.kernel.sweep()
    odd_ring = any(w and n % 2 and n > 1 for w, n in zip(box[1], box[0].shape, strict=True))
    if not odd_ring:
        np.testing.assert_allclose(grid.x[1:-1, 1:-1, 1:-1].ravel(), x, rtol=1e-4, atol=1e-4)
    assert (grid.x[1:-1, 1:-1, 1:-1].ravel()[~pore] == 0).all()


@COARSE
@given(boxes(), st.floats(0.05, 1))
def test_cycle_solves_the_linear_problem(box, linear):
    grid, _, _, _ = prepared(box, 0.0, 1.0, linear)
    pore = box[0].ravel() > 0
    a = dense(box[0], box[1]) + linear * np.eye(pore.size)
    b = grid.b[1:-1, 1:-1, 1:-1].ravel() * pore
    grid.kernel.restrict_sinks()
    total = np.zeros(pore.size)
    for _ in range(25):
        grid.kernel.cycle()
        total += grid.x[1:-1, 1:-1, 1:-1].ravel()
        grid.b[1:-1, 1:-1, 1:-1] = (b - a @ total * pore).reshape(box[0].shape)
    np.testing.assert_allclose(total, np.linalg.solve(a, b) * pore, rtol=1e-4, atol=1e-4)


@COARSE
@given(boxes(), st.floats(0, 1e-2), st.floats(1e-6, 1e-1))
def test_maximum_principle(box, sink, km):
    pore, periodic, _ = box
    boundary = {name: "periodic" for name, w in zip("xyz", periodic, strict=True) if w}
    for name in "xyz":
        if name not in boundary:
            boundary |= {name + "-": 0.05, name + "+": 0.2}
    found = steady_state(pore, boundary=boundary, consumption=sink, half_saturation=km,
                         initial=0.1, **UNITS).value
    inside = found[pore > 0]
    assert np.isfinite(inside).all()
    assert (inside >= 0).all()
    assert (inside <= 0.2 * (1 + 1e-4)).all()


@COARSE
@given(boxes(), st.floats(1e-4, 1e-2), st.floats(1.0, 1e4))
def test_mass_balance_of_a_step(box, decay, dt):
    pore, periodic, rng = box
    boundary = {name: "periodic" for name, w in zip("xyz", periodic, strict=True) if w}
    before = rng.random(pore.shape)
    found = advance(pore, boundary=boundary, previous=before, dt=dt, decay=decay, tolerance=1e-8,
                    **UNITS).value
    inside = pore > 0
    kept = np.sum(found[inside]) * (1 + decay * dt)
    assert kept == pytest.approx(np.sum(before[inside]), rel=1e-6)


def test_load_counts_unfit_values():
    field = np.array([[[1.0, np.nan, -1.0, np.inf, np.nan]]])
    mask = pad(np.array([[[1, 1, 1, 1, 0]]], np.uint8), (False,) * 3)
    c = np.zeros(mask.shape)
    for dtype in (np.float32, np.float64):
        assert _diffusion.load_field(field.astype(dtype), 2.0, mask, c) == 3
    assert c[1, 1, 1] == 2.0
    assert c[1, 1, 5] == 0.0
