from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from scaffoldsim.solver.diffusion import Diffusion, Domain, advance, steady_state
from tests.solver.reference import KM, D, H

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
    [
        ({"dt": 0.0, "previous": 0.1}, "dt is 0.0"),
        ({"dt": 1.0, "previous": -0.1}, "previous is"),
    ],
)
def test_bad_step(terms, words):
    with pytest.raises(ValueError, match=words):
        advance(**GOOD, **terms)


def species(pore, boundary):
    return Diffusion(Domain(pore, voxel=H), diffusivity=D, boundary=boundary)


@pytest.mark.parametrize("terms", [{"dt": 1.0}, {"previous": 0.1}])
def test_a_step_needs_both_its_arguments(terms):
    with pytest.raises(ValueError, match="go together"):
        species(np.ones((4, 4, 4)), {}).solve(0.1, **terms)


def test_axes_of_boundary_and_domain_agree():
    with pytest.raises(ValueError, match="periodic along x, the domain along none"):
        species(np.ones((4, 4, 4)), {"x": "periodic"})


def test_a_domain_says_what_is_wrong_with_it():
    for periodic in (True, (True, False), "x"):
        with pytest.raises(ValueError, match="must be three bools"):
            Domain(np.ones((2, 2, 2)), voxel=H, periodic=periodic)
    domain = Domain(np.ones((2, 2, 2)), voxel=H, threads=10**9)
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="make another one from its pore"):
            copied(domain)
    with pytest.raises(ValueError, match="the domain has"):
        domain.update(np.ones((2, 2, 3)))


def test_lists_and_integers_are_accepted():
    plain = species([[[1, 1], [1, 0]]], {"x-": 1})
    found = plain.solve([[[0, 0], [0, 0]]], decay=[[[1, 1], [1, 1]]]).value
    assert np.isfinite(found).sum() == 3
    assert "Diffusion((1, 2, 2)" in repr(plain)


def test_a_domain_told_of_changes_is_a_new_one():
    """From mask to partial pores and back, and where the most open voxel closes."""
    rng = np.random.default_rng(1)
    start = (rng.random((9, 8, 7)) < 0.8).astype(np.float32)
    domain = Domain(start, voxel=2e-5, threads=1)
    first, top = np.flatnonzero(start)[:2], 3
    pore = start
    every = range(start.size)
    changes = (
        *((first, 0.5), (first, 1), ([5], 0), (first, 0.25), (every, 0.5), ([7], top)),
        *(([7], 0.125), (every, 0), ([9], 0.5), ([10], 1e-12)),
    )
    for voxels, value in changes:
        pore = pore.copy()
        changed = np.array(voxels, np.int32)
        pore.reshape(-1)[changed] = value
        domain.update(pore, changed=changed)
        new = Domain(pore, voxel=2e-5, threads=1)
        assert (domain.factor, domain.newton.grid.mask.tobytes()) == (
            new.factor,
            new.newton.grid.mask.tobytes(),
        )
        for one, two in zip(domain.newton.grid.levels, new.newton.grid.levels, strict=True):
            np.testing.assert_array_equal(one.part, two.part)
            assert (one.links is None) == (two.links is None)
            for k, other in zip(one.k, two.k, strict=True):
                np.testing.assert_array_equal(k, other)
        for one, two in zip(domain.layers, new.layers, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("voxels", "value", "words"), [
    ([8], 1, "flat numbers of voxels, 0 to 7"), ([-1], 1, "flat numbers"),
    ([2], -1, "negative or not finite"), ([2], np.nan, "negative or not finite"),
])  # fmt: skip
def test_changes_are_checked(voxels, value, words):
    pore = np.full((2, 2, 2), 0.5)
    domain = Domain(pore, voxel=1e-5)
    pore[0, 1, 0] = value
    with pytest.raises(ValueError, match=words):
        domain.update(pore, changed=np.array(voxels))
