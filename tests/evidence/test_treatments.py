"""What studies of treatments say of place and time, which no ratio of two arms holds."""

from __future__ import annotations

import numpy as np
import pytest

from scaffoldsim.compare.plan import make_plan
from scaffoldsim.model.model import Model
from scaffoldsim.model.walls import beside
from tests.evidence.conftest import Whole

pytestmark = pytest.mark.evidence


def test_bone_begins_on_the_scaffold_and_grows_together(whole: Whole) -> None:
    """P23: bone at the edge of coralline HA in week 4, connected plates in week 8."""
    study = make_plan("gene_modified_mandible").study
    run = whole(study.config, {**study.set, **study.arms["gene"]})
    early = run.frame_at(28 * 24)
    bone = run.matrix("osteoid", early) + run.matrix("mineral", early)
    pore = run.distance > 0
    edge = pore & (run.distance < 1.5 * run.voxel)
    on_edge, beyond = (float(bone[where].mean(dtype=np.float64)) for where in (edge, pore & ~edge))
    piece = run.metrics["largest_bone_piece"]
    table = run.metrics.assign(piece=piece).dropna(subset=["piece"]).set_index("time_h")["piece"]
    print(
        f"week 4: {on_edge:.1%} of the pore beside the scaffold is bone, {beyond:.1%} of the rest"
    )
    print(f"largest piece over the box: {table[28 * 24]:.2%} in week 4, {table[56 * 24]:.2%} in 8")
    assert on_edge > 1.5 * beyond
    assert table[56 * 24] > 1.5 * table[28 * 24]


def test_infused_cells_lie_only_where_blood_flows() -> None:
    """N16: into the rim of the head, beside vessels; the core without any gets none."""
    config = make_plan("arterial_infusion").configs["infusion"]
    model = Model(config=config)
    assert model.circulation is not None
    perfused = model.circulation.vessels.perfused
    graft = model.cells.voxel[model.cells.origin == 0]
    near = perfused | beside(perfused, model.grid.periodic)
    print(f"{graft.size} cells stay, {np.count_nonzero(near)} voxels lie beside blood")
    assert graft.size > 100
    assert near.ravel()[graft].all()
    assert model.place.dead is not None
    assert not (model.place.dead & perfused).any()
