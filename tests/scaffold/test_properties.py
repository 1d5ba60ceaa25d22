"""What holds for every design and every geometry, whatever was asked."""

import numpy as np
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from scaffoldsim.scaffold.design import Infeasible
from scaffoldsim.scaffold.families import get_family
from scaffoldsim.scaffold.morphometry import measure
from scaffoldsim.scaffold.scaffold import Scaffold

QUICK = [
    "gyroid_net", "iwp_net", "primitive_sheet", "diamond_sheet", "split_p_net", "cubic", "bcc",
    "octet", "kelvin", "logpile", "opal_bcc", "opal_fcc", "voronoi_foam",
]  # fmt: skip
H = 20e-6


@settings(max_examples=10, derandomize=True, deadline=None,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(
    st.sampled_from(QUICK),
    st.sampled_from([0.5, 0.6, 0.7, 0.8, 0.9, 0.93]),
    st.floats(160e-6, 240e-6),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.tuples(*[st.floats(1.2e-3, 1.5e-3)] * 3),
)
def test_a_design_has_what_was_asked_or_is_refused_with_reasons(
    family, porosity, pore_size, periodic, size
):
    try:
        scaffold = Scaffold.design(
            family,
            porosity=porosity,
            pore_size=pore_size,
            size=size,
            voxel=H,
            periodic=periodic,
            criteria="report",
        )
    except Infeasible as refusal:
        event("refused")
        reasons = refusal.reasons
    else:
        event("built")
        reasons = None
    if reasons is not None:
        assert reasons
        assert all(reason.startswith(get_family(family).title) for reason in reasons)
        return
    found = scaffold.measure()
    assert abs(scaffold.porosity - porosity) <= 0.002
    assert abs(found.pore_size_mean_um / (pore_size * 1e6) - 1) <= 0.02
    np.testing.assert_array_equal(scaffold.distance < 0, scaffold.solid)
    for axis, wraps in enumerate(periodic):
        rounding = 0.5 * H if not wraps else 0.5 * scaffold._built.implicit.period[axis] + H
        assert abs(scaffold.grid.size[axis] - size[axis]) <= rounding + 1e-9


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(*[st.integers(4, 9)] * 3),
    st.floats(0.2, 0.8),
)
def test_pores_are_either_accessible_or_closed(seed, shape, share):
    """Against scipy: closed pores are the pieces that touch no face."""
    solid = np.random.default_rng(seed).random(shape) < share
    solid.flat[0], solid.flat[-1] = True, False
    labels, _ = ndimage.label(~solid)
    faces = [np.take(labels, end, axis) for axis in range(3) for end in (0, -1)]
    reached = np.unique(np.concatenate([face.ravel() for face in faces]))
    closed = (labels > 0) & ~np.isin(labels, reached)
    found = measure(solid, voxel=H)
    np.testing.assert_allclose(
        found.porosity, found.porosity_accessible + closed.mean(), rtol=0, atol=1e-12
    )
