"""Oxygen in blood: against the closed form along one vessel, and through a restart."""

from __future__ import annotations

from typing import Any

import numpy as np

from scaffoldsim.model.blood import oxygen_in_blood
from scaffoldsim.model.model import Model
from tests.model.body import kept, number
from tests.model.plexus import Box, rules
from tests.model.test_circulation import body, same

# a binding far below that of blood, so that a vessel of eight voxels loses something
D, LEVEL, BINDING = 2e-9, 0.052, 5.0


def straight(*, tissue: float) -> tuple[Box, np.ndarray[Any, Any], float]:
    """One vessel through 8 voxels; what blood holds in each, and its flow over that of the tube."""
    box = Box(law=rules(root_density="1 1/mm^2"), vegf=0.0, root_density=0.0)
    nodes = box.chain(*((5, 5, z) for z in (0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5)))
    box.vessels.graph.nodes["root"][nodes[[0, -1]]] = True
    box.run(54)
    v = box.vessels
    assert v.carries.all()
    shape = v.grid.shape
    held = oxygen_in_blood(
        v, np.full(shape, tissue), np.ones(shape), diffusivity=D, level=LEVEL, binding=BINDING
    )
    order = np.argsort(np.unravel_index(v.perfused_voxels, shape)[2])
    flow = v.flow().flow[0]
    return box, held[order] if flow > 0 else held[order][::-1], abs(float(flow))


def test_blood_loses_oxygen_as_the_closed_form_says() -> None:
    """(c - c_t)/(c_0 - c_t) = exp(-k s/(B q)), k = 4 D per length: four faces of each voxel."""
    tissue = 0.02
    box, held, flow = straight(tissue=tissue)
    h = box.vessels.grid.voxel
    middle = np.arange(1, 7) * h  # from the first node, to the middle of voxels 1 to 6
    share = np.exp(-4 * D * middle / (BINDING * flow))
    assert share[-1] < 0.97  # it does lose something here
    # the middle of a voxel against the mean of the two halves of edges in it; the first and last
    # voxels also border on what lies before and behind the vessel
    found = (held[1:7] - tissue) / (LEVEL - tissue)
    np.testing.assert_allclose(found, share, atol=0.15 * (1 - share[-1]))
    assert (np.diff(held) < 0).all()
    assert LEVEL > held[0] > held[-1] > tissue


def test_blood_in_tissue_as_rich_as_itself_loses_nothing() -> None:
    _, held, _ = straight(tissue=LEVEL)
    np.testing.assert_allclose(held, LEVEL, rtol=1e-6)


def test_a_restart_keeps_what_blood_holds() -> None:
    config = body(**{"host.vessels.oxygen_binding": number(2)})
    whole, half = Model(config, threads=1), Model(config, threads=2)
    while whole.running:
        whole.step()
    for _ in range(27):  # between two looks
        half.step()
    assert half.circulation is not None
    assert "vessels/oxygen" in kept(half)
    held = half.fields.value["oxygen"][half.circulation.vessels.perfused]
    assert held.min() < 0.99 * held.max()
    again = Model(config, threads=1)
    again.load(kept(half))
    while again.running:
        again.step()
    assert same(kept(whole), kept(again))


def test_without_binding_nothing_is_carried() -> None:
    model = Model(body(), threads=1)
    while model.running:
        model.step()
    assert "vessels/oxygen" not in kept(model)
