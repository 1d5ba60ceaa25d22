"""Kernels against NumPy, and what every field obeys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.solver import _diffusion
from scaffoldsim.solver.diffusion import advance, steady_state
from scaffoldsim.solver.multigrid import Multigrid, pad
from tests.solver.reference import D, H

UNITS = {"voxel": H, "diffusivity": D}
COARSE = settings(max_examples=15, deadline=None, derandomize=True)


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
    total = grid.kernel.linearise(
        c, u, km, np.full((1, 1, pore.shape[2]), linear), q, [None] * 6, np.zeros(6)
    )
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
    found = steady_state(
        pore, boundary=boundary, consumption=sink, half_saturation=km, initial=0.1, **UNITS
    ).value
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
    found = advance(
        pore, boundary=boundary, previous=before, dt=dt, decay=decay, tolerance=1e-8, **UNITS
    ).value
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


def test_store_clips_at_zero_and_marks_the_solid():
    c = pad(np.array([[[2.0, -1e-9, 3.0]]]), (False,) * 3)
    mask = pad(np.array([[[1, 1, 0]]], np.uint8), (False,) * 3)
    out = np.empty((1, 1, 3))
    _diffusion.store_field(c, 0.5, mask, out)
    np.testing.assert_array_equal(out, [[[1.0, 0.0, np.nan]]])
