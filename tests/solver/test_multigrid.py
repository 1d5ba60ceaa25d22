"""Kernels against NumPy, and what every field obeys."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from scaffoldsim.solver import _diffusion
from scaffoldsim.solver.diffusion import advance, steady_state
from scaffoldsim.solver.multigrid import Multigrid, smoother
from scaffoldsim.solver.padding import LANES, LINE, SLACK, core_of, pad
from scaffoldsim.solver.slices import Slices
from tests.solver.reference import D, H

UNITS = {"voxel": H, "diffusivity": D}
COARSE = settings(max_examples=15, deadline=None, derandomize=True)


@st.composite
def boxes(draw):
    shape = tuple(draw(st.integers(1, 6)) for _ in range(3))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    pore = rng.random(shape) * (rng.random(shape) < draw(st.sampled_from([0.5, 0.8, 1.0])))
    kind = draw(st.sampled_from(["mask", "rough", "walls"]))
    if kind == "mask":
        pore = pore > 0
    elif kind == "walls":
        pore *= np.where(rng.random(shape) < 0.4, 1e-4, 1)
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
    grid = Multigrid(pore, periodic, threads=2)
    c = pad(np.where(pore > 0, rng.random(pore.shape), 0.0), grid.periodic)
    q = rng.random(pore.shape)
    # Half of the supply as source, half as the field before; one term of each kind.
    terms = (
        (np.full(pore.shape, uptake, np.float32), 1.0, 0.0),
        (None, 0.0, linear),
        (q, 0.5, 0.0),
        (q, 0.25, 0.0),
    )
    q = 0.75 * q
    total = grid.kernel.linearise(c, grid.mask, terms, km, [None] * 6, np.zeros(6), True, True)
    return grid, c[grid.core].ravel(), q.ravel(), total


@COARSE
@given(boxes(), st.floats(0, 2), st.floats(0.01, 2), st.floats(0, 1))
def test_residual_kernel(box, uptake, km, linear):
    grid, c, q, (total, supply) = prepared(box, uptake, km, linear)
    uptake = float(np.float32(uptake))
    expected = q - dense(box[0], box[1]) @ c - linear * c - uptake * c / (km + c)
    expected = np.where(box[0].ravel() > 0, expected, 0)
    found = grid.b[grid.core].ravel()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert total == pytest.approx(np.sum(expected**2), rel=1e-5, abs=1e-9)
    assert supply == pytest.approx(np.sum(q[box[0].ravel() > 0] ** 2), rel=1e-5)
    slope = np.where(box[0].ravel() > 0, linear + uptake * km / (km + c) ** 2, 0)
    np.testing.assert_allclose(grid.s[grid.core].ravel(), slope, rtol=1e-5, atol=1e-30)


def smoothed(a, diagonal, b):
    """What the smoother makes of zero."""
    x = np.zeros_like(b)
    for weight in smoother().astype(float):
        x += weight * diagonal * (b - a @ x)
    return x


@COARSE
@given(boxes(), st.floats(0.01, 1))
def test_smoother_and_restriction(box, linear):
    grid, _, _, _ = prepared(box, 0.0, 1.0, linear)
    if len(grid.levels) == 1:
        return
    pore = box[0].ravel() > 0
    a = dense(box[0], box[1]) + linear * np.eye(pore.size)
    b = grid.b[grid.core].ravel().astype(float)
    x = smoothed(a, pore / np.diag(a), b)
    grid.kernel.restrict_slopes()
    grid.kernel.descend()
    found = grid.x[grid.core].ravel()
    np.testing.assert_allclose(found, x, rtol=1e-4, atol=1e-4)
    assert (found[~pore] == 0).all()
    fine, coarse = grid.levels[:2]
    place = np.ravel_multi_index([i + 1 for i in np.indices(box[0].shape)], fine.padded).ravel()
    parents = fine.parents(place)
    expected = np.zeros(coarse.n + coarse.extra)
    kept = pore & (parents >= 0)
    np.add.at(expected, parents[kept], (b - a @ x)[kept])
    np.testing.assert_allclose(coarse.b[rows_of(coarse)], expected[rows_of(coarse)], atol=1e-4)


@COARSE
@given(boxes(), st.floats(0.05, 1))
def test_cycle_solves_the_linear_problem(box, linear):
    grid, _, _, _ = prepared(box, 0.0, 1.0, linear)
    pore = box[0].ravel() > 0
    a = dense(box[0], box[1]) + linear * np.eye(pore.size)
    b = grid.b[grid.core].ravel() * pore
    grid.kernel.restrict_slopes()
    total = np.zeros(pore.size)
    for _ in range(25):
        grid.kernel.cycle()
        total += grid.x[grid.core].ravel()
        grid.b[grid.core] = (b - a @ total * pore).reshape(box[0].shape)
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


@pytest.mark.parametrize("n", [1, 15, 16, 25, 50, 100, 128])
def test_rows_begin_on_cache_lines(n):
    """The first interior value does, and rows are whole vectors or halves apart; slack is zero."""
    values = np.ones((2, 3, n), np.float32)
    for dtype in (np.uint8, np.float32, np.float64):
        out = pad(values.astype(dtype), (True, False, True))
        core, step = out[core_of(values.shape)], out.strides[1] // out.itemsize
        assert core.shape == values.shape
        assert (core == 1).all()
        assert (out.ctypes.data + out.itemsize) % LINE == 0
        assert n < LANES or step % (LANES // 2) == 0
        assert step - n - 2 <= max(SLACK * step, LANES // 2 - 1)
        assert (out[1, 1, 1 : n + 2] == 1).all()
        assert out.sum() == out[:, 1:-1, : n + 2].size
    grid = Multigrid(np.ones((3, 4, n), bool), (True, True, False), threads=1)
    for level in grid.levels:
        for array in (level.mask, level.part, *level.k, level.x, level.b, level.s, level.dinv):
            assert (array.ctypes.data + array.itemsize) % LINE == 0


def test_links_tell_where_they_lead():
    """A byte counts the links of a voxel and marks those to lower x, y and z; ghosts repeat it."""
    pore = np.ones((3, 3, 3), bool)
    pore[0, 1, 1] = False
    links = Multigrid(pore, (False, True, False), threads=1).levels[0].links
    assert links[2, 2, 2] == 5 + 16 + 32
    assert links[1, 1, 1] == 4 + 16
    assert links[3, 3, 3] == 4 + 8 + 16 + 32
    assert links[1, 2, 2] == 0
    np.testing.assert_array_equal(links[:, 4], links[:, 1])


def test_top_is_found_in_the_pore_alone():
    mask = pad(np.array([[[1, 1, 0]]], np.uint8), (False,) * 3)
    top = np.zeros(1, np.float32)
    for dtype in (np.float32, np.float64):
        good = np.array([[[1.0, 2.5, np.nan]]], dtype)
        assert _diffusion.field_top(good, mask, top, 1) == 2.5
        for bad in (np.nan, -1.0, np.inf):
            assert _diffusion.field_top(np.array([[[1.0, bad, 0.0]]], dtype), mask, top, 1) == -1


def test_load_leaves_out_the_solid():
    mask = pad(np.array([[[1, 0]]], np.uint8), (False,) * 3)
    c = np.zeros(mask.shape)
    for dtype in (np.float32, np.float64):
        _diffusion.load_field(np.array([[[1.5, np.nan]]], dtype), 2.0, mask, c, 1)
        assert c[1, 1, 1:3].tolist() == [3.0, 0.0]


def test_store_clips_at_zero_and_leaves_the_solid():
    c = pad(np.array([[[2.0, -1e-9, 3.0]]]), (False,) * 3)
    mask = pad(np.array([[[1, 1, 0]]], np.uint8), (False,) * 3)
    for dtype in (np.float32, np.float64):
        out = np.full((1, 1, 3), 7, dtype)
        _diffusion.store_field(c, 0.5, mask, out, 1)
        np.testing.assert_array_equal(out, [[[1.0, 0.0, 7.0]]])


def matrix(level):
    """Conductances between the rows of a level, dense, from the grid and from the loose rows."""
    a = np.zeros((level.n + level.extra,) * 2)
    for axis in range(3):
        k = level.mask.astype(float) if level.links is not None else level.k[axis].astype(float)
        for place in np.ndindex(*level.shape):
            high = [i + 1 for i in place]
            low = list(high)
            low[axis] -= 1
            if level.links is not None and not level.mask[tuple(low)]:
                continue
            weight = k[tuple(high)]
            if low[axis] == 0:
                if not level.periodic[axis]:
                    continue
                low[axis] = level.shape[axis]
            i, j = np.ravel_multi_index(np.transpose([low, high]), level.padded)
            if weight and level.mask[tuple(low)] and level.mask[tuple(high)]:
                a[i, j] += weight
                a[j, i] += weight
    for q, row in enumerate(level.row):
        for p in range(level.ptr[q], level.ptr[q + 1]):
            a[row, level.idx[p]] += level.val[p]
    return a


def rows_of(level):
    inner = np.zeros(level.padded, bool)
    inner[level.core] = level.mask[level.core] > 0
    return np.append(np.flatnonzero(inner), level.n + np.arange(level.extra))


@COARSE
@given(boxes())
def test_coarse_levels_are_galerkins(box):
    """Each row of a level is one connected piece of a block; its links are lengthened sums."""
    pore, periodic, _ = box
    levels = Multigrid(pore, periodic, threads=1).levels
    for fine, coarse in pairwise(levels):
        a, b = matrix(fine), matrix(coarse)
        np.testing.assert_array_equal(a, a.T)
        rows = rows_of(fine)
        parents = fine.parents(rows)
        linked = a[rows].any(axis=1)
        np.testing.assert_array_equal(parents >= 0, linked)
        assert set(parents[linked]) == set(rows_of(coarse))
        expected = np.zeros_like(b)
        for i, j in zip(*np.nonzero(a), strict=True):
            p, q = fine.parents(np.array([i, j]))
            if p != q:
                first, second = fine.strongest(np.array([i, j]))
                expected[p, q] += a[i, j] / (1 + a[i, j] / (2 * first) + a[i, j] / (2 * second))
        np.testing.assert_allclose(b, expected, rtol=1e-6)
        for parent in set(parents[linked]):
            members, _ = fine.members(np.array([parent]))
            np.testing.assert_array_equal(np.sort(members), rows[parents == parent])
            assert len(set(fine.blocks(members))) == 1
            pieces, _ = connected_components(a[np.ix_(members, members)])
            assert pieces == 1
    assert not matrix(levels[-1]).any()


@COARSE
@given(boxes())
def test_slices_hold_every_link_of_the_loose_rows(box):
    pore, periodic, _ = box
    for level in Multigrid(pore, periodic, threads=1).levels:
        slices = Slices(level)
        assert set(slices.row) == set(level.row)
        a, found = matrix(level), np.zeros((len(slices.row), level.n + level.extra))
        for q in range(len(slices.row) // LANES):
            for p in range(slices.first[q], slices.first[q + 1]):
                end, slot = slices.idx[p], LANES * q + (p - slices.first[q]) % LANES
                if end < level.n:  # a ghost stands for the opposite row
                    place = np.array(level.place(np.array([end]))).T[0]
                    place = (place - 1) % level.shape + 1
                    end = np.ravel_multi_index(place, level.padded)
                found[slot, end] += slices.val[p]
        np.testing.assert_allclose(found, a[slices.row], rtol=1e-6)
        np.testing.assert_allclose(slices.open, found.sum(axis=1), rtol=1e-6)
        loose = np.isin(level.member, level.row)
        np.testing.assert_array_equal(slices.slot >= 0, loose)
        np.testing.assert_array_equal(slices.row[slices.slot[loose]], level.member[loose])


def assert_same(one, two):
    assert len(one.levels) == len(two.levels)
    for a, b in zip(one.levels, two.levels, strict=True):
        names = ("mask", "part", "site", "row", "ptr", "idx", "val", "parent", "first", "member")
        for name in (*names, "edges", "links"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
        for k, other in zip(a.k, b.k, strict=True):
            np.testing.assert_array_equal(k, other)


@COARSE
@given(boxes(), st.integers(0, 2**20))
def test_an_updated_hierarchy_is_a_new_one(box, seed):
    pore, periodic, _ = box
    rng, used = np.random.default_rng(seed), Multigrid(pore, periodic, threads=2)
    for share in (0.2, 0.05, 0.9):
        pore = np.where(rng.random(pore.shape) < share, pore == 0, pore).astype(pore.dtype)
        used.update(pore)
        assert_same(used, Multigrid(pore, periodic, threads=1))


@COARSE
@given(boxes(), st.integers(0, 2**20))
def test_an_hierarchy_told_of_changed_voxels_is_a_new_one(box, seed):
    pore, periodic, _ = box
    rng, used = np.random.default_rng(seed), Multigrid(pore, periodic, threads=2)
    for share in (0.02, 0.3, 0.05):
        changed = np.flatnonzero(rng.random(pore.shape) < share).astype(np.int32)
        pore = pore.copy()
        pore.reshape(-1)[changed] = rng.choice([0.0, 0.25, 0.5, 1.0], len(changed))
        used.update(pore, changed=rng.permutation(changed))
        assert_same(used, Multigrid(pore, periodic, threads=1))


@pytest.mark.parametrize("periodic", [(True, True, False), (False, False, True)])
def test_few_voxels_change_in_a_large_box(periodic):
    """Most columns stay: walls open and close in a sheet of one voxel, and in open pore."""
    rng = np.random.default_rng(3)
    pore = np.ones((70, 41, 36), bool)
    pore[:, 13] = pore[20] = False
    used = Multigrid(pore, periodic, threads=2)
    for _ in range(6):
        pore = pore.copy()
        at = tuple(rng.integers(0, n, 4) for n in pore.shape)
        pore[at] = ~pore[at]
        pore[20, 5, rng.integers(36)] = True
        pore[rng.integers(70), 13, 7] = True
        used.update(pore)
        assert_same(used, Multigrid(pore, periodic, threads=1))


@pytest.mark.parametrize("periodic", [(True, True, False), (False, False, True)])
def test_few_voxels_of_a_large_box_fill_in_part(periodic):
    """Most blocks stay: bone grows and goes by eighths, in a sheet of one voxel and beside it."""
    rng = np.random.default_rng(4)
    pore = np.ones((70, 41, 36), np.float32)
    pore[:, 13] = pore[20] = 0
    pore[:, 14] = 0.625
    used = Multigrid(pore, periodic, threads=2)
    for _ in range(6):
        before, pore = pore, pore.copy()
        at = tuple(rng.integers(0, n, 6) for n in pore.shape)
        pore[at] = rng.integers(0, 9, 6) / 8
        pore[20, 5, rng.integers(36)] = 0.125
        used.update(pore, changed=np.flatnonzero(pore != before).astype(np.int32))
        assert_same(used, Multigrid(pore, periodic, threads=1))


@pytest.mark.parametrize("periodic", [True, False])
def test_slabs_of_a_pipeline_fit_together(periodic):
    """A cycle in slabs gives the bits of one slab, at any thickness."""
    rng = np.random.default_rng(5)
    for planes in (3, 9, 41, 64):
        pore = rng.random((planes, 20, 40)) < 0.95
        pore[:, 9:11] = False
        found = []
        for threads in (1, 2, 3, 4):
            grid = Multigrid(pore, (periodic, True, False), threads=threads)
            grid.b[grid.core] = np.random.default_rng(1).random(pore.shape) * pore
            grid.dinv[grid.core] = pore / 6.1
            grid.s[...] = 0.1
            grid.kernel.restrict_slopes()
            grid.kernel.cycle()
            found.append(grid.x.tobytes())
        assert found.count(found[0]) == len(found)
