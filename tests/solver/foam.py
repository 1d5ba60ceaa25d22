"""A foam whose cells are open, nearly sealed or sealed: what is hard for a solver of diffusion."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree


def foam(n, rng):
    """Pore of a Voronoi foam: few windows are open, the others have pinholes, some cells neither.

    A pinhole is one voxel wide: what is beyond it hangs on a hundredth of the conductance, where a
    small residual hides a large error.
    """
    seeds = rng.random((n**3 // 1000, 3)) * n
    xyz = np.stack(np.meshgrid(*[np.arange(n) + 0.5] * 3, indexing="ij"), -1)
    far, nearest = cKDTree(seeds).query(xyz, k=3)
    a, b = np.sort(nearest[..., :2], axis=-1).transpose(3, 0, 1, 2)
    window = rng.random((len(seeds),) * 2)[a, b] < 0.15
    sealed = rng.random(len(seeds)) < 0.2
    hole = (window | (rng.random(window.shape) < 0.03)) & ~sealed[a] & ~sealed[b]
    strut = far[..., 2] - far[..., 0] < 2.0  # three cells meet
    return ~((far[..., 1] - far[..., 0] < 1.5) & (strut | ~hole))
