"""Layers under load against closed forms (docs/theory.md: A17)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from scaffoldsim.config import read_entry
from scaffoldsim.model.mechanics import SHEAR, Load, Mechanics, octahedral_shear
from scaffoldsim.scaffold.grid import Grid

BONE: Any = read_entry("tissues", "bone")
CONTAINED: Any = read_entry("loads", "contained")
FEMUR: Any = read_entry("loads", "femur")
AGED = (9e9, 6e9)  # scaffold, mature bone; Pa


def box(shape: tuple[int, int, int], load: Load | None, modulus: float = AGED[0]) -> Mechanics:
    return Mechanics(Grid(shape, 2e-5), BONE, load, modulus=modulus)


def update(mechanics: Mechanics, scaffold: Any, mineral: Any) -> None:
    shape = mechanics.grid.shape
    none = np.zeros(shape, np.float32)
    s, m = (
        np.ascontiguousarray(np.broadcast_to(np.float32(a), shape)) for a in (scaffold, mineral)
    )
    mechanics.update(s, np.zeros((3, *shape), np.float32), m, none, none, time=0.0)


def test_uniaxial_strain_shears() -> None:
    """A17: γ_oct from the principal strains ε, −νε, −νε, and 1.2257 ε at ν = 0.3."""
    a, b = 1.0, -0.3
    shear = 2 / 3 * math.sqrt((a - b) ** 2 + (b - b) ** 2 + (b - a) ** 2)
    assert octahedral_shear(1.0) == pytest.approx(shear, rel=1e-12)
    assert octahedral_shear(1.0) == pytest.approx(1.2257, abs=5e-5)
    found = box((3, 3, 3), CONTAINED)
    update(found, 0.2, 0)
    np.testing.assert_allclose(found.stimulus, 1.2257e-3 / SHEAR, rtol=1e-4)  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [1, 3, 10])
def test_a_laminate_across_the_load_is_exact(n: int) -> None:
    """Full layers of scaffold and bone in series: the harmonic mean, which is Reuss's."""
    solid = np.zeros((4, 4, 10), np.float32)
    solid[:, :, :n] = 1
    found = box((4, 4, 10), FEMUR)
    update(found, solid, 1 - solid)
    exact = 1 / (n / 10 / AGED[0] + (1 - n / 10) / AGED[1])
    assert found.stiffness == pytest.approx(exact, rel=1e-12)
    assert found.reuss == pytest.approx(exact, rel=1e-12)
    assert found.strain is not None
    shortening = 1e6 * (n / 10 / AGED[0] + (1 - n / 10) / AGED[1])
    assert found.strain.mean() == pytest.approx(shortening, rel=1e-12)


@pytest.mark.parametrize("n", [1, 3, 10])
def test_a_laminate_along_the_load_is_exact(n: int) -> None:
    """Columns of scaffold and bone side by side: the arithmetic mean, which is Voigt's."""
    solid = np.zeros((10, 4, 4), np.float32)
    solid[:n] = 1
    found = box((10, 4, 4), FEMUR)
    update(found, solid, 1 - solid)
    exact = n / 10 * AGED[0] + (1 - n / 10) * AGED[1]
    assert found.stiffness == pytest.approx(exact, rel=1e-12)
    assert found.voigt == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_a_cellular_solid_has_the_square_of_its_density(share: float) -> None:
    """Open cells of one material, layers alike: E = E_s f² + (1 − f) E_p for any arrangement."""
    rng = np.random.default_rng(1)
    solid = np.zeros((20, 20, 6), np.float32)
    for z in range(6):
        at = rng.permutation(400)[: round(400 * share)]
        solid[at // 20, at % 20, z] = 1
    found = box((20, 20, 6), FEMUR)
    update(found, solid, 0)
    expected = AGED[0] * share**2 + (1 - share) * BONE.soft_modulus
    assert found.stiffness == pytest.approx(expected, rel=1e-9)
    assert found.reuss < found.stiffness < found.voigt


def test_bone_takes_over_from_a_scaffold_that_goes() -> None:
    """C2: bone takes two months; a scaffold that halves in 10 d collapses, in 30 d it does not."""
    lowest = {}
    for half in (10.0, 30.0, 60.0):
        found = box((3, 3, 3), FEMUR, modulus=80e9)
        for day in range(0, 200, 2):
            left = np.float32(0.08 * 0.5 ** (day / half))
            bone = np.float32(0.3 * -math.expm1(-((day / 60) ** 2)))
            update(found, left, bone)
        lowest[half] = found.lowest
        assert (found.time_to_collapse is not None) == (half == 10)
    assert lowest[10] < lowest[30] < lowest[60]
