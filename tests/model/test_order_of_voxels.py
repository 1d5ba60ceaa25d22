"""Voxels of osteoblasts in order, sorted or marked."""

import numpy as np
import pytest

from scaffoldsim.model.tissue import _ascending


@pytest.mark.parametrize("n", [1, 7, 8, 9, 63, 1000])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 1.0])
def test_voxels_are_put_in_order(n: int, share: float) -> None:
    rng = np.random.default_rng(n)
    voxels = rng.permutation(n)[: round(share * n)].astype(np.int32)
    found = _ascending(voxels, n)
    assert found.dtype == np.int32
    assert np.array_equal(found, np.sort(voxels))
