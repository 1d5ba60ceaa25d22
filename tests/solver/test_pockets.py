"""Sealed pockets, empty problems, boxes of any size."""

from __future__ import annotations

import numpy as np
import pytest

from scaffoldsim.solver.diffusion import steady_state
from tests.solver.reference import ALL_FACES, KM, V_CELL, D, H, gyroid, solve

UNITS = {"voxel": H, "diffusivity": D}
GYROID = gyroid(16, 16)


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


@pytest.mark.parametrize(
    ("share", "tolerance"), [(0.1, 1e-9), (0.9, 1e-9), (0.999, 1e-9), (0.9999, 1e-6)]
)
@pytest.mark.parametrize("initial", [0.0, 5.0])
def test_pocket_balances_source_and_consumption(share, tolerance, initial):
    """The last hangs on a sink that is 1e-8 of the links: conjugate gradients hardly touch it."""
    value = pocket_values(
        source=only_in_pocket(share * V_CELL),
        consumption=V_CELL,
        half_saturation=KM,
        initial=initial,
        tolerance=1e-9,
    )
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
        (
            {"source": only_in_pocket(V_CELL), "consumption": V_CELL, "half_saturation": KM},
            r"27 voxels at \(5, 5, 3\) has a source of .* greatest consumption",
        ),
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
    found = steady_state(
        GYROID,
        boundary=ALL_FACES,
        initial=0.0,
        half_saturation=KM,
        consumption=np.zeros(GYROID.shape),
        **UNITS,
    )
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
        found.value, solve(np.ones(shape), boundary, **terms), rtol=0, atol=1e-6
    )


def test_walls_one_voxel_thick():
    pore = np.ones((21, 20, 22), bool)
    pore[::4], pore[:, ::5], pore[:, :, ::3] = False, False, False
    pore[::4, 2::5, 1::3] = True  # one small hole from room to room along x
    found = steady_state(
        pore, boundary={"x-": 0.2}, consumption=1e-4 * V_CELL, half_saturation=KM, **UNITS
    )
    expected = solve(pore, {"x-": 0.2}, consumption=1e-4 * V_CELL)
    np.testing.assert_allclose(found.value, expected, rtol=0, atol=2e-5)
