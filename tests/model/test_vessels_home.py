"""Tips that come back to a face of the host join the vessels there by the share that is open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.model.plexus import NG_ML, UM, Z_HOST, Box, rules
from tests.model.test_vessels import QUICK, books

pytestmark = pytest.mark.filterwarnings("ignore:.*more than 2 × crowded")


def homing(share: Any, *, n: int = 1, law: Any = None, faces: Any = None) -> Box:
    """Vessels of four voxels from roots within the box, their tips on the way to the host."""
    law = law or rules(
        sprouting="0 1/h", branching="0 1/h", wandering=0, attraction=0, guidance=0, spacing="1 um"
    )
    density = np.broadcast_to(np.asarray(share, float) * float(law.root_density), (20 * n, 20, 12))
    box = Box((20 * n, 20, 12), law=law, vegf=1.0 * NG_ML, root_density=density.copy(),
              faces=faces or Z_HOST)  # fmt: skip
    graph = box.vessels.graph
    graph.nodes.n = graph.next_node = 0  # no root but those below
    ends = []
    for x in range(20 * n):
        for y in range(20):
            nodes = box.chain(*[(x + 0.5, y + 0.5, 7.5 - k) for k in range(4)])
            box.root(nodes[0])
            ends.append(nodes[-1])
    box.vessels.growth.start(np.array(ends), np.tile([0.0, 0.0, -1.0], (len(ends), 1)), 0.0)
    box.vessels.tips["laid"][:] = 3
    return box


def test_a_tip_that_comes_back_to_the_host_joins_its_vessels() -> None:
    box = homing(1.0).run(12)
    v, nodes = box.vessels, box.vessels.graph.nodes
    n = 400
    assert v.tips.n == 0
    assert v.n_roots == 2 * n
    ends = np.flatnonzero(nodes["root"] & (nodes["parent"] >= 0))
    assert (nodes["voxel"][ends] % 12 == 0).all()  # in the last voxel before the face
    assert not nodes["site"][ends].any()
    assert not v.carries.any()
    box.run(6 + 48)  # seen within six hours; a lumen takes two days
    assert v.carries.all()
    assert v.perfused[:, :, :8].all()
    assert not v.perfused[:, :, 8:].any()
    # in each of these vessels blood flows from one end to the other
    assert (np.abs(v.flow().flow) > 0).all()
    books(box)
    # what is lost leaves no root behind but those that can sprout
    nodes["site"][nodes["parent"] < 0] = True
    box.run(6, regression=np.full(box.grid.shape, 1.0))
    assert v.graph.edges.n == 0
    assert v.n_roots == nodes.n == n


def test_no_tip_joins_the_host_where_no_vessel_of_it_is_open() -> None:
    for share in (0.0, np.zeros((20, 20, 12))):
        v = homing(share).run(24).vessels
        assert v.flag[:, :, 0].mean() > 0.5  # they were there, and turned back
        assert v.n_roots == 400
    # nor behind a face that is none of the host
    for faces in ({**Z_HOST, "z-": "closed"}, {**Z_HOST, "z-": "medium"}):
        assert homing(1.0, faces=faces).run(24).vessels.n_roots == 400
    # nor one that is there and goes into the box
    box = homing(1.0)
    box.vessels.tips["offset"][:] = [0, 0, -80 * UM]
    box.vessels.tips["direction"][:] = [0, 0, 1]
    v = box.run(1).vessels
    assert (v.graph.voxel_of(v.tip_positions()) % 12 == 0).all()
    assert v.n_roots == 400
    # before it has laid three nodes a tip is at its own beginning
    box = homing(1.0)
    box.vessels.tips["laid"][:] = -100
    assert box.run(24).vessels.n_roots == 400


def test_tips_join_the_host_by_the_share_of_its_vessels_that_is_open() -> None:
    """Half where half are open; by voxel; for life, however long a tip is at the face."""
    for share, most in ((0.5, 0.5), (3.0, 1.0)):
        box = homing(share, n=2).run(12)
        n, found = 800, box.vessels.n_roots - 800
        assert abs(found - n * most) <= 4 * np.sqrt(n * most * (1 - most))
        for _ in range(3):  # those that did not keep coming
            box.vessels.tips["direction"][:] = [0, 0, -1]
            assert box.run(1).vessels.n_roots - n == found
    density = np.zeros((20, 20, 12))
    density[10:, :, 0] = 1.0
    for faces in (Z_HOST, {"x-": "host", "y": "periodic", "z-": "host"}):
        box = homing(density, faces=faces).run(12)
        ends = box.vessels.graph.nodes["root"] & (box.vessels.graph.nodes["parent"] >= 0)
        x = box.vessels.graph.nodes["voxel"][ends] // (20 * 12)
        assert sorted(x) == sorted([*range(10, 20)] * 20)


def test_a_restart_amid_those_that_come_back_gives_the_same_bytes() -> None:
    def again() -> Box:
        # half the way home, then sprouts, branches and chance
        return homing(np.where(np.arange(20)[:, None, None] < 10, 0.3, 0.8), law=QUICK)

    whole, half, resumed = again().run(80), again().run(13), again().run(2)
    assert 400 < half.vessels.n_roots < whole.vessels.n_roots
    resumed.vessels.load({k: v.copy() for k, v in half.vessels.state().items()})
    resumed.step = 13
    resumed.run(67)
    a, b = whole.vessels, resumed.vessels
    assert a.carries.any()
    for name, value in a.state().items():
        np.testing.assert_array_equal(value, b.state()[name], err_msg=name)
    np.testing.assert_array_equal(a.flow().flow, b.flow().flow)
    books(whole)
