"""The same equations solved in double precision by SciPy, for small boxes."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import cg, spsolve

H, D, KM = 2e-5, 2e-9, 0.006  # m, m2/s, mol/m3: a voxel, oxygen in water
V_CELL = 98e-15 / 3600 / H**3  # mol/m3/s: one cell of 98 fmol/h in a voxel
DIRECT = 5000  # unknowns above which a factorisation takes too long for a test
ALL_FACES = dict.fromkeys(("x-", "x+", "y-", "y+", "z-", "z+"), 0.2)


def gyroid(n: int, period: float, level: float = -1.25) -> np.ndarray:
    """Pore mask of a gyroid network, 92 % porous at the default level."""
    a = (np.arange(n) + 0.5) * 2 * np.pi / period
    x, y, z = np.meshgrid(a, a, a, indexing="ij")
    field = np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)
    return field > level


def operator(pore, boundary):
    """Matrix and right side of -div(D p grad c) per voxel, in 1/s."""
    p = np.asarray(pore, float)
    index = np.arange(p.size).reshape(p.shape)
    rows, cols, vals = [], [], []
    diag, rhs = np.zeros(p.size), np.zeros(p.size)
    for axis, name in enumerate("xyz"):
        q, i = np.moveaxis(p, axis, 0), np.moveaxis(index, axis, 0)
        pairs = [(slice(None, -1), slice(1, None))]
        if boundary.get(name) == "periodic" and p.shape[axis] > 1:
            pairs.append((slice(-1, None), slice(None, 1)))
        for low, high in pairs:
            both = (q[low] > 0) & (q[high] > 0)
            a, b = q[low][both], q[high][both]
            k = 2 * a * b / (a + b) * D / H**2
            rows += [i[low][both], i[high][both]]
            cols += [i[high][both], i[low][both]]
            vals += [-k, -k]
            np.add.at(diag, i[low][both], k)
            np.add.at(diag, i[high][both], k)
        for side, layer in (("-", 0), ("+", -1)):
            if name + side in boundary:
                held = boundary[name + side]
                value, film = held if isinstance(held, tuple) else (held, np.inf)
                inside = q[layer] > 0
                half = 2 * D * q[layer][inside] / H
                k = (half if film == np.inf else half * film / (half + film)) / H
                np.add.at(diag, i[layer][inside], k)
                np.add.at(rhs, i[layer][inside], k * value)
    off = sparse.coo_matrix(
        (np.concatenate(vals), (np.concatenate(rows), np.concatenate(cols))), (p.size,) * 2
    )
    return off.tocsr() + sparse.diags(diag), rhs


def solve(
    pore,
    boundary,
    *,
    consumption=0.0,
    half_saturation=KM,
    decay=0.0,
    source=0.0,
    fixed=None,
    skip=None,
    start=None,
):
    """Newton from zero or `start`; voxels of `skip` keep zero."""
    a, rhs = operator(pore, boundary)
    shape, free = np.shape(pore), np.ravel(pore) > 0
    v, k, s = (np.broadcast_to(q, shape).ravel() for q in (consumption, decay, source))
    c = np.zeros(free.size) if start is None else np.nan_to_num(start).ravel()
    if fixed is not None:
        held = ~np.isnan(fixed.ravel()) & free
        c[held] = fixed.ravel()[held]
        free = free & ~held
    if skip is not None:
        free = free & ~skip.ravel()
    at = np.flatnonzero(free)
    for _ in range(100):
        w = 1 / (half_saturation + np.maximum(c, 0))
        f = rhs + s - a @ c - k * c - v * c * w
        jacobian = (a + sparse.diags(k + v * half_saturation * w * w))[at][:, at]
        if at.size < DIRECT:
            delta = spsolve(jacobian.tocsc(), f[at], permc_spec="MMD_AT_PLUS_A")
        else:
            jacobi = sparse.diags(1 / jacobian.diagonal())
            delta, failed = cg(jacobian, f[at], rtol=1e-11, maxiter=5000, M=jacobi)
            assert not failed
        new = np.maximum(c[at] + delta, 0)
        step, c[at] = np.abs(new - c[at]).max(), new
        if step < 1e-13:
            break
    c[np.ravel(pore) == 0] = np.nan
    return c.reshape(shape)
