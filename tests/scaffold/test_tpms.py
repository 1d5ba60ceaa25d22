"""Minimal surfaces and spinodoids: formulas as published, symmetries, derivatives."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffoldsim.scaffold.families import get_family
from scaffoldsim.scaffold.families.waves import COS_2Y, COS_X, SIN_2X, SIN_Z, Waves

TAU = 2 * np.pi
s, c = np.sin, np.cos

# As printed in the literature, in x = 2πu; the sign of a net is that of its solid side.
FORMULAS = {
    "gyroid": lambda x, y, z: s(x) * c(y) + s(y) * c(z) + s(z) * c(x),
    "diamond": lambda x, y, z: (
        s(x) * s(y) * s(z) + s(x) * c(y) * c(z) + c(x) * s(y) * c(z) + c(x) * c(y) * s(z)
    ),
    "primitive": lambda x, y, z: c(x) + c(y) + c(z),
    "iwp": lambda x, y, z: (
        2 * (c(x) * c(y) + c(y) * c(z) + c(z) * c(x)) - (c(2 * x) + c(2 * y) + c(2 * z))
    ),
    "neovius": lambda x, y, z: 3 * (c(x) + c(y) + c(z)) + 4 * c(x) * c(y) * c(z),
    "frd": lambda x, y, z: (
        4 * c(x) * c(y) * c(z) - (c(2 * x) * c(2 * y) + c(2 * y) * c(2 * z) + c(2 * z) * c(2 * x))
    ),
    "fischer_koch_s": lambda x, y, z: (
        c(2 * x) * s(y) * c(z) + c(x) * c(2 * y) * s(z) + s(x) * c(y) * c(2 * z)
    ),
    "lidinoid": lambda x, y, z: (
        0.5 * (s(2 * x) * c(y) * s(z) + s(2 * y) * c(z) * s(x) + s(2 * z) * c(x) * s(y))
        - 0.5 * (c(2 * x) * c(2 * y) + c(2 * y) * c(2 * z) + c(2 * z) * c(2 * x))
        + 0.15
    ),
    "split_p": lambda x, y, z: (
        1.1 * (s(2 * x) * c(y) * s(z) + s(2 * y) * c(z) * s(x) + s(2 * z) * c(x) * s(y))
        - 0.2 * (c(2 * x) * c(2 * y) + c(2 * y) * c(2 * z) + c(2 * z) * c(2 * x))
        - 0.4 * (c(2 * x) + c(2 * y) + c(2 * z))
    ),
}
SOLID_SIDE = {"iwp": -1}
# (exchange of axes and signs, factor of g) that leave a surface where it is; a shift in periods
CYCLE = (lambda u, v, w: (v, w, u), 1)
SWAP = (lambda u, v, w: (v, u, w), 1)
MIRROR = (lambda u, v, w: (-u, v, w), 1)
INVERSION = (lambda u, v, w: (-u, -v, -w), 1)
SYMMETRIES = {
    "gyroid": [CYCLE, (lambda u, v, w: (-u, -v, -w), -1)],
    "diamond": [CYCLE, SWAP, (lambda u, v, w: (-u, -v, -w), -1)],
    "primitive": [CYCLE, SWAP, MIRROR, (lambda u, v, w: (u + 0.5, v + 0.5, w + 0.5), -1)],
    "iwp": [CYCLE, SWAP, MIRROR, (lambda u, v, w: (u + 0.5, v + 0.5, w + 0.5), 1)],
    "neovius": [CYCLE, SWAP, MIRROR, (lambda u, v, w: (u + 0.5, v + 0.5, w + 0.5), -1)],
    "frd": [CYCLE, SWAP, MIRROR, (lambda u, v, w: (u + 0.5, v + 0.5, w), 1)],
    "fischer_koch_s": [CYCLE, (lambda u, v, w: (-u, -v, -w), -1)],
    "lidinoid": [CYCLE, INVERSION, (lambda u, v, w: (0.5 - u, -v, 0.5 + w), 1)],
    "split_p": [CYCLE, INVERSION, (lambda u, v, w: (0.5 - u, -v, 0.5 + w), 1)],
}


@pytest.fixture(scope="module")
def places():
    return tuple(np.random.default_rng(7).random((3, 400)))


@pytest.mark.parametrize("name", FORMULAS)
def test_the_surface_is_that_of_its_formula(name, places):
    expected = FORMULAS[name](*(TAU * p for p in places))
    net = get_family(f"{name}_net").field(*places)
    np.testing.assert_allclose(net, SOLID_SIDE.get(name, 1) * expected, atol=1e-12)
    sheet = get_family(f"{name}_sheet")
    at_zero = np.abs(expected) < 0.05 * np.abs(expected).max()
    assert at_zero.sum() > 4
    slope = np.sqrt(sum(g**2 for g in get_family(f"{name}_net").gradient(*places)))
    steep = at_zero & (slope > 0.3 * slope.mean())
    np.testing.assert_allclose(sheet.field(*places)[steep], np.abs(expected / slope)[steep])


@pytest.mark.parametrize("name", SYMMETRIES)
def test_symmetries(name, places):
    field = get_family(f"{name}_net").field
    value = field(*places)
    for exchange, factor in SYMMETRIES[name]:
        np.testing.assert_allclose(field(*exchange(*places)), factor * value, atol=1e-12)
    for shift in np.eye(3):
        moved = tuple(p + d for p, d in zip(places, shift, strict=True))
        np.testing.assert_allclose(field(*moved), value, atol=1e-12)


@pytest.mark.parametrize(
    "name",
    [*(f"{a}_{b}" for a, b in itertools.product(FORMULAS, ("net", "sheet"))), "spinodoid",
     "spinodoid_sheet"],
)  # fmt: skip
def test_gradients_are_derivatives(name, places):
    family = get_family(name)
    h = 1e-5
    # a sheet bends on the surface itself, and its floor bends where the slope vanishes
    smooth = np.ones(places[0].size, bool)
    if name.endswith("sheet"):
        slope = np.sqrt(sum(g**2 for g in family.surface.value_and_gradient(*places)[1]))
        smooth = (slope > 0.2 * family.surface.rms_slope) & (family.field(*places) > 1e-3)
    found = family.gradient(*places)
    for axis in range(3):
        ahead, behind = ([p + sign * h * (a == axis) for a, p in enumerate(places)]
                         for sign in (1, -1))  # fmt: skip
        expected = (family.field(*ahead) - family.field(*behind)) / (2 * h)
        np.testing.assert_allclose(found[axis][smooth], expected[smooth], rtol=1e-4, atol=1e-5)


coefficients = st.floats(-2, 2)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(coefficients, coefficients, coefficients)
def test_series_add_and_multiply_as_their_values_do(a, b, d):
    u, v, w = np.random.default_rng(0).random((3, 20))
    left, right = a * COS_X + b * SIN_Z + d, SIN_2X * COS_2Y - 0.5 * SIN_Z
    x, y = left.value(u, v, w), right.value(u, v, w)
    np.testing.assert_allclose((left * right).value(u, v, w), x * y, atol=1e-12)
    np.testing.assert_allclose((left - right).value(u, v, w), x - y, atol=1e-12)
    np.testing.assert_allclose((-left).value(u, v, w), -x, atol=1e-12)


def test_a_grid_gives_what_its_points_give():
    axis = np.linspace(0, 1, 9, dtype=np.float32)
    u, v, w = axis[:, None, None], axis[None, :, None], axis[None, None, :]
    family = get_family("split_p_sheet")
    points = tuple(a.ravel() for a in np.broadcast_arrays(u, v, w))
    np.testing.assert_allclose(
        family.field(u, v, w).ravel(), family.field(*points), rtol=2e-4, atol=2e-6
    )


def test_the_slope_of_a_series_is_parsevals():
    u, v, w = np.random.default_rng(1).random((3, 200_000))
    waves = get_family("lidinoid_net").surface
    measured = np.sqrt(sum((g**2).mean() for g in waves.value_and_gradient(u, v, w)[1]))
    assert waves.rms_slope == pytest.approx(measured, rel=0.01)
    assert isinstance(waves, Waves)


def test_spinodoids_are_periodic_of_one_wavelength_and_of_their_seed():
    one, again, other = (get_family("spinodoid", {"seed": seed, "waves": 5}) for seed in (1, 1, 2))
    assert one.surface == again.surface != other.surface
    lengths = [np.linalg.norm(k) for k, _ in one.surface.terms]
    assert np.abs(np.array(lengths) - 5).max() <= 0.5
    assert len(lengths) > 300  # many directions: no axis is preferred
    k = np.array([wave for wave, _ in one.surface.terms])
    np.testing.assert_allclose((k**2).mean(axis=0), 25 / 3, rtol=0.1)
    values = one.field(*np.random.default_rng(3).random((3, 5000)))
    assert abs(np.median(values)) < 0.1 * values.std()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 1}, "options.seeds: spinodoid has no such option; did you mean 'seed'"),
        ({"seed": -1}, "options.seed: -1: Input should be greater than or equal to 0"),
        ({"waves": "many"}, "options.waves: 'many'"),
        ({"waves": 50, "seed": 1.5}, "options.waves: 50"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message.split(":")[0]) as caught:
        get_family("spinodoid", options)
    assert message in str(caught.value)


def test_a_family_without_options_says_so():
    with pytest.raises(ValueError, match=r"options\.seed: gyroid_net has no options"):
        get_family("gyroid_net", {"seed": 1})
